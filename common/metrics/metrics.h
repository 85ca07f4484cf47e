/* SPDX-License-Identifier: Apache-2.0
 * Streaming metrics: what they need of each batch (fetches of a plan), their
 * state, and the value in the end. Source:
 * tensorflow/python/ops/metrics_impl.py */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "graph/plan.h"

/* The nodes a metric wants fetched (at most 2). Returns how many. A metric
 * belongs to its graph and is freed with it. */
int metric_inputs(const struct crew_metric *,
                  CREW_OUT struct crew_node *nodes[2]);

/* The running state: total / count. Zero it to start. */
struct metric_state {
    double total, count;
};
/* Take the batch that `plan` has just run. Labels are fed, not fetched by
 * value: they are fetches like others. */
void metric_update(const struct crew_metric *,
                   struct metric_state *,
                   const struct plan *);
/* total / count, 0 when nothing was counted; float32 as TensorFlow's. */
float metric_value(const struct metric_state *);

#endif
