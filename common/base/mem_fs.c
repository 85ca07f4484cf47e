/* SPDX-License-Identifier: Apache-2.0
 *
 * Files in memory; see mem_fs.h.
 *
 * Nodes (files and folders) stand in one array sorted by path, so the content
 * of a folder is a range. Paths are cleaned first: "a//b/" and "./a/b" are
 * "a/b". "/" and "." always exist. A file's bytes are shared by its node and
 * those who have it open, so an unlinked or replaced file can still be read. A
 * write that is made to fail leaves the first half of its bytes behind, as a
 * full disk does. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/rng.h"
#include "base/banned.h"

struct content {
    int refs;
    char *bytes;
    size_t n, cap;
};

struct node {
    char *path;
    bool is_dir;
    struct content *content; /* NULL for a folder */
    double mtime;
};

#define MEM_ENV_MAGIC 0x6d656d65u

struct mem_env {
    struct crew_env env;
    struct env_fs fs;
    uint32_t magic;
    struct node *nodes;
    size_t n;
    uint64_t time_ns;
    struct rng rng;
    int64_t fail_countdown;
    int fail_code;
    bool fail_for_ever, fail_fired;
    void (*on_log)(void *self, enum env_level, const char *);
    void *on_log_self;
};

struct env_file {
    struct mem_env *owner;
    struct content *content;
    char *path;
    bool writable;
};

/* Virtual time begins here, as seconds since 1970. */
#define EPOCH 1600000000.0

static struct mem_env *of_env(const struct crew_env *env)
{
    struct mem_env *m = CONTAINER_OF(env, struct mem_env, env);

    PRE(m->magic == MEM_ENV_MAGIC);
    return m;
}

static struct mem_env *of_fs(const struct env_fs *fs)
{
    struct mem_env *m = CONTAINER_OF(fs, struct mem_env, fs);

    PRE(m->magic == MEM_ENV_MAGIC);
    return m;
}

static double wall_of(const struct mem_env *m)
{
    return EPOCH + 1e-9 * (double)m->time_ns;
}

static int fault(struct crew_err *err,
                 int code,
                 const char *what,
                 const char *path)
{
    const char *reason = "Input/output error";
    int exit_code = 74;

    switch (code) {
        case CREW_NOT_FOUND:
            reason = "No such file or directory";
            exit_code = 66;
            break;
        case CREW_ALREADY_EXISTS:
            reason = "File exists";
            exit_code = 73;
            break;
        case CREW_RESOURCE_EXHAUSTED:
            reason = "No space left on device";
            break;
        case CREW_PERMISSION_DENIED:
            reason = "Permission denied";
            exit_code = 73;
            break;
        default:
            break;
    }
    return crew_err_exit(err, code, exit_code, "%s %s: %s", what, path, reason);
}

static int unavailable(struct crew_err *err,
                       const char *what,
                       const char *path,
                       const char *reason)
{
    return crew_err_exit(err, CREW_UNAVAILABLE, 74, "%s %s: %s", what, path,
                         reason);
}

/* Count an operation; the code it must fail with, or CREW_OK. */
static int planned(struct mem_env *m)
{
    if (m->fail_fired && m->fail_for_ever) {
        return m->fail_code;
    }
    if (m->fail_countdown > 0 && --m->fail_countdown == 0) {
        m->fail_fired = true;
        return m->fail_code;
    }
    return CREW_OK;
}

/* The path without empty and "." parts. Owner: caller, free(). */
static char *clean(const char *path)
{
    char *out = xmalloc(strlen(path) + 2);
    size_t n = 0;

    if (path[0] == '/') {
        out[n++] = '/';
    }
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (n > 0 && out[n - 1] != '/') {
                out[n++] = '/';
            }
            memcpy(out + n, path, part);
            n += part;
        }
        path += part + (path[part] == '/');
    }
    if (n == 0) {
        out[n++] = '.';
    }
    out[n] = '\0';
    return out;
}

static bool is_root(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, ".") == 0;
}

/* Where `path` stands or would stand. */
static size_t place_of(const struct mem_env *m, const char *path, bool *found)
{
    size_t low = 0, high = m->n;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(m->nodes[middle].path, path);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct node *find(const struct mem_env *m, const char *path)
{
    bool found;
    size_t i = place_of(m, path, &found);

    return found ? &m->nodes[i] : NULL;
}

static bool dir_exists(const struct mem_env *m, const char *path)
{
    const struct node *node = find(m, path);

    return is_root(path) || (node != NULL && node->is_dir);
}

static bool parent_exists(const struct mem_env *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent;
    bool yes;

    if (slash == NULL || slash == path) {
        return true;
    }
    parent = xasprintf("%.*s", (int)(slash - path), path);
    yes = dir_exists(m, parent);
    free(parent);
    return yes;
}

static struct node *insert(struct mem_env *m, struct node node)
{
    bool found;
    size_t i = place_of(m, node.path, &found);

    PRE(!found);
    m->nodes = xrealloc(m->nodes, (m->n + 1) * sizeof m->nodes[0]);
    memmove(m->nodes + i + 1, m->nodes + i, (m->n - i) * sizeof m->nodes[0]);
    m->nodes[i] = node;
    m->n++;
    return &m->nodes[i];
}

static void content_unref(struct content *c)
{
    if (c != NULL && --c->refs == 0) {
        free(c->bytes);
        free(c);
    }
}

static void erase(struct mem_env *m, struct node *node)
{
    size_t i = (size_t)(node - m->nodes);

    free(node->path);
    content_unref(node->content);
    memmove(node, node + 1, (m->n - i - 1) * sizeof *node);
    m->n--;
}

/* The children of `path` are those nodes that begin with the prefix. */
static char *prefix_of(const char *path)
{
    if (strcmp(path, ".") == 0) {
        return xstrdup("");
    }
    return strcmp(path, "/") == 0 ? xstrdup("/") : xasprintf("%s/", path);
}

static bool has_children(const struct mem_env *m, const char *path)
{
    char *prefix = prefix_of(path);
    bool found;
    size_t i = place_of(m, prefix, &found);
    bool yes =
        i < m->n && strncmp(m->nodes[i].path, prefix, strlen(prefix)) == 0;

    free(prefix);
    return yes;
}

static struct env_file *file_new(struct mem_env *m,
                                 struct node *node,
                                 bool writable)
{
    struct env_file *file = xmalloc(sizeof *file);

    node->content->refs++;
    *file = (struct env_file){.owner = m,
                              .content = node->content,
                              .path = xstrdup(node->path),
                              .writable = writable};
    return file;
}

static int mem_open(struct env_fs *fs,
                    const char *path,
                    struct env_file **out,
                    struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    struct node *node = find(m, p);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "open", path);
    } else if (dir_exists(m, p)) {
        rc = unavailable(err, "open", path, "Is a directory");
    } else if (node == NULL) {
        rc = fault(err, CREW_NOT_FOUND, "open", path);
    } else {
        *out = file_new(m, node, false);
    }
    free(p);
    return rc;
}

static int mem_create(struct env_fs *fs,
                      const char *path,
                      bool exclusive,
                      struct env_file **out,
                      struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    struct node *node = find(m, p);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "create", path);
    } else if (node != NULL && exclusive) {
        rc = fault(err, CREW_ALREADY_EXISTS, "create", path);
    } else if (dir_exists(m, p)) {
        rc = unavailable(err, "create", path, "Is a directory");
    } else if (!parent_exists(m, p)) {
        rc = fault(err, CREW_NOT_FOUND, "create", path);
    } else {
        if (node == NULL) {
            struct content *c = xcalloc(1, sizeof *c);
            c->refs = 1;
            node = insert(m, (struct node){.path = xstrdup(p), .content = c});
        }
        node->content->n = 0;
        node->mtime = wall_of(m);
        *out = file_new(m, node, true);
    }
    free(p);
    return rc;
}

static void append(struct content *c, const void *data, size_t n)
{
    if (c->n + n > c->cap) {
        c->cap = 2 * (c->n + n);
        c->bytes = xrealloc(c->bytes, c->cap);
    }
    if (n > 0) {
        memcpy(c->bytes + c->n, data, n);
    }
    c->n += n;
}

static int mem_write(struct env_file *file,
                     const void *data,
                     size_t n,
                     struct crew_err *err)
{
    struct node *node = find(file->owner, file->path);
    int rc = planned(file->owner);

    if (!file->writable) {
        return unavailable(err, "write", file->path, "Bad file descriptor");
    }
    append(file->content, data, rc == CREW_OK ? n : n / 2);
    if (node != NULL && node->content == file->content) {
        node->mtime = wall_of(file->owner);
    }
    return rc == CREW_OK ? CREW_OK : fault(err, rc, "write", file->path);
}

static int mem_read(struct env_file *file,
                    uint64_t offset,
                    void *data,
                    size_t n,
                    size_t *got,
                    struct crew_err *err)
{
    const struct content *c = file->content;
    int rc = planned(file->owner);

    if (rc != CREW_OK) {
        return fault(err, rc, "read", file->path);
    }
    if (offset >= c->n) {
        n = 0;
    } else if (n > c->n - offset) {
        n = c->n - (size_t)offset;
    }
    if (n > 0) {
        memcpy(data, c->bytes + offset, n);
    }
    *got = n;
    return CREW_OK;
}

static int mem_sync(struct env_file *file, struct crew_err *err)
{
    int rc = planned(file->owner);

    return rc == CREW_OK ? CREW_OK : fault(err, rc, "sync", file->path);
}

static int mem_close(struct env_file *file, struct crew_err *err)
{
    int rc = planned(file->owner);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "close", file->path);
    }
    content_unref(file->content);
    free(file->path);
    free(file);
    return rc;
}

/* Take a node out of its place and put it back under another path. */
static void move(struct mem_env *m, struct node *node, char *path)
{
    struct node moved = *node;
    size_t i = (size_t)(node - m->nodes);

    memmove(node, node + 1, (m->n - i - 1) * sizeof *node);
    m->n--;
    free(moved.path);
    moved.path = path;
    (void)insert(m, moved);
}

/* Move what is under folder `from`; `to` has nothing under it. */
static void move_children(struct mem_env *m, const char *from, const char *to)
{
    char *prefix = prefix_of(from);
    size_t n = strlen(prefix), i;
    bool found;

    while ((i = place_of(m, prefix, &found)) < m->n &&
           strncmp(m->nodes[i].path, prefix, n) == 0) {
        move(m, &m->nodes[i], xasprintf("%s/%s", to, m->nodes[i].path + n));
    }
    free(prefix);
}

/* Why `from` cannot become `to`, or NULL; *code is set with the reason. */
static const char *rename_fault(const struct mem_env *m,
                                const char *from,
                                const char *to,
                                int *code)
{
    const struct node *source = find(m, from), *target = find(m, to);

    *code = CREW_NOT_FOUND;
    if (source == NULL || !parent_exists(m, to)) {
        return "No such file or directory";
    }
    *code = CREW_UNAVAILABLE;
    if (is_root(to) ||
        (source->is_dir && strncmp(to, from, strlen(from)) == 0 &&
         to[strlen(from)] == '/')) {
        return "Invalid argument";
    }
    if (target == NULL || target == source) {
        return NULL;
    }
    if (target->is_dir != source->is_dir) {
        return target->is_dir ? "Is a directory" : "Not a directory";
    }
    if (target->is_dir && has_children(m, to)) {
        return "Directory not empty";
    }
    return NULL;
}

static int mem_rename(struct env_fs *fs,
                      const char *from,
                      const char *to,
                      struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *source = clean(from), *target = clean(to);
    const char *reason;
    int rc = planned(m), code;

    if (rc != CREW_OK) {
        rc = fault(err, rc, "rename", from);
    } else if ((reason = rename_fault(m, source, target, &code)) != NULL) {
        rc = code == CREW_NOT_FOUND ? fault(err, code, "rename", from)
                                    : unavailable(err, "rename", from, reason);
    } else if (strcmp(source, target) != 0) {
        struct node *old = find(m, target);
        if (old != NULL) {
            erase(m, old);
        }
        move(m, find(m, source), xstrdup(target));
        move_children(m, source, target);
    }
    free(source);
    free(target);
    return rc;
}

static int mem_unlink(struct env_fs *fs, const char *path, struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    struct node *node = find(m, p);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "unlink", path);
    } else if (dir_exists(m, p)) {
        rc = unavailable(err, "unlink", path, "Is a directory");
    } else if (node == NULL) {
        rc = fault(err, CREW_NOT_FOUND, "unlink", path);
    } else {
        erase(m, node);
    }
    free(p);
    return rc;
}

static int mem_mkdir(struct env_fs *fs, const char *path, struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "mkdir", path);
    } else if (dir_exists(m, p)) {
        rc = CREW_OK;
    } else if (find(m, p) != NULL) {
        rc = fault(err, CREW_ALREADY_EXISTS, "mkdir", path);
    } else if (!parent_exists(m, p)) {
        rc = fault(err, CREW_NOT_FOUND, "mkdir", path);
    } else {
        (void)insert(
            m, (struct node){
                   .path = xstrdup(p), .is_dir = true, .mtime = wall_of(m)});
    }
    free(p);
    return rc;
}

static int mem_rmdir(struct env_fs *fs, const char *path, struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    struct node *node = find(m, p);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "rmdir", path);
    } else if (node == NULL && !is_root(p)) {
        rc = fault(err, CREW_NOT_FOUND, "rmdir", path);
    } else if (node != NULL && !node->is_dir) {
        rc = unavailable(err, "rmdir", path, "Not a directory");
    } else if (node == NULL || has_children(m, p)) {
        rc = unavailable(err, "rmdir", path, "Directory not empty");
    } else {
        erase(m, node);
    }
    free(p);
    return rc;
}

static int mem_sync_dir(struct env_fs *fs,
                        const char *path,
                        struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    int rc = planned(m);

    if (rc == CREW_OK && !dir_exists(m, p)) {
        rc = CREW_NOT_FOUND;
    }
    free(p);
    return rc == CREW_OK ? CREW_OK : fault(err, rc, "sync folder", path);
}

static int mem_stat(struct env_fs *fs,
                    const char *path,
                    struct env_stat *out,
                    struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    const struct node *node = find(m, p);
    int rc = planned(m);

    if (rc == CREW_OK && node == NULL && !is_root(p)) {
        rc = CREW_NOT_FOUND;
    }
    if (rc != CREW_OK) {
        rc = fault(err, rc, "stat", path);
    } else if (node == NULL || node->is_dir) {
        *out = (struct env_stat){.is_dir = true,
                                 .mtime = node != NULL ? node->mtime : EPOCH};
    } else {
        *out =
            (struct env_stat){.size = node->content->n, .mtime = node->mtime};
    }
    free(p);
    return rc;
}

/* Report the names directly in the folder. */
static void report(const struct mem_env *m,
                   const char *path,
                   env_name_fn name,
                   void *self)
{
    char *prefix = prefix_of(path);
    size_t n = strlen(prefix);

    for (size_t i = 0; i < m->n; i++) {
        const char *p = m->nodes[i].path;
        if (strncmp(p, prefix, n) == 0 && p[n] != '\0' &&
            strchr(p + n, '/') == NULL) {
            name(self, p + n);
        }
    }
    free(prefix);
}

static int mem_list(struct env_fs *fs,
                    const char *path,
                    env_name_fn name,
                    void *self,
                    struct crew_err *err)
{
    struct mem_env *m = of_fs(fs);
    char *p = clean(path);
    int rc = planned(m);

    if (rc != CREW_OK) {
        rc = fault(err, rc, "list", path);
    } else if (dir_exists(m, p)) {
        report(m, p, name, self);
    } else if (find(m, p) != NULL) {
        rc = unavailable(err, "list", path, "Not a directory");
    } else {
        rc = fault(err, CREW_NOT_FOUND, "list", path);
    }
    free(p);
    return rc;
}

static uint64_t mem_now_ns(struct crew_env *env)
{
    return of_env(env)->time_ns;
}

static double mem_wall_time(struct crew_env *env)
{
    return wall_of(of_env(env));
}

static uint64_t mem_random(struct crew_env *env)
{
    return rng_next(&of_env(env)->rng);
}

static void mem_log(struct crew_env *env,
                    enum env_level level,
                    const char *text)
{
    struct mem_env *m = of_env(env);

    if (m->on_log != NULL) {
        m->on_log(m->on_log_self, level, text);
    }
}

static const struct env_fs mem_operations = {
    .open = mem_open,
    .create = mem_create,
    .write = mem_write,
    .read = mem_read,
    .sync = mem_sync,
    .close = mem_close,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .mkdir = mem_mkdir,
    .rmdir = mem_rmdir,
    .sync_dir = mem_sync_dir,
    .stat = mem_stat,
    .list = mem_list,
};

struct crew_env *env_mem_new(uint64_t seed)
{
    struct mem_env *m = xcalloc(1, sizeof *m);

    m->magic = MEM_ENV_MAGIC;
    m->fs = mem_operations;
    m->rng.state = seed;
    m->env = (struct crew_env){.fs = &m->fs,
                               .now_ns = mem_now_ns,
                               .wall_time = mem_wall_time,
                               .random = mem_random,
                               .log = mem_log};
    return &m->env;
}

void env_mem_free(struct crew_env *env)
{
    struct mem_env *m;

    if (env == NULL) {
        return;
    }
    m = of_env(env);
    for (size_t i = 0; i < m->n; i++) {
        free(m->nodes[i].path);
        content_unref(m->nodes[i].content);
    }
    free(m->nodes);
    m->magic = 0;
    free(m);
}

void env_mem_advance(struct crew_env *env, uint64_t ns)
{
    of_env(env)->time_ns += ns;
}

void env_mem_fail_at(struct crew_env *env, int64_t n, int code, bool for_ever)
{
    struct mem_env *m = of_env(env);

    m->fail_countdown = n;
    m->fail_code = code;
    m->fail_for_ever = for_ever;
    m->fail_fired = false;
}

bool env_mem_fail_fired(const struct crew_env *env)
{
    return of_env(env)->fail_fired;
}

void env_mem_on_log(struct crew_env *env,
                    void (*line)(void *self, enum env_level, const char *),
                    void *self)
{
    struct mem_env *m = of_env(env);

    m->on_log = line;
    m->on_log_self = self;
}
