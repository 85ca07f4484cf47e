/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution and average pooling, in plain loops over windows. */
#include "kernels/kernels.h"

#include "base/banned.h"

/* One tap of one output pixel: which input pixel it reads; false: over the
 * border. */
static bool tap_at(const struct conv2d_dims *d,
                   int64_t o,
                   int64_t tap,
                   int64_t *pixel)
{
    int64_t iy = o / d->ow * d->stride_h - d->pad_top + tap / d->kw;
    int64_t ix = o % d->ow * d->stride_w - d->pad_left + tap % d->kw;

    *pixel = iy * d->w + ix;
    return iy >= 0 && iy < d->h && ix >= 0 && ix < d->w;
}

void k_depthwise(const struct conv2d_dims *d,
                 const float *x,
                 const float *filter,
                 float *y)
{
    int64_t m = d->c_out / d->c_in, pixel;

    for (int64_t b = 0; b < d->batch; b++, x += d->h * d->w * d->c_in) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, y += d->c_out) {
            for (int64_t c = 0; c < d->c_out; c++) {
                y[c] = 0.0f;
            }
            for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
                const float *f = filter + tap * d->c_out;

                if (!tap_at(d, o, tap, &pixel)) {
                    continue;
                }
                for (int64_t c = 0; c < d->c_out; c++) {
                    y[c] += x[pixel * d->c_in + c / m] * f[c];
                }
            }
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
    int64_t m = d->c_out / d->c_in, image = d->h * d->w * d->c_in, pixel;

    for (int64_t b = 0; b < d->batch; b++) {
        for (int64_t o = 0; o < d->oh * d->ow; o++, dy += d->c_out) {
            for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
                if (!tap_at(d, o, tap, &pixel)) {
                    continue;
                }
                for (int64_t c = 0; c < d->c_out; c++) {
                    int64_t from = b * image + pixel * d->c_in + c / m;

                    if (d_filter != NULL) {
                        d_filter[tap * d->c_out + c] += dy[c] * x[from];
                    }
                    if (d_x != NULL) {
                        d_x[from] += dy[c] * filter[tap * d->c_out + c];
                    }
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
            int64_t n = (w.bottom - w.top) * (w.right - w.left);

            for (int64_t c = 0; c < d->c; c++) {
                y[c] = 0.0f;
            }
            for (int64_t i = 0; i < n; i++) {
                int64_t row = w.top + i / (w.right - w.left);
                int64_t col = w.left + i % (w.right - w.left);

                for (int64_t c = 0; c < d->c; c++) {
                    y[c] += x[(row * d->w + col) * d->c + c] / (float)n;
                }
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
            int64_t n = (w.bottom - w.top) * (w.right - w.left);

            for (int64_t i = 0; i < n; i++) {
                int64_t row = w.top + i / (w.right - w.left);
                int64_t col = w.left + i % (w.right - w.left);

                for (int64_t c = 0; c < d->c; c++) {
                    dx[(row * d->w + col) * d->c + c] += dy[c] / (float)n;
                }
            }
        }
    }
}
