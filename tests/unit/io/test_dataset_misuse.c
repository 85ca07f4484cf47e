/* SPDX-License-Identifier: Apache-2.0
 * Datasets that are none, that somebody has already, and that do not fit each
 * other: words, and never a look at what has been freed. */
#include <stdlib.h>
#include <string.h>

#include "io/dataset.h"
#include "run_suite.h"

static const float numbers[16];

static struct crew_dataset *column(const char *name,
                                   enum crew_dtype dtype,
                                   struct crew_shape shape,
                                   bool is_label)
{
    struct crew_column c = {name, dtype, shape, is_label};
    const void *data = numbers;

    return crew_dataset_arrays(&c, &data, 1, 2);
}

static struct crew_dataset *x(void)
{
    return column("x", CREW_FLOAT, crew_shape1(2), false);
}

/* Frees it. */
static void ck_broken(struct crew_dataset *d, const char *words)
{
    struct crew_err err = {0};

    ck_assert_int_eq(dataset_check(d, &err), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(crew_err_exit_code(&err), 64);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s lacks %s", err.msg,
                  words);
    dataset_free(d);
}

START_TEST(given_twice)
{
    struct crew_dataset *d = x();
    struct crew_dataset *owner = crew_dataset_repeat(d, 1);
    struct crew_dataset *both[] = {x(), NULL};
    struct crew_err err = {0};

    ck_broken(crew_dataset_take(d, 1),
              "crew_dataset_take: the dataset is in use already");
    ck_assert_int_eq(dataset_check(owner, &err), CREW_OK);
    dataset_free(owner);
    both[1] = both[0];
    ck_broken(crew_dataset_zip(both, 2),
              "crew_dataset_zip: sources[1] is in use already");
}
END_TEST

START_TEST(freed)
{
    struct crew_dataset *d = x();

    dataset_free(d);
    ck_broken(crew_dataset_repeat(d, 1),
              "the dataset has been freed, or is no "
              "dataset");
    ck_broken(crew_dataset_batch((struct crew_dataset *)(void *)&d, 1, true),
              "crew_dataset_batch: the dataset has been freed");
}
END_TEST

/* Whoever shards or prefetches gives it on. */
START_TEST(handed_on)
{
    struct crew_err err = {0};
    struct crew_dataset *d =
        crew_dataset_batch(crew_dataset_repeat(x(), 1), 1, true);

    dataset_shard_by_default(d, 2, 1);
    d = crew_dataset_prefetch(crew_dataset_prefetch(d, 2), 3);
    ck_assert_int_eq(dataset_take(d, "it", &err), CREW_OK);
    ck_assert_int_eq(dataset_take(d, "it", &err), CREW_INVALID_ARGUMENT);
    dataset_free(d);
}
END_TEST

START_TEST(components_that_cannot_be)
{
    struct crew_shape nine = {9, {1}};
    struct crew_column two[] = {{"x", CREW_FLOAT, {0, {0}}, false},
                                {"x", CREW_FLOAT, {0, {0}}, true}};
    const void *data[] = {numbers, numbers};

    ck_broken(column("", CREW_FLOAT, crew_scalar_shape(), false), "is empty");
    ck_broken(column("x", CREW_STRING, crew_scalar_shape(), false),
              "'x' is string");
    ck_broken(column("x", (enum crew_dtype)77, crew_scalar_shape(), false),
              "'x' is invalid");
    ck_broken(column("x", CREW_FLOAT, nine, false), "a shape of rank 9");
    ck_broken(column("x", CREW_FLOAT, crew_shape1(-1), false),
              "the rows of an array have one length");
    ck_broken(column("x", CREW_FLOAT, crew_shape2(INT64_MAX, 2), false),
              "more elements than");
    ck_broken(column("x", CREW_FLOAT, crew_shape1((int64_t)1 << 41), false),
              "too many for one element");
    ck_broken(crew_dataset_arrays(two, data, 2, 1), "two components");
}
END_TEST

/* Elements of other types and shapes than the first's. */
START_TEST(datasets_that_do_not_fit)
{
    ck_broken(
        crew_dataset_concatenate(
            x(), column("x", CREW_FLOAT, crew_shape1(3), false)),
        "crew_dataset_concatenate: component 0 of sources[1] is \"x\" float32 "
        "(3), the first's is \"x\" float32 (2)");
    ck_broken(crew_dataset_concatenate(
                  x(), column("x", CREW_INT64, crew_shape1(2), false)),
              "is \"x\" int64 (2)");
    ck_broken(crew_dataset_concatenate(
                  x(), column("z", CREW_FLOAT, crew_shape1(2), false)),
              "is \"z\" float32 (2)");
    ck_broken(crew_dataset_concatenate(
                  x(), column("x", CREW_FLOAT, crew_shape1(2), true)),
              "\"x\" (the label) float32 (2)");
    ck_broken(crew_dataset_concatenate(crew_dataset_batch(x(), 2, true),
                                       crew_dataset_batch(x(), 1, true)),
              "in batches of 1, the first 1 in batches of 2");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset_misuse");
    TCase *tc = tcase_create("cases");

    tcase_add_test(tc, given_twice);
    tcase_add_test(tc, freed);
    tcase_add_test(tc, handed_on);
    tcase_add_test(tc, components_that_cannot_be);
    tcase_add_test(tc, datasets_that_do_not_fit);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
