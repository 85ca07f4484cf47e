/* SPDX-License-Identifier: Apache-2.0
 * Sums, means and extremes over some of the dimensions, and l2_loss. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static bool reduced(const struct crew_node *n, int axis)
{
    return (n->attr.reduce.axes >> axis & 1u) != 0;
}

static void infer(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    struct crew_shape out = {0};

    if (!op_operand_is_float(n, 0)) {
        return;
    }
    for (int i = 0; i < x->rank; i++) {
        if (!reduced(n, i)) {
            out.dim[out.rank++] = x->dim[i];
        } else if (n->attr.reduce.keep) {
            out.dim[out.rank++] = 1;
        }
    }
    n->dtype = CREW_FLOAT;
    n->shape = out;
}

/* Walk over all elements of the operand: to[i] is the place in the result that
 * element i goes to. */
struct walk {
    int rank;
    int64_t dim[CREW_MAX_RANK], step[CREW_MAX_RANK];
    int64_t count, share; /* elements; elements of the operand per result */
};

static struct walk walk_of(const struct crew_node *n, int64_t batch)
{
    const struct crew_shape *x = &n->in[0]->shape;
    struct walk w = {
        .rank = x->rank, .count = node_count(n->in[0], batch), .share = 1};
    int64_t step = 1;

    for (int i = x->rank - 1; i >= 0; i--) {
        w.dim[i] = x->dim[i] < 0 ? batch : x->dim[i];
        if (reduced(n, i)) {
            w.share *= w.dim[i];
        } else {
            w.step[i] = step;
            step *= w.dim[i];
        }
    }
    return w;
}

static int64_t place(const struct walk *w, int64_t i)
{
    int64_t at = 0;

    for (int k = w->rank - 1; k >= 0; k--) {
        at += i % w->dim[k] * w->step[k];
        i /= w->dim[k];
    }
    return at;
}

/* ---------------------------------------------------------------- Sum, Mean */

static void forward_sum(const struct crew_node *n, struct run *r)
{
    struct walk w = walk_of(n, r->batch);
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);
    int64_t count = node_count(n, r->batch);

    if (count == 1) {
        *y = (float)k_sum(w.count, x);
        return;
    }
    memset(y, 0, (size_t)count * sizeof(float));
    for (int64_t i = 0; i < w.count; i++) {
        y[place(&w, i)] += x[i];
    }
}

static void backward_scaled(const struct crew_node *n, struct run *r, bool mean)
{
    struct walk w = walk_of(n, r->batch);
    const float *dy = run_d_out(r, n);
    float scale = mean && w.share > 0 ? 1.0f / (float)w.share : 1.0f;
    float *dx = run_d_in_zeroed(r, n, 0);

    for (int64_t i = 0; dx != NULL && i < w.count; i++) {
        dx[i] += dy[place(&w, i)] * scale;
    }
}

static void backward_sum(const struct crew_node *n, struct run *r)
{
    backward_scaled(n, r, false);
}

static void forward_mean(const struct crew_node *n, struct run *r)
{
    struct walk w = walk_of(n, r->batch);
    float *y = run_out(r, n);

    forward_sum(n, r);
    k_scale(node_count(n, r->batch), w.share > 0 ? 1.0f / (float)w.share : 0.0f,
            y, y);
}

static void backward_mean(const struct crew_node *n, struct run *r)
{
    backward_scaled(n, r, true);
}

/* ----------------------------------------------------------------- Max, Min */

static void forward_extreme(const struct crew_node *n,
                            struct run *r,
                            float sign)
{
    struct walk w = walk_of(n, r->batch);
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);
    int64_t count = node_count(n, r->batch);

    for (int64_t i = 0; i < count; i++) {
        y[i] = -sign * HUGE_VALF;
    }
    for (int64_t i = 0; i < w.count; i++) {
        float *best = &y[place(&w, i)];

        *best = sign * x[i] > sign * *best ? x[i] : *best;
    }
}

static void forward_max(const struct crew_node *n, struct run *r)
{
    forward_extreme(n, r, 1.0f);
}

static void forward_min(const struct crew_node *n, struct run *r)
{
    forward_extreme(n, r, -1.0f);
}

/* Those that are the extreme, all of them, share the gradient. */
static void backward_extreme(const struct crew_node *n, struct run *r)
{
    struct walk w = walk_of(n, r->batch);
    const float *x = run_in(r, n, 0), *y = run_out(r, n);
    const float *dy = run_d_out(r, n);
    int64_t *winners = run_scratch(r);
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx == NULL) {
        return;
    }
    memset(winners, 0, (size_t)node_count(n, r->batch) * sizeof *winners);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < w.count; i++) {
            int64_t at = place(&w, i);
            bool wins = !(x[i] < y[at]) && !(x[i] > y[at]);

            if (pass == 0) {
                winners[at] += wins ? 1 : 0;
            } else if (wins) {
                dx[i] += dy[at] / (float)winners[at];
            }
        }
    }
}

static size_t scratch_extreme(const struct crew_node *n, int64_t batch)
{
    return (size_t)node_count(n, batch) * sizeof(int64_t);
}

/* ------------------------------------------------------------------- export */

static void emit(const struct crew_node *n, struct graphdef *g)
{
    int32_t axes[CREW_MAX_RANK];
    int count = 0;
    char name[300];

    for (int i = 0; i < n->in[0]->shape.rank; i++) {
        if (reduced(n, i)) {
            axes[count++] = i;
        }
    }
    (void)snprintf(name, sizeof name, "%s/reduction_indices", n->name);
    graphdef_const_ints(g, name, 1, axes, count);
    graphdef_node(g, n->name, n->op->tf_name);
    graphdef_input(g, n->in[0]->name);
    graphdef_input(g, name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
    if (n->attr.reduce.keep) {
        graphdef_attr_bool(g, "keep_dims", true);
    }
}

const struct op_def op_sum = {
    .tf_name = "Sum",
    .infer = infer,
    .forward = forward_sum,
    .backward = backward_sum,
    .emit = emit,
};

const struct op_def op_mean = {
    .tf_name = "Mean",
    .infer = infer,
    .forward = forward_mean,
    .backward = backward_mean,
    .emit = emit,
};

const struct op_def op_max = {
    .tf_name = "Max",
    .flags = OP_NEEDS_INPUT | OP_NEEDS_OUTPUT,
    .infer = infer,
    .forward = forward_max,
    .backward = backward_extreme,
    .emit = emit,
    .scratch = scratch_extreme,
};

const struct op_def op_min = {
    .tf_name = "Min",
    .flags = OP_NEEDS_INPUT | OP_NEEDS_OUTPUT,
    .infer = infer,
    .forward = forward_min,
    .backward = backward_extreme,
    .emit = emit,
    .scratch = scratch_extreme,
};

/* ------------------------------------------------------------------- L2Loss */

static void infer_l2(struct crew_node *n)
{
    infer(n);
    n->shape = crew_scalar_shape();
}

static void forward_l2(const struct crew_node *n, struct run *r)
{
    const float *x = run_in(r, n, 0);
    int64_t count = node_count(n->in[0], r->batch);
    double sum = 0.0;

    for (int64_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    *(float *)run_out(r, n) = (float)(sum / 2.0);
}

static void backward_l2(const struct crew_node *n, struct run *r)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        k_axpy(node_count(n->in[0], r->batch), run_d_out(r, n)[0],
               run_in(r, n, 0), dx);
    }
}

static void emit_l2(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, "L2Loss");
    graphdef_input(g, n->in[0]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_l2_loss = {
    .tf_name = "L2Loss",
    .flags = OP_NEEDS_INPUT,
    .infer = infer_l2,
    .forward = forward_l2,
    .backward = backward_l2,
    .emit = emit_l2,
};
