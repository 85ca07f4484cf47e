/* SPDX-License-Identifier: Apache-2.0
 * Ops of linear algebra and arithmetic. */
#include <stdio.h>
#include <string.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

/* "(?, 784)" of a node, for messages. */
static const char *text(const struct crew_node *n, char buf[128])
{
    return shape_text(&n->shape, buf, 128);
}

/* ------------------------------------------------------------------ MatMul */

static void infer_matmul(struct crew_node *n)
{
    const struct crew_shape *a = &n->in[0]->shape, *b = &n->in[1]->shape;
    char ta[128], tb[128];

    if (!op_operands_are_float(n)) {
        return;
    }
    if (a->rank != 2 || b->rank != 2 || a->dim[1] != b->dim[0] ||
        b->dim[0] < 0) {
        (void)graph_fail(n->graph, "%s: cannot multiply %s by %s", n->name,
                         text(n->in[0], ta), text(n->in[1], tb));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape2(a->dim[0], b->dim[1]);
}

static int64_t rows_of(const struct crew_node *n, int64_t batch)
{
    return n->shape.dim[0] < 0 ? batch : n->shape.dim[0];
}

static void forward_matmul(const struct crew_node *n, struct run *r)
{
    k_matmul(false, false, rows_of(n->in[0], r->batch), n->shape.dim[1],
             n->in[1]->shape.dim[0], run_in(r, n, 0), run_in(r, n, 1), false,
             run_out(r, n));
}

static void backward_matmul(const struct crew_node *n, struct run *r)
{
    int64_t m = rows_of(n->in[0], r->batch), cols = n->shape.dim[1];
    int64_t k = n->in[1]->shape.dim[0];
    const float *dy = run_d_out(r, n);
    struct grad db = run_d_in(r, n, 1);
    struct grad da = run_d_in(r, n, 0);

    if (db.data != NULL) {
        k_matmul(true, false, k, cols, m, run_in(r, n, 0), dy, db.add, db.data);
    }
    if (da.data != NULL) {
        k_matmul(false, true, m, k, cols, dy, run_in(r, n, 1), da.add, da.data);
    }
}

const struct op_def op_matmul = {
    .tf_name = "MatMul",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_matmul,
    .forward = forward_matmul,
    .backward = backward_matmul,
    .emit = op_emit_float,
};

/* ----------------------------------------------------------- BatchMatMulV2 */

static void infer_batch_matmul(struct crew_node *n)
{
    const struct crew_shape *a = &n->in[0]->shape, *b = &n->in[1]->shape;
    int rank = a->rank;
    bool fits = rank >= 3 && b->rank == rank;
    char ta[128], tb[128];

    if (!op_operands_are_float(n)) {
        return;
    }
    for (int i = 0; fits && i < rank - 2; i++) {
        fits = a->dim[i] == b->dim[i];
    }
    if (!fits || a->dim[rank - 1] != b->dim[rank - 2]) {
        (void)graph_fail(n->graph, "%s: cannot multiply %s by %s", n->name,
                         text(n->in[0], ta), text(n->in[1], tb));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = *a;
    n->shape.dim[rank - 1] = b->dim[rank - 1];
}

/* The last two dimensions, and how many such matrices there are. */
struct matrices {
    int64_t n, rows, depth, cols;
};

static struct matrices matrices_of(const struct crew_node *n, int64_t batch)
{
    int rank = n->shape.rank;
    struct matrices m = {.rows = n->shape.dim[rank - 2],
                         .depth = n->in[0]->shape.dim[rank - 1],
                         .cols = n->shape.dim[rank - 1]};
    int64_t size = m.rows * m.cols;

    m.n = size > 0 ? node_count(n, batch) / size : 0;
    return m;
}

static void forward_batch_matmul(const struct crew_node *n, struct run *r)
{
    struct matrices m = matrices_of(n, r->batch);
    const float *a = run_in(r, n, 0), *b = run_in(r, n, 1);
    float *y = run_out(r, n);

    for (int64_t i = 0; i < m.n; i++) {
        k_matmul(false, false, m.rows, m.cols, m.depth,
                 a + i * m.rows * m.depth, b + i * m.depth * m.cols, false,
                 y + i * m.rows * m.cols);
    }
}

static void backward_batch_matmul(const struct crew_node *n, struct run *r)
{
    struct matrices m = matrices_of(n, r->batch);
    const float *a = run_in(r, n, 0), *b = run_in(r, n, 1);
    const float *dy = run_d_out(r, n);
    struct grad db = run_d_in(r, n, 1);
    struct grad da = run_d_in(r, n, 0);
    /* a by itself: the second adds to what the first has written */
    bool same = n->in[0] == n->in[1];

    for (int64_t i = 0; db.data != NULL && i < m.n; i++) {
        k_matmul(true, false, m.depth, m.cols, m.rows, a + i * m.rows * m.depth,
                 dy + i * m.rows * m.cols, db.add,
                 db.data + i * m.depth * m.cols);
    }
    for (int64_t i = 0; da.data != NULL && i < m.n; i++) {
        k_matmul(false, true, m.rows, m.depth, m.cols, dy + i * m.rows * m.cols,
                 b + i * m.depth * m.cols, da.add || same,
                 da.data + i * m.rows * m.depth);
    }
}

const struct op_def op_batch_matmul = {
    .tf_name = "BatchMatMulV2",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_batch_matmul,
    .forward = forward_batch_matmul,
    .backward = backward_batch_matmul,
    .emit = op_emit_float,
};

/* ----------------------------------------------------------------- BiasAdd */

static void infer_bias_add(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape, *b = &n->in[1]->shape;
    char tx[128], tb[128];

    if (!op_operands_are_float(n)) {
        return;
    }
    if (x->rank < 2 || b->rank != 1 || x->dim[x->rank - 1] != b->dim[0]) {
        (void)graph_fail(n->graph, "%s: cannot add a bias %s to %s", n->name,
                         text(n->in[1], tb), text(n->in[0], tx));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = *x;
}

static void forward_bias_add(const struct crew_node *n, struct run *r)
{
    int64_t width = n->in[1]->shape.dim[0];

    k_bias_add(node_count(n, r->batch) / width, width, run_in(r, n, 0),
               run_in(r, n, 1), run_out(r, n));
}

static void backward_bias_add(const struct crew_node *n, struct run *r)
{
    int64_t width = n->in[1]->shape.dim[0];
    float *db = run_d_in_zeroed(r, n, 1);

    if (db != NULL) {
        k_bias_add_backward(node_count(n, r->batch) / width, width,
                            run_d_out(r, n), db);
    }
    op_pass_gradient(n, r, 0);
}

const struct op_def op_bias_add = {
    .tf_name = "BiasAdd",
    .flags = OP_IN_PLACE | OP_GRAD_IN_PLACE,
    .infer = infer_bias_add,
    .forward = forward_bias_add,
    .backward = backward_bias_add,
    .emit = op_emit_float,
};

/* ------------------------------------------------------------------- Scale */

static void infer_same_shape(struct crew_node *n)
{
    if (!op_operands_are_float(n)) {
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = n->in[0]->shape;
}

static void forward_scale(const struct crew_node *n, struct run *r)
{
    k_scale(node_count(n, r->batch), n->attr.factor, run_in(r, n, 0),
            run_out(r, n));
}

static void backward_scale(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_axpy(node_count(n, r->batch), n->attr.factor, run_d_out(r, n), dx);
    }
}

static void emit_scale(const struct crew_node *n, struct graphdef *g)
{
    char factor[300];

    (void)snprintf(factor, sizeof factor, "%s/y", n->name);
    graphdef_const_float(g, factor, n->attr.factor);
    graphdef_node(g, n->name, n->op->tf_name);
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, factor);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_scale = {
    .tf_name = "Mul",
    .infer = infer_same_shape,
    .forward = forward_scale,
    .backward = backward_scale,
    .emit = emit_scale,
};

static void forward_shift(const struct crew_node *n, struct run *r)
{
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);

    for (int64_t i = 0, count = node_count(n, r->batch); i < count; i++) {
        y[i] = x[i] + n->attr.factor;
    }
}

static void backward_shift(const struct crew_node *n, struct run *r)
{
    op_pass_gradient(n, r, 0);
}

const struct op_def op_shift = {
    .tf_name = "AddV2",
    .flags = OP_IN_PLACE | OP_GRAD_IN_PLACE,
    .infer = infer_same_shape,
    .forward = forward_shift,
    .backward = backward_shift,
    .emit = emit_scale,
};

/* ------------------------------------------------------------- activations */

static void forward_relu(const struct crew_node *n, struct run *r)
{
    k_relu(node_count(n, r->batch), run_in(r, n, 0), run_out(r, n));
}

static void backward_relu(const struct crew_node *n, struct run *r)
{
    const float *y = run_out(r, n), *dy = run_d_out(r, n);
    struct grad dx = run_d_in(r, n, 0);
    int64_t count = node_count(n, r->batch);

    if (dx.data == NULL) {
        return;
    }
    if (dx.add) {
        k_relu_backward(count, y, dy, dx.data);
    } else {
        k_relu_backward_to(count, y, dy, dx.data);
    }
}

const struct op_def op_relu = {
    .tf_name = "Relu",
    .flags = OP_IN_PLACE | OP_GRAD_IN_PLACE | OP_NEEDS_OUTPUT,
    .infer = infer_same_shape,
    .forward = forward_relu,
    .backward = backward_relu,
    .emit = op_emit_float,
};

static void forward_sigmoid(const struct crew_node *n, struct run *r)
{
    k_sigmoid(node_count(n, r->batch), run_in(r, n, 0), run_out(r, n));
}

static void backward_sigmoid(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_sigmoid_backward(node_count(n, r->batch), run_out(r, n),
                           run_d_out(r, n), dx);
    }
}

const struct op_def op_sigmoid = {
    .tf_name = "Sigmoid",
    .flags = OP_IN_PLACE | OP_NEEDS_OUTPUT,
    .infer = infer_same_shape,
    .forward = forward_sigmoid,
    .backward = backward_sigmoid,
    .emit = op_emit_float,
};

static void forward_tanh(const struct crew_node *n, struct run *r)
{
    k_tanh(node_count(n, r->batch), run_in(r, n, 0), run_out(r, n));
}

static void backward_tanh(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_tanh_backward(node_count(n, r->batch), run_out(r, n), run_d_out(r, n),
                        dx);
    }
}

const struct op_def op_tanh = {
    .tf_name = "Tanh",
    .flags = OP_IN_PLACE | OP_NEEDS_OUTPUT,
    .infer = infer_same_shape,
    .forward = forward_tanh,
    .backward = backward_tanh,
    .emit = op_emit_float,
};
