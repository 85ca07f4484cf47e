/* SPDX-License-Identifier: Apache-2.0
 * Combinators of several datasets: interleave, zip. */
#include "io/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

/* What they have in common: the sources, which are not the chain's. */
struct many {
    struct crew_dataset base;
    struct crew_dataset **sources; /* owned */
    int n;
};

static void many_take(struct many *d,
                      struct crew_dataset *const *sources,
                      int n)
{
    d->n = n < 0 ? 0 : n;
    d->sources = xcalloc((size_t)d->n + 1, sizeof(struct crew_dataset *));
    for (int i = 0; i < d->n; i++) {
        d->sources[i] = sources[i];
        if (sources[i]->broken.code != CREW_OK) {
            d->base.broken = sources[i]->broken;
        }
    }
}

static void many_free(struct crew_dataset *base)
{
    struct many *d = (struct many *)base;

    for (int i = 0; i < d->n; i++) {
        dataset_free(d->sources[i]);
    }
    free(d->sources);
}

static void many_set_seed(struct crew_dataset *base, uint64_t seed)
{
    struct many *d = (struct many *)base;

    for (int i = 0; i < d->n; i++) {
        dataset_set_seed(d->sources[i], seed + (uint64_t)i);
    }
}

static int many_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct many *d = (struct many *)base;

    for (int i = 0; i < d->n; i++) {
        if (d->sources[i]->ops->rewind(d->sources[i], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

/* -------------------------------------------------------------- interleave */

struct interleave {
    struct many many;
    bool *ended;
    int current;
    int64_t block, given; /* of the current block */
};

static void turn(struct interleave *d)
{
    d->given = 0;
    d->current = (d->current + 1) % d->many.n;
}

static int interleave_next(struct crew_dataset *base,
                           void *const *out,
                           int64_t *rows,
                           struct crew_err *err)
{
    struct interleave *d = (struct interleave *)base;
    int left = d->many.n;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    while (left > 0) {
        struct crew_dataset *source = d->many.sources[d->current];
        struct crew_err end = {0};

        if (!d->ended[d->current]) {
            if (source->ops->next(source, out, rows, &end) == CREW_OK) {
                if (++d->given == d->block) {
                    turn(d);
                }
                return CREW_OK;
            }
            if (end.code != CREW_OUT_OF_RANGE) {
                *err = end;
                return err->code;
            }
            d->ended[d->current] = true;
        }
        turn(d);
        left--;
    }
    return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
}

static int interleave_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct interleave *d = (struct interleave *)base;

    d->current = 0;
    d->given = 0;
    for (int i = 0; i < d->many.n; i++) {
        d->ended[i] = false;
    }
    return many_rewind(base, err);
}

/* Whole stretches of a source, up to the end of its block. */
static int interleave_pass(struct crew_dataset *base,
                           void *const *scratch,
                           int64_t n,
                           int64_t *passed,
                           struct crew_err *err)
{
    struct interleave *d = (struct interleave *)base;
    int left = d->many.n;

    while (left > 0 && *passed < n) {
        int64_t most = d->block - d->given, got = 0;

        most = most < n - *passed ? most : n - *passed;
        if (!d->ended[d->current] &&
            dataset_pass(d->many.sources[d->current], scratch, most, &got,
                         err) != CREW_OK) {
            return err->code;
        }
        *passed += got;
        d->given += got;
        if (got == most && d->given < d->block) {
            break; /* all of n, within the block */
        }
        d->ended[d->current] = d->ended[d->current] || got < most;
        left = got == most ? d->many.n : left - 1;
        turn(d);
    }
    return CREW_OK;
}

static void interleave_free(struct crew_dataset *base)
{
    many_free(base);
    free(((struct interleave *)base)->ended);
}

/* Every source by itself; the sources are not the chain's. */
static void interleave_shard(struct crew_dataset *base,
                             int64_t num,
                             int64_t index)
{
    struct many *d = (struct many *)base;

    for (int i = 0; i < d->n; i++) {
        if (d->sources[i]->sharded) {
            continue;
        }
        if (d->sources[i]->source == NULL &&
            d->sources[i]->ops->shard == NULL) {
            d->sources[i] = crew_dataset_shard(d->sources[i], num, index);
        } else {
            dataset_shard_by_default(d->sources[i], num, index);
        }
    }
}

static const struct dataset_ops interleave_ops = {
    .next = interleave_next,
    .rewind = interleave_rewind,
    .free = interleave_free,
    .pass = interleave_pass,
    .set_seed = many_set_seed,
    .shard = interleave_shard,
};

/* The same components, in the same order? */
static bool same_elements(const struct dataset_spec *a,
                          const struct dataset_spec *b)
{
    bool same = a->n == b->n && a->max_batch == b->max_batch;

    for (int k = 0; same && k < a->n; k++) {
        same = a->component[k].dtype == b->component[k].dtype &&
               shape_equal(&a->component[k].shape, &b->component[k].shape);
    }
    return same;
}

struct crew_dataset *crew_dataset_interleave(
    struct crew_dataset *const *sources,
    int n,
    int64_t block_length)
{
    struct interleave *d = dataset_new(sizeof *d, &interleave_ops, NULL);

    d->block = block_length;
    many_take(&d->many, sources, n);
    d->ended = xcalloc((size_t)d->many.n + 1, sizeof *d->ended);
    for (int i = 0; i < d->many.n; i++) {
        if (i == 0) {
            d->many.base.spec = sources[0]->spec;
        }
        if (sources[i]->broken.code == CREW_OK &&
            !same_elements(&d->many.base.spec, &sources[i]->spec)) {
            crew_err_set(&d->many.base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_interleave: element %d of the list has "
                         "other components than the first",
                         i);
        }
    }
    if (n < 1 || block_length < 1) {
        crew_err_set(&d->many.base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_interleave: %d datasets by blocks of %lld. "
                     "Fix: at least 1 of each",
                     n, (long long)block_length);
    }
    return &d->many.base;
}

/* --------------------------------------------------------------------- zip */

static int zip_next(struct crew_dataset *base,
                    void *const *out,
                    int64_t *rows,
                    struct crew_err *err)
{
    struct many *d = (struct many *)base;
    int at = 0;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    for (int i = 0; i < d->n; i++) {
        if (d->sources[i]->ops->next(d->sources[i], out + at, rows, err) !=
            CREW_OK) {
            return err->code;
        }
        at += d->sources[i]->spec.n;
    }
    return CREW_OK;
}

static int zip_pass(struct crew_dataset *base,
                    void *const *scratch,
                    int64_t n,
                    int64_t *passed,
                    struct crew_err *err)
{
    struct many *d = (struct many *)base;
    int at = 0;

    *passed = n;
    for (int i = 0; i < d->n; i++) {
        int64_t got;

        if (dataset_pass(d->sources[i], scratch + at, n, &got, err) !=
            CREW_OK) {
            return err->code;
        }
        *passed = got < *passed ? got : *passed;
        at += d->sources[i]->spec.n;
    }
    return CREW_OK;
}

/* Sharded from outside, by elements: parts of the sources would not fit. */
static const struct dataset_ops zip_ops = {
    .next = zip_next,
    .rewind = many_rewind,
    .free = many_free,
    .pass = zip_pass,
    .set_seed = many_set_seed,
};

static void zip_component(struct many *d, const struct dataset_component *c)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        if (strcmp(d->base.spec.component[k].name, c->name) == 0) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_zip: \"%s\" is in two of the datasets",
                         c->name);
        }
    }
    dataset_add_component(&d->base, c->name, c->dtype, c->shape, c->is_label);
}

struct crew_dataset *crew_dataset_zip(struct crew_dataset *const *sources,
                                      int n)
{
    struct many *d = dataset_new(sizeof *d, &zip_ops, NULL);

    many_take(d, sources, n);
    if (n < 1) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_zip: %d datasets. Fix: at least 1", n);
    }
    for (int i = 0; i < d->n; i++) {
        const struct dataset_spec *spec = &sources[i]->spec;

        if (spec->max_batch > 0) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_zip: comes before crew_dataset_batch, "
                         "not after it");
        }
        d->base.sharded = d->base.sharded || sources[i]->sharded;
        for (int k = 0; k < spec->n; k++) {
            zip_component(d, &spec->component[k]);
        }
    }
    return &d->base;
}
