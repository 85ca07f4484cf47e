/* SPDX-License-Identifier: Apache-2.0
 * The small things: errors, memory, random numbers, strings, failed checks. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "run_suite.h"

START_TEST(the_first_error_is_kept)
{
    struct crew_err err = {0};

    ck_assert_int_eq(crew_err_set(&err, CREW_NOT_FOUND, "no %s", "file"),
                     CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_set(&err, CREW_INTERNAL, "later"),
                     CREW_NOT_FOUND);
    ck_assert_str_eq(err.msg, "no file");
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    ck_assert_int_eq(crew_err_wrap(&err, "read %d", 3), CREW_NOT_FOUND);
    ck_assert_str_eq(err.msg, "read 3: no file");
}
END_TEST

START_TEST(codes_have_names_and_exit_codes)
{
    struct crew_err err = {0};

    ck_assert_str_eq(crew_code_name(CREW_INVALID_ARGUMENT), "INVALID_ARGUMENT");
    ck_assert_str_eq(crew_code_name(99), "UNKNOWN");
    (void)crew_err_exit(&err, CREW_INVALID_ARGUMENT, 78, "bad");
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
    err = (struct crew_err){.code = CREW_INVALID_ARGUMENT};
    ck_assert_int_eq(crew_err_exit_code(&err), 64);
    err.code = CREW_UNAVAILABLE;
    ck_assert_int_eq(crew_err_exit_code(&err), 138);
}
END_TEST

/* The largest message ends with a NUL and keeps both halves readable. */
START_TEST(long_messages_are_cut)
{
    struct crew_err err = {0};
    char text[3000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)crew_err_set(&err, CREW_INTERNAL, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
    (void)crew_err_wrap(&err, "%s", text);
    ck_assert_uint_lt(strlen(err.msg), sizeof err.msg);
}
END_TEST

/* Whatever is quoted. */
START_TEST(messages_are_one_line)
{
    struct crew_err err = {0};

    (void)crew_err_set(&err, CREW_INTERNAL, "no key '%s'", "a\nb\x7f\tc");
    ck_assert_str_eq(err.msg, "no key 'a?b??c'");
    (void)crew_err_wrap(&err, "%s", "x\r\ny");
    ck_assert_str_eq(err.msg, "x??y: no key 'a?b??c'");
}
END_TEST

START_TEST(mem_try_refuses_what_overflows)
{
    struct crew_err err = {0};
    void *p = &err;

    ck_assert_int_eq(mem_try(SIZE_MAX / 2, 4, "rows", &p, &err),
                     CREW_RESOURCE_EXHAUSTED);
    ck_assert_ptr_eq(p, &err);
    ck_assert_ptr_nonnull(strstr(err.msg, "rows"));
}
END_TEST

START_TEST(mem_try_is_zeroed_and_aligned)
{
    struct crew_err err = {0};
    void *p = NULL;

    ck_assert_int_eq(mem_try(3, 5, "x", &p, &err), CREW_OK);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    for (int i = 0; i < 15; i++) {
        ck_assert_int_eq(((char *)p)[i], 0);
    }
    free(p);
    ck_assert_int_eq(mem_try(0, 5, "x", &p, &err), CREW_OK);
    free(p);
}
END_TEST

START_TEST(the_nth_mem_try_fails)
{
    struct crew_err err = {0};
    void *p = NULL;

    mem_fail_at(2, false);
    ck_assert_int_eq(mem_try(1, 1, "x", &p, &err), CREW_OK);
    free(p);
    ck_assert(!mem_fail_fired());
    ck_assert_int_eq(mem_try(1, 1, "x", &p, &err), CREW_RESOURCE_EXHAUSTED);
    ck_assert(mem_fail_fired());
    err = (struct crew_err){0};
    ck_assert_int_eq(mem_try(1, 1, "x", &p, &err), CREW_OK);
    free(p);
    mem_fail_at(1, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mem_try(1, 1, "x", &p, &err), CREW_RESOURCE_EXHAUSTED);
    }
    mem_fail_at(0, false);
}
END_TEST

START_TEST(bytes_are_little_endian)
{
    uint8_t b[8];

    put_le64(b, 0x0102030405060708u);
    ck_assert_int_eq(b[0], 8);
    ck_assert_int_eq(b[7], 1);
    ck_assert(get_le64(b) == 0x0102030405060708u);
    ck_assert_uint_eq(get_le32(b + 1), 0x04050607u);
    ck_assert_uint_eq(get_le16(b), 0x0708u);
}
END_TEST

/* The known answers of the paper's authors (Random123, kat_vectors). */
START_TEST(philox_known_answers)
{
    static const struct {
        uint64_t seed, stream, index;
        uint32_t want[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX,
         UINT64_MAX,
         UINT64_MAX,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822u,
         0x0370734413198a2eu,
         0x85a308d3243f6a88u,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint32_t got[4];
        philox4x32(known[i].seed, known[i].stream, known[i].index, got);
        for (int k = 0; k < 4; k++) {
            ck_assert_msg(got[k] == known[i].want[k],
                          "%zu[%d]: got %08x, want %08x", i, k, got[k],
                          known[i].want[k]);
        }
    }
}
END_TEST

/* The sequence of the algorithm's author for seed 1234567. */
START_TEST(splitmix_known_answers)
{
    struct rng rng = {1234567};

    ck_assert(rng_next(&rng) == 6457827717110365317u);
    ck_assert(rng_next(&rng) == 3203168211198807973u);
    ck_assert(rng_next(&rng) == 9817491932198370423u);
}
END_TEST

START_TEST(below_is_below_and_even)
{
    struct rng rng = {1};
    int count[7] = {0};

    for (int i = 0; i < 70000; i++) {
        uint64_t x = rng_below(&rng, 7);
        ck_assert(x < 7);
        count[x]++;
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_msg(count[i] > 9600 && count[i] < 10400, "%d: %d", i,
                      count[i]);
    }
    for (int i = 0; i < 100; i++) {
        ck_assert(rng_below(&rng, 1) == 0);
        ck_assert(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    }
    ck_assert(rng_unit_float(UINT32_MAX) < 1.0f);
}
END_TEST

START_TEST(strbuf_quotes_for_json)
{
    struct strbuf b;

    strbuf_init(&b);
    strbuf_add_json(&b, "a\"b\\\n\0\xc3\xa9", 8);
    ck_assert_str_eq(b.data, "\"a\\\"b\\\\\\u000a\\u0000\xc3\xa9\"");
    strbuf_release(&b);
}
END_TEST

START_TEST(strbuf_grows)
{
    struct strbuf b;
    char *text;

    strbuf_init(&b);
    ck_assert_str_eq(b.data, "");
    for (int i = 0; i < 1000; i++) {
        strbuf_addf(&b, "%d,", i);
    }
    ck_assert_uint_eq(b.len, 3890);
    ck_assert_uint_eq(strlen(b.data), b.len);
    strbuf_reset(&b);
    strbuf_add(&b, "a\0b", 3);
    strbuf_addstr(&b, "c");
    ck_assert_uint_eq(b.len, 4);
    ck_assert_mem_eq(b.data, "a\0bc", 5);
    text = strbuf_detach(&b);
    ck_assert_mem_eq(text, "a\0bc", 5);
    ck_assert_ptr_null(b.data);
    free(text);
    strbuf_release(&b); /* does no harm */
}
END_TEST

START_TEST(a_failed_check_aborts)
{
    INVARIANT(1 + 1 == 2);
    PRE(1 > 2);
}
END_TEST

struct thing {
    uint32_t magic;
};

START_TEST(a_dead_pointer_aborts)
{
    struct thing t = {0x1234};

    ck_assert_ptr_eq(CREW_CAST(struct thing, 0x1234u, &t), &t);
    t.magic = 0;
    (void)CREW_CAST(struct thing, 0x1234u, &t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");

    tcase_add_test(tc, the_first_error_is_kept);
    tcase_add_test(tc, codes_have_names_and_exit_codes);
    tcase_add_test(tc, long_messages_are_cut);
    tcase_add_test(tc, messages_are_one_line);
    tcase_add_test(tc, mem_try_refuses_what_overflows);
    tcase_add_test(tc, mem_try_is_zeroed_and_aligned);
    tcase_add_test(tc, the_nth_mem_try_fails);
    tcase_add_test(tc, bytes_are_little_endian);
    tcase_add_test(tc, philox_known_answers);
    tcase_add_test(tc, splitmix_known_answers);
    tcase_add_test(tc, below_is_below_and_even);
    tcase_add_test(tc, strbuf_grows);
    tcase_add_test(tc, strbuf_quotes_for_json);
    tcase_add_test_raise_signal(tc, a_failed_check_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, a_dead_pointer_aborts, SIGABRT);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
