/* SPDX-License-Identifier: Apache-2.0
 *
 * The seam between the program and the world: files, clocks, random numbers and
 * the log. Everything that the simulator replaces goes through here (the
 * network has its own seam, rpc/net.h). env_posix() is the real one; env_mem
 * (mem_fs.h) keeps files in memory and can fail the n-th operation. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "crew.h"

struct env_file; /* one open file; of the fs that opened it */

struct env_stat {
    bool is_dir;
    uint64_t size;
    double mtime; /* seconds since 1970 */
};

/* Called once a name (no path, not "." or ".."). */
typedef void (*env_name_fn)(void *self, const char *name);

/* Every operation returns an enum crew_code and puts "<operation> <path>:
 * <reason>" in err. ENOENT is NOT_FOUND (exit 66), EEXIST ALREADY_EXISTS,
 * ENOSPC and EDQUOT RESOURCE_EXHAUSTED (exit 74), EACCES and EROFS
 * PERMISSION_DENIED (exit 73), anything else UNAVAILABLE (exit 74). Threads:
 * any, one file by one thread at a time. */
struct env_fs {
    int (*open)(struct env_fs *,
                const char *path,
                struct env_file **,
                struct crew_err *);
    /* Make a new file for writing, mode 0666 less umask. exclusive: fail with
     * ALREADY_EXISTS when there is one; else it is emptied. */
    int (*create)(struct env_fs *,
                  const char *path,
                  bool exclusive,
                  struct env_file **,
                  struct crew_err *);
    /* All n bytes at the end, or an error. */
    int (*write)(struct env_file *,
                 const void *data,
                 size_t n,
                 struct crew_err *);
    /* Up to n bytes from `offset`; *got less than n only at the end. */
    int (*read)(struct env_file *,
                uint64_t offset,
                void *data,
                size_t n,
                size_t *got,
                struct crew_err *);
    int (*sync)(struct env_file *, struct crew_err *);
    /* Frees the file, also on error. */
    int (*close)(struct env_file *, struct crew_err *);
    int (*rename)(struct env_fs *,
                  const char *from,
                  const char *to,
                  struct crew_err *);
    int (*unlink)(struct env_fs *, const char *path, struct crew_err *);
    /* One folder, mode 0777 less umask; it is fine if it exists. */
    int (*mkdir)(struct env_fs *, const char *path, struct crew_err *);
    int (*rmdir)(struct env_fs *, const char *path, struct crew_err *);
    int (*sync_dir)(struct env_fs *, const char *path, struct crew_err *);
    int (*stat)(struct env_fs *,
                const char *path,
                struct env_stat *,
                struct crew_err *);
    int (*list)(struct env_fs *,
                const char *path,
                env_name_fn,
                void *self,
                struct crew_err *);
};

enum env_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR };

struct crew_env {
    struct env_fs *fs;
    uint64_t (*now_ns)(struct crew_env *);  /* monotonic */
    double (*wall_time)(struct crew_env *); /* seconds since 1970 */
    uint64_t (*random)(struct crew_env *);  /* uniform 64 bits */
    /* One line without a line end. Threads: any. */
    void (*log)(struct crew_env *, enum env_level, const char *text);
};

/* The machine's own. Owner: static. Its log goes to base/log.h. */
struct crew_env *env_posix(void);

/* printf into env->log. */
void env_log(struct crew_env *, enum env_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Helpers over env->fs, in fs_util.c. */

/* A whole small file (at most max bytes, else DATA_LOSS), with a NUL after it
 * that *n does not count. Owner: caller, free(). */
CREW_MUST_CHECK int fs_read_file(struct crew_env *,
                                 const char *path,
                                 size_t max,
                                 CREW_OUT char **text,
                                 CREW_OUT size_t *n,
                                 struct crew_err *);
/* Write `path` so that a reader or a crash sees the old content or the new one:
 * <path>.tmp, fsync, rename, fsync of the folder. */
CREW_MUST_CHECK int fs_replace_file(struct crew_env *,
                                    const char *path,
                                    const void *data,
                                    size_t n,
                                    struct crew_err *);
/* Make a folder and those above it. */
CREW_MUST_CHECK int fs_make_dirs(struct crew_env *,
                                 const char *path,
                                 struct crew_err *);
/* Remove a folder with all it holds; what is missing is fine. */
CREW_MUST_CHECK int fs_remove_tree(struct crew_env *,
                                   const char *path,
                                   struct crew_err *);
bool fs_exists(struct crew_env *, const char *path);
/* "a" and "b" -> "a/b". Owner: caller, free(). */
char *path_join(const char *dir, const char *name);

#endif
