/* SPDX-License-Identifier: Apache-2.0
 * Components that are lists of any length: from records, CSV files and maps,
 * through every combinator, into batches with row splits. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "io/dataset_list.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;
static struct crew_err err;

static void setup(void)
{
    env = env_mem_new(1);
    err = (struct crew_err){0};
}

static void teardown(void)
{
    env_mem_free(env);
}

/* The length of list i: 0, 1, 2, ..., with a long one now and then. */
static int64_t length_of(int64_t i)
{
    return i % 7 == 6 ? 100 : i % 5;
}

/* n records: ids 10 i, 10 i + 1, ..., their halves as weights, words "w<i>". */
static void write_records(const char *path, int n)
{
    struct tfrecord_writer_options options = {0};
    struct tfrecord_writer *w = NULL;
    struct example_writer e;
    struct strbuf bytes;

    strbuf_init(&bytes);
    example_writer_init(&e);
    ck_assert_int_eq(tfrecord_writer_open(env, path, &options, &w, &err), 0);
    for (int64_t i = 0; i < n; i++) {
        size_t length = (size_t)length_of(i);
        int64_t ids[100], label = i;
        float weights[100];
        char word[16];
        (void)snprintf(word, sizeof word, "w%d", (int)i);
        struct example_bytes s[2] = {{word, strlen(word)}, {"the", 3}};

        for (int64_t k = 0; k < 100; k++) {
            ids[k] = 10 * i + k;
            weights[k] = (float)ids[k] / 2;
        }
        strbuf_reset(&bytes);
        example_add_ints(&e, "label", &label, 1);
        if (length > 0) { /* a feature that is not there is an empty list */
            example_add_ints(&e, "ids", ids, length);
        }
        example_add_floats(&e, "weights", weights, length);
        example_add_bytes(&e, "words", s, (size_t)(i % 3));
        example_writer_finish(&e, &bytes);
        ck_assert_int_eq(tfrecord_writer_add(w, bytes.data, bytes.len, &err),
                         0);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), 0);
    example_writer_release(&e);
    strbuf_release(&bytes);
}

static const struct crew_record_feature features[] = {
    {.name = "ids", .dtype = CREW_INT64, .shape = {1, {-1}}, .var_len = true},
    {.name = "weights",
     .dtype = CREW_FLOAT,
     .shape = {1, {-1}},
     .var_len = true},
    {.name = "words",
     .dtype = CREW_STRING,
     .shape = {1, {-1}},
     .var_len = true,
     .hash_buckets = 97},
    {.name = "label", .dtype = CREW_INT64, .is_label = true}};

static struct crew_dataset *records(const char *path)
{
    return dataset_tfrecord(
        env, &(struct crew_tfrecord){.files = &path, .num_files = 1}, features,
        4);
}

/* Row `row` of the batch is record i. */
static void check_row(const struct dataset_batch *b, int64_t row, int64_t i)
{
    const struct dataset_lists *ids = b->data[0], *weights = b->data[1];
    const struct dataset_lists *words = b->data[2];
    int64_t at = ids->splits[row], n = ids->splits[row + 1] - at;

    ck_assert_int_eq(n, length_of(i));
    ck_assert_int_eq(weights->splits[row + 1] - weights->splits[row], n);
    for (int64_t k = 0; k < n; k++) {
        ck_assert_int_eq(((int64_t *)ids->all.values)[at + k], 10 * i + k);
        ck_assert(((float *)weights->all.values)[weights->splits[row] + k] ==
                  (float)(10 * i + k) / 2);
    }
    ck_assert_int_eq(words->splits[row + 1] - words->splits[row], i % 3);
    if (i % 3 == 2) {
        at = words->splits[row];
        ck_assert_int_eq(((int64_t *)words->all.values)[at + 1],
                         (int64_t)hash_bucket_fast("the", 3, 97));
    }
}

/* All batches; `count` of each of the n records are wanted. */
static void check_all(struct crew_dataset *d, int depth, int n, int count)
{
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;
    int *seen = xcalloc((size_t)n, sizeof *seen);

    ck_assert_msg(dataset_reader_open(d, depth, &r, &err) == CREW_OK, "%s",
                  err.msg);
    while (dataset_reader_next(r, &b, &err) == CREW_OK) {
        for (int64_t row = 0; row < b->rows; row++) {
            int64_t i = ((const int64_t *)b->data[3])[row];

            ck_assert(i >= 0 && i < n);
            check_row(b, row, i);
            seen[i]++;
        }
    }
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(seen[i], count);
    }
    free(seen);
    dataset_reader_close(r);
}

/* A buffer smaller than the file, one that is larger. */
START_TEST(records_shuffled_repeated_batched)
{
    write_records("a", 200);
    check_all(
        crew_dataset_batch(
            crew_dataset_repeat(
                crew_dataset_shuffle(records("a"), _i == 0 ? 37 : 500, 1), 3),
            32, false),
        _i == 0 ? 0 : 3, 200, 3);
}
END_TEST

START_TEST(in_turn_one_after_the_other_and_parts)
{
    struct crew_dataset *both[2];

    write_records("a", 50);
    both[0] = records("a");
    both[1] = crew_dataset_concatenate(crew_dataset_take(records("a"), 20),
                                       crew_dataset_skip(records("a"), 20));
    check_all(crew_dataset_batch(crew_dataset_interleave(both, 2, 3), 7, false),
              0, 50, 2);
}
END_TEST

/* What is passed over leaves what follows as it would have been. */
START_TEST(batches_are_passed_over)
{
    struct crew_dataset *d[2];
    struct dataset_reader *r[2] = {NULL, NULL};
    const struct dataset_batch *b[2];

    write_records("a", 100);
    for (int i = 0; i < 2; i++) {
        d[i] = crew_dataset_batch(
            crew_dataset_shard(crew_dataset_shuffle(records("a"), 30, 5), 2, 1),
            8, false);
        ck_assert_int_eq(dataset_reader_open(d[i], 0, &r[i], &err), CREW_OK);
    }
    dataset_reader_seek(r[1], 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(dataset_reader_next(r[0], &b[0], &err), CREW_OK);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(dataset_reader_next(r[0], &b[0], &err), CREW_OK);
        ck_assert_int_eq(dataset_reader_next(r[1], &b[1], &err), CREW_OK);
        ck_assert_mem_eq(b[0]->data[3], b[1]->data[3],
                         (size_t)b[0]->rows * sizeof(int64_t));
        for (int64_t row = 0; row < b[1]->rows; row++) {
            check_row(b[1], row, ((const int64_t *)b[1]->data[3])[row]);
        }
    }
    dataset_reader_close(r[0]);
    dataset_reader_close(r[1]);
}
END_TEST

/* The ids that are even, and half of each. */
static int evens(void *self,
                 const void *const *in,
                 void *const *out,
                 struct crew_err *e)
{
    const struct crew_list *ids = in[0];
    const int64_t *values = crew_list_values(ids);

    (void)e;
    for (int64_t k = 0; k < crew_list_size(ids); k++) {
        if (values[k] % 2 == 0) {
            crew_list_add_int(out[0], values[k]);
            if (self == NULL) {
                crew_list_add_float(out[1], (float)values[k] / 2);
            } else {
                crew_list_add_int(out[1], 0);
            }
        }
    }
    *(int64_t *)out[2] = *(const int64_t *)in[3];
    return 0;
}

static const struct crew_column made[] = {
    {.name = "even", .dtype = CREW_INT64, .shape = {1, {-1}}},
    {.name = "half", .dtype = CREW_FLOAT, .shape = {1, {-1}}},
    {.name = "label", .dtype = CREW_INT64, .is_label = true}};

START_TEST(a_map_reads_and_makes_lists)
{
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;

    write_records("a", 30);
    ck_assert_int_eq(dataset_reader_open(
                         crew_dataset_batch(crew_dataset_map(records("a"), made,
                                                             3, evens, NULL),
                                            30, false),
                         0, &r, &err),
                     CREW_OK);
    ck_assert_int_eq(dataset_reader_next(r, &b, &err), CREW_OK);
    for (int64_t i = 0; i < 30; i++) {
        const struct dataset_lists *even = b->data[0], *half = b->data[1];
        int64_t at = even->splits[i], n = even->splits[i + 1] - at;

        ck_assert_int_eq(n, (length_of(i) + 1) / 2);
        ck_assert_int_eq(half->splits[i + 1], even->splits[i + 1]);
        for (int64_t k = 0; k < n; k++) {
            int64_t v = ((int64_t *)even->all.values)[at + k];

            ck_assert_int_eq(v, 10 * i + 2 * k);
            ck_assert(((float *)half->all.values)[at + k] == (float)v / 2);
        }
    }
    dataset_reader_close(r);
}
END_TEST

START_TEST(a_map_that_adds_the_wrong_kind)
{
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;

    write_records("a", 30);
    ck_assert_int_eq(dataset_reader_open(
                         crew_dataset_batch(crew_dataset_map(records("a"), made,
                                                             3, evens, &err),
                                            30, false),
                         0, &r, &err),
                     CREW_OK);
    ck_assert_int_eq(dataset_reader_next(r, &b, &err), CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "crew_dataset_map: \"half\": crew_list_add_int: the list "
                     "is of float32. Fix: crew_list_add_float");
    dataset_reader_close(r);
}
END_TEST

static void write_text(const char *path, const char *text)
{
    ck_assert_int_eq(fs_replace_file(env, path, text, strlen(text), &err), 0);
}

START_TEST(csv_fields_hold_lists)
{
    static const char *const vocabulary[] = {"red", "green"};
    struct crew_csv_column columns[] = {
        {.name = "colours",
         .dtype = CREW_STRING,
         .list_delimiter = '|',
         .vocabulary = vocabulary,
         .vocabulary_size = 2},
        {.name = "x", .dtype = CREW_FLOAT, .list_delimiter = ' '},
        {.name = "n", .dtype = CREW_INT64, .list_delimiter = ' '}};
    const int64_t colours[] = {1, 0, -1, 0}, ends[] = {0, 2, 2, 4};
    const float x[] = {1.5f, -2.0f};
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;

    write_text("t.csv", "green|red,1.5  -2,7\n,,\n\"blue||red\",,8 9\n");
    ck_assert_int_eq(
        dataset_reader_open(
            crew_dataset_batch(
                dataset_csv(env, "t.csv", columns, 3, (struct crew_csv){0}), 4,
                false),
            0, &r, &err),
        CREW_OK);
    ck_assert_msg(dataset_reader_next(r, &b, &err) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(b->rows, 3);
    const struct dataset_lists *c = b->data[0], *f = b->data[1];
    ck_assert_mem_eq(c->splits, ends, sizeof ends);
    ck_assert_mem_eq(c->all.values, colours, sizeof colours);
    ck_assert_mem_eq(f->all.values, x, sizeof x);
    ck_assert_int_eq(f->splits[3], 2);
    dataset_reader_close(r);
}
END_TEST

static const struct {
    struct crew_csv_column column;
    const char *text, *says;
} bad[] = {
    {{.name = "n", .dtype = CREW_INT64, .list_delimiter = ' '},
     "1 two\n",
     "t.csv:1: field 'n' is \"two\", not a valid int64"},
    {{.name = "n", .dtype = CREW_INT32, .list_delimiter = ' '},
     "",
     "crew_dataset_csv: column 'n' is int32: a list is of float32, int64 or "
     "strings"},
    {{.name = "n",
      .dtype = CREW_INT64,
      .list_delimiter = ' ',
      .is_label = true},
     "",
     "crew_dataset_csv: column 'n' is int64: a label is no list"}};

START_TEST(csv_lists_that_are_wrong)
{
    struct dataset_reader *r = NULL;
    const struct dataset_batch *b;

    write_text("t.csv", bad[_i].text);
    if (dataset_reader_open(
            crew_dataset_batch(dataset_csv(env, "t.csv", &bad[_i].column, 1,
                                           (struct crew_csv){0}),
                               4, false),
            0, &r, &err) == CREW_OK) {
        ck_assert_int_ne(dataset_reader_next(r, &b, &err), CREW_OK);
    }
    ck_assert_str_eq(err.msg, bad[_i].says);
    dataset_reader_close(r);
}
END_TEST

START_TEST(lists_that_cannot_be)
{
    const struct crew_column label = {"y", CREW_INT64, {1, {-1}}, true};
    const struct crew_column column = {"x", CREW_INT64, {1, {-1}}, false};
    struct crew_record_feature filled = features[0];
    const void *data = NULL;
    const char *path = "a";
    struct crew_tfrecord from = {.files = &path, .num_files = 1};
    struct crew_dataset *d;

    d = crew_dataset_arrays(&column, &data, 1, 3);
    ck_assert_int_ne(dataset_check(d, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "the rows of an array have one"));
    dataset_free(d);

    err = (struct crew_err){0};
    d = crew_dataset_map(records("a"), &label, 1, evens, NULL);
    ck_assert_int_ne(dataset_check(d, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "not for labels"));
    dataset_free(d);

    err = (struct crew_err){0};
    filled.has_default = true;
    d = dataset_tfrecord(env, &from, &filled, 1);
    ck_assert_int_ne(dataset_check(d, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "is not filled up"));
    dataset_free(d);
}
END_TEST

/* Memory that runs out is an error at every place, and nothing is lost. */
START_TEST(no_memory_is_an_error)
{
    bool fired = true;

    write_records("a", 40);
    for (int64_t at = 1; fired; at++) {
        struct dataset_reader *r = NULL;
        const struct dataset_batch *b;

        err = (struct crew_err){0};
        mem_fail_at(at, false);
        if (dataset_reader_open(
                crew_dataset_batch(crew_dataset_shuffle(records("a"), 16, 1), 8,
                                   false),
                0, &r, &err) == CREW_OK) {
            while (dataset_reader_next(r, &b, &err) == CREW_OK) {
                continue;
            }
            dataset_reader_close(r);
        }
        fired = mem_fail_fired();
        mem_fail_at(0, false);
        ck_assert_int_eq(err.code,
                         fired ? CREW_RESOURCE_EXHAUSTED : CREW_OUT_OF_RANGE);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lists");
    TCase *tc = tcase_create("lists");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, records_shuffled_repeated_batched, 0, 2);
    tcase_add_test(tc, in_turn_one_after_the_other_and_parts);
    tcase_add_test(tc, batches_are_passed_over);
    tcase_add_test(tc, a_map_reads_and_makes_lists);
    tcase_add_test(tc, a_map_that_adds_the_wrong_kind);
    tcase_add_test(tc, csv_fields_hold_lists);
    tcase_add_loop_test(tc, csv_lists_that_are_wrong, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tc, lists_that_cannot_be);
    tcase_add_test(tc, no_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
