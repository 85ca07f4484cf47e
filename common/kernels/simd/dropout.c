/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverted dropout with the random numbers of base/rng.h: element i takes lane
 * i % 4 of block i / 4 of (seed, stream). Philox has no state to carry, so 16
 * blocks are computed side by side, which the vectoriser turns into one vector
 * a word; no mask is kept, backward draws again. */
#include "kernels/simd.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"

enum { LANES = 16, ROUNDS = 10, CHUNK = 4 * LANES };

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

/* Keep element i of the chunk when keep_from <= its 24 random bits. */
struct draw {
    uint64_t seed, stream;
    uint32_t keep_from;
};

static struct draw draw_of(float rate, uint64_t seed, uint64_t stream)
{
    /* unit >= rate, unit = bits 2^-24: a comparison of whole numbers. The
     * product is exact. */
    float from = ceilf(rate * 0x1.0p24f);
    from = from < 0.0f ? 0.0f : from;
    from = from > 0x1.0p24f ? 0x1.0p24f : from;
    return (struct draw){seed, stream, (uint32_t)from};
}

/* keep[i] = 1 or 0 for the CHUNK elements whose first block is `block`. */
static inline void draw_chunk(const struct draw *draw,
                              uint64_t block,
                              float *keep)
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    for (int l = 0; l < LANES; l++) {
        uint64_t index = block + (uint64_t)l;
        c0[l] = (uint32_t)index;
        c1[l] = (uint32_t)(index >> 32);
        c2[l] = (uint32_t)draw->stream;
        c3[l] = (uint32_t)(draw->stream >> 32);
    }
    uint32_t k0 = (uint32_t)draw->seed, k1 = (uint32_t)(draw->seed >> 32);
    for (int r = 0; r < ROUNDS; r++) {
        for (int l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)c0[l] * PHILOX_M0;
            uint64_t p1 = (uint64_t)c2[l] * PHILOX_M1;
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
            c1[l] = (uint32_t)p1;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
            c3[l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    for (int l = 0; l < LANES; l++) {
        keep[4 * l] = c0[l] >> 8 >= draw->keep_from ? 1.0f : 0.0f;
        keep[4 * l + 1] = c1[l] >> 8 >= draw->keep_from ? 1.0f : 0.0f;
        keep[4 * l + 2] = c2[l] >> 8 >= draw->keep_from ? 1.0f : 0.0f;
        keep[4 * l + 3] = c3[l] >> 8 >= draw->keep_from ? 1.0f : 0.0f;
    }
}

void k_dropout(int64_t n,
               float rate,
               uint64_t seed,
               uint64_t stream,
               const float *x,
               float *y)
{
    struct draw draw = draw_of(rate, seed, stream);
    float scale = 1.0f / (1.0f - rate);
    for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {
        float keep[CHUNK];
        int64_t len = n - i0 < CHUNK ? n - i0 : CHUNK;
        draw_chunk(&draw, (uint64_t)i0 / 4, keep);
        K_VECTOR
        for (int64_t i = 0; i < len; i++) {
            y[i0 + i] = keep[i] > 0.0f ? x[i0 + i] * scale : 0.0f;
        }
    }
}

void k_dropout_backward(int64_t n,
                        float rate,
                        uint64_t seed,
                        uint64_t stream,
                        const float *dy,
                        float *dx)
{
    struct draw draw = draw_of(rate, seed, stream);
    float scale = 1.0f / (1.0f - rate);
    for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {
        float keep[CHUNK];
        int64_t len = n - i0 < CHUNK ? n - i0 : CHUNK;
        draw_chunk(&draw, (uint64_t)i0 / 4, keep);
        K_VECTOR
        for (int64_t i = 0; i < len; i++) {
            dx[i0 + i] += keep[i] > 0.0f ? dy[i0 + i] * scale : 0.0f;
        }
    }
}
