/* SPDX-License-Identifier: Apache-2.0
 * What the other trainers need to know of the local one. */
#ifndef CLUSTER_TRAINER_LOCAL_H
#define CLUSTER_TRAINER_LOCAL_H

#include "cluster/trainer.h"

bool trainer_is_local(const struct trainer *);

#endif
