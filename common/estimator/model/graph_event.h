/* SPDX-License-Identifier: Apache-2.0
 * A model's graph for TensorBoard's Graphs tab. */
#ifndef ESTIMATOR_GRAPH_EVENT_H
#define ESTIMATOR_GRAPH_EVENT_H

#include "graph/graph.h"
#include "summary/event_writer.h"

/* All nodes, as a GraphDef to be looked at: variables without their values, ops
 * that are not exported (losses, dropout) with inputs and dtype, each node's
 * shape as _output_shapes. writer NULL: nothing. */
void graph_event_write(CREW_NULLABLE struct event_writer *,
                       const struct crew_graph *);

#endif
