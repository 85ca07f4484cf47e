/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's decisions, row by row. */
#include <check.h>
#include <stdlib.h>

#include "estimator/evaluator_watch.h"
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
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
