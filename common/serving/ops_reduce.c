/* SPDX-License-Identifier: Apache-2.0
 * Reductions over axes, and what looks for the largest. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

enum reduction { SUM, MEAN, MAX, MIN, PROD, ALL, ANY };

static double get(const struct value *v, int64_t i)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            return (double)v->f32[i];
        case CREW_DOUBLE:
            return v->f64[i];
        case CREW_INT32:
            return v->i32[i];
        case CREW_INT64:
            return (double)v->i64[i];
        default:
            return v->u8[i];
    }
}

static void put(struct value *v, int64_t i, double x)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            v->f32[i] = (float)x;
            break;
        case CREW_DOUBLE:
            v->f64[i] = x;
            break;
        case CREW_INT32:
            v->i32[i] = (int32_t)x;
            break;
        case CREW_INT64:
            v->i64[i] = (int64_t)x;
            break;
        default:
            v->b[i] = x > 0.0 || x < 0.0;
    }
}

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
        case ALL:
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
        case ALL:
            return a * b;
        case ANY:
            return a > 0.0 || b > 0.0 ? 1.0 : 0.0;
        default:
            return a + b;
    }
}

/* Where element i of x goes. */
static int64_t place(const struct crew_shape *x, unsigned axes, int64_t i)
{
    int64_t at = 0, step = 1;

    for (int k = x->rank - 1; k >= 0; k--) {
        if ((axes >> k & 1u) == 0) {
            at += i % x->dim[k] * step;
            step *= x->dim[k];
        }
        i /= x->dim[k];
    }
    return at;
}

/* Integers above 2^53 would lose digits in a double. */
static bool is_exact(const struct value *x, enum reduction op)
{
    return x->dtype != CREW_INT64 || op == MAX || op == MIN || op == ALL ||
           op == ANY;
}

static void reduce_int64(struct value *y,
                         const struct value *x,
                         unsigned axes,
                         enum reduction op)
{
    for (int64_t i = 0; i < y->n; i++) {
        y->i64[i] = op == PROD ? 1 : 0;
    }
    for (int64_t i = 0; i < x->n; i++) {
        int64_t *to = &y->i64[place(&x->shape, axes, i)];
        uint64_t a = (uint64_t)*to, b = (uint64_t)x->i64[i];

        *to = (int64_t)(op == PROD ? a * b : a + b);
    }
    for (int64_t i = 0; op == MEAN && y->n > 0 && i < y->n; i++) {
        y->i64[i] /= x->n / y->n > 0 ? x->n / y->n : 1;
    }
}

static int reduce(struct op_call *call, enum reduction op)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape;
    unsigned axes = 0;
    void *sums = NULL;
    double *sum, share;

    if (x->dtype == CREW_STRING || x->dtype == SERVING_RESOURCE ||
        ((op == ALL || op == ANY) != (x->dtype == CREW_BOOL))) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "cannot reduce a tensor of dtype %d so", x->dtype);
    }
    if (read_axes(call, &axes, &shape) != CREW_OK ||
        value_new(&call->out[0], x->dtype, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (!is_exact(x, op)) {
        reduce_int64(&call->out[0], x, axes, op);
        return CREW_OK;
    }
    if (mem_try((size_t)call->out[0].n + 1, sizeof(double), "sums", &sums,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    sum = sums;
    for (int64_t i = 0; i < call->out[0].n; i++) {
        sum[i] = start_of(op);
    }
    for (int64_t i = 0; i < x->n; i++) {
        int64_t to = place(&x->shape, axes, i);

        sum[to] = join(op, sum[to], get(x, i));
    }
    share = call->out[0].n > 0 ? (double)x->n / (double)call->out[0].n : 1.0;
    for (int64_t i = 0; i < call->out[0].n; i++) {
        put(&call->out[0], i, op == MEAN ? sum[i] / share : sum[i]);
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

/* ----------------------------------------------------------- the largest ones
 */

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
    if (n != 1 || axis < 0 || axis >= x->shape.rank ||
        x->dtype == CREW_STRING || (to != CREW_INT64 && to != CREW_INT32)) {
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
            double a = get(x, from + k * inner),
                   b = get(x, from + best * inner);

            best = (max ? a > b : a < b) ? k : best;
        }
        put(&call->out[0], i, (double)best);
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

/* The k largest of each row, in order; of equal ones the first comes first. */
static int run_top_k(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape = x->shape;
    int64_t k = op_attr_int(call->node, "k", 0), width;
    int n = 1;

    if (call->n_in == 2 && op_ints(call, 1, &k, 1, &n) != CREW_OK) {
        return call->err->code;
    }
    width = shape.rank > 0 ? shape.dim[shape.rank - 1] : 0;
    if (n != 1 || k < 0 || k > width || x->dtype == CREW_STRING) {
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
        const int32_t *before = call->out[1].i32 + i / k * k;
        int64_t row = i / k * width, best = -1;

        for (int64_t c = 0; c < width; c++) {
            bool taken = false;

            for (int64_t j = 0; j < i % k; j++) {
                taken = taken || before[j] == c;
            }
            if (!taken && (best < 0 || get(x, row + c) > get(x, row + best))) {
                best = c;
            }
        }
        call->out[1].i32[i] = (int32_t)best;
        put(&call->out[0], i, get(x, row + best));
    }
    return CREW_OK;
}

const struct serving_op serving_ops_reduce[] = {
    {"Sum", run_sum, NULL, 2, 2},       {"Mean", run_mean, NULL, 2, 2},
    {"Max", run_max, NULL, 2, 2},       {"Min", run_min, NULL, 2, 2},
    {"Prod", run_prod, NULL, 2, 2},     {"All", run_all, NULL, 2, 2},
    {"Any", run_any, NULL, 2, 2},       {"ArgMax", run_argmax, NULL, 2, 2},
    {"ArgMin", run_argmin, NULL, 2, 2}, {"TopK", run_top_k, two, 1, 1},
    {"TopKV2", run_top_k, two, 2, 2},   {NULL, NULL, NULL, 0, 0},
};
