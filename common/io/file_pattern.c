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

struct search {
    struct file_list *found;
    const char *folder, *name; /* the pattern's parts; folder ends with / */
};

static void add_if_it_fits(void *self, const char *name)
{
    const struct search *s = self;

    if (fnmatch(s->name, name, FNM_PERIOD) == 0) {
        char *path = xasprintf("%s%s", s->folder, name);

        file_list_add(s->found, path);
        free(path);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_list_expand(struct file_list *l,
                     struct crew_env *env,
                     const char *pattern,
                     struct crew_err *err)
{
    const char *slash = strrchr(pattern, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - pattern) + 1;
    char *folder = xasprintf("%.*s", (int)n, pattern);
    struct search s = {l, folder, pattern + n};
    int before = l->n;

    if (strpbrk(s.name, "*?[") == NULL) {
        file_list_add(l, pattern);
        goto out;
    }
    if (env->fs->list(env->fs, n == 0 ? "." : folder, add_if_it_fits, &s,
                      err) != CREW_OK) {
        goto out;
    }
    if (l->n == before) {
        crew_err_exit(err, CREW_NOT_FOUND, 66, "No files matched pattern: %s",
                      pattern);
        goto out;
    }
    qsort(l->paths + before, (size_t)(l->n - before), sizeof *l->paths,
          by_name);
out:
    free(folder);
    return err->code;
}
