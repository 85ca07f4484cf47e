/* SPDX-License-Identifier: Apache-2.0
 * Builders of lookups that combine, of penalties on weights, and of small
 * layers without variables. */
#include <math.h>

#include "base/mem.h"
#include "graph/layers.h"
#include "graph/op.h"

#include "base/banned.h"

/* ------------------------------------------------------------------ lookups */

struct crew_node *crew_embedding_lookup(struct crew_graph *g,
                                        struct crew_node *params,
                                        struct crew_node *ids)
{
    struct crew_node *in[] = {params, ids};

    return graph_add(g, &op_gather, "embedding_lookup", 2, in,
                     (union op_attr){0});
}

/* A length that rows may be clipped to. */
static bool is_norm(double max_norm)
{
    return isfinite(max_norm) && (float)max_norm > 0.0f;
}

struct crew_node *crew_clip_rows_by_norm(struct crew_graph *g,
                                         struct crew_node *x,
                                         double max_norm)
{
    if (!is_norm(max_norm)) {
        return graph_fail(g, "clip_by_norm: the norm is %g. Fix: above 0",
                          max_norm);
    }
    return graph_add(g, &op_clip_rows, "clip_by_norm", 1, &x,
                     (union op_attr){.factor = (float)max_norm});
}

static struct crew_node *combine(struct crew_graph *g,
                                 const char *name,
                                 struct crew_node *params,
                                 struct crew_node *ids,
                                 struct crew_embedding how,
                                 bool safe,
                                 int64_t default_id)
{
    struct crew_node *in[] = {params, ids, how.weights};
    union op_attr attr = {.embed = {how.combiner, safe,
                                    default_id < 0 ? -1 : default_id,
                                    how.max_norm}};

    if ((unsigned)how.combiner > CREW_COMBINE_SQRTN) {
        return graph_fail(g, "%s: there is no combiner %d", name,
                          (int)how.combiner);
    }
    if (how.max_norm < 0.0f || !isfinite(how.max_norm)) {
        return graph_fail(g, "%s: max_norm is %g. Fix: above 0, or 0: none",
                          name, (double)how.max_norm);
    }
    return graph_add(g, &op_embedding, name, how.weights != NULL ? 3 : 2, in,
                     attr);
}

struct crew_node *crew_embedding_lookup_sparse(struct crew_graph *g,
                                               struct crew_node *params,
                                               struct crew_node *ids,
                                               struct crew_embedding how)
{
    return combine(g, "embedding_lookup_sparse", params, ids, how, false, -1);
}

struct crew_node *crew_safe_embedding_lookup_sparse(struct crew_graph *g,
                                                    struct crew_node *params,
                                                    struct crew_node *ids,
                                                    struct crew_embedding how,
                                                    int64_t default_id)
{
    return combine(g, "safe_embedding_lookup_sparse", params, ids, how, true,
                   default_id);
}

/* ---------------------------------------------------------------- penalties */

static struct crew_node *keep(struct crew_graph *g, struct crew_node *penalty)
{
    if (graph_broken(g)) {
        return penalty;
    }
    g->penalties = xrealloc(g->penalties, (size_t)(g->n_penalties + 1) *
                                              sizeof(struct crew_node *));
    g->penalties[g->n_penalties++] = penalty;
    return penalty;
}

struct crew_node *crew_l1_regularizer(struct crew_graph *g,
                                      struct crew_node *weights,
                                      double scale)
{
    struct crew_node *x;

    crew_scope_push(g, "Regularizer");
    x = crew_reduce(g, CREW_REDUCE_SUM, crew_abs(g, weights), NULL, 0, false);
    x = crew_scale(g, x, (float)scale);
    crew_scope_pop(g);
    return keep(g, x);
}

struct crew_node *crew_l2_regularizer(struct crew_graph *g,
                                      struct crew_node *weights,
                                      double scale)
{
    struct crew_node *x;

    crew_scope_push(g, "Regularizer");
    x = crew_scale(g, crew_l2_loss(g, weights), (float)scale);
    crew_scope_pop(g);
    return keep(g, x);
}

struct crew_node *crew_regularization_loss(struct crew_graph *g)
{
    struct crew_node *sum = graph_broken(g) || g->n_penalties == 0
                                ? crew_constant(g, 0.0f)
                                : g->penalties[0];

    for (int i = 1; !graph_broken(g) && i < g->n_penalties; i++) {
        sum = crew_add(g, sum, g->penalties[i]);
    }
    return sum;
}

/* ------------------------------------------------------------ small layers */

struct crew_node *crew_to_float(struct crew_graph *g, struct crew_node *x)
{
    if (!graph_takes(g, "crew_to_float", x)) {
        return graph_poison(g);
    }
    return x->dtype == CREW_FLOAT
               ? x
               : graph_add(g, &op_cast, "Cast", 1, &x, (union op_attr){0});
}

struct crew_node *crew_flatten(struct crew_graph *g, struct crew_node *x)
{
    int64_t n = 1;

    if (!graph_takes(g, "crew_flatten", x)) {
        return graph_poison(g);
    }
    for (int i = 1; i < x->shape.rank; i++) {
        n *= x->shape.dim[i];
    }
    layer_push(g, NULL, "flatten");
    x = crew_reshape(g, x,
                     crew_shape2(x->shape.rank > 0 ? x->shape.dim[0] : 1, n));
    crew_scope_pop(g);
    return x;
}

static struct crew_node *pool_all(struct crew_graph *g,
                                  const char *name,
                                  enum crew_reduction kind,
                                  struct crew_node *x)
{
    if (!graph_takes(g, name, x)) {
        return graph_poison(g);
    }
    if (x->shape.rank != 4) {
        return graph_fail(g, "%s: its input has rank %d, must be (b, h, w, c)",
                          name, x->shape.rank);
    }
    return crew_reduce(g, kind, x, (const int[]){1, 2}, 2, false);
}

struct crew_node *crew_global_average_pooling2d(struct crew_graph *g,
                                                struct crew_node *x)
{
    return pool_all(g, "crew_global_average_pooling2d", CREW_REDUCE_MEAN, x);
}

struct crew_node *crew_global_max_pooling2d(struct crew_graph *g,
                                            struct crew_node *x)
{
    return pool_all(g, "crew_global_max_pooling2d", CREW_REDUCE_MAX, x);
}
