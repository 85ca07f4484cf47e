/* SPDX-License-Identifier: Apache-2.0
 * TFRecord framing: TensorFlow's bytes, and what each kind of damage says. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem_fs.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

static void put(struct crew_env *env, const char *path, const struct strbuf *b)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, path, b->data, b->len, &err),
                     CREW_OK);
}

/* Records until the first error, which goes to err. */
static int count(struct crew_env *env, const char *path, struct crew_err *err)
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

START_TEST(frames_as_tensorflow_does)
{
    static const unsigned char want[] = {3,   0,    0,    0,    0,    0,   0,
                                         0,   0xb0, 0x99, 0x49, 0x0e, 'a', 'b',
                                         'c', 0x6e, 0x57, 0xf1, 0x21};
    struct strbuf b;

    strbuf_init(&b);
    tfrecord_frame(&b, "abc", 3);
    ck_assert_uint_eq(b.len, sizeof want);
    ck_assert_mem_eq(b.data, want, sizeof want);
    strbuf_release(&b);
}
END_TEST

/* Two records of 3 and 200 000 bytes (more than a piece). */
static void two(struct strbuf *b)
{
    static char large[200000];

    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (char)(i * 7);
    }
    strbuf_init(b);
    tfrecord_frame(b, "abc", 3);
    tfrecord_frame(b, large, sizeof large);
}

START_TEST(reads_what_it_frames)
{
    struct crew_env *env = env_mem_new(1);
    struct crew_err err = {0};
    struct strbuf b;

    two(&b);
    put(env, "/f", &b);
    ck_assert_int_eq(count(env, "/f", &err), 2);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    strbuf_release(&b);
    env_mem_free(env);
}
END_TEST

/* At every length of the file: a record is whole, or cut, or not begun. */
START_TEST(every_cut_has_its_text)
{
    struct crew_env *env = env_mem_new(1);
    struct strbuf b;

    strbuf_init(&b);
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
        put(env, "/f", &b);
        ck_assert_int_eq(count(env, "/f", &err), records);
        ck_assert_str_eq(err.msg, want);
    }
    strbuf_release(&b);
    env_mem_free(env);
}
END_TEST

START_TEST(every_flipped_bit_is_found)
{
    struct crew_env *env = env_mem_new(1);
    struct strbuf b;

    strbuf_init(&b);
    tfrecord_frame(&b, "abc", 3);
    for (size_t i = 0; i < 19 * 8; i++) {
        struct crew_err err = {0};
        bool head = i / 8 < 12;

        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
        put(env, "/f", &b);
        ck_assert_int_eq(count(env, "/f", &err), 0);
        ck_assert_int_eq(err.code, CREW_DATA_LOSS);
        ck_assert_int_eq(crew_err_exit_code(&err), 65);
        ck_assert_str_eq(err.msg, head
                                      ? "corrupted record at 0 (Is this even a "
                                        "TFRecord file?)"
                                      : "corrupted record at 12");
        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
    }
    strbuf_release(&b);
    env_mem_free(env);
}
END_TEST

/* A length that nobody wrote costs no memory: the reader sees the end. */
START_TEST(a_huge_length_is_no_huge_allocation)
{
    struct crew_env *env = env_mem_new(1);
    struct crew_err err = {0};
    uint8_t head[12];
    struct strbuf b;

    strbuf_init(&b);
    put_le64(head, (1ull << 31) - 1);
    put_le32(head + 8, crc32c_mask(crc32c(head, 8))); /* the CRC is right */
    strbuf_add(&b, head, sizeof head);
    strbuf_add(&b, "abc", 3);
    put(env, "/f", &b);
    ck_assert_int_eq(count(env, "/f", &err), 0);
    ck_assert_int_eq(err.code, CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(err.msg, "truncated record at 0'"));

    err = (struct crew_err){0};
    put_le64(head, UINT64_MAX - 7);
    put_le32(head + 8, crc32c_mask(crc32c(head, 8)));
    strbuf_reset(&b);
    strbuf_add(&b, head, sizeof head);
    put(env, "/f", &b);
    ck_assert_int_eq(count(env, "/f", &err), 0);
    ck_assert_int_eq(err.code, CREW_DATA_LOSS);
    strbuf_release(&b);
    env_mem_free(env);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tfrecord");
    TCase *tc = tcase_create("tfrecord");

    tcase_add_test(tc, frames_as_tensorflow_does);
    tcase_add_test(tc, reads_what_it_frames);
    tcase_add_test(tc, every_cut_has_its_text);
    tcase_add_test(tc, every_flipped_bit_is_found);
    tcase_add_test(tc, a_huge_length_is_no_huge_allocation);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
