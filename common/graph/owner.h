/* SPDX-License-Identifier: Apache-2.0
 * Whose node is it? For what comes from a user and may point anywhere. */
#ifndef GRAPH_OWNER_H
#define GRAPH_OWNER_H

#include "graph/graph.h"

/* Is it one of the graph's nodes? The node is not looked at, so that one of a
 * graph that has been freed may be asked for. */
bool graph_owns(const struct crew_graph *,
                CREW_NULLABLE const struct crew_node *);
/* Is it one of the things that graph_own() has handed to it, as a metric is?
 * Not looked at either. */
bool graph_keeps(const struct crew_graph *, CREW_NULLABLE const void *);

#endif
