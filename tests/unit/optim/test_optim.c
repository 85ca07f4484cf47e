/* SPDX-License-Identifier: Apache-2.0
 * Update rules against known values, their names, and what is refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optim.h"
#include "optim/replicas.h"
#include "run_suite.h"

#define STEPS 3
enum { KNOWN = 13 };

/* v = (1, 2), g = (0.1, -0.2) in every step; v after each, from the formulas in
 * double. */
struct known {
    const char *name;
    double want[STEPS][2];
};
static const struct known known[KNOWN] = {
    {"GradientDescent", {{.95, 2.1}, {.9, 2.2}, {.85, 2.3}}},
    {"Momentum", {{.95, 2.1}, {.855, 2.29}, {.7195, 2.561}}},
    {"Nesterov", {{.905, 2.19}, {.7695, 2.461}, {.59755, 2.8049}}},
    {"Adam",
     {{.999000003, 2.000999998},
      {.998000005, 2.001999997},
      {.997000007, 2.002999996}}},
    {"Adagrad",
     {{.849244328, 2.267261242},
      {.704906760, 2.502963502},
      {.566231711, 2.716164219}}},
    {"ProximalAdagrad",
     {{.724887811, 1.988212155},
      {.494711092, 1.978912256},
      {.300497089, 1.971310528}}},
    {"RMSProp",
     {{.998946493, 2.002103516},
      {.997309929, 2.005367143},
      {.995322604, 2.009324161}}},
    {"RMSProp centered",
     {{.998946434, 2.002103981},
      {.997309594, 2.005369798},
      {.995321544, 2.009332540}}},
    {"Adadelta",
     {{.999552791, 2.000447212},
      {.999099885, 2.000900122},
      {.998643125, 2.001356886}}},
    {"Ftrl",
     {{-.104218262, .576952732},
      {-.248555829, .812654993},
      {-.387230878, 1.025855709}}},
    {"Ftrl l1 l2",
     {{-.078916488, .454220809},
      {-.190921107, .644964379},
      {-.299485744, .820698462}}},
    /* Its first step: v - lr*wd*v - lr*g/(|g| + eps), and so on. */
    {"AdamW",
     {{.9989960, 2.0009920},
      {.997992004, 2.001983996},
      {.996988012, 2.002975988}}},
    /* p = v - .5 g, then (|p| - .5 * .01) / (1 + .1 * .5). */
    {"ProximalGradientDescent",
     {{.9, 1.9952380952},
      {.8047619048, 1.9907029478},
      {.7140589569, 1.9863837598}}},
};

static struct crew_optimizer known_optimizer(int i)
{
    struct crew_optimizer o;
    switch (i) {
        case 0:
            return crew_gradient_descent(.5);
        case 1:
            return crew_momentum(.5, .9, false);
        case 2:
            return crew_momentum(.5, .9, true);
        case 3:
            return crew_adam(.001);
        case 4:
            return crew_adagrad(.5);
        case 5:
            return crew_proximal_adagrad(.5, .01, .1);
        case 6:
        case 7:
            o = crew_rmsprop(.01);
            o.momentum = .5f;
            o.centered = i == 7;
            return o;
        case 8:
            return crew_adadelta(1);
        case 9:
            return crew_ftrl(.5);
        case 10:
            o = crew_ftrl(.5);
            o.l1 = .001f;
            o.l2 = .1f;
            return o;
        case 11:
            return crew_adamw(.001, .004);
        default:
            return crew_proximal_gradient_descent(.5, .01, .1);
    }
}

static void init_slots(const struct crew_optimizer *o,
                       int64_t n,
                       const float *var,
                       float *const *slots)
{
    for (int k = 0; k < optim_num_slots(o); k++) {
        optim_slot_init(o, k, n, var, slots[k]);
    }
}

START_TEST(known_values)
{
    struct crew_optimizer o = known_optimizer(_i);
    struct optim_powers powers = optim_powers_initial(&o);
    float var[2] = {1, 2}, memory[OPTIM_MAX_SLOTS][2];
    const float grad[2] = {.1f, -.2f};
    float *const slots[OPTIM_MAX_SLOTS] = {memory[0], memory[1], memory[2],
                                           memory[3]};
    init_slots(&o, 2, var, slots);
    for (int step = 0; step < STEPS; step++) {
        struct optim_step now = optim_step_at(&o, &powers, step);
        optim_apply(&o, &now, 2, var, slots, grad);
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
    o.average.decay = .9f;
    float whole[1 + OPTIM_MAX_SLOTS][N], parts[1 + OPTIM_MAX_SLOTS][N], grad[N];
    float *all[OPTIM_MAX_SLOTS], *left[OPTIM_MAX_SLOTS],
        *right[OPTIM_MAX_SLOTS];
    for (int i = 0; i < N; i++) {
        grad[i] = (float)(i % 11) * 0.01f - 0.05f;
        whole[0][i] = (float)i * 0.1f;
    }
    for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
        all[k] = whole[1 + k];
        left[k] = parts[1 + k];
        right[k] = parts[1 + k] + CUT;
        memset(all[k], 0, sizeof(whole[0]));
    }
    init_slots(&o, N, whole[0], all);
    memcpy(parts, whole, sizeof(parts));
    struct optim_step now = optim_step_at(&o, &powers, 7);
    optim_apply(&o, &now, N, whole[0], all, grad);
    optim_apply(&o, &now, CUT, parts[0], left, grad);
    optim_apply(&o, &now, N - CUT, parts[0] + CUT, right, grad + CUT);
    ck_assert_int_eq(memcmp(whole, parts, sizeof(whole)), 0);
}
END_TEST

/* A gradient of all rows of a table is a dense one. */
START_TEST(all_rows_are_the_whole)
{
    enum { ROWS = 5, WIDTH = 3, N = ROWS * WIDTH };
    struct crew_optimizer o = known_optimizer(_i);
    struct optim_powers powers = optim_powers_initial(&o);
    float a[1 + OPTIM_MAX_SLOTS][N] = {{0}}, b[1 + OPTIM_MAX_SLOTS][N], grad[N],
                turned[N];
    float *slots_a[OPTIM_MAX_SLOTS], *slots_b[OPTIM_MAX_SLOTS];
    const uint32_t rows[ROWS] = {4, 0, 3, 1, 2};
    for (int i = 0; i < N; i++) {
        a[0][i] = (float)i * .1f - .4f;
        grad[i] = (float)(i % 4) * .1f - .15f;
    }
    for (int i = 0; i < N; i++) {
        turned[i] = grad[(int)rows[i / WIDTH] * WIDTH + i % WIDTH];
    }
    o.average.decay = .9f;
    o.lazy = true;
    for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
        slots_a[k] = a[1 + k];
        slots_b[k] = b[1 + k];
    }
    init_slots(&o, N, a[0], slots_a);
    memcpy(b, a, sizeof(b));
    struct optim_step now = optim_step_at(&o, &powers, 7);
    struct optim_rows some = {
        .n = ROWS, .width = WIDTH, .rows = rows, .values = turned};
    optim_apply(&o, &now, N, a[0], slots_a, grad);
    optim_apply_rows(&o, &now, ROWS, b[0], slots_b, &some);
    ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
}
END_TEST

/* TensorFlow's Adam moves rows that got no gradient, a lazy one does not. */
START_TEST(lazy_adam)
{
    for (int lazy = 0; lazy < 2; lazy++) {
        struct crew_optimizer o = crew_adam(.1);
        struct optim_powers powers = optim_powers_initial(&o);
        float var[2] = {1, 1}, m[2] = {.5f, .5f}, v[2] = {1, 1};
        float *const slots[OPTIM_MAX_SLOTS] = {m, v};
        uint32_t row = 1;
        float grad = 1;
        struct optim_rows rows = {
            .n = 1, .width = 1, .rows = &row, .values = &grad};
        struct optim_step now = optim_step_at(&o, &powers, 0);
        o.lazy = lazy != 0;
        optim_apply_rows(&o, &now, 2, var, slots, &rows);
        ck_assert(var[1] < 1.0f);
        ck_assert((var[0] < 1.0f) == (lazy == 0));
        ck_assert((m[0] < .5f) == (lazy == 0));
    }
}
END_TEST

START_TEST(rows_are_summed)
{
    const uint32_t rows[6] = {7, UINT32_MAX, 7, 3, UINT32_MAX, 7};
    const float values[12] = {1, 2, 10, 20, 3, 4, 100, 200, 30, 40, 5, 6};
    const float want[6] = {100, 200, 9, 12, 40, 60};
    struct optim_row_sum room = {0};
    struct optim_rows g = {.n = 6, .width = 2, .rows = rows, .values = values};
    for (int again = 0; again < 2; again++) {
        struct optim_rows sum = optim_sum_rows(&room, &g);
        ck_assert_int_eq(sum.n, 3);
        ck_assert_uint_eq(sum.rows[0], 3);
        ck_assert_uint_eq(sum.rows[1], 7);
        ck_assert_uint_eq(sum.rows[2], UINT32_MAX);
        ck_assert_int_eq(memcmp(sum.values, want, sizeof(want)), 0);
    }
    g.n = 2; /* they ascend, each once */
    ck_assert_ptr_eq(optim_sum_rows(&room, &g).rows, rows);
    g.n = 0;
    ck_assert_int_eq(optim_sum_rows(&room, &g).n, 0);
    optim_row_sum_release(&room);
}
END_TEST

/* As SparseConditionalAccumulator: a row's mean is that of those who have it.
 */
START_TEST(rows_are_averaged_each_by_its_count)
{
    float sums[2][4] = {{9, 9, 9, 9}, {9, 9, 9, 9}};
    uint32_t lists[2][4], counts[2][4] = {{0}};
    struct replicas_rows r[2];
    const uint32_t rows_a[2] = {1, 3}, rows_b[1] = {3}, rows_c[2] = {0, 3};
    const float a[2] = {5, 1}, b[1] = {2}, c[2] = {7, 6};
    struct optim_rows ga = {.n = 2, .width = 1, .rows = rows_a, .values = a};
    struct optim_rows gb = {.n = 1, .width = 1, .rows = rows_b, .values = b};
    struct optim_rows gc = {.n = 2, .width = 1, .rows = rows_c, .values = c};
    for (int i = 0; i < 2; i++) {
        r[i] = (struct replicas_rows){
            .width = 1, .sum = sums[i], .rows = lists[i], .count = counts[i]};
    }
    for (int again = 0; again < 2; again++) {
        replicas_rows_clear(&r[0]);
        replicas_rows_clear(&r[1]);
        replicas_rows_add(&r[0], &ga);
        replicas_rows_add(&r[0], &gb);
        replicas_rows_add(&r[1], &gc);
        replicas_rows_merge(&r[0], &r[1]);
        struct optim_rows mean = replicas_rows_mean(&r[0]);
        ck_assert(mean.n == 3 && mean.in_place);
        ck_assert_float_eq(mean.values[1], 5.0f);
        ck_assert_float_eq(mean.values[3], 3.0f);
        ck_assert_float_eq(mean.values[0], 7.0f);
        ck_assert_float_eq(mean.values[2], 9.0f); /* nobody's: as it was */
    }
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
    ck_assert(optim_has_powers(&adam) && !optim_has_powers(&sgd));
}
END_TEST

/* {name, slots by name and start} of every rule. */
struct named {
    struct crew_optimizer o;
    const char *name;
    const char *slots[4];
    float start[4];
};

static void same_names(struct named want)
{
    const float value = 42;
    int n = 0;
    ck_assert_str_eq(optim_kind_name(want.o.kind), want.name);
    for (; n < 4 && want.slots[n] != NULL; n++) {
        float start = -1;
        ck_assert_str_eq(optim_slot_name(&want.o, n), want.slots[n]);
        optim_slot_init(&want.o, n, 1, &value, &start);
        ck_assert_float_eq(start, want.start[n]);
    }
    ck_assert_int_eq(optim_num_slots(&want.o), n);
}

START_TEST(names)
{
    struct crew_optimizer centered = crew_rmsprop(1), averaged, ftrl;
    centered.centered = true;
    averaged = centered;
    averaged.average.decay = .5f;
    ftrl = crew_ftrl(1);
    ftrl.initial_accumulator_value = .25f;
    const struct named all[] = {
        {crew_gradient_descent(1), "GradientDescent", {NULL}, {0}},
        {crew_momentum(1, .9, false), "Momentum", {"Momentum"}, {0}},
        {crew_adam(1), "Adam", {"Adam", "Adam_1"}, {0, 0}},
        {crew_adamw(1, 0), "AdamW", {"AdamW", "AdamW_1"}, {0, 0}},
        {crew_adagrad(1), "Adagrad", {"Adagrad"}, {.1f}},
        {crew_adadelta(1), "Adadelta", {"Adadelta", "Adadelta_1"}, {0, 0}},
        {crew_rmsprop(1), "RMSProp", {"RMSProp", "RMSProp_1"}, {1, 0}},
        {centered, "RMSProp", {"RMSProp", "RMSProp_1", "RMSProp_2"}, {1, 0, 0}},
        {averaged,
         "RMSProp",
         {"RMSProp", "RMSProp_1", "RMSProp_2", "ExponentialMovingAverage"},
         {1, 0, 0, 42}},
        {ftrl, "Ftrl", {"Ftrl", "Ftrl_1"}, {.25f, 0}},
        {crew_proximal_adagrad(1, 0, 0),
         "ProximalAdagrad",
         {"ProximalAdagrad"},
         {.1f}},
        {crew_proximal_gradient_descent(1, 0, 0),
         "ProximalGradientDescent",
         {NULL},
         {0}},
        {crew_adagrad_da(1, 0, 0),
         "AdagradDA",
         {"AdagradDA", "AdagradDA_1"},
         {0, .1f}},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        same_names(all[i]);
    }
    ck_assert_ptr_null(optim_kind_name((enum crew_optimizer_kind)0));
    ck_assert_ptr_null(optim_kind_name((enum crew_optimizer_kind)99));
    ck_assert_int_eq(optim_average_slot(&averaged), 3);
    ck_assert_int_eq(optim_average_slot(&centered), -1);
}
END_TEST

static void refused(struct crew_optimizer o, const char *word)
{
    struct crew_err err = {0};
    ck_assert_int_eq(optim_check(&o, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, word) != NULL, "want %s in: %s", word,
                  err.msg);
}

#define REFUSED(make, change, word)     \
    do {                                \
        struct crew_optimizer o = make; \
        o.change;                       \
        refused(o, word);               \
    } while (0)

START_TEST(refusals)
{
    struct crew_err err = {0};
    for (int i = 0; i < KNOWN; i++) {
        struct crew_optimizer good = known_optimizer(i);
        ck_assert_int_eq(optim_check(&good, &err), CREW_OK);
    }
    refused((struct crew_optimizer){.kind = (enum crew_optimizer_kind)42},
            "42");
    refused(crew_gradient_descent((double)NAN), "learning_rate");
    refused(crew_momentum(.1, (double)INFINITY, false), "momentum");
    refused(crew_ftrl(0), "learning_rate");
    REFUSED(crew_adam(.1), beta1 = 1, "beta1");
    REFUSED(crew_adam(.1), beta2 = -.5f, "-0.5");
    REFUSED(crew_adam(.1), beta1 = NAN, "beta1");
    REFUSED(crew_adam(.1), epsilon = INFINITY, "epsilon");
    REFUSED(crew_adagrad(.1), initial_accumulator_value = 0, "initial_acc");
    REFUSED(crew_ftrl(.1), learning_rate_power = .5f, "learning_rate_power");
    REFUSED(crew_ftrl(.1), l2_shrinkage = -1, "l2_shrinkage");
    REFUSED(crew_adamw(.1, 0), weight_decay = NAN, "weight_decay");
    REFUSED(crew_adam(.1), average.decay = 1, "moving average");
    REFUSED(crew_adam(.1), clip = crew_clip_by_norm(0), "norm");
    REFUSED(crew_adam(.1), clip = crew_clip_by_value(1, -1), "min");
    REFUSED(crew_adam(.1), clip.kind = (enum crew_clip_kind)9, "clip");
    REFUSED(crew_adam(.1), clip.along_axis = (o.clip.axis = -1) < 0, "axis");
    REFUSED(crew_adam(.1), schedule = crew_cosine_decay(0, 0), "decay_steps");
    REFUSED(crew_adam(.1), schedule.kind = (enum crew_schedule_kind)77,
            "schedule");
    REFUSED(crew_adam(.1),
            schedule = crew_exponential_decay(1, (double)NAN, false),
            "decay_rate");
}
END_TEST

START_TEST(first_difference)
{
    struct crew_optimizer a = crew_ftrl(.1), b = a;
    double in_a = 0, in_b = 0;
    ck_assert_ptr_null(optim_difference(&a, &b, &in_a, &in_b));
    b.l2_shrinkage = .5f;
    ck_assert_str_eq(optim_difference(&a, &b, &in_a, &in_b), "l2_shrinkage");
    ck_assert(in_a == 0 && in_b == .5);
    b = a;
    b.schedule = crew_cosine_decay(10, .25);
    ck_assert_str_eq(optim_difference(&a, &b, &in_a, &in_b), "schedule");
    a.schedule = crew_cosine_decay(11, .25);
    ck_assert_str_eq(optim_difference(&a, &b, &in_a, &in_b), "decay_steps");
    const int64_t at[2] = {5, 9};
    const double rates[3] = {1, 2, 3}, others[3] = {1, 2, 4};
    a.schedule = crew_piecewise_constant(at, rates, 2);
    b.schedule = crew_piecewise_constant(at, others, 2);
    ck_assert_str_eq(optim_difference(&a, &b, &in_a, &in_b), "values");
    b.schedule = a.schedule;
    b.schedule.boundaries[1] = 10;
    ck_assert_str_eq(optim_difference(&a, &b, &in_a, &in_b), "boundaries");
    ck_assert(in_a == 9 && in_b == 10);
}
END_TEST

/* An average over batches forgets as much as if each of three had moved it. */
START_TEST(mean_of_batches)
{
    struct crew_optimizer o = {.kind = CREW_ASSIGN, .learning_rate = .1f};
    struct optim_step step = {.learning_rate = optim_rate_of_mean(&o, .1f, 3)};
    float v = 1, to = 5;

    optim_apply(&o, &step, 1, &v, NULL, &to);
    ck_assert_float_eq_tol(v, 5.0f - 4.0f * .9f * .9f * .9f, 1e-6f);
    ck_assert(optim_rate_of_mean(&o, .1f, 1) == .1f);
    o = crew_adam(.1);
    ck_assert(optim_rate_of_mean(&o, .1f, 3) == .1f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim");
    TCase *tc = tcase_create("optim");
    tcase_add_loop_test(tc, known_values, 0, KNOWN);
    tcase_add_loop_test(tc, slices_do_not_matter, 0, KNOWN);
    tcase_add_loop_test(tc, all_rows_are_the_whole, 0, KNOWN);
    tcase_add_test(tc, lazy_adam);
    tcase_add_test(tc, rows_are_summed);
    tcase_add_test(tc, rows_are_averaged_each_by_its_count);
    tcase_add_test(tc, powers_move_only_for_adam);
    tcase_add_test(tc, mean_of_batches);
    tcase_add_test(tc, names);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, first_difference);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
