/* SPDX-License-Identifier: Apache-2.0
 *
 * Instruction sets. The files of simd/ are plain C for the vectoriser, compiled
 * once for each set with K_ISA = generic, avx2 or avx512: there k_relu is the
 * name of k_relu_avx512. The k_relu that everybody calls is in dispatch.c and
 * jumps to the best one this CPU has, or to the one CREW_KERNELS names.
 * Internal to kernels/ and its tests. */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#ifdef K_ISA
#define K_JOIN_(name, isa) name##_##isa
#define K_JOIN(name, isa) K_JOIN_(name, isa)
#define k_relu K_JOIN(k_relu, K_ISA)
#define k_relu_backward K_JOIN(k_relu_backward, K_ISA)
#define k_relu_backward_to K_JOIN(k_relu_backward_to, K_ISA)
#define k_sigmoid_backward K_JOIN(k_sigmoid_backward, K_ISA)
#define k_tanh_backward K_JOIN(k_tanh_backward, K_ISA)
#define k_add K_JOIN(k_add, K_ISA)
#define k_mul K_JOIN(k_mul, K_ISA)
#define k_axpy K_JOIN(k_axpy, K_ISA)
#define k_mul_acc K_JOIN(k_mul_acc, K_ISA)
#define k_scale K_JOIN(k_scale, K_ISA)
#define k_sum K_JOIN(k_sum, K_ISA)
#define k_any_not_finite K_JOIN(k_any_not_finite, K_ISA)
#define k_bias_add K_JOIN(k_bias_add, K_ISA)
#define k_bias_add_backward K_JOIN(k_bias_add_backward, K_ISA)
#define k_max_pool2d K_JOIN(k_max_pool2d, K_ISA)
#define k_max_pool2d_backward K_JOIN(k_max_pool2d_backward, K_ISA)
#define k_dropout K_JOIN(k_dropout, K_ISA)
#define k_dropout_backward K_JOIN(k_dropout_backward, K_ISA)
#define k_add_columns K_JOIN(k_add_columns, K_ISA)
#define k_add_columns_1 K_JOIN(k_add_columns_1, K_ISA)
#define k_column_moments K_JOIN(k_column_moments, K_ISA)
#define k_column_products K_JOIN(k_column_products, K_ISA)
#define k_column_scale K_JOIN(k_column_scale, K_ISA)
#define k_column_scale_acc K_JOIN(k_column_scale_acc, K_ISA)
#define k_layer_norm K_JOIN(k_layer_norm, K_ISA)
#define k_layer_norm_backward K_JOIN(k_layer_norm_backward, K_ISA)
#define k_exp_row K_JOIN(k_exp_row, K_ISA)
#define k_divide K_JOIN(k_divide, K_ISA)
#define k_direct_lanes K_JOIN(k_direct_lanes, K_ISA)
#define k_direct_forward K_JOIN(k_direct_forward, K_ISA)
#define k_direct_filter K_JOIN(k_direct_filter, K_ISA)
#define k_depthwise K_JOIN(k_depthwise, K_ISA)
#define k_depthwise_backward K_JOIN(k_depthwise_backward, K_ISA)
#define k_avg_pool2d K_JOIN(k_avg_pool2d, K_ISA)
#define k_avg_pool2d_backward K_JOIN(k_avg_pool2d_backward, K_ISA)
#endif

#include "kernels/kernels.h"

#define SIMD(result, name, parameters, arguments) result name parameters;
#include "kernels/simd_list.h"
#undef SIMD

/* A loop that carries nothing from one turn to the next, also when output and
 * input are the same array. */
#ifdef __clang__
#define K_VECTOR _Pragma("clang loop vectorize(assume_safety)")
#else
#define K_VECTOR _Pragma("GCC ivdep")
#endif

enum simd_level { SIMD_GENERIC = 0, SIMD_AVX2, SIMD_AVX512 };
#define SIMD_LEVELS 3

/* Tests: use this set from now on. false: this CPU does not have it. */
bool simd_use(enum simd_level);

#endif
