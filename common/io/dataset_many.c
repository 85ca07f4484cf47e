/* SPDX-License-Identifier: Apache-2.0
 * Combinators of several datasets: interleave, zip. */
#include "io/dataset.h"

#include <stdio.h>
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
                      int n,
                      const char *function)
{
    d->n = dataset_list(&d->base, sources, n, function, "sources");
    d->sources = xcalloc((size_t)d->n + 1, sizeof(struct crew_dataset *));
    for (int i = 0; i < d->n; i++) {
        char which[32];

        (void)snprintf(which, sizeof which, "sources[%d]", i);
        d->sources[i] = dataset_given(sources[i], function, which);
        if (d->base.broken.code == CREW_OK) {
            d->base.broken = d->sources[i]->broken;
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
            dataset_shard_in_place(&d->sources[i], num, index);
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

/* "float32 (2)", and a batch's size before it. */
static const char *component_text(const struct dataset_component *c,
                                  char *text,
                                  size_t size)
{
    char shape[160];

    (void)snprintf(text, size, "\"%s\"%s %s %s", c->name,
                   c->is_label ? " (the label)" : "", dtype_name(c->dtype),
                   shape_text(&c->shape, shape, sizeof shape));
    return text;
}

static bool same_component(const struct dataset_component *a,
                           const struct dataset_component *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype &&
           a->is_label == b->is_label && shape_equal(&a->shape, &b->shape);
}

/* The same components, in the same order; else d is broken. */
static void check_same(struct many *d, int i, const char *function)
{
    const struct dataset_spec *a = &d->sources[0]->spec;
    const struct dataset_spec *b = &d->sources[i]->spec;
    struct crew_err *broken = &d->base.broken;
    char one[320], other[320];

    if (a->n != b->n || a->max_batch != b->max_batch) {
        (void)crew_err_exit(
            broken, CREW_INVALID_ARGUMENT, 64,
            "%s: sources[%d] has %d components in batches of %lld, the first "
            "%d in batches of %lld",
            function, i, b->n, (long long)b->max_batch, a->n,
            (long long)a->max_batch);
    }
    for (int k = 0; broken->code == CREW_OK && k < a->n; k++) {
        if (!same_component(&a->component[k], &b->component[k])) {
            (void)crew_err_exit(
                broken, CREW_INVALID_ARGUMENT, 64,
                "%s: component %d of sources[%d] is %s, the first's is %s. "
                "Fix: datasets with the same components",
                function, k, i,
                component_text(&b->component[k], other, sizeof other),
                component_text(&a->component[k], one, sizeof one));
        }
    }
}

struct crew_dataset *dataset_in_turn(struct crew_dataset *const *sources,
                                     int n,
                                     int64_t block_length,
                                     const char *function)
{
    struct interleave *d = dataset_new(sizeof *d, &interleave_ops, NULL);

    d->block = block_length;
    if (n < 1 || block_length < 1) {
        crew_err_set(&d->many.base.broken, CREW_INVALID_ARGUMENT,
                     "%s: %d datasets by blocks of %lld. Fix: at least 1 of "
                     "each",
                     function, n, (long long)block_length);
    }
    many_take(&d->many, sources, n, function);
    d->ended = xcalloc((size_t)d->many.n + 1, sizeof *d->ended);
    for (int i = 0; i < d->many.n; i++) {
        if (i == 0) {
            d->many.base.spec = d->many.sources[0]->spec;
        } else {
            check_same(&d->many, i, function);
        }
    }
    return &d->many.base;
}

struct crew_dataset *crew_dataset_interleave(
    struct crew_dataset *const *sources,
    int n,
    int64_t block_length)
{
    return dataset_in_turn(sources, n, block_length, "crew_dataset_interleave");
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

    many_take(d, sources, n, "crew_dataset_zip");
    if (n < 1) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_zip: %d datasets. Fix: at least 1", n);
    }
    for (int i = 0; i < d->n; i++) {
        const struct dataset_spec *spec = &d->sources[i]->spec;

        if (spec->max_batch > 0) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_zip: comes before crew_dataset_batch, "
                         "not after it");
        }
        d->base.sharded = d->base.sharded || d->sources[i]->sharded;
        for (int k = 0; k < spec->n; k++) {
            zip_component(d, &spec->component[k]);
        }
    }
    return &d->base;
}
