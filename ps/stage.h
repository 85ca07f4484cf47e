/* SPDX-License-Identifier: Apache-2.0
 *
 * Synchronous training, on every ps: gradients that wait for the decision of
 * ps 0, and the update that is made of them. Pure: no network, no clock.
 *
 * A trainer's gradients of one update lie in its own place; those of its
 * further batches are added there. An update is the sum over the trainers of
 * its set, in their order, divided by the number of batches, so its bits do not
 * depend on who came first, nor on how many ps there are.
 *
 * Memory: for each trainer that has pushed, once, as much as the values here
 * take: whether a gradient counts is known only when it has arrived everywhere,
 * so none can be added to another's before; and 8 bytes a row of a table.
 * Nothing is allocated in a step.
 * Threads: one. */
#ifndef PS_STAGE_H
#define PS_STAGE_H

#include "optim/replicas.h"
#include "shard.h"
#include "sync.h"

/* What lies in a member's place of a granule. */
struct stage_tag {
    uint64_t incarnation;
    uint64_t seq; /* of the newest batch in it; 0: nothing */
    int64_t step; /* the update it is for */
    uint32_t batches;
    float learning_rate;
};

struct stage {
    struct shard *shard;    /* borrowed */
    int64_t step;           /* global_step of the shard's values */
    struct stage_tag *tags; /* [member][granule] */
    float **
        sums; /* by member; laid out as the shard's values; NULL: no room yet */
    struct replicas_rows **tables; /* by member, by granule: which rows are in
                                      the sum; NULL: no room yet */
    uint32_t **numbers;            /* by member: the tables' memory */
};

enum stage_answer {
    STAGE_TAKEN,
    STAGE_DUPLICATE,
    STAGE_LATE, /* the update has been made already */
    STAGE_WRONG /* it cannot be: not the next batch, or of an update to come */
};

/* Errors: RESOURCE_EXHAUSTED. Owner: caller, stage_free; before the shard goes.
 */
CREW_MUST_CHECK int stage_new(struct shard *,
                              CREW_OUT struct stage **,
                              struct crew_err *);
void stage_free(CREW_NULLABLE struct stage *);
/* READY: the shard holds the values of that step, and nothing waits. */
void stage_begin(struct stage *, int64_t global_step);
/* Room for a member's gradients, the first time. Errors: RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int stage_room(struct stage *, int member, struct crew_err *);
/* Take in a gradient, once. Only after stage_room. `tag` is what is to be there
 * afterwards. */
enum stage_answer stage_add(struct stage *,
                            struct shard_granule *,
                            int member,
                            const struct stage_tag *tag,
                            const float *grad);
/* The same of a table's rows. */
enum stage_answer stage_add_rows(struct stage *,
                                 struct shard_granule *,
                                 int member,
                                 const struct stage_tag *tag,
                                 const struct optim_rows *);
/* How many granules hold the member's batch `seq` as their newest. */
uint32_t stage_count(const struct stage *,
                     int member,
                     uint64_t incarnation,
                     uint64_t seq);
/* Make the update, once: *made tells whether it was done now. Errors: INTERNAL
 * when it is not the next one, or not all of its parts lie here. */
CREW_MUST_CHECK int stage_commit(struct stage *,
                                 const struct sync_update *,
                                 CREW_OUT bool *made,
                                 struct crew_err *);

#endif
