/* SPDX-License-Identifier: Apache-2.0
 *
 * Components that are lists of any length, as tf.io.VarLenFeature's. An
 * element's place for one is a struct crew_list, which whoever makes room for
 * elements zeroes first and releases last; next() writes the values into it and
 * it grows to what the longest needed. A batch has them one after the other,
 * with row splits, as a RaggedTensor has. Threads: none of its own. */
#ifndef IO_DATASET_LIST_H
#define IO_DATASET_LIST_H

#include "io/dataset.h"

struct crew_list {
    enum crew_dtype dtype; /* int64 or float32 */
    int64_t n, capacity;
    void *values;        /* owned */
    struct crew_err err; /* of an addition by a job's function; sticks */
};

/* Empty it, for values of that dtype. */
void dataset_list_begin(struct crew_list *, enum crew_dtype);
/* Room for `more` values behind those there are: where they go, NULL when there
 * is no memory. They count as there. */
void *dataset_list_extend(struct crew_list *,
                          int64_t more,
                          struct crew_err *err);
void dataset_list_release(struct crew_list *);
/* Whose values were whose; nothing is copied. */
void dataset_list_swap(struct crew_list *, struct crew_list *);

/* The lists of a batch: row i has the values from splits[i] to splits[i + 1].
 */
struct dataset_lists {
    int64_t *splits; /* (max_batch + 1) */
    struct crew_list all;
};

/* Owner: caller, dataset_lists_free(). */
CREW_MUST_CHECK int dataset_lists_new(int64_t max_batch,
                                      CREW_OUT void **out,
                                      struct crew_err *err);
void dataset_lists_free(CREW_NULLABLE struct dataset_lists *);
/* Row `row` is that list; rows are added in their order from 0 on. */
CREW_MUST_CHECK int dataset_lists_add(struct dataset_lists *,
                                      int64_t row,
                                      const struct crew_list *,
                                      struct crew_err *err);

/* Release the lists of `n` elements in a row, `stride` bytes apart; the
 * component's bytes of the first are at `at`. */
void dataset_release_lists(void *at, int64_t n, size_t stride);

#endif
