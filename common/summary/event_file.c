/* SPDX-License-Identifier: Apache-2.0
 * Two buffers: `queued` takes events under the lock, `writing` belongs to
 * whoever empties the queue; emptying begins with exchanging them. */
#include "summary/event_file.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "io/tfrecord.h"

#include "base/banned.h"

#define FILE_VERSION "brain.Event:2"
#define SOURCE_WRITER "traincrew.common.summary.event_writer"

/* Memory that a buffer keeps between two uses. */
#define BUFFER_KEPT ((size_t)1 << 20)

struct event_file {
    struct crew_env *env;
    char *dir;
    struct event_notice notice;

    /* Of who empties the queue. */
    struct env_file *file; /* NULL: broken */
    uint64_t retry_ns;     /* broken: when to begin a new file */
    struct strbuf writing;
    bool was_broken;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct strbuf queued;
    int64_t dropped; /* since the queue was full */
    bool sync, closing;

    bool threaded;
    pthread_t thread;
};

static void tell(const struct event_file *f, const char *text)
{
    if (f->notice.told != NULL) {
        f->notice.told(f->notice.self, text);
    }
}

/* Append the event as a record. */
static void frame_event(struct crew_env *env,
                        Tensorflow__Event *event,
                        struct strbuf *out)
{
    size_t n;
    uint8_t *packed;

    event->wall_time = env->wall_time(env);
    n = tensorflow__event__get_packed_size(event);
    packed = xmalloc(n);
    (void)tensorflow__event__pack(event, packed);
    tfrecord_frame(out, packed, n);
    free(packed);
}

/* ----------------------------------------------------------------- the file */

static char *file_path(struct crew_env *env, const char *dir)
{
    static atomic_int count;
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    return xasprintf("%s/events.out.tfevents.%010lld.%s.%ld.%d", dir,
                     (long long)env->wall_time(env), host, (long)getpid(),
                     atomic_fetch_add(&count, 1));
}

static int write_first(struct event_file *f,
                       struct env_file *file,
                       struct crew_err *err)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    Tensorflow__SourceMetadata source = TENSORFLOW__SOURCE_METADATA__INIT;
    struct strbuf record;

    source.writer = (char *)SOURCE_WRITER;
    event.source_metadata = &source;
    event.what_case = TENSORFLOW__EVENT__WHAT_FILE_VERSION;
    event.file_version = (char *)FILE_VERSION;
    strbuf_init(&record);
    frame_event(f->env, &event, &record);
    (void)f->env->fs->write(file, record.data, record.len, err);
    strbuf_release(&record);
    return err->code;
}

/* A new file with its first record; nothing is left behind by a failure. */
static int begin_file(struct event_file *f, struct crew_err *err)
{
    struct env_fs *fs = f->env->fs;
    char *path = file_path(f->env, f->dir);
    struct env_file *file = NULL;
    struct crew_err ignored = {0};

    if (fs->create(fs, path, true, &file, err) == CREW_OK) {
        if (write_first(f, file, err) == CREW_OK) {
            f->file = file;
        } else {
            (void)fs->close(file, &ignored);
            (void)fs->unlink(fs, path, &ignored);
        }
    }
    free(path);
    return err->code;
}

static void retry_later(struct event_file *f)
{
    f->retry_ns =
        f->env->now_ns(f->env) + (uint64_t)EVENT_RETRY_SECS * 1000000000u;
}

static void give_up(struct event_file *f, const struct crew_err *why)
{
    struct crew_err ignored = {0};
    char *text = xasprintf(
        "%s: events are not written. Another file is tried "
        "every %d seconds",
        why->msg, EVENT_RETRY_SECS);

    (void)f->env->fs->close(f->file, &ignored);
    f->file = NULL;
    f->was_broken = true;
    retry_later(f);
    tell(f, text);
    free(text);
}

/* Is there a file to write to? */
static bool have_file(struct event_file *f)
{
    struct crew_err err = {0};

    if (f->file != NULL) {
        return true;
    }
    if (f->env->now_ns(f->env) < f->retry_ns) {
        return false;
    }
    if (begin_file(f, &err) != CREW_OK) {
        retry_later(f);
        return false;
    }
    return true;
}

static void write_out(struct event_file *f, bool sync)
{
    struct env_fs *fs = f->env->fs;
    struct crew_err err = {0};

    if (f->writing.len > 0 && have_file(f)) {
        if (fs->write(f->file, f->writing.data, f->writing.len, &err) !=
            CREW_OK) {
            give_up(f, &err);
            return;
        }
        if (f->was_broken) {
            f->was_broken = false;
            tell(f, "events are written again");
        }
    }
    if (sync && f->file != NULL && fs->sync(f->file, &err) != CREW_OK) {
        give_up(f, &err);
    }
}

/* ---------------------------------------------------------------- the queue */

static void tell_dropped(const struct event_file *f, int64_t dropped)
{
    char *text = xasprintf("the disk keeps up again: %lld events were dropped",
                           (long long)dropped);

    tell(f, text);
    free(text);
}

/* Write what is queued. Called and left with the lock held. */
static void empty_queue(struct event_file *f)
{
    struct strbuf full = f->queued;
    bool sync = f->sync;
    int64_t dropped = f->dropped;

    f->queued = f->writing;
    f->writing = full;
    f->sync = false;
    f->dropped = 0;
    (void)pthread_mutex_unlock(&f->lock);
    if (dropped > 0) {
        tell_dropped(f, dropped);
    }
    write_out(f, sync);
    strbuf_reset(&f->writing);
    if (f->writing.cap > BUFFER_KEPT) {
        strbuf_release(&f->writing);
        strbuf_init(&f->writing);
    }
    (void)pthread_mutex_lock(&f->lock);
}

static bool has_work(const struct event_file *f)
{
    return f->queued.len > 0 || f->sync;
}

static void *run(void *self)
{
    struct event_file *f = self;

    (void)pthread_mutex_lock(&f->lock);
    while (!f->closing || has_work(f)) {
        if (has_work(f)) {
            empty_queue(f);
        } else {
            (void)pthread_cond_wait(&f->wake, &f->lock);
        }
    }
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

void event_file_add(struct event_file *f, Tensorflow__Event *event)
{
    struct strbuf record;
    bool first_dropped = false;

    strbuf_init(&record);
    frame_event(f->env, event, &record);
    (void)pthread_mutex_lock(&f->lock);
    if (f->queued.len > 0 && f->queued.len + record.len > EVENT_QUEUE_MOST) {
        first_dropped = f->dropped++ == 0;
    } else {
        strbuf_add(&f->queued, record.data, record.len);
    }
    if (f->threaded) {
        (void)pthread_cond_signal(&f->wake);
    } else {
        empty_queue(f);
    }
    (void)pthread_mutex_unlock(&f->lock);
    strbuf_release(&record);
    if (first_dropped) {
        tell(f, "the disk does not keep up: events are dropped");
    }
}

void event_file_sync(struct event_file *f)
{
    (void)pthread_mutex_lock(&f->lock);
    f->sync = true;
    if (f->threaded) {
        (void)pthread_cond_signal(&f->wake);
    } else {
        empty_queue(f);
    }
    (void)pthread_mutex_unlock(&f->lock);
}

/* ----------------------------------------------------- opening and closing */

int event_file_open(struct crew_env *env,
                    const char *dir,
                    struct event_notice notice,
                    struct event_file **out,
                    struct crew_err *err)
{
    struct event_file *f;

    if (fs_make_dirs(env, dir, err) != CREW_OK) {
        return err->code;
    }
    f = xcalloc(1, sizeof *f);
    f->env = env;
    f->dir = xstrdup(dir);
    f->notice = notice;
    strbuf_init(&f->writing);
    strbuf_init(&f->queued);
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->wake, NULL);
    if (begin_file(f, err) != CREW_OK) {
        event_file_close(f);
        return err->code;
    }
    *out = f;
    return CREW_OK;
}

void event_file_start(struct event_file *f)
{
    sigset_t all, before;

    /* Signals are the training thread's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    f->threaded = pthread_create(&f->thread, NULL, run, f) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void event_file_close(struct event_file *f)
{
    struct crew_err ignored = {0};

    if (f == NULL) {
        return;
    }
    event_file_sync(f);
    (void)pthread_mutex_lock(&f->lock);
    f->closing = true;
    (void)pthread_cond_signal(&f->wake);
    (void)pthread_mutex_unlock(&f->lock);
    if (f->threaded) {
        (void)pthread_join(f->thread, NULL);
    }
    if (f->file != NULL) {
        (void)f->env->fs->close(f->file, &ignored);
    }
    (void)pthread_cond_destroy(&f->wake);
    (void)pthread_mutex_destroy(&f->lock);
    strbuf_release(&f->queued);
    strbuf_release(&f->writing);
    free(f->dir);
    free(f);
}
