/* SPDX-License-Identifier: Apache-2.0
 * Choosing and loading OpenBLAS. check runs each test in its own process, so
 * each loads the library afresh. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reference.h"

START_TEST(choice_follows_features)
{
    ck_assert_str_eq(blas_choose_coretype(true, true, true), "SkylakeX");
    ck_assert_str_eq(blas_choose_coretype(false, true, true), "Haswell");
    ck_assert_str_eq(blas_choose_coretype(false, false, true), "Sandybridge");
    ck_assert_str_eq(blas_choose_coretype(false, false, false), "Nehalem");
}
END_TEST

START_TEST(description_before_loading)
{
    ck_assert_str_eq(blas_description(), "none");
}
END_TEST

/* The core OpenBLAS says it uses: the word after " core ". */
static const char *loaded_core(void)
{
    static char core[64];
    struct crew_err err = {0};
    ck_assert_msg(blas_load(&err) == CREW_OK, "%s", err.msg);
    const char *at = strstr(blas_description(), " core ");
    ck_assert_msg(at != NULL, "description is %s", blas_description());
    ck_assert_int_eq(sscanf(at + 6, "%63[^ ,]", core), 1);
    return core;
}

START_TEST(preset_does_not_win)
{
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    unsetenv("CREW_BLAS_CORETYPE");
    ck_assert_msg(strcasecmp(loaded_core(), "Prescott") != 0, "got %s",
                  blas_description());
    ck_assert_msg(strstr(blas_description(), ", 1 thread") != NULL, "got %s",
                  blas_description());
}
END_TEST

START_TEST(own_variable_wins)
{
    setenv("CREW_BLAS_CORETYPE", "Nehalem", 1);
    ck_assert_msg(strcasecmp(loaded_core(), "Nehalem") == 0, "got %s",
                  blas_description());
    ck_assert_msg(strstr(blas_description(), "asked") == NULL, "got %s",
                  blas_description());
}
END_TEST

/* A name OpenBLAS does not know: it guesses, and we say so. */
START_TEST(disobedience_is_told)
{
    setenv("CREW_BLAS_CORETYPE", "Abacus", 1);
    loaded_core();
    ck_assert_msg(strstr(blas_description(), "(asked for Abacus)") != NULL,
                  "got %s", blas_description());
}
END_TEST

START_TEST(loading_twice_is_fine)
{
    struct crew_err err = {0};
    ck_assert_int_eq(blas_load(&err), CREW_OK);
    ck_assert_int_eq(blas_load(&err), CREW_OK);
    ck_assert_int_eq(strncmp(blas_description(), "OpenBLAS ", 9), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blas");
    TCase *tc = tcase_create("blas");
    tcase_add_test(tc, choice_follows_features);
    tcase_add_test(tc, description_before_loading);
    tcase_add_test(tc, preset_does_not_win);
    tcase_add_test(tc, own_variable_wins);
    tcase_add_test(tc, disobedience_is_told);
    tcase_add_test(tc, loading_twice_is_fine);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
