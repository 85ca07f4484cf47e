/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines made at random: every source and combinator, in any order that is
 * allowed. Whatever the pipeline, a reader that begins after k batches reads
 * what a reader of all of them had left, and the same seed reads the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/rng.h"
#include "io/dataset.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 17, PIPELINES = 300, MOST_BATCHES = 400, MOST_BYTES = 1 << 20 };

static struct crew_env *env;
static int64_t ids[ROWS];
static char npy_path[64], csv_path[64];

/* ----------------------------------------------------------------- sources */

static void write_text(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_records(const char *path, int first, int n)
{
    struct crew_err err = {0};
    struct tfrecord_writer *w = NULL;
    struct example_writer e;
    struct strbuf bytes;

    strbuf_init(&bytes);
    example_writer_init(&e);
    ck_assert_int_eq(tfrecord_writer_open(env, path, NULL, &w, &err), 0);
    for (int64_t id = first; id < first + n; id++) {
        strbuf_reset(&bytes);
        example_add_ints(&e, "id", &id, 1);
        example_writer_finish(&e, &bytes);
        ck_assert_int_eq(tfrecord_writer_add(w, bytes.data, bytes.len, &err),
                         0);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), 0);
    example_writer_release(&e);
    strbuf_release(&bytes);
}

static void write_files(void)
{
    char npy[128 + sizeof ids] = "\x93NUMPY\x01", csv[256];
    const char *head =
        "{'descr': '<i8', 'fortran_order': False, 'shape': (17,), }\n";
    size_t n = strlen(head);

    npy[8] = (char)n;
    memcpy(npy + 10, head, n + 1);
    memcpy(npy + 10 + n, ids, sizeof ids);
    write_text(npy_path, npy, 10 + n + sizeof ids);
    n = 0;
    for (int i = 0; i < ROWS; i++) {
        n += (size_t)snprintf(csv + n, sizeof csv - n, "%d\n", i);
    }
    write_text(csv_path, csv, n);
    write_records("part-0", 0, 7);
    write_records("part-1", 7, 0);
    write_records("part-2", 7, 10);
}

/* {id: int64 ()}: 0 to 16. */
static struct crew_dataset *source(struct rng *r)
{
    static const struct crew_column column = {"id", CREW_INT64, {0}, false};
    static const struct crew_record_feature feature = {.name = "id",
                                                       .dtype = CREW_INT64};
    const struct crew_csv_column csv = {.name = "id", .dtype = CREW_INT64};
    const char *files[] = {"part-*"}, *npy[] = {npy_path};
    const void *data[] = {ids};

    switch (rng_below(r, 4)) {
        case 0:
            return crew_dataset_arrays(&column, data, 1, ROWS);
        case 1:
            return crew_dataset_npy(&column, npy, 1);
        case 2:
            return crew_dataset_csv(csv_path, &csv, 1, (struct crew_csv){0});
        default:
            return dataset_tfrecord(
                env,
                &(struct crew_tfrecord){
                    .files = files,
                    .num_files = 1,
                    .cycle_length = (int64_t)rng_below(r, 4),
                    .block_length = (int64_t)rng_below(r, 3)},
                &feature, 1);
    }
}

/* ------------------------------------------------------------- combinators */

static int times_three(void *self,
                       const void *const *in,
                       void *const *out,
                       struct crew_err *err)
{
    (void)self, (void)err;
    *(int64_t *)out[0] = 3 * *(const int64_t *)in[0] + 1;
    return CREW_OK;
}

static int add_up(void *self,
                  const void *const *in,
                  void *const *out,
                  struct crew_err *err)
{
    (void)self, (void)err;
    *(int64_t *)out[0] =
        1000 * *(const int64_t *)in[0] + *(const int64_t *)in[1];
    return CREW_OK;
}

static struct crew_dataset *elements(struct rng *r, int depth);

/* Two side by side, then one number of both. */
static struct crew_dataset *zipped(struct rng *r, int depth)
{
    static const struct crew_column id = {"id", CREW_INT64, {0}, false};
    static const struct crew_column other = {"other", CREW_INT64, {0}, false};
    struct crew_dataset *two[2];

    two[0] = elements(r, depth - 1);
    two[1] =
        crew_dataset_map(elements(r, depth - 1), &other, 1, times_three, NULL);
    return crew_dataset_map(crew_dataset_zip(two, 2), &id, 1, add_up, NULL);
}

static struct crew_dataset *joined(struct rng *r, int depth)
{
    struct crew_dataset *two[3];
    int n = 1 + (int)rng_below(r, 3);

    for (int i = 0; i < n; i++) {
        two[i] = elements(r, depth - 1);
    }
    return crew_dataset_interleave(two, n, 1 + (int64_t)rng_below(r, 4));
}

static struct crew_dataset *elements(struct rng *r, int depth)
{
    static const struct crew_column id = {"id", CREW_INT64, {0}, false};
    struct crew_dataset *first;
    int64_t n = 1 + (int64_t)rng_below(r, 12);

    if (depth < 1) {
        return source(r);
    }
    switch (rng_below(r, 10)) {
        case 0:
            return zipped(r, depth);
        case 1:
            return joined(r, depth);
        case 2:
            first = elements(r, depth - 1);
            return crew_dataset_concatenate(first, elements(r, depth - 1));
        case 3:
            return crew_dataset_map(elements(r, depth - 1), &id, 1, times_three,
                                    NULL);
        case 4:
            return crew_dataset_skip(elements(r, depth - 1), n - 1);
        case 5:
            return crew_dataset_take(elements(r, depth - 1), 3 * n);
        case 6:
            return crew_dataset_shard(elements(r, depth - 1), 3,
                                      (int64_t)rng_below(r, 3));
        case 7:
            return crew_dataset_repeat(elements(r, depth - 1),
                                       (int64_t)rng_below(r, 4));
        default:
            return crew_dataset_shuffle_with(elements(r, depth - 1), n,
                                             rng_below(r, 3),
                                             rng_below(r, 2) == 0);
    }
}

/* The same for the same number. */
static struct crew_dataset *pipeline(int number)
{
    struct rng r = {.state = 77u + 1000u * (uint64_t)number};
    struct crew_dataset *d = elements(&r, 1 + number % 5);

    d = crew_dataset_batch(d, 1 + (int64_t)rng_below(&r, 5),
                           rng_below(&r, 3) == 0);
    switch (rng_below(&r, 4)) {
        case 0:
            return crew_dataset_repeat(d, 2);
        case 1:
            return crew_dataset_take(d, 9);
        case 2:
            return crew_dataset_skip(d, 2);
        default:
            return d;
    }
}

/* ---------------------------------------------------------------- property */

/* Batches from `from` on, as bytes; where each ends. */
struct reading {
    char *bytes;
    size_t end[MOST_BATCHES + 1];
    int n;
};

static void read_from(int number, int64_t from, int depth, struct reading *out)
{
    struct crew_dataset *d = pipeline(number);
    const struct dataset_batch *b;
    struct dataset_reader *r = NULL;
    struct crew_err err = {0};
    size_t at = 0;

    out->n = 0;
    out->end[0] = 0;
    dataset_set_seed(d, 5);
    ck_assert_msg(dataset_reader_open(d, depth, &r, &err) == CREW_OK,
                  "pipeline %d: %s", number, err.msg);
    dataset_reader_seek(r, from);
    while (out->n < MOST_BATCHES &&
           dataset_reader_next(r, &b, &err) == CREW_OK) {
        size_t bytes = (size_t)b->rows * sizeof(int64_t);

        ck_assert_uint_le(at + bytes, MOST_BYTES);
        memcpy(out->bytes + at, b->data[0], bytes);
        at += bytes;
        out->end[++out->n] = at;
    }
    ck_assert_msg(out->n == MOST_BATCHES || err.code == CREW_OUT_OF_RANGE,
                  "pipeline %d: %s", number, err.msg);
    dataset_reader_close(r);
}

static void check_pipeline(int number,
                           struct reading *all,
                           struct reading *some)
{
    struct rng r = {.state = (uint64_t)number};

    read_from(number, 0, 0, all);
    for (int trial = 0; trial < 4; trial++) {
        int from = (int)rng_below(&r, (uint64_t)all->n + 2), left;

        read_from(number, from, trial == 0 ? 2 : 0, some);
        left = from < all->n ? all->n - from : 0;
        if (all->n < MOST_BATCHES) {
            ck_assert_msg(some->n == left,
                          "pipeline %d from %d: %d batches, "
                          "not %d",
                          number, from, some->n, left);
        }
        for (int i = 0; i < left && i < some->n; i++) {
            size_t a = all->end[from + i], b = some->end[i];
            size_t size = all->end[from + i + 1] - a;

            ck_assert_msg(
                some->end[i + 1] - b == size &&
                    memcmp(all->bytes + a, some->bytes + b, size) == 0,
                "pipeline %d from %d: batch %d differs", number, from, i);
        }
    }
}

START_TEST(any_pipeline_goes_on_where_it_was)
{
    struct reading all = {.bytes = xmalloc(MOST_BYTES)};
    struct reading some = {.bytes = xmalloc(MOST_BYTES)};
    int with_data = 0;

    env = env_mem_new(1);
    (void)snprintf(npy_path, sizeof npy_path, "/tmp/random_%d.npy",
                   (int)getpid());
    (void)snprintf(csv_path, sizeof csv_path, "/tmp/random_%d.csv",
                   (int)getpid());
    for (int i = 0; i < ROWS; i++) {
        ids[i] = i;
    }
    write_files();
    for (int number = 0; number < PIPELINES; number++) {
        check_pipeline(number, &all, &some);
        with_data += all.n > 2;
    }
    ck_assert_int_gt(with_data, PIPELINES / 2);
    (void)remove(npy_path);
    (void)remove(csv_path);
    env_mem_free(env);
    free(all.bytes);
    free(some.bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset_random");
    TCase *t = tcase_create("position");

    tcase_add_test(t, any_pipeline_goes_on_where_it_was);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return run_suite(s);
}
