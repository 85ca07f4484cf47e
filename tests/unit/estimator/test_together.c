/* SPDX-License-Identifier: Apache-2.0
 * Options, the job's optimizers and the cluster, made one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config/run_config.h"
#include "estimator/training/together.h"
#include "run_suite.h"

static struct crew_run_config rc;
static struct crew_optimizer optimizers[2];
static struct replicas r;
static struct crew_err err;

static void setup(void)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    run_config_defaults(&rc, &ts, &es);
    err = (struct crew_err){0};
    optimizers[0] = optimizers[1] = crew_adam(0.1);
}

static int of(int64_t num_trainers)
{
    return together_of(&rc, optimizers, 2, num_trainers, &r, &err);
}

START_TEST(test_default)
{
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert(!replicas_sync(&r));
    ck_assert(!r.bounded);
}
END_TEST

START_TEST(test_sync)
{
    rc.sync = 1;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert_int_eq(r.to_aggregate, 3);
    ck_assert_int_eq(r.total, 3);
    rc.sync = -1;
    rc.replicas_to_aggregate = 2;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert_int_eq(r.to_aggregate, 2);
    ck_assert_int_eq(r.total, 3);
    rc.total_num_replicas = 5;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert_int_eq(r.total, 5);
}
END_TEST

/* The job's numbers hold until the user has others. */
START_TEST(test_job)
{
    optimizers[0] = optimizers[1] = crew_sync_replicas(crew_adam(0.1), 4, 6);
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert_int_eq(r.to_aggregate, 4);
    ck_assert_int_eq(r.total, 6);
    rc.replicas_to_aggregate = 2;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert_int_eq(r.to_aggregate, 2);
    ck_assert_int_eq(r.total, 6);
    rc.replicas_to_aggregate = 0;
    rc.sync = 0;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert(!replicas_sync(&r));
}
END_TEST

START_TEST(test_refused)
{
    optimizers[0] = crew_sync_replicas(crew_adam(0.1), 4, 6);
    ck_assert_int_eq(of(3), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_ptr_nonnull(strstr(err.msg, "4 of 6 and 0 of 0"));
    setup();
    rc.sync = 0;
    rc.replicas_to_aggregate = 2;
    ck_assert_int_eq(of(3), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 64);
    setup();
    rc.sync = 1;
    rc.max_staleness = 2;
    ck_assert_int_eq(of(3), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 64);
    setup();
    optimizers[0] = optimizers[1] = crew_sync_replicas(crew_adam(0.1), -4, 0);
    ck_assert_int_eq(of(3), CREW_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_bounded)
{
    rc.max_staleness = 0;
    ck_assert_int_eq(of(3), CREW_OK);
    ck_assert(r.bounded);
    ck_assert_int_eq(r.max_staleness, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("together");
    TCase *c = tcase_create("together");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, test_default);
    tcase_add_test(c, test_sync);
    tcase_add_test(c, test_job);
    tcase_add_test(c, test_refused);
    tcase_add_test(c, test_bounded);
    suite_add_tcase(s, c);
    return run_suite(s);
}
