/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution without columns, for strides of 1 and channels that fill vectors:
 * nothing is copied for each tap, and OpenBLAS does not pack the filter anew
 * for each image. Each image is copied once with zeros at its left and right;
 * rows over its top and bottom are passed over. The arithmetic is in
 * simd/direct.c.
 *
 *     y        the image in planes, (h, c_in, width), so that neighbouring
 *              pixels are neighbouring numbers; the filter as (panel of two
 *              vectors of channels, kh, c_in, kw, panel)
 *     d_x      the same of dy, with the filter turned by 180 degrees and its
 *              channels exchanged
 *     d_filter the image as it is, (h, width, c_in): there the taps of a row
 *              are neighbours */
#include "kernels/conv_direct.h"

#include <string.h>

#include "kernels/simd.h"

#include "base/banned.h"

/* Panels and images begin at a line of the cache. */
enum { ALIGN = 64 / sizeof(float) };

/* A panel of the filter stays in the second-level cache while an image's rows
 * go by; of a larger one the columns are the better way. */
enum { PANEL_FLOATS = 64 * 1024 };

static int64_t aligned(int64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static int64_t image_floats(const struct conv2d_dims *d)
{
    return aligned(d->h * conv_bordered(d) * d->c_in);
}

static int64_t filter_floats(const struct conv2d_dims *d)
{
    return aligned(conv_depth(d) * d->c_out);
}

/* The convolution of dy that gives d_x. */
static struct conv2d_dims reversed(const struct conv2d_dims *d)
{
    return (struct conv2d_dims){
        .batch = d->batch,
        .h = d->oh,
        .w = d->ow,
        .c_in = d->c_out,
        .kh = d->kh,
        .kw = d->kw,
        .c_out = d->c_in,
        .oh = d->h,
        .ow = d->w,
        .pad_top = d->kh - 1 - d->pad_top,
        .pad_left = d->kw - 1 - d->pad_left,
        .stride_h = 1,
        .stride_w = 1,
    };
}

static bool fits(const struct conv2d_dims *d)
{
    int64_t lanes = k_direct_lanes();
    return lanes > 0 && d->stride_h == 1 && d->stride_w == 1 &&
           d->c_out % lanes == 0 && conv_depth(d) * 2 * lanes <= PANEL_FLOATS;
}

bool conv_direct_fits(const struct conv2d_dims *d)
{
    return fits(d);
}

bool conv_direct_fits_backward(const struct conv2d_dims *d, bool input_too)
{
    struct conv2d_dims back = reversed(d);
    return fits(d) && (!input_too || fits(&back));
}

size_t conv_direct_scratch(const struct conv2d_dims *d)
{
    struct conv2d_dims back = reversed(d);
    int64_t images = image_floats(d) + image_floats(&back);
    return (size_t)(ALIGN + images + filter_floats(d)) * sizeof(float);
}

static float *align_up(float *p)
{
    uintptr_t over = (uintptr_t)p % (ALIGN * sizeof(float));
    return over == 0 ? p : p + (ALIGN - over / sizeof(float));
}

/* The filter as k_direct_forward reads it, of one panel after another. */
static void pack(const struct conv2d_dims *d, const float *filter, float *out)
{
    int64_t lanes = k_direct_lanes(), n;
    for (int64_t co = 0; co < d->c_out; co += n) {
        n = d->c_out - co < 2 * lanes ? lanes : 2 * lanes;
        for (int64_t i = 0; i < conv_depth(d); i++, out += n) {
            int64_t ky = i / (d->c_in * d->kw), c = i / d->kw % d->c_in;
            int64_t kx = i % d->kw;
            const float *from =
                filter + ((ky * d->kw + kx) * d->c_in + c) * d->c_out + co;
            memcpy(out, from, (size_t)n * sizeof(float));
        }
    }
}

/* The same of the reversed convolution d, whose filter is (kh, kw, c_out, c_in)
 * and turned. */
static void pack_reversed(const struct conv2d_dims *d,
                          const float *filter,
                          float *out)
{
    int64_t lanes = k_direct_lanes(), n;
    for (int64_t co = 0; co < d->c_out; co += n) {
        n = d->c_out - co < 2 * lanes ? lanes : 2 * lanes;
        for (int64_t i = 0; i < conv_depth(d); i++, out += n) {
            int64_t ky = i / (d->c_in * d->kw), c = i / d->kw % d->c_in;
            int64_t kx = i % d->kw;
            int64_t tap = (d->kh - 1 - ky) * d->kw + d->kw - 1 - kx;
            const float *from = filter + (tap * d->c_out + co) * d->c_in + c;
            for (int64_t q = 0; q < n; q++) {
                out[q] = from[q * d->c_in];
            }
        }
    }
}

/* planes (h, c_in, width), but for the border, which is zero already. */
static void fill_planes(const struct conv2d_dims *d,
                        const float *image,
                        float *planes)
{
    int64_t width = conv_bordered(d), c_in = d->c_in;
    struct conv_clip c = conv_clip(-d->pad_left, width, d->w);
    for (int64_t iy = 0; iy < d->h; iy++, image += d->w * c_in) {
        for (int64_t ci = 0; ci < c_in; ci++, planes += width) {
            const float *from = image + ci - d->pad_left * c_in;
            for (int64_t i = c.from; i < c.to; i++) {
                planes[i] = from[i * c_in];
            }
        }
    }
}

/* bordered (h, width, c_in), but for the border. */
static void fill_bordered(const struct conv2d_dims *d,
                          const float *image,
                          float *bordered)
{
    int64_t width = conv_bordered(d), c_in = d->c_in;
    struct conv_clip c = conv_clip(-d->pad_left, width, d->w);
    for (int64_t iy = 0; iy < d->h; iy++) {
        memcpy(bordered + (iy * width + c.from) * c_in,
               image + (iy * d->w + c.from - d->pad_left) * c_in,
               (size_t)((c.to - c.from) * c_in) * sizeof(float));
    }
}

static void zero(float *x, int64_t n)
{
    memset(x, 0, (size_t)n * sizeof(float));
}

void conv_direct(const struct conv2d_dims *d,
                 const float *x,
                 const float *filter,
                 float *y,
                 float *scratch)
{
    float *planes = align_up(scratch), *packed = planes + image_floats(d);
    pack(d, filter, packed);
    zero(planes, image_floats(d));
    for (int64_t b = 0; b < d->batch; b++) {
        fill_planes(d, x + b * d->h * d->w * d->c_in, planes);
        k_direct_forward(d, planes, packed, y + b * d->oh * d->ow * d->c_out,
                         false);
    }
}

void conv_direct_backward(const struct conv2d_dims *d,
                          const float *x,
                          const float *filter,
                          const float *dy,
                          bool add_x,
                          float *d_x,
                          float *d_filter,
                          float *scratch)
{
    struct conv2d_dims back = reversed(d);
    float *bordered = align_up(scratch), *planes = bordered + image_floats(d);
    float *packed = planes + image_floats(&back);
    zero(bordered, image_floats(d));
    if (d_x != NULL) {
        pack_reversed(&back, filter, packed);
        zero(planes, image_floats(&back));
    }
    for (int64_t b = 0; b < d->batch; b++) {
        int64_t at = b * d->h * d->w * d->c_in;
        const float *dy_image = dy + b * d->oh * d->ow * d->c_out;
        fill_bordered(d, x + at, bordered);
        k_direct_filter(d, bordered, dy_image, d_filter);
        if (d_x != NULL) {
            fill_planes(&back, dy_image, planes);
            k_direct_forward(&back, planes, packed, d_x + at, add_x);
        }
    }
}
