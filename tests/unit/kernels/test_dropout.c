/* SPDX-License-Identifier: Apache-2.0
 * Dropout keeps exactly what base/rng.h's generator says, forward and backward,
 * and the share it keeps is right. */
#include <check.h>
#include <string.h>

#include "base/rng.h"
#include "reference.h"

static const int64_t lengths[] = {0, 1, 3, 4, 63, 64, 65, 255, 1001};
static const float rates[] = {0.0f, 0.1f, 0.4f, 0.5f, 0.999f, 1.0f};
static const uint64_t keys[][2] = {{0, 0},
                                   {1, 2},
                                   {0xFEDCBA9876543210u, 0x123456789ABCDEFu}};

static bool kept(float rate, const uint64_t key[2], int64_t i)
{
    uint32_t block[4];
    philox4x32(key[0], key[1], (uint64_t)i / 4, block);
    return rng_unit_float(block[i % 4]) >= rate;
}

START_TEST(follows_the_generator)
{
    int64_t n = lengths[_i / 6];
    float rate = rates[_i % 6];
    for (int k = 0; k < 3; k++) {
        float *x = numbers(n, 1), *y = numbers(n, 2), *dx = numbers(n, 3);
        double *want = widened(n, x), *d_want = widened(n, dx);
        for (int64_t i = 0; i < n; i++) {
            bool keep = kept(rate, keys[k], i);
            want[i] = keep ? (double)x[i] / (1 - (double)rate) : 0;
            d_want[i] += want[i];
        }
        k_dropout(n, rate, keys[k][0], keys[k][1], x, y);
        assert_close("y", n, y, want);
        k_dropout_backward(n, rate, keys[k][0], keys[k][1], x, dx);
        assert_close("dx", n, dx, d_want);
        k_dropout(n, rate, keys[k][0], keys[k][1], x, x); /* in place */
        ck_assert_int_eq(memcmp(x, y, (size_t)n * sizeof(float)), 0);
        free(x);
        free(y);
        free(dx);
        free(want);
        free(d_want);
    }
}
END_TEST

/* Binomial: within 5 standard deviations. */
START_TEST(keeps_its_share)
{
    int64_t n = 100000, share = 0;
    float *x = numbers(n, 1);
    for (int64_t i = 0; i < n; i++) {
        x[i] = 1.0f;
    }
    k_dropout(n, 0.4f, 11, 12, x, x);
    for (int64_t i = 0; i < n; i++) {
        share += x[i] != 0.0f;
    }
    ck_assert_msg(llabs(share - 60000) < 775, "kept %ld of 100000",
                  (long)share);
    free(x);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("dropout");
    TCase *tc = tcase_create("dropout");
    tcase_add_loop_test(tc, follows_the_generator, 0,
                        6 * (int)(sizeof(lengths) / sizeof(lengths[0])));
    tcase_add_test(tc, keeps_its_share);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_for_each_isa(make_suite);
}
