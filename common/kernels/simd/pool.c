/* SPDX-License-Identifier: Apache-2.0
 *
 * Max pooling over square windows. The inner loop runs over channels, which lie
 * side by side; windows of 2 x 2 compare all four places in registers. */
#include "kernels/simd.h"

#include <string.h>

#include "base/check.h"

#include "base/banned.h"

/* Four channel vectors of one 2 x 2 window. The first maximum wins, so a later
 * place takes over only when it is greater. */
static void window2(int64_t c,
                    const float *a,
                    const float *b,
                    float *y,
                    uint8_t *arg)
{
    K_VECTOR
    for (int64_t i = 0; i < c; i++) {
        float best = a[i];
        uint32_t place = 0;
        place = a[i + c] > best ? 1 : place;
        best = a[i + c] > best ? a[i + c] : best;
        place = b[i] > best ? 2 : place;
        best = b[i] > best ? b[i] : best;
        place = b[i + c] > best ? 3 : place;
        best = b[i + c] > best ? b[i + c] : best;
        y[i] = best;
        arg[i] = (uint8_t)place;
    }
}

/* One place of a larger window against the best so far. */
static void challenge(int64_t c,
                      uint8_t place,
                      const float *x,
                      float *y,
                      uint8_t *arg)
{
    K_VECTOR
    for (int64_t i = 0; i < c; i++) {
        arg[i] = x[i] > y[i] ? place : arg[i];
        y[i] = x[i] > y[i] ? x[i] : y[i];
    }
}

static void window(const struct pool2d_dims *d,
                   const float *x,
                   float *y,
                   uint8_t *arg)
{
    memcpy(y, x, (size_t)d->c * sizeof(float));
    memset(arg, 0, (size_t)d->c);
    for (int64_t place = 1; place < d->size * d->size; place++) {
        int64_t row = place / d->size, col = place % d->size;
        challenge(d->c, (uint8_t)place, x + (row * d->w + col) * d->c, y, arg);
    }
}

/* Is the whole window inside the image? */
static bool whole(const struct pool2d_dims *d, int64_t iy, int64_t ix)
{
    return iy >= 0 && ix >= 0 && iy + d->size <= d->h && ix + d->size <= d->w;
}

/* A window that looks over the border: what is outside does not count. */
static void clipped(const struct pool2d_dims *d,
                    const float *image,
                    int64_t iy,
                    int64_t ix,
                    float *y,
                    uint8_t *arg)
{
    bool first = true;
    for (int64_t place = 0; place < d->size * d->size; place++) {
        int64_t row = iy + place / d->size, col = ix + place % d->size;
        if (row < 0 || row >= d->h || col < 0 || col >= d->w) {
            continue;
        }
        const float *x = image + (row * d->w + col) * d->c;
        if (first) {
            memcpy(y, x, (size_t)d->c * sizeof(float));
            memset(arg, (int)place, (size_t)d->c);
            first = false;
        } else {
            challenge(d->c, (uint8_t)place, x, y, arg);
        }
    }
}

void k_max_pool2d(const struct pool2d_dims *d,
                  const float *x,
                  float *y,
                  uint8_t *arg)
{
    PRE(d->size >= 1 && d->size <= 15 && d->stride >= 1);
    for (int64_t b = 0; b < d->batch; b++) {
        const float *image = x + b * d->h * d->w * d->c;
        for (int64_t o = 0; o < d->oh * d->ow; o++) {
            int64_t iy = o / d->ow * d->stride - d->pad_top;
            int64_t ix = o % d->ow * d->stride - d->pad_left;
            const float *corner = image + (iy * d->w + ix) * d->c;
            if (!whole(d, iy, ix)) {
                clipped(d, image, iy, ix, y, arg);
            } else if (d->size == 2) {
                window2(d->c, corner, corner + d->w * d->c, y, arg);
            } else {
                window(d, corner, y, arg);
            }
            y += d->c;
            arg += d->c;
        }
    }
}

static void scatter2(int64_t c,
                     const uint8_t *arg,
                     const float *dy,
                     float *a,
                     float *b)
{
    K_VECTOR
    for (int64_t i = 0; i < c; i++) {
        uint32_t place = arg[i];
        a[i] += place == 0 ? dy[i] : 0.0f;
        a[i + c] += place == 1 ? dy[i] : 0.0f;
        b[i] += place == 2 ? dy[i] : 0.0f;
        b[i + c] += place == 3 ? dy[i] : 0.0f;
    }
}

/* The same, written. */
static void scatter2_to(int64_t c,
                        const uint8_t *arg,
                        const float *dy,
                        float *a,
                        float *b)
{
    K_VECTOR
    for (int64_t i = 0; i < c; i++) {
        uint32_t place = arg[i];
        a[i] = place == 0 ? dy[i] : 0.0f;
        a[i + c] = place == 1 ? dy[i] : 0.0f;
        b[i] = place == 2 ? dy[i] : 0.0f;
        b[i + c] = place == 3 ? dy[i] : 0.0f;
    }
}

/* Do windows of 2 see each pixel once? */
static bool tiled2(const struct pool2d_dims *d)
{
    return d->size == 2 && d->stride == 2 && d->pad_top == 0 &&
           d->pad_left == 0 && d->h == 2 * d->oh && d->w == 2 * d->ow;
}

static void scatter(const struct pool2d_dims *d,
                    const uint8_t *arg,
                    const float *dy,
                    float *dx)
{
    for (int64_t i = 0; i < d->c; i++) {
        int64_t row = arg[i] / d->size, col = arg[i] % d->size;
        dx[(row * d->w + col) * d->c + i] += dy[i];
    }
}

void k_max_pool2d_backward(const struct pool2d_dims *d,
                           const uint8_t *arg,
                           const float *dy,
                           bool add,
                           float *dx)
{
    int64_t line = d->w * d->c, image = d->h * line;
    bool write = !add && tiled2(d);
    if (!add && !write) {
        memset(dx, 0, (size_t)(d->batch * image) * sizeof(float));
    }
    for (int64_t b = 0; b < d->batch; b++, dx += image) {
        for (int64_t o = 0; o < d->oh * d->ow; o++) {
            int64_t iy = o / d->ow * d->stride - d->pad_top;
            int64_t ix = o % d->ow * d->stride - d->pad_left;
            float *corner = dx + (iy * d->w + ix) * d->c;
            if (write) {
                scatter2_to(d->c, arg, dy, corner, corner + line);
            } else if (d->size == 2 && whole(d, iy, ix)) {
                scatter2(d->c, arg, dy, corner, corner + line);
            } else {
                scatter(d, arg, dy, corner);
            }
            dy += d->c;
            arg += d->c;
        }
    }
}
