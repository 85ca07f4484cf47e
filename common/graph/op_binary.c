/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic of two operands, broadcast as NumPy does: shapes are aligned at
 * their ends, and a dimension of 1 is repeated. */
#include <string.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

/* ------------------------------------------------------------------- shapes */

/* Dimension i, counted from the end, of a shape; 1 beyond its front. */
static int64_t dim_from_end(const struct crew_shape *s, int i)
{
    return i < s->rank ? s->dim[s->rank - 1 - i] : 1;
}

static void infer(struct crew_node *n)
{
    const struct crew_shape *a = &n->in[0]->shape, *b = &n->in[1]->shape;
    struct crew_shape out = {.rank = a->rank > b->rank ? a->rank : b->rank};
    char ta[128], tb[128];

    if (!op_operands_are_float(n)) {
        return;
    }
    for (int i = 0; i < out.rank; i++) {
        int64_t x = dim_from_end(a, i), y = dim_from_end(b, i);

        if (x != y && x != 1 && y != 1) {
            (void)graph_fail(n->graph, "%s: Incompatible shapes: %s vs. %s",
                             n->name, shape_text(a, ta, sizeof ta),
                             shape_text(b, tb, sizeof tb));
            return;
        }
        out.dim[out.rank - 1 - i] = x == 1 ? y : x;
    }
    n->dtype = CREW_FLOAT;
    n->shape = out;
}

/* How to walk over the result: its dimensions, and how far each operand moves
 * by one in each of them (0 where it is repeated). */
struct walk {
    int rank;
    int64_t dim[CREW_MAX_RANK], step[2][CREW_MAX_RANK];
    int64_t count;
};

static struct walk walk_of(const struct crew_node *n, int64_t batch)
{
    struct walk w = {.rank = n->shape.rank, .count = node_count(n, batch)};

    for (int i = 0; i < w.rank; i++) {
        w.dim[i] = n->shape.dim[i] < 0 ? batch : n->shape.dim[i];
    }
    for (int k = 0; k < 2; k++) {
        int64_t step = 1;

        for (int i = 0; i < w.rank; i++) {
            int64_t d = dim_from_end(&n->in[k]->shape, i);
            int at = w.rank - 1 - i;

            d = d < 0 ? batch : d;
            w.step[k][at] = d == 1 && w.dim[at] != 1 ? 0 : step;
            step *= d;
        }
    }
    return w;
}

/* Where the operands stand at row `row` of the innermost dimension. */
static void rows_at(const struct walk *w, int64_t row, int64_t at[2])
{
    at[0] = at[1] = 0;
    for (int i = w->rank - 2; i >= 0; i--) {
        int64_t digit = row % w->dim[i];

        row /= w->dim[i];
        at[0] += digit * w->step[0][i];
        at[1] += digit * w->step[1][i];
    }
}

/* ---------------------------------------------------------------- the rows */

enum kind { ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM };

static float apply(enum kind kind, float a, float b)
{
    switch (kind) {
        case ADD:
            return a + b;
        case SUB:
            return a - b;
        case MUL:
            return a * b;
        case DIV:
            return a / b;
        case MAXIMUM:
            return a >= b ? a : b;
        default:
            return a <= b ? a : b;
    }
}

/* d result / d operand k. Of equal operands a takes all, as in TensorFlow. */
static float slope(enum kind kind, int k, float a, float b)
{
    switch (kind) {
        case ADD:
            return 1.0f;
        case SUB:
            return k == 0 ? 1.0f : -1.0f;
        case MUL:
            return k == 0 ? b : a;
        case DIV:
            return k == 0 ? 1.0f / b : -a / b / b;
        case MAXIMUM:
            return (a >= b) == (k == 0) ? 1.0f : 0.0f;
        default:
            return (a <= b) == (k == 0) ? 1.0f : 0.0f;
    }
}

static void forward(const struct crew_node *n, struct run *r, enum kind kind)
{
    struct walk w = walk_of(n, r->batch);
    int64_t width = w.rank > 0 ? w.dim[w.rank - 1] : 1;
    int64_t sa = w.rank > 0 ? w.step[0][w.rank - 1] : 0;
    int64_t sb = w.rank > 0 ? w.step[1][w.rank - 1] : 0;
    const float *a = run_in(r, n, 0), *b = run_in(r, n, 1);
    float *y = run_out(r, n);

    for (int64_t row = 0; width > 0 && row < w.count / width; row++) {
        int64_t at[2];

        rows_at(&w, row, at);
        for (int64_t i = 0; i < width; i++) {
            *y++ = apply(kind, a[at[0] + i * sa], b[at[1] + i * sb]);
        }
    }
}

static void backward_to(const struct crew_node *n,
                        struct run *r,
                        enum kind kind,
                        int k)
{
    struct walk w = walk_of(n, r->batch);
    int64_t width = w.rank > 0 ? w.dim[w.rank - 1] : 1;
    int64_t sa = w.rank > 0 ? w.step[0][w.rank - 1] : 0;
    int64_t sb = w.rank > 0 ? w.step[1][w.rank - 1] : 0;
    const float *a = run_in(r, n, 0), *b = run_in(r, n, 1);
    const float *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, k);

    for (int64_t row = 0; dx != NULL && width > 0 && row < w.count / width;
         row++) {
        int64_t at[2];

        rows_at(&w, row, at);
        for (int64_t i = 0; i < width; i++) {
            float g = slope(kind, k, a[at[0] + i * sa], b[at[1] + i * sb]);

            dx[k == 0 ? at[0] + i * sa : at[1] + i * sb] += *dy++ * g;
        }
    }
}

static void emit(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, n->op->tf_name);
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, n->in[1]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

/* Sums and products of one shape are what layers are made of: those have
 * kernels of their own. */
static bool one_shape(const struct crew_node *n)
{
    return shape_equal(&n->in[0]->shape, &n->in[1]->shape);
}

static void forward_add(const struct crew_node *n, struct run *r)
{
    if (one_shape(n)) {
        k_add(node_count(n, r->batch), run_in(r, n, 0), run_in(r, n, 1),
              run_out(r, n));
    } else {
        forward(n, r, ADD);
    }
}

static void backward_add(const struct crew_node *n, struct run *r)
{
    for (int k = 1; k >= 0; k--) {
        if (one_shape(n)) {
            op_pass_gradient(n, r, k);
        } else {
            backward_to(n, r, ADD, k);
        }
    }
}

const struct op_def op_add = {
    .tf_name = "AddV2",
    .infer = infer,
    .forward = forward_add,
    .backward = backward_add,
    .emit = emit,
};

static void forward_mul(const struct crew_node *n, struct run *r)
{
    if (one_shape(n)) {
        k_mul(node_count(n, r->batch), run_in(r, n, 0), run_in(r, n, 1),
              run_out(r, n));
    } else {
        forward(n, r, MUL);
    }
}

static void backward_mul(const struct crew_node *n, struct run *r)
{
    for (int k = 0; k < 2; k++) {
        if (!one_shape(n)) {
            backward_to(n, r, MUL, k);
            continue;
        }
        float *dx = run_d_in_zeroed(r, n, k);

        if (dx != NULL) {
            k_mul_acc(node_count(n, r->batch), run_d_out(r, n),
                      run_in(r, n, 1 - k), dx);
        }
    }
}

const struct op_def op_mul = {
    .tf_name = "Mul",
    .flags = OP_NEEDS_INPUT,
    .infer = infer,
    .forward = forward_mul,
    .backward = backward_mul,
    .emit = emit,
};

#define BINARY_OP(symbol, tf, kind)                                         \
    static void forward_##symbol(const struct crew_node *n, struct run *r)  \
    {                                                                       \
        forward(n, r, kind);                                                \
    }                                                                       \
    static void backward_##symbol(const struct crew_node *n, struct run *r) \
    {                                                                       \
        backward_to(n, r, kind, 0);                                         \
        backward_to(n, r, kind, 1);                                         \
    }                                                                       \
    const struct op_def symbol = {                                          \
        .tf_name = (tf),                                                    \
        .flags = OP_NEEDS_INPUT,                                            \
        .infer = infer,                                                     \
        .forward = forward_##symbol,                                        \
        .backward = backward_##symbol,                                      \
        .emit = emit,                                                       \
    };
BINARY_OP(op_sub, "Sub", SUB)
BINARY_OP(op_div, "RealDiv", DIV)
BINARY_OP(op_maximum, "Maximum", MAXIMUM)
BINARY_OP(op_minimum, "Minimum", MINIMUM)
