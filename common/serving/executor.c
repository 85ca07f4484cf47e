/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a graph node by node. A run walks back from the fetches (without
 * recursion: a stranger's graph may be a chain of a million nodes), orders what
 * it found so that inputs come first, runs each op once, and lets a value go
 * after its last reader. Feeds stand in for the nodes they name. */
#include "serving/executor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/banned.h"

/* What one run may hold at a time: values between ops, constants, variables. */
#define MAX_BYTES ((int64_t)16 << 30)

enum { MAX_OUTPUTS = 1 << 20 };

/* An input of a node: output `index` of node `node`; index -1: control. */
struct edge {
    int node, index;
};

enum mark { UNSEEN = 0, OPEN, DONE };

struct node {
    const Tensorflow__NodeDef *def;
    const struct serving_op *op; /* looked up when first run */
    struct edge *in;             /* resolved when first reached */
    int n_in;
    bool resolved;
    struct value constant; /* a Const's value, decoded once */
    /* of the current run */
    enum mark mark;
    int next_in; /* while OPEN: the input to look at next */
    int readers; /* that have not run yet */
    struct value *out;
    int n_out;
    bool fed;
};

struct executor {
    struct serving_model *model;
    struct node *nodes;
    int n;
    int *by_name; /* a hash table of n_slots places: node + 1, 0 empty */
    size_t n_slots;
    int64_t constants; /* bytes of the nodes' constants */
};

/* ------------------------------------------------------------------ by name */

static size_t hash_of(const char *name, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
    }
    return (size_t)(h ^ h >> 32);
}

/* The place of a name: of its node, or an empty one. */
static size_t slot_of(const struct executor *x, const char *name, size_t n)
{
    size_t slot = hash_of(name, n) & (x->n_slots - 1);

    for (; x->by_name[slot] != 0; slot = (slot + 1) & (x->n_slots - 1)) {
        const char *have = x->nodes[x->by_name[slot] - 1].def->name;

        if (strncmp(have, name, n) == 0 && have[n] == '\0') {
            break;
        }
    }
    return slot;
}

static int find(const struct executor *x, const char *name, size_t n)
{
    return x->by_name[slot_of(x, name, n)] - 1;
}

const Tensorflow__NodeDef *executor_node(const struct executor *x,
                                         const char *name)
{
    int i = find(x, name, strlen(name));

    return i >= 0 ? x->nodes[i].def : NULL;
}

int executor_new(const Tensorflow__GraphDef *graph,
                 struct serving_model *model,
                 struct executor **out,
                 struct crew_err *err)
{
    struct executor *x = xcalloc(1, sizeof *x);
    void *nodes = NULL, *slots = NULL;

    x->model = model;
    x->n_slots = 16;
    while (x->n_slots < 2 * graph->n_node + 2) {
        x->n_slots *= 2;
    }
    if (mem_try(graph->n_node + 1, sizeof *x->nodes, "nodes", &nodes, err) !=
            CREW_OK ||
        mem_try(x->n_slots, sizeof *x->by_name, "names", &slots, err) !=
            CREW_OK) {
        free(nodes);
        free(x);
        return err->code;
    }
    x->nodes = nodes;
    x->by_name = slots;
    for (size_t i = 0; i < graph->n_node; i++) {
        const char *name = graph->node[i]->name;
        size_t slot = slot_of(x, name, strlen(name));

        if (x->by_name[slot] != 0) {
            executor_free(x);
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "the graph has two nodes named '%s'", name);
        }
        x->nodes[x->n++].def = graph->node[i];
        x->by_name[slot] = x->n;
    }
    *out = x;
    return CREW_OK;
}

static void release_outputs(struct node *n)
{
    for (int i = 0; i < n->n_out; i++) {
        value_release(&n->out[i]);
    }
    free(n->out);
    n->out = NULL;
    n->n_out = 0;
}

void executor_free(struct executor *x)
{
    if (x == NULL) {
        return;
    }
    for (int i = 0; i < x->n; i++) {
        release_outputs(&x->nodes[i]);
        value_release(&x->nodes[i].constant);
        free(x->nodes[i].in);
    }
    free(x->nodes);
    free(x->by_name);
    free(x);
}

/* ------------------------------------------------------------------- inputs */

/* "node", "node:2", "^node". */
static int parse_tensor(const struct executor *x,
                        const char *text,
                        struct edge *e,
                        struct crew_err *err)
{
    bool control = text[0] == '^';
    const char *name = control ? text + 1 : text;
    const char *colon = strrchr(name, ':');
    size_t n = colon != NULL ? (size_t)(colon - name) : strlen(name);
    long index = 0;

    if (colon != NULL) {
        char *end;

        index = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end != '\0' || index < 0 ||
            index >= MAX_OUTPUTS) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "'%.200s' names no tensor", text);
        }
    }
    e->node = find(x, name, n);
    e->index = control ? -1 : (int)index;
    if (e->node < 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "the graph has no node '%.*s'",
                             n < 200 ? (int)n : 200, name);
    }
    return CREW_OK;
}

static int resolve(struct executor *x, struct node *n, struct crew_err *err)
{
    if (n->resolved) {
        return CREW_OK;
    }
    n->in = xcalloc(n->def->n_input + 1, sizeof *n->in);
    for (size_t i = 0; i < n->def->n_input; i++) {
        if (parse_tensor(x, n->def->input[i], &n->in[n->n_in], err) !=
            CREW_OK) {
            n->n_in = 0;
            free(n->in);
            n->in = NULL;
            return crew_err_wrap(err, "node '%s'", n->def->name);
        }
        n->n_in++;
    }
    n->resolved = true;
    return CREW_OK;
}

/* -------------------------------------------------------------------- a run */

struct run {
    struct executor *x;
    int *order; /* what to run, inputs first; also the stack of the walk */
    int n_order;
    int64_t bytes; /* that the run's values hold now, about: below 0 when a
                    * variable's value of an earlier run went */
    struct crew_err *err;
};

/* Everything `root` needs, behind what is in the order already. */
static int visit(struct run *r, int root, int *stack)
{
    struct node *nodes = r->x->nodes;
    int depth = 0;

    if (nodes[root].mark != UNSEEN) {
        return CREW_OK;
    }
    stack[depth++] = root;
    nodes[root].mark = OPEN;
    nodes[root].next_in = 0;
    while (depth > 0) {
        struct node *n = &nodes[stack[depth - 1]];
        struct node *below;

        if (!n->fed && resolve(r->x, n, r->err) != CREW_OK) {
            return r->err->code;
        }
        if (n->fed || n->next_in == n->n_in) {
            n->mark = DONE;
            r->order[r->n_order++] = stack[--depth];
            continue;
        }
        below = &nodes[n->in[n->next_in++].node];
        below->readers++;
        if (below->mark == OPEN) {
            return crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                                 "the graph has a cycle through '%s'",
                                 below->def->name);
        }
        if (below->mark == UNSEEN) {
            below->mark = OPEN;
            below->next_in = 0;
            stack[depth++] = (int)(below - nodes);
        }
    }
    return CREW_OK;
}

static int find_op(struct node *n, struct crew_err *err)
{
    if (n->op != NULL) {
        return CREW_OK;
    }
    const struct serving_op *op = serving_op_find(n->def->op);

    if (op == NULL) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 65,
                             "node '%s': op %s is not known here", n->def->name,
                             n->def->op);
    }
    if (op_check_attrs(n->def, err) == CREW_OK) {
        n->op = op;
    }
    return err->code;
}

/* The data inputs, borrowed. */
static int gather(const struct run *r,
                  const struct node *n,
                  struct value *in,
                  int *n_in)
{
    *n_in = 0;
    for (int i = 0; i < n->n_in; i++) {
        const struct node *from = &r->x->nodes[n->in[i].node];

        if (n->in[i].index < 0) {
            continue;
        }
        if (n->in[i].index >= from->n_out ||
            from->out[n->in[i].index].dtype == 0) {
            return crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                                 "node '%s': input %d is output %d of '%s', "
                                 "which has none",
                                 n->def->name, i, n->in[i].index,
                                 from->def->name);
        }
        in[(*n_in)++] = from->out[n->in[i].index];
    }
    if (*n_in < n->op->min_in ||
        (n->op->max_in >= 0 && *n_in > n->op->max_in)) {
        return crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                             "node '%s': %s has %d inputs, expected %d%s",
                             n->def->name, n->def->op, *n_in, n->op->min_in,
                             n->op->max_in == n->op->min_in ? "" : " or more");
    }
    return CREW_OK;
}

static int too_much(struct run *r)
{
    if (r->bytes + r->x->constants <= MAX_BYTES) {
        return CREW_OK;
    }
    return crew_err_exit(r->err, CREW_RESOURCE_EXHAUSTED, 65,
                         "the values of the graph take more than 16 GiB");
}

/* A constant is decoded once. */
static void keep_constant(struct run *r, struct node *n)
{
    int64_t bytes = (int64_t)value_own_bytes(&n->out[0]);

    value_share(&n->constant, &n->out[0], &n->out[0].shape);
    r->x->constants += bytes;
    r->bytes -= bytes;
}

static int make_outputs(struct run *r, struct node *n, struct op_call *call)
{
    call->n_out = n->op->n_out != NULL ? n->op->n_out(n->def, r->err) : 1;
    if (call->n_out < 0 || call->n_out > MAX_OUTPUTS) {
        (void)crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65, "%d outputs",
                            call->n_out);
    }
    if (r->err->code != CREW_OK) {
        return crew_err_wrap(r->err, "node '%s'", n->def->name);
    }
    n->out = xcalloc((size_t)call->n_out + 1, sizeof *n->out);
    n->n_out = call->n_out;
    call->out = n->out;
    return CREW_OK;
}

/* A node fails by what the export, its files or the feeds are, whatever the
 * code below says of itself; not so where the disk or memory does. */
static void node_failed(const struct node *n, struct crew_err *err)
{
    (void)crew_err_wrap(err, "node '%s' (%s)", n->def->name, n->def->op);
    if (err->code != CREW_RESOURCE_EXHAUSTED && err->code != CREW_UNAVAILABLE &&
        err->code != CREW_PERMISSION_DENIED) {
        err->exit_code = 65;
    }
}

static int run_node(struct run *r, struct node *n)
{
    struct op_call call = {.node = n->def, .model = r->x->model, .err = r->err};
    struct value *in;

    if (find_op(n, r->err) != CREW_OK || make_outputs(r, n, &call) != CREW_OK) {
        return r->err->code;
    }
    if (n->constant.dtype != 0) {
        value_share(&n->out[0], &n->constant, &n->constant.shape);
        return CREW_OK;
    }
    in = xcalloc((size_t)n->n_in + 1, sizeof *in);
    call.in = in;
    if (gather(r, n, in, &call.n_in) == CREW_OK && n->op->run(&call) != 0) {
        node_failed(n, r->err);
    }
    free(in);
    for (int i = 0; i < n->n_out; i++) {
        r->bytes += (int64_t)value_own_bytes(&n->out[i]);
    }
    if (r->err->code == CREW_OK && strcmp(n->def->op, "Const") == 0) {
        keep_constant(r, n);
    }
    return r->err->code == CREW_OK ? too_much(r) : r->err->code;
}

static void let_go(struct run *r, const struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        struct node *from = &r->x->nodes[n->in[i].node];

        if (--from->readers > 0) {
            continue;
        }
        for (int k = 0; k < from->n_out; k++) {
            r->bytes -= (int64_t)value_own_bytes(&from->out[k]);
        }
        release_outputs(from);
    }
}

static int take_feeds(struct run *r, const struct serving_feed *feeds, int n)
{
    for (int i = 0; i < n; i++) {
        struct edge e;
        struct node *node;

        if (parse_tensor(r->x, feeds[i].tensor, &e, r->err) != CREW_OK) {
            return r->err->code;
        }
        if (e.index != 0) {
            return crew_err_exit(r->err, CREW_UNIMPLEMENTED, 65,
                                 "'%s': only a node's first output can be fed",
                                 feeds[i].tensor);
        }
        node = &r->x->nodes[e.node];
        node->fed = true;
        node->readers++; /* stays until the end of the run */
        if (node->out == NULL) {
            node->out = xcalloc(1, sizeof *node->out);
            node->n_out = 1;
            value_share(&node->out[0], &feeds[i].value, &feeds[i].value.shape);
        }
    }
    return CREW_OK;
}

static int take_fetches(struct run *r,
                        const char *const *fetches,
                        int n,
                        struct edge *edges,
                        int *stack)
{
    for (int i = 0; i < n; i++) {
        if (parse_tensor(r->x, fetches[i], &edges[i], r->err) != CREW_OK) {
            return r->err->code;
        }
        r->x->nodes[edges[i].node].readers++;
        if (visit(r, edges[i].node, stack) != CREW_OK) {
            return r->err->code;
        }
    }
    return CREW_OK;
}

static int run_all(struct run *r)
{
    for (int i = 0; i < r->n_order; i++) {
        struct node *n = &r->x->nodes[r->order[i]];

        if (n->fed) {
            continue;
        }
        if (run_node(r, n) != CREW_OK) {
            return r->err->code;
        }
        let_go(r, n);
    }
    return CREW_OK;
}

static int give(struct run *r,
                const struct edge *edges,
                const char *const *fetches,
                int n,
                struct value *out)
{
    for (int i = 0; i < n; i++) {
        const struct node *node = &r->x->nodes[edges[i].node];

        if (edges[i].index < node->n_out &&
            node->out[edges[i].index].dtype != 0) {
            value_share(&out[i], &node->out[edges[i].index],
                        &node->out[edges[i].index].shape);
        } else if (strchr(fetches[i], ':') != NULL) {
            return crew_err_exit(r->err, CREW_INVALID_ARGUMENT, 65,
                                 "'%s': the node has no such output",
                                 fetches[i]);
        }
    }
    return CREW_OK;
}

static void clean(struct executor *x)
{
    for (int i = 0; i < x->n; i++) {
        struct node *n = &x->nodes[i];

        if (n->out != NULL) {
            release_outputs(n);
        }
        n->mark = UNSEEN;
        n->readers = 0;
        n->fed = false;
    }
}

int executor_run(struct executor *x,
                 const struct serving_feed *feeds,
                 int n_feeds,
                 const char *const *fetches,
                 int n_fetches,
                 struct value *out,
                 struct crew_err *err)
{
    struct run r = {.x = x, .err = err};
    struct edge *edges = xcalloc((size_t)n_fetches + 1, sizeof *edges);
    int *stack = xcalloc((size_t)x->n + 1, sizeof *stack);

    r.order = xcalloc((size_t)x->n + 1, sizeof *r.order);
    for (int i = 0; i < n_fetches; i++) {
        out[i] = (struct value){0};
    }
    if (take_feeds(&r, feeds, n_feeds) != CREW_OK ||
        take_fetches(&r, fetches, n_fetches, edges, stack) != CREW_OK ||
        run_all(&r) != CREW_OK ||
        give(&r, edges, fetches, n_fetches, out) != CREW_OK) {
        for (int i = 0; i < n_fetches; i++) {
            value_release(&out[i]);
        }
    }
    clean(x);
    free(edges);
    free(stack);
    free(r.order);
    return err->code;
}
