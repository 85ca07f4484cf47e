/* SPDX-License-Identifier: Apache-2.0
 * crew records: what its files share. */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include "base/strbuf.h"
#include "io/tfrecord.h"

/* Append record number `i`, which begins at `offset`: a line of text, and one a
 * feature of a tf.Example. */
void records_add_text(struct strbuf *,
                      uint64_t i,
                      uint64_t offset,
                      const struct tfrecord_view *);
/* Append one JSON object: length, sha256, and base64 of up to 64 bytes. `dump`:
 * base64 of all bytes, and a tf.Example's features. */
void records_add_json(struct strbuf *, bool dump, const struct tfrecord_view *);

#endif
