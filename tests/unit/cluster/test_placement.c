/* SPDX-License-Identifier: Apache-2.0
 * Placement: complete, bounded, balanced, the same everywhere. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/placement.h"
#include "run_suite.h"

static struct placement *place(const struct crew_shape *shapes,
                               uint32_t n,
                               int ps)
{
    struct placement *p = NULL;
    struct crew_err err = {0};
    ck_assert_msg(placement_new(shapes, NULL, n, ps, &p, &err) == CREW_OK, "%s",
                  err.msg);
    return p;
}

static int64_t count(const struct crew_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) {
        n *= s->dim[i];
    }
    return n;
}

/* Every element lies in exactly one granule, none is too large, ids follow the
 * variables. */
static void check_whole(const struct placement *p,
                        const struct crew_shape *shapes,
                        uint32_t n)
{
    for (uint32_t v = 0; v < n; v++) {
        int64_t at = 0;
        for (uint32_t id = p->first[v]; id < p->first[v + 1]; id++) {
            const struct granule *g = &p->granules[id];
            ck_assert_uint_eq(g->variable, v);
            ck_assert_int_eq(g->offset, at);
            ck_assert_int_gt(g->count, 0);
            ck_assert_int_le(g->count * 4, PLACEMENT_MAX_BYTES);
            ck_assert_int_lt((int)g->ps, p->num_ps);
            at += g->count;
        }
        ck_assert_int_eq(at, count(&shapes[v]));
    }
    ck_assert_uint_eq(p->first[n], p->num_granules);
}

static void check_balance(const struct placement *p, double most_over_mean)
{
    int64_t total = 0, most = 0;
    for (int i = 0; i < p->num_ps; i++) {
        int64_t b = placement_bytes(p, i);
        total += b;
        most = b > most ? b : most;
    }
    double ratio = (double)most * p->num_ps / (double)total;
    ck_assert_msg(ratio <= most_over_mean,
                  "the fullest ps has %.3f of the mean", ratio);
}

/* A convolutional net, 98 % of it in one matrix. */
START_TEST(test_one_large)
{
    const struct crew_shape shapes[] = {
        crew_shape4(5, 5, 1, 32),  crew_shape1(32),
        crew_shape4(5, 5, 32, 64), crew_shape1(64),
        crew_shape2(3136, 1024),   crew_shape1(1024),
        crew_shape2(1024, 10),     crew_shape1(10)};
    for (int ps = 1; ps <= 9; ps++) {
        struct placement *p = place(shapes, 8, ps);
        check_whole(p, shapes, 8);
        check_balance(p, 1.03);
        placement_free(p);
    }
}
END_TEST

/* Rows are not cut through where there are enough of them. */
START_TEST(test_rows)
{
    const struct crew_shape table = crew_shape2(100000, 64);
    struct placement *p = place(&table, 1, 3);
    check_whole(p, &table, 1);
    check_balance(p, 1.001);
    for (uint32_t id = 0; id < p->num_granules; id++) {
        ck_assert_int_eq(p->granules[id].offset % 64, 0);
    }
    placement_free(p);
}
END_TEST

/* A small variable stays whole. */
START_TEST(test_small)
{
    const struct crew_shape small[] = {crew_shape2(100, 100),
                                       crew_scalar_shape(), crew_shape1(0)};
    struct placement *p = place(small, 3, 4);
    check_whole(p, small, 3);
    ck_assert_uint_eq(p->num_granules, 2);
    placement_free(p);
}
END_TEST

START_TEST(test_no_variables)
{
    struct placement *p = place(NULL, 0, 2);
    ck_assert_uint_eq(p->num_granules, 0);
    ck_assert_int_eq(placement_bytes(p, 0), 0);
    placement_free(p);
}
END_TEST

/* Any shapes: whole, and the same answer twice. */
START_TEST(test_random)
{
    struct rng rng = {.state = (uint64_t)_i};
    struct crew_shape shapes[20];
    uint32_t n = 1 + (uint32_t)rng_below(&rng, 20);
    for (uint32_t v = 0; v < n; v++) {
        int64_t a = 1 + (int64_t)rng_below(&rng, 3000),
                b = 1 + (int64_t)rng_below(&rng, 1200);
        shapes[v] = rng_below(&rng, 2) ? crew_shape2(a, b) : crew_shape1(a * b);
    }
    int ps = 1 + (int)rng_below(&rng, 17);
    struct placement *p = place(shapes, n, ps), *q = place(shapes, n, ps);
    check_whole(p, shapes, n);
    ck_assert_uint_eq(p->num_granules, q->num_granules);
    ck_assert(memcmp(p->granules, q->granules,
                     p->num_granules * sizeof(p->granules[0])) == 0);
    placement_free(p);
    placement_free(q);
}
END_TEST

START_TEST(test_refused)
{
    struct placement *p = NULL;
    struct crew_err err = {0};
    const struct crew_shape unknown = crew_shape2(-1, 3);
    ck_assert_int_eq(placement_new(&unknown, NULL, 1, 2, &p, &err),
                     CREW_INVALID_ARGUMENT);
    const struct crew_shape huge = crew_shape2((int64_t)1 << 40, 1 << 10);
    err = (struct crew_err){0};
    ck_assert_int_eq(placement_new(&huge, NULL, 1, 2, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement");
    TCase *t = tcase_create("placement");
    tcase_add_test(t, test_one_large);
    tcase_add_test(t, test_rows);
    tcase_add_test(t, test_small);
    tcase_add_test(t, test_no_variables);
    tcase_add_loop_test(t, test_random, 0, 100);
    tcase_add_test(t, test_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
