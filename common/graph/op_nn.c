/* SPDX-License-Identifier: Apache-2.0
 * Ops of neural networks: dropout, softmax and its loss; reshape.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph/op_loss_emit.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static const char *text(const struct crew_node *n, char buf[128])
{
    return shape_text(&n->shape, buf, 128);
}

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

static void forward_log_softmax(const struct crew_node *n, struct run *r)
{
    k_log_softmax(rows_of(n, r->batch), n->shape.dim[1], run_in(r, n, 0),
                  run_out(r, n));
}

static void backward_log_softmax(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_log_softmax_backward(rows_of(n, r->batch), n->shape.dim[1],
                               run_out(r, n), run_d_out(r, n), dx);
    }
}

static void emit_log_softmax(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, "LogSoftmax");
    graphdef_input(g, n->in[0]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_log_softmax = {
    .tf_name = "LogSoftmax",
    .flags = OP_NEEDS_OUTPUT,
    .infer = infer_softmax,
    .forward = forward_log_softmax,
    .backward = backward_log_softmax,
    .emit = emit_log_softmax,
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
    char tl[128], tx[128];

    if (!check_logits(n, logits)) {
        return;
    }
    if (labels->dtype != CREW_INT32 && labels->dtype != CREW_INT64) {
        (void)graph_fail(n->graph,
                         "%s: Value passed to parameter 'labels' has DataType "
                         "%s not in list of allowed values: int32, int64",
                         n->name, dtype_name(labels->dtype));
        return;
    }
    if (labels->shape.rank != 1) {
        (void)graph_fail(
            n->graph,
            "%s: `labels.shape.rank` must equal `logits.shape.rank - 1`. "
            "Received: labels.shape=%s of rank %d and logits.shape=%s of rank "
            "%d",
            n->name, text(labels, tl), labels->shape.rank, text(logits, tx),
            logits->shape.rank);
        return;
    }
    if (labels->shape.dim[0] != logits->shape.dim[0]) {
        (void)graph_fail(n->graph,
                         "%s: Shape mismatch: The shape of labels (received "
                         "%s) should equal the shape of logits except for the "
                         "last dimension (received %s).",
                         n->name, text(labels, tl), text(logits, tx));
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
    .flags = OP_NEEDS_INPUT,
    .infer = infer_xent,
    .forward = forward_xent,
    .backward = backward_xent,
    .emit = loss_emit_sparse_xent,
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
    op_pass_gradient(n, r, 0);
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
