/* SPDX-License-Identifier: Apache-2.0
 * Chooses the instruction set once, and sends each call of a function of simd/
 * to its version for that set. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/simd.h"

#include "base/banned.h"

static const char *const names[SIMD_LEVELS] = {"generic", "avx2", "avx512"};

/* The set in use, or -1 until the first call. Two threads that both find -1
 * come to the same answer. */
static atomic_int level = -1;

static bool cpu_has(enum simd_level wanted)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    switch (wanted) {
        case SIMD_GENERIC:
            return true;
        case SIMD_AVX2:
            return avx2;
        case SIMD_AVX512:
            return avx2 && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512cd") &&
                   __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
    }
    return false;
#else
    return wanted == SIMD_GENERIC;
#endif
}

bool simd_use(enum simd_level wanted)
{
    if (!cpu_has(wanted)) {
        return false;
    }
    atomic_store_explicit(&level, (int)wanted, memory_order_relaxed);
    return true;
}

/* What CREW_KERNELS names if the CPU has it, else the best the CPU has. */
static int choose(void)
{
    const char *forced = getenv("CREW_KERNELS");
    for (int i = 0; forced != NULL && i < SIMD_LEVELS; i++) {
        if (strcmp(forced, names[i]) == 0 && simd_use((enum simd_level)i)) {
            return i;
        }
    }
    int best = SIMD_LEVELS - 1;
    while (!simd_use((enum simd_level)best)) {
        best--;
    }
    return best;
}

static inline int current(void)
{
    int now = atomic_load_explicit(&level, memory_order_relaxed);
    return now >= 0 ? now : choose();
}

const char *kernels_isa(void)
{
    return names[current()];
}

#ifdef __x86_64__
#define SIMD(result, name, parameters, arguments) \
    result name##_generic parameters;             \
    result name##_avx2 parameters;                \
    result name##_avx512 parameters;              \
    result name parameters                        \
    {                                             \
        switch (current()) {                      \
            case SIMD_AVX512:                     \
                return name##_avx512 arguments;   \
            case SIMD_AVX2:                       \
                return name##_avx2 arguments;     \
            default:                              \
                return name##_generic arguments;  \
        }                                         \
    }
#else
#define SIMD(result, name, parameters, arguments) \
    result name##_generic parameters;             \
    result name parameters                        \
    {                                             \
        return name##_generic arguments;          \
    }
#endif
#include "kernels/simd_list.h"
#undef SIMD
