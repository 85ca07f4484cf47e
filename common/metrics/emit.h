/* SPDX-License-Identifier: Apache-2.0
 * A metric on its way to nodes, for emit.c and emit_value.c. */
#ifndef METRICS_EMIT_H
#define METRICS_EMIT_H

#include "graph/expr.h"
#include "metrics/metrics_impl.h"

enum { EMIT_MAX_PARTS = 4 };

/* A variable's name, and the node that is added to it with every batch: a
 * scalar, or of_each numbers. */
struct emit_part {
    const char *name, *sum;
    int64_t of_each;
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

/* emit_value.c: the metric's value from the parts' sums. */
const char *emit_value(const struct emission *, const char *const *sums);

/* emit_top_k.c: a column of each row's labels among the k largest, and of what
 * the hits are counted against beside them. */
void emit_top_k(const struct emission *, const char **hits, const char **rest);
/* A column: 1 where the label's score is one of the k largest, as
 * nn.in_top_k. */
const char *emit_in_top_k(const struct emission *);

#endif
