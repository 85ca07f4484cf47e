/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of every element, broadcast: numbers, comparisons, booleans; casts
 * and selections. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "serving/broadcast.h"
#include "serving/move.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* ----------------------------------------------------------- two operands */

static int want_number(struct op_call *call, int k)
{
    int dtype = call->in[k].dtype;

    return number_is(dtype)
               ? CREW_OK
               : op_fail(call, CREW_INVALID_ARGUMENT,
                         "input %d has dtype %d, which is no number", k, dtype);
}

/* Both operands of one number type, and the walk over them. */
static int begin_binary(struct op_call *call, struct broadcast *b)
{
    if (want_number(call, 0) != CREW_OK ||
        op_want_dtype(call, 1, call->in[0].dtype) != CREW_OK) {
        return call->err->code;
    }
    return broadcast_init(b, call, 0, 2);
}

enum arithmetic {
    ADD,
    SUB,
    MUL,
    DIV,
    DIV_NO_NAN,
    FLOOR_DIV,
    FLOOR_MOD,
    MAX,
    MIN,
    POW,
    SQD
};

static double of_doubles(enum arithmetic op, double a, double b)
{
    switch (op) {
        case ADD:
            return a + b;
        case SUB:
            return a - b;
        case MUL:
            return a * b;
        case DIV:
            return a / b;
        case DIV_NO_NAN:
            return b < 0.0 || b > 0.0 || isnan(b) ? a / b : 0.0;
        case FLOOR_DIV:
            return floor(a / b);
        case FLOOR_MOD:
            return a - b * floor(a / b);
        case MAX:
            return a > b || isnan(a) ? a : b;
        case MIN:
            return a < b || isnan(a) ? a : b;
        case POW:
            return pow(a, b);
        default:
            return (a - b) * (a - b);
    }
}

/* Towards minus infinity; b is not 0. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;

    return b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t power(int64_t a, int64_t b)
{
    uint64_t result = 1, base = (uint64_t)a;

    for (; b > 0; b >>= 1) {
        result *= (b & 1) != 0 ? base : 1;
        base *= base;
    }
    return (int64_t)result;
}

/* Overflow wraps, as it does there. */
static int64_t of_ints(enum arithmetic op, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (op) {
        case ADD:
            return (int64_t)(x + y);
        case SUB:
            return (int64_t)(x - y);
        case MUL:
            return (int64_t)(x * y);
        case DIV: /* truncates */
            return b == -1 ? (int64_t)(0 - x) : a / b;
        case FLOOR_DIV:
            return floor_div(a, b);
        case FLOOR_MOD:
            return b == -1 ? 0 : (int64_t)(x - y * (uint64_t)floor_div(a, b));
        case MAX:
            return a > b ? a : b;
        case MIN:
            return a < b ? a : b;
        case POW:
            return power(a, b);
        default:
            return (int64_t)((x - y) * (x - y));
    }
}

static int run_ints(struct op_call *call,
                    enum arithmetic op,
                    struct broadcast *b)
{
    const struct value *in = call->in;
    bool divides = op == DIV || op == FLOOR_DIV || op == FLOOR_MOD;

    for (int64_t i = 0; i < b->n; i++, broadcast_next(b)) {
        int64_t x = number_int(&in[0], b->at[0]),
                y = number_int(&in[1], b->at[1]);

        if (divides && y == 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Integer division by zero");
        }
        if (op == POW && y < 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Integers to negative integer powers are not "
                           "allowed");
        }
        number_put_int(&call->out[0], i, of_ints(op, x, y));
    }
    return CREW_OK;
}

static int arithmetic(struct op_call *call, enum arithmetic op)
{
    struct broadcast b;
    int dtype = call->in[0].dtype;

    if (begin_binary(call, &b) != CREW_OK ||
        value_new(&call->out[0], dtype, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (number_is_integer(dtype)) {
        return run_ints(call, op, &b);
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        number_put_double(&call->out[0], i,
                          of_doubles(op, number_double(&call->in[0], b.at[0]),
                                     number_double(&call->in[1], b.at[1])));
    }
    return CREW_OK;
}

#define ARITHMETIC(name, op)                    \
    static int run_##name(struct op_call *call) \
    {                                           \
        return arithmetic(call, op);            \
    }
ARITHMETIC(add, ADD)
ARITHMETIC(sub, SUB)
ARITHMETIC(mul, MUL)
ARITHMETIC(div, DIV)
ARITHMETIC(div_no_nan_of_any, DIV_NO_NAN)
ARITHMETIC(floor_div, FLOOR_DIV)
ARITHMETIC(floor_mod, FLOOR_MOD)
ARITHMETIC(maximum, MAX)
ARITHMETIC(minimum, MIN)
ARITHMETIC(pow, POW)
ARITHMETIC(squared_difference, SQD)

static int run_div_no_nan(struct op_call *call)
{
    if (!number_is_float(call->in[0].dtype)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "input 0 has dtype %d, must be float or double",
                       call->in[0].dtype);
    }
    return run_div_no_nan_of_any(call);
}

/* -------------------------------------------------------------- comparisons */

enum comparison { EQ, NE, LT, LE, GT, GE };

static int order_of_strings(struct value_string a, struct value_string b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.data, b.data, n) : 0;

    return c < 0 ? -1 : c > 0 ? 1 : a.n < b.n ? -1 : a.n > b.n ? 1 : 0;
}

/* -1, 0, 1; 2: not comparable (NaN). */
static int order(const struct value *a,
                 int64_t i,
                 const struct value *b,
                 int64_t j)
{
    if (a->dtype == CREW_STRING) {
        return order_of_strings(a->str[i], b->str[j]);
    }
    if (a->dtype == CREW_INT64) {
        return a->i64[i] < b->i64[j] ? -1 : a->i64[i] > b->i64[j] ? 1 : 0;
    }
    double x = number_double(a, i), y = number_double(b, j);

    return isnan(x) || isnan(y) ? 2 : x < y ? -1 : x > y ? 1 : 0;
}

static bool holds(enum comparison op, int order)
{
    switch (op) {
        case EQ:
            return order == 0;
        case NE:
            return order != 0;
        case LT:
            return order < 0;
        case LE:
            return order <= 0;
        case GT:
            return order == 1;
        default:
            return order == 0 || order == 1;
    }
}

/* Equal and NotEqual may be told not to mind shapes that do not fit. */
static int compare_shapes(struct op_call *call, enum comparison op)
{
    struct crew_shape scalar = crew_scalar_shape();

    if ((op != EQ && op != NE) ||
        op_attr_bool(call->node, "incompatible_shape_error", true)) {
        return call->err->code;
    }
    *call->err = (struct crew_err){0};
    if (value_new(&call->out[0], CREW_BOOL, &scalar, call->err) == CREW_OK) {
        call->out[0].b[0] = op == NE;
    }
    return call->err->code;
}

static int compare(struct op_call *call, enum comparison op)
{
    const struct value *in = call->in;
    struct broadcast b;

    if (op_want_dtype(call, 1, in[0].dtype) != CREW_OK) {
        return call->err->code;
    }
    if (in[0].dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "resources do not compare");
    }
    if (broadcast_init(&b, call, 0, 2) != CREW_OK) {
        return compare_shapes(call, op);
    }
    if (value_new(&call->out[0], CREW_BOOL, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        call->out[0].b[i] = holds(op, order(&in[0], b.at[0], &in[1], b.at[1]));
    }
    return CREW_OK;
}

#define COMPARISON(name, op)                    \
    static int run_##name(struct op_call *call) \
    {                                           \
        return compare(call, op);               \
    }
COMPARISON(equal, EQ)
COMPARISON(not_equal, NE)
COMPARISON(less, LT)
COMPARISON(less_equal, LE)
COMPARISON(greater, GT)
COMPARISON(greater_equal, GE)

static int logical(struct op_call *call, bool both)
{
    struct broadcast b;

    if (op_want_dtype(call, 0, CREW_BOOL) != CREW_OK ||
        op_want_dtype(call, 1, CREW_BOOL) != CREW_OK ||
        broadcast_init(&b, call, 0, 2) != CREW_OK ||
        value_new(&call->out[0], CREW_BOOL, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        bool x = call->in[0].b[b.at[0]], y = call->in[1].b[b.at[1]];

        call->out[0].b[i] = both ? x && y : x || y;
    }
    return CREW_OK;
}

static int run_and(struct op_call *call)
{
    return logical(call, true);
}

static int run_or(struct op_call *call)
{
    return logical(call, false);
}

static int run_not(struct op_call *call)
{
    if (op_want_dtype(call, 0, CREW_BOOL) != CREW_OK ||
        value_new(&call->out[0], CREW_BOOL, &call->in[0].shape, call->err) !=
            CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->in[0].n; i++) {
        call->out[0].b[i] = !call->in[0].b[i];
    }
    return CREW_OK;
}

/* ------------------------------------------------------------- one operand */

/* `g` is of integers; NULL: the op has none of them. */
static int unary(struct op_call *call,
                 double (*f)(double),
                 int64_t (*g)(int64_t))
{
    const struct value *x = &call->in[0];

    if (!number_is_float(x->dtype) &&
        (g == NULL || !number_is_integer(x->dtype))) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "the op is not defined for dtype %d", x->dtype);
    }
    if (value_new(&call->out[0], x->dtype, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        if (number_is_integer(x->dtype)) {
            number_put_int(&call->out[0], i, g(number_int(x, i)));
        } else {
            number_put_double(&call->out[0], i, f(number_double(x, i)));
        }
    }
    return CREW_OK;
}

static int64_t g_neg(int64_t x)
{
    return (int64_t)(0 - (uint64_t)x);
}
static int64_t g_abs(int64_t x)
{
    return x < 0 ? g_neg(x) : x;
}
static int64_t g_square(int64_t x)
{
    return (int64_t)((uint64_t)x * (uint64_t)x);
}
static int64_t g_sign(int64_t x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}
static int64_t g_relu(int64_t x)
{
    return x > 0 ? x : 0;
}
static int64_t g_relu6(int64_t x)
{
    return x > 6 ? 6 : g_relu(x);
}
static int64_t g_same(int64_t x)
{
    return x;
}

static double f_neg(double x)
{
    return -x;
}
static double f_rsqrt(double x)
{
    return 1.0 / sqrt(x);
}
static double f_square(double x)
{
    return x * x;
}
static double f_reciprocal(double x)
{
    return 1.0 / x;
}
static double f_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}
static double f_sign(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
}
static double f_softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}
static double f_softsign(double x)
{
    return x / (1.0 + fabs(x));
}
static double f_relu(double x)
{
    return x > 0.0 || isnan(x) ? x : 0.0;
}
static double f_relu6(double x)
{
    return isnan(x) ? x : fmin(fmax(x, 0.0), 6.0);
}
static double f_elu(double x)
{
    return x < 0.0 ? expm1(x) : x;
}
static double f_selu(double x)
{
    const double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;

    return x < 0.0 ? scale * alpha * expm1(x) : scale * x;
}

#define UNARY(name, f, g)                       \
    static int run_##name(struct op_call *call) \
    {                                           \
        return unary(call, f, g);               \
    }
UNARY(neg, f_neg, g_neg)
UNARY(abs, fabs, g_abs)
UNARY(exp, exp, NULL)
UNARY(expm1, expm1, NULL)
UNARY(log, log, NULL)
UNARY(log1p, log1p, NULL)
UNARY(sqrt, sqrt, NULL)
UNARY(rsqrt, f_rsqrt, NULL)
UNARY(square, f_square, g_square)
UNARY(reciprocal, f_reciprocal, NULL)
UNARY(sigmoid, f_sigmoid, NULL)
UNARY(tanh, tanh, NULL)
UNARY(floor, floor, NULL)
UNARY(ceil, ceil, NULL)
UNARY(rint, rint, g_same)
UNARY(sign, f_sign, g_sign)
UNARY(erf, erf, NULL)
UNARY(softplus, f_softplus, NULL)
UNARY(softsign, f_softsign, NULL)
UNARY(relu6, f_relu6, g_relu6)
UNARY(elu, f_elu, NULL)
UNARY(selu, f_selu, NULL)

/* The one that stands behind most matrices: without a call an element. */
static int run_relu(struct op_call *call)
{
    const struct value *x = &call->in[0];

    if (x->dtype != CREW_FLOAT) {
        return unary(call, f_relu, g_relu);
    }
    if (value_new(&call->out[0], CREW_FLOAT, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        call->out[0].f32[i] = x->f32[i] <= 0.0f ? 0.0f : x->f32[i];
    }
    return CREW_OK;
}

static int run_leaky_relu(struct op_call *call)
{
    double alpha = (double)op_attr_float(call->node, "alpha", 0.2f);
    const struct value *x = &call->in[0];

    if (op_want_dtype(call, 0, CREW_FLOAT) != CREW_OK ||
        value_new(&call->out[0], CREW_FLOAT, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        double v = (double)x->f32[i];

        call->out[0].f32[i] = (float)(v > 0.0 ? v : alpha * v);
    }
    return CREW_OK;
}

/* ----------------------------------------------------------- many operands */

static int run_add_n(struct op_call *call)
{
    const struct value *in = call->in;

    if (want_number(call, 0) != CREW_OK ||
        value_new(&call->out[0], in[0].dtype, &in[0].shape, call->err) !=
            CREW_OK) {
        return call->err->code;
    }
    for (int k = 0; k < call->n_in; k++) {
        if (op_want_dtype(call, k, in[0].dtype) != CREW_OK) {
            return call->err->code;
        }
        if (!shape_equal(&in[k].shape, &in[0].shape)) {
            char a[160], b[160];

            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Inputs to operation of type AddN must have the "
                           "same size and shape.  Input 0: %s != input %d: %s",
                           tf_shape_text(&in[0].shape, a, sizeof a), k,
                           tf_shape_text(&in[k].shape, b, sizeof b));
        }
        for (int64_t i = 0; i < in[0].n; i++) {
            if (number_is_integer(in[0].dtype)) {
                number_put_int(&call->out[0], i,
                               of_ints(ADD, number_int(&call->out[0], i),
                                       number_int(&in[k], i)));
            } else {
                number_put_double(
                    &call->out[0], i,
                    number_double(&call->out[0], i) + number_double(&in[k], i));
            }
        }
    }
    return CREW_OK;
}

/* x, least, most: the last two scalars or of x's shape. */
static int run_clip(struct op_call *call)
{
    const struct value *in = call->in;
    struct broadcast b;

    if (want_number(call, 0) != CREW_OK ||
        op_want_dtype(call, 1, in[0].dtype) != CREW_OK ||
        op_want_dtype(call, 2, in[0].dtype) != CREW_OK ||
        broadcast_init(&b, call, 0, 3) != CREW_OK) {
        return call->err->code;
    }
    if (!shape_equal(&b.shape, &in[0].shape)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "clip_value_min and clip_value_max must be either of "
                       "the same shape as input, or a scalar.");
    }
    if (value_new(&call->out[0], in[0].dtype, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        if (number_is_integer(in[0].dtype)) {
            int64_t v = number_int(&in[0], i);

            v = of_ints(MAX, v, number_int(&in[1], b.at[1]));
            number_put_int(&call->out[0], i,
                           of_ints(MIN, v, number_int(&in[2], b.at[2])));
        } else {
            double v = number_double(&in[0], i);

            v = of_doubles(MAX, v, number_double(&in[1], b.at[1]));
            number_put_double(
                &call->out[0], i,
                of_doubles(MIN, v, number_double(&in[2], b.at[2])));
        }
    }
    return CREW_OK;
}

/* -------------------------------------------------------------------- Cast */

static void cast_one(const struct value *x, struct value *y, int64_t i)
{
    switch (y->dtype) {
        case CREW_BOOL:
            y->b[i] = number_is_integer(x->dtype)
                          ? number_int(x, i) != 0
                          : !(number_double(x, i) >= 0.0 &&
                              number_double(x, i) <= 0.0);
            break;
        case CREW_FLOAT:
        case CREW_DOUBLE:
            number_put_double(y, i, number_double(x, i));
            break;
        default:
            number_put_int(y, i,
                           number_is_float(x->dtype)
                               ? number_truncated(number_double(x, i), y->dtype)
                               : number_int(x, i));
    }
}

static int run_cast(struct op_call *call)
{
    int to = op_attr_type(call->node, "DstT", 0);
    const struct value *x = &call->in[0];

    if (x->dtype != CREW_BOOL && want_number(call, 0) != CREW_OK) {
        return call->err->code;
    }
    if (!number_is(to) && to != CREW_BOOL) {
        return op_fail(call, CREW_UNIMPLEMENTED, "Cast to dtype %d", to);
    }
    if (to == x->dtype) {
        value_share(&call->out[0], x, &x->shape);
        return CREW_OK;
    }
    if (value_new(&call->out[0], to, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        cast_one(x, &call->out[0], i);
    }
    return CREW_OK;
}

/* -------------------------------------------------------------- selections */

static int run_select_v2(struct op_call *call)
{
    const struct value *in = call->in;
    struct broadcast b;

    if (op_want_dtype(call, 0, CREW_BOOL) != CREW_OK ||
        op_want_dtype(call, 2, in[1].dtype) != CREW_OK ||
        broadcast_init(&b, call, 0, 3) != CREW_OK ||
        value_new(&call->out[0], in[1].dtype, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        bool first = in[0].b[b.at[0]];

        move_copy(&call->out[0], i, first ? &in[1] : &in[2],
                  first ? b.at[1] : b.at[2], 1);
    }
    return move_finish(call, &call->out[0]);
}

/* The condition has the shape of the others, or is a vector over their rows. */
static int run_select(struct op_call *call)
{
    const struct value *c = &call->in[0], *t = &call->in[1], *e = &call->in[2];
    bool rows = c->shape.rank == 1 && t->shape.rank > 1 &&
                c->shape.dim[0] == t->shape.dim[0];
    int64_t width;

    if (op_want_dtype(call, 0, CREW_BOOL) != CREW_OK ||
        op_want_dtype(call, 2, t->dtype) != CREW_OK) {
        return call->err->code;
    }
    if (!shape_equal(&t->shape, &e->shape) ||
        (!rows && c->shape.rank != 0 && !shape_equal(&c->shape, &t->shape))) {
        char a[160], b[160];

        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "'then' and 'else' must have the same size, and "
                       "'condition' fit them: %s, %s",
                       tf_shape_text(&t->shape, a, sizeof a),
                       tf_shape_text(&e->shape, b, sizeof b));
    }
    if (value_new(&call->out[0], t->dtype, &t->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    width = c->n > 0 ? t->n / c->n : 1;
    for (int64_t i = 0; i < t->n; i++) {
        move_copy(&call->out[0], i, c->b[i / width] ? t : e, i, 1);
    }
    return move_finish(call, &call->out[0]);
}

const struct serving_op serving_ops_math[] = {
    {"Add", run_add, NULL, 2, 2},
    {"AddV2", run_add, NULL, 2, 2},
    {"Sub", run_sub, NULL, 2, 2},
    {"Mul", run_mul, NULL, 2, 2},
    {"RealDiv", run_div, NULL, 2, 2},
    {"DivNoNan", run_div_no_nan, NULL, 2, 2},
    {"Div", run_div, NULL, 2, 2},
    {"FloorDiv", run_floor_div, NULL, 2, 2},
    {"FloorMod", run_floor_mod, NULL, 2, 2},
    {"Maximum", run_maximum, NULL, 2, 2},
    {"Minimum", run_minimum, NULL, 2, 2},
    {"Pow", run_pow, NULL, 2, 2},
    {"SquaredDifference", run_squared_difference, NULL, 2, 2},
    {"Equal", run_equal, NULL, 2, 2},
    {"NotEqual", run_not_equal, NULL, 2, 2},
    {"Less", run_less, NULL, 2, 2},
    {"LessEqual", run_less_equal, NULL, 2, 2},
    {"Greater", run_greater, NULL, 2, 2},
    {"GreaterEqual", run_greater_equal, NULL, 2, 2},
    {"LogicalAnd", run_and, NULL, 2, 2},
    {"LogicalOr", run_or, NULL, 2, 2},
    {"LogicalNot", run_not, NULL, 1, 1},
    {"Neg", run_neg, NULL, 1, 1},
    {"Abs", run_abs, NULL, 1, 1},
    {"Exp", run_exp, NULL, 1, 1},
    {"Expm1", run_expm1, NULL, 1, 1},
    {"Log", run_log, NULL, 1, 1},
    {"Log1p", run_log1p, NULL, 1, 1},
    {"Sqrt", run_sqrt, NULL, 1, 1},
    {"Rsqrt", run_rsqrt, NULL, 1, 1},
    {"Square", run_square, NULL, 1, 1},
    {"Reciprocal", run_reciprocal, NULL, 1, 1},
    {"Inv", run_reciprocal, NULL, 1, 1},
    {"Sigmoid", run_sigmoid, NULL, 1, 1},
    {"Tanh", run_tanh, NULL, 1, 1},
    {"Floor", run_floor, NULL, 1, 1},
    {"Ceil", run_ceil, NULL, 1, 1},
    {"Round", run_rint, NULL, 1, 1},
    {"Rint", run_rint, NULL, 1, 1},
    {"Sign", run_sign, NULL, 1, 1},
    {"Erf", run_erf, NULL, 1, 1},
    {"Softplus", run_softplus, NULL, 1, 1},
    {"Softsign", run_softsign, NULL, 1, 1},
    {"Relu", run_relu, NULL, 1, 1},
    {"Relu6", run_relu6, NULL, 1, 1},
    {"Elu", run_elu, NULL, 1, 1},
    {"Selu", run_selu, NULL, 1, 1},
    {"LeakyRelu", run_leaky_relu, NULL, 1, 1},
    {"AddN", run_add_n, NULL, 1, -1},
    {"ClipByValue", run_clip, NULL, 3, 3},
    {"Cast", run_cast, NULL, 1, 1},
    {"Select", run_select, NULL, 3, 3},
    {"SelectV2", run_select_v2, NULL, 3, 3},
    {NULL, NULL, NULL, 0, 0},
};
