/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_net in memory, for many processes in one: virtual time, seeded chance,
 * faults. A `world` is the network and the clock; each simulated process has a
 * `mem_net` of it. The same seed gives the same run, event by event.
 *
 * Faults, each by chance and only while world->faults is set:
 * - latency of a frame, 0 to `latency_ms`; frames of a connection stay in
 * order;
 * - a frame is lost, with or without the connection going down after it;
 * - a connection is reset;
 * - a double of a frame arrives later: on the same connection, on a later one
 * of the same process, or on one of the process that took its place. A double
 * comes only after a frame of the same method, as a proxy that repeats would
 * make it. Threads: one. */
#ifndef SIM_MEM_NET_H
#define SIM_MEM_NET_H

#include "base/rng.h"
#include "rpc/net.h"

struct world;
struct mem_net;

struct world_faults {
    uint32_t latency_ms;
    /* Chances in a million, a frame. */
    uint32_t lose, lose_and_reset, reset, repeat;
};

/* What happened, for the test to show that it did. */
struct world_counts {
    uint64_t events, frames, lost, resets, repeated;
};

struct world *world_new(uint64_t seed);
/* And its nets; everything on them must be closed. */
void world_free(struct world *);
void world_set_faults(struct world *, const struct world_faults *);
const struct world_counts *world_counts(const struct world *);
uint64_t world_now(const struct world *);
struct rng *world_rng(struct world *);
/* One event. False: there is none left. */
bool world_step(struct world *);

/* who: the task, which outlives its processes: "worker/1". */
struct rpc_net *mem_net_new(struct world *, const char *who);
/* All its connections are reset and nothing it sends arrives any more; closing
 * what is open on it still works, so that its memory can be freed. */
void mem_net_kill(struct rpc_net *);
/* The process does not run for `ms`; what would have happened to it waits. */
void mem_net_pause(struct rpc_net *, uint64_t ms);

#endif
