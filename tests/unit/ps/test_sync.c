/* SPDX-License-Identifier: Apache-2.0
 * Contributing sets: who is waited for, who is not, what is dropped. */
#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "sync.h"
#include "run_suite.h"

#define MEMBERS 5 /* chief, three workers, the evaluator */

static struct sync s;
static struct sync_ticket t;

/* READY when so many of all have said HELLO. */
static void begin_with(int have_come, int64_t aggregate, int64_t total)
{
    struct replicas r = {.to_aggregate = aggregate, .total = total};
    for (int i = 0; i < have_come; i++) {
        sync_join(&s, i, 70 + (uint64_t)i);
    }
    sync_begin(&s, &r, 100, 1000);
}

static void begin(int64_t aggregate, int64_t total)
{
    begin_with((int)total, aggregate, total);
}

static void setup(void)
{
    sync_init(&s, MEMBERS);
}

static void teardown(void)
{
    sync_release(&s);
}

/* One batch of a member: ask, compute, report. */
static void batch(int member, uint64_t seq)
{
    ck_assert(sync_ask(&s, member, seq - 1, &t));
    ck_assert_int_eq(sync_report(&s, member, seq, t.step), SYNC_PENDING);
}

/* Everybody's gradient, in the order of the members whoever came first. */
START_TEST(test_all)
{
    begin(3, 3);
    batch(2, 1);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 1000));
    ck_assert(sync_pending(&s, 0));
    batch(1, 1);
    ck_assert(sync_decide(&s, 1000));
    ck_assert_int_eq(s.last.step, 100);
    ck_assert_int_eq(s.step, 101);
    ck_assert_int_eq(s.last.n, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(s.last.parts[i].member, i);
        ck_assert_uint_eq(s.last.parts[i].incarnation, 70 + (uint64_t)i);
        ck_assert_uint_eq(s.last.parts[i].seq, 1);
        ck_assert_uint_eq(s.last.parts[i].batches, 1);
        ck_assert(!sync_pending(&s, i));
        ck_assert(!s.members[i].dropped);
    }
    ck_assert(!sync_decide(&s, 1000));
}
END_TEST

/* One batch an update each: a fast one does not take another's place. */
START_TEST(test_one_each)
{
    begin(2, 2);
    batch(0, 1);
    ck_assert(!sync_ask(&s, 0, 1, &t));
    batch(1, 1);
    ck_assert(sync_decide(&s, 0));
    ck_assert(sync_ask(&s, 0, 1, &t));
    ck_assert_int_eq(t.step, 101);
    ck_assert_uint_eq(t.batch, 0);
}
END_TEST

/* Backups: the first two of three; the third is dropped, told, and goes on. */
START_TEST(test_backup)
{
    begin(2, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert(sync_ask(&s, i, 0, &t));
    }
    ck_assert_int_eq(sync_report(&s, 2, 1, 100), SYNC_PENDING);
    ck_assert(!sync_decide(&s, 0));
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_PENDING);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_int_eq(s.last.parts[0].member, 0);
    ck_assert_int_eq(s.last.parts[1].member, 2);
    ck_assert_int_eq(sync_report(&s, 1, 1, 100), SYNC_DROPPED);
    ck_assert(s.members[1].dropped);
    ck_assert(!sync_pending(&s, 1));
    ck_assert_uint_eq(s.dropped, 1);
    ck_assert(sync_ask(&s, 1, 1, &t));
    ck_assert_int_eq(t.step, 101);
    ck_assert_int_eq(sync_report(&s, 1, 2, 101), SYNC_PENDING);
    ck_assert(!s.members[1].dropped);
}
END_TEST

/* Two trainers, four gradients: two batches each, added up, and not more. */
START_TEST(test_several_each)
{
    begin(4, 2);
    batch(0, 1);
    ck_assert(sync_ask(&s, 0, 1, &t));
    ck_assert_uint_eq(t.batch, 1);
    ck_assert_int_eq(sync_report(&s, 0, 2, 100), SYNC_PENDING);
    ck_assert(!sync_ask(&s, 0, 2, &t));
    batch(1, 1);
    ck_assert(!sync_decide(&s, 0));
    batch(1, 2);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_uint_eq(s.last.parts[0].batches, 2);
    ck_assert_uint_eq(s.last.parts[0].seq, 2);
    ck_assert_uint_eq(s.last.parts[1].batches, 2);
}
END_TEST

/* Three gradients of two trainers: whoever is first does the third. */
START_TEST(test_odd_share)
{
    begin(3, 2);
    batch(0, 1);
    ck_assert(sync_ask(&s, 1, 0, &t));
    ck_assert(sync_ask(&s, 0, 1, &t));
    ck_assert_int_eq(sync_report(&s, 1, 1, 100), SYNC_PENDING);
    ck_assert(!sync_ask(&s, 1, 1, &t));
    ck_assert(!sync_decide(&s, 0));
    ck_assert_int_eq(sync_report(&s, 0, 2, 100), SYNC_PENDING);
    ck_assert(sync_decide(&s, 0));
    ck_assert_uint_eq(s.last.parts[0].batches, 2);
    ck_assert_uint_eq(s.last.parts[1].batches, 1);
}
END_TEST

/* The others do not wait for one that is lost; the next update needs one less.
 * Who comes is waited for from the next update on. */
START_TEST(test_lost_and_new)
{
    begin(3, 3);
    batch(0, 1);
    batch(1, 1);
    batch(2, 1);
    ck_assert(sync_decide(&s, 0));
    batch(0, 2);
    batch(1, 2);
    ck_assert(sync_ask(&s, 2, 1, &t));
    ck_assert(!sync_decide(&s, 0));
    sync_reset(&s, 2);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_int_eq(s.needed, 2);
    sync_join(&s, 2, 99);
    batch(0, 3);
    ck_assert(sync_ask(&s, 2, 0, &t));
    ck_assert_int_eq(s.needed, 2);
    batch(1, 3);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_int_eq(s.needed, 3);
    ck_assert_int_eq(sync_report(&s, 2, 1, 101), SYNC_DROPPED);
}
END_TEST

/* What a lost trainer had complete is lost with it; what one that leaves had is
 * not, unless it is half of something. */
START_TEST(test_pending_of_the_gone)
{
    begin(2, 2);
    batch(0, 1);
    batch(1, 1);
    ck_assert(sync_decide(&s, 0));
    batch(1, 2);
    sync_reset(&s, 1);
    ck_assert(!sync_decide(&s, 0));
    batch(0, 2);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, 1);
    ck_assert_int_eq(s.last.parts[0].member, 0);

    begin(4, 2);
    batch(0, 1);
    batch(0, 2);
    batch(1, 1);
    batch(1, 2);
    ck_assert(sync_decide(&s, 0));
    batch(1, 3);
    ck_assert(sync_ask(&s, 1, 3, &t));
    batch(0, 3);
    batch(0, 4);
    sync_leave(&s, 1, _i == 1);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(s.last.n, _i == 1 ? 1 : 2);
}
END_TEST

/* An update waits for a batch that is being added to something complete. */
START_TEST(test_half_of_something)
{
    begin(4, 2);
    batch(0, 1);
    batch(0, 2);
    batch(1, 1);
    ck_assert(sync_ask(&s, 1, 1, &t));
    s.needed = 3;
    ck_assert(!sync_decide(&s, 0));
    ck_assert_int_eq(sync_report(&s, 1, 2, 100), SYNC_PENDING);
    ck_assert(sync_decide(&s, 0));
    ck_assert_uint_eq(s.last.parts[1].batches, 2);
}
END_TEST

/* At the start who is configured and never comes is waited for until the grace
 * is over, and then no more; a single trainer needs nobody. */
START_TEST(test_who_never_comes)
{
    begin_with(1, 3, 3);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 1000 + SYNC_GRACE_MS - 1));
    ck_assert(sync_decide(&s, 1000 + SYNC_GRACE_MS));
    ck_assert_int_eq(s.missing, 2);
    ck_assert_int_eq(s.last.n, 1);
    ck_assert_int_eq(s.needed, 1);
    batch(0, 2);
    ck_assert(sync_decide(&s, 1000 + SYNC_GRACE_MS));

    begin(1, 1);
    batch(0, 1);
    ck_assert(sync_decide(&s, 1000));
    ck_assert_int_eq(s.missing, 0);
}
END_TEST

/* Who comes within the grace is in the first update: no pause, all in it. */
START_TEST(test_who_comes_late)
{
    begin_with(1, 2, 2);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 4000));
    sync_join(&s, 1, 71);
    ck_assert(!sync_decide(&s, 4000));
    batch(1, 1);
    ck_assert(sync_decide(&s, 4001));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_int_eq(s.missing, 0);
}
END_TEST

/* Who has come is waited for as long as it lives, however slowly it starts. */
START_TEST(test_who_starts_slowly)
{
    begin(2, 2);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 1000 + 10 * SYNC_GRACE_MS));
    if (_i == 0) {
        sync_reset(&s, 1); /* its lease has ended */
    } else if (_i == 1) {
        sync_leave(&s, 1, false); /* it has no input at all */
    } else {
        sync_away(&s, 1, true);
    }
    ck_assert(sync_decide(&s, 1000 + 10 * SYNC_GRACE_MS));
    ck_assert_int_eq(s.last.n, 1);
    ck_assert_int_eq(s.missing, 0);
}
END_TEST

/* Backups need not come. */
START_TEST(test_backup_never_comes)
{
    begin_with(2, 2, 3);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 1000));
    batch(1, 1);
    ck_assert(sync_decide(&s, 1000));
}
END_TEST

/* A chief that comes back waits for those who live, not for those who had
 * enough. */
START_TEST(test_second_start)
{
    begin(3, 3);
    sync_leave(&s, 2, false);
    sync_reset(&s, 2);
    begin_with(2, 3, 3);
    batch(0, 1);
    ck_assert(!sync_decide(&s, 1000));
    batch(1, 1);
    ck_assert(sync_decide(&s, 1000));
    ck_assert_int_eq(s.last.n, 2);
}
END_TEST

/* Without connections a trainer is not waited for; what it had begun counts
 * when it is back in time, and it is waited for from the next update on. */
START_TEST(test_away)
{
    begin(3, 3);
    for (int i = 0; i < 3; i++) {
        batch(i, 1);
    }
    ck_assert(sync_decide(&s, 1000));
    for (int i = 0; i < 3; i++) {
        ck_assert(sync_ask(&s, i, 1, &t));
    }
    ck_assert_int_eq(sync_report(&s, 0, 2, 101), SYNC_PENDING);
    sync_away(&s, 2, true);
    ck_assert_int_eq(s.needed, 2);
    ck_assert(!sync_decide(&s, 1000));
    sync_away(&s, 2, false);
    ck_assert_int_eq(sync_report(&s, 2, 2, 101), SYNC_PENDING);
    ck_assert(sync_decide(&s, 1000));
    ck_assert_int_eq(s.last.n, 2);
    ck_assert_int_eq(s.last.parts[1].member, 2);
    ck_assert_int_eq(s.needed, 3);
    ck_assert_int_eq(sync_report(&s, 1, 2, 101), SYNC_DROPPED);
}
END_TEST

/* Doubles and what comes late change nothing. */
START_TEST(test_again)
{
    begin(2, 2);
    ck_assert(sync_ask(&s, 0, 0, &t));
    ck_assert(sync_ask(&s, 0, 0, &t));
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_PENDING);
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_OLD);
    ck_assert_int_eq(sync_report(&s, 0, 2, 100), SYNC_OLD);
    ck_assert(!sync_ask(&s, 0, 0, &t));
    ck_assert_uint_eq(s.members[0].batches, 1);
    batch(1, 1);
    ck_assert(sync_decide(&s, 0));
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_OLD);
    /* The answer was lost, and the update made without it: a new ticket. */
    ck_assert(sync_ask(&s, 0, 1, &t));
    batch(1, 2);
    sync_reset(&s, 1);
    ck_assert(sync_ask(&s, 0, 1, &t));
    ck_assert_int_eq(t.step, 101);
}
END_TEST

/* A late double of the question has moved the ticket on: what was computed for
 * the old update does not count for the new one. */
START_TEST(test_moved_ticket)
{
    begin(1, 2);
    ck_assert(sync_ask(&s, 0, 0, &t));
    batch(1, 1);
    ck_assert(sync_decide(&s, 0));
    ck_assert(sync_ask(&s, 0, 0, &t));
    ck_assert_int_eq(t.step, 101);
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_DROPPED);
    ck_assert(!sync_pending(&s, 0));
}
END_TEST

/* Not begun, or ended: nothing. */
START_TEST(test_halted)
{
    ck_assert(!sync_ask(&s, 0, 0, &t));
    ck_assert(!sync_decide(&s, 0));
    begin(1, 1);
    ck_assert(sync_ask(&s, 0, 0, &t));
    sync_halt(&s);
    ck_assert_int_eq(sync_report(&s, 0, 1, 100), SYNC_OLD);
    struct replicas async = {.to_aggregate = 0};
    sync_begin(&s, &async, 0, 0);
    ck_assert(!sync_ask(&s, 0, 0, &t));
}
END_TEST

/* Whatever happens in whatever order: each batch is in one set at the most, a
 * set is never empty, and whoever trains is served in the end. */
START_TEST(test_random)
{
    struct rng rng = {.state = (uint64_t)_i};
    uint64_t seq[4] = {0}, taken[4] = {0};
    bool has[4] = {false};
    int64_t at[4] = {0}, decided = 0;
    begin_with(4, 1 + (int64_t)rng_below(&rng, 6),
               1 + (int64_t)rng_below(&rng, 4));
    for (int i = 0; i < 3000; i++) {
        int m = (int)rng_below(&rng, 4);
        uint64_t what = rng_below(&rng, 100);
        if (what == 0) {
            sync_reset(&s, m);
            has[m] = false;
        } else if (what < 4) {
            sync_away(&s, m, what < 3);
        } else if (has[m]) {
            (void)sync_report(&s, m, ++seq[m], at[m]);
            has[m] = false;
        } else if (sync_ask(&s, m, seq[m], &t)) {
            has[m] = true;
            at[m] = t.step;
        }
        if (sync_decide(&s, 1000 + (uint64_t)i * 100)) {
            decided++;
            ck_assert_int_gt(s.last.n, 0);
            for (int k = 0; k < s.last.n; k++) {
                const struct sync_part *p = &s.last.parts[k];
                ck_assert_uint_gt(p->seq - p->batches + 1, taken[p->member]);
                taken[p->member] = p->seq;
            }
        }
    }
    ck_assert_int_gt(decided, 100);
    ck_assert_int_eq(s.step, 100 + decided);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sync");
    TCase *c = tcase_create("sync");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, test_all);
    tcase_add_test(c, test_one_each);
    tcase_add_test(c, test_backup);
    tcase_add_test(c, test_several_each);
    tcase_add_test(c, test_odd_share);
    tcase_add_test(c, test_lost_and_new);
    tcase_add_loop_test(c, test_pending_of_the_gone, 0, 2);
    tcase_add_test(c, test_half_of_something);
    tcase_add_test(c, test_who_never_comes);
    tcase_add_test(c, test_who_comes_late);
    tcase_add_loop_test(c, test_who_starts_slowly, 0, 3);
    tcase_add_test(c, test_backup_never_comes);
    tcase_add_test(c, test_second_start);
    tcase_add_test(c, test_away);
    tcase_add_test(c, test_again);
    tcase_add_test(c, test_moved_ticket);
    tcase_add_test(c, test_halted);
    tcase_add_loop_test(c, test_random, 0, 50);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
