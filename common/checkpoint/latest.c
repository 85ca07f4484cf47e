/* SPDX-License-Identifier: Apache-2.0
 *
 * Which checkpoint to start from: the one the `checkpoint` file names, then
 * every other that has an index, the newest (epoch, step) first; the first
 * whose bytes are all right wins. Never silently none: a folder that had
 * checkpoints of which none is good is an error. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/manifest.h"
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

/* What the state names, as a path; NULL: nothing. Owner: caller. */
static char *named_prefix(const char *model_dir, const struct ckpt_state *s)
{
    if (s->newest == NULL) {
        return NULL;
    }
    return s->newest[0] == '/' ? xstrdup(s->newest)
                               : path_join(model_dir, s->newest);
}

char *ckpt_named(struct crew_env *env, const char *model_dir)
{
    struct ckpt_state s = {0};
    struct crew_err ignored = {0};
    char *prefix = NULL;

    if (state_read(env, model_dir, &s, &ignored) == CREW_OK) {
        prefix = named_prefix(model_dir, &s);
        if (prefix != NULL && !has_index(env, prefix)) {
            free(prefix);
            prefix = NULL;
        }
    }
    state_release(&s);
    return prefix;
}

/* A checkpoint that the folder has. */
struct candidate {
    int64_t step;
    bool has_manifest;
    struct manifest manifest;
};

struct candidates {
    struct candidate *at;
    int n;
};

static void collect(void *self, const char *name)
{
    struct candidates *c = self;
    size_t n = strlen(name);
    char *prefix;
    int64_t step;

    if (strncmp(name, "model.ckpt-", 11) != 0 || n < 6 ||
        strcmp(name + n - 6, ".index") != 0) {
        return;
    }
    prefix = xstrdup(name);
    prefix[n - 6] = '\0';
    step = ckpt_step(prefix);
    free(prefix);
    if (step >= 0) {
        c->at = xrealloc(c->at, (size_t)(c->n + 1) * sizeof *c->at);
        c->at[c->n++] = (struct candidate){.step = step};
    }
}

/* A damaged manifest is as none: the tensors' own CRCs then decide. */
static void read_manifest(struct crew_env *env,
                          const char *model_dir,
                          struct candidate *c)
{
    char *path = xasprintf("%s/.crew/model.ckpt-%" PRId64 ".manifest",
                           model_dir, c->step);
    struct crew_err bad = {0};

    if (manifest_read(env, path, &c->has_manifest, &c->manifest, &bad) !=
        CREW_OK) {
        c->has_manifest = false;
        env_log(env, LOG_WARN, "%s", bad.msg);
    }
    free(path);
}

static int newest_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->manifest.epoch != y->manifest.epoch) {
        return x->manifest.epoch < y->manifest.epoch ? 1 : -1;
    }
    return x->step < y->step ? 1 : x->step > y->step ? -1 : 0;
}

/* Checkpoints that another program wrote have no epoch: they count as the
 * newest. */
static void sort_candidates(struct candidates *c)
{
    uint64_t highest = 0;

    for (int i = 0; i < c->n; i++) {
        uint64_t epoch = c->at[i].manifest.epoch;
        highest = epoch > highest ? epoch : highest;
    }
    for (int i = 0; i < c->n; i++) {
        if (!c->at[i].has_manifest) {
            c->at[i].manifest.epoch = highest;
        }
    }
    if (c->n > 1) {
        qsort(c->at, (size_t)c->n, sizeof *c->at, newest_first);
    }
}

static int verify(struct crew_env *env,
                  const char *prefix,
                  bool summed,
                  struct crew_err *err)
{
    struct bundle_reader *r = NULL;

    if (bundle_reader_open(env, prefix, &r, err) == CREW_OK && !summed) {
        (void)bundle_verify(r, err);
    }
    bundle_reader_free(r);
    return err->code;
}

/* An error of the disk or of memory says nothing about the checkpoint: then it
 * is not passed over, but the error is the caller's. */
static bool is_damage(int code)
{
    return code != CREW_UNAVAILABLE && code != CREW_RESOURCE_EXHAUSTED &&
           code != CREW_PERMISSION_DENIED;
}

/* Whether it is good, and a line in the log when a byte of it is not. */
static bool try_prefix(struct crew_env *env,
                       const char *prefix,
                       CREW_NULLABLE const struct candidate *c,
                       struct crew_err *err)
{
    struct crew_err bad = {0};
    bool fits = c != NULL && c->has_manifest &&
                manifest_fits(env, prefix, &c->manifest);

    if (verify(env, prefix, fits, &bad) != CREW_OK) {
        if (is_damage(bad.code)) {
            env_log(env, LOG_WARN, "%s is damaged and passed over: %s", prefix,
                    bad.msg);
        } else {
            *err = bad;
        }
        return false;
    }
    if (c != NULL && c->has_manifest && !fits) {
        env_log(env, LOG_WARN,
                "%s is not byte for byte what was saved, but all of its "
                "tensors are right: it is used",
                prefix);
    }
    return true;
}

static char *candidate_path(const char *model_dir, const struct candidate *c)
{
    return xasprintf("%s/model.ckpt-%" PRId64, model_dir, c->step);
}

/* The candidate that `named` is; -1: it is none of them. */
static int find_named(const char *model_dir,
                      CREW_NULLABLE const char *named,
                      const struct candidates *c)
{
    int found = -1;

    for (int i = 0; named != NULL && i < c->n; i++) {
        char *path = candidate_path(model_dir, &c->at[i]);

        found = strcmp(path, named) == 0 ? i : found;
        free(path);
    }
    return found;
}

/* The first good one: `named`, then the candidates in order. NULL: none, or
 * err. */
static char *first_good(struct crew_env *env,
                        const char *model_dir,
                        CREW_NULLABLE const char *named,
                        const struct candidates *c,
                        struct crew_err *err)
{
    int at = find_named(model_dir, named, c);

    if (named != NULL &&
        try_prefix(env, named, at < 0 ? NULL : &c->at[at], err)) {
        if (at > 0) {
            env_log(env, LOG_WARN,
                    "the file `checkpoint` names %s, though model.ckpt-%" PRId64
                    " is newer",
                    named, c->at[0].step);
        }
        return xstrdup(named);
    }
    for (int i = 0; i < c->n && err->code == CREW_OK; i++) {
        char *path = candidate_path(model_dir, &c->at[i]);

        if (i != at && try_prefix(env, path, &c->at[i], err)) {
            return path;
        }
        free(path);
    }
    return NULL;
}

int ckpt_latest(struct crew_env *env,
                const char *model_dir,
                char **prefix,
                int64_t *step,
                struct crew_err *err)
{
    struct candidates c = {0};
    struct ckpt_state s = {0};
    struct crew_err missing = {0};
    char *named = NULL, *found = NULL;

    if (state_read(env, model_dir, &s, err) != CREW_OK) {
        return err->code;
    }
    if (env->fs->list(env->fs, model_dir, collect, &c, &missing) != CREW_OK &&
        missing.code != CREW_NOT_FOUND) {
        *err = missing;
        goto out;
    }
    for (int i = 0; i < c.n; i++) {
        read_manifest(env, model_dir, &c.at[i]);
    }
    sort_candidates(&c);
    named = named_prefix(model_dir, &s);
    found = first_good(env, model_dir, named, &c, err);
    if (err->code != CREW_OK) {
        goto out;
    }
    if (found == NULL && (named != NULL || s.damaged || c.n > 0)) {
        crew_err_exit(
            err, CREW_DATA_LOSS, 65,
            "%s had checkpoints, but none is good%s%s; refusing to start "
            "from step 0. Fix: restore a backup, or remove them and the "
            "file `checkpoint`, or use another --model-dir",
            model_dir, named != NULL ? ", also not the newest, " : "",
            named != NULL ? named : "");
        goto out;
    }
    *prefix = found;
    *step = found == NULL ? -1 : ckpt_step(found);
out:
    free(c.at);
    free(named);
    state_release(&s);
    return err->code;
}
