/* SPDX-License-Identifier: Apache-2.0
 * An Estimator from the inside: a run whose specs come with each call. Threads:
 * one call at a time. */
#ifndef ESTIMATOR_ESTIMATOR_H
#define ESTIMATOR_ESTIMATOR_H

#include "estimator/run.h"

#define ESTIMATOR_MAGIC 0x45535431u /* "EST1" */

struct crew_estimator {
    uint32_t magic;
    struct run run;
    char *bind; /* what run.opt.bind points to */
};

/* NULL, or freed: INVALID_ARGUMENT (64) naming the function. */
CREW_MUST_CHECK int estimator_check(const struct crew_estimator *,
                                    const char *function,
                                    struct crew_err *);

/* `given`, or the newest checkpoint. *prefix NULL: there is none. Owner:
 * caller.
 */
CREW_MUST_CHECK int estimator_find_checkpoint(const struct run *,
                                              CREW_NULLABLE const char *given,
                                              CREW_OUT char **prefix,
                                              struct crew_err *);

/* Take the hooks of a call. Errors, in TensorFlow's words: one without ops; the
 * others are taken all the same. */
CREW_MUST_CHECK int estimator_take_hooks(struct crew_eval_spec *,
                                         const struct crew_hook *,
                                         int n,
                                         struct crew_err *);

/* A step count of a call: -1 for None. Errors: "Must specify steps > 0, given:
 * -5". */
CREW_MUST_CHECK int estimator_steps(const char *name,
                                    int64_t given,
                                    CREW_OUT int64_t *steps,
                                    struct crew_err *);

#endif
