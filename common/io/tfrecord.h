/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord framing: length u64, masked CRC of the length, payload, masked CRC
 * of the payload. Source: tsl/lib/io/record_{writer,reader}.cc. */
#ifndef IO_TFRECORD_H
#define IO_TFRECORD_H

#include "base/env.h"
#include "base/strbuf.h"

/* Frame n bytes onto the end of `out`. */
void tfrecord_frame(struct strbuf *out, const void *data, size_t n);

/* Reads records in order from an open file. */
struct tfrecord_reader {
    struct env_file *file; /* borrowed */
    struct env_fs *fs;     /* borrowed */
    uint64_t offset;       /* of the next record */
    struct strbuf record;  /* the payload of the last one */
};
void tfrecord_reader_init(struct tfrecord_reader *,
                          struct env_fs *,
                          struct env_file *);
void tfrecord_reader_release(struct tfrecord_reader *);
/* The next record is in reader->record. OUT_OF_RANGE at the end (also, as
 * TensorFlow, when fewer than 12 bytes are left); DATA_LOSS in TensorFlow's
 * words: "corrupted record at 12", "truncated record at 99' failed with ...".
 */
CREW_MUST_CHECK int tfrecord_next(struct tfrecord_reader *, struct crew_err *);

#endif
