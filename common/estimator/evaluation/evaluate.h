/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluations of checkpoints: an EVAL graph with a plan of its own,
 * TensorFlow's log lines, events in eval/ or eval_<name>/, then the exporters.
 * Never moves global_step. One event file a process. Threads: the caller's. */
#ifndef ESTIMATOR_EVALUATE_H
#define ESTIMATOR_EVALUATE_H

#include "estimator/export/best_exporter.h"
#include "estimator/run/run.h"
#include "estimator/weights/weights.h"
#include "hooks/hook_session.h"
#include "summary/event_writer.h"

struct eval_result {
    int64_t global_step;
    char line[512]; /* "accuracy = 0.98, global_step = 500, loss = 0.05" */
};

struct evaluator {
    struct run *run;
    char *dir;                      /* of the events */
    struct event_writer *events;    /* opened at the first evaluation */
    int64_t last_step;              /* evaluated; -1: none */
    struct crew_eval_result result; /* its scalars; owned */
    struct best_memory best[CREW_MAX_EXPORTERS]; /* by the exporter's place */
};
void evaluator_init(struct evaluator *, struct run *);
void evaluator_release(struct evaluator *);
/* Where a run's evaluations write. Owner: caller, free(). */
char *evaluator_dir(const struct run *);

/* Evaluate weights in memory, those of `step`, without a checkpoint, as one of
 * `run` with another input. evaluation_forget() frees what->state. */
CREW_MUST_CHECK int evaluate_weights(struct run *,
                                     const struct weights *,
                                     int64_t step,
                                     struct memory_evaluation *what,
                                     struct crew_err *);
void evaluation_forget(void *state);

/* Evaluate the checkpoint `prefix` (NULL: the initialised model) and run the
 * exporters; run->results gets it all. is_final: no more checkpoints will come.
 * Errors: NOT_FOUND, the checkpoint is gone (take the next); CANCELLED by a
 * signal; what weights_restore, the model or the input say. */
CREW_MUST_CHECK int evaluator_run(struct evaluator *,
                                  CREW_NULLABLE const char *prefix,
                                  bool is_final,
                                  CREW_OUT struct eval_result *,
                                  struct crew_err *);

/* Run the EvalSpec's exporters on the checkpoint that was evaluated last; the
 * folders go to run->exports. */
CREW_MUST_CHECK int exporters_run(struct evaluator *,
                                  const char *prefix,
                                  bool is_final,
                                  struct crew_err *);
/* Only what exporters_run did not run when this checkpoint was not yet known to
 * be the last. */
CREW_MUST_CHECK int exporters_run_final(struct evaluator *,
                                        const char *prefix,
                                        struct crew_err *);

#endif
