/* SPDX-License-Identifier: Apache-2.0
 * Metrics over several batches. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "run_suite.h"

#include "base/banned.h"

START_TEST(mean_and_accuracy_count_rows_not_batches)
{
    struct crew_graph *g = graph_new();
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape1(-1));
    struct crew_node *a = graph_input(g, "a", CREW_INT64, crew_shape1(-1));
    struct crew_node *b = graph_input(g, "b", CREW_INT32, crew_shape1(-1));
    struct crew_metric *mean = crew_metric_mean(g, x);
    struct crew_metric *accuracy = crew_metric_accuracy(g, b, a);
    struct crew_node *nodes[METRIC_MAX_INPUTS], *fetches[3];
    double *ms = metric_state_new(mean), *as = metric_state_new(accuracy);
    float value = 1.0f;
    struct crew_err err = {0};
    struct plan *p = NULL;
    static const float xs[] = {1, 2, 3, 6, 10};
    static const int64_t as64[] = {0, 1, 2, 3, 4};
    static const int32_t bs32[] = {0, 1, 0, 0, 4};

    ck_assert_int_eq(metric_inputs(mean, nodes), 1);
    fetches[0] = nodes[0];
    ck_assert_int_eq(metric_inputs(accuracy, nodes), 2);
    fetches[1] = nodes[0];
    fetches[2] = nodes[1];
    ck_assert_msg(plan_new(g, fetches, 3, NULL, 4, &p, &err) == CREW_OK, "%s",
                  err.msg);
    metric_values(mean, ms, &value);
    ck_assert(value == 0.0f);
    for (int from = 0; from < 5; from += 4) {
        int n = from == 0 ? 4 : 1;
        struct plan_feed feeds[] = {{x, CREW_FLOAT, xs + from},
                                    {a, CREW_INT64, as64 + from},
                                    {b, CREW_INT32, bs32 + from}};

        ck_assert_int_eq(plan_forward(p, feeds, 3, n, 0, 0, &err), CREW_OK);
        ck_assert_int_eq(metric_update(mean, ms, p, &err), CREW_OK);
        ck_assert_int_eq(metric_update(accuracy, as, p, &err), CREW_OK);
    }
    metric_values(mean, ms, &value);
    ck_assert_float_eq(value, 4.4f);
    metric_values(accuracy, as, &value);
    ck_assert_float_eq(value, 0.6f);
    free(ms);
    free(as);
    plan_free(p);
    graph_free(g);
}
END_TEST

/* Weights, thresholds, classes in rows: what goes from the plan into the
 * rules, whose numbers golden-check compares. */
START_TEST(operands_arrive_with_their_shapes)
{
    struct crew_graph *g = graph_new();
    struct crew_node *y = graph_input(g, "y", CREW_INT64, crew_shape1(-1));
    struct crew_node *w = graph_input(g, "w", CREW_FLOAT, crew_shape2(-1, 1));
    struct crew_node *s = graph_input(g, "s", CREW_FLOAT, crew_shape2(-1, 3));
    struct crew_metric *top =
        crew_metric_weighted(crew_metric_in_top_k(g, y, s, 2), w);
    struct crew_metric *mean = crew_metric_weighted(crew_metric_mean(g, s), w);
    struct crew_node *fetches[] = {y, w, s};
    double *ts = metric_state_new(top), *ms = metric_state_new(mean);
    struct crew_err err = {0};
    struct plan *p = NULL;
    static const int64_t ys[] = {0, 2, 1};
    static const float ws[] = {1, 2, 5};
    static const float ss[] = {3, 2, 1, 3, 2, 1, 3, 2, 1};
    struct plan_feed feeds[] = {
        {y, CREW_INT64, ys}, {w, CREW_FLOAT, ws}, {s, CREW_FLOAT, ss}};
    float value;

    ck_assert_msg(plan_new(g, fetches, 3, NULL, 3, &p, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(plan_forward(p, feeds, 3, 3, 0, 0, &err), CREW_OK);
    ck_assert_int_eq(metric_update(top, ts, p, &err), CREW_OK);
    metric_values(top, ts, &value);
    ck_assert_float_eq(value, 0.75f); /* (1 + 5) / 8 */
    ck_assert_int_eq(metric_update(mean, ms, p, &err), CREW_OK);
    metric_values(mean, ms, &value);
    ck_assert_float_eq(value, 2.0f);
    free(ts);
    free(ms);
    plan_free(p);
    graph_free(g);
}
END_TEST

START_TEST(a_label_that_is_no_class_is_named)
{
    struct crew_graph *g = graph_new();
    struct crew_node *y = graph_input(g, "y", CREW_INT64, crew_shape1(-1));
    struct crew_node *c = graph_input(g, "c", CREW_INT64, crew_shape1(-1));
    struct crew_metric *m = crew_metric_mean_per_class_accuracy(g, y, c, 2);
    struct crew_node *fetches[] = {y, c};
    double *state = metric_state_new(m);
    struct crew_err err = {0};
    struct plan *p = NULL;
    static const int64_t ys[] = {0, 2};
    struct plan_feed feeds[] = {{y, CREW_INT64, ys}, {c, CREW_INT64, ys}};

    ck_assert_int_eq(plan_new(g, fetches, 2, NULL, 2, &p, &err), CREW_OK);
    ck_assert_int_eq(plan_forward(p, feeds, 2, 2, 0, 0, &err), CREW_OK);
    ck_assert_int_eq(metric_update(m, state, p, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, "label 2 of row 1 is no class") != NULL,
                  "got %s", err.msg);
    free(state);
    plan_free(p);
    graph_free(g);
}
END_TEST

START_TEST(wrong_operands_stick_in_the_graph)
{
    struct crew_graph *g = graph_new();
    struct crew_err err = {0};
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape1(-1));
    struct crew_node *a = graph_input(g, "a", CREW_INT64, crew_shape1(-1));

    ck_assert_ptr_nonnull(crew_metric_accuracy(g, x, a));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    graph_free(g);
}
END_TEST

/* As in a model function that makes its metrics in CREW_PREDICT too. */
START_TEST(no_labels_stick_in_the_graph)
{
    struct crew_graph *g = graph_new();
    struct crew_err err = {0};
    struct crew_node *a = graph_input(g, "a", CREW_INT64, crew_shape1(-1));

    ck_assert_ptr_nonnull(crew_metric_accuracy(g, NULL, a));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, "labels is NULL") != NULL, "got %s", err.msg);
    graph_free(g);
    g = graph_new();
    err = (struct crew_err){0};
    ck_assert_ptr_nonnull(crew_metric_mean(g, NULL));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    graph_free(g);
}
END_TEST

static void top_k_of_too_many(struct crew_graph *g,
                              struct crew_node *ids,
                              struct crew_node *x)
{
    (void)crew_metric_precision_at_k(g, ids, x, 4);
}

static void top_k_of_scores(struct crew_graph *g,
                            struct crew_node *ids,
                            struct crew_node *x)
{
    (void)crew_metric_recall_at_top_k(g, ids, x);
}

static void one_class_of_a_mean(struct crew_graph *g,
                                struct crew_node *ids,
                                struct crew_node *x)
{
    (void)ids;
    (void)crew_metric_only_class(crew_metric_mean(g, x), 1);
}

static void tensor_of_a_batch(struct crew_graph *g,
                              struct crew_node *ids,
                              struct crew_node *x)
{
    (void)ids;
    (void)crew_metric_mean_tensor(g, x);
}

static void specificity_of_two(struct crew_graph *g,
                               struct crew_node *ids,
                               struct crew_node *x)
{
    (void)ids;
    (void)crew_metric_sensitivity_at_specificity(g, x, x, 2, 200);
}

static void no_classes(struct crew_graph *g,
                       struct crew_node *ids,
                       struct crew_node *x)
{
    (void)x;
    (void)crew_metric_mean_iou(g, ids, ids, 0);
}

static const struct {
    void (*build)(struct crew_graph *, struct crew_node *, struct crew_node *);
    const char *words;
} wrong[] = {
    {top_k_of_too_many, "input must have at least k columns; k is 4"},
    {top_k_of_scores, "predictions must be integers"},
    {one_class_of_a_mean, "crew_metric_mean has no class_id"},
    {tensor_of_a_batch, "x has the batch in front"},
    {specificity_of_two,
     "`specificity` must be in the range [0, 1]. Currently, 2"},
    {no_classes, "num_classes is 0, must be 1 to 10000"},
};

START_TEST(misuse_is_named)
{
    struct crew_graph *g = graph_new();
    struct crew_node *ids = graph_input(g, "ids", CREW_INT64, crew_shape1(-1));
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 3));
    struct crew_err err = {0};

    wrong[_i].build(g, ids, x);
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, wrong[_i].words) != NULL, "got %s", err.msg);
    graph_free(g);
}
END_TEST

/* A mean an element, through a plan; the weights are one an element. */
START_TEST(mean_tensor_has_a_value_an_element)
{
    struct crew_graph *g = graph_new();
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 2));
    struct crew_node *sums =
        crew_reduce(g, CREW_REDUCE_SUM, x, (const int[]){0}, 1, false);
    struct crew_metric *m = crew_metric_mean_tensor(g, sums);
    double *state = metric_state_new(m);
    const float batch[] = {1, 2, 3, 4};
    struct plan_feed feed = {x, CREW_FLOAT, batch};
    struct crew_err err = {0};
    struct plan *p = NULL;
    float values[2];

    ck_assert_int_eq(plan_new(g, &sums, 1, NULL, 2, &p, &err), CREW_OK);
    for (int64_t rows = 1; rows <= 2; rows++) {
        ck_assert_int_eq(plan_forward(p, &feed, 1, rows, 0, 0, &err), CREW_OK);
        ck_assert_int_eq(metric_update(m, state, p, &err), CREW_OK);
    }
    ck_assert_int_eq(metric_num_values(m), 2);
    metric_values(m, state, values);
    ck_assert(values[0] == 2.5f && values[1] == 4.0f);
    free(state);
    plan_free(p);
    graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");

    tcase_add_test(tc, mean_and_accuracy_count_rows_not_batches);
    tcase_add_test(tc, operands_arrive_with_their_shapes);
    tcase_add_test(tc, a_label_that_is_no_class_is_named);
    tcase_add_test(tc, wrong_operands_stick_in_the_graph);
    tcase_add_test(tc, no_labels_stick_in_the_graph);
    tcase_add_loop_test(tc, misuse_is_named, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, mean_tensor_has_a_value_an_element);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
