/* SPDX-License-Identifier: Apache-2.0
 * What the kernel tests share: numbers to feed, and a comparison that names
 * what differs. */
#ifndef TESTS_KERNELS_REFERENCE_H
#define TESTS_KERNELS_REFERENCE_H

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "run_suite.h"

/* n floats in [-1, 1), the same for the same seed. Owner: caller, free(). */
static inline float *numbers(int64_t n, uint64_t seed)
{
    float *x = malloc((size_t)(n > 0 ? n : 1) * sizeof(float));
    ck_assert_ptr_nonnull(x);
    uint64_t s = seed * 0x9E3779B97F4A7C15u + 1;
    for (int64_t i = 0; i < n; i++) {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        x[i] = (float)((double)(s >> 40) * 0x1p-23 - 1.0);
    }
    return x;
}

/* n doubles: what stands in x, where a reference adds its gradient. */
static inline double *widened(int64_t n, const float *x)
{
    double *d = malloc((size_t)(n > 0 ? n : 1) * sizeof(double));
    ck_assert_ptr_nonnull(d);
    for (int64_t i = 0; i < n; i++) {
        d[i] = (double)x[i];
    }
    return d;
}

/* Each |got - want| <= 1e-5 max|want| + 1e-6. */
static inline void assert_close(const char *what,
                                int64_t n,
                                const float *got,
                                const double *want)
{
    double max = 0;
    for (int64_t i = 0; i < n; i++) {
        max = fabs(want[i]) > max ? fabs(want[i]) : max;
    }
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs((double)got[i] - want[i]) <= 1e-5 * max + 1e-6,
                      "%s[%ld] of %ld: got %.9g, want %.9g", what, (long)i,
                      (long)n, (double)got[i], want[i]);
    }
}

/* A checked fixture: OpenBLAS is there. */
static inline void load_blas(void)
{
    struct crew_err err = {0};
    ck_assert_msg(blas_load(&err) == CREW_OK, "%s", err.msg);
}

/* Run it once for each instruction set this CPU has. */
static inline int run_for_each_isa(Suite *(*make)(void))
{
    int failed = 0;
    for (int level = 0; level < SIMD_LEVELS; level++) {
        if (simd_use((enum simd_level)level)) {
            printf("%s ", kernels_isa());
            fflush(stdout);
            failed += run_suite(make());
        }
    }
    return failed;
}

#endif
