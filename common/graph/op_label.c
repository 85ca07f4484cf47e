/* SPDX-License-Identifier: Apache-2.0
 * Ops on labels: are they classes at all, and one class of many. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph/expr.h"
#include "graph/op.h"

#include "base/banned.h"

/* ------------------------------------------------------------- LabelRange */

static void infer_range(struct crew_node *n)
{
    n->dtype = n->in[0]->dtype;
    n->shape = n->in[0]->shape;
}

static int64_t row_of(const struct crew_node *n, const struct run *r, int64_t i)
{
    int64_t per_row = node_count(n, r->batch);

    per_row = r->batch > 0 && per_row > 0 ? per_row / r->batch : 1;
    return i / (per_row > 0 ? per_row : 1);
}

static void out_of_range(const struct crew_node *n,
                         struct run *r,
                         int64_t i,
                         double got)
{
    (void)crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                        "%s: assertion failed: [%s] Label %g in row %" PRId64
                        " of the batch is not in [0, %" PRId64 "]",
                        n->name,
                        got < 0.0 ? n->attr.range.below : n->attr.range.above,
                        got, row_of(n, r, i), n->attr.range.most);
}

static void forward_range(const struct crew_node *n, struct run *r)
{
    bool numbers = n->dtype == CREW_FLOAT;
    const void *x = run_in(r, n, 0);
    void *y = run_out(r, n);
    int64_t count = node_count(n, r->batch);

    for (int64_t i = 0; i < count; i++) {
        double label = numbers ? (double)((const float *)x)[i]
                               : (double)((const int64_t *)x)[i];

        if (!(label >= 0.0 && label <= (double)n->attr.range.most)) {
            out_of_range(n, r, i, label);
            return;
        }
    }
    if (count > 0 && y != x) {
        memcpy(y, x,
               (size_t)count * (numbers ? sizeof(float) : sizeof(int64_t)));
    }
}

/* A scalar Const of the labels' dtype. */
static const char *limit(const struct expr *e, enum crew_dtype dtype, int64_t v)
{
    const char *name = expr_float(e, (float)v);

    return dtype == CREW_FLOAT ? name : expr_cast(e, name, CREW_FLOAT, dtype);
}

/* The node "^Assert" that all of `is` (bool) hold. */
static const char *assertion(const struct expr *e,
                             const char *is,
                             int rank,
                             const char *message)
{
    struct crew_shape scalar = crew_scalar_shape();
    int32_t axes[CREW_MAX_RANK];
    char name[300], control[300];
    const char *all, *text, *kept;

    for (int i = 0; i < rank; i++) {
        axes[i] = i;
    }
    all = expr_logical(e, "All", is, expr_ints(e, 1, axes, rank));
    (void)snprintf(name, sizeof name, "%s/message", e->scope);
    text = graphdef_free_name(e->graph, name);
    graphdef_const_strings(e->graph, text, &scalar, &message);
    (void)snprintf(name, sizeof name, "%s/Assert", e->scope);
    kept = graphdef_free_name(e->graph, name);
    graphdef_node(e->graph, kept, "Assert");
    graphdef_input(e->graph, all);
    graphdef_input(e->graph, text);
    graphdef_attr_types(e->graph, "T", (const enum crew_dtype[]){CREW_STRING},
                        1);
    (void)snprintf(control, sizeof control, "^%s", kept);
    return graphdef_keep(e->graph, control);
}

static void emit_range(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    enum crew_dtype t = n->dtype;
    int rank = n->shape.rank;
    const char *x = n->in[0]->name;
    const char *under =
        expr_op(&e, "LessEqual", t, x, limit(&e, t, n->attr.range.most));
    const char *over = expr_op(&e, "GreaterEqual", t, x, limit(&e, t, 0));

    under = assertion(&e, under, rank, n->attr.range.above);
    over = assertion(&e, over, rank, n->attr.range.below);
    (void)expr_op_as(&e, n->name, "Identity", t, x, NULL);
    graphdef_input(g, under);
    graphdef_input(g, over);
}

const struct op_def op_label_range = {
    .tf_name = "LabelRange",
    .flags = OP_MANY_NODES | OP_NO_GRADIENT,
    .infer = infer_range,
    .forward = forward_range,
    .emit = emit_range,
};

/* ----------------------------------------------------------------- Column */

static void infer_column(struct crew_node *n)
{
    const struct crew_shape *x = &n->in[0]->shape;

    if (x->rank != 2 || n->attr.size < 0 || n->attr.size >= x->dim[1]) {
        (void)graph_fail(n->graph, "%s: %s has no column %" PRId64, n->name,
                         n->in[0]->name, n->attr.size);
        return;
    }
    n->dtype = n->in[0]->dtype;
    n->shape = crew_shape2(x->dim[0], 1);
}

static void forward_column(const struct crew_node *n, struct run *r)
{
    int64_t rows = node_count(n, r->batch), width = n->in[0]->shape.dim[1];
    const void *x = run_in(r, n, 0);
    void *y = run_out(r, n);

    for (int64_t i = 0; i < rows; i++) {
        int64_t from = i * width + n->attr.size;

        if (n->dtype == CREW_FLOAT) {
            ((float *)y)[i] = ((const float *)x)[from];
        } else {
            ((int64_t *)y)[i] = ((const int64_t *)x)[from];
        }
    }
}

static void emit_column(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const int32_t begin[] = {0, (int32_t)n->attr.size}, size[] = {-1, 1};
    const char *from = expr_ints(&e, 1, begin, 2);
    const char *many = expr_ints(&e, 1, size, 2);

    (void)expr_op_as(&e, n->name, "Slice", n->dtype, n->in[0]->name, from);
    graphdef_input(g, many);
    graphdef_attr_type(g, "Index", CREW_INT32);
}

const struct op_def op_column = {
    .tf_name = "Slice",
    .flags = OP_NO_GRADIENT,
    .infer = infer_column,
    .forward = forward_column,
    .emit = emit_column,
};
