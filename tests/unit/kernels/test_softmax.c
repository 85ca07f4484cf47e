/* SPDX-License-Identifier: Apache-2.0
 * Softmax, cross entropy and arg max against double. */
#include <check.h>
#include <string.h>

#include "reference.h"

static const int64_t shapes[][2] = {{1, 1},    {1, 10}, {5, 1}, {7, 3},
                                    {100, 10}, {3, 33}, {0, 4}};

/* p = softmax(row); returns log(sum(exp(row))). */
static double softmax(int64_t n, const float *row, double *p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        p[i] = exp((double)row[i]);
        sum += p[i];
    }
    for (int64_t i = 0; i < n; i++) {
        p[i] /= sum;
    }
    return log(sum);
}

START_TEST(softmax_and_gradient)
{
    int64_t rows = shapes[_i][0], n = shapes[_i][1], total = rows * n;
    float *x = numbers(total, 1), *y = numbers(total, 2);
    float *dy = numbers(total, 3), *dx = numbers(total, 4);
    double *p = widened(total, x), *want = widened(total, dx);
    for (int64_t i = 0; i < total; i++) {
        x[i] *= 5;
    }
    for (int64_t r = 0; r < rows; r++) {
        softmax(n, x + r * n, p + r * n);
        double dot = 0;
        for (int64_t i = r * n; i < (r + 1) * n; i++) {
            dot += p[i] * (double)dy[i];
        }
        for (int64_t i = r * n; i < (r + 1) * n; i++) {
            want[i] += p[i] * ((double)dy[i] - dot);
        }
    }
    k_softmax(rows, n, x, y);
    assert_close("softmax", total, y, p);
    k_softmax_backward(rows, n, y, dy, dx);
    assert_close("dx", total, dx, want);
    free(x);
    free(y);
    free(dy);
    free(dx);
    free(p);
    free(want);
}
END_TEST

START_TEST(cross_entropy)
{
    int64_t rows = shapes[_i][0], n = shapes[_i][1], total = rows * n;
    float *x = numbers(total, 1), *prob = numbers(total, 2);
    float *loss = numbers(rows, 3), *d_loss = numbers(rows, 4);
    float *dx = numbers(total, 5);
    int64_t *labels = calloc((size_t)rows + 1, sizeof(int64_t));
    double *p = widened(total, x), *want = widened(total, dx);
    double *want_loss = widened(rows, loss);
    for (int64_t r = 0; r < rows; r++) {
        labels[r] = r * 7 % n;
        double log_sum = softmax(n, x + r * n, p + r * n);
        want_loss[r] = log_sum - (double)x[r * n + labels[r]];
        for (int64_t i = 0; i < n; i++) {
            double hot = i == labels[r] ? 1 : 0;
            want[r * n + i] += (double)d_loss[r] * (p[r * n + i] - hot);
        }
    }
    ck_assert_int_eq(k_sparse_softmax_xent(rows, n, x, labels, loss, prob), -1);
    assert_close("loss", rows, loss, want_loss);
    assert_close("prob", total, prob, p);
    k_sparse_softmax_xent_backward(rows, n, prob, labels, d_loss, dx);
    assert_close("dx", total, dx, want);
    void *all[] = {x, prob, loss, d_loss, dx, labels, p, want, want_loss};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
}
END_TEST

START_TEST(bad_label_is_named)
{
    float x[6] = {0}, prob[6], loss[3] = {7, 7, 7};
    int64_t labels[3] = {1, 2, -1};
    ck_assert_int_eq(k_sparse_softmax_xent(3, 2, x, labels, loss, prob), 1);
    ck_assert(loss[0] == 7 && loss[1] == 7);
    labels[1] = 0;
    ck_assert_int_eq(k_sparse_softmax_xent(3, 2, x, labels, loss, prob), 2);
}
END_TEST

START_TEST(large_logits_do_not_overflow)
{
    const float x[6] = {1000, 999, -1000, -1e30f, 0, 1e30f};
    const int64_t labels[2] = {1, 2};
    float y[6], loss[2];
    k_softmax(2, 3, x, y);
    ck_assert_float_eq_tol(y[0], 0.7310586f, 1e-6f);
    ck_assert(y[2] == 0 && y[3] == 0 && y[4] == 0 && y[5] == 1);
    ck_assert_int_eq(k_sparse_softmax_xent(2, 3, x, labels, loss, y), -1);
    ck_assert_float_eq_tol(loss[0], 1.3132617f, 1e-6f);
    ck_assert(loss[1] == 0);
}
END_TEST

START_TEST(argmax_takes_the_first)
{
    const float x[12] = {1, 3, 3, 2, -1, -1, -1, -1, 0, 1, 2, 3};
    int64_t y[3];
    k_argmax(3, 4, x, y);
    ck_assert_int_eq(y[0], 1);
    ck_assert_int_eq(y[1], 0);
    ck_assert_int_eq(y[2], 3);
    k_argmax(3, 1, x, y);
    ck_assert(y[0] == 0 && y[1] == 0 && y[2] == 0);
}
END_TEST

int main(void)
{
    int n = (int)(sizeof(shapes) / sizeof(shapes[0]));
    Suite *suite = suite_create("softmax");
    TCase *tc = tcase_create("softmax");
    tcase_add_loop_test(tc, softmax_and_gradient, 0, n);
    tcase_add_loop_test(tc, cross_entropy, 0, n);
    tcase_add_test(tc, bad_label_is_named);
    tcase_add_test(tc, large_logits_do_not_overflow);
    tcase_add_test(tc, argmax_takes_the_first);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
