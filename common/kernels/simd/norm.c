/* SPDX-License-Identifier: Apache-2.0
 *
 * What batch normalisation needs of the columns of a table: their means and
 * variances, and sums of products. Rows go in blocks whose sums are float32 and
 * stay small; the blocks are added in double. */
#include "kernels/simd.h"

#include <string.h>

#include "base/banned.h"

enum { ROWS = 64, COLS = 64 };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* total[i] += the sum over `rows` rows of column i, or of its (x - mean)^2.
 * Both callers say which by a constant, so that the loop has no branch. */
static inline void add_columns(int64_t rows,
                               int64_t n,
                               int64_t cols,
                               const float *x,
                               bool squares,
                               const float *mean,
                               double *total)
{
    float sum[COLS];
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS) {
        int64_t r1 = smaller(rows, r0 + ROWS);
        memset(sum, 0, sizeof(sum));
        for (int64_t r = r0; r < r1; r++) {
            const float *row = x + r * n;
            K_VECTOR
            for (int64_t i = 0; i < cols; i++) {
                sum[i] +=
                    squares ? (row[i] - mean[i]) * (row[i] - mean[i]) : row[i];
            }
        }
        for (int64_t i = 0; i < cols; i++) {
            total[i] += (double)sum[i];
        }
    }
}

/* total += dy, products += (x - mean) dy, column by column. */
static void add_both(int64_t rows,
                     int64_t n,
                     int64_t cols,
                     const float *x,
                     const float *mean,
                     const float *dy,
                     double *total,
                     double *products)
{
    float sum[COLS], product[COLS];
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS) {
        int64_t r1 = smaller(rows, r0 + ROWS);
        memset(sum, 0, sizeof(sum));
        memset(product, 0, sizeof(product));
        for (int64_t r = r0; r < r1; r++) {
            const float *a = x + r * n;
            const float *b = dy + r * n;
            K_VECTOR
            for (int64_t i = 0; i < cols; i++) {
                sum[i] += b[i];
                product[i] += (a[i] - mean[i]) * b[i];
            }
        }
        for (int64_t i = 0; i < cols; i++) {
            total[i] += (double)sum[i];
            products[i] += (double)product[i];
        }
    }
}

void k_column_moments(int64_t rows,
                      int64_t n,
                      const float *x,
                      float *mean,
                      float *variance)
{
    for (int64_t i0 = 0; i0 < n; i0 += COLS) {
        int64_t cols = smaller(n - i0, COLS);
        double total[COLS] = {0};
        add_columns(rows, n, cols, x + i0, false, NULL, total);
        for (int64_t i = 0; i < cols; i++) {
            mean[i0 + i] = (float)(total[i] / (double)rows);
            total[i] = 0;
        }
        add_columns(rows, n, cols, x + i0, true, mean + i0, total);
        for (int64_t i = 0; i < cols; i++) {
            variance[i0 + i] = (float)(total[i] / (double)rows);
        }
    }
}

void k_column_products(int64_t rows,
                       int64_t n,
                       const float *x,
                       const float *mean,
                       const float *dy,
                       float *sum,
                       float *product)
{
    for (int64_t i0 = 0; i0 < n; i0 += COLS) {
        int64_t cols = smaller(n - i0, COLS);
        double total[COLS] = {0}, products[COLS] = {0};
        add_both(rows, n, cols, x + i0, mean + i0, dy + i0, total, products);
        for (int64_t i = 0; i < cols; i++) {
            sum[i0 + i] = (float)total[i];
            product[i0 + i] = (float)products[i];
        }
    }
}

void k_column_scale(int64_t rows,
                    int64_t n,
                    const float *x,
                    const float *scale,
                    const float *shift,
                    float *y)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n;
        K_VECTOR
        for (int64_t i = 0; i < n; i++) {
            to[i] = from[i] * scale[i] + shift[i];
        }
    }
}

void k_column_scale_acc(int64_t rows,
                        int64_t n,
                        const float *x,
                        const float *scale,
                        const float *y,
                        const float *y_scale,
                        const float *shift,
                        float *out)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *a = x + r * n;
        const float *b = y + r * n;
        float *to = out + r * n;
        K_VECTOR
        for (int64_t i = 0; i < n; i++) {
            to[i] += a[i] * scale[i] + (b[i] * y_scale[i] + shift[i]);
        }
    }
}
