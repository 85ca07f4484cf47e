/* SPDX-License-Identifier: Apache-2.0
 * Philox4x32-10: a counter-based generator, so that the number at (seed,
 * stream, index) is the same whoever asks and in whatever order. Salmon et al.,
 * SC 2011. Threads: any. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* Four 32-bit numbers of block `index` of `stream` under `seed`. */
void philox4x32(uint64_t seed,
                uint64_t stream,
                uint64_t index,
                uint32_t out[4]);

/* [0, 1) with 24 bits. */
static inline float rng_unit_float(uint32_t x)
{
    return (float)(x >> 8) * 0x1.0p-24f;
}

/* A small sequential generator on top (splitmix64), for shuffles and jitter. */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *);
/* Uniform in [0, n), n >= 1. */
uint64_t rng_below(struct rng *, uint64_t n);

#endif
