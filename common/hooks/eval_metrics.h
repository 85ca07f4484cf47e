/* SPDX-License-Identifier: Apache-2.0
 * What evaluations have written into event files: tf.estimator's
 * read_eval_metrics. */
#ifndef HOOKS_EVAL_METRICS_H
#define HOOKS_EVAL_METRICS_H

#include "base/env.h"

struct eval_metric {
    int64_t step;
    int order; /* of reading: a later one of the same step and tag counts */
    char *tag;
    float value;
};
struct eval_metrics {
    struct eval_metric *items; /* by step, then tag; each pair once */
    int n;
};

/* All simple values below the folder, which need not exist. The rest of a file
 * that is damaged is passed over with a warning. Owner: caller,
 * eval_metrics_release(). */
CREW_MUST_CHECK int eval_metrics_read(struct crew_env *,
                                      const char *dir,
                                      CREW_OUT struct eval_metrics *,
                                      struct crew_err *);
void eval_metrics_release(struct eval_metrics *);

/* Where the items of the step at `from` end. */
int eval_metrics_step_end(const struct eval_metrics *, int from);
/* NULL when the step at `from` has no such tag. */
CREW_NULLABLE const struct eval_metric *
eval_metrics_find(const struct eval_metrics *, int from, const char *tag);

#endif
