/* SPDX-License-Identifier: Apache-2.0
 *
 * The sorted string table of checkpoint indices: LevelDB's format with blocks
 * of 256 KiB. Written byte for byte as TensorFlow writes it; blocks that are
 * compressed with Snappy are read too. Source:
 * tsl/lib/io/{table_builder,block_builder, format}.cc. */
#ifndef IO_TABLE_H
#define IO_TABLE_H

#include "base/env.h"
#include "base/strbuf.h"

struct table_builder;

/* Builds the table in `out` (borrowed), which it empties. */
struct table_builder *table_builder_new(struct strbuf *out);
/* Keys come in strictly increasing order of unsigned bytes (asserted). */
void table_builder_add(struct table_builder *,
                       const void *key,
                       size_t key_len,
                       const void *value,
                       size_t value_len);
/* Writes the rest of the blocks and the footer, and frees the builder. */
void table_builder_finish(struct table_builder *);

/* A table held in memory, checked and unpacked when opened. */
struct table;
struct table_entry {
    const uint8_t *key;
    size_t key_len;
    const uint8_t *value;
    size_t value_len;
};
/* Parse n bytes (copied). Errors: DATA_LOSS in TensorFlow's words ("not an
 * sstable (bad magic number)", "block checksum mismatch", ...); then
 * *bad_block, if wanted, is the number of the data block at fault, -1 for what
 * is around them. Owner: caller, table_free. */
CREW_MUST_CHECK int table_parse(const void *data,
                                size_t n,
                                CREW_OUT struct table **,
                                CREW_NULLABLE int64_t *bad_block,
                                struct crew_err *);
void table_free(CREW_NULLABLE struct table *);
int64_t table_size(const struct table *);
/* Entry i in key order; borrowed from the table. */
const struct table_entry *table_entry(const struct table *, int64_t i);
/* -1 when there is none of that key. */
int64_t table_find(const struct table *, const void *key, size_t key_len);

#endif
