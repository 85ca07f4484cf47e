/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution. With one filter a channel, a few vectors of channels
 * of one result stay in registers while its taps go by; with strides of 1 the
 * input's gradient is the same of dy with the filter turned. The filter's
 * gradient goes the other way round: a few vectors of one tap, over all pixels
 * of an image. With several filters a channel it is plain loops. */
#include "kernels/conv2d.h"
#include "kernels/simd.h"
#include "kernels/simd/vec.h"

#include <string.h>

#include "base/banned.h"

/* Sums side by side, so that none waits for its own addition. */
enum { VECS = 4 };

/* One result's taps: (rows, cols) of them, of a row of the image and of the
 * filter so far apart. A filter that is turned has negative steps. */
struct taps {
    int64_t rows, cols, x_row, x_col, f_row, f_col;
};

/* y = the sum of x f over the taps, or + y, of channels c .. c + n - 1. */
static inline void sum_taps(const struct taps *t,
                            int n,
                            const float *x,
                            const float *f,
                            bool add,
                            float *y)
{
    vec sum[VECS];
    for (int v = 0; v < n; v++) {
        sum[v] = add ? VEC(y + v * VEC_LANES) : (vec){0};
    }
    for (int64_t r = 0; r < t->rows; r++) {
        const float *xr = x + r * t->x_row, *fr = f + r * t->f_row;
        for (int64_t c = 0; c < t->cols; c++, xr += t->x_col, fr += t->f_col) {
            for (int v = 0; v < n; v++) {
                sum[v] += VEC(xr + v * VEC_LANES) * VEC(fr + v * VEC_LANES);
            }
        }
    }
    for (int v = 0; v < n; v++) {
        VEC_TO(y + v * VEC_LANES) = sum[v];
    }
}

/* The same of all channels of one pixel. */
static void one_pixel(const struct taps *t,
                      int64_t channels,
                      const float *x,
                      const float *f,
                      bool add,
                      float *y)
{
    int64_t c = 0;
    for (; c + VECS * VEC_LANES <= channels; c += VECS * VEC_LANES) {
        sum_taps(t, VECS, x + c, f + c, add, y + c);
    }
    for (; c + VEC_LANES <= channels; c += VEC_LANES) {
        sum_taps(t, 1, x + c, f + c, add, y + c);
    }
    for (; c < channels; c++) {
        float sum = add ? y[c] : 0;
        for (int64_t i = 0; i < t->rows * t->cols; i++) {
            int64_t row = i / t->cols, col = i % t->cols;
            sum += x[row * t->x_row + col * t->x_col + c] *
                   f[row * t->f_row + col * t->f_col + c];
        }
        y[c] = sum;
    }
}

/* One filter a channel. turned: the filter's last tap comes first. */
static void one_each(const struct conv2d_dims *d,
                     const float *x,
                     const float *filter,
                     bool turned,
                     bool add,
                     float *y)
{
    int64_t ch = d->c_in, step = turned ? -ch : ch, row = d->kw * step;
    const float *f0 = turned ? filter + (d->kh * d->kw - 1) * ch : filter;
    struct taps t = {.x_row = d->w * ch, .x_col = ch};

    t.f_row = row;
    t.f_col = step;
    for (int64_t b = 0; b < d->batch; b++, x += d->h * d->w * ch) {
        for (int64_t oy = 0; oy < d->oh; oy++) {
            int64_t iy = oy * d->stride_h - d->pad_top;
            struct conv_clip r = conv_clip(iy, d->kh, d->h);

            t.rows = r.to - r.from;
            for (int64_t ox = 0; ox < d->ow; ox++, y += ch) {
                int64_t ix = ox * d->stride_w - d->pad_left;
                struct conv_clip c = conv_clip(ix, d->kw, d->w);

                t.cols = c.to - c.from;
                one_pixel(&t, ch, x + ((iy + r.from) * d->w + ix + c.from) * ch,
                          f0 + r.from * row + c.from * step, add, y);
            }
        }
    }
}

/* d_f += dy x over the pixels of one image that see the tap, of n vectors. */
static inline void sum_pixels(int64_t rows,
                              int64_t cols,
                              int n,
                              const int64_t x_step[2],
                              const int64_t dy_step[2],
                              const float *x,
                              const float *dy,
                              float *d_f)
{
    vec sum[VECS] = {{0}};
    for (int64_t r = 0; r < rows; r++, x += x_step[0], dy += dy_step[0]) {
        const float *at = x, *from = dy;
        for (int64_t c = 0; c < cols; c++, at += x_step[1]) {
            for (int v = 0; v < n; v++) {
                sum[v] += VEC(from + v * VEC_LANES) * VEC(at + v * VEC_LANES);
            }
            from += dy_step[1];
        }
    }
    for (int v = 0; v < n; v++) {
        VEC_TO(d_f + v * VEC_LANES) += sum[v];
    }
}

/* Which outputs, 0 .. n - 1, see a place inside [0, limit) with the tap that
 * begins at `start`. */
static struct conv_clip seen(int64_t start,
                             int64_t stride,
                             int64_t n,
                             int64_t limit)
{
    int64_t from = start < 0 ? (-start + stride - 1) / stride : 0;
    int64_t to = limit > start ? (limit - start + stride - 1) / stride : 0;
    struct conv_clip c = {from < n ? from : n, to < n ? to : n};
    c.to = c.to < c.from ? c.from : c.to;
    return c;
}

/* One tap of one image. */
static void one_tap(const struct conv2d_dims *d,
                    int64_t tap,
                    const float *x,
                    const float *dy,
                    float *d_f)
{
    int64_t ch = d->c_in, top = tap / d->kw - d->pad_top;
    int64_t left = tap % d->kw - d->pad_left, c = 0;
    struct conv_clip r = seen(top, d->stride_h, d->oh, d->h);
    struct conv_clip k = seen(left, d->stride_w, d->ow, d->w);
    int64_t rows = r.to - r.from, cols = k.to - k.from;
    int64_t x_step[] = {d->stride_h * d->w * ch, d->stride_w * ch};
    int64_t dy_step[] = {d->ow * ch, ch};

    x += ((r.from * d->stride_h + top) * d->w + k.from * d->stride_w + left) *
         ch;
    dy += (r.from * d->ow + k.from) * ch;
    for (; c + VECS * VEC_LANES <= ch; c += VECS * VEC_LANES) {
        sum_pixels(rows, cols, VECS, x_step, dy_step, x + c, dy + c, d_f + c);
    }
    for (; c + VEC_LANES <= ch; c += VEC_LANES) {
        sum_pixels(rows, cols, 1, x_step, dy_step, x + c, dy + c, d_f + c);
    }
    for (; c < ch; c++) {
        float sum = 0;
        for (int64_t i = 0; i < rows * cols; i++) {
            int64_t row = i / cols, col = i % cols;
            sum += dy[row * dy_step[0] + col * dy_step[1] + c] *
                   x[row * x_step[0] + col * x_step[1] + c];
        }
        d_f[c] += sum;
    }
}

static void filter_gradient(const struct conv2d_dims *d,
                            const float *x,
                            const float *dy,
                            float *d_filter)
{
    for (int64_t b = 0; b < d->batch; b++) {
        for (int64_t tap = 0; tap < d->kh * d->kw; tap++) {
            one_tap(d, tap, x + b * d->h * d->w * d->c_in,
                    dy + b * d->oh * d->ow * d->c_in, d_filter + tap * d->c_in);
        }
    }
}

/* The convolution of dy that gives d_x, for strides of 1. */
static struct conv2d_dims reversed(const struct conv2d_dims *d)
{
    struct conv2d_dims back = *d;

    back.h = d->oh;
    back.w = d->ow;
    back.oh = d->h;
    back.ow = d->w;
    back.pad_top = d->kh - 1 - d->pad_top;
    back.pad_left = d->kw - 1 - d->pad_left;
    return back;
}

/* ------------------------------- several filters a channel, and other strides
 */

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
    for (int64_t c = 0; c < c_in; c++, f += m, y += m) {
        for (int64_t q = 0; q < m; q++) {
            y[q] += x[c] * f[q];
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
    if (m == 1 && d_x != NULL) {
        K_VECTOR
        for (int64_t c = 0; c < c_in; c++) {
            d_x[c] += dy[c] * f[c];
        }
        return;
    }
    for (int64_t i = 0; i < c_in * m; i++) {
        if (d_f != NULL) {
            d_f[i] += dy[i] * x[i / m];
        }
        if (d_x != NULL) {
            d_x[i / m] += dy[i] * f[i];
        }
    }
}

static void each_tap_backward(const struct conv2d_dims *d,
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

/* ------------------------------------------------------------- what is called
 */

void k_depthwise(const struct conv2d_dims *d,
                 const float *x,
                 const float *filter,
                 float *y)
{
    int64_t m = d->c_out / d->c_in, taps = d->kh * d->kw, pixel;

    if (m == 1) {
        one_each(d, x, filter, false, false, y);
        return;
    }
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

void k_depthwise_backward(const struct conv2d_dims *d,
                          const float *x,
                          const float *filter,
                          const float *dy,
                          float *d_x,
                          float *d_filter)
{
    if (d->c_out != d->c_in) {
        each_tap_backward(d, x, filter, dy, d_x, d_filter);
        return;
    }
    if (d_filter != NULL) {
        filter_gradient(d, x, dy, d_filter);
    }
    if (d_x != NULL && d->stride_h == 1 && d->stride_w == 1) {
        struct conv2d_dims back = reversed(d);
        one_each(&back, dy, filter, true, true, d_x);
    } else if (d_x != NULL) {
        each_tap_backward(d, x, filter, dy, d_x, NULL);
    }
}
