/* SPDX-License-Identifier: Apache-2.0
 * Ops on shapes and places: elements are moved, never computed with. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

/* ------------------------------------------------------------------- elements
 */

/* Element j of `from` to place i of `to`, both of one dtype. Strings are then
 * borrowed: finish() gives them memory of their own. */
static void copy(struct value *to,
                 int64_t i,
                 const struct value *from,
                 int64_t j,
                 int64_t n)
{
    size_t size = value_element_size(to->dtype);

    if (n > 0) {
        memcpy((char *)to->data + (size_t)i * size,
               (const char *)from->data + (size_t)j * size, (size_t)n * size);
    }
}

static int finish(struct op_call *call, struct value *v)
{
    struct value own;
    int code;

    if (call->err->code != CREW_OK || v->dtype != CREW_STRING || v->n == 0) {
        return call->err->code;
    }
    code = value_new_strings(&own, &v->shape, v->str, call->err);
    value_release(v);
    if (code == CREW_OK) {
        *v = own;
    }
    return code;
}

static int begin(struct op_call *call,
                 int dtype,
                 const struct crew_shape *shape)
{
    if (dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "a handle is no tensor");
    }
    return value_new(&call->out[0], dtype, shape, call->err);
}

/* Elements of dimensions [from, to). */
static int64_t span(const struct crew_shape *s, int from, int to)
{
    int64_t n = 1;

    for (int i = from; i < to; i++) {
        n *= s->dim[i];
    }
    return n;
}

/* One integer of input k. */
static int one_int(struct op_call *call, int k, int64_t *v)
{
    int n = 0;

    if (op_ints(call, k, v, 1, &n) != CREW_OK) {
        return call->err->code;
    }
    return n == 1 ? CREW_OK
                  : op_fail(call, CREW_INVALID_ARGUMENT,
                            "input %d must be a scalar", k);
}

/* An axis, negative ones from the end of `rank`. */
static int one_axis(struct op_call *call, int k, int rank, int *axis)
{
    int64_t v = 0;

    if (one_int(call, k, &v) != CREW_OK) {
        return call->err->code;
    }
    if (v < -rank || v >= rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "axis %" PRId64 " is not in [%d, %d)", v, -rank, rank);
    }
    *axis = (int)(v < 0 ? v + rank : v);
    return CREW_OK;
}

/* --------------------------------------------------------------------- shapes
 */

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
    value_share(&call->out[0], x, &shape);
    return CREW_OK;
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

    if (begin(call, op_attr_type(call->node, "out_type", CREW_INT32), &shape) !=
        CREW_OK) {
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

    if (begin(call, op_attr_type(call->node, "out_type", CREW_INT32),
              &scalar) != CREW_OK) {
        return call->err->code;
    }
    return put_int(call, 0, "out_type", 0, call->in[0].n);
}

static int run_rank(struct op_call *call)
{
    struct crew_shape scalar = crew_scalar_shape();

    if (begin(call, CREW_INT32, &scalar) == CREW_OK) {
        call->out[0].i32[0] = call->in[0].shape.rank;
    }
    return call->err->code;
}

static int run_expand_dims(struct op_call *call)
{
    struct crew_shape shape = call->in[0].shape;
    int axis = 0;

    if (one_axis(call, 1, shape.rank + 1, &axis) != CREW_OK) {
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

/* --------------------------------------------------------------------- making
 */

static int run_fill(struct op_call *call)
{
    struct crew_shape shape = {0};

    if (op_ints(call, 0, shape.dim, CREW_MAX_RANK, &shape.rank) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[1].n != 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "value must be a scalar");
    }
    if (begin(call, call->in[1].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->out[0].n; i++) {
        copy(&call->out[0], i, &call->in[1], 0, 1);
    }
    return finish(call, &call->out[0]);
}

static int run_zeros_like(struct op_call *call)
{
    return begin(call, call->in[0].dtype, &call->in[0].shape);
}

static int run_ones_like(struct op_call *call)
{
    struct value *y = &call->out[0];

    if (begin(call, call->in[0].dtype, &call->in[0].shape) != CREW_OK) {
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

static double number(const struct value *v)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            return (double)v->f32[0];
        case CREW_DOUBLE:
            return v->f64[0];
        case CREW_INT32:
            return v->i32[0];
        default:
            return (double)v->i64[0];
    }
}

static int run_range(struct op_call *call)
{
    const struct value *in = call->in;
    double start, limit, delta, n;
    struct crew_shape shape;
    int dtype = in[0].dtype;

    for (int k = 0; k < 3; k++) {
        if (in[k].n != 1 || op_want_dtype(call, k, dtype) != CREW_OK ||
            (dtype != CREW_FLOAT && dtype != CREW_DOUBLE &&
             dtype != CREW_INT32 && dtype != CREW_INT64)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "start, limit and delta must be scalar numbers");
        }
    }
    start = number(&in[0]);
    limit = number(&in[1]);
    delta = number(&in[2]);
    if (!(delta < 0.0 || delta > 0.0)) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "Requires delta != 0: 0");
    }
    n = (limit - start) / delta;
    n = n > 0.0 ? n : 0.0;
    if (!(n < 4e9)) {
        return op_fail(call, CREW_RESOURCE_EXHAUSTED, "a range of %g", n);
    }
    shape = crew_shape1((int64_t)n + ((double)(int64_t)n < n ? 1 : 0));
    if (begin(call, dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < shape.dim[0]; i++) {
        double v = start + (double)i * delta;

        if (dtype == CREW_FLOAT) {
            call->out[0].f32[i] = (float)v;
        } else if (dtype == CREW_DOUBLE) {
            call->out[0].f64[i] = v;
        } else if (dtype == CREW_INT32) {
            call->out[0].i32[i] = (int32_t)v;
        } else {
            call->out[0].i64[i] = (int64_t)v;
        }
    }
    return CREW_OK;
}

/* indices, depth, on_value, off_value; axis -1 is the last. */
static int run_one_hot(struct op_call *call)
{
    const struct value *ids = &call->in[0];
    int64_t depth = 0, axis = op_attr_int(call->node, "axis", -1), inner;
    struct crew_shape shape = ids->shape;
    int at;

    if (one_int(call, 1, &depth) != CREW_OK ||
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
    if (begin(call, call->in[2].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = span(&shape, at + 1, shape.rank);
    for (int64_t i = 0; i < call->out[0].n; i++) {
        int64_t k = i / (inner * depth) * inner + i % inner;
        int64_t id = ids->dtype == CREW_INT32   ? ids->i32[k]
                     : ids->dtype == CREW_INT64 ? ids->i64[k]
                                                : ids->u8[k];

        copy(&call->out[0], i, &call->in[id == i / inner % depth ? 2 : 3], 0,
             1);
    }
    return finish(call, &call->out[0]);
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
    if (begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = span(&shape, at + 1, shape.rank);
    for (int64_t i = 0; inner > 0 && i < call->out[0].n / inner; i++) {
        copy(&call->out[0], i * inner, &call->in[i % call->n_in],
             i / call->n_in * inner, inner);
    }
    return finish(call, &call->out[0]);
}

/* N values and the axis behind them. */
static int run_concat(struct op_call *call)
{
    struct crew_shape shape = call->in[0].shape;
    int n = call->n_in - 1, axis = 0;
    int64_t at = 0, inner, width;

    if (one_axis(call, n, shape.rank, &axis) != CREW_OK ||
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
        shape.dim[axis] += x->dim[axis];
    }
    if (begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = span(&shape, axis + 1, shape.rank);
    width = shape.dim[axis] * inner;
    for (int k = 0; k < n; k++) {
        int64_t part = call->in[k].shape.dim[axis] * inner;

        for (int64_t i = 0; i < span(&shape, 0, axis); i++) {
            copy(&call->out[0], i * width + at, &call->in[k], i * part, part);
        }
        at += part;
    }
    return finish(call, &call->out[0]);
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
    int64_t inner = span(&shape, axis + 1, shape.rank);
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
    for (int64_t i = 0; i < span(&shape, 0, axis); i++) {
        copy(&call->out[k], i * len * inner, x, i * width + from * inner,
             len * inner);
    }
    return finish(call, &call->out[k]);
}

/* split_dim, value. */
static int run_split(struct op_call *call)
{
    const struct value *x = &call->in[1];
    int axis = 0;

    if (one_axis(call, 0, x->shape.rank, &axis) != CREW_OK) {
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

/* Every element of the result from `start` by `stride` in each dimension. */
static int pick(struct op_call *call,
                const struct crew_shape *shape,
                const int64_t *start,
                const int64_t *stride,
                const struct crew_shape *result)
{
    const struct value *x = &call->in[0];
    int64_t n = span(shape, 0, shape->rank);

    if (begin(call, x->dtype, result) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t rest = k, from = 0, step = 1;

        for (int i = shape->rank - 1; i >= 0; i--) {
            from += (start[i] + rest % shape->dim[i] * stride[i]) * step;
            rest /= shape->dim[i];
            step *= x->shape.dim[i];
        }
        copy(&call->out[0], k, x, from, 1);
    }
    return finish(call, &call->out[0]);
}

static int run_slice(struct op_call *call)
{
    const struct crew_shape *x = &call->in[0].shape;
    int64_t start[CREW_MAX_RANK] = {0}, size[CREW_MAX_RANK] = {0};
    int64_t ones[CREW_MAX_RANK];
    struct crew_shape shape = *x;
    int n = 0, m = 0;

    if (op_ints(call, 1, start, CREW_MAX_RANK, &n) != CREW_OK ||
        op_ints(call, 2, size, CREW_MAX_RANK, &m) != CREW_OK) {
        return call->err->code;
    }
    if (n != x->rank || m != x->rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Expected begin and size arguments to be 1-D tensors of "
                       "size %d",
                       x->rank);
    }
    for (int i = 0; i < n; i++) {
        ones[i] = 1;
        shape.dim[i] = size[i] == -1 ? x->dim[i] - start[i] : size[i];
        if (start[i] < 0 || start[i] > x->dim[i] || shape.dim[i] < 0 ||
            shape.dim[i] > x->dim[i] - start[i]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Expected begin[%d] in [0, %" PRId64
                           "], and a size that fits, but got %" PRId64
                           ", %" PRId64,
                           i, x->dim[i], start[i], size[i]);
        }
    }
    return pick(call, &shape, start, ones, &shape);
}

/* StridedSlice, made explicit for every dimension of the operand. */
struct strided {
    struct crew_shape shape, result;
    int64_t start[CREW_MAX_RANK], stride[CREW_MAX_RANK];
    int dim; /* of the operand, reached so far */
};

static int bad_slice(struct op_call *call, const char *what)
{
    return op_fail(call, CREW_INVALID_ARGUMENT, "slice: %s", what);
}

/* begin, end, stride of one dimension of size `dim`, masks applied. */
static int one_range(struct op_call *call,
                     struct strided *s,
                     int64_t begin_at,
                     int64_t end_at,
                     int64_t stride,
                     bool shrink)
{
    int64_t dim = call->in[0].shape.dim[s->dim], n = 0;

    if (stride > 0 && end_at > begin_at) {
        n = (end_at - begin_at - 1) / stride + 1;
    } else if (stride < 0 && end_at < begin_at) {
        n = (begin_at - end_at - 1) / -stride + 1;
    }
    if (shrink) {
        if (begin_at < 0 || begin_at >= dim) {
            return bad_slice(call, "index out of bounds");
        }
        n = 1;
        stride = 1;
    } else {
        s->result.dim[s->result.rank++] = n;
    }
    s->start[s->dim] = begin_at;
    s->stride[s->dim] = stride;
    s->shape.dim[s->dim++] = n;
    s->shape.rank = s->dim;
    return CREW_OK;
}

static void whole(struct op_call *call, struct strided *s)
{
    int64_t dim = call->in[0].shape.dim[s->dim];

    s->stride[s->dim] = 1;
    s->shape.dim[s->dim++] = dim;
    s->shape.rank = s->dim;
    s->result.dim[s->result.rank++] = dim;
}

/* A begin or end as a place in [low, high]. */
static int64_t canonical(int64_t v, int64_t dim, int64_t low, int64_t high)
{
    v = v < 0 ? v + dim : v;
    return v < low ? low : v > high ? high : v;
}

struct masks {
    int64_t begin, end, ellipsis, new_axis, shrink;
};

static int one_spec(struct op_call *call,
                    struct strided *s,
                    const struct masks *m,
                    int i,
                    int64_t b,
                    int64_t e,
                    int64_t stride)
{
    int64_t dim, low, high;
    bool shrink = (m->shrink >> i & 1) != 0;

    if (s->dim >= call->in[0].shape.rank) {
        return bad_slice(call, "Index out of range using input dim");
    }
    if (stride == 0) {
        return bad_slice(call, "strides must be non-zero");
    }
    dim = call->in[0].shape.dim[s->dim];
    low = stride > 0 ? 0 : -1;
    high = stride > 0 ? dim : dim - 1;
    if (shrink) {
        b = b < 0 ? b + dim : b;
        return one_range(call, s, b, b + 1, 1, true);
    }
    b = (m->begin >> i & 1) != 0 ? (stride > 0 ? low : high)
                                 : canonical(b, dim, low, high);
    e = (m->end >> i & 1) != 0 ? (stride > 0 ? high : low)
                               : canonical(e, dim, low, high);
    return one_range(call, s, b, e, stride, false);
}

static int new_axes_after(const struct masks *m, int i, int n)
{
    int count = 0;

    for (int k = i + 1; k < n; k++) {
        count += (m->new_axis >> k & 1) != 0 ? 1 : 0;
    }
    return count;
}

static int run_strided_slice(struct op_call *call)
{
    struct masks m = {op_attr_int(call->node, "begin_mask", 0),
                      op_attr_int(call->node, "end_mask", 0),
                      op_attr_int(call->node, "ellipsis_mask", 0),
                      op_attr_int(call->node, "new_axis_mask", 0),
                      op_attr_int(call->node, "shrink_axis_mask", 0)};
    int64_t b[16], e[16], stride[16];
    struct strided s = {0};
    int n = 0, n_end = 0, n_stride = 0, rank = call->in[0].shape.rank;

    if (op_ints(call, 1, b, 16, &n) != CREW_OK ||
        op_ints(call, 2, e, 16, &n_end) != CREW_OK ||
        op_ints(call, 3, stride, 16, &n_stride) != CREW_OK) {
        return call->err->code;
    }
    if (n != n_end || n != n_stride) {
        return bad_slice(call, "begin, end and strides differ in length");
    }
    for (int i = 0; i < n; i++) {
        if (s.result.rank == CREW_MAX_RANK) {
            return bad_slice(call, "a rank above 8");
        }
        if ((m.ellipsis >> i & 1) != 0) {
            int left = n - i - 1 - new_axes_after(&m, i, n);

            while (rank - s.dim > left) {
                whole(call, &s);
            }
        } else if ((m.new_axis >> i & 1) != 0) {
            s.result.dim[s.result.rank++] = 1;
        } else if (one_spec(call, &s, &m, i, b[i], e[i], stride[i]) !=
                   CREW_OK) {
            return call->err->code;
        }
    }
    while (s.dim < rank && s.result.rank < CREW_MAX_RANK) {
        whole(call, &s);
    }
    if (s.dim < rank) {
        return bad_slice(call, "a rank above 8");
    }
    s.shape.rank = rank;
    return pick(call, &s.shape, s.start, s.stride, &s.result);
}

/* ------------------------------------------------------------- other movements
 */

static int run_tile(struct op_call *call)
{
    const struct value *x = &call->in[0];
    int64_t times[CREW_MAX_RANK] = {0};
    struct crew_shape shape = x->shape;
    int n = 0;

    if (op_ints(call, 1, times, CREW_MAX_RANK, &n) != CREW_OK) {
        return call->err->code;
    }
    if (n != shape.rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Expected multiples argument to be a vector of length "
                       "%d but got length %d",
                       shape.rank, n);
    }
    for (int i = 0; i < n; i++) {
        if (times[i] < 0 ||
            __builtin_mul_overflow(shape.dim[i], times[i], &shape.dim[i])) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Expected multiples[%d] >= 0, but got %" PRId64, i,
                           times[i]);
        }
    }
    if (begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < call->out[0].n; k++) {
        int64_t rest = k, from = 0, step = 1;

        for (int i = n - 1; i >= 0; i--) {
            from += rest % shape.dim[i] % x->shape.dim[i] * step;
            rest /= shape.dim[i];
            step *= x->shape.dim[i];
        }
        copy(&call->out[0], k, x, from, 1);
    }
    return finish(call, &call->out[0]);
}

static int run_transpose(struct op_call *call)
{
    const struct crew_shape *x = &call->in[0].shape;
    int64_t perm[CREW_MAX_RANK] = {0}, steps[CREW_MAX_RANK];
    struct crew_shape shape = {.rank = x->rank};
    unsigned seen = 0;
    int n = 0;

    if (op_ints(call, 1, perm, CREW_MAX_RANK, &n) != CREW_OK) {
        return call->err->code;
    }
    for (int i = 0; i < n && n == x->rank; i++) {
        int64_t axis = perm[i] < 0 ? perm[i] + x->rank : perm[i];

        if (axis < 0 || axis >= x->rank) {
            break;
        }
        seen |= 1u << axis;
        shape.dim[i] = x->dim[axis];
        steps[i] = span(x, (int)axis + 1, x->rank);
    }
    if (n != x->rank || seen != (1u << x->rank) - 1u) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "transpose expects a permutation of size %d", x->rank);
    }
    if (begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < call->out[0].n; k++) {
        int64_t rest = k, from = 0;

        for (int i = n - 1; i >= 0; i--) {
            from += rest % shape.dim[i] * steps[i];
            rest /= shape.dim[i];
        }
        copy(&call->out[0], k, &call->in[0], from, 1);
    }
    return finish(call, &call->out[0]);
}

/* Rows of params along an axis. */
static int gather(struct op_call *call, int axis)
{
    const struct value *p = &call->in[0], *ids = &call->in[1];
    struct crew_shape shape = {0};
    int64_t inner, rows;

    if (ids->dtype != CREW_INT32 && ids->dtype != CREW_INT64) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices must be int32 or int64");
    }
    if (p->shape.rank + ids->shape.rank - 1 > CREW_MAX_RANK) {
        return op_fail(call, CREW_UNIMPLEMENTED, "a rank above %d",
                       CREW_MAX_RANK);
    }
    for (int i = 0; i < axis; i++) {
        shape.dim[shape.rank++] = p->shape.dim[i];
    }
    for (int i = 0; i < ids->shape.rank; i++) {
        shape.dim[shape.rank++] = ids->shape.dim[i];
    }
    for (int i = axis + 1; i < p->shape.rank; i++) {
        shape.dim[shape.rank++] = p->shape.dim[i];
    }
    if (begin(call, p->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = span(&p->shape, axis + 1, p->shape.rank);
    rows = p->shape.dim[axis];
    for (int64_t i = 0; i < span(&p->shape, 0, axis) * ids->n; i++) {
        int64_t k = i % ids->n;
        int64_t id = ids->dtype == CREW_INT32 ? ids->i32[k] : ids->i64[k];

        if (id < 0 || id >= rows) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64 "] = %" PRId64
                           " is not in [0, %" PRId64 ")",
                           k, id, rows);
        }
        copy(&call->out[0], i * inner, p, (i / ids->n * rows + id) * inner,
             inner);
    }
    return finish(call, &call->out[0]);
}

static int run_gather(struct op_call *call)
{
    if (call->in[0].shape.rank < 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "params must be at least 1 dimensional");
    }
    return gather(call, 0);
}

static int run_gather_v2(struct op_call *call)
{
    int axis = 0;

    if (op_attr_int(call->node, "batch_dims", 0) != 0) {
        return op_fail(call, CREW_UNIMPLEMENTED, "batch_dims other than 0");
    }
    return one_axis(call, 2, call->in[0].shape.rank, &axis) == CREW_OK
               ? gather(call, axis)
               : call->err->code;
}

static int run_gather_nd(struct op_call *call)
{
    const struct value *p = &call->in[0], *ids = &call->in[1];
    struct crew_shape shape = ids->shape;
    int64_t depth, inner;

    if (ids->shape.rank < 1 ||
        (ids->dtype != CREW_INT32 && ids->dtype != CREW_INT64)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices must be at least a vector of int32 or int64");
    }
    depth = shape.dim[--shape.rank];
    if (depth > p->shape.rank ||
        shape.rank + p->shape.rank - depth > CREW_MAX_RANK) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "index innermost dimension length must be <= params "
                       "rank; saw: %" PRId64 " vs. %d",
                       depth, p->shape.rank);
    }
    for (int i = (int)depth; i < p->shape.rank; i++) {
        shape.dim[shape.rank++] = p->shape.dim[i];
    }
    if (begin(call, p->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = span(&p->shape, (int)depth, p->shape.rank);
    for (int64_t i = 0; depth > 0 && i < ids->n / depth; i++) {
        int64_t from = 0;

        for (int64_t k = 0; k < depth; k++) {
            int64_t id = ids->dtype == CREW_INT32 ? ids->i32[i * depth + k]
                                                  : ids->i64[i * depth + k];

            if (id < 0 || id >= p->shape.dim[k]) {
                return op_fail(
                    call, CREW_INVALID_ARGUMENT,
                    "indices[%" PRId64 "] does not index into param shape", i);
            }
            from = from * p->shape.dim[k] + id;
        }
        copy(&call->out[0], i * inner, p, from * inner, inner);
    }
    return finish(call, &call->out[0]);
}

/* Zeros, or the constant of PadV2, around. */
static int run_pad(struct op_call *call)
{
    const struct value *x = &call->in[0], *pads = &call->in[1];
    struct crew_shape shape = x->shape;
    int64_t pad[2 * CREW_MAX_RANK] = {0};

    if ((pads->dtype != CREW_INT32 && pads->dtype != CREW_INT64) ||
        pads->shape.rank != 2 || pads->shape.dim[0] != shape.rank ||
        pads->n != 2 * shape.rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "paddings must be a matrix with 2 columns and %d rows",
                       shape.rank);
    }
    for (int i = 0; i < 2 * shape.rank; i++) {
        pad[i] = pads->dtype == CREW_INT32 ? pads->i32[i] : pads->i64[i];
        if (pad[i] < 0 || pad[i] > (int64_t)1 << 40) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Paddings must be non-negative: %" PRId64, pad[i]);
        }
        shape.dim[i / 2] += pad[i];
    }
    if (begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; call->n_in == 3 && call->in[2].n == 1 &&
                        call->in[2].dtype == x->dtype && k < call->out[0].n;
         k++) {
        copy(&call->out[0], k, &call->in[2], 0, 1);
    }
    for (int64_t k = 0; k < x->n; k++) {
        int64_t rest = k, to = 0, step = 1;

        for (int i = shape.rank - 1; i >= 0; i--) {
            to += (rest % x->shape.dim[i] + pad[2 * i]) * step;
            rest /= x->shape.dim[i];
            step *= shape.dim[i];
        }
        copy(&call->out[0], to, x, k, 1);
    }
    return finish(call, &call->out[0]);
}

/* Bytes of strings of one length as numbers, little endian. */
static int run_decode_raw(struct op_call *call)
{
    const struct value *x = &call->in[0];
    int dtype = op_attr_type(call->node, "out_type", 0);
    size_t size = value_element_size(dtype);
    struct crew_shape shape = x->shape;

    if (op_want_dtype(call, 0, CREW_STRING) != CREW_OK) {
        return call->err->code;
    }
    if (size == 0 || dtype == CREW_STRING || shape.rank == CREW_MAX_RANK) {
        return op_fail(call, CREW_UNIMPLEMENTED, "out_type %d", dtype);
    }
    for (int64_t i = 0; i < x->n; i++) {
        if (x->str[i].n != x->str[0].n || x->str[i].n % size != 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "DecodeRaw requires input strings to all be the "
                           "same size, a multiple of %zu, but element %" PRId64
                           " has size %zu",
                           size, i, x->str[i].n);
        }
    }
    shape.dim[shape.rank++] = x->n > 0 ? (int64_t)(x->str[0].n / size) : 0;
    if (begin(call, dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n && x->str[0].n > 0; i++) {
        memcpy((char *)call->out[0].data + (size_t)i * x->str[0].n,
               x->str[i].data, x->str[0].n);
    }
    return CREW_OK;
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
    {"Split", run_split, split_outputs, 2, 2},
    {"Unpack", run_unpack, unpack_outputs, 1, 1},
    {"Slice", run_slice, NULL, 3, 3},
    {"StridedSlice", run_strided_slice, NULL, 4, 4},
    {"Tile", run_tile, NULL, 2, 2},
    {"Transpose", run_transpose, NULL, 2, 2},
    {"Gather", run_gather, NULL, 2, 2},
    {"GatherV2", run_gather_v2, NULL, 3, 3},
    {"GatherNd", run_gather_nd, NULL, 2, 2},
    {"Pad", run_pad, NULL, 2, 2},
    {"PadV2", run_pad, NULL, 3, 3},
    {"DecodeRaw", run_decode_raw, NULL, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
