/* SPDX-License-Identifier: Apache-2.0
 * A metric from the inside, for the files of this folder. */
#ifndef METRICS_METRICS_IMPL_H
#define METRICS_METRICS_IMPL_H

#include "metrics/metrics.h"
#include "metrics/rule.h"

/* Places of the operands. */
enum { LABELS, PREDICTIONS, NORMALIZER, WEIGHTS };

struct crew_metric {
    struct crew_graph *graph;
    const char *name; /* of the function that made it */
    struct metric_rule rule;
    struct crew_node *operand[METRIC_MAX_INPUTS]; /* NULL: has none */
    float thresholds[];
};

/* Elements of a row: the product of all dimensions but the first. */
int64_t metric_per_row(const struct crew_shape *);

#endif
