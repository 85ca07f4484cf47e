/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise functions that call libm, and the search for what is not finite.
 * The plain loops are in simd/. */
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#include "kernels/simd.h"

#include "base/banned.h"

void k_sigmoid(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = 1.0f / (1.0f + expf(-x[i]));
    }
}

void k_tanh(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = tanhf(x[i]);
    }
}

/* A float is finite unless all bits of its exponent are set. Asked of the bits,
 * so that no compiler option can assume the answer. */
static bool bits_finite(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return (bits & 0x7f800000u) != 0x7f800000u;
}

enum { FINITE_BLOCK = 4096 };

bool k_all_finite(int64_t n, const float *x, int64_t *first)
{
    for (int64_t i0 = 0; i0 < n; i0 += FINITE_BLOCK) {
        int64_t len = n - i0 < FINITE_BLOCK ? n - i0 : FINITE_BLOCK;
        if (k_any_not_finite(len, x + i0) != 0) {
            int64_t i = i0;
            while (bits_finite(x[i])) {
                i++;
            }
            *first = i;
            return false;
        }
    }
    return true;
}
