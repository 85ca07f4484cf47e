/* SPDX-License-Identifier: Apache-2.0
 * An Estimator from the inside: a run whose specs come with each call. Threads:
 * one call at a time. */
#ifndef ESTIMATOR_ESTIMATOR_H
#define ESTIMATOR_ESTIMATOR_H

#include "estimator/run/run.h"

struct crew_estimator {
    struct crew_estimator *next; /* in the list of those that live */
    struct run run;
    char *bind; /* what run.opt.bind points to */
};

/* Put it in the list of those that live, or take it out: a pointer that has
 * been freed is told from one that has not without looking at it. Threads: any.
 */
void estimator_enlist(struct crew_estimator *);
void estimator_delist(struct crew_estimator *);
bool estimator_lives(CREW_NULLABLE const struct crew_estimator *);

/* NULL, or freed: INVALID_ARGUMENT (64) naming the function. */
CREW_MUST_CHECK int estimator_check(const struct crew_estimator *,
                                    const char *function,
                                    struct crew_err *);

/* An argument that must not be NULL is: INVALID_ARGUMENT (64). */
int estimator_null(const char *function,
                   const char *argument,
                   struct crew_err *);

/* `given`, or the newest checkpoint. *prefix NULL: there is none. Owner:
 * caller.
 */
CREW_MUST_CHECK int estimator_find_checkpoint(const struct run *,
                                              CREW_NULLABLE const char *given,
                                              CREW_OUT char **prefix,
                                              struct crew_err *);

/* "`input_fn` must be callable, given: None". */
int estimator_no_input_fn(struct crew_err *);

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
