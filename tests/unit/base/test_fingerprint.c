/* SPDX-License-Identifier: Apache-2.0
 * TensorFlow's hashes: vectors of its own tests and of the formats' study. */
#include <check.h>
#include <string.h>

#include "base/fingerprint.h"
#include "run_suite.h"

#include "base/banned.h"

static const struct {
    const char *text;
    uint64_t want;
} words[] = {
    {"", 11160318154034397263u},      {"a", 12917804110809363939u},
    {"b", 11795596070477164822u},     {"c", 11430444447143000872u},
    {"d", 4470636696479570465u},      {"hello", 13009744463427800296u},
    {"world", 16436542438370751598u},
};

START_TEST(words_have_tensorflows_fingerprints)
{
    ck_assert_uint_eq(fingerprint64(words[_i].text, strlen(words[_i].text)),
                      words[_i].want);
}
END_TEST

/* Bytes (7 i + 3) mod 256: a length on each side of every branch. */
static const struct {
    size_t n;
    uint64_t want;
} lengths[] = {
    {0, 0x9ae16a3b2f90404fu},   {1, 0xbec09cc447469d8bu},
    {3, 0x40b4412e33eefd64u},   {4, 0xf3c7ee05197a7b92u},
    {7, 0x4fef0b39c12aa9a4u},   {8, 0x0c97ecbc1e9d2626u},
    {16, 0x7eda0ed8c837a168u},  {17, 0xc9518fe63ebf6127u},
    {32, 0xa53f806f23a314e8u},  {33, 0xc24f9d7ce864f0e9u},
    {64, 0x0566266cb579eca2u},  {65, 0x77e0867714e6b0e4u},
    {127, 0xcaa19a12c8273b7eu}, {128, 0x666823960b3ac271u},
    {200, 0x6d7105b27cbe2fd7u},
};

START_TEST(every_length_takes_its_branch)
{
    uint8_t bytes[200];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(7 * i + 3);
    }
    ck_assert_uint_eq(fingerprint64(bytes, lengths[_i].n), lengths[_i].want);
}
END_TEST

START_TEST(siphash_with_a_key)
{
    static const uint64_t key[2] = {98765, 132};

    ck_assert_uint_eq(strong_hash64(key, "a", 1), 7157389809176466784u);
    ck_assert_uint_eq(strong_hash64(key, "b", 1), 15805638358933211562u);
    ck_assert_uint_eq(strong_hash64(key, "c", 1), 18100027895074076528u);
}
END_TEST

START_TEST(crosses_fold_fingerprints)
{
    static const char *const row[] = {"batch1-FC1-F1", "batch1-FC2-F1",
                                      "batch1-FC3-F1"};
    uint64_t h = CROSS_HASH_KEY;

    for (int i = 0; i < 3; i++) {
        h = fingerprint_cat64(h, fingerprint64(row[i], strlen(row[i])));
    }
    ck_assert_uint_eq(h % INT64_MAX, 1971693436396284976u);
    ck_assert_uint_eq(h % 100, 83);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fingerprint");
    TCase *tc = tcase_create("fingerprint");

    tcase_add_loop_test(tc, words_have_tensorflows_fingerprints, 0,
                        (int)(sizeof words / sizeof words[0]));
    tcase_add_loop_test(tc, every_length_takes_its_branch, 0,
                        (int)(sizeof lengths / sizeof lengths[0]));
    tcase_add_test(tc, siphash_with_a_key);
    tcase_add_test(tc, crosses_fold_fingerprints);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
