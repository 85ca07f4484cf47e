/* SPDX-License-Identifier: Apache-2.0
 * Ops that move elements: concat, transpose, pad, gather. The batch stays the
 * first dimension. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph/op.h"
#include "kernels/kernels.h"

#include "base/banned.h"

/* Elements of dimensions [from, to) of a shape for a batch. */
static int64_t span(const struct crew_shape *s, int from, int to, int64_t batch)
{
    int64_t n = 1;

    for (int i = from; i < to; i++) {
        n *= s->dim[i] < 0 ? batch : s->dim[i];
    }
    return n;
}

/* ----------------------------------------------------------------- ConcatV2 */

/* Parts are often a few elements wide, for which a call would be felt. */
static void copy_rows(int64_t rows,
                      int64_t n,
                      float *restrict to,
                      int64_t to_step,
                      const float *restrict from,
                      int64_t from_step,
                      bool add)
{
    for (int64_t i = 0; i < rows; i++) {
        float *y = to + i * to_step;
        const float *x = from + i * from_step;

        if (n > 64 && !add) {
            memcpy(y, x, (size_t)n * sizeof(float));
            continue;
        }
        for (int64_t j = 0; j < n; j++) {
            y[j] = add ? y[j] + x[j] : x[j];
        }
    }
}

static void infer_concat(struct crew_node *n)
{
    struct crew_shape out = n->in[0]->shape;
    int axis = n->attr.axis;

    for (int k = 0; k < n->n_in; k++) {
        const struct crew_shape *x = &n->in[k]->shape;
        bool fits = op_operand_is_float(n, k) && x->rank == out.rank;

        if (graph_broken(n->graph)) {
            return;
        }
        for (int i = 0; fits && i < x->rank; i++) {
            fits = i == axis ? x->dim[i] >= 0 : x->dim[i] == out.dim[i];
        }
        if (!fits) {
            char a[128], b[128];

            (void)graph_fail(n->graph, "%s: cannot join %s and %s along %d",
                             n->name, shape_text(&out, a, sizeof a),
                             shape_text(x, b, sizeof b), axis);
            return;
        }
        out.dim[axis] += k > 0 ? x->dim[axis] : 0;
    }
    n->dtype = CREW_FLOAT;
    n->shape = out;
}

static void forward_concat(const struct crew_node *n, struct run *r)
{
    int axis = n->attr.axis, rank = n->shape.rank;
    int64_t outer = span(&n->shape, 0, axis, r->batch);
    int64_t width = span(&n->shape, axis, rank, r->batch), at = 0;
    float *y = run_out(r, n);

    for (int k = 0; k < n->n_in; k++) {
        int64_t part = span(&n->in[k]->shape, axis, rank, r->batch);

        copy_rows(outer, part, y + at, width, run_in(r, n, k), part, false);
        at += part;
    }
}

static void backward_concat(const struct crew_node *n, struct run *r)
{
    int axis = n->attr.axis, rank = n->shape.rank;
    int64_t outer = span(&n->shape, 0, axis, r->batch);
    int64_t width = span(&n->shape, axis, rank, r->batch), at = 0;
    const float *dy = run_d_out(r, n);

    for (int k = 0; k < n->n_in; k++) {
        int64_t part = span(&n->in[k]->shape, axis, rank, r->batch);
        struct grad dx = run_d_in(r, n, k);

        if (dx.data != NULL) {
            copy_rows(outer, part, dx.data, part, dy + at, width, dx.add);
        }
        at += part;
    }
}

/* A Const scalar <node>/<what>; the node itself comes next. */
static void emit_operand(const struct crew_node *n,
                         struct graphdef *g,
                         const char *what,
                         const int32_t *list,
                         int count,
                         int rank)
{
    char name[300];

    (void)snprintf(name, sizeof name, "%s/%s", n->name, what);
    graphdef_const_ints(g, name, rank, list, count);
}

static void emit_with(const struct crew_node *n,
                      struct graphdef *g,
                      const char *what)
{
    char name[300];

    graphdef_node(g, n->name, n->op->tf_name);
    for (int k = 0; k < n->n_in; k++) {
        graphdef_input(g, n->in[k]->name);
    }
    (void)snprintf(name, sizeof name, "%s/%s", n->name, what);
    graphdef_input(g, name);
}

static void emit_concat(const struct crew_node *n, struct graphdef *g)
{
    int32_t axis = n->attr.axis;

    emit_operand(n, g, "axis", &axis, 1, 0);
    emit_with(n, g, "axis");
    graphdef_attr_type(g, "T", CREW_FLOAT);
    graphdef_attr_int(g, "N", n->n_in);
}

const struct op_def op_concat = {
    .tf_name = "ConcatV2",
    .infer = infer_concat,
    .forward = forward_concat,
    .backward = backward_concat,
    .emit = emit_concat,
};

/* ---------------------------------------------------------------- Transpose */

static void infer_transpose(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;
    const struct crew_shape *perm = &n->attr.reshape;
    unsigned seen = 0;

    for (int i = 0; i < perm->rank; i++) {
        seen |= perm->dim[i] >= 0 && perm->dim[i] < x->rank ? 1u << perm->dim[i]
                                                            : 0u;
    }
    if (!op_operand_is_float(n, 0)) {
        return;
    }
    if (perm->rank != x->rank || seen != (1u << x->rank) - 1u ||
        (x->rank > 0 && x->dim[0] < 0 && perm->dim[0] != 0)) {
        char a[128], b[128];

        (void)graph_fail(n->graph,
                         "%s: %s cannot be transposed by %s: it must name "
                         "each dimension once, the batch first",
                         n->name, shape_text(x, a, sizeof a),
                         shape_text(perm, b, sizeof b));
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape.rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        n->shape.dim[i] = x->dim[perm->dim[i]];
    }
}

/* Where element i of the result stands in the operand. */
static int64_t transposed(const struct crew_node *n, int64_t batch, int64_t i)
{
    const struct crew_shape *x = &n->in[0]->shape;
    int64_t at = 0;

    for (int k = n->shape.rank - 1; k >= 0; k--) {
        int from = (int)n->attr.reshape.dim[k];
        int64_t dim = n->shape.dim[k] < 0 ? batch : n->shape.dim[k];

        at += i % dim * span(x, from + 1, x->rank, batch);
        i /= dim;
    }
    return at;
}

static void forward_transpose(const struct crew_node *n, struct run *r)
{
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);

    for (int64_t i = 0, count = node_count(n, r->batch); i < count; i++) {
        y[i] = x[transposed(n, r->batch, i)];
    }
}

static void backward_transpose(const struct crew_node *n, struct run *r)
{
    const float *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 0);

    for (int64_t i = 0, count = node_count(n, r->batch);
         dx != NULL && i < count; i++) {
        dx[transposed(n, r->batch, i)] += dy[i];
    }
}

static void emit_transpose(const struct crew_node *n, struct graphdef *g)
{
    int32_t perm[CREW_MAX_RANK];

    for (int i = 0; i < n->shape.rank; i++) {
        perm[i] = (int32_t)n->attr.reshape.dim[i];
    }
    emit_operand(n, g, "perm", perm, n->shape.rank, 1);
    emit_with(n, g, "perm");
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_transpose = {
    .tf_name = "Transpose",
    .infer = infer_transpose,
    .forward = forward_transpose,
    .backward = backward_transpose,
    .emit = emit_transpose,
};

/* ---------------------------------------------------------------------- Pad */

static void infer_pad(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;

    if (!op_operand_is_float(n, 0)) {
        return;
    }
    n->shape = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t more = n->attr.pad.before[i] + n->attr.pad.after[i];

        if (n->attr.pad.before[i] < 0 || n->attr.pad.after[i] < 0 ||
            (x->dim[i] < 0 && more != 0)) {
            (void)graph_fail(n->graph,
                             "%s: dimension %d is the batch, or its padding is "
                             "negative",
                             n->name, i);
            return;
        }
        n->shape.dim[i] += more;
    }
    n->dtype = CREW_FLOAT;
}

/* Where element i of the operand stands in the result. */
static int64_t padded(const struct crew_node *n, int64_t batch, int64_t i)
{
    const struct crew_shape *x = &n->in[0]->shape;
    int64_t at = 0;

    for (int k = x->rank - 1; k >= 0; k--) {
        int64_t dim = x->dim[k] < 0 ? batch : x->dim[k];

        at += (i % dim + n->attr.pad.before[k]) *
              span(&n->shape, k + 1, x->rank, batch);
        i /= dim;
    }
    return at;
}

static void forward_pad(const struct crew_node *n, struct run *r)
{
    const float *x = run_in(r, n, 0);
    float *y = run_out(r, n);

    memset(y, 0, (size_t)node_count(n, r->batch) * sizeof(float));
    for (int64_t i = 0, count = node_count(n->in[0], r->batch); i < count;
         i++) {
        y[padded(n, r->batch, i)] = x[i];
    }
}

static void backward_pad(const struct crew_node *n, struct run *r)
{
    const float *dy = run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 0);

    for (int64_t i = 0, count = node_count(n->in[0], r->batch);
         dx != NULL && i < count; i++) {
        dx[i] += dy[padded(n, r->batch, i)];
    }
}

static void emit_pad(const struct crew_node *n, struct graphdef *g)
{
    int64_t dims[] = {n->shape.rank, 2};
    int32_t list[2 * CREW_MAX_RANK];
    struct crew_shape shape = crew_shape2(dims[0], dims[1]);
    char name[300];

    for (int i = 0; i < n->shape.rank; i++) {
        list[2 * i] = (int32_t)n->attr.pad.before[i];
        list[2 * i + 1] = (int32_t)n->attr.pad.after[i];
    }
    (void)snprintf(name, sizeof name, "%s/paddings", n->name);
    graphdef_const_copy(g, name, CREW_INT32, &shape, list,
                        (size_t)n->shape.rank * 2 * sizeof *list);
    emit_with(n, g, "paddings");
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

const struct op_def op_pad = {
    .tf_name = "Pad",
    .infer = infer_pad,
    .forward = forward_pad,
    .backward = backward_pad,
    .emit = emit_pad,
};

/* ----------------------------------------------------------------- GatherV2 */

/* in[0] params (v, ...), in[1] integers of any shape: rows of params. */
static void infer_gather(struct crew_node *n)
{
    const struct crew_shape *p = &n->in[0]->shape, *ids = &n->in[1]->shape;

    if (!op_operand_is_float(n, 0)) {
        return;
    }
    if (p->rank < 1 || p->dim[0] < 0 || n->in[1]->dtype == CREW_FLOAT ||
        ids->rank + p->rank - 1 > CREW_MAX_RANK) {
        (void)graph_fail(n->graph,
                         "%s: wants a table of known rows and integer ids",
                         n->name);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = *ids;
    for (int i = 1; i < p->rank; i++) {
        n->shape.dim[n->shape.rank++] = p->dim[i];
    }
}

static void forward_gather(const struct crew_node *n, struct run *r)
{
    const struct crew_shape *p = &n->in[0]->shape;
    int64_t width = span(p, 1, p->rank, r->batch);
    const float *table = run_in(r, n, 0);
    const int64_t *ids = run_in(r, n, 1);
    float *y = run_out(r, n);

    for (int64_t i = 0, count = node_count(n->in[1], r->batch); i < count;
         i++) {
        if (ids[i] < 0 || ids[i] >= p->dim[0]) {
            crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                          "%s: indices[%" PRId64 "] = %" PRId64
                          " is not in [0, %" PRId64 ")",
                          n->name, i, ids[i], p->dim[0]);
            return;
        }
        memcpy(y + i * width, table + ids[i] * width,
               (size_t)width * sizeof(float));
    }
}

static void backward_gather(const struct crew_node *n, struct run *r)
{
    const struct crew_shape *p = &n->in[0]->shape;
    int64_t width = span(p, 1, p->rank, r->batch);
    const int64_t *ids = run_in(r, n, 1);
    const float *dy = run_d_out(r, n);
    int64_t count = node_count(n->in[1], r->batch);
    struct row_sink sink = run_rows(r, n, width, count, false);

    for (int64_t i = 0; i < count; i++) {
        row_sink_add(&sink, ids[i], 1.0f, dy + i * width);
    }
}

static void emit_gather(const struct crew_node *n, struct graphdef *g)
{
    int32_t axis = 0;

    emit_operand(n, g, "axis", &axis, 1, 0);
    emit_with(n, g, "axis");
    graphdef_attr_type(g, "Tparams", CREW_FLOAT);
    graphdef_attr_type(g, "Tindices", n->in[1]->dtype);
    graphdef_attr_type(g, "Taxis", CREW_INT32);
}

const struct op_def op_gather = {
    .tf_name = "GatherV2",
    .flags = OP_NEEDS_INPUT | OP_ROWS,
    .infer = infer_gather,
    .forward = forward_gather,
    .backward = backward_gather,
    .emit = emit_gather,
};

/* ------------------------------------------------------------------- OneHot */

static void infer_one_hot(struct crew_node *n)
{
    if (n->in[0]->dtype == CREW_FLOAT || n->attr.size < 1 ||
        n->in[0]->shape.rank >= CREW_MAX_RANK) {
        (void)graph_fail(n->graph, "%s: wants integer ids and a positive depth",
                         n->name);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = n->in[0]->shape;
    n->shape.dim[n->shape.rank++] = n->attr.size;
}

static void forward_one_hot(const struct crew_node *n, struct run *r)
{
    const int64_t *ids = run_in(r, n, 0);
    int64_t count = node_count(n->in[0], r->batch), depth = n->attr.size;
    float *y = run_out(r, n);

    memset(y, 0, (size_t)(count * depth) * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] >= 0 && ids[i] < depth) {
            y[i * depth + ids[i]] = 1.0f;
        }
    }
}

static void emit_one_hot(const struct crew_node *n, struct graphdef *g)
{
    int32_t depth = (int32_t)n->attr.size;
    char name[300];

    emit_operand(n, g, "depth", &depth, 1, 0);
    (void)snprintf(name, sizeof name, "%s/on_value", n->name);
    graphdef_const_float(g, name, 1.0f);
    (void)snprintf(name, sizeof name, "%s/off_value", n->name);
    graphdef_const_float(g, name, 0.0f);
    emit_with(n, g, "depth");
    (void)snprintf(name, sizeof name, "%s/on_value", n->name);
    graphdef_input(g, name);
    (void)snprintf(name, sizeof name, "%s/off_value", n->name);
    graphdef_input(g, name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
    if (n->in[0]->dtype != CREW_INT64) {
        graphdef_attr_type(g, "TI", n->in[0]->dtype);
    }
}

const struct op_def op_one_hot = {
    .tf_name = "OneHot",
    .flags = OP_NO_GRADIENT,
    .infer = infer_one_hot,
    .forward = forward_one_hot,
    .emit = emit_one_hot,
};
