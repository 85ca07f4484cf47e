/* SPDX-License-Identifier: Apache-2.0
 * Training in one process: the update rule, max_steps, and a step with NaN in
 * it that touches nothing. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/trainer.h"
#include "run_suite.h"

static float a[3], b[2];
static struct trainer_var vars[2];
static struct crew_optimizer sgd;
static struct trainer_options options;
static struct trainer *t;
static struct crew_err err;

static void setup(void)
{
    for (int i = 0; i < 3; i++) {
        a[i] = 10;
    }
    b[0] = b[1] = 20;
    vars[0] = (struct trainer_var){
        .name = "a", .shape = crew_shape1(3), .n = 3, .value = a};
    vars[1] = (struct trainer_var){
        .name = "b", .shape = crew_shape1(2), .n = 2, .value = b};
    sgd = crew_gradient_descent(0.5);
    options = (struct trainer_options){.optimizers = &sgd,
                                       .num_optimizers = 1,
                                       .vars = vars,
                                       .num_vars = 2,
                                       .max_steps = 3};
    err = (struct crew_err){0};
    ck_assert_int_eq(trainer_local_open(&options, &t, &err), CREW_OK);
    struct optim_powers p = optim_powers_initial(&sgd);
    int64_t step = 0;
    ck_assert_int_eq(t->ops->initialise(t, 0, 1, &p, &err), CREW_OK);
    ck_assert_int_eq(t->ops->begin(t, &step, &err), CREW_OK);
    ck_assert_int_eq(step, 1);
}

static void teardown(void)
{
    t->ops->close(t);
}

static int one_step(const float *ga, const float *gb, int64_t *step)
{
    int rc = t->ops->next_step(t, &err);
    if (rc != CREW_OK) {
        return rc;
    }
    t->ops->grad_ready(t, 1, gb);
    t->ops->grad_ready(t, 0, ga);
    return t->ops->finish_step(t, step, &err);
}

START_TEST(test_steps)
{
    const float ga[3] = {1, 2, 3}, gb[2] = {4, -4};
    int64_t step = 0;
    ck_assert_int_eq(one_step(ga, gb, &step), CREW_OK);
    ck_assert_int_eq(step, 2);
    ck_assert_float_eq(a[2], 8.5f);
    ck_assert_float_eq(b[1], 22.0f);
    ck_assert_int_eq(one_step(ga, gb, &step), CREW_OK);
    ck_assert_int_eq(one_step(ga, gb, &step), CREW_OUT_OF_RANGE);
    ck_assert_int_eq(t->ops->end(t)->step, 3);
    ck_assert_int_eq(t->ops->end(t)->exit_code, 0);
}
END_TEST

START_TEST(test_not_finite)
{
    const float ga[3] = {1, NAN, 3}, gb[2] = {4, -4};
    int64_t step = 0;
    ck_assert_int_eq(one_step(ga, gb, &step), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_msg(
        strstr(err.msg, "gradient of a is not finite: element 1 of 3") != NULL,
        "got: %s", err.msg);
    ck_assert_float_eq(a[0], 10.0f);
    ck_assert_float_eq(b[0], 20.0f);
    ck_assert_int_eq(step, 0);
}
END_TEST

START_TEST(test_leave_and_stop)
{
    bool evaluator = true;
    int64_t step = 0;
    ck_assert_int_eq(t->ops->leave(t, &err), CREW_OK);
    ck_assert_int_eq(t->ops->next_step(t, &err), CREW_OUT_OF_RANGE);
    ck_assert_int_eq(t->ops->hold(t, &step, &err), CREW_OK);
    ck_assert_int_eq(step, 1);
    ck_assert_int_eq(t->ops->stop(t, 130, 1, "a signal", &evaluator, &err),
                     CREW_OK);
    ck_assert(!evaluator);
    ck_assert_int_eq(t->ops->end(t)->exit_code, 130);
    ck_assert_str_eq(t->ops->end(t)->reason, "a signal");
}
END_TEST

/* Three batches an update: their mean, and a step when it is made. */
START_TEST(test_several_batches)
{
    const float first[3] = {1, 2, 3}, second[3] = {4, 0, 1};
    const float third[3] = {1, 1, 1}, gb[2] = {4, -4};
    int64_t step = 0;
    t->ops->close(t);
    options.replicas = (struct replicas){.to_aggregate = 3, .total = 1};
    ck_assert_int_eq(trainer_local_open(&options, &t, &err), CREW_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(one_step(first, gb, &step), CREW_OK);
        ck_assert_int_eq(one_step(second, gb, &step), CREW_OK);
        ck_assert_int_eq(step, i);
        ck_assert_float_eq(a[0], i == 0 ? 10.0f : 9.0f);
        ck_assert_int_eq(one_step(third, gb, &step), CREW_OK);
        ck_assert_int_eq(step, i + 1);
        ck_assert_float_eq(a[0], i == 0 ? 9.0f : 8.0f);
    }
    ck_assert_float_eq(a[1], 9.0f);
    ck_assert_float_eq(b[1], 24.0f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trainer_local");
    TCase *tc = tcase_create("trainer_local");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_steps);
    tcase_add_test(tc, test_not_finite);
    tcase_add_test(tc, test_leave_and_stop);
    tcase_add_test(tc, test_several_batches);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
