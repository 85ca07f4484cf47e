/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that TensorFlow Serving plays to a version before it serves it: a
 * TFRecord file of PredictionLog at assets.extra/tf_serving_warmup_requests.
 * Source: tensorflow_serving/g3doc/saved_model_warmup.md. */
#ifndef EXPORT_WARMUP_H
#define EXPORT_WARMUP_H

#include "base/strbuf.h"
#include "export/saved_model.h"

#define EXPORT_WARMUP_FILE "tf_serving_warmup_requests"

/* One request for each signature that can be served: `rows` examples. data[i]
 * are the values of features[i] in the dtype of its node, row by row, or a
 * struct dataset_lists of a ragged one; of a feature without a node nothing is
 * read. Appends to `out`. */
void export_warmup(const struct export_request *,
                   const char *model_name,
                   const void *const *data,
                   int64_t rows,
                   struct strbuf *out);

#endif
