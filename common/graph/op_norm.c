/* SPDX-License-Identifier: Apache-2.0
 *
 * Layer normalisation: each row of the last dimension to mean 0 and variance 1,
 * then gamma and beta. Exported as the ops tf.nn.batch_normalization makes of
 * it. */
#include <stdio.h>
#include <string.h>

#include "graph/expr.h"
#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

/* in: x (..., n), gamma (n), beta (n). */
static void infer(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    bool fits = x->rank >= 1;

    for (int k = 0; k < 3; k++) {
        fits = fits && n->in[k]->dtype == CREW_FLOAT;
    }
    for (int k = 1; k < 3; k++) {
        fits = fits && n->in[k]->shape.rank == 1 &&
               n->in[k]->shape.dim[0] == x->dim[x->rank - 1];
    }
    if (!fits) {
        char text[128];

        (void)graph_fail(n->graph,
                         "%s: %s wants float32 gamma and beta of its last "
                         "dimension",
                         n->name, shape_text(x, text, sizeof text));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = *x;
}

static int64_t width_of(const struct crew_node *n)
{
    return n->shape.dim[n->shape.rank - 1];
}

/* kept: mean and 1 / deviation of each row. */
static void forward(const struct crew_node *n, struct run *r)
{
    int64_t width = width_of(n), rows = node_count(n, r->batch) / width;
    const float *x = run_in(r, n, 0);
    const float *gamma = run_in(r, n, 1), *beta = run_in(r, n, 2);

    k_layer_norm(rows, width, x, gamma, beta, n->attr.factor, run_out(r, n),
                 run_kept(r, n));
}

static void backward(const struct crew_node *n, struct run *r)
{
    int64_t width = width_of(n), rows = node_count(n, r->batch) / width;
    const float *x = run_in(r, n, 0), *gamma = run_in(r, n, 1);
    const float *dy = run_d_out(r, n), *kept = run_kept(r, n);
    float *d_beta = run_d_in_zeroed(r, n, 2);
    float *d_gamma = run_d_in_zeroed(r, n, 1);
    float *dx = run_d_in_zeroed(r, n, 0);

    k_layer_norm_backward(rows, width, x, kept, gamma, dy, dx, d_gamma, d_beta);
}

static size_t kept(const struct crew_node *n, int64_t batch)
{
    return (size_t)(node_count(n, batch) / width_of(n)) * 2 * sizeof(float);
}

/* ------------------------------------------------------------------- export */

static void emit(const struct crew_node *n, struct graphdef *g)
{
    enum { AXES, MEAN, DIFF, SQ, VAR, EPS, SUM, RSQRT, HAT, SCALED, NAMES };
    static const char *const whats[NAMES] = {
        "axes",    "mean", "sub",   "square", "variance",
        "epsilon", "add",  "Rsqrt", "mul",    "mul_1"};
    struct expr e = {g, n->name};
    char name[NAMES][300];
    int32_t axis = n->shape.rank - 1;

    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name[i], sizeof name[i], "%s/%s", n->name, whats[i]);
    }
    graphdef_const_ints(g, name[AXES], 1, &axis, 1);
    graphdef_const_float(g, name[EPS], n->attr.factor);
    (void)expr_op_as(&e, name[MEAN], "Mean", CREW_FLOAT, n->in[0]->name,
                     name[AXES]);
    graphdef_attr_bool(g, "keep_dims", true);
    (void)expr_op_as(&e, name[DIFF], "Sub", CREW_FLOAT, n->in[0]->name,
                     name[MEAN]);
    (void)expr_op_as(&e, name[SQ], "Square", CREW_FLOAT, name[DIFF], NULL);
    (void)expr_op_as(&e, name[VAR], "Mean", CREW_FLOAT, name[SQ], name[AXES]);
    graphdef_attr_bool(g, "keep_dims", true);
    (void)expr_op_as(&e, name[SUM], "AddV2", CREW_FLOAT, name[VAR], name[EPS]);
    (void)expr_op_as(&e, name[RSQRT], "Rsqrt", CREW_FLOAT, name[SUM], NULL);
    (void)expr_op_as(&e, name[HAT], "Mul", CREW_FLOAT, name[DIFF], name[RSQRT]);
    (void)expr_op_as(&e, name[SCALED], "Mul", CREW_FLOAT, name[HAT],
                     n->in[1]->name);
    (void)expr_op_as(&e, n->name, "AddV2", CREW_FLOAT, name[SCALED],
                     n->in[2]->name);
}

const struct op_def op_layer_norm = {
    .tf_name = "AddV2",
    .flags = OP_NEEDS_INPUT,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .emit = emit,
    .kept = kept,
};
