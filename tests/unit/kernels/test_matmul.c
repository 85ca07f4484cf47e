/* SPDX-License-Identifier: Apache-2.0
 * Matrix products and biases against plain loops in double. */
#include <check.h>
#include <string.h>

#include "reference.h"

static const int64_t sizes[][3] = {
    {1, 1, 1},     {1, 7, 5},     {6, 1, 4},  {3, 5, 1},    {1, 1, 33},
    {2, 3, 4},     {17, 13, 31},  {8, 64, 7}, {33, 65, 70}, {4, 100, 129},
    {100, 10, 64}, {3, 5, 0},     {0, 3, 2},  {3, 0, 2},    {1, 40, 0},
    {4, 300, 443}, {5, 300, 443},
};

static void reference(bool ta,
                      bool tb,
                      const int64_t s[3],
                      const float *a,
                      const float *b,
                      double *c)
{
    int64_t m = s[0], n = s[1], k = s[2];
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            for (int64_t p = 0; p < k; p++) {
                double x = (double)(ta ? a[p * m + i] : a[i * k + p]);
                double y = (double)(tb ? b[j * k + p] : b[p * n + j]);
                c[i * n + j] += x * y;
            }
        }
    }
}

/* _i: size, trans_a, trans_b, accumulate. */
START_TEST(product)
{
    const int64_t *s = sizes[_i / 8];
    bool ta = _i & 1, tb = _i & 2, acc = _i & 4;
    int64_t n = s[0] * s[1];
    float *a = numbers(s[0] * s[2], 1), *b = numbers(s[2] * s[1], 2);
    float *c = numbers(n, 3);
    double *want = widened(n, c);
    if (!acc) {
        memset(want, 0, (size_t)n * sizeof(double));
        for (int64_t i = 0; i < n; i++) {
            c[i] = NAN; /* must not be read */
        }
    }
    reference(ta, tb, s, a, b, want);
    k_matmul(ta, tb, s[0], s[1], s[2], a, b, acc, c);
    char what[80];
    snprintf(what, sizeof(what), "c (%ld, %ld, k %ld) ta %d tb %d acc %d",
             (long)s[0], (long)s[1], (long)s[2], ta, tb, acc);
    assert_close(what, n, c, want);
    free(a);
    free(b);
    free(c);
    free(want);
}
END_TEST

static const int64_t planes[][2] = {
    {1, 1}, {1, 9}, {7, 1}, {3, 5}, {130, 10}, {65, 100}, {200, 64}, {0, 3},
};

START_TEST(bias)
{
    int64_t rows = planes[_i][0], n = planes[_i][1];
    float *x = numbers(rows * n, 1), *b = numbers(n, 2);
    double *want = widened(rows * n, x);
    for (int64_t i = 0; i < rows * n; i++) {
        want[i] += (double)b[i % n];
    }
    k_bias_add(rows, n, x, b, x); /* in place */
    assert_close("x + b", rows * n, x, want);
    double *d_want = widened(n, b);
    for (int64_t i = 0; i < rows * n; i++) {
        d_want[i % n] += (double)x[i];
    }
    k_bias_add_backward(rows, n, x, b); /* adds to what stands there */
    assert_close("d_bias", n, b, d_want);
    free(x);
    free(b);
    free(want);
    free(d_want);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("matmul");
    TCase *tc = tcase_create("matmul");
    tcase_add_checked_fixture(tc, load_blas, NULL);
    tcase_add_loop_test(tc, product, 0,
                        8 * (int)(sizeof(sizes) / sizeof(sizes[0])));
    tcase_add_loop_test(tc, bias, 0, (int)(sizeof(planes) / sizeof(planes[0])));
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
