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

/* metrics.c, for the other builders. `rule` is copied, thresholds too. A fault
 * sticks in the graph; what is given back is a metric all the same. */
struct crew_metric *metric_new(struct crew_graph *,
                               const char *name,
                               struct metric_rule rule,
                               CREW_NULLABLE struct crew_node *labels,
                               struct crew_node *predictions);
/* Of one float32 operand. */
struct crew_metric *metric_of_values(struct crew_graph *,
                                     const char *name,
                                     struct metric_rule rule,
                                     struct crew_node *x);
/* Of labels and predictions of one shape. */
struct crew_metric *metric_of_pairs(struct crew_graph *,
                                    const char *name,
                                    struct metric_rule rule,
                                    struct crew_node *labels,
                                    struct crew_node *predictions);
bool metric_is_integer(const struct crew_node *);
/* Operand i of m. */
void metric_check_present(struct crew_metric *m, int i, const char *what);
void metric_check_integer(struct crew_metric *m, int i, bool wanted);

/* Elements of a row: the product of all dimensions but the first. */
int64_t metric_per_row(const struct crew_shape *);

#endif
