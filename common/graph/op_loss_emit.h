/* SPDX-License-Identifier: Apache-2.0
 * The losses as nodes of TensorFlow, for an export of the EVAL graph. */
#ifndef GRAPH_OP_LOSS_EMIT_H
#define GRAPH_OP_LOSS_EMIT_H

#include "graph/op.h"

void loss_emit_squared(const struct crew_node *, struct graphdef *);
void loss_emit_absolute(const struct crew_node *, struct graphdef *);
void loss_emit_huber(const struct crew_node *, struct graphdef *);
void loss_emit_hinge(const struct crew_node *, struct graphdef *);
void loss_emit_log_loss(const struct crew_node *, struct graphdef *);
void loss_emit_sigmoid_xent(const struct crew_node *, struct graphdef *);
void loss_emit_softmax_xent(const struct crew_node *, struct graphdef *);
void loss_emit_sparse_xent(const struct crew_node *, struct graphdef *);
void loss_emit_weighted(const struct crew_node *, struct graphdef *);

#endif
