/* SPDX-License-Identifier: Apache-2.0
 * The two functions of CBLAS we call, as the loaded library gives them.
 * Internal to kernels/. Source: the reference BLAS's cblas.h, with 32-bit
 * integers. */
#ifndef KERNELS_BLAS_CALLS_H
#define KERNELS_BLAS_CALLS_H

enum { BLAS_ROW_MAJOR = 101 };
enum { BLAS_NO_TRANS = 111, BLAS_TRANS = 112 };

struct blas_calls {
    void (*sgemm)(int order,
                  int trans_a,
                  int trans_b,
                  int m,
                  int n,
                  int k,
                  float alpha,
                  const float *a,
                  int lda,
                  const float *b,
                  int ldb,
                  float beta,
                  float *c,
                  int ldc);
    void (*sgemv)(int order,
                  int trans,
                  int m,
                  int n,
                  float alpha,
                  const float *a,
                  int lda,
                  const float *x,
                  int incx,
                  float beta,
                  float *y,
                  int incy);
};

/* NULL before blas_load(). Threads: any, once loaded. */
const struct blas_calls *blas_calls(void);

#endif
