/* SPDX-License-Identifier: Apache-2.0
 * Datasets of TFRecord files: features of all kinds, files in turn, parts of
 * trainers, and what is said of bad files and wrong requests. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "io/dataset.h"
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

/* n records with id = first, first + step, ..., words "w<id>" and x = id / 2.
 */
static void write_file(const char *path, int first, int step, int n, bool zip)
{
    struct tfrecord_writer_options options = {
        .compression = zip ? TFRECORD_GZIP : TFRECORD_NONE};
    struct tfrecord_writer *w = NULL;
    struct example_writer e;
    struct strbuf bytes;

    strbuf_init(&bytes);
    example_writer_init(&e);
    ck_assert_int_eq(tfrecord_writer_open(env, path, &options, &w, &err), 0);
    for (int i = 0; i < n; i++) {
        int64_t id = first + (int64_t)i * step, many[] = {id, id + 1, id + 2};
        float x = (float)id / 2;
        char word[16];
        (void)snprintf(word, sizeof word, "w%d", (int)id);
        struct example_bytes s = {word, strlen(word)};

        strbuf_reset(&bytes);
        example_add_ints(&e, "id", &id, 1);
        example_add_floats(&e, "x", &x, 1);
        example_add_bytes(&e, "word", &s, 1);
        example_add_ints(&e, "many", many, (size_t)(id % 4));
        example_writer_finish(&e, &bytes);
        ck_assert_int_eq(tfrecord_writer_add(w, bytes.data, bytes.len, &err),
                         0);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), 0);
    example_writer_release(&e);
    strbuf_release(&bytes);
}

static const char *const words[] = {"w3", "w1", "w2"};

static const struct crew_record_feature all_kinds[] = {
    {.name = "x", .dtype = CREW_FLOAT},
    {.name = "word", .dtype = CREW_STRING, .hash_buckets = 97},
    {.name = "many",
     .dtype = CREW_INT64,
     .shape = {1, {2}},
     .var_len = true,
     .has_default = true,
     .default_value = -1},
    {.name = "absent",
     .dtype = CREW_INT64,
     .has_default = true,
     .default_value = 7},
    {.name = "id", .dtype = CREW_INT64, .is_label = true},
};
static const struct crew_record_feature only_id[] = {
    {.name = "id", .dtype = CREW_INT64}};

START_TEST(features_of_all_kinds)
{
    const char *file = "a";
    struct crew_tfrecord from = {.files = &file, .num_files = 1};

    write_file("a", 0, 1, 150, _i == 1);
    struct crew_dataset *d = dataset_tfrecord(env, &from, all_kinds, 5);
    ck_assert_msg(dataset_check(d, &err) == CREW_OK, "%s", err.msg);
    ck_assert(d->spec.component[4].is_label && !d->spec.component[0].is_label);
    ck_assert_int_eq((int)d->spec.component[1].dtype, CREW_INT64);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < 150; i++) {
            float x;
            int64_t word, many[2], absent, id, rows;
            void *out[] = {&x, &word, many, &absent, &id};
            char text[16];

            ck_assert_msg(d->ops->next(d, out, &rows, &err) == CREW_OK, "%s",
                          err.msg);
            (void)snprintf(text, sizeof text, "w%d", (int)i);
            ck_assert(rows == 1 && id == i && absent == 7);
            ck_assert(x == (float)i / 2);
            ck_assert_int_eq((int)word,
                             (int)hash_bucket_fast(text, strlen(text), 97));
            ck_assert_int_eq((int)many[0], i % 4 > 0 ? (int)i : -1);
            ck_assert_int_eq((int)many[1], i % 4 > 1 ? (int)i + 1 : -1);
        }
        void *none[5] = {NULL};
        int64_t rows;

        ck_assert_int_eq(d->ops->next(d, none, &rows, &err), CREW_OUT_OF_RANGE);
        err = (struct crew_err){0};
        ck_assert_int_eq(d->ops->rewind(d, &err), CREW_OK);
    }
    dataset_free(d);
}
END_TEST

START_TEST(a_word_is_its_place_in_the_vocabulary)
{
    const struct crew_record_feature f = {.name = "word",
                                          .dtype = CREW_STRING,
                                          .vocabulary = words,
                                          .vocabulary_size = 3};
    const int want[] = {-1, 1, 2, 0, -1};
    const char *file = "a";
    struct crew_tfrecord from = {.files = &file, .num_files = 1};

    write_file("a", 0, 1, 5, false);
    struct crew_dataset *d = dataset_tfrecord(env, &from, &f, 1);
    for (int i = 0; i < 5; i++) {
        int64_t place, rows;
        void *out[] = {&place};

        ck_assert_msg(d->ops->next(d, out, &rows, &err) == CREW_OK, "%s",
                      err.msg);
        ck_assert_int_eq((int)place, want[i]);
    }
    dataset_free(d);
}
END_TEST

/* With buckets behind it for the words that are not in it, where TensorFlow
 * 2.15's StaticVocabularyTable has them; of a file. */
START_TEST(words_out_of_the_vocabulary_have_buckets)
{
    const int want[] = {6, 1, 2, 0, 4, 5, 5, 5};
    const char *file = "a";
    struct crew_tfrecord from = {.files = &file, .num_files = 1};
    struct crew_record_feature f = {
        .name = "word", .dtype = CREW_STRING, .hash_buckets = 5};
    char path[] = "/tmp/crew_vocab_XXXXXX";
    int fd = mkstemp(path);

    ck_assert(fd >= 0 && write(fd, "w3\r\nw1\nw2\nw4", 12) == 12);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(
        crew_vocabulary_read(path, 3, &f.vocabulary, &f.vocabulary_size, &err),
        0);
    write_file("a", 0, 1, 8, false);
    struct crew_dataset *d = dataset_tfrecord(env, &from, &f, 1);
    free((void *)(uintptr_t)f.vocabulary);
    for (int i = 0; i < 8; i++) {
        int64_t id, rows;
        void *out[] = {&id};

        ck_assert_int_eq(d->ops->next(d, out, &rows, &err), CREW_OK);
        ck_assert_int_eq((int)id, want[i]);
    }
    dataset_free(d);

    ck_assert_int_eq(
        crew_vocabulary_read(path, 0, &f.vocabulary, &f.vocabulary_size, &err),
        0);
    ck_assert_int_eq(f.vocabulary_size, 4);
    ck_assert_str_eq(f.vocabulary[0], "w3");
    ck_assert_str_eq(f.vocabulary[3], "w4");
    free((void *)(uintptr_t)f.vocabulary);
    ck_assert_int_eq(
        crew_vocabulary_read(path, 5, &f.vocabulary, &f.vocabulary_size, &err),
        CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "expected 5 but got 4"));
    err = (struct crew_err){0};
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(
        crew_vocabulary_read(path, 0, &f.vocabulary, &f.vocabulary_size, &err),
        CREW_NOT_FOUND);
}
END_TEST

/* The ids that a dataset of the files a, b, c gives, up to 64. */
static int read_ids(struct crew_tfrecord from,
                    int64_t num,
                    int64_t index,
                    int64_t ids[64])
{
    struct crew_dataset *d = dataset_tfrecord(env, &from, only_id, 1);
    int n = 0;
    int64_t rows;

    dataset_shard_by_default(d, num, index);
    for (;; n++) {
        void *out[] = {&ids[n]};

        if (d->ops->next(d, out, &rows, &err) != CREW_OK) {
            break;
        }
    }
    dataset_free(d);
    return n;
}

static void write_three(void)
{
    write_file("dir/a.rec", 0, 3, 4, false); /* 0 3 6 9 */
    write_file("dir/b.rec", 1, 3, 2, true);  /* 1 4 */
    write_file("dir/c.rec", 2, 3, 3, false); /* 2 5 8 */
    write_file("dir/d.txt", 99, 1, 1, false);
}

START_TEST(files_come_by_pattern_and_in_turn)
{
    const int in_order[] = {0, 3, 6, 9, 1, 4, 2, 5, 8};
    const int in_turn[] = {0, 1, 3, 4, 6, 2, 9, 5, 8};
    const int by_two[] = {0, 3, 1, 4, 6, 9, 2, 5, 8};
    const int *want[] = {in_order, in_turn, by_two};
    const char *pattern = "dir/*.rec";
    struct crew_tfrecord from = {.files = &pattern,
                                 .num_files = 1,
                                 .cycle_length = _i > 0 ? 2 : 0,
                                 .block_length = _i == 2 ? 2 : 0};
    int64_t ids[64];

    ck_assert_int_eq(fs_make_dirs(env, "dir", &err), CREW_OK);
    write_three();
    ck_assert_int_eq(read_ids(from, 1, 0, ids), 9);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    for (int i = 0; i < 9; i++) {
        ck_assert_msg(ids[i] == want[_i][i], "%d is %d, not %d", i, (int)ids[i],
                      want[_i][i]);
    }
}
END_TEST

/* Two trainers share three files by files, four by records. */
START_TEST(parts_are_disjoint_and_together_everything)
{
    int64_t num = _i == 0 ? 2 : 4, ids[64];
    const char *pattern = "dir/?.rec";
    struct crew_tfrecord from = {.files = &pattern, .num_files = 1};
    int seen[10] = {0}, total = 0;

    ck_assert_int_eq(fs_make_dirs(env, "dir", &err), CREW_OK);
    write_three();
    for (int64_t t = 0; t < num; t++) {
        err = (struct crew_err){0};
        int n = read_ids(from, num, t, ids);

        if (num == 2) { /* whole files: a and c, b */
            ck_assert_int_eq(n, t == 0 ? 7 : 2);
        }
        for (int i = 0; i < n; i++) {
            seen[ids[i]]++;
        }
        total += n;
    }
    ck_assert_int_eq(total, 9);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(seen[i], i != 7);
    }
}
END_TEST

/* Arrays below a shuffle, a repeat and a batch: the source is cut, and a
 * shuffle still moves places only. A job that shards itself is left alone. */
START_TEST(other_sources_are_cut_at_their_root)
{
    static const int64_t y[] = {0, 1, 2, 3, 4, 5, 6};
    static const void *const data[] = {y};
    static const struct crew_column column = {.name = "y", .dtype = CREW_INT64};
    int seen[7] = {0};

    for (int64_t t = 0; t < 3; t++) {
        struct crew_dataset *d = crew_dataset_arrays(&column, data, 1, 7);
        int64_t batch[8], rows;
        void *out[] = {batch};

        if (_i == 1) {
            d = crew_dataset_shard(d, 1, 0);
        }
        d = crew_dataset_batch(crew_dataset_shuffle(d, 7, 5), 8, false);
        dataset_shard_by_default(d, 3, t);
        ck_assert_int_eq(d->ops->next(d, out, &rows, &err), CREW_OK);
        ck_assert_int_eq((int)rows, _i == 1 ? 7 : t == 0 ? 3 : 2);
        ck_assert_ptr_nonnull(d->source->source->ops->at);
        for (int64_t i = 0; i < rows; i++) {
            seen[batch[i]]++;
        }
        dataset_free(d);
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(seen[i], _i == 1 ? 3 : 1);
    }
}
END_TEST

/* ------------------------------------------------------------------ errors */

static void says(struct crew_dataset *d,
                 int code,
                 int exit_code,
                 const char *text)
{
    int64_t value[64], rows;
    void *out[] = {value};

    while (d->ops->next(d, out, &rows, &err) == CREW_OK) {
    }
    ck_assert_msg(err.code == code && crew_err_exit_code(&err) == exit_code &&
                      strstr(err.msg, text) != NULL,
                  "%d, exit %d: %s", err.code, crew_err_exit_code(&err),
                  err.msg);
    dataset_free(d);
    err = (struct crew_err){0};
}

START_TEST(bad_files_are_named)
{
    const char *files[] = {"a", "b"};
    struct crew_tfrecord from = {.files = files, .num_files = 2};
    const struct crew_record_feature many[] = {
        {.name = "many", .dtype = CREW_INT64, .shape = {1, {3}}}};
    uint8_t *bytes = NULL;
    size_t n = 0;

    write_file("a", 3, 4, 3, false);
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_NOT_FOUND, 66, "b");
    write_file("b", 3, 1, 2, false); /* ids 3, 4: the second has no values */
    says(dataset_tfrecord(env, &from, many, 1), CREW_INVALID_ARGUMENT, 65,
         "b: record 2: Name: <unknown>, Key: many, Index: 0.");
    files[1] = "no*";
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_NOT_FOUND, 66,
         "No files matched pattern: no*");
    ck_assert_int_eq(fs_read_file(env, "a", 1 << 20, (char **)&bytes, &n, &err),
                     CREW_OK);
    bytes[n - 6] ^= 1; /* in the last payload */
    ck_assert_int_eq(fs_replace_file(env, "a", bytes, n, &err), CREW_OK);
    free(bytes);
    from.num_files = 1;
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_DATA_LOSS, 65,
         "a: corrupted record at ");
    from.max_bad_records = 1;
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_OUT_OF_RANGE, 65, "");
}
END_TEST

START_TEST(wrong_requests_are_refused)
{
    static const struct {
        struct crew_record_feature f;
        const char *text;
    } wrong[] = {
        {{.dtype = CREW_FLOAT}, "it has no name"},
        {{.name = "a", .dtype = CREW_INT32}, "an Example holds"},
        {{.name = "a", .dtype = CREW_STRING}, "a string needs hash_buckets"},
        {{.name = "a", .dtype = CREW_FLOAT, .hash_buckets = 3},
         "are for strings"},
        {{.name = "a",
          .dtype = CREW_STRING,
          .hash_buckets = -3,
          .vocabulary = words,
          .vocabulary_size = 3},
         "give hash_buckets, or a vocabulary and its size"},
        {{.name = "a", .dtype = CREW_FLOAT, .var_len = true},
         "a shape of one dimension"},
        {{.name = "a",
          .dtype = CREW_STRING,
          .hash_buckets = 3,
          .has_default = true},
         "no default"},
    };
    const char *file = "a";
    struct crew_tfrecord from = {.files = &file, .num_files = 1};
    const struct crew_record_feature twice[] = {only_id[0], only_id[0]};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        says(dataset_tfrecord(env, &from, &wrong[i].f, 1),
             CREW_INVALID_ARGUMENT, 64, wrong[i].text);
    }
    says(dataset_tfrecord(env, &from, only_id, 0), CREW_INVALID_ARGUMENT, 64,
         "no features");
    says(dataset_tfrecord(env, &from, twice, 2), CREW_INVALID_ARGUMENT, 64,
         "id");
    from.cycle_length = -2;
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_INVALID_ARGUMENT, 64,
         "cycle_length -2");
    from.cycle_length = 0;
    from.compression = "LZO";
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_INVALID_ARGUMENT, 64,
         "LZO");
    from.num_files = 0;
    says(dataset_tfrecord(env, &from, only_id, 1), CREW_INVALID_ARGUMENT, 64,
         "no files");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tfrecord_dataset");
    TCase *tc = tcase_create("tfrecord_dataset");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, features_of_all_kinds, 0, 2);
    tcase_add_test(tc, a_word_is_its_place_in_the_vocabulary);
    tcase_add_test(tc, words_out_of_the_vocabulary_have_buckets);
    tcase_add_loop_test(tc, files_come_by_pattern_and_in_turn, 0, 3);
    tcase_add_loop_test(tc, parts_are_disjoint_and_together_everything, 0, 2);
    tcase_add_loop_test(tc, other_sources_are_cut_at_their_root, 0, 2);
    tcase_add_test(tc, bad_files_are_named);
    tcase_add_test(tc, wrong_requests_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
