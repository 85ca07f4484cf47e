/* SPDX-License-Identifier: Apache-2.0
 *
 * A parameter server, on any rpc_net: crew-ps runs it on libuv, the simulator
 * in memory. It learns names, shapes and update rule from the chief, applies
 * what trainers push, and on ps 0 counts steps, hands out tickets and passes on
 * news.
 *
 *   ps_open -> (serving) -> told to stop, or orphaned -> everybody has left ->
 *   on_over(exit code) -> ps_close -> on_closed
 *
 * Threads: the net's. No allocation in a step. */
#ifndef PS_PS_H
#define PS_PS_H

#include "base/env.h"
#include "rpc/net.h"

struct sync_update; /* sync.h */

/* What tests listen to; each may be NULL. */
struct ps_probe {
    void (*applied)(void *self,
                    int role,
                    uint32_t index,
                    uint64_t incarnation,
                    uint64_t seq,
                    uint32_t granule);
    void (*completed)(void *self,
                      int role,
                      uint32_t index,
                      uint64_t incarnation,
                      uint64_t seq);
    void (*ready)(void *self, uint64_t epoch, int64_t global_step);
    /* Synchronous: ps 0 has decided; a ps has made it. */
    void (*decided)(void *self, const struct sync_update *);
    void (*updated)(void *self, uint32_t ps, const struct sync_update *);
    void *self;
};

struct ps_options {
    struct rpc_net *net;
    uint32_t index;
    uint64_t incarnation; /* random, not 0 */
    const char *address;  /* to listen on */
    const char *cluster;  /* canonical text of the cluster */
    uint32_t num_workers; /* 0: not known */
    double session_creation_timeout_secs;
    /* Events worth a log line. */
    void (*on_notice)(void *self, enum env_level, const char *line);
    /* It has nothing more to do: call ps_close. */
    void (*on_over)(void *self, int exit_code);
    void *self;
    struct ps_probe probe;
};

struct ps;

/* Errors: those of net->listen. Owner: caller, ps_close. *port: the port
 * listened on. The strings of the options are borrowed until closed. */
CREW_MUST_CHECK int ps_open(const struct ps_options *,
                            CREW_OUT struct ps **,
                            CREW_OUT int *port,
                            struct crew_err *);
/* A signal. The chief, if there is one, is asked to save and to stop the job;
 * else everybody who asks is told. on_over follows, within 25 s. */
void ps_stop(struct ps *, int exit_code, const char *reason);
/* Everything is gone when on_closed is called, from the loop. */
void ps_close(struct ps *, void (*on_closed)(void *self), void *self);

int64_t ps_global_step(const struct ps *);
/* For tests: `count` values of a granule, NULL when it is not here. */
const float *ps_granule(const struct ps *,
                        uint32_t id,
                        CREW_OUT int64_t *count);

/* For tests: may this incarnation change state? */
bool ps_admits(const struct ps *,
               int role,
               uint32_t index,
               uint64_t incarnation);

#endif
