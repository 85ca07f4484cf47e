/* SPDX-License-Identifier: Apache-2.0
 * A job's shared object. Threads: one, before others are started. */
#ifndef ESTIMATOR_JOB_LOAD_H
#define ESTIMATOR_JOB_LOAD_H

#include "crew.h"

/* Load `path`; it stays loaded until the process ends, because the job's
 * strings and functions are used to the last. Errors: NOT_FOUND (exit 66) no
 * such file; INVALID_ARGUMENT (exit 64) not a shared object or no CREW_JOB() in
 * it; FAILED_PRECONDITION (exit 78) built against another crew.h. */
CREW_MUST_CHECK int job_load(const char *path,
                             CREW_OUT const struct crew_job **,
                             struct crew_err *);
/* Is the description complete and of this ABI? */
CREW_MUST_CHECK int job_check(const struct crew_job *,
                              const char *where,
                              bool needs_configure,
                              struct crew_err *);

#endif
