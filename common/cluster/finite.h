/* SPDX-License-Identifier: Apache-2.0
 * The check that keeps NaN and infinity out of the variables: done by the
 * trainer before a gradient is applied or sent. Threads: any. */
#ifndef CLUSTER_FINITE_H
#define CLUSTER_FINITE_H

#include "cluster/trainer.h"

/* grad: v->n floats. Errors: INVALID_ARGUMENT (exit 1) naming the variable, the
 * index and the value. */
CREW_MUST_CHECK int finite_check(const struct trainer_var *v,
                                 const float *grad,
                                 struct crew_err *err);
/* The same of some rows. */
CREW_MUST_CHECK int finite_check_rows(const struct trainer_var *v,
                                      const struct optim_rows *grad,
                                      struct crew_err *err);

#endif
