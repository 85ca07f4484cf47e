/* SPDX-License-Identifier: Apache-2.0
 * Bundles: TensorFlow's bytes, every kind of tensor back as it was written,
 * slices in every arrangement, and indices that lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/bundle_impl.h"
#include "checkpoint/sha256.h"
#include "checkpoint/slice_key.h"
#include "checkpoint/value_text.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;

static void setup(void)
{
    struct crew_err err = {0};

    env = env_mem_new(1);
    ck_assert_int_eq(fs_make_dirs(env, "/c", &err), CREW_OK);
}

static void teardown(void)
{
    env_mem_free(env);
}

static const struct crew_shape scalar = {0};

static struct bundle_writer *open_writer(void)
{
    struct bundle_writer *w = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(bundle_writer_open(env, "/c/m.data-00000-of-00001",
                                        "/c/m.index", &w, &err),
                     CREW_OK);
    return w;
}

static struct bundle_sums finish(struct bundle_writer *w)
{
    struct bundle_sums sums = {0};
    struct crew_err err = {0};

    ck_assert_msg(bundle_writer_finish(w, &sums, &err) == CREW_OK, "%s",
                  err.msg);
    bundle_writer_free(w);
    return sums;
}

static struct bundle_reader *open_reader(void)
{
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    ck_assert_msg(bundle_reader_open(env, "/c/m", &r, &err) == CREW_OK, "%s",
                  err.msg);
    return r;
}

static void add(struct bundle_writer *w,
                const char *name,
                int dtype,
                struct crew_shape shape,
                const void *data)
{
    struct crew_err err = {0};

    ck_assert_msg(
        bundle_writer_add(w, name, dtype, &shape, data, &err) == CREW_OK, "%s",
        err.msg);
}

START_TEST(three_scalars_have_tensorflows_bytes)
{
    static const unsigned char begin[] = {
        0x00, 0x00, 0x06, 0x08, 0x01, 0x1a, 0x02, 0x08, 0x01, 0x00, 0x01, 0x0b,
        0x61, 0x08, 0x01, 0x12, 0x00, 0x28, 0x04, 0x35, 0x06, 0x38, 0x27, 0x1f};
    struct bundle_writer *w = open_writer();
    struct bundle_sums sums;
    struct crew_err err = {0};
    float v[] = {0.5f, 2, 3};
    char *bytes = NULL;
    size_t n = 0;

    add(w, "a", CREW_FLOAT, scalar, &v[0]);
    add(w, "b", CREW_FLOAT, scalar, &v[1]);
    add(w, "c", CREW_FLOAT, scalar, &v[2]);
    sums = finish(w);
    ck_assert_int_eq(fs_read_file(env, "/c/m.index", 1000, &bytes, &n, &err),
                     CREW_OK);
    ck_assert_uint_eq(n, 151);
    ck_assert_mem_eq(bytes, begin, sizeof begin);
    ck_assert_uint_eq(sums.index_bytes, 151);
    ck_assert_uint_eq(sums.index_crc, crc32c(bytes, n));
    ck_assert_uint_eq(sums.data_bytes, 12);
    ck_assert_uint_eq(sums.data_crc, crc32c(v, 12));
    free(bytes);
}
END_TEST

START_TEST(tensors_come_back_in_order_of_names)
{
    struct crew_shape matrix = {.rank = 2, .dim = {2, 3}};
    struct crew_shape empty = {.rank = 2, .dim = {3, 0}};
    int64_t step = 1ll << 40;
    float m[] = {1, 2, 3, 4, 5, 6}, got[6];
    struct bundle_writer *w = open_writer();
    struct bundle_reader *r;
    const struct bundle_tensor *t = NULL;
    struct crew_err err = {0};

    add(w, "z", CREW_FLOAT, matrix, m);
    add(w, "global_step", CREW_INT64, scalar, &step);
    add(w, "none", CREW_FLOAT, empty, NULL);
    (void)finish(w);

    r = open_reader();
    ck_assert_int_eq(bundle_num_tensors(r), 3);
    ck_assert_str_eq(bundle_tensor(r, 0)->name, "global_step");
    ck_assert_str_eq(bundle_tensor(r, 1)->name, "none");
    ck_assert_str_eq(bundle_tensor(r, 2)->name, "z");
    ck_assert_int_eq(bundle_lookup(r, "z", &t, &err), CREW_OK);
    ck_assert(shape_equal(&t->shape, &matrix));
    ck_assert_uint_eq(t->crc32c, crc32c(m, sizeof m));
    ck_assert_int_eq(bundle_read(r, t, got, &err), CREW_OK);
    ck_assert_mem_eq(got, m, sizeof m);
    ck_assert_int_eq(bundle_verify(r, &err), CREW_OK);
    ck_assert_ptr_null(bundle_find(r, "zz"));
    ck_assert_ptr_null(bundle_find(r, ""));
    ck_assert_int_eq(bundle_lookup(r, "absent", &t, &err), CREW_NOT_FOUND);
    ck_assert_str_eq(err.msg, "/c/m: Key absent not found in checkpoint");
    bundle_reader_free(r);
}
END_TEST

START_TEST(a_name_is_written_once)
{
    struct bundle_writer *w = open_writer();
    struct crew_err err = {0};
    float v = 1;

    add(w, "a", CREW_FLOAT, scalar, &v);
    ck_assert_int_eq(bundle_writer_add(w, "a", CREW_FLOAT, &scalar, &v, &err),
                     CREW_ALREADY_EXISTS);
    ck_assert_str_eq(err.msg, "Duplicate tensor keyed by a");
    bundle_writer_free(w);
}
END_TEST

START_TEST(strings_come_back)
{
    struct crew_shape three = {.rank = 1, .dim = {3}};
    struct crew_shape none = {.rank = 1, .dim = {0}};
    char large[1000];
    struct bundle_string in[] = {{"a\0b", 3}, {"", 0}, {large, sizeof large}};
    struct bundle_strings out;
    struct bundle_writer *w = open_writer();
    struct bundle_reader *r;
    struct crew_err err = {0};

    memset(large, 'x', sizeof large);
    ck_assert_int_eq(bundle_writer_add_strings(w, "s", &three, in, &err),
                     CREW_OK);
    ck_assert_int_eq(bundle_writer_add_strings(w, "none", &none, NULL, &err),
                     CREW_OK);
    (void)finish(w);
    r = open_reader();
    ck_assert_int_eq(bundle_read_strings(r, bundle_find(r, "s"), &out, &err),
                     CREW_OK);
    ck_assert_int_eq(out.n, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(out.at[i].n, in[i].n);
        ck_assert_int_eq(memcmp(out.at[i].data, in[i].data, in[i].n), 0);
    }
    bundle_strings_release(&out);
    ck_assert_int_eq(bundle_read_strings(r, bundle_find(r, "none"), &out, &err),
                     CREW_OK);
    ck_assert_int_eq(out.n, 0);
    bundle_strings_release(&out);
    ck_assert_int_eq(bundle_verify(r, &err), CREW_OK);
    ck_assert_int_eq(bundle_read(r, bundle_find(r, "s"), large, &err),
                     CREW_UNIMPLEMENTED);
    bundle_reader_free(r);
}
END_TEST

/* ----------------------------------------------------------------- slices */

/* Keys of TensorFlow's ordered code; the numbers at the edges of its lengths.
 */
START_TEST(slice_keys_are_tensorflows)
{
    static const struct {
        const char *name;
        int64_t start, length;
        const char *want;
        size_t n;
    } cases[] = {
        {"w", 0, 5, "\0w\0\1\1\1\x80\x85", 8},
        {"emb/w", 1000, 1000, "\0emb/w\0\1\1\1\xc3\xe8\xc3\xe8", 14},
        {"a\xff", 63, 64, "\0a\xff\0\0\1\1\1\xbf\xc0\x40", 11},
        {"a", 8191, 8192, "\0a\0\1\1\1\xdf\xff\xe0\x20\0", 11},
        {"a", 1 << 20, 1, "\0a\0\1\1\1\xf0\x10\0\0\x81", 11},
    };
    Tensorflow__TensorSliceProto slice = TENSORFLOW__TENSOR_SLICE_PROTO__INIT;
    Tensorflow__TensorSliceProto__Extent extent =
        TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__INIT;
    Tensorflow__TensorSliceProto__Extent *list[] = {&extent};
    struct strbuf key;

    slice.n_extent = 1;
    slice.extent = list;
    strbuf_init(&key);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extent.start = cases[i].start;
        extent.has_length_case =
            TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;
        extent.length = cases[i].length;
        slice_key(&key, cases[i].name, &slice);
        ck_assert_uint_eq(key.len, cases[i].n);
        ck_assert_mem_eq(key.data, cases[i].want, key.len);
    }
    extent.has_length_case = 0; /* a whole dimension: 0, -1 */
    slice_key(&key, "w", &slice);
    ck_assert_uint_eq(key.len, 8);
    ck_assert_mem_eq(key.data, "\0w\0\1\1\1\x80\x7f", 8);
    strbuf_release(&key);
}
END_TEST

/* Cut a [5, 4, 3] variable by `_i`: into rows, columns, the last dimension, or
 * 2 x 2 x 3 blocks, and put it together again. */
START_TEST(slices_are_put_together)
{
    static const int64_t cuts[4][3] = {
        {2, 4, 3}, {5, 1, 3}, {5, 4, 2}, {2, 2, 3}};
    struct crew_shape full = {.rank = 3, .dim = {5, 4, 3}};
    const int64_t *cut = cuts[_i];
    struct bundle_writer *w = open_writer();
    struct bundle_reader *r;
    struct crew_err err = {0};
    float whole[60], got[60], part[60];
    int slices = 0;

    for (int i = 0; i < 60; i++) {
        whole[i] = (float)i;
    }
    for (int64_t a = 0; a < 5; a += cut[0]) {
        for (int64_t b = 0; b < 4; b += cut[1]) {
            for (int64_t c = 0; c < 3; c += cut[2]) {
                struct bundle_slice s = {.start = {a, b, c}};
                int n = 0;

                for (int d = 0; d < 3; d++) {
                    int64_t left = full.dim[d] - s.start[d];
                    s.length[d] = left < cut[d] ? left : cut[d];
                }
                for (int64_t i = a; i < a + s.length[0]; i++) {
                    for (int64_t j = b; j < b + s.length[1]; j++) {
                        for (int64_t k = c; k < c + s.length[2]; k++) {
                            part[n++] = whole[(i * 4 + j) * 3 + k];
                        }
                    }
                }
                ck_assert_int_eq(bundle_writer_add_slice(w, "v", CREW_FLOAT,
                                                         &full, &s, part, &err),
                                 CREW_OK);
                slices++;
            }
        }
    }
    (void)finish(w);
    r = open_reader();
    ck_assert_int_eq(bundle_num_tensors(r), 1);
    ck_assert_int_eq(bundle_tensor(r, 0)->num_slices, slices);
    ck_assert_msg(bundle_read(r, bundle_tensor(r, 0), got, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert_mem_eq(got, whole, sizeof whole);
    ck_assert_int_eq(bundle_verify(r, &err), CREW_OK);
    bundle_reader_free(r);
}
END_TEST

/* Slices that overlap, or leave a gap, would silently give wrong values. */
START_TEST(slices_must_cover_once)
{
    static const int64_t lengths[2][2] = {{3, 3}, {2, 1}};
    static const char *const texts[] = {
        "v: /c/m: Overlapping slices of v",
        "v: /c/m: Does not have sufficient slices for partitioned tensor v"};
    struct crew_shape full = {.rank = 1, .dim = {5}};
    struct bundle_writer *w = open_writer();
    struct bundle_reader *r;
    struct crew_err err = {0};
    float values[5] = {0};

    for (int i = 0; i < 2; i++) {
        struct bundle_slice s = {.start = {2 * i}, .length = {lengths[_i][i]}};

        ck_assert_int_eq(bundle_writer_add_slice(w, "v", CREW_FLOAT, &full, &s,
                                                 values, &err),
                         CREW_OK);
    }
    (void)finish(w);
    r = open_reader();
    ck_assert_int_eq(bundle_read(r, bundle_tensor(r, 0), values, &err),
                     CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg, texts[_i]);
    bundle_reader_free(r);
}
END_TEST

START_TEST(a_slice_that_is_everything_is_a_tensor)
{
    struct crew_shape full = {.rank = 1, .dim = {2}};
    struct bundle_slice s = {.length = {2}};
    struct bundle_writer *w = open_writer();
    struct bundle_reader *r;
    struct crew_err err = {0};
    float values[2] = {1, 2};

    ck_assert_int_eq(
        bundle_writer_add_slice(w, "v", CREW_FLOAT, &full, &s, values, &err),
        CREW_OK);
    (void)finish(w);
    r = open_reader();
    ck_assert_int_eq(bundle_tensor(r, 0)->num_slices, 0);
    bundle_reader_free(r);
}
END_TEST

/* ------------------------------------------------------------ lying files */

static void pack_into(struct table_builder *b,
                      const char *key,
                      const ProtobufCMessage *m)
{
    uint8_t bytes[400];

    ck_assert_uint_le(protobuf_c_message_get_packed_size(m), sizeof bytes);
    table_builder_add(b, key, strlen(key), bytes,
                      protobuf_c_message_pack(m, bytes));
}

/* What an index says of one tensor, float32 [2, 3] of 24 bytes at 0; its data
 * file has 24 bytes. */
struct index {
    int64_t dim, size, offset;
    int rank, shard, num_shards, endianness, consumer;
    uint32_t crc;
};

static void write_index(struct index x)
{
    static const char data[24];
    Tensorflow__BundleHeaderProto h = TENSORFLOW__BUNDLE_HEADER_PROTO__INIT;
    Tensorflow__VersionDef version = TENSORFLOW__VERSION_DEF__INIT;
    Tensorflow__BundleEntryProto e = TENSORFLOW__BUNDLE_ENTRY_PROTO__INIT;
    Tensorflow__TensorShapeProto shape = TENSORFLOW__TENSOR_SHAPE_PROTO__INIT;
    Tensorflow__TensorShapeProto__Dim dims[9], *list[9];
    struct crew_err err = {0};
    struct table_builder *b;
    struct strbuf out;

    for (int i = 0; i < 9; i++) {
        tensorflow__tensor_shape_proto__dim__init(&dims[i]);
        dims[i].size = i == 0 ? x.dim : i == 1 ? 3 : 1;
        list[i] = &dims[i];
    }
    shape.n_dim = (size_t)x.rank;
    shape.dim = list;
    e.dtype = CREW_FLOAT;
    e.shape = &shape;
    e.size = x.size;
    e.offset = x.offset;
    e.shard_id = x.shard;
    e.crc32c = x.crc;
    h.num_shards = x.num_shards;
    h.endianness = x.endianness;
    h.version = &version;
    version.producer = 1;
    version.min_consumer = x.consumer;
    strbuf_init(&out);
    b = table_builder_new(&out);
    pack_into(b, "", &h.base);
    pack_into(b, "v", &e.base);
    table_builder_finish(b);
    ck_assert_int_eq(
        fs_replace_file(env, "/c/m.index", out.data, out.len, &err), CREW_OK);
    ck_assert_int_eq(
        fs_replace_file(env, "/c/m.data-00000-of-00001", data, 24, &err),
        CREW_OK);
    strbuf_release(&out);
}

/* One field at a time; 0: the truth. From 13 on it is found when the data is
 * read. */
static void write_lie(int which)
{
    static const char zeros[24];
    struct index x = {.dim = 2,
                      .size = 24,
                      .rank = 2,
                      .num_shards = 1,
                      .crc = crc32c_mask(crc32c(zeros, 24))};

    x.size = which == 1 ? 20 : which == 2 ? -24 : x.size;
    x.offset = which == 3 ? -1 : which == 13 ? 1 : which == 14 ? INT64_MAX : 0;
    x.shard = which == 4 ? 1 : which == 5 ? -1 : 0;
    x.dim = which == 6 ? -2 : which == 7 ? 1ll << 62 : x.dim;
    x.rank = which == 8 ? 9 : x.rank;
    x.num_shards = which == 9 ? 0 : which == 10 ? 1 << 30 : 1;
    x.endianness = which == 11;
    x.consumer = which == 12 ? 2 : 0;
    if (which == 15) { /* far more than memory */
        x.dim = 1ll << 40;
        x.size = 12ll << 40;
    }
    x.crc += which == 16;
    write_index(x);
}

START_TEST(an_index_that_lies_is_found)
{
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    write_lie(_i);
    if (_i >= 1 && _i <= 12) {
        ck_assert_int_eq(bundle_reader_open(env, "/c/m", &r, &err),
                         CREW_DATA_LOSS);
    } else {
        ck_assert_msg(bundle_reader_open(env, "/c/m", &r, &err) == CREW_OK,
                      "%s", err.msg);
        ck_assert_int_eq(bundle_verify(r, &err), _i == 0 ? CREW_OK
                                                 : _i == 16
                                                     ? CREW_DATA_LOSS
                                                     : CREW_OUT_OF_RANGE);
    }
    ck_assert_int_eq(crew_err_exit_code(&err), err.code == CREW_OK ? 0 : 65);
    bundle_reader_free(r);
}
END_TEST

/* ---------------------------------------------------------------- helpers */

START_TEST(sha256_of_known_texts)
{
    static const char two_blocks[] =
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {two_blocks,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sha256 s;
        char got[65];

        sha256_init(&s);
        for (const char *p = cases[i].text; *p != '\0'; p++) {
            sha256_add(&s, p, 1);
        }
        sha256_hex(&s, got);
        ck_assert_str_eq(got, cases[i].want);
    }
}
END_TEST

START_TEST(values_as_text)
{
    static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00};
    static const uint16_t brain[] = {0x3f80, 0x4073};
    static const float f[] = {0.1f, -0.0f};
    struct strbuf b;

    strbuf_init(&b);
    for (int i = 0; i < 5; i++) {
        value_text(&b, 19, half, i, true);
        strbuf_addstr(&b, " ");
    }
    ck_assert_str_eq(b.data, "1 -2 5.96046448e-08 \"Infinity\" \"NaN\" ");
    strbuf_reset(&b);
    value_text(&b, 14, brain, 1, false);
    strbuf_addstr(&b, " ");
    value_text(&b, 1, f, 0, false);
    strbuf_addstr(&b, " ");
    value_text(&b, 1, f, 1, false);
    ck_assert_str_eq(b.data, "3.796875 0.100000001 -0.0");
    strbuf_release(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bundle");
    TCase *tc = tcase_create("bundle");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, three_scalars_have_tensorflows_bytes);
    tcase_add_test(tc, tensors_come_back_in_order_of_names);
    tcase_add_test(tc, a_name_is_written_once);
    tcase_add_test(tc, strings_come_back);
    tcase_add_test(tc, slice_keys_are_tensorflows);
    tcase_add_loop_test(tc, slices_are_put_together, 0, 4);
    tcase_add_loop_test(tc, slices_must_cover_once, 0, 2);
    tcase_add_test(tc, a_slice_that_is_everything_is_a_tensor);
    tcase_add_loop_test(tc, an_index_that_lies_is_found, 0, 17);
    tcase_add_test(tc, sha256_of_known_texts);
    tcase_add_test(tc, values_as_text);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
