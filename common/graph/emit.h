/* SPDX-License-Identifier: Apache-2.0
 * The part of a graph that some nodes need, as a GraphDef. */
#ifndef GRAPH_EMIT_H
#define GRAPH_EMIT_H

#include "graph/graph.h"
#include "graph/graphdef.h"

/* Emit what `outputs` need, operands first; variables become Consts of
 * var_data[i] (NULL: zero bytes, to try only whether it can be done). Errors:
 * UNIMPLEMENTED naming the node whose op cannot be exported. */
CREW_MUST_CHECK int graph_emit(const struct crew_graph *,
                               struct crew_node *const *outputs,
                               int n_outputs,
                               CREW_NULLABLE const float *const *var_data,
                               struct graphdef *,
                               struct crew_err *);

/* The same with more of a say. */
struct emit_options {
    CREW_NULLABLE const float *const *var_data;
    bool variables;    /* no Consts: graphdef_variable() */
    bool without_feed; /* who calls has made the nodes of all placeholders */
};
CREW_MUST_CHECK int graph_emit_with(const struct crew_graph *,
                                    struct crew_node *const *outputs,
                                    int n_outputs,
                                    const struct emit_options *,
                                    struct graphdef *,
                                    struct crew_err *);

#endif
