/* SPDX-License-Identifier: Apache-2.0
 * tf.losses by its names: what is said of misuse, in TensorFlow's words where
 * it has some, and the sum of all losses. (Their numbers: golden ops.) */
#include <check.h>
#include <string.h>

#include "graph/graph.h"
#include "graph/plan.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_graph *g;

static void setup(void)
{
    g = graph_new();
}

static void teardown(void)
{
    graph_free(g);
}

static struct crew_node *rows(const char *name, int64_t n)
{
    return graph_input(g, name, CREW_FLOAT, crew_shape2(-1, n));
}

static struct crew_loss weighted(struct crew_node *w)
{
    return (struct crew_loss){.weights = w};
}

static void expect(const char *words)
{
    struct crew_err err = {0};

    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, words) != NULL, "got \"%s\", want \"%s\"",
                  err.msg, words);
}

static void weights_of_another_rank(void)
{
    struct crew_node *w = graph_input(g, "w", CREW_FLOAT, crew_shape1(-1));

    (void)crew_mean_squared_error(g, rows("y", 3), rows("x", 3), weighted(w));
}

static void weights_of_another_size(void)
{
    (void)crew_huber_loss(g, rows("y", 3), rows("x", 3), 1,
                          weighted(rows("w", 2)));
}

static void pairs_of_another_size(void)
{
    (void)crew_mean_pairwise_squared_error(g, rows("y", 3), rows("x", 3),
                                           rows("w", 2));
}

static void other_shapes(void)
{
    (void)crew_absolute_difference(g, rows("y", 2), rows("x", 3),
                                   weighted(NULL));
}

static void other_shapes_of_vectors(void)
{
    (void)crew_cosine_distance(g, rows("y", 2), rows("x", 3), 1,
                               weighted(NULL));
}

static void no_such_reduction(void)
{
    struct crew_loss how = {.reduction = (enum crew_loss_reduction)9};

    (void)crew_log_loss(g, rows("y", 3), rows("x", 3), 1e-7, how);
}

static void no_labels(void)
{
    (void)crew_hinge_loss(g, NULL, rows("x", 3), weighted(NULL));
}

static void no_labels_of_vectors(void)
{
    (void)crew_cosine_distance(g, NULL, rows("x", 3), 1, weighted(NULL));
}

static void no_labels_of_pairs(void)
{
    (void)crew_mean_pairwise_squared_error(g, NULL, rows("x", 3), NULL);
}

static void no_predictions(void)
{
    (void)crew_mean_squared_error(g, rows("y", 3), NULL, weighted(NULL));
}

static void no_predictions_of_vectors(void)
{
    (void)crew_cosine_distance(g, rows("y", 3), NULL, 1, weighted(NULL));
}

static void no_losses(void)
{
    (void)crew_compute_weighted_loss(g, NULL, weighted(rows("w", 3)));
}

static void labels_of_another_rank(void)
{
    struct crew_node *y = graph_input(g, "y", CREW_INT32, crew_shape2(-1, 2));

    (void)crew_sparse_softmax_cross_entropy(g, y, rows("x", 3));
}

static const struct {
    void (*build)(void);
    const char *words;
} wrong[] = {
    {weights_of_another_rank,
     "weights can not be broadcast to values. values.rank=2. weights.rank=1."},
    {weights_of_another_size,
     "weights can not be broadcast to values. Mismatch at dim 1."},
    {pairs_of_another_size,
     "Mismatch at dim 1. values.shape=(?, 3). "
     "weights.shape=(?, 2)."},
    {other_shapes, "Shapes (?, 2) and (?, 3) are incompatible"},
    {other_shapes_of_vectors, "Shapes (?, 3) and (?, 2) are incompatible"},
    {no_such_reduction, "Invalid Reduction Key 9."},
    {no_labels, "Argument `labels` must not be None."},
    {no_labels_of_vectors, "Argument `labels` must not be None."},
    {no_labels_of_pairs, "Argument `labels` must not be None."},
    {no_predictions, "is NULL"},
    {no_predictions_of_vectors, "Argument `predictions` must not be None."},
    {no_losses, "is NULL"},
    {labels_of_another_rank,
     "`labels.shape.rank` must equal `logits.shape.rank - 1`."},
};

START_TEST(misuse_is_named)
{
    wrong[_i].build();
    expect(wrong[_i].words);
}
END_TEST

/* Integers as labels, (b, 1) as ids; every loss is in the sum, and so is what
 * is added and, when asked for, the penalties. */
START_TEST(the_total_is_the_sum)
{
    struct crew_node *ids =
        graph_input(g, "ids", CREW_INT32, crew_shape2(-1, 1));
    struct crew_node *x = rows("x", 2), *total, *without;
    struct crew_node *v =
        crew_variable(g, "v", crew_shape1(1), crew_init_constant(0));
    const int32_t labels[] = {1, 0};
    const float logits[] = {0, 0, 0, 0}, three[] = {3};
    struct plan_feed feeds[] = {{ids, CREW_INT32, labels},
                                {x, CREW_FLOAT, logits}};
    struct crew_node *out[2];
    struct crew_shape shape;
    struct crew_err err = {0};
    struct plan *p = NULL;

    (void)crew_sparse_softmax_cross_entropy(g, ids, x);
    (void)crew_mean_squared_error(
        g, crew_one_hot(g, crew_reshape(g, ids, crew_shape1(-1)), 2), x,
        weighted(crew_constant(g, 0)));
    (void)crew_add_loss(g, crew_constant(g, 10));
    (void)crew_l2_regularizer(g, v, 2);
    out[0] = without = crew_total_loss(g, false);
    out[1] = total = crew_total_loss(g, true);
    ck_assert_msg(plan_new(g, out, 2, NULL, 2, &p, &err) == CREW_OK, "%s",
                  err.msg);
    plan_bind_var(p, 0, three);
    ck_assert_msg(plan_forward(p, feeds, 2, 2, 0, 0, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_float_eq_tol(*(const float *)plan_value(p, without, &shape),
                           10.6931472f, 1e-5f);
    ck_assert_float_eq_tol(*(const float *)plan_value(p, total, &shape),
                           19.6931472f, 1e-5f);
    plan_free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("losses");
    TCase *t = tcase_create("losses");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, misuse_is_named, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(t, the_total_is_the_sum);
    suite_add_tcase(s, t);
    return run_suite(s);
}
