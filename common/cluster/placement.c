/* SPDX-License-Identifier: Apache-2.0
 *
 * Cut, then deal: the largest granule goes first, each to the least loaded
 * server, the lowest index when loads are equal. */
#include "cluster/placement.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "tensor/tensor.h"

#include "base/banned.h"

#define FLOAT_BYTES ((int64_t)sizeof(float))
#define MAX_GRANULES ((int64_t)1 << 24)

/* How a variable is cut: `pieces` runs of `unit`s, as equal as can be. */
struct cut {
    int64_t unit; /* elements that stay together: a row, or 1 */
    int64_t units;
    int64_t pieces;
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static struct cut cut_of(const struct crew_shape *shape,
                         bool table,
                         int64_t n,
                         int num_ps)
{
    int64_t rows = shape->rank > 0 ? shape->dim[0] : 1;
    struct cut c = {.unit = n, .units = 1, .pieces = 1};
    int64_t bytes = n * FLOAT_BYTES;
    int64_t pieces = ceil_div(bytes, PLACEMENT_MAX_BYTES);
    if (bytes >= num_ps * PLACEMENT_MIN_BYTES) {
        /* A multiple of the servers, so that one big variable weighs the same
         * on each of them. */
        pieces = ceil_div(pieces, num_ps) * num_ps;
    } else if (bytes / PLACEMENT_MIN_BYTES > pieces) {
        pieces = bytes / PLACEMENT_MIN_BYTES;
    }
    if (pieces <= 1) {
        return c;
    }
    /* Few, long rows cannot be dealt out evenly: cut through them. */
    bool by_rows = table || (rows >= 8 * pieces &&
                             n / rows * FLOAT_BYTES * 4 <= PLACEMENT_MAX_BYTES);
    c.unit = by_rows ? n / rows : 1;
    c.units = n / c.unit;
    c.pieces = pieces < c.units ? pieces : c.units;
    /* Rounding up to whole rows must not pass the limit. */
    while (c.pieces < c.units &&
           ceil_div(c.units, c.pieces) * c.unit * FLOAT_BYTES >
               PLACEMENT_MAX_BYTES) {
        c.pieces += num_ps;
        c.pieces = c.pieces < c.units ? c.pieces : c.units;
    }
    return c;
}

static bool is_table(const bool *tables, uint32_t v)
{
    return tables != NULL && tables[v];
}

/* Pass 1 of placement_new: how many granules, and each variable's first. */
static int count_granules(const struct crew_shape *shapes,
                          const bool *tables,
                          struct placement *p,
                          struct crew_err *err)
{
    int64_t total = 0;
    for (uint32_t v = 0; v < p->num_vars; v++) {
        int64_t n = 0;
        int rc = shape_count(&shapes[v], &n, err);
        if (rc != CREW_OK) {
            return rc;
        }
        p->first[v] = (uint32_t)total;
        total +=
            n > 0 ? cut_of(&shapes[v], is_table(tables, v), n, p->num_ps).pieces
                  : 0;
        if (n > INT64_MAX / 8 || total > MAX_GRANULES) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "the model is too large: more than 16 TiB of "
                                "variables");
        }
    }
    p->first[p->num_vars] = (uint32_t)total;
    p->num_granules = (uint32_t)total;
    return CREW_OK;
}

static void cut_variable(struct placement *p,
                         uint32_t v,
                         const struct crew_shape *shape,
                         bool table,
                         struct crew_err *err)
{
    int64_t n = 0;
    if (shape_count(shape, &n, err) != CREW_OK || n == 0) {
        return;
    }
    struct cut c = cut_of(shape, table, n, p->num_ps);
    for (int64_t k = 0; k < c.pieces; k++) {
        /* In two steps: units * pieces may not fit 64 bits. */
        int64_t base = c.units / c.pieces, more = c.units % c.pieces;
        int64_t from = k * base + (k < more ? k : more);
        int64_t units = base + (k < more ? 1 : 0);
        p->granules[p->first[v] + (uint32_t)k] = (struct granule){
            .variable = v, .offset = from * c.unit, .count = units * c.unit};
    }
}

/* For qsort: larger first, then by place. */
struct rank {
    int64_t count;
    uint32_t id;
};

static int by_size(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return x->id < y->id ? -1 : 1;
}

static void deal(struct placement *p, struct rank *ranks, int64_t *load)
{
    for (uint32_t i = 0; i < p->num_granules; i++) {
        ranks[i] = (struct rank){p->granules[i].count, i};
    }
    qsort(ranks, p->num_granules, sizeof(ranks[0]), by_size);
    for (uint32_t i = 0; i < p->num_granules; i++) {
        int least = 0;
        for (int s = 1; s < p->num_ps; s++) {
            least = load[s] < load[least] ? s : least;
        }
        p->granules[ranks[i].id].ps = (uint32_t)least;
        load[least] += ranks[i].count;
    }
}

static int fill(const struct crew_shape *shapes,
                const bool *tables,
                struct placement *p,
                struct crew_err *err)
{
    void *granules = NULL, *ranks = NULL;
    int rc = mem_try(p->num_granules + 1u, sizeof(struct granule),
                     "the placement", &granules, err);
    if (rc != CREW_OK) {
        return rc;
    }
    p->granules = granules;
    rc = mem_try(p->num_granules + 1u, sizeof(struct rank), "the placement",
                 &ranks, err);
    if (rc != CREW_OK) {
        return rc;
    }
    for (uint32_t v = 0; v < p->num_vars; v++) {
        cut_variable(p, v, &shapes[v], is_table(tables, v), err);
    }
    int64_t *load = xcalloc((size_t)p->num_ps, sizeof(*load));
    deal(p, ranks, load);
    free(load);
    free(ranks);
    return CREW_OK;
}

int placement_new(const struct crew_shape *shapes,
                  const bool *tables,
                  uint32_t num_vars,
                  int num_ps,
                  struct placement **out,
                  struct crew_err *err)
{
    PRE(num_ps > 0);
    struct placement *p = xcalloc(1, sizeof(*p));
    p->num_ps = num_ps;
    p->num_vars = num_vars;
    p->first = xcalloc((size_t)num_vars + 1, sizeof(p->first[0]));
    int rc = count_granules(shapes, tables, p, err);
    rc = rc ? rc : fill(shapes, tables, p, err);
    if (rc != CREW_OK) {
        placement_free(p);
        return rc;
    }
    *out = p;
    return CREW_OK;
}

void placement_free(struct placement *p)
{
    if (p != NULL) {
        free(p->granules);
        free(p->first);
        free(p);
    }
}

int64_t placement_bytes(const struct placement *p, int ps)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < p->num_granules; i++) {
        n += p->granules[i].ps == (uint32_t)ps ? p->granules[i].count : 0;
    }
    return n * FLOAT_BYTES;
}
