/* SPDX-License-Identifier: Apache-2.0
 * Gradients on their way to the trainer: each clipped as its optimizer says,
 * and who has to wait for whom. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "estimator/training/gradients.h"
#include "run_suite.h"

/* loss = mean(3 a + 0.5 b) + mean(c), each of 2 elements: the gradients
 * are 1.5, 0.25 and 0.5 everywhere. */
static struct crew_graph *graph;
static struct crew_node *loss;
static struct training t;
static float values[3][2];

/* A trainer that remembers. */
static int order[3];
static float got[3][2];
static int num_got;

static void remember(struct trainer *trainer, int i, const float *grad)
{
    (void)trainer;
    order[num_got++] = i;
    got[i][0] = grad[0];
    got[i][1] = grad[1];
}

static const struct trainer_ops ops = {.grad_ready = remember};
static struct trainer trainer = {.ops = &ops};

static void setup(void)
{
    struct crew_init init = {.kind = CREW_INIT_ZEROS};
    struct crew_err err = {0};
    struct crew_node *v[3];
    const char *const names[3] = {"a", "b", "c"};

    graph = graph_new();
    for (int i = 0; i < 3; i++) {
        v[i] = crew_variable(graph, names[i], crew_shape1(2), init);
    }
    loss = crew_add(
        graph,
        crew_reduce_mean(graph, crew_add(graph, crew_scale(graph, v[0], 3),
                                         crew_scale(graph, v[1], 0.5f))),
        crew_reduce_mean(graph, v[2]));
    ck_assert_msg(crew_graph_status(graph, &err) == 0, "%s", err.msg);
    t = (struct training){.trainer = &trainer};
    ck_assert_msg(plan_new(graph, &loss, 1, loss, 1, &t.plan, &err) == 0, "%s",
                  err.msg);
    num_got = 0;
}

static void teardown(void)
{
    gradients_release(&t);
    weights_release(&t.weights);
    plan_free(t.plan);
    graph_free(graph);
}

/* a and b by one optimizer, c by another. */
static void run(struct crew_clip of_a_b, struct crew_clip of_c)
{
    struct optim_groups groups = {.n = 2};
    struct crew_err err = {0};

    groups.group[0].scope = "";
    groups.group[0].optimizer = crew_gradient_descent(1);
    groups.group[0].optimizer.clip = of_a_b;
    groups.group[1].scope = "c";
    groups.group[1].optimizer = crew_gradient_descent(1);
    groups.group[1].optimizer.clip = of_c;
    ck_assert_int_eq(weights_new(graph, &groups, false, &t.weights, &err), 0);
    for (int i = 0; i < 3; i++) {
        plan_bind_var(t.plan, i, values[i]);
    }
    ck_assert_msg(plan_forward(t.plan, NULL, 0, 1, 0, 0, &err) == 0, "%s",
                  err.msg);
    plan_backward(t.plan, gradients_ready, &t);
}

#define NEAR(x, want) ck_assert_double_eq_tol((double)(x), want, 1e-6)

START_TEST(each_at_once)
{
    run(crew_clip_by_value(-1, 1), crew_clip_by_norm(0.1));
    ck_assert_int_eq(num_got, 3);
    gradients_end(&t);
    ck_assert_int_eq(num_got, 3);
    NEAR(got[0][1], 1);
    NEAR(got[1][1], 0.25);
    NEAR(got[2][1], 0.1 * sqrt(0.5));
}
END_TEST

START_TEST(the_global_norm_waits)
{
    double norm = sqrt(2 * 1.5 * 1.5 + 2 * 0.25 * 0.25);

    run(crew_clip_by_global_norm(1), (struct crew_clip){0});
    ck_assert_int_eq(num_got, 1);
    ck_assert_int_eq(order[0], 2);
    NEAR(got[2][0], 0.5);
    gradients_end(&t);
    ck_assert_int_eq(num_got, 3);
    NEAR(got[0][0], 1.5 / norm);
    NEAR(got[1][1], 0.25 / norm);
    gradients_end(&t);
    ck_assert_int_eq(num_got, 3);
}
END_TEST

/* Then the trainer sees what is wrong, and where. */
START_TEST(a_broken_one_stays_as_it_is)
{
    run(crew_clip_by_global_norm(1), (struct crew_clip){0});
    plan_grad(t.plan, 1)[0] = INFINITY;
    gradients_end(&t);
    NEAR(got[0][0], 1.5);
    ck_assert(isinf(got[1][0]));
}
END_TEST

/* A table of 4 rows of which one is gathered twice: its values are clipped as
 * they are, 1 each, and summed then. */
static struct optim_rows rows_got;

static void remember_rows(struct trainer *who,
                          int i,
                          const struct optim_rows *grad)
{
    (void)who, (void)i;
    rows_got = *grad;
}

static const struct trainer_ops rows_ops = {.rows_ready = remember_rows};
static struct trainer rows_trainer = {.ops = &rows_ops};

static void run_rows(struct crew_clip clip)
{
    static const int64_t ids[3] = {2, 0, 2};
    static float table[4];
    struct crew_init init = {.kind = CREW_INIT_ZEROS};
    struct crew_graph *g = graph_new();
    struct crew_node *in = graph_input(g, "ids", CREW_INT64, crew_shape1(-1));
    struct crew_node *v = crew_variable(g, "t", crew_shape1(4), init);
    struct crew_node *sum =
        crew_scale(g, crew_reduce_mean(g, crew_gather(g, v, in)), 3);
    struct optim_groups groups = {.n = 1};
    struct plan_feed feed = {in, CREW_INT64, ids};
    struct crew_err err = {0};
    struct training r = {.trainer = &rows_trainer};

    groups.group[0].scope = "";
    groups.group[0].optimizer = crew_gradient_descent(1);
    groups.group[0].optimizer.clip = clip;
    graph_use_rows(g);
    ck_assert_msg(plan_new(g, &sum, 1, sum, 3, &r.plan, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(weights_new(g, &groups, false, &r.weights, &err), 0);
    plan_bind_var(r.plan, 0, table);
    ck_assert_int_eq(plan_forward(r.plan, &feed, 1, 3, 0, 0, &err), 0);
    plan_backward(r.plan, gradients_ready, &r);
    gradients_end(&r);
    ck_assert_int_eq(rows_got.n, 2);
    ck_assert(rows_got.rows[0] == 0 && rows_got.rows[1] == 2);
    got[0][0] = rows_got.values[0];
    got[0][1] = rows_got.values[1];
    gradients_release(&r);
    weights_release(&r.weights);
    plan_free(r.plan);
    graph_free(g);
}

START_TEST(rows_are_clipped_before_they_are_summed)
{
    run_rows((struct crew_clip){0});
    NEAR(got[0][0], 1);
    NEAR(got[0][1], 2);
    run_rows(crew_clip_by_global_norm(1)); /* of (1, 1, 1), not of (1, 2) */
    NEAR(got[0][0], 1 / sqrt(3));
    NEAR(got[0][1], 2 / sqrt(3));
    run_rows(crew_clip_by_norm(1));
    NEAR(got[0][1], 2 / sqrt(3));
    run_rows(crew_clip_by_value(-0.5, 0.5));
    NEAR(got[0][0], 0.5);
    NEAR(got[0][1], 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *tcase = tcase_create("gradients");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_at_once);
    tcase_add_test(tcase, the_global_norm_waits);
    tcase_add_test(tcase, a_broken_one_stays_as_it_is);
    tcase_add_test(tcase, rows_are_clipped_before_they_are_summed);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
