/* SPDX-License-Identifier: Apache-2.0
 * crew events: an event as JSON, in the shape of the golden files. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include <cJSON.h>

#include "proto/tensorflow.pb-c.h"

/* {"wall_time", "step", "what", ...}. Owner: caller, cJSON_Delete(). */
cJSON *event_to_json(const Tensorflow__Event *);
/* What the event holds: "summary", "graph_def", ... */
const char *event_what(const Tensorflow__Event *);
/* {"dtype", "shape", "values"}; NULL when it cannot be told. Owner: caller. */
cJSON *event_tensor_to_json(const Tensorflow__TensorProto *);
/* A number that reads back as the same float32 or float64. Owner: caller. */
cJSON *event_number(double v, int digits);

#endif
