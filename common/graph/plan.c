/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph made ready to run. Making it:
 *
 *   used       what the fetches and the loss need
 *   back       of that, what lies between a variable and the loss
 *   values     a buffer a node, but for those that may write over their operand
 *              (OP_IN_PLACE) when nobody else will read it, and for reshapes,
 *              which are their operand under another shape
 *   gradients  a buffer a node of `back`, shared by the same reasoning
 *              (OP_GRAD_IN_PLACE)
 *
 * Running: forward in the order of building, backward in reverse. A gradient
 * that several nodes contribute to is written by the first and added to by the
 * others, so nothing is zeroed that is going to be overwritten. */
#include "graph/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "graph/op.h"
#include "graph/rows.h"

#include "base/banned.h"

/* What the plan knows of a node, by the node's id. */
struct place {
    bool used, back, fetched;
    bool on_demand;   /* only what is fetched on demand needs it ... */
    bool wanted;      /* ... and this run does */
    bool depends;     /* on a variable, through differentiable ops */
    int readers;      /* used nodes that take it as an operand */
    int back_readers; /* of these, those that run backward */
    int left;         /* of these, those still to come in this backward */
    int value_of;     /* whose value buffer it shares; itself: -1 */
    int grad_of;      /* whose gradient buffer it shares; its own: -1 */
    bool touched;     /* its gradient has been written in this backward */
    void *value;      /* own buffer, feed or variable */
    bool owns_value;
    float *grad;
    CREW_NULLABLE struct row_list *rows; /* instead of grad */
    const int64_t *splits;               /* of a ragged feed */
    void *kept;
};

struct plan {
    const struct crew_graph *graph;
    int64_t max_batch, batch;
    int loss; /* id, -1: forward only */
    struct place *places;
    void *scratch;
    bool wants; /* some place is wanted */
    struct plan_trace *trace;
    uint64_t seed, step; /* of the last forward: dropout draws the same again */
};

static struct place *place_of(const struct plan *p, const struct crew_node *n)
{
    return &p->places[n->id];
}

static struct crew_node *node_at(const struct plan *p, int id)
{
    return p->graph->nodes[id];
}

/* ------------------------------------------------------ what an op asks for */

static void *value_at(const struct plan *p, int id)
{
    while (p->places[id].value_of >= 0) {
        id = p->places[id].value_of;
    }
    return p->places[id].value;
}

static float *grad_at(const struct plan *p, int id)
{
    while (p->places[id].grad_of >= 0) {
        id = p->places[id].grad_of;
    }
    return p->places[id].grad;
}

const void *run_in(const struct run *r, const struct crew_node *n, int k)
{
    return value_at(r->plan, n->in[k]->id);
}

void *run_out(const struct run *r, const struct crew_node *n)
{
    return value_at(r->plan, n->id);
}

void *run_kept(const struct run *r, const struct crew_node *n)
{
    return place_of(r->plan, n)->kept;
}

void *run_scratch(const struct run *r)
{
    return r->plan->scratch;
}

const float *run_d_out(const struct run *r, const struct crew_node *n)
{
    return grad_at(r->plan, n->id);
}

struct grad run_d_in(struct run *r, const struct crew_node *n, int k)
{
    struct place *x = place_of(r->plan, n->in[k]);
    struct grad g = {NULL, false};

    if (x->back) {
        g.data = grad_at(r->plan, n->in[k]->id);
        g.add = x->touched;
        x->touched = true;
    }
    return g;
}

float *run_d_in_zeroed(struct run *r, const struct crew_node *n, int k)
{
    struct grad g = run_d_in(r, n, k);

    if (g.data != NULL && !g.add) {
        memset(g.data, 0,
               (size_t)node_count(n->in[k], r->batch) * sizeof(float));
    }
    return g.data;
}

const int64_t *run_splits(const struct run *r, const struct crew_node *n, int k)
{
    return n->in[k]->ragged ? place_of(r->plan, n->in[k])->splits : NULL;
}

struct row_sink run_rows(struct run *r,
                         const struct crew_node *n,
                         int64_t width,
                         int64_t most,
                         bool unique)
{
    struct place *x = place_of(r->plan, n->in[0]);
    struct row_sink s = {.width = width, .unique = unique};

    if (x->rows == NULL) {
        s.dense = run_d_in_zeroed(r, n, 0);
        return s;
    }
    if (!x->touched) {
        x->rows->n = 0;
        x->touched = true;
    }
    row_list_reserve(x->rows, most, unique);
    s.list = x->rows;
    return s;
}

/* ------------------------------------------------------------------ making */

static void mark_used(struct plan *p, const struct crew_node *n, bool on_demand)
{
    struct place *x = place_of(p, n);

    if (x->used) {
        return;
    }
    x->used = true;
    x->on_demand = on_demand;
    for (int k = 0; k < n->n_in; k++) {
        mark_used(p, n->in[k], on_demand);
        place_of(p, n->in[k])->readers++;
    }
}

static void mark_depends(struct plan *p)
{
    for (int id = 0; id < p->graph->n_nodes; id++) {
        const struct crew_node *n = node_at(p, id);
        struct place *x = &p->places[id];

        x->depends = n->op == &op_variable &&
                     !graph_var(p->graph, (int)n->attr.var)->fixed;
        for (int k = 0; k < n->n_in; k++) {
            x->depends |= place_of(p, n->in[k])->depends;
        }
        x->depends &= (n->op->flags & OP_NO_GRADIENT) == 0;
    }
}

static void mark_back(struct plan *p, const struct crew_node *n)
{
    struct place *x = place_of(p, n);

    if (x->back || !x->depends) {
        return;
    }
    x->back = true;
    for (int k = 0; k < n->n_in; k++) {
        mark_back(p, n->in[k]);
        place_of(p, n->in[k])->back_readers++;
    }
}

/* Wider rows are not worth a list: a granule shall hold several. */
#define MAX_ROW_WIDTH 65536

/* Is the variable looked up by all that lies between it and the loss? */
static bool is_looked_up(const struct plan *p, const struct crew_node *v)
{
    const struct graph_var *var = graph_var(p->graph, (int)v->attr.var);
    bool looked_up = place_of(p, v)->back_readers > 0 && v->shape.rank > 0 &&
                     v->shape.dim[0] > 0 && v->shape.dim[0] <= UINT32_MAX &&
                     var->n / v->shape.dim[0] <= MAX_ROW_WIDTH;

    for (int id = v->id + 1; looked_up && id < p->graph->n_nodes; id++) {
        const struct crew_node *n = node_at(p, id);

        for (int k = 0; looked_up && p->places[id].back && k < n->n_in; k++) {
            looked_up =
                n->in[k] != v || (k == 0 && (n->op->flags & OP_ROWS) != 0);
        }
    }
    return looked_up;
}

static bool is_table(const struct plan *p, int var)
{
    const struct crew_node *v = graph_var(p->graph, var)->node;

    return p->graph->rows && !graph_var(p->graph, var)->dense &&
           place_of(p, v)->back && is_looked_up(p, v);
}

static void find_tables(struct plan *p)
{
    for (int i = 0; i < p->graph->n_vars; i++) {
        const struct graph_var *v = graph_var(p->graph, i);

        if (is_table(p, i)) {
            struct row_list *rows = xcalloc(1, sizeof *rows);

            rows->width = v->n / v->shape.dim[0];
            place_of(p, v->node)->rows = rows;
        }
    }
}

void plan_find_rows(const struct crew_graph *g,
                    const struct crew_node *loss,
                    bool *rows)
{
    struct plan p = {.graph = g};

    p.places = xcalloc((size_t)g->n_nodes, sizeof *p.places);
    mark_depends(&p);
    mark_back(&p, loss);
    for (int i = 0; i < g->n_vars; i++) {
        rows[i] = is_table(&p, i);
    }
    free(p.places);
}

/* What variables move to is part of training. */
static void mark_sources(struct plan *p)
{
    for (int i = 0; i < p->graph->n_vars; i++) {
        const struct graph_var *v = graph_var(p->graph, i);

        if (v->source != NULL) {
            mark_used(p, v->source, false);
            place_of(p, v->source)->fetched = true;
        }
    }
}

/* May a node write its value over that of x? Not if anybody reads x later, in
 * forward or in backward, be it under another name (a reshape). */
static bool may_overwrite(const struct plan *p, int id)
{
    for (; id >= 0; id = p->places[id].value_of) {
        const struct place *x = &p->places[id];
        const struct op_def *op = node_at(p, id)->op;

        if (x->readers != 1 || x->fetched || op == &op_placeholder ||
            op == &op_variable || (x->back && (op->flags & OP_NEEDS_OUTPUT))) {
            return false;
        }
    }
    return true;
}

static void share_buffers(struct plan *p, const struct crew_node *n)
{
    struct place *x = place_of(p, n);
    int operand = n->n_in > 0 ? n->in[0]->id : -1;

    x->value_of = -1;
    x->grad_of = -1;
    if (operand < 0) {
        return;
    }
    if (n->op == &op_reshape ||
        ((n->op->flags & OP_IN_PLACE) && may_overwrite(p, operand))) {
        x->value_of = operand;
    }
    /* The operand's gradient is this node's, worked over in place. */
    struct place *in = &p->places[operand];

    if (x->back && in->back && (n->op->flags & OP_GRAD_IN_PLACE) &&
        in->back_readers == 1 && n->in[0]->op != &op_variable) {
        in->grad_of = n->id;
    }
}

static size_t value_bytes(const struct plan *p, const struct crew_node *n)
{
    size_t size = n->dtype == CREW_FLOAT ? sizeof(float) : sizeof(int64_t);

    return (size_t)node_count(n, p->max_batch) * size;
}

static int allocate_node(struct plan *p,
                         const struct crew_node *n,
                         size_t *scratch,
                         struct crew_err *err)
{
    struct place *x = place_of(p, n);
    bool borrowed =
        n->op == &op_variable ||
        (n->op == &op_placeholder && (n->dtype == CREW_FLOAT || n->ragged));
    void *grad = NULL;

    if (x->value_of < 0 && !borrowed) {
        if (mem_try(value_bytes(p, n), 1, n->name, &x->value, err) != CREW_OK) {
            return err->code;
        }
        x->owns_value = true;
    }
    if (n->op->kept != NULL && mem_try(n->op->kept(n, p->max_batch), 1, n->name,
                                       &x->kept, err) != CREW_OK) {
        return err->code;
    }
    if (x->back && x->grad_of < 0 && x->rows == NULL) {
        if (mem_try(value_bytes(p, n), 1, n->name, &grad, err) != CREW_OK) {
            return err->code;
        }
        x->grad = grad;
    }
    if (n->op->scratch != NULL) {
        size_t size = n->op->scratch(n, p->max_batch);

        *scratch = size > *scratch ? size : *scratch;
    }
    return CREW_OK;
}

static int allocate(struct plan *p, struct crew_err *err)
{
    size_t scratch = 0;

    for (int id = 0; id < p->graph->n_nodes; id++) {
        if (p->places[id].used) {
            share_buffers(p, node_at(p, id));
        }
    }
    for (int id = 0; id < p->graph->n_nodes; id++) {
        if (p->places[id].used &&
            allocate_node(p, node_at(p, id), &scratch, err) != CREW_OK) {
            return err->code;
        }
    }
    return mem_try(scratch, 1, "scratch memory", &p->scratch, err);
}

static int check_gradients(const struct plan *p, struct crew_err *err)
{
    for (int i = 0; i < p->graph->n_vars; i++) {
        if (place_of(p, p->graph->vars[i].node)->back) {
            return CREW_OK;
        }
    }
    return crew_err_exit(
        err, CREW_INVALID_ARGUMENT, 1,
        "No gradients provided for any variable, check your graph "
        "for ops that do not support gradients, between variables "
        "and loss %s.",
        node_at(p, p->loss)->name);
}

int plan_new(const struct crew_graph *g,
             struct crew_node *const *fetches,
             int n_fetches,
             struct crew_node *loss,
             int64_t max_batch,
             struct plan **out,
             struct crew_err *err)
{
    return plan_new_on_demand(g, fetches, n_fetches, NULL, 0, loss, max_batch,
                              out, err);
}

int plan_new_on_demand(const struct crew_graph *g,
                       struct crew_node *const *fetches,
                       int n_fetches,
                       struct crew_node *const *on_demand,
                       int n_on_demand,
                       struct crew_node *loss,
                       int64_t max_batch,
                       struct plan **out,
                       struct crew_err *err)
{
    struct plan *p;

    if (crew_graph_status(g, err) != CREW_OK) {
        return err->code;
    }
    if (loss != NULL && (loss->dtype != CREW_FLOAT || loss->shape.rank != 0)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Loss must be scalar: %s is not", loss->name);
    }
    PRE(max_batch >= 1);
    p = xcalloc(1, sizeof *p);
    p->graph = g;
    p->max_batch = max_batch;
    p->loss = loss == NULL ? -1 : loss->id;
    p->places = xcalloc((size_t)g->n_nodes, sizeof *p->places);
    for (int i = 0; i < n_fetches; i++) {
        mark_used(p, fetches[i], false);
        place_of(p, fetches[i])->fetched = true;
    }
    if (loss != NULL) {
        mark_used(p, loss, false);
        place_of(p, loss)->fetched = true;
        mark_sources(p);
        mark_depends(p);
        mark_back(p, loss);
        find_tables(p);
        if (check_gradients(p, err) != CREW_OK) {
            goto fail;
        }
    }
    for (int i = 0; i < n_on_demand; i++) {
        mark_used(p, on_demand[i], true);
        place_of(p, on_demand[i])->fetched = true;
    }
    if (allocate(p, err) != CREW_OK) {
        goto fail;
    }
    *out = p;
    return CREW_OK;
fail:
    plan_free(p);
    return err->code;
}

void plan_free(struct plan *p)
{
    if (p == NULL) {
        return;
    }
    for (int id = 0; id < p->graph->n_nodes; id++) {
        struct place *x = &p->places[id];

        if (x->owns_value) {
            free(x->value);
        }
        free(x->kept);
        free(x->grad);
        if (x->rows != NULL) {
            row_list_release(x->rows);
            free(x->rows);
        }
    }
    free(p->scratch);
    free(p->places);
    free(p);
}

/* ----------------------------------------------------------------- running */

void plan_bind_var(struct plan *p, int i, const float *data)
{
    place_of(p, graph_var(p->graph, i)->node)->value = (void *)(uintptr_t)data;
}

float *plan_grad(struct plan *p, int i)
{
    const struct graph_var *v = graph_var(p->graph, i);

    if (v->fixed) {
        return value_at(p, v->source != NULL ? v->source->id : v->node->id);
    }
    return place_of(p, v->node)->grad;
}

bool plan_has_rows(const struct plan *p, int i)
{
    return place_of(p, graph_var(p->graph, i)->node)->rows != NULL;
}

struct plan_rows plan_grad_rows(struct plan *p, int i)
{
    const struct row_list *l = place_of(p, graph_var(p->graph, i)->node)->rows;

    PRE(l != NULL);
    return (struct plan_rows){l->n, l->width, l->rows, l->values};
}

static void want(struct plan *p, const struct crew_node *n)
{
    struct place *x = place_of(p, n);

    if (!x->on_demand || x->wanted) {
        return;
    }
    x->wanted = true;
    p->wants = true;
    for (int k = 0; k < n->n_in; k++) {
        want(p, n->in[k]);
    }
}

void plan_request(struct plan *p, const struct crew_node *n)
{
    PRE(place_of(p, n)->used);
    want(p, n);
}

static void forget_requests(struct plan *p)
{
    for (int id = 0; p->wants && id < p->graph->n_nodes; id++) {
        p->places[id].wanted = false;
    }
    p->wants = false;
}

void plan_set_trace(struct plan *p, struct plan_trace *trace)
{
    p->trace = trace;
    if (trace != NULL) {
        trace->n = 0;
    }
}

static uint64_t trace_now(const struct plan *p)
{
    return p->trace != NULL ? p->trace->now(p->trace->self) : 0;
}

static void trace_op(struct plan *p,
                     const struct crew_node *n,
                     bool backward,
                     uint64_t begin_ns)
{
    if (p->trace != NULL) {
        p->trace->events[p->trace->n++] =
            (struct plan_event){n, backward, begin_ns, trace_now(p)};
    }
}

static void widen(const int32_t *from, int64_t n, int64_t *to)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

static int feed_ragged(struct plan *p,
                       const struct crew_node *n,
                       const struct plan_feed *f,
                       struct crew_err *err)
{
    struct place *x = place_of(p, n);
    const struct plan_ragged *lists = f->data;
    bool well = f->dtype == n->dtype && lists->splits[0] == 0;

    for (int64_t i = 0; well && i < p->batch; i++) {
        well = lists->splits[i + 1] >= lists->splits[i];
    }
    if (!well) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "input \"%s\" is ragged %s: it must be fed with "
                            "that and with row splits that rise from 0",
                            n->name, dtype_name(n->dtype));
    }
    x->value = (void *)(uintptr_t)lists->values;
    x->splits = lists->splits;
    return CREW_OK;
}

static int feed_one(struct plan *p,
                    const struct crew_node *n,
                    const struct plan_feed *feeds,
                    int n_feeds,
                    struct crew_err *err)
{
    struct place *x = place_of(p, n);

    for (int i = 0; i < n_feeds; i++) {
        const struct plan_feed *f = &feeds[i];
        int64_t count = node_count(n, p->batch);

        if (f->input != n) {
            continue;
        }
        if (n->ragged) {
            return feed_ragged(p, n, f, err);
        }
        if (n->dtype == CREW_FLOAT && f->dtype == CREW_FLOAT) {
            x->value = (void *)(uintptr_t)f->data;
        } else if (n->dtype != CREW_FLOAT && f->dtype == CREW_INT32) {
            widen(f->data, count, x->value);
        } else if (n->dtype != CREW_FLOAT && f->dtype == CREW_INT64) {
            memcpy(x->value, f->data, (size_t)count * sizeof(int64_t));
        } else {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "input \"%s\" is %s, was fed %s", n->name,
                                dtype_name(n->dtype), dtype_name(f->dtype));
        }
        return CREW_OK;
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "You must feed a value for placeholder tensor '%s'",
                        n->name);
}

int plan_forward(struct plan *p,
                 const struct plan_feed *feeds,
                 int n_feeds,
                 int64_t batch,
                 uint64_t seed,
                 uint64_t step,
                 struct crew_err *err)
{
    struct run r = {p, batch, seed, step, err};

    if (batch < 1 || batch > p->max_batch) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "a batch of %" PRId64
                            " rows, the plan is for 1 to "
                            "%" PRId64,
                            batch, p->max_batch);
    }
    p->batch = batch;
    p->seed = seed;
    p->step = step;
    for (int id = 0; id < p->graph->n_nodes && err->code == CREW_OK; id++) {
        const struct crew_node *n = node_at(p, id);
        const struct place *x = &p->places[id];

        if (!x->used || (x->on_demand && !x->wanted)) {
            continue;
        }
        if (n->op == &op_placeholder) {
            (void)feed_one(p, n, feeds, n_feeds, err);
        } else if (n->op == &op_variable) {
            PRE(p->places[id].value != NULL && "plan_bind_var comes first");
        } else {
            uint64_t begin = trace_now(p);

            n->op->forward(n, &r);
            trace_op(p, n, false, begin);
        }
    }
    forget_requests(p);
    return err->code;
}

static void start_backward(struct plan *p)
{
    for (int id = 0; id < p->graph->n_nodes; id++) {
        p->places[id].touched = false;
        p->places[id].left = p->places[id].back_readers;
    }
    grad_at(p, p->loss)[0] = 1.0f;
}

void plan_backward(struct plan *p,
                   void (*ready)(void *self, int var),
                   void *self)
{
    struct run r = {p, p->batch, p->seed, p->step, NULL};

    PRE(p->loss >= 0);
    start_backward(p);
    for (int id = p->loss; id >= 0; id--) {
        const struct crew_node *n = node_at(p, id);

        if (!p->places[id].back || n->op == &op_variable) {
            continue;
        }
        uint64_t begin = trace_now(p);

        n->op->backward(n, &r);
        trace_op(p, n, true, begin);
        for (int k = 0; k < n->n_in; k++) {
            struct place *x = place_of(p, n->in[k]);

            if (--x->left == 0 && x->back && n->in[k]->op == &op_variable) {
                ready(self, (int)n->in[k]->attr.var);
            }
        }
    }
    for (int i = 0; i < p->graph->n_vars; i++) {
        if (graph_var(p->graph, i)->fixed) {
            ready(self, i);
        }
    }
}

const void *plan_value(const struct plan *p,
                       const struct crew_node *n,
                       struct crew_shape *shape)
{
    PRE(place_of(p, n)->used);
    *shape = n->shape;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) {
            shape->dim[i] = p->batch;
        }
    }
    return value_at(p, n->id);
}
