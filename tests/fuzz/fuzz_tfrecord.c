/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of TFRecord files with each compression, and the writer.
 * Oracles beyond "no crash": records of a plain file framed again are its
 * bytes; a file that is there piece by piece gives the same records and the
 * same end as the whole one; skipping bad records gives those before the first
 * bad one and maybe more; what the writer makes of the records is read back as
 * the same.
 *
 * The input is a file as it is, and also a recipe for one of sound records,
 * since no fuzzer guesses a CRC: a byte of length, so many bytes of payload. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "io/tfrecord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 18, MAX_RECORD = 1 << 20 };

/* One file, of which the first `visible` bytes are there. */
struct env_file {
    const uint8_t *bytes;
    size_t visible;
};

static struct env_file only;

static int fs_open(struct env_fs *fs,
                   const char *path,
                   struct env_file **out,
                   struct crew_err *err)
{
    (void)fs, (void)path, (void)err;
    *out = &only;
    return CREW_OK;
}

static int fs_read(struct env_file *f,
                   uint64_t offset,
                   void *to,
                   size_t n,
                   size_t *got,
                   struct crew_err *err)
{
    size_t left = offset < f->visible ? f->visible - (size_t)offset : 0;

    (void)err;
    *got = n < left ? n : left;
    if (*got > 0) {
        memcpy(to, f->bytes + offset, *got);
    }
    return CREW_OK;
}

static int fs_close(struct env_file *f, struct crew_err *err)
{
    (void)f, (void)err;
    return CREW_OK;
}

static struct env_fs fs = {.open = fs_open, .read = fs_read, .close = fs_close};
static struct crew_env env = {.fs = &fs};

/* What a reading came to. */
struct reading {
    struct strbuf framed; /* all records */
    uint64_t records;
    int64_t bad;
    size_t left_over;
    bool unfinished;
    enum tfrecord_compression found;
    struct crew_err end;
};

static void read_some(struct tfrecord_reader *r, struct reading *to)
{
    to->end = (struct crew_err){0};
    while (tfrecord_next(r, &to->end) == CREW_OK) {
        INVARIANT(r->record.len <= MAX_RECORD);
        tfrecord_frame(&to->framed, r->record.data, r->record.len);
        to->records++;
    }
    INVARIANT(to->records == r->num_records);
    INVARIANT(to->end.msg[0] != '\0');
    INVARIANT(to->end.code == CREW_OUT_OF_RANGE ||
              crew_err_exit_code(&to->end) == 65);
    to->bad = r->bad_records;
    to->left_over = tfrecord_left_over(r);
    to->unfinished = tfrecord_unfinished(r);
    to->found = tfrecord_compression(r);
}

/* The file is first there up to each of some places, then whole. */
static struct reading read_file(const uint8_t *bytes,
                                size_t n,
                                enum tfrecord_compression c,
                                int64_t max_bad,
                                int steps)
{
    const struct tfrecord_options options = {
        .compression = c, .max_bad_records = max_bad, .max_record = MAX_RECORD};
    struct reading to = {0};
    struct tfrecord_reader r;

    only = (struct env_file){bytes, steps > 0 ? 0 : n};
    strbuf_init(&to.framed);
    INVARIANT(tfrecord_reader_open(&r, &env, "f", &options, &to.end) ==
              CREW_OK);
    for (int i = 1; i <= steps; i++) {
        only.visible = n / (size_t)(steps + 1) * (size_t)i;
        read_some(&r, &to);
    }
    only.visible = n;
    read_some(&r, &to);
    tfrecord_reader_release(&r);
    return to;
}

static void same(const struct reading *a, const struct reading *b)
{
    INVARIANT(a->records == b->records && a->framed.len == b->framed.len);
    INVARIANT(memcmp(a->framed.data, b->framed.data, a->framed.len) == 0);
}

/* The records of a reading, written by the writer, read again. */
static void write_again(const struct reading *from, enum tfrecord_compression c)
{
    const struct tfrecord_writer_options options = {.compression = c};
    struct crew_env *mem = env_mem_new(1);
    struct tfrecord_writer *w = NULL;
    struct crew_err err = {0};
    struct tfrecord_reader r;
    struct reading again = {0};
    const uint8_t *p = (const uint8_t *)from->framed.data;

    INVARIANT(tfrecord_writer_open(mem, "w", &options, &w, &err) == CREW_OK);
    for (size_t at = 0; at < from->framed.len;) {
        uint64_t length;

        memcpy(&length, p + at, sizeof length);
        INVARIANT(tfrecord_writer_add(w, p + at + 12, length, &err) == CREW_OK);
        at += 16 + length;
    }
    INVARIANT(tfrecord_writer_close(w, &err) == CREW_OK);
    strbuf_init(&again.framed);
    INVARIANT(tfrecord_reader_open(&r, mem, "w", NULL, &err) == CREW_OK);
    read_some(&r, &again);
    INVARIANT(again.end.code == CREW_OUT_OF_RANGE);
    INVARIANT(again.found == c || from->records == 0);
    INVARIANT(!again.unfinished && again.left_over == 0);
    same(from, &again);
    tfrecord_reader_release(&r);
    strbuf_release(&again.framed);
    env_mem_free(mem);
}

/* As a plain file. */
static void check_plain(const uint8_t *bytes, size_t n)
{
    struct reading whole = read_file(bytes, n, TFRECORD_NONE, 0, 0);
    struct reading cut =
        read_file(bytes, n, TFRECORD_NONE, 0, 1 + bytes[0] % 7);

    INVARIANT(memcmp(whole.framed.data, bytes, whole.framed.len) == 0);
    same(&whole, &cut);
    INVARIANT(strcmp(whole.end.msg, cut.end.msg) == 0);
    if (strstr(whole.end.msg, "corrupted") != NULL) {
        struct reading more = read_file(bytes, n, TFRECORD_NONE, 3, 0);

        INVARIANT(more.bad <= 3 && more.framed.len >= whole.framed.len);
        INVARIANT(
            memcmp(more.framed.data, whole.framed.data, whole.framed.len) == 0);
        strbuf_release(&more.framed);
    }
    if (whole.records > 0 && bytes[0] % 4 == 0) {
        write_again(&whole, (enum tfrecord_compression)(1 + n % 3));
    }
    strbuf_release(&whole.framed);
    strbuf_release(&cut.framed);
}

/* As a compressed file, or as whatever it looks like. */
static void check_zipped(const uint8_t *bytes, size_t n)
{
    static const enum tfrecord_compression kinds[] = {
        TFRECORD_AUTO, TFRECORD_GZIP, TFRECORD_ZLIB};
    struct reading r = read_file(bytes, n, kinds[n % 3], 0, 0);

    if (r.found == TFRECORD_NONE) {
        INVARIANT(memcmp(r.framed.data, bytes, r.framed.len) == 0);
    } else if (r.records > 0) {
        write_again(&r, r.found);
    }
    strbuf_release(&r.framed);
}

/* Sound records; a length byte of 0xff spoils a byte of what there is. */
static void cook(const uint8_t *recipe, size_t n, struct strbuf *to)
{
    for (size_t i = 0; i < n;) {
        size_t length = recipe[i++];

        if (length == 0xff && to->len > 0 && i < n) {
            to->data[recipe[i] % to->len] ^= 0x10;
            continue;
        }
        length = length < n - i ? length : n - i;
        tfrecord_frame(to, recipe + i, length);
        i += length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf cooked;

    if (size < 1 || size > MOST) {
        return 0;
    }
    check_plain(data, size);
    check_zipped(data, size);
    strbuf_init(&cooked);
    cook(data, size, &cooked);
    check_plain((const uint8_t *)cooked.data, cooked.len);
    strbuf_release(&cooked);
    return 0;
}
