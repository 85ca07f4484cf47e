/* SPDX-License-Identifier: Apache-2.0
 * Learning rates at their corners, and clips of gradients. The numbers of
 * TensorFlow are in tests/golden. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optim.h"
#include "run_suite.h"

static double at(struct crew_schedule s, int64_t step)
{
    struct crew_optimizer o = crew_gradient_descent(1);
    o.schedule = s;
    return crew_learning_rate(&o, step);
}

#define NEAR(got, want) ck_assert_double_eq_tol(got, want, 1e-6)

START_TEST(corners)
{
    const int64_t steps[2] = {10, 20};
    const double rates[3] = {.5, .25, .125};
    struct crew_schedule p = crew_piecewise_constant(steps, rates, 2);
    NEAR(at((struct crew_schedule){.kind = CREW_SCHEDULE_NONE}, 99), 1);
    NEAR(at(p, 0), .5);
    NEAR(at(p, 10), .5); /* the boundary belongs to the left */
    NEAR(at(p, 11), .25);
    NEAR(at(p, 1000000000000), .125);
    NEAR(at(crew_exponential_decay(10, .5, false), 5), sqrt(.5));
    NEAR(at(crew_exponential_decay(10, .5, true), 19), .5);
    NEAR(at(crew_natural_exp_decay(10, 1, false), 10), exp(-1));
    NEAR(at(crew_inverse_time_decay(10, 1, false), 10), .5);
    NEAR(at(crew_polynomial_decay(10, .1, 1, false), 50), .1);
    NEAR(at(crew_polynomial_decay(10, .1, 1, true), 0), 1);
    NEAR(at(crew_polynomial_decay(10, 0, 1, true), 15), .25);
    NEAR(at(crew_cosine_decay(10, .1), 5), .55);
    NEAR(at(crew_cosine_decay(10, .1), 11), .1);
    NEAR(at(crew_cosine_decay_restarts(10, 2, .5, 0), 20), .25);
    NEAR(at(crew_linear_cosine_decay(10, .5, 0, .001), 10), .001);
}
END_TEST

/* The same for all who ask, another at another step. */
START_TEST(noise)
{
    struct crew_schedule s =
        crew_noisy_linear_cosine_decay(1000, 1, .55, .5, 0, .001);
    struct crew_schedule quiet = crew_linear_cosine_decay(1000, .5, 0, .001);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < 400; i++) {
        double d = at(s, i) - at(quiet, i);
        double c = .5 * (1 + cos(3.14159265358979 * (double)i / 1000));
        d /= sqrt(1 / pow(1 + (double)i, .55)) * c;
        sum += d;
        squares += d * d;
        ck_assert_double_eq(at(s, i), at(s, i));
    }
    ck_assert_double_lt(fabs(sum / 400), .2);
    ck_assert_double_eq_tol(squares / 400, 1, .3);
}
END_TEST

START_TEST(rates_that_no_rule_can_take)
{
    struct crew_optimizer o = crew_ftrl(.1);
    struct crew_err err = {0};
    ck_assert_int_eq(optim_check_rate(&o, .1f, 5, &err), CREW_OK);
    ck_assert_int_eq(optim_check_rate(&o, 0, 5, &err), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_ptr_nonnull(strstr(err.msg, "step 5"));
    o = crew_adam(.1);
    err = (struct crew_err){0};
    ck_assert_int_eq(optim_check_rate(&o, 0, 5, &err), CREW_OK);
    ck_assert_int_ne(optim_check_rate(&o, NAN, 5, &err), CREW_OK);
}
END_TEST

START_TEST(clips)
{
    struct crew_shape shape = {.rank = 2, .dim = {2, 2}};
    struct crew_clip c = crew_clip_by_norm(1);
    float x[4] = {3, 0, 4, .5f};
    c.along_axis = true; /* columns: |(3, 4)| and |(0, .5)| */
    optim_clip(&c, &shape, x);
    NEAR((double)x[0], .6);
    NEAR((double)x[2], .8);
    NEAR((double)x[3], .5);
    float y[4] = {3, 0, 4, NAN};
    c = crew_clip_by_value(-1, 2);
    optim_clip(&c, &shape, y);
    NEAR((double)y[0], 2);
    ck_assert(isnan(y[3])); /* a broken gradient stays one */
    c = crew_clip_by_global_norm(1);
    NEAR((double)optim_global_scale(&c, 25), .2);
    NEAR((double)optim_global_scale(&c, .25), 1);
    NEAR((double)optim_global_scale(&c, 0), 1);
    ck_assert(isnan(optim_global_scale(&c, (double)INFINITY)));
    const float large[2] = {3e38f, 3e38f};
    ck_assert(isfinite(optim_sum_squares(2, large)));
    float many[19];
    for (int i = 0; i < 19; i++) {
        many[i] = (float)i;
    }
    ck_assert_double_eq(optim_sum_squares(19, many), 2109);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedules");
    TCase *tc = tcase_create("schedules");
    tcase_add_test(tc, corners);
    tcase_add_test(tc, noise);
    tcase_add_test(tc, rates_that_no_rule_can_take);
    tcase_add_test(tc, clips);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
