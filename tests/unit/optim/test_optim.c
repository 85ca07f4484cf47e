/* SPDX-License-Identifier: Apache-2.0
 * Update rules against known values, their names, and what is refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optim.h"

#define STEPS 3

/* v = (1, 2), g = (0.1, -0.2) in every step; v after each, from the formulas in
 * double. */
struct known {
    const char* name;
    double want[STEPS][2];
};
static const struct known known[] = {
    {"GradientDescent", {{.95, 2.1}, {.9, 2.2}, {.85, 2.3}}},
    {"Momentum", {{.95, 2.1}, {.855, 2.29}, {.7195, 2.561}}},
    {"Nesterov", {{.905, 2.19}, {.7695, 2.461}, {.59755, 2.8049}}},
    {"Adam",
     {{.999000003, 2.000999998},
      {.998000005, 2.001999997},
      {.997000007, 2.002999996}}},
};

static struct crew_optimizer known_optimizer(int i)
{
    switch (i) {
        case 0:
            return crew_gradient_descent(.5);
        case 1:
            return crew_momentum(.5, .9, false);
        case 2:
            return crew_momentum(.5, .9, true);
        default:
            return crew_adam(.001);
    }
}

START_TEST(known_values)
{
    struct crew_optimizer o = known_optimizer(_i);
    struct optim_powers powers = optim_powers_initial(&o);
    float var[2] = {1, 2}, a[2] = {0}, b[2] = {0};
    const float grad[2] = {.1f, -.2f};
    float* const slots[OPTIM_MAX_SLOTS] = {a, b};
    for (int step = 0; step < STEPS; step++) {
        optim_apply(&o, &powers, 2, var, slots, grad);
        optim_powers_advance(&o, &powers);
        for (int i = 0; i < 2; i++) {
            double want = known[_i].want[step][i];
            ck_assert_msg(fabs((double)var[i] - want) <= 1e-6,
                          "%s step %d var[%d]: got %.9g, want %.9g",
                          known[_i].name, step, i, (double)var[i], want);
        }
    }
}
END_TEST

/* Any cut into slices gives the same bits as one call: the vector loop and its
 * remainder round alike, and no element looks at another. */
START_TEST(slices_do_not_matter)
{
    enum { N = 103, CUT = 37 };
    struct crew_optimizer o = known_optimizer(_i);
    struct optim_powers powers = optim_powers_initial(&o);
    float whole[3][N], parts[3][N], grad[N];
    for (int i = 0; i < N; i++) {
        grad[i] = (float)(i % 11) * 0.01f - 0.05f;
        whole[0][i] = (float)i * 0.1f;
        whole[1][i] = whole[2][i] = (float)(i % 7) * 0.003f;
    }
    memcpy(parts, whole, sizeof(parts));
    float* const all[OPTIM_MAX_SLOTS] = {whole[1], whole[2]};
    optim_apply(&o, &powers, N, whole[0], all, grad);
    float* const left[OPTIM_MAX_SLOTS] = {parts[1], parts[2]};
    float* const right[OPTIM_MAX_SLOTS] = {parts[1] + CUT, parts[2] + CUT};
    optim_apply(&o, &powers, CUT, parts[0], left, grad);
    optim_apply(&o, &powers, N - CUT, parts[0] + CUT, right, grad + CUT);
    ck_assert_int_eq(memcmp(whole, parts, sizeof(whole)), 0);
}
END_TEST

START_TEST(powers_move_only_for_adam)
{
    struct crew_optimizer adam = crew_adam(.001);
    struct optim_powers p = optim_powers_initial(&adam);
    ck_assert(p.beta1_power == .9f && p.beta2_power == .999f);
    optim_powers_advance(&adam, &p);
    ck_assert(p.beta1_power == .9f * .9f && p.beta2_power == .999f * .999f);
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct optim_powers before = p;
    optim_powers_advance(&sgd, &p);
    ck_assert_int_eq(memcmp(&before, &p, sizeof(p)), 0);
}
END_TEST

START_TEST(names)
{
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct crew_optimizer momentum = crew_momentum(1, .9, false);
    struct crew_optimizer adam = crew_adam(1);
    ck_assert_int_eq(optim_num_slots(&sgd), 0);
    ck_assert_int_eq(optim_num_slots(&momentum), 1);
    ck_assert_int_eq(optim_num_slots(&adam), 2);
    ck_assert_str_eq(optim_slot_name(&momentum, 0), "Momentum");
    ck_assert_str_eq(optim_slot_name(&adam, 0), "Adam");
    ck_assert_str_eq(optim_slot_name(&adam, 1), "Adam_1");
    ck_assert(optim_slot_initial(&adam, 1) == 0);
    ck_assert_str_eq(optim_kind_name(CREW_GRADIENT_DESCENT), "GradientDescent");
    ck_assert_str_eq(optim_kind_name(CREW_MOMENTUM), "Momentum");
    ck_assert_str_eq(optim_kind_name(CREW_ADAM), "Adam");
    ck_assert_ptr_null(optim_kind_name((enum crew_optimizer_kind)0));
    ck_assert_ptr_null(optim_kind_name((enum crew_optimizer_kind)99));
}
END_TEST

static void refused(struct crew_optimizer o, const char* word)
{
    struct crew_err err = {0};
    ck_assert_int_eq(optim_check(&o, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, word) != NULL, "want %s in: %s", word,
                  err.msg);
}

START_TEST(refusals)
{
    struct crew_err err = {0};
    for (int i = 0; i < 4; i++) {
        struct crew_optimizer good = known_optimizer(i);
        ck_assert_int_eq(optim_check(&good, &err), CREW_OK);
    }
    refused((struct crew_optimizer){.kind = (enum crew_optimizer_kind)42},
            "42");
    refused(crew_gradient_descent((double)NAN), "learning_rate");
    refused(crew_momentum(.1, (double)INFINITY, false), "momentum");
    struct crew_optimizer adam = crew_adam(.1);
    adam.beta1 = 1;
    refused(adam, "beta1");
    adam = crew_adam(.1);
    adam.beta2 = -.5f;
    refused(adam, "-0.5");
    adam = crew_adam(.1);
    adam.beta1 = NAN;
    refused(adam, "beta1");
    adam = crew_adam(.1);
    adam.epsilon = INFINITY;
    refused(adam, "epsilon");
}
END_TEST

int main(void)
{
    Suite* suite = suite_create("optim");
    TCase* tc = tcase_create("optim");
    tcase_add_loop_test(tc, known_values, 0, 4);
    tcase_add_loop_test(tc, slices_do_not_matter, 0, 4);
    tcase_add_test(tc, powers_move_only_for_adam);
    tcase_add_test(tc, names);
    tcase_add_test(tc, refusals);
    suite_add_tcase(suite, tc);
    SRunner* runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
