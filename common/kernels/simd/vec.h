/* SPDX-License-Identifier: Apache-2.0
 * Vectors as wide as the instruction set's registers, for the loops whose sums
 * must stay in them. */
#ifndef KERNELS_SIMD_VEC_H
#define KERNELS_SIMD_VEC_H

#if defined(__AVX512F__)
enum { VEC_LANES = 16 };
#elif defined(__AVX2__)
enum { VEC_LANES = 8 };
#else
enum { VEC_LANES = 4 };
#endif

typedef float vec __attribute__((vector_size(VEC_LANES * sizeof(float))));
/* The same in memory, at any address. */
typedef float vec_at __attribute__((vector_size(VEC_LANES * sizeof(float)),
                                    aligned(4),
                                    may_alias));

#define VEC(p) ((vec)(*(const vec_at *)(p)))
#define VEC_TO(p) (*(vec_at *)(p))

#endif
