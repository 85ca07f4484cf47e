/* SPDX-License-Identifier: Apache-2.0
 * Datasets: their parameters, and what the structs and lists hold. */
#include <stdio.h>
#include <stdlib.h>

#include "io/dataset_list.h"
#include "nulls.h"

static const char *path(void)
{
    return "/no/such/file";
}

static struct crew_dataset *dataset(void)
{
    return some_dataset("x");
}

static const struct crew_column *columns(void)
{
    static const struct crew_column all[] = {
        {"x", CREW_FLOAT, {1, {1}}, false},
    };

    return all;
}

static const void *const *data(void)
{
    static const float x[4];
    static const void *const all[] = {x};

    return all;
}

static const char *const *paths(void)
{
    static const char *const all[] = {"/no/such/file"};

    return all;
}

static struct crew_dataset *arrays_of(const char *name, const void *array)
{
    struct crew_column column = {name, CREW_FLOAT, {1, {1}}, false};

    return crew_dataset_arrays(&column, &array, 1, 4);
}

static struct crew_dataset *npy_of(const char *name, const char *file)
{
    struct crew_column column = {name, CREW_FLOAT, {1, {1}}, false};

    return crew_dataset_npy(&column, &file, 1);
}

static const struct crew_csv_column *csv_columns(void)
{
    static const struct crew_csv_column all[] = {
        {.name = "x", .dtype = CREW_FLOAT}};

    return all;
}

static struct crew_dataset *csv_of(const char *const *vocabulary)
{
    struct crew_csv_column column = {.name = "word",
                                     .dtype = CREW_STRING,
                                     .vocabulary = vocabulary,
                                     .vocabulary_size = 1};

    return crew_dataset_csv("/no/such/file", &column, 1,
                            (struct crew_csv){.header = true});
}

static const char *const *vocabulary(void)
{
    static const char *const all[] = {"word"};

    return all;
}

static const char *const *vocabulary_of(const char *word)
{
    static const char *all[1];

    all[0] = word;
    return all;
}

static struct crew_tfrecord records(const char *const *files)
{
    return (struct crew_tfrecord){.files = files, .num_files = 1};
}

static const struct crew_tfrecord *tfrecord(void)
{
    static struct crew_tfrecord r;

    r = records(paths());
    return &r;
}

static const struct crew_record_feature *record_features(void)
{
    static const struct crew_record_feature all[] = {
        {.name = "x", .dtype = CREW_FLOAT}};

    return all;
}

static struct crew_dataset *tfrecord_of(const char *const *files,
                                        const char *name,
                                        const char *const *words)
{
    struct crew_tfrecord r = records(files);
    struct crew_record_feature feature = {.name = name,
                                          .dtype = CREW_STRING,
                                          .vocabulary = words,
                                          .vocabulary_size = 1};

    return crew_dataset_tfrecord(&r, &feature, 1);
}

static struct crew_dataset *tfrecord_file(const char *file)
{
    return tfrecord_of(&file, "x", vocabulary());
}

static int fn(void *self,
              const void *const *in,
              void *const *out,
              struct crew_err *err)
{
    (void)self, (void)in, (void)out, (void)err;
    return CREW_OK;
}

static struct crew_dataset *list_of(bool zip,
                                    struct crew_dataset *first,
                                    struct crew_dataset *second)
{
    struct crew_dataset *all[] = {first, second};

    return zip ? crew_dataset_zip(all, 2) : crew_dataset_interleave(all, 2, 1);
}

static struct crew_dataset *const *sources(void)
{
    static struct crew_dataset *all[1];

    all[0] = dataset();
    return all;
}

static struct crew_dataset *first(void)
{
    return some_dataset("x");
}

static struct crew_dataset *second(void)
{
    return some_dataset("x");
}

static struct crew_dataset *other(void)
{
    return some_dataset("z");
}

static struct crew_list *list(void)
{
    static struct crew_list made;

    dataset_list_begin(&made, CREW_INT64);
    return &made;
}

/* A file of one word, in the folder of the checkpoints. */
static const char *words_file(void)
{
    static char name[96];
    FILE *f;

    (void)snprintf(name, sizeof name, "%s/words", model_dir);
    f = fopen(name, "w");
    if (f != NULL) {
        (void)fputs("word\n", f);
        (void)fclose(f);
    }
    return name;
}

static int read_words(const char *from,
                      const char *const **words,
                      int64_t *n,
                      struct crew_err *err)
{
    int rc = crew_vocabulary_read(from, 0, words, n, err);

    if (rc == CREW_OK) {
        free((void *)(uintptr_t)*words);
    }
    return rc;
}

static const char *const *the_words;
static int64_t n_words;

#define ROWS(X)                                                                \
    X(CALM, crew_list_size, list, crew_list_size(P(list())))                   \
    X(CALM, crew_list_values, list, crew_list_values(P(list())))               \
    X(CALM, crew_list_add_int, list, (crew_list_add_int(P(list()), 1), 0))     \
    X(CALM, crew_list_add_float, list, (crew_list_add_float(P(list()), 1), 0)) \
    X(REFUSED, crew_vocabulary_read, all,                                      \
      read_words(AS("path", words_file()), AS("words", &the_words),            \
                 AS("n", &n_words), ERR))                                      \
    X(DATASET, crew_dataset_idx, paths,                                        \
      crew_dataset_idx(P("images_path"), P("labels_path"), P("feature"), 4,    \
                       4))                                                     \
    X(DATASET, crew_dataset_arrays, lists,                                     \
      crew_dataset_arrays(P(columns()), P(data()), 1, 4))                      \
    X(DATASET, crew_dataset_arrays, parts, arrays_of(P("name"), P(data())))    \
    X(DATASET, crew_dataset_npy, lists,                                        \
      crew_dataset_npy(P(columns()), P(paths()), 1))                           \
    X(DATASET, crew_dataset_npy, parts, npy_of(P("name"), P("paths[0]")))      \
    X(DATASET, crew_dataset_csv, lists,                                        \
      crew_dataset_csv(P(path()), P(csv_columns()), 1, (struct crew_csv){0}))  \
    X(DATASET, crew_dataset_csv, parts, csv_of(P(vocabulary())))               \
    X(DATASET, crew_dataset_csv, words,                                        \
      csv_of(vocabulary_of(P("vocabulary[0]"))))                               \
    X(DATASET, crew_dataset_tfrecord, lists,                                   \
      crew_dataset_tfrecord(P(tfrecord()), P(record_features()), 1))           \
    X(DATASET, crew_dataset_tfrecord, parts,                                   \
      tfrecord_of(P(paths()), P("name"), P(vocabulary())))                     \
    X(DATASET, crew_dataset_tfrecord, file, tfrecord_file(P("files[0]")))      \
    X(DATASET, crew_dataset_tfrecord, words,                                   \
      tfrecord_of(paths(), "x", vocabulary_of(P("vocabulary[0]"))))            \
    X(DATASET, crew_dataset_map, all,                                          \
      crew_dataset_map(P(dataset()), P(columns()), 1, P(fn), N("self")))       \
    X(DATASET, crew_dataset_skip, all, crew_dataset_skip(P(dataset()), 1))     \
    X(DATASET, crew_dataset_interleave, list,                                  \
      crew_dataset_interleave(P(sources()), 1, 1))                             \
    X(DATASET, crew_dataset_interleave, parts,                                 \
      list_of(false, P(first()), P(second())))                                 \
    X(DATASET, crew_dataset_zip, list, crew_dataset_zip(P(sources()), 1))      \
    X(DATASET, crew_dataset_zip, parts, list_of(true, P(first()), P(other()))) \
    X(DATASET, crew_dataset_shuffle, all,                                      \
      crew_dataset_shuffle(P(dataset()), 4, 1))                                \
    X(DATASET, crew_dataset_shuffle_with, all,                                 \
      crew_dataset_shuffle_with(P(dataset()), 4, 1, true))                     \
    X(DATASET, crew_dataset_repeat, all, crew_dataset_repeat(P(dataset()), 1)) \
    X(DATASET, crew_dataset_take, all, crew_dataset_take(P(dataset()), 1))     \
    X(DATASET, crew_dataset_shard, all,                                        \
      crew_dataset_shard(P(dataset()), 2, 0))                                  \
    X(DATASET, crew_dataset_batch, all,                                        \
      crew_dataset_batch(P(dataset()), 2, true))                               \
    X(DATASET, crew_dataset_prefetch, all,                                     \
      crew_dataset_prefetch(P(dataset()), 1))                                  \
    X(DATASET, crew_dataset_concatenate, all,                                  \
      crew_dataset_concatenate(P(first()), P(second())))                       \
    X(DATASET, crew_dataset_numpy_input, all,                                  \
      crew_dataset_numpy_input(P(dataset()), 2, 1, true, 10))

ROWS(ROW_FUNCTION)
const struct row input_rows[] = {ROWS(ROW)};
const int num_input_rows = NUM_OF(input_rows);
