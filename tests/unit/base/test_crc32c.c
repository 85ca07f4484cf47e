/* SPDX-License-Identifier: Apache-2.0
 * CRC-32C against known values, by the instruction and by table, cut anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "run_suite.h"

/* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
START_TEST(known_values)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    ck_assert_uint_eq(crc32c(zeros, 32), 0x8a9136aau);
    ck_assert_uint_eq(crc32c(ones, 32), 0x62a8ab43u);
    ck_assert_uint_eq(crc32c(up, 32), 0x46dd794eu);
    ck_assert_uint_eq(crc32c(down, 32), 0x113fdb5cu);
    ck_assert_uint_eq(crc32c("123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(crc32c("", 0), 0);
    ck_assert_uint_eq(crc32c_extend_by_table(0, "123456789", 9), 0xe3069283u);
}
END_TEST

/* One bit at a time, straight from the definition. */
static uint32_t by_bit(const uint8_t *p, size_t n)
{
    uint32_t c = ~0u;

    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) {
            c = (c >> 1) ^ ((c & 1) ? 0x82f63b78u : 0);
        }
    }
    return ~c;
}

static uint8_t *noise(size_t n)
{
    uint8_t *p = xmalloc(n);
    uint32_t x = 12345;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 24);
    }
    return p;
}

/* Lengths around the blocks of 256 and 4096 bytes, at odd addresses. */
START_TEST(all_lengths_agree)
{
    static const size_t lengths[] = {
        1,    7,    8,    9,     255,   767,   768,
        769,  1536, 4096, 12287, 12288, 12289, 12288 + 768 + 9,
        40000};
    uint8_t *p = noise(40016);

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t shift = 0; shift < 9; shift += 3) {
            uint32_t want = by_bit(p + shift, lengths[i]);
            ck_assert_msg(crc32c(p + shift, lengths[i]) == want,
                          "length %zu at +%zu: got %08x, want %08x", lengths[i],
                          shift, crc32c(p + shift, lengths[i]), want);
            ck_assert_uint_eq(crc32c_extend_by_table(0, p + shift, lengths[i]),
                              want);
        }
    }
    free(p);
}
END_TEST

START_TEST(extending_is_the_same_as_one_go)
{
    size_t n = 30000;
    uint8_t *p = noise(n);
    uint32_t whole = crc32c(p, n);

    for (size_t cut = 0; cut <= n; cut += 997) {
        ck_assert_uint_eq(crc32c_extend(crc32c(p, cut), p + cut, n - cut),
                          whole);
    }
    free(p);
}
END_TEST

START_TEST(mask_and_back)
{
    ck_assert_uint_eq(crc32c_mask(0), 0xa282ead8u);
    for (uint32_t c = 1; c < 1u << 31; c *= 3) {
        ck_assert_uint_eq(crc32c_unmask(crc32c_mask(c)), c);
        ck_assert_uint_ne(crc32c_mask(c), c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *tc = tcase_create("crc32c");

    tcase_add_test(tc, known_values);
    tcase_add_test(tc, all_lengths_agree);
    tcase_add_test(tc, extending_is_the_same_as_one_go);
    tcase_add_test(tc, mask_and_back);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
