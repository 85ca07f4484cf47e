/* SPDX-License-Identifier: Apache-2.0
 * The end of each test program of this folder. */
#ifndef UNIT_SUMMARY_RUN_SUITE_H
#define UNIT_SUMMARY_RUN_SUITE_H

#include <check.h>

/* Run all cases; the number of failed ones. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

#endif
