/* SPDX-License-Identifier: Apache-2.0
 * What a graph that is evaluated has beside one that is served: cross
 * entropies, and whether the label is among the k best. */
#include <inttypes.h>
#include <math.h>

#include "serving/number.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

static int two(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 2;
}

/* Softmax of a row into `to`; returns log(sum of e^x). */
static double softmax(const float *x, int64_t n, float *to)
{
    double most = (double)x[0], sum = 0.0;

    for (int64_t c = 1; c < n; c++) {
        most = fmax(most, (double)x[c]);
    }
    for (int64_t c = 0; c < n; c++) {
        sum += exp((double)x[c] - most);
    }
    for (int64_t c = 0; c < n; c++) {
        to[c] = (float)(exp((double)x[c] - most) / sum);
    }
    return most + log(sum);
}

/* Logits are (b, classes), at least one; makes both outputs: losses (b), and
 * what TensorFlow gives for the gradient. */
static int begin(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct crew_shape rows = {.rank = 1};

    if (op_want_dtype(call, 0, CREW_FLOAT) != CREW_OK ||
        op_want_rank(call, 0, 2) != CREW_OK) {
        return call->err->code;
    }
    if (x->shape.dim[1] < 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Must have at least one class, but got logits shape "
                       "[%" PRId64 ",0]",
                       x->shape.dim[0]);
    }
    rows.dim[0] = x->shape.dim[0];
    if (value_new(&call->out[0], CREW_FLOAT, &rows, call->err) == CREW_OK) {
        (void)value_new(&call->out[1], CREW_FLOAT, &x->shape, call->err);
    }
    return call->err->code;
}

static int run_sparse_xent(struct op_call *call)
{
    const struct value *x = &call->in[0], *labels = &call->in[1];
    int64_t n;

    if (begin(call) != CREW_OK) {
        return call->err->code;
    }
    n = x->shape.dim[1];
    if ((labels->dtype != CREW_INT32 && labels->dtype != CREW_INT64) ||
        labels->shape.rank != 1 || labels->n != x->shape.dim[0]) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "labels must be 1-D of int32 or int64, one for each of "
                       "%" PRId64 " rows",
                       x->shape.dim[0]);
    }
    for (int64_t row = 0; row < labels->n; row++) {
        int64_t label = number_int(labels, row);
        float *p = call->out[1].f32 + row * n;
        double all = softmax(x->f32 + row * n, n, p);

        if (label < 0 || label >= n) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Received a label value of %" PRId64
                           " which is outside the valid range of [0, %" PRId64
                           ").",
                           label, n);
        }
        call->out[0].f32[row] = (float)(all - (double)x->f32[row * n + label]);
        p[label] -= 1.0f;
    }
    return CREW_OK;
}

static int run_softmax_xent(struct op_call *call)
{
    const struct value *x = &call->in[0], *labels = &call->in[1];
    int64_t n;

    if (begin(call) != CREW_OK ||
        op_want_dtype(call, 1, CREW_FLOAT) != CREW_OK) {
        return call->err->code;
    }
    n = x->shape.dim[1];
    if (!shape_equal(&labels->shape, &x->shape)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "logits and labels must be of one shape");
    }
    for (int64_t row = 0; row < x->shape.dim[0]; row++) {
        const float *from = x->f32 + row * n, *want = labels->f32 + row * n;
        float *p = call->out[1].f32 + row * n;
        double all = softmax(from, n, p), loss = 0.0;

        for (int64_t c = 0; c < n; c++) {
            loss += (double)want[c] * (all - (double)from[c]);
            p[c] -= want[c];
        }
        call->out[0].f32[row] = (float)loss;
    }
    return CREW_OK;
}

/* Equal ones share a place; what is not finite has none. */
static bool is_in_top_k(const float *x, int64_t n, int64_t target, int64_t k)
{
    int64_t ahead = 0;

    if (target < 0 || target >= n || !isfinite(x[target])) {
        return false;
    }
    for (int64_t c = 0; c < n; c++) {
        if (!isfinite(x[c])) {
            return false;
        }
        ahead += x[c] > x[target] ? 1 : 0;
    }
    return ahead < k;
}

static int run_in_top_k(struct op_call *call)
{
    const struct value *x = &call->in[0], *targets = &call->in[1];
    int64_t k = op_attr_int(call->node, "k", 0);
    int n = 1;

    if (op_want_dtype(call, 0, CREW_FLOAT) != CREW_OK ||
        op_want_rank(call, 0, 2) != CREW_OK ||
        op_want_rank(call, 1, 1) != CREW_OK ||
        (call->n_in == 3 && op_ints(call, 2, &k, 1, &n) != CREW_OK)) {
        return call->err->code;
    }
    if (n != 1 ||
        (targets->dtype != CREW_INT32 && targets->dtype != CREW_INT64) ||
        targets->n != x->shape.dim[0]) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "targets must be int32 or int64, one for each of "
                       "%" PRId64 " rows, k one number",
                       x->shape.dim[0]);
    }
    if (value_new(&call->out[0], CREW_BOOL, &targets->shape, call->err) !=
        CREW_OK) {
        return call->err->code;
    }
    for (int64_t row = 0; row < targets->n; row++) {
        int64_t width = x->shape.dim[1];

        call->out[0].b[row] = is_in_top_k(x->f32 + row * width, width,
                                          number_int(targets, row), k);
    }
    return CREW_OK;
}

static int run_l2_loss(struct op_call *call)
{
    struct crew_shape scalar = crew_scalar_shape();
    double sum = 0.0;

    if (op_want_dtype(call, 0, CREW_FLOAT) != CREW_OK ||
        value_new(&call->out[0], CREW_FLOAT, &scalar, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < call->in[0].n; i++) {
        sum += (double)call->in[0].f32[i] * (double)call->in[0].f32[i];
    }
    call->out[0].f32[0] = (float)(sum / 2.0);
    return CREW_OK;
}

const struct serving_op serving_ops_loss[] = {
    {"L2Loss", run_l2_loss, NULL, 1, 1},
    {"SparseSoftmaxCrossEntropyWithLogits", run_sparse_xent, two, 2, 2},
    {"SoftmaxCrossEntropyWithLogits", run_softmax_xent, two, 2, 2},
    {"InTopK", run_in_top_k, NULL, 2, 2},
    {"InTopKV2", run_in_top_k, NULL, 3, 3},
    {NULL, NULL, NULL, 0, 0},
};
