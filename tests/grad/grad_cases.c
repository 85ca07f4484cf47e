/* SPDX-License-Identifier: Apache-2.0
 * The cases of the op table's tests, each a small graph around one op. */
#include "grad_cases.h"

#include "base/check.h"

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

/* Labels of 0 and 3: with and without Stirling's part. */
static struct crew_node *log_poisson(struct trial *t, float full)
{
    struct crew_node *x, *in[2];

    in[0] = crew_scale(t->g, labels(t), 3.0f);
    x = crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_TANH);
    t->direct = true;
    in[1] = x;
    return crew_reduce_mean(
        t->g, graph_add(t->g, &op_log_poisson_loss, "losses", 2, in,
                        (union op_attr){.factor = full}));
}

static struct crew_node *build_log_poisson(struct trial *t)
{
    return log_poisson(t, 1.0f);
}

static struct crew_node *build_log_poisson_part(struct trial *t)
{
    return log_poisson(t, 0.0f);
}

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

/* Weights for each element, some of them 0, or none. */
static struct crew_node *build_pairwise(struct trial *t)
{
    struct crew_node *y = labels(t), *w;
    struct crew_node *x =
        crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_LINEAR);

    t->direct = true;
    w = crew_relu(t->g, crew_shift(t->g, x, 0.2f));
    w = crew_scale(t->g, crew_to_float(t->g, crew_argmax(t->g, w, -1)), 0.5f);
    w = crew_reshape(t->g, w, crew_shape2(-1, 1));
    return crew_mean_pairwise_squared_error(t->g, y, x, w);
}

static struct crew_node *build_pairwise_plain(struct trial *t)
{
    struct crew_node *y = labels(t);
    struct crew_node *x =
        crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_LINEAR);

    t->direct = true;
    return crew_mean_pairwise_squared_error(t->g, y, x, NULL);
}

static struct crew_node *build_cosine(struct trial *t)
{
    struct crew_node *y = labels(t);
    struct crew_node *x =
        crew_dense(t->g, NULL, t->g->nodes[0], 5, CREW_LINEAR);

    t->direct = true;
    return crew_cosine_distance(t->g, y, x, -1, (struct crew_loss){0});
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

const struct grad_case grad_cases[] = {
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
    {&op_log_poisson_loss, "log poisson", build_log_poisson, 2e-3},
    {&op_log_poisson_loss, "log poisson, part", build_log_poisson_part, 2e-3},
    {&op_softmax_xent, "softmax xent", build_softmax_cross_entropy, 2e-3},
    {&op_weighted_loss, "weighted", build_weighted_loss, 2e-3},
    {&op_pairwise_squared_error, "pairwise", build_pairwise, 2e-3},
    {&op_pairwise_squared_error, "pairwise 1", build_pairwise_plain, 2e-3},
    {&op_mul, "cosine distance", build_cosine, 2e-3},
    {&op_batch_matmul, "batch_matmul", build_batch_matmul, 2e-3},
    {&op_log_softmax, "log_softmax", build_log_softmax, 2e-3},
    {&op_batch_norm, "batch_norm", build_batch_norm, 5e-3},
    {&op_batch_norm_frozen, "frozen", build_batch_norm_frozen, 5e-3},
    {&op_batch_norm_frozen, "bare", build_batch_norm_bare, 5e-3},
    {&op_embedding, "embedding sum", build_embedding_sum, 2e-3},
    {&op_embedding, "embedding mean", build_embedding_mean, 2e-3},
    {&op_embedding, "embedding sqrtn", build_embedding_sqrtn, 2e-3},
    {&op_embedding, "embedding max_norm", build_embedding_max_norm, 2e-3},
    {&op_clip_rows, "clip_rows", build_clip_rows, 2e-3},
    {&op_relu, "relu under a bias", build_relu_under_bias, 1e-3},
    {&op_relu, "relu beside its operand", build_relu_beside_its_operand, 1e-3},
    {&op_relu, "relu beside a reshape", build_relu_beside_a_reshape, 1e-3},
    {&op_matmul, "shared weights", build_shared_weights, 2e-3},
    {&op_placeholder, "placeholder", build_placeholder, 0},
    {&op_constant, "constant", build_constant, 0},
    {&op_cast, "cast", build_cast, 0},
    {&op_argmax, "argmax", build_argmax, 0},
    {&op_one_hot, "one_hot", build_one_hot, 0},
    {&op_label_range, "label range", build_label_range, 0},
    {&op_label_range, "label range of numbers", build_number_range, 0},
    {&op_column, "column", build_column, 0},
    {&op_moments, "moments", build_moments, 0},
    {&op_moment, "moment", build_moment, 0},
};

const int grad_num_cases = COUNT_OF(grad_cases);
