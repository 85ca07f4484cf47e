/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a table: every block's CRC is checked, compressed ones are unpacked,
 * and all entries are laid out in memory in order. Nothing in the file is
 * believed: every length is compared with what is there before it is used. */
#include "io/table.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/varint.h"

#include "base/banned.h"

#define TABLE_MAGIC 0xdb4775248b80fb57ull
#define MAX_BLOCK (64u << 20)
enum { FOOTER = 48, FOOTER_HANDLES = 40, TRAILER = 5 };

struct table {
    struct strbuf store; /* keys and values, one after the other */
    struct table_entry *entries;
    size_t *key_at; /* offsets into store until it is complete */
    int64_t n, cap;
    int64_t block; /* the data block that is being read; -1: none */
};

struct handle {
    uint64_t offset, size;
};

static int damaged(struct crew_err *err, const char *text)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s", text);
}

static const uint8_t *get_handle(const uint8_t *p,
                                 const uint8_t *end,
                                 struct handle *h)
{
    p = varint_get(p, end, &h->offset);
    return p == NULL ? NULL : varint_get(p, end, &h->size);
}

static int unpack_snappy(const uint8_t *p,
                         size_t n,
                         struct strbuf *block,
                         struct crew_err *err)
{
    size_t length = 0;
    void *plain = NULL;

    if (snappy_uncompressed_length((const char *)p, n, &length) != SNAPPY_OK ||
        length > MAX_BLOCK) {
        return damaged(err, "corrupted compressed block contents");
    }
    if (mem_try(length, 1, "table block", &plain, err) != CREW_OK) {
        return err->code;
    }
    if (snappy_uncompress((const char *)p, n, plain, &length) == SNAPPY_OK) {
        strbuf_add(block, plain, length);
    } else {
        damaged(err, "corrupted compressed block contents");
    }
    free(plain);
    return err->code;
}

/* The contents of a block into `block`. */
static int read_block(const uint8_t *file,
                      size_t n,
                      struct handle h,
                      struct strbuf *block,
                      struct crew_err *err)
{
    const uint8_t *p;

    strbuf_reset(block);
    if (h.offset > n || h.size > n - h.offset ||
        n - h.offset - h.size < TRAILER) {
        return damaged(err, "truncated block read");
    }
    p = file + h.offset;
    if (crc32c(p, (size_t)h.size + 1) !=
        crc32c_unmask(get_le32(p + h.size + 1))) {
        return damaged(err, "block checksum mismatch");
    }
    if (p[h.size] == 1) {
        return unpack_snappy(p, (size_t)h.size, block, err);
    }
    if (p[h.size] != 0) {
        return damaged(err, "bad block type");
    }
    strbuf_add(block, p, (size_t)h.size);
    return CREW_OK;
}

typedef int (*entry_fn)(void *self,
                        const struct strbuf *key,
                        const uint8_t *value,
                        size_t value_len,
                        struct crew_err *err);

/* Call fn for every entry of a block. */
static int walk_block(const struct strbuf *block,
                      entry_fn fn,
                      void *self,
                      struct crew_err *err)
{
    const uint8_t *p = (const uint8_t *)block->data, *end;
    struct strbuf key;
    uint64_t restarts;

    if (block->len < 4) {
        return damaged(err, "bad block contents");
    }
    restarts = get_le32(p + block->len - 4);
    if (restarts > (block->len - 4) / 4) {
        return damaged(err, "bad block contents");
    }
    end = p + block->len - 4 - 4 * restarts;
    strbuf_init(&key);
    while (p < end && err->code == CREW_OK) {
        uint64_t shared = 0, unshared = 0, length = 0;

        p = varint_get(p, end, &shared);
        p = p == NULL ? NULL : varint_get(p, end, &unshared);
        p = p == NULL ? NULL : varint_get(p, end, &length);
        if (p == NULL || shared > key.len || unshared > (size_t)(end - p) ||
            length > (size_t)(end - p) - unshared) {
            damaged(err, "bad entry in block");
            break;
        }
        key.len = (size_t)shared;
        strbuf_add(&key, p, (size_t)unshared);
        p += unshared;
        (void)fn(self, &key, p, (size_t)length, err);
        p += length;
    }
    strbuf_release(&key);
    return err->code;
}

static int keep_entry(void *self,
                      const struct strbuf *key,
                      const uint8_t *value,
                      size_t value_len,
                      struct crew_err *err)
{
    struct table *t = self;

    if (t->n > 0) {
        size_t before = t->entries[t->n - 1].key_len;
        size_t shorter = before < key->len ? before : key->len;
        int order =
            memcmp(t->store.data + t->key_at[t->n - 1], key->data, shorter);

        if (order > 0 || (order == 0 && before >= key->len)) {
            return damaged(err, "bad entry in block"); /* keys must rise */
        }
    }
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : 2 * t->cap;
        t->entries = xrealloc(t->entries, (size_t)t->cap * sizeof *t->entries);
        t->key_at = xrealloc(t->key_at, (size_t)t->cap * sizeof *t->key_at);
    }
    t->entries[t->n].key_len = key->len;
    t->entries[t->n].value_len = value_len;
    t->key_at[t->n++] = t->store.len;
    strbuf_add(&t->store, key->data, key->len);
    strbuf_add(&t->store, value, value_len);
    return CREW_OK;
}

struct data_walk {
    const uint8_t *file;
    size_t n;
    struct strbuf block;
    struct table *table;
    int64_t blocks;
};

static int walk_data_block(void *self,
                           const struct strbuf *key,
                           const uint8_t *value,
                           size_t value_len,
                           struct crew_err *err)
{
    struct data_walk *w = self;
    struct handle h;

    (void)key;
    w->table->block = w->blocks++;
    if (get_handle(value, value + value_len, &h) == NULL) {
        return damaged(err, "bad block handle");
    }
    if (read_block(w->file, w->n, h, &w->block, err) != CREW_OK) {
        return err->code;
    }
    if (walk_block(&w->block, keep_entry, w->table, err) == CREW_OK) {
        w->table->block = -1;
    }
    return err->code;
}

static int parse(const uint8_t *file,
                 size_t n,
                 struct table *t,
                 struct crew_err *err)
{
    struct data_walk walk = {.file = file, .n = n, .table = t};
    struct strbuf index;
    struct handle meta, index_handle;
    const uint8_t *p, *end;

    if (n < FOOTER) {
        return damaged(err, "file is too short to be an sstable");
    }
    p = file + n - FOOTER;
    end = p + FOOTER_HANDLES;
    if (get_le64(end) != TABLE_MAGIC) {
        return damaged(err, "not an sstable (bad magic number)");
    }
    p = get_handle(p, end, &meta);
    if (p == NULL || get_handle(p, end, &index_handle) == NULL) {
        return damaged(err, "bad block handle");
    }
    strbuf_init(&index);
    strbuf_init(&walk.block);
    if (read_block(file, n, index_handle, &index, err) == CREW_OK) {
        (void)walk_block(&index, walk_data_block, &walk, err);
    }
    strbuf_release(&index);
    strbuf_release(&walk.block);
    return err->code;
}

int table_parse(const void *data,
                size_t n,
                struct table **out,
                int64_t *bad_block,
                struct crew_err *err)
{
    struct table *t = xcalloc(1, sizeof *t);

    strbuf_init(&t->store);
    t->block = -1;
    if (parse(data, n, t, err) != CREW_OK) {
        if (bad_block != NULL) {
            *bad_block = t->block;
        }
        table_free(t);
        return err->code;
    }
    for (int64_t i = 0; i < t->n; i++) {
        t->entries[i].key = (const uint8_t *)t->store.data + t->key_at[i];
        t->entries[i].value = t->entries[i].key + t->entries[i].key_len;
    }
    *out = t;
    return CREW_OK;
}

void table_free(struct table *t)
{
    if (t != NULL) {
        strbuf_release(&t->store);
        free(t->entries);
        free(t->key_at);
        free(t);
    }
}

int64_t table_size(const struct table *t)
{
    return t->n;
}

const struct table_entry *table_entry(const struct table *t, int64_t i)
{
    PRE(i >= 0 && i < t->n);
    return &t->entries[i];
}

int64_t table_find(const struct table *t, const void *key, size_t key_len)
{
    int64_t low = 0, high = t->n;

    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        const struct table_entry *e = &t->entries[mid];
        size_t shorter = e->key_len < key_len ? e->key_len : key_len;
        int order = memcmp(e->key, key, shorter);

        if (order < 0 || (order == 0 && e->key_len < key_len)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < t->n && t->entries[low].key_len == key_len &&
        memcmp(t->entries[low].key, key, key_len) == 0) {
        return low;
    }
    return -1;
}
