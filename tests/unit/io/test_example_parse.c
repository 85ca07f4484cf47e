/* SPDX-License-Identifier: Apache-2.0
 * parse_example. What TensorFlow makes of odd bytes is golden-check's (family
 * records); here: memory, reuse, order, owners, limits, and specs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "io/parse_example_json.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 5 };

static struct parse_feature feature(const char *key,
                                    enum parse_kind kind,
                                    enum crew_dtype dtype)
{
    return (struct parse_feature){
        .key = {key, strlen(key)}, .kind = kind, .dtype = dtype};
}

/* Features of every kind; "d" has a default. */
static struct parse_spec *all_kinds(struct crew_err *err)
{
    static const struct example_bytes none = {"none", 4};
    struct parse_feature f[] = {
        feature("x", PARSE_FIXED, CREW_FLOAT),
        feature("d", PARSE_FIXED, CREW_STRING),
        feature("s", PARSE_FIXED_SEQUENCE, CREW_INT64),
        feature("v", PARSE_VAR_LEN, CREW_STRING),
        feature("i", PARSE_VAR_LEN, CREW_INT64),
        feature("r", PARSE_RAGGED, CREW_FLOAT),
    };
    struct parse_spec *spec = NULL;

    f[0].shape = crew_shape1(2);
    f[1].default_values = &none;
    f[1].num_default = 1;
    (void)parse_spec_new(f, 6, &spec, err);
    return spec;
}

struct rows {
    struct strbuf bytes[ROWS];
    struct example_bytes each[ROWS];
};

/* Row k: x = (k, -k), d from row 2 on, s, v, i, r of k values; `backward`: the
 * keys in another order. `repeat`: so many more values. */
static void make_row(struct strbuf *to, int k, bool backward, int repeat)
{
    static const struct example_bytes word = {"word", 4};
    struct example_bytes words[64];
    struct example_writer w;
    float floats[64];
    int64_t ints[64];
    size_t n = (size_t)(k + repeat);

    for (size_t i = 0; i < 64; i++) {
        words[i] = word;
        floats[i] = (float)i;
        ints[i] = (int64_t)i * 1000;
    }
    example_writer_init(&w);
    for (int i = 0; i < 7; i++) {
        float x[2] = {(float)k, (float)-k};

        switch (backward ? 6 - i : i) {
            case 0:
                example_add_floats(&w, "x", x, 2);
                break;
            case 1:
                if (k >= 2) {
                    example_add_bytes(&w, "d", &word, 1);
                }
                break;
            case 2:
                example_add_ints(&w, "s", ints, n);
                break;
            case 3:
                example_add_bytes(&w, "nobody asks for it", words, n);
                break;
            case 4:
                example_add_bytes(&w, "v", words, n);
                break;
            case 5:
                example_add_ints(&w, "i", ints, n);
                break;
            default:
                example_add_floats(&w, "r", floats, n);
                break;
        }
    }
    strbuf_init(to);
    example_writer_finish(&w, to);
    example_writer_release(&w);
}

static void make_rows(struct rows *rows, bool backward, int repeat)
{
    for (int k = 0; k < ROWS; k++) {
        make_row(&rows->bytes[k], k, backward, repeat);
        rows->each[k] =
            (struct example_bytes){rows->bytes[k].data, rows->bytes[k].len};
    }
}

static void free_rows(struct rows *rows)
{
    for (int k = 0; k < ROWS; k++) {
        strbuf_release(&rows->bytes[k]);
    }
}

/* What all_kinds() gives for make_rows(repeat 0). */
static void check_columns(const struct parse_column *c, const struct rows *rows)
{
    ck_assert_int_eq(c[0].shape.rank, 2);
    ck_assert_int_eq(c[0].n, 2 * ROWS);
    ck_assert_int_eq(c[2].shape.dim[1], ROWS - 1);
    ck_assert_int_eq(c[3].n, ROWS * (ROWS - 1) / 2);
    ck_assert_int_eq(c[3].shape.dim[0], ROWS);
    ck_assert_int_eq(c[3].shape.dim[1], ROWS - 1);
    ck_assert_int_eq(c[5].num_splits, ROWS + 1);
    for (int k = 0, at = 0; k < ROWS; at += k, k++) {
        const struct example_bytes *d = &c[1].strings[k];

        ck_assert(c[0].floats[2 * k] == (float)k);
        ck_assert(c[0].floats[2 * k + 1] == (float)-k);
        ck_assert_mem_eq(d->data, k < 2 ? "none" : "word", 4);
        ck_assert(k < 2 || (d->data > rows->each[k].data &&
                            d->data < rows->each[k].data + rows->each[k].n));
        ck_assert_int_eq(c[5].row_splits[k], at);
        for (int i = 0; i < ROWS - 1; i++) {
            ck_assert_int_eq(c[2].ints[k * (ROWS - 1) + i],
                             i < k ? i * 1000 : 0);
        }
        for (int i = 0; i < k; i++) {
            ck_assert_int_eq(c[4].indices[2 * (at + i)], k);
            ck_assert_int_eq(c[4].indices[2 * (at + i) + 1], i);
            ck_assert_int_eq(c[4].ints[at + i], i * 1000);
            ck_assert(c[5].floats[at + i] == (float)i);
            ck_assert_mem_eq(c[3].strings[at + i].data, "word", 4);
        }
    }
}

START_TEST(any_order_gives_the_same)
{
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *spec = all_kinds(&err);

    for (int round = 0; round < 4; round++) {
        struct rows rows;

        make_rows(&rows, round % 2 == 1, 0);
        ck_assert_int_eq(
            parse_example_batch(spec, rows.each, NULL, 0, ROWS, out, &err),
            CREW_OK);
        check_columns(parse_output_columns(out), &rows);
        free_rows(&rows);
    }
    parse_output_free(out);
    parse_spec_free(spec);
}
END_TEST

/* Keys of every length that differ in one place, in the order that was not
 * guessed. */
START_TEST(guesses_are_checked)
{
    struct parse_output *out = parse_output_new();
    static const float values[2][3] = {{1, 2, 3}, {4, 5, 6}};
    char key[2][150];

    for (size_t n = 1; n < sizeof key[0]; n++) {
        struct parse_feature f[2];
        struct example_bytes each[4];
        struct strbuf bytes[4];
        struct crew_err err = {0};
        struct parse_spec *spec = NULL;

        for (int k = 0; k < 2; k++) {
            memset(key[k], 'k', n);
            key[k][n] = '\0';
            key[k][n % 3 == 0   ? 0
                   : n % 3 == 1 ? n / 2
                                : n - 1] = (char)('0' + k);
            f[k] = feature(key[k], PARSE_FIXED, CREW_FLOAT);
            f[k].shape = crew_shape1(3);
        }
        for (int i = 0; i < 4; i++) {
            int first = i / 2 == i % 2; /* 1, 0, 0, 1 */
            struct example_writer w;

            example_writer_init(&w);
            example_add_floats(&w, key[first], values[first], 3);
            example_add_floats(&w, key[1 - first], values[1 - first], 3);
            strbuf_init(&bytes[i]);
            example_writer_finish(&w, &bytes[i]);
            example_writer_release(&w);
            each[i] = (struct example_bytes){bytes[i].data, bytes[i].len};
        }
        ck_assert_int_eq(parse_spec_new(f, 2, &spec, &err), CREW_OK);
        ck_assert_int_eq(parse_example_batch(spec, each, NULL, 0, 4, out, &err),
                         CREW_OK);
        for (int i = 0; i < 4; i++) {
            const struct parse_column *c = parse_output_columns(out);

            ck_assert_mem_eq(c[0].floats + 3 * i, values[0], sizeof values[0]);
            ck_assert_mem_eq(c[1].floats + 3 * i, values[1], sizeof values[1]);
            strbuf_release(&bytes[i]);
        }
        parse_spec_free(spec);
    }
    parse_output_free(out);
}
END_TEST

/* Once the buffers are large enough nothing is allocated, also when lists are
 * unpacked or the exact path is taken. */
START_TEST(a_second_batch_allocates_nothing)
{
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *spec = all_kinds(&err);
    struct rows rows;

    make_rows(&rows, false, 10);
    strbuf_add(&rows.bytes[3], "\x38\x05", 2); /* field 7: the exact path */
    rows.each[3].data = rows.bytes[3].data;
    rows.each[3].n += 2;
    for (int round = 0; round < 3; round++) {
        mem_fail_at(round > 0, true);
        ck_assert_int_eq(
            parse_example_batch(spec, rows.each, NULL, 0, ROWS, out, &err),
            CREW_OK);
    }
    ck_assert_int_eq(parse_output_columns(out)[4].n, 60);
    ck_assert(!mem_fail_fired());
    mem_fail_at(0, false);
    free_rows(&rows);
    parse_output_free(out);
    parse_spec_free(spec);
}
END_TEST

/* The n-th allocation fails, for every n: an error, no columns, and afterwards
 * the same output works. */
START_TEST(every_allocation_may_fail)
{
    struct rows rows;
    bool fired = true;
    int n;

    make_rows(&rows, false, 0);
    for (n = 1; fired; n++) {
        struct parse_output *out = parse_output_new();
        struct crew_err err = {0};
        struct parse_spec *spec;

        mem_fail_at(n, false);
        spec = all_kinds(&err);
        ck_assert(spec != NULL || err.code == CREW_RESOURCE_EXHAUSTED);
        if (spec != NULL && parse_example_batch(spec, rows.each, NULL, 0, ROWS,
                                                out, &err) != CREW_OK) {
            ck_assert_int_eq(err.code, CREW_RESOURCE_EXHAUSTED);
            ck_assert_ptr_null(parse_output_columns(out));
            err = (struct crew_err){0};
            ck_assert_int_eq(
                parse_example_batch(spec, rows.each, NULL, 0, ROWS, out, &err),
                CREW_OK);
        }
        fired = mem_fail_fired();
        mem_fail_at(0, false);
        if (spec != NULL) {
            check_columns(parse_output_columns(out), &rows);
        }
        parse_output_free(out);
        parse_spec_free(spec);
    }
    ck_assert_int_gt(n, 25);
    free_rows(&rows);
}
END_TEST

/* One output for two specs of as many and of more features. */
START_TEST(an_output_serves_many_specs)
{
    struct parse_feature f = feature("i", PARSE_RAGGED, CREW_INT64);
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *few = NULL, *many = all_kinds(&err);
    struct rows rows;

    make_rows(&rows, false, 0);
    ck_assert_int_eq(parse_spec_new(&f, 1, &few, &err), CREW_OK);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(
            parse_example_batch(few, rows.each, NULL, 0, ROWS, out, &err),
            CREW_OK);
        ck_assert_int_eq(parse_output_columns(out)[0].row_splits[ROWS], 10);
        ck_assert_int_eq(
            parse_example_batch(many, rows.each, NULL, 0, ROWS, out, &err),
            CREW_OK);
        check_columns(parse_output_columns(out), &rows);
    }
    free_rows(&rows);
    parse_output_free(out);
    parse_spec_free(few);
    parse_spec_free(many);
}
END_TEST

/* A name, a key and a value with anything in them make one line of text. */
START_TEST(messages_are_one_line)
{
    static const struct example_bytes name = {"two\nlines\xff", 10};
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *spec = all_kinds(&err);
    struct example_bytes empty = {NULL, 0}, bad = {"\xff\n", 2};

    ck_assert_int_eq(parse_example_batch(spec, &empty, &name, 1, 1, out, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "Name: two\\x0alines\\xff, Feature: x (data type: float) "
                     "is required but could not be found.");
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    err = (struct crew_err){0};
    ck_assert_int_eq(parse_example_batch(spec, &bad, NULL, 0, 1, out, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "Could not parse example input, value: '\\xff\\x0a'");
    parse_output_free(out);
    parse_spec_free(spec);
}
END_TEST

/* One long list among many empty examples may not become gigabytes. */
START_TEST(padding_has_a_limit)
{
    enum { BATCH = 3000, LONG = 200000 };
    struct parse_feature f = feature("s", PARSE_FIXED_SEQUENCE, CREW_INT64);
    struct example_bytes *each = xcalloc(BATCH, sizeof *each);
    int64_t *zeros = xcalloc(LONG, sizeof *zeros);
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *spec = NULL;
    struct example_writer w;
    struct strbuf bytes;

    strbuf_init(&bytes);
    example_writer_init(&w);
    example_add_ints(&w, "s", zeros, LONG);
    example_writer_finish(&w, &bytes);
    each[7] = (struct example_bytes){bytes.data, bytes.len};
    ck_assert_int_eq(parse_spec_new(&f, 1, &spec, &err), CREW_OK);
    ck_assert_int_eq(parse_example_batch(spec, each, NULL, 0, BATCH, out, &err),
                     CREW_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    ck_assert_ptr_nonnull(strstr(err.msg, "3000 examples padded to 200000"));
    err = (struct crew_err){0};
    ck_assert_int_eq(parse_example_batch(spec, each, NULL, 0, 10, out, &err),
                     CREW_OK);
    ck_assert_int_eq(parse_output_columns(out)[0].n, 10 * LONG);
    example_writer_release(&w);
    strbuf_release(&bytes);
    parse_output_free(out);
    parse_spec_free(spec);
    free(zeros);
    free(each);
}
END_TEST

/* ------------------------------------------------------------------- specs */

static void refuse(struct parse_feature *f, int n, const char *text)
{
    struct parse_spec *spec = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(parse_spec_new(f, n, &spec, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_null(spec);
    ck_assert_msg(strstr(err.msg, text) != NULL, "%s", err.msg);
}

START_TEST(impossible_specs_are_refused)
{
    struct parse_feature f[2] = {feature("a", PARSE_FIXED, CREW_FLOAT),
                                 feature("a", PARSE_VAR_LEN, CREW_FLOAT)};
    float values[3] = {1, 2, 3};

    refuse(f, 2, "'a' is asked for twice");
    f[1].dtype = CREW_DOUBLE;
    refuse(f + 1, 1, "only float32, int64 and string");
    f[0].shape = crew_shape1(2);
    f[0].default_values = values;
    f[0].num_default = 3;
    refuse(f, 1,
           "def_value[0].shape() == [3] is not compatible with "
           "dense_shapes_[0] == [2]");
    f[0].kind = PARSE_FIXED_SEQUENCE;
    refuse(f, 1,
           "dense_shape[0] is a variable length shape: [?,2], therefore "
           "def_value[0] must contain a single element");
    f[0].shape = crew_shape1(-1);
    refuse(f, 1, "cannot have the shape");
    f[0].shape = crew_shape2(INT64_MAX, 16);
    refuse(f, 1, "cannot have the shape");
    refuse(f, -1, "features to parse");
}
END_TEST

static void json_spec(const char *text, const char *want)
{
    struct parse_spec *spec = NULL;
    struct crew_err err = {0};
    cJSON *json = NULL;

    ck_assert_int_eq(json_parse(text, strlen(text), "t", &json, &err), CREW_OK);
    if (want == NULL) {
        ck_assert_int_eq(parse_spec_from_json(json, &spec, &err), CREW_OK);
        parse_spec_free(spec);
    } else {
        ck_assert_int_ne(parse_spec_from_json(json, &spec, &err), CREW_OK);
        ck_assert_int_eq(crew_err_exit_code(&err), 64);
        ck_assert_msg(strstr(err.msg, want) != NULL, "%s", err.msg);
    }
    cJSON_Delete(json);
}

START_TEST(specs_from_json)
{
    json_spec("{}", NULL);
    json_spec(
        "{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"int64\", "
        "\"shape\": [2], \"default\": [1, \"9223372036854775807\"]}}",
        NULL);
    json_spec("[]", "is array");
    json_spec("{\"a\": 1}", "spec: a: \"type\" is one of");
    json_spec("{\"a\": {\"type\": \"VarLenFeature\", \"dtype\": \"bool\"}}",
              "\"dtype\" is one of");
    json_spec("{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"int64\"}}",
              "wants a \"shape\"");
    json_spec(
        "{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"int64\", "
        "\"shape\": [-2]}}",
        "list of at most");
    json_spec(
        "{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"int64\", "
        "\"shape\": [], \"default\": \"x\"}}",
        "not an integer");
    json_spec(
        "{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"string\", "
        "\"shape\": [], \"default\": {\"values\": [\"?\"]}}}",
        "is no base64");
    json_spec(
        "{\"a\": {\"type\": \"FixedLenFeature\", \"dtype\": \"float32\", "
        "\"shape\": [2], \"default\": 1}}",
        "is not compatible with");
}
END_TEST

/* -------------------------------------------------------- SequenceExamples */

/* Two steps of 2 and 1 values under "l", and "c" = 7 in the context. */
static const char sequence[] =
    "\x0a\x0c\x0a\x0a\x0a\x01"
    "c\x12\x05\x1a\x03\x0a\x01\x07"
    "\x12\x16\x0a\x14\x0a\x01l\x12\x0f"
    "\x0a\x06\x1a\x04\x0a\x02\x01\x02"
    "\x0a\x05\x1a\x03\x0a\x01\x03";

START_TEST(sequence_examples)
{
    struct parse_feature c = feature("c", PARSE_FIXED, CREW_INT64);
    struct parse_feature l = feature("l", PARSE_VAR_LEN, CREW_INT64);
    struct example_bytes each[2] = {{sequence, sizeof sequence - 1},
                                    {sequence, 14}};
    static const int64_t indices[] = {0, 0, 0, 0, 0, 1, 0, 1, 0};
    struct parse_output *out = parse_output_new();
    struct crew_err err = {0};
    struct parse_spec *spec = NULL;
    const struct parse_column *col;

    ck_assert_int_eq(parse_spec_new_sequence(&c, 1, &l, 1, &spec, &err),
                     CREW_OK);
    for (int round = 0; round < 2; round++) {
        mem_fail_at(round, true); /* the second allocates nothing */
        ck_assert_int_eq(
            parse_sequence_batch(spec, each, NULL, 0, 2, out, &err), CREW_OK);
    }
    ck_assert(!mem_fail_fired());
    mem_fail_at(0, false);
    col = parse_output_columns(out);
    ck_assert(col[0].ints[0] == 7 && col[0].ints[1] == 7);
    ck_assert_int_eq(col[1].n, 3);
    ck_assert_mem_eq(col[1].indices, indices, sizeof indices);
    ck_assert_int_eq(col[1].shape.rank, 3);
    ck_assert_int_eq(col[1].shape.dim[1], 2);
    parse_spec_free(spec);
    l.kind = PARSE_FIXED_SEQUENCE;
    ck_assert_int_eq(parse_spec_new_sequence(&c, 1, &l, 1, &spec, &err),
                     CREW_OK);
    ck_assert_int_eq(parse_sequence_batch(spec, each, NULL, 0, 2, out, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "Name: <unknown>, Key: l, Index: 0.  Number of values != "
                     "expected.  values size: 2 but output shape: []");
    ck_assert_ptr_null(parse_output_columns(out));
    parse_spec_free(spec);
    parse_output_free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parse_example");
    TCase *tc = tcase_create("parse_example");

    tcase_add_test(tc, any_order_gives_the_same);
    tcase_add_test(tc, guesses_are_checked);
    tcase_add_test(tc, a_second_batch_allocates_nothing);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, an_output_serves_many_specs);
    tcase_add_test(tc, messages_are_one_line);
    tcase_add_test(tc, padding_has_a_limit);
    tcase_add_test(tc, impossible_specs_are_refused);
    tcase_add_test(tc, specs_from_json);
    tcase_add_test(tc, sequence_examples);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
