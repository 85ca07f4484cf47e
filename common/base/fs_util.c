/* SPDX-License-Identifier: Apache-2.0
 * Whole files and folders over an env's file operations; see env.h. */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/banned.h"

/* Read the rest of `file` into a buffer that grows to at most max + 2 bytes:
 * one to see that there is too much, one for the NUL. */
static int read_growing(struct env_file *file,
                        struct env_fs *fs,
                        const char *path,
                        size_t max,
                        char **text,
                        size_t *n,
                        struct crew_err *err)
{
    size_t cap = max < 4096 ? max + 2 : 4096, len = 0, got = 0;
    void *buffer = NULL, *larger = NULL;
    int rc = mem_try(cap, 1, path, &buffer, err);

    while (rc == CREW_OK) {
        rc =
            fs->read(file, len, (char *)buffer + len, cap - 1 - len, &got, err);
        if (rc != CREW_OK) {
            break;
        }
        len += got;
        if (len > max) {
            rc = crew_err_exit(err, CREW_DATA_LOSS, 65,
                               "read %s: more than %zu bytes", path, max);
            break;
        }
        if (len < cap - 1) {
            *text = buffer;
            *n = len;
            return CREW_OK;
        }
        cap = cap < max / 2 ? cap * 2 : max + 2;
        rc = mem_try(cap, 1, path, &larger, err);
        if (rc == CREW_OK) {
            memcpy(larger, buffer, len);
            free(buffer);
            buffer = larger;
        }
    }
    free(buffer);
    return rc;
}

int fs_read_file(struct crew_env *env,
                 const char *path,
                 size_t max,
                 char **text,
                 size_t *n,
                 struct crew_err *err)
{
    struct crew_err ignored = {0};
    struct env_file *file = NULL;
    int rc = env->fs->open(env->fs, path, &file, err);

    if (rc == CREW_OK) {
        rc = read_growing(file, env->fs, path, max, text, n, err);
        /* Nothing was written: what close says cannot matter. */
        (void)env->fs->close(file, &ignored);
    }
    return rc;
}

/* The folder that holds `path`. Owner: caller, free(). */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return xstrdup(".");
    }
    return slash == path ? xstrdup("/")
                         : xasprintf("%.*s", (int)(slash - path), path);
}

static int write_synced(struct env_fs *fs,
                        const char *path,
                        const void *data,
                        size_t n,
                        struct crew_err *err)
{
    struct crew_err ignored = {0};
    struct env_file *file = NULL;
    int rc = fs->create(fs, path, false, &file, err);

    if (rc != CREW_OK) {
        return rc;
    }
    rc = fs->write(file, data, n, err);
    if (rc == CREW_OK) {
        rc = fs->sync(file, err);
    }
    if (rc == CREW_OK) {
        return fs->close(file, err);
    }
    (void)fs->close(file, &ignored);
    return rc;
}

int fs_replace_file(struct crew_env *env,
                    const char *path,
                    const void *data,
                    size_t n,
                    struct crew_err *err)
{
    struct env_fs *fs = env->fs;
    struct crew_err ignored = {0};
    char *temporary = xasprintf("%s.tmp", path);
    char *parent = parent_of(path);
    int rc = write_synced(fs, temporary, data, n, err);

    if (rc == CREW_OK) {
        rc = fs->rename(fs, temporary, path, err);
    }
    if (rc != CREW_OK) {
        (void)fs->unlink(fs, temporary, &ignored);
    } else {
        rc = fs->sync_dir(fs, parent, err);
    }
    free(parent);
    free(temporary);
    return rc;
}

static bool is_dir(struct crew_env *env, const char *path)
{
    struct crew_err ignored = {0};
    struct env_stat st = {0};

    return env->fs->stat(env->fs, path, &st, &ignored) == CREW_OK && st.is_dir;
}

int fs_make_dirs(struct crew_env *env, const char *path, struct crew_err *err)
{
    char *prefix = xstrdup(path);
    size_t length = strlen(path);
    int rc = CREW_OK;

    /* A folder that is there may stand on a read-only file system, where mkdir
     * need not answer that it exists: so look first. */
    for (size_t i = 1; i <= length && rc == CREW_OK; i++) {
        if (prefix[i] != '/' && prefix[i] != '\0') {
            continue;
        }
        prefix[i] = '\0';
        if (!is_dir(env, prefix)) {
            rc = env->fs->mkdir(env->fs, prefix, err);
        }
        prefix[i] = path[i];
    }
    free(prefix);
    return rc;
}

struct names {
    char **name;
    size_t n;
};

static void add_name(void *self, const char *name)
{
    struct names *names = self;

    names->name = xrealloc(names->name, (names->n + 1) * sizeof names->name[0]);
    names->name[names->n++] = xstrdup(name);
}

/* Folders among `names` go onto the work list, anything else is removed. */
static int remove_entry(struct crew_env *env,
                        const char *path,
                        struct names *folders,
                        struct crew_err *err)
{
    struct crew_err fault = {0};
    int rc = env->fs->unlink(env->fs, path, &fault);

    /* unlink first: a link to a folder is removed, not followed. */
    if (rc == CREW_OK || rc == CREW_NOT_FOUND) {
        return CREW_OK;
    }
    if (is_dir(env, path)) {
        add_name(folders, path);
        return CREW_OK;
    }
    return crew_err_exit(err, fault.code, fault.exit_code, "%s", fault.msg);
}

static int remove_content(struct crew_env *env,
                          const char *path,
                          struct names *folders,
                          struct crew_err *err)
{
    struct names names = {0};
    int rc = env->fs->list(env->fs, path, add_name, &names, err);

    for (size_t i = 0; i < names.n; i++) {
        if (rc == CREW_OK) {
            char *child = path_join(path, names.name[i]);
            rc = remove_entry(env, child, folders, err);
            free(child);
        }
        free(names.name[i]);
    }
    free(names.name);
    return rc;
}

int fs_remove_tree(struct crew_env *env, const char *path, struct crew_err *err)
{
    struct names folders = {0};
    int rc = remove_entry(env, path, &folders, err);

    /* The list grows while it is walked: parents stand before children. */
    for (size_t i = 0; i < folders.n && rc == CREW_OK; i++) {
        rc = remove_content(env, folders.name[i], &folders, err);
    }
    for (size_t i = folders.n; i > 0; i--) {
        if (rc == CREW_OK) {
            rc = env->fs->rmdir(env->fs, folders.name[i - 1], err);
        }
        free(folders.name[i - 1]);
    }
    free(folders.name);
    return rc;
}

bool fs_exists(struct crew_env *env, const char *path)
{
    struct crew_err ignored = {0};
    struct env_stat st = {0};

    return env->fs->stat(env->fs, path, &st, &ignored) == CREW_OK;
}

char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *between = n == 0 || dir[n - 1] == '/' ? "" : "/";

    return xasprintf("%s%s%s", dir, between, name);
}
