/* SPDX-License-Identifier: Apache-2.0
 *
 * parse_example's spec from JSON, and its output as JSON, in the shape that
 * TensorFlow's features have in Python:
 *
 *     {"age": {"type": "FixedLenFeature", "dtype": "float32", "shape": [1],
 *              "default": {"dtype": "float32", "shape": [1], "values": [0]}},
 *      "tags": {"type": "VarLenFeature", "dtype": "string"}}
 *
 * Types: FixedLenFeature, FixedLenSequenceFeature, VarLenFeature,
 * RaggedFeature. A default is null, one value, a list, or a tensor as above;
 * its strings are base64 in a tensor, plain text otherwise. */
#ifndef IO_PARSE_EXAMPLE_JSON_H
#define IO_PARSE_EXAMPLE_JSON_H

#include <cJSON.h>

#include "base/strbuf.h"
#include "io/parse_example.h"

/* Features in the order of their keys, as TensorFlow has them. Errors:
 * INVALID_ARGUMENT, exit 64, "spec: age: ...". Owner: caller. */
CREW_MUST_CHECK int parse_spec_from_json(const cJSON *,
                                         CREW_OUT struct parse_spec **,
                                         struct crew_err *);

/* The columns as one JSON object {key: {"dense": tensor} | {"sparse":
 * {"indices", "values", "dense_shape"}} | {"ragged": {"values", "row_splits"}}}
 * appended to `to`; tensor: {"dtype", "shape", "values"}, strings in base64. */
void parse_output_add_json(struct strbuf *to,
                           const struct parse_spec *,
                           const struct parse_output *);

#endif
