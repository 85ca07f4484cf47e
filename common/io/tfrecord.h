/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord files: length u64, masked CRC of the length, payload, masked CRC of
 * the payload; no header and no end, so files may be joined. The whole stream
 * may be compressed with gzip or zlib. Source: tsl/lib/io/record_{writer,
 * reader}.cc, zlib_inputstream.cc. Threads: one a reader or writer. */
#ifndef IO_TFRECORD_H
#define IO_TFRECORD_H

#include "base/env.h"
#include "base/strbuf.h"

enum tfrecord_compression {
    TFRECORD_AUTO = 0, /* reading: by the first bytes; writing: none */
    TFRECORD_NONE,
    TFRECORD_GZIP,
    TFRECORD_ZLIB
};
/* "none", "gzip", "zlib", "auto". */
const char *tfrecord_compression_name(enum tfrecord_compression);
/* By those names, or TensorFlow's "", "GZIP" and "ZLIB"; else INVALID_ARGUMENT
 * (64). */
CREW_MUST_CHECK int tfrecord_compression_of(
    const char *name,
    CREW_OUT enum tfrecord_compression *,
    struct crew_err *);

/* Frame n bytes onto the end of `out`. */
void tfrecord_frame(struct strbuf *out, const void *data, size_t n);

/* ----------------------------------------------------------------- reading */

struct tfrecord_options {
    enum tfrecord_compression compression;
    /* Records whose payload has a wrong CRC are left out, up to so many. One
     * whose length has a wrong CRC cannot be: where it ends is unknown. */
    int64_t max_bad_records;
    uint64_t max_record; /* bytes of a payload; 0: 2 GiB */
};

/* Bytes in order out of a file, through a window that holds at least what was
 * asked for; io/tfrecord_source.h. */
struct tfrecord_source {
    struct env_fs *fs;               /* borrowed */
    struct env_file *file;           /* borrowed or owned */
    uint64_t at;                     /* of the file's bytes, the next to read */
    uint8_t *window;                 /* owned; [begin, end) is there */
    size_t cap, begin, end;          /* in bytes */
    struct tfrecord_inflate *zipped; /* owned; NULL: not compressed */
};

/* A payload; in the reader's memory, until the next call. */
struct tfrecord_view {
    const char *data;
    size_t len;
};

/* Reads records in order. Nothing is allocated a record: the window is 256 KiB
 * and grows only for a record that is larger. */
struct tfrecord_reader {
    struct tfrecord_view record; /* the last one */
    uint64_t offset;      /* of the next record, in the uncompressed stream */
    uint64_t num_records; /* read so far, without bad ones */
    int64_t bad_records;  /* left out so far */
    uint64_t first_bad;   /* where the payload of the first of them begins */
    struct tfrecord_options options;
    struct tfrecord_source source;
    char *path; /* owned; of tfrecord_reader_open */
};

/* Read `path`. `options` NULL: all zero. Errors name the path. NOT_FOUND (66)
 * and others of env->fs->open. Owner: caller, tfrecord_reader_release(), also
 * after an error. */
CREW_MUST_CHECK int tfrecord_reader_open(
    struct tfrecord_reader *,
    struct crew_env *,
    const char *path,
    CREW_NULLABLE const struct tfrecord_options *,
    struct crew_err *);
/* Read an open file, borrowed, that is not compressed. */
void tfrecord_reader_init(struct tfrecord_reader *,
                          struct env_fs *,
                          struct env_file *);
void tfrecord_reader_release(struct tfrecord_reader *);
/* The next record is in reader->record.
 * Errors: OUT_OF_RANGE "eof" at the end; also, as TensorFlow, when fewer than
 * 12 bytes are left. DATA_LOSS (65) in TensorFlow's words: "corrupted record at
 * 12", "truncated record at 99' failed with ...", "inflate() failed with error
 * -3: ...". RESOURCE_EXHAUSTED. After the end or a truncated record the next
 * call looks again: a file that is being written can be followed. Any other
 * error stays. */
CREW_MUST_CHECK int tfrecord_next(struct tfrecord_reader *, struct crew_err *);
/* After the end: a compressed stream lacks its own end, so records may have
 * been lost. TensorFlow does not mind. */
bool tfrecord_unfinished(const struct tfrecord_reader *);
/* After the end: bytes that are too few for a record, 0 to 11. */
size_t tfrecord_left_over(const struct tfrecord_reader *);
/* What is being read: never TFRECORD_AUTO. */
enum tfrecord_compression tfrecord_compression(const struct tfrecord_reader *);

/* ----------------------------------------------------------------- writing */

struct tfrecord_writer;

struct tfrecord_writer_options {
    enum tfrecord_compression compression;
    int level; /* 1 (fast) to 9 (small); 0: TensorFlow's, 6 */
};

/* Make the file, or empty it. `options` NULL: all zero. Errors of
 * env->fs->create; RESOURCE_EXHAUSTED. Owner: caller, tfrecord_writer_close().
 */
CREW_MUST_CHECK int tfrecord_writer_open(
    struct crew_env *,
    const char *path,
    CREW_NULLABLE const struct tfrecord_writer_options *,
    CREW_OUT struct tfrecord_writer **,
    struct crew_err *);
/* One record of n bytes; it may stay in memory until flush or close. An error
 * of the file stays: every later call gives it again. */
CREW_MUST_CHECK int tfrecord_writer_add(struct tfrecord_writer *,
                                        const void *data,
                                        size_t n,
                                        struct crew_err *);
/* All records so far are in the file, where a reader finds them. */
CREW_MUST_CHECK int tfrecord_writer_flush(struct tfrecord_writer *,
                                          struct crew_err *);
/* Finish the stream, fsync, close and free. The first error of the writer, if
 * there was one. */
CREW_MUST_CHECK int tfrecord_writer_close(
    CREW_NULLABLE struct tfrecord_writer *,
    struct crew_err *);

#endif
