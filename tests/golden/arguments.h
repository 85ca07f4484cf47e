/* SPDX-License-Identifier: Apache-2.0
 * arguments.json of the family tf_config: what RunConfig, TrainSpec, EvalSpec
 * and the exporters make of their arguments, and what they refuse. */
#ifndef GOLDEN_ARGUMENTS_H
#define GOLDEN_ARGUMENTS_H

#include "golden.h"

void arguments_compare(const cJSON *file, struct golden_report *);

#endif
