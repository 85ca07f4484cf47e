/* SPDX-License-Identifier: Apache-2.0
 * Tables: TensorFlow's bytes, lookups, several blocks, Snappy, and every byte
 * flipped or cut away. */
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/table.h"
#include "io/varint.h"
#include "run_suite.h"

#include "base/banned.h"

/* n entries "key-000000" -> 30 bytes of the number; sorted. */
static void build(struct strbuf *out, int n)
{
    struct table_builder *b = table_builder_new(out);

    for (int i = 0; i < n; i++) {
        char key[32], value[64];

        (void)snprintf(key, sizeof key, "key-%06d", i * 3);
        (void)snprintf(value, sizeof value, "%030d", i);
        table_builder_add(b, key, strlen(key), value, strlen(value));
    }
    table_builder_finish(b);
}

/* A checkpoint's index of a=0.5, b=2, c=3, as TensorFlow wrote it. */
START_TEST(bytes_are_tensorflows)
{
    static const unsigned char want[] = {
        0x00, 0x00, 0x06, 0x08, 0x01, 0x1a, 0x02, 0x08, 0x01, 0x00, 0x01, 0x0b,
        0x61, 0x08, 0x01, 0x12, 0x00, 0x28, 0x04, 0x35, 0x06, 0x38, 0x27, 0x1f,
        0x00, 0x01, 0x0d, 0x62, 0x08, 0x01, 0x12, 0x00, 0x20, 0x04, 0x28, 0x04,
        0x35, 0x10, 0xfd, 0x78, 0x4f, 0x00, 0x01, 0x0d, 0x63, 0x08, 0x01, 0x12,
        0x00, 0x20, 0x08, 0x28, 0x04, 0x35, 0xef, 0xd6, 0x82, 0xc3, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xe4, 0x15, 0xb6, 0xbc, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xc0, 0xf2, 0xa1, 0xb0,
        0x00, 0x01, 0x02, 0x64, 0x00, 0x42, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
        0x00, 0x00, 0x00, 0x58, 0xb2, 0xe9, 0xf7, 0x47, 0x08, 0x54, 0x0e};
    struct table_builder *b;
    struct strbuf out;

    strbuf_init(&out);
    b = table_builder_new(&out);
    table_builder_add(b, "", 0, want + 3, 6);
    table_builder_add(b, "a", 1, want + 13, 11);
    table_builder_add(b, "b", 1, want + 28, 13);
    table_builder_add(b, "c", 1, want + 45, 13);
    table_builder_finish(b);
    ck_assert_uint_eq(out.len, 151);
    ck_assert_mem_eq(out.data, want, sizeof want);
    ck_assert_mem_eq(out.data + 143, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
    strbuf_release(&out);
}
END_TEST

static void check_all(const struct table *t, int n)
{
    ck_assert_int_eq(table_size(t), n);
    for (int i = 0; i < n; i++) {
        const struct table_entry *e = table_entry(t, i);
        char key[32], value[64];

        (void)snprintf(key, sizeof key, "key-%06d", i * 3);
        (void)snprintf(value, sizeof value, "%030d", i);
        ck_assert_uint_eq(e->key_len, strlen(key));
        ck_assert_mem_eq(e->key, key, e->key_len);
        ck_assert_uint_eq(e->value_len, strlen(value));
        ck_assert_mem_eq(e->value, value, e->value_len);
        ck_assert_int_eq(table_find(t, key, strlen(key)), i);
        ck_assert_int_eq(table_find(t, key, strlen(key) - 1), -1);
        (void)snprintf(key, sizeof key, "key-%06d", i * 3 + 1);
        ck_assert_int_eq(table_find(t, key, strlen(key)), -1);
    }
    ck_assert_int_eq(table_find(t, "", 0), -1);
    ck_assert_int_eq(table_find(t, "z", 1), -1);
}

START_TEST(several_blocks_are_read_back)
{
    static const int sizes[] = {0, 1, 15, 16, 17, 33, 20000};
    struct crew_err err = {0};
    struct table *t = NULL;
    struct strbuf out;

    strbuf_init(&out);
    build(&out, sizes[_i]);
    ck_assert_msg(table_parse(out.data, out.len, &t, NULL, &err) == CREW_OK,
                  "%s", err.msg);
    check_all(t, sizes[_i]);
    table_free(t);
    strbuf_release(&out);
}
END_TEST

static void add_block(struct strbuf *out,
                      const char *bytes,
                      size_t n,
                      uint8_t type,
                      struct strbuf *handle)
{
    uint8_t trailer[5] = {type};

    varint_put(handle, out->len);
    varint_put(handle, n);
    strbuf_add(out, bytes, n);
    put_le32(trailer + 1,
             crc32c_mask(crc32c_extend(crc32c(bytes, n), trailer, 1)));
    strbuf_add(out, trailer, 5);
}

/* A table of one data block, stored as `type` says. */
static void one_block(struct strbuf *out,
                      const char *block,
                      size_t n,
                      uint8_t type)
{
    static const char no_entries[] = "\0\0\0\0\1\0\0";
    struct strbuf handle, index, footer;
    uint8_t magic[8];

    strbuf_init(&handle);
    strbuf_init(&index);
    strbuf_init(&footer);
    add_block(out, block, n, type, &handle);
    add_block(out, no_entries, 8, 0, &footer);
    varint_put(&index, 0);
    varint_put(&index, 1);
    varint_put(&index, handle.len);
    strbuf_add(&index, "z", 1);
    strbuf_add(&index, handle.data, handle.len);
    strbuf_add(&index, no_entries, 8);
    add_block(out, index.data, index.len, 0, &footer);
    while (footer.len < 40) {
        strbuf_add(&footer, "", 1);
    }
    put_le64(magic, 0xdb4775248b80fb57ull);
    strbuf_add(&footer, magic, 8);
    strbuf_add(out, footer.data, footer.len);
    strbuf_release(&handle);
    strbuf_release(&index);
    strbuf_release(&footer);
}

static int parse_text(const struct strbuf *b, struct crew_err *err)
{
    struct table *t = NULL;
    int rc = table_parse(b->data, b->len, &t, NULL, err);

    table_free(rc == CREW_OK ? t : NULL);
    return rc;
}

/* "ab" -> "1", "ac" -> "2" with a shared prefix. */
static const char block[] = "\0\2\1ab1\1\1\1c2\0\0\0\0\1\0\0";
#define BLOCK_SIZE (sizeof block)

START_TEST(snappy_blocks_are_read)
{
    struct crew_err err = {0};
    struct table *t = NULL;
    struct strbuf out;
    char packed[100];
    size_t n = sizeof packed;

    ck_assert_int_eq(snappy_compress(block, BLOCK_SIZE, packed, &n), SNAPPY_OK);
    strbuf_init(&out);
    one_block(&out, packed, n, 1);
    ck_assert_msg(table_parse(out.data, out.len, &t, NULL, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert_int_eq(table_size(t), 2);
    ck_assert_int_eq(table_find(t, "ab", 2), 0);
    ck_assert_int_eq(table_find(t, "ac", 2), 1);
    ck_assert_mem_eq(table_entry(t, 1)->value, "2", 1);
    table_free(t);

    /* cut short, with a right CRC */
    strbuf_reset(&out);
    one_block(&out, packed, n - 3, 1);
    ck_assert_int_eq(parse_text(&out, &err), CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg, "corrupted compressed block contents");
    strbuf_release(&out);
}
END_TEST

/* Blocks whose CRC is right and whose contents are not. */
START_TEST(bad_blocks_have_their_texts)
{
    static const struct {
        const char *bytes;
        size_t n;
        uint8_t type;
        const char *text;
    } bad[] = {
        {block, BLOCK_SIZE, 2, "bad block type"},
        {"", 0, 0, "bad block contents"},
        {"\1\0\0", 3, 0, "bad block contents"},
        {"\0\0\0\0\2\0\0", 8, 0, "bad block contents"}, /* restarts outside */
        {"\5\2\1ab1\0\0\0\0\1\0\0", 14, 0, "bad entry in block"}, /* shared */
        {"\0\x7f\1ab1\0\0\0\0\1\0\0", 14, 0, "bad entry in block"},
        {"\0\2\x7f\x61\x62\x31\0\0\0\0\1\0\0", 14, 0, "bad entry in block"},
        /* keys that do not rise */
        {"\0\1\0b\0\1\0a\0\0\0\0\1\0\0", 16, 0, "bad entry in block"},
        {"\0\1\0a\0\1\0a\0\0\0\0\1\0\0", 16, 0, "bad entry in block"},
    };
    struct crew_err err = {0};
    struct strbuf out;

    strbuf_init(&out);
    one_block(&out, bad[_i].bytes, bad[_i].n, bad[_i].type);
    ck_assert_int_eq(parse_text(&out, &err), CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg, bad[_i].text);
    strbuf_release(&out);
}
END_TEST

/* All bytes but those that nothing reads (the metaindex and its handle, the
 * footer's padding) are covered by a CRC or the magic number. */
START_TEST(every_flipped_byte_is_found_or_harmless)
{
    struct strbuf out;
    int found = 0;

    strbuf_init(&out);
    build(&out, 40);
    for (size_t i = 0; i < out.len; i++) {
        struct crew_err err = {0};
        struct table *t = NULL;

        out.data[i] = (char)(out.data[i] ^ 0x41);
        if (table_parse(out.data, out.len, &t, NULL, &err) == CREW_OK) {
            check_all(t, 40);
            table_free(t);
        } else {
            ck_assert_int_eq(err.code, CREW_DATA_LOSS);
            found++;
        }
        out.data[i] = (char)(out.data[i] ^ 0x41);
    }
    /* 8 + 5 of the metaindex, at most 40 - 2 of the footer */
    ck_assert_int_ge(found, (int)out.len - 13 - 38);
    strbuf_release(&out);
}
END_TEST

START_TEST(every_cut_is_found)
{
    struct strbuf out;

    strbuf_init(&out);
    build(&out, 40);
    for (size_t n = 0; n < out.len; n++) {
        struct crew_err err = {0};
        struct table *t = NULL;
        char *copy = xmalloc(n + 1); /* so that a sanitizer sees the end */

        memcpy(copy, out.data, n);
        ck_assert_int_eq(table_parse(copy, n, &t, NULL, &err), CREW_DATA_LOSS);
        if (n < 48) {
            ck_assert_str_eq(err.msg, "file is too short to be an sstable");
        } else {
            ck_assert_str_eq(err.msg, "not an sstable (bad magic number)");
        }
        free(copy);
    }
    strbuf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tc = tcase_create("table");

    tcase_set_timeout(tc, 60); /* ThreadSanitizer is slow */
    tcase_add_test(tc, bytes_are_tensorflows);
    tcase_add_loop_test(tc, several_blocks_are_read_back, 0, 7);
    tcase_add_test(tc, snappy_blocks_are_read);
    tcase_add_loop_test(tc, bad_blocks_have_their_texts, 0, 9);
    tcase_add_test(tc, every_flipped_byte_is_found_or_harmless);
    tcase_add_test(tc, every_cut_is_found);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
