/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one number, applied to arrays, each beside its derivative.
 * Backward may look at the operand x and at the result y, as the row of
 * k_unary_list.h says. Threads: any, on disjoint outputs. */
#ifndef KERNELS_UNARY_H
#define KERNELS_UNARY_H

#include "crew.h"

/* a is the function's constant where it has one (leaky_relu's alpha). */
typedef void (*k_unary)(int64_t n, float a, const float *x, float *y);
/* dx += dy * f'(x). */
typedef void (*k_unary_backward)(int64_t n,
                                 float a,
                                 const float *x,
                                 const float *y,
                                 const float *dy,
                                 float *dx);

#define UNARY(name, value, derivative)                           \
    void k_##name(int64_t n, float a, const float *x, float *y); \
    void k_##name##_backward(int64_t n, float a, const float *x, \
                             const float *y, const float *dy, float *dx);
#include "kernels/unary_list.h"
#undef UNARY

#endif
