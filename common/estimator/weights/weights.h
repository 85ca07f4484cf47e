/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a model's variables, and their way from and to checkpoints: the
 * values, what the optimizer keeps beside them, its powers and the global step,
 * under TensorFlow's names. Threads: one at a time. */
#ifndef ESTIMATOR_WEIGHTS_H
#define ESTIMATOR_WEIGHTS_H

#include "base/env.h"
#include "cluster/trainer.h"
#include "graph/graph.h"

struct weights {
    struct trainer_var *vars; /* in the graph's order; names borrowed from it */
    int num_vars;
    int num_optimizers; /* 0: values only */
    struct crew_optimizer optimizers[OPTIM_MAX_GROUPS];
    struct optim_powers powers[OPTIM_MAX_GROUPS];
    bool *averaged; /* by variable: its average stands for its value; or NULL */
};

/* Room for all variables of the graph; with slots, or without on a worker.
 * NULL: values only. Errors: RESOURCE_EXHAUSTED naming the variable;
 * INVALID_ARGUMENT (exit 1) for a variable that no optimizer trains. */
CREW_MUST_CHECK int weights_new(const struct crew_graph *,
                                CREW_NULLABLE const struct optim_groups *,
                                bool with_slots,
                                CREW_OUT struct weights *,
                                struct crew_err *);
void weights_release(struct weights *);
/* Of values only: let what is restored be the moving averages of those
 * variables whose optimizer wants them evaluated. */
void weights_use_averages(struct weights *, const struct optim_groups *);

/* The start of a fresh run: initial values by (seed, name), slots as the rule
 * wants them. */
void weights_init(struct weights *, const struct crew_graph *, uint64_t seed);

/* Everything from the checkpoint `prefix`. Variables the graph lacks are left
 * alone when values only are wanted (a PREDICT graph needs fewer).
 * Errors: FAILED_PRECONDITION (exit 78) when it is a checkpoint of another
 * model, with each difference: missing, of another shape, unknown; DATA_LOSS
 * (exit 65). */
CREW_MUST_CHECK int weights_restore(struct weights *,
                                    struct crew_env *,
                                    const char *prefix,
                                    CREW_OUT int64_t *global_step,
                                    struct crew_err *);

/* All tensors of a checkpoint of this state, by name; data points into it and
 * to *step. */
struct weights_entry {
    char *name;
    enum crew_dtype dtype;
    const struct crew_shape *shape;
    void *data;
};
struct weights_table {
    struct weights_entry *entries;
    int n;
};
void weights_table_init(struct weights_table *,
                        struct weights *,
                        int64_t *step);
void weights_table_release(struct weights_table *);

#endif
