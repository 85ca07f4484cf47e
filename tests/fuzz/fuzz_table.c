/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of tables behind its checksums, which no fuzzer guesses:
 * the input is the contents of a block, which is put into a sound table. Oracle
 * beyond "no crash": keys rise and are found, and what is read is written again
 * and read as the same.
 *
 * The first byte: bit 0, the block is one of handles, else one of entries; bit
 * 1, it is said to be compressed by Snappy. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/table.h"
#include "io/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 16 };

/* Where a block begins, and its bytes without what follows it. */
struct place {
    uint64_t offset, size;
};

static struct place add_block(struct strbuf *file,
                              const void *data,
                              size_t n,
                              uint8_t type)
{
    struct place at = {file->len, n};
    uint8_t crc[4];

    strbuf_add(file, data, n);
    strbuf_add(file, &type, 1);
    put_le32(crc, crc32c_mask(crc32c(file->data + at.offset, n + 1)));
    strbuf_add(file, crc, sizeof crc);
    return at;
}

static void add_place(struct strbuf *to, struct place at)
{
    varint_put(to, at.offset);
    varint_put(to, at.size);
}

/* A block of one entry, "~": the place. */
static struct place add_index(struct strbuf *file, struct place data)
{
    static const uint8_t restarts[8] = {0, 0, 0, 0, 1, 0, 0, 0};
    struct strbuf value, block;
    struct place at;
    uint8_t head[3] = {0, 1, 0};

    strbuf_init(&value);
    strbuf_init(&block);
    add_place(&value, data);
    head[2] = (uint8_t)value.len;
    strbuf_add(&block, head, sizeof head);
    strbuf_addstr(&block, "~");
    strbuf_add(&block, value.data, value.len);
    strbuf_add(&block, restarts, sizeof restarts);
    at = add_block(file, block.data, block.len, 0);
    strbuf_release(&value);
    strbuf_release(&block);
    return at;
}

static void add_footer(struct strbuf *file, struct place index)
{
    static const uint8_t magic[8] = {0x57, 0xfb, 0x80, 0x8b,
                                     0x24, 0x75, 0x47, 0xdb};
    uint8_t handles[40] = {0};
    struct strbuf text;

    strbuf_init(&text);
    add_place(&text, index); /* of the metaindex, which nobody reads */
    add_place(&text, index);
    memcpy(handles, text.data, text.len);
    strbuf_add(file, handles, sizeof handles);
    strbuf_add(file, magic, sizeof magic);
    strbuf_release(&text);
}

static void check_same(const struct table *a, const struct table *b)
{
    INVARIANT(table_size(a) == table_size(b));
    for (int64_t i = 0; i < table_size(a); i++) {
        const struct table_entry *x = table_entry(a, i), *y = table_entry(b, i);

        INVARIANT(x->key_len == y->key_len && x->value_len == y->value_len);
        INVARIANT(memcmp(x->key, y->key, x->key_len) == 0);
        INVARIANT(memcmp(x->value, y->value, x->value_len) == 0);
        INVARIANT(table_find(a, y->key, y->key_len) == i);
    }
}

static void write_again(const struct table *t)
{
    struct table *again = NULL;
    struct crew_err err = {0};
    struct table_builder *b;
    struct strbuf file;

    strbuf_init(&file);
    b = table_builder_new(&file);
    for (int64_t i = 0; i < table_size(t); i++) {
        const struct table_entry *e = table_entry(t, i);

        table_builder_add(b, e->key, e->key_len, e->value, e->value_len);
    }
    table_builder_finish(b);
    INVARIANT(table_parse(file.data, file.len, &again, NULL, &err) == CREW_OK);
    check_same(t, again);
    table_free(again);
    strbuf_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table *t = NULL;
    struct crew_err err = {0};
    struct strbuf file;
    struct place at;
    int64_t bad = 0;

    if (size < 1 || size > MOST) {
        return 0;
    }
    mem_limit(16u << 20);
    strbuf_init(&file);
    if ((data[0] & 1) != 0) { /* handles of this block, or of any bytes */
        static const uint8_t one[] = {0, 1, 1, 'k', 'v', 0, 0,
                                      0, 0, 1, 0,   0,   0};
        (void)add_block(&file, one, sizeof one, 0);
    }
    at = add_block(&file, data + 1, size - 1, data[0] >> 1 & 1);
    if ((data[0] & 1) == 0) {
        at = add_index(&file, at);
    }
    add_footer(&file, at);
    if (table_parse(file.data, file.len, &t, &bad, &err) == CREW_OK) {
        write_again(t);
        table_free(t);
    } else {
        INVARIANT(err.msg[0] != '\0' && bad >= -1);
        INVARIANT(err.code == CREW_RESOURCE_EXHAUSTED ||
                  (err.code == CREW_DATA_LOSS && err.exit_code == 65));
    }
    strbuf_release(&file);
    mem_limit(0);
    return 0;
}
