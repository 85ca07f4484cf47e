/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph itself: nodes, names, scopes, variables, features, and the sticky
 * error. */
#include "graph/graph.h"
#include "graph/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "graph/init.h"
#include "graph/op.h"

#include "base/banned.h"

struct crew_graph *graph_new(void)
{
    struct crew_graph *g = xcalloc(1, sizeof *g);

    strbuf_init(&g->scope);
    g->poison = xcalloc(1, sizeof *g->poison);
    g->poison->graph = g;
    g->poison->name = xstrdup("(broken)");
    g->poison->op = &op_placeholder;
    return g;
}

static void free_node(struct crew_node *n)
{
    free(n->name);
    free(n);
}

void graph_free(struct crew_graph *g)
{
    if (g == NULL) {
        return;
    }
    for (int i = 0; i < g->n_owned; i++) {
        g->owned[i].free(g->owned[i].p);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        free_node(g->nodes[i]);
    }
    for (int i = 0; i < g->n_vars; i++) {
        free(g->vars[i].name);
    }
    free_node(g->poison);
    free(g->owned);
    free(g->penalties);
    free(g->losses);
    free(g->nodes);
    free(g->vars);
    strbuf_release(&g->scope);
    free(g);
}

void graph_own(struct crew_graph *g, void *p, void (*release)(void *))
{
    g->owned = xrealloc(g->owned, (size_t)(g->n_owned + 1) * sizeof *g->owned);
    g->owned[g->n_owned++] = (struct owned){p, release};
}

/* ------------------------------------------------------------------ errors */

/* What a builder without a graph returns: no graph's node, never written. */
static struct crew_node nowhere = {
    .op = &op_placeholder,
    .name = (char[]){"(no graph)"},
};

struct crew_node *graph_poison(const struct crew_graph *g)
{
    return g != NULL ? g->poison : &nowhere;
}

bool graph_broken(const struct crew_graph *g)
{
    return g == NULL || g->err.code != CREW_OK;
}

bool graph_takes(struct crew_graph *g,
                 const char *what,
                 const struct crew_node *x)
{
    if (!graph_broken(g) && !graph_owns(g, x)) {
        (void)graph_fail(g, "%s: its operand is %s", what,
                         x == NULL ? "NULL" : "of another graph");
    }
    return !graph_broken(g);
}

struct crew_node *graph_fail(struct crew_graph *g, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (g == NULL) {
        return &nowhere;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    crew_err_exit(&g->err, CREW_INVALID_ARGUMENT, 1, "%s", text);
    return graph_poison(g);
}

int crew_graph_status(const struct crew_graph *g, struct crew_err *err)
{
    struct crew_err unheard = {0};

    err = err != NULL ? err : &unheard;
    if (g == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "the graph is NULL: a model function builds in "
                             "the one it is given");
    }
    if (g->err.code != CREW_OK && err->code == CREW_OK) {
        *err = g->err;
    }
    return err->code;
}

/* ------------------------------------------------------------------- names */

static bool name_taken(const struct crew_graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->nodes[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

char *graph_unique_name(const struct crew_graph *g, const char *name)
{
    char *full = xasprintf("%s%s", g->scope.data, name);

    for (int i = 1; name_taken(g, full); i++) {
        free(full);
        full = xasprintf("%s%s_%d", g->scope.data, name, i);
    }
    return full;
}

const char *graph_scope(const struct crew_graph *g)
{
    return g->scope.data;
}

void crew_scope_push(struct crew_graph *g, const char *name)
{
    if (g == NULL) {
        return;
    }
    if (name == NULL) {
        (void)graph_fail(g, "crew_scope_push: the name is NULL");
        name = "";
    }
    strbuf_addf(&g->scope, "%s/", name);
}

void crew_scope_pop(struct crew_graph *g)
{
    size_t n = g != NULL ? g->scope.len : 0;

    if (n == 0) {
        (void)graph_fail(g, "crew_scope_pop without a crew_scope_push");
        return;
    }
    n--; /* the last '/' */
    while (n > 0 && g->scope.data[n - 1] != '/') {
        n--;
    }
    g->scope.len = n;
    g->scope.data[n] = '\0';
}

struct crew_node *crew_named(struct crew_graph *g,
                             struct crew_node *x,
                             const char *name)
{
    char *full;

    if (graph_broken(g)) {
        return graph_poison(g);
    }
    if (name == NULL || !graph_owns(g, x)) {
        return graph_fail(g, "crew_named \"%s\": the %s",
                          name != NULL ? name : "",
                          name == NULL ? "name is NULL"
                          : x == NULL  ? "node is NULL"
                                       : "node is of another graph");
    }
    if (x->op == &op_variable || x->op == &op_placeholder) {
        return graph_fail(
            g, "crew_named \"%s\": %s is %s, whose name is its identity", name,
            x->name, x->op == &op_variable ? "a variable" : "an input");
    }
    full = xasprintf("%s%s", g->scope.data, name);
    if (name_taken(g, full)) {
        (void)graph_fail(g, "crew_named: the name \"%s\" is taken", full);
        free(full);
        return graph_poison(g);
    }
    free(x->name);
    x->name = full;
    return x;
}

/* ------------------------------------------------------------------- nodes */

struct crew_node *graph_add(struct crew_graph *g,
                            const struct op_def *op,
                            const char *name,
                            int n_in,
                            struct crew_node *const *in,
                            union op_attr attr)
{
    struct crew_node *n;

    if (graph_broken(g)) {
        return graph_poison(g);
    }
    for (int k = 0; k < n_in; k++) {
        if (!graph_owns(g, in[k])) {
            return graph_fail(g, "%s%s: operand %d is %s", g->scope.data, name,
                              k, in[k] == NULL ? "NULL" : "of another graph");
        }
        if (in[k]->ragged && (op->flags & OP_TAKES_RAGGED) == 0) {
            return graph_fail(g,
                              "%s%s: %s is ragged: it has lists of any length. "
                              "Fix: crew_embedding_lookup_sparse, or another "
                              "op that takes ids",
                              g->scope.data, name, in[k]->name);
        }
    }
    n = xcalloc(1, sizeof *n + (size_t)n_in * sizeof n->in[0]);
    n->graph = g;
    n->op = op;
    n->name = graph_unique_name(g, name);
    n->n_in = n_in;
    for (int k = 0; k < n_in; k++) {
        n->in[k] = in[k];
    }
    n->attr = attr;
    op->infer(n);
    if (graph_broken(g)) {
        free_node(n);
        return graph_poison(g);
    }
    if (g->n_nodes == g->cap_nodes) {
        g->cap_nodes = g->cap_nodes == 0 ? 32 : 2 * g->cap_nodes;
        g->nodes = xrealloc(g->nodes,
                            (size_t)g->cap_nodes * sizeof(struct crew_node *));
    }
    n->id = g->n_nodes;
    g->nodes[g->n_nodes++] = n;
    return n;
}

struct crew_node *graph_input(struct crew_graph *g,
                              const char *name,
                              enum crew_dtype dtype,
                              struct crew_shape shape)
{
    struct crew_node *n =
        graph_add(g, &op_placeholder, name, 0, NULL, (union op_attr){0});

    if (n != graph_poison(g)) {
        n->dtype = dtype;
        n->shape = shape;
    }
    return n;
}

struct crew_node *graph_find_node(const struct crew_graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->nodes[i]->name, name) == 0) {
            return g->nodes[i];
        }
    }
    return NULL;
}

bool graph_owns(const struct crew_graph *g, const struct crew_node *node)
{
    /* What has been made lately is asked for most. */
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        if (g->nodes[i] == node) {
            return true;
        }
    }
    return false;
}

bool graph_keeps(const struct crew_graph *g, const void *p)
{
    for (int i = 0; i < g->n_owned; i++) {
        if (g->owned[i].p == p) {
            return true;
        }
    }
    return false;
}

int graph_num_nodes(const struct crew_graph *g)
{
    return g->n_nodes;
}

const char *node_op(const struct crew_node *n)
{
    return n->op->tf_name;
}

int node_num_inputs(const struct crew_node *n)
{
    return n->n_in;
}

const struct crew_node *node_input(const struct crew_node *n, int i)
{
    return n->in[i];
}

const struct crew_graph *node_graph(const struct crew_node *n)
{
    return n->graph;
}

bool node_is_ragged(const struct crew_node *n)
{
    return n->ragged;
}

struct crew_shape node_served_shape(const struct crew_node *n)
{
    return n->ragged ? crew_shape2(-1, -1) : n->shape;
}

struct crew_node *graph_input_ragged(struct crew_graph *g,
                                     const char *name,
                                     enum crew_dtype dtype)
{
    struct crew_node *n = graph_input(g, name, dtype, crew_shape1(-1));

    if (dtype != CREW_INT64 && dtype != CREW_FLOAT) {
        return graph_fail(g,
                          "input %s: ragged lists are of int64 or float32, "
                          "not %s",
                          name, dtype_name(dtype));
    }
    if (n != graph_poison(g)) {
        n->ragged = true;
    }
    return n;
}

const char *node_name(const struct crew_node *n)
{
    return n->name;
}

enum crew_dtype node_dtype(const struct crew_node *n)
{
    return n->dtype;
}

const struct crew_shape *node_shape(const struct crew_node *n)
{
    return &n->shape;
}

int64_t node_count(const struct crew_node *n, int64_t batch)
{
    int64_t count = 1;

    for (int i = 0; i < n->shape.rank; i++) {
        count *= n->shape.dim[i] < 0 ? batch : n->shape.dim[i];
    }
    return count;
}

/* --------------------------------------------------------------- variables */

static struct crew_node *add_variable(struct crew_graph *g,
                                      const char *name,
                                      struct crew_shape shape,
                                      struct crew_init init,
                                      int64_t count)
{
    union op_attr attr = {.var = g->n_vars};
    struct crew_node *n = graph_add(g, &op_variable, name, 0, NULL, attr);

    if (n == graph_poison(g)) {
        return n;
    }
    n->dtype = CREW_FLOAT;
    n->shape = shape;
    if (g->n_vars == g->cap_vars) {
        g->cap_vars = g->cap_vars == 0 ? 16 : 2 * g->cap_vars;
        g->vars = xrealloc(g->vars, (size_t)g->cap_vars * sizeof *g->vars);
    }
    g->vars[g->n_vars++] = (struct graph_var){.name = xstrdup(n->name),
                                              .shape = shape,
                                              .init = init,
                                              .n = count,
                                              .node = n};
    return n;
}

struct crew_node *crew_variable(struct crew_graph *g,
                                const char *name,
                                struct crew_shape shape,
                                struct crew_init init)
{
    struct crew_err bad = {0};
    struct crew_node *n;
    int64_t count = 0;
    char *full;

    if (graph_broken(g)) {
        return graph_poison(g);
    }
    if (name == NULL || name[0] == '\0') {
        return graph_fail(g, "crew_variable: the name is %s",
                          name == NULL ? "NULL" : "empty");
    }
    full = xasprintf("%s%s", g->scope.data, name);
    if (name_taken(g, full)) {
        n = graph_fail(g, "variable %s: there is one of that name already",
                       full);
    } else if (shape_count(&shape, &count, &bad) != CREW_OK) {
        n = graph_fail(g, "variable %s: %s", full, bad.msg);
    } else if (init_fault(&init, &shape) != NULL) {
        n = graph_fail(g, "variable %s: %s", full, init_fault(&init, &shape));
    } else {
        n = add_variable(g, name, shape, init, count);
    }
    free(full);
    return n;
}

struct crew_node *crew_variable_fixed(struct crew_graph *g,
                                      const char *name,
                                      struct crew_shape shape,
                                      struct crew_init init)
{
    struct crew_node *n = crew_variable(g, name, shape, init);

    if (n->op == &op_variable) {
        g->vars[n->attr.var].fixed = true;
    }
    return n;
}

void crew_assign_moving_average(struct crew_graph *g,
                                struct crew_node *v,
                                struct crew_node *value,
                                double decay)
{
    struct graph_var *var;

    if (graph_broken(g)) {
        return;
    }
    if (!graph_takes(g, "crew_assign_moving_average", v) ||
        !graph_takes(g, "crew_assign_moving_average", value)) {
        return;
    }
    if (v->op != &op_variable || !g->vars[v->attr.var].fixed ||
        g->vars[v->attr.var].source != NULL) {
        (void)graph_fail(g,
                         "crew_assign_moving_average: %s is not a variable "
                         "of crew_variable_fixed that moves to one value only",
                         v->name);
        return;
    }
    if (value->dtype != CREW_FLOAT || value->ragged ||
        !shape_equal(&v->shape, &value->shape) ||
        !(decay >= 0.0 && decay <= 1.0)) {
        (void)graph_fail(g,
                         "crew_assign_moving_average: %s cannot move to %s by "
                         "a decay of %g: their shapes must be equal and the "
                         "decay in [0, 1]",
                         v->name, value->name, decay);
        return;
    }
    var = &g->vars[v->attr.var];
    var->source = value;
    var->rest = (float)(1.0 - decay);
}

void graph_use_rows(struct crew_graph *g)
{
    g->rows = true;
}

void graph_keep_dense(struct crew_graph *g, int var)
{
    g->vars[var].dense = true;
}

int graph_num_vars(const struct crew_graph *g)
{
    return g->n_vars;
}

const struct graph_var *graph_var(const struct crew_graph *g, int i)
{
    PRE(i >= 0 && i < g->n_vars);
    return &g->vars[i];
}

int graph_find_var(const struct crew_graph *g, const char *name)
{
    for (int i = 0; i < g->n_vars; i++) {
        if (strcmp(g->vars[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---------------------------------------------------------------- features */

struct crew_features *features_new(struct crew_graph *g,
                                   const struct feature_entry *entries,
                                   int n)
{
    struct crew_features *f = xcalloc(1, sizeof *f);

    f->graph = g;
    f->n = n;
    f->entries = xcalloc((size_t)n, sizeof *f->entries);
    if (n > 0) {
        memcpy(f->entries, entries, (size_t)n * sizeof *entries);
    }
    return f;
}

void features_free(struct crew_features *f)
{
    if (f != NULL) {
        free(f->entries);
        free(f);
    }
}

struct crew_node *crew_feature(const struct crew_features *f, const char *key)
{
    struct crew_node *n;
    struct strbuf known;

    if (f == NULL || key == NULL) {
        return graph_fail(f != NULL ? f->graph : NULL,
                          "crew_feature: the key is NULL");
    }
    for (int i = 0; i < f->n; i++) {
        if (strcmp(f->entries[i].key, key) == 0) {
            return f->entries[i].node;
        }
    }
    strbuf_init(&known);
    for (int i = 0; i < f->n; i++) {
        strbuf_addf(&known, "%s%s", i == 0 ? "" : ", ", f->entries[i].key);
    }
    n = graph_fail(f->graph,
                   "Feature %s is not in features dictionary. There are: %s",
                   key, known.data);
    strbuf_release(&known);
    return n;
}
