/* SPDX-License-Identifier: Apache-2.0
 * Metrics over several batches. */
#include <check.h>
#include <string.h>

#include "metrics/metrics.h"

#include "base/banned.h"

START_TEST(mean_and_accuracy_count_rows_not_batches)
{
    struct crew_graph *g = graph_new();
    struct crew_node *x = graph_input(g, "x", CREW_FLOAT, crew_shape1(-1));
    struct crew_node *a = graph_input(g, "a", CREW_INT64, crew_shape1(-1));
    struct crew_node *b = graph_input(g, "b", CREW_INT32, crew_shape1(-1));
    struct crew_metric *mean = crew_metric_mean(g, x);
    struct crew_metric *accuracy = crew_metric_accuracy(g, b, a);
    struct crew_node *nodes[2], *fetches[3];
    struct metric_state ms = {0}, as = {0};
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
    ck_assert(metric_value(&ms) == 0.0f);
    for (int from = 0; from < 5; from += 4) {
        int n = from == 0 ? 4 : 1;
        struct plan_feed feeds[] = {{x, CREW_FLOAT, xs + from},
                                    {a, CREW_INT64, as64 + from},
                                    {b, CREW_INT32, bs32 + from}};

        ck_assert_int_eq(plan_forward(p, feeds, 3, n, 0, 0, &err), CREW_OK);
        metric_update(mean, &ms, p);
        metric_update(accuracy, &as, p);
    }
    ck_assert_float_eq(metric_value(&ms), 4.4f);
    ck_assert_float_eq(metric_value(&as), 0.6f);
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
    ck_assert_msg(strstr(err.msg, "labels are NULL") != NULL, "got %s",
                  err.msg);
    graph_free(g);
    g = graph_new();
    err = (struct crew_err){0};
    ck_assert_ptr_nonnull(crew_metric_mean(g, NULL));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tc, mean_and_accuracy_count_rows_not_batches);
    tcase_add_test(tc, wrong_operands_stick_in_the_graph);
    tcase_add_test(tc, no_labels_stick_in_the_graph);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
