/* SPDX-License-Identifier: Apache-2.0
 * A reader that begins later reads what it would have read: every combinator,
 * with and without a thread; prefetch, concatenate and numpy_input. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 23, WIDTH = 3, BATCH = 4, MOST = 64 };

static float x[ROWS * WIDTH];
static int64_t y[ROWS];

static struct crew_dataset *arrays(void)
{
    const struct crew_column columns[] = {
        {"x", CREW_FLOAT, {1, {WIDTH}}, false},
        {"y", CREW_INT64, {0}, true},
    };
    const void *data[] = {x, y};

    for (int i = 0; i < ROWS; i++) {
        y[i] = i;
        for (int k = 0; k < WIDTH; k++) {
            x[i * WIDTH + k] = (float)(i * WIDTH + k);
        }
    }
    return crew_dataset_arrays(columns, data, 2, ROWS);
}

static int double_it(void *self,
                     const void *const *in,
                     void *const *out,
                     struct crew_err *err)
{
    (void)self, (void)err;
    *(int64_t *)out[0] = 2 * *(const int64_t *)in[1];
    return CREW_OK;
}

static struct crew_dataset *mapped(void)
{
    const struct crew_column column = {"z", CREW_INT64, {0}, true};

    return crew_dataset_map(arrays(), &column, 1, double_it, NULL);
}

static struct crew_dataset *make(int which)
{
    struct crew_dataset *two[2];

    switch (which) {
        case 0:
            return crew_dataset_batch(arrays(), BATCH, false);
        case 1: /* by places, a buffer smaller than an epoch */
            return crew_dataset_batch(
                crew_dataset_repeat(crew_dataset_shuffle(arrays(), 7, 0), 5),
                BATCH, false);
        case 2: /* elements, over the ends of epochs */
            return crew_dataset_batch(
                crew_dataset_shuffle(crew_dataset_repeat(mapped(), 5), 11, 0),
                BATCH, true);
        case 3:
            return crew_dataset_batch(
                crew_dataset_take(
                    crew_dataset_skip(
                        crew_dataset_repeat(crew_dataset_shard(arrays(), 3, 1),
                                            9),
                        5),
                    50),
                BATCH, false);
        case 4:
            two[0] = crew_dataset_shuffle(arrays(), 5, 0);
            two[1] = crew_dataset_take(arrays(), 9);
            return crew_dataset_batch(
                crew_dataset_repeat(crew_dataset_interleave(two, 2, 2), 3),
                BATCH, false);
        case 5:
            return crew_dataset_prefetch(
                crew_dataset_batch(
                    crew_dataset_shuffle(
                        crew_dataset_concatenate(mapped(), mapped()), 20, 0),
                    BATCH, false),
                9);
        case 6: /* a repeat of batches: the small one is in the middle */
            return crew_dataset_repeat(
                crew_dataset_batch(crew_dataset_shuffle(arrays(), 100, 0),
                                   BATCH, false),
                4);
        default:
            return crew_dataset_numpy_input(arrays(), BATCH, 3, true, 10);
    }
}
enum { NUM_PIPELINES = 8 };

/* The batches from `from` on, as bytes; how many. */
static int read_all(int which,
                    int depth,
                    int64_t from,
                    uint64_t seed,
                    char bytes[MOST][BATCH * (WIDTH * 4 + 8) + 8])
{
    struct crew_dataset *d = make(which);
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;
    struct crew_err err = {0};
    int n = 0;

    dataset_set_seed(d, seed);
    ck_assert_msg(dataset_reader_open(d, depth, &r, &err) == CREW_OK, "%s",
                  err.msg);
    dataset_reader_seek(r, from);
    while (dataset_reader_next(r, &b, &err) == CREW_OK) {
        char *to = bytes[n++];

        ck_assert_int_lt(n, MOST);
        memset(to, 0, sizeof bytes[0]);
        memcpy(to, &b->rows, sizeof b->rows);
        to += sizeof b->rows;
        for (int k = 0; k < d->spec.n; k++) {
            size_t size = (size_t)b->rows * dataset_element_bytes(&d->spec, k);

            memcpy(to, b->data[k], size);
            to += size;
        }
    }
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    /* The end stays the end. */
    err = (struct crew_err){0};
    ck_assert_int_eq(dataset_reader_next(r, &b, &err), CREW_OUT_OF_RANGE);
    dataset_reader_close(r);
    return n;
}

static char whole[MOST][BATCH * (WIDTH * 4 + 8) + 8];
static char rest[MOST][BATCH * (WIDTH * 4 + 8) + 8];

START_TEST(goes_on_with_the_same_bytes)
{
    int n = read_all(_i, 0, 0, 99, whole);

    ck_assert_int_gt(n, 4);
    for (int from = 0; from <= n + 1; from++) {
        int left = read_all(_i, from % 3, from, 99, rest);

        ck_assert_int_eq(left, from <= n ? n - from : 0);
        for (int i = 0; i < left; i++) {
            ck_assert_msg(
                memcmp(whole[from + i], rest[i], sizeof whole[0]) == 0,
                "pipeline %d from %d: batch %d differs", _i, from, i);
        }
    }
}
END_TEST

START_TEST(another_seed_is_another_order)
{
    int n = read_all(_i, 2, 0, 99, whole);

    (void)read_all(_i, 2, 0, 100, rest);
    ck_assert_msg(memcmp(whole, rest, (size_t)n * sizeof whole[0]) != 0,
                  "pipeline %d", _i);
}
END_TEST

/* A reader is closed while it is still on its way to its place. */
START_TEST(closing_does_not_wait_for_the_place)
{
    struct dataset_reader *r = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(
        dataset_reader_open(
            crew_dataset_batch(crew_dataset_repeat(arrays(), -1), BATCH, false),
            2, &r, &err),
        CREW_OK);
    dataset_reader_seek(r, INT64_MAX);
    ck_assert_int_eq(dataset_reader_start(r, &err), CREW_OK);
    dataset_reader_close(r);
}
END_TEST

START_TEST(concatenate_gives_one_after_the_other)
{
    struct crew_dataset *d = crew_dataset_batch(
        crew_dataset_concatenate(crew_dataset_take(arrays(), 2),
                                 crew_dataset_skip(arrays(), 21)),
        BATCH, false);
    static const int64_t want[] = {0, 1, 21, 22};
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;
    struct crew_err err = {0};

    ck_assert_int_eq(dataset_reader_open(d, 0, &r, &err), CREW_OK);
    ck_assert_int_eq(dataset_reader_next(r, &b, &err), CREW_OK);
    ck_assert_int_eq(b->rows, 4);
    ck_assert_int_eq(memcmp(b->data[1], want, sizeof want), 0);
    dataset_reader_close(r);
}
END_TEST

/* Epochs of 23 in batches of 4: the batches reach over the epochs' ends, each
 * element comes once an epoch, the last batch is smaller. */
START_TEST(numpy_input_counts_epochs)
{
    struct crew_dataset *d =
        crew_dataset_numpy_input(arrays(), BATCH, 2, _i == 1, 1000);
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;
    struct crew_err err = {0};
    int seen[ROWS] = {0}, n = 0, in_order = 0;

    ck_assert_int_eq(dataset_reader_open(d, 0, &r, &err), CREW_OK);
    while (dataset_reader_next(r, &b, &err) == CREW_OK) {
        for (int64_t i = 0; i < b->rows; i++, n++) {
            int64_t label = ((const int64_t *)b->data[1])[i];

            seen[label]++;
            in_order += label == n % ROWS;
        }
        ck_assert_int_eq(b->rows, n < 2 * ROWS ? BATCH : 2);
    }
    ck_assert_int_eq(n, 2 * ROWS);
    ck_assert_int_eq(in_order == n, _i == 0);
    for (int i = 0; i < ROWS; i++) {
        ck_assert_int_eq(seen[i], 2);
    }
    dataset_reader_close(r);
}
END_TEST

START_TEST(prefetch_wants_a_number)
{
    static const int64_t wrong[] = {0, -1, 513};
    struct crew_dataset *d = crew_dataset_prefetch(
        crew_dataset_batch(arrays(), BATCH, false), wrong[_i]);
    struct crew_err err = {0};

    ck_assert_int_eq(dataset_check(d, &err), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(crew_err_exit_code(&err), 64);
    ck_assert_ptr_nonnull(strstr(err.msg, "crew_dataset_prefetch"));
    dataset_free(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset_position");
    TCase *t = tcase_create("position");

    tcase_add_loop_test(t, goes_on_with_the_same_bytes, 0, NUM_PIPELINES);
    tcase_add_loop_test(t, another_seed_is_another_order, 1, 3);
    tcase_add_test(t, closing_does_not_wait_for_the_place);
    tcase_add_test(t, concatenate_gives_one_after_the_other);
    tcase_add_loop_test(t, numpy_input_counts_epochs, 0, 2);
    tcase_add_loop_test(t, prefetch_wants_a_number, 0, 3);
    suite_add_tcase(s, t);
    return run_suite(s);
}
