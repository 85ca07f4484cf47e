/* SPDX-License-Identifier: Apache-2.0
 * More combinators: map by a function in C, skip, interleave. */
#include "io/dataset.h"

#include <stdlib.h>

#include "base/mem.h"

#include "base/banned.h"

/* --------------------------------------------------------------------- map */

struct map {
    struct crew_dataset base;
    crew_map_fn fn;
    void *self;
    void *element[DATASET_MAX_COMPONENTS]; /* of the source */
};

static int map_allocate(struct map *d, struct crew_err *err)
{
    const struct dataset_spec *spec = &d->base.source->spec;

    for (int k = 0; k < spec->n; k++) {
        if (d->element[k] == NULL &&
            mem_try(1, dataset_element_bytes(spec, k) + 1, "map",
                    &d->element[k], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static int map_next(struct crew_dataset *base,
                    void *const *out,
                    int64_t *rows,
                    struct crew_err *err)
{
    struct map *d = (struct map *)base;
    const void *in[DATASET_MAX_COMPONENTS];

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    if (map_allocate(d, err) != CREW_OK ||
        base->source->ops->next(base->source, d->element, rows, err) !=
            CREW_OK) {
        return err->code;
    }
    for (int k = 0; k < base->source->spec.n; k++) {
        in[k] = d->element[k];
    }
    if (d->fn(d->self, in, out, err) != 0 && err->code == CREW_OK) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                      "crew_dataset_map: the function failed without saying "
                      "why. Fix: crew_err_set() before it returns");
    }
    return err->code;
}

static int map_rewind(struct crew_dataset *base, struct crew_err *err)
{
    return base->source->ops->rewind(base->source, err);
}

static void map_free(struct crew_dataset *base)
{
    for (int k = 0; k < DATASET_MAX_COMPONENTS; k++) {
        free(((struct map *)base)->element[k]);
    }
}

static const struct dataset_ops map_ops = {.next = map_next,
                                           .rewind = map_rewind,
                                           .free = map_free};

struct crew_dataset *crew_dataset_map(struct crew_dataset *source,
                                      const struct crew_column *columns,
                                      int n,
                                      crew_map_fn fn,
                                      void *self)
{
    struct map *d = dataset_new(sizeof *d, &map_ops, source);

    if (d->base.spec.max_batch > 0) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_map: comes before crew_dataset_batch, not "
                     "after it");
    }
    d->fn = fn;
    d->self = self;
    d->base.spec.n = 0;
    for (int i = 0; i < n; i++) {
        dataset_add_component(&d->base, columns[i].name, columns[i].dtype,
                              columns[i].shape, columns[i].is_label);
    }
    return &d->base;
}

/* -------------------------------------------------------------------- skip */

struct skip {
    struct crew_dataset base;
    int64_t n;
    bool done;
};

static int skip_next(struct crew_dataset *base,
                     void *const *out,
                     int64_t *rows,
                     struct crew_err *err)
{
    struct skip *d = (struct skip *)base;
    struct crew_dataset *source = base->source;

    for (int64_t i = 0; !d->done && i < d->n; i++) {
        if (source->ops->next(source, out, rows, err) != CREW_OK) {
            return err->code;
        }
    }
    d->done = true;
    return source->ops->next(source, out, rows, err);
}

static int skip_rewind(struct crew_dataset *base, struct crew_err *err)
{
    ((struct skip *)base)->done = false;
    return base->source->ops->rewind(base->source, err);
}

static const struct dataset_ops skip_ops = {.next = skip_next,
                                            .rewind = skip_rewind};

struct crew_dataset *crew_dataset_skip(struct crew_dataset *source, int64_t n)
{
    struct skip *d = dataset_new(sizeof *d, &skip_ops, source);

    d->n = n;
    return &d->base;
}

/* -------------------------------------------------------------- interleave */

struct interleave {
    struct crew_dataset base;
    struct crew_dataset **sources; /* owned */
    bool *ended;
    int n, current;
    int64_t block, given; /* of the current block */
};

static void turn(struct interleave *d)
{
    d->given = 0;
    d->current = (d->current + 1) % d->n;
}

static int interleave_next(struct crew_dataset *base,
                           void *const *out,
                           int64_t *rows,
                           struct crew_err *err)
{
    struct interleave *d = (struct interleave *)base;
    int left = d->n;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    while (left > 0) {
        struct crew_dataset *source = d->sources[d->current];
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
    for (int i = 0; i < d->n; i++) {
        d->ended[i] = false;
        if (d->sources[i]->ops->rewind(d->sources[i], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static void interleave_free(struct crew_dataset *base)
{
    struct interleave *d = (struct interleave *)base;

    for (int i = 0; i < d->n; i++) {
        dataset_free(d->sources[i]);
    }
    free(d->sources);
    free(d->ended);
}

static void interleave_set_seed(struct crew_dataset *base, uint64_t seed)
{
    struct interleave *d = (struct interleave *)base;

    for (int i = 0; i < d->n; i++) {
        dataset_set_seed(d->sources[i], seed + (uint64_t)i);
    }
}

/* Every source by itself; the sources are not the chain's. */
static void interleave_shard(struct crew_dataset *base,
                             int64_t num,
                             int64_t index)
{
    struct interleave *d = (struct interleave *)base;

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
    .set_seed = interleave_set_seed,
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

    d->n = n < 0 ? 0 : n;
    d->block = block_length;
    d->sources = xcalloc((size_t)d->n + 1, sizeof(struct crew_dataset *));
    d->ended = xcalloc((size_t)d->n + 1, sizeof *d->ended);
    for (int i = 0; i < d->n; i++) {
        d->sources[i] = sources[i];
        if (i == 0) {
            d->base.spec = sources[0]->spec;
        }
        if (sources[i]->broken.code != CREW_OK) {
            d->base.broken = sources[i]->broken;
        } else if (!same_elements(&d->base.spec, &sources[i]->spec)) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_interleave: element %d of the list has "
                         "other components than the first",
                         i);
        }
    }
    if (n < 1 || block_length < 1) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_interleave: %d datasets by blocks of %lld. "
                     "Fix: at least 1 of each",
                     n, (long long)block_length);
    }
    return &d->base;
}
