/* SPDX-License-Identifier: Apache-2.0
 *
 * tf.Example messages: reading all of one, and writing. For reading many into
 * batches there is io/parse_example.h. */
#ifndef IO_EXAMPLE_H
#define IO_EXAMPLE_H

#include "base/strbuf.h"
#include "crew.h"

/* A byte string that somebody else owns; no NUL at the end. */
struct example_bytes {
    const char *data; /* may be NULL when n is 0 */
    size_t n;
};

enum example_kind {
    EXAMPLE_NONE = 0, /* a Feature without kind */
    EXAMPLE_BYTES = 1,
    EXAMPLE_FLOAT = 2,
    EXAMPLE_INT64 = 3
};

/* ----------------------------------------------------------------- reading */

/* One key of the map. */
struct example_entry {
    struct example_bytes key;
    enum example_kind kind;
    size_t n; /* values */
    union {
        const struct example_bytes *bytes;
        const float *floats;
        const int64_t *ints;
    } value;
};

/* An Example as the protobuf library sees it: unknown fields are left out,
 * packed and unpacked values may be mixed, of a key that comes twice the last
 * counts. Sorted by key. Byte strings point into the message. */
struct example_map {
    size_t n;
    struct example_entry *entry;
    void *memory; /* owned, all of it */
};
/* Errors: DATA_LOSS (65) no such message, with the offset; RESOURCE_EXHAUSTED.
 * Owner: caller, example_map_release(). */
CREW_MUST_CHECK int example_map_read(const void *message,
                                     size_t n,
                                     CREW_OUT struct example_map *,
                                     struct crew_err *);
void example_map_release(struct example_map *);
/* NULL when there is no such key. */
const struct example_entry *example_map_find(const struct example_map *,
                                             const char *key);

/* ----------------------------------------------------------------- writing */

/* Builds an Example in the order of the calls; every entry has key and value,
 * as TensorFlow's parser demands, and numbers are packed. */
struct example_writer {
    struct strbuf features;
    struct strbuf list; /* scratch */
};
void example_writer_init(struct example_writer *);
void example_writer_release(struct example_writer *);
void example_add_bytes(struct example_writer *,
                       const char *key,
                       const struct example_bytes *values,
                       size_t n);
void example_add_floats(struct example_writer *,
                        const char *key,
                        const float *values,
                        size_t n);
void example_add_ints(struct example_writer *,
                      const char *key,
                      const int64_t *values,
                      size_t n);
void example_add_none(struct example_writer *, const char *key);
/* Append the Example's bytes to `out`; the writer is empty again. */
void example_writer_finish(struct example_writer *, struct strbuf *out);

#endif
