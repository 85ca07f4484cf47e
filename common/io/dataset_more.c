/* SPDX-License-Identifier: Apache-2.0
 * Combinators that are made of others, and prefetch. */
#include "io/dataset.h"

#include <inttypes.h>

#include "base/banned.h"

/* ---------------------------------------------------------------- prefetch */

#define MAX_PREFETCH 512

static int through_next(struct crew_dataset *d,
                        void *const *out,
                        int64_t *rows,
                        struct crew_err *err)
{
    return d->source->ops->next(d->source, out, rows, err);
}

static int through_rewind(struct crew_dataset *d, struct crew_err *err)
{
    return d->source->ops->rewind(d->source, err);
}

static const struct dataset_ops through_ops = {.next = through_next,
                                               .rewind = through_rewind};

/* The reader's thread is the one that prefetches; this tells it how far. */
struct crew_dataset *crew_dataset_prefetch(struct crew_dataset *source,
                                           int64_t n)
{
    struct crew_dataset *d = dataset_new(sizeof *d, &through_ops, source);

    if (n < 1 || n > MAX_PREFETCH) {
        crew_err_exit(&d->broken, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_prefetch: %" PRId64
                      " batches. Fix: 1 to %d",
                      n, MAX_PREFETCH);
        n = 1;
    }
    d->spec.prefetch = n;
    return d;
}

/* ------------------------------------------------------- made of the others */

struct crew_dataset *crew_dataset_concatenate(struct crew_dataset *first,
                                              struct crew_dataset *second)
{
    struct crew_dataset *both[2] = {first, second};

    return crew_dataset_interleave(both, 2, INT64_MAX);
}

/* The queue of tf's numpy_input_fn is filled with epoch after epoch, so that
 * its shuffle and its batches go over the ends of epochs. */
struct crew_dataset *crew_dataset_numpy_input(struct crew_dataset *arrays,
                                              int64_t batch_size,
                                              int64_t num_epochs,
                                              bool shuffle,
                                              int64_t queue_capacity)
{
    struct crew_dataset *d = crew_dataset_repeat(arrays, num_epochs);

    if (shuffle) {
        d = crew_dataset_shuffle(d, queue_capacity, 0);
    }
    return crew_dataset_batch(d, batch_size, false);
}
