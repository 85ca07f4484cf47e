/* SPDX-License-Identifier: Apache-2.0
 *
 * One image's convolution without columns (see ../conv_direct.c): a tile of
 * results stays in registers while everything that adds to it goes by. A tile
 * is up to PIXELS neighbouring pixels, or taps of the filter, by two vectors of
 * output channels, which leaves registers for two vectors of the other operand
 * and one number of the third: 16 loads feed 28 multiply-adds.
 *
 * This file alone is compiled so that a product and its sum become one
 * multiply-add (CMakeLists.txt); like OpenBLAS's, its last bits depend on the
 * instruction set. */
#include "kernels/conv2d.h"
#include "kernels/simd.h"
#include "kernels/simd/vec.h"

#include "base/banned.h"

enum { LANES = VEC_LANES };
#if defined(__AVX512F__)
enum { PIXELS = 14 }; /* 28 sums of 32 registers */
#elif defined(__AVX2__)
enum { PIXELS = 6 }; /* 12 of 16 */
#else
enum { PIXELS = 1 };
#define NO_DIRECT
#endif

/* The callers' constants become the loops' bounds, and arrays registers. */
#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 14")
#endif
/* Where p points is not known any more: else gcc keeps the numbers that the
 * next turn reads again, in registers that it has not got. */
#define FORGET(p) __asm__("" : "+r"(p))

int64_t k_direct_lanes(void)
{
#ifdef NO_DIRECT
    return 0; /* OpenBLAS chooses better kernels for what this CPU has */
#else
    return LANES;
#endif
}

/* Shares `n` among tiles of at most PIXELS as evenly as may be: how many the
 * next one takes. A tile of few sums waits for its own additions. */
static int next_tile(int64_t n)
{
    int64_t tiles = (n + PIXELS - 1) / PIXELS;
    return (int)((n + tiles - 1) / tiles);
}

/* y (pixels, c_out): the first `vecs` vectors of each, of `rows` rows of taps.
 * x: planes of the first row, f: (rows, c_in, kw, vecs LANES). */
INLINE void pixels_tile(int pixels,
                        int vecs,
                        const struct conv2d_dims *d,
                        int64_t rows,
                        const float *x,
                        const float *f,
                        float *y,
                        bool add)
{
    vec sum[PIXELS][2];
    int64_t kw = d->kw, width = conv_bordered(d), lines = rows * d->c_in;
    UNROLL
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < vecs; v++) {
            sum[p][v] = (vec){0};
        }
    }
    for (int64_t line = 0; line < lines; line++, x += width) {
        for (int64_t kx = 0; kx < kw; kx++, f += vecs * LANES) {
            vec f0 = VEC(f);
            vec f1 = VEC(f + (vecs - 1) * LANES);
            const float *at = x + kx;
            FORGET(at);
            UNROLL
            for (int p = 0; p < pixels; p++) {
                sum[p][0] += f0 * at[p];
                if (vecs > 1) {
                    sum[p][1] += f1 * at[p];
                }
            }
        }
    }
    UNROLL
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < vecs; v++) {
            float *out = y + p * d->c_out + v * LANES;
            VEC_TO(out) = add ? VEC(out) + sum[p][v] : sum[p][v];
        }
    }
}

/* d_f (taps, c_out) += x (pixels, taps) dy (pixels, c_out), the first `vecs`
 * vectors of channels, over `rows` rows of pixels. x: bordered. */
INLINE void taps_tile(int taps,
                      int vecs,
                      const struct conv2d_dims *d,
                      int64_t rows,
                      const float *x,
                      const float *dy,
                      float *d_f)
{
    vec sum[PIXELS][2];
    int64_t over = (conv_bordered(d) - d->ow) * d->c_in;
    UNROLL
    for (int t = 0; t < taps; t++) {
        for (int v = 0; v < vecs; v++) {
            sum[t][v] = (vec){0};
        }
    }
    for (int64_t oy = 0; oy < rows; oy++, x += over) {
        for (int64_t ox = 0; ox < d->ow; ox++, x += d->c_in, dy += d->c_out) {
            vec dy0 = VEC(dy);
            vec dy1 = VEC(dy + (vecs - 1) * LANES);
            FORGET(x);
            UNROLL
            for (int t = 0; t < taps; t++) {
                sum[t][0] += dy0 * x[t];
                if (vecs > 1) {
                    sum[t][1] += dy1 * x[t];
                }
            }
        }
    }
    UNROLL
    for (int t = 0; t < taps; t++) {
        for (int v = 0; v < vecs; v++) {
            VEC_TO(d_f + t * d->c_out + v * LANES) += sum[t][v];
        }
    }
}

#define ONE_AND_TWO(tile, n, ...) \
    case 2 * (n):                 \
        tile(n, 1, __VA_ARGS__);  \
        break;                    \
    case 2 * (n) + 1:             \
        tile(n, 2, __VA_ARGS__);  \
        break;
#if defined(__AVX512F__)
#define MORE_THAN_6(tile, ...)         \
    ONE_AND_TWO(tile, 7, __VA_ARGS__)  \
    ONE_AND_TWO(tile, 8, __VA_ARGS__)  \
    ONE_AND_TWO(tile, 9, __VA_ARGS__)  \
    ONE_AND_TWO(tile, 10, __VA_ARGS__) \
    ONE_AND_TWO(tile, 11, __VA_ARGS__) \
    ONE_AND_TWO(tile, 12, __VA_ARGS__) \
    ONE_AND_TWO(tile, 13, __VA_ARGS__) \
    ONE_AND_TWO(tile, 14, __VA_ARGS__)
#else
#define MORE_THAN_6(tile, ...)
#endif
#ifdef NO_DIRECT
#define UP_TO_6(tile, ...)
#else
#define UP_TO_6(tile, ...)            \
    ONE_AND_TWO(tile, 2, __VA_ARGS__) \
    ONE_AND_TWO(tile, 3, __VA_ARGS__) \
    ONE_AND_TWO(tile, 4, __VA_ARGS__) \
    ONE_AND_TWO(tile, 5, __VA_ARGS__) \
    ONE_AND_TWO(tile, 6, __VA_ARGS__)
#endif
/* Calls tile(n, vecs, ...) with constants for both. */
#define CALL_TILE(tile, n, vecs, ...)     \
    switch (2 * (n) + (vecs)-1) {         \
        ONE_AND_TWO(tile, 1, __VA_ARGS__) \
        UP_TO_6(tile, __VA_ARGS__)        \
        MORE_THAN_6(tile, __VA_ARGS__)    \
        default:                          \
            break;                        \
    }

/* The rows of taps that are inside the image for output row oy. */
static struct conv_clip rows_inside(const struct conv2d_dims *d, int64_t oy)
{
    return conv_clip(oy - d->pad_top, d->kh, d->h);
}

/* One output row's tiles. */
static void forward_row(const struct conv2d_dims *d,
                        int vecs,
                        int64_t rows,
                        const float *x,
                        const float *f,
                        float *y,
                        bool add)
{
    int n;
    for (int64_t left = d->ow; left > 0; left -= n) {
        n = next_tile(left);
        CALL_TILE(pixels_tile, n, vecs, d, rows, x, f, y, add)
        x += n;
        y += n * d->c_out;
    }
}

void k_direct_forward(const struct conv2d_dims *d,
                      const float *planes,
                      const float *packed,
                      float *y,
                      bool add)
{
    int64_t row = d->c_in * conv_bordered(d), depth = conv_depth(d);
    for (int64_t co = 0; co < d->c_out; co += 2 * LANES) {
        int vecs = co + LANES < d->c_out ? 2 : 1;
        for (int64_t oy = 0; oy < d->oh; oy++) {
            struct conv_clip c = rows_inside(d, oy);
            const float *x = planes + (oy - d->pad_top + c.from) * row;
            const float *f = packed + c.from * d->kw * d->c_in * vecs * LANES;
            forward_row(d, vecs, c.to - c.from, x, f,
                        y + oy * d->ow * d->c_out + co, add);
        }
        packed += depth * vecs * LANES;
    }
}

/* The taps of one row of the filter, of output rows from .. to - 1. */
static void filter_row(const struct conv2d_dims *d,
                       int vecs,
                       int64_t rows,
                       const float *x,
                       const float *dy,
                       float *d_f)
{
    int n;
    for (int64_t left = d->kw * d->c_in; left > 0; left -= n) {
        n = next_tile(left);
        CALL_TILE(taps_tile, n, vecs, d, rows, x, dy, d_f)
        x += n;
        d_f += n * d->c_out;
    }
}

/* Bands of rows whose pixels are still in the second-level cache when the next
 * tile of taps reads them again. */
enum { BAND_FLOATS = 64 * 1024 };

void k_direct_filter(const struct conv2d_dims *d,
                     const float *bordered,
                     const float *dy,
                     float *d_filter)
{
    int64_t row = conv_bordered(d) * d->c_in, run = d->kw * d->c_in;
    int64_t band = BAND_FLOATS / (row + d->ow * d->c_out) + 1;
    for (int64_t oy0 = 0; oy0 < d->oh; oy0 += band) {
        int64_t rows = d->oh - oy0 < band ? d->oh - oy0 : band;
        for (int64_t co = 0; co < d->c_out; co += 2 * LANES) {
            int vecs = co + LANES < d->c_out ? 2 : 1;
            for (int64_t ky = 0; ky < d->kh; ky++) {
                int64_t iy = oy0 - d->pad_top + ky;
                struct conv_clip c = conv_clip(iy, rows, d->h);
                filter_row(d, vecs, c.to - c.from,
                           bordered + (iy + c.from) * row,
                           dy + (oy0 + c.from) * d->ow * d->c_out + co,
                           d_filter + ky * run * d->c_out + co);
            }
        }
    }
}
