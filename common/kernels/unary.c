/* SPDX-License-Identifier: Apache-2.0
 * The loops of unary_list.h. */
#include "kernels/unary.h"

#include <math.h>

#include "base/banned.h"

#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
#define TWO_OVER_SQRT_PI 1.1283791670955126f

#define UNARY(name, value, derivative)                                    \
    void k_##name(int64_t n, float a, const float *xs, float *ys)         \
    {                                                                     \
        (void)a;                                                          \
        for (int64_t i = 0; i < n; i++) {                                 \
            float x = xs[i];                                              \
            ys[i] = (value);                                              \
        }                                                                 \
    }                                                                     \
    void k_##name##_backward(int64_t n, float a, const float *xs,         \
                             const float *ys, const float *dy, float *dx) \
    {                                                                     \
        (void)a;                                                          \
        for (int64_t i = 0; i < n; i++) {                                 \
            float x = xs[i], y = ys[i];                                   \
            (void)x;                                                      \
            (void)y;                                                      \
            dx[i] += dy[i] * (derivative);                                \
        }                                                                 \
    }
#include "kernels/unary_list.h"
#undef UNARY
