/* SPDX-License-Identifier: Apache-2.0
 * Ops that put elements where other values say: the order and a part of a
 * sparse tensor, ScatterNd, and the pair by which lookups in a partitioned
 * table go to its parts and come back. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/move.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "base/banned.h"

/* Indices (n, rank), values (n), and vectors of `rank` numbers from input 2 on:
 * all int64 but the values. */
static int want_sparse(struct op_call *call, int vectors)
{
    const struct value *in = call->in;

    if (op_want_dtype(call, 0, CREW_INT64) != CREW_OK ||
        op_want_rank(call, 0, 2) != CREW_OK ||
        op_want_rank(call, 1, 1) != CREW_OK) {
        return call->err->code;
    }
    for (int k = 2; k < 2 + vectors; k++) {
        if (op_want_dtype(call, k, CREW_INT64) != CREW_OK ||
            op_want_rank(call, k, 1) != CREW_OK) {
            return call->err->code;
        }
        if (in[k].n != in[0].shape.dim[1]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "input %d has %" PRId64
                           " numbers for indices of %" PRId64 " dimensions",
                           k, in[k].n, in[0].shape.dim[1]);
        }
    }
    if (in[1].n != in[0].shape.dim[0] || in[0].shape.dim[1] > CREW_MAX_RANK ||
        in[1].dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "%" PRId64 " values for %" PRId64 " indices", in[1].n,
                       in[0].shape.dim[0]);
    }
    return CREW_OK;
}

/* out[0] and out[1]: the rows of in[0] and in[1] that `pick` names, less
 * `start` (or NULL). */
static int pick_rows(struct op_call *call,
                     const int64_t *pick,
                     int64_t n,
                     const int64_t *start)
{
    int64_t rank = call->in[0].shape.dim[1];
    struct crew_shape indices = {.rank = 2, .dim = {n, rank}};
    struct crew_shape values = {.rank = 1, .dim = {n}};

    if (value_new(&call->out[0], CREW_INT64, &indices, call->err) != CREW_OK ||
        value_new(&call->out[1], call->in[1].dtype, &values, call->err) !=
            CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < rank; k++) {
            int64_t at = call->in[0].i64[pick[i] * rank + k];

            call->out[0].i64[i * rank + k] = start != NULL ? at - start[k] : at;
        }
        move_copy(&call->out[1], i, &call->in[1], pick[i], 1);
    }
    return move_finish(call, &call->out[1]);
}

/* ------------------------------------------------------------ SparseReorder */

/* A row of indices, and where it was: equal ones stay in order. */
struct row {
    const int64_t *index;
    int64_t rank, place;
};

static int by_index(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    for (int64_t k = 0; k < x->rank; k++) {
        if (x->index[k] != y->index[k]) {
            return x->index[k] < y->index[k] ? -1 : 1;
        }
    }
    return x->place < y->place ? -1 : x->place > y->place ? 1 : 0;
}

static int run_sparse_reorder(struct op_call *call)
{
    int64_t rank, n;
    void *rows = NULL, *pick = NULL;

    if (want_sparse(call, 1) != CREW_OK) {
        return call->err->code;
    }
    n = call->in[1].n;
    rank = call->in[0].shape.dim[1];
    if (mem_try((size_t)n + 1, sizeof(struct row), "rows", &rows, call->err) ==
            CREW_OK &&
        mem_try((size_t)n + 1, sizeof(int64_t), "places", &pick, call->err) ==
            CREW_OK) {
        struct row *row = rows;

        for (int64_t i = 0; i < n; i++) {
            row[i] = (struct row){rank > 0 ? call->in[0].i64 + i * rank : NULL,
                                  rank, i};
        }
        qsort(row, (size_t)n, sizeof *row, by_index);
        for (int64_t i = 0; i < n; i++) {
            ((int64_t *)pick)[i] = row[i].place;
        }
        (void)pick_rows(call, pick, n, NULL);
    }
    free(rows);
    free(pick);
    return call->err->code;
}

/* -------------------------------------------------------------- SparseSlice */

/* The part's shape; false: a start or a size is negative. */
static bool part_shape(const struct op_call *call, int64_t *shape)
{
    for (int64_t k = 0; k < call->in[2].n; k++) {
        int64_t all = call->in[2].i64[k], start = call->in[3].i64[k];
        int64_t size = call->in[4].i64[k];

        if (start < 0 || size < 0) {
            return false;
        }
        shape[k] = start >= all ? 0 : size < all - start ? size : all - start;
    }
    return true;
}

static bool is_inside(const int64_t *index,
                      const int64_t *start,
                      const int64_t *shape,
                      int64_t rank)
{
    for (int64_t k = 0; k < rank; k++) {
        if (index[k] < start[k] || index[k] - start[k] >= shape[k]) {
            return false;
        }
    }
    return true;
}

static int run_sparse_slice(struct op_call *call)
{
    int64_t shape[CREW_MAX_RANK] = {0}, rank, n = 0;
    struct crew_shape vector = {.rank = 1};
    void *pick = NULL;

    if (want_sparse(call, 3) != CREW_OK) {
        return call->err->code;
    }
    rank = call->in[0].shape.dim[1];
    if (!part_shape(call, shape)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "start and size must not be negative");
    }
    vector.dim[0] = rank;
    if (mem_try((size_t)call->in[1].n + 1, sizeof(int64_t), "places", &pick,
                call->err) != CREW_OK ||
        value_new(&call->out[2], CREW_INT64, &vector, call->err) != CREW_OK) {
        free(pick);
        return call->err->code;
    }
    for (int64_t k = 0; k < rank; k++) {
        call->out[2].i64[k] = shape[k];
    }
    for (int64_t i = 0; i < call->in[1].n; i++) {
        if (rank == 0 || is_inside(call->in[0].i64 + i * rank, call->in[3].i64,
                                   shape, rank)) {
            ((int64_t *)pick)[n++] = i;
        }
    }
    (void)pick_rows(call, pick, n, call->in[3].i64);
    free(pick);
    return call->err->code;
}

/* ---------------------------------------------------------------- ScatterNd */

/* The place in `shape` that row `i` of `depth` indices names; -1: none. */
static int64_t place_of(const struct value *indices,
                        int64_t i,
                        int64_t depth,
                        const struct crew_shape *shape)
{
    int64_t at = 0;

    for (int64_t k = 0; k < depth; k++) {
        int64_t index = number_int(indices, i * depth + k);

        if (index < 0 || index >= shape->dim[k]) {
            return -1;
        }
        at = at * shape->dim[k] + index;
    }
    return at;
}

static void add_to(struct value *to,
                   int64_t i,
                   const struct value *from,
                   int64_t j)
{
    if (number_is_integer(to->dtype)) {
        number_put_int(to, i,
                       (int64_t)((uint64_t)number_int(to, i) +
                                 (uint64_t)number_int(from, j)));
    } else {
        number_put_double(to, i, number_double(to, i) + number_double(from, j));
    }
}

/* *depth: how many dimensions an index names; *rows: how many there are. */
static int check_scatter(struct op_call *call,
                         struct crew_shape *shape,
                         int64_t *depth,
                         int64_t *rows)
{
    const struct value *in = call->in;
    int rank = in[0].shape.rank, n = 0;
    int64_t updates;

    if (op_ints(call, 2, shape->dim, CREW_MAX_RANK, &n) != CREW_OK) {
        return call->err->code;
    }
    shape->rank = n;
    if ((in[0].dtype != CREW_INT32 && in[0].dtype != CREW_INT64) || rank < 1 ||
        in[0].shape.dim[rank - 1] > n || !number_is(in[1].dtype)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices must be integers of at most %d dimensions, "
                       "updates numbers",
                       n);
    }
    *depth = in[0].shape.dim[rank - 1];
    *rows = move_span(&in[0].shape, 0, rank - 1);
    if (move_begin(call, in[1].dtype, shape) != CREW_OK) {
        return call->err->code;
    }
    if (__builtin_mul_overflow(*rows, move_span(shape, (int)*depth, n),
                               &updates) ||
        in[1].n != updates) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "%" PRId64 " updates do not fit the indices and shape",
                       in[1].n);
    }
    return CREW_OK;
}

static int run_scatter_nd(struct op_call *call)
{
    struct crew_shape shape = {0};
    int64_t depth = 0, rows = 0, width;

    if (check_scatter(call, &shape, &depth, &rows) != CREW_OK) {
        return call->err->code;
    }
    width = move_span(&shape, (int)depth, shape.rank);
    for (int64_t i = 0; i < rows && width > 0; i++) {
        int64_t at = place_of(&call->in[0], i, depth, &shape);

        if (at < 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64 "] is outside the shape", i);
        }
        for (int64_t k = 0; k < width; k++) {
            add_to(&call->out[0], at * width + k, &call->in[1], i * width + k);
        }
    }
    return CREW_OK;
}

/* ----------------------------------------- DynamicPartition, DynamicStitch */

static int partitions(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    int64_t n = op_attr_int(node, "num_partitions", 0);

    if (n < 1 || n > 1 << 20) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                            "num_partitions is %" PRId64, n);
        return -1;
    }
    return (int)n;
}

/* Is `shape` the beginning of `of`? */
static bool begins(const struct crew_shape *shape, const struct crew_shape *of)
{
    for (int i = 0; i < shape->rank; i++) {
        if (i >= of->rank || shape->dim[i] != of->dim[i]) {
            return false;
        }
    }
    return true;
}

/* (n) and the dimensions of `from` beyond the first `skip`. */
static struct crew_shape rows_shape(int64_t n,
                                    const struct crew_shape *from,
                                    int skip)
{
    struct crew_shape shape = {.rank = 1, .dim = {n}};

    for (int i = skip; i < from->rank; i++) {
        shape.dim[shape.rank++] = from->dim[i];
    }
    return shape;
}

/* How many rows go to each partition. */
static int count_rows(struct op_call *call, int64_t *counts)
{
    const struct value *to = &call->in[1];

    for (int64_t i = 0; i < to->n; i++) {
        if (to->i32[i] < 0 || to->i32[i] >= call->n_out) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "partitions[%" PRId64 "] = %d is not in [0, %d)", i,
                           to->i32[i], call->n_out);
        }
        counts[to->i32[i]]++;
    }
    return CREW_OK;
}

static int partition(struct op_call *call, int64_t *counts)
{
    const struct value *data = &call->in[0], *to = &call->in[1];
    int rank = to->shape.rank;
    int64_t width = move_span(&data->shape, rank, data->shape.rank);

    if (count_rows(call, counts) != CREW_OK) {
        return call->err->code;
    }
    for (int k = 0; k < call->n_out; k++) {
        struct crew_shape shape = rows_shape(counts[k], &data->shape, rank);

        if (value_new(&call->out[k], data->dtype, &shape, call->err) !=
            CREW_OK) {
            return call->err->code;
        }
        counts[k] = 0;
    }
    for (int64_t i = 0; i < to->n; i++) {
        int k = to->i32[i];

        move_copy(&call->out[k], counts[k]++ * width, data, i * width, width);
    }
    for (int k = 0; k < call->n_out; k++) {
        if (move_finish(call, &call->out[k]) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

static int run_partition(struct op_call *call)
{
    const struct value *data = &call->in[0], *to = &call->in[1];
    int64_t *counts;

    if (op_want_dtype(call, 1, CREW_INT32) != CREW_OK) {
        return call->err->code;
    }
    if (!begins(&to->shape, &data->shape) || to->shape.rank == 0 ||
        data->dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "data.shape must start with partitions.shape");
    }
    counts = xcalloc((size_t)call->n_out, sizeof *counts);
    (void)partition(call, counts);
    free(counts);
    return call->err->code;
}

/* Inputs: n of indices, then n of data. *rows: one more than the largest. */
static int check_stitch(struct op_call *call, int n, int64_t *rows)
{
    const struct crew_shape *first = &call->in[n].shape;
    int skip = call->in[0].shape.rank;

    *rows = 0;
    if (first->rank - skip >= CREW_MAX_RANK) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "more than %d dimensions",
                       CREW_MAX_RANK);
    }
    for (int k = 0; k < n; k++) {
        const struct value *at = &call->in[k], *data = &call->in[n + k];
        struct crew_shape mine, want = rows_shape(0, first, skip);
        bool fits = begins(&at->shape, &data->shape) &&
                    data->shape.rank - at->shape.rank < CREW_MAX_RANK;

        if (op_want_dtype(call, k, CREW_INT32) != CREW_OK ||
            op_want_dtype(call, n + k, call->in[n].dtype) != CREW_OK) {
            return call->err->code;
        }
        mine = fits ? rows_shape(0, &data->shape, at->shape.rank) : want;
        if (!fits || mine.rank != want.rank || !begins(&mine, &want) ||
            data->dtype == SERVING_RESOURCE) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "data[%d].shape does not fit indices[%d].shape", k,
                           k);
        }
        for (int64_t i = 0; i < at->n; i++) {
            if (at->i32[i] < 0) {
                return op_fail(call, CREW_INVALID_ARGUMENT,
                               "indices[%d][%" PRId64 "] is negative", k, i);
            }
            *rows = at->i32[i] >= *rows ? (int64_t)at->i32[i] + 1 : *rows;
        }
    }
    return CREW_OK;
}

static int run_stitch(struct op_call *call)
{
    int n = call->n_in / 2;
    struct crew_shape shape;
    int64_t rows, width;

    if (call->n_in % 2 != 0) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "as many data as indices must be given");
    }
    if (check_stitch(call, n, &rows) != CREW_OK) {
        return call->err->code;
    }
    shape = rows_shape(rows, &call->in[n].shape, call->in[0].shape.rank);
    width = move_span(&shape, 1, shape.rank);
    if (move_begin(call, call->in[n].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int k = 0; k < n; k++) {
        const struct value *at = &call->in[k];

        for (int64_t i = 0; i < at->n; i++) {
            move_copy(&call->out[0], at->i32[i] * width, &call->in[n + k],
                      i * width, width);
        }
    }
    return move_finish(call, &call->out[0]);
}

static int two(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 2;
}

static int three(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 3;
}

const struct serving_op serving_ops_scatter[] = {
    {"SparseReorder", run_sparse_reorder, two, 3, 3},
    {"SparseSlice", run_sparse_slice, three, 5, 5},
    {"ScatterNd", run_scatter_nd, NULL, 3, 3},
    {"DynamicPartition", run_partition, partitions, 2, 2},
    {"DynamicStitch", run_stitch, NULL, 2, -1},
    {"ParallelDynamicStitch", run_stitch, NULL, 2, -1},
    {NULL, NULL, NULL, 0, 0},
};
