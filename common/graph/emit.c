/* SPDX-License-Identifier: Apache-2.0
 * Walk back from the outputs, then let each op write its NodeDef in order. */
#include "graph/emit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "graph/op.h"

#include "base/banned.h"

static void need(const struct crew_node *n, bool *needed)
{
    if (!needed[n->id]) {
        needed[n->id] = true;
        for (int k = 0; k < n->n_in; k++) {
            need(n->in[k], needed);
        }
    }
}

static void emit_variable(const struct crew_node *n,
                          const struct emit_options *o,
                          struct graphdef *out)
{
    const struct graph_var *v = graph_var(n->graph, (int)n->attr.var);
    struct crew_shape scalar = crew_scalar_shape();
    const float nothing = 0.0f;

    if (o->variables) {
        graphdef_variable(out, n->name, CREW_FLOAT, &n->shape);
    } else if (o->var_data == NULL) {
        graphdef_const(out, n->name, CREW_FLOAT, &scalar, &nothing,
                       sizeof nothing);
    } else {
        graphdef_const(out, n->name, CREW_FLOAT, &n->shape,
                       o->var_data[n->attr.var], (size_t)v->n * sizeof(float));
    }
}

static int emit_node(const struct crew_node *n,
                     const struct emit_options *o,
                     struct graphdef *out,
                     struct crew_err *err)
{
    if (n->op == &op_variable) {
        emit_variable(n, o, out);
        return CREW_OK;
    }
    if (n->op == &op_placeholder && o->without_feed) {
        return CREW_OK;
    }
    if (n->op->emit == NULL) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 1,
                             "%s: op %s cannot be exported, a prediction must "
                             "not depend on it",
                             n->name, n->op->tf_name);
    }
    n->op->emit(n, out);
    return CREW_OK;
}

int graph_emit_with(const struct crew_graph *g,
                    struct crew_node *const *outputs,
                    int n_outputs,
                    const struct emit_options *o,
                    struct graphdef *out,
                    struct crew_err *err)
{
    bool *needed;

    if (crew_graph_status(g, err) != CREW_OK) {
        return err->code;
    }
    needed = xcalloc((size_t)g->n_nodes, sizeof *needed);
    for (int i = 0; i < n_outputs; i++) {
        need(outputs[i], needed);
    }
    for (int id = 0; id < g->n_nodes && err->code == CREW_OK; id++) {
        if (needed[id]) {
            (void)emit_node(g->nodes[id], o, out, err);
        }
    }
    free(needed);
    return err->code;
}

int graph_emit(const struct crew_graph *g,
               struct crew_node *const *outputs,
               int n_outputs,
               const float *const *var_data,
               struct graphdef *out,
               struct crew_err *err)
{
    struct emit_options o = {.var_data = var_data};

    return graph_emit_with(g, outputs, n_outputs, &o, out, err);
}
