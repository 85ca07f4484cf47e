/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products: OpenBLAS's sgemm, and sgemv where one side is a vector, for
 * which sgemm packs the whole matrix to use it once (8 times slower). A few
 * rows against a large matrix go one by one for the same reason. */
#include "kernels/kernels.h"

#include <limits.h>
#include <string.h>

#include "base/check.h"
#include "kernels/blas_calls.h"

#include "base/banned.h"

/* y (rows) = M x or + y, where M is (rows, cols) or, transposed, is stored
 * (cols, rows). */
static void matrix_vector(const struct blas_calls *blas,
                          bool trans,
                          int rows,
                          int cols,
                          const float *matrix,
                          const float *x,
                          float beta,
                          float *y)
{
    if (trans) {
        blas->sgemv(BLAS_ROW_MAJOR, BLAS_TRANS, cols, rows, 1.0f, matrix, rows,
                    x, 1, beta, y, 1);
    } else {
        blas->sgemv(BLAS_ROW_MAJOR, BLAS_NO_TRANS, rows, cols, 1.0f, matrix,
                    cols, x, 1, beta, y, 1);
    }
}

/* Few rows against a large matrix: sgemm takes as long for 2 rows as for 8 (1.6
 * ms for a matrix of 3136 x 1024, 0.18 ms a row by sgemv). */
enum { FEW_ROWS = 4, LARGE = 128 * 1024 };

static bool row_by_row(bool trans_a, int64_t m, int64_t n, int64_t k)
{
    return m == 1 || (!trans_a && m <= FEW_ROWS && n * k >= LARGE);
}

void k_matmul(bool trans_a,
              bool trans_b,
              int64_t m,
              int64_t n,
              int64_t k,
              const float *a,
              const float *b,
              bool accumulate,
              float *c)
{
    if (m == 0 || n == 0) {
        return;
    }
    if (k == 0) {
        if (!accumulate) {
            memset(c, 0, (size_t)m * (size_t)n * sizeof(float));
        }
        return;
    }
    const struct blas_calls *blas = blas_calls();
    INVARIANT(blas != NULL && "blas_load() comes before the first product");
    INVARIANT(m > 0 && n > 0 && k > 0);
    INVARIANT(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    int im = (int)m, in = (int)n, ik = (int)k;
    float beta = accumulate ? 1.0f : 0.0f;
    if (row_by_row(trans_a, m, n, k)) {
        for (int64_t i = 0; i < m; i++) {
            matrix_vector(blas, !trans_b, in, ik, b, a + i * k, beta,
                          c + i * n);
        }
    } else if (in == 1) {
        matrix_vector(blas, trans_a, im, ik, a, b, beta, c);
    } else {
        blas->sgemm(BLAS_ROW_MAJOR, trans_a ? BLAS_TRANS : BLAS_NO_TRANS,
                    trans_b ? BLAS_TRANS : BLAS_NO_TRANS, im, in, ik, 1.0f, a,
                    trans_a ? im : ik, b, trans_b ? ik : in, beta, c, in);
    }
}
