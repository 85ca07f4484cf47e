/* SPDX-License-Identifier: Apache-2.0
 *
 * The start of a run, the same for the programs and for an Estimator, up to the
 * dry build. Threads: the main thread. */
#ifndef ESTIMATOR_PREPARE_H
#define ESTIMATOR_PREPARE_H

#include "estimator/run/run.h"

/* Parts of a start, in this order; options are there. role: as crew_role_main.
 * Without a cluster run->tf stays NULL. */
CREW_MUST_CHECK int run_read_tf_config(struct run *,
                                       int role,
                                       const char *program,
                                       struct crew_err *);
CREW_MUST_CHECK int run_load_params(struct run *, struct crew_err *);
/* given: instead of the RunConfig that the job's configure() makes. */
CREW_MUST_CHECK int run_configure(struct run *,
                                  CREW_NULLABLE const struct crew_run_config *,
                                  struct crew_err *);
/* The specs' values, the dry build, parameters that nobody asked for. */
CREW_MUST_CHECK int run_check_job(struct run *, struct crew_err *);
/* Where the files go; made if it must be written by this role. Then RunConfig
 * is complete, and is logged. */
CREW_MUST_CHECK int run_prepare_model_dir(struct run *, struct crew_err *);

/* Load what a job needs (libraries, --job unless `job` is given, parameters),
 * configure it and build it dry. Nothing is written or connected. */
CREW_MUST_CHECK int run_prepare_job(struct run *,
                                    CREW_NULLABLE const struct crew_job *job,
                                    const char *program,
                                    struct crew_err *);

/* Build the TRAIN, EVAL and PREDICT graphs and pack the export once, silently,
 * so that what cannot work fails in the first second. Errors: the model's (1);
 * EVAL or PREDICT with a variable TRAIN lacks or shapes otherwise (1); an op
 * that cannot be exported (1). */
CREW_MUST_CHECK int run_dry_build(struct run *, struct crew_err *);

#endif
