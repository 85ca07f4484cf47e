/* SPDX-License-Identifier: Apache-2.0
 * How trainers work together: off the wire, and what differs in words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

static const struct {
    struct replicas chief, mine;
    const char *told;
} different[] = {
    {{.to_aggregate = 2, .total = 3},
     {.to_aggregate = 3, .total = 3},
     "replicas_to_aggregate is 3 here, 2 at the chief"},
    {{.to_aggregate = 2, .total = 3},
     {.to_aggregate = 2, .total = 4},
     "total_num_replicas is 4 here, 3 at the chief"},
    {{.to_aggregate = 0},
     {.to_aggregate = 2, .total = 2},
     "sync is true here, false at the chief"},
    {{.to_aggregate = 2, .total = 2},
     {.bounded = true, .max_staleness = 1},
     "sync is false here, true at the chief"},
    {{.bounded = true, .max_staleness = 4},
     {.bounded = false},
     "max_staleness is not set here, 4 at the chief"},
    {{.bounded = false},
     {.bounded = true, .max_staleness = 0},
     "max_staleness is 0 here, not set at the chief"},
};

START_TEST(differences_in_words)
{
    struct crew_err err = {0};
    char want[200];

    ck_assert_int_eq(
        settings_compare(&different[_i].chief, &different[_i].chief, &err),
        CREW_OK);
    ck_assert_int_eq(
        settings_compare(&different[_i].chief, &different[_i].mine, &err),
        CREW_FAILED_PRECONDITION);
    (void)snprintf(want, sizeof(want),
                   "%s. Fix: give all roles the same options",
                   different[_i].told);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(err.exit_code, 78);
}
END_TEST

START_TEST(off_the_wire)
{
    struct crew_err err = {0};
    struct replicas r = {.to_aggregate = 7};
    Crew__Replicas m = CREW__REPLICAS__INIT;

    ck_assert_int_eq(settings_read(NULL, &r, &err), CREW_OK);
    ck_assert(!replicas_sync(&r));
    ck_assert(!r.bounded);
    m.to_aggregate = 2;
    m.total = 3;
    ck_assert_int_eq(settings_read(&m, &r, &err), CREW_OK);
    ck_assert_int_eq(r.to_aggregate, 2);
    ck_assert_int_eq(r.total, 3);
    m.total = 0;
    ck_assert_int_eq(settings_read(&m, &r, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "total_num_replicas is 0"));
    ck_assert_int_eq(r.total, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("settings");
    TCase *t = tcase_create("settings");
    tcase_add_loop_test(t, differences_in_words, 0,
                        (int)(sizeof(different) / sizeof(different[0])));
    tcase_add_test(t, off_the_wire);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
