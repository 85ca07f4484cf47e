/* SPDX-License-Identifier: Apache-2.0
 *
 * How the trainers of a job work together, by the names of TensorFlow's
 * SyncReplicasOptimizer, and the mean of their gradients. Pure. Threads: any.
 * Source: tensorflow/python/training/sync_replicas_optimizer.py,
 * core/kernels/typed_conditional_accumulator_base.h. */
#ifndef OPTIM_REPLICAS_H
#define OPTIM_REPLICAS_H

#include "optim/optim.h"

struct replicas {
    /* Gradients in the mean of an update; 0: asynchronous, each gradient is an
     * update. */
    int64_t to_aggregate;
    /* Trainers there shall be. More than to_aggregate: the rest are backups.
     * Fewer: each does several batches an update. */
    int64_t total;
    /* Asynchronous: own steps that a trainer may be ahead of the slowest living
     * one; not bounded: any number. */
    bool bounded;
    int64_t max_staleness;
};

/* Zeroed: asynchronous, not bounded. */
static inline bool replicas_sync(const struct replicas *r)
{
    return r->to_aggregate > 0;
}

/* Errors: INVALID_ARGUMENT naming the value. */
CREW_MUST_CHECK int replicas_check(const struct replicas *, struct crew_err *);
/* The first setting in which two differ, with both values (-1: it is not set);
 * NULL: they are equal. */
CREW_NULLABLE const char *replicas_difference(const struct replicas *a,
                                              const struct replicas *b,
                                              CREW_OUT int64_t *in_a,
                                              CREW_OUT int64_t *in_b);

/* How many gradients make an update while `living` trainers train; at least 1.
 * With to_aggregate <= total: as many as there are, to_aggregate at most. Else
 * each keeps its share, to_aggregate / total, rounded up. */
int64_t replicas_needed(const struct replicas *, int64_t living);

/* sum = x for the first, sum += x for all others, elementwise, of (n). */
void replicas_add(int64_t n, float *sum, const float *x, bool first);
/* sum /= count, as TensorFlow's accumulators do. */
void replicas_divide(int64_t n, float *sum, int64_t count);

/* A sum of gradients of rows. TensorFlow's SparseConditionalAccumulator counts
 * for each row the gradients that have it, and divides by that. */
struct replicas_rows {
    int64_t n, width;
    float *sum;      /* (table_rows, width); borrowed */
    uint32_t *rows;  /* that are in it, in the order they came */
    uint32_t *count; /* (table_rows): gradients that have the row */
};
/* Empty it. */
void replicas_rows_clear(struct replicas_rows *);
void replicas_rows_add(struct replicas_rows *, const struct optim_rows *);
/* Add another sum, with its counts. */
void replicas_rows_merge(struct replicas_rows *, const struct replicas_rows *);
/* Each row divided by its count; in the memory of the sum. */
struct optim_rows replicas_rows_mean(struct replicas_rows *);

#endif
