/* SPDX-License-Identifier: Apache-2.0
 * What rule.c and rule_top_k.c share. */
#ifndef METRICS_RULE_IMPL_H
#define METRICS_RULE_IMPL_H

#include "metrics/rule.h"

double metric_number(const struct metric_column *, int64_t i);
/* Of the element at (row, column). */
double metric_weight(const struct metric_batch *, int64_t row, int64_t column);

void metric_add_top_k(const struct metric_rule *,
                      const struct metric_batch *,
                      double *state);
void metric_add_average_precision(const struct metric_rule *,
                                  const struct metric_batch *,
                                  double *state);
/* nn.in_top_k: equal scores share a place. */
void metric_add_in_top_k(const struct metric_rule *,
                         const struct metric_batch *,
                         double *state);

#endif
