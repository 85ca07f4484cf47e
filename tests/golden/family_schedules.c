/* SPDX-License-Identifier: Apache-2.0
 *
 * Family schedules: the learning rate at every step. Passed over are steps at
 * an exact restart of cosine_decay_restarts with a t_mul that is not whole:
 * there TensorFlow itself is on either side within rounding. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "golden_families.h"
#include "optim/optim.h"

#include "base/banned.h"

static const struct golden_tolerance tolerance = {1e-6, 1e-7};

static double argument(const cJSON *c, const char *key, double fallback)
{
    const cJSON *arguments = golden_member(c, "arguments");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(arguments, key);
    return value == NULL ? fallback : golden_number(value);
}

static bool flag(const cJSON *c, const char *key)
{
    const cJSON *arguments = golden_member(c, "arguments");
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(arguments, key)) != 0;
}

static struct crew_schedule piecewise(const cJSON *c)
{
    const cJSON *arguments = golden_member(c, "arguments");
    const cJSON *at = golden_member(arguments, "boundaries");
    const cJSON *values = golden_member(arguments, "values");
    int64_t boundaries[CREW_MAX_BOUNDARIES] = {0};
    double rates[CREW_MAX_BOUNDARIES + 1] = {0};
    int n = cJSON_GetArraySize(at);
    for (int i = 0; i <= n && i <= CREW_MAX_BOUNDARIES; i++) {
        rates[i] = golden_number(cJSON_GetArrayItem(values, i));
        if (i < n && i < CREW_MAX_BOUNDARIES) {
            boundaries[i] = golden_int(cJSON_GetArrayItem(at, i));
        }
    }
    return crew_piecewise_constant(boundaries, rates, n);
}

static struct crew_schedule make(const cJSON *c, const char *name)
{
    int64_t steps = (int64_t)argument(c, "decay_steps", 1);
    double rate = argument(c, "decay_rate", 1);
    bool staircase = flag(c, "staircase");
    if (strcmp(name, "exponential_decay") == 0) {
        return crew_exponential_decay(steps, rate, staircase);
    }
    if (strcmp(name, "natural_exp_decay") == 0) {
        return crew_natural_exp_decay(steps, rate, staircase);
    }
    if (strcmp(name, "inverse_time_decay") == 0) {
        return crew_inverse_time_decay(steps, rate, staircase);
    }
    if (strcmp(name, "polynomial_decay") == 0) {
        return crew_polynomial_decay(steps,
                                     argument(c, "end_learning_rate", 0.0001),
                                     argument(c, "power", 1), flag(c, "cycle"));
    }
    if (strcmp(name, "piecewise_constant") == 0) {
        return piecewise(c);
    }
    if (strcmp(name, "cosine_decay") == 0) {
        return crew_cosine_decay(steps, argument(c, "alpha", 0));
    }
    if (strcmp(name, "cosine_decay_restarts") == 0) {
        return crew_cosine_decay_restarts(
            (int64_t)argument(c, "first_decay_steps", 1),
            argument(c, "t_mul", 2), argument(c, "m_mul", 1),
            argument(c, "alpha", 0));
    }
    if (strcmp(name, "linear_cosine_decay") == 0) {
        return crew_linear_cosine_decay(steps, argument(c, "num_periods", 0.5),
                                        argument(c, "alpha", 0),
                                        argument(c, "beta", 0.001));
    }
    return (struct crew_schedule){.kind = CREW_SCHEDULE_NONE};
}

/* A whole number of periods after the start, within rounding. */
static bool at_restart(const struct crew_schedule *s, int64_t step)
{
    double t = (double)s->t_mul, begin = 0, length = 1;
    double at = (double)step / (double)s->decay_steps;
    if (s->kind != CREW_COSINE_DECAY_RESTARTS || t == floor(t)) {
        return false;
    }
    while (begin < at - 1e-6 && length > 1e-9) {
        begin += length;
        length *= t;
    }
    return fabs(begin - at) <= 1e-6;
}

static int run_case(const cJSON *c, int index, struct golden_report *report)
{
    const char *name = golden_text(c, "schedule");
    struct crew_optimizer o =
        crew_gradient_descent(argument(c, "learning_rate", 0));
    struct crew_err err = {0};
    const cJSON *steps = golden_member(c, "steps");
    const cJSON *values = golden_member(c, "values");
    double most = 0;
    golden_case(report, "case %d %s", index, name);
    o.schedule = make(c, name);
    if (o.schedule.kind == CREW_SCHEDULE_NONE ||
        optim_check(&o, &err) != CREW_OK) {
        return golden_trouble(65, "no schedule %s: %s", name, err.msg);
    }
    for (int i = 0; i < cJSON_GetArraySize(values); i++) {
        most = fmax(most, fabs(golden_number(cJSON_GetArrayItem(values, i))));
    }
    struct golden_tolerance of_all = {0, tolerance.rel * most + tolerance.abs};
    for (int i = 0; i < cJSON_GetArraySize(steps); i++) {
        int64_t step = golden_int(cJSON_GetArrayItem(steps, i));
        char what[64];
        snprintf(what, sizeof(what), "step %ld", (long)step);
        if (!at_restart(&o.schedule, step)) {
            golden_same_number(report, what, crew_learning_rate(&o, step),
                               golden_number(cJSON_GetArrayItem(values, i)),
                               of_all);
        }
    }
    return 0;
}

int family_schedules(const char *dir, struct golden_report *report)
{
    cJSON *root = golden_load(dir, "schedules.json");
    if (root == NULL) {
        return 66;
    }
    int rc = 0, index = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, golden_member(root, "cases"))
    {
        rc = rc ? rc : run_case(c, index++, report);
    }
    golden_end(report);
    cJSON_Delete(root);
    return rc;
}
