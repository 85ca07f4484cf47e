/* SPDX-License-Identifier: Apache-2.0
 * The files of an export: written and copied durably, and looked at before. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export/build.h"
#include "base/mem.h"

#include "base/banned.h"

enum { CHUNK = 256 * 1024 };

/* Sync unless there was an error, and close in any case. */
static int finish(struct crew_env *env,
                  struct env_file *file,
                  struct crew_err *err)
{
    struct crew_err close_err = {0};

    if (err->code == CREW_OK) {
        (void)env->fs->sync(file, err);
    }
    if (env->fs->close(file, &close_err) != CREW_OK && err->code == CREW_OK) {
        *err = close_err;
    }
    return err->code;
}

int export_write_file(struct crew_env *env,
                      const char *path,
                      const void *data,
                      size_t n,
                      struct crew_err *err)
{
    struct env_file *file = NULL;

    if (env->fs->create(env->fs, path, true, &file, err) != CREW_OK) {
        return err->code;
    }
    (void)env->fs->write(file, data, n, err);
    return finish(env, file, err);
}

typedef int (*chunk_fn)(void *self,
                        const char *data,
                        size_t n,
                        struct crew_err *);

static int each_chunk(struct crew_env *env,
                      const char *path,
                      chunk_fn fn,
                      void *self,
                      struct crew_err *err)
{
    struct crew_err ignored = {0};
    struct env_file *file = NULL;
    uint64_t offset = 0;
    size_t got = CHUNK;
    char *data;

    if (env->fs->open(env->fs, path, &file, err) != CREW_OK) {
        return err->code;
    }
    data = xmalloc(CHUNK);
    while (got == CHUNK && err->code == CREW_OK) {
        if (env->fs->read(file, offset, data, CHUNK, &got, err) == CREW_OK) {
            (void)fn(self, data, got, err);
            offset += got;
        }
    }
    free(data);
    (void)env->fs->close(file, &ignored);
    return err->code;
}

struct sink {
    struct crew_env *env;
    struct env_file *file;
};

static int pour(void *self, const char *data, size_t n, struct crew_err *err)
{
    struct sink *to = self;

    return to->env->fs->write(to->file, data, n, err);
}

int export_copy_file(struct crew_env *env,
                     const char *from,
                     const char *to,
                     struct crew_err *err)
{
    struct sink sink = {.env = env};

    if (env->fs->create(env->fs, to, true, &sink.file, err) != CREW_OK) {
        return err->code;
    }
    (void)each_chunk(env, from, pour, &sink, err);
    return finish(env, sink.file, err);
}

/* ------------------------------------------------------------ vocabularies */

struct lines {
    const char *path;
    int64_t n;      /* whole ones so far */
    int64_t at;     /* bytes so far */
    size_t of_line; /* bytes of the one that is not whole */
};

static int count_lines(void *self,
                       const char *data,
                       size_t n,
                       struct crew_err *err)
{
    struct lines *l = self;

    for (size_t i = 0; i < n; i++, l->at++) {
        if (data[i] != '\n') {
            l->of_line++;
        } else if (l->of_line == 0) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "Invalid content in %s: empty line found at "
                                 "position %" PRId64,
                                 l->path, l->at);
        } else {
            l->of_line = 0;
            l->n++;
        }
    }
    return CREW_OK;
}

int export_check_vocabulary(struct crew_env *env,
                            const char *path,
                            int64_t lines,
                            struct crew_err *err)
{
    struct lines l = {.path = path};

    if (each_chunk(env, path, count_lines, &l, err) != CREW_OK) {
        return err->code;
    }
    l.n += l.of_line > 0;
    if (lines > 0 && l.n != lines) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "Invalid vocab_size in %s: expected %" PRId64
                             " but got %" PRId64,
                             path, lines, l.n);
    }
    return CREW_OK;
}
