/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution and average pooling: loops over windows, whose inner
 * loop goes over the channels. */
#include "kernels/simd.h"

#include <string.h>

#include "base/banned.h"

/* One tap of one output pixel: which input pixel it reads; false: over the
 * border. */
static bool tap_at(const struct conv2d_dims *d,
                   int64_t oy,
                   int64_t ox,
                   int64_t tap,
                   int64_t *pixel)
{
    int64_t iy = oy * d->stride_h - d->pad_top + tap / d->kw;
    int64_t ix = ox * d->stride_w - d->pad_left + tap % d->kw;

    *pixel = iy * d->w + ix;
    return iy >= 0 && iy < d->h && ix >= 0 && ix < d->w;
}

/* y += x f, where channel c of x goes into m channels of y. */
static void tap_forward(int64_t c_in,
                        int64_t m,
                        const float *x,
                        const float *f,
                        float *y)
{
    if (m == 1) {
        K_VECTOR
        for (int64_t c = 0; c < c_in; c++) {
            y[c] += x[c] * f[c];
        }
        return;
    }
    for (int64_t c = 0; c < c_in; c++, f += m, y += m) {
        for (int64_t q = 0; q < m; q++) {
            y[q] += x[c] * f[q];
        }
    }
}

void k_depthwise(const struct conv2d_dims *d,
                 const float *x,
                 const float *filter,
                 float *y)
{
    int64_t m = d->c_out / d->c_in, taps = d->kh * d->kw, pixel;

    for (int64_t b = 0; b < d->batch; b++, x += d->h * d->w * d->c_in) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, y += d->c_out) {
            memset(y, 0, (size_t)d->c_out * sizeof(float));
            for (int64_t tap = 0; tap < taps; tap++) {
                if (tap_at(d, o / d->ow, o % d->ow, tap, &pixel)) {
                    tap_forward(d->c_in, m, x + pixel * d->c_in,
                                filter + tap * d->c_out, y);
                }
            }
        }
    }
}

/* d_f += dy x; d_x += dy f. Either may be NULL. */
static void tap_backward(int64_t c_in,
                         int64_t m,
                         const float *x,
                         const float *f,
                         const float *dy,
                         float *d_x,
                         float *d_f)
{
    if (m == 1 && d_f != NULL) {
        K_VECTOR
        for (int64_t c = 0; c < c_in; c++) {
            d_f[c] += dy[c] * x[c];
        }
    }
    if (m == 1 && d_x != NULL) {
        K_VECTOR
        for (int64_t c = 0; c < c_in; c++) {
            d_x[c] += dy[c] * f[c];
        }
    }
    for (int64_t i = 0; m > 1 && i < c_in * m; i++) {
        if (d_f != NULL) {
            d_f[i] += dy[i] * x[i / m];
        }
        if (d_x != NULL) {
            d_x[i / m] += dy[i] * f[i];
        }
    }
}

void k_depthwise_backward(const struct conv2d_dims *d,
                          const float *x,
                          const float *filter,
                          const float *dy,
                          float *d_x,
                          float *d_filter)
{
    int64_t m = d->c_out / d->c_in, taps = d->kh * d->kw, pixel;
    int64_t image = d->h * d->w * d->c_in;

    for (int64_t b = 0; b < d->batch; b++) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, dy += d->c_out) {
            for (int64_t tap = 0; tap < taps; tap++) {
                if (tap_at(d, o / d->ow, o % d->ow, tap, &pixel)) {
                    int64_t from = b * image + pixel * d->c_in;
                    int64_t f = tap * d->c_out;

                    tap_backward(d->c_in, m, x + from, filter + f, dy,
                                 d_x != NULL ? d_x + from : NULL,
                                 d_filter != NULL ? d_filter + f : NULL);
                }
            }
        }
    }
}

/* The part of window o that is inside the image. */
struct window {
    int64_t top, bottom, left, right;
};

static struct window window_at(const struct pool2d_dims *d, int64_t o)
{
    int64_t iy = o / d->ow * d->stride - d->pad_top;
    int64_t ix = o % d->ow * d->stride - d->pad_left;

    return (struct window){
        iy < 0 ? 0 : iy, iy + d->size > d->h ? d->h : iy + d->size,
        ix < 0 ? 0 : ix, ix + d->size > d->w ? d->w : ix + d->size};
}

void k_avg_pool2d(const struct pool2d_dims *d, const float *x, float *y)
{
    for (int64_t b = 0; b < d->batch; b++, x += d->h * d->w * d->c) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, y += d->c) {
            struct window w = window_at(d, o);
            float n = (float)((w.bottom - w.top) * (w.right - w.left));

            memset(y, 0, (size_t)d->c * sizeof(float));
            for (int64_t row = w.top; row < w.bottom; row++) {
                for (int64_t col = w.left; col < w.right; col++) {
                    const float *from = x + (row * d->w + col) * d->c;

                    K_VECTOR
                    for (int64_t c = 0; c < d->c; c++) {
                        y[c] += from[c];
                    }
                }
            }
            K_VECTOR
            for (int64_t c = 0; c < d->c; c++) {
                y[c] /= n;
            }
        }
    }
}

void k_avg_pool2d_backward(const struct pool2d_dims *d,
                           const float *dy,
                           float *dx)
{
    for (int64_t b = 0; b < d->batch; b++, dx += d->h * d->w * d->c) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, dy += d->c) {
            struct window w = window_at(d, o);
            float n = (float)((w.bottom - w.top) * (w.right - w.left));

            for (int64_t row = w.top; row < w.bottom; row++) {
                for (int64_t col = w.left; col < w.right; col++) {
                    float *to = dx + (row * d->w + col) * d->c;

                    K_VECTOR
                    for (int64_t c = 0; c < d->c; c++) {
                        to[c] += dy[c] / n;
                    }
                }
            }
        }
    }
}
