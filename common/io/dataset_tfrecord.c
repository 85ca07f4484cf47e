/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord files of tf.Examples as a dataset. Records are read from `cycle`
 * files in turn, parsed in blocks (io/parse_example.h), and handed out one by
 * one. A string becomes an integer on the way: a bucket of its hash or its
 * place in a vocabulary. Buffers grow to what a block needs and then stay. */
#include "io/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/file_pattern.h"
#include "io/parse_example.h"
#include "io/record_features.h"
#include "io/tfrecord.h"

#include "base/banned.h"

/* Records parsed at once: enough to share the cost of a call, few enough to
 * stay in the cache. */
enum { BLOCK = 64 };

struct lane {
    struct tfrecord_reader reader;
    bool open;
    int file; /* which of the list */
};
/* Where a record of the block comes from, for messages. */
struct origin {
    int file;
    uint64_t number; /* in its file, from 1 */
};

struct tfrecords {
    struct crew_dataset base;
    struct crew_env *env; /* borrowed */
    struct tfrecord_options options;
    struct file_list patterns, files; /* as given; what they are */
    bool listed;
    int64_t num_shards, shard;
    bool by_file; /* else every num_shards-th record is ours */

    struct lane *lanes;
    int num_lanes, lane;       /* the one whose turn it is */
    int64_t block_length, run; /* records in a row from one file; so far */
    int next_file;
    int64_t num_seen; /* records, ours or not */

    struct record_features *features;
    struct parse_output *out;
    struct strbuf bytes; /* the block's records, one after the other */
    size_t begin[BLOCK + 1];
    struct origin origin[BLOCK];
    int64_t num_block, at;
};

/* ------------------------------------------------------------------- files */

static int list_files(struct tfrecords *d, struct crew_err *err)
{
    if (d->listed) {
        return CREW_OK;
    }
    for (int i = 0; i < d->patterns.n; i++) {
        if (file_list_expand(&d->files, d->env, d->patterns.paths[i], err) !=
            CREW_OK) {
            file_list_release(&d->files);
            return err->code;
        }
    }
    d->by_file = d->num_shards > 1 && d->files.n >= d->num_shards;
    d->next_file = d->by_file ? (int)d->shard : 0;
    d->listed = true;
    return CREW_OK;
}

/* The lane's next file. OUT_OF_RANGE: there is none. */
static int open_lane(struct tfrecords *d, struct lane *l, struct crew_err *err)
{
    if (d->next_file >= d->files.n) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
    }
    if (tfrecord_reader_open(&l->reader, d->env, d->files.paths[d->next_file],
                             &d->options, err) != CREW_OK) {
        tfrecord_reader_release(&l->reader);
        return err->code;
    }
    l->open = true;
    l->file = d->next_file;
    d->next_file += d->by_file ? (int)d->num_shards : 1;
    return CREW_OK;
}

static void close_lane(struct lane *l)
{
    if (l->open) {
        tfrecord_reader_release(&l->reader);
    }
    *l = (struct lane){0};
}

static void next_turn(struct tfrecords *d)
{
    d->run = 0;
    d->lane = (d->lane + 1) % d->num_lanes;
}

/* A record of the file whose turn it is. OUT_OF_RANGE: all have ended. */
static int next_record(struct tfrecords *d,
                       struct tfrecord_view *record,
                       struct origin *origin,
                       struct crew_err *err)
{
    int idle = 0;

    while (idle < d->num_lanes) {
        struct lane *l = &d->lanes[d->lane];
        struct crew_err end = {0};

        if ((l->open || open_lane(d, l, &end) == CREW_OK) &&
            tfrecord_next(&l->reader, &end) == CREW_OK) {
            *record = l->reader.record;
            *origin = (struct origin){l->file, l->reader.num_records};
            if (++d->run == d->block_length) {
                next_turn(d);
            }
            return CREW_OK;
        }
        if (end.code != CREW_OUT_OF_RANGE) {
            *err = end;
            return err->code;
        }
        if (!l->open) { /* no file is left for this lane */
            idle++;
            next_turn(d);
            continue;
        }
        close_lane(l); /* the next file takes its place and its turn */
        d->run = 0;
        idle = 0;
    }
    return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
}

/* ------------------------------------------------------------------ blocks */

static bool is_ours(struct tfrecords *d)
{
    int64_t place = d->num_seen++;

    return d->by_file || place % d->num_shards == d->shard;
}

/* The block's records into `bytes`. OUT_OF_RANGE: there is not one. */
static int gather(struct tfrecords *d, struct crew_err *err)
{
    struct tfrecord_view record = {0};
    struct origin origin = {0};
    struct crew_err end = {0};

    strbuf_reset(&d->bytes);
    d->num_block = 0;
    d->at = 0;
    while (d->num_block < BLOCK &&
           next_record(d, &record, &origin, &end) == CREW_OK) {
        if (is_ours(d)) {
            d->origin[d->num_block] = origin;
            d->begin[d->num_block++] = d->bytes.len;
            strbuf_add(&d->bytes, record.data, record.len);
        }
    }
    d->begin[d->num_block] = d->bytes.len;
    if (end.code != CREW_OK &&
        (end.code != CREW_OUT_OF_RANGE || d->num_block == 0)) {
        *err = end;
    }
    return err->code;
}

/* The block cannot be parsed: the first record that cannot is named. */
static int say_which(struct tfrecords *d,
                     const struct example_bytes *serialized,
                     struct crew_err *err)
{
    for (int64_t i = 0; i < d->num_block; i++) {
        const struct origin *from = &d->origin[i];
        struct crew_err one = {0};

        if (parse_example_batch(record_features_spec(d->features),
                                &serialized[i], NULL, 0, 1, d->out,
                                &one) != CREW_OK) {
            *err = one;
            (void)crew_err_wrap(err, "%s: record %" PRIu64,
                                d->files.paths[from->file], from->number);
            break;
        }
    }
    d->num_block = 0;
    return err->code;
}

static int next_block(struct tfrecords *d, struct crew_err *err)
{
    struct example_bytes serialized[BLOCK];

    if (list_files(d, err) != CREW_OK || gather(d, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < d->num_block; i++) {
        serialized[i] = (struct example_bytes){d->bytes.data + d->begin[i],
                                               d->begin[i + 1] - d->begin[i]};
    }
    if (parse_example_batch(record_features_spec(d->features), serialized, NULL,
                            0, d->num_block, d->out, err) != CREW_OK) {
        return say_which(d, serialized, err);
    }
    record_features_take(d->features, parse_output_columns(d->out),
                         d->num_block);
    return CREW_OK;
}

/* ----------------------------------------------------------------- dataset */

static int tfrecords_next(struct crew_dataset *base,
                          void *const *out,
                          int64_t *rows,
                          struct crew_err *err)
{
    struct tfrecords *d = (struct tfrecords *)base;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    if (d->at == d->num_block && next_block(d, err) != CREW_OK) {
        return err->code;
    }
    *rows = 1;
    return record_features_give(d->features, d->at++, out, err);
}

/* Records are read and their CRCs checked, but not parsed. */
static int tfrecords_pass(struct crew_dataset *base,
                          void *const *scratch,
                          int64_t n,
                          int64_t *passed,
                          struct crew_err *err)
{
    struct tfrecords *d = (struct tfrecords *)base;
    int64_t parsed = d->num_block - d->at;
    struct tfrecord_view record;
    struct origin origin;
    struct crew_err end = {0};

    (void)scratch;
    if (base->broken.code != CREW_OK || list_files(d, err) != CREW_OK) {
        *err = base->broken.code != CREW_OK ? base->broken : *err;
        return err->code;
    }
    *passed = n < parsed ? n : parsed;
    d->at += *passed;
    while (*passed < n && next_record(d, &record, &origin, &end) == CREW_OK) {
        *passed += is_ours(d) ? 1 : 0;
    }
    if (end.code != CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
    }
    return err->code;
}

static int tfrecords_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct tfrecords *d = (struct tfrecords *)base;

    (void)err;
    for (int i = 0; i < d->num_lanes; i++) {
        close_lane(&d->lanes[i]);
    }
    d->lane = 0;
    d->run = 0;
    d->next_file = d->by_file ? (int)d->shard : 0;
    d->num_seen = 0;
    d->num_block = 0;
    d->at = 0;
    return CREW_OK;
}

static void tfrecords_free(struct crew_dataset *base)
{
    struct tfrecords *d = (struct tfrecords *)base;

    for (int i = 0; i < d->num_lanes; i++) {
        close_lane(&d->lanes[i]);
    }
    free(d->lanes);
    file_list_release(&d->patterns);
    file_list_release(&d->files);
    record_features_free(d->features);
    parse_output_free(d->out);
    strbuf_release(&d->bytes);
}

static void tfrecords_shard(struct crew_dataset *base,
                            int64_t num,
                            int64_t index)
{
    struct tfrecords *d = (struct tfrecords *)base;

    d->num_shards = num;
    d->shard = index;
}

static const struct dataset_ops tfrecords_ops = {
    .next = tfrecords_next,
    .rewind = tfrecords_rewind,
    .pass = tfrecords_pass,
    .free = tfrecords_free,
    .shard = tfrecords_shard,
};

/* ------------------------------------------------------------------ making */

static void check_options(struct tfrecords *d, const struct crew_tfrecord *from)
{
    struct crew_err *broken = &d->base.broken;

    if (from->num_files < 1) {
        crew_err_exit(broken, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_tfrecord: no files");
    }
    if (from->cycle_length < 0 || from->cycle_length > 1024 ||
        from->block_length < 0) {
        crew_err_exit(broken, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_tfrecord: cycle_length %" PRId64
                      ", block_length %" PRId64
                      ". Fix: 1 to 1024 files in turn, at least 1 record",
                      from->cycle_length, from->block_length);
    }
    if (from->max_bad_records < 0) {
        crew_err_exit(broken, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_tfrecord: max_bad_records is %" PRId64
                      ". Fix: at least 0",
                      from->max_bad_records);
    }
    (void)tfrecord_compression_of(
        from->compression != NULL ? from->compression : "auto",
        &d->options.compression, broken);
}

struct crew_dataset *dataset_tfrecord(
    struct crew_env *env,
    const struct crew_tfrecord *from,
    const struct crew_record_feature *features,
    int n)
{
    static const struct crew_tfrecord none = {0};
    static const char me[] = "crew_dataset_tfrecord";
    struct tfrecords *d = dataset_new(sizeof *d, &tfrecords_ops, NULL);
    struct crew_err *broken = &d->base.broken;
    int num_files;

    from = dataset_need(&d->base, from, me, "the struct crew_tfrecord") ? from
                                                                        : &none;
    d->env = env;
    d->num_shards = 1;
    d->out = parse_output_new();
    strbuf_init(&d->bytes);
    check_options(d, from);
    num_files =
        dataset_list(&d->base, from->files, from->num_files, me, "files");
    for (int i = 0; i < num_files; i++) {
        if (dataset_need(&d->base, from->files[i], me, "a file of the list")) {
            file_list_add(&d->patterns, from->files[i]);
        }
    }
    n = dataset_list(&d->base, features, n, me, "features");
    d->options.max_bad_records = from->max_bad_records;
    d->block_length = from->block_length > 0 ? from->block_length : 1;
    d->num_lanes = broken->code == CREW_OK && from->cycle_length > 0
                       ? (int)from->cycle_length
                       : 1;
    d->lanes = xcalloc((size_t)d->num_lanes, sizeof *d->lanes);
    if (record_features_new(features, n, BLOCK, &d->features, broken) ==
        CREW_OK) {
        for (int i = 0; i < n; i++) {
            record_features_declare(d->features, i, &d->base);
        }
    }
    return &d->base;
}

struct crew_dataset *crew_dataset_tfrecord(
    const struct crew_tfrecord *from,
    const struct crew_record_feature *features,
    int n)
{
    return dataset_tfrecord(env_posix(), from, features, n);
}
