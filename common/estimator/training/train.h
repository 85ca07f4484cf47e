/* SPDX-License-Identifier: Apache-2.0
 *
 * One training session, the same for one process, a chief and a worker: what
 * differs is the trainer behind it and what the chief does besides.
 *
 *   training_open    model, plan, input, memory, trainer
 *   training_start   chief: restore or initialise, save; worker: wait for it
 *   training_loop    train_loop.c, read from top to bottom
 *   training_end     hooks' end (the last save), "Loss for final step"
 *   training_close
 *
 * Threads: all of it on the training thread. */
#ifndef ESTIMATOR_TRAIN_H
#define ESTIMATOR_TRAIN_H

#include "checkpoint/save.h"
#include "cluster/trainer.h"
#include "estimator/training/input_position.h"
#include "estimator/run/run.h"
#include "estimator/weights/weights.h"
#include "hooks/hook_session.h"

/* Why the loop ended. */
enum training_stop {
    STOP_GOAL = 0, /* the job is done: max_steps, or the chief says so */
    STOP_TOLD, /* the job was stopped by somebody else: see trainer's end() */
    STOP_INPUT_END, /* this process's input is at its end */
    STOP_HOOK,      /* a hook asked for it */
    STOP_SIGNAL,    /* SIGINT or SIGTERM */
    STOP_ERROR      /* see err */
};

/* Called after each save, as a CheckpointSaverListener (local evaluation).
 * last: no more saves will come. Both may be NULL. */
struct training_listener {
    int (*after_save)(void *self, int64_t step, bool last, struct crew_err *);
    int (*end)(void *self, int64_t step, struct crew_err *);
    void *self;
};

struct training {
    struct run *run;
    bool is_chief; /* or all in one process */
    struct training_listener listener;
    struct model *model;
    struct plan *plan;
    struct dataset_reader *input;
    bool keeps_position;              /* of the input, for the next start */
    struct input_position position;   /* where this session began to read */
    struct hook_timer position_timer; /* who saves no checkpoints */
    struct weights weights;
    struct replicas replicas;
    struct trainer_options options;
    struct trainer *trainer;
    struct crew_session session; /* hooks */
    struct saver_options saver;  /* chief */
    char *eval_dir;
    struct event_writer *events;  /* chief */
    struct ckpt_history *history; /* chief: which checkpoints are kept */
    uint64_t epoch;               /* chief: this life's number */
    char *job_dir;                /* chief: model_dir, absolute */
    bool adopted; /* chief: the state is an earlier chief's, on the ps */
    bool began;
    bool ending;
    enum training_stop stop;
    int64_t step;       /* global, as last heard */
    int64_t start_step; /* at the start of this session */
    int64_t local_steps;
    int64_t saved_step; /* newest on disk by this session, -1 */
    float loss;
    int *held; /* gradients.c: variables whose gradients wait, or NULL */
    int num_held;
    struct optim_row_sum *row_sums; /* by variable; NULL: none yet */
    int64_t evaluation_step;        /* of run->evaluation */
    bool is_warm; /* the weights are warm-started, to begin at warm_step */
    int64_t warm_step;
};

CREW_MUST_CHECK int training_open(struct training *,
                                  struct run *,
                                  bool is_chief,
                                  struct training_listener,
                                  struct crew_err *);
CREW_MUST_CHECK int training_start(struct training *, struct crew_err *);
/* Fills stop. Returns an error with STOP_ERROR only. */
CREW_MUST_CHECK int training_loop(struct training *, struct crew_err *);
CREW_MUST_CHECK int training_end(struct training *, struct crew_err *);
void training_close(struct training *);

/* Restore the newest checkpoint of model_dir into the state, or initialise it;
 * logs which. *step: 0 for a fresh one. */
CREW_MUST_CHECK int training_restore_or_init(struct training *,
                                             CREW_OUT int64_t *step,
                                             struct crew_err *);
/* What saving means to the chief (saving.c). Borrowed from it. */
const struct saver_options *training_saver(struct training *);
/* session_host's (train_host.c). */
CREW_MUST_CHECK int training_wait_step(void *training,
                                       double secs,
                                       CREW_OUT int64_t *step,
                                       struct crew_err *);
CREW_MUST_CHECK int training_evaluate(void *training,
                                      struct memory_evaluation *,
                                      struct crew_err *);

/* The input's position (training_input.c): open the input where it is to go on;
 * write down where it is. */
CREW_MUST_CHECK int training_open_input(struct training *,
                                        CREW_OUT struct dataset_spec *element,
                                        struct crew_err *);
CREW_MUST_CHECK int training_write_position(struct training *,
                                            int64_t step,
                                            struct crew_err *);
/* A hook that does it now and then, for a worker. */
void training_add_position_hook(struct training *);

#endif
