/* SPDX-License-Identifier: Apache-2.0
 * tf.layers.batch_normalization: its variables, its modes. */
#include "graph/layers.h"
#include "graph/op.h"

#include "base/banned.h"

/* The layer's variables; gamma and beta may be NULL. */
struct norm_vars {
    struct crew_node *gamma, *beta, *mean, *variance;
};

static struct norm_vars make_vars(struct crew_graph *g,
                                  int64_t channels,
                                  const struct crew_batch_norm *how)
{
    struct crew_shape shape = crew_shape1(channels);
    struct norm_vars v = {NULL, NULL, NULL, NULL};

    if (!how->no_scale) {
        v.gamma = crew_variable(g, "gamma", shape, crew_init_constant(1));
    }
    if (!how->no_center) {
        v.beta = crew_variable(g, "beta", shape, (struct crew_init){0});
    }
    v.mean =
        crew_variable_fixed(g, "moving_mean", shape, (struct crew_init){0});
    v.variance =
        crew_variable_fixed(g, "moving_variance", shape, crew_init_constant(1));
    return v;
}

static struct crew_node *moment(struct crew_graph *g,
                                struct crew_node *moments,
                                int which,
                                bool unbiased)
{
    return graph_add(g, &op_moment, which == 0 ? "mean" : "variance", 1,
                     &moments, (union op_attr){.moment = {which, unbiased}});
}

static struct crew_node *normalise(struct crew_graph *g,
                                   struct crew_node *x,
                                   const struct norm_vars *v,
                                   const struct crew_batch_norm *how,
                                   enum crew_mode mode)
{
    bool fused = x->shape.rank == 4 && !how->not_fused;
    union op_attr attr = {
        .norm = {how->epsilon == 0.0 ? 0.001f : (float)how->epsilon, fused,
                 v->gamma != NULL, v->beta != NULL}};
    const char *name = fused ? "FusedBatchNormV3" : "batchnorm";
    double momentum = how->momentum == 0.0 ? 0.99 : how->momentum;
    struct crew_node *in[5] = {x};
    int n = 1;

    if (mode == CREW_TRAIN) {
        in[n++] =
            graph_add(g, &op_moments, "moments", 1, &x, (union op_attr){0});
        crew_assign_moving_average(g, v->mean, moment(g, in[1], 0, false),
                                   momentum);
        crew_assign_moving_average(g, v->variance, moment(g, in[1], 1, fused),
                                   momentum);
    } else {
        in[n++] = v->mean;
        in[n++] = v->variance;
    }
    if (v->gamma != NULL) {
        in[n++] = v->gamma;
    }
    if (v->beta != NULL) {
        in[n++] = v->beta;
    }
    return graph_add(
        g, mode == CREW_TRAIN ? &op_batch_norm : &op_batch_norm_frozen, name, n,
        in, attr);
}

struct crew_node *crew_batch_normalization(struct crew_graph *g,
                                           const char *name,
                                           struct crew_node *x,
                                           struct crew_batch_norm how,
                                           enum crew_mode mode)
{
    struct norm_vars v;

    if (!graph_takes(g, "crew_batch_normalization", x)) {
        return graph_poison(g);
    }
    if (x->ragged || x->shape.rank < 2 || x->shape.dim[x->shape.rank - 1] < 1) {
        char t[128];

        return graph_fail(g,
                          "crew_batch_normalization %s: its input %s must have "
                          "at least two dimensions, the last one known",
                          name != NULL ? name : "",
                          shape_text(&x->shape, t, sizeof t));
    }
    layer_push(g, name, "batch_normalization");
    v = make_vars(g, x->shape.dim[x->shape.rank - 1], &how);
    x = normalise(g, x, &v, &how, mode);
    crew_scope_pop(g);
    return x;
}
