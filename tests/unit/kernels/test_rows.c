/* SPDX-License-Identifier: Apache-2.0
 * Layer normalisation, exp of rows, depthwise convolutions and average pooling
 * against double; every instruction set gives the same bits. */
#include <check.h>
#include <string.h>

#include "reference.h"

/* -------------------------------------------------------------- layer norm */

static const int64_t shapes[][2] = {{1, 1},  {3, 2},    {5, 31},  {4, 32},
                                    {7, 33}, {2, 4097}, {3, 500}, {0, 8}};

/* y and the gradients of one row in double. */
static void row_reference(int64_t n,
                          const float *x,
                          const float *gamma,
                          const float *beta,
                          const float *dy,
                          double *y,
                          double *dx,
                          double *d_gamma,
                          double *d_beta)
{
    double mean = 0, variance = 0, scale, g = 0, gx = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += (double)x[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    }
    scale = 1 / sqrt(variance + 1e-3);
    for (int64_t i = 0; i < n; i++) {
        double hat = ((double)x[i] - mean) * scale;
        y[i] = hat * (double)gamma[i] + (double)beta[i];
        d_gamma[i] += (double)dy[i] * hat;
        d_beta[i] += (double)dy[i];
        g += (double)dy[i] * (double)gamma[i] / (double)n;
        gx += (double)dy[i] * (double)gamma[i] * hat / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double hat = ((double)x[i] - mean) * scale;
        dx[i] += scale * ((double)dy[i] * (double)gamma[i] - g - hat * gx);
    }
}

START_TEST(layer_norm)
{
    int64_t rows = shapes[_i][0], n = shapes[_i][1], total = rows * n;
    float *x = numbers(total, 1), *y = numbers(total, 2);
    float *dy = numbers(total, 3), *dx = numbers(total, 4);
    float *gamma = numbers(n, 5), *beta = numbers(n, 6);
    float *d_gamma = numbers(n, 7), *d_beta = numbers(n, 8);
    float *stats = numbers(2 * rows, 9);
    double *want_y = widened(total, y), *want_dx = widened(total, dx);
    double *want_gamma = widened(n, d_gamma), *want_beta = widened(n, d_beta);

    for (int64_t i = 0; i < total; i++) {
        x[i] = 3 * x[i] + 40; /* far from 0: the squares must not cancel */
    }
    for (int64_t r = 0; r < rows; r++) {
        row_reference(n, x + r * n, gamma, beta, dy + r * n, want_y + r * n,
                      want_dx + r * n, want_gamma, want_beta);
    }
    k_layer_norm(rows, n, x, gamma, beta, 1e-3f, y, stats);
    assert_close("y", total, y, want_y);
    k_layer_norm_backward(rows, n, x, stats, gamma, dy, dx, d_gamma, d_beta);
    assert_close("d_gamma", n, d_gamma, want_gamma);
    assert_close("d_beta", n, d_beta, want_beta);
    assert_close("dx", total, dx, want_dx);
    float *alone = numbers(n, 7);
    k_layer_norm_backward(rows, n, x, stats, gamma, dy, NULL, alone, NULL);
    assert_close("d_gamma alone", n, alone, want_gamma);
    k_layer_norm_backward(rows, n, x, stats, gamma, dy, NULL, NULL, NULL);
    free(alone);
    free(x), free(y), free(dy), free(dx), free(gamma), free(beta);
    free(d_gamma), free(d_beta), free(stats);
    free(want_y), free(want_dx), free(want_gamma), free(want_beta);
}
END_TEST

/* --------------------------------------------------------------------- exp */

START_TEST(exp_is_within_two_units)
{
    enum { N = 20001 };
    float *x = numbers(N, 1), *e = numbers(N, 2);
    double sum = 0;

    for (int i = 0; i < N; i++) {
        x[i] = 43.5f * (x[i] - 1) + 5;
    }
    float max;
    x[77] = 5;
    double got = (double)k_exp_row(N, x, e, &max);
    ck_assert(max == 5.0f);
    for (int i = 0; i < N; i++) {
        double want = exp((double)(x[i] - 5));
        ck_assert_msg(fabs((double)e[i] - want) <= 2.4e-7 * want + 1e-38,
                      "exp(%g): got %.9g, want %.9g", (double)(x[i] - 5),
                      (double)e[i], want);
        sum += want;
    }
    ck_assert_double_lt(fabs(got - sum), 1e-6 * sum);
    free(x), free(e);
}
END_TEST

START_TEST(exp_of_what_is_far_away)
{
    const float x[] = {0, -INFINITY, -1e30f, -88, NAN, -0.0f};
    float e[6];

    float max;
    (void)k_exp_row(6, x, e, &max);
    ck_assert(max == 0.0f);
    ck_assert(e[0] == 1.0f && e[1] == 0.0f && e[2] == 0.0f && e[5] == 1.0f);
    ck_assert_float_lt(e[3], 1e-37f);
    ck_assert(isnan(e[4]));
}
END_TEST

/* ----------------------------------------------------------------- windows */

static const struct conv2d_dims convs[] = {
    /* batch h w c kh kw c_out oh ow pad_top pad_left stride_h stride_w */
    {2, 5, 4, 3, 3, 3, 3, 5, 4, 1, 1, 1, 1},
    {2, 5, 4, 3, 3, 2, 6, 3, 2, 1, 0, 2, 2},
    {1, 6, 6, 17, 2, 2, 17, 5, 5, 0, 0, 1, 1},
    {1, 1, 1, 1, 1, 1, 4, 1, 1, 0, 0, 1, 1},
    {2, 5, 7, 83, 3, 3, 83, 5, 7, 1, 1, 1, 1},
    {2, 6, 7, 35, 3, 2, 35, 3, 4, 0, 0, 2, 2},
    {1, 2, 3, 16, 5, 5, 16, 2, 3, 2, 2, 1, 1},
    {1, 9, 8, 64, 2, 3, 64, 3, 3, 0, 1, 3, 3},
};

/* Each tap in double: y, d_x and d_filter at once. */
static void depthwise_reference(const struct conv2d_dims *d,
                                const float *x,
                                const float *f,
                                const float *dy,
                                double *y,
                                double *d_x,
                                double *d_f)
{
    int64_t m = d->c_out / d->c_in, total = d->batch * d->oh * d->ow * d->c_out;

    for (int64_t i = 0; i < total * d->kh * d->kw; i++) {
        int64_t o = i / (d->kh * d->kw), tap = i % (d->kh * d->kw);
        int64_t c = o % d->c_out, pixel = o / d->c_out;
        int64_t ox = pixel % d->ow, oy = pixel / d->ow % d->oh;
        int64_t iy = oy * d->stride_h - d->pad_top + tap / d->kw;
        int64_t ix = ox * d->stride_w - d->pad_left + tap % d->kw;
        int64_t b = pixel / d->ow / d->oh, from;

        if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w) {
            continue;
        }
        from = ((b * d->h + iy) * d->w + ix) * d->c_in + c / m;
        y[o] += (double)x[from] * (double)f[tap * d->c_out + c];
        d_x[from] += (double)dy[o] * (double)f[tap * d->c_out + c];
        d_f[tap * d->c_out + c] += (double)dy[o] * (double)x[from];
    }
}

START_TEST(depthwise)
{
    const struct conv2d_dims *d = &convs[_i];
    int64_t nx = d->batch * d->h * d->w * d->c_in;
    int64_t ny = d->batch * d->oh * d->ow * d->c_out;
    int64_t nf = d->kh * d->kw * d->c_out;
    float *x = numbers(nx, 1), *f = numbers(nf, 2), *dy = numbers(ny, 3);
    float *y = numbers(ny, 4), *d_x = numbers(nx, 5), *d_f = numbers(nf, 6);
    double *want = calloc((size_t)ny, sizeof *want);
    double *want_x = widened(nx, d_x), *want_f = widened(nf, d_f);

    depthwise_reference(d, x, f, dy, want, want_x, want_f);
    k_depthwise(d, x, f, y);
    assert_close("y", ny, y, want);
    k_depthwise_backward(d, x, f, dy, d_x, d_f);
    assert_close("d_x", nx, d_x, want_x);
    assert_close("d_filter", nf, d_f, want_f);
    k_depthwise_backward(d, x, f, dy, NULL, d_f);
    free(x), free(f), free(dy), free(y), free(d_x), free(d_f);
    free(want), free(want_x), free(want_f);
}
END_TEST

static const struct pool2d_dims pools[] = {
    /* batch h w c size stride oh ow pad_top pad_left */
    {2, 5, 4, 3, 3, 2, 3, 2, 1, 0},
    {1, 4, 4, 33, 2, 2, 2, 2, 0, 0},
    {1, 3, 3, 1, 3, 1, 1, 1, 0, 0},
};

START_TEST(average_pooling)
{
    const struct pool2d_dims *d = &pools[_i];
    int64_t nx = d->batch * d->h * d->w * d->c;
    int64_t ny = d->batch * d->oh * d->ow * d->c;
    float *x = numbers(nx, 1), *dy = numbers(ny, 2);
    float *y = numbers(ny, 3), *dx = numbers(nx, 4);
    double *want = calloc((size_t)ny, sizeof *want), *want_x = widened(nx, dx);

    for (int64_t o = 0; o < ny; o++) {
        int64_t c = o % d->c, ox = o / d->c % d->ow;
        int64_t oy = o / d->c / d->ow % d->oh, b = o / d->c / d->ow / d->oh;
        int64_t places[225], n = 0;

        for (int64_t t = 0; t < d->size * d->size; t++) {
            int64_t iy = oy * d->stride - d->pad_top + t / d->size;
            int64_t ix = ox * d->stride - d->pad_left + t % d->size;

            if (iy >= 0 && iy < d->h && ix >= 0 && ix < d->w) {
                places[n++] = ((b * d->h + iy) * d->w + ix) * d->c + c;
            }
        }
        for (int64_t t = 0; t < n; t++) {
            want[o] += (double)x[places[t]] / (double)n;
            want_x[places[t]] += (double)dy[o] / (double)n;
        }
    }
    k_avg_pool2d(d, x, y);
    assert_close("y", ny, y, want);
    k_avg_pool2d_backward(d, dy, dx);
    assert_close("dx", nx, dx, want_x);
    free(x), free(dy), free(y), free(dx), free(want), free(want_x);
}
END_TEST

/* -------------------------------------------------------------------- bits */

START_TEST(every_set_gives_the_same_bits)
{
    enum { ROWS = 3, N = 333 };
    float *x = numbers(ROWS * N, 1), *dy = numbers(ROWS * N, 2);
    float *gamma = numbers(N, 3), *beta = numbers(N, 4);
    static float first[4][ROWS * N], now[4][ROWS * N];
    const struct conv2d_dims d = {1, 3, 3, 111, 3, 3, 111, 3, 3, 1, 1, 1, 1};
    float stats[2 * ROWS], max;
    int sets = 0;

    for (int level = 0; level < SIMD_LEVELS; level++) {
        if (!simd_use((enum simd_level)level)) {
            continue;
        }
        memset(now, 0, sizeof now);
        k_layer_norm(ROWS, N, x, gamma, beta, 1e-3f, now[0], stats);
        k_layer_norm_backward(ROWS, N, x, stats, gamma, dy, now[1], now[3],
                              now[3] + N);
        (void)k_exp_row(ROWS * N, x, now[2], &max);
        k_depthwise_backward(&d, x, dy, x, now[1], now[3]);
        if (sets++ == 0) {
            memcpy(first, now, sizeof now);
        }
        for (int i = 0; i < 4 * ROWS * N; i++) {
            float a = first[i / (ROWS * N)][i % (ROWS * N)];
            float b = now[i / (ROWS * N)][i % (ROWS * N)];

            ck_assert_msg(!(a < b || a > b), "set %d: %d", level, i);
        }
    }
    free(x), free(dy), free(gamma), free(beta);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, layer_norm, 0,
                        (int)(sizeof shapes / sizeof shapes[0]));
    tcase_add_test(tc, exp_is_within_two_units);
    tcase_add_test(tc, exp_of_what_is_far_away);
    tcase_add_loop_test(tc, depthwise, 0,
                        (int)(sizeof convs / sizeof convs[0]));
    tcase_add_loop_test(tc, average_pooling, 0,
                        (int)(sizeof pools / sizeof pools[0]));
    tcase_add_test(tc, every_set_gives_the_same_bits);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
