/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenBLAS, loaded by hand. Left alone Debian's OpenBLAS picks SSE3 kernels on
 * CPUs younger than itself (4 times slower) and obeys an OPENBLAS_CORETYPE that
 * somebody left in the environment. So nobody links it: blas_load() chooses the
 * core type from cpuid, sets OPENBLAS_CORETYPE, dlopens libopenblas and pins it
 * to one thread. A program that computes calls it once, before it starts
 * threads. */
#ifndef KERNELS_BLAS_H
#define KERNELS_BLAS_H

#include "crew.h"

/* Load it (again: a no-op). The environment variable CREW_BLAS_CORETYPE
 * overrides the choice. Errors: FAILED_PRECONDITION (exit 78) when the library
 * is missing, naming the package. */
CREW_MUST_CHECK int blas_load(struct crew_err *err);
/* The choice cpuid led to, pure: "SkylakeX", "Haswell", "Sandybridge",
 * "Nehalem" (tested with made-up features). */
const char *blas_choose_coretype(bool avx512, bool avx2_fma, bool avx);
/* "OpenBLAS 0.3.21 core SkylakeX, 1 thread" once loaded; "none" before. */
const char *blas_description(void);

#endif
