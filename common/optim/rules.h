/* SPDX-License-Identifier: Apache-2.0
 * One step of a rule with what all elements share worked out. Internal to
 * optim. */
#ifndef OPTIM_RULES_H
#define OPTIM_RULES_H

#include "optim/optim.h"

struct rule_step {
    const struct crew_optimizer *o;
    const struct optim_step *step;
    float lr;
    float alpha;  /* Adam: the rate with the powers in it */
    float two_l2; /* Ftrl: twice l2 and what beta adds to it */
};
struct rule_step rule_step_of(const struct crew_optimizer *,
                              const struct optim_step *);
/* The update of n elements; averages are not moved. */
void rule_apply(const struct rule_step *,
                int64_t n,
                float *var,
                float *const *slot,
                const float *grad);

#endif
