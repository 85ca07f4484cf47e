/* SPDX-License-Identifier: Apache-2.0
 *
 * Warm start: the weights of a fresh run from another run's checkpoint, as
 * tf.train.warm_start. Sources:
 * tensorflow/python/training/warm_starting_util.py and checkpoint_ops.py. */
#ifndef ESTIMATOR_WARM_START_H
#define ESTIMATOR_WARM_START_H

#include "estimator/weights/weights.h"

/* Values, slots and the step that `settings` choose; what they do not choose is
 * left as weights_init() made it, and averages of values that were chosen begin
 * with them. With TensorFlow's log lines. Which variables is decided, and
 * shapes are compared, before anything is read.
 * `seed`: of the backup initializers. *step changes if global_step is chosen.
 * Errors, in TensorFlow's words where it has some: NOT_FOUND (exit 66) no
 * checkpoint or vocabulary; INVALID_ARGUMENT (exit 1) what does not fit;
 * DATA_LOSS (exit 65). The weights are then of no use. */
CREW_MUST_CHECK int warm_start_weights(const struct crew_warm_start *settings,
                                       struct crew_env *,
                                       uint64_t seed,
                                       struct weights *,
                                       int64_t *step,
                                       struct crew_err *);

/* repr() of tf.estimator.WarmStartSettings. Owner: caller. */
char *warm_start_text(const struct crew_warm_start *);

#endif
