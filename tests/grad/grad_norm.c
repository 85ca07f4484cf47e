/* SPDX-License-Identifier: Apache-2.0
 * Gradient cases of normalisation, lookups that combine, and products of many
 * matrices. */
#include "grad_cases.h"

#include "base/banned.h"

struct crew_node *build_batch_matmul(struct trial *t)
{
    struct crew_node *a = crew_reshape(
        t->g, var(t, "a", crew_shape4(2, 2, 3, 4)), crew_shape4(2, 2, 3, 4));

    return crew_batch_matmul(t->g, a, var(t, "b", crew_shape4(2, 2, 4, 5)));
}

struct crew_node *build_log_softmax(struct trial *t)
{
    return crew_log_softmax(t->g, var(t, "x", crew_shape2(BATCH, 5)));
}

/* Averages that are no part of the gradient are "ready" all the same. */
struct crew_node *build_batch_norm(struct trial *t)
{
    struct crew_node *x[4] = {var(t, "x", crew_shape4(BATCH, 2, 2, 3)), NULL,
                              var(t, "gamma", crew_shape1(3)),
                              var(t, "beta", crew_shape1(3))};

    x[1] = graph_add(t->g, &op_moments, "moments", 1, x, (union op_attr){0});
    return graph_add(t->g, &op_batch_norm, "norm", 4, x,
                     (union op_attr){.norm = {0.1f, true, true, true}});
}

static struct crew_node *frozen(struct trial *t, bool fused, bool whole)
{
    struct crew_node *x[5], *v;
    int n = 0;

    x[n++] = var(t, "x", crew_shape4(BATCH, 2, 2, 3));
    x[n++] = var(t, "mean", crew_shape1(3));
    v = crew_square(t->g, var(t, "variance", crew_shape1(3)));
    x[n++] = crew_shift(t->g, v, 0.5f);
    if (whole) {
        x[n++] = var(t, "gamma", crew_shape1(3));
        x[n++] = var(t, "beta", crew_shape1(3));
    }
    return graph_add(t->g, &op_batch_norm_frozen, "norm", n, x,
                     (union op_attr){.norm = {0.1f, fused, whole, whole}});
}

struct crew_node *build_batch_norm_frozen(struct trial *t)
{
    return frozen(t, false, true);
}

struct crew_node *build_batch_norm_bare(struct trial *t)
{
    return frozen(t, false, false);
}

/* Ids 4, 0, 2 of a dense (batch), a weight each; two lookups of one table. */
static struct crew_node *embedding(struct trial *t, enum crew_combiner combiner)
{
    struct crew_node *x =
        graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    struct crew_node *table = var(t, "table", crew_shape2(5, 3)), *w, *two;
    struct crew_embedding how = {.combiner = combiner};

    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    w = crew_reduce(t->g, CREW_REDUCE_SUM, crew_square(t->g, x),
                    (const int[]){1}, 1, false);
    two = crew_gather(t->g, table, t->labels);
    how.weights = w;
    return crew_add(
        t->g, two,
        crew_safe_embedding_lookup_sparse(t->g, table, t->labels, how, 1));
}

/* Rows of about 1: a max_norm that some of them exceed. */
struct crew_node *build_embedding_max_norm(struct trial *t)
{
    struct crew_embedding how = {.combiner = CREW_COMBINE_SUM,
                                 .max_norm = 0.9f};
    struct crew_node *table;

    (void)graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    table = var(t, "table", crew_shape2(5, 3));
    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    return crew_safe_embedding_lookup_sparse(t->g, table, t->labels, how, 1);
}

struct crew_node *build_clip_rows(struct trial *t)
{
    return crew_clip_rows_by_norm(t->g, var(t, "x", crew_shape2(BATCH, 6)), 1);
}

struct crew_node *build_embedding_sum(struct trial *t)
{
    return embedding(t, CREW_COMBINE_SUM);
}

struct crew_node *build_embedding_mean(struct trial *t)
{
    struct crew_node *table;
    struct crew_embedding how = {.combiner = CREW_COMBINE_MEAN};

    (void)graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    table = var(t, "table", crew_shape2(5, 3));
    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    return crew_embedding_lookup_sparse(t->g, table, t->labels, how);
}

struct crew_node *build_embedding_sqrtn(struct trial *t)
{
    return embedding(t, CREW_COMBINE_SQRTN);
}
