/* SPDX-License-Identifier: Apache-2.0
 * The losses as nodes of TensorFlow, for an export of the EVAL graph, and what
 * the losses' rules share. */
#ifndef GRAPH_OP_LOSS_EMIT_H
#define GRAPH_OP_LOSS_EMIT_H

#include "graph/op.h"

void loss_emit_squared(const struct crew_node *, struct graphdef *);
void loss_emit_absolute(const struct crew_node *, struct graphdef *);
void loss_emit_huber(const struct crew_node *, struct graphdef *);
void loss_emit_hinge(const struct crew_node *, struct graphdef *);
void loss_emit_log_loss(const struct crew_node *, struct graphdef *);
void loss_emit_sigmoid_xent(const struct crew_node *, struct graphdef *);
void loss_emit_log_poisson(const struct crew_node *, struct graphdef *);
void loss_emit_softmax_xent(const struct crew_node *, struct graphdef *);
void loss_emit_sparse_xent(const struct crew_node *, struct graphdef *);
void loss_emit_weighted(const struct crew_node *, struct graphdef *);

/* op_loss.c, for the rules of other losses: all operands are float32 and the
 * first two of one shape; weights are a scalar, or of x's rank with each
 * dimension its or 1. Else the graph gets the blame. */
bool loss_same_shape(struct crew_node *);
bool loss_weights_fit(struct crew_node *,
                      const struct crew_node *x,
                      const struct crew_node *weights);

#endif
