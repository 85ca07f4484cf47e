/* SPDX-License-Identifier: Apache-2.0
 *
 * Dataset combinators: repeat, take, shard and batch (shuffle has a file of its
 * own). Each is a small object over its source; misuse sticks in `broken` and
 * is reported by dataset_check() and by the first next(). Nothing is allocated
 * while elements are read. */
#include "io/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/dataset_list.h"

#include "base/banned.h"

void *dataset_new(size_t size,
                  const struct dataset_ops *ops,
                  struct crew_dataset *source)
{
    struct crew_dataset *d = xcalloc(1, size);

    d->ops = ops;
    d->source = source;
    if (source != NULL) {
        d->spec = source->spec;
        d->broken = source->broken;
        d->sharded = source->sharded;
    }
    dataset_enlist(d);
    return d;
}

/* More numbers than these in one element are a mistake in a shape. */
#define MAX_ELEMENTS ((int64_t)1 << 40)

/* Of any length. */
static bool is_list(const struct crew_shape *shape)
{
    return shape->rank == 1 && shape->dim[0] < 0;
}

static int check_component(const struct crew_dataset *d,
                           const char *name,
                           enum crew_dtype dtype,
                           const struct crew_shape *shape,
                           struct crew_err *err)
{
    int64_t n = 0;

    if (name == NULL || name[0] == '\0') {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "dataset: the name of component %d is %s",
                            d->spec.n, name == NULL ? "NULL" : "empty");
    }
    if (strlen(name) >= sizeof d->spec.component[0].name) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "dataset: the name \"%.80s\" is too long, it may "
                            "have %d bytes",
                            name, (int)sizeof d->spec.component[0].name - 1);
    }
    for (int k = 0; k < d->spec.n; k++) {
        if (strcmp(d->spec.component[k].name, name) == 0) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "dataset: two components have the name \"%s\"",
                                name);
        }
    }
    if (dtype != CREW_FLOAT && dtype != CREW_INT32 && dtype != CREW_INT64) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "dataset: \"%s\" is %s (%d); float32, int32 and "
                            "int64 are known",
                            name, dtype_name(dtype), (int)dtype);
    }
    if (is_list(shape)) {
        return CREW_OK;
    }
    if (shape_count(shape, &n, err) != CREW_OK) {
        return crew_err_wrap(err, "dataset: \"%s\"", name);
    }
    return n <= MAX_ELEMENTS
               ? CREW_OK
               : crew_err_set(err, CREW_INVALID_ARGUMENT,
                              "dataset: \"%s\": %lld numbers are too many for "
                              "one element",
                              name, (long long)n);
}

void dataset_add_component(struct crew_dataset *d,
                           const char *name,
                           enum crew_dtype dtype,
                           struct crew_shape shape,
                           bool is_label)
{
    struct dataset_component *c;
    struct crew_err err = {0};

    if (d->spec.n == DATASET_MAX_COMPONENTS) {
        crew_err_set(&d->broken, CREW_INVALID_ARGUMENT,
                     "dataset: more than %d components",
                     DATASET_MAX_COMPONENTS);
        return;
    }
    if (check_component(d, name, dtype, &shape, &err) != CREW_OK) {
        (void)crew_err_set(&d->broken, err.code, "%s", err.msg);
        return;
    }
    c = &d->spec.component[d->spec.n++];
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->dtype = dtype;
    c->shape = shape;
    c->is_label = is_label;
    c->ragged = is_list(&shape);
    if (c->ragged &&
        (is_label || (dtype != CREW_INT64 && dtype != CREW_FLOAT))) {
        crew_err_exit(&d->broken, CREW_INVALID_ARGUMENT, 64,
                      "dataset: \"%s\" has the shape (-1), a list of any "
                      "length, which is %s. Fix: another shape",
                      name,
                      is_label ? "not for labels" : "for int64 and float32");
    }
}

size_t dataset_element_bytes(const struct dataset_spec *spec, int k)
{
    const struct dataset_component *c = &spec->component[k];
    size_t n = dtype_size(c->dtype);

    if (c->ragged) {
        return sizeof(struct crew_list);
    }
    for (int i = 0; i < c->shape.rank; i++) {
        n *= c->shape.dim[i] < 0 ? 1 : (size_t)c->shape.dim[i];
    }
    return n;
}

int dataset_check(const struct crew_dataset *d, struct crew_err *err)
{
    if (d->broken.code != CREW_OK) {
        *err = d->broken;
    }
    return err->code;
}

void dataset_free(struct crew_dataset *d)
{
    while (d != NULL) {
        struct crew_dataset *source = d->source;

        if (d->ops->free != NULL) {
            d->ops->free(d);
        }
        dataset_delist(d);
        free(d);
        d = source;
    }
}

void dataset_set_seed(struct crew_dataset *d, uint64_t seed)
{
    for (; d != NULL; d = d->source) {
        if (d->ops->set_seed != NULL) {
            d->ops->set_seed(d, seed);
        }
    }
}

static int end_of_input(struct crew_err *err)
{
    return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
}

static int source_next(struct crew_dataset *d,
                       void *const *out,
                       int64_t *rows,
                       struct crew_err *err)
{
    return d->source->ops->next(d->source, out, rows, err);
}

int dataset_pass(struct crew_dataset *d,
                 void *const *scratch,
                 int64_t n,
                 int64_t *passed,
                 struct crew_err *err)
{
    struct crew_err end = {0};
    int64_t rows;

    *passed = 0;
    if (d->ops->pass != NULL) {
        return d->ops->pass(d, scratch, n, passed, err);
    }
    while (*passed < n && d->ops->next(d, scratch, &rows, &end) == CREW_OK) {
        ++*passed;
    }
    if (end.code != CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
    }
    return err->code;
}

static int source_rewind(struct crew_dataset *d, struct crew_err *err)
{
    return d->source->ops->rewind(d->source, err);
}

/* Elements are not batched where a combinator counts or batches them. */
static void need_elements(struct crew_dataset *d, const char *what)
{
    if (d->spec.max_batch > 0) {
        crew_err_set(&d->broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_%s: comes before crew_dataset_batch, not "
                     "after it",
                     what);
    }
}

/* ------------------------------------------------------------------ repeat */

struct repeat {
    struct crew_dataset base;
    int64_t times, done;
    bool any; /* this pass has given an element */
};

static int repeat_next(struct crew_dataset *base,
                       void *const *out,
                       int64_t *rows,
                       struct crew_err *err)
{
    struct repeat *d = (struct repeat *)base;

    while (d->times < 0 || d->done < d->times) {
        struct crew_err end = {0};
        int code = source_next(base, out, rows, &end);

        if (code == CREW_OK) {
            d->any = true;
            return CREW_OK;
        }
        if (code != CREW_OUT_OF_RANGE) {
            *err = end;
            return code;
        }
        if (!d->any) { /* an empty source would be repeated for ever */
            break;
        }
        d->any = false;
        d->done++;
        if (source_rewind(base, err) != CREW_OK) {
            return err->code;
        }
    }
    return end_of_input(err);
}

static int repeat_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct repeat *d = (struct repeat *)base;

    d->done = 0;
    d->any = false;
    return source_rewind(base, err);
}

static int repeat_pass(struct crew_dataset *base,
                       void *const *scratch,
                       int64_t n,
                       int64_t *passed,
                       struct crew_err *err)
{
    struct repeat *d = (struct repeat *)base;

    while (*passed < n && (d->times < 0 || d->done < d->times)) {
        int64_t got;

        if (dataset_pass(base->source, scratch, n - *passed, &got, err) !=
            CREW_OK) {
            return err->code;
        }
        *passed += got;
        d->any = d->any || got > 0;
        if (*passed == n || !d->any) {
            break;
        }
        d->any = false;
        d->done++;
        if (source_rewind(base, err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static const struct dataset_ops repeat_ops = {.next = repeat_next,
                                              .rewind = repeat_rewind,
                                              .pass = repeat_pass};

struct crew_dataset *crew_dataset_repeat(struct crew_dataset *source,
                                         int64_t times)
{
    struct repeat *d = dataset_new(
        sizeof *d, &repeat_ops,
        dataset_given(source, "crew_dataset_repeat", "the dataset"));

    d->times = times;
    return &d->base;
}

/* ------------------------------------------------------------ take, shard */

struct pick {
    struct crew_dataset base;
    int64_t limit;      /* take: how many; shard, take of all: -1 */
    int64_t num, index; /* shard: every num-th from index on */
    int64_t seen, given;
};

static int pick_next(struct crew_dataset *base,
                     void *const *out,
                     int64_t *rows,
                     struct crew_err *err)
{
    struct pick *d = (struct pick *)base;

    if (d->limit >= 0 && d->given >= d->limit) {
        return end_of_input(err);
    }
    for (;;) {
        int64_t place = d->seen;

        if (source_next(base, out, rows, err) != CREW_OK) {
            return err->code;
        }
        d->seen++;
        if (place % d->num == d->index) {
            d->given++;
            return CREW_OK;
        }
    }
}

static int pick_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct pick *d = (struct pick *)base;

    d->seen = 0;
    d->given = 0;
    return source_rewind(base, err);
}

/* How many of the source's first n elements are given. */
static int64_t picked(const struct pick *d, int64_t n)
{
    return n > d->index ? (n - d->index + d->num - 1) / d->num : 0;
}

static int pick_pass(struct crew_dataset *base,
                     void *const *scratch,
                     int64_t n,
                     int64_t *passed,
                     struct crew_err *err)
{
    struct pick *d = (struct pick *)base;
    int64_t before = picked(d, d->seen), end, got;

    if (d->limit >= 0 && n > d->limit - d->given) {
        n = d->limit - d->given;
    }
    if (n < 1) {
        return CREW_OK;
    }
    end = (before + n - 1) * d->num + d->index + 1;
    if (dataset_pass(base->source, scratch, end - d->seen, &got, err) !=
        CREW_OK) {
        return err->code;
    }
    d->seen += got;
    *passed = picked(d, d->seen) - before;
    d->given += *passed;
    return CREW_OK;
}

static const struct dataset_ops pick_ops = {.next = pick_next,
                                            .rewind = pick_rewind,
                                            .pass = pick_pass};

/* The same over a source with random access. */
static int pick_count(struct crew_dataset *base,
                      int64_t *n,
                      struct crew_err *err)
{
    const struct pick *d = (const struct pick *)base;
    int64_t all;

    if (base->source->ops->count(base->source, &all, err) != CREW_OK) {
        return err->code;
    }
    *n = picked(d, all);
    if (d->limit >= 0 && *n > d->limit) {
        *n = d->limit;
    }
    return CREW_OK;
}

static void pick_at(struct crew_dataset *base, int64_t i, void *const *out)
{
    const struct pick *d = (const struct pick *)base;

    base->source->ops->at(base->source, i * d->num + d->index, out);
}

static const struct dataset_ops pick_at_ops = {.next = pick_next,
                                               .rewind = pick_rewind,
                                               .pass = pick_pass,
                                               .count = pick_count,
                                               .at = pick_at};

static struct pick *pick_new(struct crew_dataset *source)
{
    return dataset_new(sizeof(struct pick),
                       source->ops->at != NULL ? &pick_at_ops : &pick_ops,
                       source);
}

struct crew_dataset *crew_dataset_take(struct crew_dataset *source, int64_t n)
{
    struct pick *d =
        pick_new(dataset_given(source, "crew_dataset_take", "the dataset"));

    d->limit = n < 0 ? -1 : n;
    d->num = 1;
    return &d->base;
}

struct crew_dataset *crew_dataset_shard(struct crew_dataset *source,
                                        int64_t num,
                                        int64_t index)
{
    struct pick *d =
        pick_new(dataset_given(source, "crew_dataset_shard", "the dataset"));

    need_elements(&d->base, "shard");
    if (num < 1 || index < 0 || index >= num) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_shard: index %lld of %lld", (long long)index,
                     (long long)num);
        num = 1;
        index = 0;
    }
    d->limit = -1;
    d->num = num;
    d->index = index;
    d->base.sharded = true;
    return &d->base;
}

void dataset_shard_in_place(struct crew_dataset **place,
                            int64_t num,
                            int64_t index)
{
    (*place)->taken = false; /* it changes hands */
    *place = crew_dataset_shard(*place, num, index);
    (*place)->taken = true;
}

void dataset_shard_by_default(struct crew_dataset *d,
                              int64_t num,
                              int64_t index)
{
    struct crew_dataset *above = NULL;

    if (d->sharded || num < 2) {
        return;
    }
    while (d->source != NULL) {
        above = d;
        d = d->source;
    }
    if (d->ops->shard != NULL) {
        d->ops->shard(d, num, index);
    } else if (above != NULL) {
        dataset_shard_in_place(&above->source, num, index);
    }
}

/* ------------------------------------------------------------------- batch */

struct batch {
    struct crew_dataset base;
    bool drop_remainder;
    size_t bytes[DATASET_MAX_COMPONENTS];         /* of one element */
    struct crew_list one[DATASET_MAX_COMPONENTS]; /* of the next row */
};

/* Where the source writes row n: lists into `one`. */
static void row_places(struct batch *d,
                       void *const *out,
                       int64_t n,
                       void **place)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        place[k] = d->base.spec.component[k].ragged
                       ? (void *)&d->one[k]
                       : (char *)out[k] + (size_t)n * d->bytes[k];
    }
}

static int take_lists(const struct batch *d,
                      void *const *out,
                      int64_t n,
                      struct crew_err *err)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        if (d->base.spec.component[k].ragged &&
            dataset_lists_add(out[k], n, &d->one[k], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static int batch_next(struct crew_dataset *base,
                      void *const *out,
                      int64_t *rows,
                      struct crew_err *err)
{
    struct batch *d = (struct batch *)base;
    struct crew_err end = {0};
    int64_t n = 0;

    while (n < base->spec.max_batch) {
        void *place[DATASET_MAX_COMPONENTS];
        int64_t one;

        row_places(d, out, n, place);
        if (source_next(base, place, &one, &end) != CREW_OK ||
            take_lists(d, out, n, &end) != CREW_OK) {
            break;
        }
        n++;
    }
    if (end.code != CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
        return err->code;
    }
    if (n == 0 || (n < base->spec.max_batch && d->drop_remainder)) {
        return end_of_input(err);
    }
    *rows = n;
    return CREW_OK;
}

static int batch_rewind(struct crew_dataset *base, struct crew_err *err)
{
    return source_rewind(base, err);
}

/* The small one at the end counts too, unless it is dropped. */
static int batch_pass(struct crew_dataset *base,
                      void *const *scratch,
                      int64_t n,
                      int64_t *passed,
                      struct crew_err *err)
{
    struct batch *d = (struct batch *)base;
    int64_t size = base->spec.max_batch, got;
    void *place[DATASET_MAX_COMPONENTS];

    row_places(d, scratch, 0, place);
    if (dataset_pass(base->source, place, n * size, &got, err) != CREW_OK) {
        return err->code;
    }
    *passed = got / size + (got % size > 0 && !d->drop_remainder ? 1 : 0);
    return CREW_OK;
}

static void batch_free(struct crew_dataset *base)
{
    dataset_release_lists(((struct batch *)base)->one, base->spec.n,
                          sizeof(struct crew_list));
}

static const struct dataset_ops batch_ops = {.next = batch_next,
                                             .rewind = batch_rewind,
                                             .pass = batch_pass,
                                             .free = batch_free};

struct crew_dataset *crew_dataset_batch(struct crew_dataset *source,
                                        int64_t size,
                                        bool drop_remainder)
{
    struct batch *d =
        dataset_new(sizeof *d, &batch_ops,
                    dataset_given(source, "crew_dataset_batch", "the dataset"));

    need_elements(&d->base, "batch");
    if (size < 1) {
        crew_err_exit(&d->base.broken, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_batch: a batch of %lld. Fix: at least 1",
                      (long long)size);
        size = 1;
    }
    d->drop_remainder = drop_remainder;
    for (int k = 0; k < d->base.spec.n; k++) {
        struct crew_shape *shape = &d->base.spec.component[k].shape;

        d->bytes[k] = dataset_element_bytes(&d->base.spec, k);
        if (shape->rank == CREW_MAX_RANK) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_batch: \"%s\" has rank %d already",
                         d->base.spec.component[k].name, CREW_MAX_RANK);
            continue;
        }
        for (int i = shape->rank; i > 0; i--) {
            shape->dim[i] = shape->dim[i - 1];
        }
        shape->dim[0] = -1;
        shape->rank++;
    }
    d->base.spec.max_batch = size;
    return &d->base;
}
