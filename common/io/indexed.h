/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources that give any element at once have in common: their next,
 * pass and rewind, made of their count and at. Threads: the dataset's. */
#ifndef IO_INDEXED_H
#define IO_INDEXED_H

#include "io/dataset.h"

/* The head of such a source, which dataset_new() makes. */
struct indexed {
    struct crew_dataset base;
    int64_t next; /* the element that next gives */
};

/* The ops of such a source; .count, .at and .free are its own. */
#define INDEXED_OPS \
    .next = indexed_next, .rewind = indexed_rewind, .pass = indexed_pass

int indexed_next(struct crew_dataset *,
                 void *const *out,
                 int64_t *rows,
                 struct crew_err *);
int indexed_rewind(struct crew_dataset *, struct crew_err *);
/* Elements are not even touched. */
int indexed_pass(struct crew_dataset *,
                 void *const *scratch,
                 int64_t n,
                 int64_t *passed,
                 struct crew_err *);

#endif
