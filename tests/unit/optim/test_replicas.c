/* SPDX-License-Identifier: Apache-2.0
 * How many gradients an update needs, and their mean. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "optim/replicas.h"
#include "run_suite.h"

static int64_t needed(int64_t aggregate, int64_t total, int64_t living)
{
    struct replicas r = {.to_aggregate = aggregate, .total = total};
    return replicas_needed(&r, living);
}

START_TEST(test_needed)
{
    ck_assert_int_eq(needed(3, 3, 3), 3);
    ck_assert_int_eq(needed(3, 3, 2), 2);
    ck_assert_int_eq(needed(3, 3, 0), 1);
    ck_assert_int_eq(needed(3, 3, 9), 3);
    /* A backup: one may go. */
    ck_assert_int_eq(needed(3, 4, 4), 3);
    ck_assert_int_eq(needed(3, 4, 3), 3);
    ck_assert_int_eq(needed(3, 4, 2), 2);
    /* Several batches each. */
    ck_assert_int_eq(needed(6, 3, 3), 6);
    ck_assert_int_eq(needed(6, 3, 2), 4);
    ck_assert_int_eq(needed(6, 3, 1), 2);
    ck_assert_int_eq(needed(5, 3, 1), 2);
    ck_assert_int_eq(needed(6, 3, 8), 6);
}
END_TEST

START_TEST(test_check)
{
    struct crew_err err = {0};
    struct replicas r = {.to_aggregate = 0};
    ck_assert_int_eq(replicas_check(&r, &err), CREW_OK);
    ck_assert(!replicas_sync(&r));
    r = (struct replicas){.to_aggregate = 2, .total = 3};
    ck_assert_int_eq(replicas_check(&r, &err), CREW_OK);
    ck_assert(replicas_sync(&r));
    r.total = 0;
    ck_assert_int_eq(replicas_check(&r, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "total_num_replicas is 0"));
    err = (struct crew_err){0};
    r = (struct replicas){.to_aggregate = -1, .total = 3};
    ck_assert_int_eq(replicas_check(&r, &err), CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    r = (struct replicas){
        .to_aggregate = 2, .total = 3, .bounded = true, .max_staleness = 4};
    ck_assert_int_eq(replicas_check(&r, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "max_staleness is 4"));
    r = (struct replicas){.bounded = true, .max_staleness = -1};
    ck_assert_int_eq(replicas_check(&r, &err), CREW_INVALID_ARGUMENT);
    r.max_staleness = 0;
    ck_assert_int_eq(replicas_check(&r, &err), CREW_OK);
}
END_TEST

START_TEST(test_difference)
{
    struct replicas a = {.to_aggregate = 2, .total = 3}, b = a;
    int64_t x = 0, y = 0;
    ck_assert_ptr_null(replicas_difference(&a, &b, &x, &y));
    b.total = 4;
    ck_assert_str_eq(replicas_difference(&a, &b, &x, &y), "total_num_replicas");
    ck_assert_int_eq(x, 3);
    ck_assert_int_eq(y, 4);
    b = (struct replicas){.to_aggregate = 0};
    ck_assert_str_eq(replicas_difference(&a, &b, &x, &y),
                     "replicas_to_aggregate");
    ck_assert_int_eq(y, -1);
    a = (struct replicas){.bounded = true, .max_staleness = 0};
    ck_assert_str_eq(replicas_difference(&a, &b, &x, &y), "max_staleness");
    ck_assert_int_eq(x, 0);
    ck_assert_int_eq(y, -1);
}
END_TEST

/* Division, as TensorFlow's accumulators do; of one gradient: its own bits. */
START_TEST(test_mean)
{
    const float a[3] = {0.1f, 1e-30f, -7.0f}, b[3] = {0.3f, 2e-30f, 0.1f};
    float sum[3] = {9, 9, 9};
    replicas_add(3, sum, a, true);
    ck_assert_mem_eq(sum, a, sizeof(a));
    replicas_add(3, sum, b, false);
    replicas_divide(3, sum, 3);
    for (int i = 0; i < 3; i++) {
        float s = a[i] + b[i];
        float want = s / 3.0f;
        ck_assert_mem_eq(&sum[i], &want, 4);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replicas");
    TCase *c = tcase_create("replicas");
    tcase_add_test(c, test_needed);
    tcase_add_test(c, test_check);
    tcase_add_test(c, test_difference);
    tcase_add_test(c, test_mean);
    suite_add_tcase(s, c);
    return run_suite(s);
}
