/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C, the reflected polynomial 0x82f63b78.
 *
 * The CPU's crc32 instruction takes 8 bytes, answers after 3 cycles and can
 * begin one a cycle, so three independent streams run at full speed. A stretch
 * of 3 * n bytes is read as three blocks of n; the CRC of the whole is then
 *     shift(shift(crc(A), n) ^ crc(B), n) ^ crc(C)
 * where shift(c, n) is what n zero bytes make of c. It is linear in c, hence
 * four look-ups in tables made once. Three block sizes keep the share of bytes
 * outside of triples small, also of a record of some hundred bytes. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/bytes.h"
#include "base/banned.h"

#define POLYNOMIAL 0x82f63b78u
#define LONG_BLOCK ((size_t)4096)
#define MIDDLE_BLOCK ((size_t)256)
#define SHORT_BLOCK ((size_t)64)

/* What a fixed number of zero bytes makes of each byte of a CRC. */
struct shift {
    uint32_t of[4][256];
};

/* Made once, read only afterwards. */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static uint32_t byte_table[8][256];
static struct shift long_shift, middle_shift, short_shift;
static bool have_instruction;

static void make_byte_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = (c >> 1) ^ ((c & 1) ? POLYNOMIAL : 0);
        }
        byte_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t c = byte_table[k - 1][i];
            byte_table[k][i] = (c >> 8) ^ byte_table[0][c & 0xff];
        }
    }
}

static void make_shift(struct shift *s, size_t zeros)
{
    uint32_t basis[32];

    for (int i = 0; i < 32; i++) {
        uint32_t c = (uint32_t)1 << i;
        for (size_t k = 0; k < zeros; k++) {
            c = (c >> 8) ^ byte_table[0][c & 0xff];
        }
        basis[i] = c;
    }
    for (int byte = 0; byte < 4; byte++) {
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t c = 0;
            for (int bit = 0; bit < 8; bit++) {
                c ^= (value >> bit & 1) ? basis[8 * byte + bit] : 0;
            }
            s->of[byte][value] = c;
        }
    }
}

static void make_tables(void)
{
    make_byte_table();
#ifdef __x86_64__
    have_instruction = __builtin_cpu_supports("sse4.2");
#endif
    if (have_instruction) {
        make_shift(&long_shift, LONG_BLOCK);
        make_shift(&middle_shift, MIDDLE_BLOCK);
        make_shift(&short_shift, SHORT_BLOCK);
    }
}

/* Eight bytes a turn, one table for each of their places. */
static uint32_t by_table(uint32_t c, const uint8_t *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = get_le64(p) ^ c;
        c = 0;
        for (int k = 0; k < 8; k++) {
            c ^= byte_table[7 - k][v >> (8 * k) & 0xff];
        }
    }
    for (; n > 0; n--, p++) {
        c = (c >> 8) ^ byte_table[0][(c ^ *p) & 0xff];
    }
    return c;
}

#ifdef __x86_64__
#define SSE42 __attribute__((target("sse4.2")))

static inline uint32_t shifted(const struct shift *s, uint32_t c)
{
    return s->of[0][c & 0xff] ^ s->of[1][c >> 8 & 0xff] ^
           s->of[2][c >> 16 & 0xff] ^ s->of[3][c >> 24];
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* The triples of blocks at the front; moves *p and *n past them. */
SSE42 static uint32_t triples(uint32_t crc,
                              const uint8_t **p,
                              size_t *n,
                              size_t block,
                              const struct shift *shift)
{
    while (*n >= 3 * block) {
        const uint8_t *q = *p, *end = q + block;
        uint64_t a = crc, b = 0, c = 0;
        for (; q < end; q += 8) {
            a = __builtin_ia32_crc32di(a, load64(q));
            b = __builtin_ia32_crc32di(b, load64(q + block));
            c = __builtin_ia32_crc32di(c, load64(q + 2 * block));
        }
        crc = shifted(shift, (uint32_t)a) ^ (uint32_t)b;
        crc = shifted(shift, crc) ^ (uint32_t)c;
        *p += 3 * block;
        *n -= 3 * block;
    }
    return crc;
}

SSE42 static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t c;

    crc = triples(crc, &p, &n, LONG_BLOCK, &long_shift);
    crc = triples(crc, &p, &n, MIDDLE_BLOCK, &middle_shift);
    crc = triples(crc, &p, &n, SHORT_BLOCK, &short_shift);
    for (c = crc; n >= 8; n -= 8, p += 8) {
        c = __builtin_ia32_crc32di(c, load64(p));
    }
    for (crc = (uint32_t)c; n > 0; n--, p++) {
        crc = __builtin_ia32_crc32qi(crc, *p);
    }
    return crc;
}
#endif

uint32_t crc32c_extend_by_table(uint32_t crc, const void *data, size_t n)
{
    (void)pthread_once(&tables_once, make_tables);
    return ~by_table(~crc, data, n);
}

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t n)
{
    (void)pthread_once(&tables_once, make_tables);
#ifdef __x86_64__
    if (have_instruction) {
        return ~by_instruction(~crc, data, n);
    }
#endif
    return ~by_table(~crc, data, n);
}
