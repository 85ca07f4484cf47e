/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of every element, broadcast: numbers, comparisons, booleans; casts
 * and selections. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

/* --------------------------------------------------------- numbers of a value
 */

static bool is_integer(int dtype)
{
    return dtype == CREW_INT32 || dtype == CREW_INT64 || dtype == CREW_UINT8 ||
           dtype == SERVING_INT8;
}

static double get_double(const struct value *v, int64_t i)
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
        case SERVING_INT8:
            return ((const int8_t *)v->data)[i];
        default: /* uint8, bool */
            return v->u8[i];
    }
}

static int64_t get_int(const struct value *v, int64_t i)
{
    return v->dtype == CREW_INT64 ? v->i64[i] : (int64_t)get_double(v, i);
}

static void put_int(struct value *v, int64_t i, int64_t x)
{
    switch (v->dtype) {
        case CREW_INT32:
            v->i32[i] = (int32_t)x;
            break;
        case CREW_INT64:
            v->i64[i] = x;
            break;
        default:
            v->u8[i] = (uint8_t)x;
    }
}

static void put_double(struct value *v, int64_t i, double x)
{
    if (v->dtype == CREW_FLOAT) {
        v->f32[i] = (float)x;
    } else {
        v->f64[i] = x;
    }
}

static int want_number(struct op_call *call, int k)
{
    int dtype = call->in[k].dtype;

    return is_integer(dtype) || dtype == CREW_FLOAT || dtype == CREW_DOUBLE
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

/* ------------------------------------------------------------ two operands */

enum arithmetic {
    ADD,
    SUB,
    MUL,
    DIV,
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
        int64_t x = get_int(&in[0], b->at[0]), y = get_int(&in[1], b->at[1]);

        if (divides && y == 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Integer division by zero");
        }
        if (op == POW && y < 0) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Integers to negative integer powers are not "
                           "allowed");
        }
        put_int(&call->out[0], i, of_ints(op, x, y));
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
    if (is_integer(dtype)) {
        return run_ints(call, op, &b);
    }
    for (int64_t i = 0; i < b.n; i++, broadcast_next(&b)) {
        put_double(&call->out[0], i,
                   of_doubles(op, get_double(&call->in[0], b.at[0]),
                              get_double(&call->in[1], b.at[1])));
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
ARITHMETIC(floor_div, FLOOR_DIV)
ARITHMETIC(floor_mod, FLOOR_MOD)
ARITHMETIC(maximum, MAX)
ARITHMETIC(minimum, MIN)
ARITHMETIC(pow, POW)
ARITHMETIC(squared_difference, SQD)

/* -------------------------------------------------------------- comparisons */

enum comparison { EQ, NE, LT, LE, GT, GE };

static int order_of_strings(struct value_string a, struct value_string b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.data, b.data, n) : 0;

    return c != 0 ? c : a.n < b.n ? -1 : a.n > b.n ? 1 : 0;
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
    double x = get_double(a, i), y = get_double(b, j);

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
            return order == 1 || (order > 0 && order != 2);
        default:
            return order == 0 || order == 1 || (order > 0 && order != 2);
    }
}

static int compare(struct op_call *call, enum comparison op)
{
    const struct value *in = call->in;
    struct broadcast b;

    if (op_want_dtype(call, 1, in[0].dtype) != CREW_OK ||
        broadcast_init(&b, call, 0, 2) != CREW_OK ||
        value_new(&call->out[0], CREW_BOOL, &b.shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (in[0].dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "resources do not compare");
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

/* --------------------------------------------------------------- one operand
 */

static int unary(struct op_call *call, double (*f)(double))
{
    const struct value *x = &call->in[0];

    if (want_number(call, 0) != CREW_OK ||
        value_new(&call->out[0], x->dtype, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        if (is_integer(x->dtype)) {
            put_int(&call->out[0], i, (int64_t)f((double)get_int(x, i)));
        } else {
            put_double(&call->out[0], i, f(get_double(x, i)));
        }
    }
    return CREW_OK;
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

#define UNARY(name, f)                          \
    static int run_##name(struct op_call *call) \
    {                                           \
        return unary(call, f);                  \
    }
UNARY(neg, f_neg)
UNARY(abs, fabs)
UNARY(exp, exp)
UNARY(expm1, expm1)
UNARY(log, log)
UNARY(log1p, log1p)
UNARY(sqrt, sqrt)
UNARY(rsqrt, f_rsqrt)
UNARY(square, f_square)
UNARY(reciprocal, f_reciprocal)
UNARY(sigmoid, f_sigmoid)
UNARY(tanh, tanh)
UNARY(floor, floor)
UNARY(ceil, ceil)
UNARY(rint, rint)
UNARY(sign, f_sign)
UNARY(erf, erf)
UNARY(softplus, f_softplus)
UNARY(softsign, f_softsign)
UNARY(relu, f_relu)
UNARY(relu6, f_relu6)
UNARY(elu, f_elu)
UNARY(selu, f_selu)

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

/* --------------------------------------------------------------- many operands
 */

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
            if (is_integer(in[0].dtype)) {
                put_int(&call->out[0], i,
                        of_ints(ADD, get_int(&call->out[0], i),
                                get_int(&in[k], i)));
            } else {
                put_double(
                    &call->out[0], i,
                    get_double(&call->out[0], i) + get_double(&in[k], i));
            }
        }
    }
    return CREW_OK;
}

/* -------------------------------------------------------------------- Cast */

static void cast_one(const struct value *x, struct value *y, int64_t i)
{
    switch (y->dtype) {
        case CREW_BOOL:
            y->b[i] = is_integer(x->dtype) ? get_int(x, i) != 0
                                           : !(get_double(x, i) >= 0.0 &&
                                               get_double(x, i) <= 0.0);
            break;
        case CREW_FLOAT:
        case CREW_DOUBLE:
            put_double(y, i, get_double(x, i));
            break;
        default:
            if (is_integer(x->dtype) || x->dtype == CREW_BOOL) {
                put_int(y, i, get_int(x, i));
            } else { /* what does not fit is undefined there; 0 here */
                double v = trunc(get_double(x, i));
                bool fits = v >= -9.2e18 && v <= 9.2e18;

                put_int(y, i, fits ? (int64_t)v : 0);
            }
    }
}

static int run_cast(struct op_call *call)
{
    int to = op_attr_type(call->node, "DstT", 0);
    const struct value *x = &call->in[0];

    if (x->dtype != CREW_BOOL && want_number(call, 0) != CREW_OK) {
        return call->err->code;
    }
    if (!is_integer(to) && to != CREW_FLOAT && to != CREW_DOUBLE &&
        to != CREW_BOOL) {
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

/* Element j of `from` to place i of `to`, both of one dtype. */
static void copy_element(struct value *to,
                         int64_t i,
                         const struct value *from,
                         int64_t j)
{
    size_t size = value_element_size(to->dtype);

    memcpy((char *)to->data + (size_t)i * size,
           (const char *)from->data + (size_t)j * size, size);
}

/* Strings are chosen as pointers, then copied into memory of their own. */
static int own_strings(struct op_call *call, struct value *chosen)
{
    struct value copy;
    int code = value_new_strings(&copy, &chosen->shape, chosen->str, call->err);

    value_release(chosen);
    if (code == CREW_OK) {
        *chosen = copy;
    }
    return code;
}

static int finish_choice(struct op_call *call)
{
    struct value *y = &call->out[0];

    return y->dtype == CREW_STRING && y->n > 0 ? own_strings(call, y) : CREW_OK;
}

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

        copy_element(&call->out[0], i, first ? &in[1] : &in[2],
                     first ? b.at[1] : b.at[2]);
    }
    return finish_choice(call);
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
        copy_element(&call->out[0], i, c->b[i / width] ? t : e, i);
    }
    return finish_choice(call);
}

const struct serving_op serving_ops_math[] = {
    {"Add", run_add, NULL, 2, 2},
    {"AddV2", run_add, NULL, 2, 2},
    {"Sub", run_sub, NULL, 2, 2},
    {"Mul", run_mul, NULL, 2, 2},
    {"RealDiv", run_div, NULL, 2, 2},
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
    {"Cast", run_cast, NULL, 1, 1},
    {"Select", run_select, NULL, 3, 3},
    {"SelectV2", run_select_v2, NULL, 3, 3},
    {NULL, NULL, NULL, 0, 0},
};
