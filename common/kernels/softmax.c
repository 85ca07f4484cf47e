/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax, arg max and the cross entropy against class numbers, row by row,
 * with the row's maximum taken off first so that exp() cannot overflow. */
#include "kernels/kernels.h"

#include <math.h>

#include "kernels/simd.h"

#include "base/banned.h"

void k_softmax(int64_t rows, int64_t n, const float *logits, float *y)
{
    if (n == 0) {
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        float max;
        float sum = k_exp_row(n, logits + r * n, y + r * n, &max);
        k_divide(n, sum, y + r * n);
    }
}

void k_softmax_backward(int64_t rows,
                        int64_t n,
                        const float *y,
                        const float *dy,
                        float *dx)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *p = y + r * n;
        const float *d = dy + r * n;
        float dot = 0;
        for (int64_t i = 0; i < n; i++) {
            dot += p[i] * d[i];
        }
        for (int64_t i = 0; i < n; i++) {
            dx[r * n + i] += p[i] * (d[i] - dot);
        }
    }
}

void k_log_softmax(int64_t rows, int64_t n, const float *logits, float *y)
{
    for (int64_t r = 0; r < rows && n > 0; r++) {
        const float *x = logits + r * n;
        float max;
        float rest = logf(k_exp_row(n, x, y + r * n, &max));
        for (int64_t i = 0; i < n; i++) {
            y[r * n + i] = x[i] - max - rest;
        }
    }
}

void k_log_softmax_backward(int64_t rows,
                            int64_t n,
                            const float *y,
                            const float *dy,
                            float *dx)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *log_p = y + r * n;
        const float *d = dy + r * n;
        float sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += d[i];
        }
        for (int64_t i = 0; i < n; i++) {
            dx[r * n + i] += d[i] - expf(log_p[i]) * sum;
        }
    }
}

void k_argmax(int64_t rows, int64_t n, const float *x, int64_t *y)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * n;
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++) {
            best = row[i] > row[best] ? i : best;
        }
        y[r] = best;
    }
}

int64_t k_sparse_softmax_xent(int64_t rows,
                              int64_t n,
                              const float *logits,
                              const int64_t *labels,
                              float *loss,
                              float *prob)
{
    for (int64_t r = 0; r < rows; r++) {
        if (labels[r] < 0 || labels[r] >= n) {
            return r;
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *x = logits + r * n;
        float max;
        float sum = k_exp_row(n, x, prob + r * n, &max);
        k_divide(n, sum, prob + r * n);
        loss[r] = logf(sum) - (x[labels[r]] - max);
    }
    return -1;
}

void k_sparse_softmax_xent_backward(int64_t rows,
                                    int64_t n,
                                    const float *prob,
                                    const int64_t *labels,
                                    const float *d_loss,
                                    float *d_logits)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *p = prob + r * n;
        float *d = d_logits + r * n;
        float scale = d_loss[r];
        for (int64_t i = 0; i < n; i++) {
            float hot = i == labels[r] ? 1.0f : 0.0f;
            d[i] += scale * (p[i] - hot);
        }
    }
}
