/* SPDX-License-Identifier: Apache-2.0
 * The graph as it is trained or evaluated, for TensorBoard. */
#include "estimator/model/graph_event.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/op.h"
#include "base/banned.h"

/* An op without an emitter has no place in a served model, but in the picture.
 */
static void list_node(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, n->op->tf_name);
    for (int k = 0; k < n->n_in; k++) {
        graphdef_input(g, n->in[k]->name);
    }
    graphdef_attr_type(g, "T", n->dtype);
}

static void add_node(const struct crew_node *n, struct graphdef *g)
{
    if (n->op == &op_variable) {
        graphdef_variable(g, n->name, n->dtype, &n->shape);
    } else if (n->op->emit != NULL) {
        n->op->emit(n, g);
    } else {
        list_node(n, g);
    }
    /* The node just written is the one that readers get. */
    graphdef_attr_shapes(g, "_output_shapes", &n->shape, 1);
}

void graph_event_write(struct event_writer *writer, const struct crew_graph *g)
{
    struct graphdef *def;
    uint8_t *packed;
    size_t n;

    if (writer == NULL) {
        return;
    }
    def = graphdef_new();
    for (int i = 0; i < g->n_nodes; i++) {
        add_node(g->nodes[i], def);
    }
    n = tensorflow__graph_def__get_packed_size(graphdef_message(def));
    packed = xmalloc(n);
    (void)tensorflow__graph_def__pack(graphdef_message(def), packed);
    event_write_graph(writer, packed, n);
    free(packed);
    graphdef_free(def);
}
