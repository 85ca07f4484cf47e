/* SPDX-License-Identifier: Apache-2.0
 * crew events: an event as JSON, in the shape of the golden files, and as text;
 * what a file holds. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include <cJSON.h>

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

/* events_json.c ---------------------------------------------------------- */

/* {"wall_time", "step", "what", ...}. Owner: caller, cJSON_Delete(). */
cJSON *event_to_json(const Tensorflow__Event *);
/* What the event holds: "summary", "graph_def", ... */
const char *event_what(const Tensorflow__Event *);
/* {"dtype", "shape", "values"}; NULL when it cannot be told. Owner: caller. */
cJSON *event_tensor_to_json(const Tensorflow__TensorProto *);
/* A number that reads back as the same float32 or float64. Owner: caller. */
cJSON *event_number(double v, int digits);
/* The GraphDef; NULL when it is none. Owner: caller,
 * tensorflow__graph_def__free_unpacked(). */
CREW_NULLABLE Tensorflow__GraphDef *event_graph(ProtobufCBinaryData);

/* events_text.c ---------------------------------------------------------- */

/* "scalar", "histogram", "image", "text", "audio", "tensor": by the form or by
 * the plugin, which TensorFlow 2 names in a tag's first value only. */
const char *event_value_kind(const Tensorflow__Summary__Value *);
/* A value of that kind on one line: "0.25", "num 51, min -1.6, max 1.8", "28 x
 * 28, 1 channel, 412 bytes". Owner: caller, free(). */
char *event_value_text(const Tensorflow__Summary__Value *, const char *kind);
/* A whole event without a line end; control characters of names and texts are
 * escaped. Owner: caller, free(). */
char *event_text(const Tensorflow__Event *);

/* events_list.c ---------------------------------------------------------- */

struct event_list;
/* Owner: caller, event_list_free(). */
struct event_list *event_list_new(void);
void event_list_free(CREW_NULLABLE struct event_list *);
void event_list_add(struct event_list *, const Tensorflow__Event *);
/* On stdout. */
void event_list_print(const struct event_list *);
/* Adds "tags" (of summaries) and "other" to `file`. */
void event_list_to_json(const struct event_list *, cJSON *file);

#endif
