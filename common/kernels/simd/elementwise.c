/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise loops and sums. NaN goes through relu as it does in TensorFlow,
 * so that a broken gradient is seen where it arises. */
#include "kernels/simd.h"

#include <string.h>

#include "base/banned.h"

void k_relu(int64_t n, const float *x, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
    }
}

void k_relu_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        dx[i] += y[i] > 0.0f ? dy[i] : 0.0f;
    }
}

void k_relu_backward_to(int64_t n, const float *y, const float *dy, float *dx)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    }
}

void k_sigmoid_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        dx[i] += dy[i] * (y[i] * (1.0f - y[i]));
    }
}

void k_tanh_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        dx[i] += dy[i] * (1.0f - y[i] * y[i]);
    }
}

void k_add(int64_t n, const float *a, const float *b, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] + b[i];
    }
}

void k_mul(int64_t n, const float *a, const float *b, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] * b[i];
    }
}

void k_axpy(int64_t n, float alpha, const float *x, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] += alpha * x[i];
    }
}

void k_mul_acc(int64_t n, const float *a, const float *b, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] += a[i] * b[i];
    }
}

void k_scale(int64_t n, float alpha, const float *x, float *y)
{
    K_VECTOR
    for (int64_t i = 0; i < n; i++) {
        y[i] = alpha * x[i];
    }
}

enum { SUM_LANES = 16 };

double k_sum(int64_t n, const float *x)
{
    double lane[SUM_LANES] = {0};
    int64_t whole = n - n % SUM_LANES;
    for (int64_t i = 0; i < whole; i += SUM_LANES) {
        for (int j = 0; j < SUM_LANES; j++) {
            lane[j] += (double)x[i + j];
        }
    }
    double sum = 0;
    for (int j = 0; j < SUM_LANES; j++) {
        sum += lane[j];
    }
    for (int64_t i = whole; i < n; i++) {
        sum += (double)x[i];
    }
    return sum;
}

/* A float is finite unless all bits of its exponent are set. Asked of the bits,
 * so that no compiler option can assume the answer. */
uint32_t k_any_not_finite(int64_t n, const float *x)
{
    uint32_t any = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof(bits));
        any |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return any;
}

void k_bias_add(int64_t rows,
                int64_t n,
                const float *x,
                const float *bias,
                float *y)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *xr = x + r * n;
        float *yr = y + r * n;
        K_VECTOR
        for (int64_t i = 0; i < n; i++) {
            yr[i] = xr[i] + bias[i];
        }
    }
}

/* Rows go in blocks whose sums stay small, so that the rounding error grows
 * with the block's length and the number of blocks, not with all rows. */
enum { BIAS_ROWS = 64, BIAS_COLS = 64 };

void k_bias_add_backward(int64_t rows,
                         int64_t n,
                         const float *dy,
                         float *d_bias)
{
    float sum[BIAS_COLS];
    for (int64_t i0 = 0; i0 < n; i0 += BIAS_COLS) {
        int64_t cols = n - i0 < BIAS_COLS ? n - i0 : BIAS_COLS;
        for (int64_t r0 = 0; r0 < rows; r0 += BIAS_ROWS) {
            int64_t r1 = rows - r0 < BIAS_ROWS ? rows : r0 + BIAS_ROWS;
            memset(sum, 0, sizeof(sum));
            for (int64_t r = r0; r < r1; r++) {
                const float *row = dy + r * n + i0;
                K_VECTOR
                for (int64_t i = 0; i < cols; i++) {
                    sum[i] += row[i];
                }
            }
            for (int64_t i = 0; i < cols; i++) {
                d_bias[i0 + i] += sum[i];
            }
        }
    }
}
