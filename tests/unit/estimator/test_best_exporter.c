/* SPDX-License-Identifier: Apache-2.0
 * The memory of a BestExporter: first, better, equal, worse, over restarts. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "estimator/export/best_exporter.h"
#include "io/file_pattern.h"
#include "summary/event_writer.h"
#include "run_suite.h"

static struct crew_env *env;
static struct best_memory memory;
static struct best_place place;
static struct crew_exporter exporter;
static struct crew_err err;
static char log_text[2048];

static void take_line(void *self, enum env_level level, const char *line)
{
    size_t n = strlen(log_text);

    (void)self;
    (void)level;
    (void)snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static void set_up(void)
{
    env = env_mem_new(1);
    env_mem_on_log(env, take_line, NULL);
    place = (struct best_place){.env = env,
                                .model_dir = "m",
                                .eval_dir = "m/eval",
                                .base = "m/export/best"};
    exporter =
        (struct crew_exporter){.kind = CREW_EXPORTER_BEST, .name = "best"};
    memory = (struct best_memory){0};
    err = (struct crew_err){0};
    log_text[0] = '\0';
}

static void tear_down(void)
{
    best_release(&memory);
    env_mem_free(env);
}

/* What the process before has left. */
static void restart(void)
{
    best_release(&memory);
    err = (struct crew_err){0};
    log_text[0] = '\0';
    env_mem_advance(env, 2000000000U);
}

static void write_event(const char *dir,
                        int64_t step,
                        const char *tag,
                        float value)
{
    struct event_writer *w = NULL;
    struct event_notice none = {0};

    env_mem_advance(env, 1000000000U);
    ck_assert_int_eq(event_writer_open(env, dir, none, &w, &err), CREW_OK);
    event_write_scalar(w, step, tag, value);
    event_writer_close(w);
}

/* An evaluation of one scalar: its event, then the exporter. */
static bool evaluate(int64_t step, const char *tag, float value)
{
    struct crew_eval_value v = {tag, value};
    struct crew_eval_result r = {step, 1, &v};
    bool due = false;

    write_event(place.eval_dir, step, tag, value);
    (void)best_is_due(&memory, &place, &exporter, &r, &due, &err);
    if (due && err.code == CREW_OK) {
        ck_assert_int_eq(fs_make_dirs(env, "m/export/best/1234567890", &err),
                         CREW_OK);
        best_exported(&memory, &place, &exporter, &r);
    }
    return due;
}

static bool loss(int64_t step, float value)
{
    bool due = evaluate(step, "loss", value);

    ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
    return due;
}

START_TEST(first_better_equal_worse)
{
    ck_assert(loss(1, 2.0f));
    ck_assert_str_eq(log_text,
                     "Loading best metric from event files.\n"
                     "Performing best model export.\n");
    log_text[0] = '\0';
    ck_assert(!loss(2, 2.0f));
    ck_assert(!loss(3, 2.5f));
    ck_assert_str_eq(log_text, "");
    ck_assert(loss(4, 1.5f));
    ck_assert_str_eq(log_text, "Performing best model export.\n");
    ck_assert(!loss(5, 1.75f)); /* the 2 of before does not count any more */
    ck_assert(!loss(6, NAN));
    ck_assert(loss(7, 1.0f));
    restart();
    write_event("m/eval", 8, "loss", -1.0f);
    place.eval_dir = "m/other";
    ck_assert(loss(9, NAN)); /* no history, and anything is better than that */
    ck_assert(loss(10, 5.0f));
}
END_TEST

START_TEST(a_restart_remembers)
{
    ck_assert(loss(1, 2.0f));
    ck_assert(loss(2, 1.0f));
    restart();
    ck_assert(!loss(2, 1.0f)); /* the evaluator came back: the same again */
    ck_assert_str_eq(log_text, "Loading best metric from event files.\n");
    ck_assert(!loss(3, 1.5f));
    ck_assert(loss(4, 0.5f));
    restart();
    ck_assert(!loss(5, 0.75f));
    restart();
    ck_assert(loss(6, 0.25f));
}
END_TEST

/* Killed between the event and the export: it is made up for. */
START_TEST(what_was_not_exported_is)
{
    ck_assert(loss(1, 2.0f));
    write_event("m/eval", 2, "loss", 1.0f);
    restart();
    ck_assert(loss(2, 1.0f));
    restart();
    ck_assert(!loss(2, 1.0f));
}
END_TEST

START_TEST(without_an_export_the_first_is_unconditional)
{
    write_event("m/eval", 1, "loss", 0.5f);
    ck_assert(loss(2, 1.0f));
    ck_assert(!loss(3, 1.5f));
}
END_TEST

START_TEST(a_named_evaluation_has_its_own_history)
{
    ck_assert_int_eq(fs_make_dirs(env, "m/export/best/1234567890", &err),
                     CREW_OK);
    place.eval_dir = "m/eval_test";
    write_event("m/eval_test", 1, "loss", 1.0f);
    write_event("m/eval", 1, "loss", 3.0f);
    ck_assert(!loss(2, 2.0f));
    /* TensorFlow's default, word for word, looks at the other one. */
    restart();
    exporter.event_file_pattern = "eval/*.tfevents.*";
    ck_assert(loss(3, 2.5f));
}
END_TEST

static struct file_list found;

static void find(const char *dir, const char *pattern)
{
    struct crew_err ignored = {0};

    (void)file_list_glob(&found, env, dir, pattern, &ignored);
}

START_TEST(patterns)
{
    write_event("m/a1", 1, "loss", 1.0f);
    write_event("m/a2", 1, "loss", 1.0f);
    write_event("m/b", 1, "loss", 1.0f);
    find("m", "a?/*.tfevents.*");
    ck_assert_int_eq(found.n, 2);
    ck_assert_ptr_nonnull(strstr(found.paths[0], "m/a1/events.out.tfevents."));
    ck_assert_ptr_nonnull(strstr(found.paths[1], "m/a2/events.out.tfevents."));
    file_list_release(&found);
    find("m", "*");
    ck_assert_int_eq(found.n, 3);
    file_list_release(&found);
    find("m", "c/*");
    ck_assert_int_eq(found.n, 0);
    file_list_release(&found);
}
END_TEST

START_TEST(no_pattern_no_memory)
{
    exporter.event_file_pattern = "";
    ck_assert(loss(1, 1.0f));
    restart();
    ck_assert(loss(2, 2.0f));
    ck_assert_str_eq(log_text, "Performing best model export.\n");
    ck_assert(!loss(3, 2.5f));
}
END_TEST

static int more_accurate(void *self,
                         const struct crew_eval_result *best,
                         const struct crew_eval_result *current,
                         bool *better,
                         struct crew_err *e)
{
    if (crew_eval_result_get(current, "accuracy", -1) < 0) {
        *(int *)self = 3;
        return strcmp(current->values[0].key, "silent") == 0
                   ? CREW_NOT_FOUND
                   : crew_err_set(e, CREW_NOT_FOUND, "no accuracy");
    }
    *better = crew_eval_result_get(current, "accuracy", 0) >
              crew_eval_result_get(best, "accuracy", 0);
    return CREW_OK;
}

START_TEST(a_function_of_the_user)
{
    int seen = 0;

    exporter.compare_fn = more_accurate;
    exporter.compare_self = &seen;
    ck_assert(evaluate(1, "accuracy", 0.5f));
    ck_assert(evaluate(2, "accuracy", 0.75f));
    ck_assert(!evaluate(3, "accuracy", 0.5f));
    restart();
    ck_assert(!evaluate(4, "accuracy", 0.625f));
    ck_assert(evaluate(5, "accuracy", 0.875f));
    ck_assert_int_eq(err.code, CREW_OK);
    ck_assert(!evaluate(6, "speed", 0.5f));
    ck_assert_str_eq(err.msg, "no accuracy");
    ck_assert_int_eq(seen, 3);
    err = (struct crew_err){0};
    ck_assert(!evaluate(7, "silent", 0.5f));
    ck_assert_str_eq(err.msg,
                     "compare_fn returned NOT_FOUND without a message");
}
END_TEST

START_TEST(without_a_loss)
{
    ck_assert(evaluate(1, "loss", 0.5f));
    ck_assert(!evaluate(2, "accuracy", 0.5f));
    ck_assert_str_eq(
        err.msg,
        "current_eval_result cannot be empty or no loss is found in it.");
    restart();
    ck_assert(!loss(3, 0.75f)); /* other curves are passed over */
}
END_TEST

START_TEST(a_torn_event_file_counts_as_far_as_it_goes)
{
    char *text;
    size_t len;

    ck_assert(loss(1, 2.0f));
    write_event("m/eval", 2, "loss", 1.0f);
    find("m/eval", "*");
    ck_assert_int_eq(found.n, 2);
    ck_assert_int_eq(fs_read_file(env, found.paths[1], 4096, &text, &len, &err),
                     CREW_OK);
    ck_assert_int_eq(fs_replace_file(env, found.paths[1], text, len - 3, &err),
                     CREW_OK);
    free(text);
    file_list_release(&found);
    restart();
    ck_assert(loss(3, 1.5f)); /* the 1 is lost, the 2 is not */
    ck_assert_ptr_nonnull(strstr(log_text, "are not counted:"));
    restart();
    ck_assert(!loss(4, 1.75f));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("best_exporter");
    TCase *tc = tcase_create("best_exporter");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, first_better_equal_worse);
    tcase_add_test(tc, a_restart_remembers);
    tcase_add_test(tc, what_was_not_exported_is);
    tcase_add_test(tc, without_an_export_the_first_is_unconditional);
    tcase_add_test(tc, a_named_evaluation_has_its_own_history);
    tcase_add_test(tc, patterns);
    tcase_add_test(tc, no_pattern_no_memory);
    tcase_add_test(tc, a_function_of_the_user);
    tcase_add_test(tc, without_a_loss);
    tcase_add_test(tc, a_torn_event_file_counts_as_far_as_it_goes);
    suite_add_tcase(suite, tc);

    return run_suite(suite);
}
