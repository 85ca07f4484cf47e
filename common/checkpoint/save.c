/* SPDX-License-Identifier: Apache-2.0
 * A save, its commit, and what retention removes; see save.h for the story. */
#include "checkpoint/save.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/crewdir.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state.h"

#include "base/banned.h"

#define DATA_SUFFIX ".data-00000-of-00001"

struct ckpt_history {
    struct crew_env *env;
    char *model_dir;
    int64_t keep_max;
    double keep_every_secs;
    struct ckpt_state state;
    double next_preserved; /* wall time from which one is kept for good */
};

/* A path of the state file from here: relative ones begin at model_dir. */
static char *full_path(const struct ckpt_history *h, const char *path)
{
    return path[0] == '/' ? xstrdup(path) : path_join(h->model_dir, path);
}

/* TensorFlow's Saver writes no times: then those of the files. What is gone is
 * no longer counted. */
static void recover_times(struct ckpt_history *h)
{
    for (int i = h->state.n - 1; i >= 0; i--) {
        struct state_entry *e = &h->state.all[i];
        char *path = full_path(h, e->path);
        char *index = xasprintf("%s.index", path);
        struct crew_err missing = {0};
        struct env_stat st;

        if (h->env->fs->stat(h->env->fs, index, &st, &missing) == CREW_OK) {
            e->timestamp = e->timestamp == 0 ? st.mtime : e->timestamp;
        } else if (missing.code == CREW_NOT_FOUND) {
            state_remove(&h->state, i);
        }
        free(index);
        free(path);
    }
}

int ckpt_history_open(struct crew_env *env,
                      const char *model_dir,
                      int64_t keep_max,
                      double keep_every_n_hours,
                      struct ckpt_history **out,
                      struct crew_err *err)
{
    struct ckpt_history *h = xcalloc(1, sizeof *h);

    if (crewdir_make(env, model_dir, err) != CREW_OK ||
        state_read(env, model_dir, &h->state, err) != CREW_OK) {
        free(h);
        return err->code;
    }
    h->env = env;
    h->model_dir = xstrdup(model_dir);
    h->keep_max = keep_max;
    h->keep_every_secs = keep_every_n_hours * 3600;
    recover_times(h);
    if (h->state.last_preserved == 0) {
        h->state.last_preserved = env->wall_time(env);
    }
    h->next_preserved = h->state.last_preserved + h->keep_every_secs;
    *out = h;
    return CREW_OK;
}

void ckpt_history_free(struct ckpt_history *h)
{
    if (h != NULL) {
        state_release(&h->state);
        free(h->model_dir);
        free(h);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct ckpt_tensor *const *)a)->name,
                  (*(const struct ckpt_tensor *const *)b)->name);
}

/* A diverged model is not worth keeping, and would hide the last good one. */
static int check_finite(const struct ckpt_tensor *t, struct crew_err *err)
{
    bool wide = t->dtype == CREW_DOUBLE;
    int64_t n;

    if ((t->dtype != CREW_FLOAT && !wide) ||
        shape_count(&t->shape, &n, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        double x = wide ? ((const double *)t->data)[i]
                        : (double)((const float *)t->data)[i];

        if (!isfinite(x)) {
            return crew_err_exit(err, CREW_FAILED_PRECONDITION, 1,
                                 "checkpoint not saved: %s[%" PRId64
                                 "] is %g. Fix: lower the learning rate",
                                 t->name, i, x);
        }
    }
    return CREW_OK;
}

static int check_epoch(const struct ckpt_history *h,
                       uint64_t epoch,
                       struct crew_err *err)
{
    uint64_t highest = 0;

    if (crewdir_highest_epoch(h->env, h->model_dir, &highest, err) != CREW_OK) {
        return err->code;
    }
    if (highest > epoch) {
        return crew_err_exit(err, CREW_ABORTED, 138,
                             "epoch %" PRIu64
                             " is now owned by another chief; "
                             "this one (epoch %" PRIu64
                             ") stops, nothing "
                             "was written",
                             highest, epoch);
    }
    return CREW_OK;
}

/* Where a save writes and where it goes. */
struct places {
    char *tmp_dir, *tmp_data, *tmp_index, *tmp_manifest;
    char *prefix, *data, *index, *manifest;
};

static void places_init(struct places *p,
                        const struct ckpt_history *h,
                        int64_t step)
{
    p->tmp_dir = xasprintf("%s/.crew/tmp-%" PRId64 "-%016" PRIx64, h->model_dir,
                           step, h->env->random(h->env));
    p->tmp_data = path_join(p->tmp_dir, "data");
    p->tmp_index = path_join(p->tmp_dir, "index");
    p->tmp_manifest = path_join(p->tmp_dir, "manifest");
    p->prefix = xasprintf("%s/model.ckpt-%" PRId64, h->model_dir, step);
    p->data = xasprintf("%s" DATA_SUFFIX, p->prefix);
    p->index = xasprintf("%s.index", p->prefix);
    p->manifest = xasprintf("%s/.crew/model.ckpt-%" PRId64 ".manifest",
                            h->model_dir, step);
}

static void places_release(struct places *p)
{
    free(p->tmp_dir);
    free(p->tmp_data);
    free(p->tmp_index);
    free(p->tmp_manifest);
    free(p->prefix);
    free(p->data);
    free(p->index);
    free(p->manifest);
}

struct names {
    const char *start;
    struct strbuf found; /* each with its NUL */
};

static void take_name(void *self, const char *name)
{
    struct names *names = self;

    if (strncmp(name, names->start, strlen(names->start)) == 0) {
        strbuf_add(&names->found, name, strlen(name) + 1);
    }
}

/* The names in `dir` that begin with `start`, into names->found. */
static void list_names(struct crew_env *env,
                       const char *dir,
                       const char *start,
                       struct names *names)
{
    struct crew_err ignored = {0};

    names->start = start;
    strbuf_init(&names->found);
    (void)env->fs->list(env->fs, dir, take_name, names, &ignored);
}

/* What a save that was killed has left. */
static void remove_leftovers(struct ckpt_history *h)
{
    char *dir = path_join(h->model_dir, ".crew");
    struct names names;

    list_names(h->env, dir, "tmp-", &names);
    for (size_t i = 0; i < names.found.len;) {
        const char *name = names.found.data + i;
        char *path = path_join(dir, name);
        struct crew_err ignored = {0};

        (void)fs_remove_tree(h->env, path, &ignored);
        free(path);
        i += strlen(name) + 1;
    }
    strbuf_release(&names.found);
    free(dir);
}

static int write_bundle(struct ckpt_history *h,
                        const struct places *p,
                        const struct ckpt_tensor *const *tensors,
                        int n,
                        struct bundle_sums *sums,
                        struct crew_err *err)
{
    struct bundle_writer *w = NULL;

    if (bundle_writer_open(h->env, p->tmp_data, p->tmp_index, &w, err) !=
        CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < n && err->code == CREW_OK; i++) {
        if (check_finite(tensors[i], err) == CREW_OK) {
            (void)bundle_writer_add(w, tensors[i]->name, (int)tensors[i]->dtype,
                                    &tensors[i]->shape, tensors[i]->data, err);
        }
    }
    if (err->code == CREW_OK) {
        (void)bundle_writer_finish(w, sums, err);
    }
    bundle_writer_free(w);
    return err->code;
}

static int write_temporary(struct ckpt_history *h,
                           const struct places *p,
                           struct manifest *m,
                           const struct ckpt_tensor *const *tensors,
                           int n,
                           struct crew_err *err)
{
    remove_leftovers(h);
    if (h->env->fs->mkdir(h->env->fs, p->tmp_dir, err) == CREW_OK &&
        write_bundle(h, p, tensors, n, &m->sums, err) == CREW_OK) {
        (void)manifest_write(h->env, p->tmp_manifest, m, err);
    }
    return err->code;
}

/* Rename into place. An older checkpoint of the same step loses its index
 * first, so that no index ever stands beside data that is not its own; and if
 * it is the same one, as after a restart, it stays untouched. */
static int commit(struct ckpt_history *h,
                  const struct places *p,
                  const struct manifest *m,
                  struct crew_err *err)
{
    struct env_fs *fs = h->env->fs;

    if (fs_exists(h->env, p->index)) {
        if (manifest_fits(h->env, p->prefix, m)) {
            return fs->rename(fs, p->tmp_manifest, p->manifest, err);
        }
        if (fs->unlink(fs, p->index, err) != CREW_OK ||
            fs->sync_dir(fs, h->model_dir, err) != CREW_OK) {
            return err->code;
        }
    }
    if (fs->rename(fs, p->tmp_manifest, p->manifest, err) != CREW_OK ||
        fs->rename(fs, p->tmp_data, p->data, err) != CREW_OK ||
        fs->sync_dir(fs, h->model_dir, err) != CREW_OK ||
        fs->rename(fs, p->tmp_index, p->index, err) != CREW_OK) {
        return err->code;
    }
    return fs->sync_dir(fs, h->model_dir, err);
}

static void unlink_quietly(struct ckpt_history *h, char *path)
{
    struct crew_err ignored = {0};

    (void)h->env->fs->unlink(h->env->fs, path, &ignored);
    free(path);
}

/* Best effort: what cannot be removed is left. The index goes first; then the
 * data, which TensorFlow may have written in several shards. */
static void remove_checkpoint(struct ckpt_history *h, const char *name)
{
    char *prefix = full_path(h, name);
    char *slash = strrchr(prefix, '/');
    char *start = xasprintf("%s.data-", slash + 1);
    struct names names;

    unlink_quietly(h, xasprintf("%s.index", prefix));
    unlink_quietly(h, xasprintf("%s.meta", prefix));
    unlink_quietly(h,
                   xasprintf("%s/.crew/%s.manifest", h->model_dir, slash + 1));
    *slash = '\0';
    list_names(h->env, slash == prefix ? "/" : prefix, start, &names);
    for (size_t i = 0; i < names.found.len;) {
        const char *data = names.found.data + i;

        unlink_quietly(h, xasprintf("%s/%s", prefix, data));
        i += strlen(data) + 1;
    }
    strbuf_release(&names.found);
    free(start);
    free(prefix);
}

/* The oldest go until keep_max remain; one every keep_every hours stays for
 * good (and leaves the list, as in TensorFlow's Saver). */
static void drop_old(struct ckpt_history *h, struct strbuf *doomed)
{
    if (h->keep_max <= 0) { /* all are kept, only the newest is listed */
        env_log(h->env, LOG_INFO,
                "%s is not in all_model_checkpoint_paths. Manually adding it.",
                h->state.newest);
    }
    while (h->keep_max <= 0 && h->state.n > 1) {
        state_remove(&h->state, 0);
    }
    while (h->keep_max > 0 && h->state.n > h->keep_max) {
        struct state_entry *oldest = &h->state.all[0];

        if (oldest->timestamp > h->next_preserved) {
            h->next_preserved += h->keep_every_secs;
            h->state.last_preserved = oldest->timestamp;
        } else {
            strbuf_add(doomed, oldest->path, strlen(oldest->path) + 1);
        }
        state_remove(&h->state, 0);
    }
}

static int publish(struct ckpt_history *h, int64_t step, struct crew_err *err)
{
    char *name = xasprintf("model.ckpt-%" PRId64, step);
    struct crew_err ignored = {0};
    struct strbuf doomed;

    strbuf_init(&doomed);
    state_append(&h->state, name, h->env->wall_time(h->env));
    drop_old(h, &doomed);
    if (state_write(h->env, h->model_dir, &h->state, err) == CREW_OK) {
        for (size_t i = 0; i < doomed.len; i += strlen(doomed.data + i) + 1) {
            remove_checkpoint(h, doomed.data + i);
        }
        if (doomed.len > 0) {
            (void)h->env->fs->sync_dir(h->env->fs, h->model_dir, &ignored);
        }
    }
    strbuf_release(&doomed);
    free(name);
    return err->code;
}

static uint64_t total_bytes(const struct ckpt_tensor *tensors, int n)
{
    uint64_t sum = 0;

    for (int i = 0; i < n; i++) {
        struct crew_err ignored = {0};
        int64_t count = 0;

        if (shape_count(&tensors[i].shape, &count, &ignored) == CREW_OK) {
            sum += (uint64_t)count * dtype_size(tensors[i].dtype);
        }
    }
    return sum;
}

int ckpt_save(struct ckpt_history *h,
              int64_t step,
              uint64_t epoch,
              const struct ckpt_tensor *tensors,
              int n,
              struct crew_err *err)
{
    const struct ckpt_tensor **sorted = xcalloc((size_t)n, sizeof *sorted);
    struct manifest m = {.step = step, .epoch = epoch};
    struct crew_err ignored = {0};
    struct places p;

    for (int i = 0; i < n; i++) {
        sorted[i] = &tensors[i];
    }
    if (n > 1) {
        qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    }
    places_init(&p, h, step);
    if (check_epoch(h, epoch, err) == CREW_OK &&
        write_temporary(h, &p, &m, sorted, n, err) == CREW_OK &&
        check_epoch(h, epoch, err) == CREW_OK &&
        commit(h, &p, &m, err) == CREW_OK) {
        (void)publish(h, step, err);
    }
    (void)fs_remove_tree(h->env, p.tmp_dir, &ignored);
    if (err->code == CREW_RESOURCE_EXHAUSTED) {
        err->exit_code = 74;
        crew_err_wrap(err, "checkpoint of step %" PRId64 " (%" PRIu64 " bytes)",
                      step, total_bytes(tensors, n));
    }
    places_release(&p);
    free(sorted);
    return err->code;
}
