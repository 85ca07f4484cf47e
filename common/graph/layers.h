/* SPDX-License-Identifier: Apache-2.0
 * What builders of layers share. Internal to graph. */
#ifndef GRAPH_LAYERS_H
#define GRAPH_LAYERS_H

#include "graph/graph.h"

/* Open the layer's name scope: `name`, or the first free one of "dense",
 * "dense_1", ... of the fallback. crew_scope_pop() closes it. */
void layer_push(struct crew_graph *,
                CREW_NULLABLE const char *name,
                const char *fallback);

#endif
