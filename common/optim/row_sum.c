/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a gradient that meet: sorted by row, stably, so that those of one row
 * are summed in the order they came, as TensorFlow's unsorted_segment_sum
 * does. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "optim/loops.h"
#include "optim/optim.h"

#include "base/banned.h"

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

void optim_row_sum_release(struct optim_row_sum *s)
{
    free(s->keys);
    free(s->rows);
    free(s->values);
    *s = (struct optim_row_sum){0};
}

static void reserve(struct optim_row_sum *s, int64_t n, int64_t width)
{
    if (n > s->cap) {
        s->keys = xrealloc(s->keys, (size_t)n * 2 * sizeof(s->keys[0]));
        s->rows = xrealloc(s->rows, (size_t)n * sizeof(s->rows[0]));
        s->cap = n;
    }
    if (n * width > s->cap_values) {
        s->values =
            xrealloc(s->values, (size_t)(n * width) * sizeof(s->values[0]));
        s->cap_values = n * width;
    }
}

/* One pass of a radix sort, stable. */
static void sort_digit(int64_t n,
                       unsigned shift,
                       const uint64_t *from,
                       uint64_t *to)
{
    uint32_t start[DIGITS] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        start[from[i] >> shift & (DIGITS - 1)]++;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        uint32_t count = start[d];
        start[d] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; i++) {
        to[start[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    }
}

/* By row, in the upper half of a key; the lower half is its place. */
static const uint64_t *sort(struct optim_row_sum *s, int64_t n, uint32_t most)
{
    uint64_t *from = s->keys, *to = s->keys + n;
    for (unsigned bits = 0; bits < 32 && most >> bits != 0;
         bits += DIGIT_BITS) {
        uint64_t *spare = from;
        sort_digit(n, 32 + bits, from, to);
        from = to;
        to = spare;
    }
    return from;
}

CLONES static void add_to(int64_t n,
                          float *restrict sum,
                          const float *restrict x)
{
    for (int64_t i = 0; i < n; i++) {
        sum[i] += x[i];
    }
}

static void copy_to(int64_t n, float *restrict to, const float *restrict x)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = x[i];
    }
}

static int64_t sum_sorted(struct optim_row_sum *s,
                          const uint64_t *keys,
                          const struct optim_rows *g)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < g->n; i++) {
        uint32_t row = (uint32_t)(keys[i] >> 32);
        const float *from = g->values + (int64_t)(uint32_t)keys[i] * g->width;
        if (kept > 0 && s->rows[kept - 1] == row) {
            add_to(g->width, s->values + (kept - 1) * g->width, from);
        } else {
            s->rows[kept] = row;
            copy_to(g->width, s->values + kept++ * g->width, from);
        }
    }
    return kept;
}

struct optim_rows optim_sum_rows(struct optim_row_sum *s,
                                 const struct optim_rows *g)
{
    bool ascend = true;
    uint32_t most = 0;
    PRE(g->n >= 0 && g->n <= INT32_MAX && !g->in_place);
    for (int64_t i = 0; i < g->n; i++) {
        ascend = ascend && (i == 0 || g->rows[i] > g->rows[i - 1]);
        most = g->rows[i] > most ? g->rows[i] : most;
    }
    if (ascend) {
        return *g;
    }
    reserve(s, g->n, g->width);
    for (int64_t i = 0; i < g->n; i++) {
        s->keys[i] = (uint64_t)g->rows[i] << 32 | (uint64_t)i;
    }
    const uint64_t *keys = sort(s, g->n, most);
    return (struct optim_rows){.n = sum_sorted(s, keys, g),
                               .width = g->width,
                               .rows = s->rows,
                               .values = s->values};
}
