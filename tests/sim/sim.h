/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster in one process: a chief, workers, two parameter servers, each on
 * its own mem_net, with the ledger of what was applied and counted. The
 * trainers are scripts that drive the real session; checkpoints go through the
 * real ckpt_save into files in memory. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/env.h"
#include "cluster/session.h"
#include "mem_net.h"
#include "ps.h"

#define SIM_MAX_VARS 6
#define SIM_MAX_WORKERS 3
#define SIM_NUM_PS 2
#define SIM_MAX_GRANULES 64

/* The model: integers, so that every sum is exact. */
struct sim_model {
    int num_vars;
    char name[SIM_MAX_VARS][32];
    struct crew_shape shape[SIM_MAX_VARS];
    int64_t n[SIM_MAX_VARS];
    bool table[SIM_MAX_VARS]; /* gradients are of rows */
    int64_t total;
};
float sim_initial(int var, int64_t i);
float sim_gradient(int var, int64_t i); /* of every step, learning rate 1 */
/* Is the row in a table's gradient of a trainer's step `seq`? */
bool sim_has_row(const struct sim_model *, int var, uint64_t seq, int64_t row);
#define SIM_MAX_ROWS 400

/* One step of one process, as the parameter servers saw it. */
struct sim_step {
    int role;
    uint32_t index;
    uint64_t incarnation, seq;
    uint64_t applied; /* by granule */
    bool counted;     /* in global_step */
    bool acked;       /* the trainer was told that it is complete */
};

struct sim_ledger {
    struct sim_step *steps;
    size_t n, cap;
    int64_t base_step;                    /* of this epoch */
    int64_t base_count[SIM_MAX_GRANULES]; /* updates in what was loaded */
    int64_t base_rows[SIM_MAX_VARS][SIM_MAX_ROWS]; /* the same of a table */
    int64_t counted;
};

/* Synchronous training: what the values must be, bit for bit. */
struct sim_batch {
    uint64_t incarnation, seq;
};
struct sim_oracle {
    int64_t step;                /* updates decided */
    float *value[SIM_MAX_VARS];  /* after them */
    float *loaded[SIM_MAX_VARS]; /* of the epoch to come */
    int64_t loaded_step;
    int64_t made[SIM_NUM_PS]; /* by each ps */
    int n;                    /* the newest set: */
    struct sim_part {
        int member;
        uint64_t incarnation, seq;
        uint32_t batches;
    } parts[2 + SIM_MAX_WORKERS];
    struct sim_batch *taken; /* that are in some set */
    size_t num_taken, cap_taken;
    int64_t epochs, batches, most_parts, fewest_parts;
    uint64_t ready_ms, first_ms; /* READY, and the first update after it */
    int first_parts;
};

struct sim;

/* A process that trains, from its start to its end. */
struct life {
    struct sim *sim;
    struct trainer_task *task;
    struct rpc_net *net;
    struct session *session;
    struct session_options options;
    struct trainer_var vars[SIM_MAX_VARS];
    float *grads[SIM_MAX_VARS];
    float *packed[SIM_MAX_VARS]; /* of a table: the rows that are in it */
    uint32_t rows[SIM_MAX_VARS][SIM_MAX_ROWS];
    struct rpc_timer timer;
    int state;
    bool dead;      /* killed, or at its end */
    bool have_done; /* an operation has completed: */
    enum session_op done;
    struct crew_err err;
    int next_var; /* whose gradient comes next */
    int64_t saved_step;
    bool saving, final;
    int64_t steps_left;            /* until its input ends; -1: never */
    uint64_t dropped, incarnation; /* when the step began */
    int64_t epochs;
    bool counted; /* bounded: it is among those that train */
    int64_t ahead[1 + SIM_MAX_WORKERS]; /* of each other trainer */
};

/* A task that may live several times. */
struct trainer_task {
    struct sim *sim;
    int role;
    uint32_t index;
    char who[32];
    struct life *life; /* NULL: none now */
    int lives_open;    /* not yet closed */
    struct rpc_timer restart, killer;
    bool finished;
    int kills_left;
    uint64_t begin_ms; /* that it needs before it trains; 0: by chance */
};

struct ps_task {
    struct sim *sim;
    uint32_t index;
    struct rpc_net *net;
    struct ps *ps;
    int exit_code;
    bool closed;
};

struct sim {
    uint64_t seed;
    bool verbose;
    struct world *world;
    struct crew_env *env;
    struct sim_model model;
    struct crew_optimizer optimizer;
    int num_workers;
    int64_t max_steps, save_steps;
    int64_t input_steps; /* of a worker's life; -1: without end */
    int start;           /* what becomes of the last worker; -1: as of others */
    struct ps_task ps[SIM_NUM_PS];
    struct trainer_task trainers[1 + SIM_MAX_WORKERS];
    struct sim_ledger ledger;
    struct replicas replicas;
    struct sim_oracle oracle;
    int64_t ready_count, most_ahead;
    int64_t dropped, left;
    int64_t saves, kills, pauses, torn, adopted;
    struct rpc_net *clock; /* for what happens to processes */
    struct rpc_timer pause;
    int pauses_left;
    bool stopped;      /* the chief has ended the job */
    char failure[512]; /* empty: none */
    struct placement *placement;
};

/* Remember the first failure. */
void sim_fail(struct sim *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ledger.c */
struct sim_step *ledger_step(struct sim_ledger *,
                             int role,
                             uint32_t index,
                             uint64_t incarnation,
                             uint64_t seq);
void ledger_probe(struct sim *, struct ps_probe *);
/* What was loaded is the state of a new epoch. */
void ledger_restart(struct sim *, const struct trainer_var *vars, int64_t step);
/* These values are those of global_step, plus steps that were torn. */
void ledger_check(struct sim *,
                  const struct trainer_var *vars,
                  int64_t global_step,
                  const char *what);

/* oracle.c: synchronous training */
void oracle_probe(struct sim *, struct ps_probe *);
void oracle_restart(struct sim *, const struct trainer_var *vars, int64_t step);
void oracle_check(struct sim *,
                  const struct trainer_var *vars,
                  int64_t global_step,
                  const char *what);
/* The gradients that a life computes from the values it has. */
void oracle_compute(struct life *);
/* A step has been finished: is it where it belongs? */
void oracle_finished(struct life *);
void oracle_free(struct sim *);

/* bound.c: bounded staleness */
void bound_begin(struct life *);
void bound_finished(struct life *);

/* checkpoint.c */
int sim_save(struct sim *,
             const struct trainer_var *vars,
             int64_t step,
             uint64_t epoch,
             struct crew_err *);
/* The newest checkpoint into the variables; -1: there is none, they are
 * initial. */
int64_t sim_restore(struct sim *, struct trainer_var *vars);
void sim_check_files(struct sim *);

/* trainer.c */
void task_start(struct trainer_task *);
void task_kill(struct trainer_task *);
/* And it is not started again. */
void task_kill_for_good(struct trainer_task *);
/* It ends by itself; nothing when it is not running. */
void task_give_up(struct trainer_task *);

#endif
