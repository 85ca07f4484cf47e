/* SPDX-License-Identifier: Apache-2.0
 * What becomes of events when the disk is full or stalls: told once, training
 * is never held up, and a reader finds whole records only. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "run_suite.h"
#include "summary/event_reader.h"
#include "summary/event_writer.h"

/* What the writer told, a line each; by any thread. */
struct told {
    pthread_mutex_t lock;
    char text[2000];
};

static void keep(void *self, const char *text)
{
    struct told *t = self;
    size_t n;

    (void)pthread_mutex_lock(&t->lock);
    n = strlen(t->text);
    (void)snprintf(t->text + n, sizeof t->text - n, "%s\n", text);
    (void)pthread_mutex_unlock(&t->lock);
}

/* ---------------------------------------------------- a disk that gets full */

static struct crew_env *env;
static struct told told;

static void setup(void)
{
    env = env_mem_new(1);
    told.text[0] = '\0';
    (void)pthread_mutex_init(&told.lock, NULL);
}

static void teardown(void)
{
    env_mem_free(env);
}

static struct event_writer *open_in(const char *dir)
{
    struct event_writer *w = NULL;
    struct crew_err err = {0};
    struct event_notice notice = {keep, &told};

    ck_assert_msg(event_writer_open(env, dir, notice, &w, &err) == CREW_OK,
                  "%s", err.msg);
    return w;
}

/* Steps of the scalars of file `i` of "/m", as "1 2 3"; the end is clean or, if
 * `cut`, a truncated record. */
static void expect_steps(int i, int num_files, const char *want, bool cut)
{
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};
    struct strbuf got;
    char **files = NULL;
    int n = 0;

    strbuf_init(&got);
    ck_assert_int_eq(event_files(env, "/m", &files, &n, &err), CREW_OK);
    ck_assert_int_eq(n, num_files);
    ck_assert_int_eq(event_reader_open(env, files[i], &r, &err), CREW_OK);
    while (event_reader_next(r, &e, &err) == CREW_OK) {
        if (e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY) {
            strbuf_addf(&got, "%d ", (int)e->step);
        } else {
            strbuf_addf(&got, "%s ", e->file_version);
        }
        tensorflow__event__free_unpacked(e, NULL);
    }
    ck_assert_str_eq(got.data, want);
    ck_assert_int_eq(err.code, cut ? CREW_DATA_LOSS : CREW_OUT_OF_RANGE);
    event_reader_close(r);
    event_files_free(files, n);
    strbuf_release(&got);
}

START_TEST(a_full_disk_is_told_once_and_got_over)
{
    struct event_writer *w = open_in("/m");

    event_write_scalar(w, 1, "loss", 1);
    env_mem_fail_at(env, 1, CREW_RESOURCE_EXHAUSTED, true);
    event_write_scalar(w, 2, "loss", 1);
    ck_assert_ptr_nonnull(strstr(told.text, "No space left on device"));
    ck_assert_ptr_nonnull(strstr(told.text,
                                 ": events are not written. "
                                 "Another file is tried every 60 "
                                 "seconds\n"));
    told.text[0] = '\0';
    /* Still full: nothing is told again, nothing left behind. */
    for (int64_t step = 3; step < 100; step++) {
        env_mem_advance(env, 10000000000u);
        event_write_scalar(w, step, "loss", 1);
        event_writer_sync(w);
    }
    ck_assert_str_eq(told.text, "");
    env_mem_fail_at(env, 0, 0, false);
    expect_steps(0, 1, "brain.Event:2 1 ", true);

    env_mem_advance(env, 60000000000u);
    event_write_scalar(w, 100, "loss", 1);
    event_write_scalar(w, 101, "loss", 1);
    ck_assert_str_eq(told.text, "events are written again\n");
    event_writer_close(w);
    expect_steps(1, 2, "brain.Event:2 100 101 ", false);
}
END_TEST

/* A new file is made, but its first record does not fit: it goes again. */
START_TEST(a_file_without_its_first_record_is_removed)
{
    struct event_writer *w = open_in("/m");

    env_mem_fail_at(env, 1, CREW_RESOURCE_EXHAUSTED, false);
    event_write_scalar(w, 1, "loss", 1);
    env_mem_advance(env, 61000000000u);
    env_mem_fail_at(env, 2, CREW_RESOURCE_EXHAUSTED, false); /* create, write */
    event_write_scalar(w, 2, "loss", 1);
    ck_assert(env_mem_fail_fired(env));
    env_mem_fail_at(env, 0, 0, false);
    expect_steps(0, 1, "brain.Event:2 ", true);
    event_writer_close(w);
}
END_TEST

/* Every operation from the second event on, failing once: the writer goes on
 * and what it leaves can be read. */
START_TEST(any_failure_is_survived)
{
    bool fired = true;

    for (int64_t n = 1; fired; n++) {
        struct event_writer *w;
        struct crew_err err = {0};
        char **files = NULL;
        int num_files = 0;

        env_mem_free(env);
        env = env_mem_new((uint64_t)n);
        w = open_in("/m");
        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, false);
        for (int64_t step = 1; step <= 4; step++) {
            event_write_scalar(w, step, "loss", 1);
            event_writer_sync(w);
            env_mem_advance(env, 61000000000u);
        }
        event_writer_close(w);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        ck_assert_int_eq(event_files(env, "/m", &files, &num_files, &err),
                         CREW_OK);
        ck_assert_int_le(num_files, 2);
        event_files_free(files, num_files);
    }
}
END_TEST

/* ------------------------------------------------------- a disk that stalls */

/* A file system of one file whose writes wait until they are let go. */
struct slow {
    struct crew_env env;
    struct env_fs fs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stalled;
    int waiting, syncs, closed;
    struct strbuf bytes;
};

static struct slow slow;

static int slow_create(struct env_fs *fs,
                       const char *path,
                       bool exclusive,
                       struct env_file **out,
                       struct crew_err *err)
{
    (void)fs;
    (void)path;
    (void)exclusive;
    (void)err;
    *out = (struct env_file *)(void *)&slow;
    return CREW_OK;
}

static int slow_write(struct env_file *file,
                      const void *data,
                      size_t n,
                      struct crew_err *err)
{
    (void)file;
    (void)err;
    (void)pthread_mutex_lock(&slow.lock);
    slow.waiting++;
    (void)pthread_cond_broadcast(&slow.changed);
    while (slow.stalled) {
        (void)pthread_cond_wait(&slow.changed, &slow.lock);
    }
    slow.waiting--;
    strbuf_add(&slow.bytes, data, n);
    (void)pthread_mutex_unlock(&slow.lock);
    return CREW_OK;
}

static int slow_sync(struct env_file *file, struct crew_err *err)
{
    (void)file;
    (void)err;
    (void)pthread_mutex_lock(&slow.lock);
    slow.syncs++;
    (void)pthread_cond_broadcast(&slow.changed);
    (void)pthread_mutex_unlock(&slow.lock);
    return CREW_OK;
}

static int slow_close(struct env_file *file, struct crew_err *err)
{
    (void)file;
    (void)err;
    slow.closed++;
    return CREW_OK;
}

static int slow_mkdir(struct env_fs *fs, const char *path, struct crew_err *err)
{
    (void)fs;
    (void)path;
    (void)err;
    return CREW_OK;
}

static void slow_stall(bool stalled)
{
    (void)pthread_mutex_lock(&slow.lock);
    slow.stalled = stalled;
    (void)pthread_cond_broadcast(&slow.changed);
    (void)pthread_mutex_unlock(&slow.lock);
}

/* Until the writer's thread hangs in a write. */
static void slow_await_writer(void)
{
    (void)pthread_mutex_lock(&slow.lock);
    while (slow.waiting == 0) {
        (void)pthread_cond_wait(&slow.changed, &slow.lock);
    }
    (void)pthread_mutex_unlock(&slow.lock);
}

static struct event_writer *open_slow(void)
{
    struct event_notice notice = {keep, &told};
    struct event_writer *w = NULL;
    struct crew_err err = {0};

    slow = (struct slow){.env = *env_posix()};
    (void)pthread_mutex_init(&slow.lock, NULL);
    (void)pthread_cond_init(&slow.changed, NULL);
    strbuf_init(&slow.bytes);
    slow.fs = *env_posix()->fs;
    slow.fs.create = slow_create;
    slow.fs.write = slow_write;
    slow.fs.sync = slow_sync;
    slow.fs.close = slow_close;
    slow.fs.mkdir = slow_mkdir;
    slow.env.fs = &slow.fs;
    ck_assert_int_eq(event_writer_open(&slow.env, "m", notice, &w, &err),
                     CREW_OK);
    event_writer_start(w);
    return w;
}

/* Whole records in what was written. */
static int num_records(void)
{
    size_t at = 0;
    int n = 0;

    while (at < slow.bytes.len) {
        ck_assert_uint_le(at + 12, slow.bytes.len);
        at += 16 + get_le64((const uint8_t *)slow.bytes.data + at);
        n++;
    }
    ck_assert_uint_eq(at, slow.bytes.len);
    return n;
}

static int lines_with(const char *text)
{
    const char *at = told.text;
    int n = 0;

    while ((at = strstr(at, text)) != NULL) {
        at++;
        n++;
    }
    return n;
}

/* The queue takes EVENT_QUEUE_MOST bytes of a disk that stalls, then drops. All
 * calls return: this test would hang if one waited for the disk. */
START_TEST(a_stalled_disk_holds_nobody_up)
{
    enum { EVENT = 1 << 20, EVENTS = 40 };
    struct event_writer *w = open_slow();
    char *blob = xcalloc(1, EVENT);

    slow_stall(true);
    event_write_scalar(w, 1, "loss", 1);
    slow_await_writer();
    for (int i = 0; i < EVENTS; i++) {
        event_write_run_metadata(w, i, "x", blob, EVENT);
    }
    ck_assert_int_eq(lines_with("the disk does not keep up: events are "
                                "dropped\n"),
                     1);
    slow_stall(false);
    event_writer_close(w);
    /* 31 of them and their frames fit; two records stand before them. */
    ck_assert_int_eq(num_records(), 2 + 31);
    ck_assert_int_eq(
        lines_with("the disk keeps up again: 9 events were dropped\n"), 1);
    ck_assert_int_ge(slow.syncs, 1);
    ck_assert_int_eq(slow.closed, 1);
    strbuf_release(&slow.bytes);
    free(blob);
}
END_TEST

/* An event that alone is larger than the queue is written, too. */
START_TEST(one_huge_event_fits)
{
    struct event_writer *w = open_slow();
    size_t n = (size_t)EVENT_QUEUE_MOST + 1000;
    char *blob = xcalloc(1, n);

    event_write_run_metadata(w, 1, "x", blob, n);
    event_writer_close(w);
    ck_assert_int_eq(num_records(), 2);
    ck_assert_str_eq(told.text, "");
    strbuf_release(&slow.bytes);
    free(blob);
}
END_TEST

START_TEST(a_thread_writes_all_in_order)
{
    struct event_writer *w = open_slow();

    for (int i = 0; i < 2000; i++) {
        event_write_scalar(w, i, "loss", 1);
        if (i % 100 == 0) {
            event_writer_sync(w);
        }
    }
    event_writer_close(w);
    ck_assert_int_eq(num_records(), 2001);
    ck_assert_str_eq(told.text, "");
    strbuf_release(&slow.bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_file");
    TCase *tc = tcase_create("event_file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_full_disk_is_told_once_and_got_over);
    tcase_add_test(tc, a_file_without_its_first_record_is_removed);
    tcase_add_test(tc, any_failure_is_survived);
    tcase_add_test(tc, a_stalled_disk_holds_nobody_up);
    tcase_add_test(tc, one_huge_event_fits);
    tcase_add_test(tc, a_thread_writes_all_in_order);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
