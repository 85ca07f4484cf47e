/* SPDX-License-Identifier: Apache-2.0
 * Builders of lookups that combine, and of penalties on weights. */
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

static struct crew_node *combine(struct crew_graph *g,
                                 const char *name,
                                 struct crew_node *params,
                                 struct crew_node *ids,
                                 struct crew_embedding how,
                                 bool safe,
                                 int64_t default_id)
{
    struct crew_node *in[] = {params, ids, how.weights};
    union op_attr attr = {
        .embed = {how.combiner, safe, default_id < 0 ? -1 : default_id}};

    if ((unsigned)how.combiner > CREW_COMBINE_SQRTN) {
        return graph_fail(g, "%s: there is no combiner %d", name,
                          (int)how.combiner);
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
    struct crew_node *sum =
        g->n_penalties == 0 ? crew_constant(g, 0.0f) : g->penalties[0];

    for (int i = 1; i < g->n_penalties; i++) {
        sum = crew_add(g, sum, g->penalties[i]);
    }
    return sum;
}
