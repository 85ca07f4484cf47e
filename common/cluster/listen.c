/* SPDX-License-Identifier: Apache-2.0
 * Where a task listens for status, and opening that port. */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "cluster/addresses.h"
#include "cluster/trainer_cluster.h"
#include "rpc/uv_net.h"

#include "base/banned.h"

#define LISTEN_TRIES 60
#define LISTEN_PAUSE_NS 500000000L

char *cluster_listen_address(const struct trainer_options *o)
{
    struct addresses a;
    struct crew_err ignored = {0};
    if (addresses_init(&a, o->tf, o->bind, &ignored) != CREW_OK) {
        return NULL;
    }
    char *own = a.own;
    a.own = NULL;
    addresses_release(&a);
    return own;
}

int cluster_open_status(struct rpc_net *net,
                        const struct trainer_options *o,
                        const char *address,
                        struct status **out,
                        struct crew_err *err)
{
    int rc = rpc_check_bind(address, o->insecure_network, err);
    if (rc != CREW_OK) {
        return rc;
    }
    for (int i = 0;; i++) {
        struct crew_err e = {0};
        rc = status_open(net, address, (int)o->tf->role, (uint32_t)o->tf->index,
                         o->env, out, &e);
        if (rc != CREW_UNAVAILABLE || i == LISTEN_TRIES) {
            if (rc != CREW_OK) {
                *err = e;
            }
            return rc;
        }
        struct timespec pause = {.tv_nsec = LISTEN_PAUSE_NS};
        (void)nanosleep(&pause, NULL);
    }
}
