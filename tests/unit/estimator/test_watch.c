/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's decisions, row by row. */
#include <check.h>
#include <stdlib.h>

#include "estimator/roles/evaluator_watch.h"
#include "run_suite.h"

static struct watch fresh(void)
{
    return (struct watch){.start_delay_secs = 120,
                          .throttle_secs = 600,
                          .max_steps = 1000,
                          .started = 100,
                          .newest_step = -1,
                          .evaluated_step = -1};
}

static void expect(const struct watch *w, double now, enum watch_action action)
{
    ck_assert_int_eq(watch_decide(w, now).action, action);
}

START_TEST(start_delay)
{
    struct watch w = fresh();

    expect(&w, 100, WATCH_WAIT);
    w.newest_step = 10;
    expect(&w, 219, WATCH_WAIT);
    ck_assert_double_eq(watch_decide(&w, 219).secs, 1.0);
    expect(&w, 220, WATCH_EVALUATE);
    ck_assert(!watch_decide(&w, 220).is_final);
}
END_TEST

START_TEST(throttle_counts_from_the_start_of_the_last)
{
    struct watch w = fresh();

    w.newest_step = 20;
    w.evaluated_step = 10;
    w.evaluation_began = 300;
    expect(&w, 899, WATCH_WAIT);
    expect(&w, 900, WATCH_EVALUATE);
    w.newest_step = 10;
    expect(&w, 5000, WATCH_WAIT); /* not the same one again */
}
END_TEST

START_TEST(last_checkpoint_at_once_and_once)
{
    struct watch w = fresh();

    w.newest_step = 1000;
    expect(&w, 101, WATCH_EVALUATE);
    ck_assert(watch_decide(&w, 101).is_final);
    w.evaluated_step = 1000;
    w.evaluation_began = 101;
    w.final_done = true;
    expect(&w, 102, WATCH_WAIT); /* for the word of the end */
    expect(&w, 162, WATCH_DONE);
    w.ended = true;
    w.end_step = 1000;
    expect(&w, 102, WATCH_DONE);
}
END_TEST

START_TEST(end_before_max_steps)
{
    struct watch w = fresh();

    w.max_steps = -1;
    w.newest_step = 70;
    w.evaluated_step = 70; /* evaluated when nobody knew that it was the last */
    expect(&w, 500, WATCH_WAIT);
    w.ended = true;
    w.end_step = 70;
    expect(&w, 500, WATCH_EXPORT_FINAL);
    w.final_done = true;
    expect(&w, 500, WATCH_DONE);
}
END_TEST

START_TEST(end_waits_for_its_checkpoint)
{
    struct watch w = fresh();

    w.newest_step = 900;
    w.evaluated_step = 900;
    w.ended = true;
    w.ended_at = 500;
    w.end_step = 1000;
    expect(&w, 559, WATCH_WAIT);
    expect(&w, 561, WATCH_NO_CHECKPOINT);
    w.newest_step = 1000;
    expect(&w, 561, WATCH_EVALUATE);
    ck_assert(watch_decide(&w, 561).is_final);
}
END_TEST

START_TEST(stopped_job_and_lost_cluster)
{
    struct watch w = fresh();

    w.newest_step = 900;
    w.evaluated_step = 500;
    w.evaluation_began = 300;
    w.ended = true;
    w.end_code = 143;
    expect(&w, 400, WATCH_STOPPED);
    w.ended = false;
    w.lost = true;
    expect(&w, 400, WATCH_WAIT); /* a checkpoint is still to be evaluated */
    w.newest_step = 500;
    expect(&w, 400, WATCH_LOST);
}
END_TEST

#define NOT_TRAINED                                                  \
    "Estimator is not trained yet. Will start an evaluation when a " \
    "checkpoint is ready."
#define NOTHING_NEW                                                        \
    "No new checkpoint ready for evaluation. Skip the current evaluation " \
    "pass as evaluation results are expected to be same for the same "     \
    "checkpoint."

static void says(struct watch *w, double now, const char *text)
{
    const char *got = watch_warning(w, now);

    if (text == NULL) {
        ck_assert_msg(got == NULL, "at %g: %s", now, got);
    } else {
        ck_assert_msg(got != NULL, "at %g: nothing", now);
        ck_assert_str_eq(got, text);
    }
}

/* Not before an evaluation would be due, then once in 600 s, and again at once
 * after an evaluation. */
START_TEST(warnings_come_every_600_s)
{
    struct watch w = fresh();

    says(&w, 219, NULL);
    says(&w, 220, NOT_TRAINED);
    for (int t = 221; t < 820; t++) {
        says(&w, t, NULL);
    }
    says(&w, 820, NOT_TRAINED);
    w.newest_step = 10;
    says(&w, 2000, NULL); /* there is something to evaluate */
    watch_evaluated(&w, 2000, false);
    ck_assert_int_eq(w.evaluated_step, 10);
    says(&w, 2599, NULL); /* throttled */
    says(&w, 2600, NOTHING_NEW);
    says(&w, 3199, NULL);
    says(&w, 3200, NOTHING_NEW);
    w.newest_step = 20;
    watch_evaluated(&w, 3201, false);
    says(&w, 3801, NOTHING_NEW);
}
END_TEST

/* Steps between two evaluations are never evaluated. */
START_TEST(only_the_newest_checkpoint)
{
    struct watch w = fresh();

    w.newest_step = 10;
    expect(&w, 220, WATCH_EVALUATE);
    watch_evaluated(&w, 220, false);
    w.newest_step = 20;
    expect(&w, 500, WATCH_WAIT);
    w.newest_step = 30;
    expect(&w, 820, WATCH_EVALUATE);
    watch_evaluated(&w, 820, false);
    ck_assert_int_eq(w.evaluated_step, 30);
    expect(&w, 5000, WATCH_WAIT);
}
END_TEST

/* It is looked for again every second; another one is taken at once. */
START_TEST(a_checkpoint_that_has_gone)
{
    struct watch w = fresh();

    w.newest_step = 10;
    expect(&w, 220, WATCH_EVALUATE);
    ck_assert(watch_gone(&w, 220));
    expect(&w, 220.9, WATCH_WAIT);
    expect(&w, 221, WATCH_EVALUATE);
    ck_assert(!watch_gone(&w, 221)); /* told already */
    w.newest_step = 20;
    expect(&w, 221.5, WATCH_EVALUATE);
    ck_assert(watch_gone(&w, 221.5));
    ck_assert(!watch_gone(&w, 821));
    ck_assert(watch_gone(&w, 822));
    /* The last one never comes: that is an end, with a word. */
    w.newest_step = 1000;
    w.ended = true;
    w.ended_at = 900;
    w.end_step = 1000;
    expect(&w, 901, WATCH_EVALUATE);
    ck_assert(watch_gone(&w, 961));
    expect(&w, 961.5, WATCH_NO_CHECKPOINT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tcase = tcase_create("watch");

    tcase_add_test(tcase, start_delay);
    tcase_add_test(tcase, throttle_counts_from_the_start_of_the_last);
    tcase_add_test(tcase, last_checkpoint_at_once_and_once);
    tcase_add_test(tcase, end_before_max_steps);
    tcase_add_test(tcase, end_waits_for_its_checkpoint);
    tcase_add_test(tcase, stopped_job_and_lost_cluster);
    tcase_add_test(tcase, warnings_come_every_600_s);
    tcase_add_test(tcase, only_the_newest_checkpoint);
    tcase_add_test(tcase, a_checkpoint_that_has_gone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
