/* SPDX-License-Identifier: Apache-2.0
 * Ops on shapes and places: elements are moved, never computed with. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/move.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "base/banned.h"

/* ------------------------------------------------------------------ shapes */

static int run_reshape(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape = {0};
    int64_t known = 1, dims[CREW_MAX_RANK] = {0};
    int unknown = -1, n = 0;

    if (op_ints(call, 1, dims, CREW_MAX_RANK, &n) != CREW_OK) {
        return call->err->code;
    }
    shape.rank = n;
    for (int i = 0; i < n; i++) {
        shape.dim[i] = dims[i];
        if (dims[i] < -1 || (dims[i] == -1 && unknown >= 0)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Only one input size may be -1, not both %d and %d",
                           unknown, i);
        }
        if (dims[i] == -1) {
            unknown = i;
        } else if (__builtin_mul_overflow(known, dims[i], &known)) {
            return op_fail(call, CREW_INVALID_ARGUMENT, "the shape overflows");
        }
    }
    if (unknown >= 0) {
        shape.dim[unknown] = known > 0 ? x->n / known : 0;
        known *= shape.dim[unknown];
    }
    if (known != x->n) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Input to reshape is a tensor with %" PRId64
                       " values, but the requested shape has %" PRId64,
                       x->n, known);
    }
    if (value_count(&shape, &known, call->err) == CREW_OK) {
        value_share(&call->out[0], x, &shape);
    }
    return call->err->code;
}

static int put_int(struct op_call *call,
                   int k,
                   const char *attr,
                   int64_t i,
                   int64_t v)
{
    if (op_attr_type(call->node, attr, CREW_INT32) == CREW_INT64) {
        call->out[k].i64[i] = v;
    } else {
        call->out[k].i32[i] = (int32_t)v;
    }
    return CREW_OK;
}

static int run_shape(struct op_call *call)
{
    const struct crew_shape *x = &call->in[0].shape;
    struct crew_shape shape = crew_shape1(x->rank);

    if (move_begin(call, op_attr_type(call->node, "out_type", CREW_INT32),
                   &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int i = 0; i < x->rank; i++) {
        (void)put_int(call, 0, "out_type", i, x->dim[i]);
    }
    return CREW_OK;
}

static int run_size(struct op_call *call)
{
    struct crew_shape scalar = crew_scalar_shape();

    if (move_begin(call, op_attr_type(call->node, "out_type", CREW_INT32),
                   &scalar) != CREW_OK) {
        return call->err->code;
    }
    return put_int(call, 0, "out_type", 0, call->in[0].n);
}

static int run_rank(struct op_call *call)
{
    struct crew_shape scalar = crew_scalar_shape();

    if (move_begin(call, CREW_INT32, &scalar) == CREW_OK) {
        call->out[0].i32[0] = call->in[0].shape.rank;
    }
    return call->err->code;
}

static int run_expand_dims(struct op_call *call)
{
    struct crew_shape shape = call->in[0].shape;
    int axis = 0;

    if (move_axis(call, 1, shape.rank + 1, &axis) != CREW_OK) {
        return call->err->code;
    }
    if (shape.rank == CREW_MAX_RANK) {
        return op_fail(call, CREW_UNIMPLEMENTED, "a rank above %d",
                       CREW_MAX_RANK);
    }
    for (int i = shape.rank; i > axis; i--) {
        shape.dim[i] = shape.dim[i - 1];
    }
    shape.dim[axis] = 1;
    shape.rank++;
    value_share(&call->out[0], &call->in[0], &shape);
    return CREW_OK;
}

static int run_squeeze(struct op_call *call)
{
    const Tensorflow__AttrValue__ListValue *list =
        op_attr_list(call->node, "squeeze_dims");
    const struct crew_shape *x = &call->in[0].shape;
    struct crew_shape shape = {0};
    unsigned which = 0;

    for (size_t i = 0; list != NULL && i < list->n_i; i++) {
        int64_t axis = list->i[i] < 0 ? list->i[i] + x->rank : list->i[i];

        if (axis < 0 || axis >= x->rank || x->dim[axis] != 1) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Can not squeeze dim[%" PRId64
                           "], expected a dimension of 1",
                           list->i[i]);
        }
        which |= 1u << axis;
    }
    for (int i = 0; i < x->rank; i++) {
        if (which == 0 ? x->dim[i] != 1 : (which >> i & 1u) == 0) {
            shape.dim[shape.rank++] = x->dim[i];
        }
    }
    value_share(&call->out[0], &call->in[0], &shape);
    return CREW_OK;
}

/* ------------------------------------------------------------------ making */

static int run_fill(struct op_call *call)
{
    struct crew_shape shape = {0};

    if (op_ints(call, 0, shape.dim, CREW_MAX_RANK, &shape.rank) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[1].n != 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "value must be a scalar");
    }
    if (move_begin(call, call->in[1].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->out[0].n; i++) {
        move_copy(&call->out[0], i, &call->in[1], 0, 1);
    }
    return move_finish(call, &call->out[0]);
}

static int run_zeros_like(struct op_call *call)
{
    return move_begin(call, call->in[0].dtype, &call->in[0].shape);
}

static int run_ones_like(struct op_call *call)
{
    struct value *y = &call->out[0];

    if (move_begin(call, call->in[0].dtype, &call->in[0].shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < y->n; i++) {
        switch (y->dtype) {
            case CREW_FLOAT:
                y->f32[i] = 1.0f;
                break;
            case CREW_DOUBLE:
                y->f64[i] = 1.0;
                break;
            case CREW_INT32:
                y->i32[i] = 1;
                break;
            case CREW_INT64:
                y->i64[i] = 1;
                break;
            case CREW_STRING:
                return op_fail(call, CREW_INVALID_ARGUMENT, "no 1 of strings");
            default:
                y->u8[i] = 1;
        }
    }
    return CREW_OK;
}

static int bad_range(struct op_call *call, double delta)
{
    return op_fail(call, CREW_INVALID_ARGUMENT,
                   delta > 0.0   ? "Requires start <= limit when delta > 0"
                   : delta < 0.0 ? "Requires start >= limit when delta < 0"
                                 : "Requires delta != 0");
}

static int range_of_floats(struct op_call *call)
{
    double start = number_double(&call->in[0], 0),
           limit = number_double(&call->in[1], 0),
           delta = number_double(&call->in[2], 0);
    double n = ceil((limit - start) / delta);
    struct crew_shape shape;

    if (!(n >= 0.0)) { /* a delta of 0 against, or one of them NaN */
        return bad_range(call, delta);
    }
    if (n > (double)VALUE_MAX_ELEMENTS) {
        return op_fail(call, CREW_RESOURCE_EXHAUSTED, "a range of %g", n);
    }
    shape = crew_shape1((int64_t)n);
    if (move_begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < shape.dim[0]; i++) {
        number_put_double(&call->out[0], i, start + (double)i * delta);
    }
    return CREW_OK;
}

/* Differences as unsigned numbers: they may be beyond int64. */
static int range_of_ints(struct op_call *call)
{
    int64_t start = number_int(&call->in[0], 0),
            limit = number_int(&call->in[1], 0),
            delta = number_int(&call->in[2], 0);
    uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start
                              : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, n;
    struct crew_shape shape;

    if (delta == 0 || (delta > 0 ? start > limit : start < limit)) {
        return bad_range(call, (double)delta);
    }
    n = span / step + (span % step > 0 ? 1 : 0);
    if (n > (uint64_t)VALUE_MAX_ELEMENTS) {
        return op_fail(call, CREW_RESOURCE_EXHAUSTED, "a range of %" PRIu64, n);
    }
    shape = crew_shape1((int64_t)n);
    if (move_begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (uint64_t i = 0; i < n; i++) {
        number_put_int(&call->out[0], (int64_t)i,
                       (int64_t)((uint64_t)start + i * (uint64_t)delta));
    }
    return CREW_OK;
}

static int run_range(struct op_call *call)
{
    const struct value *in = call->in;

    for (int k = 0; k < 3; k++) {
        if (in[k].n != 1 || op_want_dtype(call, k, in[0].dtype) != CREW_OK ||
            !number_is(in[0].dtype)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "start, limit and delta must be scalar numbers");
        }
    }
    return number_is_integer(in[0].dtype) ? range_of_ints(call)
                                          : range_of_floats(call);
}

/* indices, depth, on_value, off_value; axis -1 is the last. */
static int run_one_hot(struct op_call *call)
{
    const struct value *ids = &call->in[0];
    int64_t depth = 0, axis = op_attr_int(call->node, "axis", -1), inner;
    struct crew_shape shape = ids->shape;
    int at;

    if (move_int(call, 1, &depth) != CREW_OK ||
        op_want_dtype(call, 3, call->in[2].dtype) != CREW_OK) {
        return call->err->code;
    }
    at = axis == -1 ? shape.rank : (int)axis;
    if (depth < 0 || axis < -1 || axis > shape.rank ||
        shape.rank == CREW_MAX_RANK || call->in[2].n != 1 ||
        call->in[3].n != 1 ||
        (ids->dtype != CREW_INT32 && ids->dtype != CREW_INT64 &&
         ids->dtype != CREW_UINT8)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices must be integers, depth not negative, the "
                       "values scalars");
    }
    for (int i = shape.rank; i > at; i--) {
        shape.dim[i] = shape.dim[i - 1];
    }
    shape.dim[at] = depth;
    shape.rank++;
    if (move_begin(call, call->in[2].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&shape, at + 1, shape.rank);
    for (int64_t i = 0; i < call->out[0].n; i++) {
        int64_t k = i / (inner * depth) * inner + i % inner;
        int64_t id = ids->dtype == CREW_INT32   ? ids->i32[k]
                     : ids->dtype == CREW_INT64 ? ids->i64[k]
                                                : ids->u8[k];

        move_copy(&call->out[0], i, &call->in[id == i / inner % depth ? 2 : 3],
                  0, 1);
    }
    return move_finish(call, &call->out[0]);
}

/* -------------------------------------------------------------- joining,
 * cutting */

static int same_kind(struct op_call *call, int n)
{
    for (int k = 1; k < n; k++) {
        if (op_want_dtype(call, k, call->in[0].dtype) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

static int mismatch(struct op_call *call, int k)
{
    char a[160], b[160];

    return op_fail(call, CREW_INVALID_ARGUMENT,
                   "Dimensions of inputs should match: shape[0] = %s vs. "
                   "shape[%d] = %s",
                   tf_shape_text(&call->in[0].shape, a, sizeof a), k,
                   tf_shape_text(&call->in[k].shape, b, sizeof b));
}

static int run_pack(struct op_call *call)
{
    struct crew_shape shape = call->in[0].shape;
    int64_t axis = op_attr_int(call->node, "axis", 0), inner;
    int at;

    if (axis < -shape.rank - 1 || axis > shape.rank ||
        shape.rank == CREW_MAX_RANK) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "axis = %" PRId64 " not in [%d, %d)", axis,
                       -shape.rank - 1, shape.rank + 1);
    }
    at = (int)(axis < 0 ? axis + shape.rank + 1 : axis);
    if (same_kind(call, call->n_in) != CREW_OK) {
        return call->err->code;
    }
    for (int k = 1; k < call->n_in; k++) {
        if (!shape_equal(&call->in[k].shape, &call->in[0].shape)) {
            return mismatch(call, k);
        }
    }
    for (int i = shape.rank; i > at; i--) {
        shape.dim[i] = shape.dim[i - 1];
    }
    shape.dim[at] = call->n_in;
    shape.rank++;
    if (move_begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&shape, at + 1, shape.rank);
    for (int64_t i = 0; inner > 0 && i < call->out[0].n / inner; i++) {
        move_copy(&call->out[0], i * inner, &call->in[i % call->n_in],
                  i / call->n_in * inner, inner);
    }
    return move_finish(call, &call->out[0]);
}

/* N values and the axis behind them. */
static int run_concat(struct op_call *call)
{
    struct crew_shape shape = call->in[0].shape;
    int n = call->n_in - 1, axis = 0;
    int64_t at = 0, inner, width;

    if (move_axis(call, n, shape.rank, &axis) != CREW_OK ||
        same_kind(call, n) != CREW_OK) {
        return call->err->code;
    }
    for (int k = 1; k < n; k++) {
        const struct crew_shape *x = &call->in[k].shape;
        bool fits = x->rank == shape.rank;

        for (int i = 0; fits && i < x->rank; i++) {
            fits = i == axis || x->dim[i] == shape.dim[i];
        }
        if (!fits) {
            return mismatch(call, k);
        }
        if (__builtin_add_overflow(shape.dim[axis], x->dim[axis],
                                   &shape.dim[axis])) {
            return mismatch(call, k);
        }
    }
    if (move_begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&shape, axis + 1, shape.rank);
    width = shape.dim[axis] * inner;
    for (int k = 0; call->out[0].n > 0 && k < n; k++) {
        int64_t part = call->in[k].shape.dim[axis] * inner;

        for (int64_t i = 0; i < move_span(&shape, 0, axis); i++) {
            move_copy(&call->out[0], i * width + at, &call->in[k], i * part,
                      part);
        }
        at += part;
    }
    return move_finish(call, &call->out[0]);
}

/* The number of types in a list. */
static int list_outputs(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    const Tensorflow__AttrValue__ListValue *list = op_attr_list(node, "T");

    if (list == NULL || list->n_type < 1 || list->n_type > 4096) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 65, "no attribute 'T'");
        return -1;
    }
    return (int)list->n_type;
}

static int run_identity_n(struct op_call *call)
{
    if (call->n_in != call->n_out) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "%d inputs, but %d types",
                       call->n_in, call->n_out);
    }
    for (int k = 0; k < call->n_in; k++) {
        value_share(&call->out[k], &call->in[k], &call->in[k].shape);
    }
    return CREW_OK;
}

static int num_outputs(const Tensorflow__NodeDef *node,
                       const char *key,
                       struct crew_err *err)
{
    int64_t n = op_attr_int(node, key, 0);

    if (n < 1 || n > 4096) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 65, "%s = %" PRId64, key, n);
        return -1;
    }
    return (int)n;
}

static int split_outputs(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    return num_outputs(node, "num_split", err);
}

static int unpack_outputs(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    return num_outputs(node, "num", err);
}

/* Part `from` of length `len` along an axis, to output k; `drop` the axis. */
static int cut(struct op_call *call,
               const struct value *x,
               int k,
               int axis,
               int64_t from,
               int64_t len,
               bool drop)
{
    struct crew_shape shape = x->shape, result;
    int64_t inner = move_span(&shape, axis + 1, shape.rank);
    int64_t width = shape.dim[axis] * inner;

    shape.dim[axis] = len;
    result = shape;
    if (drop) {
        for (int i = axis; i + 1 < shape.rank; i++) {
            result.dim[i] = shape.dim[i + 1];
        }
        result.rank--;
    }
    if (value_new(&call->out[k], x->dtype, &result, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; call->out[k].n > 0 && i < move_span(&shape, 0, axis);
         i++) {
        move_copy(&call->out[k], i * len * inner, x, i * width + from * inner,
                  len * inner);
    }
    return move_finish(call, &call->out[k]);
}

/* split_dim, value. */
static int run_split(struct op_call *call)
{
    const struct value *x = &call->in[1];
    int axis = 0;

    if (move_axis(call, 0, x->shape.rank, &axis) != CREW_OK) {
        return call->err->code;
    }
    if (x->shape.dim[axis] % call->n_out != 0) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Number of ways to split should evenly divide the split "
                       "dimension, but got split_dim %d (size = %" PRId64
                       ") and num_split %d",
                       axis, x->shape.dim[axis], call->n_out);
    }
    for (int k = 0; k < call->n_out; k++) {
        int64_t len = x->shape.dim[axis] / call->n_out;

        if (cut(call, x, k, axis, k * len, len, false) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

static int run_unpack(struct op_call *call)
{
    const struct value *x = &call->in[0];
    int64_t axis = op_attr_int(call->node, "axis", 0);

    axis = axis < 0 ? axis + x->shape.rank : axis;
    if (axis < 0 || axis >= x->shape.rank ||
        x->shape.dim[axis] != call->n_out) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "cannot unpack %d parts along axis %" PRId64,
                       call->n_out, axis);
    }
    for (int k = 0; k < call->n_out; k++) {
        if (cut(call, x, k, (int)axis, k, 1, true) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

/* The diagonal of a square matrix; TensorFlow's other ranks do not occur. */
static int run_diag_part(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape;

    if (op_want_rank(call, 0, 2) != CREW_OK) {
        return call->err->code;
    }
    if (x->shape.dim[0] != x->shape.dim[1]) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "the matrix must be square, it is %" PRId64
                       " by %" PRId64,
                       x->shape.dim[0], x->shape.dim[1]);
    }
    shape = crew_shape1(x->shape.dim[0]);
    if (move_begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < shape.dim[0]; i++) {
        move_copy(&call->out[0], i, x, i * (shape.dim[0] + 1), 1);
    }
    return move_finish(call, &call->out[0]);
}

const struct serving_op serving_ops_array[] = {
    {"Reshape", run_reshape, NULL, 2, 2},
    {"Shape", run_shape, NULL, 1, 1},
    {"Size", run_size, NULL, 1, 1},
    {"Rank", run_rank, NULL, 1, 1},
    {"ExpandDims", run_expand_dims, NULL, 2, 2},
    {"Squeeze", run_squeeze, NULL, 1, 1},
    {"Fill", run_fill, NULL, 2, 2},
    {"ZerosLike", run_zeros_like, NULL, 1, 1},
    {"OnesLike", run_ones_like, NULL, 1, 1},
    {"Range", run_range, NULL, 3, 3},
    {"OneHot", run_one_hot, NULL, 4, 4},
    {"Pack", run_pack, NULL, 1, -1},
    {"ConcatV2", run_concat, NULL, 2, -1},
    {"IdentityN", run_identity_n, list_outputs, 1, -1},
    {"Split", run_split, split_outputs, 2, 2},
    {"Unpack", run_unpack, unpack_outputs, 1, 1},
    {"DiagPart", run_diag_part, NULL, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
