/* SPDX-License-Identifier: Apache-2.0
 *
 * Update rules: pure functions on slices of float32. One pass, vectorised, no
 * allocation. Threads: the caller owns the slice while it is updated.
 * Source: tensorflow/core/kernels/training_ops.cc, spec of the slot names in
 * tensorflow/python/training/{momentum,adam,...}.py and slot_creator.py. */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include "crew.h"

/* RMSProp keeps three; a moving average is one more. */
#define OPTIM_MAX_SLOTS 4
/* Optimizers of one model, each for a scope. */
#define OPTIM_MAX_GROUPS 16
/* num_boundaries of a schedule that was made of a NULL; optim_check says it. */
#define SCHEDULE_OF_NULL (-1)

/* Who trains what: a variable belongs to the optimizer with the longest scope
 * that its name begins with; scope "" is for all. */
struct optim_groups {
    int n;
    struct {
        const char *scope; /* the job's */
        struct crew_optimizer optimizer;
    } group[OPTIM_MAX_GROUPS];
};
/* -1: nobody's. */
int optim_group_of(const struct optim_groups *, const char *name);

/* What an update rule keeps beside a variable. Slot k of variable V is in
 * checkpoints as "V/<slot_name(k)>": "Momentum"; "Adam" (m), "Adam_1" (v); the
 * last one may be "ExponentialMovingAverage". */
int optim_num_slots(const struct crew_optimizer *);
const char *optim_slot_name(const struct crew_optimizer *, int slot);
/* A slot of `n` floats at the start, beside a variable of value `value`. */
void optim_slot_init(const struct crew_optimizer *,
                     int slot,
                     int64_t n,
                     const float *value,
                     CREW_OUT float *data);
/* The slot of the moving average, or -1. */
int optim_average_slot(const struct crew_optimizer *);
/* "GradientDescent", "Momentum", ...; NULL for what is no kind. */
const char *optim_kind_name(enum crew_optimizer_kind);
/* Errors: INVALID_ARGUMENT naming the value: unknown kind, a constant that is
 * not finite or out of its range, a schedule or a clip that cannot be. */
CREW_MUST_CHECK int optim_check(const struct crew_optimizer *,
                                struct crew_err *);
/* The name of the first constant in which two optimizers differ, with both
 * values; NULL: they are equal. */
CREW_NULLABLE const char *optim_difference(const struct crew_optimizer *a,
                                           const struct crew_optimizer *b,
                                           CREW_OUT double *in_a,
                                           CREW_OUT double *in_b);

/* Adam's beta1^t and beta2^t, kept as TensorFlow keeps them (beta1_power,
 * beta2_power): float32, starting at beta1 and beta2, multiplied once after
 * every update. Other rules leave them alone. */
struct optim_powers {
    float beta1_power, beta2_power;
};
struct optim_powers optim_powers_initial(const struct crew_optimizer *);
void optim_powers_advance(const struct crew_optimizer *, struct optim_powers *);
/* Whether they are in checkpoints. */
bool optim_has_powers(const struct crew_optimizer *);

/* What an update depends on beside its slice. `powers` are those before this
 * update; the caller advances them once all slices of the step are done. */
struct optim_step {
    struct optim_powers powers;
    float learning_rate; /* by the schedule */
    int64_t global_step; /* before this step */
};
/* The step at `global_step`. */
struct optim_step optim_step_at(const struct crew_optimizer *,
                                const struct optim_powers *,
                                int64_t global_step);
/* Can the rule take that rate? Errors: INVALID_ARGUMENT (exit 1) for one that
 * is not finite, and for 0 where the rule divides by it. */
CREW_MUST_CHECK int optim_check_rate(const struct crew_optimizer *,
                                     float learning_rate,
                                     int64_t global_step,
                                     struct crew_err *);

/* The rate of a step with the mean of `count` gradients. Averages over batches
 * (CREW_ASSIGN) move once a batch, as TensorFlow's do when each worker updates
 * them: so `count` times towards the mean of what they move to. */
float optim_rate_of_mean(const struct crew_optimizer *,
                         float learning_rate,
                         int64_t count);

/* One step. Shapes: var, grad and each slot (n). In/Out: var and slots updated;
 * grad only read, aliases nothing. */
void optim_apply(const struct crew_optimizer *,
                 const struct optim_step *,
                 int64_t n,
                 float *var,
                 float *const slots[OPTIM_MAX_SLOTS],
                 const float *grad);

/* ------------------------------------------------------------------- sparse */

/* A gradient of some rows of a table: values (n, width), of rows[i] each; or,
 * `in_place`, (table_rows, width), of which only those of rows[i] count. */
struct optim_rows {
    int64_t n, width;
    const uint32_t *rows;
    const float *values;
    bool in_place;
};
/* One step of a table: var and slots (table_rows, width). Each row at most once
 * (optim_sum_rows), below table_rows. Rows that are not there stay as they
 * are, but with Adam that is not lazy, and but for averages. */
void optim_apply_rows(const struct crew_optimizer *,
                      const struct optim_step *,
                      int64_t table_rows,
                      float *var,
                      float *const slots[OPTIM_MAX_SLOTS],
                      const struct optim_rows *);
/* Does an update move only the rows that have a gradient? */
bool optim_moves_rows_only(const struct crew_optimizer *);

/* Room to sum rows in; zeroed at first, grows to what the largest gradient
 * needed. */
struct optim_row_sum {
    int64_t cap, cap_values;
    uint64_t *keys; /* (2, cap) */
    uint32_t *rows;
    float *values;
};
/* The same gradient with each row once, ascending: what belongs to one row is
 * summed, in the order it comes. n < 2^31. Valid until the next sum; nothing is
 * copied when the rows ascend already. */
struct optim_rows optim_sum_rows(struct optim_row_sum *,
                                 const struct optim_rows *);
void optim_row_sum_release(struct optim_row_sum *);

/* ----------------------------------------------------------------- clipping */

/* The gradient of one variable of that shape, in place. Not for the global
 * norm: that is one of all gradients. */
void optim_clip(const struct crew_clip *,
                const struct crew_shape *,
                float *grad);
/* The same of `n` rows of it, in place. As TensorFlow clips IndexedSlices: what
 * is of one row is clipped before it is summed. Not for the average norm, which
 * TensorFlow takes of the dense gradient: such variables have no rows
 * (graph_keep_dense). */
void optim_clip_rows(const struct crew_clip *,
                     const struct crew_shape *,
                     int64_t n,
                     float *values);
/* The sum of squares, for the global norm: add those of all gradients. Of rows:
 * their values as they are. */
double optim_sum_squares(int64_t n, const float *x);
/* What all of them are to be multiplied by; NaN when the norm is not finite. */
float optim_global_scale(const struct crew_clip *c, double sum_squares);
void optim_scale(int64_t n, float factor, float *grad);

/* ---------------------------------------------------------- moving averages */

/* One step of the average of `value`. global_step: before the step. */
void optim_average(const struct crew_moving_average *,
                   int64_t global_step,
                   int64_t n,
                   const float *value,
                   float *average);

#endif
