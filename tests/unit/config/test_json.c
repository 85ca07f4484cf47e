/* SPDX-License-Identifier: Apache-2.0
 * What the strict pass takes and what it refuses, with line and column. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "config/json.h"
#include "run_suite.h"

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t n;
    const char *want; /* after "x: " */
} refused[] = {
    {TEXT(""), "line 1, column 1: the text ends too early"},
    {TEXT("  "), "line 1, column 3: the text ends too early"},
    {TEXT("{"), "line 1, column 2: the text ends too early"},
    {TEXT("{\"a\": 1"), "line 1, column 8: the text ends too early"},
    {TEXT("[1, 2"), "line 1, column 6: the text ends too early"},
    {TEXT("\"abc"), "line 1, column 5: the text ends too early"},
    {TEXT("\"abc\\"), "line 1, column 6: the text ends too early"},
    {TEXT("{'a': 1}"), "line 1, column 2: expected a key in double quotes"},
    {TEXT("{a: 1}"), "line 1, column 2: expected a key in double quotes"},
    {TEXT("{\"a\": 1,}"), "line 1, column 9: expected a key in double quotes"},
    {TEXT("{\"a\" 1}"), "line 1, column 6: expected ':'"},
    {TEXT("{\"a\": 1 \"b\": 2}"), "line 1, column 9: expected ',' or '}'"},
    {TEXT("[1 2]"), "line 1, column 4: expected ',' or ']'"},
    {TEXT("[1,]"), "line 1, column 4: expected a value"},
    {TEXT("[,1]"), "line 1, column 2: expected a value"},
    {TEXT("{} {}"),
     "line 1, column 4: something follows after the end of the value"},
    {TEXT("{}\0"),
     "line 1, column 3: something follows after the end of the value"},
    {TEXT("{}// x"),
     "line 1, column 3: something follows after the end of the value"},
    {TEXT("{\n  \"a\": 1,\n  \"a\": 2\n}"),
     "line 3, column 3: the key \"a\" appears twice"},
    {TEXT("{\"x\": {\"b\": 1, \"\\u0062\": 2}, \"y\": 0}"),
     "line 1, column 16: the key \"b\" appears twice"},
    {TEXT("[{\"k\": 1}, {\"k\": 1, \"l\": [], \"k\": 3}]"),
     "line 1, column 30: the key \"k\" appears twice"},
    {TEXT("[\"a\nb\"]"), "line 1, column 4: a control byte in a string"},
    {TEXT("[\"a\0b\"]"), "line 1, column 4: a control byte in a string"},
    {TEXT("[\v1]"), "line 1, column 2: expected a value"},
    {TEXT("\xef\xbb\xbf{}"), "line 1, column 1: expected a value"},
    {TEXT("[\"\\u0000\"]"), "line 1, column 3: \\u0000 is not allowed"},
    {TEXT("[\"\\u00g0\"]"), "line 1, column 7: \\u wants four hex digits"},
    {TEXT("[\"\\ud800\"]"), "line 1, column 3: half of a surrogate pair"},
    {TEXT("[\"\\ud800\\u0041\"]"),
     "line 1, column 3: half of a surrogate pair"},
    {TEXT("[\"\\udc00\"]"), "line 1, column 3: half of a surrogate pair"},
    {TEXT("[\"\\x41\"]"), "line 1, column 4: an unknown escape sequence"},
    {TEXT("[\"\xff\"]"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xc0\x80\"]"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xe0\x80\x80\"]"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xed\xa0\x80\"]"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xf4\x90\x80\x80\"]"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xc3"), "line 1, column 3: not valid UTF-8"},
    {TEXT("[\"\xc3\xb6\xff\"]"), "line 1, column 4: not valid UTF-8"},
    {TEXT("[01]"), "line 1, column 3: a number with a leading zero"},
    {TEXT("[-]"), "line 1, column 3: expected a digit"},
    {TEXT("[+1]"), "line 1, column 2: expected a value"},
    {TEXT("[.5]"), "line 1, column 2: expected a value"},
    {TEXT("[1.]"), "line 1, column 4: expected a digit"},
    {TEXT("[1e]"), "line 1, column 4: expected a digit"},
    {TEXT("[1e400]"), "line 1, column 2: a number too large for a double"},
    {TEXT("[-1e400]"), "line 1, column 2: a number too large for a double"},
    {TEXT("[NaN]"), "line 1, column 2: expected a value"},
    {TEXT("[Infinity]"), "line 1, column 2: expected a value"},
    {TEXT("[tru]"), "line 1, column 2: expected a value"},
    {TEXT("[TRUE]"), "line 1, column 2: expected a value"},
    {TEXT("[1111111111222222222233333333334444444444555555555566666666667777]"),
     "line 1, column 2: a number of more than 63 characters"},
    {TEXT("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"),
     "line 1, column 17: nested too deeply"},
};

START_TEST(refuses)
{
    struct crew_err err = {0};
    cJSON *json = NULL;
    int rc = json_parse(refused[_i].text, refused[_i].n, "x", &json, &err);

    ck_assert_msg(rc == CREW_INVALID_ARGUMENT, "%s: accepted",
                  refused[_i].text);
    ck_assert_ptr_null(json);
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
    ck_assert_msg(strncmp(err.msg, "x: ", 3) == 0 &&
                      strcmp(err.msg + 3, refused[_i].want) == 0,
                  "%s: got %s, want x: %s", refused[_i].text, err.msg,
                  refused[_i].want);
}
END_TEST

static const char *const accepted[] = {
    "{}",
    "[]",
    "null",
    "0",
    "-0.5e-3",
    "\"\"",
    " \t\r\n{ \"a\" : [ 1 , 2.5E+3 , true , false , null ] } \n",
    "{\"a\": 1, \"A\": 2}",
    "{\"a\": {\"a\": {\"a\": 1}}}",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"]",
    "[\"\xc3\xb6 \xe2\x82\xac \xf0\x9f\x98\x80\"]",
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
};

START_TEST(accepts)
{
    struct crew_err err = {0};
    cJSON *json = NULL;
    size_t n = strlen(accepted[_i]);

    ck_assert_msg(json_parse(accepted[_i], n, "x", &json, &err) == CREW_OK,
                  "%s: %s", accepted[_i], err.msg);
    ck_assert_ptr_nonnull(json);
    cJSON_Delete(json);
}
END_TEST

/* The text need not end with a NUL. */
START_TEST(reads_no_further_than_told)
{
    struct crew_err err = {0};
    char *text = xmalloc(2);
    cJSON *json = NULL;

    memcpy(text, "{}", 2);
    ck_assert_int_eq(json_parse(text, 2, "x", &json, &err), CREW_OK);
    cJSON_Delete(json);
    free(text);
}
END_TEST

START_TEST(too_long)
{
    struct crew_err err = {0};
    cJSON *json = NULL;
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addstr(&b, "[");
    while (b.len < JSON_MAX_BYTES) {
        strbuf_addstr(&b, " ");
    }
    b.data[b.len - 1] = ']';
    ck_assert_int_eq(json_parse(b.data, b.len, "x", &json, &err), CREW_OK);
    cJSON_Delete(json);
    json = NULL;
    strbuf_addstr(&b, " ");
    ck_assert_int_ne(json_parse(b.data, b.len, "x", &json, &err), CREW_OK);
    ck_assert_str_eq(err.msg, "x: 1048577 bytes; at most 1048576 are read");
    strbuf_release(&b);
}
END_TEST

/* A hundred thousand keys: the search for twins must not take their square. */
START_TEST(many_keys)
{
    struct crew_err err = {0};
    cJSON *json = NULL;
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addstr(&b, "{");
    for (int i = 0; i < 100000; i++) {
        strbuf_addf(&b, "\"%x\":1,", i);
    }
    strbuf_addstr(&b, "\"1869f\":2}");
    ck_assert_int_ne(json_parse(b.data, b.len, "x", &json, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "the key \"1869f\" appears twice"));
    strbuf_release(&b);
}
END_TEST

START_TEST(getters)
{
    struct crew_err err = {0};
    cJSON *json = NULL;
    int64_t n = 5;

    ck_assert_int_eq(
        json_parse(TEXT("{\"a\": 3, \"b\": 2.5, \"c\": 1e300, \"d\": \"3\", "
                        "\"e\": -9223372036854775808, \"f\": null}"),
                   "x", &json, &err),
        CREW_OK);
    ck_assert_ptr_null(json_get(json, "A"));
    ck_assert(json_is_int(json_get(json, "a"), &n) && n == 3);
    n = 5;
    ck_assert(!json_is_int(json_get(json, "b"), &n));
    ck_assert(!json_is_int(json_get(json, "c"), &n));
    ck_assert(!json_is_int(json_get(json, "d"), &n));
    ck_assert(!json_is_int(json_get(json, "none"), &n));
    ck_assert_int_eq(n, 5);
    ck_assert(json_is_int(json_get(json, "e"), &n) && n == INT64_MIN);
    ck_assert_str_eq(json_type_name(json), "object");
    ck_assert_str_eq(json_type_name(json_get(json, "d")), "string");
    ck_assert_str_eq(json_type_name(json_get(json, "f")), "null");
    cJSON_Delete(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, refuses, 0,
                        (int)(sizeof refused / sizeof refused[0]));
    tcase_add_loop_test(tc, accepts, 0,
                        (int)(sizeof accepted / sizeof accepted[0]));
    tcase_add_test(tc, reads_no_further_than_told);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, many_keys);
    tcase_add_test(tc, getters);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
