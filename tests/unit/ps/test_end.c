/* SPDX-License-Identifier: Apache-2.0
 * When a parameter server leaves, and with which exit code. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "end.h"
#include "run_suite.h"

static const struct end_view nobody = {.first_ps = false};
static const struct end_view training = {.chief_alive = true,
                                         .chief_connections = 2,
                                         .connections = 4};

/* The first time, in steps of 250 ms from `from`, at which it is gone. */
static uint64_t gone_at(struct end_state *e,
                        const struct end_view *v,
                        uint64_t from,
                        uint64_t until)
{
    for (uint64_t now = from; now < until; now += 250) {
        if (end_step(e, v, now) == END_GONE) {
            return now;
        }
    }
    return 0;
}

/* It goes on as long as there is a chief, however long that is. */
START_TEST(test_runs)
{
    struct end_state e;
    end_init(&e, 7200, 0);
    ck_assert_uint_eq(gone_at(&e, &training, 0, 100000000), 0);
    ck_assert_int_eq(e.phase, END_RUNNING);
}
END_TEST

/* Told, and everybody leaves: it follows soon, with the chief's code. */
START_TEST(test_told)
{
    struct end_state e;
    end_init(&e, 7200, 0);
    end_tell(&e, 0, 500, "max_steps reached", 1000);
    end_tell(&e, 138, 1, "too late to say so", 1100);
    ck_assert_int_eq(end_step(&e, &training, 1250), END_ENDED);
    uint64_t at = gone_at(&e, &nobody, 1500, 20000);
    ck_assert_uint_ge(at, 1500);
    ck_assert_uint_le(at, 2500);
    ck_assert_int_eq(e.exit_code, 0);
    ck_assert_int_eq(e.step, 500);
    ck_assert_str_eq(e.reason, "max_steps reached");
}
END_TEST

/* To go by a signal: the chief saves first, and its word is the end. */
START_TEST(test_asked)
{
    struct end_state e;
    end_init(&e, 7200, 0);
    end_ask(&e, 143, "a ps was told to stop", 1000);
    end_ask(&e, 130, "a ps was interrupted", 1100);
    ck_assert_int_eq(end_step(&e, &training, 1000 + END_ASK_MS - 1),
                     END_RUNNING);
    if (_i == 0) { /* it stops the job */
        end_tell(&e, 143, 70, "saved", 9000);
        ck_assert_str_eq(e.reason, "saved");
    } else if (_i == 1) { /* it does not */
        ck_assert_int_eq(end_step(&e, &training, 1000 + END_ASK_MS), END_ENDED);
        ck_assert_str_eq(e.reason, "a ps was told to stop");
    } else { /* it goes */
        ck_assert_int_eq(end_step(&e, &nobody, 1000 + END_ASK_MS - 1),
                         END_ENDED);
    }
    ck_assert_int_eq(e.exit_code, 143);
}
END_TEST

/* Told, and somebody does not leave: 10 s. */
START_TEST(test_linger)
{
    struct end_state e;
    struct end_view v = {.connections = 1};
    end_init(&e, 7200, 0);
    end_tell(&e, 1, 5, "NaN", 1000);
    ck_assert_uint_eq(gone_at(&e, &v, 1000, 60000), 11000);
    ck_assert_int_eq(e.exit_code, 1);
}
END_TEST

/* ps 0 leaves after the chief, which waits for the evaluator. */
START_TEST(test_first_ps_last)
{
    struct end_state e;
    struct end_view v = {.first_ps = true,
                         .chief_alive = true,
                         .chief_connections = 2,
                         .connections = 1,
                         .evaluator_awaited = true};
    end_init(&e, 7200, 0);
    end_tell(&e, 0, 5, "max_steps reached", 1000);
    ck_assert_uint_eq(gone_at(&e, &v, 1000, 300000), 0);
    v.evaluator_awaited = false;
    v.connections = 0;
    v.chief_connections = 0;
    uint64_t at = gone_at(&e, &v, 300000, 400000);
    ck_assert_uint_ge(at, 300000);
    ck_assert_uint_le(at, 301000);
}
END_TEST

/* But not for ever. */
START_TEST(test_first_ps_limit)
{
    struct end_state e;
    struct end_view v = {.first_ps = true,
                         .chief_alive = true,
                         .chief_connections = 2,
                         .evaluator_awaited = true};
    end_init(&e, 7200, 0);
    end_tell(&e, 0, 5, "max_steps reached", 0);
    ck_assert_uint_eq(gone_at(&e, &v, 0, 2000000), 610000);
}
END_TEST

/* No chief has ever come: session_creation_timeout_secs. */
START_TEST(test_no_chief)
{
    struct end_state e;
    end_init(&e, 90, 0);
    uint64_t at = gone_at(&e, &nobody, 0, 200000);
    ck_assert_uint_ge(at, 90000);
    ck_assert_uint_le(at, 91000);
    ck_assert_int_eq(e.exit_code, 138);
    ck_assert_str_eq(e.reason, "no chief has come within 90 s");
}
END_TEST

/* The chief is gone: 600 s after it was last alive, or as much sooner as a
 * first one would have been waited for. */
START_TEST(test_orphan)
{
    const uint64_t secs = _i == 0 ? 600 : 90;
    struct end_state e;
    char reason[64];

    (void)snprintf(reason, sizeof reason, "no chief for %d s", (int)secs);
    end_init(&e, _i == 0 ? 7200 : 90, 0);
    ck_assert_uint_eq(gone_at(&e, &training, 0, 50000), 0);
    uint64_t at = gone_at(&e, &nobody, 50000, 2000000);
    ck_assert_uint_ge(at, secs * 1000 + 49750);
    ck_assert_uint_le(at, secs * 1000 + 51000);
    ck_assert_int_eq(e.exit_code, 138);
    ck_assert_str_eq(e.reason, reason);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("end");
    TCase *t = tcase_create("end");
    tcase_add_test(t, test_runs);
    tcase_add_test(t, test_told);
    tcase_add_loop_test(t, test_asked, 0, 3);
    tcase_add_test(t, test_linger);
    tcase_add_test(t, test_first_ps_last);
    tcase_add_test(t, test_first_ps_limit);
    tcase_add_test(t, test_no_chief);
    tcase_add_loop_test(t, test_orphan, 0, 2);
    suite_add_tcase(s, t);
    return run_suite(s);
}
