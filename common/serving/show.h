/* SPDX-License-Identifier: Apache-2.0
 * What saved_model_cli's `show` says, word for word; sets of ops are sorted
 * where Python's have no order. */
#ifndef SERVING_SHOW_H
#define SERVING_SHOW_H

#include "base/strbuf.h"
#include "crew.h"
#include "proto/tensorflow.pb-c.h"

/* "DT_FLOAT"; "DT_INVALID" for what is no dtype. */
const char *show_dtype(int dtype);
/* `show --all`. */
void show_all(const Tensorflow__SavedModel *, struct strbuf *out);
/* `show`: the tag sets. */
void show_tag_sets(const Tensorflow__SavedModel *, struct strbuf *out);
/* The MetaGraph with exactly these tags ("serve", or "serve,gpu"); NULL: none.
 */
CREW_NULLABLE const Tensorflow__MetaGraphDef *show_find(
    const Tensorflow__SavedModel *,
    const char *tags);
/* `show --tag_set`: the keys of the signatures. */
void show_signature_keys(const Tensorflow__MetaGraphDef *, struct strbuf *out);
/* `show --tag_set --signature_def`. */
void show_signature(const Tensorflow__SignatureDef *,
                    int indent,
                    struct strbuf *out);
/* `show --tag_set --list_ops`: one line. */
void show_ops(const Tensorflow__MetaGraphDef *, struct strbuf *out);

#endif
