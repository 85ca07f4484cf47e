/* SPDX-License-Identifier: Apache-2.0
 * Max pooling against plain loops; whole numbers, so that ties abound. */
#include <check.h>
#include <string.h>

#include "reference.h"

static const struct pool2d_dims shapes[] = {
    {1, 2, 2, 1, 2, 2, 1, 1, 0, 0},    {2, 5, 7, 1, 2, 2, 2, 3, 0, 0},
    {1, 7, 6, 3, 3, 1, 5, 4, 0, 0},    {2, 9, 8, 5, 3, 3, 3, 2, 0, 0},
    {3, 14, 14, 64, 2, 2, 7, 7, 0, 0}, {1, 28, 28, 33, 2, 2, 14, 14, 0, 0},
    {1, 6, 5, 17, 2, 1, 5, 4, 0, 0},   {1, 4, 4, 2, 1, 1, 4, 4, 0, 0},
    {1, 15, 16, 2, 15, 1, 1, 2, 0, 0}, {1, 9, 9, 4, 2, 3, 3, 3, 0, 0},
};

/* The place of the first maximum of the window of output o, channel c. */
static int64_t first_maximum(const struct pool2d_dims *d,
                             const float *x,
                             int64_t o,
                             int64_t c,
                             int64_t *at)
{
    int64_t b = o / (d->oh * d->ow);
    int64_t y0 = o / d->ow % d->oh * d->stride, x0 = o % d->ow * d->stride;
    int64_t best = -1;
    for (int64_t p = 0; p < d->size * d->size; p++) {
        int64_t iy = y0 + p / d->size, ix = x0 + p % d->size;
        int64_t i = ((b * d->h + iy) * d->w + ix) * d->c + c;
        if (best < 0 || x[i] > x[*at]) {
            best = p;
            *at = i;
        }
    }
    return best;
}

START_TEST(pooling)
{
    const struct pool2d_dims *d = &shapes[_i];
    int64_t nx = d->batch * d->h * d->w * d->c;
    int64_t ny = d->batch * d->oh * d->ow * d->c;
    float *x = numbers(nx, 1), *y = numbers(ny, 2), *dy = numbers(ny, 3);
    float *dx = numbers(nx, 4);
    uint8_t *arg = malloc((size_t)ny);
    ck_assert_ptr_nonnull(arg);
    for (int64_t i = 0; i < nx; i++) {
        x[i] = roundf(2 * x[i]);
    }
    double *want = widened(nx, dx);
    k_max_pool2d(d, x, y, arg);
    for (int64_t i = 0; i < ny; i++) {
        int64_t at = 0;
        int64_t place = first_maximum(d, x, i / d->c, i % d->c, &at);
        ck_assert_msg(arg[i] == place && y[i] == x[at],
                      "output %ld: got %g at %d, want %g at %ld", (long)i,
                      (double)y[i], arg[i], (double)x[at], (long)place);
        want[at] += (double)dy[i];
    }
    float *written = numbers(nx, 5);
    k_max_pool2d_backward(d, arg, dy, false, written);
    k_max_pool2d_backward(d, arg, dy, true, dx);
    assert_close("dx", nx, dx, want);
    float *before = numbers(nx, 4);
    for (int64_t i = 0; i < nx; i++) {
        want[i] -= (double)before[i];
    }
    assert_close("dx written", nx, written, want);
    free(written);
    free(before);
    free(x);
    free(y);
    free(dy);
    free(dx);
    free(arg);
    free(want);
}
END_TEST

START_TEST(all_equal_takes_the_first)
{
    struct pool2d_dims d = {1, 4, 4, 1, 2, 2, 2, 2, 0, 0};
    float x[16], y[4], dx[16] = {0};
    const float dy[4] = {1, 2, 3, 4};
    uint8_t arg[4];
    for (int i = 0; i < 16; i++) {
        x[i] = -3.0f;
    }
    k_max_pool2d(&d, x, y, arg);
    k_max_pool2d_backward(&d, arg, dy, true, dx);
    for (int i = 0; i < 16; i++) {
        int row = i / 4, col = i % 4;
        bool corner = row % 2 == 0 && col % 2 == 0;
        float want = corner ? dy[row / 2 * 2 + col / 2] : 0.0f;
        ck_assert_msg(dx[i] == want, "dx[%d]: got %g, want %g", i,
                      (double)dx[i], (double)want);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_add_loop_test(tc, pooling, 0,
                        (int)(sizeof(shapes) / sizeof(shapes[0])));
    tcase_add_test(tc, all_equal_takes_the_first);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
