/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses of tf.losses: what each element loses, and the weighted reduction
 * over the elements. Only an export of the EVAL graph has them: labels are not
 * served. No gradient goes to labels or weights. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/op_loss_emit.h"
#include "kernels/kernels.h"

#include "base/banned.h"

bool loss_same_shape(struct crew_node *n)
{
    const struct crew_shape *a = &n->in[0]->shape, *b = &n->in[1]->shape;
    char ta[128], tb[128];

    if (!op_operands_are_float(n)) {
        return false;
    }
    if (!shape_equal(a, b)) {
        (void)graph_fail(n->graph, "%s: Shapes %s and %s are incompatible",
                         n->name, shape_text(a, ta, sizeof ta),
                         shape_text(b, tb, sizeof tb));
        return false;
    }
    return true;
}

/* -------------------------------------------------- losses of every element */

/* in[0] labels, in[1] predictions or logits. */
static void infer_element(struct crew_node *n)
{
    if (loss_same_shape(n)) {
        n->dtype = CREW_FLOAT;
        n->shape = n->in[1]->shape;
    }
}

struct point {
    float loss, slope; /* slope: d loss / d prediction */
};
typedef struct point (*point_fn)(float label, float x, float constant);

static void forward_element(const struct crew_node *n,
                            struct run *r,
                            point_fn f)
{
    const float *labels = run_in(r, n, 0), *x = run_in(r, n, 1);
    float *y = run_out(r, n);

    for (int64_t i = 0, count = node_count(n, r->batch); i < count; i++) {
        y[i] = f(labels[i], x[i], n->attr.factor).loss;
    }
}

static void backward_element(const struct crew_node *n,
                             struct run *r,
                             point_fn f)
{
    const float *labels = run_in(r, n, 0), *x = run_in(r, n, 1);
    const float *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 1);

    for (int64_t i = 0, count = node_count(n, r->batch);
         dx != NULL && i < count; i++) {
        dx[i] += dy[i] * f(labels[i], x[i], n->attr.factor).slope;
    }
}

static struct point squared(float label, float x, float constant)
{
    float d = x - label;

    (void)constant;
    return (struct point){d * d, 2.0f * d};
}

static float sign_of(float x)
{
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
}

static struct point absolute(float label, float x, float constant)
{
    (void)constant;
    return (struct point){fabsf(x - label), sign_of(x - label)};
}

/* constant: delta. */
static struct point huber(float label, float x, float delta)
{
    float d = x - label, far = fabsf(d);
    float quadratic = fminf(far, delta), linear = far - quadratic;

    return (struct point){0.5f * quadratic * quadratic + delta * linear,
                          far <= delta ? d : delta * sign_of(d)};
}

/* Labels are 0 or 1. */
static struct point hinge(float label, float x, float constant)
{
    float side = 2.0f * label - 1.0f, rest = 1.0f - side * x;

    (void)constant;
    return (struct point){fmaxf(rest, 0.0f), rest > 0.0f ? -side : 0.0f};
}

/* constant: epsilon. */
static struct point log_loss(float label, float x, float epsilon)
{
    float p = x + epsilon, q = 1.0f - x + epsilon;

    return (struct point){-label * logf(p) - (1.0f - label) * logf(q),
                          -label / p + (1.0f - label) / q};
}

/* Of logits; constant: label smoothing, towards 1/2. */
static struct point sigmoid_xent(float label, float x, float smoothing)
{
    float z = label * (1.0f - smoothing) + 0.5f * smoothing;
    float e = expf(-fabsf(x));
    float sigmoid = x >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);

    return (struct point){fmaxf(x, 0.0f) - x * z + log1pf(e), sigmoid - z};
}

/* Of the logarithm of what is expected; constant: 1 for the full loss, with
 * Stirling's approximation of log(label!), which is left out in [0, 1]. */
static struct point log_poisson(float label, float x, float full)
{
    float e = expf(x), loss = e - x * label;

    if (full > 0.0f && !(label >= 0.0f && label <= 1.0f)) {
        loss += label * logf(label) - label +
                0.5f * logf(6.28318530717958648f * label);
    }
    return (struct point){loss, e - label};
}

#define ELEMENT_LOSS(symbol, tf, f)                                    \
    static void forward_##f(const struct crew_node *n, struct run *r)  \
    {                                                                  \
        forward_element(n, r, f);                                      \
    }                                                                  \
    static void backward_##f(const struct crew_node *n, struct run *r) \
    {                                                                  \
        backward_element(n, r, f);                                     \
    }                                                                  \
    const struct op_def symbol = {                                     \
        .tf_name = (tf),                                               \
        .flags = OP_MANY_NODES | OP_NEEDS_INPUT,                       \
        .infer = infer_element,                                        \
        .forward = forward_##f,                                        \
        .backward = backward_##f,                                      \
        .emit = loss_emit_##f,                                         \
    };
ELEMENT_LOSS(op_squared_difference, "SquaredDifference", squared)
ELEMENT_LOSS(op_absolute_difference, "AbsoluteDifference", absolute)
ELEMENT_LOSS(op_huber_loss, "HuberLoss", huber)
ELEMENT_LOSS(op_hinge_loss, "HingeLoss", hinge)
ELEMENT_LOSS(op_log_loss, "LogLoss", log_loss)
ELEMENT_LOSS(op_sigmoid_xent, "SigmoidCrossEntropyWithLogits", sigmoid_xent)
ELEMENT_LOSS(op_log_poisson_loss, "LogPoissonLoss", log_poisson)

/* ---------------------------------------------- softmax with one-hot labels */

/* in[0] labels (b, n), rows that sum to 1; in[1] logits (b, n) -> (b). */
static void infer_softmax_xent(struct crew_node *n)
{
    if (!loss_same_shape(n)) {
        return;
    }
    if (n->in[1]->shape.rank != 2) {
        (void)graph_fail(n->graph, "%s: logits must be (batch, classes)",
                         n->name);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape1(n->in[1]->shape.dim[0]);
}

static float smoothed(const struct crew_node *n, float label, int64_t classes)
{
    float s = n->attr.factor;

    return label * (1.0f - s) + s / (float)classes;
}

/* kept: the softmax. */
static void forward_softmax_xent(const struct crew_node *n, struct run *r)
{
    int64_t rows = node_count(n, r->batch), classes = n->in[1]->shape.dim[1];
    const float *labels = run_in(r, n, 0), *x = run_in(r, n, 1);
    float *y = run_out(r, n);

    k_softmax(rows, classes, x, run_kept(r, n));
    for (int64_t row = 0; row < rows; row++) {
        const float *logits = x + row * classes;
        double most = (double)logits[0], sum = 0.0, loss = 0.0;

        for (int64_t c = 1; c < classes; c++) {
            most = fmax(most, (double)logits[c]);
        }
        for (int64_t c = 0; c < classes; c++) {
            sum += exp((double)logits[c] - most);
        }
        for (int64_t c = 0; c < classes; c++) {
            double label =
                (double)smoothed(n, labels[row * classes + c], classes);

            loss += label * (log(sum) + most - (double)logits[c]);
        }
        y[row] = (float)loss;
    }
}

static void backward_softmax_xent(const struct crew_node *n, struct run *r)
{
    int64_t rows = node_count(n, r->batch), classes = n->in[1]->shape.dim[1];
    const float *labels = run_in(r, n, 0), *p = run_kept(r, n);
    const float *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 1);

    for (int64_t i = 0; dx != NULL && i < rows * classes; i++) {
        dx[i] += dy[i / classes] * (p[i] - smoothed(n, labels[i], classes));
    }
}

static size_t kept_softmax_xent(const struct crew_node *n, int64_t batch)
{
    return (size_t)node_count(n->in[1], batch) * sizeof(float);
}

const struct op_def op_softmax_xent = {
    .tf_name = "SoftmaxCrossEntropyWithLogits",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_softmax_xent,
    .forward = forward_softmax_xent,
    .backward = backward_softmax_xent,
    .emit = loss_emit_softmax_xent,
    .kept = kept_softmax_xent,
};

/* ------------------------------------------------------- weighted reduction */

/* The texts are those of weights_broadcast_ops.py. */
static bool weights_fault(struct crew_node *n,
                          const char *what,
                          const struct crew_shape *x,
                          const struct crew_shape *w)
{
    char tw[128], tx[128];

    (void)graph_fail(n->graph,
                     "%s: weights can not be broadcast to values. %s. "
                     "values.shape=%s. weights.shape=%s.",
                     n->name, what, shape_text(x, tx, sizeof tx),
                     shape_text(w, tw, sizeof tw));
    return false;
}

bool loss_weights_fit(struct crew_node *n,
                      const struct crew_node *x,
                      const struct crew_node *weights)
{
    const struct crew_shape *s = &x->shape, *w = &weights->shape;
    char what[128];

    if (!op_operands_are_float(n)) {
        return false;
    }
    if (w->rank != 0 && w->rank != s->rank) {
        (void)snprintf(what, sizeof what, "values.rank=%d. weights.rank=%d",
                       s->rank, w->rank);
        return weights_fault(n, what, s, w);
    }
    for (int i = 0; i < w->rank; i++) {
        if (w->dim[i] != 1 && w->dim[i] != s->dim[i]) {
            (void)snprintf(what, sizeof what, "Mismatch at dim %d", i);
            return weights_fault(n, what, s, w);
        }
    }
    return true;
}

/* in[0] losses, in[1] weights: see loss_weights_fit. */
static void infer_weighted(struct crew_node *n)
{
    if (!loss_weights_fit(n, n->in[0], n->in[1])) {
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape =
        n->attr.loss == CREW_LOSS_NONE ? n->in[0]->shape : crew_scalar_shape();
}

/* The place of element i's weight. */
static int64_t weight_place(const struct crew_node *n, int64_t batch, int64_t i)
{
    const struct crew_shape *x = &n->in[0]->shape, *w = &n->in[1]->shape;
    int64_t at = 0, step = 1;

    for (int k = w->rank - 1; k >= 0; k--) {
        int64_t dim = x->dim[k] < 0 ? batch : x->dim[k];

        if (w->dim[k] != 1) {
            at += i % dim * step;
            step *= dim;
        }
        i /= dim;
    }
    return at;
}

/* What the sum is divided by; 0: the result is 0. */
static double divisor(const struct crew_node *n, const struct run *r)
{
    const float *w = run_in(r, n, 1);
    int64_t count = node_count(n->in[0], r->batch);
    double sum = 0.0;

    if (n->attr.loss == CREW_LOSS_SUM) {
        return 1.0;
    }
    if (n->attr.loss == CREW_LOSS_SUM_OVER_BATCH_SIZE) {
        return (double)count;
    }
    for (int64_t i = 0; i < count; i++) {
        float v = w[weight_place(n, r->batch, i)];
        bool present = v > 0.0f || v < 0.0f;

        sum +=
            n->attr.loss == CREW_LOSS_MEAN ? (double)v : (present ? 1.0 : 0.0);
    }
    return sum;
}

static void forward_weighted(const struct crew_node *n, struct run *r)
{
    const float *x = run_in(r, n, 0), *w = run_in(r, n, 1);
    int64_t count = node_count(n->in[0], r->batch);
    float *y = run_out(r, n);
    double sum = 0.0, by;

    for (int64_t i = 0; i < count; i++) {
        float weighted = x[i] * w[weight_place(n, r->batch, i)];

        if (n->attr.loss == CREW_LOSS_NONE) {
            y[i] = weighted;
        }
        sum += (double)weighted;
    }
    if (n->attr.loss != CREW_LOSS_NONE) {
        by = divisor(n, r);
        *y = by < 0.0 || by > 0.0 ? (float)(sum / by) : 0.0f;
    }
}

static void backward_weighted(const struct crew_node *n, struct run *r)
{
    bool none = n->attr.loss == CREW_LOSS_NONE;
    const float *w = run_in(r, n, 1), *dy = run_d_out(r, n);
    double by = none ? 1.0 : divisor(n, r);
    float share = by < 0.0 || by > 0.0 ? (float)(1.0 / by) : 0.0f;
    float *dx = run_d_in_zeroed(r, n, 0);

    for (int64_t i = 0, count = node_count(n->in[0], r->batch);
         dx != NULL && i < count; i++) {
        dx[i] += dy[none ? i : 0] * share * w[weight_place(n, r->batch, i)];
    }
}

const struct op_def op_weighted_loss = {
    .tf_name = "WeightedLoss",
    .flags = OP_MANY_NODES | OP_NEEDS_INPUT,
    .infer = infer_weighted,
    .forward = forward_weighted,
    .backward = backward_weighted,
    .emit = loss_emit_weighted,
};
