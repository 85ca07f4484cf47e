/* SPDX-License-Identifier: Apache-2.0
 * The labels among the k best classes of a row, as nodes. Classes are compared
 * as int64, labels standing downwards and predictions across. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "graph/node.h"
#include "metrics/emit.h"

#include "base/banned.h"

/* -------------------------------------------------------------- the classes */

static int64_t num_labels(const struct emission *x)
{
    return metric_per_row(&x->m->operand[LABELS]->shape);
}

/* How many a row has on the side of the predictions. */
static int64_t num_predictions(const struct emission *x)
{
    int64_t columns = x->m->operand[PREDICTIONS]->shape.dim[1];

    return x->m->rule.by_class || x->m->rule.k > columns ? columns
                                                         : x->m->rule.k;
}

/* (rows, a, b) of what has a b classes a row. */
static const char *laid_out(const struct emission *x,
                            const char *classes,
                            int64_t a,
                            int64_t b)
{
    const int32_t dims[] = {-1, (int32_t)a, (int32_t)b};

    return expr_reshape(&x->e, CREW_INT64, classes, dims, 3);
}

static const char *labels(const struct emission *x)
{
    const struct crew_node *l = x->m->operand[LABELS];

    return expr_cast(&x->e, l->name, l->dtype, CREW_INT64);
}

/* Those of the k largest scores, or the predictions themselves. */
static const char *predictions(const struct emission *x)
{
    const struct crew_node *p = x->m->operand[PREDICTIONS];
    const int32_t k = (int32_t)num_predictions(x);
    char second[300];
    const char *top;

    if (x->m->rule.by_class) {
        return expr_cast(&x->e, p->name, p->dtype, CREW_INT64);
    }
    top = expr_op(&x->e, "TopKV2", CREW_FLOAT, p->name,
                  expr_ints(&x->e, 0, &k, 1));
    (void)snprintf(second, sizeof second, "%s:1", top);
    return expr_cast(&x->e, second, CREW_INT32, CREW_INT64);
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

/* (rows, n) numbers: 1 at the first of n classes that are the same. */
static const char *firsts(const struct emission *x,
                          const char *classes,
                          int64_t n)
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
        expr_op(&x->e, "Equal", CREW_INT64, laid_out(x, classes, n, 1),
                laid_out(x, classes, 1, n)),
        CREW_BOOL, CREW_FLOAT);
    seen = expr_sum(&x->e, emit_of2(x, "Mul", same, mask), 2);
    same = emit_of2(x, "Equal", seen, expr_float(&x->e, 0.0f));
    return expr_cast(&x->e, same, CREW_BOOL, CREW_FLOAT);
}

/* (rows, predictions) numbers: is that one of the row's labels? */
static const char *relevant(const struct emission *x, const char *said)
{
    const char *equal = expr_op(&x->e, "Equal", CREW_INT64,
                                laid_out(x, labels(x), num_labels(x), 1),
                                laid_out(x, said, 1, num_predictions(x)));

    return any(x, equal, 1);
}

/* ------------------------------------------------- precision and recall at k
 */

/* A column: is class_id one of the row's n classes? */
static const char *has_class(const struct emission *x,
                             const char *classes,
                             int64_t n)
{
    const int32_t dims[] = {-1, (int32_t)n}, column[] = {-1, 1};
    const char *class_id = expr_longs(&x->e, &x->m->rule.class_id, 1);
    const char *equal =
        expr_op(&x->e, "Equal", CREW_INT64,
                expr_reshape(&x->e, CREW_INT64, classes, dims, 2), class_id);

    return expr_reshape(&x->e, CREW_FLOAT, any(x, equal, 1), column, 2);
}

void emit_top_k(const struct emission *x, const char **hits, const char **rest)
{
    const struct metric_rule *r = &x->m->rule;
    bool of_predictions = r->kind == METRIC_PRECISION_TOP_K;
    const char *said = predictions(x), *of;

    if (r->one_class) {
        const char *is = has_class(x, labels(x), num_labels(x));
        const char *yes = has_class(x, said, num_predictions(x));

        *hits = emit_of2(x, "Mul", is, yes);
        of = of_predictions ? yes : is;
    } else {
        const char *found = relevant(x, said), *once = NULL;

        if (r->by_class) { /* a class that is predicted twice counts once */
            once = firsts(x, said, num_predictions(x));
            found = emit_of2(x, "Mul", found, once);
        }
        *hits = row_sums(x, found);
        if (!of_predictions) {
            of = row_sums(x, firsts(x, labels(x), num_labels(x)));
        } else {
            of = once != NULL ? row_sums(x, once)
                              : expr_float(&x->e, (float)r->k);
        }
    }
    *rest = emit_of2(x, "Sub", of, *hits);
}

/* ---------------------------------------------------------------- the others
 */

/* 1, 2, ..., n. */
static const char *places(const struct emission *x, int64_t n)
{
    struct crew_shape shape = crew_shape1(n);
    float *place = xcalloc((size_t)n, sizeof *place);
    char name[256];
    const char *kept;

    for (int64_t i = 0; i < n; i++) {
        place[i] = (float)(i + 1);
    }
    (void)snprintf(name, sizeof name, "%s/places", x->e.scope);
    kept = graphdef_free_name(x->e.graph, name);
    graphdef_const_copy(x->e.graph, kept, CREW_FLOAT, &shape, place,
                        (size_t)n * sizeof *place);
    free(place);
    return kept;
}

const char *emit_average_precision(const struct emission *x)
{
    const int32_t axis = 1, dims[] = {-1, (int32_t)num_labels(x)};
    const int64_t none = 0;
    const char *is = relevant(x, predictions(x));
    const char *so_far =
        expr_op(&x->e, "Cumsum", CREW_FLOAT, is, expr_ints(&x->e, 0, &axis, 1));
    const char *precision =
        emit_of2(x, "RealDiv", so_far, places(x, num_predictions(x)));
    const char *sum = row_sums(x, emit_of2(x, "Mul", precision, is));
    const char *real =
        expr_op(&x->e, "GreaterEqual", CREW_INT64,
                expr_reshape(&x->e, CREW_INT64, labels(x), dims, 2),
                expr_longs(&x->e, &none, 1));

    real = row_sums(x, expr_cast(&x->e, real, CREW_BOOL, CREW_FLOAT));
    return emit_of2(
        x, "RealDiv", sum,
        emit_of2(x, "Minimum", real, expr_float(&x->e, (float)x->m->rule.k)));
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
