/* SPDX-License-Identifier: Apache-2.0
 * Streaming metrics of a graph: what they need of each batch (fetches of a
 * plan), their state, and the values in the end. The arithmetic is rule.h's. */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "graph/graphdef.h"
#include "graph/plan.h"

#define METRIC_MAX_INPUTS 4

/* The nodes a metric wants fetched. Returns how many. A metric belongs to its
 * graph and is freed with it. */
int metric_inputs(const struct crew_metric *,
                  CREW_OUT struct crew_node *nodes[METRIC_MAX_INPUTS]);

/* The running sums, all 0 at first. Owner: caller, free(). */
double *metric_state_new(const struct crew_metric *);
/* Take the batch that `plan` has just run. Errors: INVALID_ARGUMENT, a label
 * that is no class. */
CREW_MUST_CHECK int metric_update(const struct crew_metric *,
                                  double *state,
                                  const struct plan *,
                                  struct crew_err *);
/* 1, or as many as there are thresholds. */
int metric_num_values(const struct crew_metric *);
void metric_values(const struct crew_metric *,
                   const double *state,
                   float *values);

/* --------------------------------------------------------------- for heads */

/* Metrics that only the heads of tf.estimator have; keras: as tf.keras.metrics
 * in the heads of version 2, else as tf.compat.v1's. Labels may be integers or
 * float32. */
struct crew_metric *metric_accuracy(struct crew_graph *,
                                    struct crew_node *labels,
                                    struct crew_node *classes);
/* max(label mean, 1 - label mean). */
struct crew_metric *metric_accuracy_baseline(struct crew_graph *,
                                             struct crew_node *labels,
                                             bool keras);
/* 200 thresholds. */
struct crew_metric *metric_head_auc(struct crew_graph *,
                                    struct crew_node *labels,
                                    struct crew_node *predictions,
                                    enum crew_auc_curve,
                                    bool keras);
/* One number each. */
struct crew_metric *metric_accuracy_at(struct crew_graph *,
                                       struct crew_node *labels,
                                       struct crew_node *predictions,
                                       float threshold,
                                       bool keras);
struct crew_metric *metric_precision_at(struct crew_graph *,
                                        struct crew_node *labels,
                                        struct crew_node *predictions,
                                        float threshold,
                                        bool keras);
struct crew_metric *metric_recall_at(struct crew_graph *,
                                     struct crew_node *labels,
                                     struct crew_node *predictions,
                                     float threshold,
                                     bool keras);

/* ------------------------------------------------------------------ export */

/* A metric in a GraphDef, as tf.compat.v1.metrics builds it: local variables,
 * an update of them with the operands' values, and its value. */
struct metric_nodes {
    const char *value, *update; /* nodes; live as long as the graphdef */
    struct crew_shape shape; /* float32: a scalar, (thresholds), a mean_tensor's
                                own */
};
/* The operands' nodes are there already. Errors: UNIMPLEMENTED (exit 1),
 * weights of one a value for a metric that counts rows. */
CREW_MUST_CHECK int metric_emit(const struct crew_metric *,
                                struct graphdef *,
                                CREW_OUT struct metric_nodes *,
                                struct crew_err *);

#endif
