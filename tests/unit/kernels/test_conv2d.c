/* SPDX-License-Identifier: Apache-2.0
 * Convolution and its gradients against plain loops in double, on odd shapes,
 * shapes with 1s, padding on one side only, bands of rows, and channels that
 * fill vectors, which go without columns, to the last panel and tile. */
#include <check.h>
#include <string.h>

#include "reference.h"

struct shape {
    int64_t batch, h, w, c_in, kh, kw, c_out;
    bool same;
};

static const struct shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, false},    {2, 5, 4, 3, 1, 1, 2, false},
    {1, 6, 5, 1, 3, 3, 4, true},     {2, 6, 5, 1, 3, 3, 4, false},
    {2, 7, 6, 3, 5, 5, 2, true},     {1, 9, 8, 2, 2, 3, 5, true},
    {1, 9, 8, 2, 2, 3, 5, false},    {2, 3, 3, 2, 5, 5, 3, true},
    {1, 2, 2, 1, 5, 4, 3, true},     {3, 14, 14, 32, 5, 5, 64, true},
    {2, 28, 28, 1, 5, 5, 32, true},  {1, 40, 40, 33, 3, 3, 5, true},
    {1, 1, 30, 16, 1, 3, 16, true},  {2, 8, 14, 16, 3, 3, 32, false},
    {1, 13, 29, 16, 3, 5, 48, true}, {2, 5, 9, 1, 3, 5, 16, false},
    {1, 600, 130, 1, 3, 3, 2, true}, {1, 14, 14, 64, 1, 1, 16, true},
    {0, 4, 4, 2, 3, 3, 2, true},     {2, 3, 2, 16, 5, 5, 32, true},
    {2, 9, 23, 32, 2, 4, 16, true},  {1, 17, 15, 48, 3, 3, 80, false},
    {1, 5, 200, 24, 4, 3, 8, true},  {2, 5, 5, 160, 5, 5, 32, true},
    {0, 4, 4, 16, 3, 3, 16, true},   {1, 90, 33, 32, 3, 2, 48, true},
};

static struct conv2d_dims dims_of(const struct shape *s)
{
    struct conv2d_dims d = {
        s->batch,        s->h,     s->w, s->c_in, s->kh,
        s->kw,           s->c_out, s->h, s->w,    (s->kh - 1) / 2,
        (s->kw - 1) / 2, 1,        1};
    if (!s->same) {
        d.oh = s->h - s->kh + 1;
        d.ow = s->w - s->kw + 1;
        d.pad_top = d.pad_left = 0;
    }
    return d;
}

struct pair {
    int64_t y, x, filter; /* one product of the sum: y += x filter */
};

/* Call `use` for every product that a convolution adds up. */
static void each_product(const struct conv2d_dims *d,
                         void (*use)(struct pair, void *),
                         void *self)
{
    int64_t outs = d->batch * d->oh * d->ow, taps = d->kh * d->kw;
    for (int64_t o = 0; o < outs * taps; o++) {
        int64_t pixel = o / taps, tap = o % taps;
        int64_t b = pixel / (d->oh * d->ow);
        int64_t iy = pixel / d->ow % d->oh - d->pad_top + tap / d->kw;
        int64_t ix = pixel % d->ow - d->pad_left + tap % d->kw;
        if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w) {
            continue;
        }
        for (int64_t i = 0; i < d->c_in * d->c_out; i++) {
            int64_t ci = i / d->c_out, co = i % d->c_out;
            struct pair p = {
                pixel * d->c_out + co,
                ((b * d->h + iy) * d->w + ix) * d->c_in + ci,
                (tap * d->c_in + ci) * d->c_out + co,
            };
            use(p, self);
        }
    }
}

struct arrays {
    const float *x, *filter, *dy;
    double *y, *d_x, *d_filter;
};

static void accumulate(struct pair p, void *self)
{
    struct arrays *a = self;
    a->y[p.y] += (double)a->x[p.x] * (double)a->filter[p.filter];
    a->d_x[p.x] += (double)a->dy[p.y] * (double)a->filter[p.filter];
    a->d_filter[p.filter] += (double)a->dy[p.y] * (double)a->x[p.x];
}

START_TEST(convolution)
{
    struct conv2d_dims d = dims_of(&shapes[_i]);
    int64_t nx = d.batch * d.h * d.w * d.c_in;
    int64_t nf = d.kh * d.kw * d.c_in * d.c_out;
    int64_t ny = d.batch * d.oh * d.ow * d.c_out;
    float *x = numbers(nx, 1), *filter = numbers(nf, 2), *dy = numbers(ny, 3);
    float *y = numbers(ny, 4), *d_x = numbers(nx, 5), *d_f = numbers(nf, 6);
    float *scratch = malloc(k_conv2d_scratch(&d) + 1);
    ck_assert_ptr_nonnull(scratch);
    double *want_y = calloc((size_t)ny + 1, sizeof(double));
    double *want_dx = widened(nx, d_x), *want_df = widened(nf, d_f);
    struct arrays a = {x, filter, dy, want_y, want_dx, want_df};
    each_product(&d, accumulate, &a);

    k_conv2d(&d, x, filter, y, scratch);
    assert_close("y", ny, y, want_y);
    float *once = numbers(nf, 6);
    k_conv2d_backward(&d, x, filter, dy, false, NULL, once, scratch);
    assert_close("d_filter alone", nf, once, want_df);
    k_conv2d_backward(&d, x, filter, dy, true, d_x, d_f, scratch);
    assert_close("d_filter", nf, d_f, want_df);
    assert_close("d_x", nx, d_x, want_dx);
    float *before = numbers(nx, 5), *written = numbers(nx, 7);
    for (int64_t i = 0; i < nx; i++) {
        want_dx[i] -= (double)before[i];
    }
    k_conv2d_backward(&d, x, filter, dy, false, written, d_f, scratch);
    assert_close("d_x written", nx, written, want_dx);

    float *floats[] = {x,   filter,  dy,   y,      d_x,
                       d_f, scratch, once, before, written};
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
        free(floats[i]);
    }
    free(want_y);
    free(want_dx);
    free(want_df);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("conv2d");
    TCase *tc = tcase_create("conv2d");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, load_blas, NULL);
    tcase_add_loop_test(tc, convolution, 0,
                        (int)(sizeof(shapes) / sizeof(shapes[0])));
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
