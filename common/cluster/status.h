/* SPDX-License-Identifier: Apache-2.0
 * The status port of a process that is no ps: answers HEALTH and refuses all
 * else. Threads: the net's. */
#ifndef CLUSTER_STATUS_H
#define CLUSTER_STATUS_H

#include "base/env.h"
#include "rpc/net.h"

struct status;
/* Listen on `address` as (role, index). Errors: those of net->listen. */
CREW_MUST_CHECK int status_open(struct rpc_net *,
                                const char *address,
                                int role,
                                uint32_t index,
                                struct crew_env *,
                                CREW_OUT struct status **,
                                struct crew_err *);
/* What HEALTH tells. */
void status_set_step(struct status *, int64_t global_step);
void status_close(struct status *, void (*on_closed)(void *self), void *self);

#endif
