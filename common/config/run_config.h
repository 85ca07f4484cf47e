/* SPDX-License-Identifier: Apache-2.0
 *
 * RunConfig, TrainSpec and EvalSpec: TensorFlow's defaults, the user's --set by
 * Estimator's field names, and TensorFlow's checks with its sentences.
 *
 * Order: run_config_defaults, the job's configure(), run_config_apply,
 * run_config_validate. Errors: INVALID_ARGUMENT, exit 64. */
#ifndef CONFIG_RUN_CONFIG_H
#define CONFIG_RUN_CONFIG_H

#include "config/params.h"

void run_config_defaults(CREW_OUT struct crew_run_config *,
                         CREW_OUT struct crew_train_spec *,
                         CREW_OUT struct crew_eval_spec *);

/* Put the fields that the user gave by name (--set, --config) over what
 * configure() made of them. --default counts for fields that still have
 * TensorFlow's default. Setting one of save_checkpoints_steps and
 * save_checkpoints_secs unsets the other; both in one layer is TF's error. A
 * value None is what it is in Estimator. Strings are the params'. */
CREW_MUST_CHECK int run_config_apply(const struct crew_params *,
                                     struct crew_run_config *,
                                     struct crew_train_spec *,
                                     struct crew_eval_spec *,
                                     struct crew_err *);

/* What RunConfig, TrainSpec and EvalSpec refuse, by their own words. With
 * save_checkpoints_steps set, a save_checkpoints_secs that is still the default
 * becomes -1. */
CREW_MUST_CHECK int run_config_validate(struct crew_run_config *,
                                        struct crew_train_spec *,
                                        struct crew_eval_spec *,
                                        struct crew_err *);

/* The same of a RunConfig alone. */
CREW_MUST_CHECK int run_config_validate_run(struct crew_run_config *,
                                            struct crew_err *);

/* The i-th field name that --set takes, NULL after the last. */
const char *run_config_field(size_t i);

#endif
