/* SPDX-License-Identifier: Apache-2.0
 * Hyper-parameters: layers, types, and keys that nobody asks for. */
#include <stdlib.h>
#include <string.h>

#include "config/params.h"
#include "run_suite.h"

static struct crew_params *params;

static void set_up(void)
{
    params = params_new();
}

static void tear_down(void)
{
    params_free(params);
}

static void set(const char *pair)
{
    struct crew_err err = {0};

    ck_assert_msg(params_set(params, pair, &err) == CREW_OK, "%s", err.msg);
}

static void set_default(const char *pair)
{
    struct crew_err err = {0};

    ck_assert_msg(params_set_default(params, pair, &err) == CREW_OK, "%s",
                  err.msg);
}

static void load(const char *text)
{
    struct crew_err err = {0};

    ck_assert_msg(params_load_json(params, text, strlen(text), "job.json",
                                   &err) == CREW_OK,
                  "%s", err.msg);
}

/* The verdict's message, "" when it is good. */
static const char *verdict(int (*check)(const struct crew_params *,
                                        struct crew_err *))
{
    static struct crew_err err;

    err = (struct crew_err){0};
    ck_assert_int_eq(check(params, &err), err.code);
    if (err.code != CREW_OK) {
        ck_assert_int_eq(err.code, CREW_INVALID_ARGUMENT);
        ck_assert_int_eq(crew_err_exit_code(&err), 64);
    }
    return err.msg;
}

START_TEST(fallbacks)
{
    ck_assert(crew_params_float(params, "a", .25) == .25);
    ck_assert_int_eq(crew_params_int(params, "b", 7), 7);
    ck_assert(crew_params_bool(params, "c", true));
    ck_assert_str_eq(crew_params_str(params, "d", "x"), "x");
    ck_assert_ptr_null(crew_params_str(params, "d", NULL));
    ck_assert_str_eq(verdict(params_status), "");
    ck_assert_str_eq(verdict(params_unused), "");
}
END_TEST

START_TEST(from_set)
{
    set("rate=1e-3");
    set("n=42");
    set("million=1e6");
    set("on=true");
    set("off=0");
    set("dir=/data=x");
    set("empty=");
    ck_assert(crew_params_float(params, "rate", 0) == 1e-3);
    ck_assert(crew_params_float(params, "n", 0) == 42);
    ck_assert_int_eq(crew_params_int(params, "n", 0), 42);
    ck_assert_int_eq(crew_params_int(params, "million", 0), 1000000);
    ck_assert(crew_params_bool(params, "on", false));
    ck_assert(!crew_params_bool(params, "off", true));
    ck_assert_str_eq(crew_params_str(params, "dir", NULL), "/data=x");
    ck_assert_str_eq(crew_params_str(params, "empty", NULL), "");
    ck_assert_str_eq(crew_params_str(params, "n", NULL), "42");
    ck_assert_str_eq(verdict(params_status), "");
}
END_TEST

START_TEST(from_json)
{
    load(
        "{\"rate\": 0.5, \"n\": 3, \"on\": true, \"s\": \"x\", \"none\": null, "
        "\"columns\": [{\"name\": \"a\"}], \"N\": 4}");
    ck_assert(crew_params_float(params, "rate", 0) == .5);
    ck_assert(crew_params_float(params, "n", 0) == 3);
    ck_assert_int_eq(crew_params_int(params, "n", 0), 3);
    ck_assert_int_eq(crew_params_int(params, "N", 0), 4);
    ck_assert(crew_params_bool(params, "on", false));
    ck_assert_str_eq(crew_params_str(params, "s", NULL), "x");
    ck_assert_int_eq(crew_params_int(params, "none", 9), 9);
    ck_assert_int_eq(cJSON_GetArraySize(params_json(params, "columns")), 1);
    ck_assert_ptr_null(params_json(params, "n"));
    ck_assert_str_eq(verdict(params_status), "");
    ck_assert_str_eq(verdict(params_unused), "");
}
END_TEST

START_TEST(the_higher_layer_counts)
{
    struct params_value v;

    set_default("a=1");
    set_default("b=1");
    set_default("c=1");
    load("{\"b\": 2, \"c\": 2}");
    load("{\"c\": 3}"); /* of two files the later */
    ck_assert_int_eq(crew_params_int(params, "a", 0), 1);
    ck_assert_int_eq(crew_params_int(params, "b", 0), 2);
    ck_assert_int_eq(crew_params_int(params, "c", 0), 3);
    set("c=4");
    set("c=5");
    ck_assert_int_eq(crew_params_int(params, "c", 0), 5);
    ck_assert(params_take(params, "a", &v) && v.layer == PARAMS_DEFAULT);
    ck_assert(params_take(params, "b", &v) && v.layer == PARAMS_CONFIG);
    ck_assert(params_take(params, "c", &v) && v.layer == PARAMS_SET);
    ck_assert(!params_take(params, "d", &v));
    ck_assert(params_has(params, "a") && !params_has(params, "d"));
}
END_TEST

enum type { FLOAT, INT, BOOL, STR };

static const struct {
    enum type type;
    const char *pair, *json, *want;
} wrong[] = {
    {FLOAT, "k=abc", NULL, "k must be a number, not abc"},
    {FLOAT, "k=", NULL, "k must be a number, not "},
    {FLOAT, "k=inf", NULL, "k must be a number, not inf"},
    {FLOAT, "k=nan", NULL, "k must be a number, not nan"},
    {FLOAT, "k=0x10", NULL, "k must be a number, not 0x10"},
    {FLOAT, "k=1e999", NULL, "k must be a number, not 1e999"},
    {FLOAT, "k=1 ", NULL, "k must be a number, not 1 "},
    {FLOAT, NULL, "{\"k\": \"0.1\"}", "k must be a number, not \"0.1\""},
    {FLOAT, NULL, "{\"k\": true}", "k must be a number, not true"},
    {INT, "k=1.5", NULL, "k must be an integer, not 1.5"},
    {INT, "k=1x", NULL, "k must be an integer, not 1x"},
    {INT, "k=99999999999999999999", NULL,
     "k must be an integer, not 99999999999999999999"},
    {INT, NULL, "{\"k\": 2.5}", "k must be an integer, not 2.5"},
    {INT, NULL, "{\"k\": [1]}", "k must be an integer, not [1]"},
    {BOOL, "k=yes", NULL, "k must be true or false, not yes"},
    {BOOL, NULL, "{\"k\": 1}", "k must be true or false, not 1"},
    {STR, NULL, "{\"k\": 1}", "k must be a text, not 1"},
};

START_TEST(wrong_types)
{
    if (wrong[_i].pair != NULL) {
        set(wrong[_i].pair);
    } else {
        load(wrong[_i].json);
    }
    switch (wrong[_i].type) {
        case FLOAT:
            ck_assert(crew_params_float(params, "k", 5) == 5);
            break;
        case INT:
            ck_assert_int_eq(crew_params_int(params, "k", 5), 5);
            break;
        case BOOL:
            ck_assert(crew_params_bool(params, "k", true));
            break;
        default:
            ck_assert_str_eq(crew_params_str(params, "k", "x"), "x");
    }
    ck_assert_str_eq(verdict(params_status), wrong[_i].want);
    ck_assert_int_eq(crew_params_int(params, "other", 1), 1);
    ck_assert_str_eq(verdict(params_status), wrong[_i].want);
}
END_TEST

START_TEST(the_nearest_name)
{
    (void)crew_params_float(params, "learning_rate", 0);
    (void)crew_params_int(params, "batch_size", 0);
    set("learning_rat=1");
    ck_assert_str_eq(verdict(params_unused),
                     "--set learning_rat: nothing reads \"learning_rat\"; the "
                     "nearest known name is \"learning_rate\"");
    (void)crew_params_float(params, "learning_rat", 0);
    ck_assert_str_eq(verdict(params_unused), "");
    set("max_step=1");
    ck_assert_str_eq(verdict(params_unused),
                     "--set max_step: nothing reads \"max_step\"; the nearest "
                     "known name is \"max_steps\"");
}
END_TEST

START_TEST(unused_keys_of_json)
{
    load("{\"max_steps\": 5, \"throttle_secs\": 1, \"Batch_size\": 5}");
    (void)crew_params_int(params, "batch_size", 0);
    ck_assert_str_eq(verdict(params_unused),
                     "--config Batch_size: nothing reads \"Batch_size\"; the "
                     "nearest known name is \"batch_size\"");
}
END_TEST

START_TEST(defaults_need_not_be_read)
{
    set_default("nobody=1");
    ck_assert_str_eq(verdict(params_unused), "");
}
END_TEST

START_TEST(pairs_that_are_none)
{
    static const char *const bad[] = {"", "a", "=1", "="};

    for (int i = 0; i < 4; i++) {
        struct crew_err err = {0};
        ck_assert_int_ne(params_set(params, bad[i], &err), CREW_OK);
        ck_assert_int_eq(crew_err_exit_code(&err), 64);
        ck_assert_ptr_nonnull(strstr(err.msg, "write it as KEY=VALUE"));
    }
}
END_TEST

START_TEST(files_that_are_none)
{
    struct crew_err err = {0};

    ck_assert_int_ne(params_load_json(params, "[1]", 3, "job.json", &err),
                     CREW_OK);
    ck_assert_str_eq(err.msg,
                     "job.json: must be a JSON object like "
                     "{\"learning_rate\": 0.1}, not array");
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
    err = (struct crew_err){0};
    ck_assert_int_ne(params_load_json(params, "{\n]", 3, "job.json", &err),
                     CREW_OK);
    ck_assert_str_eq(err.msg,
                     "job.json: line 2, column 1: expected a key in "
                     "double quotes");
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tc = tcase_create("params");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, fallbacks);
    tcase_add_test(tc, from_set);
    tcase_add_test(tc, from_json);
    tcase_add_test(tc, the_higher_layer_counts);
    tcase_add_loop_test(tc, wrong_types, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, the_nearest_name);
    tcase_add_test(tc, unused_keys_of_json);
    tcase_add_test(tc, defaults_need_not_be_read);
    tcase_add_test(tc, pairs_that_are_none);
    tcase_add_test(tc, files_that_are_none);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
