/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions of several nodes in a GraphDef, named as TensorFlow names what it
 * makes below a scope: <scope>/Mul, <scope>/Mul_1, ... Names that are returned
 * live as long as the graphdef. */
#ifndef GRAPH_EXPR_H
#define GRAPH_EXPR_H

#include "graph/graphdef.h"

struct expr {
    struct graphdef *graph;
    const char *scope;
};

/* A node of one or two (b not NULL) inputs with the attribute T. It stays open:
 * graphdef_attr_*() go to it. */
const char *expr_op(const struct expr *,
                    const char *op,
                    enum crew_dtype t,
                    const char *a,
                    CREW_NULLABLE const char *b);
/* The same, called `name`, without the scope. */
const char *expr_op_as(const struct expr *,
                       const char *name,
                       const char *op,
                       enum crew_dtype t,
                       const char *a,
                       CREW_NULLABLE const char *b);
/* a and b are bool, so is the result: LogicalAnd, LogicalNot. */
const char *expr_logical(const struct expr *,
                         const char *op,
                         const char *a,
                         CREW_NULLABLE const char *b);
const char *expr_select(const struct expr *,
                        const char *condition,
                        enum crew_dtype t,
                        const char *yes,
                        const char *no);
/* `a` itself when there is nothing to do. */
const char *expr_cast(const struct expr *,
                      const char *a,
                      enum crew_dtype from,
                      enum crew_dtype to);
const char *expr_float(const struct expr *, float);
const char *expr_ints(const struct expr *, int rank, const int32_t *, int n);
/* A vector of int64. */
const char *expr_longs(const struct expr *, const int64_t *, int n);
/* Rows `ids` (int64) of a float32 tensor; `axis`: a scalar of int32. */
const char *expr_gather(const struct expr *,
                        const char *a,
                        const char *ids,
                        const char *axis);
/* Over the axes 0 to n - 1, or over one of them. */
const char *expr_sum_all(const struct expr *, const char *a, int n);
const char *expr_sum(const struct expr *, const char *a, int32_t axis);
const char *expr_reshape(const struct expr *,
                         enum crew_dtype t,
                         const char *a,
                         const int32_t *dims,
                         int n);

#endif
