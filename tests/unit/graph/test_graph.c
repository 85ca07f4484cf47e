/* SPDX-License-Identifier: Apache-2.0
 * Graphs: names, sticky errors, features, initial values. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "kernels/blas.h"
#include "run_suite.h"

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
    {wrong_labels, "not in list of allowed values: int32, int64"},
    {wrong_add, "Incompatible shapes: (?, 5) vs. (?, 6)"},
    {wrong_axis, "axis 0. Fix: 1 or -1"},
    {name_twice, "the name \"y\" is taken"},
    {variable_twice, "there is one of that name already"},
    {pop_too_much, "crew_scope_pop without"},
    {null_operand, "operand 0 is NULL"},
    {no_labels, "Fix: make no loss in CREW_PREDICT"},
    {dense_of_nothing, "crew_dense: its operand is NULL"},
    {conv_of_nothing, "crew_conv2d: its operand is NULL"},
    {other_graph, "its operand is of another graph"},
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
    expect_error(
        "Feature size is not in features dictionary. There are: age, x");
    features_free(f);
}
END_TEST

START_TEST(initial_values_depend_on_seed_and_name_and_keep_their_bounds)
{
    enum { N = 30 * 40 };
    struct crew_init glorot = crew_init_glorot_uniform();
    struct crew_init normal = crew_init_truncated_normal(0, 0.5);
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

/* A filter's fans count its window: the limit is sqrt(6 / (5 5 (3 + 8))). */
START_TEST(a_filter_has_the_limit_of_its_window)
{
    enum { N = 5 * 5 * 3 * 8 };
    struct crew_init glorot = crew_init_glorot_uniform();
    double limit = sqrt(6.0 / (25 * 3 + 25 * 8)), largest = 0;
    float w[N];

    (void)crew_variable(g, "f", crew_shape4(5, 5, 3, 8), glorot);
    graph_init_var(graph_var(g, 0), 1, w);
    for (int i = 0; i < N; i++) {
        largest = fmax(largest, fabs((double)w[i]));
    }
    ck_assert_msg(largest <= limit && largest > 0.97 * limit,
                  "got %g, limit %g", largest, limit);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, layers_have_tensorflow_names);
    tcase_add_test(tc, the_first_error_sticks_and_later_builders_do_nothing);
    tcase_add_loop_test(tc, misuse_is_named, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, an_unknown_feature_lists_those_there_are);
    tcase_add_test(
        tc, initial_values_depend_on_seed_and_name_and_keep_their_bounds);
    tcase_add_test(tc, a_filter_has_the_limit_of_its_window);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
