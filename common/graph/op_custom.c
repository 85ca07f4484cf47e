/* SPDX-License-Identifier: Apache-2.0
 * Ops that a job brings along: a row of the op table made at run time, whose
 * functions call the job's. The job is a stranger: what it answers is checked
 * before anything relies on it. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/op.h"

#include "base/banned.h"

/* Of a result's row, or of all of it. */
#define MAX_ELEMENTS ((int64_t)1 << 40)

struct custom {
    struct op_def def; /* first: a node's op is this */
    struct crew_op op;
    char *name;
    char *tf_name;
    void *self;
};

enum { CUSTOM_MAX_INPUTS = 8 };

static const struct custom *custom_of(const struct crew_node *n)
{
    return (const struct custom *)n->op;
}

static void custom_free(void *p)
{
    struct custom *c = p;

    if (c->op.free != NULL) {
        c->op.free(c->self);
    }
    free(c->name);
    free(c->tf_name);
    free(c);
}

/* ------------------------------------------------------------------- shape */

/* What is wrong with a result's shape; NULL: nothing. */
static const char *shape_fault(const struct crew_node *n,
                               const struct crew_shape *shape)
{
    bool batched = false;
    int64_t count = 1;

    for (int k = 0; k < n->n_in; k++) {
        batched |= n->in[k]->shape.rank > 0 && n->in[k]->shape.dim[0] < 0;
    }
    if (shape->rank < 0 || shape->rank > CREW_MAX_RANK) {
        return "its rank is not in 0 to 8";
    }
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dim[i];

        if (dim < (i == 0 && batched ? -1 : 1)) {
            return i > 0 || !batched
                       ? "a dimension is below 1; only the first may be -1, "
                         "where an operand's is"
                       : "a dimension is below -1";
        }
        if (dim > MAX_ELEMENTS / count) {
            return "it has more than 2^40 elements";
        }
        count *= dim > 0 ? dim : 1;
    }
    return NULL;
}

static void infer_custom(struct crew_node *n)
{
    const struct custom *c = custom_of(n);
    struct crew_shape in[CUSTOM_MAX_INPUTS], out = n->in[0]->shape;
    struct crew_err err = {0};
    const char *fault;

    for (int k = 0; k < n->n_in; k++) {
        in[k] = n->in[k]->shape;
    }
    if (c->op.infer != NULL &&
        (c->op.infer(c->self, in, n->n_in, &out, &err) != CREW_OK ||
         err.code != CREW_OK)) {
        (void)graph_fail(n->graph, "%s: op %s: %s", n->name, c->name,
                         err.msg[0] != '\0' ? err.msg
                                            : "infer failed and did not say "
                                              "why. Fix: crew_err_set");
        return;
    }
    fault = shape_fault(n, &out);
    if (fault != NULL) {
        (void)graph_fail(n->graph,
                         "%s: op %s: infer made a shape that cannot "
                         "be: %s",
                         n->name, c->name, fault);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = out;
}

/* ----------------------------------------------------------------- running */

static struct crew_shape filled(const struct crew_shape *shape, int64_t batch)
{
    struct crew_shape s = *shape;

    if (s.rank > 0 && s.dim[0] < 0) {
        s.dim[0] = batch;
    }
    return s;
}

static void make_call(const struct crew_node *n,
                      struct run *r,
                      struct crew_op_call *call)
{
    call->n_in = n->n_in;
    call->batch = r->batch;
    call->seed = r->seed;
    call->step = r->step;
    for (int k = 0; k < n->n_in; k++) {
        call->in[k] = run_in(r, n, k);
        call->in_shape[k] = filled(&n->in[k]->shape, r->batch);
    }
    call->out = run_out(r, n);
    call->out_shape = filled(&n->shape, r->batch);
    call->kept = run_kept(r, n);
}

/* The first NaN of n numbers; -1: none. (An infinity may be meant: a mask.) */
static int64_t find_nan(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (isnan(x[i])) {
            return i;
        }
    }
    return -1;
}

/* NaN out of numbers that are none: without a word the loss would be NaN, and
 * nobody knew why. What was NaN before is another's fault. */
static void blame_for_nan(const struct crew_node *n, struct run *r)
{
    int64_t at = find_nan(run_out(r, n), node_count(n, r->batch));

    for (int k = 0; at >= 0 && k < n->n_in; k++) {
        if (n->in[k]->dtype == CREW_FLOAT &&
            find_nan(run_in(r, n, k), node_count(n->in[k], r->batch)) >= 0) {
            return;
        }
    }
    if (at >= 0) {
        crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 1,
                      "forward wrote NaN as element %" PRId64
                      " of its result, from operands without one. Fix: write "
                      "every element, guard log, sqrt and division",
                      at);
    }
}

static void forward_custom(const struct crew_node *n, struct run *r)
{
    const struct custom *c = custom_of(n);
    struct crew_op_call call = {0};

    make_call(n, r, &call);
    if (c->op.forward(c->self, &call, r->err) != CREW_OK &&
        r->err->code == CREW_OK) {
        crew_err_exit(r->err, CREW_UNKNOWN, 1,
                      "forward failed and did not say why. Fix: crew_err_set");
    }
    if (r->err->code == CREW_OK) {
        blame_for_nan(n, r);
    }
    if (r->err->code != CREW_OK) {
        r->err->exit_code = r->err->exit_code != 0 ? r->err->exit_code : 1;
        (void)crew_err_wrap(r->err, "%s: op %s", n->name, c->name);
    }
}

static void backward_custom(const struct crew_node *n, struct run *r)
{
    const struct custom *c = custom_of(n);
    struct crew_op_call call = {0};

    make_call(n, r, &call);
    call.d_out = run_d_out(r, n);
    for (int k = 0; k < n->n_in; k++) {
        call.d_in[k] = run_d_in_zeroed(r, n, k);
    }
    c->op.backward(c->self, &call);
}

static size_t kept_custom(const struct crew_node *n, int64_t batch)
{
    const struct custom *c = custom_of(n);

    return c->op.kept(c->self, batch);
}

/* ------------------------------------------------------------------ making */

static struct custom *custom_new(const struct crew_op *op, void *self)
{
    struct custom *c = xcalloc(1, sizeof *c);

    c->op = *op;
    c->self = self;
    c->name = xstrdup(op->name);
    c->tf_name = xstrdup(op->tf_name != NULL ? op->tf_name : op->name);
    c->def = (struct op_def){
        .tf_name = c->tf_name,
        .flags = OP_NEEDS_INPUT | OP_NEEDS_OUTPUT |
                 (op->backward == NULL ? OP_NO_GRADIENT : 0) |
                 (op->tf_name == NULL ? OP_NO_EXPORT : 0),
        .infer = infer_custom,
        .forward = forward_custom,
        .backward = op->backward == NULL ? NULL : backward_custom,
        .emit = op->tf_name == NULL ? NULL : op_emit_float,
        .kept = op->kept == NULL ? NULL : kept_custom,
    };
    return c;
}

/* What is wrong with a request; NULL: nothing. */
static const char *request_fault(const struct crew_op *op,
                                 struct crew_node *const *in,
                                 int n)
{
    if (op == NULL) {
        return "the struct crew_op is NULL";
    }
    if (op->name == NULL || op->name[0] == '\0') {
        return "it has no name";
    }
    if (op->forward == NULL) {
        return "it has no forward";
    }
    if (n < 1 || n > CUSTOM_MAX_INPUTS) {
        return "it must have 1 to 8 operands";
    }
    if (in == NULL) {
        return "the list of its operands is NULL";
    }
    return NULL;
}

struct crew_node *crew_custom_op(struct crew_graph *g,
                                 const struct crew_op *op,
                                 void *self,
                                 struct crew_node *const *in,
                                 int n)
{
    const char *fault = request_fault(op, in, n);
    struct custom *c;

    if (graph_broken(g) || fault != NULL) {
        if (op != NULL && op->free != NULL) {
            op->free(self);
        }
        return fault == NULL
                   ? graph_poison(g)
                   : graph_fail(
                         g, "crew_custom_op %s: %s",
                         op != NULL && op->name != NULL ? op->name : "(NULL)",
                         fault);
    }
    c = custom_new(op, self);
    graph_own(g, c, custom_free);
    return graph_add(g, &c->def, c->name, n, in, (union op_attr){0});
}
