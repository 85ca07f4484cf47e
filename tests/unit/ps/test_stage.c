/* SPDX-License-Identifier: Apache-2.0
 * Gradients that wait, and the mean that is made of them: the bits, once. */
#include <check.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stage.h"
#include "run_suite.h"

#define MEMBERS 3
#define N 7

static const struct shard_place places[] = {
    {.id = 0, .variable = 0, .offset = 0, .count = N},
    {.id = 1, .variable = 1, .offset = 0, .count = 2},
};

static struct shard *shard;
static struct stage *stage;

static void make(const struct crew_optimizer *o)
{
    struct crew_err err = {0};
    ck_assert_int_eq(shard_new(o, 1, places, 2, MEMBERS, &shard, &err), 0);
    ck_assert_int_eq(stage_new(shard, &stage, &err), CREW_OK);
    for (uint32_t id = 0; id < 2; id++) {
        struct shard_granule *g = shard_find(shard, id);
        for (int64_t i = 0; i < g->count; i++) {
            g->value[i] = 1.0f + (float)i * 0.3f;
            for (uint32_t k = 1; k < shard_parts(g); k++) {
                g->slot[k - 1][i] = 0;
            }
        }
    }
    for (int m = 0; m < MEMBERS; m++) {
        ck_assert_int_eq(stage_room(stage, m, &err), CREW_OK);
    }
    stage_begin(stage, 40);
}

static void setup(void)
{
    struct crew_optimizer sgd = crew_gradient_descent(1);
    make(&sgd);
}

static void teardown(void)
{
    stage_free(stage);
    shard_free(shard);
}

static float gradient(int member, uint64_t seq, int64_t i)
{
    return 0.1f * (float)(member + 1) + 0.7f * (float)seq +
           0.013f * (float)(i * i);
}

static enum stage_answer add_to(uint32_t id,
                                int member,
                                uint64_t seq,
                                int64_t step,
                                uint32_t batch)
{
    float grad[N];
    struct stage_tag tag = {.incarnation = 7 + (uint64_t)member,
                            .seq = seq,
                            .step = step,
                            .batches = batch + 1,
                            .learning_rate = 0.5f};
    for (int64_t i = 0; i < N; i++) {
        grad[i] = gradient(member, seq, i);
    }
    return stage_add(stage, shard_find(shard, id), member, &tag, grad);
}

static void add(int member, uint64_t seq, int64_t step, uint32_t batch)
{
    ck_assert_int_eq(add_to(0, member, seq, step, batch), STAGE_TAKEN);
    ck_assert_int_eq(add_to(1, member, seq, step, batch), STAGE_TAKEN);
}

static int commit(int64_t step, int n, struct sync_part *parts, bool *made)
{
    struct crew_err err = {0};
    struct sync_update u = {.step = step, .n = n, .parts = parts};
    return stage_commit(stage, &u, made, &err);
}

/* The mean in the order of the members, whatever the order of arrival. */
START_TEST(test_mean)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};
    struct sync_part parts[] = {{0, 7, 5, 1}, {1, 8, 9, 1}, {2, 9, 2, 1}};
    const uint64_t seqs[] = {5, 9, 2};
    bool made = false;
    for (int k = 0; k < 3; k++) {
        int m = orders[_i][k];
        add(m, seqs[m], 40, 0);
    }
    ck_assert_int_eq(commit(40, 3, parts, &made), CREW_OK);
    ck_assert(made);
    ck_assert_int_eq(stage->step, 41);
    for (int64_t i = 0; i < N; i++) {
        float sum = gradient(0, 5, i);
        sum += gradient(1, 9, i);
        sum += gradient(2, 2, i);
        float want = 1.0f + (float)i * 0.3f;
        want -= 0.5f * (sum / 3.0f);
        ck_assert_mem_eq(&shard_find(shard, 0)->value[i], &want, 4);
    }
}
END_TEST

/* Rows of a table: each divided by how many have it, in the members' order. */
START_TEST(test_rows)
{
    static const struct shard_place place = {.count = 5, .width = 1};
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct shard *sh = NULL;
    struct stage *st = NULL;
    struct crew_err err = {0};
    const uint32_t list[3][2] = {{1, 4}, {0, 1}, {1, 2}};
    const float values[3][2] = {{.1f, 5}, {7, .2f}, {.7f, 9}};
    struct sync_part parts[] = {{0, 7, 1, 1}, {1, 8, 1, 1}, {2, 9, 1, 1}};
    struct sync_update u = {.step = 40, .n = 3, .parts = parts};
    bool made = false;
    ck_assert_int_eq(shard_new(&sgd, 1, &place, 1, 3, &sh, &err), 0);
    ck_assert_int_eq(stage_new(sh, &st, &err), 0);
    struct shard_granule *g = shard_find(sh, 0);
    stage_begin(st, 40);
    for (int round = 0; round < 2; round++, u.step++) {
        for (int i = 0; i < 5; i++) {
            g->value[i] = 100;
        }
        for (int m = 2; m >= 0; m--) {
            struct optim_rows rows = {
                .n = 2, .width = 1, .rows = list[m], .values = values[m]};
            struct stage_tag tag = {.incarnation = 7 + (uint64_t)m,
                                    .seq = 1 + (uint64_t)round,
                                    .step = u.step,
                                    .batches = 1,
                                    .learning_rate = 1};
            parts[m].seq = tag.seq;
            ck_assert_int_eq(stage_room(st, m, &err), CREW_OK);
            ck_assert_int_eq(stage_add_rows(st, g, m, &tag, &rows),
                             STAGE_TAKEN);
            ck_assert_int_eq(stage_add_rows(st, g, m, &tag, &rows),
                             STAGE_DUPLICATE);
        }
        ck_assert_int_eq(stage_commit(st, &u, &made, &err), CREW_OK);
        float sum = .1f + .2f;
        sum += .7f;
        const float want[5] = {93, 100 - sum / 3, 91, 100, 95};
        ck_assert_mem_eq(g->value, want, sizeof(want));
    }
    stage_free(st);
    shard_free(sh);
}
END_TEST

/* Made once, however often it is told. */
START_TEST(test_once)
{
    struct sync_part parts[] = {{1, 8, 3, 1}};
    bool made = false;
    add(1, 3, 40, 0);
    ck_assert_int_eq(commit(40, 1, parts, &made), CREW_OK);
    float after = shard_find(shard, 0)->value[3];
    ck_assert_int_eq(commit(40, 1, parts, &made), CREW_OK);
    ck_assert(!made);
    ck_assert_mem_eq(&shard_find(shard, 0)->value[3], &after, 4);
    ck_assert_int_eq(stage->step, 41);
}
END_TEST

/* Batches of one trainer are added up first, and count as many. */
START_TEST(test_batches)
{
    struct sync_part parts[] = {{0, 7, 1, 1}, {2, 9, 2, 2}};
    bool made = false;
    add(2, 1, 40, 0);
    add(2, 2, 40, 1);
    add(0, 1, 40, 0);
    ck_assert_int_eq(commit(40, 2, parts, &made), CREW_OK);
    for (int64_t i = 0; i < N; i++) {
        float two = gradient(2, 1, i);
        two += gradient(2, 2, i);
        float sum = gradient(0, 1, i);
        sum += two;
        float want = 1.0f + (float)i * 0.3f;
        want -= 0.5f * (sum / 3.0f);
        ck_assert_mem_eq(&shard_find(shard, 0)->value[i], &want, 4);
    }
}
END_TEST

/* A gradient that comes again is not taken in again; one of an update that has
 * been made is late; one that cannot be is told. */
START_TEST(test_answers)
{
    struct sync_part parts[] = {{0, 7, 1, 1}};
    bool made = false;
    add(0, 1, 40, 0);
    ck_assert_int_eq(add_to(0, 0, 1, 40, 0), STAGE_DUPLICATE);
    ck_assert_uint_eq(stage_count(stage, 0, 7, 1), 2);
    ck_assert_uint_eq(stage_count(stage, 0, 8, 1), 0);
    ck_assert_uint_eq(stage_count(stage, 1, 8, 1), 0);
    ck_assert_int_eq(add_to(0, 1, 1, 41, 0), STAGE_WRONG);
    ck_assert_int_eq(add_to(0, 1, 2, 40, 1), STAGE_WRONG);
    ck_assert_int_eq(commit(40, 1, parts, &made), CREW_OK);
    ck_assert_int_eq(add_to(0, 2, 1, 40, 0), STAGE_LATE);
    /* Half of a batch that was given up is overwritten by the next one. */
    ck_assert_int_eq(add_to(0, 2, 2, 41, 0), STAGE_TAKEN);
    ck_assert_int_eq(add_to(0, 2, 3, 41, 0), STAGE_TAKEN);
    ck_assert_int_eq(add_to(1, 2, 3, 41, 0), STAGE_TAKEN);
    ck_assert_uint_eq(stage_count(stage, 2, 9, 3), 2);
}
END_TEST

/* Nothing is changed by an update whose gradients are not all here. */
START_TEST(test_not_here)
{
    struct sync_part none[] = {{0, 7, 2, 1}};
    struct sync_part whose[] = {{9, 7, 1, 1}};
    struct sync_part order[] = {{1, 8, 1, 1}, {0, 7, 1, 1}};
    struct sync_part life[] = {{0, 99, 1, 1}};
    struct sync_part more[] = {{0, 7, 1, 2}};
    struct sync_part well[] = {{0, 7, 1, 1}};
    bool made = false;
    add(0, 1, 40, 0);
    add(1, 1, 40, 0);
    float before = shard_find(shard, 0)->value[0];
    ck_assert_int_eq(commit(40, 1, none, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(40, 1, whose, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(40, 2, order, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(40, 1, life, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(40, 1, more, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(40, 0, well, &made), CREW_INTERNAL);
    ck_assert_int_eq(commit(41, 1, well, &made), CREW_INTERNAL);
    ck_assert(!made);
    ck_assert_mem_eq(&shard_find(shard, 0)->value[0], &before, 4);
    ck_assert_int_eq(commit(40, 1, well, &made), CREW_OK);
    ck_assert(made);
}
END_TEST

/* A new incarnation begins anew; its half push is not taken for the old one's.
 */
START_TEST(test_new_life)
{
    struct sync_part parts[] = {{0, 7, 1, 1}};
    bool made = false;
    add(0, 1, 40, 0);
    shard_forget(shard, 0);
    ck_assert_uint_eq(stage_count(stage, 0, 55, 1), 0);
    /* Decided before it died: it is still made. */
    ck_assert_int_eq(commit(40, 1, parts, &made), CREW_OK);
    ck_assert(made);
    add(0, 1, 41, 0);
    ck_assert_uint_eq(stage_count(stage, 0, 7, 1), 2);
}
END_TEST

/* Adam's powers move once an update. */
START_TEST(test_powers)
{
    struct crew_optimizer adam = crew_adam(0.1);
    struct sync_part parts[] = {{0, 7, 1, 1}, {1, 8, 1, 1}};
    bool made = false;
    stage_free(stage);
    shard_free(shard);
    make(&adam);
    add(0, 1, 40, 0);
    add(1, 1, 40, 0);
    ck_assert_int_eq(commit(40, 2, parts, &made), CREW_OK);
    struct optim_powers want = optim_powers_initial(&adam);
    optim_powers_advance(&adam, &want);
    ck_assert_mem_eq(&shard_find(shard, 1)->powers, &want, sizeof(want));
}
END_TEST

/* No memory is an error, not an end; and room is made once. */
START_TEST(test_room)
{
    struct crew_err err = {0};
    struct stage *other = NULL;
    mem_fail_at(1, false);
    ck_assert_int_eq(stage_new(shard, &other, &err), CREW_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(stage_new(shard, &other, &err), CREW_OK);
    mem_fail_at(1, false);
    ck_assert_int_eq(stage_room(other, 0, &err), CREW_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(stage_room(other, 0, &err), CREW_OK);
    mem_fail_at(1, true);
    ck_assert_int_eq(stage_room(other, 0, &err), CREW_OK);
    mem_fail_at(0, false);
    stage_free(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stage");
    TCase *c = tcase_create("stage");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, test_mean, 0, 3);
    tcase_add_test(c, test_once);
    tcase_add_test(c, test_rows);
    tcase_add_test(c, test_batches);
    tcase_add_test(c, test_answers);
    tcase_add_test(c, test_not_here);
    tcase_add_test(c, test_new_life);
    tcase_add_test(c, test_powers);
    tcase_add_test(c, test_room);
    suite_add_tcase(s, c);
    return run_suite(s);
}
