/* SPDX-License-Identifier: Apache-2.0
 * Python expressions as the expectations spell calls: names, literals, lists,
 * lambdas, calls with arguments by place and by name, attributes. */
#ifndef GOLDEN_PYTHON_CALL_H
#define GOLDEN_PYTHON_CALL_H

#include "golden.h"

/* The expression as a tree; each node has its "text", and
 *   {"value": 5}                                   a literal, or a list of such
 *   {"list": [node, ...]}                          a list
 *   {"name": "tf.estimator.LatestExporter"}        a name, or "lambda"
 *   {"call": "RC", "args": [node, ...], "kwargs": {"name": node}}
 * Attributes of a call are members of it: "then" is the list of
 *   {"call": "replace", ...} and {"name": "save_checkpoints_secs"}.
 * NULL: it is nothing of that. Owner: caller, cJSON_Delete(). */
cJSON *python_parse(const char *text);

#endif
