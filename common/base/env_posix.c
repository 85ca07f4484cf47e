/* SPDX-License-Identifier: Apache-2.0
 * The machine's own files, clocks and random numbers behind struct crew_env. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/banned.h"

struct env_file {
    int fd;
    char *path; /* for messages */
};

/* A write this large is one system call at most; Linux takes no more. */
#define MAX_CHUNK ((size_t)1 << 30)

/* The error that errno stands for. */
static int fault(struct crew_err *err, const char *what, const char *path)
{
    int number = errno, code = CREW_UNAVAILABLE, exit_code = 74;

    switch (number) {
        case ENOENT:
            code = CREW_NOT_FOUND;
            exit_code = 66;
            break;
        case EEXIST:
            code = CREW_ALREADY_EXISTS;
            exit_code = 73;
            break;
        case ENOSPC:
        case EDQUOT:
            code = CREW_RESOURCE_EXHAUSTED;
            break;
        case EACCES:
        case EROFS:
            code = CREW_PERMISSION_DENIED;
            exit_code = 73;
            break;
        default:
            break;
    }
    return crew_err_exit(err, code, exit_code, "%s %s: %s", what, path,
                         strerror(number));
}

static int open_flags(const char *what,
                      const char *path,
                      int flags,
                      struct env_file **out,
                      struct crew_err *err)
{
    struct env_file *file;
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return fault(err, what, path);
    }
    file = xmalloc(sizeof *file);
    *file = (struct env_file){.fd = fd, .path = xstrdup(path)};
    *out = file;
    return CREW_OK;
}

static int posix_open(struct env_fs *fs,
                      const char *path,
                      struct env_file **out,
                      struct crew_err *err)
{
    (void)fs;
    return open_flags("open", path, O_RDONLY, out, err);
}

static int posix_create(struct env_fs *fs,
                        const char *path,
                        bool exclusive,
                        struct env_file **out,
                        struct crew_err *err)
{
    int flags = O_RDWR | O_CREAT | O_APPEND | (exclusive ? O_EXCL : O_TRUNC);

    (void)fs;
    return open_flags("create", path, flags, out, err);
}

static int posix_write(struct env_file *file,
                       const void *data,
                       size_t n,
                       struct crew_err *err)
{
    const char *p = data;

    while (n > 0) {
        ssize_t done = write(file->fd, p, n < MAX_CHUNK ? n : MAX_CHUNK);
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fault(err, "write", file->path);
        }
        p += done;
        n -= (size_t)done;
    }
    return CREW_OK;
}

static int posix_read(struct env_file *file,
                      uint64_t offset,
                      void *data,
                      size_t n,
                      size_t *got,
                      struct crew_err *err)
{
    char *p = data;
    size_t total = 0;

    while (total < n) {
        size_t chunk = n - total < MAX_CHUNK ? n - total : MAX_CHUNK;
        ssize_t done =
            pread(file->fd, p + total, chunk, (off_t)(offset + total));
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fault(err, "read", file->path);
        }
        if (done == 0) {
            break;
        }
        total += (size_t)done;
    }
    *got = total;
    return CREW_OK;
}

static int posix_sync(struct env_file *file, struct crew_err *err)
{
    return fsync(file->fd) == 0 ? CREW_OK : fault(err, "sync", file->path);
}

static int posix_close(struct env_file *file, struct crew_err *err)
{
    int rc = CREW_OK;

    /* After EINTR Linux has closed it all the same. */
    if (close(file->fd) < 0 && errno != EINTR) {
        rc = fault(err, "close", file->path);
    }
    free(file->path);
    free(file);
    return rc;
}

static int posix_rename(struct env_fs *fs,
                        const char *from,
                        const char *to,
                        struct crew_err *err)
{
    (void)fs;
    return rename(from, to) == 0 ? CREW_OK : fault(err, "rename", from);
}

static int posix_unlink(struct env_fs *fs,
                        const char *path,
                        struct crew_err *err)
{
    (void)fs;
    return unlink(path) == 0 ? CREW_OK : fault(err, "unlink", path);
}

static int posix_mkdir(struct env_fs *fs,
                       const char *path,
                       struct crew_err *err)
{
    struct stat st;

    (void)fs;
    if (mkdir(path, 0777) == 0) {
        return CREW_OK;
    }
    if (errno == EEXIST) {
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            return CREW_OK;
        }
        errno = EEXIST;
    }
    return fault(err, "mkdir", path);
}

static int posix_rmdir(struct env_fs *fs,
                       const char *path,
                       struct crew_err *err)
{
    (void)fs;
    return rmdir(path) == 0 ? CREW_OK : fault(err, "rmdir", path);
}

static int posix_sync_dir(struct env_fs *fs,
                          const char *path,
                          struct crew_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = CREW_OK;

    (void)fs;
    if (fd < 0) {
        return fault(err, "sync folder", path);
    }
    /* EINVAL: a file system whose folders need no fsync. */
    if (fsync(fd) < 0 && errno != EINVAL) {
        rc = fault(err, "sync folder", path);
    }
    (void)close(fd);
    return rc;
}

static int posix_stat(struct env_fs *fs,
                      const char *path,
                      struct env_stat *out,
                      struct crew_err *err)
{
    struct stat st;

    (void)fs;
    if (stat(path, &st) < 0) {
        return fault(err, "stat", path);
    }
    *out = (struct env_stat){
        .is_dir = S_ISDIR(st.st_mode),
        .size = (uint64_t)st.st_size,
        .mtime = (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec,
    };
    return CREW_OK;
}

static int posix_list(struct env_fs *fs,
                      const char *path,
                      env_name_fn name,
                      void *self,
                      struct crew_err *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int rc = CREW_OK;

    (void)fs;
    if (dir == NULL) {
        return fault(err, "list", path);
    }
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL) {
            rc = errno == 0 ? CREW_OK : fault(err, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            name(self, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rc;
}

static uint64_t posix_now_ns(struct crew_env *env)
{
    struct timespec now;

    (void)env;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double posix_wall_time(struct crew_env *env)
{
    struct timespec now;

    (void)env;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t posix_random(struct crew_env *env)
{
    uint64_t value = 0;

    (void)env;
    /* Up to 256 bytes come whole; only a signal before the kernel's pool is
     * ready interrupts. */
    while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
        if (errno != EINTR) {
            perror("getrandom");
            abort();
        }
    }
    return value;
}

static void posix_log(struct crew_env *env,
                      enum env_level level,
                      const char *text)
{
    (void)env;
    log_line(level, text);
}

struct crew_env *env_posix(void)
{
    static struct env_fs fs = {
        .open = posix_open,
        .create = posix_create,
        .write = posix_write,
        .read = posix_read,
        .sync = posix_sync,
        .close = posix_close,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .rmdir = posix_rmdir,
        .sync_dir = posix_sync_dir,
        .stat = posix_stat,
        .list = posix_list,
    };
    static struct crew_env env = {
        .fs = &fs,
        .now_ns = posix_now_ns,
        .wall_time = posix_wall_time,
        .random = posix_random,
        .log = posix_log,
    };
    return &env;
}
