/* SPDX-License-Identifier: Apache-2.0
 *
 * Update rules: pure functions on slices of float32. One pass, vectorised, no
 * allocation. Threads: the caller owns the slice while it is updated.
 * Source: tensorflow/core/kernels/training_ops.cc, spec of the slot names in
 * tensorflow/python/training/{momentum,adam}.py. */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include "crew.h"

#define OPTIM_MAX_SLOTS 2

/* What an update rule keeps beside a variable. Slot k of variable V is in
 * checkpoints as "V/<slot_name(k)>": "Momentum"; "Adam" (m), "Adam_1" (v). */
int optim_num_slots(const struct crew_optimizer*);
const char* optim_slot_name(const struct crew_optimizer*, int slot);
float optim_slot_initial(const struct crew_optimizer*, int slot);
/* "GradientDescent", "Momentum", "Adam"; NULL for what is no kind. */
const char* optim_kind_name(enum crew_optimizer_kind);
/* Errors: INVALID_ARGUMENT naming the value: unknown kind, a constant that is
 * not finite, beta outside [0, 1). */
CREW_MUST_CHECK int optim_check(const struct crew_optimizer*, struct crew_err*);

/* Adam's beta1^t and beta2^t, kept as TensorFlow keeps them (beta1_power,
 * beta2_power): float32, starting at beta1 and beta2, multiplied once after
 * every update. Other rules leave them alone. */
struct optim_powers {
    float beta1_power, beta2_power;
};
struct optim_powers optim_powers_initial(const struct crew_optimizer*);
void optim_powers_advance(const struct crew_optimizer*, struct optim_powers*);

/* One step. Shapes: var, grad and each slot (n). In/Out: var and slots updated;
 * grad only read, aliases nothing. `powers` are those before this update; the
 * caller advances them once all slices of the step are done. */
void optim_apply(const struct crew_optimizer*,
                 const struct optim_powers* powers,
                 int64_t n,
                 float* var,
                 float* const slots[OPTIM_MAX_SLOTS],
                 const float* grad);

#endif
