/* SPDX-License-Identifier: Apache-2.0
 * Elementwise functions, their gradients and sums, each at lengths around the
 * vector lengths. */
#include <check.h>
#include <string.h>

#include "reference.h"

static const int64_t lengths[] = {0, 1, 2, 7, 15, 16, 17, 33, 64, 100, 1001};

struct function {
    const char *name;
    void (*forward)(int64_t, const float *, float *);
    void (*backward)(int64_t, const float *, const float *, float *);
    double (*f)(double x);
    double (*slope)(double y); /* f'(x) as a function of y */
};

static double relu(double x)
{
    return x > 0 ? x : 0;
}
static double relu_slope(double y)
{
    return y > 0 ? 1 : 0;
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double sigmoid_slope(double y)
{
    return y * (1 - y);
}
static double tanh_slope(double y)
{
    return 1 - y * y;
}

static const struct function functions[] = {
    {"relu", k_relu, k_relu_backward, relu, relu_slope},
    {"sigmoid", k_sigmoid, k_sigmoid_backward, sigmoid, sigmoid_slope},
    {"tanh", k_tanh, k_tanh_backward, tanh, tanh_slope},
};

START_TEST(activation)
{
    const struct function *f = &functions[_i % 3];
    int64_t n = lengths[_i / 3];
    float *x = numbers(n, 1), *dy = numbers(n, 2), *dx = numbers(n, 3);
    for (int64_t i = 0; i < n; i++) {
        x[i] = i % 5 == 4 ? 0.0f : x[i] * 6;
    }
    double *y = widened(n, x), *want = widened(n, dx);
    for (int64_t i = 0; i < n; i++) {
        y[i] = f->f(y[i]);
        want[i] += (double)dy[i] * f->slope(y[i]);
    }
    f->forward(n, x, x); /* in place */
    assert_close(f->name, n, x, y);
    f->backward(n, x, dy, dx);
    assert_close("dx", n, dx, want);
    free(x);
    free(dy);
    free(dx);
    free(y);
    free(want);
}
END_TEST

/* relu's gradient where nothing was before: apart, and over dy itself. */
START_TEST(written_gradient)
{
    int64_t n = lengths[_i];
    float *y = numbers(n, 1), *dy = numbers(n, 2), *dx = numbers(n, 3);
    for (int64_t i = 0; i < n; i++) {
        y[i] = i % 3 == 2 ? 0.0f : y[i];
    }
    double *want = widened(n, dy);
    for (int64_t i = 0; i < n; i++) {
        want[i] *= relu_slope((double)y[i]);
    }
    k_relu_backward_to(n, y, dy, dx);
    assert_close("dx", n, dx, want);
    k_relu_backward_to(n, y, dy, dy);
    assert_close("dy itself", n, dy, want);
    free(y);
    free(dy);
    free(dx);
    free(want);
}
END_TEST

START_TEST(extremes)
{
    const float x[] = {-1e30f, 1e30f, -200.0f, 200.0f, NAN};
    float y[5];
    k_sigmoid(5, x, y);
    ck_assert(y[0] == 0.0f && y[1] == 1.0f && y[2] == 0.0f && y[3] == 1.0f);
    k_tanh(5, x, y);
    ck_assert(y[0] == -1.0f && y[1] == 1.0f);
    k_relu(5, x, y);
    ck_assert(y[0] == 0.0f && y[1] == 1e30f);
    ck_assert_msg(isnan(y[4]), "relu hides NaN: got %g", (double)y[4]);
}
END_TEST

/* The five two-operand functions share their inputs. */
START_TEST(arithmetic)
{
    int64_t n = lengths[_i];
    float *a = numbers(n, 1), *b = numbers(n, 2), *y = numbers(n, 3);
    float *acc = numbers(n, 3);
    double *want = widened(n, a);
    for (int64_t i = 0; i < n; i++) {
        want[i] = (double)a[i] + (double)b[i];
    }
    k_add(n, a, b, y);
    assert_close("add", n, y, want);
    for (int64_t i = 0; i < n; i++) {
        want[i] = (double)a[i] * (double)b[i];
    }
    k_mul(n, a, b, y);
    assert_close("mul", n, y, want);
    for (int64_t i = 0; i < n; i++) {
        want[i] = (double)acc[i] + (double)a[i] * (double)b[i];
    }
    k_mul_acc(n, a, b, acc);
    assert_close("mul_acc", n, acc, want);
    for (int64_t i = 0; i < n; i++) {
        want[i] += 0.25 * (double)a[i];
    }
    k_axpy(n, 0.25f, a, acc);
    assert_close("axpy", n, acc, want);
    for (int64_t i = 0; i < n; i++) {
        want[i] = -3 * (double)a[i];
    }
    k_scale(n, -3.0f, a, a);
    assert_close("scale", n, a, want);
    free(a);
    free(b);
    free(y);
    free(acc);
    free(want);
}
END_TEST

START_TEST(sum_is_in_double)
{
    int64_t n = 100001;
    float *x = numbers(n, 1);
    double want = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] += 1000;
        want += (double)x[i];
    }
    double got = k_sum(n, x);
    ck_assert_msg(fabs(got - want) <= 1e-12 * want, "got %.17g, want %.17g",
                  got, want);
    ck_assert(k_sum(0, x) == 0.0);
    ck_assert(k_sum(1, x) == (double)x[0]);
    free(x);
}
END_TEST

START_TEST(finite_finds_the_first)
{
    static const int64_t places[] = {0, 1, 4095, 4096, 8191, 9000};
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    int64_t n = 9001, first = -7;
    float *x = numbers(n, 1);
    x[5] = 3.4e38f;
    x[6] = 1e-45f;
    ck_assert(k_all_finite(n, x, &first));
    ck_assert_int_eq(first, -7);
    ck_assert(k_all_finite(0, x, &first));
    x[n - 1] = NAN;
    for (int i = 5; i >= 0; i--) {
        x[places[i]] = bad[i % 3];
        ck_assert(!k_all_finite(n, x, &first));
        ck_assert_int_eq(first, places[i]);
    }
    free(x);
}
END_TEST

static Suite *make_suite(void)
{
    int n_lengths = (int)(sizeof(lengths) / sizeof(lengths[0]));
    Suite *suite = suite_create("elementwise");
    TCase *tc = tcase_create("elementwise");
    tcase_add_loop_test(tc, activation, 0, 3 * n_lengths);
    tcase_add_loop_test(tc, written_gradient, 0, n_lengths);
    tcase_add_test(tc, extremes);
    tcase_add_loop_test(tc, arithmetic, 0, n_lengths);
    tcase_add_test(tc, sum_is_in_double);
    tcase_add_test(tc, finite_finds_the_first);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
