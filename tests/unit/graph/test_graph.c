/* SPDX-License-Identifier: Apache-2.0
 * Graphs and plans: names, sticky errors, feeds, shared buffers, initial
 * values. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/plan.h"
#include "kernels/blas.h"

#include "base/banned.h"

static struct crew_graph *g;

static void setup(void)
{
    struct crew_err err = {0};

    ck_assert_msg(blas_load(&err) == CREW_OK, "%s", err.msg);
    g = graph_new();
}

static void teardown(void)
{
    graph_free(g);
}

static struct crew_node *input(const char *name, int64_t width)
{
    return graph_input(g, name, CREW_FLOAT, crew_shape2(-1, width));
}

static void expect_error(const char *words)
{
    struct crew_err err = {0};

    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, words) != NULL, "got \"%s\", want \"%s\"",
                  err.msg, words);
}

START_TEST(layers_have_tensorflow_names)
{
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 784));
    static const char *const want[] = {
        "conv2d/kernel",   "conv2d/bias",   "conv2d_1/kernel", "conv2d_1/bias",
        "dense/kernel",    "dense/bias",    "dense_1/kernel",  "dense_1/bias",
        "head/out/kernel", "head/out/bias",
    };

    x = crew_reshape(g, x, crew_shape4(-1, 28, 28, 1));
    ck_assert_str_eq(node_name(x), "Reshape");
    x = crew_conv2d(g, NULL, x, 4, 5, CREW_SAME, CREW_RELU);
    ck_assert_str_eq(node_name(x), "conv2d/Relu");
    x = crew_max_pool2d(g, x, 2, 2);
    ck_assert_str_eq(node_name(x), "max_pooling2d/MaxPool");
    x = crew_conv2d(g, NULL, x, 8, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    ck_assert_str_eq(node_name(x), "max_pooling2d_1/MaxPool");
    x = crew_reshape(g, x, crew_shape2(-1, 7 * 7 * 8));
    ck_assert_str_eq(node_name(x), "Reshape_1");
    x = crew_dense(g, NULL, x, 32, CREW_RELU);
    x = crew_dense(g, NULL, x, 10, CREW_LINEAR);
    ck_assert_str_eq(node_name(x), "dense_1/BiasAdd");
    crew_scope_push(g, "head");
    x = crew_dense(g, "out", x, 10, CREW_LINEAR);
    crew_scope_pop(g);
    ck_assert_str_eq(node_name(crew_argmax(g, x, 1)), "ArgMax");
    ck_assert_str_eq(
        node_name(crew_named(g, crew_softmax(g, x), "softmax_tensor")),
        "softmax_tensor");
    ck_assert_int_eq(graph_num_vars(g), 10);
    for (int i = 0; i < 10; i++) {
        ck_assert_str_eq(graph_var(g, i)->name, want[i]);
        ck_assert_int_eq(graph_find_var(g, want[i]), i);
    }
    ck_assert_int_eq(graph_find_var(g, "nothing"), -1);
    struct crew_err err = {0};
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_OK);
}
END_TEST

START_TEST(the_first_error_sticks_and_later_builders_do_nothing)
{
    struct crew_node *x = input("x", 3);
    struct crew_node *y = crew_matmul(g, x, input("y", 4));

    expect_error("MatMul: cannot multiply (?, 3) by (?, 4)");
    y = crew_dense(g, NULL, y, 5, CREW_RELU);
    y = crew_conv2d(g, NULL, y, 5, 3, CREW_SAME, CREW_RELU);
    y = crew_named(g, crew_softmax(g, y), "z");
    (void)crew_sparse_softmax_cross_entropy(g, y, y);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(graph_num_vars(g), 0);
    expect_error("MatMul: cannot multiply (?, 3) by (?, 4)");
}
END_TEST

static void wrong_conv(void)
{
    (void)crew_conv2d(g, NULL, input("x", 3), 4, 3, CREW_SAME, CREW_RELU);
}
static void wrong_dense(void)
{
    (void)crew_dense(g, NULL, input("x", 3), 0, CREW_RELU);
}
static void wrong_reshape(void)
{
    (void)crew_reshape(g, input("x", 6), crew_shape2(-1, 4));
}
static void reshape_loses_batch(void)
{
    (void)crew_reshape(g, input("x", 6), crew_shape2(6, -1));
}
static void wrong_dropout(void)
{
    (void)crew_dropout(g, input("x", 6), 1.0f, CREW_TRAIN);
}
static void wrong_labels(void)
{
    (void)crew_sparse_softmax_cross_entropy(g, input("y", 6), input("x", 6));
}
static void wrong_add(void)
{
    (void)crew_add(g, input("y", 5), input("x", 6));
}
static void wrong_axis(void)
{
    (void)crew_argmax(g, input("y", 5), 0);
}
static void name_twice(void)
{
    struct crew_node *x = input("y", 5);

    (void)crew_named(g, crew_softmax(g, x), "y");
}
static void variable_twice(void)
{
    (void)crew_variable(g, "v", crew_shape1(3), (struct crew_init){0});
    (void)crew_variable(g, "v", crew_shape1(3), (struct crew_init){0});
}
static void pop_too_much(void)
{
    crew_scope_pop(g);
}
static void null_operand(void)
{
    (void)crew_softmax(g, NULL);
}

static void no_labels(void)
{
    (void)crew_sparse_softmax_cross_entropy(g, NULL, input("x", 6));
}
static void dense_of_nothing(void)
{
    (void)crew_dense(g, NULL, NULL, 4, CREW_RELU);
}
static void conv_of_nothing(void)
{
    (void)crew_conv2d(g, NULL, NULL, 4, 3, CREW_SAME, CREW_RELU);
}
static void other_graph(void)
{
    struct crew_graph *other = graph_new();

    (void)crew_dense(g, NULL,
                     graph_input(other, "x", CREW_FLOAT, crew_shape2(-1, 3)), 4,
                     CREW_RELU);
    graph_free(other);
}
static void name_nothing(void)
{
    (void)crew_named(g, NULL, "z");
}
static void rename_variable(void)
{
    (void)crew_named(
        g, crew_variable(g, "v", crew_shape1(3), (struct crew_init){0}), "w");
}
static void rename_input(void)
{
    (void)crew_named(g, input("x", 6), "w");
}

static const struct {
    void (*build)(void);
    const char *words;
} wrong[] = {
    {wrong_conv, "must be (batch, height, width, channels)"},
    {wrong_dense, "0 units"},
    {wrong_reshape, "Reshape: cannot reshape (?, 6) to (?, 4)"},
    {reshape_loses_batch, "cannot reshape (?, 6) to (6, ?)"},
    {wrong_dropout, "Fix: a rate in [0, 1)"},
    {wrong_labels, "must be int32 or int64"},
    {wrong_add, "shapes (?, 5) and (?, 6) differ"},
    {wrong_axis, "axis 0. Fix: 1 or -1"},
    {name_twice, "the name \"y\" is taken"},
    {variable_twice, "there is one of that name already"},
    {pop_too_much, "crew_scope_pop without"},
    {null_operand, "operand 0 is NULL"},
    {no_labels, "Fix: make no loss in CREW_PREDICT"},
    {dense_of_nothing, "crew_dense: its input is NULL"},
    {conv_of_nothing, "crew_conv2d: its input is NULL"},
    {other_graph, "its input is of another graph"},
    {name_nothing, "the node is NULL"},
    {rename_variable, "v is a variable"},
    {rename_input, "x is an input"},
};

START_TEST(misuse_is_named)
{
    wrong[_i].build();
    expect_error(wrong[_i].words);
}
END_TEST

START_TEST(an_unknown_feature_lists_those_there_are)
{
    struct feature_entry entries[] = {{"age", input("age", 1)},
                                      {"x", input("x", 3)}};
    struct crew_features *f = features_new(g, entries, 2);

    ck_assert_ptr_eq(crew_feature(f, "x"), entries[1].node);
    (void)crew_feature(f, "size");
    expect_error("no feature \"size\"; the input has: age, x");
    features_free(f);
}
END_TEST

/* A small network whose hidden sum, relu and reshape can share buffers. */
struct net {
    struct crew_node *x, *labels, *hidden, *act, *logits, *loss;
    struct plan *plan;
    float *value[4];
};

static void build_net(struct net *n)
{
    n->x = input("x", 6);
    n->labels = graph_input(g, "labels", CREW_INT32, crew_shape1(-1));
    n->hidden = crew_dense(g, NULL, crew_reshape(g, n->x, crew_shape2(-1, 6)),
                           8, CREW_LINEAR);
    n->act = crew_activate(g, n->hidden, CREW_RELU);
    n->logits =
        crew_dense(g, NULL,
                   crew_dropout(g, crew_reshape(g, n->act, crew_shape2(-1, 8)),
                                0.5f, CREW_TRAIN),
                   3, CREW_LINEAR);
    n->loss = crew_sparse_softmax_cross_entropy(g, n->labels, n->logits);
}

static void plan_net(struct net *n, struct crew_node *const *fetches, int k)
{
    struct crew_err err = {0};

    ck_assert_msg(
        plan_new(g, fetches, k, n->loss, 4, &n->plan, &err) == CREW_OK, "%s",
        err.msg);
    for (int i = 0; i < graph_num_vars(g); i++) {
        const struct graph_var *v = graph_var(g, i);

        n->value[i] = calloc((size_t)v->n, sizeof(float));
        graph_init_var(v, 5, n->value[i]);
        plan_bind_var(n->plan, i, n->value[i]);
    }
}

static void release_net(struct net *n)
{
    for (int i = 0; i < graph_num_vars(g); i++) {
        free(n->value[i]);
    }
    plan_free(n->plan);
}

static const float feed_x[24] = {1, -2, 3, .5f, 0, 2, -1, 1,  1, 1, 1, 1,
                                 0, 0,  1, -1,  2, 2, 3,  -3, 1, 0, 0, 1};
static const int32_t feed_labels[4] = {0, 2, 1, 1};

static int run(struct net *n,
               int64_t batch,
               const int32_t *labels,
               struct crew_err *err)
{
    struct plan_feed feeds[] = {{n->x, CREW_FLOAT, feed_x},
                                {n->labels, CREW_INT32, labels}};

    return plan_forward(n->plan, feeds, 2, batch, 9, 1, err);
}

static void ignore(void *self, int i)
{
    (void)self, (void)i;
}

START_TEST(shared_buffers_change_no_number)
{
    struct net lean = {0}, fat = {0};
    struct crew_err err = {0};
    struct crew_shape shape;

    build_net(&lean);
    fat = lean;
    struct crew_node *all[] = {fat.hidden, fat.act, fat.logits};
    plan_net(&lean, NULL, 0);
    plan_net(&fat, all, 3); /* what is fetched is not written over */
    ck_assert_int_eq(run(&lean, 4, feed_labels, &err), CREW_OK);
    ck_assert_int_eq(run(&fat, 4, feed_labels, &err), CREW_OK);
    ck_assert(*(const float *)plan_value(lean.plan, lean.loss, &shape) ==
              *(const float *)plan_value(fat.plan, fat.loss, &shape));
    const float *hidden = plan_value(fat.plan, fat.hidden, &shape);
    bool negative = false;
    for (int i = 0; i < 32; i++) {
        negative |= hidden[i] < 0;
    }
    ck_assert_msg(negative, "the fetched sum was overwritten by its relu");
    plan_backward(lean.plan, ignore, NULL);
    plan_backward(fat.plan, ignore, NULL);
    for (int v = 0; v < 4; v++) {
        ck_assert_int_eq(memcmp(plan_grad(lean.plan, v), plan_grad(fat.plan, v),
                                (size_t)graph_var(g, v)->n * sizeof(float)),
                         0);
    }
    release_net(&lean);
    release_net(&fat);
}
END_TEST

START_TEST(a_smaller_batch_is_the_mean_of_fewer)
{
    struct net n = {0};
    struct crew_err err = {0};
    struct crew_shape shape;

    build_net(&n);
    plan_net(&n, &n.logits, 1);
    ck_assert_int_eq(run(&n, 3, feed_labels, &err), CREW_OK);
    (void)plan_value(n.plan, n.logits, &shape);
    ck_assert_int_eq(shape.dim[0], 3);
    ck_assert_int_eq(run(&n, 5, feed_labels, &err), CREW_INVALID_ARGUMENT);
    release_net(&n);
}
END_TEST

START_TEST(feeds_are_checked)
{
    struct net n = {0};
    struct crew_err err = {0};
    static const int32_t bad[4] = {0, 1, 3, 1};

    build_net(&n);
    plan_net(&n, NULL, 0);
    ck_assert_int_eq(run(&n, 4, bad, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg,
                                 "Received a label value of 3 which is "
                                 "outside the valid range of [0, 3)"));
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    struct plan_feed only[] = {{n.x, CREW_FLOAT, feed_x}};
    err = (struct crew_err){0};
    ck_assert_int_eq(plan_forward(n.plan, only, 1, 4, 0, 0, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "'labels'"));
    release_net(&n);
}
END_TEST

/* The bias is added where the sum will be, not in what the caller fed. */
START_TEST(feeds_are_not_written_over)
{
    struct crew_node *x = input("x", 6);
    struct crew_node *b =
        crew_variable(g, "b", crew_shape1(6), (struct crew_init){0});
    struct crew_node *y =
        crew_bias_add(g, crew_reshape(g, x, crew_shape2(-1, 6)), b);
    static const float bias[6] = {1, 1, 1, 1, 1, 1};
    struct plan_feed feed = {x, CREW_FLOAT, NULL};
    struct crew_err err = {0};
    struct crew_shape shape;
    struct plan *p = NULL;
    float fed[24];

    memcpy(fed, feed_x, sizeof fed);
    feed.data = fed;
    y = crew_activate(g, y, CREW_RELU);
    ck_assert_int_eq(plan_new(g, &y, 1, NULL, 4, &p, &err), CREW_OK);
    plan_bind_var(p, 0, bias);
    ck_assert_int_eq(plan_forward(p, &feed, 1, 4, 0, 0, &err), CREW_OK);
    ck_assert_int_eq(memcmp(fed, feed_x, sizeof fed), 0);
    const float *got = plan_value(p, y, &shape);
    for (int i = 0; i < 24; i++) {
        ck_assert_float_eq(got[i], fmaxf(feed_x[i] + 1, 0));
    }
    plan_free(p);
}
END_TEST

START_TEST(a_loss_without_variables_is_refused)
{
    struct crew_node *loss = crew_reduce_mean(g, input("x", 3));
    struct crew_err err = {0};
    struct plan *p = NULL;

    ck_assert_int_eq(plan_new(g, NULL, 0, loss, 4, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "No gradients provided for any variable"));
    err = (struct crew_err){0};
    ck_assert_int_eq(plan_new(g, NULL, 0, input("y", 3), 4, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "Loss must be scalar"));
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(no_memory_for_a_plan_is_an_error_at_every_place)
{
    struct net n = {0};

    build_net(&n);
    for (int64_t k = 1;; k++) {
        struct crew_err err = {0};
        struct plan *p = NULL;

        mem_fail_at(k, false);
        int code = plan_new(g, NULL, 0, n.loss, 4, &p, &err);
        bool fired = mem_fail_fired();
        mem_fail_at(0, false);
        ck_assert_int_eq(code, fired ? CREW_RESOURCE_EXHAUSTED : CREW_OK);
        plan_free(p);
        if (!fired) {
            ck_assert_int_gt((int)k, 5);
            break;
        }
    }
}
END_TEST

START_TEST(initial_values_depend_on_seed_and_name_and_keep_their_bounds)
{
    enum { N = 30 * 40 };
    static const struct crew_init glorot = {CREW_INIT_GLOROT_UNIFORM, 0};
    static const struct crew_init normal = {CREW_INIT_TRUNCATED_NORMAL, 0.5f};
    float a[N], b[N];
    double limit = sqrt(6.0 / 70), sum = 0, squares = 0;

    (void)crew_variable(g, "u", crew_shape2(30, 40), glorot);
    (void)crew_variable(g, "w", crew_shape2(30, 40), glorot);
    (void)crew_variable(g, "n", crew_shape2(30, 40), normal);
    graph_init_var(graph_var(g, 0), 1, a);
    graph_init_var(graph_var(g, 0), 1, b);
    ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
    for (int i = 0; i < N; i++) {
        ck_assert(fabs((double)a[i]) <= limit);
        sum += (double)a[i];
        squares += (double)a[i] * (double)a[i];
    }
    double s = limit / sqrt(3.0);
    ck_assert(fabs(sum / N) < 5 * s / sqrt(N));
    ck_assert(fabs(sqrt(squares / N) / s - 1) < 4 / sqrt(N));
    graph_init_var(graph_var(g, 0), 2, b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    graph_init_var(graph_var(g, 1), 1, b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    graph_init_var(graph_var(g, 2), 1, b);
    squares = 0;
    for (int i = 0; i < N; i++) {
        ck_assert(fabs((double)b[i]) <= 1.0);
        squares += (double)b[i] * (double)b[i];
    }
    ck_assert(fabs(sqrt(squares / N) / (0.5 * 0.87962566) - 1) < 4 / sqrt(N));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, layers_have_tensorflow_names);
    tcase_add_test(tc, the_first_error_sticks_and_later_builders_do_nothing);
    tcase_add_loop_test(tc, misuse_is_named, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, an_unknown_feature_lists_those_there_are);
    tcase_add_test(tc, shared_buffers_change_no_number);
    tcase_add_test(tc, a_smaller_batch_is_the_mean_of_fewer);
    tcase_add_test(tc, feeds_are_checked);
    tcase_add_test(tc, feeds_are_not_written_over);
    tcase_add_test(tc, a_loss_without_variables_is_refused);
    tcase_add_test(tc, no_memory_for_a_plan_is_an_error_at_every_place);
    tcase_add_test(
        tc, initial_values_depend_on_seed_and_name_and_keep_their_bounds);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
