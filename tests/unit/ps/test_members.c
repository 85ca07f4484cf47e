/* SPDX-License-Identifier: Apache-2.0
 * Who speaks for a task: takeovers, leases, fences. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "members.h"
#include "run_suite.h"

static struct members ms;
static char text[512];

static void setup(void)
{
    members_init(&ms, 2);
    text[0] = '\0';
}

static void teardown(void)
{
    members_release(&ms);
}

static enum member_answer hello(int member, uint64_t incarnation, uint64_t now)
{
    return members_hello(&ms, member, incarnation, "hostA", 7, now, text,
                         sizeof(text));
}

START_TEST(test_find)
{
    ck_assert_int_eq(members_find(&ms, MEMBER_CHIEF, 0), 0);
    ck_assert_int_eq(members_find(&ms, MEMBER_WORKER, 1), 2);
    ck_assert_int_eq(members_find(&ms, MEMBER_EVALUATOR, 0), 3);
    ck_assert_int_eq(members_find(&ms, MEMBER_WORKER, 2), -1);
    ck_assert_int_eq(members_find(&ms, 5, 0), -1);
}
END_TEST

/* The newest HELLO wins; the one before is refused from then on. */
START_TEST(test_takeover)
{
    ck_assert_int_eq(hello(1, 11, 0), MEMBER_NEW);
    ck_assert_int_eq(hello(1, 11, 5), MEMBER_SAME);
    ck_assert_int_eq(members_judge(&ms, 1, 11), MEMBER_SAME);
    ck_assert_int_eq(members_judge(&ms, 1, 12), MEMBER_UNKNOWN);
    ck_assert_int_eq(hello(1, 12, 10), MEMBER_TAKEOVER);
    ck_assert_int_eq(members_judge(&ms, 1, 12), MEMBER_SAME);
    ck_assert_int_eq(members_judge(&ms, 1, 11), MEMBER_REPLACED);
    ck_assert_int_eq(hello(1, 11, 11), MEMBER_REPLACED);
    ck_assert_int_eq(members_judge(&ms, 1, 12), MEMBER_SAME);
    /* Another task is not concerned. */
    ck_assert_int_eq(hello(2, 11, 12), MEMBER_NEW);
}
END_TEST

/* The HELLO of a process that is dead by now comes after that of its successor:
 * it says nothing more, and the living one is not refused for good. */
START_TEST(test_hello_of_a_dead_one)
{
    ck_assert_int_eq(hello(1, 12, 0), MEMBER_NEW);
    members_connected(&ms, 1);
    members_asked(&ms, 1, 12);
    ck_assert_int_eq(hello(1, 11, 10), MEMBER_TAKEOVER);
    members_connected(&ms, 1);
    members_connected(&ms, 1);
    members_disconnected(&ms, 1, 12, 10); /* of the old one: counts not */
    members_disconnected(&ms, 1, 11, 11);
    ck_assert_int_eq(members_judge(&ms, 1, 12), MEMBER_REPLACED);
    members_disconnected(&ms, 1, 11, 11);
    ck_assert_int_eq(members_judge(&ms, 1, 12), MEMBER_EXPIRED);
    ck_assert_int_eq(hello(1, 13, 12), MEMBER_TAKEOVER);
    members_connected(&ms, 1);
    ck_assert_int_eq(members_judge(&ms, 1, 13), MEMBER_SAME);
}
END_TEST

/* It has asked for something before it went: it lived. */
START_TEST(test_takeover_that_was_meant)
{
    ck_assert_int_eq(hello(1, 11, 0), MEMBER_NEW);
    members_connected(&ms, 1);
    ck_assert_int_eq(hello(1, 12, 10), MEMBER_TAKEOVER);
    members_connected(&ms, 1);
    members_asked(&ms, 1, 11); /* late, of the old one */
    members_asked(&ms, 1, 12);
    members_disconnected(&ms, 1, 12, 20);
    ck_assert_int_eq(members_judge(&ms, 1, 11), MEMBER_REPLACED);
}
END_TEST

START_TEST(test_lease)
{
    ck_assert_int_eq(hello(0, 21, 0), MEMBER_NEW);
    for (uint64_t now = 0; now < MEMBERS_LEASE_MS; now += 250) {
        ck_assert_int_eq(members_expire(&ms, now), -1);
    }
    ck_assert_int_eq(members_expire(&ms, MEMBERS_LEASE_MS), 0);
    ck_assert_int_eq(members_expire(&ms, MEMBERS_LEASE_MS), -1);
    ck_assert_int_eq(members_judge(&ms, 0, 21), MEMBER_EXPIRED);
    ck_assert_int_eq(hello(0, 21, 10001), MEMBER_EXPIRED);
    ck_assert_int_eq(hello(0, 22, 10002), MEMBER_NEW);
}
END_TEST

START_TEST(test_heartbeats_renew)
{
    ck_assert_int_eq(hello(0, 21, 0), MEMBER_NEW);
    for (uint64_t now = 0; now < 60000; now += 250) {
        if (now % 1000 == 0) {
            members_renew(&ms, 0, now);
        }
        ck_assert_int_eq(members_expire(&ms, now), -1);
    }
}
END_TEST

/* A ps that was stopped for a minute does not declare everybody dead. */
START_TEST(test_own_sleep)
{
    ck_assert_int_eq(hello(0, 21, 0), MEMBER_NEW);
    ck_assert_int_eq(members_expire(&ms, 500), -1);
    ck_assert_int_eq(members_expire(&ms, 60500), -1);
    for (uint64_t now = 60750; now < 69900; now += 250) {
        ck_assert_int_eq(members_expire(&ms, now), -1);
    }
    ck_assert_int_eq(members_expire(&ms, 70000), 0);
}
END_TEST

/* Two processes with one task throw each other out: both are refused. */
START_TEST(test_flapping)
{
    ck_assert_int_eq(hello(1, 31, 0), MEMBER_NEW);
    for (uint64_t i = 1; i <= 3; i++) {
        ms.all[1].connections = 2;
        ck_assert_int_eq(hello(1, 31 + i, i * 1000), MEMBER_TAKEOVER);
    }
    ms.all[1].connections = 2;
    ck_assert_int_eq(hello(1, 35, 4000), MEMBER_FLAPPING);
    ck_assert_msg(strstr(text, "worker/0 is claimed by two processes") != NULL,
                  "got: %s", text);
    ck_assert_int_eq(members_judge(&ms, 1, 34), MEMBER_FLAPPING);
    ck_assert_int_eq(hello(1, 34, 4500), MEMBER_FLAPPING);
    ck_assert_msg(strstr(text, "worker/0 is claimed by two processes") != NULL,
                  "got: %s", text);
}
END_TEST

/* A process that dies again and again fights with nobody. */
START_TEST(test_dies_often)
{
    ck_assert_int_eq(hello(1, 31, 0), MEMBER_NEW);
    for (uint64_t i = 1; i <= 20; i++) {
        ms.all[1].connections = 0; /* as when it was killed */
        ck_assert_int_eq(hello(1, 31 + i, i * 1000), MEMBER_TAKEOVER);
    }
}
END_TEST

/* A pod that is replaced now and then is no flapping. */
START_TEST(test_slow_takeovers)
{
    ck_assert_int_eq(hello(1, 41, 0), MEMBER_NEW);
    for (uint64_t i = 1; i < 20; i++) {
        ck_assert_int_eq(hello(1, 41 + i, i * 21000), MEMBER_TAKEOVER);
    }
}
END_TEST

START_TEST(test_fence)
{
    ck_assert_int_eq(hello(1, 51, 0), MEMBER_NEW);
    ck_assert(!members_fence(&ms, MEMBER_WORKER, 0, 50));
    ck_assert_int_eq(members_judge(&ms, 1, 51), MEMBER_SAME);
    ck_assert(members_fence(&ms, MEMBER_WORKER, 0, 51));
    ck_assert(!members_fence(&ms, MEMBER_WORKER, 0, 51));
    ck_assert_int_eq(members_judge(&ms, 1, 51), MEMBER_EXPIRED);
    ck_assert_int_eq(hello(1, 50, 1), MEMBER_EXPIRED);
    ck_assert_int_eq(hello(1, 52, 2), MEMBER_NEW);
}
END_TEST

START_TEST(test_nobody)
{
    ck_assert_int_eq(hello(-1, 61, 0), MEMBER_UNKNOWN);
    ck_assert_int_eq(hello(1, 0, 0), MEMBER_UNKNOWN);
    ck_assert_int_eq(members_judge(&ms, -1, 61), MEMBER_UNKNOWN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("members");
    TCase *t = tcase_create("members");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_find);
    tcase_add_test(t, test_takeover);
    tcase_add_test(t, test_hello_of_a_dead_one);
    tcase_add_test(t, test_takeover_that_was_meant);
    tcase_add_test(t, test_lease);
    tcase_add_test(t, test_heartbeats_renew);
    tcase_add_test(t, test_own_sleep);
    tcase_add_test(t, test_flapping);
    tcase_add_test(t, test_dies_often);
    tcase_add_test(t, test_slow_takeovers);
    tcase_add_test(t, test_fence);
    tcase_add_test(t, test_nobody);
    suite_add_tcase(s, t);
    return run_suite(s);
}
