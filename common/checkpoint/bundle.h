/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's checkpoint format V2 ("tensor bundle"): <prefix>.index, a table of
 * names to where the bytes are, and <prefix>.data-00000-of-00001, the bytes. What
 * we write is byte for byte what TensorFlow writes for the same tensors in the same
 * order. Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc. */
#ifndef CHECKPOINT_BUNDLE_H
#define CHECKPOINT_BUNDLE_H

#include "base/env.h"
#include "tensor/tensor.h"

/* ---------------------------------------------------------------- writing */

struct bundle_writer;

/* Create data_path, and later index_path. Owner: caller, bundle_writer_free. */
CREW_MUST_CHECK int bundle_writer_open(struct crew_env *, const char *data_path, const char *index_path,
                                       CREW_OUT struct bundle_writer **, struct crew_err *);
/* Append a tensor of a fixed-size dtype; the bytes are written at once. Names are
 * unique (ALREADY_EXISTS). */
CREW_MUST_CHECK int bundle_writer_add(struct bundle_writer *, const char *name, enum crew_dtype,
                                      const struct crew_shape *, const void *data, struct crew_err *);
/* fsync the data, write and fsync the index. CRC32C of the whole files for the
 * manifest. */
CREW_MUST_CHECK int bundle_writer_finish(struct bundle_writer *, CREW_OUT uint32_t *data_crc, CREW_OUT uint32_t *index_crc, struct crew_err *);
void bundle_writer_free(CREW_NULLABLE struct bundle_writer *);

/* ---------------------------------------------------------------- reading */

struct bundle_reader;

/* One tensor as a reader sees it (a partitioned variable is one tensor). */
struct bundle_tensor {
    const char *name;
    int dtype; /* TensorFlow's number, also those we have no name for */
    struct crew_shape shape;
    uint32_t crc32c; /* unmasked; 0 for a partitioned one */
    uint64_t nbytes;
    int num_slices; /* 0: not partitioned */
    int shard;
    uint64_t offset; /* in its data file */
};

/* Open <prefix>. Errors: NOT_FOUND (exit 66) no index; DATA_LOSS (exit 65). */
CREW_MUST_CHECK int bundle_reader_open(struct crew_env *, const char *prefix, CREW_OUT struct bundle_reader **, struct crew_err *);
void bundle_reader_free(CREW_NULLABLE struct bundle_reader *);
/* Tensors in order of their names. */
int bundle_num_tensors(const struct bundle_reader *);
const struct bundle_tensor *bundle_tensor(const struct bundle_reader *, int i);
/* NULL when there is none of that name. */
const struct bundle_tensor *bundle_find(const struct bundle_reader *, const char *name);
/* Read tensor->nbytes bytes into `data` and check their CRC; slices are put together.
 * Errors: DATA_LOSS in TensorFlow's words; UNIMPLEMENTED for strings. */
CREW_MUST_CHECK int bundle_read(struct bundle_reader *, const struct bundle_tensor *, void *data, struct crew_err *);

#endif
