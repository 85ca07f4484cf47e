/* SPDX-License-Identifier: Apache-2.0
 * Event files, read. */
#include "summary/event_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/pbguard.h"
#include "io/tfrecord.h"

#include "base/banned.h"

struct event_reader {
    struct crew_env *env;
    struct env_file *file;
    char *path;
    struct tfrecord_reader records;
};

int event_reader_open(struct crew_env *env,
                      const char *path,
                      struct event_reader **out,
                      struct crew_err *err)
{
    struct env_file *file = NULL;
    struct event_reader *r;

    if (env->fs->open(env->fs, path, &file, err) != CREW_OK) {
        return err->code;
    }
    r = xcalloc(1, sizeof *r);
    r->env = env;
    r->file = file;
    r->path = xstrdup(path);
    tfrecord_reader_init(&r->records, env->fs, file);
    *out = r;
    return CREW_OK;
}

void event_reader_close(struct event_reader *r)
{
    struct crew_err ignored = {0};

    if (r == NULL) {
        return;
    }
    tfrecord_reader_release(&r->records);
    (void)r->env->fs->close(r->file, &ignored);
    free(r->path);
    free(r);
}

int event_reader_next(struct event_reader *r,
                      Tensorflow__Event **out,
                      struct crew_err *err)
{
    ProtobufCMessage *event;
    uint64_t offset = r->records.offset;

    if (tfrecord_next(&r->records, err) != CREW_OK) {
        return err->code == CREW_OUT_OF_RANGE
                   ? err->code
                   : crew_err_wrap(err, "%s", r->path);
    }
    if (pbguard_unpack(&tensorflow__event__descriptor, &pbguard_record,
                       (const uint8_t *)r->records.record.data,
                       r->records.record.len, &event, err) != CREW_OK) {
        return crew_err_wrap(err, "%s: the record at %llu is no event", r->path,
                             (unsigned long long)offset);
    }
    *out = (Tensorflow__Event *)event;
    return CREW_OK;
}

struct listing {
    const char *dir;
    char **files;
    int n;
};

static void take_name(void *self, const char *name)
{
    struct listing *l = self;

    if (strstr(name, "tfevents") != NULL) {
        l->files = xrealloc(l->files, (size_t)(l->n + 1) * sizeof *l->files);
        l->files[l->n++] = path_join(l->dir, name);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int event_files(struct crew_env *env,
                const char *path,
                char ***files,
                int *n,
                struct crew_err *err)
{
    struct listing l = {.dir = path};
    struct env_stat st;

    if (env->fs->stat(env->fs, path, &st, err) != CREW_OK) {
        return err->code;
    }
    if (!st.is_dir) {
        l.files = xmalloc(sizeof *l.files);
        l.files[l.n++] = xstrdup(path);
    } else if (env->fs->list(env->fs, path, take_name, &l, err) != CREW_OK) {
        event_files_free(l.files, l.n);
        return err->code;
    }
    if (l.n == 0) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66, "%s: no event file in it",
                             path);
    }
    qsort(l.files, (size_t)l.n, sizeof *l.files, by_text);
    *files = l.files;
    *n = l.n;
    return CREW_OK;
}

void event_files_free(char **files, int n)
{
    for (int i = 0; i < n; i++) {
        free(files[i]);
    }
    free(files);
}
