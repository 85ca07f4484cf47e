/* SPDX-License-Identifier: Apache-2.0
 *
 * Which checkpoint to start from: the one the `checkpoint` file names, then every
 * other that has an index, newest step first; the first whose bytes are all right
 * wins. Never silently none: a folder that has checkpoints of which none is good is
 * an error. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/save.h"
#include "checkpoint/state.h"

#include "base/banned.h"

int64_t ckpt_step(const char *prefix)
{
    const char *dash = strrchr(prefix, '-');
    char *end = NULL;
    long long step;

    if (dash == NULL || dash[1] < '0' || dash[1] > '9') {
        return -1;
    }
    step = strtoll(dash + 1, &end, 10);
    return *end == '\0' ? (int64_t)step : -1;
}

static bool has_index(struct crew_env *env, const char *prefix)
{
    char *index = xasprintf("%s.index", prefix);
    bool there = fs_exists(env, index);

    free(index);
    return there;
}

char *ckpt_named(struct crew_env *env, const char *model_dir)
{
    struct ckpt_state s = {0};
    struct crew_err ignored = {0};
    char *prefix = NULL;

    if (state_read(env, model_dir, &s, &ignored) == CREW_OK && s.newest != NULL) {
        prefix = s.newest[0] == '/' ? xstrdup(s.newest)
                                    : path_join(model_dir, s.newest);
        if (!has_index(env, prefix)) {
            free(prefix);
            prefix = NULL;
        }
    }
    state_release(&s);
    return prefix;
}

struct steps {
    int64_t *step;
    int n;
};

static void collect(void *self, const char *name)
{
    struct steps *s = self;
    const char *suffix = strstr(name, ".index");
    char *prefix;
    int64_t step;

    if (strncmp(name, "model.ckpt-", 11) != 0 || suffix == NULL ||
        suffix[6] != '\0') {
        return;
    }
    prefix = xstrdup(name);
    prefix[suffix - name] = '\0';
    step = ckpt_step(prefix);
    free(prefix);
    if (step >= 0) {
        s->step = xrealloc(s->step, (size_t)(s->n + 1) * sizeof *s->step);
        s->step[s->n++] = step;
    }
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Do all of its tensors read, and their CRCs hold? */
static int verify(struct crew_env *env, const char *prefix, struct crew_err *err)
{
    struct bundle_reader *r = NULL;
    void *bytes = NULL;

    if (bundle_reader_open(env, prefix, &r, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < bundle_num_tensors(r) && err->code == CREW_OK; i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);

        if (t->dtype == CREW_STRING) {
            continue;
        }
        if (mem_try(t->nbytes, 1, t->name, &bytes, err) == CREW_OK) {
            (void)bundle_read(r, t, bytes, err);
            free(bytes);
            bytes = NULL;
        }
    }
    bundle_reader_free(r);
    return err->code;
}

static bool try_prefix(struct crew_env *env, const char *prefix, int *damaged)
{
    struct crew_err bad = {0};

    if (verify(env, prefix, &bad) == CREW_OK) {
        return true;
    }
    (*damaged)++;
    env_log(env, LOG_WARN, "%s is damaged and passed over: %s", prefix, bad.msg);
    return false;
}

int ckpt_latest(struct crew_env *env, const char *model_dir, char **prefix,
                int64_t *step, struct crew_err *err)
{
    struct steps steps = {0};
    struct crew_err missing = {0};
    char *named = ckpt_named(env, model_dir), *found = NULL;
    int damaged = 0;

    if (env->fs->list(env->fs, model_dir, collect, &steps, &missing) != CREW_OK &&
        missing.code != CREW_NOT_FOUND) {
        *err = missing;
        goto out;
    }
    if (named != NULL && try_prefix(env, named, &damaged)) {
        found = xstrdup(named);
    }
    qsort(steps.step, (size_t)steps.n, sizeof *steps.step, newest_first);
    for (int i = 0; i < steps.n && found == NULL; i++) {
        char *candidate =
            xasprintf("%s/model.ckpt-%" PRId64, model_dir, steps.step[i]);

        if ((named == NULL || strcmp(candidate, named) != 0) &&
            try_prefix(env, candidate, &damaged)) {
            found = candidate;
        } else {
            free(candidate);
        }
    }
    if (found == NULL && damaged > 0) {
        crew_err_exit(err, CREW_DATA_LOSS, 65,
                      "no usable checkpoint in %s, but %d damaged ones; refusing "
                      "to start from step 0. Fix: restore a backup or use another "
                      "--model-dir",
                      model_dir, damaged);
        goto out;
    }
    *prefix = found;
    *step = found == NULL ? -1 : ckpt_step(found);
out:
    free(steps.step);
    free(named);
    return err->code;
}
