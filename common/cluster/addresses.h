/* SPDX-License-Identifier: Apache-2.0
 * The addresses of a cluster as the network wants them: "host:port". Threads:
 * any. */
#ifndef CLUSTER_ADDRESSES_H
#define CLUSTER_ADDRESSES_H

#include "config/tf_config.h"

struct addresses {
    int num_ps;
    char **ps;
    char *own;     /* to listen on: TF_CONFIG's, or --bind's */
    char *cluster; /* canonical text */
};

/* bind: "host", "host:port" or NULL. Errors: INVALID_ARGUMENT or
 * FAILED_PRECONDITION, exit 78: an address that cannot be taken apart, a ps
 * that is not listed, no ps. Owner: caller, addresses_release. */
CREW_MUST_CHECK int addresses_init(struct addresses *,
                                   const struct tf_config *,
                                   CREW_NULLABLE const char *bind,
                                   struct crew_err *);
void addresses_release(struct addresses *);

#endif
