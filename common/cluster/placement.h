/* SPDX-License-Identifier: Apache-2.0
 *
 * Which parameter server holds what. Variables are cut into granules of
 * contiguous elements (whole rows where a row fits), at most 1 MiB each, and
 * the granules are dealt out so that every server carries nearly the same
 * number of bytes, however unequal the variables are. Pure and deterministic:
 * every process that has the same list of shapes and the same number of servers
 * gets the same answer. Threads: read-only after placement_new. */
#ifndef CLUSTER_PLACEMENT_H
#define CLUSTER_PLACEMENT_H

#include "crew.h"

#define PLACEMENT_MAX_BYTES ((int64_t)1 << 20) /* of a granule */
#define PLACEMENT_MIN_BYTES ((int64_t)1 << 16) /* a piece below is not cut */

struct granule {
    uint32_t variable;
    uint32_t ps;
    int64_t offset, count; /* in elements of the variable */
};

struct placement {
    int num_ps;
    uint32_t num_granules;
    struct granule *granules; /* by id: by variable, then by offset */
    uint32_t num_vars;
    uint32_t *first; /* num_vars + 1: the first granule id of each variable */
};

/* shapes: of float32 variables, every dimension known. tables: which of them
 * are cut between rows only (their rows have at most 256 KiB); NULL: none.
 * Errors: RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a model with more than 16 Mi
 * granules. Owner: caller, placement_free(). */
CREW_MUST_CHECK int placement_new(const struct crew_shape *shapes,
                                  CREW_NULLABLE const bool *tables,
                                  uint32_t num_vars,
                                  int num_ps,
                                  CREW_OUT struct placement **,
                                  struct crew_err *err);
void placement_free(CREW_NULLABLE struct placement *);
/* Bytes of float32 values on one server. */
int64_t placement_bytes(const struct placement *, int ps);

#endif
