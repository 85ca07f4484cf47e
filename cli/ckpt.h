/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt: what its files share. */
#ifndef CLI_CKPT_H
#define CLI_CKPT_H

#include "base/strbuf.h"
#include "checkpoint/bundle.h"

/* Print tensors with their values; `name` NULL: all of them. */
int ckpt_dump(struct bundle_reader *,
              const char *prefix,
              CREW_NULLABLE const char *name,
              bool json,
              struct crew_err *);
/* Print every difference between two checkpoints; *same tells whether there is
 * none. */
int ckpt_diff(struct bundle_reader *,
              struct bundle_reader *,
              bool *same,
              struct crew_err *);

/* "[2, 3]" */
void ckpt_add_shape(struct strbuf *, const struct crew_shape *);
/* Text of n bytes as a JSON string, bytes that are no ASCII as \u00XX. */
void ckpt_add_text(struct strbuf *, const void *text, size_t n);
/* {"name": ..., "dtype": ..., "shape": ... without the closing brace. */
void ckpt_add_head(struct strbuf *, const struct bundle_tensor *);
/* The name without its folders. Borrowed. */
const char *ckpt_base_name(const char *path);

#endif
