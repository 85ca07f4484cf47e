/* SPDX-License-Identifier: Apache-2.0
 *
 * What the chief has declared: names and shapes of all variables, the granules
 * that lie here, the update rules. A trainer's own declaration must equal it,
 * or the two have loaded different models. Threads: one. */
#ifndef PS_DECLARE_H
#define PS_DECLARE_H

#include "proto/crew_rpc.pb-c.h"
#include "shard.h"

struct declare_var {
    char *name;
    uint32_t dtype;
    struct crew_shape shape;
    int64_t n;
    uint32_t optimizer; /* which of the declaration's */
    bool table;         /* its gradients are of rows */
};

struct declaration {
    uint32_t num_vars, cap_vars;
    struct declare_var *vars;
    uint32_t num_places, cap_places;
    struct shard_place *places;
    uint32_t num_optimizers;
    struct crew_optimizer optimizers[OPTIM_MAX_GROUPS];
    uint64_t next_call; /* the number of the DECLARE that is to come */
    bool complete;
};

void declare_init(struct declaration *);
void declare_release(struct declaration *);
/* Take in one DECLARE. The first (seq 1) empties it. A repeated one is fine,
 * one out of order is ABORTED. Errors: INVALID_ARGUMENT for what cannot be,
 * RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int declare_add(struct declaration *,
                                const Crew__DeclareRequest *,
                                struct crew_err *);
/* Errors: FAILED_PRECONDITION (exit 78) with the first difference in words. */
CREW_MUST_CHECK int declare_compare(const struct declaration *chiefs,
                                    const struct declaration *mine,
                                    struct crew_err *);

#endif
