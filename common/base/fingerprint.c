/* SPDX-License-Identifier: Apache-2.0
 * FarmHash's 64-bit "na" hash, SipHash-2-4 and the older hash of TensorFlow.
 * Sources: google/farmhash src/farmhash.cc; Aumasson and Bernstein, SipHash;
 * tsl/platform/{fingerprint.h,hash.cc}. */
#include "base/fingerprint.h"

#include "base/bytes.h"

#include "base/banned.h"

/* ----------------------------------------------------------- FarmHash (na) */

#define K0 0xc3a5c85c97cb3127u
#define K1 0xb492b66fbe98f273u
#define K2 0x9ae16a3b2f90404fu

struct pair {
    uint64_t first, second;
};

static uint64_t rotate_right(uint64_t v, unsigned by)
{
    return v >> by | v << (64 - by);
}

static uint64_t rotate_left(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static uint64_t shift_mix(uint64_t v)
{
    return v ^ v >> 47;
}

static uint64_t hash_len_16(uint64_t u, uint64_t v, uint64_t mul)
{
    uint64_t a = shift_mix((u ^ v) * mul);

    return shift_mix((v ^ a) * mul) * mul;
}

static uint64_t hash_0_to_16(const uint8_t *s, size_t n)
{
    uint64_t mul = K2 + 2 * (uint64_t)n;

    if (n >= 8) {
        uint64_t a = get_le64(s) + K2, b = get_le64(s + n - 8);

        return hash_len_16(rotate_right(b, 37) * mul + a,
                           (rotate_right(a, 25) + b) * mul, mul);
    }
    if (n >= 4) {
        return hash_len_16(n + ((uint64_t)get_le32(s) << 3),
                           get_le32(s + n - 4), mul);
    }
    if (n > 0) {
        uint32_t y = (uint32_t)s[0] + ((uint32_t)s[n >> 1] << 8);
        uint32_t z = (uint32_t)n + ((uint32_t)s[n - 1] << 2);

        return shift_mix(y * K2 ^ z * K0) * K2;
    }
    return K2;
}

static uint64_t hash_17_to_32(const uint8_t *s, size_t n)
{
    uint64_t mul = K2 + 2 * (uint64_t)n;
    uint64_t a = get_le64(s) * K1, b = get_le64(s + 8);
    uint64_t c = get_le64(s + n - 8) * mul, d = get_le64(s + n - 16) * K2;

    return hash_len_16(rotate_right(a + b, 43) + rotate_right(c, 30) + d,
                       a + rotate_right(b + K2, 18) + c, mul);
}

static uint64_t hash_33_to_64(const uint8_t *s, size_t n)
{
    uint64_t mul = K2 + 2 * (uint64_t)n;
    uint64_t a = get_le64(s) * K2, b = get_le64(s + 8);
    uint64_t c = get_le64(s + n - 8) * mul, d = get_le64(s + n - 16) * K2;
    uint64_t y = rotate_right(a + b, 43) + rotate_right(c, 30) + d;
    uint64_t z = hash_len_16(y, a + rotate_right(b + K2, 18) + c, mul);
    uint64_t e = get_le64(s + 16) * mul, f = get_le64(s + 24);
    uint64_t g = (y + get_le64(s + n - 32)) * mul;
    uint64_t h = (z + get_le64(s + n - 24)) * mul;

    return hash_len_16(rotate_right(e + f, 43) + rotate_right(g, 30) + h,
                       e + rotate_right(f + a, 18) + g, mul);
}

/* 32 bytes of s and two seeds into two words. */
static struct pair weak_hash(const uint8_t *s, uint64_t a, uint64_t b)
{
    uint64_t x = get_le64(s + 8), y = get_le64(s + 16), z = get_le64(s + 24);
    uint64_t c;

    a += get_le64(s);
    b = rotate_right(b + a + z, 21);
    c = a;
    a += x + y;
    b += rotate_right(a, 44);
    return (struct pair){a + z, b + c};
}

/* The 56 bytes of state that 64 bytes of input at a time are folded into. */
struct state {
    uint64_t x, y, z;
    struct pair v, w;
};

static void fold(struct state *h,
                 const uint8_t *s,
                 uint64_t mul,
                 uint64_t times)
{
    uint64_t swapped;

    h->x = rotate_right(h->x + h->y + h->v.first + get_le64(s + 8), 37) * mul;
    h->y = rotate_right(h->y + h->v.second + get_le64(s + 48), 42) * mul;
    h->x ^= h->w.second * times;
    h->y += h->v.first * times + get_le64(s + 40);
    h->z = rotate_right(h->z + h->w.first, 33) * mul;
    h->v = weak_hash(s, h->v.second * mul, h->x + h->w.first);
    h->w = weak_hash(s + 32, h->z + h->w.second, h->y + get_le64(s + 16));
    swapped = h->x;
    h->x = h->z;
    h->z = swapped;
}

static uint64_t hash_long(const uint8_t *s, size_t n)
{
    const uint64_t seed = 81;
    struct state h = {.x = seed, .y = seed * K1 + 113};
    const uint8_t *last = s + n - 64;
    uint64_t mul;

    h.z = shift_mix(h.y * K2 + 113) * K2;
    h.x = h.x * K2 + get_le64(s);
    for (size_t i = 0; i < (n - 1) / 64; i++, s += 64) {
        fold(&h, s, K1, 1);
    }
    mul = K1 + ((h.z & 0xff) << 1);
    h.w.first += (n - 1) & 63;
    h.v.first += h.w.first;
    h.w.first += h.v.first;
    fold(&h, last, mul, 9);
    return hash_len_16(
        hash_len_16(h.v.first, h.w.first, mul) + shift_mix(h.y) * K0 + h.z,
        hash_len_16(h.v.second, h.w.second, mul) + h.x, mul);
}

uint64_t fingerprint64(const void *data, size_t n)
{
    if (n <= 16) {
        return hash_0_to_16(data, n);
    }
    if (n <= 32) {
        return hash_17_to_32(data, n);
    }
    return n <= 64 ? hash_33_to_64(data, n) : hash_long(data, n);
}

uint64_t fingerprint_cat64(uint64_t a, uint64_t b)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    uint64_t result = a ^ mul;

    result ^= shift_mix(b * mul) * mul;
    result *= mul;
    return shift_mix(shift_mix(result) * mul);
}

int64_t hash_bucket_fast(const void *data, size_t n, int64_t num_buckets)
{
    return (int64_t)(fingerprint64(data, n) % (uint64_t)num_buckets);
}

/* ------------------------------------------------------------- SipHash-2-4 */

static void sip_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[1] = rotate_left(v[1], 13) ^ v[0];
        v[0] = rotate_left(v[0], 32);
        v[2] += v[3];
        v[3] = rotate_left(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate_left(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate_left(v[1], 17) ^ v[2];
        v[2] = rotate_left(v[2], 32);
    }
}

/* The last n < 8 bytes, little-endian. */
static uint64_t tail(const uint8_t *s, size_t n)
{
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)s[i] << (8 * i);
    }
    return word;
}

uint64_t strong_hash64(const uint64_t key[2], const void *data, size_t n)
{
    const uint8_t *s = data;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    uint64_t word;

    for (size_t i = 0; i < n / 8; i++) {
        word = get_le64(s + 8 * i);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    word = tail(s + n / 8 * 8, n % 8) | (uint64_t)n << 56;
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---------------------------------------------------------- the older hash */

uint64_t legacy_hash64(const void *data, size_t n)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    const uint8_t *s = data;
    uint64_t h = CROSS_HASH_KEY ^ (uint64_t)n * mul;

    for (size_t i = 0; i < n / 8; i++) {
        uint64_t k = shift_mix(get_le64(s + 8 * i) * mul) * mul;

        h = (h ^ k) * mul;
    }
    if (n % 8 != 0) {
        h = (h ^ tail(s + n / 8 * 8, n % 8)) * mul;
    }
    return shift_mix(shift_mix(h) * mul);
}
