/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph made ready to run for batches of at most max_batch: all buffers are
 * allocated here, so that a step allocates nothing. Only what `fetches` need is
 * in it. Variables' values are bound from outside; gradient buffers are the
 * plan's. Threads: one at a time. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "graph/graph.h"

struct plan;

/* loss: a scalar fetch that backward starts from, or NULL for forward only.
 * Errors: INVALID_ARGUMENT (no gradient for any variable: TensorFlow's "No
 * gradients provided for any variable"), RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int plan_new(const struct crew_graph *,
                             struct crew_node *const *fetches,
                             int n_fetches,
                             CREW_NULLABLE struct crew_node *loss,
                             int64_t max_batch,
                             CREW_OUT struct plan **,
                             struct crew_err *);
/* The same, ready to compute `on_demand` as well: in those runs only that
 * plan_request() asks for it. */
CREW_MUST_CHECK int plan_new_on_demand(const struct crew_graph *,
                                       struct crew_node *const *fetches,
                                       int n_fetches,
                                       struct crew_node *const *on_demand,
                                       int n_on_demand,
                                       CREW_NULLABLE struct crew_node *loss,
                                       int64_t max_batch,
                                       CREW_OUT struct plan **,
                                       struct crew_err *);
void plan_free(CREW_NULLABLE struct plan *);

/* Variable i's value: graph_var(i)->n floats, 64-byte aligned, borrowed until
 * plan_free or the next bind. */
void plan_bind_var(struct plan *, int i, const float *data);
/* The gradient of variable i after backward; NULL when the loss does not depend
 * on it. Of a fixed variable (graph_var) what it moves to: the value of its
 * source, or its own. Stable until
 * the next plan_forward. */
float *plan_grad(struct plan *, int i);

/* The gradient of a variable that the loss depends on by lookups of rows only
 * (crew_gather, crew_embedding_lookup_sparse) is a list of rows: plan_grad is
 * NULL. Rows may be in it several times. Valid until the next plan_forward; in
 * the plan's memory, for who wants to clip or sum it. */
bool plan_has_rows(const struct plan *, int i);
/* The same for each variable of a graph with graph_use_rows, before there is a
 * plan. rows: graph_num_vars() of them. */
void plan_find_rows(const struct crew_graph *,
                    const struct crew_node *loss,
                    CREW_OUT bool *rows);
struct plan_rows {
    int64_t n, width;
    uint32_t *rows;
    float *values; /* (n, width) */
};
struct plan_rows plan_grad_rows(struct plan *, int i);

/* One input of a run. data: batch rows, row-major; int32 and int64 labels are
 * both taken. */
struct plan_feed {
    const struct crew_node *input;
    enum crew_dtype dtype;
    const void *data; /* of a ragged input: a struct plan_ragged */
};
/* Lists of any length, one after the other. splits: batch + 1 places, rising
 * from 0; row i has the values from splits[i] to splits[i + 1]. */
struct plan_ragged {
    const int64_t *splits;
    const void *values;
};
/* Errors: INVALID_ARGUMENT naming the input: missing, batch above max_batch; a
 * label out of range (with row and value). seed and step key the dropout. */
CREW_MUST_CHECK int plan_forward(struct plan *,
                                 const struct plan_feed *,
                                 int n_feeds,
                                 int64_t batch,
                                 uint64_t seed,
                                 uint64_t step,
                                 struct crew_err *);
/* Compute one of `on_demand` in the next plan_forward. */
void plan_request(struct plan *, const struct crew_node *);
/* Gradients of the loss of the last forward. ready(self, i) is called as soon
 * as variable i's gradient is final AND its value is no longer needed in this
 * step (it may be overwritten from then on), in the order backward gets there.
 */
void plan_backward(struct plan *,
                   void (*ready)(void *self, int var),
                   void *self);

/* When each op of the next forward and backward ran, by `now`'s clock; NULL
 * again: no more. events: at least 2 graph_num_nodes(), borrowed. */
struct plan_event {
    const struct crew_node *node;
    bool backward;
    uint64_t begin_ns, end_ns;
};
struct plan_trace {
    uint64_t (*now)(void *self);
    void *self;
    struct plan_event *events;
    int n; /* written by the plan */
};
void plan_set_trace(struct plan *, CREW_NULLABLE struct plan_trace *);

/* A fetch's value after plan_forward; *shape gets it with the batch filled in.
 * float32, and int64 of a node of any other dtype. */
const void *plan_value(const struct plan *,
                       const struct crew_node *,
                       CREW_OUT struct crew_shape *shape);

#endif
