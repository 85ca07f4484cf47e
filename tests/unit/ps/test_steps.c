/* SPDX-License-Identifier: Apache-2.0
 * Tickets: exactly max_steps, whatever is repeated, late or lost. */
#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "steps.h"
#include "run_suite.h"

#define MEMBERS 4

static struct steps steps;

static void setup(void)
{
    steps_init(&steps, MEMBERS);
    steps_chief(&steps, true);
}

static void teardown(void)
{
    steps_release(&steps);
}

static void begin(int64_t max_steps)
{
    steps_begin(&steps, 0, max_steps, -1, 600, 0);
}

/* Before READY nobody gets a ticket. */
START_TEST(test_waits_until_ready)
{
    ck_assert_int_eq(steps_ask(&steps, 0, 0, 0), STEPS_WAIT);
    begin(1);
    ck_assert_int_eq(steps_ask(&steps, 0, 0, 0), STEPS_GO);
}
END_TEST

/* Four trainers that push, complete and ask in random order do max_steps in
 * all. */
START_TEST(test_exactly_max_steps)
{
    struct rng rng = {.state = (uint64_t)_i};
    uint64_t done[MEMBERS] = {0};
    bool has_ticket[MEMBERS] = {false};
    int64_t max_steps = 1 + (int64_t)rng_below(&rng, 50), total = 0;
    begin(max_steps);
    for (int i = 0; i < 5000; i++) {
        int m = (int)rng_below(&rng, MEMBERS);
        if (!has_ticket[m]) {
            has_ticket[m] = steps_ask(&steps, m, done[m], 0) == STEPS_GO;
            continue;
        }
        /* The push ends: the ticket after it comes early, or not. */
        has_ticket[m] = steps_ask_ahead(&steps, m, ++done[m], 0) == STEPS_GO;
        ck_assert_int_eq(steps_complete(&steps, m, done[m]), 1);
        total++;
        ck_assert_int_le(total, max_steps);
    }
    ck_assert_int_eq(total, max_steps);
    ck_assert_int_eq(steps.global_step, max_steps);
    ck_assert_uint_eq(steps_under_way(&steps), 0);
    ck_assert_int_eq(steps_ask(&steps, 0, done[0], 0), STEPS_OVER);
}
END_TEST

/* An answer that was lost is given again; it is the same ticket. */
START_TEST(test_asked_again)
{
    begin(10);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_GO);
    ck_assert_uint_eq(steps_under_way(&steps), 1);
    ck_assert_int_eq(steps_complete(&steps, 1, 1), 1);
    ck_assert_int_eq(steps_complete(&steps, 1, 1), 0);
    ck_assert_int_eq(steps.global_step, 1);
}
END_TEST

/* What comes late, of a step long past, changes nothing. */
START_TEST(test_late_messages)
{
    begin(10);
    for (uint64_t s = 0; s < 3; s++) {
        ck_assert_int_eq(steps_ask(&steps, 1, s, 0), STEPS_GO);
        ck_assert_int_eq(steps_complete(&steps, 1, s + 1), 1);
    }
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_ask_ahead(&steps, 1, 1, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 1, 2), 0);
    ck_assert_uint_eq(steps_under_way(&steps), 0);
    ck_assert_int_eq(steps.global_step, 3);
}
END_TEST

/* The late double of an earlier request is known by its number; a repetition is
 * let through. */
START_TEST(test_request_numbers)
{
    begin(10);
    ck_assert(steps_accept(&steps, 1, 5));
    ck_assert(steps_accept(&steps, 1, 5));
    ck_assert(steps_accept(&steps, 1, 6));
    ck_assert(!steps_accept(&steps, 1, 5));
    steps_join(&steps, 1);
    ck_assert(steps_accept(&steps, 1, 1));
}
END_TEST

/* A step without a ticket is not counted. */
START_TEST(test_no_ticket_no_count)
{
    begin(10);
    ck_assert_int_eq(steps_complete(&steps, 1, 1), 0);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_complete(&steps, 1, 2), 0);
    ck_assert_int_eq(steps.global_step, 0);
}
END_TEST

/* The tickets of the dead return, and a new incarnation counts from where it
 * is. */
START_TEST(test_dead_trainer)
{
    begin(2);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask(&steps, 2, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask(&steps, 3, 0, 0), STEPS_WAIT);
    steps_reset(&steps, 1);
    ck_assert_int_eq(steps_ask(&steps, 3, 0, 0), STEPS_GO);
    steps_join(&steps, 1);
    ck_assert_int_eq(steps_ask(&steps, 1, 57, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 2, 1), 1);
    ck_assert_int_eq(steps_complete(&steps, 3, 1), 1);
    ck_assert_int_eq(steps.global_step, 2);
}
END_TEST

/* A hold: no new tickets; at rest when those that are out are done or given
 * back. */
START_TEST(test_hold)
{
    begin(-1);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask(&steps, 2, 0, 0), STEPS_GO);
    steps_hold(&steps);
    ck_assert_int_eq(steps_ask(&steps, 3, 0, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_ask_ahead(&steps, 1, 1, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 1, 1), 1);
    ck_assert_uint_eq(steps_under_way(&steps), 1);
    steps_leave(&steps, 2);
    ck_assert_uint_eq(steps_under_way(&steps), 0);
    steps_release_hold(&steps);
    ck_assert_int_eq(steps_ask(&steps, 2, 0, 0), STEPS_GO);
}
END_TEST

/* Without a chief: as far as its next save would have come, by steps or by
 * time. */
START_TEST(test_without_chief)
{
    steps_begin(&steps, 100, -1, 3, -1, 0);
    steps_hold(&steps);
    steps_chief(&steps, false);
    ck_assert_msg(!steps.hold, "the hold of a dead chief stays");
    for (uint64_t s = 0; s < 3; s++) {
        ck_assert_int_eq(steps_ask(&steps, 1, s, 0), STEPS_GO);
        ck_assert_int_eq(steps_complete(&steps, 1, s + 1), 1);
    }
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_WAIT);
    steps_chief(&steps, true);
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_GO);

    steps_begin(&steps, 0, -1, -1, 60, 1000);
    steps_chief(&steps, false);
    ck_assert_int_eq(steps_ask(&steps, 1, 0, 60999), STEPS_GO);
    ck_assert_int_eq(steps_complete(&steps, 1, 1), 1);
    ck_assert_int_eq(steps_ask(&steps, 1, 1, 61000), STEPS_WAIT);
    steps_saved(&steps, 1, 61000);
    ck_assert_int_eq(steps_ask(&steps, 1, 1, 61000), STEPS_GO);
}
END_TEST

static void step(int member, uint64_t seq)
{
    ck_assert_int_eq(steps_ask(&steps, member, seq - 1, 0), STEPS_GO);
    ck_assert_int_eq(steps_complete(&steps, member, seq), 1);
}

/* Bounded staleness: two steps ahead of the slowest and no more; who comes
 * later counts from where the slowest is; who goes is not waited for. */
START_TEST(test_bounded)
{
    begin(-1);
    steps_bound(&steps, 2);
    ck_assert_int_eq(steps_ask(&steps, 0, 0, 0), STEPS_GO);
    for (uint64_t s = 1; s <= 3; s++) {
        step(1, s);
    }
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_WAIT);
    /* One that comes is as far as the slowest. */
    ck_assert_int_eq(steps_ask(&steps, 2, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_complete(&steps, 0, 1), 1);
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 2, 1), 1);
    step(1, 4);
    ck_assert_int_eq(steps_ask(&steps, 1, 4, 0), STEPS_WAIT);
    /* One dies, one leaves. */
    steps_reset(&steps, 0);
    ck_assert_int_eq(steps_ask(&steps, 1, 4, 0), STEPS_WAIT);
    steps_leave(&steps, 2);
    step(1, 5);
    step(1, 6);
    /* Back again: nobody waits until it has caught up. */
    ck_assert_int_eq(steps_ask(&steps, 2, 1, 0), STEPS_GO);
    step(1, 7);
    step(1, 8);
    step(1, 9);
    ck_assert_int_eq(steps_ask(&steps, 1, 9, 0), STEPS_WAIT);
}
END_TEST

/* In lockstep, and alone. No ticket comes ahead of its time. */
START_TEST(test_bounded_by_nothing)
{
    begin(-1);
    steps_bound(&steps, 0);
    step(1, 1);
    step(1, 2);
    ck_assert_int_eq(steps_ask(&steps, 2, 0, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask(&steps, 1, 2, 0), STEPS_GO);
    ck_assert_int_eq(steps_ask_ahead(&steps, 1, 3, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 1, 3), 1);
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_WAIT);
    ck_assert_int_eq(steps_complete(&steps, 2, 1), 1);
    ck_assert_int_eq(steps_ask(&steps, 1, 3, 0), STEPS_GO);
}
END_TEST

/* Synchronous: whether another update may be collected. */
START_TEST(test_gate)
{
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_WAIT);
    steps_begin(&steps, 5, 7, 2, -1, 0);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_GO);
    steps_advance(&steps);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_GO);
    steps_advance(&steps);
    ck_assert_int_eq(steps.global_step, 7);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_OVER);
    steps_begin(&steps, 5, -1, 2, -1, 0);
    steps_chief(&steps, false);
    steps_advance(&steps);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_GO);
    steps_advance(&steps);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_WAIT);
    steps_saved(&steps, 7, 0);
    ck_assert_int_eq(steps_gate(&steps, 0), STEPS_GO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("steps");
    TCase *t = tcase_create("steps");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_waits_until_ready);
    tcase_add_loop_test(t, test_exactly_max_steps, 0, 50);
    tcase_add_test(t, test_asked_again);
    tcase_add_test(t, test_late_messages);
    tcase_add_test(t, test_request_numbers);
    tcase_add_test(t, test_no_ticket_no_count);
    tcase_add_test(t, test_dead_trainer);
    tcase_add_test(t, test_hold);
    tcase_add_test(t, test_without_chief);
    tcase_add_test(t, test_bounded);
    tcase_add_test(t, test_bounded_by_nothing);
    tcase_add_test(t, test_gate);
    suite_add_tcase(s, t);
    return run_suite(s);
}
