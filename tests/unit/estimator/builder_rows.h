/* SPDX-License-Identifier: Apache-2.0
 *
 * Every builder of crew.h that returns a node or a metric, as a function of a
 * graph and two operands. For tests that give them what is none. */
#ifndef TESTS_BUILDER_ROWS_H
#define TESTS_BUILDER_ROWS_H

#include "crew.h"

static const struct crew_loss how;
static const struct crew_conv plain_conv;
static const struct crew_batch_norm norm;
static const struct crew_embedding embedding;
static const int64_t no_padding[CREW_MAX_RANK];
static const float thresholds[] = {0.5f};

static struct crew_node *concat(struct crew_graph *g,
                                struct crew_node *a,
                                struct crew_node *b)
{
    struct crew_node *xs[] = {a, b};

    return crew_concat(g, xs, 2, 1);
}

static int forward(void *self,
                   const struct crew_op_call *call,
                   struct crew_err *err)
{
    (void)self, (void)call, (void)err;
    return CREW_OK;
}

static struct crew_node *custom(struct crew_graph *g,
                                struct crew_node *a,
                                struct crew_node *b)
{
    static const struct crew_op op = {.name = "mine", .forward = forward};
    struct crew_node *in[] = {a, b};

    return crew_custom_op(g, &op, NULL, in, 2);
}

/* ONE: of a alone. TWO: of a and b. NONE: of no node. METRIC: of a and b; what
 * it returns may be NULL. */
enum operands { NONE, ONE, TWO, METRIC1, METRIC2 };

#define ROWS(X)                                                                \
    X(NONE, crew_variable,                                                     \
      crew_variable(g, "v", crew_shape1(2), crew_init_constant(0)))            \
    X(NONE, crew_variable_fixed,                                               \
      crew_variable_fixed(g, "f", crew_shape1(2), crew_init_constant(0)))      \
    X(NONE, crew_constant, crew_constant(g, 1))                                \
    X(NONE, crew_regularization_loss, crew_regularization_loss(g))             \
    X(NONE, crew_total_loss, crew_total_loss(g, true))                         \
    X(ONE, crew_named, crew_named(g, a, "x"))                                  \
    X(TWO, crew_matmul, crew_matmul(g, a, b))                                  \
    X(TWO, crew_batch_matmul, crew_batch_matmul(g, a, b))                      \
    X(TWO, crew_bias_add, crew_bias_add(g, a, b))                              \
    X(TWO, crew_add, crew_add(g, a, b))                                        \
    X(TWO, crew_sub, crew_sub(g, a, b))                                        \
    X(TWO, crew_mul, crew_mul(g, a, b))                                        \
    X(TWO, crew_div, crew_div(g, a, b))                                        \
    X(TWO, crew_maximum, crew_maximum(g, a, b))                                \
    X(TWO, crew_minimum, crew_minimum(g, a, b))                                \
    X(ONE, crew_scale, crew_scale(g, a, 2))                                    \
    X(ONE, crew_shift, crew_shift(g, a, 2))                                    \
    X(ONE, crew_exp, crew_exp(g, a))                                           \
    X(ONE, crew_log, crew_log(g, a))                                           \
    X(ONE, crew_sqrt, crew_sqrt(g, a))                                         \
    X(ONE, crew_rsqrt, crew_rsqrt(g, a))                                       \
    X(ONE, crew_square, crew_square(g, a))                                     \
    X(ONE, crew_abs, crew_abs(g, a))                                           \
    X(ONE, crew_neg, crew_neg(g, a))                                           \
    X(ONE, crew_erf, crew_erf(g, a))                                           \
    X(ONE, crew_leaky_relu, crew_leaky_relu(g, a, 0.2f))                       \
    X(ONE, crew_activate, crew_activate(g, a, CREW_LINEAR))                    \
    X(ONE, crew_gelu, crew_gelu(g, a, true))                                   \
    X(ONE, crew_relu, crew_relu(g, a))                                         \
    X(ONE, crew_relu6, crew_relu6(g, a))                                       \
    X(ONE, crew_elu, crew_elu(g, a))                                           \
    X(ONE, crew_selu, crew_selu(g, a))                                         \
    X(ONE, crew_sigmoid, crew_sigmoid(g, a))                                   \
    X(ONE, crew_tanh, crew_tanh(g, a))                                         \
    X(ONE, crew_softplus, crew_softplus(g, a))                                 \
    X(ONE, crew_softsign, crew_softsign(g, a))                                 \
    X(ONE, crew_swish, crew_swish(g, a))                                       \
    X(ONE, crew_log_sigmoid, crew_log_sigmoid(g, a))                           \
    X(ONE, crew_crelu, crew_crelu(g, a))                                       \
    X(ONE, crew_to_float, crew_to_float(g, a))                                 \
    X(ONE, crew_reshape, crew_reshape(g, a, crew_shape1(-1)))                  \
    X(ONE, crew_max_pool2d, crew_max_pool2d(g, a, 2, 2))                       \
    X(ONE, crew_max_pooling2d, crew_max_pooling2d(g, a, 2, 2, CREW_SAME))      \
    X(ONE, crew_average_pooling2d,                                             \
      crew_average_pooling2d(g, a, 2, 2, CREW_SAME))                           \
    X(ONE, crew_global_average_pooling2d, crew_global_average_pooling2d(g, a)) \
    X(ONE, crew_global_max_pooling2d, crew_global_max_pooling2d(g, a))         \
    X(ONE, crew_flatten, crew_flatten(g, a))                                   \
    X(ONE, crew_dropout, crew_dropout(g, a, 0.5f, CREW_EVAL))                  \
    X(ONE, crew_softmax, crew_softmax(g, a))                                   \
    X(ONE, crew_log_softmax, crew_log_softmax(g, a))                           \
    X(ONE, crew_argmax, crew_argmax(g, a, 1))                                  \
    X(ONE, crew_reduce, crew_reduce(g, CREW_REDUCE_SUM, a, NULL, 0, false))    \
    X(ONE, crew_l2_loss, crew_l2_loss(g, a))                                   \
    X(ONE, crew_reduce_mean, crew_reduce_mean(g, a))                           \
    X(ONE, crew_dense, crew_dense(g, NULL, a, 2, CREW_RELU))                   \
    X(ONE, crew_conv2d, crew_conv2d(g, NULL, a, 2, 3, CREW_SAME, CREW_RELU))   \
    X(ONE, crew_conv2d_with,                                                   \
      crew_conv2d_with(g, NULL, a, 2, 3, plain_conv, CREW_RELU))               \
    X(ONE, crew_depthwise_conv2d,                                              \
      crew_depthwise_conv2d(g, NULL, a, 2, 3, plain_conv, CREW_RELU))          \
    X(ONE, crew_layer_norm, crew_layer_norm(g, NULL, a, 0.001f))               \
    X(ONE, crew_batch_normalization,                                           \
      crew_batch_normalization(g, NULL, a, norm, CREW_TRAIN))                  \
    X(TWO, crew_concat, concat(g, a, b))                                       \
    X(ONE, crew_transpose, crew_transpose(g, a, crew_shape2(0, 1)))            \
    X(ONE, crew_pad, crew_pad(g, a, no_padding, no_padding))                   \
    X(TWO, crew_gather, crew_gather(g, a, b))                                  \
    X(TWO, crew_embedding_lookup, crew_embedding_lookup(g, a, b))              \
    X(TWO, crew_embedding_lookup_sparse,                                       \
      crew_embedding_lookup_sparse(g, a, b, embedding))                        \
    X(TWO, crew_safe_embedding_lookup_sparse,                                  \
      crew_safe_embedding_lookup_sparse(g, a, b, embedding, -1))               \
    X(ONE, crew_one_hot, crew_one_hot(g, a, 3))                                \
    X(TWO, crew_custom_op, custom(g, a, b))                                    \
    X(TWO, crew_mean_squared_error, crew_mean_squared_error(g, a, b, how))     \
    X(TWO, crew_absolute_difference, crew_absolute_difference(g, a, b, how))   \
    X(TWO, crew_huber_loss, crew_huber_loss(g, a, b, 1, how))                  \
    X(TWO, crew_hinge_loss, crew_hinge_loss(g, a, b, how))                     \
    X(TWO, crew_log_loss, crew_log_loss(g, a, b, 1e-7, how))                   \
    X(TWO, crew_sigmoid_cross_entropy,                                         \
      crew_sigmoid_cross_entropy(g, a, b, 0, how))                             \
    X(TWO, crew_softmax_cross_entropy,                                         \
      crew_softmax_cross_entropy(g, a, b, 0, how))                             \
    X(TWO, crew_sparse_softmax_cross_entropy_weighted,                         \
      crew_sparse_softmax_cross_entropy_weighted(g, a, b, how))                \
    X(TWO, crew_sparse_softmax_cross_entropy,                                  \
      crew_sparse_softmax_cross_entropy(g, a, b))                              \
    X(TWO, crew_cosine_distance, crew_cosine_distance(g, a, b, 1, how))        \
    X(TWO, crew_mean_pairwise_squared_error,                                   \
      crew_mean_pairwise_squared_error(g, a, b, NULL))                         \
    X(ONE, crew_compute_weighted_loss, crew_compute_weighted_loss(g, a, how))  \
    X(ONE, crew_clip_rows_by_norm, crew_clip_rows_by_norm(g, a, 1))            \
    X(ONE, crew_add_loss, crew_add_loss(g, a))                                 \
    X(ONE, crew_l1_regularizer, crew_l1_regularizer(g, a, 0.1))                \
    X(ONE, crew_l2_regularizer, crew_l2_regularizer(g, a, 0.1))                \
    X(METRIC2, crew_metric_accuracy, crew_metric_accuracy(g, a, b))            \
    X(METRIC2, crew_metric_mean_per_class_accuracy,                            \
      crew_metric_mean_per_class_accuracy(g, a, b, 2))                         \
    X(METRIC1, crew_metric_mean, crew_metric_mean(g, a))                       \
    X(METRIC1, crew_metric_percentage_below,                                   \
      crew_metric_percentage_below(g, a, 0.5))                                 \
    X(METRIC2, crew_metric_mean_relative_error,                                \
      crew_metric_mean_relative_error(g, a, b, b))                             \
    X(METRIC2, crew_metric_auc,                                                \
      crew_metric_auc(g, a, b, 9, CREW_AUC_ROC, CREW_AUC_TRAPEZOIDAL))         \
    X(METRIC2, crew_metric_precision_at_k,                                     \
      crew_metric_precision_at_k(g, a, b, 1))                                  \
    X(METRIC2, crew_metric_recall_at_k, crew_metric_recall_at_k(g, a, b, 1))   \
    X(METRIC2, crew_metric_average_precision_at_k,                             \
      crew_metric_average_precision_at_k(g, a, b, 1))                          \
    X(METRIC2, crew_metric_in_top_k, crew_metric_in_top_k(g, a, b, 1))         \
    X(METRIC2, crew_metric_precision_at_top_k,                                 \
      crew_metric_precision_at_top_k(g, a, b))                                 \
    X(METRIC2, crew_metric_recall_at_top_k,                                    \
      crew_metric_recall_at_top_k(g, a, b))                                    \
    X(METRIC1, crew_metric_only_class,                                         \
      crew_metric_only_class(crew_metric_mean(g, a), 1))                       \
    X(METRIC2, crew_metric_mean_iou, crew_metric_mean_iou(g, a, b, 2))         \
    X(METRIC1, crew_metric_mean_tensor, crew_metric_mean_tensor(g, a))         \
    X(METRIC2, crew_metric_sensitivity_at_specificity,                         \
      crew_metric_sensitivity_at_specificity(g, a, b, 0.5, 9))                 \
    X(METRIC2, crew_metric_specificity_at_sensitivity,                         \
      crew_metric_specificity_at_sensitivity(g, a, b, 0.5, 9))                 \
    X(METRIC2, crew_metric_weighted,                                           \
      crew_metric_weighted(crew_metric_mean(g, a), b))                         \
    PAIRS(X)                                                                   \
    AT_THRESHOLDS(X)

#define PAIR(X, name) \
    X(METRIC2, crew_metric_##name, crew_metric_##name(g, a, b))
#define PAIRS(X)                     \
    PAIR(X, mean_squared_error)      \
    PAIR(X, root_mean_squared_error) \
    PAIR(X, mean_absolute_error)     \
    PAIR(X, mean_cosine_distance)    \
    PAIR(X, true_positives)          \
    PAIR(X, false_positives)         \
    PAIR(X, true_negatives)          \
    PAIR(X, false_negatives)         \
    PAIR(X, precision)               \
    PAIR(X, recall)
#define AT(X, name)                                \
    X(METRIC2, crew_metric_##name##_at_thresholds, \
      crew_metric_##name##_at_thresholds(g, a, b, thresholds, 1))
#define AT_THRESHOLDS(X)   \
    AT(X, precision)       \
    AT(X, recall)          \
    AT(X, true_positives)  \
    AT(X, false_positives) \
    AT(X, true_negatives)  \
    AT(X, false_negatives)

#define FUNCTION(operands, name, call)                                      \
    static const void *do_##name(struct crew_graph *g, struct crew_node *a, \
                                 struct crew_node *b)                       \
    {                                                                       \
        (void)a, (void)b;                                                   \
        return call;                                                        \
    }
ROWS(FUNCTION)

static const struct builder {
    enum operands operands;
    const char *name;
    const void *(*call)(struct crew_graph *,
                        struct crew_node *,
                        struct crew_node *);
} builders[] = {
#define BUILDER(operands, name, call) {operands, #name, do_##name},
    ROWS(BUILDER)
#undef BUILDER
};
enum { NUM_BUILDERS = sizeof builders / sizeof builders[0] };

#endif
