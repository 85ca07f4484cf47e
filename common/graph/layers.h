/* SPDX-License-Identifier: Apache-2.0
 * What builders of layers share. Internal to graph and
 * to the heads. */
#ifndef GRAPH_LAYERS_H
#define GRAPH_LAYERS_H

#include "graph/node.h"

/* Open the layer's name scope: `name`, or the first free one of "dense",
 * "dense_1", ... of the fallback. crew_scope_pop() closes it. */
void layer_push(struct crew_graph *,
                CREW_NULLABLE const char *name,
                const char *fallback);

/* losses.c: what crew_compute_weighted_loss makes, without keeping it for
 * crew_total_loss. */
struct crew_node *loss_reduce(struct crew_graph *,
                              struct crew_node *losses,
                              CREW_NULLABLE struct crew_node *weights,
                              enum crew_loss_reduction);

#endif
