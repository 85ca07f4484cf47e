/* SPDX-License-Identifier: Apache-2.0
 * "Did you mean ...?" */
#ifndef ESTIMATOR_NEAREST_H
#define ESTIMATOR_NEAREST_H

/* The name closest to `wrong` by edit distance, if it is close enough to be
 * meant (a third of its length, at least 2); else NULL. */
const char *nearest_name(const char *wrong, const char *const *names, int n);

#endif
