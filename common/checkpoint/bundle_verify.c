/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifying a bundle: every CRC, that partitioned variables are whole, and that
 * nothing shares its bytes with something else. Nothing of a tensor's size is
 * held, but for tensors of strings. */
#include "checkpoint/bundle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

static int verify_slices(struct bundle_reader *r,
                         const struct bundle_tensor *t,
                         struct crew_err *err)
{
    const struct bundle_slices *s = NULL;
    uint64_t bytes = 0;

    if (bundle_load_slices(r, t, &s, err) != CREW_OK) {
        return err->code;
    }
    for (size_t i = 0; i < s->n; i++) {
        bytes += s->stored[i].size;
        if (bundle_read_pieces(r, &s->stored[i], NULL, NULL, err) != CREW_OK) {
            return err->code;
        }
    }
    return bytes == t->nbytes || bundle_dtype_size(t->dtype) == 0
               ? CREW_OK
               : bundle_damaged(
                     r, err,
                     "Does not have sufficient slices for partitioned tensor",
                     t->name);
}

int bundle_verify_tensor(struct bundle_reader *r,
                         const struct bundle_tensor *t,
                         struct crew_err *err)
{
    struct bundle_strings strings = {0};
    struct bundle_stored at = bundle_stored_of(t);

    if (t->dtype == CREW_STRING && t->num_slices == 0) {
        (void)bundle_read_strings(r, t, &strings, err);
        bundle_strings_release(&strings);
        return err->code;
    }
    if (t->num_slices > 0) {
        (void)verify_slices(r, t, err);
    } else {
        (void)bundle_read_pieces(r, &at, NULL, NULL, err);
    }
    return err->code == CREW_OK ? CREW_OK : crew_err_wrap(err, "%s", t->name);
}

/* The bytes of one row of the index. */
struct claim {
    struct bundle_stored at;
    const struct bundle_tensor *of; /* or of one of its slices */
};

static int by_offset(const void *a, const void *b)
{
    const struct bundle_stored *x = &((const struct claim *)a)->at;
    const struct bundle_stored *y = &((const struct claim *)b)->at;

    return x->shard != y->shard ? (x->shard > y->shard) - (x->shard < y->shard)
           : x->offset != y->offset
               ? (x->offset > y->offset) - (x->offset < y->offset)
               : 0;
}

/* All that have bytes, into `claims`, which has room for every row. */
static int collect(struct bundle_reader *r,
                   struct claim *claims,
                   size_t *n,
                   struct crew_err *err)
{
    const struct bundle_slices *s = NULL;

    for (int i = 0; i < r->n; i++) {
        const struct bundle_tensor *t = &r->tensors[i];

        if (t->num_slices == 0) {
            claims[*n] = (struct claim){bundle_stored_of(t), t};
            *n += t->nbytes > 0;
            continue;
        }
        if (bundle_load_slices(r, t, &s, err) != CREW_OK) {
            return err->code;
        }
        for (size_t k = 0; k < s->n; k++) {
            claims[*n] = (struct claim){s->stored[k], t};
            *n += s->stored[k].size > 0;
        }
    }
    return CREW_OK;
}

static int check_shared(struct bundle_reader *r, struct crew_err *err)
{
    size_t rows = (size_t)table_size(r->table), n = 0;
    struct claim *claims;
    void *room = NULL;

    /* A slice has a row of its own, and so has what lists it. */
    if (mem_try(rows + 1, sizeof *claims, "checkpoint index", &room, err) !=
        CREW_OK) {
        return err->code;
    }
    claims = room;
    if (collect(r, claims, &n, err) == CREW_OK) {
        qsort(claims, n, sizeof *claims, by_offset);
    }
    for (size_t i = 1; i < n && err->code == CREW_OK; i++) {
        const struct bundle_stored *x = &claims[i - 1].at, *y = &claims[i].at;

        if (x->shard == y->shard && y->offset - x->offset < x->size) {
            crew_err_exit(err, CREW_DATA_LOSS, 65,
                          "%s: %s and %s share bytes of the data", r->prefix,
                          claims[i - 1].of->name, claims[i].of->name);
        }
    }
    free(claims);
    return err->code;
}

int bundle_verify(struct bundle_reader *r, struct crew_err *err)
{
    for (int i = 0; i < r->n; i++) {
        if (bundle_verify_tensor(r, &r->tensors[i], err) != CREW_OK) {
            return err->code;
        }
    }
    return check_shared(r, err);
}
