/* SPDX-License-Identifier: Apache-2.0
 * TFRecord framing, both ways; the error texts are TensorFlow's. */
#include "io/tfrecord.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/tfrecord_source.h"

#include "base/banned.h"

enum { HEAD = 12, TAIL = 4 };

/* A length whose CRC holds but that no writer of ours or TensorFlow's makes. */
#define MAX_RECORD (2ull << 30)

static const char *const names[] = {"auto", "none", "gzip", "zlib"};

const char *tfrecord_compression_name(enum tfrecord_compression c)
{
    return names[c];
}

int tfrecord_compression_of(const char *name,
                            enum tfrecord_compression *out,
                            struct crew_err *err)
{
    if (name[0] == '\0') {
        *out = TFRECORD_NONE;
        return CREW_OK;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            *out = (enum tfrecord_compression)i;
            return CREW_OK;
        }
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "compression '%s' is none of auto, none, gzip, zlib",
                         name);
}

void tfrecord_frame(struct strbuf *out, const void *data, size_t n)
{
    uint8_t head[HEAD], tail[TAIL];

    put_le64(head, n);
    put_le32(head + 8, crc32c_mask(crc32c(head, 8)));
    put_le32(tail, crc32c_mask(crc32c(data, n)));
    strbuf_add(out, head, sizeof head);
    strbuf_add(out, data, n);
    strbuf_add(out, tail, sizeof tail);
}

/* ----------------------------------------------------------------- reading */

void tfrecord_reader_init(struct tfrecord_reader *r,
                          struct env_fs *fs,
                          struct env_file *file)
{
    *r = (struct tfrecord_reader){
        .record = {.data = ""},
        .options = {.compression = TFRECORD_NONE, .max_record = MAX_RECORD},
        .source = {.fs = fs, .file = file},
    };
}

int tfrecord_reader_open(struct tfrecord_reader *r,
                         struct crew_env *env,
                         const char *path,
                         const struct tfrecord_options *options,
                         struct crew_err *err)
{
    struct env_file *file = NULL;

    tfrecord_reader_init(r, env->fs, NULL);
    r->options.compression = TFRECORD_AUTO;
    if (options != NULL) {
        r->options = *options;
        r->options.max_record =
            options->max_record > 0 ? options->max_record : MAX_RECORD;
    }
    if (env->fs->open(env->fs, path, &file, err) != CREW_OK) {
        return err->code;
    }
    r->source.file = file;
    r->path = xstrdup(path);
    if (r->options.compression == TFRECORD_AUTO &&
        tfrecord_sniff(env->fs, file, &r->options.compression, err) !=
            CREW_OK) {
        return err->code;
    }
    return tfrecord_source_begin(&r->source, r->options.compression, err);
}

void tfrecord_reader_release(struct tfrecord_reader *r)
{
    struct crew_err ignored = {0};

    tfrecord_source_release(&r->source);
    if (r->path != NULL) {
        (void)r->source.fs->close(r->source.file, &ignored);
        free(r->path);
    }
    *r = (struct tfrecord_reader){.record = {.data = ""}};
}

bool tfrecord_unfinished(const struct tfrecord_reader *r)
{
    return tfrecord_source_unfinished(&r->source);
}

size_t tfrecord_left_over(const struct tfrecord_reader *r)
{
    return r->source.end - r->source.begin;
}

enum tfrecord_compression tfrecord_compression(const struct tfrecord_reader *r)
{
    return r->options.compression;
}

static const char *hint(uint64_t offset)
{
    return offset == 0 ? " (Is this even a TFRecord file?)" : "";
}

static int bad_length(const struct tfrecord_reader *r, struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_DATA_LOSS, 65, "corrupted record at %" PRIu64 "%s%s",
        r->offset, hint(r->offset),
        r->options.max_bad_records > 0
            ? "; it cannot be skipped: its length is damaged, so where the "
              "next record begins is unknown"
            : "");
}

static int too_long(const struct tfrecord_reader *r,
                    uint64_t length,
                    struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_DATA_LOSS, 65,
        "corrupted record at %" PRIu64 "%s: a length of %" PRIu64
        " bytes; at most %" PRIu64 " are read",
        r->offset, hint(r->offset), length, r->options.max_record);
}

static int truncated(const struct tfrecord_reader *r, struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_DATA_LOSS, 65,
        "truncated record at %" PRIu64 "' failed with %s", r->offset,
        r->source.zipped != NULL ? "EOF reached"
                                 : "Read less bytes than requested");
}

static int bad_payload(const struct tfrecord_reader *r, struct crew_err *err)
{
    char more[80] = "";

    if (r->options.max_bad_records > 0) {
        (void)snprintf(more, sizeof more,
                       "; %" PRId64 " bad records were skipped before it",
                       r->bad_records);
    }
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "corrupted record at %" PRIu64 "%s", r->offset + HEAD,
                         more);
}

/* The record whose length is believed and which lies whole in the window; *ok:
 * its payload's CRC is right. A bad one is stepped over as long as that is
 * allowed. */
static int take(struct tfrecord_reader *r,
                uint64_t length,
                bool *ok,
                struct crew_err *err)
{
    struct tfrecord_source *s = &r->source;
    const uint8_t *payload = s->window + s->begin + HEAD;

    *ok = crc32c(payload, length) == crc32c_unmask(get_le32(payload + length));
    if (!*ok && r->bad_records >= r->options.max_bad_records) {
        return bad_payload(r, err);
    }
    if (!*ok && r->bad_records++ == 0) {
        r->first_bad = r->offset + HEAD;
    }
    s->begin += HEAD + length + TAIL;
    r->offset += HEAD + length + TAIL;
    if (*ok) {
        r->record.data = (const char *)payload;
        r->record.len = length;
        r->num_records++;
    }
    return CREW_OK;
}

/* The next record, good or bad. Nothing is used up before the whole record is
 * there, so that a later call finds what has been written since. */
static int next(struct tfrecord_reader *r, bool *ok, struct crew_err *err)
{
    struct tfrecord_source *s = &r->source;
    const uint8_t *head;
    uint64_t length;

    if (s->end - s->begin < HEAD &&
        tfrecord_source_need(s, HEAD, err) != CREW_OK) {
        return err->code;
    }
    if (s->end - s->begin < HEAD) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "eof");
    }
    head = s->window + s->begin;
    length = get_le64(head);
    if (crc32c(head, 8) != crc32c_unmask(get_le32(head + 8))) {
        return bad_length(r, err);
    }
    if (length > r->options.max_record) {
        return too_long(r, length, err);
    }
    if (s->end - s->begin < HEAD + length + TAIL &&
        tfrecord_source_need(s, HEAD + length + TAIL, err) != CREW_OK) {
        return err->code;
    }
    if (s->end - s->begin < HEAD + length + TAIL) {
        return truncated(r, err);
    }
    return take(r, length, ok, err);
}

int tfrecord_next(struct tfrecord_reader *r, struct crew_err *err)
{
    bool ok = false;

    while (!ok) {
        int rc = next(r, &ok, err);

        if (rc == CREW_DATA_LOSS && r->path != NULL) {
            return crew_err_wrap(err, "%s", r->path);
        }
        if (rc != CREW_OK) { /* the file system names the path itself */
            return rc == CREW_OUT_OF_RANGE || rc == CREW_DATA_LOSS
                       ? rc
                       : crew_err_wrap(err, "record at %" PRIu64, r->offset);
        }
    }
    return CREW_OK;
}
