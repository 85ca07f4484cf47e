/* SPDX-License-Identifier: Apache-2.0
 * Dtypes, shapes and tensors. */
#include <string.h>

#include "base/mem.h"
#include "run_suite.h"
#include "tensor/tensor.h"

START_TEST(dtypes)
{
    static const struct {
        enum crew_dtype dtype;
        const char *name;
        size_t size;
    } want[] = {
        {CREW_FLOAT, "float32", 4}, {CREW_DOUBLE, "float64", 8},
        {CREW_INT32, "int32", 4},   {CREW_INT64, "int64", 8},
        {CREW_UINT8, "uint8", 1},   {CREW_BOOL, "bool", 1},
        {CREW_STRING, "string", 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        ck_assert_str_eq(dtype_name(want[i].dtype), want[i].name);
        ck_assert_uint_eq(dtype_size(want[i].dtype), want[i].size);
        ck_assert_int_eq(dtype_parse(want[i].name), want[i].dtype);
    }
    ck_assert_str_eq(dtype_name((enum crew_dtype)99), "invalid");
    ck_assert_uint_eq(dtype_size((enum crew_dtype)99), 0);
    ck_assert_int_eq(dtype_parse("float"), CREW_INVALID_DTYPE);
}
END_TEST

START_TEST(shapes_as_text)
{
    char buf[64], small[6];
    struct crew_shape s = crew_scalar_shape();

    ck_assert_str_eq(shape_text(&s, buf, sizeof buf), "()");
    s = crew_shape1(3);
    ck_assert_str_eq(shape_text(&s, buf, sizeof buf), "(3)");
    s = crew_shape4(-1, 28, 28, 1);
    ck_assert_str_eq(shape_text(&s, buf, sizeof buf), "(?, 28, 28, 1)");
    ck_assert_str_eq(shape_text(&s, small, sizeof small), "(?, 2");
}
END_TEST

START_TEST(shapes_are_equal_or_not)
{
    struct crew_shape a = crew_shape2(2, 3), b = crew_shape2(2, 3);

    ck_assert(shape_equal(&a, &b));
    b.dim[5] = 7; /* beyond the rank: of no account */
    ck_assert(shape_equal(&a, &b));
    b.dim[1] = 4;
    ck_assert(!shape_equal(&a, &b));
    b = crew_shape1(2);
    ck_assert(!shape_equal(&a, &b));
}
END_TEST

START_TEST(counts)
{
    struct crew_shape s = crew_scalar_shape();
    struct crew_err err = {0};
    int64_t n = 0;

    ck_assert_int_eq(shape_count(&s, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 1);
    s = crew_shape4(2, 3, 4, 5);
    ck_assert_int_eq(shape_count(&s, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 120);
    s = crew_shape4(INT64_MAX, INT64_MAX, 0, 7);
    ck_assert_int_eq(shape_count(&s, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 0);
    s = crew_shape1(INT64_MAX);
    ck_assert_int_eq(shape_count(&s, &n, &err), CREW_OK);
    ck_assert_int_eq(n, INT64_MAX);
}
END_TEST

static void ck_refused(struct crew_shape s, const char *part)
{
    struct crew_err err = {0};
    int64_t n = 42;

    ck_assert_int_eq(shape_count(&s, &n, &err), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(n, 42);
    ck_assert_msg(strstr(err.msg, part) != NULL, "got %s, want %s", err.msg,
                  part);
}

START_TEST(shapes_that_are_refused)
{
    struct crew_shape s = {.rank = 9};

    ck_refused(s, "rank 9");
    s.rank = -1;
    ck_refused(s, "rank -1");
    ck_refused(crew_shape2(-1, 0), "(?, 0)");
    ck_refused(crew_shape2(INT64_MAX, 2), "more elements");
    ck_refused(crew_shape4(1 << 20, 1 << 20, 1 << 20, 8), "more elements");
}
END_TEST

START_TEST(a_new_tensor_is_zero_and_aligned)
{
    struct crew_err err = {0};
    struct crew_tensor *t = NULL;

    ck_assert_int_eq(tensor_new(CREW_FLOAT, crew_shape2(3, 5), &t, &err),
                     CREW_OK);
    ck_assert_int_eq(t->n, 15);
    ck_assert_uint_eq(t->nbytes, 60);
    ck_assert_uint_eq((uintptr_t)t->data % 64, 0);
    for (int i = 0; i < 15; i++) {
        ck_assert(((float *)t->data)[i] == 0);
    }
    tensor_free(t);
    ck_assert_int_eq(tensor_new(CREW_INT64, crew_shape2(3, 0), &t, &err),
                     CREW_OK);
    ck_assert_ptr_null(t->data);
    ck_assert_uint_eq(t->nbytes, 0);
    tensor_free(t);
    tensor_free(NULL);
}
END_TEST

START_TEST(tensors_that_are_refused)
{
    struct crew_tensor *t = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(tensor_new(CREW_STRING, crew_shape1(1), &t, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    ck_assert_int_eq(tensor_new(CREW_FLOAT, crew_shape1(-1), &t, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    ck_assert_int_eq(tensor_new(CREW_DOUBLE, crew_shape1(INT64_MAX), &t, &err),
                     CREW_RESOURCE_EXHAUSTED);
    err = (struct crew_err){0};
    mem_fail_at(1, false);
    ck_assert_int_eq(tensor_new(CREW_FLOAT, crew_shape1(4), &t, &err),
                     CREW_RESOURCE_EXHAUSTED);
    mem_fail_at(0, false);
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tc = tcase_create("tensor");

    tcase_add_test(tc, dtypes);
    tcase_add_test(tc, shapes_as_text);
    tcase_add_test(tc, shapes_are_equal_or_not);
    tcase_add_test(tc, counts);
    tcase_add_test(tc, shapes_that_are_refused);
    tcase_add_test(tc, a_new_tensor_is_zero_and_aligned);
    tcase_add_test(tc, tensors_that_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
