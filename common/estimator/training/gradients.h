/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of gradients from the plan to the trainer, through the optimizers'
 * clips. A gradient leaves as soon as backward has it; but those of an
 * optimizer that clips by the global norm wait until all of them are there.
 * Threads: the training thread. */
#ifndef ESTIMATOR_GRADIENTS_H
#define ESTIMATOR_GRADIENTS_H

#include "estimator/training/train.h"
#include "graph/plan.h"

/* For plan_backward: `self` is the struct training. */
void gradients_ready(void *self, int var);
/* Backward has ended: what has waited is clipped and handed over. */
void gradients_end(struct training *);
void gradients_release(struct training *);

#endif
