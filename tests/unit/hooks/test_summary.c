/* SPDX-License-Identifier: Apache-2.0
 * SummarySaverHook: when it writes, in which order, and what it does of what is
 * no number. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "hooks/events.h"
#include "summary/event_reader.h"
#include "run_suite.h"

static struct crew_env *env;
static struct event_writer *events;
static struct hook_list list;

static void setup(void)
{
    env = env_mem_new(1);
    hook_events_open(env, "/m", false, &events);
    ck_assert_ptr_nonnull(events);
    hook_list_init(&list);
}

static void teardown(void)
{
    hook_list_release(&list);
    event_writer_close(events);
    env_mem_free(env);
    events = NULL;
}

static float values[] = {1, 2, 3, 4};
static int asked;

static struct hook_summary all(void *self, int i)
{
    const struct hook_summary of[] = {
        {.kind = HOOK_SCALAR, .tag = "rate", .data = values},
        {.kind = HOOK_HISTOGRAM,
         .tag = "w",
         .dtype = CREW_FLOAT,
         .shape = crew_shape2(2, 2),
         .data = values},
        {.kind = HOOK_IMAGE,
         .tag = "x",
         .dtype = CREW_FLOAT,
         .shape = crew_shape4(1, 2, 2, 1),
         .data = values,
         .max_outputs = 3},
        {.kind = HOOK_TEXT, .tag = "note", .text = "*hello*"},
        {.kind = HOOK_SCALAR, .tag = "loss", .data = values + 3}};

    (void)self;
    asked++;
    return of[i];
}

/* Step and tags of every event after the first record. */
static void expect_events(const char *want)
{
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};
    struct strbuf got;
    char **files = NULL;
    int n = 0;

    strbuf_init(&got);
    ck_assert_int_eq(event_files(env, "/m", &files, &n, &err), CREW_OK);
    ck_assert_int_eq(event_reader_open(env, files[0], &r, &err), CREW_OK);
    while (event_reader_next(r, &e, &err) == CREW_OK) {
        if (e->what_case == TENSORFLOW__EVENT__WHAT_SESSION_LOG) {
            strbuf_addf(&got, "%d START%d\n", (int)e->step,
                        e->session_log->status);
        } else if (e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY) {
            strbuf_addf(&got, "%d", (int)e->step);
            for (size_t i = 0; i < e->summary->n_value; i++) {
                strbuf_addf(&got, " %s", e->summary->value[i]->tag);
            }
            strbuf_addstr(&got, "\n");
        }
        tensorflow__event__free_unpacked(e, NULL);
    }
    ck_assert_str_eq(got.data, want);
    event_reader_close(r);
    event_files_free(files, n);
    strbuf_release(&got);
}

static int run_steps(int64_t from, int64_t to, struct crew_err *err)
{
    for (int64_t i = from; i <= to; i++) {
        struct crew_run_context ctx = {.global_step = i, .loss = 0.5f};

        ctx.global_step = i - 1;
        if (hook_list_before_run(&list, &ctx, err) != CREW_OK) {
            return err->code;
        }
        ctx.global_step = i;
        if (hook_list_after_run(&list, &ctx, err) != CREW_OK) {
            break;
        }
    }
    return err->code;
}

START_TEST(the_first_step_then_every_n)
{
    struct hook_summaries none = {0};
    struct crew_err err = {0};

    hook_add_summary(&list, env, 10, events, none);
    ck_assert_int_eq(run_steps(301, 325, &err), CREW_OK);
    expect_events("301 START1\n301 loss\n311 loss\n321 loss\n");
}
END_TEST

/* The model's own first, then loss; texts once; values are asked for only when
 * they are due. */
START_TEST(all_kinds_in_one_event)
{
    struct hook_summaries summaries = {.n = 4, .get = all};
    struct crew_err err = {0};

    asked = 0;
    hook_add_summary(&list, env, 10, events, summaries);
    ck_assert_int_eq(run_steps(1, 12, &err), CREW_OK);
    ck_assert_int_eq(asked, 8);
    expect_events(
        "1 START1\n1 rate w x/image/0 note loss\n"
        "11 rate w x/image/0 loss\n");
}
END_TEST

START_TEST(a_loss_of_the_models_own_is_the_loss)
{
    struct hook_summaries summaries = {.n = 5, .get = all};
    struct crew_err err = {0};

    hook_add_summary(&list, env, 10, events, summaries);
    ck_assert_int_eq(run_steps(1, 1, &err), CREW_OK);
    expect_events("1 START1\n1 rate w x/image/0 note loss\n");
}
END_TEST

START_TEST(a_histogram_of_nan_ends_training)
{
    struct hook_summaries summaries = {.n = 2, .get = all};
    struct crew_err err = {0};

    hook_add_summary(&list, env, 1, events, summaries);
    ck_assert_int_eq(run_steps(1, 1, &err), CREW_OK);
    values[2] = NAN;
    ck_assert_int_eq(run_steps(2, 3, &err), CREW_INVALID_ARGUMENT);
    values[2] = 3;
    ck_assert_str_eq(err.msg, "Nan in summary histogram for: w");
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    expect_events("1 START1\n1 rate w loss\n");
}
END_TEST

static int warnings;

static void count_warning(void *self, enum env_level level, const char *text)
{
    (void)self;
    warnings += level == LOG_WARN && strstr(text, "TensorBoard: ") == text &&
                strstr(text, "Training goes on.") != NULL;
}

/* A disk that is full from some step on: one line, all steps are run. */
START_TEST(a_full_disk_is_one_warning)
{
    struct hook_summaries none = {0};
    struct crew_err err = {0};

    warnings = 0;
    env_mem_on_log(env, count_warning, NULL);
    hook_add_summary(&list, env, 1, events, none);
    ck_assert_int_eq(run_steps(1, 5, &err), CREW_OK);
    env_mem_fail_at(env, 1, CREW_RESOURCE_EXHAUSTED, true);
    ck_assert_int_eq(run_steps(6, 200, &err), CREW_OK);
    hook_event_checkpoint(events, 200, "/m");
    ck_assert_int_eq(warnings, 1);
    env_mem_fail_at(env, 0, 0, false);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_one_warning)
{
    struct event_writer *none = NULL;
    struct crew_err err = {0};

    warnings = 0;
    env_mem_on_log(env, count_warning, NULL);
    env_mem_fail_at(env, 1, CREW_PERMISSION_DENIED, true);
    hook_events_open(env, "/other", false, &none);
    env_mem_fail_at(env, 0, 0, false);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(warnings, 1);
    hook_event_scalar(none, 1, "x", 1); /* and all of these do nothing */
    hook_event_start(none, 1);
    hook_event_checkpoint(none, 1, "/m");
    ck_assert_int_eq(
        hook_event_evaluation(none, 1, NULL, 0, "/m/model.ckpt-1", &err),
        CREW_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("summary");
    TCase *tc = tcase_create("summary");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_step_then_every_n);
    tcase_add_test(tc, all_kinds_in_one_event);
    tcase_add_test(tc, a_loss_of_the_models_own_is_the_loss);
    tcase_add_test(tc, a_histogram_of_nan_ends_training);
    tcase_add_test(tc, a_full_disk_is_one_warning);
    tcase_add_test(tc, a_folder_that_cannot_be_written_is_one_warning);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
