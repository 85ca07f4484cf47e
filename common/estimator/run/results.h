/* SPDX-License-Identifier: Apache-2.0
 * What an evaluation has come to, by key. Threads: one at a time. */
#ifndef ESTIMATOR_RESULTS_H
#define ESTIMATOR_RESULTS_H

#include "crew.h"

/* Owner: caller, crew_results_free(). */
struct crew_results *results_new(void);
/* Copies key and values, to its place in the order of the keys. */
void results_add(struct crew_results *,
                 const char *key,
                 int n,
                 const double *values);
void results_set_text(struct crew_results *, const char *text);

#endif
