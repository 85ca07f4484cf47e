/* SPDX-License-Identifier: Apache-2.0
 * Options, near names and the progress line. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "estimator/run/nearest.h"
#include "estimator/run/options.h"
#include "estimator/training/progress.h"
#include "run_suite.h"

static char *args[16];
static int num_args;

static void given(const char *line)
{
    static char text[512];
    char *save;

    (void)snprintf(text, sizeof text, "prog %s", line);
    num_args = 0;
    for (char *word = strtok_r(text, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        args[num_args++] = word;
    }
}

START_TEST(both_forms_of_a_value)
{
    struct options o;
    struct crew_err err = {0};

    given("--job a.so --model-dir=m --set x=1 --set y=2=3 --quiet");
    ck_assert_int_eq(options_parse(num_args, args, true, &o, &err), 0);
    ck_assert_str_eq(o.job, "a.so");
    ck_assert_str_eq(o.model_dir, "m");
    ck_assert_int_eq(o.sets.n, 2);
    ck_assert_str_eq(o.sets.items[1], "y=2=3");
    ck_assert(o.quiet && !o.help && o.defaults.n == 0);
    options_release(&o);
}
END_TEST

static const struct {
    const char *line, *says;
} bad[] = {
    {"--modeldir m", "did you mean --model-dir?"},
    {"--set x", "--set wants KEY=VALUE, given 'x'"},
    {"--job", "--job needs a value: --job LIB.so"},
    {"--job=", "--job: the value is empty"},
    {"--quiet=1", "--quiet takes no value"},
    {"extra", "unexpected argument 'extra'"},
    {"--set y=2 --wat", "unknown option '--wat'"},
};

START_TEST(bad_options)
{
    struct options o = {.quiet = true};
    struct crew_err err = {0};

    given(bad[_i].line);
    ck_assert_int_ne(options_parse(num_args, args, true, &o, &err), 0);
    ck_assert_int_eq(crew_err_exit_code(&err), 64);
    ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "got: %s", err.msg);
    ck_assert(o.quiet); /* untouched */
}
END_TEST

START_TEST(job_is_no_option_of_a_job)
{
    struct options o;
    struct crew_err err = {0};

    given("--job a.so");
    ck_assert_int_ne(options_parse(num_args, args, false, &o, &err), 0);
}
END_TEST

START_TEST(near_names)
{
    static const char *const names[] = {"max_steps", "learning_rate", "steps"};

    ck_assert_str_eq(nearest_name("max_step", names, 3), "max_steps");
    ck_assert_str_eq(nearest_name("learningrate", names, 3), "learning_rate");
    ck_assert_str_eq(nearest_name("steps", names, 3), "steps");
    ck_assert_ptr_null(nearest_name("dropout", names, 3));
}
END_TEST

START_TEST(progress_line)
{
    struct progress_view v = {.step = 250,
                              .max_steps = 1000,
                              .rate = 12.5,
                              .loss = 0.25f,
                              .evaluation = "accuracy = 0.9",
                              .evaluation_step = 200};
    char buf[256];

    ck_assert_str_eq(progress_text(&v, buf, sizeof buf),
                     "step 250/1000   25%  12 steps/s  loss 0.25  1:00 left  "
                     "accuracy = 0.9 @ 200");
    v = (struct progress_view){
        .step = 3, .max_steps = -1, .loss = 2.5f, .evaluation = ""};
    ck_assert_str_eq(progress_text(&v, buf, sizeof buf), "step 3  loss 2.5");
    v.max_steps = 1000000;
    v.rate = 1;
    ck_assert_ptr_nonnull(
        strstr(progress_text(&v, buf, sizeof buf), "277:46:37 left"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");

    tcase_add_test(tcase, both_forms_of_a_value);
    tcase_add_loop_test(tcase, bad_options, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, job_is_no_option_of_a_job);
    tcase_add_test(tcase, near_names);
    tcase_add_test(tcase, progress_line);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
