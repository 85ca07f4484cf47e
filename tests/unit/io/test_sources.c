/* SPDX-License-Identifier: Apache-2.0
 * Datasets over arrays, .npy and CSV files; map, skip and interleave. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "io/dataset.h"
#include "run_suite.h"

#include "base/banned.h"

static char dir[64];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/crew_sources_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &err), CREW_OK);
}

static char *write_file(const char *name, const void *bytes, size_t n)
{
    char *path = path_join(dir, name);
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static const struct crew_column xy[] = {
    {"x", CREW_FLOAT, {1, {2}}, false},
    {"y", CREW_INT64, {0, {0}}, true},
};

/* Reads all into x (2 a row) and y; returns rows. The dataset is freed. */
static int drain(struct crew_dataset *d,
                 float *x,
                 int64_t *y,
                 struct crew_err *err)
{
    int n = 0;
    int64_t rows;

    for (;;) {
        void *out[] = {x + 2 * n, y + n};

        if (d->ops->next(d, out, &rows, err) != CREW_OK) {
            break;
        }
        n++;
    }
    dataset_free(d);
    return n;
}

static struct crew_dataset *six(void)
{
    static const float x[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const int64_t y[] = {0, 1, 2, 3, 4, 5};
    static const void *const data[] = {x, y};

    return crew_dataset_arrays(xy, data, 2, 6);
}

START_TEST(arrays_are_read_in_order_and_from_the_start)
{
    float x[24];
    int64_t y[12];
    struct crew_err err = {0};

    ck_assert_int_eq(drain(crew_dataset_repeat(six(), 2), x, y, &err), 12);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    for (int i = 0; i < 24; i++) {
        ck_assert_float_eq(x[i], (float)(i % 12));
    }
    ck_assert_int_eq(y[11], 5);
}
END_TEST

/* A .npy file of version 1. */
static char *write_npy(const char *name,
                       const char *header,
                       const void *data,
                       size_t n)
{
    char bytes[1024] = "\x93NUMPY\x01";
    size_t len = strlen(header);

    bytes[7] = 0;
    bytes[8] = (char)(len & 0xff);
    bytes[9] = (char)(len >> 8);
    memcpy(bytes + 10, header, len);
    memcpy(bytes + 10 + len, data, n);
    return write_file(name, bytes, 10 + len + n);
}

START_TEST(npy_files_are_converted)
{
    static const double xs[] = {0.5, 1.5, 2.5, 3.5};
    static const uint8_t ys[] = {7, 255};
    char *paths[] = {
        write_npy("x.npy",
                  "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }",
                  xs, sizeof xs),
        write_npy("y.npy",
                  "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n",
                  ys, sizeof ys)};
    struct crew_err err = {0};
    float x[4];
    int64_t y[2];

    ck_assert_int_eq(
        drain(crew_dataset_npy(xy, (const char *const *)paths, 2), x, y, &err),
        2);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    ck_assert_float_eq(x[3], 3.5f);
    ck_assert_int_eq(y[1], 255);
    free(paths[0]);
    free(paths[1]);
}
END_TEST

static const struct {
    const char *x_header;
    size_t n; /* bytes of data */
    int code;
    const char *part; /* of the message */
} bad_npy[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 15,
     CREW_DATA_LOSS, "truncated at byte"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24,
     CREW_DATA_LOSS, "the job expects rows of (2)"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (2, 2), }", 32,
     CREW_DATA_LOSS, "not a C-ordered array"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16,
     CREW_DATA_LOSS, "not a C-ordered array"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': "
     "(4000000000000000000, 2), }",
     16, CREW_DATA_LOSS, "more than 64 GiB"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 2), }", 16,
     CREW_DATA_LOSS, "shorter than its header says"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", 8,
     CREW_DATA_LOSS, "has 1 rows"},
};

START_TEST(bad_npy_files_are_named)
{
    static const char zeros[64];
    char *paths[] = {
        write_npy("x.npy", bad_npy[_i].x_header, zeros, bad_npy[_i].n),
        write_npy("y.npy",
                  "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
                  zeros, 16)};
    struct crew_err err = {0};
    float x[64];
    int64_t y[64];

    ck_assert_int_eq(
        drain(crew_dataset_npy(xy, (const char *const *)paths, 2), x, y, &err),
        0);
    ck_assert_msg(strstr(err.msg, bad_npy[_i].part) != NULL, "got %s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    free(paths[0]);
    free(paths[1]);
}
END_TEST

/* Integers do not become others silently, whatever the file's type. */
START_TEST(npy_numbers_that_do_not_fit_are_named)
{
    static const float zeros[4], ys[] = {1, 3e20f};
    static const struct crew_column narrow = {
        .name = "y", .dtype = CREW_INT32, .is_label = true};
    static const int64_t wide[] = {1, 1ll << 40};
    char *paths[] = {
        write_npy("x.npy",
                  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
                  zeros, sizeof zeros),
        write_npy("y.npy",
                  "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                  ys, sizeof ys),
        write_npy("w.npy",
                  "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
                  wide, sizeof wide)};
    struct crew_err err = {0};
    float x[4];
    int64_t y[2];

    ck_assert_int_eq(
        drain(crew_dataset_npy(xy, (const char *const *)paths, 2), x, y, &err),
        0);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "element 1 is 3e+20, which no int64"));
    struct crew_dataset *d =
        crew_dataset_npy(&narrow, (const char *const *)&paths[2], 1);
    void *out = y;
    int64_t rows;

    err = (struct crew_err){0};
    ck_assert_int_eq(d->ops->next(d, &out, &rows, &err), CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(err.msg, "element 1 is 1.09951e+12"));
    dataset_free(d);
    for (int i = 0; i < 3; i++) {
        free(paths[i]);
    }
}
END_TEST

/* ---------------------------------------------------------------------- CSV */

static const struct crew_csv_column columns[] = {
    {.name = "a", .dtype = CREW_FLOAT, .default_value = NAN},
    {.name = NULL},
    {.name = "b", .dtype = CREW_INT64, .default_value = 9, .is_label = true},
};

static int read_csv(const char *text,
                    bool header,
                    float *a,
                    int64_t *b,
                    struct crew_err *err)
{
    char *path = write_file("t.csv", text, strlen(text));
    struct crew_dataset *d =
        crew_dataset_csv(path, columns, 3, (struct crew_csv){.header = header});
    int n = 0;
    int64_t rows;

    for (;; n++) {
        void *out[] = {a + n, b + n};

        if (d->ops->next(d, out, &rows, err) != CREW_OK) {
            break;
        }
    }
    dataset_free(d);
    free(path);
    return n;
}

START_TEST(csv_fields_quotes_defaults)
{
    struct crew_err err = {0};
    float a[8];
    int64_t b[8];

    ck_assert_int_eq(
        read_csv("a,word,b\r\n1.5,\"x,\"\"y\"\"\nz\",2\r\n\n-3e2,,\n"
                 "\"4\",w,5",
                 true, a, b, &err),
        3);
    ck_assert_msg(err.code == CREW_OUT_OF_RANGE, "%s", err.msg);
    ck_assert_float_eq(a[0], 1.5f);
    ck_assert_int_eq(b[0], 2);
    ck_assert_float_eq(a[1], -300.0f);
    ck_assert_int_eq(b[1], 9);
    ck_assert_float_eq(a[2], 4.0f);
    ck_assert_int_eq(b[2], 5);
}
END_TEST

static const struct {
    const char *text, *part;
} bad_csv[] = {
    {"1,2\n", ":1: Expect 3 fields but have 2 in record"},
    {"1,2,3\n1,2,3,4\n", ":2: Expect 3 fields but have more, at least 4"},
    {",x,3\n", "field 'a' is required but missing"},
    {"1,x,3.5\n", "field 'b' is \"3.5\", not a valid int64"},
    {"1z,x,3\n", "field 'a' is \"1z\", not a valid float32"},
    {"1,\"x,3\n", "a quote that does not end"},
};

START_TEST(bad_csv_names_line_and_field)
{
    struct crew_err err = {0};
    float a[8];
    int64_t b[8];

    (void)read_csv(bad_csv[_i].text, false, a, b, &err);
    ck_assert_msg(strstr(err.msg, bad_csv[_i].part) != NULL, "got %s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
}
END_TEST

START_TEST(csv_words_become_integers)
{
    static const char *const origins[] = {"EWR", "LGA", "JFK"};
    const struct crew_csv_column words[] = {
        {.name = "origin",
         .dtype = CREW_STRING,
         .vocabulary = origins,
         .vocabulary_size = 3},
        {.name = "carrier", .dtype = CREW_STRING, .hash_buckets = 10}};
    const char *text = "JFK,Veronica\n\"EWR\",\nSFO,\"Veronica\"";
    char *path = write_file("w.csv", text, strlen(text));
    struct crew_dataset *d =
        crew_dataset_csv(path, words, 2, (struct crew_csv){0});
    static const int64_t want[3][2] = {{2, 4}, {0, -1}, {-1, 4}};
    struct crew_err err = {0};
    int64_t rows;

    ck_assert_int_eq(d->spec.component[0].dtype, CREW_INT64);
    for (int i = 0; i < 3; i++) {
        int64_t origin, carrier;
        void *out[] = {&origin, &carrier};

        ck_assert_msg(d->ops->next(d, out, &rows, &err) == CREW_OK, "%s",
                      err.msg);
        ck_assert_int_eq(origin, want[i][0]);
        ck_assert_int_eq(carrier, want[i][1]);
    }
    dataset_free(d);
    free(path);
}
END_TEST

START_TEST(csv_strings_need_a_way_to_integers)
{
    const struct crew_csv_column word = {.name = "w", .dtype = CREW_STRING};
    struct crew_dataset *d =
        crew_dataset_csv("x.csv", &word, 1, (struct crew_csv){0});
    struct crew_err err = {0};

    ck_assert(dataset_check(d, &err) != CREW_OK);
    ck_assert_msg(strstr(err.msg,
                         "column 'w' is string: a string needs "
                         "hash_buckets or a vocabulary") != NULL,
                  "got %s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), 64);
    dataset_free(d);
}
END_TEST

/* Lines longer than a window, over its border, the last one without an end. */
START_TEST(csv_lines_of_any_length)
{
    enum { LINES = 64, LONG = 300000 };
    struct crew_csv_column columns3[] = {
        {.name = "a", .dtype = CREW_INT64, .default_value = 0},
        {.name = NULL},
        {.name = "b", .dtype = CREW_INT64, .default_value = 0}};
    struct crew_env *env = env_mem_new(1);
    struct strbuf text;
    struct crew_err err = {0};
    struct crew_dataset *d;
    int64_t rows;

    strbuf_init(&text);
    for (int i = 0; i < LINES; i++) {
        strbuf_addf(&text, "%s%d,\"", i > 0 ? "\n" : "", i);
        for (int k = 0; k < (i % 7 == 3 ? LONG : 9000 + i); k++) {
            strbuf_add(&text, k % 100 == 50 ? "\n" : "x", 1);
        }
        strbuf_addf(&text, "\",%d", 3 * i);
    }
    ck_assert(fs_replace_file(env, "/t.csv", text.data, text.len, &err) ==
              CREW_OK);
    d = dataset_csv(env, "/t.csv", columns3, 3, (struct crew_csv){0});
    for (int i = 0; i < LINES; i++) {
        int64_t a = -1, b = -1;
        void *out[] = {&a, &b};

        ck_assert_msg(d->ops->next(d, out, &rows, &err) == CREW_OK, "%s",
                      err.msg);
        ck_assert_int_eq(a, i);
        ck_assert_int_eq(b, 3 * i);
    }
    dataset_free(d);
    env_mem_free(env);
    strbuf_release(&text);
}
END_TEST

START_TEST(missing_files_say_so)
{
    static const char *const nowhere[] = {"/nowhere/x.npy", "/nowhere/y.npy"};
    struct crew_dataset *d[] = {
        crew_dataset_npy(xy, nowhere, 2),
        crew_dataset_csv("/nowhere/x.csv", columns, 3, (struct crew_csv){0})};
    float x[2];
    int64_t y[1];

    for (int i = 0; i < 2; i++) {
        struct crew_err err = {0};

        ck_assert_int_eq(drain(d[i], x, y, &err), 0);
        ck_assert_int_eq(err.code, CREW_NOT_FOUND);
        ck_assert_int_eq(crew_err_exit_code(&err), 66);
    }
}
END_TEST

/* -------------------------------------------------------------- combinators */

static int twice(void *self,
                 const void *const *in,
                 void *const *out,
                 struct crew_err *err)
{
    const float *x = in[0];
    const int64_t *y = in[1];

    if (*y == *(const int64_t *)self) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT, "no %d, please",
                            (int)*y);
    }
    ((float *)out[0])[0] = 2 * x[0];
    ((float *)out[0])[1] = 2 * x[1];
    *(int64_t *)out[1] = *y + 100;
    return 0;
}

START_TEST(map_makes_new_elements_and_its_errors_end_the_stream)
{
    int64_t forbidden = _i == 0 ? -1 : 4;
    struct crew_err err = {0};
    float x[12];
    int64_t y[6];

    ck_assert_int_eq(
        drain(crew_dataset_map(six(), xy, 2, twice, &forbidden), x, y, &err),
        _i == 0 ? 6 : 4);
    ck_assert_float_eq(x[3], 6.0f);
    ck_assert_int_eq(y[3], 103);
    ck_assert_int_eq(err.code,
                     _i == 0 ? CREW_OUT_OF_RANGE : CREW_INVALID_ARGUMENT);
}
END_TEST

START_TEST(skip_leaves_the_rest_at_each_pass)
{
    struct crew_err err = {0};
    float x[24];
    int64_t y[12];
    struct crew_dataset *d = crew_dataset_skip(six(), 4);

    ck_assert_int_eq(drain(crew_dataset_repeat(d, 2), x, y, &err), 4);
    ck_assert_int_eq(y[0], 4);
    ck_assert_int_eq(y[2], 4);
    err = (struct crew_err){0};
    ck_assert_int_eq(drain(crew_dataset_skip(six(), 7), x, y, &err), 0);
}
END_TEST

START_TEST(interleave_takes_blocks_in_turn)
{
    static const int64_t want[] = {0, 1, 0, 1, 2, 3, 4, 5};
    struct crew_dataset *list[] = {crew_dataset_take(six(), 2), six()};
    struct crew_err err = {0};
    float x[24];
    int64_t y[12];

    ck_assert_int_eq(drain(crew_dataset_interleave(list, 2, 2), x, y, &err), 8);
    ck_assert_int_eq(memcmp(y, want, sizeof want), 0);
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
}
END_TEST

START_TEST(interleave_wants_equal_elements)
{
    static const struct crew_column other[] = {{"x", CREW_FLOAT, {0, {0}}, 0}};
    static const float x[] = {1};
    static const void *const data[] = {x};
    struct crew_dataset *list[] = {six(),
                                   crew_dataset_arrays(other, data, 1, 1)};
    struct crew_dataset *d = crew_dataset_interleave(list, 2, 1);
    struct crew_err err = {0};

    ck_assert_int_eq(dataset_check(d, &err), CREW_INVALID_ARGUMENT);
    dataset_free(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sources");
    TCase *tc = tcase_create("sources");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, arrays_are_read_in_order_and_from_the_start);
    tcase_add_test(tc, npy_files_are_converted);
    tcase_add_test(tc, npy_numbers_that_do_not_fit_are_named);
    tcase_add_loop_test(tc, bad_npy_files_are_named, 0,
                        (int)(sizeof bad_npy / sizeof bad_npy[0]));
    tcase_add_test(tc, csv_fields_quotes_defaults);
    tcase_add_test(tc, csv_words_become_integers);
    tcase_add_test(tc, csv_strings_need_a_way_to_integers);
    tcase_add_test(tc, csv_lines_of_any_length);
    tcase_add_loop_test(tc, bad_csv_names_line_and_field, 0,
                        (int)(sizeof bad_csv / sizeof bad_csv[0]));
    tcase_add_test(tc, missing_files_say_so);
    tcase_add_loop_test(
        tc, map_makes_new_elements_and_its_errors_end_the_stream, 0, 2);
    tcase_add_test(tc, skip_leaves_the_rest_at_each_pass);
    tcase_add_test(tc, interleave_takes_blocks_in_turn);
    tcase_add_test(tc, interleave_wants_equal_elements);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
