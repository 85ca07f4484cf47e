/* SPDX-License-Identifier: Apache-2.0
 * TFRecord files, written: plain, or one gzip or zlib stream, with TensorFlow's
 * settings. Source: tsl/lib/io/record_writer.cc, zlib_compression_options.cc.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/tfrecord.h"

#include "base/banned.h"

enum { HEAD = 12, TAIL = 4, BUFFER = 256 * 1024, MEM_LEVEL = 9 };

/* deflate() counts in 32 bits. */
#define MOST_AT_ONCE ((size_t)1 << 30)

struct tfrecord_writer {
    struct env_fs *fs;
    struct env_file *file;
    struct crew_err broken; /* the first error of the file */
    bool zipped;
    z_stream z;
    size_t held; /* bytes in buffer that the file has not yet */
    uint8_t buffer[BUFFER];
};

static int write_out(struct tfrecord_writer *w,
                     const void *data,
                     size_t n,
                     struct crew_err *err)
{
    if (n > 0 && w->fs->write(w->file, data, n, err) != CREW_OK) {
        w->broken = *err;
        return err->code;
    }
    return CREW_OK;
}

static int write_held(struct tfrecord_writer *w, struct crew_err *err)
{
    size_t n = w->held;

    w->held = 0;
    return write_out(w, w->buffer, n, err);
}

static int put_plain(struct tfrecord_writer *w,
                     const void *data,
                     size_t n,
                     struct crew_err *err)
{
    if (n > BUFFER - w->held && write_held(w, err) != CREW_OK) {
        return err->code;
    }
    if (n > BUFFER) {
        return write_out(w, data, n, err);
    }
    memcpy(w->buffer + w->held, data, n);
    w->held += n;
    return CREW_OK;
}

/* deflate() until it has taken all input and, with a flush, given all output.
 */
static int run_deflate(struct tfrecord_writer *w,
                       int flush,
                       struct crew_err *err)
{
    int rc;

    do {
        if (w->held == BUFFER && write_held(w, err) != CREW_OK) {
            return err->code;
        }
        w->z.next_out = w->buffer + w->held;
        w->z.avail_out = (uInt)(BUFFER - w->held);
        rc = deflate(&w->z, flush);
        INVARIANT(rc != Z_STREAM_ERROR);
        w->held = BUFFER - w->z.avail_out;
    } while (flush == Z_FINISH ? rc != Z_STREAM_END : w->z.avail_out == 0);
    return CREW_OK;
}

static int put_zipped(struct tfrecord_writer *w,
                      const void *data,
                      size_t n,
                      struct crew_err *err)
{
    const uint8_t *p = data;

    while (n > 0) {
        size_t piece = n < MOST_AT_ONCE ? n : MOST_AT_ONCE;

        /* zlib only reads there. */
        w->z.next_in = (Bytef *)(uintptr_t)p;
        w->z.avail_in = (uInt)piece;
        if (run_deflate(w, Z_NO_FLUSH, err) != CREW_OK) {
            return err->code;
        }
        p += piece;
        n -= piece;
    }
    return CREW_OK;
}

static int put(struct tfrecord_writer *w,
               const void *data,
               size_t n,
               struct crew_err *err)
{
    return w->zipped ? put_zipped(w, data, n, err) : put_plain(w, data, n, err);
}

/* The error that has been, once more. */
static int is_broken(const struct tfrecord_writer *w, struct crew_err *err)
{
    return w->broken.code == CREW_OK
               ? CREW_OK
               : crew_err_exit(err, w->broken.code, w->broken.exit_code, "%s",
                               w->broken.msg);
}

static int begin_deflate(struct tfrecord_writer *w,
                         const struct tfrecord_writer_options *o,
                         struct crew_err *err)
{
    bool gzip = o->compression == TFRECORD_GZIP;

    w->zipped = gzip || o->compression == TFRECORD_ZLIB;
    if (w->zipped &&
        deflateInit2(&w->z, o->level > 0 ? o->level : Z_DEFAULT_COMPRESSION,
                     Z_DEFLATED, gzip ? MAX_WBITS + 16 : MAX_WBITS, MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "no memory for deflating");
    }
    return CREW_OK;
}

int tfrecord_writer_open(struct crew_env *env,
                         const char *path,
                         const struct tfrecord_writer_options *options,
                         struct tfrecord_writer **out,
                         struct crew_err *err)
{
    static const struct tfrecord_writer_options none;
    const struct tfrecord_writer_options *o = options != NULL ? options : &none;
    struct tfrecord_writer *w;

    if (o->level < 0 || o->level > 9) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s: compression level %d; give 1 to 9, or 0 for "
                             "the usual one",
                             path, o->level);
    }
    w = xcalloc(1, sizeof *w);
    w->fs = env->fs;
    if (begin_deflate(w, o, err) != CREW_OK) {
        free(w);
        return err->code;
    }
    if (env->fs->create(env->fs, path, false, &w->file, err) != CREW_OK) {
        (void)deflateEnd(&w->z);
        free(w);
        return err->code;
    }
    *out = w;
    return CREW_OK;
}

int tfrecord_writer_add(struct tfrecord_writer *w,
                        const void *data,
                        size_t n,
                        struct crew_err *err)
{
    uint8_t head[HEAD], tail[TAIL];

    put_le64(head, n);
    put_le32(head + 8, crc32c_mask(crc32c(head, 8)));
    put_le32(tail, crc32c_mask(crc32c(data, n)));
    if (is_broken(w, err) != CREW_OK ||
        put(w, head, sizeof head, err) != CREW_OK ||
        put(w, data, n, err) != CREW_OK ||
        put(w, tail, sizeof tail, err) != CREW_OK) {
        return err->code;
    }
    return CREW_OK;
}

int tfrecord_writer_flush(struct tfrecord_writer *w, struct crew_err *err)
{
    if (is_broken(w, err) != CREW_OK ||
        (w->zipped && run_deflate(w, Z_PARTIAL_FLUSH, err) != CREW_OK)) {
        return err->code;
    }
    return write_held(w, err);
}

static int finish(struct tfrecord_writer *w, struct crew_err *err)
{
    if (is_broken(w, err) != CREW_OK ||
        (w->zipped && run_deflate(w, Z_FINISH, err) != CREW_OK) ||
        write_held(w, err) != CREW_OK) {
        return err->code;
    }
    return w->fs->sync(w->file, err);
}

int tfrecord_writer_close(struct tfrecord_writer *w, struct crew_err *err)
{
    struct crew_err late = {0};
    int rc;

    if (w == NULL) {
        return CREW_OK;
    }
    rc = finish(w, err);
    if (w->fs->close(w->file, rc == CREW_OK ? err : &late) != CREW_OK &&
        rc == CREW_OK) {
        rc = err->code;
    }
    if (w->zipped) {
        (void)deflateEnd(&w->z);
    }
    free(w);
    return rc;
}
