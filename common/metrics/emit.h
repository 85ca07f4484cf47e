/* SPDX-License-Identifier: Apache-2.0
 * A metric on its way to nodes, for emit.c and emit_value.c. */
#ifndef METRICS_EMIT_H
#define METRICS_EMIT_H

#include "graph/expr.h"
#include "metrics/metrics_impl.h"

enum { EMIT_MAX_PARTS = 4 };

/* A variable's name and shape, and the node that is added to it with every
 * batch. */
struct emit_part {
    const char *name, *sum;
    struct crew_shape shape;
};

struct emission {
    const struct crew_metric *m;
    struct expr e;
    struct emit_part parts[EMIT_MAX_PARTS];
    int n_parts;
};

/* Nodes of float32. */
const char *emit_of1(const struct emission *, const char *op, const char *a);
const char *emit_of2(const struct emission *,
                     const char *op,
                     const char *a,
                     const char *b);
bool emit_by_threshold(const struct emission *);
/* An operand as float32 (rows, columns), and times the weights. */
const char *emit_floats(const struct emission *, int operand);
const char *emit_weighted(const struct emission *, const char *values);

/* emit_classes.c: the batch's confusion matrix (num_classes, num_classes), the
 * labels' classes downwards. A label or prediction that is no class ends the
 * run with ScatterNd's error. */
const char *emit_confusion(const struct emission *);
/* The mean over the classes that were met of hits / (labels + predictions -
 * hits), from the sum of those matrices. */
const char *emit_mean_iou(const struct emission *, const char *confusion);

/* emit_value.c: the metric's value from the parts' sums. */
const char *emit_value(const struct emission *, const char *const *sums);

/* emit_top_k.c: a column of each row's labels among the k best, and of what the
 * hits are counted against beside them. */
void emit_top_k(const struct emission *, const char **hits, const char **rest);
/* A column: each row's average precision. */
const char *emit_average_precision(const struct emission *);
/* A column: 1 where the label's score is one of the k largest, as
 * nn.in_top_k. */
const char *emit_in_top_k(const struct emission *);

#endif
