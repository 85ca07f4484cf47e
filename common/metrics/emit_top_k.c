/* SPDX-License-Identifier: Apache-2.0
 * The labels among the k largest scores of a row, as nodes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "graph/node.h"
#include "metrics/emit.h"

#include "base/banned.h"

/* The labels as int64 or int32, (rows, a, b) of which one is their number. */
static const char *labels(const struct emission *x, int64_t a, int64_t b)
{
    const struct crew_node *l = x->m->operand[LABELS];
    const int32_t dims[] = {-1, (int32_t)a, (int32_t)b};

    return expr_reshape(&x->e, CREW_INT32,
                        expr_cast(&x->e, l->name, l->dtype, CREW_INT32), dims,
                        3);
}

/* The classes of the k largest scores: (rows, 1, k). */
static const char *largest(const struct emission *x, int32_t k)
{
    const struct crew_node *p = x->m->operand[PREDICTIONS];
    const int32_t dims[] = {-1, 1, k};
    char second[300];
    const char *top = expr_op(&x->e, "TopKV2", CREW_FLOAT, p->name,
                              expr_ints(&x->e, 0, &k, 1));

    (void)snprintf(second, sizeof second, "%s:1", top);
    return expr_reshape(&x->e, CREW_INT32, second, dims, 3);
}

/* (rows, n, m) bool -> (rows, m) or (rows, n) numbers: is there one? */
static const char *any(const struct emission *x, const char *a, int32_t axis)
{
    const char *axes = expr_ints(&x->e, 1, &axis, 1);

    return expr_cast(&x->e, expr_logical(&x->e, "Any", a, axes), CREW_BOOL,
                     CREW_FLOAT);
}

static const char *row_sums(const struct emission *x, const char *a)
{
    const int32_t dims[] = {-1, 1};

    return expr_reshape(&x->e, CREW_FLOAT, expr_sum(&x->e, a, 1), dims, 2);
}

/* How many different labels each of n has: a column. */
static const char *different(const struct emission *x, int64_t n)
{
    struct crew_shape shape = crew_shape2(n, n);
    char name[256];
    float *earlier = xcalloc((size_t)(n * n), sizeof *earlier);
    const char *same, *mask, *seen;

    for (int64_t i = 0; i < n * n; i++) {
        earlier[i] = i % n < i / n ? 1.0f : 0.0f;
    }
    (void)snprintf(name, sizeof name, "%s/earlier", x->e.scope);
    mask = graphdef_free_name(x->e.graph, name);
    graphdef_const_copy(x->e.graph, mask, CREW_FLOAT, &shape, earlier,
                        (size_t)(n * n) * sizeof *earlier);
    free(earlier);
    same = expr_cast(
        &x->e,
        expr_op(&x->e, "Equal", CREW_INT32, labels(x, n, 1), labels(x, 1, n)),
        CREW_BOOL, CREW_FLOAT);
    seen = expr_sum(&x->e, emit_of2(x, "Mul", same, mask), 2);
    same = emit_of2(x, "Equal", seen, expr_float(&x->e, 0.0f));
    return row_sums(x, expr_cast(&x->e, same, CREW_BOOL, CREW_FLOAT));
}

void emit_top_k(const struct emission *x, const char **hits, const char **rest)
{
    const struct metric_rule *r = &x->m->rule;
    int64_t n = metric_per_row(&x->m->operand[LABELS]->shape);
    int64_t classes = x->m->operand[PREDICTIONS]->shape.dim[1];
    int64_t k = r->k < classes ? r->k : classes;
    const char *equal = expr_op(&x->e, "Equal", CREW_INT32, labels(x, n, 1),
                                largest(x, (int32_t)k));
    const char *of;

    *hits = row_sums(x, any(x, equal, 1));
    of = r->kind == METRIC_PRECISION_TOP_K ? expr_float(&x->e, (float)r->k)
                                           : different(x, n);
    *rest = emit_of2(x, "Sub", of, *hits);
}

const char *emit_in_top_k(const struct emission *x)
{
    const struct crew_node *l = x->m->operand[LABELS];
    const struct crew_node *p = x->m->operand[PREDICTIONS];
    struct graphdef *g = x->e.graph;
    const int32_t flat[] = {-1}, column[] = {-1, 1};
    const char *k, *in, *of;
    char name[256];
    int64_t wide = x->m->rule.k;
    int32_t narrow = (int32_t)wide;

    of = expr_reshape(&x->e, l->dtype, l->name, flat, 1);
    (void)snprintf(name, sizeof name, "%s/k", x->e.scope);
    k = graphdef_free_name(g, name);
    if (l->dtype == CREW_INT64) {
        struct crew_shape scalar = crew_scalar_shape();

        graphdef_const_copy(g, k, CREW_INT64, &scalar, &wide, sizeof wide);
    } else {
        graphdef_const_ints(g, k, 0, &narrow, 1);
    }
    (void)snprintf(name, sizeof name, "%s/InTopKV2", x->e.scope);
    in = graphdef_free_name(g, name);
    graphdef_node(g, in, "InTopKV2");
    graphdef_input(g, p->name);
    graphdef_input(g, of);
    graphdef_input(g, k);
    if (l->dtype != CREW_INT32) { /* TensorFlow's default */
        graphdef_attr_type(g, "T", l->dtype);
    }
    in = expr_cast(&x->e, in, CREW_BOOL, CREW_FLOAT);
    return expr_reshape(&x->e, CREW_FLOAT, in, column, 2);
}
