/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's SessionRunHooks: the list a training session runs through, and
 * the ones Estimator always adds. A hook decides when; what it does to the
 * world goes through the callbacks it was made with, so that every one of them
 * can be tested with a virtual clock and without a cluster.
 *
 * The order on a chief is MonitoredTrainingSession's: checkpoint saver, the
 * model's chief hooks, step counter, summary saver, stop at step, loss logging,
 * the model's hooks. The NaN guard is no hook here: it looks at the loss before
 * anything is pushed (hook_check_loss), where TensorFlow's looks after.
 * Threads: the training thread. */
#ifndef HOOKS_HOOKS_H
#define HOOKS_HOOKS_H

#include "base/env.h"
#include "base/strbuf.h"
#include "hooks/timer.h"
#include "summary/event_writer.h"

/* -------------------------------------------------------------- the list */

struct hook_entry {
    struct crew_hook hook;
    bool owned;
};
struct hook_list {
    struct hook_entry *items;
    int n;
};
void hook_free(struct crew_hook);
void listener_free(struct crew_saving_listener);
void hook_list_init(struct hook_list *);
/* Frees the hooks it owns. */
void hook_list_release(struct hook_list *);
void hook_list_add(struct hook_list *,
                   const struct crew_hook_ops *ops,
                   CREW_TAKES CREW_NULLABLE void *self);
void hook_list_take(struct hook_list *, CREW_TAKES struct crew_hook);
/* The same without taking it. */
void hook_list_borrow(struct hook_list *, struct crew_hook);

/* The phases, in the order hooks were added. The first error ends a phase. */
CREW_MUST_CHECK int hook_list_begin(struct hook_list *,
                                    CREW_NULLABLE struct crew_session *,
                                    struct crew_err *);
CREW_MUST_CHECK int hook_list_after_create_session(struct hook_list *,
                                                   int64_t step,
                                                   struct crew_err *);
CREW_MUST_CHECK int hook_list_before_run(struct hook_list *,
                                         struct crew_run_context *,
                                         struct crew_err *);
CREW_MUST_CHECK int hook_list_after_run(struct hook_list *,
                                        struct crew_run_context *,
                                        struct crew_err *);
/* All hooks are called; the first error is the one returned. */
CREW_MUST_CHECK int hook_list_end(struct hook_list *,
                                  int64_t global_step,
                                  struct crew_err *);

/* ------------------------------------------------------------- the guard */

/* Errors: INVALID_ARGUMENT (exit 1), with TensorFlow's words, when the loss is
 * NaN or infinite. Logs "Model diverged with loss = NaN." first. */
CREW_MUST_CHECK int hook_check_loss(struct crew_env *,
                                    float loss,
                                    struct crew_err *);

/* The loss is NaN and a hook of the session wants that to be a stop: warns. */
bool hook_nan_stops(struct crew_session *, float loss);

/* ------------------------------------------------------------- the hooks */

/* One whose arguments are wrong: begin says so (INVALID_ARGUMENT, exit 1). */
struct crew_hook hook_broken(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* LoggingTensorHook of `loss` and `step` as Estimator has it: `loss = X, step =
 * Y (Z sec)` on the first and then every n-th of this process's own steps. The
 * step is the one the loss belongs to, before it was counted. */
void hook_add_logging(struct hook_list *, struct crew_env *, int64_t every_n);

/* StepCounterHook: `global_step/sec: R` every n global steps, of all trainers
 * together; to the events too. */
void hook_add_step_counter(struct hook_list *,
                           struct crew_env *,
                           int64_t every_n,
                           CREW_NULLABLE struct event_writer *);

/* SummarySaverHook: on the first step and then every n global steps, the
 * model's own summaries and, unless one of them has that tag, `loss`; as one
 * event. A histogram of what is not finite ends training, as in TensorFlow. */
enum hook_summary_kind {
    HOOK_SCALAR = 0, /* float32 */
    HOOK_HISTOGRAM,  /* any numbers */
    HOOK_IMAGE,      /* float32 (b, h, w, c) */
    HOOK_TEXT        /* written once */
};
/* Borrowed until the next step. */
struct hook_summary {
    enum hook_summary_kind kind;
    const char *tag;
    const char *text;
    int64_t max_outputs; /* of images */
    enum crew_dtype dtype;
    struct crew_shape shape; /* the batch filled in */
    const void *data;
};
struct hook_summaries {
    int n;
    /* Summary i, asked for after a step has run; tag and kind are always the
     * same. */
    struct hook_summary (*get)(void *self, int i);
    /* What it is computed from, NULL: nothing. NULL itself: always computed. */
    struct crew_node *(*node)(void *self, int i);
    void *self;
};
/* Its values, under its tag; a text when `first`. Errors: a histogram of what
 * is not finite; an image that is none. */
struct event_summary;
CREW_MUST_CHECK int hook_summary_add(struct event_summary *,
                                     const struct hook_summary *,
                                     bool first,
                                     struct crew_err *);
void hook_add_summary(struct hook_list *,
                      struct crew_env *,
                      int64_t every_n,
                      struct event_writer *,
                      struct hook_summaries);

/* CheckpointSaverHook. What saving means is the host's. */
struct saver_ops {
    /* Bring the state to a step boundary and say which. DEADLINE_EXCEEDED:
     * could not be held, this save is skipped. */
    int (*hold)(void *self, CREW_OUT int64_t *step, struct crew_err *);
    /* Let go without saving. */
    int (*release)(void *self, struct crew_err *);
    /* Read the held state, let go, write the files of `step`. */
    int (*write)(void *self, int64_t step, struct crew_err *);
    /* A checkpoint of `step` is on disk (a CheckpointSaverListener's
     * after_save). last: the one of the end. Either may be NULL. */
    int (*after_save)(void *self,
                      int64_t step,
                      bool *request_stop,
                      struct crew_err *);
    int (*end)(void *self, int64_t step, struct crew_err *);
};
struct saver_options {
    struct crew_env *env;
    const char *model_dir; /* borrowed */
    double secs; /* as crew_run_config: one of the two, -1 or 0: unset */
    int64_t steps;
    CREW_NULLABLE struct event_writer *events;
    const struct saver_ops *ops;
    void *self;
    /* Called around each save, before after_save and end. Borrowed. */
    const struct crew_saving_listener *listeners;
    int num_listeners;
    /* When the last save fails: how often to try again, and how long to wait.
     */
    int final_retries;
    void (*wait)(void *self, double secs);
};
/* A save that fails while training goes on is a logged error and is tried again
 * at the next trigger; the first of the session, and the last, end training
 * (UNAVAILABLE, exit 138, for the last). */
void hook_add_saver(struct hook_list *, const struct saver_options *);

/* SecondOrStepTimer's words. */
#define HOOK_TIMER_BOTH "Can not provide both every_secs and every_steps."
#define HOOK_TIMER_NEITHER \
    "Either every_secs or every_steps should be provided."

/* Is it one of crew_checkpoint_saver_hook()? */
bool hook_is_saver(struct crew_hook);

/* -------------------------------------------------------------- wording */

/* A value as Python prints NumPy's with suppress=True: a scalar as
 * hook_float_text, an array in brackets, wrapped at 75 columns and with dots in
 * the middle when it has more than 1000 elements. */
void hook_value_text(const struct crew_value *, struct strbuf *);

/* A float32 as Python prints numpy's: the shortest text that reads back the
 * same, "0.66875", "1e-05", "1.0", "nan". Returns buf. */
const char *hook_float_text(float, char *buf, size_t size);

#endif
