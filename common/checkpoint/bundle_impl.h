/* SPDX-License-Identifier: Apache-2.0
 * What the files of the bundle reader and writer share. */
#ifndef CHECKPOINT_BUNDLE_IMPL_H
#define CHECKPOINT_BUNDLE_IMPL_H

#include "checkpoint/bundle.h"
#include "io/table.h"
#include "proto/tensorflow.pb-c.h"

struct bundle_reader {
    struct crew_env *env;
    char *prefix;
    struct table *table;
    int num_shards;
    struct env_file **shards; /* opened when first read */
    uint64_t *shard_sizes;
    struct bundle_tensor *tensors;
    Tensorflow__BundleEntryProto **entries; /* of tensors[i] */
    int n;
};

/* A row's value, guarded; NULL when it is no entry. Owner: caller. */
CREW_NULLABLE Tensorflow__BundleEntryProto *bundle_unpack_entry(
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
/* That shard, offset and size of an entry of `count` elements can be. */
int bundle_check_entry(const struct bundle_reader *,
                       const char *name,
                       const Tensorflow__BundleEntryProto *,
                       int64_t count,
                       struct crew_err *);

/* How string lengths enter a string tensor's CRC. */
uint32_t bundle_crc_of_length(uint32_t crc, uint64_t length);

#endif
