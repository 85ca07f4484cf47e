/* SPDX-License-Identifier: Apache-2.0
 * TFRecord framing: TensorFlow's bytes, what each kind of damage says, what is
 * skipped, and files that are being written. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;
static struct strbuf b;

static void setup(void)
{
    env = env_mem_new(1);
    strbuf_init(&b);
}

static void teardown(void)
{
    strbuf_release(&b);
    env_mem_free(env);
}

static void put(const char *path)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, path, b.data, b.len, &err), CREW_OK);
}

/* Records of an open file until the first error, which goes to err. */
static int count(const char *path, struct crew_err *err)
{
    struct crew_err ignored = {0};
    struct tfrecord_reader r;
    struct env_file *file = NULL;
    int n = 0;

    ck_assert_int_eq(env->fs->open(env->fs, path, &file, &ignored), CREW_OK);
    tfrecord_reader_init(&r, env->fs, file);
    while (tfrecord_next(&r, err) == CREW_OK) {
        n++;
    }
    tfrecord_reader_release(&r);
    ck_assert_int_eq(env->fs->close(file, &ignored), CREW_OK);
    return n;
}

/* The same by path, with the number of bad records. */
static int count_skipping(const char *path,
                          int64_t max_bad,
                          int64_t *bad,
                          struct crew_err *err)
{
    struct tfrecord_options options = {.max_bad_records = max_bad};
    struct tfrecord_reader r;
    int n = 0;

    ck_assert_int_eq(tfrecord_reader_open(&r, env, path, &options, err),
                     CREW_OK);
    while (tfrecord_next(&r, err) == CREW_OK) {
        n++;
    }
    *bad = r.bad_records;
    tfrecord_reader_release(&r);
    return n;
}

START_TEST(frames_as_tensorflow_does)
{
    static const unsigned char want[] = {3,   0,    0,    0,    0,    0,   0,
                                         0,   0xb0, 0x99, 0x49, 0x0e, 'a', 'b',
                                         'c', 0x6e, 0x57, 0xf1, 0x21};

    tfrecord_frame(&b, "abc", 3);
    ck_assert_uint_eq(b.len, sizeof want);
    ck_assert_mem_eq(b.data, want, sizeof want);
}
END_TEST

/* Of all sizes, around that of the window too. */
START_TEST(reads_what_it_frames)
{
    static const size_t sizes[] = {3,      200000, 0,      262144 - 16, 262144,
                                   262145, 7,      700000, 1,           262132};
    static char large[700000];
    struct crew_err err = {0};
    struct tfrecord_reader r;
    uint64_t offset = 0;

    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (char)(i * 7 + i / 256);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tfrecord_frame(&b, large + i, sizes[i] - (sizes[i] > 50 ? i : 0));
    }
    put("/f");
    ck_assert_int_eq(tfrecord_reader_open(&r, env, "/f", NULL, &err), CREW_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ck_assert_uint_eq(r.offset, offset);
        ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OK);
        ck_assert_uint_eq(r.record.len, sizes[i] - (sizes[i] > 50 ? i : 0));
        if (r.record.len > 0) {
            ck_assert_mem_eq(r.record.data, large + i, r.record.len);
        }
        offset += 16 + r.record.len;
    }
    ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OUT_OF_RANGE);
    ck_assert_int_eq(tfrecord_compression(&r), TFRECORD_NONE);
    tfrecord_reader_release(&r);
}
END_TEST

/* At every length of the file: a record is whole, or cut, or not begun. */
START_TEST(every_cut_has_its_text)
{
    tfrecord_frame(&b, "abc", 3);
    tfrecord_frame(&b, "defg", 4);
    for (size_t n = 0; n <= 39; n++) {
        struct crew_err err = {0};
        char want[80] = "eof";
        int records = n < 19 ? 0 : n < 39 ? 1 : 2;
        size_t from = n < 19 ? 0 : n < 39 ? 19 : 39;

        if (n >= from + 12) {
            (void)snprintf(want, sizeof want,
                           "truncated record at %zu' failed with Read less "
                           "bytes than requested",
                           from);
        }
        b.len = n;
        put("/f");
        ck_assert_int_eq(count("/f", &err), records);
        ck_assert_str_eq(err.msg, want);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_found)
{
    tfrecord_frame(&b, "abc", 3);
    for (size_t i = 0; i < 19 * 8; i++) {
        struct crew_err err = {0};
        bool head = i / 8 < 12;

        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
        put("/f");
        ck_assert_int_eq(count("/f", &err), 0);
        ck_assert_int_eq(err.code, CREW_DATA_LOSS);
        ck_assert_int_eq(crew_err_exit_code(&err), 65);
        ck_assert_str_eq(err.msg, head
                                      ? "corrupted record at 0 (Is this even a "
                                        "TFRecord file?)"
                                      : "corrupted record at 12");
        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
    }
}
END_TEST

static void begin_record(uint64_t length)
{
    uint8_t head[12];

    put_le64(head, length);
    put_le32(head + 8, crc32c_mask(crc32c(head, 8))); /* the CRC is right */
    strbuf_add(&b, head, sizeof head);
}

/* A length that nobody wrote costs no memory: the reader sees the end. Memory
 * beyond the first window is refused here. */
START_TEST(a_huge_length_is_no_huge_allocation)
{
    struct crew_err err = {0};

    begin_record((1ull << 31) - 1);
    strbuf_add(&b, "abc", 3);
    put("/f");
    mem_fail_at(2, true);
    ck_assert_int_eq(count("/f", &err), 0);
    ck_assert(!mem_fail_fired());
    mem_fail_at(0, false);
    ck_assert_int_eq(err.code, CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(err.msg, "truncated record at 0'"));

    err = (struct crew_err){0};
    strbuf_reset(&b);
    begin_record(UINT64_MAX - 7);
    put("/f");
    ck_assert_int_eq(count("/f", &err), 0);
    ck_assert_int_eq(err.code, CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(err.msg, "corrupted record at 0"));
    ck_assert_ptr_nonnull(strstr(err.msg, "18446744073709551608"));
}
END_TEST

START_TEST(a_limit_of_the_user_holds)
{
    struct tfrecord_options options = {.max_record = 3};
    struct crew_err err = {0};
    struct tfrecord_reader r;

    tfrecord_frame(&b, "abc", 3);
    tfrecord_frame(&b, "abcd", 4);
    put("/f");
    ck_assert_int_eq(tfrecord_reader_open(&r, env, "/f", &options, &err),
                     CREW_OK);
    ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OK);
    ck_assert_int_eq(tfrecord_next(&r, &err), CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg,
                     "/f: corrupted record at 19: a length of 4 bytes; at most "
                     "3 are read");
    tfrecord_reader_release(&r);
}
END_TEST

/* No memory, at each place that wants some. */
START_TEST(no_memory_is_an_error)
{
    static const char large[600000];
    struct crew_err err = {0};

    tfrecord_frame(&b, large, sizeof large);
    put("/f");
    for (int i = 1; i <= 3; i++) {
        err = (struct crew_err){0};
        mem_fail_at(i, false);
        ck_assert_int_eq(count("/f", &err), 0);
        ck_assert(mem_fail_fired());
        ck_assert_int_eq(err.code, CREW_RESOURCE_EXHAUSTED);
    }
    mem_fail_at(0, false);
    err = (struct crew_err){0};
    ck_assert_int_eq(count("/f", &err), 1);
}
END_TEST

/* One allocation, the window, for any number of records that fit in it. */
START_TEST(records_allocate_nothing)
{
    static const char bytes[1000];
    struct crew_err err = {0};

    for (size_t i = 0; i < 2000; i++) {
        tfrecord_frame(&b, bytes, i / 2);
    }
    put("/f");
    mem_fail_at(2, true);
    ck_assert_int_eq(count("/f", &err), 2000);
    ck_assert(!mem_fail_fired());
    mem_fail_at(0, false);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
}
END_TEST

START_TEST(an_unreadable_file_is_an_error)
{
    struct crew_err err = {0};
    struct tfrecord_reader r;

    ck_assert_int_eq(tfrecord_reader_open(&r, env, "/none", NULL, &err),
                     CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    tfrecord_reader_release(&r);

    tfrecord_frame(&b, "abc", 3);
    put("/f");
    for (int i = 2; i <= 3; i++) { /* sniffing; reading */
        err = (struct crew_err){0};
        env_mem_fail_at(env, i, CREW_UNAVAILABLE, false);
        if (tfrecord_reader_open(&r, env, "/f", NULL, &err) == CREW_OK) {
            ck_assert_int_eq(tfrecord_next(&r, &err), CREW_UNAVAILABLE);
        }
        ck_assert_int_eq(err.code, CREW_UNAVAILABLE);
        tfrecord_reader_release(&r);
    }
}
END_TEST

/* ----------------------------------------------------- bad records skipped */

/* Four records of 3 bytes, 19 apart; `bad` is a set of those whose payload is
 * spoiled. */
static void four(unsigned bad)
{
    strbuf_reset(&b);
    for (size_t i = 0; i < 4; i++) {
        tfrecord_frame(&b, "abc", 3);
        if ((bad >> i & 1) != 0) {
            b.data[19 * i + 13] = 'B';
        }
    }
    put("/f");
}

START_TEST(bad_payloads_are_skipped_up_to_a_number)
{
    for (unsigned set = 0; set < 16; set++) {
        int num = __builtin_popcount(set);

        four(set);
        for (int most = 0; most <= 4; most++) {
            struct crew_err err = {0};
            int64_t bad = -1;
            int n = count_skipping("/f", most, &bad, &err);

            if (num <= most) {
                ck_assert_int_eq(n, 4 - num);
                ck_assert_int_eq(bad, num);
                ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
            } else {
                ck_assert_int_eq(bad, most);
                ck_assert_int_eq(err.code, CREW_DATA_LOSS);
            }
        }
    }
}
END_TEST

START_TEST(the_one_too_many_is_named)
{
    struct crew_err err = {0};
    int64_t bad = 0;

    four(0xa);
    ck_assert_int_eq(count_skipping("/f", 1, &bad, &err), 2);
    ck_assert_str_eq(err.msg,
                     "/f: corrupted record at 69; 1 bad records were "
                     "skipped before it");
    err = (struct crew_err){0};
    ck_assert_int_eq(count_skipping("/f", 0, &bad, &err), 1);
    ck_assert_str_eq(err.msg, "/f: corrupted record at 31");
}
END_TEST

START_TEST(a_bad_length_cannot_be_skipped)
{
    struct crew_err err = {0};
    int64_t bad = 0;

    four(1);
    b.data[19] ^= 1;
    put("/f");
    ck_assert_int_eq(count_skipping("/f", 10, &bad, &err), 0);
    ck_assert_int_eq(bad, 1);
    ck_assert_int_eq(err.code, CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg,
                     "/f: corrupted record at 19; it cannot be skipped: its "
                     "length is damaged, so where the next record begins is "
                     "unknown");
}
END_TEST

/* ------------------------------------------------------------------ a tail */

/* A file that grows a byte at a time: at every moment the reader has the whole
 * records, and a cut one does no harm. */
START_TEST(a_file_that_is_written_can_be_followed)
{
    struct crew_err err = {0};
    struct env_file *out = NULL, *in = NULL;
    struct tfrecord_reader r;
    int n = 0;

    for (int i = 0; i < 5; i++) {
        tfrecord_frame(&b, "0123456789", (size_t)(2 * i));
    }
    ck_assert_int_eq(env->fs->create(env->fs, "/t", true, &out, &err), CREW_OK);
    ck_assert_int_eq(env->fs->open(env->fs, "/t", &in, &err), CREW_OK);
    tfrecord_reader_init(&r, env->fs, in);
    for (size_t i = 0; i < b.len; i++) {
        struct crew_err now = {0};

        ck_assert_int_eq(env->fs->write(out, b.data + i, 1, &err), CREW_OK);
        while (tfrecord_next(&r, &now) == CREW_OK) {
            ck_assert_uint_eq(r.record.len, (size_t)(2 * n));
            ck_assert_mem_eq(r.record.data, "0123456789", r.record.len);
            n++;
        }
        ck_assert(now.code == CREW_OUT_OF_RANGE ||
                  strstr(now.msg, "truncated record at ") != NULL);
        ck_assert_uint_eq(r.offset, (uint64_t)(16 * n + n * (n - 1)));
    }
    ck_assert_int_eq(n, 5);
    tfrecord_reader_release(&r);
    ck_assert_int_eq(env->fs->close(in, &err), CREW_OK);
    ck_assert_int_eq(env->fs->close(out, &err), CREW_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tfrecord");
    TCase *tc = tcase_create("tfrecord");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, frames_as_tensorflow_does);
    tcase_add_test(tc, reads_what_it_frames);
    tcase_add_test(tc, every_cut_has_its_text);
    tcase_add_test(tc, every_flipped_bit_is_found);
    tcase_add_test(tc, a_huge_length_is_no_huge_allocation);
    tcase_add_test(tc, a_limit_of_the_user_holds);
    tcase_add_test(tc, no_memory_is_an_error);
    tcase_add_test(tc, records_allocate_nothing);
    tcase_add_test(tc, an_unreadable_file_is_an_error);
    tcase_add_test(tc, bad_payloads_are_skipped_up_to_a_number);
    tcase_add_test(tc, the_one_too_many_is_named);
    tcase_add_test(tc, a_bad_length_cannot_be_skipped);
    tcase_add_test(tc, a_file_that_is_written_can_be_followed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
