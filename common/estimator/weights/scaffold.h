/* SPDX-License-Identifier: Apache-2.0
 * What of a model's scaffold takes part in training. */
#ifndef ESTIMATOR_SCAFFOLD_H
#define ESTIMATOR_SCAFFOLD_H

#include "estimator/model/spec.h"
#include "estimator/weights/weights.h"

/* Let init_fn, if there is one, change the initial values. Errors: what it says
 * (exit 1), or that it said nothing. */
CREW_MUST_CHECK int scaffold_init(const struct crew_scaffold *,
                                  struct weights *,
                                  struct crew_err *);

/* How many checkpoints are kept, 0 for all, and every how many hours one is
 * kept for ever: the scaffold's saver's, or RunConfig's. */
int64_t scaffold_keep(const struct crew_scaffold *,
                      const struct crew_run_config *,
                      CREW_OUT double *hours);

#endif
