/* SPDX-License-Identifier: Apache-2.0
 * Addresses, the canonical text of a cluster, and differences in words. */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "config/cluster.h"
#include "config/py_text.h"
#include "run_suite.h"

static const struct {
    const char *text, *host;
    uint16_t port;
    bool ipv6, no_port;
} good[] = {
    {"h:1", "h", 1, false, false},
    {"h.example:65535", "h.example", 65535, false, false},
    {"h:0", "h", 0, false, false},
    {"h", "h", 2222, false, true},
    {"grpc://h:7", "h", 7, false, false},
    {"grpc://h", "h", 2222, false, true},
    {"10.0.0.7:2222", "10.0.0.7", 2222, false, false},
    {"[::1]:2223", "::1", 2223, true, false},
    {"[fe80::1%eth0]", "fe80::1%eth0", 2222, true, true},
    {"h\xc3\xb6st:1", "h\xc3\xb6st", 1, false, false},
};

START_TEST(addresses)
{
    struct crew_err err = {0};
    struct address a;

    ck_assert_msg(address_split(good[_i].text, false, &a, &err) == CREW_OK,
                  "%s: %s", good[_i].text, err.msg);
    ck_assert_str_eq(a.host, good[_i].host);
    ck_assert_uint_eq(a.port, good[_i].port);
    ck_assert_int_eq(a.ipv6, good[_i].ipv6);
    ck_assert_int_eq(a.default_port, good[_i].no_port);
}
END_TEST

static const char *const bad[] = {
    "",       ":1",         "h:",
    "h:x",    "h:-1",       "h:+1",
    "h: 1",   "h:1 ",       "h:65536",
    "h:1x",   "a b:1",      "a/b:1",
    "h:1:2",  "::1",        "::1:2222",
    "[::1",   "[]:1",       "[::1]x:1",
    "x[::1]", "http://h:1", "h:99999999999999999999",
    "a\"b:1", "grpc://",
};

START_TEST(addresses_that_are_none)
{
    struct crew_err err = {0};
    struct address a = {.port = 42};

    ck_assert_msg(address_split(bad[_i], false, &a, &err) != CREW_OK,
                  "%s: taken as %s %u", bad[_i], a.host, (unsigned)a.port);
    ck_assert_uint_eq(a.port, 42);
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
    ck_assert_ptr_nonnull(strstr(err.msg, "Could not interpret \""));
}
END_TEST

START_TEST(strict_addresses)
{
    struct crew_err err = {0};
    struct address a;

    ck_assert_int_eq(address_split("h:1", true, &a, &err), CREW_OK);
    ck_assert_int_ne(address_split("h", true, &a, &err), CREW_OK);
    ck_assert_str_eq(err.msg, "Could not interpret \"h\" as a host-port pair.");
    err = (struct crew_err){0};
    ck_assert_int_ne(address_split("grpc://h:1", true, &a, &err), CREW_OK);
}
END_TEST

START_TEST(long_hosts_are_refused)
{
    struct crew_err err = {0};
    struct address a;
    char text[400];

    memset(text, 'h', sizeof text);
    text[255] = '\0';
    ck_assert_int_eq(address_split(text, false, &a, &err), CREW_OK);
    text[255] = 'h';
    text[256] = '\0';
    ck_assert_int_ne(address_split(text, false, &a, &err), CREW_OK);
}
END_TEST

START_TEST(text_and_loopback)
{
    static const struct {
        const char *text, *want;
        bool loopback;
    } table[] = {
        {"localhost:1", "localhost:1", true},
        {"LocalHost", "LocalHost:2222", true},
        {"127.0.0.1:5", "127.0.0.1:5", true},
        {"127.1.2.3", "127.1.2.3:2222", true},
        {"127.evil.example:5", "127.evil.example:5", false},
        {"grpc://[::1]:7", "[::1]:7", true},
        {"[::2]", "[::2]:2222", false},
        {"10.0.0.1:5", "10.0.0.1:5", false},
        {"localhost.example:5", "localhost.example:5", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct crew_err err = {0};
        struct address a;
        char buf[300];
        ck_assert_int_eq(address_split(table[i].text, false, &a, &err),
                         CREW_OK);
        ck_assert_str_eq(address_text(&a, buf, sizeof buf), table[i].want);
        ck_assert_msg(address_is_loopback(&a) == table[i].loopback, "%s",
                      table[i].text);
    }
}
END_TEST

static struct cluster *cluster(const char *text)
{
    struct crew_err err = {0};
    struct cluster *c = NULL;
    cJSON *json = NULL;

    ck_assert_msg(json_parse(text, strlen(text), "x", &json, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert_msg(cluster_new(json, &c, &err) == CREW_OK, "%s", err.msg);
    cJSON_Delete(json);
    return c;
}

static const struct {
    const char *text, *want;
} canonical[] = {
    {"{}", "{}"},
    {"{\"worker\": [\"w0:1\", \"w1\"], \"ps\": [\"grpc://p:3\"], \"chief\": "
     "[\"c:1\"]}",
     "{\"chief\":[\"c:1\"],\"ps\":[\"p:3\"],\"worker\":[\"w0:1\",\"w1:2222\"]"
     "}"},
    {"{\"master\": [\"c:1\"], \"evaluator\": [\"e:1\"], \"extra\": [\"x\"], "
     "\"ps\": []}",
     "{\"chief\":[\"c:1\"]}"},
    {"{\"worker\": {\"10\": \"w10\", \"2\": \"w2\"}, \"ps\": {}}",
     "{\"ps\":{},\"worker\":{\"2\":\"w2:2222\",\"10\":\"w10:2222\"}}"},
    {"{\"ps\": [\"no address:x\"]}", "{\"ps\":[\"no address:x\"]}"},
};

START_TEST(canonical_texts)
{
    struct cluster *c = cluster(canonical[_i].text);
    char *got = cluster_canonical(c);

    ck_assert_str_eq(got, canonical[_i].want);
    free(got);
    cluster_free(c);
}
END_TEST

static const struct {
    const char *here, *there, *want; /* NULL: no difference */
} differences[] = {
    {"{}", "{}", NULL},
    {"{\"ps\":[\"a:1\",\"b:2222\"]}", "{\"ps\":[\"a:1\",\"c:2222\"]}",
     "ps[1] is \"b:2222\" here, \"c:2222\" there"},
    {"{\"ps\":[\"a:1\",\"b:1\"]}", "{\"ps\":[\"a:1\"]}",
     "ps[1] is \"b:1\" here, not listed there"},
    {"{\"ps\":[\"a:1\"]}", "{\"ps\":[\"a:1\",\"b:1\"]}",
     "ps[1] is not listed here, \"b:1\" there"},
    {"{\"chief\":[\"a:1\"],\"ps\":[\"b:1\"]}",
     "{\"chief\":[\"x:1\"],\"ps\":[\"y:1\"]}",
     "chief[0] is \"a:1\" here, \"x:1\" there"},
    {"{\"chief\":[\"a:1\"]}", "{}",
     "chief[0] is \"a:1\" here, not listed there"},
    /* holes are no difference, addresses are */
    {"{\"worker\":{\"3\":\"a:1\"}}", "{\"worker\":{}}", NULL},
    {"{\"worker\":{\"3\":\"a:1\"}}", "{\"worker\":{\"2\":\"b:1\"}}", NULL},
    {"{\"ps\":{\"1\":\"b:1\"}}", "{\"ps\":[\"a:1\",\"b:1\"]}", NULL},
    {"{\"ps\":{\"1\":\"x:1\"}}", "{\"ps\":[\"a:1\",\"b:1\"]}",
     "ps[1] is \"x:1\" here, \"b:1\" there"},
    {"{\"ps\":{\"2\":\"c:1\"}}", "{\"ps\":[\"a:1\",\"b:1\"]}",
     "ps[2] is \"c:1\" here, not listed there"},
    {"{\"ps\":[]}", "{\"ps\":[}",
     "the cluster there cannot be read: cluster: line 1, column 8: expected a "
     "value"},
    {"{\"ps\":[]}", "{\"ps\":3}",
     "the cluster there cannot be read: The tasks for job 'ps' must be a list "
     "or a dictionary from integers to strings."},
};

START_TEST(differences_in_words)
{
    char buf[600] = "nothing";
    bool got = cluster_difference(differences[_i].here, differences[_i].there,
                                  buf, sizeof buf);

    ck_assert_int_eq(got, differences[_i].want != NULL);
    ck_assert_str_eq(
        buf, differences[_i].want != NULL ? differences[_i].want : "nothing");
}
END_TEST

START_TEST(roles)
{
    ck_assert_str_eq(role_name(ROLE_EVALUATOR), "evaluator");
    ck_assert_str_eq(role_name(ROLE_OTHER), "other");
    ck_assert_int_eq(role_parse("master"), ROLE_CHIEF);
    ck_assert_int_eq(role_parse("ps"), ROLE_PS);
    ck_assert_int_eq(role_parse("local"), ROLE_OTHER);
    ck_assert_int_eq(role_parse("Worker"), ROLE_OTHER);
}
END_TEST

START_TEST(python_integers)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } table[] = {
        {"1", true, 1},
        {" 12 ", true, 12},
        {"+3", true, 3},
        {"-4", true, -4},
        {"007", true, 7},
        {"1_000", true, 1000},
        {"", false, 0},
        {" ", false, 0},
        {"x", false, 0},
        {"1x", false, 0},
        {"1.0", false, 0},
        {"1__0", false, 0},
        {"_1", false, 0},
        {"1_", false, 0},
        {"+-1", false, 0},
        {"99999999999999999999", true, INT64_MAX},
        {"-99999999999999999999", true, INT64_MIN},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t got = 0;
        bool ok = py_int_text(table[i].text, &got);
        ck_assert_msg(ok == table[i].ok && (!ok || got == table[i].want),
                      "\"%s\": got %d %lld, want %d %lld", table[i].text, ok,
                      (long long)got, table[i].ok, (long long)table[i].want);
    }
}
END_TEST

START_TEST(python_texts)
{
    static const char *const table[][2] = {
        {"a", "'a'"},       {"it's", "\"it's\""},      {"\"", "'\"'"},
        {"'\"", "'\\'\"'"}, {"a\nb\\", "'a\\nb\\\\'"}, {"\x01", "'\\x01'"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct strbuf b;
        strbuf_init(&b);
        py_repr_text(&b, table[i][0]);
        ck_assert_str_eq(b.data, table[i][1]);
        strbuf_release(&b);
    }
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    Suite *suite = suite_create("cluster");
    TCase *tc = tcase_create("cluster");

    tcase_add_loop_test(tc, addresses, 0, COUNT(good));
    tcase_add_loop_test(tc, addresses_that_are_none, 0, COUNT(bad));
    tcase_add_test(tc, strict_addresses);
    tcase_add_test(tc, long_hosts_are_refused);
    tcase_add_test(tc, text_and_loopback);
    tcase_add_loop_test(tc, canonical_texts, 0, COUNT(canonical));
    tcase_add_loop_test(tc, differences_in_words, 0, COUNT(differences));
    tcase_add_test(tc, roles);
    tcase_add_test(tc, python_integers);
    tcase_add_test(tc, python_texts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
