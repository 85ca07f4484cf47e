/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: variables whose gradients are of rows. Up goes, for each granule, the
 * numbers of its rows, counted from its first, and their values, as they lie in
 * an image of the gradient that is made once a step; a granule without any is
 * told so by an empty part. Down come the rows that have changed since the
 * version we have, or the whole granule.
 *
 * A version is ours only when all of its values are: a part that is lost with
 * its connection leaves the old one, and the rows come again. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

static int64_t width_of(const struct trainer_var *v)
{
    return v->n / v->shape.dim[0];
}

static size_t row_bytes(int64_t width)
{
    return sizeof(uint32_t) + (size_t)width * sizeof(float);
}

static bool is_table(const struct session *s, uint32_t id)
{
    return s->o.vars[s->placement->granules[id].variable].rows;
}

/* Room for the longest answer of the link, and the versions of its tables. */
static void open_link(struct session *s, struct link *l)
{
    size_t most = 0;
    for (uint32_t i = 0; i < l->num_granules; i++) {
        const struct granule *g = &s->placement->granules[l->granules[i]];
        if (is_table(s, l->granules[i])) {
            size_t bytes = (size_t)g->count * sizeof(float);
            most = bytes > most ? bytes : most;
            l->num_tables++;
        }
    }
    if (most > 0) {
        l->landing = xmalloc(most);
        l->landing_size = most;
        l->versions = xcalloc(l->num_tables, sizeof(l->versions[0]));
    }
}

void rows_open(struct session *s)
{
    s->tables = xcalloc((size_t)s->o.num_vars + 1, sizeof(s->tables[0]));
    s->versions =
        xcalloc((size_t)s->placement->num_granules + 1, sizeof(s->versions[0]));
    for (int i = 0; i < s->o.num_ps; i++) {
        open_link(s, &s->links[i]);
    }
}

void rows_free(struct session *s)
{
    for (int i = 0; s->tables != NULL && i < s->o.num_vars; i++) {
        free(s->tables[i].image);
    }
    for (int i = 0; i < s->o.num_ps; i++) {
        free(s->links[i].landing);
        free(s->links[i].versions);
    }
    free(s->tables);
    free(s->versions);
}

void rows_forget(struct session *s)
{
    for (uint32_t i = 0; i < s->placement->num_granules; i++) {
        s->versions[i] = 0;
    }
}

/* ----------------------------------------------------------------------- up */

/* The first of the gradient's rows from `row` on. */
static int64_t lower_bound(const struct optim_rows *g, int64_t row)
{
    int64_t from = 0, to = g->n;
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (g->rows[middle] < row) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Rows from..to of the gradient as a granule's payload. */
static void draw(const struct optim_rows *g,
                 int64_t from,
                 int64_t to,
                 int64_t first_row,
                 char *image)
{
    uint32_t *rows = (uint32_t *)(void *)image;
    for (int64_t i = from; i < to; i++) {
        rows[i - from] = g->rows[i] - (uint32_t)first_row;
    }
    rpc_copy(rows + (to - from), g->values + from * g->width,
             (size_t)((to - from) * g->width) * sizeof(float));
}

void session_rows_ready(struct session *s, int i, const struct optim_rows *grad)
{
    const struct placement *pl = s->placement;
    struct session_table *t = &s->tables[i];
    size_t each = row_bytes(grad->width), need = (size_t)grad->n * each + each;
    PRE(i >= 0 && i < s->o.num_vars && s->o.vars[i].rows);
    if (!s->step_active || s->grads[i] != NULL) {
        return;
    }
    if (need > t->size) {
        t->image = xrealloc(t->image, need);
        t->size = need;
    }
    t->grad = *grad;
    for (uint32_t id = pl->first[i]; id < pl->first[i + 1]; id++) {
        int64_t row = pl->granules[id].offset / grad->width;
        int64_t rows = pl->granules[id].count / grad->width;
        int64_t from = lower_bound(grad, row);
        draw(grad, from, lower_bound(grad, row + rows), row,
             t->image + (size_t)from * each);
    }
    session_grad_ready(s, i, (const float *)(void *)t->image);
}

const void *rows_payload(const struct session *s,
                         uint32_t id,
                         size_t *bytes,
                         uint64_t *version)
{
    const struct granule *g = &s->placement->granules[id];
    const struct session_table *t = &s->tables[g->variable];
    int64_t row = g->offset / t->grad.width;
    int64_t from = lower_bound(&t->grad, row);
    int64_t to = lower_bound(&t->grad, row + g->count / t->grad.width);
    *bytes = (size_t)(to - from) * row_bytes(t->grad.width);
    *version = s->versions[id];
    return *bytes > 0 ? t->image + (size_t)from * row_bytes(t->grad.width)
                      : NULL;
}

/* --------------------------------------------------------------------- down */

size_t rows_versions(struct link *l, uint64_t **list)
{
    size_t n = 0;
    /* More would not fit a header. */
    for (uint32_t i = 0; i < l->num_granules && n < ROWS_MAX_VERSIONS; i++) {
        if (is_table(l->s, l->granules[i])) {
            l->versions[n++] = l->s->versions[l->granules[i]];
        }
    }
    *list = l->versions;
    return n;
}

bool rows_part_fits(const struct link *l,
                    const Crew__ValuePart *part,
                    uint64_t bytes)
{
    const struct session *s = l->s;
    const struct granule *g = &s->placement->granules[part->granule];
    if (!part->rows) {
        return bytes == (uint64_t)g->count * sizeof(float);
    }
    return is_table(s, part->granule) && part->slot == 0 &&
           bytes <= l->landing_size &&
           bytes % row_bytes(width_of(&s->o.vars[g->variable])) == 0;
}

bool rows_take(struct link *l, const Crew__ValuePart *part, uint64_t bytes)
{
    struct session *s = l->s;
    const struct granule *g = &s->placement->granules[part->granule];
    const struct trainer_var *v = &s->o.vars[g->variable];
    if (part->rows) {
        int64_t width = width_of(v);
        int64_t n = (int64_t)(bytes / row_bytes(width));
        const uint32_t *rows = l->landing;
        const float *from = (const float *)l->landing + n;
        for (int64_t i = 0; i < n; i++, from += width) {
            if (rows[i] >= g->count / width) {
                return false;
            }
            rpc_copy(v->value + g->offset + rows[i] * width, from,
                     (size_t)width * sizeof(float));
        }
    }
    if (part->slot == 0) {
        s->versions[part->granule] = part->version;
    }
    return true;
}
