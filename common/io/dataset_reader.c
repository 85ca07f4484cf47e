/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader thread that keeps `depth` batches ready while the caller computes.
 * The slots are a ring: the thread fills [head], the caller holds [tail - 1]
 * until it asks for the next, so there are depth + 1 of them. Both wait on a
 * condition; nobody polls. The end and errors are a slot like any other and
 * stay. */
#include "io/dataset.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/dataset_list.h"

#include "base/banned.h"

/* Batches that are passed between two looks at whether it is to end. */
enum { AT_ONCE = 64 };

struct slot {
    struct dataset_batch batch;
    struct crew_err err;
};

struct dataset_reader {
    struct crew_dataset *dataset;
    int num_slots;
    struct slot *slots;
    bool threaded;   /* wants a thread */
    bool running;    /* has it */
    int64_t to_pass; /* batches to read and drop first */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t head; /* batches made */
    int64_t tail; /* batches given */
    bool closing;
};

static void fill_slot(struct dataset_reader *r, struct slot *slot)
{
    slot->err = (struct crew_err){0};
    slot->batch.rows = 0;
    (void)r->dataset->ops->next(r->dataset, slot->batch.data, &slot->batch.rows,
                                &slot->err);
}

static bool is_closing(struct dataset_reader *r)
{
    bool closing;

    (void)pthread_mutex_lock(&r->lock);
    closing = r->closing;
    (void)pthread_mutex_unlock(&r->lock);
    return closing;
}

/* Pass the batches before the place to begin at. An error and the end stay in
 * the slot, which is then the first to be given. */
static void pass_batches(struct dataset_reader *r)
{
    struct slot *slot = &r->slots[0];

    while (r->to_pass > 0 && slot->err.code == CREW_OK && !is_closing(r)) {
        int64_t some = r->to_pass < AT_ONCE ? r->to_pass : AT_ONCE, passed = 0;

        if (dataset_pass(r->dataset, slot->batch.data, some, &passed,
                         &slot->err) == CREW_OK &&
            passed < some) {
            crew_err_set(&slot->err, CREW_OUT_OF_RANGE, "end of input");
        }
        r->to_pass -= passed;
    }
}

static void *run(void *arg)
{
    struct dataset_reader *r = arg;

    pass_batches(r);
    (void)pthread_mutex_lock(&r->lock);
    if (r->slots[0].err.code != CREW_OK) {
        r->head++;
        (void)pthread_cond_signal(&r->changed);
        r->closing = true;
    }
    while (!r->closing) {
        /* One slot stays with the caller, who may still be reading it. */
        if (r->head - r->tail >= r->num_slots - 1) {
            (void)pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        struct slot *slot = &r->slots[r->head % r->num_slots];

        (void)pthread_mutex_unlock(&r->lock);
        fill_slot(r, slot);
        (void)pthread_mutex_lock(&r->lock);
        r->head++;
        (void)pthread_cond_signal(&r->changed);
        if (slot->err.code != CREW_OK) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

static int allocate_component(const struct dataset_spec *spec,
                              int k,
                              void **out,
                              struct crew_err *err)
{
    if (spec->component[k].ragged) {
        return dataset_lists_new(spec->max_batch, out, err);
    }
    return mem_try((size_t)spec->max_batch, dataset_element_bytes(spec, k),
                   spec->component[k].name, out, err);
}

static int allocate(struct dataset_reader *r, struct crew_err *err)
{
    const struct dataset_spec *spec = &r->dataset->spec;

    for (int s = 0; s < r->num_slots; s++) {
        for (int k = 0; k < spec->n; k++) {
            if (allocate_component(spec, k, &r->slots[s].batch.data[k], err) !=
                CREW_OK) {
                return err->code;
            }
        }
    }
    return CREW_OK;
}

static void free_slots(struct dataset_reader *r)
{
    const struct dataset_spec *spec = &r->dataset->spec;

    for (int s = 0; s < r->num_slots; s++) {
        for (int k = 0; k < spec->n; k++) {
            if (spec->component[k].ragged) {
                dataset_lists_free(r->slots[s].batch.data[k]);
            } else {
                free(r->slots[s].batch.data[k]);
            }
        }
    }
    free(r->slots);
}

int dataset_reader_open(struct crew_dataset *dataset,
                        int depth,
                        struct dataset_reader **out,
                        struct crew_err *err)
{
    struct dataset_reader *r = xcalloc(1, sizeof *r);

    PRE(depth >= 0 && depth < 1000);
    r->dataset = dataset;
    if (depth > 0 && dataset->spec.prefetch > depth) {
        depth = (int)dataset->spec.prefetch;
    }
    r->num_slots = depth + 1;
    r->slots = xcalloc((size_t)r->num_slots, sizeof *r->slots);
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->changed, NULL);
    if (dataset_check(dataset, err) != CREW_OK) {
        goto fail;
    }
    if (dataset->spec.max_batch < 1) {
        crew_err_set(err, CREW_INVALID_ARGUMENT,
                     "input_fn: the dataset is not batched. Fix: end with "
                     "crew_dataset_batch");
        goto fail;
    }
    if (allocate(r, err) != CREW_OK) {
        goto fail;
    }
    r->threaded = depth > 0;
    *out = r;
    return CREW_OK;
fail:
    dataset_reader_close(r);
    return err->code;
}

void dataset_reader_seek(struct dataset_reader *r, int64_t batches)
{
    PRE(!r->running && r->head == 0 && batches >= 0);
    r->to_pass = batches;
}

int dataset_reader_start(struct dataset_reader *r, struct crew_err *err)
{
    if (!r->threaded || r->running) {
        return CREW_OK;
    }
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "input: cannot start a thread");
    }
    r->running = true;
    return CREW_OK;
}

/* The slot of the batch after the one given last, waiting for it. */
static struct slot *next_slot(struct dataset_reader *r)
{
    struct slot *slot;

    if (!r->threaded) {
        slot = &r->slots[0];
        pass_batches(r);
        if (slot->err.code == CREW_OK) {
            fill_slot(r, slot);
        }
        return slot;
    }
    (void)pthread_mutex_lock(&r->lock);
    while (r->head == r->tail) {
        (void)pthread_cond_wait(&r->changed, &r->lock);
    }
    slot = &r->slots[r->tail % r->num_slots];
    if (slot->err.code == CREW_OK) {
        r->tail++;
        (void)pthread_cond_signal(&r->changed);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return slot;
}

int dataset_reader_next(struct dataset_reader *r,
                        const struct dataset_batch **out,
                        struct crew_err *err)
{
    const struct slot *slot;

    if (dataset_reader_start(r, err) != CREW_OK) {
        return err->code;
    }
    slot = next_slot(r);
    if (slot->err.code != CREW_OK) {
        *err = slot->err;
        return err->code;
    }
    *out = &slot->batch;
    return CREW_OK;
}

const struct dataset_spec *dataset_reader_spec(const struct dataset_reader *r)
{
    return &r->dataset->spec;
}

void dataset_reader_close(struct dataset_reader *r)
{
    if (r == NULL) {
        return;
    }
    if (r->running) {
        (void)pthread_mutex_lock(&r->lock);
        r->closing = true;
        (void)pthread_cond_signal(&r->changed);
        (void)pthread_mutex_unlock(&r->lock);
        (void)pthread_join(r->thread, NULL);
    }
    free_slots(r);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_cond_destroy(&r->changed);
    dataset_free(r->dataset);
    free(r);
}
