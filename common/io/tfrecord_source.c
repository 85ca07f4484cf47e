/* SPDX-License-Identifier: Apache-2.0
 * A window over a file's bytes, plain or inflated. */
#include "io/tfrecord_source.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include "base/banned.h"

enum { GZIP_BITS = MAX_WBITS + 16 };

struct tfrecord_inflate {
    z_stream z;
    bool gzip;
    bool began;   /* some byte came in */
    bool ended;   /* after the end of a stream; another one may follow */
    bool ignored; /* what follows it is none */
    uint8_t in[TFRECORD_WINDOW];
};

/* RFC 1950: deflate, a window of at most 32 KiB, and a multiple of 31. */
static bool is_zlib_header(const uint8_t *p)
{
    return (p[0] & 0x0f) == 8 && p[0] >> 4 <= 7 && (p[0] << 8 | p[1]) % 31 == 0;
}

int tfrecord_sniff(struct env_fs *fs,
                   struct env_file *file,
                   enum tfrecord_compression *out,
                   struct crew_err *err)
{
    uint8_t head[12];
    size_t n = 0;

    if (fs->read(file, 0, head, sizeof head, &n, err) != CREW_OK) {
        return err->code;
    }
    /* A length can look like either header, but then its CRC is right. */
    if (n == sizeof head &&
        crc32c(head, 8) == crc32c_unmask(get_le32(head + 8))) {
        *out = TFRECORD_NONE;
    } else if (n >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8) {
        *out = TFRECORD_GZIP;
    } else if (n >= 2 && is_zlib_header(head)) {
        *out = TFRECORD_ZLIB;
    } else {
        *out = TFRECORD_NONE;
    }
    return CREW_OK;
}

int tfrecord_source_begin(struct tfrecord_source *s,
                          enum tfrecord_compression compression,
                          struct crew_err *err)
{
    struct tfrecord_inflate *f;
    void *memory = NULL;

    if (compression != TFRECORD_GZIP && compression != TFRECORD_ZLIB) {
        return CREW_OK;
    }
    if (mem_try(1, sizeof *f, "inflating", &memory, err) != CREW_OK) {
        return err->code;
    }
    f = memory;
    f->gzip = compression == TFRECORD_GZIP;
    f->z.next_in = f->in;
    if (inflateInit2(&f->z, f->gzip ? GZIP_BITS : MAX_WBITS) != Z_OK) {
        free(f);
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "no memory for inflating");
    }
    s->zipped = f;
    return CREW_OK;
}

void tfrecord_source_release(struct tfrecord_source *s)
{
    if (s->zipped != NULL) {
        (void)inflateEnd(&s->zipped->z);
        free(s->zipped);
    }
    free(s->window);
    s->zipped = NULL;
    s->window = NULL;
}

bool tfrecord_source_unfinished(const struct tfrecord_source *s)
{
    return s->zipped != NULL && s->zipped->began && !s->zipped->ended;
}

/* Room for `room` bytes after `end`: what is left moves to the front, and only
 * if that is not enough the window doubles. */
static int make_room(struct tfrecord_source *s,
                     size_t room,
                     struct crew_err *err)
{
    size_t held = s->end - s->begin, cap = s->cap;
    void *memory = NULL;

    if (s->cap - s->end >= room) {
        return CREW_OK;
    }
    while (cap - held < room) {
        cap = cap > 0 ? 2 * cap : TFRECORD_WINDOW;
    }
    if (cap == s->cap) {
        memmove(s->window, s->window + s->begin, held);
    } else {
        if (mem_try(cap, 1, "a record", &memory, err) != CREW_OK) {
            return err->code;
        }
        if (held > 0) {
            memcpy(memory, s->window + s->begin, held);
        }
        free(s->window);
        s->window = memory;
        s->cap = cap;
    }
    s->begin = 0;
    s->end = held;
    return CREW_OK;
}

/* More bytes behind `end`; none at the end of the file. */
static int fill_plain(struct tfrecord_source *s, struct crew_err *err)
{
    size_t got = 0;

    /* The room that a window has whose bytes are used up, so that it grows only
     * when one record fills it. */
    if (s->begin == s->end) {
        s->begin = s->end = 0;
    }
    if (make_room(s, s->begin > 0 ? s->cap - (s->end - s->begin) : 1, err) !=
        CREW_OK) {
        return err->code;
    }
    if (s->fs->read(s->file, s->at, s->window + s->end, s->cap - s->end, &got,
                    err) != CREW_OK) {
        return err->code;
    }
    s->end += got;
    s->at += got;
    return CREW_OK;
}

/* ----------------------------------------------------------------- inflate */

/* More compressed bytes behind those that are left. */
static int load(struct tfrecord_source *s, size_t *got, struct crew_err *err)
{
    struct tfrecord_inflate *f = s->zipped;

    if (f->z.avail_in > 0) {
        memmove(f->in, f->z.next_in, f->z.avail_in);
    }
    f->z.next_in = f->in;
    if (s->fs->read(s->file, s->at, f->in + f->z.avail_in,
                    sizeof f->in - f->z.avail_in, got, err) != CREW_OK) {
        return err->code;
    }
    s->at += *got;
    f->z.avail_in += (uInt)*got;
    f->began = f->began || *got > 0;
    return CREW_OK;
}

/* A stream has ended: does another begin? Gzip: whatever follows must be one,
 * as for TensorFlow. Zlib: TensorFlow stops there without a word, which loses
 * the second of two joined files; here what has a header is read, and only what
 * has none is left. */
static int next_stream(struct tfrecord_source *s, struct crew_err *err)
{
    struct tfrecord_inflate *f = s->zipped;
    size_t got = 1;

    while (f->z.avail_in < 2 && got > 0) {
        if (load(s, &got, err) != CREW_OK) {
            return err->code;
        }
    }
    if (f->z.avail_in == 0) {
        return CREW_OK;
    }
    if (!f->gzip && (f->z.avail_in < 2 || !is_zlib_header(f->z.next_in))) {
        f->ignored = true;
        return CREW_OK;
    }
    f->ended = false;
    (void)inflateReset(&f->z);
    return CREW_OK;
}

static int inflate_failed(const z_stream *z, int rc, struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_DATA_LOSS, 65, "inflate() failed with error %d%s%s", rc,
        z->msg != NULL ? ": " : "", z->msg != NULL ? z->msg : "");
}

/* One call of inflate() that has to come to something: bytes behind `end`, or
 * none at the end of the file. What a call gives that ends in an error is
 * dropped, as TensorFlow does. */
static int fill_inflated(struct tfrecord_source *s, struct crew_err *err)
{
    struct tfrecord_inflate *f = s->zipped;
    z_stream *z = &f->z;

    if (make_room(s, TFRECORD_WINDOW, err) != CREW_OK) {
        return err->code;
    }
    for (;;) {
        size_t got = 0;
        int rc;

        if (f->ended && !f->ignored && next_stream(s, err) != CREW_OK) {
            return err->code;
        }
        if (f->ended) {
            return CREW_OK;
        }
        z->next_out = s->window + s->end;
        z->avail_out = (uInt)TFRECORD_WINDOW;
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return inflate_failed(z, rc, err);
        }
        f->ended = rc == Z_STREAM_END;
        if (z->avail_out < TFRECORD_WINDOW) {
            s->end += TFRECORD_WINDOW - z->avail_out;
            return CREW_OK;
        }
        if (!f->ended && z->avail_in == 0 &&
            (load(s, &got, err) != CREW_OK || got == 0)) {
            return err->code;
        }
    }
}

int tfrecord_source_need(struct tfrecord_source *s,
                         uint64_t n,
                         struct crew_err *err)
{
    while (s->end - s->begin < n) {
        size_t held = s->end - s->begin;
        int rc = s->zipped != NULL ? fill_inflated(s, err) : fill_plain(s, err);

        if (rc != CREW_OK) {
            return rc;
        }
        if (s->end - s->begin == held) {
            break;
        }
    }
    return CREW_OK;
}
