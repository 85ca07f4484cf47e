/* SPDX-License-Identifier: Apache-2.0
 *
 * The input's gradient from the gradient of its columns (see ../conv2d.c). */
#include "kernels/simd.h"
#include "kernels/conv2d.h"

#include "base/banned.h"

/* Add each column element to the pixel it was copied from. */
void k_add_columns(const struct conv2d_dims *d,
                   const float *col,
                   int64_t oy0,
                   int64_t rows,
                   float *image)
{
    int64_t run = d->kw * d->c_in, depth = conv_depth(d);
    for (int64_t oy = oy0; oy < oy0 + rows; oy++, col += d->ow * depth) {
        for (int64_t ky = 0; ky < d->kh; ky++) {
            int64_t iy = oy * d->stride_h - d->pad_top + ky;
            if (iy < 0 || iy >= d->h) {
                continue;
            }
            const float *in = col + ky * run;
            for (int64_t ox = 0; ox < d->ow; ox++, in += depth) {
                int64_t ix = ox * d->stride_w - d->pad_left;
                struct conv_clip c = conv_clip(ix, d->kw, d->w);
                const float *from = in + c.from * d->c_in;
                float *to = image + (iy * d->w + ix + c.from) * d->c_in;
                int64_t n = (c.to - c.from) * d->c_in;
                K_VECTOR
                for (int64_t i = 0; i < n; i++) {
                    to[i] += from[i];
                }
            }
        }
    }
}

/* The same for one input channel, columns (kh kw, rows * ow). */
void k_add_columns_1(const struct conv2d_dims *d,
                     const float *col,
                     int64_t oy0,
                     int64_t rows,
                     float *image)
{
    for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
        int64_t ix = tap % d->kw - d->pad_left;
        struct conv_clip c = conv_clip(ix, d->ow, d->w);
        for (int64_t oy = oy0; oy < oy0 + rows; oy++, col += d->ow) {
            int64_t iy = oy * d->stride_h - d->pad_top + tap / d->kw;
            if (iy < 0 || iy >= d->h) {
                continue;
            }
            float *to = image + iy * d->w + ix;
            K_VECTOR
            for (int64_t i = c.from; i < c.to; i++) {
                to[i] += col[i];
            }
        }
    }
}
