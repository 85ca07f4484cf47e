/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's log on stderr; see log.h.
 *
 * A line and what the progress line needs (erase before, draw again after) go
 * out in one write(2), so that lines of several threads, or of several
 * processes that share a pipe, never mix within PIPE_BUF bytes. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "base/banned.h"

/* The one mutable state of the process that is not passed by argument: stderr
 * is one, too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char speaker[64];
static enum env_level lowest_level = LOG_INFO;
static char progress[256];

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
static const char erase[] = "\r\x1b[K";

void log_set_who(const char *who)
{
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(speaker, sizeof speaker, "%s", who);
    (void)pthread_mutex_unlock(&lock);
}

void log_set_level(enum env_level lowest)
{
    (void)pthread_mutex_lock(&lock);
    lowest_level = lowest;
    (void)pthread_mutex_unlock(&lock);
}

int log_level_parse(const char *name, enum env_level *level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum env_level)i;
            return 0;
        }
    }
    return -1;
}

static void add_time(struct strbuf *b)
{
    struct timespec now;
    struct tm utc;
    char text[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    strbuf_addf(b, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

/* Control bytes could move the cursor or fake a line. */
static void add_escaped(struct strbuf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n') {
            strbuf_addstr(b, "\\n");
        } else if (c == '\t') {
            strbuf_addstr(b, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_addf(b, "\\x%02x", c);
        } else {
            strbuf_add(b, text, 1);
        }
    }
}

static void write_out(const struct strbuf *b)
{
    const char *p = b->data;
    size_t left = b->len;

    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, p, left);
        if (n < 0 && errno != EINTR) {
            return; /* nobody listens, and there is nowhere to complain */
        }
        if (n > 0) {
            p += n;
            left -= (size_t)n;
        }
    }
}

void log_line(enum env_level level, const char *text)
{
    struct strbuf b;

    (void)pthread_mutex_lock(&lock);
    if (level >= lowest_level) {
        strbuf_init(&b);
        if (progress[0] != '\0') {
            strbuf_addstr(&b, erase);
        }
        add_time(&b);
        strbuf_addf(
            &b, " %s %s ", level_names[level],
            speaker[0] != '\0' ? speaker : program_invocation_short_name);
        add_escaped(&b, text);
        strbuf_addstr(&b, "\n");
        add_escaped(&b, progress);
        write_out(&b);
        strbuf_release(&b);
    }
    (void)pthread_mutex_unlock(&lock);
}

bool log_progress_wanted(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0 &&
           getenv("CI") == NULL;
}

void log_progress(const char *text)
{
    struct strbuf b;

    (void)pthread_mutex_lock(&lock);
    if (text[0] != '\0' || progress[0] != '\0') {
        (void)snprintf(progress, sizeof progress, "%s", text);
        strbuf_init(&b);
        strbuf_addstr(&b, erase);
        add_escaped(&b, progress);
        write_out(&b);
        strbuf_release(&b);
    }
    (void)pthread_mutex_unlock(&lock);
}
