/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's limit for fp32: multiply-adds on registers alone, in enough
 * independent chains to hide their latency, with the widest vectors there are.
 */
#include "bench.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/banned.h"

/* 8 multiply-adds a chain between jumps: a jump after each takes a cycle of 13.
 */
enum { CHAINS = 12, UNROLLED = 8 * CHAINS, ROUNDS = 25000 };

/* Where results go and numbers come from, so that no work is dropped: a
 * compiler that knows that a chain begins with 1 knows that it stays 1. */
static volatile float sink, source = 0.5f;

#ifdef __x86_64__
/* Each returns the floating-point operations of one call. */
__attribute__((target("avx512f"))) static double fma_512(void)
{
    __m512 x[CHAINS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
    for (int c = 0; c < CHAINS; c++) {
        x[c] = _mm512_set1_ps(source);
    }
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 96
        for (int i = 0; i < UNROLLED; i++) {
            int c = i % CHAINS;
            x[c] = _mm512_fmadd_ps(x[c], a, b);
        }
    }
    for (int c = 1; c < CHAINS; c++) {
        x[0] = _mm512_add_ps(x[0], x[c]);
    }
    sink = _mm512_cvtss_f32(x[0]);
    return 2.0 * 16 * UNROLLED * ROUNDS;
}

__attribute__((target("avx2,fma"))) static double fma_256(void)
{
    __m256 x[CHAINS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    for (int c = 0; c < CHAINS; c++) {
        x[c] = _mm256_set1_ps(source);
    }
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 96
        for (int i = 0; i < UNROLLED; i++) {
            int c = i % CHAINS;
            x[c] = _mm256_fmadd_ps(x[c], a, b);
        }
    }
    for (int c = 1; c < CHAINS; c++) {
        x[0] = _mm256_add_ps(x[0], x[c]);
    }
    sink = _mm256_cvtss_f32(x[0]);
    return 2.0 * 8 * UNROLLED * ROUNDS;
}
#endif

static double fma_plain(void)
{
    float x[CHAINS];
    for (int c = 0; c < CHAINS; c++) {
        x[c] = source;
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < UNROLLED; i++) {
            int c = i % CHAINS;
            x[c] = x[c] * 0.999f + 0.001f;
        }
    }
    for (int c = 0; c < CHAINS; c++) {
        sink = x[c];
    }
    return 2.0 * UNROLLED * ROUNDS;
}

static double (*widest(void))(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        return fma_512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return fma_256;
    }
#endif
    return fma_plain;
}

struct peak {
    double (*loop)(void);
    double flops;
};

static void call_loop(void *self)
{
    struct peak *p = self;
    p->flops = p->loop();
}

double bench_fma_peak(void)
{
    static double gflops;
    if (gflops <= 0) {
        struct peak p = {widest(), 0};
        struct bench_time t = bench_measure(0.5, call_loop, &p);
        gflops = p.flops / t.best * 1e-9;
    }
    return gflops;
}
