/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON from outside: cJSON behind a strict check of the text.
 *
 * cJSON alone takes duplicate keys (the first wins), bytes after the end,
 * control bytes, invalid UTF-8, "\u0000" (which cuts the string), leading
 * zeros and 1e400. json_parse reads the text first by RFC 8259's grammar and
 * refuses all of these with line and column; only then cJSON builds the tree.
 */
#ifndef CONFIG_JSON_H
#define CONFIG_JSON_H

#include <cJSON.h>

#include "crew.h"

#define JSON_MAX_BYTES ((size_t)1 << 20)
#define JSON_MAX_DEPTH 16

/* The tree of n bytes of text. `what` begins the message: "TF_CONFIG",
 * "job.json". At most max_bytes and max_depth levels of {} and [].
 * Errors: INVALID_ARGUMENT, exit 78, "<what>: line L, column C: ...".
 * Owner: caller, cJSON_Delete(). */
CREW_MUST_CHECK int json_parse_within(const char *text,
                                      size_t n,
                                      const char *what,
                                      size_t max_bytes,
                                      int max_depth,
                                      CREW_OUT cJSON **out,
                                      struct crew_err *err);

/* The same with JSON_MAX_BYTES and JSON_MAX_DEPTH. */
CREW_MUST_CHECK int json_parse(const char *text,
                               size_t n,
                               const char *what,
                               CREW_OUT cJSON **out,
                               struct crew_err *err);

/* The member of that very name (case counts), or NULL. */
const cJSON *json_get(const cJSON *object, const char *key);

/* Whether it is a number without a fraction that an int64_t holds. */
bool json_is_int(CREW_NULLABLE const cJSON *, CREW_OUT int64_t *value);

/* "object", "array", "string", "number", "true", "false", "null". */
const char *json_type_name(const cJSON *);

#endif
