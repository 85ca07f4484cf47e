/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution. What conv_direct.c cannot do is done as matrix products, in
 * bands of output rows:
 *
 *     columns (pixels, kh kw c_in)  one row a pixel: the input it sees, zeros
 *                                   where it looks over the border
 *     y        = columns filter
 *     d_filter = columns^T dy
 *     d_x      = dy filter^T, added back to where the columns came from
 *
 * A band's columns fit the second-level cache; the columns of a whole batch
 * would go through memory, which takes half as long again. They are made anew
 * in backward: copying is cheaper than keeping. In NHWC, kw and c_in are one
 * run of memory. With one input channel such a run is a few floats, so the
 * columns are kept transposed, (kh kw, pixels): then a run is a row of the
 * image. */
#include "kernels/kernels.h"

#include <string.h>

#include "kernels/conv2d.h"
#include "kernels/conv_direct.h"
#include "kernels/simd.h"

#include "base/banned.h"

#define BAND_BYTES (640 * 1024)

static int64_t band_rows(const struct conv2d_dims *d)
{
    int64_t row = d->ow * conv_depth(d) * (int64_t)sizeof(float);
    int64_t rows = row == 0 ? d->oh : BAND_BYTES / row;
    rows = rows < 1 ? 1 : rows;
    return rows < d->oh ? rows : d->oh;
}

size_t k_conv2d_scratch(const struct conv2d_dims *d)
{
    size_t columns = (size_t)(band_rows(d) * d->ow * conv_depth(d));
    size_t direct = conv_direct_scratch(d);

    columns *= sizeof(float);
    return columns > direct ? columns : direct;
}

/* A 1 x 1 filter sees one pixel: the input is its own columns. */
static bool pointwise(const struct conv2d_dims *d)
{
    return d->kh == 1 && d->kw == 1 && d->stride_h == 1 && d->stride_w == 1;
}

static bool transposed(const struct conv2d_dims *d)
{
    return d->c_in == 1 && d->stride_w == 1;
}

static void copy_clipped(float *out,
                         const float *in,
                         struct conv_clip c,
                         int64_t len,
                         int64_t width)
{
    int64_t head = c.from * width, n = (c.to - c.from) * width;
    if (head > 0) {
        memset(out, 0, (size_t)head * sizeof(float));
    }
    if (n > 0) {
        memcpy(out + head, in, (size_t)n * sizeof(float));
    }
    if (c.to < len) {
        memset(out + head + n, 0,
               (size_t)((len - c.to) * width) * sizeof(float));
    }
}

/* Columns (rows * ow, kh kw c_in) of output rows oy0 .. oy0 + rows - 1. */
static void columns_of(const struct conv2d_dims *d,
                       const float *image,
                       int64_t oy0,
                       int64_t rows,
                       float *col)
{
    int64_t run = d->kw * d->c_in, depth = conv_depth(d);
    for (int64_t oy = oy0; oy < oy0 + rows; oy++, col += d->ow * depth) {
        for (int64_t ky = 0; ky < d->kh; ky++) {
            int64_t iy = oy * d->stride_h - d->pad_top + ky;
            bool inside = iy >= 0 && iy < d->h;
            const float *line = image + (inside ? iy * d->w * d->c_in : 0);
            float *out = col + ky * run;
            for (int64_t ox = 0; ox < d->ow; ox++, out += depth) {
                int64_t ix = ox * d->stride_w - d->pad_left;
                struct conv_clip c = {0, 0};
                if (inside) {
                    c = conv_clip(ix, d->kw, d->w);
                }
                copy_clipped(out, line + (ix + c.from) * d->c_in, c, d->kw,
                             d->c_in);
            }
        }
    }
}

/* The same for one input channel, columns (kh kw, rows * ow). */
static void columns_of_1(const struct conv2d_dims *d,
                         const float *image,
                         int64_t oy0,
                         int64_t rows,
                         float *col)
{
    for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
        int64_t ix = tap % d->kw - d->pad_left;
        struct conv_clip c = conv_clip(ix, d->ow, d->w);
        for (int64_t oy = oy0; oy < oy0 + rows; oy++, col += d->ow) {
            int64_t iy = oy * d->stride_h - d->pad_top + tap / d->kw;
            if (iy < 0 || iy >= d->h) {
                memset(col, 0, (size_t)d->ow * sizeof(float));
            } else {
                copy_clipped(col, image + iy * d->w + ix + c.from, c, d->ow, 1);
            }
        }
    }
}

static void make_columns(const struct conv2d_dims *d,
                         const float *image,
                         int64_t oy0,
                         int64_t rows,
                         float *col)
{
    if (transposed(d)) {
        columns_of_1(d, image, oy0, rows, col);
    } else {
        columns_of(d, image, oy0, rows, col);
    }
}

static void input_gradient(const struct conv2d_dims *d,
                           const float *filter,
                           const float *dy,
                           int64_t oy0,
                           int64_t rows,
                           float *col,
                           float *d_image)
{
    int64_t pixels = rows * d->ow, depth = conv_depth(d);
    if (transposed(d)) {
        k_matmul(false, true, depth, pixels, d->c_out, filter, dy, false, col);
        k_add_columns_1(d, col, oy0, rows, d_image);
    } else {
        k_matmul(false, true, pixels, depth, d->c_out, dy, filter, false, col);
        k_add_columns(d, col, oy0, rows, d_image);
    }
}

void k_conv2d(const struct conv2d_dims *d,
              const float *x,
              const float *filter,
              float *y,
              float *scratch)
{
    int64_t depth = conv_depth(d), band = band_rows(d);
    if (pointwise(d)) {
        k_matmul(false, false, d->batch * d->h * d->w, d->c_out, d->c_in, x,
                 filter, false, y);
        return;
    }
    if (conv_direct_fits(d)) {
        conv_direct(d, x, filter, y, scratch);
        return;
    }
    for (int64_t b = 0; b < d->batch; b++) {
        const float *image = x + b * d->h * d->w * d->c_in;
        float *out = y + b * d->oh * d->ow * d->c_out;
        for (int64_t oy = 0; oy < d->oh; oy += band) {
            int64_t rows = d->oh - oy < band ? d->oh - oy : band;
            make_columns(d, image, oy, rows, scratch);
            k_matmul(transposed(d), false, rows * d->ow, d->c_out, depth,
                     scratch, filter, false, out + oy * d->ow * d->c_out);
        }
    }
}

void k_conv2d_backward(const struct conv2d_dims *d,
                       const float *x,
                       const float *filter,
                       const float *dy,
                       bool add_x,
                       float *d_x,
                       float *d_filter,
                       float *scratch)
{
    int64_t depth = conv_depth(d), band = band_rows(d);
    if (pointwise(d)) {
        int64_t pixels = d->batch * d->h * d->w;
        k_matmul(true, false, d->c_in, d->c_out, pixels, x, dy, true, d_filter);
        if (d_x != NULL) {
            k_matmul(false, true, pixels, d->c_in, d->c_out, dy, filter, add_x,
                     d_x);
        }
        return;
    }
    if (conv_direct_fits_backward(d, d_x != NULL)) {
        conv_direct_backward(d, x, filter, dy, add_x, d_x, d_filter, scratch);
        return;
    }
    for (int64_t b = 0; b < d->batch; b++) {
        int64_t at = b * d->h * d->w * d->c_in;
        const float *dy_image = dy + b * d->oh * d->ow * d->c_out;
        if (d_x != NULL && !add_x) {
            memset(d_x + at, 0,
                   (size_t)(d->h * d->w * d->c_in) * sizeof(float));
        }
        for (int64_t oy = 0; oy < d->oh; oy += band) {
            int64_t rows = d->oh - oy < band ? d->oh - oy : band;
            const float *dy_band = dy_image + oy * d->ow * d->c_out;
            make_columns(d, x + at, oy, rows, scratch);
            k_matmul(!transposed(d), false, depth, d->c_out, rows * d->ow,
                     scratch, dy_band, true, d_filter);
            if (d_x != NULL) {
                input_gradient(d, filter, dy_band, oy, rows, scratch, d_x + at);
            }
        }
    }
}
