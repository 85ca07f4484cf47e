/* SPDX-License-Identifier: Apache-2.0
 * Replicas: settings, requirement, mean. */
#include "optim/replicas.h"

#include "optim/loops.h"

#include "base/banned.h"

/* More trainers than any cluster has. */
#define MOST 100000

int replicas_check(const struct replicas *r, struct crew_err *err)
{
    if (r->to_aggregate < 0 || r->to_aggregate > MOST) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "replicas_to_aggregate is %lld; it must be from 1 "
                            "to %d",
                            (long long)r->to_aggregate, MOST);
    }
    if (r->to_aggregate > 0 && (r->total < 1 || r->total > MOST)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "total_num_replicas is %lld; it must be from 1 to "
                            "%d",
                            (long long)r->total, MOST);
    }
    if (r->bounded && (r->max_staleness < 0 || r->max_staleness > INT32_MAX)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "max_staleness is %lld; it must be from 0 to %d",
                            (long long)r->max_staleness, INT32_MAX);
    }
    if (r->to_aggregate > 0 && r->bounded) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "max_staleness is %lld, but training is "
                            "synchronous: leave one of them out",
                            (long long)r->max_staleness);
    }
    return CREW_OK;
}

static int64_t set(bool is_set, int64_t value)
{
    return is_set ? value : -1;
}

const char *replicas_difference(const struct replicas *a,
                                const struct replicas *b,
                                int64_t *in_a,
                                int64_t *in_b)
{
    const struct {
        const char *name;
        int64_t a, b;
    } rows[] = {
        {"replicas_to_aggregate", set(a->to_aggregate > 0, a->to_aggregate),
         set(b->to_aggregate > 0, b->to_aggregate)},
        {"total_num_replicas", set(a->to_aggregate > 0, a->total),
         set(b->to_aggregate > 0, b->total)},
        {"max_staleness", set(a->bounded, a->max_staleness),
         set(b->bounded, b->max_staleness)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].a != rows[i].b) {
            *in_a = rows[i].a;
            *in_b = rows[i].b;
            return rows[i].name;
        }
    }
    return NULL;
}

int64_t replicas_needed(const struct replicas *r, int64_t living)
{
    int64_t n = living < 1 ? 1 : living;
    if (r->to_aggregate <= r->total) {
        return n < r->to_aggregate ? n : r->to_aggregate;
    }
    n = n < r->total ? n : r->total;
    return (r->to_aggregate * n + r->total - 1) / r->total;
}

/* clang 14 gives a clone that is not static another name than its callers know.
 */
CLONES static void add(int64_t n, float *sum, const float *x, bool first)
{
    for (int64_t i = 0; first && i < n; i++) {
        sum[i] = x[i];
    }
    for (int64_t i = 0; !first && i < n; i++) {
        sum[i] += x[i];
    }
}

void replicas_add(int64_t n, float *sum, const float *x, bool first)
{
    add(n, sum, x, first);
}

CLONES static void divide(int64_t n, float *sum, int64_t count)
{
    float by = (float)count;
    for (int64_t i = 0; i < n; i++) {
        sum[i] /= by;
    }
}

void replicas_divide(int64_t n, float *sum, int64_t count)
{
    divide(n, sum, count);
}

void replicas_rows_clear(struct replicas_rows *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        r->count[r->rows[i]] = 0;
    }
    r->n = 0;
}

static void add_row(struct replicas_rows *r,
                    uint32_t row,
                    const float *values,
                    uint32_t count)
{
    bool first = r->count[row] == 0;
    if (first) {
        r->rows[r->n++] = row;
    }
    add(r->width, r->sum + row * r->width, values, first);
    r->count[row] += count;
}

void replicas_rows_add(struct replicas_rows *r, const struct optim_rows *g)
{
    for (int64_t i = 0; i < g->n; i++) {
        add_row(r, g->rows[i], g->values + i * g->width, 1);
    }
}

void replicas_rows_merge(struct replicas_rows *r, const struct replicas_rows *x)
{
    for (int64_t i = 0; i < x->n; i++) {
        uint32_t row = x->rows[i];
        add_row(r, row, x->sum + row * x->width, x->count[row]);
    }
}

struct optim_rows replicas_rows_mean(struct replicas_rows *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        uint32_t row = r->rows[i];
        if (r->count[row] > 1) {
            divide(r->width, r->sum + row * r->width, r->count[row]);
        }
    }
    return (struct optim_rows){.n = r->n,
                               .width = r->width,
                               .rows = r->rows,
                               .values = r->sum,
                               .in_place = true};
}
