/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's checkpoint format V2 ("tensor bundle"): <prefix>.index, a table
 * of names to where the bytes are, and <prefix>.data-00000-of-00001, the bytes.
 * What we write is byte for byte what TensorFlow writes for the same tensors in
 * the same order. Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
 */
#ifndef CHECKPOINT_BUNDLE_H
#define CHECKPOINT_BUNDLE_H

#include "base/env.h"
#include "tensor/tensor.h"

/* Bytes of an element of any of TensorFlow's dtypes that has a fixed size (also
 * those that Traincrew does not compute with); 0 for strings and the rest. */
size_t bundle_dtype_size(int dtype);
/* "float32", "bfloat16", "string", ...; "unknown" for the rest. */
const char *bundle_dtype_name(int dtype);
/* The same as TensorFlow's own messages say it: "float", "half", ... */
const char *bundle_dtype_cpp_name(int dtype);

/* An element of a string tensor. */
struct bundle_string {
    const void *data;
    size_t n;
};

/* A part of a partitioned variable: where it begins and how long it is in every
 * dimension. */
struct bundle_slice {
    int64_t start[CREW_MAX_RANK], length[CREW_MAX_RANK];
};

/* ---------------------------------------------------------------- writing */

struct bundle_writer;

/* Create data_path, and later index_path: one shard. Owner: caller,
 * bundle_writer_free. */
CREW_MUST_CHECK int bundle_writer_open(struct crew_env *,
                                       const char *data_path,
                                       const char *index_path,
                                       CREW_OUT struct bundle_writer **,
                                       struct crew_err *);
/* The same with n data files (1 to 65536), <prefix>.data-k-of-n, which are made
 * at once, and one <prefix>.index. What is added goes to shard 0 until
 * bundle_writer_set_shard says otherwise. */
CREW_MUST_CHECK int bundle_writer_open_shards(struct crew_env *,
                                              const char *prefix,
                                              int n,
                                              CREW_OUT struct bundle_writer **,
                                              struct crew_err *);
void bundle_writer_set_shard(struct bundle_writer *, int shard);
/* Append a tensor of a dtype with a size; the bytes are written at once. Names
 * are unique (ALREADY_EXISTS). */
CREW_MUST_CHECK int bundle_writer_add(struct bundle_writer *,
                                      const char *name,
                                      int dtype,
                                      const struct crew_shape *,
                                      const void *data,
                                      struct crew_err *);
/* The same for strings, as many as the shape says. */
CREW_MUST_CHECK int bundle_writer_add_strings(struct bundle_writer *,
                                              const char *name,
                                              const struct crew_shape *,
                                              const struct bundle_string *,
                                              struct crew_err *);
/* One slice of the variable `name` of shape `full`; call it for each of them. A
 * slice that is the whole variable is stored as a plain tensor. */
CREW_MUST_CHECK int bundle_writer_add_slice(struct bundle_writer *,
                                            const char *name,
                                            int dtype,
                                            const struct crew_shape *full,
                                            const struct bundle_slice *,
                                            const void *data,
                                            struct crew_err *);

/* What a manifest remembers of the two files; of several data files: of all of
 * them one after the other. */
struct bundle_sums {
    uint64_t data_bytes, index_bytes;
    uint32_t data_crc, index_crc; /* CRC-32C of the whole file */
};
/* fsync the data, write and fsync the index. */
CREW_MUST_CHECK int bundle_writer_finish(struct bundle_writer *,
                                         CREW_OUT struct bundle_sums *,
                                         struct crew_err *);
void bundle_writer_free(CREW_NULLABLE struct bundle_writer *);

/* Make one checkpoint of several parts, as the op MergeV2Checkpoints does: the
 * parts' data files are renamed to <merged>.data-k-of-n in the order of the
 * prefixes, <merged>.index is written, the parts' indices are removed. Slices
 * of one variable may be in several parts. Unlike there, a part without tensors
 * is no trap: its files are removed, and n counts the others. Errors: as
 * bundle_reader_open; INVALID_ARGUMENT (exit 65) a tensor that two parts have,
 * in TensorFlow's words; until the index is renamed into place, renames are
 * undone. */
CREW_MUST_CHECK int bundle_merge(struct crew_env *,
                                 const char *const *prefixes,
                                 int n,
                                 const char *merged,
                                 struct crew_err *);

/* ---------------------------------------------------------------- reading */

struct bundle_reader;

/* One tensor as a reader sees it (a partitioned variable is one tensor). */
struct bundle_tensor {
    const char *name;
    int dtype; /* TensorFlow's number, also those we have no name for */
    struct crew_shape shape;
    uint32_t crc32c; /* unmasked; 0 for a partitioned one */
    uint64_t nbytes; /* of a string tensor: as stored */
    int num_slices;  /* 0: not partitioned */
    int shard;
    uint64_t offset; /* in its data file */
};

/* Open <prefix>. Errors: NOT_FOUND (exit 66) no index; DATA_LOSS (exit 65). */
CREW_MUST_CHECK int bundle_reader_open(struct crew_env *,
                                       const char *prefix,
                                       CREW_OUT struct bundle_reader **,
                                       struct crew_err *);
void bundle_reader_free(CREW_NULLABLE struct bundle_reader *);
/* Tensors in order of their names. */
int bundle_num_tensors(const struct bundle_reader *);
const struct bundle_tensor *bundle_tensor(const struct bundle_reader *, int i);
int bundle_num_shards(const struct bundle_reader *);
/* NULL when there is none of that name. */
const struct bundle_tensor *bundle_find(const struct bundle_reader *,
                                        const char *name);
/* The same; NOT_FOUND "Key <name> not found in checkpoint" when there is none.
 */
CREW_MUST_CHECK int bundle_lookup(const struct bundle_reader *,
                                  const char *name,
                                  CREW_OUT const struct bundle_tensor **,
                                  struct crew_err *);
/* Read tensor->nbytes bytes into `data` and check their CRC; slices are put
 * together. Errors, in TensorFlow's words: DATA_LOSS; OUT_OF_RANGE (exit 65) a
 * data file that is too short; NOT_FOUND one that is missing; UNIMPLEMENTED for
 * strings. */
CREW_MUST_CHECK int bundle_read(struct bundle_reader *,
                                const struct bundle_tensor *,
                                void *data,
                                struct crew_err *);

/* Read a part of a tensor, dense: `box` within its shape, of rank 1 at least,
 * whatever the partition it is stored in. Only slices that the box touches are
 * read, and their CRCs checked; at most 256 KiB are held beside `data`. Errors:
 * as bundle_read; INVALID_ARGUMENT (exit 65) a box outside. */
CREW_MUST_CHECK int bundle_read_slice(struct bundle_reader *,
                                      const struct bundle_tensor *,
                                      const struct bundle_slice *box,
                                      void *data,
                                      struct crew_err *);
/* What RestoreV2 is asked for: its shape_and_slice, "" for all of the tensor or
 * "13 3 0,7:-", the shape, and start,length or - of each dimension; and that
 * the dtype is the one expected. Errors: INVALID_ARGUMENT (exit 65), in
 * TensorFlow's words. */
CREW_MUST_CHECK int bundle_parse_slice(const struct bundle_tensor *,
                                       const char *spec,
                                       CREW_OUT struct bundle_slice *box,
                                       struct crew_err *);
CREW_MUST_CHECK int bundle_want_dtype(const struct bundle_tensor *,
                                      int dtype,
                                      struct crew_err *);
/* n elements from `first` in row-major order. No CRC is checked: call
 * bundle_verify_tensor before. For those who print or compare what need not fit
 * into memory. */
CREW_MUST_CHECK int bundle_read_range(struct bundle_reader *,
                                      const struct bundle_tensor *,
                                      int64_t first,
                                      int64_t n,
                                      void *data,
                                      struct crew_err *);

/* The elements of a string tensor. Owner: caller, bundle_strings_release. */
struct bundle_strings {
    int64_t n;
    struct bundle_string *at;
    void *store; /* what they point into */
};
CREW_MUST_CHECK int bundle_read_strings(struct bundle_reader *,
                                        const struct bundle_tensor *,
                                        CREW_OUT struct bundle_strings *,
                                        struct crew_err *);
void bundle_strings_release(struct bundle_strings *);

/* Read one tensor and check its CRCs. */
CREW_MUST_CHECK int bundle_verify_tensor(struct bundle_reader *,
                                         const struct bundle_tensor *,
                                         struct crew_err *);
/* Read everything and check every CRC, and that no two tensors or slices share
 * bytes of the data (DATA_LOSS), which reading allows. */
CREW_MUST_CHECK int bundle_verify(struct bundle_reader *, struct crew_err *);

#endif
