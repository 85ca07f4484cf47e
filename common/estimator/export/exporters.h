/* SPDX-License-Identifier: Apache-2.0
 * One export of a run, and whether it would work. Threads: one. */
#ifndef ESTIMATOR_EXPORTERS_H
#define ESTIMATOR_EXPORTERS_H

#include "estimator/run/run.h"

/* Export the checkpoint `prefix` to a new folder below `base`, with
 * TensorFlow's log lines. *dir gets its path. Owner: caller. */
CREW_MUST_CHECK int run_export(struct run *,
                               const struct crew_exporter *,
                               const char *prefix,
                               const char *base,
                               CREW_OUT char **dir,
                               struct crew_err *);
/* The same of the graph of a mode. CREW_EVAL: tag and signature "eval", on
 * features and "label", with the loss, the predictions and each metric's value
 * and update_op (Estimator.experimental_export_all_saved_models). Errors:
 * CREW_TRAIN is refused (64), a metric without a form in a graph (1). */
CREW_MUST_CHECK int run_export_in_mode(struct run *,
                                       enum crew_mode,
                                       const struct crew_exporter *,
                                       const char *prefix,
                                       const char *base,
                                       CREW_OUT char **dir,
                                       struct crew_err *);
/* Would that work for this PREDICT model? exporter NULL: one without options.
 * Errors: exit 1; 65 and 66 for files, which only who exports looks at. */
CREW_MUST_CHECK int run_check_export(struct run *,
                                     const struct model *,
                                     CREW_NULLABLE const struct crew_exporter *,
                                     struct crew_err *);

#endif
