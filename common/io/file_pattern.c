/* SPDX-License-Identifier: Apache-2.0
 * Lists of files by name and by pattern. */
#include "io/file_pattern.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

void file_list_add(struct file_list *l, const char *path)
{
    l->paths = xrealloc(l->paths, ((size_t)l->n + 1) * sizeof *l->paths);
    l->paths[l->n++] = xstrdup(path);
}

void file_list_release(struct file_list *l)
{
    for (int i = 0; i < l->n; i++) {
        free(l->paths[i]);
    }
    free(l->paths);
    *l = (struct file_list){0};
}

static void take_name(void *self, const char *name)
{
    file_list_add(self, name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_list_glob(struct file_list *l,
                   struct crew_env *env,
                   const char *dir,
                   const char *pattern,
                   struct crew_err *err)
{
    struct file_list names = {0};
    size_t len = strcspn(pattern, "/");
    const char *rest = pattern + len + strspn(pattern + len, "/");
    char *part = xasprintf("%.*s", (int)len, pattern);

    (void)env->fs->list(env->fs, dir[0] == '\0' ? "." : dir, take_name, &names,
                        err);
    if (names.n > 0) {
        qsort(names.paths, (size_t)names.n, sizeof *names.paths, by_name);
    }
    for (int i = 0; i < names.n && err->code == CREW_OK; i++) {
        if (fnmatch(part, names.paths[i], FNM_PERIOD) == 0) {
            char *path = path_join(dir, names.paths[i]);
            struct crew_err no_folder = {0}; /* below: matches nothing */

            if (*rest == '\0') {
                file_list_add(l, path);
            } else {
                (void)file_list_glob(l, env, path, rest, &no_folder);
            }
            free(path);
        }
    }
    file_list_release(&names);
    free(part);
    return err->code;
}

int file_list_expand(struct file_list *l,
                     struct crew_env *env,
                     const char *pattern,
                     struct crew_err *err)
{
    const char *slash = strrchr(pattern, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - pattern) + 1;
    char *folder = xasprintf("%.*s", (int)n, pattern);
    int before = l->n;

    if (strpbrk(pattern + n, "*?[") == NULL) {
        file_list_add(l, pattern);
    } else if (file_list_glob(l, env, folder, pattern + n, err) == CREW_OK &&
               l->n == before) {
        crew_err_exit(err, CREW_NOT_FOUND, 66, "No files matched pattern: %s",
                      pattern);
    }
    free(folder);
    return err->code;
}
