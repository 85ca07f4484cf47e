/* SPDX-License-Identifier: Apache-2.0
 * What the files of the bundle reader and writer share. */
#ifndef CHECKPOINT_BUNDLE_IMPL_H
#define CHECKPOINT_BUNDLE_IMPL_H

#include "checkpoint/bundle.h"
#include "io/table.h"
#include "proto/tensorflow.pb-c.h"

/* Where the bytes of a tensor or of a slice are; checked against the header and
 * the shape, not yet against the file. */
struct bundle_stored {
    int shard;
    uint64_t offset, size;
    uint32_t crc; /* unmasked */
};

/* The slices of a partitioned variable; none overlaps another. */
struct bundle_slices {
    const struct bundle_tensor *of;
    struct bundle_slice *box;
    struct bundle_stored *stored;
    size_t n;
};

struct bundle_reader {
    struct crew_env *env;
    char *prefix;
    struct table *table;
    int num_shards;
    struct env_file **shards; /* opened when first read */
    uint64_t *shard_sizes;
    struct bundle_tensor *tensors;
    int64_t *rows; /* of tensors[i], in the table */
    int n;
    struct bundle_slices slices; /* of the variable that was read last */
};

/* A row's value, guarded; NULL when it is no entry. Owner: caller. */
CREW_NULLABLE Tensorflow__BundleEntryProto *bundle_unpack_entry(
    const struct table_entry *);
/* The header's value, guarded; NULL when it is none. Owner: caller. */
CREW_NULLABLE Tensorflow__BundleHeaderProto *bundle_unpack_header(
    const struct table_entry *);
/* DATA_LOSS, exit 65: "<prefix>: <what> <name>". */
int bundle_damaged(const struct bundle_reader *,
                   struct crew_err *,
                   const char *what,
                   const char *name);
/* A shape of the file, checked; without one it is a scalar. */
int bundle_get_shape(const struct bundle_reader *,
                     const char *name,
                     const Tensorflow__TensorShapeProto *,
                     struct crew_shape *,
                     int64_t *count,
                     struct crew_err *);
/* That shard, offset and size of an entry of `count` elements can be; then
 * where they are. */
int bundle_check_entry(const struct bundle_reader *,
                       const char *name,
                       const Tensorflow__BundleEntryProto *,
                       int64_t count,
                       CREW_OUT struct bundle_stored *,
                       struct crew_err *);
/* "<prefix>.data-00000-of-00001". Owner: caller. */
char *bundle_data_path(const char *prefix, int shard, int num_shards);

/* Of a tensor that is not partitioned. */
struct bundle_stored bundle_stored_of(const struct bundle_tensor *);
/* n bytes from `at` of what is stored; no CRC is checked. Errors: those of
 * bundle_read. */
CREW_MUST_CHECK int bundle_read_bytes(struct bundle_reader *,
                                      const struct bundle_stored *,
                                      uint64_t at,
                                      void *data,
                                      size_t n,
                                      struct crew_err *);
/* All of it, piece by piece in order, and its CRC at the end; `each` may be
 * NULL. */
typedef void (*bundle_piece_fn)(void *self, const uint8_t *data, size_t n);
CREW_MUST_CHECK int bundle_read_pieces(struct bundle_reader *,
                                       const struct bundle_stored *,
                                       CREW_NULLABLE bundle_piece_fn each,
                                       void *self,
                                       struct crew_err *);
/* The slices of a partitioned variable, checked; borrowed until the next call.
 */
CREW_MUST_CHECK int bundle_load_slices(struct bundle_reader *,
                                       const struct bundle_tensor *,
                                       CREW_OUT const struct bundle_slices **,
                                       struct crew_err *);
void bundle_slices_release(struct bundle_slices *);
/* All of a partitioned variable, dense. */
CREW_MUST_CHECK int bundle_read_sliced(struct bundle_reader *,
                                       const struct bundle_tensor *,
                                       void *data,
                                       struct crew_err *);

/* How string lengths enter a string tensor's CRC. */
uint32_t bundle_crc_of_length(uint32_t crc, uint64_t length);

/* The CRC of A followed by B from theirs; n: the bytes of B. */
uint32_t bundle_join_crcs(uint32_t a, uint32_t b, uint64_t n);
/* A message's bytes at the end of `out`. */
void bundle_pack(struct strbuf *out, const ProtobufCMessage *);
/* Unsigned bytes, then the length. */
int bundle_compare_keys(const void *a, size_t na, const void *b, size_t nb);

#endif
