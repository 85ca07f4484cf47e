/* SPDX-License-Identifier: Apache-2.0
 * Ops that pick elements by their places: slices, gathers, tiles, padding. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/move.h"
#include "serving/op_tables.h"
#include "base/banned.h"

/* Every element of the result from `start` by `stride` in each dimension. */
static int pick(struct op_call *call,
                const struct crew_shape *shape,
                const int64_t *start,
                const int64_t *stride,
                const struct crew_shape *result)
{
    const struct value *x = &call->in[0];
    int64_t n = move_span(shape, 0, shape->rank);

    if (move_begin(call, x->dtype, result) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t rest = k, from = 0, step = 1;

        for (int i = shape->rank - 1; i >= 0; i--) {
            from += (start[i] + rest % shape->dim[i] * stride[i]) * step;
            rest /= shape->dim[i];
            step *= x->shape.dim[i];
        }
        move_copy(&call->out[0], k, x, from, 1);
    }
    return move_finish(call, &call->out[0]);
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
        bool inside = start[i] >= 0 && start[i] <= x->dim[i];

        ones[i] = 1;
        shape.dim[i] = inside && size[i] == -1 ? x->dim[i] - start[i] : size[i];
        if (!inside || shape.dim[i] < 0 ||
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

/* begin, end, stride of one dimension, masks applied. */
static int one_range(struct strided *s,
                     int64_t begin_at,
                     int64_t end_at,
                     int64_t stride,
                     bool shrink)
{
    int64_t n = 0;

    if (stride > 0 && end_at > begin_at) {
        n = (end_at - begin_at - 1) / stride + 1;
    } else if (stride < 0 && end_at < begin_at) {
        n = (begin_at - end_at - 1) / -stride + 1;
    }
    if (shrink) {
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

static int whole(struct op_call *call, struct strided *s)
{
    int64_t dim = call->in[0].shape.dim[s->dim];

    if (s->result.rank == CREW_MAX_RANK) {
        return bad_slice(call, "a rank above 8");
    }
    s->stride[s->dim] = 1;
    s->shape.dim[s->dim++] = dim;
    s->shape.rank = s->dim;
    s->result.dim[s->result.rank++] = dim;
    return CREW_OK;
}

/* All dimensions but the last `left`. */
static int whole_until(struct op_call *call, struct strided *s, int left)
{
    while (call->in[0].shape.rank - s->dim > left) {
        if (whole(call, s) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
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
    stride = stride < -INT64_MAX ? -INT64_MAX : stride;
    if (shrink) {
        int64_t at = b < 0 ? b + dim : b;

        if (at < 0 || at >= dim) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "slice index %" PRId64
                           " of dimension %d out of bounds.",
                           b, s->dim);
        }
        return one_range(s, at, at + 1, 1, true);
    }
    b = (m->begin >> i & 1) != 0 ? (stride > 0 ? low : high)
                                 : canonical(b, dim, low, high);
    e = (m->end >> i & 1) != 0 ? (stride > 0 ? high : low)
                               : canonical(e, dim, low, high);
    return one_range(s, b, e, stride, false);
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
    if ((m.ellipsis & (m.ellipsis - 1)) != 0) {
        return bad_slice(call, "Multiple ellipses in slice spec not allowed");
    }
    for (int i = 0; i < n; i++) {
        if (s.result.rank == CREW_MAX_RANK) {
            return bad_slice(call, "a rank above 8");
        }
        if ((m.ellipsis >> i & 1) != 0) {
            if (whole_until(call, &s, n - i - 1 - new_axes_after(&m, i, n)) !=
                CREW_OK) {
                return call->err->code;
            }
        } else if ((m.new_axis >> i & 1) != 0) {
            s.result.dim[s.result.rank++] = 1;
        } else if (one_spec(call, &s, &m, i, b[i], e[i], stride[i]) !=
                   CREW_OK) {
            return call->err->code;
        }
    }
    if (whole_until(call, &s, 0) != CREW_OK) {
        return call->err->code;
    }
    s.shape.rank = rank;
    return pick(call, &s.shape, s.start, s.stride, &s.result);
}

/* --------------------------------------------------------- other movements */

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
    if (move_begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < call->out[0].n; k++) {
        int64_t rest = k, from = 0, step = 1;

        for (int i = n - 1; i >= 0; i--) {
            from += rest % shape.dim[i] % x->shape.dim[i] * step;
            rest /= shape.dim[i];
            step *= x->shape.dim[i];
        }
        move_copy(&call->out[0], k, x, from, 1);
    }
    return move_finish(call, &call->out[0]);
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
        steps[i] = move_span(x, (int)axis + 1, x->rank);
    }
    if (n != x->rank || seen != (1u << x->rank) - 1u) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "transpose expects a permutation of size %d", x->rank);
    }
    if (move_begin(call, call->in[0].dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; k < call->out[0].n; k++) {
        int64_t rest = k, from = 0;

        for (int i = n - 1; i >= 0; i--) {
            from += rest % shape.dim[i] * steps[i];
            rest /= shape.dim[i];
        }
        move_copy(&call->out[0], k, &call->in[0], from, 1);
    }
    return move_finish(call, &call->out[0]);
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
    if (move_begin(call, p->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&p->shape, axis + 1, p->shape.rank);
    rows = p->shape.dim[axis];
    for (int64_t i = 0;
         call->out[0].n > 0 && i < move_span(&p->shape, 0, axis) * ids->n;
         i++) {
        int64_t k = i % ids->n;
        int64_t id = ids->dtype == CREW_INT32 ? ids->i32[k] : ids->i64[k];

        if (id < 0 || id >= rows) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64 "] = %" PRId64
                           " is not in [0, %" PRId64 ")",
                           k, id, rows);
        }
        move_copy(&call->out[0], i * inner, p, (i / ids->n * rows + id) * inner,
                  inner);
    }
    return move_finish(call, &call->out[0]);
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
    return move_axis(call, 2, call->in[0].shape.rank, &axis) == CREW_OK
               ? gather(call, axis)
               : call->err->code;
}

static int run_gather_nd(struct op_call *call)
{
    const struct value *p = &call->in[0], *ids = &call->in[1];
    struct crew_shape shape = ids->shape;
    int64_t depth, inner, rows;

    if (ids->shape.rank < 1 ||
        (ids->dtype != CREW_INT32 && ids->dtype != CREW_INT64)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "indices must be at least a vector of int32 or int64");
    }
    depth = shape.dim[--shape.rank];
    rows = move_span(&shape, 0, shape.rank);
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
    if (move_begin(call, p->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&p->shape, (int)depth, p->shape.rank);
    for (int64_t i = 0; call->out[0].n > 0 && i < rows; i++) {
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
        move_copy(&call->out[0], i * inner, p, from * inner, inner);
    }
    return move_finish(call, &call->out[0]);
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
    if (call->n_in == 3 &&
        (call->in[2].n != 1 || op_want_dtype(call, 2, x->dtype) != CREW_OK)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "constant_values must be a scalar");
    }
    if (move_begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t k = 0; call->n_in == 3 && k < call->out[0].n; k++) {
        move_copy(&call->out[0], k, &call->in[2], 0, 1);
    }
    for (int64_t k = 0; k < x->n; k++) {
        int64_t rest = k, to = 0, step = 1;

        for (int i = shape.rank - 1; i >= 0; i--) {
            to += (rest % x->shape.dim[i] + pad[2 * i]) * step;
            rest /= x->shape.dim[i];
            step *= shape.dim[i];
        }
        move_copy(&call->out[0], to, x, k, 1);
    }
    return move_finish(call, &call->out[0]);
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
    if (size == 0 || dtype == CREW_STRING || shape.rank == CREW_MAX_RANK ||
        (size > 1 && !op_attr_bool(call->node, "little_endian", true))) {
        return op_fail(call, CREW_UNIMPLEMENTED,
                       "out_type %d, or bytes that are big endian", dtype);
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
    if (move_begin(call, dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n && x->str[0].n > 0; i++) {
        memcpy((char *)call->out[0].data + (size_t)i * x->str[0].n,
               x->str[i].data, x->str[0].n);
    }
    value_fix_bools(&call->out[0]);
    return CREW_OK;
}

/* input, shape: as the other operands of arithmetic are. */
static int run_broadcast_to(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape = {0};
    struct broadcast b;

    if (op_ints(call, 1, shape.dim, CREW_MAX_RANK, &shape.rank) != CREW_OK ||
        broadcast_to(&b, call, 0, &shape) != CREW_OK ||
        move_begin(call, x->dtype, &shape) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        move_copy(&call->out[0], i, x, b.at[0], 1);
    }
    return move_finish(call, &call->out[0]);
}

const struct serving_op serving_ops_place[] = {
    {"Slice", run_slice, NULL, 3, 3},
    {"StridedSlice", run_strided_slice, NULL, 4, 4},
    {"Tile", run_tile, NULL, 2, 2},
    {"Transpose", run_transpose, NULL, 2, 2},
    {"Gather", run_gather, NULL, 2, 2},
    {"GatherV2", run_gather_v2, NULL, 3, 3},
    {"GatherNd", run_gather_nd, NULL, 2, 2},
    {"Pad", run_pad, NULL, 2, 2},
    {"PadV2", run_pad, NULL, 3, 3},
    {"BroadcastTo", run_broadcast_to, NULL, 2, 2},
    {"DecodeRaw", run_decode_raw, NULL, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
