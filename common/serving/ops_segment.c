/* SPDX-License-Identifier: Apache-2.0
 * Sums of rows by segments: what embedding lookups are made of. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

enum combiner { SUM, MEAN, SQRTN };

static int64_t get_int(const struct value *v, int64_t i)
{
    return v->dtype == CREW_INT32 ? v->i32[i] : v->i64[i];
}

static int want_ints(struct op_call *call, int k)
{
    int dtype = call->in[k].dtype;

    if (dtype != CREW_INT32 && dtype != CREW_INT64) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "input %d must be int32 or int64", k);
    }
    return op_want_rank(call, k, 1);
}

/* Rows of the result; segment ids rise and begin at 0 or above. */
static int count_segments(struct op_call *call,
                          const struct value *ids,
                          int64_t *rows)
{
    int64_t last = 0;

    for (int64_t i = 0; i < ids->n; i++) {
        int64_t id = get_int(ids, i);

        if (id < 0 || id > INT32_MAX) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "segment ids must be >= 0");
        }
        if (id < last) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "segment ids are not increasing");
        }
        last = id;
    }
    *rows = ids->n > 0 ? last + 1 : 0;
    return CREW_OK;
}

/* One row of the result: rows [from, to) of the list. */
static int combine(struct op_call *call,
                   const struct value *indices,
                   int64_t from,
                   int64_t to,
                   int64_t width,
                   enum combiner how,
                   float *y)
{
    const struct value *data = &call->in[0];
    double by = how == SUM    ? 1.0
                : how == MEAN ? (double)(to - from)
                              : sqrt((double)(to - from));

    for (int64_t i = from; i < to; i++) {
        int64_t row = indices != NULL ? get_int(indices, i) : i;

        if (row < 0 || row >= data->shape.dim[0]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Bad: indices[%" PRId64 "] == %" PRId64
                           " out of range [0, %" PRId64 ")",
                           i, row, data->shape.dim[0]);
        }
        for (int64_t c = 0; c < width; c++) {
            y[c] += data->f32[row * width + c];
        }
    }
    for (int64_t c = 0; how != SUM && c < width; c++) {
        y[c] = (float)((double)y[c] / by);
    }
    return CREW_OK;
}

/* data, [indices,] segment_ids. */
static int segment(struct op_call *call, bool sparse, enum combiner how)
{
    const struct value *data = &call->in[0];
    const struct value *indices = sparse ? &call->in[1] : NULL;
    const struct value *ids = &call->in[sparse ? 2 : 1];
    struct crew_shape shape = data->shape;
    int64_t rows = 0, width = 1, from = 0;

    if (op_want_dtype(call, 0, CREW_FLOAT) != CREW_OK ||
        want_ints(call, sparse ? 2 : 1) != CREW_OK ||
        (sparse && want_ints(call, 1) != CREW_OK) ||
        count_segments(call, ids, &rows) != CREW_OK) {
        return call->err->code;
    }
    if (data->shape.rank < 1 ||
        ids->n != (sparse ? indices->n : data->shape.dim[0])) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "segment_ids and %s should have same size.",
                       sparse ? "indices" : "data");
    }
    shape.dim[0] = rows;
    for (int i = 1; i < shape.rank; i++) {
        width *= shape.dim[i];
    }
    if (value_new(&call->out[0], CREW_FLOAT, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    while (from < ids->n) {
        int64_t id = get_int(ids, from), to = from + 1;

        while (to < ids->n && get_int(ids, to) == id) {
            to++;
        }
        if (combine(call, indices, from, to, width, how,
                    call->out[0].f32 + id * width) != CREW_OK) {
            return call->err->code;
        }
        from = to;
    }
    return CREW_OK;
}

#define SEGMENT(name, sparse, how)              \
    static int run_##name(struct op_call *call) \
    {                                           \
        return segment(call, sparse, how);      \
    }
SEGMENT(sparse_sum, true, SUM)
SEGMENT(sparse_mean, true, MEAN)
SEGMENT(sparse_sqrtn, true, SQRTN)
SEGMENT(sum, false, SUM)
SEGMENT(mean, false, MEAN)

const struct serving_op serving_ops_segment[] = {
    {"SparseSegmentSum", run_sparse_sum, NULL, 3, 3},
    {"SparseSegmentMean", run_sparse_mean, NULL, 3, 3},
    {"SparseSegmentSqrtN", run_sparse_sqrtn, NULL, 3, 3},
    {"SegmentSum", run_sum, NULL, 2, 2},
    {"SegmentMean", run_mean, NULL, 2, 2},
    {NULL, NULL, NULL, 0, 0},
};
