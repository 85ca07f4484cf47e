/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the convolution share. Internal to kernels/. */
#ifndef KERNELS_CONV2D_H
#define KERNELS_CONV2D_H

#include "kernels/kernels.h"

/* Input elements that one output pixel sees. */
static inline int64_t conv_depth(const struct conv2d_dims *d)
{
    return d->kh * d->kw * d->c_in;
}

/* The width of an image with zeros at its sides, for strides of 1. */
static inline int64_t conv_bordered(const struct conv2d_dims *d)
{
    return d->ow + d->kw - 1;
}

/* Which of `len` places from `start` on lie in [0, limit). */
struct conv_clip {
    int64_t from, to;
};
static inline struct conv_clip conv_clip(int64_t start,
                                         int64_t len,
                                         int64_t limit)
{
    struct conv_clip c = {start < 0 ? -start : 0, limit - start};
    c.to = c.to > len ? len : c.to;
    c.to = c.to < c.from ? c.from : c.to;
    c.from = c.from > len ? len : c.from;
    c.to = c.to < c.from ? c.from : c.to;
    return c;
}

#endif
