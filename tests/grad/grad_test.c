/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks the op table: every row has a case here whose gradient equals central
 * differences, and exports; or it says itself that it has no gradient or no
 * export. A new row without a case fails. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/emit.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "grad_cases.h"
#include "kernels/blas.h"
#include "run_suite.h"

#include "base/banned.h"

struct crew_node *var(struct trial *t,
                      const char *name,
                      struct crew_shape shape)
{
    return crew_variable(t->g, name, shape, crew_init_truncated_normal(0, 1));
}

static struct crew_node *build_variable(struct trial *t)
{
    return var(t, "v", crew_shape2(BATCH, 5));
}

static struct crew_node *build_matmul(struct trial *t)
{
    return crew_matmul(t->g, var(t, "a", crew_shape2(BATCH, 4)),
                       var(t, "b", crew_shape2(4, 5)));
}

static struct crew_node *build_bias_add(struct trial *t)
{
    return crew_bias_add(t->g, var(t, "x", crew_shape4(BATCH, 2, 1, 5)),
                         var(t, "b", crew_shape1(5)));
}

static struct crew_node *build_add(struct trial *t)
{
    struct crew_node *a = var(t, "a", crew_shape2(BATCH, 5));

    return crew_add(t->g, crew_add(t->g, a, var(t, "b", crew_shape2(BATCH, 5))),
                    a);
}

static struct crew_node *build_mul(struct trial *t)
{
    struct crew_node *a = var(t, "a", crew_shape2(BATCH, 5));

    return crew_mul(t->g, crew_mul(t->g, a, var(t, "b", crew_shape2(BATCH, 5))),
                    a);
}

static struct crew_node *build_scale(struct trial *t)
{
    return crew_scale(t->g, var(t, "x", crew_shape2(BATCH, 5)), -2.5f);
}

static struct crew_node *activation(struct trial *t, enum crew_activation kind)
{
    /* over a sum, whose value and gradient may then be worked over in place */
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 5)), var(t, "b", crew_shape1(5)));

    return crew_activate(t->g, x, kind);
}

static struct crew_node *build_relu(struct trial *t)
{
    return activation(t, CREW_RELU);
}

static struct crew_node *build_sigmoid(struct trial *t)
{
    return activation(t, CREW_SIGMOID);
}

static struct crew_node *build_tanh(struct trial *t)
{
    return activation(t, CREW_TANH);
}

static struct crew_node *build_reshape(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape2(4, 5));
    struct crew_node *y = crew_reshape(t->g, x, crew_shape2(2, -1));

    return crew_mul(t->g, y, crew_reshape(t->g, x, crew_shape2(2, 10)));
}

static struct crew_node *conv(struct trial *t,
                              enum crew_padding padding,
                              int64_t k)
{
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 4, 2));
    struct crew_node *y =
        crew_conv2d(t->g, NULL, x, 3, k, padding, CREW_LINEAR);

    return crew_conv2d(t->g, NULL, y, 2, 1, padding, CREW_LINEAR);
}

static struct crew_node *build_conv_same(struct trial *t)
{
    return conv(t, CREW_SAME, 4);
}

static struct crew_node *build_conv_valid(struct trial *t)
{
    return conv(t, CREW_VALID, 3);
}

static struct crew_node *build_max_pool(struct trial *t)
{
    return crew_max_pool2d(t->g, var(t, "x", crew_shape4(2, 5, 5, 2)), 3, 2);
}

/* Windows that look over the border, and that overlap. */
static struct crew_node *build_max_pool_same(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 4, 2));

    return crew_max_pooling2d(t->g, x, 3, 2, CREW_SAME);
}

static struct crew_node *build_avg_pool(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 4, 2));

    return crew_average_pooling2d(t->g, x, 3, 2, CREW_SAME);
}

static struct crew_node *build_conv_strided(struct trial *t)
{
    struct crew_conv how = {.strides = {2, 3}, .padding = CREW_SAME};
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 6, 1));

    return crew_conv2d_with(t->g, NULL, x, 3, 3, how, CREW_LINEAR);
}

static struct crew_node *build_depthwise(struct trial *t)
{
    struct crew_conv how = {.strides = {2, 1}, .padding = CREW_SAME};
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 4, 2));

    return crew_depthwise_conv2d(t->g, NULL, x, 2, 3, how, CREW_LINEAR);
}

static struct crew_node *build_dropout(struct trial *t)
{
    return crew_dropout(t->g, var(t, "x", crew_shape2(BATCH, 8)), 0.4f,
                        CREW_TRAIN);
}

static struct crew_node *build_softmax(struct trial *t)
{
    return crew_softmax(t->g, var(t, "x", crew_shape2(BATCH, 5)));
}

static struct crew_node *build_xent(struct trial *t)
{
    struct crew_node *x =
        graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    struct crew_node *logits = crew_dense(t->g, NULL, x, 5, CREW_LINEAR);

    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    t->direct = true;
    return crew_sparse_softmax_cross_entropy(t->g, t->labels, logits);
}

static struct crew_node *build_mean(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape2(BATCH, 5));

    t->direct = true;
    return crew_mul(t->g, crew_reduce_mean(t->g, x),
                    crew_reduce_mean(t->g, crew_mul(t->g, x, x)));
}

/* Operands that are repeated, and a sum over what is left. */
static struct crew_node *broadcast(struct trial *t,
                                   struct crew_node *(*op)(struct crew_graph *,
                                                           struct crew_node *,
                                                           struct crew_node *))
{
    struct crew_node *a = var(t, "a", crew_shape4(BATCH, 2, 1, 5));

    return op(t->g, a, var(t, "beside", crew_shape2(3, 1)));
}

static struct crew_node *build_add_broadcast(struct trial *t)
{
    return broadcast(t, crew_add);
}

static struct crew_node *build_mul_broadcast(struct trial *t)
{
    return broadcast(t, crew_mul);
}

static struct crew_node *build_sub(struct trial *t)
{
    return broadcast(t, crew_sub);
}

/* Away from 0. */
static struct crew_node *build_div(struct trial *t)
{
    struct crew_node *b = crew_square(t->g, var(t, "b", crew_shape2(3, 1)));

    return crew_div(t->g, var(t, "a", crew_shape4(BATCH, 2, 1, 5)),
                    crew_shift(t->g, b, 1.0f));
}

static struct crew_node *build_maximum(struct trial *t)
{
    return broadcast(t, crew_maximum);
}

static struct crew_node *build_minimum(struct trial *t)
{
    return broadcast(t, crew_minimum);
}

static struct crew_node *build_shift(struct trial *t)
{
    return crew_shift(t->g, var(t, "x", crew_shape2(BATCH, 5)), 0.5f);
}

#define ACTIVATION(name, kind)                             \
    static struct crew_node *build_##name(struct trial *t) \
    {                                                      \
        return activation(t, kind);                        \
    }
ACTIVATION(relu6, CREW_RELU6)
ACTIVATION(elu, CREW_ELU)
ACTIVATION(selu, CREW_SELU)
ACTIVATION(leaky_relu, CREW_LEAKY_RELU)
ACTIVATION(softplus, CREW_SOFTPLUS)
ACTIVATION(softsign, CREW_SOFTSIGN)

#define FUNCTION(name)                                                \
    static struct crew_node *build_##name(struct trial *t)            \
    {                                                                 \
        return crew_##name(t->g, var(t, "x", crew_shape2(BATCH, 5))); \
    }
FUNCTION(exp)
FUNCTION(square)
FUNCTION(abs)
FUNCTION(neg)
FUNCTION(erf)

/* Functions of numbers above 1. */
#define FUNCTION_OF_POSITIVE(name)                                           \
    static struct crew_node *build_##name(struct trial *t)                   \
    {                                                                        \
        struct crew_node *x = var(t, "x", crew_shape2(BATCH, 5));            \
                                                                             \
        return crew_##name(t->g, crew_shift(t->g, crew_square(t->g, x), 1)); \
    }
FUNCTION_OF_POSITIVE(log)
FUNCTION_OF_POSITIVE(sqrt)
FUNCTION_OF_POSITIVE(rsqrt)

static struct crew_node *reduced(struct trial *t, enum crew_reduction kind)
{
    static const int axes[] = {0, -1};

    return crew_reduce(t->g, kind, var(t, "x", crew_shape4(BATCH, 2, 3, 4)),
                       axes, 2, kind == CREW_REDUCE_MAX);
}

static struct crew_node *build_sum(struct trial *t)
{
    return reduced(t, CREW_REDUCE_SUM);
}

static struct crew_node *build_mean_of_some(struct trial *t)
{
    return reduced(t, CREW_REDUCE_MEAN);
}

static struct crew_node *build_max(struct trial *t)
{
    return reduced(t, CREW_REDUCE_MAX);
}

static struct crew_node *build_min(struct trial *t)
{
    return reduced(t, CREW_REDUCE_MIN);
}

static struct crew_node *build_l2_loss(struct trial *t)
{
    t->direct = true;
    return crew_l2_loss(t->g, var(t, "x", crew_shape2(BATCH, 5)));
}

static struct crew_node *build_layer_norm(struct trial *t)
{
    struct crew_node *in[3];

    in[0] = var(t, "x", crew_shape2(BATCH, 6));
    in[1] = var(t, "gamma", crew_shape1(6));
    in[2] = var(t, "beta", crew_shape1(6));
    return graph_add(t->g, &op_layer_norm, "norm", 3, in,
                     (union op_attr){.factor = 0.1f});
}

static struct crew_node *build_concat(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape2(BATCH, 2));
    struct crew_node *in[] = {x, var(t, "y", crew_shape2(BATCH, 3)), x};

    return crew_concat(t->g, in, 3, -1);
}

static struct crew_node *build_transpose(struct trial *t)
{
    return crew_transpose(t->g, var(t, "x", crew_shape4(BATCH, 2, 3, 4)),
                          crew_shape4(0, 3, 1, 2));
}

static struct crew_node *build_pad(struct trial *t)
{
    static const int64_t before[] = {0, 1}, after[] = {0, 2};

    return crew_pad(t->g, var(t, "x", crew_shape2(BATCH, 5)), before, after);
}

/* The labels are the ids. */
static struct crew_node *build_gather(struct trial *t)
{
    (void)graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    return crew_gather(t->g, var(t, "table", crew_shape2(5, 3)), t->labels);
}

/* One-hot labels, fed. */
static struct crew_node *labels(struct trial *t)
{
    struct crew_node *x =
        graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));

    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    return crew_one_hot(t->g, t->labels, node_shape(x)->dim[1] + 1);
}

#define LOSS(name, ...)                                                   \
    static struct crew_node *build_##name(struct trial *t)                \
    {                                                                     \
        struct crew_node *y = labels(t);                                  \
        struct crew_node *x =                                             \
            crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_SIGMOID);      \
                                                                          \
        t->direct = true;                                                 \
        return crew_##name(t->g, y, x, __VA_ARGS__(struct crew_loss){0}); \
    }
#define WITH(constant) (constant),
LOSS(mean_squared_error, )
LOSS(absolute_difference, )
LOSS(hinge_loss, )
LOSS(huber_loss, WITH(0.4))
LOSS(log_loss, WITH(0.1))
LOSS(sigmoid_cross_entropy, WITH(0.1))
LOSS(softmax_cross_entropy, WITH(0.1))

static struct crew_node *build_weighted_loss(struct trial *t)
{
    struct crew_node *y = labels(t);
    struct crew_loss how = {.weights = crew_shift(t->g, y, 0.5f),
                            .reduction = CREW_LOSS_MEAN};
    struct crew_node *x =
        crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_LINEAR);

    t->direct = true;
    return crew_mean_squared_error(t->g, y, x, how);
}

/* --- ops together, where a plan must not share a buffer it could share */

/* The second sum may not be written over the relu, whose sign backward asks. */
static struct crew_node *build_relu_under_bias(struct trial *t)
{
    struct crew_node *bias = var(t, "above", crew_shape1(5));

    return crew_bias_add(t->g, activation(t, CREW_RELU), bias);
}

/* r is relu of x, which has a second reader: neither x's value nor its gradient
 * is r's. The bias keeps the loss from being flat where r is 0. */
static struct crew_node *beside(struct trial *t,
                                struct crew_node *r,
                                struct crew_node *x)
{
    struct crew_node *bias = var(t, "above", crew_shape1(r->shape.dim[1]));

    return crew_bias_add(t->g, crew_add(t->g, crew_scale(t->g, r, 3.0f), x),
                         bias);
}

static struct crew_node *build_relu_beside_its_operand(struct trial *t)
{
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 4)), var(t, "b", crew_shape1(4)));

    return beside(t, crew_activate(t->g, x, CREW_RELU), x);
}

/* The same through other names of the same memory. */
static struct crew_node *build_relu_beside_a_reshape(struct trial *t)
{
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 4)), var(t, "b", crew_shape1(4)));
    struct crew_node *a = crew_reshape(t->g, x, crew_shape2(2 * BATCH, 2));
    struct crew_node *b = crew_reshape(t->g, x, crew_shape2(2 * BATCH, 2));

    return beside(t, crew_activate(t->g, a, CREW_RELU), b);
}

/* A variable that two products read is ready after the second. */
static struct crew_node *build_shared_weights(struct trial *t)
{
    struct crew_node *w = var(t, "w", crew_shape2(4, 4));
    struct crew_node *y =
        crew_matmul(t->g, var(t, "x", crew_shape2(BATCH, 4)), w);

    return crew_matmul(t->g, crew_activate(t->g, y, CREW_TANH), w);
}

static const struct {
    const struct op_def *op;
    const char *what;
    struct crew_node *(*build)(struct trial *);
    double tolerance; /* of the largest gradient */
} cases[] = {
    {&op_variable, "variable", build_variable, 1e-3},
    {&op_matmul, "matmul", build_matmul, 1e-3},
    {&op_bias_add, "bias_add", build_bias_add, 1e-3},
    {&op_add, "add", build_add, 1e-3},
    {&op_mul, "mul", build_mul, 2e-3},
    {&op_scale, "scale", build_scale, 1e-3},
    {&op_relu, "relu", build_relu, 1e-3},
    {&op_sigmoid, "sigmoid", build_sigmoid, 1e-3},
    {&op_tanh, "tanh", build_tanh, 1e-3},
    {&op_reshape, "reshape", build_reshape, 2e-3},
    {&op_conv2d, "conv2d same", build_conv_same, 2e-3},
    {&op_conv2d, "conv2d valid", build_conv_valid, 2e-3},
    {&op_max_pool, "max_pool", build_max_pool, 1e-3},
    {&op_max_pool, "max_pool same", build_max_pool_same, 2e-3},
    {&op_avg_pool, "avg_pool", build_avg_pool, 2e-3},
    {&op_conv2d, "conv2d strided", build_conv_strided, 2e-3},
    {&op_depthwise, "depthwise", build_depthwise, 2e-3},
    {&op_dropout, "dropout", build_dropout, 1e-3},
    {&op_softmax, "softmax", build_softmax, 2e-3},
    {&op_sparse_softmax_xent, "xent", build_xent, 2e-3},
    {&op_mean, "mean", build_mean, 2e-3},
    {&op_add, "add broadcast", build_add_broadcast, 2e-3},
    {&op_mul, "mul broadcast", build_mul_broadcast, 2e-3},
    {&op_sub, "sub", build_sub, 2e-3},
    {&op_div, "div", build_div, 2e-3},
    {&op_maximum, "maximum", build_maximum, 2e-3},
    {&op_minimum, "minimum", build_minimum, 2e-3},
    {&op_shift, "shift", build_shift, 1e-3},
    {&op_relu6, "relu6", build_relu6, 1e-3},
    {&op_elu, "elu", build_elu, 2e-3},
    {&op_selu, "selu", build_selu, 2e-3},
    {&op_leaky_relu, "leaky_relu", build_leaky_relu, 1e-3},
    {&op_softplus, "softplus", build_softplus, 1e-3},
    {&op_softsign, "softsign", build_softsign, 2e-3},
    {&op_exp, "exp", build_exp, 2e-3},
    {&op_log, "log", build_log, 2e-3},
    {&op_sqrt, "sqrt", build_sqrt, 2e-3},
    {&op_rsqrt, "rsqrt", build_rsqrt, 2e-3},
    {&op_square, "square", build_square, 2e-3},
    {&op_abs, "abs", build_abs, 1e-3},
    {&op_neg, "neg", build_neg, 1e-3},
    {&op_erf, "erf", build_erf, 2e-3},
    {&op_sum, "sum", build_sum, 2e-3},
    {&op_mean, "mean of some", build_mean_of_some, 2e-3},
    {&op_max, "max", build_max, 2e-3},
    {&op_min, "min", build_min, 2e-3},
    {&op_l2_loss, "l2_loss", build_l2_loss, 1e-3},
    {&op_layer_norm, "layer_norm", build_layer_norm, 5e-3},
    {&op_concat, "concat", build_concat, 1e-3},
    {&op_transpose, "transpose", build_transpose, 2e-3},
    {&op_pad, "pad", build_pad, 1e-3},
    {&op_gather, "gather", build_gather, 1e-3},
    {&op_squared_difference, "squared", build_mean_squared_error, 2e-3},
    {&op_absolute_difference, "absolute", build_absolute_difference, 2e-3},
    {&op_huber_loss, "huber", build_huber_loss, 2e-3},
    {&op_hinge_loss, "hinge", build_hinge_loss, 2e-3},
    {&op_log_loss, "log loss", build_log_loss, 2e-3},
    {&op_sigmoid_xent, "sigmoid xent", build_sigmoid_cross_entropy, 2e-3},
    {&op_softmax_xent, "softmax xent", build_softmax_cross_entropy, 2e-3},
    {&op_weighted_loss, "weighted", build_weighted_loss, 2e-3},
    {&op_batch_matmul, "batch_matmul", build_batch_matmul, 2e-3},
    {&op_log_softmax, "log_softmax", build_log_softmax, 2e-3},
    {&op_batch_norm, "batch_norm", build_batch_norm, 5e-3},
    {&op_batch_norm_frozen, "frozen", build_batch_norm_frozen, 5e-3},
    {&op_batch_norm_frozen, "bare", build_batch_norm_bare, 5e-3},
    {&op_embedding, "embedding sum", build_embedding_sum, 2e-3},
    {&op_embedding, "embedding mean", build_embedding_mean, 2e-3},
    {&op_embedding, "embedding sqrtn", build_embedding_sqrtn, 2e-3},
    {&op_relu, "relu under a bias", build_relu_under_bias, 1e-3},
    {&op_relu, "relu beside its operand", build_relu_beside_its_operand, 1e-3},
    {&op_relu, "relu beside a reshape", build_relu_beside_a_reshape, 1e-3},
    {&op_matmul, "shared weights", build_shared_weights, 2e-3},
};

static const struct op_def *const table[] = {
#define ROW(symbol) &symbol,
#include "graph/op_list.h"
#undef ROW
};

static float feed_x[BATCH * 4];
static const int32_t feed_labels[BATCH] = {4, 0, 2};

static double loss_of(struct plan *p, struct trial *t, struct crew_node *loss)
{
    struct plan_feed feeds[2];
    struct crew_err err = {0};
    struct crew_shape shape;
    int n = 0;

    if (t->labels != NULL) {
        feeds[n++] = (struct plan_feed){t->g->nodes[0], CREW_FLOAT, feed_x};
        feeds[n++] = (struct plan_feed){t->labels, CREW_INT32, feed_labels};
    }
    ck_assert_msg(plan_forward(p, feeds, n, BATCH, 11, 22, &err) == CREW_OK,
                  "%s", err.msg);
    return (double)*(const float *)plan_value(p, loss, &shape);
}

/* The variables of a trial. When one is ready its gradient is kept and its
 * value is spoilt: what is "ready" may be pushed and overwritten at once. */
struct vars {
    struct plan *plan;
    int n, num_ready;
    int64_t len[MAX_VARS];
    float *value[MAX_VARS], *spare[MAX_VARS], *grad[MAX_VARS];
};

static void take_ready(void *self, int i)
{
    struct vars *v = self;

    v->num_ready++;
    memcpy(v->grad[i], plan_grad(v->plan, i),
           (size_t)v->len[i] * sizeof(float));
    for (int64_t k = 0; k < v->len[i]; k++) {
        v->value[i][k] = NAN;
    }
}

static void vars_init(struct vars *v,
                      const struct crew_graph *g,
                      struct plan *p)
{
    *v = (struct vars){.plan = p, .n = graph_num_vars(g)};
    ck_assert_int_le(v->n, MAX_VARS);
    for (int i = 0; i < v->n; i++) {
        const struct graph_var *var = graph_var(g, i);
        size_t bytes = (size_t)(var->n * 4 + 63) / 64 * 64;

        v->len[i] = var->n;
        v->value[i] = aligned_alloc(64, bytes);
        v->spare[i] = aligned_alloc(64, bytes);
        v->grad[i] = aligned_alloc(64, bytes);
        graph_init_var(var, 77, v->value[i]);
        memcpy(v->spare[i], v->value[i], bytes);
        plan_bind_var(p, i, v->value[i]);
    }
}

static void vars_release(struct vars *v)
{
    for (int i = 0; i < v->n; i++) {
        free(v->value[i]);
        free(v->spare[i]);
        free(v->grad[i]);
    }
}

/* Backward, and the values as they were. */
static void backward(const char *what, struct vars *v)
{
    plan_backward(v->plan, take_ready, v);
    ck_assert_msg(v->num_ready == v->n, "%s: %d of %d variables were ready",
                  what, v->num_ready, v->n);
    for (int i = 0; i < v->n; i++) {
        size_t bytes = (size_t)v->len[i] * sizeof(float);

        ck_assert_msg(memcmp(v->grad[i], plan_grad(v->plan, i), bytes) == 0,
                      "%s: gradient %d went on after it was ready", what, i);
        memcpy(v->value[i], v->spare[i], bytes);
    }
}

static double difference(struct plan *p,
                         struct trial *t,
                         struct crew_node *loss,
                         float *x)
{
    const double eps = 1e-2;
    float keep = *x;

    *x = (float)((double)keep + eps);
    double up = loss_of(p, t, loss);
    *x = (float)((double)keep - eps);
    double down = loss_of(p, t, loss);
    *x = keep;
    return (up - down) / (2 * eps);
}

/* Central differences on every element of every variable. */
static void check_gradient(const char *what,
                           struct plan *p,
                           struct trial *t,
                           struct crew_node *loss,
                           double tolerance)
{
    struct vars v;

    vars_init(&v, t->g, p);
    (void)loss_of(p, t, loss);
    backward(what, &v);
    for (int i = 0; i < v.n; i++) {
        double largest = 1e-3;

        for (int64_t k = 0; k < v.len[i]; k++) {
            largest = fmax(largest, fabs((double)v.grad[i][k]));
        }
        for (int64_t k = 0; k < v.len[i]; k++) {
            double got = (double)v.grad[i][k];
            double want = difference(p, t, loss, &v.value[i][k]);

            ck_assert_msg(fabs(got - want) <= tolerance * largest,
                          "%s: d loss / d %s[%d]: got %g, want %g", what,
                          graph_var(t->g, i)->name, (int)k, got, want);
        }
    }
    vars_release(&v);
}

START_TEST(gradient_equals_central_differences)
{
    struct trial t = {.g = graph_new()};
    struct crew_node *y = cases[_i].build(&t), *loss;
    struct crew_err err = {0};
    struct plan *p = NULL;

    loss = t.direct ? y : crew_reduce_mean(t.g, crew_mul(t.g, y, y));
    for (int i = 0; i < BATCH * 4; i++) {
        feed_x[i] = (float)((i * 7) % 5) / 3.0f - 0.6f;
    }
    ck_assert_msg(plan_new(t.g, NULL, 0, loss, BATCH, &p, &err) == CREW_OK,
                  "%s: %s", cases[_i].what, err.msg);
    check_gradient(cases[_i].what, p, &t, loss, cases[_i].tolerance);
    plan_free(p);
    graph_free(t.g);
}
END_TEST

START_TEST(exports_or_says_that_it_cannot)
{
    struct trial t = {.g = graph_new()};
    struct crew_node *y = cases[_i].build(&t);
    struct graphdef *out = graphdef_new();
    struct crew_err err = {0};
    bool found = false;

    bool wanted = (cases[_i].op->flags & OP_NO_EXPORT) == 0;
    int code = graph_emit(t.g, &y, 1, NULL, out, &err);
    ck_assert_msg(code == (wanted ? CREW_OK : CREW_UNIMPLEMENTED), "%s: %s",
                  cases[_i].what, err.msg);
    for (size_t i = 0; wanted && i < graphdef_message(out)->n_node; i++) {
        found |= strcmp(graphdef_message(out)->node[i]->op,
                        cases[_i].op->tf_name) == 0;
    }
    /* One TensorFlow has no op for ends with a node of its name. */
    if ((cases[_i].op->flags & OP_MANY_NODES) != 0) {
        size_t n = graphdef_message(out)->n_node;

        found =
            strcmp(graphdef_message(out)->node[n - 1]->name, node_name(y)) == 0;
    }
    ck_assert_msg(found == wanted, "%s: no %s among the nodes", cases[_i].what,
                  cases[_i].op->tf_name);
    graphdef_free(out);
    graph_free(t.g);
}
END_TEST

START_TEST(every_row_of_the_table_is_complete_and_has_a_case)
{
    for (size_t r = 0; r < sizeof table / sizeof table[0]; r++) {
        const struct op_def *op = table[r];
        bool has_case = (op->flags & OP_NO_GRADIENT) != 0;

        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            has_case |= cases[c].op == op;
        }
        ck_assert_msg(has_case, "row %d (%s) has no gradient case", (int)r,
                      op->tf_name);
        ck_assert_ptr_nonnull(op->infer);
        if (op != &op_variable && op != &op_placeholder) {
            ck_assert_ptr_nonnull(op->forward);
            ck_assert_int_eq(op->backward == NULL,
                             (op->flags & OP_NO_GRADIENT) != 0);
        }
        if (op != &op_variable) {
            ck_assert_int_eq(op->emit == NULL, (op->flags & OP_NO_EXPORT) != 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad");
    TCase *tc = tcase_create("ops");
    struct crew_err err = {0};
    int n = (int)(sizeof cases / sizeof cases[0]);

    if (blas_load(&err) != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    tcase_add_loop_test(tc, gradient_equals_central_differences, 0, n);
    tcase_add_loop_test(tc, exports_or_says_that_it_cannot, 0, n);
    tcase_add_test(tc, every_row_of_the_table_is_complete_and_has_a_case);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
