/* SPDX-License-Identifier: Apache-2.0
 * Average pooling: a loop over windows, whose inner loop goes over the
 * channels.
 */
#include "kernels/simd.h"

#include <string.h>

#include "base/banned.h"

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
