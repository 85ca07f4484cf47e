/* SPDX-License-Identifier: Apache-2.0
 * The public builders: ops one by one, and layers made of them with tf.layers'
 * names. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/layers.h"
#include "graph/op.h"

#include "base/banned.h"

static const union op_attr no_attr;

static struct crew_node *unary(struct crew_graph *g,
                               const struct op_def *op,
                               const char *name,
                               struct crew_node *x,
                               union op_attr attr)
{
    return graph_add(g, op, name, 1, &x, attr);
}

static struct crew_node *binary(struct crew_graph *g,
                                const struct op_def *op,
                                const char *name,
                                struct crew_node *a,
                                struct crew_node *b)
{
    struct crew_node *in[] = {a, b};

    return graph_add(g, op, name, 2, in, no_attr);
}

struct crew_node *crew_matmul(struct crew_graph *g,
                              struct crew_node *a,
                              struct crew_node *b)
{
    return binary(g, &op_matmul, "MatMul", a, b);
}

struct crew_node *crew_batch_matmul(struct crew_graph *g,
                                    struct crew_node *a,
                                    struct crew_node *b)
{
    return binary(g, &op_batch_matmul, "BatchMatMulV2", a, b);
}

struct crew_node *crew_constant(struct crew_graph *g, float value)
{
    return graph_add(g, &op_constant, "Const", 0, NULL,
                     (union op_attr){.factor = value});
}

struct crew_node *crew_bias_add(struct crew_graph *g,
                                struct crew_node *x,
                                struct crew_node *bias)
{
    return binary(g, &op_bias_add, "BiasAdd", x, bias);
}

struct crew_node *crew_add(struct crew_graph *g,
                           struct crew_node *a,
                           struct crew_node *b)
{
    return binary(g, &op_add, "add", a, b);
}

struct crew_node *crew_mul(struct crew_graph *g,
                           struct crew_node *a,
                           struct crew_node *b)
{
    return binary(g, &op_mul, "mul", a, b);
}

struct crew_node *crew_sub(struct crew_graph *g,
                           struct crew_node *a,
                           struct crew_node *b)
{
    return binary(g, &op_sub, "sub", a, b);
}

struct crew_node *crew_div(struct crew_graph *g,
                           struct crew_node *a,
                           struct crew_node *b)
{
    return binary(g, &op_div, "truediv", a, b);
}

struct crew_node *crew_maximum(struct crew_graph *g,
                               struct crew_node *a,
                               struct crew_node *b)
{
    return binary(g, &op_maximum, "Maximum", a, b);
}

struct crew_node *crew_minimum(struct crew_graph *g,
                               struct crew_node *a,
                               struct crew_node *b)
{
    return binary(g, &op_minimum, "Minimum", a, b);
}

struct crew_node *crew_scale(struct crew_graph *g,
                             struct crew_node *x,
                             float factor)
{
    return unary(g, &op_scale, "mul", x, (union op_attr){.factor = factor});
}

struct crew_node *crew_shift(struct crew_graph *g,
                             struct crew_node *x,
                             float constant)
{
    return unary(g, &op_shift, "add", x, (union op_attr){.factor = constant});
}

#define UNARY(function, op, name)                                         \
    struct crew_node *function(struct crew_graph *g, struct crew_node *x) \
    {                                                                     \
        return unary(g, &(op), name, x, no_attr);                         \
    }
UNARY(crew_exp, op_exp, "Exp")
UNARY(crew_log, op_log, "Log")
UNARY(crew_sqrt, op_sqrt, "Sqrt")
UNARY(crew_rsqrt, op_rsqrt, "Rsqrt")
UNARY(crew_square, op_square, "Square")
UNARY(crew_abs, op_abs, "Abs")
UNARY(crew_neg, op_neg, "Neg")
UNARY(crew_erf, op_erf, "Erf")
UNARY(crew_l2_loss, op_l2_loss, "L2Loss")
#undef UNARY

struct crew_node *crew_reshape(struct crew_graph *g,
                               struct crew_node *x,
                               struct crew_shape shape)
{
    return unary(g, &op_reshape, "Reshape", x,
                 (union op_attr){.reshape = shape});
}

/* Layers open a name scope of their own: "conv2d", "conv2d_1", ... A scope is
 * taken when any name begins with it. */
static bool scope_taken(const struct crew_graph *g, const char *full)
{
    size_t n = strlen(full);

    for (int i = 0; i < g->n_nodes; i++) {
        const char *name = g->nodes[i]->name;

        if (strncmp(name, full, n) == 0 &&
            (name[n] == '/' || name[n] == '\0')) {
            return true;
        }
    }
    return false;
}

void layer_push(struct crew_graph *g, const char *name, const char *fallback)
{
    char *own;

    if (g == NULL) {
        return;
    }
    own = xstrdup(name != NULL ? name : fallback);
    for (int i = 1; name == NULL; i++) {
        char *full = xasprintf("%s%s", g->scope.data, own);
        bool taken = scope_taken(g, full);

        free(full);
        if (!taken) {
            break;
        }
        free(own);
        own = xasprintf("%s_%d", fallback, i);
    }
    crew_scope_push(g, own);
    free(own);
}

static struct crew_node *pool(struct crew_graph *g,
                              const struct op_def *op,
                              const char *layer,
                              const char *name,
                              struct crew_node *x,
                              union op_attr attr)
{
    layer_push(g, NULL, layer);
    x = unary(g, op, name, x, attr);
    crew_scope_pop(g);
    return x;
}

static union op_attr pool_attr(int64_t size,
                               int64_t stride,
                               enum crew_padding padding)
{
    return (union op_attr){.window = {padding, stride, stride, size}};
}

struct crew_node *crew_max_pool2d(struct crew_graph *g,
                                  struct crew_node *x,
                                  int64_t size,
                                  int64_t stride)
{
    return crew_max_pooling2d(g, x, size, stride, CREW_VALID);
}

struct crew_node *crew_max_pooling2d(struct crew_graph *g,
                                     struct crew_node *x,
                                     int64_t size,
                                     int64_t stride,
                                     enum crew_padding padding)
{
    return pool(g, &op_max_pool, "max_pooling2d", "MaxPool", x,
                pool_attr(size, stride, padding));
}

struct crew_node *crew_average_pooling2d(struct crew_graph *g,
                                         struct crew_node *x,
                                         int64_t size,
                                         int64_t stride,
                                         enum crew_padding padding)
{
    return pool(g, &op_avg_pool, "average_pooling2d", "AvgPool", x,
                pool_attr(size, stride, padding));
}

struct crew_node *crew_dropout(struct crew_graph *g,
                               struct crew_node *x,
                               float rate,
                               enum crew_mode mode)
{
    union op_attr attr = {.dropout = {.rate = rate}};

    if (!graph_takes(g, "crew_dropout", x)) {
        return graph_poison(g);
    }
    attr.dropout.stream = g->num_dropouts++;
    return mode == CREW_TRAIN ? unary(g, &op_dropout, "dropout", x, attr) : x;
}

struct crew_node *crew_softmax(struct crew_graph *g, struct crew_node *logits)
{
    return unary(g, &op_softmax, "Softmax", logits, no_attr);
}

struct crew_node *crew_log_softmax(struct crew_graph *g,
                                   struct crew_node *logits)
{
    return unary(g, &op_log_softmax, "LogSoftmax", logits, no_attr);
}

struct crew_node *crew_argmax(struct crew_graph *g,
                              struct crew_node *x,
                              int axis)
{
    return unary(g, &op_argmax, "ArgMax", x, (union op_attr){.axis = axis});
}

/* The bits of `axes`, negative ones counted from the end; n 0: all. */
static bool axes_bits(const struct crew_node *x,
                      const int *axes,
                      int n,
                      uint32_t *bits)
{
    int rank = x->shape.rank;

    *bits = n == 0 ? (1u << rank) - 1u : 0;
    for (int i = 0; i < n; i++) {
        int axis = axes[i] < 0 ? axes[i] + rank : axes[i];

        if (axis < 0 || axis >= rank) {
            return false;
        }
        *bits |= 1u << axis;
    }
    return true;
}

struct crew_node *crew_reduce(struct crew_graph *g,
                              enum crew_reduction kind,
                              struct crew_node *x,
                              const int *axes,
                              int num_axes,
                              bool keepdims)
{
    static const struct {
        const struct op_def *op;
        const char *name;
    } kinds[] = {[CREW_REDUCE_SUM] = {&op_sum, "Sum"},
                 [CREW_REDUCE_MEAN] = {&op_mean, "Mean"},
                 [CREW_REDUCE_MAX] = {&op_max, "Max"},
                 [CREW_REDUCE_MIN] = {&op_min, "Min"}};
    union op_attr attr = {.reduce = {.keep = keepdims}};

    if (!graph_takes(g, "crew_reduce", x)) {
        return graph_poison(g);
    }
    if (num_axes < 0 || (num_axes > 0 && axes == NULL) ||
        !axes_bits(x, axes, num_axes, &attr.reduce.axes)) {
        return graph_fail(g, "crew_reduce: %s",
                          num_axes > 0 && axes == NULL
                              ? "axes is NULL"
                              : "an axis is beyond the operand's rank");
    }
    if ((unsigned)kind > CREW_REDUCE_MIN) {
        return graph_fail(g, "crew_reduce: there is no reduction %d",
                          (int)kind);
    }
    return unary(g, kinds[kind].op, kinds[kind].name, x, attr);
}

struct crew_node *crew_reduce_mean(struct crew_graph *g, struct crew_node *x)
{
    return crew_reduce(g, CREW_REDUCE_MEAN, x, NULL, 0, false);
}

struct crew_node *crew_concat(struct crew_graph *g,
                              struct crew_node *const *xs,
                              int n,
                              int axis)
{
    int rank;

    if (n < 1 || xs == NULL) {
        return graph_fail(g, "crew_concat: %d operands, must be at least 1",
                          xs != NULL ? n : 0);
    }
    if (!graph_takes(g, "crew_concat", xs[0])) {
        return graph_poison(g);
    }
    rank = xs[0]->shape.rank;
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis >= rank) {
        return graph_fail(g, "crew_concat: no dimension %d in rank %d", axis,
                          rank);
    }
    return graph_add(g, &op_concat, "concat", n, xs,
                     (union op_attr){.axis = axis});
}

struct crew_node *crew_transpose(struct crew_graph *g,
                                 struct crew_node *x,
                                 struct crew_shape perm)
{
    return unary(g, &op_transpose, "transpose", x,
                 (union op_attr){.reshape = perm});
}

struct crew_node *crew_pad(struct crew_graph *g,
                           struct crew_node *x,
                           const int64_t *before,
                           const int64_t *after)
{
    union op_attr attr = no_attr;

    if (!graph_takes(g, "crew_pad", x)) {
        return graph_poison(g);
    }
    if (before == NULL || after == NULL) {
        return graph_fail(g, "crew_pad: %s is NULL",
                          before == NULL ? "before" : "after");
    }
    for (int i = 0; i < x->shape.rank; i++) {
        attr.pad.before[i] = before[i];
        attr.pad.after[i] = after[i];
    }
    return unary(g, &op_pad, "Pad", x, attr);
}

struct crew_node *crew_gather(struct crew_graph *g,
                              struct crew_node *params,
                              struct crew_node *ids)
{
    return binary(g, &op_gather, "GatherV2", params, ids);
}

struct crew_node *crew_one_hot(struct crew_graph *g,
                               struct crew_node *ids,
                               int64_t depth)
{
    return unary(g, &op_one_hot, "one_hot", ids,
                 (union op_attr){.size = depth});
}

struct crew_node *crew_dense(struct crew_graph *g,
                             const char *name,
                             struct crew_node *x,
                             int64_t units,
                             enum crew_activation activation)
{
    struct crew_node *kernel, *bias;

    if (!graph_takes(g, "crew_dense", x)) {
        return graph_poison(g);
    }
    if (x->shape.rank != 2 || units < 1) {
        char t[128];

        return graph_fail(
            g,
            "crew_dense %s: %lld units of an input %s; it must be "
            "(batch, n)",
            name != NULL ? name : "", (long long)units,
            shape_text(&x->shape, t, sizeof t));
    }
    layer_push(g, name, "dense");
    kernel = crew_variable(g, "kernel", crew_shape2(x->shape.dim[1], units),
                           crew_init_glorot_uniform());
    bias = crew_variable(g, "bias", crew_shape1(units), (struct crew_init){0});
    x = crew_bias_add(g, crew_matmul(g, x, kernel), bias);
    x = crew_activate(g, x, activation);
    crew_scope_pop(g);
    return x;
}

struct crew_node *crew_layer_norm(struct crew_graph *g,
                                  const char *name,
                                  struct crew_node *x,
                                  float epsilon)
{
    struct crew_shape width;
    struct crew_node *in[3];

    if (!graph_takes(g, "crew_layer_norm", x)) {
        return graph_poison(g);
    }
    if (x->shape.rank < 1 || x->shape.dim[x->shape.rank - 1] < 0) {
        return graph_fail(g,
                          "crew_layer_norm: %s has no last dimension of "
                          "known size",
                          x->name);
    }
    width = crew_shape1(x->shape.dim[x->shape.rank - 1]);
    layer_push(g, name, "layer_normalization");
    in[0] = x;
    in[1] = crew_variable(g, "gamma", width, crew_init_constant(1));
    in[2] = crew_variable(g, "beta", width, (struct crew_init){0});
    x = graph_add(g, &op_layer_norm, "batchnorm", 3, in,
                  (union op_attr){.factor = epsilon});
    crew_scope_pop(g);
    return x;
}

struct crew_node *crew_conv2d(struct crew_graph *g,
                              const char *name,
                              struct crew_node *x,
                              int64_t filters,
                              int64_t kernel_size,
                              enum crew_padding padding,
                              enum crew_activation activation)
{
    struct crew_conv how = {.strides = {1, 1}, .padding = padding};

    return crew_conv2d_with(g, name, x, filters, kernel_size, how, activation);
}

static bool conv_input(struct crew_graph *g,
                       const char *layer,
                       const char *name,
                       const struct crew_node *x,
                       int64_t filters,
                       int64_t kernel_size)
{
    char t[128];

    if (!graph_takes(g, layer, x)) {
        return false;
    }
    if (x->shape.rank != 4 || filters < 1 || kernel_size < 1) {
        (void)graph_fail(g,
                         "%s %s: %lld filters of size %lld over an input %s; "
                         "it must be (batch, height, width, channels)",
                         layer, name != NULL ? name : "", (long long)filters,
                         (long long)kernel_size,
                         shape_text(&x->shape, t, sizeof t));
        return false;
    }
    return true;
}

/* Strides of 0 are 1. */
static union op_attr conv_attr(struct crew_conv how)
{
    return (union op_attr){
        .window = {how.padding, how.strides[0] == 0 ? 1 : how.strides[0],
                   how.strides[1] == 0 ? 1 : how.strides[1], 0}};
}

struct crew_node *crew_conv2d_with(struct crew_graph *g,
                                   const char *name,
                                   struct crew_node *x,
                                   int64_t filters,
                                   int64_t kernel_size,
                                   struct crew_conv how,
                                   enum crew_activation activation)
{
    struct crew_node *in[2], *bias;

    if (!conv_input(g, "crew_conv2d", name, x, filters, kernel_size)) {
        return graph_poison(g);
    }
    layer_push(g, name, "conv2d");
    in[0] = x;
    in[1] = crew_variable(
        g, "kernel",
        crew_shape4(kernel_size, kernel_size, x->shape.dim[3], filters),
        crew_init_glorot_uniform());
    bias =
        crew_variable(g, "bias", crew_shape1(filters), (struct crew_init){0});
    x = graph_add(g, &op_conv2d, "Conv2D", 2, in, conv_attr(how));
    x = crew_activate(g, crew_bias_add(g, x, bias), activation);
    crew_scope_pop(g);
    return x;
}

struct crew_node *crew_depthwise_conv2d(struct crew_graph *g,
                                        const char *name,
                                        struct crew_node *x,
                                        int64_t multiplier,
                                        int64_t kernel_size,
                                        struct crew_conv how,
                                        enum crew_activation activation)
{
    struct crew_node *in[2], *bias;
    int64_t channels;

    if (!conv_input(g, "crew_depthwise_conv2d", name, x, multiplier,
                    kernel_size)) {
        return graph_poison(g);
    }
    channels = x->shape.dim[3];
    layer_push(g, name, "depthwise_conv2d");
    in[0] = x;
    in[1] = crew_variable(
        g, "depthwise_kernel",
        crew_shape4(kernel_size, kernel_size, channels, multiplier),
        crew_init_glorot_uniform());
    bias = crew_variable(g, "bias", crew_shape1(channels * multiplier),
                         (struct crew_init){0});
    x = graph_add(g, &op_depthwise, "depthwise", 2, in, conv_attr(how));
    x = crew_activate(g, crew_bias_add(g, x, bias), activation);
    crew_scope_pop(g);
    return x;
}
