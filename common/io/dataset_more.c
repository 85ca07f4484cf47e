/* SPDX-License-Identifier: Apache-2.0
 * Combinators that are made of others, and prefetch. */
#include "io/dataset.h"

#include <inttypes.h>

#include "base/banned.h"

/* ---------------------------------------------------------------- prefetch */

#define MAX_PREFETCH 512

/* The reader's thread is the one that prefetches; this tells it how far. */
struct crew_dataset *crew_dataset_prefetch(struct crew_dataset *d, int64_t n)
{
    d = dataset_given(d, "crew_dataset_prefetch", "the dataset");
    d->taken = false; /* it is given back */
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

    return dataset_in_turn(both, 2, INT64_MAX, "crew_dataset_concatenate");
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
