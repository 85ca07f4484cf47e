/* SPDX-License-Identifier: Apache-2.0
 * What the blocking facades share: the status port of the process. */
#ifndef CLUSTER_TRAINER_CLUSTER_H
#define CLUSTER_TRAINER_CLUSTER_H

#include "cluster/status.h"
#include "cluster/trainer.h"

/* Where this task listens: --bind, or its address in TF_CONFIG; NULL when it
 * has none. Owner: caller, free(). */
char *cluster_listen_address(const struct trainer_options *);
/* status_open, trying for 30 s while the port is taken: an earlier life of this
 * task may still be leaving. Errors: also 78 for an address that is open to the
 * network. */
CREW_MUST_CHECK int cluster_open_status(struct rpc_net *,
                                        const struct trainer_options *,
                                        const char *address,
                                        CREW_OUT struct status **,
                                        struct crew_err *);

#endif
