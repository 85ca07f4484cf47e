/* SPDX-License-Identifier: Apache-2.0
 *
 * How the trainers of this run work together: what --set, configure() and the
 * model's optimizers say, made one. */
#ifndef ESTIMATOR_TOGETHER_H
#define ESTIMATOR_TOGETHER_H

#include "optim/replicas.h"

/* The run's words win over those of the optimizers (crew_sync_replicas); what
 * nobody says is the number of trainers. Errors: INVALID_ARGUMENT: optimizers
 * that differ (exit 1), numbers that cannot be, synchronous with a
 * max_staleness (64). */
CREW_MUST_CHECK int together_of(const struct crew_run_config *,
                                const struct crew_optimizer *optimizers,
                                int num_optimizers,
                                int64_t num_trainers,
                                CREW_OUT struct replicas *,
                                struct crew_err *);

#endif
