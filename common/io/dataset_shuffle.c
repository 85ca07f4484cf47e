/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform shuffle in a buffer, as tf.data's: fill the buffer, give a random one
 * of its elements, put the next of the source in its place. Over a source with
 * random access the buffer holds places, else the elements themselves. Every
 * pass is shuffled anew, by (seed, pass), so a run with the same seed reads the
 * same. */
#include "io/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/dataset_list.h"

#include "base/banned.h"

struct shuffle {
    struct crew_dataset base;
    int64_t capacity;
    uint64_t seed, run_seed, pass;
    bool same_each_pass; /* tf's reshuffle_each_iteration=False */
    struct rng rng;
    bool filled;
    int64_t used; /* slots of the buffer that hold something */
    /* random access */
    int64_t *places; /* (capacity) */
    int64_t next, total;
    /* otherwise: whole elements, so that one costs one cache miss */
    size_t bytes[DATASET_MAX_COMPONENTS];  /* of component k */
    size_t offset[DATASET_MAX_COMPONENTS]; /* of component k in an element */
    size_t stride;
    char *elements; /* (capacity, stride) */
};

static bool by_place(const struct shuffle *d)
{
    return d->base.source->ops->at != NULL;
}

static int allocate(struct shuffle *d, struct crew_err *err)
{
    void *p = NULL;

    if (by_place(d)) {
        if (d->base.source->ops->count(d->base.source, &d->total, err) !=
            CREW_OK) {
            return err->code;
        }
        if (d->capacity > d->total) {
            d->capacity = d->total;
        }
        if (d->places == NULL) {
            if (mem_try((size_t)d->capacity, sizeof *d->places,
                        "shuffle buffer", &p, err) != CREW_OK) {
                return err->code;
            }
            d->places = p;
        }
        return CREW_OK;
    }
    if (d->elements == NULL) {
        if (mem_try((size_t)d->capacity, d->stride, "shuffle buffer", &p,
                    err) != CREW_OK) {
            return err->code;
        }
        d->elements = p;
    }
    return CREW_OK;
}

static void element_slot(const struct shuffle *d, int64_t slot, void **out)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        out[k] = d->elements + (size_t)slot * d->stride + d->offset[k];
    }
}

/* Put the source's next into `slot`. OUT_OF_RANGE when there is none. */
static int refill(struct shuffle *d, int64_t slot, struct crew_err *err)
{
    void *to[DATASET_MAX_COMPONENTS];
    int64_t rows;

    if (by_place(d)) {
        if (d->next >= d->total) {
            return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
        }
        d->places[slot] = d->next++;
        return CREW_OK;
    }
    element_slot(d, slot, to);
    return d->base.source->ops->next(d->base.source, to, &rows, err);
}

static int fill(struct shuffle *d, struct crew_err *err)
{
    struct crew_err end = {0};

    if (allocate(d, err) != CREW_OK) {
        return err->code;
    }
    d->pass += d->pass == 0 || !d->same_each_pass ? 1 : 0;
    d->rng.state =
        (d->seed != 0 ? d->seed : d->run_seed) + 0x9e3779b97f4a7c15u * d->pass;
    d->used = 0;
    while (d->used < d->capacity && refill(d, d->used, &end) == CREW_OK) {
        d->used++;
    }
    if (end.code != CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
        return err->code;
    }
    d->filled = true;
    return CREW_OK;
}

static void give(struct shuffle *d, int64_t slot, void *const *out)
{
    void *from[DATASET_MAX_COMPONENTS];

    if (by_place(d)) {
        d->base.source->ops->at(d->base.source, d->places[slot], out);
        return;
    }
    element_slot(d, slot, from);
    for (int k = 0; k < d->base.spec.n; k++) {
        if (d->base.spec.component[k].ragged) {
            dataset_list_swap(out[k], from[k]);
        } else {
            dataset_copy_value(out[k], from[k], d->bytes[k]);
        }
    }
}

/* The source has no more for `slot`: the last of the buffer takes it. */
static void shrink(struct shuffle *d, int64_t slot)
{
    int64_t last = --d->used;
    void *to[DATASET_MAX_COMPONENTS];

    if (last == slot) {
        return;
    }
    if (by_place(d)) {
        d->places[slot] = d->places[last];
        return;
    }
    element_slot(d, slot, to);
    give(d, last, to);
}

/* A random element of the buffer, and another in its place. out NULL: it is
 * not wanted. */
static int take(struct shuffle *d, void *const *out, struct crew_err *err)
{
    struct crew_err end = {0};
    int64_t slot;

    if (!d->filled && fill(d, err) != CREW_OK) {
        return err->code;
    }
    if (d->used == 0) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
    }
    slot = (int64_t)rng_below(&d->rng, (uint64_t)d->used);
    if (out != NULL) {
        give(d, slot, out);
    }
    if (refill(d, slot, &end) != CREW_OK) {
        if (end.code != CREW_OUT_OF_RANGE) {
            *err = end;
            return err->code;
        }
        shrink(d, slot);
    }
    return CREW_OK;
}

static int shuffle_next(struct crew_dataset *base,
                        void *const *out,
                        int64_t *rows,
                        struct crew_err *err)
{
    *rows = 1;
    return take((struct shuffle *)base, out, err);
}

static int shuffle_pass(struct crew_dataset *base,
                        void *const *scratch,
                        int64_t n,
                        int64_t *passed,
                        struct crew_err *err)
{
    struct crew_err end = {0};

    (void)scratch;
    while (*passed < n && take((struct shuffle *)base, NULL, &end) == CREW_OK) {
        ++*passed;
    }
    if (end.code != CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
    }
    return err->code;
}

static int shuffle_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct shuffle *d = (struct shuffle *)base;

    d->filled = false;
    d->next = 0;
    return base->source->ops->rewind(base->source, err);
}

static void shuffle_free(struct crew_dataset *base)
{
    struct shuffle *d = (struct shuffle *)base;

    for (int k = 0; d->elements != NULL && k < base->spec.n; k++) {
        if (base->spec.component[k].ragged) {
            dataset_release_lists(d->elements + d->offset[k], d->capacity,
                                  d->stride);
        }
    }
    free(d->places);
    free(d->elements);
}

static void shuffle_set_seed(struct crew_dataset *base, uint64_t seed)
{
    ((struct shuffle *)base)->run_seed = seed;
}

static const struct dataset_ops shuffle_ops = {
    .next = shuffle_next,
    .rewind = shuffle_rewind,
    .pass = shuffle_pass,
    .free = shuffle_free,
    .set_seed = shuffle_set_seed,
};

struct crew_dataset *crew_dataset_shuffle(struct crew_dataset *source,
                                          int64_t buffer,
                                          uint64_t seed)
{
    return crew_dataset_shuffle_with(source, buffer, seed, true);
}

struct crew_dataset *crew_dataset_shuffle_with(struct crew_dataset *source,
                                               int64_t buffer,
                                               uint64_t seed,
                                               bool reshuffle_each_iteration)
{
    struct shuffle *d = dataset_new(
        sizeof *d, &shuffle_ops,
        dataset_given(source, "crew_dataset_shuffle", "the dataset"));

    if (d->base.spec.max_batch > 0) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_shuffle: comes before crew_dataset_batch, "
                     "not after it");
    }
    if (buffer < 1) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_shuffle: a buffer of %lld. Fix: at least 1",
                     (long long)buffer);
        buffer = 1;
    }
    d->capacity = buffer;
    d->seed = seed;
    d->same_each_pass = !reshuffle_each_iteration;
    for (int k = 0; k < d->base.spec.n; k++) {
        d->bytes[k] = dataset_element_bytes(&d->base.spec, k);
        d->offset[k] = d->stride;
        d->stride += (d->bytes[k] + 7) / 8 * 8; /* for whoever writes there */
    }
    return &d->base;
}
