/* SPDX-License-Identifier: Apache-2.0
 * Log lines as they arrive on stderr, which a pipe stands in for. */
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "run_suite.h"

static int pipe_end;
static char text[4096];

static void set_up(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(fds[1]);
    ck_assert_int_ge(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    pipe_end = fds[0];
}

static void tear_down(void)
{
    (void)close(pipe_end);
}

/* What has been written so far. */
static const char *written(void)
{
    ssize_t n = read(pipe_end, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void ck_matches(const char *got, const char *pattern)
{
    regex_t re;

    ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&re, got, 0, NULL, 0) == 0, "got %s, want %s", got,
                  pattern);
    regfree(&re);
}

#define TIME \
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z "

START_TEST(a_line)
{
    log_set_who("chief/0");
    log_line(LOG_INFO, "loss = 2.3, step = 0");
    ck_matches(written(), TIME "INFO chief/0 loss = 2.3, step = 0\n$");
    env_log(env_posix(), LOG_ERROR, "%d%%", 7);
    ck_matches(written(), TIME "ERROR chief/0 7%\n$");
}
END_TEST

START_TEST(without_a_role_it_is_the_program)
{
    log_line(LOG_WARN, "x");
    ck_matches(written(), TIME "WARN [^ ]*test_log x\n$");
}
END_TEST

START_TEST(control_bytes_are_escaped)
{
    log_set_who("ps/1");
    log_line(LOG_INFO, "a\nb\tc\x1b[2J h\xc3\xb6");
    ck_matches(written(), "ps/1 a\\\\nb\\\\tc\\\\x1b\\[2J h\xc3\xb6\n$");
}
END_TEST

START_TEST(levels)
{
    enum env_level level = LOG_INFO;

    log_line(LOG_DEBUG, "quiet");
    ck_assert_str_eq(written(), "");
    ck_assert_int_eq(log_level_parse("debug", &level), 0);
    log_set_level(level);
    log_line(LOG_DEBUG, "heard");
    ck_matches(written(), "DEBUG .* heard\n$");
    ck_assert_int_eq(log_level_parse("error", &level), 0);
    log_set_level(level);
    log_line(LOG_WARN, "quiet");
    ck_assert_str_eq(written(), "");
    ck_assert_int_eq(log_level_parse("ERROR", &level), -1);
    ck_assert_int_eq(log_level_parse("", &level), -1);
    ck_assert_int_eq(level, LOG_ERROR);
}
END_TEST

START_TEST(the_progress_line_stays_below)
{
    log_set_who("chief/0");
    ck_assert(!log_progress_wanted()); /* a pipe */
    log_progress("10%");
    ck_assert_str_eq(written(), "\r\x1b[K10%");
    log_line(LOG_INFO, "x");
    ck_matches(written(), "^\r\x1b\\[K[0-9TZ:.-]+ INFO chief/0 x\n10%$");
    log_progress("");
    ck_assert_str_eq(written(), "\r\x1b[K");
    log_progress("");
    ck_assert_str_eq(written(), "");
    log_line(LOG_INFO, "y");
    ck_matches(written(), TIME "INFO chief/0 y\n$");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_line);
    tcase_add_test(tc, without_a_role_it_is_the_program);
    tcase_add_test(tc, control_bytes_are_escaped);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, the_progress_line_stays_below);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
