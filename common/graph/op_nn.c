/* SPDX-License-Identifier: Apache-2.0
 * Ops of neural networks: convolution, pooling, dropout, softmax and its loss.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static const char *text(const struct crew_node *n, char buf[128])
{
    return shape_text(&n->shape, buf, 128);
}

/* ------------------------------------------------------------------ Conv2D */

static void infer_conv2d(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape, *f = &n->in[1]->shape;
    char tx[128], tf[128];
    int64_t h, w;

    if (x->rank != 4 || f->rank != 4 || x->dim[3] != f->dim[2] ||
        n->in[0]->dtype != CREW_FLOAT) {
        (void)graph_fail(n->graph,
                         "%s: input %s must be float32 (batch, height, width, "
                         "channels) and fit the filter %s",
                         n->name, text(n->in[0], tx), text(n->in[1], tf));
        return;
    }
    bool same = n->attr.conv.padding == CREW_SAME;
    h = same ? x->dim[1] : x->dim[1] - f->dim[0] + 1;
    w = same ? x->dim[2] : x->dim[2] - f->dim[1] + 1;
    if (h < 1 || w < 1) {
        (void)graph_fail(n->graph,
                         "%s: the filter %s is larger than the input %s",
                         n->name, text(n->in[1], tf), text(n->in[0], tx));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape4(x->dim[0], h, w, f->dim[3]);
}

static struct conv2d_dims conv_dims(const struct crew_node *n, int64_t batch)
{
    const int64_t *x = n->in[0]->shape.dim, *f = n->in[1]->shape.dim;
    bool same = n->attr.conv.padding == CREW_SAME;

    return (struct conv2d_dims){
        .batch = x[0] < 0 ? batch : x[0],
        .h = x[1],
        .w = x[2],
        .c_in = x[3],
        .kh = f[0],
        .kw = f[1],
        .c_out = f[3],
        .oh = n->shape.dim[1],
        .ow = n->shape.dim[2],
        .pad_top = same ? (f[0] - 1) / 2 : 0,
        .pad_left = same ? (f[1] - 1) / 2 : 0,
    };
}

static void forward_conv2d(const struct crew_node *n, struct run *r)
{
    struct conv2d_dims d = conv_dims(n, r->batch);

    k_conv2d(&d, run_in(r, n, 0), run_in(r, n, 1), run_out(r, n),
             run_scratch(r));
}

static void backward_conv2d(const struct crew_node *n, struct run *r)
{
    struct conv2d_dims d = conv_dims(n, r->batch);
    float *df = run_d_in_zeroed(r, n, 1), *dx = run_d_in_zeroed(r, n, 0);

    k_conv2d_backward(&d, run_in(r, n, 0), run_in(r, n, 1), run_d_out(r, n), dx,
                      df, run_scratch(r));
}

static size_t scratch_conv2d(const struct crew_node *n, int64_t batch)
{
    struct conv2d_dims d = conv_dims(n, batch);

    return k_conv2d_scratch(&d);
}

static void emit_window(const struct crew_node *n,
                        struct graphdef *g,
                        int n_in,
                        int64_t stride,
                        const char *padding)
{
    int64_t strides[] = {1, stride, stride, 1};

    graphdef_node(g, n->name, n->op->tf_name);
    for (int k = 0; k < n_in; k++) {
        graphdef_input(g, n->in[k]->name);
    }
    graphdef_attr_type(g, "T", CREW_FLOAT);
    graphdef_attr_string(g, "padding", padding);
    graphdef_attr_ints(g, "strides", strides, 4);
}

static void emit_conv2d(const struct crew_node *n, struct graphdef *g)
{
    emit_window(n, g, 2, 1,
                n->attr.conv.padding == CREW_SAME ? "SAME" : "VALID");
}

const struct op_def op_conv2d = {
    .tf_name = "Conv2D",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_conv2d,
    .forward = forward_conv2d,
    .backward = backward_conv2d,
    .emit = emit_conv2d,
    .scratch = scratch_conv2d,
};

/* ----------------------------------------------------------------- MaxPool */

static void infer_max_pool(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    int64_t size = n->attr.pool.size, stride = n->attr.pool.stride;
    char tx[128];

    if (x->rank != 4 || n->in[0]->dtype != CREW_FLOAT || size < 1 ||
        size > 15 || stride < 1 || x->dim[1] < size || x->dim[2] < size) {
        (void)graph_fail(n->graph,
                         "%s: cannot pool %s by windows of %" PRId64
                         " (1 to 15) with stride %" PRId64,
                         n->name, text(n->in[0], tx), size, stride);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape4(x->dim[0], (x->dim[1] - size) / stride + 1,
                           (x->dim[2] - size) / stride + 1, x->dim[3]);
}

static struct pool2d_dims pool_dims(const struct crew_node *n, int64_t batch)
{
    const int64_t *x = n->in[0]->shape.dim;

    return (struct pool2d_dims){
        .batch = x[0] < 0 ? batch : x[0],
        .h = x[1],
        .w = x[2],
        .c = x[3],
        .size = n->attr.pool.size,
        .stride = n->attr.pool.stride,
        .oh = n->shape.dim[1],
        .ow = n->shape.dim[2],
    };
}

static void forward_max_pool(const struct crew_node *n, struct run *r)
{
    struct pool2d_dims d = pool_dims(n, r->batch);

    k_max_pool2d(&d, run_in(r, n, 0), run_out(r, n), run_kept(r, n));
}

static void backward_max_pool(const struct crew_node *n, struct run *r)
{
    struct pool2d_dims d = pool_dims(n, r->batch);
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_max_pool2d_backward(&d, run_kept(r, n), run_d_out(r, n), dx);
    }
}

static size_t kept_max_pool(const struct crew_node *n, int64_t batch)
{
    return (size_t)node_count(n, batch); /* a byte an output */
}

static void emit_max_pool(const struct crew_node *n, struct graphdef *g)
{
    int64_t size[] = {1, n->attr.pool.size, n->attr.pool.size, 1};

    emit_window(n, g, 1, n->attr.pool.stride, "VALID");
    graphdef_attr_ints(g, "ksize", size, 4);
}

const struct op_def op_max_pool = {
    .tf_name = "MaxPool",
    .infer = infer_max_pool,
    .forward = forward_max_pool,
    .backward = backward_max_pool,
    .emit = emit_max_pool,
    .kept = kept_max_pool,
};

/* ----------------------------------------------------------------- Dropout */

static void infer_dropout(struct crew_node *n)
{
    float rate = n->attr.dropout.rate;

    if (!(rate >= 0.0f && rate < 1.0f) || n->in[0]->dtype != CREW_FLOAT) {
        (void)graph_fail(
            n->graph, "%s: rate %g of a %s. Fix: a rate in [0, 1) of a float32",
            n->name, (double)rate, dtype_name(n->in[0]->dtype));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = n->in[0]->shape;
}

/* Each step and each dropout of the graph draws its own numbers. */
static uint64_t dropout_stream(const struct crew_node *n, const struct run *r)
{
    return r->step << 16 | n->attr.dropout.stream;
}

static void forward_dropout(const struct crew_node *n, struct run *r)
{
    k_dropout(node_count(n, r->batch), n->attr.dropout.rate, r->seed,
              dropout_stream(n, r), run_in(r, n, 0), run_out(r, n));
}

static void backward_dropout(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_dropout_backward(node_count(n, r->batch), n->attr.dropout.rate,
                           r->seed, dropout_stream(n, r), run_d_out(r, n), dx);
    }
}

const struct op_def op_dropout = {
    .tf_name = "Dropout",
    .flags = OP_NO_EXPORT,
    .infer = infer_dropout,
    .forward = forward_dropout,
    .backward = backward_dropout,
};

/* ----------------------------------------------------------------- Softmax */

static bool check_logits(struct crew_node *n, const struct crew_node *logits)
{
    char t[128];

    if (logits->shape.rank != 2 || logits->dtype != CREW_FLOAT ||
        logits->shape.dim[1] < 1) {
        (void)graph_fail(n->graph, "%s: %s must be float32 (batch, classes)",
                         n->name, text(logits, t));
        return false;
    }
    return true;
}

static int64_t rows_of(const struct crew_node *n, int64_t batch)
{
    return n->shape.dim[0] < 0 ? batch : n->shape.dim[0];
}

static void infer_softmax(struct crew_node *n)
{
    if (check_logits(n, n->in[0])) {
        n->dtype = CREW_FLOAT;
        n->shape = n->in[0]->shape;
    }
}

static void forward_softmax(const struct crew_node *n, struct run *r)
{
    k_softmax(rows_of(n, r->batch), n->shape.dim[1], run_in(r, n, 0),
              run_out(r, n));
}

static void backward_softmax(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_softmax_backward(rows_of(n, r->batch), n->shape.dim[1], run_out(r, n),
                           run_d_out(r, n), dx);
    }
}

static void emit_softmax(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, "Softmax");
    graphdef_input(g, n->in[0]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_softmax = {
    .tf_name = "Softmax",
    .flags = OP_NEEDS_OUTPUT,
    .infer = infer_softmax,
    .forward = forward_softmax,
    .backward = backward_softmax,
    .emit = emit_softmax,
};

/* ------------------------------------------------------------------ ArgMax */

static void infer_argmax(struct crew_node *n)
{
    if (!check_logits(n, n->in[0])) {
        return;
    }
    if (n->attr.axis != 1 && n->attr.axis != -1) {
        (void)graph_fail(n->graph, "%s: axis %d. Fix: 1 or -1", n->name,
                         n->attr.axis);
        return;
    }
    n->dtype = CREW_INT64;
    n->shape = crew_shape1(n->in[0]->shape.dim[0]);
}

static void forward_argmax(const struct crew_node *n, struct run *r)
{
    k_argmax(rows_of(n, r->batch), n->in[0]->shape.dim[1], run_in(r, n, 0),
             run_out(r, n));
}

static void emit_argmax(const struct crew_node *n, struct graphdef *g)
{
    int32_t axis = n->attr.axis;
    char name[300];

    (void)snprintf(name, sizeof name, "%s/dimension", n->name);
    graphdef_const_ints(g, name, 0, &axis, 1);
    graphdef_node(g, n->name, "ArgMax");
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_argmax = {
    .tf_name = "ArgMax",
    .flags = OP_NO_GRADIENT,
    .infer = infer_argmax,
    .forward = forward_argmax,
    .emit = emit_argmax,
};

/* -------------------------- SparseSoftmaxCrossEntropyWithLogits: the loss */

static void infer_xent(struct crew_node *n)
{
    const struct crew_node *labels = n->in[0], *logits = n->in[1];
    char tl[128];

    if (!check_logits(n, logits)) {
        return;
    }
    if (labels->shape.rank != 1 ||
        labels->shape.dim[0] != logits->shape.dim[0] ||
        (labels->dtype != CREW_INT32 && labels->dtype != CREW_INT64)) {
        (void)graph_fail(
            n->graph,
            "%s: labels %s %s must be int32 or int64, one a row of "
            "the logits",
            n->name, dtype_name(labels->dtype), text(labels, tl));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = labels->shape;
}

static void forward_xent(const struct crew_node *n, struct run *r)
{
    int64_t classes = n->in[1]->shape.dim[1];
    const int64_t *labels = run_in(r, n, 0);
    int64_t bad =
        k_sparse_softmax_xent(rows_of(n, r->batch), classes, run_in(r, n, 1),
                              labels, run_out(r, n), run_kept(r, n));

    if (bad >= 0) {
        crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                      "%s: Received a label value of %" PRId64
                      " which is outside the valid range of [0, %" PRId64
                      ") in row %" PRId64 " of the batch",
                      n->name, labels[bad], classes, bad);
    }
}

static void backward_xent(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 1);

    if (dx != NULL) {
        k_sparse_softmax_xent_backward(rows_of(n, r->batch),
                                       n->in[1]->shape.dim[1], run_kept(r, n),
                                       run_in(r, n, 0), run_d_out(r, n), dx);
    }
}

static size_t kept_xent(const struct crew_node *n, int64_t batch)
{
    return (size_t)node_count(n->in[1], batch) * sizeof(float);
}

const struct op_def op_sparse_softmax_xent = {
    .tf_name = "SparseSoftmaxCrossEntropyWithLogits",
    .flags = OP_NO_EXPORT | OP_NEEDS_INPUT,
    .infer = infer_xent,
    .forward = forward_xent,
    .backward = backward_xent,
    .kept = kept_xent,
};

/* ----------------------------------------------------------------- Reshape */

/* The batch stays in front: the wanted shape is -1 there exactly if the input's
 * is. */
static void infer_reshape(struct crew_node *n)
{
    const struct crew_node *x = n->in[0];
    struct crew_shape want = n->attr.reshape;
    bool batched = x->shape.rank > 0 && x->shape.dim[0] < 0;
    int64_t have = node_count(x, 1), known = 1;
    int free_dim = -1;
    char tx[128], tw[128];

    for (int i = 0; i < want.rank; i++) {
        if (want.dim[i] >= 0) {
            known *= want.dim[i];
        } else if (free_dim < 0) {
            free_dim = i;
        } else {
            known = 0;
        }
    }
    if (batched) {
        if (free_dim != 0 || known != have) {
            goto fail;
        }
    } else if (free_dim >= 0) {
        if (known == 0 || have % known != 0) {
            goto fail;
        }
        want.dim[free_dim] = have / known;
    } else if (known != have) {
        goto fail;
    }
    n->dtype = x->dtype;
    n->shape = want;
    return;
fail:
    (void)graph_fail(n->graph, "%s: cannot reshape %s to %s", n->name,
                     text(x, tx), shape_text(&n->attr.reshape, tw, sizeof tw));
}

static void forward_reshape(const struct crew_node *n, struct run *r)
{
    const void *x = run_in(r, n, 0);
    void *y = run_out(r, n);

    if (x != y) {
        size_t size = n->dtype == CREW_FLOAT ? sizeof(float) : sizeof(int64_t);
        memcpy(y, x, (size_t)node_count(n, r->batch) * size);
    }
}

static void backward_reshape(const struct crew_node *n, struct run *r)
{
    const float *dy = run_d_out(r, n);
    struct grad dx = run_d_in(r, n, 0);
    int64_t count = node_count(n, r->batch);

    if (dx.data == NULL || dx.data == dy) {
        return;
    }
    if (dx.add) {
        k_axpy(count, 1.0f, dy, dx.data);
    } else {
        memcpy(dx.data, dy, (size_t)count * sizeof(float));
    }
}

static void emit_reshape(const struct crew_node *n, struct graphdef *g)
{
    int32_t shape[CREW_MAX_RANK];
    char name[300];

    for (int i = 0; i < n->shape.rank; i++) {
        shape[i] = (int32_t)n->shape.dim[i];
    }
    (void)snprintf(name, sizeof name, "%s/shape", n->name);
    graphdef_const_ints(g, name, 1, shape, n->shape.rank);
    graphdef_node(g, n->name, "Reshape");
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, name);
    graphdef_attr_type(g, "T", n->dtype);
}

const struct op_def op_reshape = {
    .tf_name = "Reshape",
    .flags = OP_IN_PLACE | OP_GRAD_IN_PLACE,
    .infer = infer_reshape,
    .forward = forward_reshape,
    .backward = backward_reshape,
    .emit = emit_reshape,
};
