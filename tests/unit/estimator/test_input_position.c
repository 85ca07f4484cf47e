/* SPDX-License-Identifier: Apache-2.0
 * Files of input positions: found by step, pruned, whole under any fault. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "estimator/training/input_position.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;
static struct crew_err err;

static void setup(void)
{
    env = env_mem_new(1);
    err = (struct crew_err){0};
}

static void teardown(void)
{
    env_mem_free(env);
}

static struct input_position at(int64_t step)
{
    return (struct input_position){.step = step,
                                   .batches = step / 2,
                                   .seed = UINT64_MAX - 5,
                                   .num_trainers = 3,
                                   .trainer_index = 2};
}

static void put(const char *who, int64_t step, int64_t keep)
{
    struct input_position p = at(step);

    ck_assert_msg(
        input_position_write(env, "/m", who, &p, keep, &err) == CREW_OK, "%s",
        err.msg);
}

/* The step of what is found, -1 for nothing. */
static int64_t get(const char *who, int64_t step, bool exact)
{
    struct input_position p = {0};
    bool found = true;

    ck_assert_msg(input_position_read(env, "/m", who, step, exact, &found, &p,
                                      &err) == CREW_OK,
                  "%s", err.msg);
    if (!found) {
        return -1;
    }
    ck_assert_int_eq(p.batches, p.step / 2);
    ck_assert_uint_eq(p.seed, UINT64_MAX - 5);
    ck_assert_int_eq(p.num_trainers, 3);
    ck_assert_int_eq(p.trainer_index, 2);
    return p.step;
}

START_TEST(is_found_by_step)
{
    ck_assert_int_eq(get("chief/0", 100, true), -1);
    put("chief/0", 0, 0);
    put("chief/0", 100, 0);
    put("chief/0", 205, 0);
    put("worker/1", 101, 0);
    put("worker/10", 90, 0);
    ck_assert_int_eq(get("chief/0", 100, true), 100);
    ck_assert_int_eq(get("chief/0", 101, true), -1);
    ck_assert_int_eq(get("chief/0", 160, false), 205);
    ck_assert_int_eq(get("chief/0", 1, false), 0);
    ck_assert_int_eq(get("worker/1", 300, false), 101);
    ck_assert_int_eq(get("worker/2", 100, false), -1);
}
END_TEST

START_TEST(old_ones_and_those_of_a_life_rolled_back_go)
{
    for (int64_t step = 10; step <= 50; step += 10) {
        put("chief/0", step, 3);
    }
    ck_assert_int_eq(get("chief/0", 20, true), -1);
    ck_assert_int_eq(get("chief/0", 30, true), 30);
    put("chief/0", 35, 3);
    ck_assert_int_eq(get("chief/0", 50, true), -1);
    ck_assert_int_eq(get("chief/0", 40, true), -1);
    ck_assert_int_eq(get("chief/0", 35, true), 35);
    ck_assert_int_eq(get("chief/0", 30, true), 30);
}
END_TEST

START_TEST(damage_is_said)
{
    static const char *const bad[] = {
        "", "\n", "input 1 step 7 batches 3 seed 1 trainer 0 of 1\n",
        "input 1 step 7 batches 3 seed 1 trainer 0 of 1 crc 00000000\n"};
    struct input_position p;
    bool found;

    put("chief/0", 7, 0);
    ck_assert_int_eq(fs_replace_file(env, "/m/.crew/input-chief-0-7", bad[_i],
                                     strlen(bad[_i]), &err),
                     CREW_OK);
    ck_assert_int_eq(
        input_position_read(env, "/m", "chief/0", 7, true, &found, &p, &err),
        CREW_DATA_LOSS);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    ck_assert_ptr_nonnull(strstr(err.msg, "input-chief-0-7"));
}
END_TEST

START_TEST(any_fault_leaves_the_old_or_the_new_one)
{
    for (int64_t n = 1;; n++) {
        struct crew_err failed = {0};
        struct input_position p = at(20);
        bool fired;

        put("chief/0", 10, 0);
        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, false);
        (void)input_position_write(env, "/m", "chief/0", &p, 1, &failed);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        if (failed.code == CREW_OK) {
            ck_assert_int_eq(get("chief/0", 20, true), 20);
        } else {
            ck_assert_int_eq(get("chief/0", 10, true), 10);
        }
        if (!fired) {
            ck_assert_int_gt(n, 4);
            break;
        }
    }
}
END_TEST

START_TEST(reading_fails_in_words)
{
    put("chief/0", 10, 0);
    for (int64_t n = 1;; n++) {
        struct crew_err failed = {0};
        struct input_position p;
        bool found = false;

        env_mem_fail_at(env, n, CREW_UNAVAILABLE, false);
        if (input_position_read(env, "/m", "chief/0", 10, true, &found, &p,
                                &failed) == CREW_OK) {
            ck_assert(found);
            ck_assert_int_gt(n, 2);
            break;
        }
        ck_assert_int_eq(failed.code, CREW_UNAVAILABLE);
    }
    env_mem_fail_at(env, 0, 0, false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("input_position");
    TCase *t = tcase_create("input_position");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, is_found_by_step);
    tcase_add_test(t, old_ones_and_those_of_a_life_rolled_back_go);
    tcase_add_loop_test(t, damage_is_said, 0, 4);
    tcase_add_test(t, any_fault_leaves_the_old_or_the_new_one);
    tcase_add_test(t, reading_fails_in_words);
    suite_add_tcase(s, t);
    return run_suite(s);
}
