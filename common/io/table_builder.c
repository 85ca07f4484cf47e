/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a table: data blocks of about 256 KiB, an empty metaindex block, an
 * index block with one entry a data block, a footer of 48 bytes.
 *
 * A block is entries {varint shared, varint unshared, varint value length, the
 * key's tail, the value}, the offsets of its restart points (keys written
 * whole: every 16th in a data block, every one in the index), their count;
 * then, outside the block, one byte for its compression (0) and the masked CRC
 * of all that. */
#include "io/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/varint.h"

#include "base/banned.h"

#define BLOCK_SIZE (256u * 1024)
#define TABLE_MAGIC 0xdb4775248b80fb57ull
enum { FOOTER_HANDLES = 40, RESTART_EVERY = 16 };

struct block {
    struct strbuf bytes;
    struct strbuf restarts; /* u32 each */
    struct strbuf last_key;
    unsigned restart_every;
    unsigned since_restart;
    bool empty;
};

struct handle {
    uint64_t offset, size;
};

struct table_builder {
    struct strbuf *out;
    struct block data, index;
    struct strbuf last_key; /* of the whole table */
    bool any;
    bool pending; /* a finished block waits for its index entry */
    struct handle pending_handle;
};

static void add_le32(struct strbuf *out, uint32_t v)
{
    uint8_t b[4];

    put_le32(b, v);
    strbuf_add(out, b, sizeof b);
}

static void block_reset(struct block *b)
{
    strbuf_reset(&b->bytes);
    strbuf_reset(&b->restarts);
    strbuf_reset(&b->last_key);
    add_le32(&b->restarts, 0);
    b->since_restart = 0;
    b->empty = true;
}

static void block_init(struct block *b, unsigned restart_every)
{
    strbuf_init(&b->bytes);
    strbuf_init(&b->restarts);
    strbuf_init(&b->last_key);
    b->restart_every = restart_every;
    block_reset(b);
}

static void block_release(struct block *b)
{
    strbuf_release(&b->bytes);
    strbuf_release(&b->restarts);
    strbuf_release(&b->last_key);
}

static size_t common_prefix(const void *a, size_t na, const void *b, size_t nb)
{
    const uint8_t *x = a, *y = b;
    size_t n = na < nb ? na : nb, i = 0;

    while (i < n && x[i] == y[i]) {
        i++;
    }
    return i;
}

static void block_add(struct block *b,
                      const void *key,
                      size_t key_len,
                      const void *value,
                      size_t value_len)
{
    size_t shared = 0;

    if (b->since_restart < b->restart_every) {
        shared = common_prefix(b->last_key.data, b->last_key.len, key, key_len);
    } else {
        add_le32(&b->restarts, (uint32_t)b->bytes.len);
        b->since_restart = 0;
    }
    varint_put(&b->bytes, shared);
    varint_put(&b->bytes, key_len - shared);
    varint_put(&b->bytes, value_len);
    strbuf_add(&b->bytes, (const char *)key + shared, key_len - shared);
    strbuf_add(&b->bytes, value, value_len);
    strbuf_reset(&b->last_key);
    strbuf_add(&b->last_key, key, key_len);
    b->since_restart++;
    b->empty = false;
}

static size_t block_size(const struct block *b)
{
    return b->bytes.len + b->restarts.len + 4;
}

/* Append the block with its trailer to the table and empty it. */
static struct handle write_block(struct strbuf *out, struct block *b)
{
    struct handle handle = {out->len, 0};
    uint8_t trailer[5] = {0};
    uint32_t crc;

    strbuf_add(&b->bytes, b->restarts.data, b->restarts.len);
    add_le32(&b->bytes, (uint32_t)(b->restarts.len / 4));
    handle.size = b->bytes.len;
    strbuf_add(out, b->bytes.data, b->bytes.len);
    crc = crc32c_extend(crc32c(b->bytes.data, b->bytes.len), trailer, 1);
    put_le32(trailer + 1, crc32c_mask(crc));
    strbuf_add(out, trailer, sizeof trailer);
    block_reset(b);
    return handle;
}

/* The shortest key that is >= `last` and < `next`, as TensorFlow picks it: for
 * the index. `last` is cut in place. */
static void shorten_between(struct strbuf *last,
                            const void *next,
                            size_t next_len)
{
    size_t i = common_prefix(last->data, last->len, next, next_len);
    uint8_t here;

    if (i >= last->len || i >= next_len) {
        return; /* one is a prefix of the other */
    }
    here = (uint8_t)last->data[i];
    if (here < 0xff && here + 1 < ((const uint8_t *)next)[i]) {
        last->data[i] = (char)(here + 1);
        last->len = i + 1;
    }
}

/* A short key >= `last`. */
static void shorten_after(struct strbuf *last)
{
    for (size_t i = 0; i < last->len; i++) {
        uint8_t here = (uint8_t)last->data[i];

        if (here != 0xff) {
            last->data[i] = (char)(here + 1);
            last->len = i + 1;
            return;
        }
    }
}

static void add_index_entry(struct table_builder *t)
{
    struct strbuf handle;

    strbuf_init(&handle);
    varint_put(&handle, t->pending_handle.offset);
    varint_put(&handle, t->pending_handle.size);
    block_add(&t->index, t->last_key.data, t->last_key.len, handle.data,
              handle.len);
    strbuf_release(&handle);
    t->pending = false;
}

static void flush_block(struct table_builder *t)
{
    if (t->data.empty) {
        return;
    }
    t->pending_handle = write_block(t->out, &t->data);
    t->pending = true;
}

struct table_builder *table_builder_new(struct strbuf *out)
{
    struct table_builder *t = xcalloc(1, sizeof *t);

    strbuf_reset(out);
    t->out = out;
    block_init(&t->data, RESTART_EVERY);
    block_init(&t->index, 1);
    strbuf_init(&t->last_key);
    return t;
}

void table_builder_add(struct table_builder *t,
                       const void *key,
                       size_t key_len,
                       const void *value,
                       size_t value_len)
{
    size_t prefix =
        common_prefix(t->last_key.data, t->last_key.len, key, key_len);
    bool rises =
        prefix == t->last_key.len
            ? key_len > prefix
            : prefix < key_len && ((const uint8_t *)key)[prefix] >
                                      (uint8_t)t->last_key.data[prefix];

    PRE(!t->any || rises);
    /* A huge entry gets a block of its own. */
    if (!t->data.empty && key_len + value_len >= 2 * (size_t)BLOCK_SIZE) {
        flush_block(t);
    }
    if (t->pending) {
        shorten_between(&t->last_key, key, key_len);
        add_index_entry(t);
    }
    block_add(&t->data, key, key_len, value, value_len);
    strbuf_reset(&t->last_key);
    strbuf_add(&t->last_key, key, key_len);
    t->any = true;
    if (block_size(&t->data) >= BLOCK_SIZE) {
        flush_block(t);
    }
}

void table_builder_finish(struct table_builder *t)
{
    struct strbuf footer;
    struct block metaindex;
    struct handle meta, index;
    uint8_t magic[8];
    static const uint8_t zeros[FOOTER_HANDLES];

    flush_block(t);
    block_init(&metaindex, 1);
    meta = write_block(t->out, &metaindex);
    block_release(&metaindex);
    if (t->pending) {
        shorten_after(&t->last_key);
        add_index_entry(t);
    }
    index = write_block(t->out, &t->index);

    strbuf_init(&footer);
    varint_put(&footer, meta.offset);
    varint_put(&footer, meta.size);
    varint_put(&footer, index.offset);
    varint_put(&footer, index.size);
    INVARIANT(footer.len <= FOOTER_HANDLES);
    strbuf_add(&footer, zeros, FOOTER_HANDLES - footer.len);
    put_le64(magic, TABLE_MAGIC);
    strbuf_add(&footer, magic, sizeof magic);
    strbuf_add(t->out, footer.data, footer.len);
    strbuf_release(&footer);

    block_release(&t->data);
    block_release(&t->index);
    strbuf_release(&t->last_key);
    free(t);
}
