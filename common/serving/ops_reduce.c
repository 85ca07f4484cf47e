/* SPDX-License-Identifier: Apache-2.0
 * Reductions over axes, and what looks for the largest. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/move.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "base/banned.h"

enum reduction { SUM, MEAN, MAX, MIN, PROD, ALL, ANY };

/* The reduction's axes as bits, and the result's shape. */
static int read_axes(struct op_call *call,
                     unsigned *axes,
                     struct crew_shape *shape)
{
    bool keep = op_attr_bool(call->node, "keep_dims", false);
    const struct crew_shape *x = &call->in[0].shape;
    int64_t list[64];
    int n = 0;

    if (op_ints(call, 1, list, 64, &n) != CREW_OK) {
        return call->err->code;
    }
    *axes = 0;
    for (int i = 0; i < n; i++) {
        int64_t axis = list[i] < 0 ? list[i] + x->rank : list[i];

        if (axis < 0 || axis >= x->rank) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Invalid reduction dimension (%" PRId64
                           " for input with %d dimension(s)",
                           list[i], x->rank);
        }
        *axes |= 1u << axis;
    }
    *shape = crew_scalar_shape();
    for (int i = 0; i < x->rank; i++) {
        if ((*axes >> i & 1u) == 0) {
            shape->dim[shape->rank++] = x->dim[i];
        } else if (keep) {
            shape->dim[shape->rank++] = 1;
        }
    }
    return CREW_OK;
}

static double start_of(enum reduction op)
{
    switch (op) {
        case MAX:
            return -HUGE_VAL;
        case MIN:
            return HUGE_VAL;
        case PROD:
            return 1.0;
        default:
            return 0.0;
    }
}

static double join(enum reduction op, double a, double b)
{
    switch (op) {
        case MAX:
            return b > a || isnan(b) ? b : a;
        case MIN:
            return b < a || isnan(b) ? b : a;
        case PROD:
            return a * b;
        default:
            return a + b;
    }
}

/* Of integers and, for ALL and ANY, of bools. */
static int64_t start_of_ints(enum reduction op, int dtype)
{
    switch (op) {
        case MAX:
            return dtype == CREW_INT64   ? INT64_MIN
                   : dtype == CREW_INT32 ? INT32_MIN
                   : dtype == CREW_UINT8 ? 0
                                         : INT8_MIN;
        case MIN:
            return dtype == CREW_INT64   ? INT64_MAX
                   : dtype == CREW_INT32 ? INT32_MAX
                   : dtype == CREW_UINT8 ? UINT8_MAX
                                         : INT8_MAX;
        case PROD:
        case ALL:
            return 1;
        default:
            return 0;
    }
}

static int64_t join_ints(enum reduction op, int64_t a, int64_t b)
{
    switch (op) {
        case MAX:
            return b > a ? b : a;
        case MIN:
            return b < a ? b : a;
        case PROD:
            return (int64_t)((uint64_t)a * (uint64_t)b);
        case ALL:
            return a & b;
        case ANY:
            return a | b;
        default:
            return (int64_t)((uint64_t)a + (uint64_t)b);
    }
}

/* Where element i of x goes. */
static int64_t place(const struct crew_shape *x, unsigned axes, int64_t i)
{
    int64_t at = 0, step = 1;

    for (int k = x->rank - 1; k >= 0; k--) {
        if ((axes & 1u << (unsigned)k) == 0) {
            at += i % x->dim[k] * step;
            step *= x->dim[k];
        }
        i /= x->dim[k];
    }
    return at;
}

static void reduce_ints(struct value *y,
                        const struct value *x,
                        unsigned axes,
                        enum reduction op,
                        int64_t *sum)
{
    int64_t share = y->n > 0 && x->n > 0 ? x->n / y->n : 1;

    for (int64_t i = 0; i < y->n; i++) {
        sum[i] = start_of_ints(op, x->dtype);
    }
    for (int64_t i = 0; i < x->n; i++) {
        int64_t *to = &sum[place(&x->shape, axes, i)];

        *to = join_ints(op, *to, number_int(x, i));
    }
    for (int64_t i = 0; i < y->n; i++) {
        number_put_int(y, i, op == MEAN ? sum[i] / share : sum[i]);
    }
}

static void reduce_floats(struct value *y,
                          const struct value *x,
                          unsigned axes,
                          enum reduction op,
                          double *sum)
{
    double share = y->n > 0 ? (double)x->n / (double)y->n : 1.0;

    for (int64_t i = 0; i < y->n; i++) {
        sum[i] = start_of(op);
    }
    for (int64_t i = 0; i < x->n; i++) {
        double *to = &sum[place(&x->shape, axes, i)];

        *to = join(op, *to, number_double(x, i));
    }
    for (int64_t i = 0; i < y->n; i++) {
        number_put_double(y, i, op == MEAN ? sum[i] / share : sum[i]);
    }
}

static int reduce(struct op_call *call, enum reduction op)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape;
    unsigned axes = 0;
    void *sums = NULL;

    if (op == ALL || op == ANY ? x->dtype != CREW_BOOL : !number_is(x->dtype)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "cannot reduce a tensor of dtype %d so", x->dtype);
    }
    if (read_axes(call, &axes, &shape) != CREW_OK ||
        value_new(&call->out[0], x->dtype, &shape, call->err) != CREW_OK ||
        mem_try((size_t)call->out[0].n + 1, sizeof(double), "sums", &sums,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    if (number_is_float(x->dtype)) {
        reduce_floats(&call->out[0], x, axes, op, sums);
    } else {
        reduce_ints(&call->out[0], x, axes, op, sums);
    }
    free(sums);
    return CREW_OK;
}

#define REDUCTION(name, op)                     \
    static int run_##name(struct op_call *call) \
    {                                           \
        return reduce(call, op);                \
    }
REDUCTION(sum, SUM)
REDUCTION(mean, MEAN)
REDUCTION(max, MAX)
REDUCTION(min, MIN)
REDUCTION(prod, PROD)
REDUCTION(all, ALL)
REDUCTION(any, ANY)

/* -------------------------------------------------------- the largest ones */

static int arg(struct op_call *call, bool max)
{
    const struct value *x = &call->in[0];
    int to = op_attr_type(call->node, "output_type", CREW_INT64), n = 0;
    struct crew_shape shape = {0};
    int64_t axis = 0, inner = 1;

    if (op_ints(call, 1, &axis, 1, &n) != CREW_OK) {
        return call->err->code;
    }
    axis = axis < 0 ? axis + x->shape.rank : axis;
    if (n != 1 || axis < 0 || axis >= x->shape.rank || !number_is(x->dtype) ||
        (to != CREW_INT64 && to != CREW_INT32)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Expected dimension in the range [%d, %d)",
                       -x->shape.rank, x->shape.rank);
    }
    if (x->shape.dim[axis] < 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Reduction axis %" PRId64 " is empty", axis);
    }
    for (int i = 0; i < x->shape.rank; i++) {
        if (i != axis) {
            shape.dim[shape.rank++] = x->shape.dim[i];
        }
        inner *= i > axis ? x->shape.dim[i] : 1;
    }
    if (value_new(&call->out[0], to, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->out[0].n; i++) {
        int64_t from = i / inner * inner * x->shape.dim[axis] + i % inner;
        int64_t best = 0;

        for (int64_t k = 1; k < x->shape.dim[axis]; k++) {
            int64_t a = from + k * inner, b = from + best * inner;

            best =
                (max ? number_less(x, b, a) : number_less(x, a, b)) ? k : best;
        }
        number_put_int(&call->out[0], i, best);
    }
    return CREW_OK;
}

static int run_argmax(struct op_call *call)
{
    return arg(call, true);
}

static int run_argmin(struct op_call *call)
{
    return arg(call, false);
}

static int two(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 2;
}

/* The k largest of the row that begins at `row`, in order, into best[k]; of
 * equal ones the first comes first. */
static void best_of_row(const struct value *x,
                        int64_t row,
                        int64_t width,
                        int64_t k,
                        int32_t *best)
{
    int64_t n = 0;

    for (int64_t c = 0; c < width; c++) {
        int64_t at = n;

        while (at > 0 && number_less(x, row + best[at - 1], row + c)) {
            at--;
        }
        if (at == k) {
            continue;
        }
        n += n < k ? 1 : 0;
        memmove(best + at + 1, best + at,
                (size_t)(n - at - 1) * sizeof best[0]);
        best[at] = (int32_t)c;
    }
}

static int run_top_k(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape = x->shape;
    int64_t k = op_attr_int(call->node, "k", 0), width;
    int n = 1;

    if (call->n_in == 2 && op_ints(call, 1, &k, 1, &n) != CREW_OK) {
        return call->err->code;
    }
    width = shape.rank > 0 ? shape.dim[shape.rank - 1] : -1;
    if (n != 1 || k < 0 || k > width || width > INT32_MAX ||
        !number_is(x->dtype)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "input must have at least k columns. Had %" PRId64
                       ", needed %" PRId64,
                       width, k);
    }
    shape.dim[shape.rank - 1] = k;
    if (value_new(&call->out[0], x->dtype, &shape, call->err) != CREW_OK ||
        value_new(&call->out[1], CREW_INT32, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->out[0].n; i++) {
        int64_t row = i / k * width;

        if (i % k == 0) {
            best_of_row(x, row, width, k, call->out[1].i32 + i);
        }
        move_copy(&call->out[0], i, x, row + call->out[1].i32[i], 1);
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------ Cumsum */

/* Along an axis; exclusive: without the element itself; reverse: from the end.
 */
static int run_cumsum(struct op_call *call)
{
    const struct value *x = &call->in[0];
    bool exclusive = op_attr_bool(call->node, "exclusive", false);
    bool reverse = op_attr_bool(call->node, "reverse", false);
    struct value *y = &call->out[0];
    int64_t inner, width;
    int axis = 0;

    if (!number_is(x->dtype)) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "Cumsum of dtype %d",
                       x->dtype);
    }
    if (move_axis(call, 1, x->shape.rank, &axis) != CREW_OK ||
        move_begin(call, x->dtype, &x->shape) != CREW_OK) {
        return call->err->code;
    }
    inner = move_span(&x->shape, axis + 1, x->shape.rank);
    width = x->shape.dim[axis];
    for (int64_t i = 0; i < x->n; i++) { /* element k of its line */
        int64_t k = i / inner % width;
        int64_t at = reverse ? i + (width - 1 - 2 * k) * inner : i;
        int64_t before = reverse ? at + inner : at - inner;
        bool number = number_is_float(x->dtype);
        double d = 0.0;
        int64_t v = 0;

        if (k > 0) { /* the sum so far, and what it lacks */
            int64_t last = exclusive ? before : at;

            d = number ? number_double(y, before) + number_double(x, last) : 0;
            v = number ? 0
                       : join_ints(SUM, number_int(y, before),
                                   number_int(x, last));
        } else if (!exclusive) {
            move_copy(y, at, x, at, 1);
            continue;
        }
        if (number) {
            number_put_double(y, at, d);
        } else {
            number_put_int(y, at, v);
        }
    }
    return CREW_OK;
}

const struct serving_op serving_ops_reduce[] = {
    {"Sum", run_sum, NULL, 2, 2},       {"Mean", run_mean, NULL, 2, 2},
    {"Max", run_max, NULL, 2, 2},       {"Min", run_min, NULL, 2, 2},
    {"Prod", run_prod, NULL, 2, 2},     {"All", run_all, NULL, 2, 2},
    {"Any", run_any, NULL, 2, 2},       {"ArgMax", run_argmax, NULL, 2, 2},
    {"ArgMin", run_argmin, NULL, 2, 2}, {"TopK", run_top_k, two, 1, 1},
    {"TopKV2", run_top_k, two, 2, 2},   {"Cumsum", run_cumsum, NULL, 2, 2},
    {NULL, NULL, NULL, 0, 0},
};
