/* SPDX-License-Identifier: Apache-2.0
 * Ops of neural networks, over the kernels that training uses. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

static int want_floats(struct op_call *call, int n)
{
    for (int k = 0; k < n; k++) {
        if (op_want_dtype(call, k, CREW_FLOAT) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

/* --------------------------------------------------------- matrix products */

static int incompatible(struct op_call *call, const char *what)
{
    char a[160], b[160];

    return op_fail(call, CREW_INVALID_ARGUMENT, "%s: In[0]: %s, In[1]: %s",
                   what, tf_shape_text(&call->in[0].shape, a, sizeof a),
                   tf_shape_text(&call->in[1].shape, b, sizeof b));
}

static int matmul(struct op_call *call, bool ta, bool tb)
{
    const struct value *a = &call->in[0], *b = &call->in[1];
    struct crew_shape shape;
    int64_t m, k, n;

    if (want_floats(call, 2) != CREW_OK ||
        op_want_rank(call, 0, 2) != CREW_OK ||
        op_want_rank(call, 1, 2) != CREW_OK) {
        return call->err->code;
    }
    m = a->shape.dim[ta ? 1 : 0];
    k = a->shape.dim[ta ? 0 : 1];
    n = b->shape.dim[tb ? 0 : 1];
    if (k != b->shape.dim[tb ? 1 : 0]) {
        return incompatible(call, "Matrix size-incompatible");
    }
    shape = crew_shape2(m, n);
    if (value_new(&call->out[0], CREW_FLOAT, &shape, call->err) != CREW_OK ||
        blas_load(call->err) != CREW_OK) {
        return call->err->code;
    }
    if (m > 0 && n > 0 && k > 0) {
        k_matmul(ta, tb, m, n, k, a->f32, b->f32, false, call->out[0].f32);
    }
    return CREW_OK;
}

static int run_matmul(struct op_call *call)
{
    return matmul(call, op_attr_bool(call->node, "transpose_a", false),
                  op_attr_bool(call->node, "transpose_b", false));
}

/* The dimensions in front of the two of each matrix, broadcast. */
static int leading(struct op_call *call, struct broadcast *b)
{
    struct value in[2] = {call->in[0], call->in[1]};
    struct op_call ahead = *call;

    ahead.in = in;
    for (int k = 0; k < 2; k++) {
        if (in[k].shape.rank < 2) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "In[%d] ndims must be >= 2: %d", k,
                           in[k].shape.rank);
        }
        in[k].shape.rank -= 2;
    }
    return broadcast_init(b, &ahead, 0, 2);
}

static int run_batch_matmul(struct op_call *call)
{
    bool ta = op_attr_bool(call->node, "adj_x", false);
    bool tb = op_attr_bool(call->node, "adj_y", false);
    struct broadcast at;
    struct crew_shape shape;
    int64_t m, k, n, k2;

    if (want_floats(call, 2) != CREW_OK || leading(call, &at) != CREW_OK) {
        return call->err->code;
    }
    const int64_t *a = &call->in[0].shape.dim[call->in[0].shape.rank - 2];
    const int64_t *b = &call->in[1].shape.dim[call->in[1].shape.rank - 2];
    m = a[ta ? 1 : 0];
    k = a[ta ? 0 : 1];
    n = b[tb ? 0 : 1];
    k2 = b[tb ? 1 : 0];
    if (k != k2 || at.shape.rank + 2 > CREW_MAX_RANK) {
        return incompatible(call, "Matrix size-incompatible");
    }
    shape = at.shape;
    shape.dim[shape.rank++] = m;
    shape.dim[shape.rank++] = n;
    if (value_new(&call->out[0], CREW_FLOAT, &shape, call->err) != CREW_OK ||
        blas_load(call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < at.n && m > 0 && n > 0 && k > 0; i++) {
        k_matmul(ta, tb, m, n, k, call->in[0].f32 + at.at[0] * m * k,
                 call->in[1].f32 + at.at[1] * k * n, false,
                 call->out[0].f32 + i * m * n);
        broadcast_next(&at);
    }
    return CREW_OK;
}

static int run_bias_add(struct op_call *call)
{
    const struct value *x = &call->in[0], *b = &call->in[1];
    char format[8];

    (void)op_attr_string(call->node, "data_format", "NHWC", format,
                         sizeof format);
    if (want_floats(call, 2) != CREW_OK ||
        op_want_rank(call, 1, 1) != CREW_OK) {
        return call->err->code;
    }
    if (strcmp(format, "NHWC") != 0 || x->shape.rank < 1 ||
        x->shape.dim[x->shape.rank - 1] != b->n) {
        return incompatible(call,
                            "Must provide as many biases as the last dimension "
                            "of the input tensor (NHWC)");
    }
    if (value_new(&call->out[0], CREW_FLOAT, &x->shape, call->err) == CREW_OK &&
        b->n > 0) {
        k_bias_add(x->n / b->n, b->n, x->f32, b->f32, call->out[0].f32);
    }
    return call->err->code;
}

/* ----------------------------------------------------------------- windows */

struct window {
    int64_t stride_h, stride_w, size_h, size_w; /* size: of a pool */
    bool same;
};

static bool four(const Tensorflow__NodeDef *node,
                 const char *key,
                 int64_t *h,
                 int64_t *w)
{
    const Tensorflow__AttrValue__ListValue *list = op_attr_list(node, key);

    if (list == NULL || list->n_i != 4 || list->i[0] != 1 || list->i[3] != 1 ||
        list->i[1] < 1 || list->i[2] < 1 || list->i[1] > 65536 ||
        list->i[2] > 65536) {
        return false;
    }
    *h = list->i[1];
    *w = list->i[2];
    return true;
}

static int read_window(struct op_call *call, bool pool, struct window *w)
{
    const Tensorflow__AttrValue__ListValue *dilations =
        op_attr_list(call->node, "dilations");
    char padding[16], format[8];

    (void)op_attr_string(call->node, "padding", "", padding, sizeof padding);
    (void)op_attr_string(call->node, "data_format", "NHWC", format,
                         sizeof format);
    for (size_t i = 0; dilations != NULL && i < dilations->n_i; i++) {
        if (dilations->i[i] != 1) {
            return op_fail(call, CREW_UNIMPLEMENTED, "dilations other than 1");
        }
    }
    w->same = strcmp(padding, "SAME") == 0;
    if ((!w->same && strcmp(padding, "VALID") != 0) ||
        strcmp(format, "NHWC") != 0 ||
        !four(call->node, "strides", &w->stride_h, &w->stride_w) ||
        (pool && !four(call->node, "ksize", &w->size_h, &w->size_w))) {
        return op_fail(call, CREW_UNIMPLEMENTED,
                       "padding '%s', data_format '%s' or the strides are not "
                       "handled here",
                       padding, format);
    }
    return CREW_OK;
}

static int64_t out_size(int64_t in, int64_t size, int64_t stride, bool same)
{
    if (same) {
        return (in + stride - 1) / stride;
    }
    return in < size ? 0 : (in - size) / stride + 1;
}

static int64_t before(int64_t in,
                      int64_t out,
                      int64_t size,
                      int64_t stride,
                      bool same)
{
    int64_t over = (out - 1) * stride + size - in;

    return same && over > 0 ? over / 2 : 0;
}

static int convolution(struct op_call *call, bool depthwise)
{
    const struct value *x = &call->in[0], *f = &call->in[1];
    const int64_t *xd = x->shape.dim, *fd = f->shape.dim;
    struct crew_shape shape;
    struct window w = {0};
    void *scratch = NULL;

    if (want_floats(call, 2) != CREW_OK ||
        op_want_rank(call, 0, 4) != CREW_OK ||
        op_want_rank(call, 1, 4) != CREW_OK ||
        read_window(call, false, &w) != CREW_OK ||
        blas_load(call->err) != CREW_OK) {
        return call->err->code;
    }
    if (xd[3] != fd[2] || f->n == 0) {
        return incompatible(call, "input and filter must have the same depth");
    }
    struct conv2d_dims d = {.batch = xd[0],
                            .h = xd[1],
                            .w = xd[2],
                            .c_in = xd[3],
                            .kh = fd[0],
                            .kw = fd[1],
                            .c_out = depthwise ? fd[2] * fd[3] : fd[3],
                            .oh = out_size(xd[1], fd[0], w.stride_h, w.same),
                            .ow = out_size(xd[2], fd[1], w.stride_w, w.same),
                            .stride_h = w.stride_h,
                            .stride_w = w.stride_w};

    d.pad_top = before(d.h, d.oh, d.kh, w.stride_h, w.same);
    d.pad_left = before(d.w, d.ow, d.kw, w.stride_w, w.same);
    shape = crew_shape4(d.batch, d.oh, d.ow, d.c_out);
    if (value_new(&call->out[0], CREW_FLOAT, &shape, call->err) != CREW_OK ||
        call->out[0].n == 0) {
        return call->err->code;
    }
    if (depthwise) {
        k_depthwise(&d, x->f32, f->f32, call->out[0].f32);
    } else if (mem_try(k_conv2d_scratch(&d) + 1, 1, "scratch", &scratch,
                       call->err) == CREW_OK) {
        k_conv2d(&d, x->f32, f->f32, call->out[0].f32, scratch);
    }
    free(scratch);
    return call->err->code;
}

static int run_conv2d(struct op_call *call)
{
    return convolution(call, false);
}

static int run_depthwise(struct op_call *call)
{
    return convolution(call, true);
}

/* One output pixel of a pool, over the part of its window inside the image. */
static void pool_pixel(const struct value *x,
                       int64_t b,
                       int64_t top,
                       int64_t left,
                       const struct window *w,
                       bool max,
                       float *y)
{
    int64_t h = x->shape.dim[1], wide = x->shape.dim[2], c = x->shape.dim[3];
    int64_t bottom = top + w->size_h < h ? top + w->size_h : h;
    int64_t right = left + w->size_w < wide ? left + w->size_w : wide;
    int64_t count = 0;

    top = top > 0 ? top : 0;
    left = left > 0 ? left : 0;
    for (int64_t i = 0; i < (bottom - top) * (right - left); i++) {
        int64_t row = top + i / (right - left), col = left + i % (right - left);
        const float *from = x->f32 + ((b * h + row) * wide + col) * c;

        count++;
        for (int64_t k = 0; k < c; k++) {
            if (count == 1) {
                y[k] = from[k];
            } else {
                y[k] = max ? (from[k] > y[k] ? from[k] : y[k]) : y[k] + from[k];
            }
        }
    }
    for (int64_t k = 0; !max && count > 0 && k < c; k++) {
        y[k] /= (float)count;
    }
}

static int pool(struct op_call *call, bool max)
{
    const struct value *x = &call->in[0];
    struct crew_shape shape;
    struct window w = {0};
    int64_t oh, ow, top, left;

    if (want_floats(call, 1) != CREW_OK ||
        op_want_rank(call, 0, 4) != CREW_OK ||
        read_window(call, true, &w) != CREW_OK) {
        return call->err->code;
    }
    oh = out_size(x->shape.dim[1], w.size_h, w.stride_h, w.same);
    ow = out_size(x->shape.dim[2], w.size_w, w.stride_w, w.same);
    top = before(x->shape.dim[1], oh, w.size_h, w.stride_h, w.same);
    left = before(x->shape.dim[2], ow, w.size_w, w.stride_w, w.same);
    shape = crew_shape4(x->shape.dim[0], oh, ow, x->shape.dim[3]);
    if (value_new(&call->out[0], CREW_FLOAT, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t o = 0; call->out[0].n > 0 && o < x->shape.dim[0] * oh * ow;
         o++) {
        pool_pixel(x, o / (oh * ow), o / ow % oh * w.stride_h - top,
                   o % ow * w.stride_w - left, &w, max,
                   call->out[0].f32 + o * x->shape.dim[3]);
    }
    return CREW_OK;
}

static int run_max_pool(struct op_call *call)
{
    return pool(call, true);
}

static int run_avg_pool(struct op_call *call)
{
    return pool(call, false);
}

/* ----------------------------------------------------------- normalisation */

/* Inference only: the given mean and variance. Outputs 1 to 5 are those. */
static int run_batch_norm(struct op_call *call)
{
    const struct value *in = call->in, *x = &in[0];
    double epsilon = (double)op_attr_float(call->node, "epsilon", 1e-4f);
    int64_t c = x->shape.rank > 0 ? x->shape.dim[x->shape.rank - 1] : 0;

    char format[8];

    if (want_floats(call, 5) != CREW_OK) {
        return call->err->code;
    }
    (void)op_attr_string(call->node, "data_format", "NHWC", format,
                         sizeof format);
    if (strcmp(format, "NHWC") != 0) {
        return op_fail(call, CREW_UNIMPLEMENTED, "data_format '%s'", format);
    }
    if (op_attr_bool(call->node, "is_training", true)) {
        return op_fail(call, CREW_UNIMPLEMENTED,
                       "is_training is true: not a model for serving");
    }
    for (int k = 1; k < 5; k++) {
        if (in[k].n != c) {
            return incompatible(call,
                                "scale, offset, mean and variance must "
                                "have as many elements as channels");
        }
        value_share(&call->out[k], &in[k], &in[k].shape);
    }
    value_share(&call->out[5], &in[4], &in[4].shape);
    if (value_new(&call->out[0], CREW_FLOAT, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        int64_t k = i % c;
        double scale =
            (double)in[1].f32[k] / sqrt((double)in[4].f32[k] + epsilon);

        call->out[0].f32[i] =
            (float)(((double)x->f32[i] - (double)in[3].f32[k]) * scale +
                    (double)in[2].f32[k]);
    }
    return CREW_OK;
}

static int six(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 6;
}

/* ----------------------------------------------------------------- softmax */

static int softmax(struct op_call *call, bool log_of)
{
    const struct value *x = &call->in[0];
    int64_t n = x->shape.rank > 0 ? x->shape.dim[x->shape.rank - 1] : 0;

    if (want_floats(call, 1) != CREW_OK) {
        return call->err->code;
    }
    if (x->shape.rank < 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "logits must have >= 1 dimension, got []");
    }
    if (value_new(&call->out[0], CREW_FLOAT, &x->shape, call->err) != CREW_OK ||
        x->n == 0) {
        return call->err->code;
    }
    for (int64_t row = 0; row < x->n / n; row++) {
        const float *from = x->f32 + row * n;
        float *to = call->out[0].f32 + row * n;
        double most = (double)from[0], sum = 0.0;

        for (int64_t i = 1; i < n; i++) {
            most = fmax(most, (double)from[i]);
        }
        for (int64_t i = 0; i < n; i++) {
            sum += exp((double)from[i] - most);
        }
        for (int64_t i = 0; i < n; i++) {
            double d = (double)from[i] - most;

            to[i] = (float)(log_of ? d - log(sum) : exp(d) / sum);
        }
    }
    return CREW_OK;
}

static int run_softmax(struct op_call *call)
{
    return softmax(call, false);
}

static int run_log_softmax(struct op_call *call)
{
    return softmax(call, true);
}

const struct serving_op serving_ops_nn[] = {
    {"MatMul", run_matmul, NULL, 2, 2},
    {"BatchMatMul", run_batch_matmul, NULL, 2, 2},
    {"BatchMatMulV2", run_batch_matmul, NULL, 2, 2},
    {"BiasAdd", run_bias_add, NULL, 2, 2},
    {"Conv2D", run_conv2d, NULL, 2, 2},
    {"DepthwiseConv2dNative", run_depthwise, NULL, 2, 2},
    {"MaxPool", run_max_pool, NULL, 1, 1},
    {"AvgPool", run_avg_pool, NULL, 1, 1},
    {"FusedBatchNorm", run_batch_norm, six, 5, 5},
    {"FusedBatchNormV2", run_batch_norm, six, 5, 5},
    {"FusedBatchNormV3", run_batch_norm, six, 5, 5},
    {"Softmax", run_softmax, NULL, 1, 1},
    {"LogSoftmax", run_log_softmax, NULL, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
