/* SPDX-License-Identifier: Apache-2.0
 *
 * A trainer's part in the cluster, as one object on a network: its links to
 * every ps, what it has declared, loaded and pulled, its tickets and its
 * pushes. The blocking trainer (trainer_cluster.c) asks it for one operation at
 * a time and waits for on_done; the simulator drives many of them in one
 * thread.
 *
 * An operation completes exactly once, through on_done, which may come before
 * the function that began it has returned. Threads: the net's. */
#ifndef CLUSTER_SESSION_H
#define CLUSTER_SESSION_H

#include "cluster/trainer.h"
#include "rpc/net.h"

enum session_op {
    SESSION_NONE = 0,
    SESSION_ADOPT,
    SESSION_INITIALISE,
    SESSION_BEGIN,
    SESSION_NEXT,
    SESSION_FINISH,
    SESSION_LEAVE,
    SESSION_HOLD,
    SESSION_READ,
    SESSION_RELEASE,
    SESSION_SAVED,
    SESSION_STOP,
    SESSION_AWAIT
};

struct session_options {
    struct rpc_net *net;
    struct crew_env *env; /* for random numbers */
    int role;             /* ROLE_CHIEF or ROLE_WORKER */
    uint32_t index;
    int num_ps;
    const char *const *ps; /* addresses */
    const char *cluster;   /* canonical text */
    const char *host;      /* of this process, for messages */
    uint32_t pid;
    struct replicas replicas;
    const struct crew_optimizer *optimizers;
    int num_optimizers; /* at most OPTIM_MAX_GROUPS */
    struct trainer_var *vars;
    int num_vars;
    int64_t max_steps;
    int64_t save_checkpoints_steps;
    double save_checkpoints_secs;
    double session_creation_timeout_secs;
    uint64_t lost_ms; /* in training: for a ps out of reach; 0: 30 s */
    uint64_t
        stop_patience_ms; /* STOP: for a ps that cannot be reached; 0: 10 s */
    /* err->code 0: well; OUT_OF_RANGE and so on as in trainer.h. */
    void (*on_done)(void *self, enum session_op, const struct crew_err *err);
    /* A new line of the evaluator. May be NULL. */
    void (*on_evaluation)(void *self, int64_t step, const char *line);
    void *self;
    /* As in trainer.h; may be NULL. */
    void (*on_wait)(void *callbacks_self, const char *line);
    void (*on_notice)(void *callbacks_self, enum env_level, const char *line);
    void *callbacks_self;
};

struct session;

/* Begins to connect. Options' pointers are borrowed until closed. Errors:
 * INVALID_ARGUMENT, RESOURCE_EXHAUSTED. Owner: caller, session_close. */
CREW_MUST_CHECK int session_open(const struct session_options *,
                                 CREW_OUT struct session **,
                                 struct crew_err *);
/* Not from within a callback of the session. Its memory is gone when on_closed
 * is called. An operation under way completes with CANCELLED before that. */
void session_close(struct session *, void (*on_closed)(void *self), void *self);

/* Operations: as the functions of trainer_ops; only one at a time. `job_dir`
 * is borrowed until closed. */
void session_adopt(struct session *, uint64_t epoch, const char *job_dir);
void session_initialise(struct session *,
                        uint64_t epoch,
                        int64_t global_step,
                        const struct optim_powers *);
void session_begin(struct session *);
void session_next(struct session *);
void session_finish(struct session *);
void session_leave(struct session *);
void session_hold(struct session *);
void session_read(struct session *);
void session_release(struct session *);
void session_saved(struct session *, int64_t step);
void session_stop(struct session *,
                  int exit_code,
                  int64_t step,
                  const char *reason);
void session_await(struct session *, double secs);

/* Not an operation: variable i's gradient may be read until the step is
 * finished. */
void session_grad_ready(struct session *, int i, const float *grad);
/* The same of a table. */
void session_rows_ready(struct session *, int i, const struct optim_rows *);
/* A signal has come: waits end with CANCELLED, the one under way or the next
 * one. */
void session_interrupt(struct session *);

/* Results of the operations. */
bool session_adopted(const struct session *); /* the state that was there */
int64_t session_result_step(
    const struct session *); /* of the newest operation */
/* The newest step in ps 0's heartbeats, INT64_MAX once the job has ended or the
 * session has failed: the next operation says which. Any thread. */
int64_t session_heard_step(const struct session *);
int64_t session_global_step(const struct session *); /* the newest heard of */
uint64_t session_step_seq(const struct session *);   /* of the step under way */
const struct optim_powers *session_powers(
    const struct session *); /* of each optimizer */
const struct trainer_end *session_end(const struct session *);
bool session_evaluator(const struct session *);
/* Synchronous: batches that came too late. */
uint64_t session_dropped(const struct session *);
int64_t session_step_at(const struct session *); /* of the step under way */
uint64_t session_incarnation(const struct session *);

#endif
