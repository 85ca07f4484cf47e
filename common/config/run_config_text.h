/* SPDX-License-Identifier: Apache-2.0
 * The line that Estimator logs of its configuration. */
#ifndef CONFIG_RUN_CONFIG_TEXT_H
#define CONFIG_RUN_CONFIG_TEXT_H

#include "config/tf_config.h"

/* "Using config: {'_model_dir': ..., ...}": RunConfig's fields as Python prints
 * them, on one line; fields that have no meaning here have TensorFlow's
 * defaults. tf NULL: no cluster. Owner: caller, free(). */
char *run_config_log_text(const struct crew_run_config *,
                          CREW_NULLABLE const struct tf_config *tf,
                          const char *model_dir);

/* What of it is set and has no effect here, on one line; NULL: nothing. Owner:
 * caller, free(). */
char *run_config_no_effect_text(const struct crew_run_config *);

#endif
