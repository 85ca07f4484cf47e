/* SPDX-License-Identifier: Apache-2.0
 * TFRecord files written, plain and compressed, and compressed ones read. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/rng.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;
static const enum tfrecord_compression kinds[] = {TFRECORD_NONE, TFRECORD_GZIP,
                                                  TFRECORD_ZLIB};

static void setup(void)
{
    env = env_mem_new(1);
}

static void teardown(void)
{
    env_mem_free(env);
}

/* Record i of every file here: half noise, which deflate cannot shrink. */
enum { RECORDS = 300, LARGEST = 400000 };

static size_t record(int i, char *to)
{
    struct rng rng = {(uint64_t)i};
    size_t n = i == 100 ? LARGEST : rng_below(&rng, 3000);

    for (size_t k = 0; k < n; k++) {
        to[k] = (char)(k % 2 == 0 ? rng_next(&rng) : 'x');
    }
    return n;
}

static void write_all(const char *path, enum tfrecord_compression c, int level)
{
    struct tfrecord_writer_options o = {.compression = c, .level = level};
    struct tfrecord_writer *w = NULL;
    struct crew_err err = {0};
    char *bytes = xmalloc(LARGEST);

    ck_assert_int_eq(tfrecord_writer_open(env, path, &o, &w, &err), CREW_OK);
    for (int i = 0; i < RECORDS; i++) {
        ck_assert_int_eq(tfrecord_writer_add(w, bytes, record(i, bytes), &err),
                         CREW_OK);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), CREW_OK);
    free(bytes);
}

/* How many of the records above, again and again, until err. */
static int read_all(const char *path,
                    enum tfrecord_compression c,
                    bool *unfinished,
                    struct crew_err *err)
{
    struct tfrecord_options o = {.compression = c};
    char *bytes = xmalloc(LARGEST);
    struct tfrecord_reader r;
    int n = 0;

    if (tfrecord_reader_open(&r, env, path, &o, err) == CREW_OK) {
        while (tfrecord_next(&r, err) == CREW_OK) {
            ck_assert_uint_eq(r.record.len, record(n % RECORDS, bytes));
            ck_assert(memcmp(r.record.data, bytes, r.record.len) == 0);
            n++;
        }
    }
    *unfinished = tfrecord_unfinished(&r);
    tfrecord_reader_release(&r);
    free(bytes);
    return n;
}

static uint64_t size_of(const char *path)
{
    struct crew_err err = {0};
    struct env_stat st;

    ck_assert_int_eq(env->fs->stat(env->fs, path, &st, &err), CREW_OK);
    return st.size;
}

START_TEST(what_is_written_is_read_back)
{
    enum tfrecord_compression c = kinds[_i / 3];
    int level = (int[]){0, 1, 9}[_i % 3];
    struct crew_err err = {0}, sniffed = {0};
    bool unfinished = true;

    write_all("/f", c, level);
    ck_assert_int_eq(read_all("/f", c, &unfinished, &err), RECORDS);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    ck_assert(!unfinished);
    ck_assert_int_eq(read_all("/f", TFRECORD_AUTO, &unfinished, &sniffed),
                     RECORDS);
    write_all("/plain", TFRECORD_NONE, 0);
    ck_assert_int_eq(c != TFRECORD_NONE,
                     size_of("/f") < size_of("/plain") * 4 / 5);
}
END_TEST

/* Two files joined: both are read; TensorFlow stops after the first of zlib's.
 */
START_TEST(joined_files_are_read)
{
    struct crew_err err = {0};
    struct strbuf twice;
    char *text = NULL;
    bool unfinished;
    size_t n = 0;

    write_all("/f", kinds[_i], 0);
    ck_assert_int_eq(fs_read_file(env, "/f", 1u << 30, &text, &n, &err),
                     CREW_OK);
    strbuf_init(&twice);
    strbuf_add(&twice, text, n);
    strbuf_add(&twice, text, n);
    ck_assert_int_eq(fs_replace_file(env, "/ff", twice.data, twice.len, &err),
                     CREW_OK);
    ck_assert_int_eq(read_all("/ff", kinds[_i], &unfinished, &err),
                     2 * RECORDS);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    strbuf_release(&twice);
    free(text);
}
END_TEST

/* A compressed file cut at any place has whole records, then TensorFlow's text
 * or its silent end, which tfrecord_unfinished() tells of. */
START_TEST(a_cut_file_is_told)
{
    struct crew_err err = {0};
    char *text = NULL;
    size_t n = 0;

    write_all("/f", kinds[_i], 0);
    ck_assert_int_eq(fs_read_file(env, "/f", 1u << 30, &text, &n, &err),
                     CREW_OK);
    for (size_t k = 0; k < n; k += 1 + n / 50) {
        struct crew_err cut = {0};
        bool unfinished = false;

        ck_assert_int_eq(fs_replace_file(env, "/c", text, k, &err), CREW_OK);
        ck_assert_int_lt(read_all("/c", kinds[_i], &unfinished, &cut), RECORDS);
        ck_assert(unfinished == (k > 0));
        ck_assert(cut.code == CREW_OUT_OF_RANGE ||
                  strstr(cut.msg, "' failed with EOF reached") != NULL);
    }
    for (size_t k = 1; k < 8; k++) { /* all but the end of the stream */
        struct crew_err cut = {0};
        bool unfinished = false;
        size_t keep = n - (k + 1) / (kinds[_i] == TFRECORD_ZLIB ? 2 : 1);

        ck_assert_int_eq(fs_replace_file(env, "/c", text, keep, &err), CREW_OK);
        ck_assert_int_eq(read_all("/c", kinds[_i], &unfinished, &cut), RECORDS);
        ck_assert_int_eq(cut.code, CREW_OUT_OF_RANGE);
        ck_assert(unfinished);
    }
    free(text);
}
END_TEST

static void put_and_read(const void *data,
                         size_t n,
                         enum tfrecord_compression c,
                         const char *want)
{
    struct crew_err err = {0};
    bool unfinished;

    ck_assert_int_eq(fs_replace_file(env, "/p", data, n, &err), CREW_OK);
    ck_assert_int_eq(read_all("/p", c, &unfinished, &err), 0);
    ck_assert_str_eq(err.msg, want);
}

START_TEST(what_is_not_compressed_is_told)
{
    static const char text[] = "this is a text, and no more than that";

    put_and_read(text, sizeof text, TFRECORD_GZIP,
                 "/p: inflate() failed with error -3: incorrect header check");
    put_and_read(text, sizeof text, TFRECORD_ZLIB,
                 "/p: inflate() failed with error -3: incorrect header check");
    put_and_read(text, sizeof text, TFRECORD_AUTO,
                 "/p: corrupted record at 0 (Is this even a TFRecord file?)");
    put_and_read("x\x9c", 2, TFRECORD_AUTO, "eof");
    put_and_read("", 0, TFRECORD_GZIP, "eof");
    put_and_read("", 0, TFRECORD_AUTO, "eof");
}
END_TEST

/* Lengths that look like the header of a compressed file: 0x0178 and 0x8b1f. */
START_TEST(a_length_is_no_header)
{
    static const size_t sizes[] = {0x0178, 0x9c78, 0xda78, 0x088b1f};
    static const char zeros[0x088b1f];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tfrecord_reader r;
        struct crew_err err = {0};
        struct strbuf b;

        strbuf_init(&b);
        tfrecord_frame(&b, zeros, sizes[i]);
        ck_assert_int_eq(fs_replace_file(env, "/l", b.data, b.len, &err),
                         CREW_OK);
        ck_assert_int_eq(tfrecord_reader_open(&r, env, "/l", NULL, &err),
                         CREW_OK);
        ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OK);
        ck_assert_uint_eq(r.record.len, sizes[i]);
        tfrecord_reader_release(&r);
        strbuf_release(&b);
    }
}
END_TEST

/* After a flush all records so far are there, though the file goes on. */
START_TEST(a_flush_lets_others_read)
{
    struct tfrecord_writer_options o = {.compression = kinds[_i]};
    struct tfrecord_options in = {.compression = kinds[_i]};
    struct tfrecord_writer *w = NULL;
    struct crew_err err = {0};
    struct tfrecord_reader r;

    ck_assert_int_eq(tfrecord_writer_open(env, "/f", &o, &w, &err), CREW_OK);
    ck_assert_int_eq(tfrecord_reader_open(&r, env, "/f", &in, &err), CREW_OK);
    for (int i = 0; i < 5; i++) {
        struct crew_err now = {0};

        ck_assert_int_eq(tfrecord_writer_add(w, "abcdefgh", (size_t)i, &err),
                         CREW_OK);
        ck_assert_int_eq(tfrecord_next(&r, &now), CREW_OUT_OF_RANGE);
        ck_assert_int_eq(tfrecord_writer_flush(w, &err), CREW_OK);
        ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OK);
        ck_assert_uint_eq(r.record.len, (size_t)i);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), CREW_OK);
    ck_assert_int_eq(tfrecord_next(&r, &err), CREW_OUT_OF_RANGE);
    ck_assert(!tfrecord_unfinished(&r));
    tfrecord_reader_release(&r);
}
END_TEST

/* Whichever operation of the file fails: an error by close at the latest, and
 * the same one again by every later call. */
START_TEST(a_full_disk_is_told)
{
    static const char bytes[100000];
    struct tfrecord_writer_options o = {.compression = kinds[_i]};
    bool fired = true;

    for (int n = 1; fired; n++) {
        struct tfrecord_writer *w = NULL;
        struct crew_err err = {0}, late = {0};
        int rc;

        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, false);
        rc = tfrecord_writer_open(env, "/f", &o, &w, &err);
        for (int i = 0; rc == CREW_OK && i < 9; i++) {
            rc = tfrecord_writer_add(w, bytes, sizeof bytes, &err);
        }
        ck_assert_int_eq(rc, err.code);
        if (w != NULL && rc != CREW_OK) {
            ck_assert_int_eq(tfrecord_writer_flush(w, &late), rc);
            ck_assert_str_eq(late.msg, err.msg);
            late = (struct crew_err){0};
        }
        if (w != NULL) {
            int end = tfrecord_writer_close(w, &late);

            rc = rc != CREW_OK ? rc : end;
        }
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, CREW_OK, false);
        ck_assert_int_eq(rc, fired ? CREW_RESOURCE_EXHAUSTED : CREW_OK);
    }
}
END_TEST

/* After the last byte the file is made safe; that can fail too. */
START_TEST(closing_syncs)
{
    struct tfrecord_writer *w = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(tfrecord_writer_open(env, "/f", NULL, &w, &err), CREW_OK);
    ck_assert_int_eq(tfrecord_writer_add(w, "abc", 3, &err), CREW_OK);
    ck_assert_int_eq(tfrecord_writer_flush(w, &err), CREW_OK);
    env_mem_fail_at(env, 1, CREW_UNAVAILABLE, false);
    ck_assert_int_eq(tfrecord_writer_close(w, &err), CREW_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "sync"));
}
END_TEST

START_TEST(arguments_are_checked)
{
    struct tfrecord_writer_options o = {.level = 10};
    enum tfrecord_compression c = TFRECORD_NONE;
    struct tfrecord_writer *w = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(tfrecord_writer_open(env, "/f", &o, &w, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    ck_assert_int_eq(tfrecord_compression_of("GZIP", &c, &err), CREW_OK);
    ck_assert_int_eq(c, TFRECORD_GZIP);
    ck_assert_int_eq(tfrecord_compression_of("", &c, &err), CREW_OK);
    ck_assert_int_eq(c, TFRECORD_NONE);
    ck_assert_int_eq(tfrecord_compression_of("snappy", &c, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(tfrecord_writer_close(NULL, &err), CREW_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tfrecord_zip");
    TCase *tc = tcase_create("tfrecord_zip");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_written_is_read_back, 0, 9);
    tcase_add_loop_test(tc, joined_files_are_read, 0, 3);
    tcase_add_loop_test(tc, a_cut_file_is_told, 1, 3);
    tcase_add_test(tc, what_is_not_compressed_is_told);
    tcase_add_test(tc, a_length_is_no_header);
    tcase_add_loop_test(tc, a_flush_lets_others_read, 0, 3);
    tcase_add_loop_test(tc, a_full_disk_is_told, 0, 3);
    tcase_add_test(tc, closing_syncs);
    tcase_add_test(tc, arguments_are_checked);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
