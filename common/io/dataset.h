/* SPDX-License-Identifier: Apache-2.0
 *
 * Datasets from the inside: a chain of small objects with one vtable. An
 * element is an array of component values in the order of the spec; a batch has
 * the batch dimension in front. Threads: one reader (the input thread). */
#ifndef IO_DATASET_H
#define IO_DATASET_H

#include <string.h>

#include "base/env.h"
#include "tensor/tensor.h"

#define DATASET_MAX_COMPONENTS 64

/* What an element holds, known without opening a file. */
struct dataset_component {
    char name[64];
    enum crew_dtype dtype;
    struct crew_shape shape; /* of one element; batched: -1 in front */
    bool is_label;
    bool ragged; /* a list of any length an element, int64 or float32: see
                    io/dataset_list.h; its shape is (-1) */
};
struct dataset_spec {
    int n;
    struct dataset_component component[DATASET_MAX_COMPONENTS];
    int64_t max_batch; /* of a batched dataset, else 0 */
    int64_t prefetch;  /* batches to keep ready; 0: as the reader likes */
};

struct dataset_ops {
    /* Copy the next element's components to out[k] (as many bytes as the spec
     * says; a batch: up to max_batch rows; of lists a struct crew_list, a batch
     * of them: a struct dataset_lists); *rows gets the batch's rows (1 when not
     * batched). OUT_OF_RANGE at the end. */
    int (*next)(struct crew_dataset *,
                void *const *out,
                int64_t *rows,
                struct crew_err *);
    int (*rewind)(struct crew_dataset *,
                  struct crew_err *); /* from the start */
    CREW_NULLABLE void (*free)(
        struct crew_dataset *); /* what the ops own; not the struct */
    /* Random access, or NULL: how many elements (opens the files), and the
     * i-th. With it a shuffle moves places, not elements. */
    CREW_NULLABLE int (*count)(struct crew_dataset *,
                               int64_t *n,
                               struct crew_err *);
    CREW_NULLABLE void (*at)(struct crew_dataset *,
                             int64_t i,
                             void *const *out);
    /* Leave out n elements (batched: batches), as n calls of next would but
     * cheaper; *passed is below n at the end. NULL: next is called. scratch:
     * room for what next gives. */
    CREW_NULLABLE int (*pass)(struct crew_dataset *,
                              void *const *scratch,
                              int64_t n,
                              int64_t *passed,
                              struct crew_err *);
    CREW_NULLABLE void (*set_seed)(struct crew_dataset *, uint64_t seed);
    /* Sources that can do it without reading all: only part `index` of num.
     * Before the first next. */
    CREW_NULLABLE void (*shard)(struct crew_dataset *,
                                int64_t num,
                                int64_t index);
};
struct crew_dataset {
    const struct dataset_ops *ops;
    struct dataset_spec spec;
    CREW_NULLABLE struct crew_dataset *source;     /* owned */
    CREW_NULLABLE struct crew_dataset *next_alive; /* of all there are */
    bool taken;   /* somebody has it, and will free it */
    bool sharded; /* the job has called crew_dataset_shard below this */
    struct crew_err broken; /* a combinator was misused: reported by next and by
                               dataset_check */
};

/* For the constructors: the source that a job gives to `function`, which takes
 * it. NULL, one that has been freed and one that somebody has already become an
 * empty one that is broken and says so. Threads: any. */
struct crew_dataset *dataset_given(CREW_NULLABLE struct crew_dataset *,
                                   const char *function,
                                   const char *parameter);
/* The same for who does not build on it. `what` it is, for the message. Errors:
 * INVALID_ARGUMENT (64); it is not to be freed then. */
CREW_MUST_CHECK int dataset_take(CREW_NULLABLE struct crew_dataset *,
                                 const char *what,
                                 struct crew_err *);
/* A pointer, or a list of n, that must not be NULL: else the dataset is broken.
 * The list's length is what may be looked at. */
bool dataset_need(struct crew_dataset *,
                  CREW_NULLABLE const void *given,
                  const char *function,
                  const char *parameter);
int dataset_list(struct crew_dataset *,
                 CREW_NULLABLE const void *given,
                 int n,
                 const char *function,
                 const char *parameter);
/* In the list of all there are, and out of it; dataset_new and _free do it. */
void dataset_enlist(struct crew_dataset *);
void dataset_delist(struct crew_dataset *);

/* For the constructors: the head of a new dataset of `size` bytes over `source`
 * (taken), whose spec and sticky error it inherits. */
void *dataset_new(size_t size,
                  const struct dataset_ops *,
                  CREW_NULLABLE struct crew_dataset *source);
/* Sources: one more component of the element; of shape (-1) a list of any
 * length. A name that is too long, one component too many, or lists that cannot
 * be, break the dataset. */
void dataset_add_component(struct crew_dataset *,
                           const char *name,
                           enum crew_dtype,
                           struct crew_shape,
                           bool is_label);
/* Bytes of one element of component k (of one row, if batched). */
size_t dataset_element_bytes(const struct dataset_spec *, int k);

/* ops->pass, or next n times. */
CREW_MUST_CHECK int dataset_pass(struct crew_dataset *,
                                 void *const *scratch,
                                 int64_t n,
                                 CREW_OUT int64_t *passed,
                                 struct crew_err *);

/* Copy a component's value. Most are scalars, for which a call would be felt.
 */
static inline void dataset_copy_value(void *to, const void *from, size_t bytes)
{
    if (bytes == sizeof(float)) {
        memcpy(to, from, sizeof(float));
    } else if (bytes == sizeof(int64_t)) {
        memcpy(to, from, sizeof(int64_t));
    } else {
        memcpy(to, from, bytes);
    }
}

/* The constructor's sticky error, before anything is read. */
CREW_MUST_CHECK int dataset_check(const struct crew_dataset *,
                                  struct crew_err *);
void dataset_free(CREW_NULLABLE struct crew_dataset *);
/* Shuffles with seed 0 down the chain take this one. */
void dataset_set_seed(struct crew_dataset *, uint64_t seed);

/* Let a trainer read part `index` of num only, unless the job has called
 * crew_dataset_shard itself: the source's own way, else every num-th of its
 * elements, before anything else is done to them. */
void dataset_shard_by_default(struct crew_dataset *,
                              int64_t num,
                              int64_t index);

/* The same of a dataset that has no way of its own: every num-th of its
 * elements, in its place. */
void dataset_shard_in_place(struct crew_dataset **place,
                            int64_t num,
                            int64_t index);

/* crew_dataset_interleave, by the name of who asks. */
struct crew_dataset *dataset_in_turn(struct crew_dataset *const *sources,
                                     int n,
                                     int64_t block_length,
                                     const char *function);

/* Datasets of files with files of another environment, borrowed. */
struct crew_dataset *dataset_idx(struct crew_env *,
                                 const char *images_path,
                                 const char *labels_path,
                                 const char *feature,
                                 int64_t rows,
                                 int64_t cols);
struct crew_dataset *dataset_npy(struct crew_env *,
                                 const struct crew_column *,
                                 const char *const *paths,
                                 int n);
struct crew_dataset *dataset_csv(struct crew_env *,
                                 const char *path,
                                 const struct crew_csv_column *,
                                 int n,
                                 struct crew_csv);
struct crew_dataset *dataset_tfrecord(struct crew_env *,
                                      const struct crew_tfrecord *,
                                      const struct crew_record_feature *,
                                      int n);

/* A reader with its own thread that keeps `depth` batches ready. */
struct dataset_reader;
struct dataset_batch {
    int64_t rows;
    /* 64-byte aligned, max_batch rows; of lists a struct dataset_lists. */
    void *data[DATASET_MAX_COMPONENTS];
};
/* dataset must be batched (INVALID_ARGUMENT). Owner: the reader takes it.
 * depth 0: no thread, read in the caller's; otherwise a crew_dataset_prefetch
 * of more is followed. */
CREW_MUST_CHECK int dataset_reader_open(CREW_TAKES struct crew_dataset *,
                                        int depth,
                                        CREW_OUT struct dataset_reader **,
                                        struct crew_err *);
/* Begin after that many batches: they are passed over, on the reader's thread,
 * so that everything down the chain is where it would be: elements of arrays
 * are not even touched, records not parsed, what a map makes is made. Before
 * the reader has begun. */
void dataset_reader_seek(struct dataset_reader *, int64_t batches);
/* Read ahead from now on, not only from the first dataset_reader_next on.
 * RESOURCE_EXHAUSTED: no thread. */
CREW_MUST_CHECK int dataset_reader_start(struct dataset_reader *,
                                         struct crew_err *);
/* The next batch, valid until the next call. OUT_OF_RANGE at the end; errors
 * stick. */
CREW_MUST_CHECK int dataset_reader_next(struct dataset_reader *,
                                        CREW_OUT const struct dataset_batch **,
                                        struct crew_err *);
const struct dataset_spec *dataset_reader_spec(const struct dataset_reader *);
void dataset_reader_close(CREW_NULLABLE struct dataset_reader *);

#endif
