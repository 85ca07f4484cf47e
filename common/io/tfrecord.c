/* SPDX-License-Identifier: Apache-2.0
 * TFRecord framing, both ways; the error texts are TensorFlow's. */
#include "io/tfrecord.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include "base/banned.h"

enum { HEAD = 12, TAIL = 4 };

/* A length whose CRC holds but that no writer of ours or TensorFlow's makes. */
#define MAX_RECORD (2ull << 30)

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

void tfrecord_reader_init(struct tfrecord_reader *r,
                          struct env_fs *fs,
                          struct env_file *file)
{
    r->fs = fs;
    r->file = file;
    r->offset = 0;
    strbuf_init(&r->record);
}

void tfrecord_reader_release(struct tfrecord_reader *r)
{
    strbuf_release(&r->record);
}

static int corrupted(uint64_t offset, struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "corrupted record at %" PRIu64 "%s", offset,
                         offset == 0 ? " (Is this even a TFRecord file?)" : "");
}

static int truncated(uint64_t offset, struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "truncated record at %" PRIu64
                         "' failed with Read less bytes than requested",
                         offset);
}

/* The payload and its CRC, `length` being believed; read piece by piece, so
 * that a wrong length costs no more memory than the file has bytes. */
static int read_body(struct tfrecord_reader *r,
                     uint64_t length,
                     struct crew_err *err)
{
    uint64_t left = length + TAIL, at = r->offset + HEAD;
    uint8_t piece[64 * 1024];
    const uint8_t *tail;

    strbuf_reset(&r->record);
    while (left > 0) {
        size_t want = left < sizeof piece ? (size_t)left : sizeof piece;
        size_t got = 0;

        if (r->fs->read(r->file, at, piece, want, &got, err) != CREW_OK) {
            return err->code;
        }
        if (got == 0) {
            return truncated(r->offset, err);
        }
        strbuf_add(&r->record, piece, got);
        at += got;
        left -= got;
    }
    r->record.len -= TAIL;
    tail = (const uint8_t *)r->record.data + r->record.len;
    if (crc32c(r->record.data, r->record.len) !=
        crc32c_unmask(get_le32(tail))) {
        return corrupted(r->offset + HEAD, err);
    }
    r->record.data[r->record.len] = '\0';
    r->offset += HEAD + length + TAIL;
    return CREW_OK;
}

int tfrecord_next(struct tfrecord_reader *r, struct crew_err *err)
{
    uint8_t head[HEAD];
    size_t got = 0;
    uint64_t length;

    if (r->fs->read(r->file, r->offset, head, sizeof head, &got, err) !=
        CREW_OK) {
        return err->code;
    }
    if (got < sizeof head) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "eof");
    }
    length = get_le64(head);
    if (crc32c(head, 8) != crc32c_unmask(get_le32(head + 8)) ||
        length > MAX_RECORD) {
        return corrupted(r->offset, err);
    }
    return read_body(r, length, err);
}
