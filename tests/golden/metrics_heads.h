/* SPDX-License-Identifier: Apache-2.0
 * The heads' part of the family metrics. */
#ifndef GOLDEN_METRICS_HEADS_H
#define GOLDEN_METRICS_HEADS_H

#include "golden.h"

/* heads_v1.json, heads_v2.json and, where it is, heads_more.json: what the
 * heads predict and lose in each batch, and evaluate()'s metrics after it.
 * Returns 0 or golden_trouble()'s code. */
int metrics_heads(const char *dir, struct golden_report *report);

#endif
