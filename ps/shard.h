/* SPDX-License-Identifier: Apache-2.0
 *
 * The state one parameter server holds: for each of its granules the values,
 * its update rule's slots and Adam's powers, and who has pushed what last.
 * Pure: no network, no clock.
 *
 * Exactly once: a gradient carries the number of its step, which only rises
 * while its trainer lives; shard_apply applies it if the number is above the
 * last one that this trainer has pushed to this granule, else it says that it
 * was a duplicate. A table's gradients are of rows, numbered within the
 * granule. Memory: one block for all values and one a slot, 8 bytes a granule
 * and trainer, and 6 bytes a row of a table. Threads: one. */
#ifndef PS_SHARD_H
#define PS_SHARD_H

#include "optim/optim.h"
#include "row_log.h"

struct shard_granule {
    uint32_t id; /* of the placement */
    uint32_t variable;
    const struct crew_optimizer *optimizer; /* one of the shard's */
    int64_t offset, count;                  /* elements of the variable */
    int64_t width; /* of a table: elements of a row; else 0 */
    uint32_t rows; /* of a table */
    struct row_log log;
    float *value; /* in the shard's block */
    float *slot[OPTIM_MAX_SLOTS];
    struct optim_powers powers;
    uint32_t loaded; /* bit 0: the value, bit k: slot k - 1 */
};

struct shard {
    struct crew_optimizer optimizers[OPTIM_MAX_GROUPS];
    uint32_t num_granules;
    struct shard_granule *granules;
    uint32_t id_limit;
    uint32_t *by_id;  /* id -> place + 1; 0: not here */
    size_t max_bytes; /* of the largest gradient of a granule */
    int64_t total;    /* elements of the block of values */
    int num_members;
    uint64_t *last_seq; /* [member][granule] */
    void *block[1 + OPTIM_MAX_SLOTS];
    void *logs; /* uint32_t, of all granules */
};

/* Where granules lie, before there is memory for them. */
struct shard_place {
    uint32_t id, variable, optimizer;
    int64_t offset, count;
    int64_t width; /* of a table's rows, count is a multiple; else 0 */
};

/* Values are undefined until loaded. Errors: RESOURCE_EXHAUSTED;
 * INVALID_ARGUMENT for an id twice or too large, an optimizer that optim_check
 * refuses or that is not there. Owner: caller, shard_free. */
CREW_MUST_CHECK int shard_new(const struct crew_optimizer *optimizers,
                              uint32_t num_optimizers,
                              const struct shard_place *,
                              uint32_t num_granules,
                              int num_members,
                              CREW_OUT struct shard **,
                              struct crew_err *);
void shard_free(CREW_NULLABLE struct shard *);
/* NULL: that granule is not here. */
struct shard_granule *shard_find(const struct shard *, uint32_t id);
/* Where slot `slot` (0: the values) of a granule is kept. NULL: the rule has no
 * such slot. */
float *shard_slot(struct shard_granule *, uint32_t slot);
void shard_set_loaded(struct shard_granule *, uint32_t slot);
/* Parts of a granule: the values and the slots of its rule. */
uint32_t shard_parts(const struct shard_granule *);
/* How many granules have all their parts. */
uint32_t shard_loaded(const struct shard *);
/* The state is to be loaded anew: nothing is loaded, nobody has pushed
 * anything. */
void shard_restart(struct shard *);
/* A new incarnation speaks for the member: it counts its steps anew. */
void shard_forget(struct shard *, int member);
/* Apply a gradient of `count` elements, once, with the rate of that step.
 * False: it was a duplicate. */
bool shard_apply(struct shard *,
                 struct shard_granule *,
                 int member,
                 uint64_t seq,
                 float learning_rate,
                 int64_t global_step,
                 const float *grad);
/* The same of a table's rows. */
bool shard_apply_rows(struct shard *,
                      struct shard_granule *,
                      int member,
                      uint64_t seq,
                      float learning_rate,
                      int64_t global_step,
                      const struct optim_rows *);
/* Whether the member's gradient of step `seq` has been taken in. */
bool shard_has(const struct shard *,
               const struct shard_granule *,
               int member,
               uint64_t seq);
/* Bytes of a payload for each row of a table: its number and its values. */
size_t shard_row_bytes(const struct shard_granule *);
/* Can a gradient of so many bytes be of this granule? */
bool shard_fits(const struct shard_granule *, uint64_t bytes);
/* A table's gradient as it lies in a payload that fits: first the rows' numbers
 * (uint32), then their values. Errors: INVALID_ARGUMENT for rows that do not
 * ascend or are not there. */
CREW_MUST_CHECK int shard_read_rows(const struct shard_granule *,
                                    const void *payload,
                                    uint64_t bytes,
                                    CREW_OUT struct optim_rows *,
                                    struct crew_err *);
/* Remember that the member has pushed step `seq` to the granule; false when it
 * is not newer than the last one. shard_apply asks it. */
bool shard_first_time(struct shard *,
                      const struct shard_granule *,
                      int member,
                      uint64_t seq);
/* The rule, with this gradient. */
void shard_update(struct shard_granule *,
                  float learning_rate,
                  int64_t global_step,
                  const float *grad);
void shard_update_rows(struct shard_granule *,
                       float learning_rate,
                       int64_t global_step,
                       const struct optim_rows *);

#endif
