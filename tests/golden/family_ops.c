/* SPDX-License-Identifier: Apache-2.0
 *
 * Family ops: each op built as a model builds it, over variables that hold the
 * case's float inputs. Its value is compared with TensorFlow's output, and the
 * gradients of sum(output * cotangent) with TensorFlow's gradients. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "ops_more.h"
#include "golden.h"
#include "golden_families.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "kernels/blas.h"

#include "base/banned.h"

static const struct golden_tolerance tolerance = {1e-5, 1e-6};
/* README-numerics.md: batch and layer normalisation. */
static const struct golden_tolerance normalising = {5e-5, 1e-6};

const cJSON *ops_attribute(const struct trial *t, const char *key)
{
    return json_get(golden_member(t->json, "attributes"), key);
}

double ops_number(const struct trial *t, const char *key, double fallback)
{
    const cJSON *v = ops_attribute(t, key);

    return v == NULL ? fallback : golden_number(v);
}

bool ops_word_is(const struct trial *t, const char *key, const char *word)
{
    const cJSON *v = ops_attribute(t, key);

    return cJSON_IsString(v) && strcmp(v->valuestring, word) == 0;
}

/* A variable holding these numbers. */
struct crew_node *ops_hold(struct trial *t, const char *name, const cJSON *a)
{
    struct golden_array array;
    struct crew_err err = {0};
    struct crew_node *v;
    float *numbers;
    void *room = NULL;

    if (t->n_vars == OPS_MAX_INPUTS) {
        exit(golden_trouble(65, "a case of more than %d inputs",
                            OPS_MAX_INPUTS));
    }
    golden_array_read(a, &array);
    numbers = golden_array_floats(&array);
    if (mem_try((size_t)array.n + 1, sizeof(float), name, &room, &err) != 0) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    memcpy(room, numbers, (size_t)array.n * sizeof(float));
    t->value[t->n_vars] = room;
    t->var_name[t->n_vars++] = name;
    v = crew_variable(t->g, name, array.shape, (struct crew_init){0});
    free(numbers);
    golden_array_release(&array);
    return v;
}

/* The input of that name: floats as a variable, integers as a feed. NULL: the
 * case has none. */
struct crew_node *ops_in(struct trial *t, const char *name)
{
    const cJSON *a = json_get(golden_member(t->json, "inputs"), name);
    struct golden_array *array = &t->fed[t->n_feeds];
    struct crew_node *x;

    if (a == NULL) {
        return NULL;
    }
    golden_array_read(a, array);
    if (array->dtype == CREW_FLOAT) {
        golden_array_release(array);
        return ops_hold(t, name, a);
    }
    x = graph_input(t->g, name, CREW_INT64, array->shape);
    t->feeds[t->n_feeds++] = (struct plan_feed){x, CREW_INT64, array->integer};
    return x;
}

/* --------------------------------------------------- how each op is written */

static const struct {
    const char *name;
    enum crew_activation kind;
} activations[] = {
    {"none", CREW_LINEAR},       {"relu", CREW_RELU},
    {"relu6", CREW_RELU6},       {"elu", CREW_ELU},
    {"selu", CREW_SELU},         {"tanh", CREW_TANH},
    {"sigmoid", CREW_SIGMOID},   {"softplus", CREW_SOFTPLUS},
    {"softsign", CREW_SOFTSIGN}, {"swish", CREW_SWISH},
    {"gelu", CREW_GELU},
};

static bool find_activation(const char *name, enum crew_activation *kind)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            *kind = activations[i].kind;
            return true;
        }
    }
    return false;
}

static struct crew_node *build_activation(struct trial *t)
{
    enum crew_activation kind = CREW_LINEAR;

    (void)find_activation(golden_text(t->json, "op"), &kind);
    return crew_activate(t->g, ops_in(t, "x"), kind);
}

static struct crew_node *build_leaky_relu(struct trial *t)
{
    return crew_leaky_relu(t->g, ops_in(t, "x"),
                           (float)ops_number(t, "alpha", 0.2));
}

#define UNARY(name)                                        \
    static struct crew_node *build_##name(struct trial *t) \
    {                                                      \
        return crew_##name(t->g, ops_in(t, "x"));          \
    }
UNARY(log)
UNARY(sqrt)
UNARY(square)
UNARY(abs)
UNARY(softmax)
UNARY(log_softmax)
UNARY(l2_loss)
#undef UNARY

#define BINARY(name)                                       \
    static struct crew_node *build_##name(struct trial *t) \
    {                                                      \
        struct crew_node *x = ops_in(t, "x");              \
                                                           \
        return crew_##name(t->g, x, ops_in(t, "y"));       \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(maximum)
#undef BINARY

/* The case is exp(x / 10), see its note. */
static struct crew_node *build_exp(struct trial *t)
{
    return crew_exp(t->g, crew_scale(t->g, ops_in(t, "x"), 0.1f));
}

/* tf.nn.l2_loss times 2: keras' l2 and the regularizer's scale differ. */
static struct crew_node *build_keras_l2(struct trial *t)
{
    return crew_scale(t->g, crew_l2_loss(t->g, ops_in(t, "x")),
                      (float)(2.0 * ops_number(t, "l2", 0)));
}

static struct crew_node *build_l2_regularizer(struct trial *t)
{
    return crew_scale(t->g, crew_l2_loss(t->g, ops_in(t, "x")),
                      (float)ops_number(t, "scale", 0));
}

/* Transposed operands are transposed by an op of their own. */
static struct crew_node *operand(struct trial *t,
                                 const char *name,
                                 const char *flag)
{
    struct crew_node *x = ops_in(t, name);

    return cJSON_IsTrue(ops_attribute(t, flag))
               ? crew_transpose(t->g, x, crew_shape2(1, 0))
               : x;
}

static struct crew_node *build_matmul(struct trial *t)
{
    struct crew_node *a = operand(t, "a", "transpose_a");

    return crew_matmul(t->g, a, operand(t, "b", "transpose_b"));
}

static struct crew_node *build_batch_matmul(struct trial *t)
{
    struct crew_node *a = ops_in(t, "a");

    return crew_batch_matmul(t->g, a, ops_in(t, "b"));
}

static struct crew_node *build_bias_add(struct trial *t)
{
    struct crew_node *x = ops_in(t, "x");

    return crew_bias_add(t->g, x, ops_in(t, "b"));
}

/* A dense layer over the last dimension, the others flattened. */
static struct crew_node *build_dense(struct trial *t)
{
    enum crew_activation kind = CREW_LINEAR;
    struct crew_node *x = ops_in(t, "x"), *kernel = ops_in(t, "kernel");
    struct crew_node *bias = ops_in(t, "bias");
    struct crew_shape shape = *node_shape(x);
    int64_t k = node_shape(kernel)->dim[0], units = node_shape(kernel)->dim[1];

    (void)find_activation(ops_attribute(t, "activation")->valuestring, &kind);
    x = crew_matmul(t->g,
                    crew_reshape(t->g, x, crew_shape2(node_count(x, 1) / k, k)),
                    kernel);
    x = crew_activate(t->g, crew_bias_add(t->g, x, bias), kind);
    shape.dim[shape.rank - 1] = units;
    return crew_reshape(t->g, x, shape);
}

static struct crew_node *build_reduce(struct trial *t)
{
    static const char *const names[] = {"reduce_sum", "reduce_mean",
                                        "reduce_max", "reduce_min"};
    const cJSON *axis = ops_attribute(t, "axis"), *item;
    int kind = 0, axes[CREW_MAX_RANK], n = 0;

    while (strcmp(names[kind], golden_text(t->json, "op")) != 0) {
        kind++;
    }
    if (cJSON_IsNumber(axis)) {
        axes[n++] = (int)golden_int(axis);
    }
    cJSON_ArrayForEach(item, axis)
    {
        axes[n++] = (int)golden_int(item);
    }
    return crew_reduce(t->g, (enum crew_reduction)kind, ops_in(t, "x"), axes, n,
                       cJSON_IsTrue(ops_attribute(t, "keepdims")));
}

static struct crew_node *build_concat(struct trial *t)
{
    struct crew_node *xs[] = {ops_in(t, "a"), ops_in(t, "b"), ops_in(t, "c")};

    return crew_concat(t->g, xs, 3, (int)ops_number(t, "axis", 0));
}

/* A list of integers as a shape. */
static struct crew_shape list(const cJSON *items)
{
    struct crew_shape s = {0};
    const cJSON *item;

    cJSON_ArrayForEach(item, items)
    {
        s.dim[s.rank++] = golden_int(item);
    }
    return s;
}

static struct crew_node *build_reshape(struct trial *t)
{
    return crew_reshape(t->g, ops_in(t, "x"), list(ops_attribute(t, "shape")));
}

static struct crew_node *build_transpose(struct trial *t)
{
    return crew_transpose(t->g, ops_in(t, "x"), list(ops_attribute(t, "perm")));
}

static struct crew_node *build_pad(struct trial *t)
{
    int64_t before[CREW_MAX_RANK] = {0}, after[CREW_MAX_RANK] = {0};
    const cJSON *pair;
    int i = 0;

    cJSON_ArrayForEach(pair, ops_attribute(t, "paddings"))
    {
        before[i] = golden_int(cJSON_GetArrayItem(pair, 0));
        after[i++] = golden_int(cJSON_GetArrayItem(pair, 1));
    }
    return crew_pad(t->g, ops_in(t, "x"), before, after);
}

static struct crew_node *build_gather(struct trial *t)
{
    struct crew_node *params = ops_in(t, "params");

    return crew_gather(t->g, params, ops_in(t, "ids"));
}

static struct crew_node *build_one_hot_matmul(struct trial *t)
{
    struct crew_node *kernel = ops_in(t, "kernel");

    struct crew_node *ids = ops_in(t, "ids");

    return crew_matmul(
        t->g, crew_one_hot(t->g, ids, node_shape(kernel)->dim[0]), kernel);
}

static struct crew_node *build_layer_norm(struct trial *t)
{
    struct crew_node *x[3] = {ops_in(t, "x"), ops_in(t, "gamma"),
                              ops_in(t, "beta")};

    return graph_add(
        t->g, &op_layer_norm, "layer_norm", 3, x,
        (union op_attr){.factor = (float)ops_number(t, "epsilon", 0)});
}

static enum crew_padding padding(const struct trial *t)
{
    return ops_word_is(t, "padding", "SAME") ? CREW_SAME : CREW_VALID;
}

static struct crew_node *convolution(struct trial *t, const struct op_def *op)
{
    struct crew_shape strides = list(ops_attribute(t, "strides"));
    struct crew_node *x[2] = {ops_in(t, "x"), ops_in(t, "filter")};

    return graph_add(t->g, op, "conv", 2, x,
                     (union op_attr){.window = {padding(t), strides.dim[0],
                                                strides.dim[1], 0}});
}

static struct crew_node *build_conv2d(struct trial *t)
{
    return convolution(t, &op_conv2d);
}

static struct crew_node *build_depthwise(struct trial *t)
{
    return convolution(t, &op_depthwise);
}

/* NULL: the window is not square. */
static struct crew_node *pool(struct trial *t, bool max)
{
    struct crew_shape size = list(ops_attribute(t, "ksize"));
    struct crew_shape stride = list(ops_attribute(t, "strides"));

    if (size.dim[0] != size.dim[1] || stride.dim[0] != stride.dim[1]) {
        return NULL;
    }
    return (max ? crew_max_pooling2d : crew_average_pooling2d)(
        t->g, ops_in(t, "x"), size.dim[0], stride.dim[0], padding(t));
}

static struct crew_node *build_max_pool(struct trial *t)
{
    return pool(t, true);
}

static struct crew_node *build_avg_pool(struct trial *t)
{
    return pool(t, false);
}

/* ------------------------------------------------------------------- losses */

struct crew_loss ops_loss(struct trial *t)
{
    static const char *const names[] = {"weighted_sum_by_nonzero_weights",
                                        "none", "weighted_sum", "weighted_mean",
                                        "weighted_sum_over_batch_size"};
    struct crew_loss how = {.weights = ops_in(t, "weights")};

    for (int i = 0; i < 5; i++) {
        if (ops_word_is(t, "reduction", names[i])) {
            how.reduction = (enum crew_loss_reduction)i;
        }
    }
    return how;
}

static struct crew_node *build_mean_squared_error(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_mean_squared_error(t->g, l, x, ops_loss(t));
}

static struct crew_node *build_absolute_difference(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_absolute_difference(t->g, l, x, ops_loss(t));
}

static struct crew_node *build_huber_loss(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_huber_loss(t->g, l, x, ops_number(t, "delta", 1), ops_loss(t));
}

static struct crew_node *build_hinge_loss(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "logits");

    return crew_hinge_loss(t->g, l, x, ops_loss(t));
}

static struct crew_node *build_log_loss(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_log_loss(t->g, l, x, ops_number(t, "epsilon", 1e-7),
                         ops_loss(t));
}

static struct crew_node *build_sigmoid_xent(struct trial *t)
{
    struct crew_node *l = ops_in(t, "multi_class_labels"),
                     *x = ops_in(t, "logits");

    return crew_sigmoid_cross_entropy(
        t->g, l, x, ops_number(t, "label_smoothing", 0), ops_loss(t));
}

static struct crew_node *build_softmax_xent(struct trial *t)
{
    struct crew_node *l = ops_in(t, "onehot_labels"), *x = ops_in(t, "logits");

    return crew_softmax_cross_entropy(
        t->g, l, x, ops_number(t, "label_smoothing", 0), ops_loss(t));
}

static struct crew_node *build_sparse_xent(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "logits");

    return crew_sparse_softmax_cross_entropy_weighted(t->g, l, x, ops_loss(t));
}

static const struct {
    const char *op;
    /* NULL: we have no such form of the op. */
    struct crew_node *(*build)(struct trial *);
} builders[] = {
    {"abs", build_abs},
    {"absolute_difference", build_absolute_difference},
    {"add", build_add},
    {"avg_pool", build_avg_pool},
    {"batch_matmul", build_batch_matmul},
    {"batch_normalization_inference", ops_build_batch_norm_frozen},
    {"batch_normalization_train", ops_build_batch_norm},
    {"bias_add", build_bias_add},
    {"concat", build_concat},
    {"conv2d", build_conv2d},
    {"dense", build_dense},
    {"depthwise_conv2d", build_depthwise},
    {"div", build_div},
    {"elu", build_activation},
    {"embedding_lookup_sparse", ops_build_embedding},
    {"exp", build_exp},
    {"gather", build_gather},
    {"gelu", build_activation},
    {"hinge_loss", build_hinge_loss},
    {"huber_loss", build_huber_loss},
    {"keras_l2", build_keras_l2},
    {"l2_loss", build_l2_loss},
    {"l2_regularizer", build_l2_regularizer},
    {"layer_norm", build_layer_norm},
    {"leaky_relu", build_leaky_relu},
    {"log", build_log},
    {"log_loss", build_log_loss},
    {"log_softmax", build_log_softmax},
    {"matmul", build_matmul},
    {"max_pool", build_max_pool},
    {"maximum", build_maximum},
    {"mean_squared_error", build_mean_squared_error},
    {"mul", build_mul},
    {"one_hot_matmul", build_one_hot_matmul},
    {"pad", build_pad},
    {"reduce_max", build_reduce},
    {"reduce_mean", build_reduce},
    {"reduce_min", build_reduce},
    {"reduce_sum", build_reduce},
    {"relu", build_activation},
    {"relu6", build_activation},
    {"reshape", build_reshape},
    {"safe_embedding_lookup_sparse", ops_build_embedding},
    {"selu", build_activation},
    {"sigmoid", build_activation},
    {"sigmoid_cross_entropy", build_sigmoid_xent},
    {"softmax", build_softmax},
    {"softmax_cross_entropy", build_softmax_xent},
    {"softplus", build_activation},
    {"softsign", build_activation},
    {"sparse_softmax_cross_entropy", build_sparse_xent},
    {"sqrt", build_sqrt},
    {"square", build_square},
    {"sub", build_sub},
    {"swish", build_activation},
    {"tanh", build_activation},
    {"transpose", build_transpose},
};

/* NULL: no such op. */
static struct crew_node *build(struct trial *t)
{
    const char *op = golden_text(t->json, "op");

    for (size_t i = 0; i < sizeof builders / sizeof builders[0]; i++) {
        if (strcmp(builders[i].op, op) == 0) {
            return builders[i].build(t);
        }
    }
    return ops_build_row(t, op);
}

/* --------------------------------------------------------------- comparing */

void ops_release(struct trial *t)
{
    for (int i = 0; i < t->n_vars; i++) {
        free(t->value[i]);
    }
    for (int i = 0; i < t->n_feeds; i++) {
        golden_array_release(&t->fed[i]);
    }
    free(t->splits);
    free(t->weights);
    free(t->cotangent);
    graph_free(t->g);
}

static struct golden_tolerance tolerance_of(const struct trial *t)
{
    const char *op = golden_text(t->json, "op");

    return strcmp(op, "layer_norm") == 0 ||
                   strcmp(op, "batch_normalization_train") == 0
               ? normalising
               : tolerance;
}

void ops_nothing(void *self, int var)
{
    (void)self;
    (void)var;
}

static void same(struct golden_report *report,
                 const struct trial *t,
                 const char *what,
                 const float *got,
                 int64_t n,
                 const cJSON *want)
{
    struct golden_array array;

    golden_array_read(want, &array);
    golden_same_floats(report, what, got, n, &array, tolerance_of(t));
    golden_array_release(&array);
}

static void compare_output(struct golden_report *report,
                           const struct trial *t,
                           const struct plan *p,
                           const struct crew_node *y)
{
    const cJSON *want = golden_member(t->json, "output");
    struct crew_shape shape;
    const void *got = plan_value(p, y, &shape);
    struct golden_array array;

    if (y->dtype == CREW_FLOAT) {
        same(report, t, "output", got, node_count(y, t->batch), want);
        return;
    }
    golden_array_read(want, &array);
    (void)golden_same_int(report, "elements", -1, node_count(y, t->batch),
                          array.n);
    for (int64_t i = 0; i < array.n && i < node_count(y, t->batch); i++) {
        (void)golden_same_int(report, "output", i, ((const int64_t *)got)[i],
                              array.integer[i]);
    }
    golden_array_release(&array);
}

static void compare(struct golden_report *report,
                    struct trial *t,
                    struct plan *p,
                    struct crew_node *y,
                    const cJSON *gradients)
{
    const cJSON *want;
    struct crew_err err = {0};

    if (plan_forward(p, t->feeds, t->n_feeds, t->batch, 0, 0, &err) !=
        CREW_OK) {
        golden_differ(report, "forward", -1, err.msg, "a value");
        return;
    }
    compare_output(report, t, p, y);
    if (gradients == NULL) {
        return;
    }
    plan_backward(p, ops_nothing, NULL);
    cJSON_ArrayForEach(want, gradients)
    {
        for (int i = 0; i < t->n_vars; i++) {
            const float *got = plan_grad(p, i);

            if (strcmp(t->var_name[i], want->string) == 0 && got == NULL) {
                golden_differ(report, want->string, -1, "none", "a gradient");
            } else if (strcmp(t->var_name[i], want->string) == 0) {
                same(report, t, want->string, got, graph_var(t->g, i)->n, want);
            }
        }
    }
}

/* A variable, or beside a batch a feed. */
static struct crew_node *cotangent(struct trial *t, const struct crew_node *y)
{
    const cJSON *c = golden_member(t->json, "cotangent");
    struct crew_node *x;

    if (y->shape.rank == 0 || y->shape.dim[0] >= 0) {
        return ops_hold(t, "cotangent", c);
    }
    x = graph_input(t->g, "cotangent", CREW_FLOAT, y->shape);
    t->cotangent = ops_floats(c);
    t->feeds[t->n_feeds++] = (struct plan_feed){x, CREW_FLOAT, t->cotangent};
    return x;
}

/* NULL: an op of integers, or to them, has none. */
static const cJSON *gradients_of(const cJSON *c)
{
    const cJSON *g = json_get(c, "gradients");

    return g != NULL && g->child != NULL ? g : NULL;
}

static void run_built(struct trial *t,
                      struct crew_node *y,
                      struct golden_report *report)
{
    const cJSON *gradients = gradients_of(t->json);
    struct crew_node *loss = NULL;
    struct crew_err err = {0};
    struct plan *p = NULL;

    if (gradients != NULL) {
        loss = crew_mul(t->g, y, cotangent(t, y));
        loss = crew_reduce(t->g, CREW_REDUCE_SUM, loss, NULL, 0, false);
    }
    if (plan_new(t->g, &y, 1, loss, t->batch, &p, &err) != CREW_OK) {
        golden_differ(report, "built", -1, err.msg, "a graph");
    } else {
        for (int i = 0; i < t->n_vars; i++) {
            plan_bind_var(p, i, t->value[i]);
        }
        compare(report, t, p, y, gradients);
    }
    plan_free(p);
}

static void run_case(const cJSON *c,
                     struct ops_rows *rows,
                     struct golden_report *report)
{
    struct trial t = {.json = c, .g = graph_new(), .batch = 1, .rows = rows};
    struct crew_node *y;

    golden_case(report, "%s", golden_text(c, "op"));
    if (!ops_run_special(&t, report)) {
        y = build(&t);
        ops_meet(rows, t.g);
        if (y != NULL) {
            run_built(&t, y, report);
        } else {
            golden_differ(report, golden_text(c, "op"), -1, "no such op",
                          "the op in this form");
        }
    } else {
        ops_meet(rows, t.g);
    }
    ops_release(&t);
}

static int run_file(const char *dir,
                    const char *file,
                    struct ops_rows *rows,
                    struct golden_report *report)
{
    cJSON *root = golden_load(dir, file);
    const cJSON *c;

    if (root == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(c, golden_member(root, "cases"))
    {
        run_case(c, rows, report);
    }
    golden_end(report);
    cJSON_Delete(root);
    return 0;
}

int family_ops(const char *dir, struct golden_report *report)
{
    static const char *const files[] = {"conv_pool.json", "elementwise.json",
                                        "embedding.json", "linear_algebra.json",
                                        "losses.json",    "normalization.json"};
    struct crew_err err = {0};
    struct ops_rows *rows;
    int code = 0;

    if (blas_load(&err) != CREW_OK) {
        return golden_trouble(78, "%s", err.msg);
    }
    rows = ops_rows_new();
    for (size_t i = 0; code == 0 && i < sizeof files / sizeof files[0]; i++) {
        code = run_file(dir, files[i], rows, report);
    }
    if (code == 0 && golden_has(dir, "rows.json")) {
        code = run_file(dir, "rows.json", rows, report);
        ops_all_met(rows, report);
    }
    ops_rows_free(rows);
    return code;
}
