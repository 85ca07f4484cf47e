/* SPDX-License-Identifier: Apache-2.0
 * idx files, plain and gzipped, good and broken in every way we know. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/dataset.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 2, COLS = 3, PIXELS = ROWS * COLS, NUM = 4 };
enum { IMAGES = 0x00000803, LABELS = 0x00000801 };

static char dir[64];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/crew_idx_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &err), CREW_OK);
}

/* An idx file: `words` big-endian words of header, then bytes 0, 1, 2, ... */
static char *write_idx(const char *name,
                       bool gz,
                       const uint32_t *head,
                       int words,
                       size_t bytes)
{
    char *path = path_join(dir, name);
    gzFile f = gzopen(path, gz ? "wb" : "wbT");

    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < words; i++) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            ck_assert_int_ge(gzputc(f, (int)(head[i] >> shift & 255)), 0);
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        ck_assert_int_ge(gzputc(f, (int)(i & 255)), 0);
    }
    ck_assert_int_eq(gzclose(f), Z_OK);
    return path;
}

static char *good_images(bool gz)
{
    return write_idx("images", gz, (const uint32_t[]){IMAGES, NUM, ROWS, COLS},
                     4, NUM * PIXELS);
}

static char *good_labels(bool gz)
{
    return write_idx("labels", gz, (const uint32_t[]){LABELS, NUM}, 2, NUM);
}

/* Read the first batch of two. Takes the paths. */
static int read_batch(char *images, char *labels, struct crew_err *err)
{
    struct crew_dataset *d = crew_dataset_idx(images, labels, "x", ROWS, COLS);
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;

    ck_assert_int_eq(
        dataset_reader_open(crew_dataset_batch(d, 2, false), 1, &r, err),
        CREW_OK);
    int code = dataset_reader_next(r, &b, err);
    for (int i = 0; code == CREW_OK && i < 2 * PIXELS; i++) {
        ck_assert(((const float *)b->data[0])[i] == (float)i / 255.0f);
    }
    if (code == CREW_OK) {
        ck_assert_int_eq(b->rows, 2);
        ck_assert_int_eq(((const int32_t *)b->data[1])[1], 1);
    }
    dataset_reader_close(r);
    free(images);
    free(labels);
    return code;
}

static void expect(char *images,
                   char *labels,
                   int code,
                   int exit_code,
                   const char *words)
{
    struct crew_err err = {0};

    ck_assert_int_eq(read_batch(images, labels, &err), code);
    ck_assert_int_eq(crew_err_exit_code(&err), exit_code);
    ck_assert_msg(strstr(err.msg, words) != NULL, "got \"%s\", want \"%s\"",
                  err.msg, words);
    ck_assert_msg(strstr(err.msg, dir) != NULL, "\"%s\" names no file",
                  err.msg);
    ck_assert_ptr_null(strchr(err.msg, '\n'));
}

START_TEST(plain_and_gzipped_files_are_read)
{
    struct crew_err err = {0};
    int code = read_batch(good_images(_i & 1), good_labels(_i & 2), &err);

    ck_assert_msg(code == CREW_OK, "%s", err.msg);
}
END_TEST

/* What a header says, and how many bytes follow it. */
static const struct {
    const char *what;
    uint32_t head[4];
    size_t bytes;
    const char *words;
} broken_images[] = {
    {"labels' magic",
     {LABELS, NUM, ROWS, COLS},
     24,
     "not an idx file of images: its magic number is 0x00000801, not "
     "0x00000803"},
    {"another type",
     {0x00000d03, NUM, ROWS, COLS},
     96,
     "its magic number is 0x00000d03"},
    {"a GIF",
     {0x47494638, 0x39610000, 0, 0},
     24,
     "its magic number is 0x47494638"},
    {"other rows",
     {IMAGES, NUM, 3, COLS},
     36,
     "images are 3 x 3, the job expects 2 x 3"},
    {"other columns",
     {IMAGES, NUM, ROWS, 4},
     32,
     "images are 2 x 4, the job expects 2 x 3"},
    {"no columns",
     {IMAGES, NUM, ROWS, 0},
     0,
     "images are 2 x 0, the job expects 2 x 3"},
    {"an image short", {IMAGES, NUM, ROWS, COLS}, 18, "truncated"},
    {"a byte short", {IMAGES, NUM, ROWS, COLS}, 23, "truncated"},
    {"a byte more",
     {IMAGES, NUM, ROWS, COLS},
     25,
     "more bytes than its header announces"},
    {"too many",
     {IMAGES, 0xffffffff, ROWS, COLS},
     24,
     "announces 4294967295 elements"},
    {"one image more", {IMAGES, NUM + 1, ROWS, COLS}, 30, "has 5 images"},
};

START_TEST(a_header_that_does_not_fit_is_named)
{
    for (int gz = 0; gz < 2; gz++) {
        expect(write_idx("images", gz != 0, broken_images[_i].head, 4,
                         broken_images[_i].bytes),
               good_labels(true), CREW_DATA_LOSS, 65, broken_images[_i].words);
    }
}
END_TEST

START_TEST(labels_are_checked_too)
{
    static const uint32_t images[] = {IMAGES, NUM}, labels[] = {LABELS, NUM};

    expect(good_images(true), write_idx("labels", true, images, 2, NUM),
           CREW_DATA_LOSS, 65, "not an idx file of labels");
    expect(good_images(true), write_idx("labels", true, labels, 2, NUM - 1),
           CREW_DATA_LOSS, 65, "labels: truncated");
    expect(good_images(true), write_idx("labels", true, labels, 2, NUM + 1),
           CREW_DATA_LOSS, 65, "labels: more bytes");
}
END_TEST

START_TEST(missing_and_empty_files)
{
    expect(path_join(dir, "absent.gz"), good_labels(true), CREW_NOT_FOUND, 66,
           "No such file or directory");
    expect(good_images(true), path_join(dir, "absent.gz"), CREW_NOT_FOUND, 66,
           "No such file or directory");
    expect(write_idx("images", false, NULL, 0, 0), good_labels(true),
           CREW_DATA_LOSS, 65, "truncated");
    expect(write_idx("images", true, NULL, 0, 0), good_labels(true),
           CREW_DATA_LOSS, 65, "truncated");
}
END_TEST

/* A gzip file cut at any place, but for the one byte that still says "plain".
 */
START_TEST(a_cut_gzip_is_truncated)
{
    char *path = good_images(true);
    FILE *f = fopen(path, "rb");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    ck_assert_int_eq(fclose(f), 0);
    free(path);
    for (long n = 2; n < size; n++) {
        path = good_images(true);
        ck_assert_int_eq(truncate(path, n), 0);
        expect(path, good_labels(true), CREW_DATA_LOSS, 65, "truncated");
    }
}
END_TEST

START_TEST(a_wrong_crc_is_corrupt)
{
    char *path = good_images(true);
    FILE *f = fopen(path, "r+b");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, -8, SEEK_END), 0);
    int byte = fgetc(f);
    ck_assert_int_eq(fseek(f, -8, SEEK_END), 0);
    ck_assert_int_ne(fputc(byte ^ 0x5a, f), EOF);
    ck_assert_int_eq(fclose(f), 0);
    expect(path, good_labels(true), CREW_DATA_LOSS, 65, "corrupt");
}
END_TEST

START_TEST(impossible_sizes_are_refused_before_opening)
{
    static const int64_t sizes[][2] = {{0, 3}, {3, -1}, {INT64_MAX, INT64_MAX}};
    float x;
    int32_t label;
    void *out[] = {&x, &label};
    int64_t rows;

    for (int i = 0; i < 3; i++) {
        struct crew_err err = {0};
        struct crew_dataset *d =
            crew_dataset_idx("a", "b", "x", sizes[i][0], sizes[i][1]);

        ck_assert_int_eq(dataset_check(d, &err), CREW_INVALID_ARGUMENT);
        err = (struct crew_err){0};
        ck_assert_int_eq(d->ops->next(d, out, &rows, &err),
                         CREW_INVALID_ARGUMENT);
        dataset_free(d);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idx");
    TCase *tc = tcase_create("idx");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, plain_and_gzipped_files_are_read, 0, 4);
    tcase_add_loop_test(tc, a_header_that_does_not_fit_is_named, 0,
                        (int)(sizeof broken_images / sizeof broken_images[0]));
    tcase_add_test(tc, labels_are_checked_too);
    tcase_add_test(tc, missing_and_empty_files);
    tcase_add_test(tc, a_cut_gzip_is_truncated);
    tcase_add_test(tc, a_wrong_crc_is_corrupt);
    tcase_add_test(tc, impossible_sizes_are_refused_before_opening);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
