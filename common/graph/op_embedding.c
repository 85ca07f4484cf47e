/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookups that combine: each row of the batch has some ids (ragged, or k of
 * them in a dense (b, k)), whose rows of a table are added up, averaged, or
 * divided by the root of the sum of the squared weights.
 * Source: tensorflow/python/ops/embedding_ops.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/op_clip_rows.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static bool is_ids(const struct crew_node *n)
{
    return n->dtype == CREW_INT32 || n->dtype == CREW_INT64;
}

/* in[0] table (v, w), in[1] ids, in[2] their weights, if any. */
static void infer(struct crew_node *n)
{
    const struct crew_node *table = n->in[0], *ids = n->in[1];
    const struct crew_node *weights = n->n_in > 2 ? n->in[2] : NULL;
    const struct crew_shape *t = &table->shape;
    char text[128];

    if (table->dtype != CREW_FLOAT || t->rank != 2 || t->dim[0] < 1 ||
        t->dim[1] < 1) {
        (void)graph_fail(n->graph,
                         "%s: the table %s must be float32 (rows, width)",
                         n->name, shape_text(t, text, sizeof text));
    } else if (!is_ids(ids) || ids->shape.rank < 1 || ids->shape.rank > 2) {
        (void)graph_fail(n->graph,
                         "%s: the ids %s must be ragged, (batch) or (batch, "
                         "k) integers",
                         n->name, shape_text(&ids->shape, text, sizeof text));
    } else if (weights != NULL &&
               (weights->dtype != CREW_FLOAT ||
                weights->ragged != ids->ragged ||
                !shape_equal(&weights->shape, &ids->shape))) {
        (void)graph_fail(n->graph,
                         "%s: the weights must be float32, one an id of %s",
                         n->name, ids->name);
    } else if (n->attr.embed.default_id >= t->dim[0]) {
        (void)graph_fail(
            n->graph, "%s: default_id %" PRId64 " is not in [0, %" PRId64 ")",
            n->name, n->attr.embed.default_id, t->dim[0]);
    } else {
        n->dtype = CREW_FLOAT;
        n->shape = crew_shape2(ids->shape.dim[0], t->dim[1]);
    }
}

struct kept_row {
    float factor;
    bool empty;
};

/* What a run looks at. */
struct lookup {
    const struct crew_node *n;
    const int64_t *ids;
    const int64_t *splits; /* NULL: k a row */
    const float *weights;  /* NULL: 1 */
    int64_t rows, k, table_rows, width;
};

static struct lookup lookup_of(const struct crew_node *n, struct run *r)
{
    const struct crew_shape *ids = &n->in[1]->shape;
    int64_t rows = ids->dim[0] < 0 ? r->batch : ids->dim[0];

    return (struct lookup){
        .n = n,
        .ids = run_in(r, n, 1),
        .splits = run_splits(r, n, 1),
        .weights = n->n_in > 2 ? run_in(r, n, 2) : NULL,
        .rows = rows,
        .k = ids->rank == 2 ? ids->dim[1] : 1,
        .table_rows = n->in[0]->shape.dim[0],
        .width = n->in[0]->shape.dim[1],
    };
}

static int64_t begin_of(const struct lookup *l, int64_t row)
{
    return l->splits != NULL ? l->splits[row] : row * l->k;
}

static float weight(const struct lookup *l, int64_t i)
{
    return l->weights != NULL ? l->weights[i] : 1.0f;
}

/* What row `id` of the table is multiplied by as it is looked up. */
static float scale_of(const struct lookup *l, const float *table, int64_t id)
{
    float max_norm = l->n->attr.embed.max_norm;

    return max_norm > 0.0f
               ? clip_row_scale(l->width, table + id * l->width, max_norm)
               : 1.0f;
}

/* The gradient `by` dy of row `id` as it was looked up, to the table. */
static void add_row(const struct lookup *l,
                    struct row_sink *sink,
                    const float *table,
                    int64_t id,
                    float by,
                    const float *dy)
{
    const float *x = table + id * l->width;
    struct clip_row_slope slope;

    if (l->n->attr.embed.max_norm <= 0.0f) {
        row_sink_add(sink, id, by, dy);
        return;
    }
    slope = clip_row_backward(l->width, x, dy, l->n->attr.embed.max_norm);
    row_sink_add(sink, id, by * slope.by_dy, dy);
    if (slope.by_x < 0.0f || slope.by_x > 0.0f) {
        row_sink_add(sink, id, by * slope.by_x, x);
    }
}

/* tf.nn.safe_embedding_lookup_sparse leaves out ids below 0 and, but for sums,
 * weights that are not above 0. */
static bool counts(const struct lookup *l, int64_t i)
{
    return !l->n->attr.embed.safe ||
           (l->ids[i] >= 0 && (l->n->attr.embed.combiner == CREW_COMBINE_SUM ||
                               l->weights == NULL || l->weights[i] > 0.0f));
}

/* What the sum of a row's entries is multiplied by: 0 when there are none, or
 * their weights cancel out. */
static float factor(const struct lookup *l, int64_t row, bool *empty)
{
    float sum = 0.0f, squares = 0.0f, by;

    *empty = true;
    for (int64_t i = begin_of(l, row); i < begin_of(l, row + 1); i++) {
        if (counts(l, i)) {
            *empty = false;
            sum += weight(l, i);
            squares += weight(l, i) * weight(l, i);
        }
    }
    switch (l->n->attr.embed.combiner) {
        case CREW_COMBINE_SUM:
            return *empty ? 0.0f : 1.0f;
        case CREW_COMBINE_SQRTN:
            by = sqrtf(squares);
            break;
        default:
            by = sum;
            break;
    }
    return by > 0.0f || by < 0.0f ? 1.0f / by : 0.0f;
}

/* Ragged weights have lists of their own, which must be as long as the ids'. */
static bool check_splits(const struct lookup *l, struct run *r)
{
    const int64_t *w = l->weights != NULL ? run_splits(r, l->n, 2) : NULL;

    for (int64_t i = 0; w != NULL && i < l->rows; i++) {
        if (w[i + 1] != l->splits[i + 1]) {
            crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                          "%s: row %" PRId64 " has %" PRId64 " ids and %" PRId64
                          " weights. Fix: a weight for each id",
                          l->n->name, i, l->splits[i + 1] - l->splits[i],
                          w[i + 1] - w[i]);
            return false;
        }
    }
    return true;
}

static bool check_ids(const struct lookup *l, struct run *r)
{
    int64_t end = begin_of(l, l->rows);

    for (int64_t i = begin_of(l, 0); i < end; i++) {
        if (l->ids[i] >= l->table_rows ||
            (l->ids[i] < 0 && !l->n->attr.embed.safe)) {
            crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                          "%s: indices[%" PRId64 "] = %" PRId64
                          " is not in [0, %" PRId64 ")",
                          l->n->name, i, l->ids[i], l->table_rows);
            return false;
        }
    }
    return true;
}

/* kept: each row's factor and whether it is empty. */
static void forward(const struct crew_node *n, struct run *r)
{
    struct lookup l = lookup_of(n, r);
    const float *table = run_in(r, n, 0);
    struct kept_row *kept = run_kept(r, n);
    int64_t missing = n->attr.embed.default_id;
    float *y = run_out(r, n);

    if (!check_splits(&l, r) || !check_ids(&l, r)) {
        return;
    }
    memset(y, 0, (size_t)(l.rows * l.width) * sizeof(float));
    for (int64_t row = 0; row < l.rows; row++, y += l.width) {
        struct kept_row *k = &kept[row];

        k->factor = factor(&l, row, &k->empty);
        if (k->empty && missing >= 0) {
            k_axpy(l.width, scale_of(&l, table, missing),
                   table + missing * l.width, y);
        }
        for (int64_t i = begin_of(&l, row); i < begin_of(&l, row + 1); i++) {
            if (counts(&l, i)) {
                k_axpy(l.width, weight(&l, i) * scale_of(&l, table, l.ids[i]),
                       table + l.ids[i] * l.width, y);
            }
        }
        if (!k->empty && n->attr.embed.combiner != CREW_COMBINE_SUM) {
            k_scale(l.width, k->factor, y, y);
        }
    }
}

static void backward(const struct crew_node *n, struct run *r)
{
    struct lookup l = lookup_of(n, r);
    const struct kept_row *kept = run_kept(r, n);
    const float *dy = run_d_out(r, n), *table = run_in(r, n, 0);
    int64_t missing = n->attr.embed.default_id;
    int64_t most = begin_of(&l, l.rows) - begin_of(&l, 0) + l.rows;
    struct row_sink sink = run_rows(r, n, l.width, most, true);

    for (int64_t row = 0; row < l.rows; row++, dy += l.width) {
        if (kept[row].empty && missing >= 0) {
            add_row(&l, &sink, table, missing, 1.0f, dy);
        }
        for (int64_t i = begin_of(&l, row); i < begin_of(&l, row + 1); i++) {
            if (counts(&l, i)) {
                add_row(&l, &sink, table, l.ids[i],
                        kept[row].factor * weight(&l, i), dy);
            }
        }
    }
}

static size_t kept_bytes(const struct crew_node *n, int64_t batch)
{
    int64_t rows = n->in[1]->shape.dim[0];

    return (size_t)(rows < 0 ? batch : rows) * sizeof(struct kept_row);
}

/* ------------------------------------------------------------------- export */

/* A node <name>/<what> of up to two operands, with T unless it is 0. */
static void part(struct graphdef *g,
                 const char *name,
                 const char *op,
                 const char *a,
                 const char *b,
                 enum crew_dtype type)
{
    graphdef_node(g, name, op);
    graphdef_input(g, a);
    if (b != NULL) {
        graphdef_input(g, b);
    }
    if (type != CREW_INVALID_DTYPE) {
        graphdef_attr_type(g, "T", type);
    }
}

static void below(char out[300], const struct crew_node *n, const char *what)
{
    (void)snprintf(out, 300, "%s/%s", n->name, what);
}

/* <name>/<what>: as float32 what is true. */
static void emit_cast(struct graphdef *g, const char *name, const char *from)
{
    graphdef_node(g, name, "Cast");
    graphdef_input(g, from);
    graphdef_attr_type(g, "SrcT", CREW_BOOL);
    graphdef_attr_type(g, "DstT", CREW_FLOAT);
}

static void emit_gather(struct graphdef *g,
                        const char *name,
                        const char *table,
                        const char *ids,
                        enum crew_dtype ids_type)
{
    int32_t first = 0;
    char axis[320];

    (void)snprintf(axis, sizeof axis, "%s/axis", name);
    graphdef_const_ints(g, axis, 0, &first, 1);
    graphdef_node(g, name, "GatherV2");
    graphdef_input(g, table);
    graphdef_input(g, ids);
    graphdef_input(g, axis);
    graphdef_attr_type(g, "Tparams", CREW_FLOAT);
    graphdef_attr_type(g, "Tindices", ids_type);
    graphdef_attr_type(g, "Taxis", CREW_INT32);
}

/* Rows of the table, clipped when the lookup does. */
static void emit_lookup(const struct crew_node *n,
                        struct graphdef *g,
                        const char *name,
                        const char *ids,
                        enum crew_dtype ids_type)
{
    char taken[320];

    if (n->attr.embed.max_norm <= 0.0f) {
        emit_gather(g, name, n->in[0]->name, ids, ids_type);
        return;
    }
    (void)snprintf(taken, sizeof taken, "%s/taken", name);
    emit_gather(g, taken, n->in[0]->name, ids, ids_type);
    clip_rows_emit(g, name, taken, n->attr.embed.max_norm);
}

/* Sum over the ids of a row. */
static void emit_sum(struct graphdef *g,
                     const char *name,
                     const char *x,
                     bool keep)
{
    int32_t axis = 1;
    char axes[320];

    (void)snprintf(axes, sizeof axes, "%s/reduction_indices", name);
    graphdef_const_ints(g, axes, 0, &axis, 1);
    part(g, name, "Sum", x, axes, CREW_FLOAT);
    if (keep) {
        graphdef_attr_bool(g, "keep_dims", true);
    }
}

static void emit_expand(struct graphdef *g,
                        const char *name,
                        const char *x,
                        enum crew_dtype type)
{
    int32_t last = -1;
    char dim[320];

    (void)snprintf(dim, sizeof dim, "%s/dim", name);
    graphdef_const_ints(g, dim, 0, &last, 1);
    part(g, name, "ExpandDims", x, dim, type);
}

/* What an export calls its parts. */
enum {
    IDS2,
    W2,
    ZERO,
    VALID,
    NONE,
    ABOVE,
    BOTH,
    MASK,
    WEIGHTS,
    TAKEN,
    ROWS_OF,
    SCALE,
    SCALED,
    SUM,
    SQUARES,
    SUM_SQUARES,
    BY,
    MEAN,
    COUNT,
    IS_EMPTY,
    EMPTY,
    NO_COUNT,
    MISSING,
    MISSING_ROW,
    FILL,
    NAMES
};
static const char *const whats[NAMES] = {
    "ids_2d",         "weights_2d", "zero",       "valid",       "none",
    "above",          "both",       "mask",       "weights",     "ids",
    "rows",           "scale",      "scaled",     "sum",         "squares",
    "sum_of_squares", "by",         "mean",       "count",       "is_empty",
    "empty",          "no_count",   "default_id", "default_row", "fill"};

struct emission {
    const struct crew_node *n;
    struct graphdef *g;
    char name[NAMES][300];
    const char *ids, *weights;
};

/* (batch, k) ids and, when there are some, weights: of a vector k is 1. */
static void emit_operands(struct emission *e)
{
    const struct crew_node *n = e->n;
    bool vector = n->in[1]->shape.rank == 1 && !n->in[1]->ragged;

    e->ids = n->in[1]->name;
    e->weights = n->n_in > 2 ? n->in[2]->name : NULL;
    if (vector) {
        emit_expand(e->g, e->name[IDS2], e->ids, n->in[1]->dtype);
        e->ids = e->name[IDS2];
    }
    if (vector && e->weights != NULL) {
        emit_expand(e->g, e->name[W2], e->weights, CREW_FLOAT);
        e->weights = e->name[W2];
    }
}

/* MASK: 1 for what counts; WEIGHTS: its weight, 0 for the rest. */
static void emit_mask(struct emission *e)
{
    const struct crew_node *n = e->n;
    struct crew_shape scalar = crew_scalar_shape();
    const int64_t zero = 0; /* of both integer types */
    enum crew_dtype type = n->in[1]->dtype;
    bool above = e->weights != NULL && n->attr.embed.safe &&
                 n->attr.embed.combiner != CREW_COMBINE_SUM;

    graphdef_const_copy(e->g, e->name[ZERO], type, &scalar, &zero,
                        type == CREW_INT64 ? sizeof(int64_t) : sizeof(int32_t));
    part(e->g, e->name[VALID], "GreaterEqual", e->ids, e->name[ZERO], type);
    if (above) {
        graphdef_const_float(e->g, e->name[NONE], 0.0f);
        part(e->g, e->name[ABOVE], "Greater", e->weights, e->name[NONE],
             CREW_FLOAT);
        part(e->g, e->name[BOTH], "LogicalAnd", e->name[VALID], e->name[ABOVE],
             CREW_INVALID_DTYPE);
    }
    emit_cast(e->g, e->name[MASK], e->name[above ? BOTH : VALID]);
    if (e->weights != NULL) {
        part(e->g, e->name[WEIGHTS], "Mul", e->name[MASK], e->weights,
             CREW_FLOAT);
    }
    part(e->g, e->name[TAKEN], "Maximum", e->ids, e->name[ZERO], type);
}

/* What the sum is divided by. */
static void emit_divisor(struct emission *e, const char *weights)
{
    if (e->n->attr.embed.combiner == CREW_COMBINE_MEAN) {
        emit_sum(e->g, e->name[BY], weights, true);
        return;
    }
    part(e->g, e->name[SQUARES], "Square", weights, NULL, CREW_FLOAT);
    emit_sum(e->g, e->name[SUM_SQUARES], e->name[SQUARES], true);
    part(e->g, e->name[BY], "Sqrt", e->name[SUM_SQUARES], NULL, CREW_FLOAT);
}

/* sum + (no entry counts) default row. */
static void emit_default(struct emission *e, const char *sum)
{
    struct crew_shape one = crew_shape1(1);
    int64_t id = e->n->attr.embed.default_id;

    emit_sum(e->g, e->name[COUNT], e->name[MASK], true);
    graphdef_const_float(e->g, e->name[NO_COUNT], 0.0f);
    part(e->g, e->name[IS_EMPTY], "Equal", e->name[COUNT], e->name[NO_COUNT],
         CREW_FLOAT);
    emit_cast(e->g, e->name[EMPTY], e->name[IS_EMPTY]);
    graphdef_const_copy(e->g, e->name[MISSING], CREW_INT64, &one, &id,
                        sizeof id);
    emit_lookup(e->n, e->g, e->name[MISSING_ROW], e->name[MISSING], CREW_INT64);
    part(e->g, e->name[FILL], "Mul", e->name[EMPTY], e->name[MISSING_ROW],
         CREW_FLOAT);
    part(e->g, e->n->name, "AddV2", sum, e->name[FILL], CREW_FLOAT);
}

/* Over (batch, k) ids, where those below 0 fill up the rows: what a ragged
 * input is when it is served. */
static void emit(const struct crew_node *n, struct graphdef *g)
{
    struct emission e = {.n = n, .g = g};
    bool plain = n->attr.embed.combiner == CREW_COMBINE_SUM;
    bool filled = n->attr.embed.default_id >= 0;
    const char *weights, *last;

    for (int i = 0; i < NAMES; i++) {
        below(e.name[i], n, whats[i]);
    }
    emit_operands(&e);
    emit_mask(&e);
    weights = e.name[e.weights != NULL ? WEIGHTS : MASK];
    emit_lookup(n, g, e.name[ROWS_OF], e.name[TAKEN], n->in[1]->dtype);
    emit_expand(g, e.name[SCALE], weights, CREW_FLOAT);
    part(g, e.name[SCALED], "Mul", e.name[ROWS_OF], e.name[SCALE], CREW_FLOAT);
    last = plain && !filled ? n->name : e.name[SUM];
    emit_sum(g, last, e.name[SCALED], false);
    if (!plain) {
        emit_divisor(&e, weights);
        last = filled ? e.name[MEAN] : n->name;
        part(g, last, "DivNoNan", e.name[SUM], e.name[BY], CREW_FLOAT);
    }
    if (filled) {
        emit_default(&e, last);
    }
}

const struct op_def op_embedding = {
    .tf_name = "GatherV2",
    .flags = OP_NEEDS_INPUT | OP_TAKES_RAGGED | OP_ROWS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .emit = emit,
    .kept = kept_bytes,
};
