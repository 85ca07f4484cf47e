/* SPDX-License-Identifier: Apache-2.0
 * Datasets: the combinators over small idx files, the reader thread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "io/dataset.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 2, COLS = 3, PIXELS = ROWS * COLS };

static char dir[64];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/crew_dataset_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &err), CREW_OK);
}

static char *in_dir(const char *name)
{
    return path_join(dir, name);
}

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

/* Write `bytes` gzipped (or plain) and return the path. */
static char *write_file(const char *name, bool gz, const void *bytes, size_t n)
{
    char *path = in_dir(name);
    gzFile f = gzopen(path, gz ? "wb" : "wbT");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(f), Z_OK);
    return path;
}

/* n images whose pixel k of image i is 10 i + k, with labels i. */
static char *write_images(const char *name,
                          uint32_t n,
                          uint32_t cols,
                          size_t cut)
{
    uint8_t b[4096];

    put_be32(b, 0x00000803);
    put_be32(b + 4, n);
    put_be32(b + 8, ROWS);
    put_be32(b + 12, cols);
    for (uint32_t i = 0; i < n * ROWS * cols; i++) {
        b[16 + i] = (uint8_t)(10 * (i / (ROWS * cols)) + i % (ROWS * cols));
    }
    return write_file(name, true, b, 16 + n * ROWS * cols - cut);
}

static char *write_labels(const char *name, uint32_t n)
{
    uint8_t b[256];

    put_be32(b, 0x00000801);
    put_be32(b + 4, n);
    for (uint32_t i = 0; i < n; i++) {
        b[8 + i] = (uint8_t)i;
    }
    return write_file(name, false, b, 8 + n);
}

static struct crew_dataset *good(uint32_t n)
{
    char *images = write_images("images.gz", n, COLS, 0);
    char *labels = write_labels("labels", n);
    struct crew_dataset *d = crew_dataset_idx(images, labels, "x", ROWS, COLS);

    free(images);
    free(labels);
    return d;
}

/* Read all of a batched dataset; labels in order. Returns how many. */
static int drain(struct crew_dataset *d, int depth, int32_t *labels, int max)
{
    struct dataset_reader *r = NULL;
    struct crew_err err = {0};
    const struct dataset_batch *b;
    int n = 0;

    ck_assert_msg(dataset_reader_open(d, depth, &r, &err) == CREW_OK, "%s",
                  err.msg);
    while (dataset_reader_next(r, &b, &err) == CREW_OK && n < max) {
        for (int64_t i = 0; i < b->rows && n < max; i++) {
            const float *x = b->data[0];
            int32_t label = ((const int32_t *)b->data[1])[i];

            for (int k = 0; k < PIXELS; k++) {
                float want = (float)(10 * label + k) / 255.0f;
                ck_assert_msg(x[i * PIXELS + k] == want,
                              "image %d pixel %d: got %g want %g", label, k,
                              (double)x[i * PIXELS + k], (double)want);
            }
            labels[n++] = label;
        }
    }
    if (n < max) {
        ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    }
    dataset_reader_close(r);
    return n;
}

START_TEST(reads_images_scaled_with_labels)
{
    int32_t labels[10];

    ck_assert_int_eq(
        drain(crew_dataset_batch(good(7), 3, false), _i, labels, 10), 7);
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(labels[i], i);
    }
}
END_TEST

START_TEST(declares_its_element_before_opening)
{
    struct crew_dataset *d = crew_dataset_batch(
        crew_dataset_idx("/no/such", "/no/such", "x", 28, 28), 100, false);

    ck_assert_int_eq(d->spec.n, 2);
    ck_assert_str_eq(d->spec.component[0].name, "x");
    ck_assert_int_eq(d->spec.component[0].shape.rank, 2);
    ck_assert_int_eq(d->spec.component[0].shape.dim[0], -1);
    ck_assert_int_eq(d->spec.component[0].shape.dim[1], 784);
    ck_assert(d->spec.component[1].is_label);
    ck_assert_int_eq(d->spec.max_batch, 100);
    dataset_free(d);
}
END_TEST

START_TEST(drop_remainder_drops_the_short_batch)
{
    int32_t labels[10];

    ck_assert_int_eq(drain(crew_dataset_batch(good(7), 3, true), 2, labels, 10),
                     6);
}
END_TEST

START_TEST(shuffle_gives_each_once_and_other_orders_by_pass_and_seed)
{
    int32_t a[40], b[40];
    int counts[20] = {0};
    struct crew_dataset *d = crew_dataset_batch(
        crew_dataset_repeat(crew_dataset_shuffle(good(20), _i, 5), 2), 4,
        false);

    ck_assert_int_eq(drain(d, 2, a, 40), 40);
    for (int i = 0; i < 20; i++) {
        counts[a[i]]++;
    }
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(counts[i], 1);
    }
    if (_i > 1) { /* a buffer of one element keeps the order */
        ck_assert_int_ne(memcmp(a, a + 20, 20 * sizeof *a), 0);
        d = crew_dataset_batch(crew_dataset_shuffle(good(20), _i, 6), 4, false);
        ck_assert_int_eq(drain(d, 0, b, 40), 20);
        ck_assert_int_ne(memcmp(a, b, 20 * sizeof *a), 0);
    }
    d = crew_dataset_batch(crew_dataset_shuffle(good(20), _i, 5), 4, false);
    ck_assert_int_eq(drain(d, 0, b, 40), 20);
    ck_assert_int_eq(memcmp(a, b, 20 * sizeof *a), 0);
}
END_TEST

START_TEST(shuffle_over_a_source_without_places_moves_elements)
{
    int32_t a[20];
    int counts[20] = {0};
    struct crew_dataset *d = crew_dataset_take(good(20), 12);

    d = crew_dataset_batch(crew_dataset_shuffle(d, 5, 9), 4, false);
    ck_assert_int_eq(drain(d, 1, a, 20), 12);
    for (int i = 0; i < 12; i++) {
        counts[a[i]]++;
    }
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(counts[i], 1);
    }
}
END_TEST

/* As tf.data's: -1 stands for all. */
START_TEST(take_and_skip_of_minus_one)
{
    int32_t a[20];
    struct crew_dataset *d = crew_dataset_take(good(7), -1);

    ck_assert_int_eq(drain(crew_dataset_batch(d, 4, false), 1, a, 20), 7);
    d = crew_dataset_take(crew_dataset_repeat(good(7), 2), -1);
    ck_assert_int_eq(drain(crew_dataset_batch(d, 4, false), 1, a, 20), 14);
    d = crew_dataset_skip(crew_dataset_repeat(good(7), -1), -1);
    ck_assert_int_eq(drain(crew_dataset_batch(d, 4, false), 1, a, 20), 0);
}
END_TEST

START_TEST(shards_are_disjoint_and_cover)
{
    int32_t a[20];
    int counts[11] = {0};

    for (int s = 0; s < 3; s++) {
        int n = drain(
            crew_dataset_batch(crew_dataset_shard(good(11), 3, s), 2, false), 1,
            a, 20);
        for (int i = 0; i < n; i++) {
            ck_assert_int_eq(a[i] % 3, s);
            counts[a[i]]++;
        }
    }
    for (int i = 0; i < 11; i++) {
        ck_assert_int_eq(counts[i], 1);
    }
}
END_TEST

START_TEST(a_reader_that_is_closed_early_stops_its_thread)
{
    int32_t a[3];
    struct crew_dataset *d = crew_dataset_repeat(good(5), -1);

    ck_assert_int_eq(drain(crew_dataset_batch(d, 1, false), 3, a, 3), 3);
}
END_TEST

START_TEST(an_empty_file_ends_even_when_repeated)
{
    int32_t a[3];
    struct crew_dataset *d = crew_dataset_repeat(good(0), -1);

    ck_assert_int_eq(drain(crew_dataset_batch(d, 1, false), 1, a, 3), 0);
}
END_TEST

START_TEST(misuse_is_reported_when_opened)
{
    struct crew_dataset *wrong[] = {
        good(3),                               /* no batch */
        crew_dataset_batch(good(3), 0, false), /* size 0 */
        crew_dataset_shuffle(crew_dataset_batch(good(3), 2, false), 5, 1),
        crew_dataset_batch(crew_dataset_shard(good(3), 2, 2), 2, false),
        crew_dataset_batch(crew_dataset_shuffle(good(3), 0, 1), 2, false),
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct dataset_reader *r = NULL;
        struct crew_err err = {0};

        ck_assert_int_eq(dataset_reader_open(wrong[i], 1, &r, &err),
                         CREW_INVALID_ARGUMENT);
        ck_assert_ptr_null(r);
        ck_assert_int_gt((int)strlen(err.msg), 10);
    }
}
END_TEST

START_TEST(no_memory_is_an_error_at_every_place)
{
    for (int64_t n = 1;; n++) {
        struct dataset_reader *r = NULL;
        struct crew_err err = {0};
        const struct dataset_batch *b;
        struct crew_dataset *d = crew_dataset_shuffle(good(5), 3, 1);

        d = crew_dataset_batch(d, 2, false);
        mem_fail_at(n, false);
        int code = dataset_reader_open(d, 0, &r, &err);
        if (code == CREW_OK) {
            code = dataset_reader_next(r, &b, &err);
        }
        ck_assert_int_eq(code, err.code);
        bool fired = mem_fail_fired();
        mem_fail_at(0, false);
        dataset_reader_close(r);
        ck_assert_int_eq(err.code, fired ? CREW_RESOURCE_EXHAUSTED : CREW_OK);
        if (!fired) {
            ck_assert_int_gt((int)n, 3);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tc = tcase_create("dataset");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, reads_images_scaled_with_labels, 0, 4);
    tcase_add_test(tc, declares_its_element_before_opening);
    tcase_add_test(tc, drop_remainder_drops_the_short_batch);
    tcase_add_loop_test(
        tc, shuffle_gives_each_once_and_other_orders_by_pass_and_seed, 1, 25);
    tcase_add_test(tc, shuffle_over_a_source_without_places_moves_elements);
    tcase_add_test(tc, shards_are_disjoint_and_cover);
    tcase_add_test(tc, take_and_skip_of_minus_one);
    tcase_add_test(tc, a_reader_that_is_closed_early_stops_its_thread);
    tcase_add_test(tc, an_empty_file_ends_even_when_repeated);
    tcase_add_test(tc, misuse_is_reported_when_opened);
    tcase_add_test(tc, no_memory_is_an_error_at_every_place);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
