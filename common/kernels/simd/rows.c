/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows by themselves: layer normalisation, and what softmax is made of. Sums go
 * in LANES float32 sums side by side, so that every instruction set has the
 * same order of additions, over blocks that are added up in double. */
#include "kernels/simd.h"
#include "kernels/simd/vec.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

enum { LANES = 32, BLOCK = LANES * 64 };

/* In halves: an addition waits for 4 others, not for 31. */
static double add_lanes(const float lanes[LANES])
{
    double sum[LANES / 2];
    for (int i = 0; i < LANES / 2; i++) {
        sum[i] = (double)lanes[i] + (double)lanes[i + LANES / 2];
    }
    for (int i = 0; i < LANES / 4; i++) {
        sum[i] += sum[i + LANES / 4];
    }
    for (int i = 0; i < LANES / 8; i++) {
        sum[i] += sum[i + LANES / 8];
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* The sum of x - off, or of its squares. Both callers say which by a constant,
 * so that the loop has no branch. */
static inline double sum_of(int64_t n, const float *x, float off, bool squares)
{
    double total = 0;
    for (int64_t from = 0; from < n; from += BLOCK) {
        int64_t to = from + BLOCK < n ? from + BLOCK : n, i = from;
        float lanes[LANES] = {0};
        for (; i + LANES <= to; i += LANES) {
            K_VECTOR
            for (int k = 0; k < LANES; k++) {
                float d = x[i + k] - off;
                lanes[k] += squares ? d * d : d;
            }
        }
        for (int k = 0; i < to; i++, k++) {
            float d = x[i] - off;
            lanes[k] += squares ? d * d : d;
        }
        total += add_lanes(lanes);
    }
    return total;
}

void k_layer_norm(int64_t rows,
                  int64_t n,
                  const float *x,
                  const float *gamma,
                  const float *beta,
                  float epsilon,
                  float *y,
                  float *stats)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n, stats += 2) {
        /* About a near value first: then float32 sums lose nothing. */
        double mean = (double)x[0] + sum_of(n, x, x[0], false) / (double)n;
        float m = (float)mean;
        double rest = mean - (double)m;
        double variance = sum_of(n, x, m, true) / (double)n - rest * rest;
        float scale = (float)(1.0 / sqrt(variance + (double)epsilon));
        float shift = (float)(-rest * (double)scale);
        K_VECTOR
        for (int64_t i = 0; i < n; i++) {
            y[i] = ((x[i] - m) * scale + shift) * gamma[i] + beta[i];
        }
        stats[0] = m;
        stats[1] = scale;
    }
}

/* The means of g = dy gamma and of g xhat. */
static void mean_products(int64_t n,
                          const float *x,
                          const float *stats,
                          const float *gamma,
                          const float *dy,
                          double *mean_g,
                          double *mean_gx)
{
    double g_total = 0, gx_total = 0;
    for (int64_t from = 0; from < n; from += BLOCK) {
        int64_t to = from + BLOCK < n ? from + BLOCK : n, i = from;
        float lanes_g[LANES] = {0}, lanes_gx[LANES] = {0};
        for (; i + LANES <= to; i += LANES) {
            K_VECTOR
            for (int k = 0; k < LANES; k++) {
                float g = dy[i + k] * gamma[i + k];
                lanes_g[k] += g;
                lanes_gx[k] += g * ((x[i + k] - stats[0]) * stats[1]);
            }
        }
        for (int k = 0; i < to; i++, k++) {
            float g = dy[i] * gamma[i];
            lanes_g[k] += g;
            lanes_gx[k] += g * ((x[i] - stats[0]) * stats[1]);
        }
        g_total += add_lanes(lanes_g);
        gx_total += add_lanes(lanes_gx);
    }
    *mean_g = g_total / (double)n;
    *mean_gx = gx_total / (double)n;
}

static void row_gradient(int64_t n,
                         const float *x,
                         const float *stats,
                         const float *gamma,
                         const float *dy,
                         float *dx)
{
    float m = stats[0], scale = stats[1];
    double mean_g, mean_gx;
    mean_products(n, x, stats, gamma, dy, &mean_g, &mean_gx);
    float by_x = (float)mean_gx, by = (float)mean_g;
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        float hat = (x[i] - m) * scale;
        dx[i] += scale * ((dy[i] * gamma[i] - by) - hat * by_x);
    }
}

/* What rows add to column i .. i + VEC_LANES - 1 of d_gamma and d_beta. */
static void add_to_weights(int64_t rows,
                           int64_t n,
                           const float *x,
                           const float *stats,
                           const float *dy,
                           float *d_gamma,
                           float *d_beta)
{
    vec by_gamma = {0}, by_beta = {0};
    for (int64_t r = 0; r < rows; r++) {
        vec g = VEC(dy + r * n);
        by_gamma += g * ((VEC(x + r * n) - stats[2 * r]) * stats[2 * r + 1]);
        by_beta += g;
    }
    if (d_gamma != NULL) {
        VEC_TO(d_gamma) += by_gamma;
    }
    if (d_beta != NULL) {
        VEC_TO(d_beta) += by_beta;
    }
}

static void weight_gradients(int64_t rows,
                             int64_t n,
                             const float *x,
                             const float *stats,
                             const float *dy,
                             float *d_gamma,
                             float *d_beta)
{
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        add_to_weights(rows, n, x + i, stats, dy + i,
                       d_gamma != NULL ? d_gamma + i : NULL,
                       d_beta != NULL ? d_beta + i : NULL);
    }
    for (; i < n; i++) {
        float by_gamma = 0, by_beta = 0;
        for (int64_t r = 0; r < rows; r++) {
            float g = dy[r * n + i];
            by_gamma += g * ((x[r * n + i] - stats[2 * r]) * stats[2 * r + 1]);
            by_beta += g;
        }
        if (d_gamma != NULL) {
            d_gamma[i] += by_gamma;
        }
        if (d_beta != NULL) {
            d_beta[i] += by_beta;
        }
    }
}

/* Rows that are still in the first-level cache for the weights' gradients. */
enum { NORM_ROWS = 8 };

void k_layer_norm_backward(int64_t rows,
                           int64_t n,
                           const float *x,
                           const float *stats,
                           const float *gamma,
                           const float *dy,
                           float *dx,
                           float *d_gamma,
                           float *d_beta)
{
    for (int64_t r0 = 0; r0 < rows; r0 += NORM_ROWS) {
        int64_t some = rows - r0 < NORM_ROWS ? rows - r0 : NORM_ROWS;
        for (int64_t r = 0; dx != NULL && r < some; r++) {
            row_gradient(n, x + r * n, stats + 2 * r, gamma, dy + r * n,
                         dx + r * n);
        }
        if (d_gamma != NULL || d_beta != NULL) {
            weight_gradients(some, n, x, stats, dy, d_gamma, d_beta);
        }
        x += some * n;
        dy += some * n;
        dx = dx != NULL ? dx + some * n : NULL;
        stats += 2 * some;
    }
}

/* exp(x) for x <= 0, within 2 units in the last place; below -87 it is 0.
 * 2^k exp(f) with x = k ln 2 + f, f in [-ln 2 / 2, ln 2 / 2]; Cephes'
 * polynomial of expf. */
static inline float exp_of(float x)
{
    const float magic = 12582912.0f;          /* 1.5 2^23: adding it rounds */
    float clipped = x >= -87.0f ? x : -87.0f; /* NaN too */
    float k = (clipped * 1.44269504f + magic) - magic;
    float f = (clipped - k * 0.693359375f) - k * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = (p * (f * f) + f) + 1.0f;
    union {
        int32_t bits;
        float number;
    } power = {.bits = ((int32_t)k + 127) << 23};
    if (isnan(x)) {
        return x;
    }
    return x >= -87.0f ? p * power.number : 0.0f;
}

/* The largest number; NaN counts for nothing. */
static float max_of(int64_t n, const float *x)
{
    float lanes[LANES], most = -INFINITY;
    int64_t i = 0;
    for (int k = 0; k < LANES; k++) {
        lanes[k] = -INFINITY;
    }
    for (; i + LANES <= n; i += LANES) {
        K_VECTOR
        for (int k = 0; k < LANES; k++) {
            lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
        }
    }
    for (; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (int k = 0; k < LANES; k++) {
        most = lanes[k] > most ? lanes[k] : most;
    }
    return most;
}

float k_exp_row(int64_t n, const float *x, float *e, float *max)
{
    float lanes[LANES] = {0}, top = max_of(n, x), rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        K_VECTOR
        for (int k = 0; k < LANES; k++) {
            float y = exp_of(x[i + k] - top);
            e[i + k] = y;
            lanes[k] += y;
        }
    }
    /* Few classes are added up in their order, as a plain loop would. */
    for (; i < n; i++) {
        e[i] = exp_of(x[i] - top);
        rest += e[i];
    }
    *max = top;
    return n < LANES ? rest : (float)(add_lanes(lanes) + (double)rest);
}

void k_divide(int64_t n, float by, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] /= by;
    }
}
