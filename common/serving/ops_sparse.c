/* SPDX-License-Identifier: Apache-2.0
 * Sparse tensors: reshaping, filling, making dense; Where, Unique, Bucketize.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/move.h"
#include "serving/op_tables.h"
#include "base/banned.h"

static int two(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 2;
}

static int four(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 4;
}

/* Input k is int64 (n, rank): sparse indices. */
static int want_indices(struct op_call *call, int k)
{
    return op_want_dtype(call, k, CREW_INT64) == CREW_OK
               ? op_want_rank(call, k, 2)
               : call->err->code;
}

/* ----------------------------------------------------------- SparseReshape */

/* The new shape with its -1 filled in. */
static int new_shape(struct op_call *call,
                     const int64_t *old,
                     int old_rank,
                     int64_t *shape,
                     int rank)
{
    int64_t dense = 1, known = 1;
    int unknown = -1;

    for (int i = 0; i < old_rank; i++) {
        if (old[i] < 0 || __builtin_mul_overflow(dense, old[i], &dense)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "input shape is negative or overflows");
        }
    }
    for (int i = 0; i < rank; i++) {
        if (shape[i] < -1 || (shape[i] == -1 && unknown >= 0)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "only one output dimension may be -1, not both %d "
                           "and %d",
                           unknown, i);
        }
        if (shape[i] == -1) {
            unknown = i;
        } else if (__builtin_mul_overflow(known, shape[i], &known)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "output shape overflows");
        }
    }
    if (unknown >= 0) {
        shape[unknown] = known > 0 ? dense / known : 0;
        known *= shape[unknown];
    }
    return known == dense
               ? CREW_OK
               : op_fail(call, CREW_INVALID_ARGUMENT,
                         "Input to reshape is a tensor with %" PRId64
                         " dense values, but the requested shape has %" PRId64,
                         dense, known);
}

static int reindex(struct op_call *call,
                   const int64_t *old,
                   int old_rank,
                   const int64_t *shape,
                   int rank)
{
    const struct value *in = &call->in[0];
    int64_t *to = call->out[0].i64;

    /* Indices of no dimension have no memory: their rows may be any number. */
    for (int64_t r = 0; old_rank + rank > 0 && r < in->shape.dim[0]; r++) {
        int64_t flat = 0;

        for (int i = 0; i < old_rank; i++) {
            int64_t at = in->i64[r * old_rank + i];

            if (at < 0 || at >= old[i]) {
                return op_fail(call, CREW_INVALID_ARGUMENT,
                               "index %" PRId64 " of row %" PRId64
                               " is outside the shape",
                               at, r);
            }
            flat = flat * old[i] + at;
        }
        for (int i = rank - 1; i >= 0; i--) {
            to[r * rank + i] = flat % shape[i];
            flat /= shape[i];
        }
    }
    return CREW_OK;
}

/* input_indices, input_shape, new_shape. */
static int run_reshape(struct op_call *call)
{
    int64_t old[CREW_MAX_RANK], shape[CREW_MAX_RANK];
    struct crew_shape indices, vector;
    int old_rank = 0, rank = 0;

    if (want_indices(call, 0) != CREW_OK ||
        op_ints(call, 1, old, CREW_MAX_RANK, &old_rank) != CREW_OK ||
        op_ints(call, 2, shape, CREW_MAX_RANK, &rank) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[0].shape.dim[1] != old_rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Input shape should have the rank of the indices");
    }
    indices = crew_shape2(call->in[0].shape.dim[0], rank);
    vector = crew_shape1(rank);
    if (new_shape(call, old, old_rank, shape, rank) != CREW_OK ||
        value_new(&call->out[0], CREW_INT64, &indices, call->err) != CREW_OK ||
        value_new(&call->out[1], CREW_INT64, &vector, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (rank > 0) {
        memcpy(call->out[1].i64, shape, (size_t)rank * sizeof *shape);
    }
    return reindex(call, old, old_rank, shape, rank);
}

/* ----------------------------------------------------- SparseFillEmptyRows */

/* Where the entries of each row begin in the result: an empty row has one. */
static int row_starts(struct op_call *call,
                      int64_t rows,
                      int64_t *start,
                      int64_t *total)
{
    const struct value *in = &call->in[0];
    int64_t rank = in->shape.dim[1];

    for (int64_t i = 0; i < in->shape.dim[0]; i++) {
        int64_t row = in->i64[i * rank];

        if (row < 0 || row >= rows) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices(%" PRId64 ", 0) is invalid: %" PRId64
                           " >= %" PRId64,
                           i, row, rows);
        }
        start[row + 1]++;
    }
    for (int64_t row = 0; row < rows; row++) {
        call->out[2].b[row] = start[row + 1] == 0;
        start[row + 1] = start[row] + (start[row + 1] > 0 ? start[row + 1] : 1);
    }
    *total = start[rows];
    return CREW_OK;
}

static int fill_rows(struct op_call *call, int64_t rows, int64_t *start)
{
    const struct value *in = &call->in[0], *values = &call->in[1];
    int64_t rank = in->shape.dim[1];

    for (int64_t row = 0; row < rows; row++) {
        if (call->out[2].b[row]) {
            call->out[0].i64[start[row] * rank] = row;
            move_copy(&call->out[1], start[row], &call->in[3], 0, 1);
        }
    }
    for (int64_t i = 0; i < in->shape.dim[0]; i++) {
        int64_t to = start[in->i64[i * rank]]++;

        memcpy(call->out[0].i64 + to * rank, in->i64 + i * rank,
               (size_t)rank * sizeof(int64_t));
        move_copy(&call->out[1], to, values, i, 1);
        call->out[3].i64[i] = to;
    }
    return move_finish(call, &call->out[1]);
}

/* indices, values, dense_shape, default_value -> indices, values,
 * empty_row_indicator, reverse_index_map. */
static int run_fill_empty_rows(struct op_call *call)
{
    const struct value *in = &call->in[0];
    int64_t dense[CREW_MAX_RANK], total = 0;
    struct crew_shape shape;
    void *start = NULL;
    int n = 0;

    if (want_indices(call, 0) != CREW_OK ||
        op_ints(call, 2, dense, CREW_MAX_RANK, &n) != CREW_OK ||
        op_want_rank(call, 1, 1) != CREW_OK ||
        op_want_dtype(call, 3, call->in[1].dtype) != CREW_OK) {
        return call->err->code;
    }
    if (n < 1 || in->shape.dim[1] != n || call->in[3].n != 1 ||
        call->in[1].n != in->shape.dim[0] || dense[0] < 0) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices, values, dense_shape and default_value do not "
                       "fit together");
    }
    shape = crew_shape1(dense[0]);
    if (value_new(&call->out[2], CREW_BOOL, &shape, call->err) != CREW_OK ||
        mem_try((size_t)dense[0] + 1, sizeof(int64_t), "rows", &start,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    if (row_starts(call, dense[0], start, &total) == CREW_OK) {
        struct crew_shape indices = crew_shape2(total, n);
        struct crew_shape values = crew_shape1(total);
        struct crew_shape map = crew_shape1(in->shape.dim[0]);

        if (value_new(&call->out[0], CREW_INT64, &indices, call->err) ==
                CREW_OK &&
            value_new(&call->out[1], call->in[1].dtype, &values, call->err) ==
                CREW_OK &&
            value_new(&call->out[3], CREW_INT64, &map, call->err) == CREW_OK) {
            (void)fill_rows(call, dense[0], start);
        }
    }
    free(start);
    return call->err->code;
}

/* ----------------------------------------------------------- SparseToDense */

static int64_t get_int(const struct value *v, int64_t i)
{
    return v->dtype == CREW_INT32 ? v->i32[i] : v->i64[i];
}

/* Where row r of the indices is in an array of `shape`. */
static int flat_index(struct op_call *call,
                      int64_t r,
                      const struct crew_shape *shape,
                      int64_t *flat)
{
    *flat = 0;
    for (int i = 0; i < shape->rank; i++) {
        int64_t at = get_int(&call->in[0], r * shape->rank + i);

        if (at < 0 || at >= shape->dim[i]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64
                           "] is out of bounds: need 0 <= index < shape",
                           r);
        }
        *flat = *flat * shape->dim[i] + at;
    }
    return CREW_OK;
}

/* sparse_indices, output_shape, sparse_values, default_value. */
static int run_to_dense(struct op_call *call)
{
    const struct value *in = &call->in[0], *values = &call->in[2];
    int64_t rows, rank, last = -1;
    struct crew_shape shape = {0};
    bool ordered = op_attr_bool(call->node, "validate_indices", true);

    if (op_ints(call, 1, shape.dim, CREW_MAX_RANK, &shape.rank) != CREW_OK ||
        op_want_dtype(call, 3, values->dtype) != CREW_OK) {
        return call->err->code;
    }
    rows = in->shape.rank > 0 ? in->shape.dim[0] : 1;
    rank = in->shape.rank > 1 ? in->shape.dim[1] : 1;
    if ((in->dtype != CREW_INT32 && in->dtype != CREW_INT64) ||
        in->shape.rank > 2 || rank != shape.rank || call->in[3].n != 1 ||
        (rank == 0 && rows > 1) ||
        (values->shape.rank > 0 && values->n != rows)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "sparse_indices, output_shape and sparse_values do not "
                       "fit together");
    }
    if (value_new(&call->out[0], values->dtype, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->out[0].n; i++) {
        move_copy(&call->out[0], i, &call->in[3], 0, 1);
    }
    for (int64_t r = 0; r < rows; r++) {
        int64_t flat;

        if (flat_index(call, r, &shape, &flat) != CREW_OK) {
            return call->err->code;
        }
        if (ordered && flat <= last) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64 "] is %s", r,
                           flat == last ? "repeated" : "out of order");
        }
        last = flat;
        move_copy(&call->out[0], flat, values, values->shape.rank > 0 ? r : 0,
                  1);
    }
    return move_finish(call, &call->out[0]);
}

/* -------------------------------------------------------- Where, Bucketize */

static bool is_true(const struct value *v, int64_t i)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            return v->f32[i] > 0.0f || v->f32[i] < 0.0f || isnan(v->f32[i]);
        case CREW_DOUBLE:
            return v->f64[i] > 0.0 || v->f64[i] < 0.0 || isnan(v->f64[i]);
        case CREW_INT32:
            return v->i32[i] != 0;
        case CREW_INT64:
            return v->i64[i] != 0;
        default:
            return v->u8[i] != 0;
    }
}

static int run_where(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape;
    int64_t n = 0;

    if (x->dtype == CREW_STRING || x->dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "Where of dtype %d",
                       x->dtype);
    }
    for (int64_t i = 0; i < x->n; i++) {
        n += is_true(x, i) ? 1 : 0;
    }
    shape = crew_shape2(n, x->shape.rank);
    if (value_new(&call->out[0], CREW_INT64, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    n = 0;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t rest = i;

        if (!is_true(x, i)) {
            continue;
        }
        for (int k = x->shape.rank - 1; k >= 0; k--) {
            call->out[0].i64[n * x->shape.rank + k] = rest % x->shape.dim[k];
            rest /= x->shape.dim[k];
        }
        n++;
    }
    return CREW_OK;
}

static double number(const struct value *v, int64_t i)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            return (double)v->f32[i];
        case CREW_DOUBLE:
            return v->f64[i];
        default:
            return (double)get_int(v, i);
    }
}

/* How many boundaries are not above the value. */
static int run_bucketize(struct op_call *call)
{
    const Tensorflow__AttrValue__ListValue *list =
        op_attr_list(call->node, "boundaries");
    const struct value *x = &call->in[0];

    if (x->dtype != CREW_FLOAT && x->dtype != CREW_DOUBLE &&
        x->dtype != CREW_INT32 && x->dtype != CREW_INT64) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "Bucketize of dtype %d",
                       x->dtype);
    }
    for (size_t k = 1; list != NULL && k < list->n_f; k++) {
        if (list->f[k] < list->f[k - 1]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Expected sorted boundaries");
        }
    }
    if (value_new(&call->out[0], CREW_INT32, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        double v = number(x, i);

        for (size_t k = 0; list != NULL && k < list->n_f; k++) {
            /* what is not below: NaN goes behind the last, as upper_bound's */
            call->out[0].i32[i] += v < (double)list->f[k] ? 0 : 1;
        }
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------ Unique */

static bool same(const struct value *v, int64_t i, int64_t j)
{
    size_t size = value_element_size(v->dtype);

    if (v->dtype == CREW_STRING) {
        return v->str[i].n == v->str[j].n &&
               (v->str[i].n == 0 ||
                memcmp(v->str[i].data, v->str[j].data, v->str[i].n) == 0);
    }
    return memcmp((const char *)v->data + (size_t)i * size,
                  (const char *)v->data + (size_t)j * size, size) == 0;
}

static uint64_t hash_of(const struct value *v, int64_t i)
{
    size_t size = value_element_size(v->dtype);
    const char *p = (const char *)v->data + (size_t)i * size;
    uint64_t h = 0xcbf29ce484222325u;

    if (v->dtype == CREW_STRING) {
        p = v->str[i].data;
        size = v->str[i].n;
    }
    for (size_t k = 0; k < size; k++) {
        h = (h ^ (uint8_t)p[k]) * 0x100000001b3u;
    }
    return h ^ h >> 29;
}

/* idx[i]: which of the different values element i is; first[k]: where value k
 * stood first. Returns how many there are. */
static int64_t number_values(const struct value *x,
                             int64_t *idx,
                             int64_t *first,
                             int64_t *slots,
                             uint64_t n_slots)
{
    int64_t count = 0;

    for (int64_t i = 0; i < x->n; i++) {
        uint64_t s = hash_of(x, i) & (n_slots - 1);

        while (slots[s] != 0 && !same(x, first[slots[s] - 1], i)) {
            s = (s + 1) & (n_slots - 1);
        }
        if (slots[s] == 0) {
            first[count++] = i;
            slots[s] = count;
        }
        idx[i] = slots[s] - 1;
    }
    return count;
}

static int give_unique(struct op_call *call,
                       const int64_t *idx,
                       const int64_t *first,
                       int64_t count)
{
    const struct value *x = &call->in[0];
    int to = op_attr_type(call->node, "out_idx", CREW_INT32);
    struct crew_shape shape = crew_shape1(count);

    if (value_new(&call->out[0], x->dtype, &shape, call->err) != CREW_OK ||
        value_new(&call->out[1], to == CREW_INT64 ? CREW_INT64 : CREW_INT32,
                  &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < count; i++) {
        move_copy(&call->out[0], i, x, first[i], 1);
    }
    for (int64_t i = 0; i < x->n; i++) {
        if (to == CREW_INT64) {
            call->out[1].i64[i] = idx[i];
        } else {
            call->out[1].i32[i] = (int32_t)idx[i];
        }
    }
    return move_finish(call, &call->out[0]);
}

static int run_unique(struct op_call *call)
{
    const struct value *x = &call->in[0];
    void *idx = NULL, *first = NULL, *slots = NULL;
    uint64_t n_slots = 16;

    if (op_want_rank(call, 0, 1) != CREW_OK) {
        return call->err->code;
    }
    while (n_slots < 2 * (uint64_t)x->n + 2) {
        n_slots *= 2;
    }
    if (mem_try((size_t)x->n + 1, sizeof(int64_t), "unique", &idx, call->err) ==
            CREW_OK &&
        mem_try((size_t)x->n + 1, sizeof(int64_t), "unique", &first,
                call->err) == CREW_OK &&
        mem_try(n_slots, sizeof(int64_t), "unique", &slots, call->err) ==
            CREW_OK) {
        int64_t count = number_values(x, idx, first, slots, n_slots);

        (void)give_unique(call, idx, first, count);
    }
    free(idx);
    free(first);
    free(slots);
    return call->err->code;
}

const struct serving_op serving_ops_sparse[] = {
    {"SparseReshape", run_reshape, two, 3, 3},
    {"SparseFillEmptyRows", run_fill_empty_rows, four, 4, 4},
    {"SparseToDense", run_to_dense, NULL, 4, 4},
    {"Where", run_where, NULL, 1, 1},
    {"Bucketize", run_bucketize, NULL, 1, 1},
    {"Unique", run_unique, two, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
