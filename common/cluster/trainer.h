/* SPDX-License-Identifier: Apache-2.0
 *
 * What a training loop needs of the world: where variables live, who may do the
 * next step, how the state gets into a checkpoint. Two implementations behind
 * one vtable: trainer_local (one process, the update rule runs here) and
 * trainer_cluster (chief or worker of a TF_CONFIG cluster: a network thread
 * runs the session with every ps). All functions block and are called by the
 * one training thread; none logs: on_wait reports what takes long. on_wait and
 * on_notice are called on the network thread.
 *
 * Order of calls
 *   chief:  open, adopt, (initialise, [save], begin | begin, [save]),
 *           (next_step, (grad_ready | rows_ready)*, finish_step |
 *            hold, read_state, release)*,
 *           hold, read_state, stop, await_evaluator, close
 *
 *   worker: open, begin,
 *           (next_step, (grad_ready | rows_ready)*, finish_step)*, close
 */
#ifndef CLUSTER_TRAINER_H
#define CLUSTER_TRAINER_H

#include "base/env.h"
#include "config/tf_config.h"
#include "optim/optim.h"
#include "optim/replicas.h"

/* A variable and where its value is kept for the graph (n floats, 64-byte
 * aligned; the owner's). The trainer writes new values into it: after
 * grad_ready(i) and before finish_step returns for variable i, and in begin and
 * read_state. */
struct trainer_var {
    const char *name;
    struct crew_shape shape;
    int64_t n;
    float *value;
    float *slot[OPTIM_MAX_SLOTS]; /* chief and local: the owner's buffers; else
                                     NULL */
    int optimizer; /* who trains it: index into the options' optimizers */
    bool fixed;    /* its "gradient" is what it moves to (CREW_ASSIGN) */
    bool rows;     /* its gradients are of rows: rows_ready, not grad_ready */
};

/* How training ended, once next_step has returned OUT_OF_RANGE. */
struct trainer_end {
    int exit_code; /* 0: the goal is reached */
    int64_t step;
    char reason[256];
};

struct trainer_options {
    struct crew_env *env;
    const struct tf_config *tf; /* NULL: local */
    const struct crew_optimizer *optimizers;
    int num_optimizers;       /* at most OPTIM_MAX_GROUPS */
    struct replicas replicas; /* the same in every trainer */
    struct trainer_var *vars; /* borrowed, in the order of the graph */
    int num_vars;
    int64_t max_steps;              /* -1: none */
    int64_t save_checkpoints_steps; /* as in crew_run_config */
    double save_checkpoints_secs;
    double session_creation_timeout_secs;
    uint64_t lost_ms; /* in training: for a ps out of reach; 0: 30 s */
    bool insecure_network;
    CREW_NULLABLE const char *bind; /* --bind: another address to listen on */
    /* One line every 30 s while something is waited for: who and why. */
    void (*on_wait)(void *self, const char *line);
    /* Events worth a log line: a peer lost and back again. */
    void (*on_notice)(void *self, enum env_level, const char *line);
    void *self;
};

struct trainer;
struct trainer_ops {
    /* Chief, first of all, with its epoch (crewdir_claim_epoch): is there the
     * state of an earlier chief of this job (job_dir names it, borrowed until
     * close) on every ps? *adopted: then it is this trainer's too, values are
     * here, nothing is rolled back, and begin may be called. Local: never. */
    int (*adopt)(struct trainer *,
                 uint64_t epoch,
                 const char *job_dir,
                 CREW_OUT bool *adopted,
                 struct crew_err *);
    /* Chief, not adopted: make what was loaded or initialised in vars[].value
     * and .slot (and powers) the cluster's state, under `epoch`
     * (crewdir_claim_epoch), with this step. powers: of each optimizer. */
    int (*initialise)(struct trainer *,
                      uint64_t epoch,
                      int64_t global_step,
                      const struct optim_powers *,
                      struct crew_err *);
    /* Say that training may begin (chief) or wait until it may and fetch the
     * values (worker). OUT_OF_RANGE: the job has ended already. */
    int (*begin)(struct trainer *,
                 CREW_OUT int64_t *global_step,
                 struct crew_err *);
    /* Get the right to one more step. OUT_OF_RANGE: training is over, see
     * end(). Other errors: the cluster is lost (exit 138), or refused us (78);
     * a schedule has come to a rate that its rule cannot take
     * (INVALID_ARGUMENT, 1). */
    int (*next_step)(struct trainer *, struct crew_err *);
    /* vars[i]'s gradient is final; borrowed until finish_step returns. */
    void (*grad_ready)(struct trainer *, int i, const float *grad);
    /* The same of a table (vars[i].rows): each row once, ascending. */
    void (*rows_ready)(struct trainer *, int i, const struct optim_rows *grad);
    /* Wait until every ps has acknowledged. *global_step: of the cluster, this
     * step included. Synchronous: wait until the update is made; or dropped as
     * too late, or kept until further batches make it (then *global_step does
     * not rise). */
    int (*finish_step)(struct trainer *,
                       CREW_OUT int64_t *global_step,
                       struct crew_err *);
    /* This trainer makes no more steps (its input has ended, or a hook asked to
     * stop); the ticket it may hold goes back. */
    int (*leave)(struct trainer *, struct crew_err *);
    /* Chief: bring the cluster to a step boundary. DEADLINE_EXCEEDED after 30
     * s: the hold is given up, the save is to be skipped. */
    int (*hold)(struct trainer *,
                CREW_OUT int64_t *global_step,
                struct crew_err *);
    /* Chief, held: all values and slots into vars[], the powers of each
     * optimizer. */
    int (*read_state)(struct trainer *,
                      CREW_OUT struct optim_powers *,
                      struct crew_err *);
    /* Chief: go on. saved_step is told to the evaluator when the file is on
     * disk: release(-1) first, then saved(step). */
    int (*release)(struct trainer *, struct crew_err *);
    int (*saved)(struct trainer *, int64_t step, struct crew_err *);
    /* Chief: tell everybody that the job has ended. *evaluator: one has said
     * HELLO and will be waited for. Never blocks longer than 10 s. */
    int (*stop)(struct trainer *,
                int exit_code,
                int64_t step,
                const char *reason,
                CREW_OUT bool *evaluator,
                struct crew_err *);
    /* Chief, after stop: wait for the evaluator's last export, at most `secs`.
     * DEADLINE_EXCEEDED when it did not come. */
    int (*await_evaluator)(struct trainer *, double secs, struct crew_err *);
    /* The evaluator's newest result line for the progress display, "" before.
     * Never blocks. */
    void (*last_evaluation)(struct trainer *,
                            char *line,
                            size_t size,
                            CREW_OUT int64_t *step);
    /* The newest global step that ps 0 has told of, by heartbeat; INT64_MAX:
     * the job has ended or the cluster is lost, as next_step() will say. Never
     * blocks. */
    int64_t (*heard_step)(struct trainer *);
    const struct trainer_end *(*end)(const struct trainer *);
    /* A chief that has lost a ps (138) and has not called stop tells the others
     * first, at most 10 s. */
    void (*close)(struct trainer *);
};

/* Every implementation begins with this. */
struct trainer {
    const struct trainer_ops *ops;
};

/* Options are borrowed until close. */
CREW_MUST_CHECK int trainer_local_open(const struct trainer_options *,
                                       CREW_OUT struct trainer **,
                                       struct crew_err *);
/* Listens on the task's own address for status, starts the network thread, and
 * begins to connect; does not wait. Errors: bad or duplicate addresses (78),
 * port in use after 30 s of retries (138), an address that is not loopback
 * without insecure_network (78). */
CREW_MUST_CHECK int trainer_cluster_open(const struct trainer_options *,
                                         CREW_OUT struct trainer **,
                                         struct crew_err *);
/* Chief of a job that had already ended when it started: tell every ps that can
 * be reached within 30 s, then return. */
CREW_MUST_CHECK int trainer_announce_end(const struct trainer_options *,
                                         int64_t step,
                                         const char *reason,
                                         struct crew_err *);
/* Make a wait in any function end early with CANCELLED: a signal has come.
 * Async-signal-safe, any thread. */
void trainer_interrupt(struct trainer *);

#endif
