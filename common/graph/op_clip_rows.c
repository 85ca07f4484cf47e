/* SPDX-License-Identifier: Apache-2.0
 *
 * Each row of the last dimension clipped to a length: tf.clip_by_norm with
 * axes=[-1]. A row of zeros stays, and so do its gradients.
 * Source: tensorflow/python/ops/clip_ops.py. */
#include "graph/op_clip_rows.h"

#include <math.h>
#include <stdio.h>

#include "graph/expr.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static float norm_of(int64_t width, const float *x)
{
    float sum = 0.0f;

    for (int64_t i = 0; i < width; i++) {
        sum += x[i] * x[i];
    }
    return sqrtf(sum);
}

float clip_row_scale(int64_t width, const float *x, float max_norm)
{
    float norm = norm_of(width, x);

    return norm > max_norm ? max_norm / norm : 1.0f;
}

/* As tf.maximum(norm, max_norm) has it, the length counts when both are equal.
 */
struct clip_row_slope clip_row_backward(int64_t width,
                                        const float *x,
                                        const float *dy,
                                        float max_norm)
{
    float norm = norm_of(width, x), product = 0.0f;

    if (norm < max_norm) {
        return (struct clip_row_slope){1.0f, 0.0f};
    }
    for (int64_t i = 0; i < width; i++) {
        product += x[i] * dy[i];
    }
    return (struct clip_row_slope){max_norm / norm,
                                   -max_norm * product / (norm * norm * norm)};
}

static void infer(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    char text[128];

    if (n->in[0]->dtype != CREW_FLOAT || x->rank < 1 ||
        x->dim[x->rank - 1] < 1) {
        (void)graph_fail(n->graph,
                         "%s: %s must be float32 with rows in its last "
                         "dimension",
                         n->name, shape_text(x, text, sizeof text));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = *x;
}

static void forward(const struct crew_node *n, struct run *r)
{
    int64_t width = n->shape.dim[n->shape.rank - 1];
    int64_t rows = node_count(n, r->batch) / width;
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);

    for (int64_t i = 0; i < rows; i++, x += width, y += width) {
        k_scale(width, clip_row_scale(width, x, n->attr.factor), x, y);
    }
}

static void backward(const struct crew_node *n, struct run *r)
{
    int64_t width = n->shape.dim[n->shape.rank - 1];
    int64_t rows = node_count(n, r->batch) / width;
    const float *x = run_in(r, n, 0), *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 0);

    for (int64_t i = 0; dx != NULL && i < rows; i++) {
        struct clip_row_slope by = clip_row_backward(
            width, x + i * width, dy + i * width, n->attr.factor);

        k_axpy(width, by.by_dy, dy + i * width, dx + i * width);
        if (by.by_x < 0.0f || by.by_x > 0.0f) {
            k_axpy(width, by.by_x, x + i * width, dx + i * width);
        }
    }
}

void clip_rows_emit(struct graphdef *g,
                    const char *name,
                    const char *x,
                    float max_norm)
{
    enum { AXES, SQUARE, SUM, NORM, MOST, DIVISOR, SCALED, NAMES };
    static const char *const whats[NAMES] = {
        "axes", "Square", "Sum", "Sqrt", "max_norm", "Maximum", "mul"};
    struct expr e = {g, name};
    char part[NAMES][320];
    const int32_t axis = -1;

    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(part[i], sizeof part[i], "%s/%s", name, whats[i]);
    }
    graphdef_const_ints(g, part[AXES], 1, &axis, 1);
    graphdef_const_float(g, part[MOST], max_norm);
    (void)expr_op_as(&e, part[SQUARE], "Square", CREW_FLOAT, x, NULL);
    (void)expr_op_as(&e, part[SUM], "Sum", CREW_FLOAT, part[SQUARE],
                     part[AXES]);
    graphdef_attr_bool(g, "keep_dims", true);
    (void)expr_op_as(&e, part[NORM], "Sqrt", CREW_FLOAT, part[SUM], NULL);
    (void)expr_op_as(&e, part[DIVISOR], "Maximum", CREW_FLOAT, part[NORM],
                     part[MOST]);
    (void)expr_op_as(&e, part[SCALED], "Mul", CREW_FLOAT, x, part[MOST]);
    (void)expr_op_as(&e, name, "RealDiv", CREW_FLOAT, part[SCALED],
                     part[DIVISOR]);
}

static void emit(const struct crew_node *n, struct graphdef *g)
{
    clip_rows_emit(g, n->name, n->in[0]->name, n->attr.factor);
}

const struct op_def op_clip_rows = {
    .tf_name = "RealDiv",
    .flags = OP_NEEDS_INPUT,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .emit = emit,
};
