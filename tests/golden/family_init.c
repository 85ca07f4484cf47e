/* SPDX-License-Identifier: Apache-2.0
 * Family init: the moments of what we draw against what each initializer of
 * TensorFlow's promises for a shape. The stream of numbers is our own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "graph/graph.h"

#include "base/banned.h"

static double number(const cJSON *object, const char *key, double fallback)
{
    const cJSON *v = json_get(object, key);

    return v == NULL ? fallback : golden_number(v);
}

static bool is_word(const cJSON *object, const char *key, const char *word)
{
    const cJSON *v = json_get(object, key);

    return cJSON_IsString(v) && strcmp(v->valuestring, word) == 0;
}

static struct crew_init scaling(const cJSON *arguments)
{
    enum crew_fan fan = is_word(arguments, "mode", "fan_out")   ? CREW_FAN_OUT
                        : is_word(arguments, "mode", "fan_avg") ? CREW_FAN_AVG
                                                                : CREW_FAN_IN;
    enum crew_distribution d =
        is_word(arguments, "distribution", "uniform") ? CREW_DIST_UNIFORM
        : is_word(arguments, "distribution", "untruncated_normal")
            ? CREW_DIST_UNTRUNCATED_NORMAL
            : CREW_DIST_TRUNCATED_NORMAL;

    return crew_init_variance_scaling(number(arguments, "scale", 1), fan, d);
}

static const struct {
    const char *name;
    struct crew_init (*make)(void);
} named[] = {
    {"glorot_uniform", crew_init_glorot_uniform},
    {"glorot_normal", crew_init_glorot_normal},
    {"he_uniform", crew_init_he_uniform},
    {"he_normal", crew_init_he_normal},
    {"lecun_uniform", crew_init_lecun_uniform},
    {"lecun_normal", crew_init_lecun_normal},
};

/* Ends the program when it is an initializer we do not have. */
static struct crew_init make_init(const cJSON *c)
{
    const cJSON *a = golden_member(c, "arguments");

    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (is_word(c, "initializer", named[i].name)) {
            return named[i].make();
        }
    }
    if (is_word(c, "initializer", "variance_scaling")) {
        return scaling(a);
    }
    if (is_word(c, "initializer", "random_uniform")) {
        return crew_init_uniform(number(a, "minval", -0.05),
                                 number(a, "maxval", 0.05));
    }
    if (is_word(c, "initializer", "random_normal")) {
        return crew_init_normal(number(a, "mean", 0), number(a, "stddev", 1));
    }
    if (is_word(c, "initializer", "truncated_normal")) {
        return crew_init_truncated_normal(number(a, "mean", 0),
                                          number(a, "stddev", 1));
    }
    if (is_word(c, "initializer", "ones")) {
        return crew_init_constant(1);
    }
    if (is_word(c, "initializer", "constant")) {
        return crew_init_constant(number(a, "value", 0));
    }
    if (!is_word(c, "initializer", "zeros")) {
        exit(golden_trouble(65, "no initializer '%s' here",
                            golden_text(c, "initializer")));
    }
    return (struct crew_init){0};
}

struct moments {
    double mean, stddev, least, most;
};

static struct moments moments_of(const float *x, int64_t n)
{
    struct moments m = {0, 0, HUGE_VAL, -HUGE_VAL};

    for (int64_t i = 0; i < n; i++) {
        m.mean += (double)x[i] / (double)n;
        m.least = fmin(m.least, (double)x[i]);
        m.most = fmax(m.most, (double)x[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        m.stddev += pow((double)x[i] - m.mean, 2.0) / (double)n;
    }
    m.stddev = sqrt(m.stddev);
    return m;
}

/* What TensorFlow promises of a case; NAN where it says nothing. */
static struct moments promised(const cJSON *c)
{
    const cJSON *a = golden_member(c, "arguments");
    double mean = number(c, "expected_mean", 0);
    double cut = number(c, "limit", number(c, "truncated_at", HUGE_VAL));
    struct moments m = {mean, number(c, "expected_stddev", 0), mean - cut,
                        mean + cut};

    if (is_word(c, "initializer", "random_uniform")) {
        m.least = number(a, "minval", -0.05);
        m.most = number(a, "maxval", 0.05);
        m.mean = (m.least + m.most) / 2;
        m.stddev = (m.most - m.least) / sqrt(12.0);
    } else if (is_word(c, "initializer", "random_normal") ||
               is_word(c, "initializer", "truncated_normal")) {
        bool is_cut = is_word(c, "initializer", "truncated_normal");
        double s = number(a, "stddev", 1);

        m.mean = number(a, "mean", 0);
        m.stddev = is_cut ? s * 0.87962566103423978 : s;
        m.least = is_cut ? m.mean - 2 * s : -HUGE_VAL;
        m.most = is_cut ? m.mean + 2 * s : HUGE_VAL;
    }
    return m;
}

/* README-numerics.md, init: 5 standard errors of the mean, 4 of the deviation.
 */
static void compare(struct golden_report *report,
                    struct moments got,
                    struct moments want,
                    int64_t n)
{
    double root = sqrt((double)n), slack = 1e-6 * (1 + fabs(want.most));
    struct golden_tolerance mean = {0, 5 * want.stddev / root + 1e-6};
    struct golden_tolerance stddev = {0, 4 * want.stddev / root + 1e-7};

    golden_same_number(report, "mean", got.mean, want.mean, mean);
    golden_same_number(report, "stddev", got.stddev, want.stddev, stddev);
    if (isfinite(want.most) && want.stddev > 0) {
        golden_same_int(
            report, "within the limit", -1,
            got.least >= want.least - slack && got.most <= want.most + slack,
            1);
    }
}

static void compare_case(struct golden_report *report, const cJSON *c, int i)
{
    char name[64];
    struct graph_var v = {.name = name, .init = make_init(c), .n = 1};
    const cJSON *dim;
    float *data;

    cJSON_ArrayForEach(dim, golden_member(c, "shape"))
    {
        if (v.shape.rank < CREW_MAX_RANK) {
            v.shape.dim[v.shape.rank++] = golden_int(dim);
            v.n *= golden_int(dim);
        }
    }
    (void)snprintf(name, sizeof name, "case_%d/kernel", i);
    golden_case(report, "%d %s", i, golden_text(c, "initializer"));
    data = xcalloc((size_t)v.n, sizeof *data);
    graph_init_var(&v, 17, data);
    compare(report, moments_of(data, v.n), promised(c), v.n);
    free(data);
    golden_end(report);
}

int family_init(const char *dir, struct golden_report *report)
{
    cJSON *file = golden_load(dir, "initializers.json");
    const cJSON *c;
    int i = 0;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(c, golden_member(file, "cases"))
    {
        compare_case(report, c, i++);
    }
    cJSON_Delete(file);
    return 0;
}
