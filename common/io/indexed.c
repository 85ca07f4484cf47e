/* SPDX-License-Identifier: Apache-2.0
 * A place in a source of random access. */
#include "io/indexed.h"

#include "base/banned.h"

int indexed_next(struct crew_dataset *base,
                 void *const *out,
                 int64_t *rows,
                 struct crew_err *err)
{
    struct indexed *d = (struct indexed *)base;
    int64_t n;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    if (base->ops->count(base, &n, err) != CREW_OK) {
        return err->code;
    }
    if (d->next >= n) {
        return crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
    }
    base->ops->at(base, d->next++, out);
    *rows = 1;
    return CREW_OK;
}

int indexed_rewind(struct crew_dataset *base, struct crew_err *err)
{
    (void)err;
    ((struct indexed *)base)->next = 0;
    return CREW_OK;
}

int indexed_pass(struct crew_dataset *base,
                 void *const *scratch,
                 int64_t n,
                 int64_t *passed,
                 struct crew_err *err)
{
    struct indexed *d = (struct indexed *)base;
    int64_t all;

    (void)scratch;
    if (base->ops->count(base, &all, err) != CREW_OK) {
        return err->code;
    }
    *passed = n < all - d->next ? n : all - d->next;
    d->next += *passed;
    return CREW_OK;
}
