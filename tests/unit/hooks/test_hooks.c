/* SPDX-License-Identifier: Apache-2.0
 * The hooks under a virtual clock: when they act and what they say. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "hooks/hooks.h"
#include "run_suite.h"

static struct crew_env *env;
static struct strbuf log_text;

static void keep_line(void *self, enum env_level level, const char *line)
{
    (void)self;
    strbuf_addf(&log_text, "%s%s\n", level >= LOG_WARN ? "! " : "", line);
}

static void setup(void)
{
    env = env_mem_new(1);
    strbuf_init(&log_text);
    env_mem_on_log(env, keep_line, NULL);
}

static void teardown(void)
{
    env_mem_free(env);
    strbuf_release(&log_text);
}

static void advance_ms(uint64_t ms)
{
    env_mem_advance(env, ms * 1000000u);
}

static const struct {
    float value;
    const char *text;
} float_rows[] = {
    {0.66875f, "0.66875"},
    {2.3066678f, "2.3066678"},
    {1e-5f, "1e-05"},
    {0.0001f, "1e-04"},
    {1.0f, "1.0"},
    {0.0f, "0.0"},
    {-0.5f, "-0.5"},
    {16777216.0f, "16777216.0"},
    {123456790.0f, "123456790.0"},
    {1e16f, "1e+16"},
    {3.4028235e38f, "3.4028235e+38"},
    {1.17549435e-38f, "1.1754944e-38"},
    {100.0f, "100.0"},
    {0.61250001f, "0.6125"},
    {NAN, "nan"},
    {INFINITY, "inf"},
    {-INFINITY, "-inf"},
};

START_TEST(floats_as_python_prints_them)
{
    char buf[64];

    ck_assert_str_eq(hook_float_text(float_rows[_i].value, buf, sizeof buf),
                     float_rows[_i].text);
}
END_TEST

START_TEST(timer_by_steps)
{
    struct hook_timer t;
    double secs;
    int64_t steps;

    hook_timer_init(&t, 0, 10);
    ck_assert(hook_timer_due(&t, 5, 0));
    ck_assert(!hook_timer_update(&t, 5, 0, &secs, &steps));
    ck_assert(!hook_timer_due(&t, 5, 0));
    ck_assert(!hook_timer_due(&t, 14, 0));
    ck_assert(hook_timer_due(&t, 15, 0));
    ck_assert(hook_timer_update(&t, 16, 2000000000, &secs, &steps));
    ck_assert_int_eq(steps, 11);
    ck_assert_double_eq(secs, 2.0);
}
END_TEST

START_TEST(timer_by_seconds)
{
    struct hook_timer t;

    hook_timer_init(&t, 1.5, -1);
    ck_assert(hook_timer_due(&t, 0, 0));
    (void)hook_timer_update(&t, 0, 0, NULL, NULL);
    ck_assert(!hook_timer_due(&t, 0, 9000000000));
    ck_assert(!hook_timer_due(&t, 1, 1499999999));
    ck_assert(hook_timer_due(&t, 1, 1500000000));
}
END_TEST

START_TEST(timer_of_neither_is_due_once)
{
    struct hook_timer t;

    hook_timer_init(&t, -1, 0);
    ck_assert(hook_timer_due(&t, 0, 0));
    (void)hook_timer_update(&t, 0, 0, NULL, NULL);
    ck_assert(!hook_timer_due(&t, 1000000, UINT64_MAX));
}
END_TEST

/* Steps 1..n of 10 ms, loss = 1 / step. */
static void run_steps(struct hook_list *list, int64_t from, int64_t to)
{
    struct crew_err err = {0};

    for (int64_t i = from; i <= to; i++) {
        struct crew_run_context ctx = {
            .global_step = i, .local_step = i, .loss = 1.0f / (float)i};

        ck_assert_int_eq(hook_list_before_run(list, &ctx, &err), 0);
        advance_ms(10);
        ck_assert_int_eq(hook_list_after_run(list, &ctx, &err), 0);
    }
}

START_TEST(logging_lines)
{
    struct hook_list list;

    hook_list_init(&list);
    hook_add_logging(&list, env, 4);
    run_steps(&list, 1, 9);
    ck_assert_str_eq(log_text.data,
                     "loss = 1.0, step = 0\n"
                     "loss = 0.2, step = 4 (0.040 sec)\n"
                     "loss = 0.11111111, step = 8 (0.040 sec)\n");
    hook_list_release(&list);
}
END_TEST

START_TEST(step_counter_skips_the_first)
{
    struct hook_list list;

    hook_list_init(&list);
    hook_add_step_counter(&list, env, 4, NULL);
    run_steps(&list, 1, 9);
    ck_assert_str_eq(log_text.data,
                     "global_step/sec: 100\nglobal_step/sec: 100\n");
    hook_list_release(&list);
}
END_TEST

START_TEST(stop_at_step)
{
    struct hook_list list;
    struct crew_run_context ctx = {.global_step = 9};
    struct crew_err err = {0};

    hook_list_init(&list);
    hook_list_take(&list, crew_stop_at_step_hook(0, 10));
    ck_assert_int_eq(hook_list_after_run(&list, &ctx, &err), 0);
    ck_assert(!ctx.request_stop);
    ctx.global_step = 10;
    ck_assert_int_eq(hook_list_after_run(&list, &ctx, &err), 0);
    ck_assert(ctx.request_stop);
    hook_list_release(&list);
}
END_TEST

START_TEST(nan_is_told_in_tensorflows_words)
{
    struct crew_err err = {0};

    ck_assert_int_eq(hook_check_loss(env, 1.0f, &err), 0);
    ck_assert_int_ne(hook_check_loss(env, NAN, &err), 0);
    ck_assert_str_eq(err.msg, "NaN loss during training.");
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_str_eq(log_text.data, "! Model diverged with loss = NaN.\n");

    struct crew_err inf = {0};

    ck_assert_int_ne(hook_check_loss(env, INFINITY, &inf), 0);
    ck_assert_int_eq(crew_err_exit_code(&inf), 1);
}
END_TEST

/* A hook that notes what is called. */
struct probe {
    char name;
    bool fails;
};
static struct strbuf calls;

static int probe_begin(void *self,
                       struct crew_session *session,
                       struct crew_err *err)
{
    struct probe *p = self;

    (void)session;
    strbuf_addf(&calls, "b%c ", p->name);
    return p->fails ? crew_err_set(err, CREW_INTERNAL, "no") : CREW_OK;
}

static int probe_end(void *self, int64_t step, struct crew_err *err)
{
    struct probe *p = self;

    strbuf_addf(&calls, "e%c%d ", p->name, (int)step);
    return p->fails ? crew_err_set(err, CREW_INTERNAL, "no") : CREW_OK;
}

static const struct crew_hook_ops probe_ops = {.begin = probe_begin,
                                               .end = probe_end};

START_TEST(list_order_and_first_error)
{
    struct probe a = {'a', false};
    struct probe b = {'b', true};
    struct probe c = {'c', false};
    struct hook_list list;
    struct crew_err err = {0};

    strbuf_init(&calls);
    hook_list_init(&list);
    hook_list_add(&list, &probe_ops, &a);
    hook_list_add(&list, &probe_ops, &b);
    hook_list_add(&list, &probe_ops, &c);
    ck_assert_int_eq(hook_list_begin(&list, NULL, &err), CREW_INTERNAL);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_str_eq(calls.data, "ba bb ");
    err = (struct crew_err){0};
    strbuf_reset(&calls);
    ck_assert_int_eq(hook_list_end(&list, 7, &err), CREW_INTERNAL);
    ck_assert_str_eq(calls.data, "ea7 eb7 ec7 ");
    hook_list_release(&list);
    strbuf_release(&calls);
}
END_TEST

static int dumb_end(void *self, int64_t step, struct crew_err *err)
{
    (void)self, (void)step, (void)err;
    return -5;
}

static int dumb_begin(void *self,
                      struct crew_session *session,
                      struct crew_err *err)
{
    (void)self, (void)session, (void)err;
    return 77;
}

/* What fails is never taken for success, whatever the job's function forgets.
 */
START_TEST(failure_without_a_message)
{
    static const struct crew_hook_ops dumb = {.begin = dumb_begin,
                                              .end = dumb_end};
    struct hook_list list;
    struct crew_err err = {0};

    hook_list_init(&list);
    hook_list_add(&list, &dumb, NULL);
    ck_assert_int_eq(hook_list_begin(&list, NULL, &err), CREW_UNKNOWN);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_str_eq(err.msg, "a hook's begin failed without a message");
    err = (struct crew_err){0};
    ck_assert_int_eq(hook_list_end(&list, 7, &err), CREW_UNKNOWN);
    ck_assert_str_eq(err.msg, "a hook's end failed without a message");
    hook_list_release(&list);
}
END_TEST

/* ------------------------------------------------------------ the saver */

struct disk {
    int64_t step;    /* what hold says */
    int fail_writes; /* the next writes fail */
    bool fail_hold;
    int released;
    int64_t saved[16];
    int n;
    int64_t ended_at;
};

static int disk_hold(void *self, int64_t *step, struct crew_err *err)
{
    struct disk *d = self;

    if (d->fail_hold) {
        return crew_err_set(err, CREW_DEADLINE_EXCEEDED, "worker/0 is slow");
    }
    *step = d->step;
    return CREW_OK;
}

static int disk_release(void *self, struct crew_err *err)
{
    (void)err;
    ((struct disk *)self)->released++;
    return CREW_OK;
}

static int disk_write(void *self, int64_t step, struct crew_err *err)
{
    struct disk *d = self;

    if (d->fail_writes > 0) {
        d->fail_writes--;
        return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 74, "disk full");
    }
    d->saved[d->n++] = step;
    return CREW_OK;
}

static int disk_end(void *self, int64_t step, struct crew_err *err)
{
    (void)err;
    ((struct disk *)self)->ended_at = step;
    return CREW_OK;
}

static void disk_wait(void *self, double secs)
{
    (void)self;
    advance_ms((uint64_t)(secs * 1000));
}

static const struct saver_ops disk_ops = {.hold = disk_hold,
                                          .release = disk_release,
                                          .write = disk_write,
                                          .end = disk_end};

static void add_timed_saver(struct hook_list *list,
                            struct disk *d,
                            int64_t steps,
                            double secs)
{
    struct saver_options o = {.env = env,
                              .model_dir = "m",
                              .secs = secs,
                              .steps = steps,
                              .ops = &disk_ops,
                              .self = d,
                              .final_retries = 3,
                              .wait = disk_wait};

    hook_list_init(list);
    hook_add_saver(list, &o);
}

static void add_saver(struct hook_list *list, struct disk *d, int64_t steps)
{
    add_timed_saver(list, d, steps, -1);
}

/* after_run of steps from..to, with the disk at the same step. */
static void save_steps(struct hook_list *list,
                       struct disk *d,
                       int64_t from,
                       int64_t to)
{
    for (int64_t i = from; i <= to; i++) {
        d->step = i;
        run_steps(list, i, i);
    }
}

START_TEST(saver_saves_at_start_on_time_and_at_the_end)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    save_steps(&list, &d, 1, 25);
    ck_assert_int_eq(hook_list_end(&list, 25, &err), 0);
    ck_assert_int_eq(d.n, 4);
    ck_assert_int_eq(d.saved[0], 0);
    ck_assert_int_eq(d.saved[1], 10);
    ck_assert_int_eq(d.saved[2], 20);
    ck_assert_int_eq(d.saved[3], 25);
    ck_assert_int_eq(d.ended_at, 25);
    ck_assert_ptr_nonnull(
        strstr(log_text.data,
               "Calling checkpoint listeners before saving checkpoint 10...\n"
               "Saving checkpoints for 10 into m/model.ckpt.\n"
               "Calling checkpoint listeners after saving checkpoint 10...\n"));
    hook_list_release(&list);
}
END_TEST

/* Steps of 10 ms. The interval counts from the session's first save, and from
 * each that follows. */
START_TEST(saver_saves_by_seconds)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_timed_saver(&list, &d, -1, 0.25);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    save_steps(&list, &d, 1, 24);
    ck_assert_int_eq(d.n, 1);
    save_steps(&list, &d, 25, 49);
    ck_assert_int_eq(d.n, 2);
    ck_assert_int_eq(d.saved[1], 25);
    save_steps(&list, &d, 50, 50);
    ck_assert_int_eq(d.n, 3);
    ck_assert_int_eq(d.saved[2], 50);
    /* No step since: however late, nothing to save. */
    advance_ms(5000);
    ck_assert_int_eq(hook_list_end(&list, 50, &err), 0);
    ck_assert_int_eq(d.n, 3);
    hook_list_release(&list);
}
END_TEST

START_TEST(saver_saves_no_step_twice)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    save_steps(&list, &d, 1, 10);
    ck_assert_int_eq(hook_list_end(&list, 10, &err), 0);
    ck_assert_int_eq(d.n, 2);
    ck_assert_int_eq(d.released, 1);
    hook_list_release(&list);
}
END_TEST

START_TEST(saver_saves_what_others_have_done_since)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    save_steps(&list, &d, 1, 10);
    d.step = 13; /* workers, after this process's last step */
    ck_assert_int_eq(hook_list_end(&list, 10, &err), 0);
    ck_assert_int_eq(d.saved[2], 13);
    ck_assert_int_eq(d.ended_at, 13);
    hook_list_release(&list);
}
END_TEST

START_TEST(saver_outlives_a_full_disk)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    d.fail_writes = 1;
    save_steps(&list, &d, 1, 20);
    ck_assert_int_eq(d.n, 2);
    ck_assert_int_eq(d.saved[1], 20);
    ck_assert_ptr_nonnull(
        strstr(log_text.data, "! Could not save checkpoint 10: disk full."));
    /* The last one is tried four times. */
    d.step = 21;
    d.fail_writes = 3;
    ck_assert_int_eq(hook_list_end(&list, 21, &err), 0);
    ck_assert_int_eq(d.saved[2], 21);
    hook_list_release(&list);
}
END_TEST

START_TEST(saver_gives_up_with_138)
{
    struct disk d = {0};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    d.step = 5;
    d.fail_writes = 4;
    ck_assert_int_ne(hook_list_end(&list, 5, &err), 0);
    ck_assert_int_eq(crew_err_exit_code(&err), 138);
    ck_assert_ptr_nonnull(strstr(err.msg, "disk full"));
    hook_list_release(&list);
}
END_TEST

START_TEST(saver_skips_what_cannot_be_held)
{
    struct disk d = {.fail_hold = true};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err), 0);
    save_steps(&list, &d, 1, 19);
    ck_assert_int_eq(d.n, 1);
    ck_assert_ptr_nonnull(strstr(log_text.data, "worker/0 is slow"));
    d.fail_hold = false;
    save_steps(&list, &d, 20, 20);
    ck_assert_int_eq(d.n, 2);
    hook_list_release(&list);
}
END_TEST

START_TEST(first_save_must_work)
{
    struct disk d = {.fail_writes = 1};
    struct hook_list list;
    struct crew_err err = {0};

    add_saver(&list, &d, 10);
    ck_assert_int_eq(hook_list_after_create_session(&list, 0, &err),
                     CREW_RESOURCE_EXHAUSTED);
    hook_list_release(&list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hooks");
    TCase *tcase = tcase_create("hooks");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, floats_as_python_prints_them, 0,
                        (int)(sizeof float_rows / sizeof float_rows[0]));
    tcase_add_test(tcase, timer_by_steps);
    tcase_add_test(tcase, timer_by_seconds);
    tcase_add_test(tcase, timer_of_neither_is_due_once);
    tcase_add_test(tcase, logging_lines);
    tcase_add_test(tcase, step_counter_skips_the_first);
    tcase_add_test(tcase, stop_at_step);
    tcase_add_test(tcase, nan_is_told_in_tensorflows_words);
    tcase_add_test(tcase, list_order_and_first_error);
    tcase_add_test(tcase, failure_without_a_message);
    tcase_add_test(tcase, saver_saves_at_start_on_time_and_at_the_end);
    tcase_add_test(tcase, saver_saves_by_seconds);
    tcase_add_test(tcase, saver_saves_no_step_twice);
    tcase_add_test(tcase, saver_saves_what_others_have_done_since);
    tcase_add_test(tcase, saver_outlives_a_full_disk);
    tcase_add_test(tcase, saver_gives_up_with_138);
    tcase_add_test(tcase, saver_skips_what_cannot_be_held);
    tcase_add_test(tcase, first_save_must_work);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
