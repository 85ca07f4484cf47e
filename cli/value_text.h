/* SPDX-License-Identifier: Apache-2.0
 * Values for people and for programs. */
#ifndef CLI_VALUE_TEXT_H
#define CLI_VALUE_TEXT_H

#include <cJSON.h>

#include "base/strbuf.h"
#include "serving/value.h"

/* In nested brackets, as NumPy prints, but without its padding; at most 1,000
 * elements, then "...". */
void value_print(const struct value *, struct strbuf *out);
/* {"dtype", "shape", "values"} as in the golden files: strings in base64.
 * Owner: caller. */
cJSON *value_json(const struct value *);
/* Row `i` as plain JSON, for `crew predict`: numbers, strings as UTF-8, lists
 * where the row has dimensions. Owner: caller. */
cJSON *value_row_json(const struct value *, int64_t row);

#endif
