/* SPDX-License-Identifier: Apache-2.0
 *
 * Values on their way down. A granule goes out of the variable's own memory; of
 * a table only the rows that the trainer does not have, which are gathered in
 * memory of the connection. That is used again from the next call on: a trainer
 * begins one when it has all of the last, or comes on a new connection.
 * Threads: the net's. */
#ifndef PS_ANSWER_H
#define PS_ANSWER_H

#include "rpc/server.h"
#include "shard.h"

struct answer_chunk;
struct answer_room {
    struct answer_chunk *first, *at;
    size_t taken;       /* of this call */
    uint64_t *versions; /* by granule: that the trainer has, 0 until told */
    uint32_t num_versions;
};

/* A call begins. */
void answer_begin(struct answer_room *, CREW_NULLABLE const struct shard *);
void answer_release(struct answer_room *);
/* The version of a granule that the trainer has, told with its part of the
 * call; 0 until then. */
void answer_note(struct answer_room *,
                 const struct shard *,
                 const struct shard_granule *,
                 uint64_t version);
uint64_t answer_noted(const struct answer_room *,
                      const struct shard *,
                      const struct shard_granule *);
/* Send a granule's values as a part of the call; `version`: that the trainer
 * has. `part`: its granule and flags are the caller's, rows and version are
 * filled in. crc: also for a whole granule. */
void answer_value(struct answer_room *,
                  struct rpc_session *,
                  enum rpc_method,
                  uint64_t call_id,
                  const struct shard_granule *,
                  uint64_t version,
                  Crew__ValuePart *part,
                  bool crc);

#endif
