/* SPDX-License-Identifier: Apache-2.0
 * A shard: the update rule per granule, each step once, and what it refuses. */
#include <check.h>
#include <stdlib.h>

#include "base/mem.h"
#include "shard.h"
#include "run_suite.h"

static const struct shard_place places[] = {
    {.id = 3, .variable = 0, .offset = 0, .count = 5},
    {.id = 0, .variable = 1, .offset = 10, .count = 3},
};

static struct shard *make(const struct crew_optimizer *o)
{
    struct shard *s = NULL;
    struct crew_err err = {0};
    ck_assert_int_eq(shard_new(o, 1, places, 2, 4, &s, &err), CREW_OK);
    return s;
}

START_TEST(test_find)
{
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct shard *s = make(&sgd);
    ck_assert_int_eq(shard_find(s, 3)->count, 5);
    ck_assert_int_eq(shard_find(s, 0)->offset, 10);
    ck_assert_ptr_null(shard_find(s, 1));
    ck_assert_ptr_null(shard_find(s, 4));
    ck_assert_ptr_null(shard_find(s, UINT32_MAX));
    ck_assert_ptr_null(shard_slot(shard_find(s, 0), 1));
    ck_assert_uint_eq((uintptr_t)shard_find(s, 3)->value % 64, 0);
    ck_assert_uint_eq((uintptr_t)shard_find(s, 0)->value % 64, 0);
    ck_assert_uint_eq(s->max_bytes, 5 * sizeof(float));
    shard_free(s);
}
END_TEST

START_TEST(test_loaded)
{
    struct crew_optimizer adam = crew_adam(0.1);
    struct shard *s = make(&adam);
    for (uint32_t k = 0; k <= 2; k++) {
        ck_assert_uint_eq(shard_loaded(s), 0);
        shard_set_loaded(shard_find(s, 3), k);
    }
    ck_assert_uint_eq(shard_loaded(s), 1);
    for (uint32_t k = 0; k <= 2; k++) {
        shard_set_loaded(shard_find(s, 0), k);
    }
    ck_assert_uint_eq(shard_loaded(s), 2);
    shard_restart(s);
    ck_assert_uint_eq(shard_loaded(s), 0);
    shard_free(s);
}
END_TEST

/* A gradient counts once per member, granule and step number. */
START_TEST(test_once)
{
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct shard *s = make(&sgd);
    struct shard_granule *g = shard_find(s, 0), *h = shard_find(s, 3);
    const float grad[5] = {1, 2, 3, 4, 5};
    ck_assert(shard_apply(s, g, 1, 1, 1, 0, grad));
    ck_assert(!shard_apply(s, g, 1, 1, 1, 0, grad));
    ck_assert(shard_apply(s, h, 1, 1, 1, 0, grad));
    ck_assert(shard_apply(s, g, 2, 1, 1, 0, grad));
    ck_assert(shard_apply(s, g, 1, 7, 1, 0, grad));
    ck_assert(!shard_apply(s, g, 1, 6, 1, 0, grad));
    ck_assert_float_eq(g->value[2], -9.0f);
    ck_assert_float_eq(h->value[4], -5.0f);
    shard_forget(s, 1);
    ck_assert(shard_apply(s, g, 1, 1, 1, 0, grad));
    ck_assert(!shard_apply(s, g, 2, 1, 1, 0, grad));
    ck_assert_float_eq(g->value[2], -12.0f);
    shard_free(s);
}
END_TEST

/* Each granule advances its own powers: an update of one is none of the other.
 */
START_TEST(test_adam)
{
    struct crew_optimizer adam = crew_adam(0.5);
    struct shard *s = make(&adam);
    struct shard_granule *g = shard_find(s, 0);
    const float grad[3] = {1, -2, 4};
    float var[3] = {0}, m[3] = {0}, v[3] = {0};
    float *const slots[OPTIM_MAX_SLOTS] = {m, v};
    struct optim_powers p = optim_powers_initial(&adam);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        ck_assert(shard_apply(s, g, 0, seq, 0.5f, 0, grad));
        struct optim_step step = optim_step_at(&adam, &p, 0);
        optim_apply(&adam, &step, 3, var, slots, grad);
        optim_powers_advance(&adam, &p);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(g->value[i], var[i]);
        ck_assert_float_eq(g->slot[1][i], v[i]);
    }
    ck_assert_float_eq(g->powers.beta1_power, p.beta1_power);
    ck_assert_float_eq(shard_find(s, 3)->powers.beta1_power, 0.9f);
    shard_free(s);
}
END_TEST

START_TEST(test_refused)
{
    struct crew_optimizer sgd = crew_gradient_descent(1);
    struct shard *s = NULL;
    struct crew_err err = {0};
    const struct shard_place twice[] = {{.id = 1, .count = 4},
                                        {.id = 1, .count = 4}};
    ck_assert_int_eq(shard_new(&sgd, 1, twice, 2, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "granule 1 is declared twice");
    const struct shard_place empty[] = {{.id = 1, .count = 0}};
    err = (struct crew_err){0};
    ck_assert_int_eq(shard_new(&sgd, 1, empty, 1, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    const struct shard_place huge[] = {{.id = UINT32_MAX, .count = 1}};
    err = (struct crew_err){0};
    ck_assert_int_eq(shard_new(&sgd, 1, huge, 1, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    const struct shard_place long_ones[] = {{.id = 1, .count = INT64_MAX / 8},
                                            {.id = 2, .count = INT64_MAX / 8}};
    err = (struct crew_err){0};
    ck_assert_int_eq(shard_new(&sgd, 1, long_ones, 2, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    struct crew_optimizer bad = {.kind = (enum crew_optimizer_kind)99};
    err = (struct crew_err){0};
    ck_assert_int_eq(shard_new(&bad, 1, empty, 1, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    const struct shard_place whose[] = {{.id = 1, .optimizer = 1, .count = 1}};
    err = (struct crew_err){0};
    ck_assert_int_eq(shard_new(&sgd, 1, whose, 1, 1, &s, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "granule 1 is of optimizer 1 of 1");
    ck_assert_ptr_null(s);
}
END_TEST

/* Each granule has the slots and the powers of its own rule, and the rate that
 * came with the gradient. */
START_TEST(test_two_rules)
{
    struct crew_optimizer o[2] = {crew_gradient_descent(1), crew_adam(1)};
    struct shard_place two[] = {
        {.id = 0, .variable = 0, .optimizer = 0, .count = 2},
        {.id = 1, .variable = 1, .optimizer = 1, .count = 3},
        {.id = 2, .variable = 1, .optimizer = 1, .offset = 3, .count = 3}};
    const float grad[3] = {1, 1, 1};
    struct shard *s = NULL;
    struct crew_err err = {0};
    o[1].average.decay = 0.5f;
    ck_assert_int_eq(shard_new(o, 2, two, 3, 1, &s, &err), CREW_OK);
    struct shard_granule *g = shard_find(s, 0), *h = shard_find(s, 2);
    ck_assert_uint_eq(shard_parts(g), 1);
    ck_assert_uint_eq(shard_parts(h), 4);
    ck_assert_ptr_null(shard_slot(g, 1));
    ck_assert_ptr_eq(shard_slot(h, 3), h->slot[2]);
    ck_assert_ptr_null(shard_slot(h, 4));
    ck_assert_uint_eq((uintptr_t)h->slot[1] % 64, 0);
    shard_set_loaded(g, 0);
    ck_assert_uint_eq(shard_loaded(s), 1);
    ck_assert(shard_apply(s, g, 0, 1, 0.25f, 0, grad));
    ck_assert(shard_apply(s, h, 0, 1, 0.25f, 0, grad));
    ck_assert_float_eq(g->value[1], -0.25f);
    ck_assert_float_eq_tol(h->value[2], -0.25f, 1e-6f);
    ck_assert_float_eq_tol(h->slot[2][2], -0.125f, 1e-6f);
    ck_assert_float_eq(h->powers.beta1_power, 0.9f * 0.9f);
    ck_assert_float_eq(shard_find(s, 1)->powers.beta1_power, 0.9f);
    shard_free(s);
}
END_TEST

/* A table of 6 rows of 2, and one of another rule. */
static const struct shard_place tables[] = {
    {.id = 0, .optimizer = 0, .count = 12, .width = 2},
    {.id = 1, .optimizer = 1, .count = 4, .width = 2}};

static struct shard *make_tables(void)
{
    struct crew_optimizer o[2] = {crew_momentum(1, 0.5, false), crew_adam(1)};
    struct shard *s = NULL;
    struct crew_err err = {0};
    ck_assert_int_eq(shard_new(o, 2, tables, 2, 2, &s, &err), CREW_OK);
    ck_assert_uint_eq(s->max_bytes, (12 + 6) * 4);
    for (int i = 0; i < 12; i++) {
        s->granules[0].value[i] = (float)i;
        s->granules[0].slot[0][i] = 1;
    }
    return s;
}

START_TEST(test_rows_once)
{
    struct shard *s = make_tables();
    struct shard_granule *g = shard_find(s, 0), *h = shard_find(s, 1);
    const uint32_t list[2] = {1, 4};
    const float values[4] = {2, 2, 3, 3};
    struct optim_rows rows = {
        .n = 2, .width = 2, .rows = list, .values = values};
    struct optim_rows none = {.width = 2};
    ck_assert(shard_apply_rows(s, g, 1, 5, 1, 0, &rows));
    ck_assert(!shard_apply_rows(s, g, 1, 5, 1, 0, &rows));
    ck_assert(!shard_apply_rows(s, g, 1, 4, 1, 0, &none));
    /* 2 + 1 * 0.5; where there is no gradient nothing moves. */
    const float want[12] = {0, 1, -.5f, .5f, 4, 5, 6, 7, 4.5f, 5.5f, 10, 11};
    ck_assert_mem_eq(g->value, want, sizeof(want));
    ck_assert_float_eq(g->slot[0][0], 1);
    ck_assert_float_eq(g->slot[0][3], 2.5f);
    /* An empty part counts, and moves Adam's powers. */
    ck_assert(shard_apply_rows(s, h, 1, 5, 1, 0, &none));
    ck_assert(!shard_apply_rows(s, h, 1, 5, 1, 0, &none));
    ck_assert_float_eq(h->powers.beta1_power, 0.9f * 0.9f);
    shard_free(s);
}
END_TEST

/* What a peer may send. */
START_TEST(test_bad_rows)
{
    struct shard *s = make_tables();
    struct shard_granule *g = shard_find(s, 0);
    struct optim_rows rows = {0};
    struct crew_err err = {0};
    struct {
        uint32_t rows[2];
        float values[4];
    } good = {{0, 5}, {1, 2, 3, 4}}, bad;
    ck_assert(shard_fits(g, 0) && shard_fits(g, 72));
    ck_assert(!shard_fits(g, 11) && !shard_fits(g, 13));
    ck_assert(!shard_fits(g, 84) && !shard_fits(g, UINT64_MAX - 3));
    ck_assert_int_eq(shard_read_rows(g, &good, 24, &rows, &err), CREW_OK);
    ck_assert_int_eq(rows.n, 2);
    ck_assert_float_eq(rows.values[3], 4);
    const uint32_t wrong[][2] = {{1, 1}, {3, 2}, {0, 6}, {0, UINT32_MAX}};
    for (int i = 0; i < 4; i++) {
        bad = good;
        err = (struct crew_err){0};
        bad.rows[0] = wrong[i][0];
        bad.rows[1] = wrong[i][1];
        ck_assert_int_eq(shard_read_rows(g, &bad, 24, &rows, &err),
                         CREW_INVALID_ARGUMENT);
        ck_assert_int_eq(crew_err_exit_code(&err), 70);
    }
    ck_assert_str_eq(err.msg,
                     "granule 0: row 4294967295 in place 1 of a gradient: rows "
                     "must ascend and be below 6");
    const struct shard_place odd[] = {{.id = 0, .count = 5, .width = 2}};
    struct shard *none = NULL;
    struct crew_optimizer sgd = crew_gradient_descent(1);
    ck_assert_int_eq(shard_new(&sgd, 1, odd, 1, 1, &none, &err),
                     CREW_INVALID_ARGUMENT);
    shard_free(s);
}
END_TEST

/* The rows that have changed since a version, each once. */
static uint32_t changed(const struct row_log *log, uint64_t since)
{
    uint32_t set = 0, row;
    ck_assert(row_log_knows(log, since));
    for (uint64_t at = since; at < log->version; at++) {
        if (row_log_newest(log, at, &row)) {
            ck_assert_uint_eq(set >> row & 1, 0);
            set |= 1u << row;
        }
    }
    return set;
}

START_TEST(test_row_log)
{
    struct shard *s = make_tables();
    struct row_log *log = &shard_find(s, 0)->log;
    uint64_t start = log->version;
    ck_assert_uint_eq(row_log_cap(6), 4);
    ck_assert_uint_eq(changed(log, start), 0);
    row_log_add(log, 3);
    row_log_add(log, 5);
    row_log_add(log, 3);
    ck_assert_uint_eq(changed(log, start), 1u << 3 | 1u << 5);
    ck_assert_uint_eq(changed(log, start + 2), 1u << 3);
    row_log_add(log, 0);
    ck_assert_uint_eq(changed(log, start), 1u << 3 | 1u << 5 | 1u << 0);
    row_log_add(log, 1); /* the first is forgotten */
    ck_assert(!row_log_knows(log, start));
    ck_assert_uint_eq(changed(log, start + 1),
                      1u << 0 | 1u << 1 | 1u << 3 | 1u << 5);
    uint64_t before = log->version;
    ck_assert(!row_log_knows(log, before + 1)); /* of no time */
    shard_restart(s);
    ck_assert(!row_log_knows(log, before));
    ck_assert_uint_eq(changed(log, log->version), 0);
    /* Adam that moves all rows keeps none. */
    ck_assert(!row_log_knows(&shard_find(s, 1)->log, 0));
    shard_free(s);
}
END_TEST

/* Whatever allocation fails, nothing leaks and the error says so. */
START_TEST(test_no_memory)
{
    struct crew_optimizer adam = crew_adam(0.5);
    int64_t n = 1;
    for (;; n++) {
        struct shard *s = NULL;
        struct crew_err err = {0};
        mem_fail_at(n, false);
        int rc = shard_new(&adam, 1, places, 2, 4, &s, &err);
        bool fired = mem_fail_fired();
        mem_fail_at(0, false);
        if (!fired) {
            ck_assert_int_eq(rc, CREW_OK);
            shard_free(s);
            break;
        }
        ck_assert_int_eq(rc, CREW_RESOURCE_EXHAUSTED);
    }
    ck_assert_int_eq(n, 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shard");
    TCase *t = tcase_create("shard");
    tcase_add_test(t, test_find);
    tcase_add_test(t, test_loaded);
    tcase_add_test(t, test_once);
    tcase_add_test(t, test_adam);
    tcase_add_test(t, test_two_rules);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_rows_once);
    tcase_add_test(t, test_bad_rows);
    tcase_add_test(t, test_row_log);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return run_suite(s);
}
