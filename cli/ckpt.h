/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt: what its files share. */
#ifndef CLI_CKPT_H
#define CLI_CKPT_H

#include "base/strbuf.h"
#include "checkpoint/bundle.h"

/* Print tensors with their values; `name` NULL: all of them. Of numbers at most
 * 256 KiB are held, of strings a whole tensor. */
int ckpt_dump(struct bundle_reader *,
              const char *prefix,
              CREW_NULLABLE const char *name,
              bool json,
              struct crew_err *);
/* Print every difference between two checkpoints; *same tells whether there is
 * none. json: {"differences": [{"name", "what"}...], "same"}. */
int ckpt_diff(struct bundle_reader *,
              struct bundle_reader *,
              bool json,
              bool *same,
              struct crew_err *);

/* A tensor of numbers piece by piece, so that it need not fit into memory. */
struct ckpt_pieces {
    struct bundle_reader *reader; /* borrowed, as t */
    const struct bundle_tensor *t;
    int64_t n;            /* elements of the tensor */
    int64_t first, count; /* of this piece; count 0: the end */
    void *data;           /* of this piece */
};
/* Its CRCs are checked before the first piece is given. Owner: caller,
 * ckpt_pieces_close. */
CREW_MUST_CHECK int ckpt_pieces_open(struct bundle_reader *,
                                     const struct bundle_tensor *,
                                     CREW_OUT struct ckpt_pieces *,
                                     struct crew_err *);
/* The next one; after the last, count is 0. */
CREW_MUST_CHECK int ckpt_pieces_next(struct ckpt_pieces *, struct crew_err *);
/* Before the first one again. */
void ckpt_pieces_rewind(struct ckpt_pieces *);
void ckpt_pieces_close(struct ckpt_pieces *);

/* "[2, 3]" */
void ckpt_add_shape(struct strbuf *, const struct crew_shape *);
/* Text of n bytes as a JSON string, bytes that are no ASCII as \u00XX. */
void ckpt_add_text(struct strbuf *, const void *text, size_t n);
/* {"name": ..., "dtype": ..., "shape": ... without the closing brace. */
void ckpt_add_head(struct strbuf *, const struct bundle_tensor *);
/* {"prefix": ..., "files": [...], "tensors": [ */
void ckpt_add_start(struct strbuf *,
                    const struct bundle_reader *,
                    const char *prefix);
/* The name without its folders. Borrowed. */
const char *ckpt_base_name(const char *path);

#endif
