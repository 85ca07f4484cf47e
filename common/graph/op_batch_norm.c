/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalisation over the last dimension, all others together. Training:
 * the moments of the batch, then the normalisation, whose backward goes through
 * the moments as well. Evaluation and prediction: with the moving averages, the
 * form that is exported.
 *
 *   x -> Moments (2, c) -> Moment (c), Moment (c)    what the averages move to
 *   x, Moments, gamma?, beta? -> BatchNorm
 *   x, mean, variance, gamma?, beta? -> FrozenBatchNorm
 *
 * Source: tensorflow/python/ops/nn_impl.py, keras' v1 BatchNormalization. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/expr.h"
#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static int64_t channels_of(const struct crew_node *x)
{
    return x->shape.rank == 0 ? -1 : x->shape.dim[x->shape.rank - 1];
}

static int64_t rows_of(const struct crew_node *x, int64_t batch)
{
    int64_t c = channels_of(x);

    return c > 0 ? node_count(x, batch) / c : 0;
}

/* Operand `k` is float32 (c). */
static bool is_vector(const struct crew_node *n, int k, int64_t c)
{
    return n->in[k]->dtype == CREW_FLOAT && n->in[k]->shape.rank == 1 &&
           n->in[k]->shape.dim[0] == c;
}

static bool check_input(struct crew_node *n)
{
    const struct crew_node *x = n->in[0];

    if (x->dtype != CREW_FLOAT || x->shape.rank < 2 || channels_of(x) < 1) {
        char t[128];

        (void)graph_fail(n->graph,
                         "%s: cannot normalise %s %s: it must be float32 of at "
                         "least two dimensions, the last one known",
                         n->name, dtype_name(x->dtype),
                         shape_text(&x->shape, t, sizeof t));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ moments */

static void infer_moments(struct crew_node *n)
{
    if (check_input(n)) {
        n->dtype = CREW_FLOAT;
        n->shape = crew_shape2(2, channels_of(n->in[0]));
    }
}

static void forward_moments(const struct crew_node *n, struct run *r)
{
    int64_t c = n->shape.dim[1];
    float *y = run_out(r, n);

    k_column_moments(rows_of(n->in[0], r->batch), c, run_in(r, n, 0), y, y + c);
}

const struct op_def op_moments = {
    .tf_name = "Moments",
    .flags = OP_NO_GRADIENT | OP_NO_EXPORT,
    .infer = infer_moments,
    .forward = forward_moments,
};

static void infer_moment(struct crew_node *n)
{
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape1(n->in[0]->shape.dim[1]);
}

/* Unbiased: n / (n - 1) of it, as the fused kernel hands it out. */
static void forward_moment(const struct crew_node *n, struct run *r)
{
    int64_t c = n->shape.dim[0];
    int64_t rows = rows_of(n->in[0]->in[0], r->batch);
    float by = (float)rows / (float)(rows > 1 ? rows - 1 : 1);

    k_scale(c, n->attr.moment.unbiased ? by : 1.0f,
            (const float *)run_in(r, n, 0) + n->attr.moment.which * c,
            run_out(r, n));
}

const struct op_def op_moment = {
    .tf_name = "Moment",
    .flags = OP_NO_GRADIENT | OP_NO_EXPORT,
    .infer = infer_moment,
    .forward = forward_moment,
};

/* ------------------------------------------------------------ what both do */

/* The operands behind `first`: gamma if there is one, then beta. */
static int gamma_at(const struct crew_node *n, int first)
{
    return n->attr.norm.gamma ? first : -1;
}

static int beta_at(const struct crew_node *n, int first)
{
    return n->attr.norm.beta ? first + (n->attr.norm.gamma ? 1 : 0) : -1;
}

static const float *operand(const struct crew_node *n, struct run *r, int k)
{
    return k < 0 ? NULL : run_in(r, n, k);
}

static void infer_with(struct crew_node *n, int first)
{
    int64_t c = channels_of(n->in[0]);
    int last = first + n->attr.norm.gamma + n->attr.norm.beta;
    bool fits = n->n_in == last;

    if (!check_input(n)) {
        return;
    }
    for (int k = first; fits && k < last; k++) {
        fits = is_vector(n, k, c);
    }
    if (!fits || !(n->attr.norm.epsilon >= 0.0f)) {
        (void)graph_fail(n->graph,
                         "%s: wants float32 vectors of %lld elements beside "
                         "its input, and an epsilon that is not negative",
                         n->name, (long long)c);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = n->in[0]->shape;
}

/* Scratch: five vectors. */
struct vectors {
    float *inverse; /* 1 / deviation */
    float *scale;   /* that times gamma */
    float *shift, *sum, *product;
};

static struct vectors vectors_of(struct run *r, int64_t c)
{
    float *s = run_scratch(r);

    return (struct vectors){s, s + c, s + 2 * c, s + 3 * c, s + 4 * c};
}

static size_t scratch(const struct crew_node *n, int64_t batch)
{
    (void)batch;
    return (size_t)channels_of(n->in[0]) * 5 * sizeof(float);
}

static struct vectors scales(const struct crew_node *n,
                             struct run *r,
                             const float *variance,
                             const float *gamma)
{
    int64_t c = channels_of(n->in[0]);
    struct vectors v = vectors_of(r, c);

    for (int64_t i = 0; i < c; i++) {
        v.inverse[i] = 1.0f / sqrtf(variance[i] + n->attr.norm.epsilon);
        v.scale[i] = gamma != NULL ? v.inverse[i] * gamma[i] : v.inverse[i];
    }
    return v;
}

static void normalise(const struct crew_node *n,
                      struct run *r,
                      const float *mean,
                      const float *variance,
                      int first)
{
    int64_t c = channels_of(n->in[0]);
    const float *beta = operand(n, r, beta_at(n, first));
    struct vectors v =
        scales(n, r, variance, operand(n, r, gamma_at(n, first)));

    for (int64_t i = 0; i < c; i++) {
        v.shift[i] = (beta != NULL ? beta[i] : 0.0f) - mean[i] * v.scale[i];
    }
    k_column_scale(rows_of(n->in[0], r->batch), c, run_in(r, n, 0), v.scale,
                   v.shift, run_out(r, n));
}

/* Gradients of gamma and beta; the sums for that of x are in the vectors. */
static struct vectors backward_with(const struct crew_node *n,
                                    struct run *r,
                                    const float *mean,
                                    const float *variance,
                                    int first)
{
    int64_t c = channels_of(n->in[0]);
    int gamma = gamma_at(n, first), beta = beta_at(n, first);
    struct vectors v = scales(n, r, variance, operand(n, r, gamma));
    float *d_gamma = gamma < 0 ? NULL : run_d_in_zeroed(r, n, gamma);
    float *d_beta = beta < 0 ? NULL : run_d_in_zeroed(r, n, beta);

    k_column_products(rows_of(n->in[0], r->batch), c, run_in(r, n, 0), mean,
                      run_d_out(r, n), v.sum, v.product);
    for (int64_t i = 0; d_gamma != NULL && i < c; i++) {
        d_gamma[i] += v.product[i] * v.inverse[i];
    }
    for (int64_t i = 0; d_beta != NULL && i < c; i++) {
        d_beta[i] += v.sum[i];
    }
    return v;
}

/* ----------------------------------------------------------------- training */

static void infer_train(struct crew_node *n)
{
    if (n->n_in < 2 || n->in[1]->op != &op_moments ||
        n->in[1]->in[0] != n->in[0]) {
        (void)graph_fail(n->graph, "%s: wants the moments of its input",
                         n->name);
        return;
    }
    infer_with(n, 2);
}

static void forward_train(const struct crew_node *n, struct run *r)
{
    const float *moments = run_in(r, n, 1);

    normalise(n, r, moments, moments + channels_of(n->in[0]), 2);
}

/* dx = scale (dy - mean(dy) - (x - mean) mean(dy (x - mean)) / deviation^2). */
static void backward_train(const struct crew_node *n, struct run *r)
{
    int64_t c = channels_of(n->in[0]), rows = rows_of(n->in[0], r->batch);
    const float *mean = run_in(r, n, 1);
    struct vectors v = backward_with(n, r, mean, mean + c, 2);
    float *dx = run_d_in_zeroed(r, n, 0), *x_scale = v.product;

    if (dx == NULL) {
        return;
    }
    for (int64_t i = 0; i < c; i++) {
        float by = v.product[i] / (float)rows * v.inverse[i] * v.inverse[i];

        x_scale[i] = -v.scale[i] * by;
        v.shift[i] =
            -v.scale[i] * (v.sum[i] / (float)rows) - mean[i] * x_scale[i];
    }
    k_column_scale_acc(rows, c, run_d_out(r, n), v.scale, run_in(r, n, 0),
                       x_scale, v.shift, dx);
}

const struct op_def op_batch_norm = {
    .tf_name = "BatchNorm",
    .flags = OP_NEEDS_INPUT | OP_NO_EXPORT,
    .infer = infer_train,
    .forward = forward_train,
    .backward = backward_train,
    .scratch = scratch,
};

/* ---------------------------------------- with the averages, and the export */

static void infer_frozen(struct crew_node *n)
{
    int64_t c = channels_of(n->in[0]);

    if (n->n_in < 3 || !is_vector(n, 1, c) || !is_vector(n, 2, c)) {
        (void)graph_fail(n->graph,
                         "%s: wants a mean and a variance of %lld elements",
                         n->name, (long long)c);
        return;
    }
    infer_with(n, 3);
}

static void forward_frozen(const struct crew_node *n, struct run *r)
{
    normalise(n, r, run_in(r, n, 1), run_in(r, n, 2), 3);
}

static void backward_frozen(const struct crew_node *n, struct run *r)
{
    int64_t c = channels_of(n->in[0]), rows = rows_of(n->in[0], r->batch);
    struct vectors v = backward_with(n, r, run_in(r, n, 1), run_in(r, n, 2), 3);
    float *d_mean = run_d_in_zeroed(r, n, 1);
    float *d_variance = run_d_in_zeroed(r, n, 2);
    float *dx = run_d_in_zeroed(r, n, 0);
    const float *dy = run_d_out(r, n);

    for (int64_t i = 0; d_mean != NULL && i < c; i++) {
        d_mean[i] -= v.sum[i] * v.scale[i];
    }
    for (int64_t i = 0; d_variance != NULL && i < c; i++) {
        d_variance[i] -=
            0.5f * v.product[i] * v.scale[i] * v.inverse[i] * v.inverse[i];
    }
    for (int64_t row = 0; dx != NULL && row < rows; row++) {
        k_mul_acc(c, dy + row * c, v.scale, dx + row * c);
    }
}

/* tf.nn.batch_normalization, with its names below <layer>/batchnorm. */
static void emit_plain(const struct crew_node *n, struct graphdef *g)
{
    enum { EPS, SUM, INV, SCALE, SCALED, SHIFT, REST, NAMES };
    static const char *const whats[NAMES] = {"add/y", "add",   "Rsqrt", "mul",
                                             "mul_1", "mul_2", "sub"};
    int gamma = gamma_at(n, 3), beta = beta_at(n, 3);
    const char *scale;
    struct expr e = {g, n->name};
    char name[NAMES][300];

    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name[i], sizeof name[i], "%s/%s", n->name, whats[i]);
    }
    scale = gamma < 0 ? name[INV] : name[SCALE];
    graphdef_const_float(g, name[EPS], n->attr.norm.epsilon);
    (void)expr_op_as(&e, name[SUM], "AddV2", CREW_FLOAT, n->in[2]->name,
                     name[EPS]);
    (void)expr_op_as(&e, name[INV], "Rsqrt", CREW_FLOAT, name[SUM], NULL);
    if (gamma >= 0) {
        (void)expr_op_as(&e, name[SCALE], "Mul", CREW_FLOAT, name[INV],
                         n->in[gamma]->name);
    }
    (void)expr_op_as(&e, name[SCALED], "Mul", CREW_FLOAT, n->in[0]->name,
                     scale);
    (void)expr_op_as(&e, name[SHIFT], "Mul", CREW_FLOAT, n->in[1]->name, scale);
    if (beta >= 0) {
        (void)expr_op_as(&e, name[REST], "Sub", CREW_FLOAT, n->in[beta]->name,
                         name[SHIFT]);
    } else {
        (void)expr_op_as(&e, name[REST], "Neg", CREW_FLOAT, name[SHIFT], NULL);
    }
    (void)expr_op_as(&e, n->name, "AddV2", CREW_FLOAT, name[SCALED],
                     name[REST]);
}

/* gamma or beta, or the Const of ones or zeros that stands for it. */
static void emit_vector(const struct crew_node *n,
                        struct graphdef *g,
                        int k,
                        const char *what,
                        float value,
                        char name[300])
{
    struct crew_shape shape = crew_shape1(channels_of(n->in[0]));
    char dims[300], fill[300];
    int32_t size = (int32_t)shape.dim[0];

    if (k >= 0) {
        (void)snprintf(name, 300, "%s", n->in[k]->name);
        return;
    }
    (void)snprintf(name, 300, "%s/%s", n->name, what);
    (void)snprintf(dims, sizeof dims, "%s/%s/dims", n->name, what);
    (void)snprintf(fill, sizeof fill, "%s/%s/value", n->name, what);
    graphdef_const_ints(g, dims, 1, &size, 1);
    graphdef_const_float(g, fill, value);
    graphdef_node(g, name, "Fill");
    graphdef_input(g, dims);
    graphdef_input(g, fill);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

static void emit_frozen(const struct crew_node *n, struct graphdef *g)
{
    char gamma[300], beta[300];

    if (!n->attr.norm.fused) {
        emit_plain(n, g);
        return;
    }
    emit_vector(n, g, gamma_at(n, 3), "Const", 1.0f, gamma);
    emit_vector(n, g, beta_at(n, 3), "Const_1", 0.0f, beta);
    graphdef_node(g, n->name, "FusedBatchNormV3");
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, gamma);
    graphdef_input(g, beta);
    graphdef_input(g, n->in[1]->name);
    graphdef_input(g, n->in[2]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
    graphdef_attr_type(g, "U", CREW_FLOAT);
    graphdef_attr_float(g, "epsilon", n->attr.norm.epsilon);
    graphdef_attr_bool(g, "is_training", false);
}

const struct op_def op_batch_norm_frozen = {
    .tf_name = "AddV2",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_frozen,
    .forward = forward_frozen,
    .backward = backward_frozen,
    .emit = emit_frozen,
    .scratch = scratch,
};
