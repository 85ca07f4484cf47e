/* SPDX-License-Identifier: Apache-2.0
 * A gradient as a list of rows, as lookups make it. It grows to what the
 * largest batch needed. Internal to graph. */
#ifndef GRAPH_ROWS_H
#define GRAPH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct row_list {
    int64_t n, cap, width;
    uint32_t *rows;
    float *values;    /* (cap, width) */
    uint32_t *hash;   /* places of one op's rows + 1; 0: free */
    size_t hash_size; /* a power of two */
};

void row_list_release(struct row_list *);
/* Room for `most` more rows; with `unique` the hash is empty afterwards. */
void row_list_reserve(struct row_list *, int64_t most, bool unique);

#endif
