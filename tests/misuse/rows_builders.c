/* SPDX-License-Identifier: Apache-2.0
 * The graph's builders, out of the table that they have, and the names of those
 * functions that have no pointer. */
#include "estimator/builder_rows.h"

#include "nulls.h"

static void call_builder(int i)
{
    bool one = builders[i].operands != NONE;
    bool two = builders[i].operands == TWO || builders[i].operands == METRIC2;
    struct crew_node *x = a, *y = b;

    if (one) {
        x = P(a);
    }
    if (two) {
        y = P(b);
    }
    (void)builders[i].call(P(graph), x, y);
}

enum {
#define INDEX(operands, name, call) INDEX_##name,
    ROWS(INDEX)
};

const struct row builder_rows[] = {
#define BUILDER_ROW(operands, name, call) \
    {#name, POISONS, call_builder, INDEX_##name},
    ROWS(BUILDER_ROW)};
const int num_builder_rows = NUM_OF(builder_rows);

const char *const without_pointers[] = {
    "crew_adadelta",
    "crew_adagrad",
    "crew_adagrad_da",
    "crew_adam",
    "crew_adamw",
    "crew_clip_by_average_norm",
    "crew_clip_by_global_norm",
    "crew_clip_by_norm",
    "crew_clip_by_value",
    "crew_checkpoint_input_hook",
    "crew_code_name",
    "crew_cosine_decay",
    "crew_cosine_decay_restarts",
    "crew_exponential_decay",
    "crew_ftrl",
    "crew_global_step_waiter_hook",
    "crew_gradient_descent",
    "crew_init_constant",
    "crew_init_glorot_normal",
    "crew_init_glorot_uniform",
    "crew_init_he_normal",
    "crew_init_he_uniform",
    "crew_init_identity",
    "crew_init_lecun_normal",
    "crew_init_lecun_uniform",
    "crew_init_normal",
    "crew_init_ones",
    "crew_init_orthogonal",
    "crew_init_truncated_normal",
    "crew_init_uniform",
    "crew_init_uniform_unit_scaling",
    "crew_init_variance_scaling",
    "crew_init_zeros",
    "crew_inverse_time_decay",
    "crew_linear_cosine_decay",
    "crew_momentum",
    "crew_natural_exp_decay",
    "crew_noisy_linear_cosine_decay",
    "crew_polynomial_decay",
    "crew_proximal_adagrad",
    "crew_proximal_gradient_descent",
    "crew_rmsprop",
    "crew_scalar_shape",
    "crew_shape1",
    "crew_shape2",
    "crew_shape4",
    "crew_step_counter_hook",
    "crew_stop_at_step_hook",
    "crew_sync_replicas",
    "crew_version",
    NULL,
};
