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
#define MAX_BLOCK ((size_t)64 << 20)
/* Keys leave out what they share with the one before, so that a few bytes can
 * stand for a long key: what all of them come to has an end. */
#define MAX_STORE ((size_t)1 << 30)
enum { FOOTER = 48, FOOTER_HANDLES = 40, TRAILER = 5 };

struct table {
    uint8_t *store; /* keys and values, one after the other */
    size_t used, room;
    struct table_entry *entries;
    size_t *key_at; /* offsets into store until it is complete */
    int64_t n, cap;
    int64_t block; /* the data block that is being read; -1: none */
};

/* A block's contents: in the file, or unpacked. */
struct contents {
    const uint8_t *p;
    size_t n;
    void *unpacked; /* owned */
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
                         struct contents *out,
                         struct crew_err *err)
{
    size_t length = 0;
    void *plain = NULL;

    if (snappy_uncompressed_length((const char *)p, n, &length) != SNAPPY_OK ||
        length > MAX_BLOCK ||
        snappy_validate_compressed_buffer((const char *)p, n) != SNAPPY_OK) {
        return damaged(err, "corrupted compressed block contents");
    }
    if (mem_try(length, 1, "table block", &plain, err) != CREW_OK) {
        return err->code;
    }
    if (snappy_uncompress((const char *)p, n, plain, &length) != SNAPPY_OK) {
        free(plain);
        return damaged(err, "corrupted compressed block contents");
    }
    *out = (struct contents){plain, length, plain};
    return CREW_OK;
}

/* The contents of a block. Owner: caller, free(out->unpacked). */
static int read_block(const uint8_t *file,
                      size_t n,
                      struct handle h,
                      struct contents *out,
                      struct crew_err *err)
{
    const uint8_t *p;

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
        return unpack_snappy(p, (size_t)h.size, out, err);
    }
    if (p[h.size] != 0) {
        return damaged(err, "bad block type");
    }
    *out = (struct contents){p, (size_t)h.size, NULL};
    return CREW_OK;
}

typedef int (*entry_fn)(void *self,
                        const struct strbuf *key,
                        const uint8_t *value,
                        size_t value_len,
                        struct crew_err *err);

/* Call fn for every entry of a block. */
static int walk_block(const struct contents *block,
                      entry_fn fn,
                      void *self,
                      struct crew_err *err)
{
    const uint8_t *p = block->p, *end;
    struct strbuf key;
    uint64_t restarts;

    if (block->n < 4) {
        return damaged(err, "bad block contents");
    }
    restarts = get_le32(p + block->n - 4);
    if (restarts > (block->n - 4) / 4) {
        return damaged(err, "bad block contents");
    }
    end = p + block->n - 4 - 4 * restarts;
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

/* Twice the memory, `used` bytes of it taken over. */
static int grow(void **p, size_t used, size_t room, struct crew_err *err)
{
    void *more = NULL;

    if (mem_try(room, 1, "table", &more, err) == CREW_OK) {
        if (used > 0) {
            memcpy(more, *p, used);
        }
        free(*p);
        *p = more;
    }
    return err->code;
}

/* Room for one more entry of n bytes. */
static int make_room(struct table *t, size_t n, struct crew_err *err)
{
    void *entries = t->entries, *key_at = t->key_at, *store = t->store;
    size_t taken = (size_t)t->n, cap = taken == 0 ? 64 : 2 * taken;

    if (n > MAX_STORE - t->used) {
        return damaged(err, "bad entry in block"); /* nobody's keys */
    }
    if (t->n == t->cap) {
        if (grow(&entries, taken * sizeof *t->entries, cap * sizeof *t->entries,
                 err) != CREW_OK) {
            return err->code;
        }
        t->entries = entries;
        if (grow(&key_at, taken * sizeof *t->key_at, cap * sizeof *t->key_at,
                 err) != CREW_OK) {
            return err->code;
        }
        t->key_at = key_at;
        t->cap = (int64_t)cap;
    }
    if (t->store == NULL || n > t->room - t->used) {
        size_t room = 2 * (t->used + n);

        if (grow(&store, t->used, room, err) != CREW_OK) {
            return err->code;
        }
        t->store = store;
        t->room = room;
    }
    return CREW_OK;
}

static bool rises(const struct table *t, const struct strbuf *key)
{
    size_t before, shorter;
    int order;

    if (t->n == 0) {
        return true;
    }
    before = t->entries[t->n - 1].key_len;
    shorter = before < key->len ? before : key->len;
    order = memcmp(t->store + t->key_at[t->n - 1], key->data, shorter);
    return order < 0 || (order == 0 && before < key->len);
}

static int keep_entry(void *self,
                      const struct strbuf *key,
                      const uint8_t *value,
                      size_t value_len,
                      struct crew_err *err)
{
    struct table *t = self;

    if (!rises(t, key)) {
        return damaged(err, "bad entry in block");
    }
    if (make_room(t, key->len + value_len, err) != CREW_OK) {
        return err->code;
    }
    t->entries[t->n].key_len = key->len;
    t->entries[t->n].value_len = value_len;
    t->key_at[t->n++] = t->used;
    memcpy(t->store + t->used, key->data, key->len);
    if (value_len > 0) {
        memcpy(t->store + t->used + key->len, value, value_len);
    }
    t->used += key->len + value_len;
    return CREW_OK;
}

struct data_walk {
    const uint8_t *file;
    size_t n;
    struct table *table;
    int64_t blocks;
    uint64_t end; /* of the block before */
};

static int walk_data_block(void *self,
                           const struct strbuf *key,
                           const uint8_t *value,
                           size_t value_len,
                           struct crew_err *err)
{
    struct data_walk *w = self;
    struct contents block = {0};
    struct handle h;

    (void)key;
    w->table->block = w->blocks++;
    /* Blocks lie one after the other; one that is named again and again would
     * be unpacked as often. */
    if (get_handle(value, value + value_len, &h) == NULL || h.offset < w->end) {
        return damaged(err, "bad block handle");
    }
    if (read_block(w->file, w->n, h, &block, err) != CREW_OK) {
        return err->code;
    }
    w->end = h.offset + h.size + TRAILER;
    if (walk_block(&block, keep_entry, w->table, err) == CREW_OK) {
        w->table->block = -1;
    }
    free(block.unpacked);
    return err->code;
}

static int parse(const uint8_t *file,
                 size_t n,
                 struct table *t,
                 struct crew_err *err)
{
    struct data_walk walk = {.file = file, .n = n, .table = t};
    struct contents index = {0};
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
    if (read_block(file, n, index_handle, &index, err) == CREW_OK) {
        (void)walk_block(&index, walk_data_block, &walk, err);
    }
    free(index.unpacked);
    return err->code;
}

int table_parse(const void *data,
                size_t n,
                struct table **out,
                int64_t *bad_block,
                struct crew_err *err)
{
    struct table *t = xcalloc(1, sizeof *t);

    t->block = -1;
    if (parse(data, n, t, err) != CREW_OK) {
        if (bad_block != NULL) {
            *bad_block = t->block;
        }
        table_free(t);
        return err->code;
    }
    for (int64_t i = 0; i < t->n; i++) {
        t->entries[i].key = t->store + t->key_at[i];
        t->entries[i].value = t->entries[i].key + t->entries[i].key_len;
    }
    *out = t;
    return CREW_OK;
}

void table_free(struct table *t)
{
    if (t != NULL) {
        free(t->store);
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
