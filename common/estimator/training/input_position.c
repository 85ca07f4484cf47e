/* SPDX-License-Identifier: Apache-2.0
 * Files of input positions: one line of text with its CRC. */
#include "estimator/training/input_position.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/banned.h"

enum { MAX_FILE = 512 };

/* "input-chief-0-", what the names of a task's files begin with. */
static char *name_prefix(const char *who)
{
    char *prefix = xasprintf("input-%s-", who);

    for (char *p = prefix; *p != '\0'; p++) {
        *p = *p == '/' ? '-' : *p;
    }
    return prefix;
}

static char *folder_of(const char *model_dir)
{
    return path_join(model_dir, ".crew");
}

static char *path_of(const char *model_dir, const char *prefix, int64_t step)
{
    return xasprintf("%s/.crew/%s%" PRId64, model_dir, prefix, step);
}

/* -------------------------------------------------------------------- list */

struct steps {
    const char *prefix;
    int64_t *items;
    size_t n;
};

static void add_step(void *self, const char *name)
{
    struct steps *s = self;
    size_t len = strlen(s->prefix);
    const char *digits = name + len;
    int64_t step;
    char *end;

    if (strncmp(name, s->prefix, len) != 0 || *digits < '0' || *digits > '9') {
        return;
    }
    step = strtoll(digits, &end, 10);
    if (*end == '\0') {
        s->items = xrealloc(s->items, (s->n + 1) * sizeof *s->items);
        s->items[s->n++] = step;
    }
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* The steps there are positions of, the newest first. No folder: none. */
static int list_steps(struct crew_env *env,
                      const char *model_dir,
                      const char *prefix,
                      struct steps *out,
                      struct crew_err *err)
{
    struct crew_err missing = {0};
    char *folder = folder_of(model_dir);

    *out = (struct steps){.prefix = prefix};
    if (env->fs->list(env->fs, folder, add_step, out, &missing) != CREW_OK &&
        missing.code != CREW_NOT_FOUND) {
        *err = missing;
    }
    free(folder);
    if (out->n > 1) {
        qsort(out->items, out->n, sizeof *out->items, newest_first);
    }
    return err->code;
}

/* ------------------------------------------------------------------- write */

static void prune(struct crew_env *env,
                  const char *model_dir,
                  const char *prefix,
                  int64_t step,
                  int64_t keep)
{
    struct crew_err ignored = {0};
    struct steps steps;
    int64_t kept = 0;

    (void)list_steps(env, model_dir, prefix, &steps, &ignored);
    for (size_t i = 0; i < steps.n; i++) {
        bool stays = steps.items[i] <= step && (keep < 1 || kept < keep);

        kept += stays;
        if (!stays) {
            char *path = path_of(model_dir, prefix, steps.items[i]);
            struct crew_err gone = {0};

            (void)env->fs->unlink(env->fs, path, &gone);
            free(path);
        }
    }
    free(steps.items);
}

int input_position_write(struct crew_env *env,
                         const char *model_dir,
                         const char *who,
                         const struct input_position *p,
                         int64_t keep,
                         struct crew_err *err)
{
    char *folder = folder_of(model_dir);
    char *prefix = name_prefix(who);
    char *path = path_of(model_dir, prefix, p->step);
    char text[MAX_FILE];
    int n = snprintf(text, sizeof text,
                     "input 1 step %" PRId64 " batches %" PRId64
                     " seed %" PRIu64 " trainer %" PRId64 " of %" PRId64,
                     p->step, p->batches, p->seed, p->trainer_index,
                     p->num_trainers);

    n += snprintf(text + n, sizeof text - (size_t)n, " crc %08" PRIx32 "\n",
                  crc32c(text, (size_t)n));
    if (fs_make_dirs(env, folder, err) == CREW_OK &&
        fs_replace_file(env, path, text, (size_t)n, err) == CREW_OK) {
        prune(env, model_dir, prefix, p->step, keep);
    } else {
        (void)crew_err_wrap(err, "input position");
    }
    free(folder);
    free(prefix);
    free(path);
    return err->code;
}

/* -------------------------------------------------------------------- read */

static bool parse(const char *text, size_t n, struct input_position *p)
{
    const char *crc = n > 0 ? strstr(text, " crc ") : NULL;
    char *end;

    if (crc == NULL || strlen(text) != n ||
        strtoul(crc + strlen(" crc "), &end, 16) !=
            crc32c(text, (size_t)(crc - text)) ||
        strcmp(end, "\n") != 0) {
        return false;
    }
    return sscanf(text,
                  "input 1 step %" SCNd64 " batches %" SCNd64 " seed %" SCNu64
                  " trainer %" SCNd64 " of %" SCNd64,
                  &p->step, &p->batches, &p->seed, &p->trainer_index,
                  &p->num_trainers) == 5 &&
           p->step >= 0 && p->batches >= 0;
}

static int read_file(struct crew_env *env,
                     const char *path,
                     struct input_position *out,
                     struct crew_err *err)
{
    char *text = NULL;
    size_t n = 0;

    if (fs_read_file(env, path, MAX_FILE, &text, &n, err) != CREW_OK) {
        return err->code;
    }
    if (!parse(text, n, out)) {
        (void)crew_err_exit(err, CREW_DATA_LOSS, 65,
                            "%s: damaged, no position of an input. Fix: remove "
                            "it, and the input begins anew",
                            path);
    }
    free(text);
    return err->code;
}

/* Index of the step wanted, or -1. */
static int choose(const struct steps *steps, int64_t step, bool exact)
{
    int best = -1;

    for (size_t i = 0; i < steps->n; i++) {
        int64_t far = llabs(steps->items[i] - step);

        if ((!exact || far == 0) &&
            (best < 0 || far < llabs(steps->items[best] - step))) {
            best = (int)i;
        }
    }
    return best;
}

int input_position_read(struct crew_env *env,
                        const char *model_dir,
                        const char *who,
                        int64_t step,
                        bool exact,
                        bool *found,
                        struct input_position *out,
                        struct crew_err *err)
{
    struct input_position p = {0};
    char *prefix = name_prefix(who);
    struct steps steps;
    int i = -1;

    if (list_steps(env, model_dir, prefix, &steps, err) == CREW_OK) {
        i = choose(&steps, step, exact);
    }
    if (i >= 0) {
        char *path = path_of(model_dir, prefix, steps.items[i]);

        (void)read_file(env, path, &p, err);
        free(path);
    }
    if (err->code == CREW_OK) {
        *found = i >= 0;
        *out = p;
    }
    free(steps.items);
    free(prefix);
    return err->code;
}
