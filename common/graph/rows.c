/* SPDX-License-Identifier: Apache-2.0
 * Gradients of rows: the list, and the sink that ops write into. */
#include "graph/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

void row_list_release(struct row_list *l)
{
    free(l->rows);
    free(l->values);
    free(l->hash);
    *l = (struct row_list){.width = l->width};
}

void row_list_reserve(struct row_list *l, int64_t most, bool unique)
{
    int64_t need = l->n + most;
    size_t size = 16;

    if (need > l->cap) {
        l->rows = xrealloc(l->rows, (size_t)need * sizeof *l->rows);
        l->values = xrealloc(
            l->values, (size_t)need * (size_t)l->width * sizeof *l->values);
        l->cap = need;
    }
    if (!unique) {
        return;
    }
    while (size < 2 * (size_t)most) {
        size *= 2;
    }
    if (size > l->hash_size) {
        l->hash = xrealloc(l->hash, size * sizeof *l->hash);
        l->hash_size = size;
    }
    memset(l->hash, 0, l->hash_size * sizeof *l->hash);
}

/* Where the row is kept; a new place holds zeros. */
static float *place_of_row(struct row_sink *s, int64_t row)
{
    struct row_list *l = s->list;
    uint64_t at = 0, mask = (uint64_t)l->hash_size - 1;
    float *values;

    if (s->unique) {
        at = ((uint64_t)row * 0x9e3779b97f4a7c15ull >> 20) & mask;
        while (l->hash[at] != 0 && l->rows[l->hash[at] - 1] != (uint32_t)row) {
            at = (at + 1) & mask;
        }
        if (l->hash[at] != 0) {
            return l->values + (int64_t)(l->hash[at] - 1) * s->width;
        }
        l->hash[at] = (uint32_t)l->n + 1;
    }
    INVARIANT(l->n < l->cap);
    values = l->values + l->n * s->width;
    l->rows[l->n++] = (uint32_t)row;
    memset(values, 0, (size_t)s->width * sizeof *values);
    return values;
}

void row_sink_add(struct row_sink *s, int64_t row, float alpha, const float *x)
{
    if (s->list != NULL) {
        k_axpy(s->width, alpha, x, place_of_row(s, row));
    } else if (s->dense != NULL) {
        k_axpy(s->width, alpha, x, s->dense + row * s->width);
    }
}
