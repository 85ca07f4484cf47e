/* SPDX-License-Identifier: Apache-2.0
 * Histograms: the quick way to a bucket against a search through all limits,
 * and what is not finite. TensorFlow's own are compared by golden-check events.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "run_suite.h"
#include "summary/histogram.h"

/* TensorFlow's limits by its own words. */
static int all_limits(double *limits)
{
    double v[800], x = 1e-12;
    int n = 0, k = 0;

    while (x < 1e20) {
        v[n++] = x;
        x *= 1.1;
    }
    limits[k++] = -DBL_MAX;
    for (int i = n - 1; i >= 0; i--) {
        limits[k++] = -v[i];
    }
    limits[k++] = 0;
    for (int i = 0; i < n; i++) {
        limits[k++] = v[i];
    }
    limits[k++] = DBL_MAX;
    return k;
}

/* The limit of the only bucket that has something. */
static double limit_of(double x)
{
    struct histogram *h = histogram_new();
    struct crew_err err = {0};
    Tensorflow__HistogramProto *p;
    double limit = NAN;

    ck_assert_int_eq(histogram_add(h, CREW_DOUBLE, &x, 1, "h", &err), CREW_OK);
    p = histogram_proto(h);
    for (size_t i = 0; i < p->n_bucket; i++) {
        limit = p->bucket[i] > 0 ? p->bucket_limit[i] : limit;
    }
    tensorflow__histogram_proto__free_unpacked(p, NULL);
    histogram_free(h);
    return limit;
}

static void expect_limit(const double *limits, int n, double x)
{
    double flushed = fabs(x) < DBL_MIN ? 0 : x;
    int i = 0;

    while (i < n - 1 && limits[i] <= flushed) {
        i++;
    }
    ck_assert_msg(limit_of(x) == limits[i], "%.17g: %.17g, not %.17g", x,
                  limit_of(x), limits[i]);
}

START_TEST(buckets_are_those_of_a_search)
{
    static double limits[1600];
    int n = all_limits(limits);
    struct rng rng = {7};

    ck_assert_int_eq(n, 1551);
    for (int i = 1; i < n - 1; i++) {
        expect_limit(limits, n, limits[i]);
        expect_limit(limits, n, nextafter(limits[i], -DBL_MAX));
        expect_limit(limits, n, nextafter(limits[i], DBL_MAX));
    }
    for (int i = 0; i < 2000; i++) {
        double scale = pow(10, (double)rng_below(&rng, 40) - 16);
        double x = ((double)rng_below(&rng, 1u << 30) / (1 << 29) - 1) * scale;

        expect_limit(limits, n, x);
    }
    expect_limit(limits, n, DBL_MAX);
    expect_limit(limits, n, -DBL_MAX);
    expect_limit(limits, n, DBL_MIN);
}
END_TEST

START_TEST(what_is_not_finite_has_tensorflows_words)
{
    static const float bad[] = {1, NAN, INFINITY};
    double rows[HISTOGRAM_ROWS][3];
    struct histogram *h = histogram_new();
    struct crew_err nan = {0}, inf = {0}, row = {0};

    ck_assert_int_ne(histogram_add(h, CREW_FLOAT, bad, 3, "w", &nan), CREW_OK);
    ck_assert_str_eq(nan.msg, "Nan in summary histogram for: w");
    ck_assert_int_eq(crew_err_exit_code(&nan), 1);
    ck_assert_int_ne(histogram_add(h, CREW_FLOAT, bad + 2, 1, "w", &inf),
                     CREW_OK);
    ck_assert_str_eq(inf.msg, "Infinity in Histogram for: w");
    ck_assert_int_ne(histogram_rows(CREW_FLOAT, bad, 3, "w", rows, &row),
                     CREW_OK);
    histogram_free(h);
}
END_TEST

START_TEST(denormals_are_zero)
{
    const float small[] = {FLT_MIN / 2, -FLT_MIN / 4, FLT_MIN};
    struct histogram *h = histogram_new();
    struct crew_err err = {0};
    Tensorflow__HistogramProto *p;

    ck_assert_int_eq(histogram_add(h, CREW_FLOAT, small, 3, "w", &err),
                     CREW_OK);
    p = histogram_proto(h);
    ck_assert(p->min == 0);
    ck_assert(p->max == (double)FLT_MIN);
    ck_assert(p->sum == (double)FLT_MIN);
    ck_assert(p->num == 3);
    tensorflow__histogram_proto__free_unpacked(p, NULL);
    histogram_free(h);
}
END_TEST

/* Each dtype counts the same numbers. */
START_TEST(integers_are_numbers_too)
{
    static const int32_t i32[] = {0, 1, 1};
    static const int64_t i64[] = {0, 1, 1};
    static const uint8_t u8[] = {0, 1, 1};
    static const bool b[] = {false, true, true};
    static const struct {
        enum crew_dtype dtype;
        const void *data;
    } rows[] = {
        {CREW_INT32, i32}, {CREW_INT64, i64}, {CREW_UINT8, u8}, {CREW_BOOL, b}};
    struct histogram *h = histogram_new();
    double edges[HISTOGRAM_ROWS][3];
    struct crew_err err = {0};
    Tensorflow__HistogramProto *p;

    ck_assert_int_eq(
        histogram_add(h, rows[_i].dtype, rows[_i].data, 3, "h", &err), CREW_OK);
    p = histogram_proto(h);
    ck_assert(p->sum == 2 && p->max == 1 && p->num == 3);
    tensorflow__histogram_proto__free_unpacked(p, NULL);
    histogram_free(h);
    ck_assert_int_eq(
        histogram_rows(rows[_i].dtype, rows[_i].data, 3, "h", edges, &err),
        CREW_OK);
    ck_assert(edges[0][2] == 1 && edges[HISTOGRAM_ROWS - 1][2] == 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tc = tcase_create("histogram");

    tcase_add_test(tc, buckets_are_those_of_a_search);
    tcase_add_test(tc, what_is_not_finite_has_tensorflows_words);
    tcase_add_test(tc, denormals_are_zero);
    tcase_add_loop_test(tc, integers_are_numbers_too, 0, 4);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
