/* SPDX-License-Identifier: Apache-2.0
 * tf.Example messages written and read whole. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/example.h"
#include "run_suite.h"

#include "base/banned.h"

static struct strbuf written(void)
{
    static const struct example_bytes words[] = {{"ab", 2}, {NULL, 0}};
    static const float floats[] = {1.5f, -2};
    static const int64_t ints[] = {0, -1, 300, INT64_MIN};
    struct example_writer w;
    struct strbuf out;

    strbuf_init(&out);
    example_writer_init(&w);
    example_add_bytes(&w, "words", words, 2);
    example_add_floats(&w, "floats", floats, 2);
    example_add_ints(&w, "ints", ints, 4);
    example_add_none(&w, "none");
    example_add_ints(&w, "empty", NULL, 0);
    example_writer_finish(&w, &out);
    example_writer_release(&w);
    return out;
}

START_TEST(reads_what_it_writes)
{
    struct strbuf bytes = written();
    struct crew_err err = {0};
    struct example_map map;
    const struct example_entry *e;

    ck_assert_int_eq(example_map_read(bytes.data, bytes.len, &map, &err),
                     CREW_OK);
    ck_assert_uint_eq(map.n, 5);
    ck_assert_mem_eq(map.entry[0].key.data, "empty", 5); /* sorted */
    e = example_map_find(&map, "words");
    ck_assert_int_eq(e->kind, EXAMPLE_BYTES);
    ck_assert_uint_eq(e->n, 2);
    ck_assert_uint_eq(e->value.bytes[0].n, 2);
    ck_assert(e->value.bytes[0].data > bytes.data &&
              e->value.bytes[0].data < bytes.data + bytes.len);
    ck_assert_uint_eq(e->value.bytes[1].n, 0);
    e = example_map_find(&map, "floats");
    ck_assert_int_eq(e->kind, EXAMPLE_FLOAT);
    ck_assert(e->n == 2 && e->value.floats[0] == 1.5f &&
              e->value.floats[1] == -2);
    e = example_map_find(&map, "ints");
    ck_assert_uint_eq(e->n, 4);
    ck_assert_int_eq(e->value.ints[1], -1);
    ck_assert_int_eq(e->value.ints[2], 300);
    ck_assert_int_eq(e->value.ints[3], INT64_MIN);
    ck_assert_int_eq(example_map_find(&map, "none")->kind, EXAMPLE_NONE);
    ck_assert_int_eq(example_map_find(&map, "empty")->kind, EXAMPLE_INT64);
    ck_assert_ptr_null(example_map_find(&map, "nobody"));
    example_map_release(&map);
    strbuf_release(&bytes);
}
END_TEST

/* The bytes that TensorFlow writes of {"a": [1.0]}; key and value both set. */
START_TEST(writes_what_tensorflow_does)
{
    static const unsigned char want[] = {0x0a, 0x0f, 0x0a, 0x0d, 0x0a, 0x01,
                                         'a',  0x12, 0x08, 0x12, 0x06, 0x0a,
                                         0x04, 0x00, 0x00, 0x80, 0x3f};
    struct example_writer w;
    struct strbuf out;
    float one = 1;

    strbuf_init(&out);
    example_writer_init(&w);
    example_add_floats(&w, "a", &one, 1);
    example_writer_finish(&w, &out);
    ck_assert_uint_eq(out.len, sizeof want);
    ck_assert_mem_eq(out.data, want, sizeof want);
    strbuf_reset(&out);
    example_add_none(&w, ""); /* an entry without key would be refused */
    example_writer_finish(&w, &out);
    ck_assert_mem_eq(out.data, "\x0a\x06\x0a\x04\x0a\x00\x12\x00", 8);
    strbuf_release(&out);
    example_writer_release(&w);
}
END_TEST

/* Of a key twice the last; of kinds in a Feature the last; the same kind twice
 * is one list. Packed and not, unknown fields and groups in between. */
START_TEST(merges_as_protobuf_does)
{
    static const char message[] =
        "\x3b\x08\x01\x43\x44\x3c"                  /* groups */
        "\x0a\x09\x0a\x07\x0a\x01k\x12\x02\x0a\x00" /* k: no strings */
        "\x0a\x16\x0a\x14\x0a\x01k\x12\x0f"         /* k again */
        "\x12\x02\x0a\x00"                          /* floats: dropped */
        "\x1a\x03\x08\x05\x20"
        "\x01" /* cut below */
        ;
    static const char good[] =
        "\x3b\x08\x01\x43\x44\x3c"
        "\x0a\x09\x0a\x07\x0a\x01k\x12\x02\x0a\x00"
        "\x0a\x17\x0a\x15\x0a\x01k\x12\x10"
        "\x12\x02\x0a\x00"         /* floats: dropped */
        "\x1a\x04\x08\x05\x20\x01" /* 5, unpacked; an unknown field */
        "\x1a\x04\x0a\x02\x06\x07" /* 6, 7, packed */;
    struct crew_err err = {0};
    struct example_map map;

    ck_assert_int_eq(example_map_read(good, sizeof good - 1, &map, &err),
                     CREW_OK);
    ck_assert_uint_eq(map.n, 1);
    ck_assert_int_eq(map.entry[0].kind, EXAMPLE_INT64);
    ck_assert_uint_eq(map.entry[0].n, 3);
    ck_assert_int_eq(map.entry[0].value.ints[0], 5);
    ck_assert_int_eq(map.entry[0].value.ints[2], 7);
    example_map_release(&map);

    ck_assert_int_eq(example_map_read(message, sizeof message - 1, &map, &err),
                     CREW_DATA_LOSS);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    ck_assert_ptr_nonnull(strstr(err.msg, "the field at byte 17 "));
}
END_TEST

/* Every cut is either an Example or an error, never read beyond. */
START_TEST(every_cut_is_refused)
{
    struct strbuf bytes = written();

    for (size_t n = 1; n < bytes.len; n++) {
        char *exact = xmalloc(n); /* for the sanitizer */
        struct crew_err err = {0};
        struct example_map map;

        memcpy(exact, bytes.data, n);
        ck_assert_int_eq(example_map_read(exact, n, &map, &err),
                         CREW_DATA_LOSS);
        free(exact);
    }
    strbuf_release(&bytes);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    struct strbuf bytes = written();

    for (int n = 1; n <= 2; n++) {
        struct crew_err err = {0};
        struct example_map map;

        mem_fail_at(n, false);
        ck_assert_int_eq(example_map_read(bytes.data, bytes.len, &map, &err),
                         CREW_RESOURCE_EXHAUSTED);
        ck_assert(mem_fail_fired());
    }
    mem_fail_at(0, false);
    strbuf_release(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example");
    TCase *tc = tcase_create("example");

    tcase_add_test(tc, reads_what_it_writes);
    tcase_add_test(tc, writes_what_tensorflow_does);
    tcase_add_test(tc, merges_as_protobuf_does);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_test(tc, no_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
