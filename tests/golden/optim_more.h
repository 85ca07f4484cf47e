/* SPDX-License-Identifier: Apache-2.0
 * What the files of the family optim share. */
#ifndef GOLDEN_OPTIM_MORE_H
#define GOLDEN_OPTIM_MORE_H

#include "golden.h"
#include "optim/optim.h"

extern const struct golden_tolerance optim_tolerance;

typedef int (*optim_case_fn)(const cJSON *c,
                             const char *file,
                             int index,
                             struct golden_report *);
/* Each case of a file through fn, until one returns not 0. */
int optim_each_case(const char *dir,
                    const char *file,
                    optim_case_fn fn,
                    struct golden_report *);

int optim_average_case(const cJSON *,
                       const char *file,
                       int index,
                       struct golden_report *);
int optim_clip_case(const cJSON *,
                    const char *file,
                    int index,
                    struct golden_report *);

#endif
