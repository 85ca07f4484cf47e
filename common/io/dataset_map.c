/* SPDX-License-Identifier: Apache-2.0
 * More combinators: map by a function in C, skip. */
#include "io/dataset.h"

#include <stdlib.h>

#include "base/mem.h"
#include "io/dataset_list.h"

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

static void begin_lists(const struct map *d, void *const *out)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        if (d->base.spec.component[k].ragged) {
            dataset_list_begin(out[k], d->base.spec.component[k].dtype);
        }
    }
}

/* What went wrong while the function added to a list. */
static int check_lists(const struct map *d,
                       void *const *out,
                       struct crew_err *err)
{
    for (int k = 0; k < d->base.spec.n; k++) {
        const struct crew_list *l = out[k];

        if (d->base.spec.component[k].ragged && l->err.code != CREW_OK) {
            *err = l->err;
            return crew_err_wrap(err, "crew_dataset_map: \"%s\"",
                                 d->base.spec.component[k].name);
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
    begin_lists(d, out);
    if (d->fn(d->self, in, out, err) != 0 && err->code == CREW_OK) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                      "crew_dataset_map: the function failed without saying "
                      "why. Fix: crew_err_set() before it returns");
    }
    return err->code == CREW_OK ? check_lists(d, out, err) : err->code;
}

static int map_rewind(struct crew_dataset *base, struct crew_err *err)
{
    return base->source->ops->rewind(base->source, err);
}

static void map_free(struct crew_dataset *base)
{
    struct map *d = (struct map *)base;

    for (int k = 0; k < DATASET_MAX_COMPONENTS; k++) {
        if (d->element[k] != NULL && base->source->spec.component[k].ragged) {
            dataset_list_release(d->element[k]);
        }
        free(d->element[k]);
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
    static const char me[] = "crew_dataset_map";
    struct map *d = dataset_new(sizeof *d, &map_ops,
                                dataset_given(source, me, "the dataset"));

    if (d->base.spec.max_batch > 0) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_map: comes before crew_dataset_batch, not "
                     "after it");
    }
    (void)dataset_need(&d->base, fn != NULL ? d : NULL, me, "fn");
    d->fn = fn;
    d->self = self;
    d->base.spec.n = 0;
    n = dataset_list(&d->base, columns, n, me, "columns");
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

    if (d->n < 0) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
    }
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

static int skip_pass(struct crew_dataset *base,
                     void *const *scratch,
                     int64_t n,
                     int64_t *passed,
                     struct crew_err *err)
{
    struct skip *d = (struct skip *)base;
    int64_t got = d->n;

    if (d->n < 0) {
        return CREW_OK;
    }
    if (!d->done &&
        dataset_pass(base->source, scratch, d->n, &got, err) != CREW_OK) {
        return err->code;
    }
    d->done = got == d->n;
    return d->done ? dataset_pass(base->source, scratch, n, passed, err)
                   : CREW_OK;
}

static const struct dataset_ops skip_ops = {.next = skip_next,
                                            .rewind = skip_rewind,
                                            .pass = skip_pass};

struct crew_dataset *crew_dataset_skip(struct crew_dataset *source, int64_t n)
{
    struct skip *d =
        dataset_new(sizeof *d, &skip_ops,
                    dataset_given(source, "crew_dataset_skip", "the dataset"));

    d->n = n;
    return &d->base;
}
