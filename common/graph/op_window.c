/* SPDX-License-Identifier: Apache-2.0
 * Ops that slide a window over images: convolutions and pooling, NHWC. */
#include <inttypes.h>
#include <stdio.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static const char *text(const struct crew_node *n, char buf[128])
{
    return shape_text(&n->shape, buf, 128);
}

/* ------------------------------------------------------------------ windows */

/* How many windows fit into `in` places. */
static int64_t windows(int64_t in,
                       int64_t size,
                       int64_t stride,
                       enum crew_padding padding)
{
    if (padding == CREW_SAME) {
        return (in + stride - 1) / stride;
    }
    return in < size ? 0 : (in - size) / stride + 1;
}

/* Places before the first one that the first window looks over; the odd one is
 * behind the last. */
static int64_t pad_before(int64_t in,
                          int64_t size,
                          int64_t stride,
                          enum crew_padding padding)
{
    int64_t over =
        (windows(in, size, stride, padding) - 1) * stride + size - in;

    return padding == CREW_SAME && over > 0 ? over / 2 : 0;
}

static void emit_window(const struct crew_node *n, struct graphdef *g)
{
    int64_t strides[] = {1, n->attr.window.stride_h, n->attr.window.stride_w,
                         1};

    op_emit_float(n, g);
    graphdef_attr_string(
        g, "padding", n->attr.window.padding == CREW_SAME ? "SAME" : "VALID");
    graphdef_attr_ints(g, "strides", strides, 4);
}

/* ------------------------------------------------------------- convolutions */

static bool infer_conv(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape, *f = &n->in[1]->shape;
    enum crew_padding padding = n->attr.window.padding;
    int64_t sh = n->attr.window.stride_h, sw = n->attr.window.stride_w, h, w;
    char tx[128], tf[128];

    if (x->rank != 4 || f->rank != 4 || x->dim[3] != f->dim[2] ||
        n->in[0]->dtype != CREW_FLOAT || sh < 1 || sw < 1) {
        (void)graph_fail(n->graph,
                         "%s: input %s must be float32 (batch, height, width, "
                         "channels) and fit the filter %s; strides %" PRId64
                         ", %" PRId64 " must be positive",
                         n->name, text(n->in[0], tx), text(n->in[1], tf), sh,
                         sw);
        return false;
    }
    h = windows(x->dim[1], f->dim[0], sh, padding);
    w = windows(x->dim[2], f->dim[1], sw, padding);
    if (h < 1 || w < 1) {
        (void)graph_fail(n->graph,
                         "%s: the filter %s is larger than the input %s",
                         n->name, text(n->in[1], tf), text(n->in[0], tx));
        return false;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_shape4(x->dim[0], h, w, f->dim[3]);
    return true;
}

static void infer_conv2d(struct crew_node *n)
{
    (void)infer_conv(n);
}

static struct conv2d_dims conv_dims(const struct crew_node *n, int64_t batch)
{
    const int64_t *x = n->in[0]->shape.dim, *f = n->in[1]->shape.dim;
    enum crew_padding padding = n->attr.window.padding;
    int64_t sh = n->attr.window.stride_h, sw = n->attr.window.stride_w;

    return (struct conv2d_dims){
        .batch = x[0] < 0 ? batch : x[0],
        .h = x[1],
        .w = x[2],
        .c_in = x[3],
        .kh = f[0],
        .kw = f[1],
        .c_out = n->shape.dim[3],
        .oh = n->shape.dim[1],
        .ow = n->shape.dim[2],
        .pad_top = pad_before(x[1], f[0], sh, padding),
        .pad_left = pad_before(x[2], f[1], sw, padding),
        .stride_h = sh,
        .stride_w = sw,
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
    float *df = run_d_in_zeroed(r, n, 1);
    struct grad dx = run_d_in(r, n, 0);

    k_conv2d_backward(&d, run_in(r, n, 0), run_in(r, n, 1), run_d_out(r, n),
                      dx.add, dx.data, df, run_scratch(r));
}

static size_t scratch_conv2d(const struct crew_node *n, int64_t batch)
{
    struct conv2d_dims d = conv_dims(n, batch);

    return k_conv2d_scratch(&d);
}

const struct op_def op_conv2d = {
    .tf_name = "Conv2D",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_conv2d,
    .forward = forward_conv2d,
    .backward = backward_conv2d,
    .emit = emit_window,
    .scratch = scratch_conv2d,
};

/* filter (kh, kw, c, m): m results a channel. */
static void infer_depthwise(struct crew_node *n)
{
    if (infer_conv(n)) {
        n->shape.dim[3] *= n->in[1]->shape.dim[2];
    }
}

static void forward_depthwise(const struct crew_node *n, struct run *r)
{
    struct conv2d_dims d = conv_dims(n, r->batch);

    k_depthwise(&d, run_in(r, n, 0), run_in(r, n, 1), run_out(r, n));
}

static void backward_depthwise(const struct crew_node *n, struct run *r)
{
    struct conv2d_dims d = conv_dims(n, r->batch);
    float *df = run_d_in_zeroed(r, n, 1), *dx = run_d_in_zeroed(r, n, 0);

    k_depthwise_backward(&d, run_in(r, n, 0), run_in(r, n, 1), run_d_out(r, n),
                         dx, df);
}

const struct op_def op_depthwise = {
    .tf_name = "DepthwiseConv2dNative",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_depthwise,
    .forward = forward_depthwise,
    .backward = backward_depthwise,
    .emit = emit_window,
};

/* ------------------------------------------------------------------ pooling */

static void infer_pool(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    enum crew_padding padding = n->attr.window.padding;
    int64_t size = n->attr.window.size, stride = n->attr.window.stride_h;
    char tx[128];

    if (x->rank != 4 || n->in[0]->dtype != CREW_FLOAT || size < 1 ||
        size > 15 || stride < 1 ||
        windows(x->dim[1], size, stride, padding) < 1 ||
        windows(x->dim[2], size, stride, padding) < 1) {
        (void)graph_fail(n->graph,
                         "%s: cannot pool %s by windows of %" PRId64
                         " (1 to 15) with stride %" PRId64,
                         n->name, text(n->in[0], tx), size, stride);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape =
        crew_shape4(x->dim[0], windows(x->dim[1], size, stride, padding),
                    windows(x->dim[2], size, stride, padding), x->dim[3]);
}

static struct pool2d_dims pool_dims(const struct crew_node *n, int64_t batch)
{
    const int64_t *x = n->in[0]->shape.dim;
    enum crew_padding padding = n->attr.window.padding;
    int64_t size = n->attr.window.size, stride = n->attr.window.stride_h;

    return (struct pool2d_dims){
        .batch = x[0] < 0 ? batch : x[0],
        .h = x[1],
        .w = x[2],
        .c = x[3],
        .size = size,
        .stride = stride,
        .oh = n->shape.dim[1],
        .ow = n->shape.dim[2],
        .pad_top = pad_before(x[1], size, stride, padding),
        .pad_left = pad_before(x[2], size, stride, padding),
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
    struct grad dx = run_d_in(r, n, 0);

    if (dx.data != NULL) {
        k_max_pool2d_backward(&d, run_kept(r, n), run_d_out(r, n), dx.add,
                              dx.data);
    }
}

static size_t kept_max_pool(const struct crew_node *n, int64_t batch)
{
    return (size_t)node_count(n, batch); /* a byte an output */
}

static void emit_pool(const struct crew_node *n, struct graphdef *g)
{
    int64_t size[] = {1, n->attr.window.size, n->attr.window.size, 1};

    emit_window(n, g);
    graphdef_attr_ints(g, "ksize", size, 4);
}

const struct op_def op_max_pool = {
    .tf_name = "MaxPool",
    .infer = infer_pool,
    .forward = forward_max_pool,
    .backward = backward_max_pool,
    .emit = emit_pool,
    .kept = kept_max_pool,
};

static void forward_avg_pool(const struct crew_node *n, struct run *r)
{
    struct pool2d_dims d = pool_dims(n, r->batch);

    k_avg_pool2d(&d, run_in(r, n, 0), run_out(r, n));
}

static void backward_avg_pool(const struct crew_node *n, struct run *r)
{
    struct pool2d_dims d = pool_dims(n, r->batch);
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_avg_pool2d_backward(&d, run_d_out(r, n), dx);
    }
}

const struct op_def op_avg_pool = {
    .tf_name = "AvgPool",
    .infer = infer_pool,
    .forward = forward_avg_pool,
    .backward = backward_avg_pool,
    .emit = emit_pool,
};
