/* SPDX-License-Identifier: Apache-2.0
 *
 * How the trainers work together, as they say in HELLO. The chief's settings
 * are the job's; another trainer's must equal them. Pure. Threads: any. */
#ifndef PS_SETTINGS_H
#define PS_SETTINGS_H

#include "optim/replicas.h"
#include "proto/crew_rpc.pb-c.h"

/* NULL: asynchronous, not bounded. Errors: INVALID_ARGUMENT naming the value.
 */
CREW_MUST_CHECK int settings_read(CREW_NULLABLE const Crew__Replicas *,
                                  CREW_OUT struct replicas *,
                                  struct crew_err *);
/* Errors: FAILED_PRECONDITION (exit 78) with the first difference in words. */
CREW_MUST_CHECK int settings_compare(const struct replicas *chiefs,
                                     const struct replicas *mine,
                                     struct crew_err *);

#endif
