/* SPDX-License-Identifier: Apache-2.0
 * A save, its commit, and what retention removes; see save.h for the story. */
#include "checkpoint/save.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/crewdir.h"
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

int ckpt_history_open(struct crew_env *env, const char *model_dir,
                      int64_t keep_max, double keep_every_n_hours,
                      struct ckpt_history **out, struct crew_err *err)
{
    struct ckpt_history *h = xcalloc(1, sizeof *h);
    double begin;

    if (crewdir_make(env, model_dir, err) != CREW_OK ||
        state_read(env, model_dir, &h->state, err) != CREW_OK) {
        free(h);
        return err->code;
    }
    h->env = env;
    h->model_dir = xstrdup(model_dir);
    h->keep_max = keep_max;
    h->keep_every_secs = keep_every_n_hours * 3600;
    begin = h->state.last_preserved;
    if (begin == 0) {
        begin = env->wall_time(env);
        h->state.last_preserved = begin;
    }
    h->next_preserved = begin + h->keep_every_secs;
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
    const float *x = t->data;
    int64_t n;

    if (t->dtype != CREW_FLOAT || shape_count(&t->shape, &n, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return crew_err_exit(err, CREW_FAILED_PRECONDITION, 1,
                                 "checkpoint not saved: %s[%" PRId64
                                 "] is %g. Fix: lower the learning rate",
                                 t->name, i, (double)x[i]);
        }
    }
    return CREW_OK;
}

static int check_epoch(const struct ckpt_history *h, uint64_t epoch,
                       struct crew_err *err)
{
    uint64_t highest = 0;

    if (crewdir_highest_epoch(h->env, h->model_dir, &highest, err) != CREW_OK) {
        return err->code;
    }
    if (highest > epoch) {
        return crew_err_exit(err, CREW_ABORTED, 138,
                             "epoch %" PRIu64 " is now owned by another chief; "
                             "this one (epoch %" PRIu64 ") stops, nothing "
                             "was written",
                             highest, epoch);
    }
    return CREW_OK;
}

/* Where a save writes and where it goes. */
struct places {
    char *tmp_dir, *tmp_data, *tmp_index, *tmp_manifest;
    char *data, *index, *manifest;
};

static void places_init(struct places *p, const char *dir, int64_t step)
{
    p->tmp_dir = xasprintf("%s/.crew/tmp-%" PRId64, dir, step);
    p->tmp_data = path_join(p->tmp_dir, "data");
    p->tmp_index = path_join(p->tmp_dir, "index");
    p->tmp_manifest = path_join(p->tmp_dir, "manifest");
    p->data = xasprintf("%s/model.ckpt-%" PRId64 DATA_SUFFIX, dir, step);
    p->index = xasprintf("%s/model.ckpt-%" PRId64 ".index", dir, step);
    p->manifest =
        xasprintf("%s/.crew/model.ckpt-%" PRId64 ".manifest", dir, step);
}

static void places_release(struct places *p)
{
    free(p->tmp_dir);
    free(p->tmp_data);
    free(p->tmp_index);
    free(p->tmp_manifest);
    free(p->data);
    free(p->index);
    free(p->manifest);
}

/* The manifest: what TensorFlow's format cannot detect alone. */
static int write_manifest(struct crew_env *env, const char *path, int64_t step,
                          uint64_t epoch, uint32_t data_crc, uint32_t index_crc,
                          struct crew_err *err)
{
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addf(&b,
                "step: %" PRId64 "\nepoch: %" PRIu64
                "\ndata_crc32c: %08x\nindex_crc32c: %08x\n",
                step, epoch, data_crc, index_crc);
    strbuf_addf(&b, "crc32c: %08x\n", crc32c(b.data, b.len));
    (void)fs_replace_file(env, path, b.data, b.len, err);
    strbuf_release(&b);
    return err->code;
}

static int write_temporary(struct ckpt_history *h, const struct places *p,
                           int64_t step, uint64_t epoch,
                           const struct ckpt_tensor *const *tensors, int n,
                           struct crew_err *err)
{
    struct bundle_writer *w = NULL;
    uint32_t data_crc = 0, index_crc = 0;

    if (fs_remove_tree(h->env, p->tmp_dir, err) != CREW_OK ||
        h->env->fs->mkdir(h->env->fs, p->tmp_dir, err) != CREW_OK ||
        bundle_writer_open(h->env, p->tmp_data, p->tmp_index, &w, err) !=
            CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < n && err->code == CREW_OK; i++) {
        if (check_finite(tensors[i], err) == CREW_OK) {
            (void)bundle_writer_add(w, tensors[i]->name, tensors[i]->dtype,
                                    &tensors[i]->shape, tensors[i]->data, err);
        }
    }
    if (err->code == CREW_OK &&
        bundle_writer_finish(w, &data_crc, &index_crc, err) == CREW_OK) {
        (void)write_manifest(h->env, p->tmp_manifest, step, epoch, data_crc,
                             index_crc, err);
    }
    bundle_writer_free(w);
    return err->code;
}

/* Rename into place. An older checkpoint of the same step loses its index first, so
 * that no index ever stands beside data that is not its own. */
static int commit(struct ckpt_history *h, const struct places *p,
                  struct crew_err *err)
{
    struct env_fs *fs = h->env->fs;

    if (fs_exists(h->env, p->index) &&
        (fs->unlink(fs, p->index, err) != CREW_OK ||
         fs->sync_dir(fs, h->model_dir, err) != CREW_OK)) {
        return err->code;
    }
    if (fs->rename(fs, p->tmp_manifest, p->manifest, err) != CREW_OK ||
        fs->rename(fs, p->tmp_data, p->data, err) != CREW_OK ||
        fs->sync_dir(fs, h->model_dir, err) != CREW_OK ||
        fs->rename(fs, p->tmp_index, p->index, err) != CREW_OK ||
        fs->sync_dir(fs, h->model_dir, err) != CREW_OK) {
        return err->code;
    }
    return CREW_OK;
}

/* Best effort: what cannot be removed is left. The index goes first. */
static void remove_checkpoint(struct ckpt_history *h, const char *name)
{
    struct env_fs *fs = h->env->fs;
    char *paths[] = {xasprintf("%s/%s.index", h->model_dir, name),
                     xasprintf("%s/%s" DATA_SUFFIX, h->model_dir, name),
                     xasprintf("%s/%s.meta", h->model_dir, name),
                     xasprintf("%s/.crew/%s.manifest", h->model_dir, name)};

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct crew_err ignored = {0};
        (void)fs->unlink(fs, paths[i], &ignored);
        free(paths[i]);
    }
}

/* The oldest go until keep_max remain; one every keep_every hours stays for good (and
 * leaves the list, as in TensorFlow's Saver). */
static void drop_old(struct ckpt_history *h, struct strbuf *doomed)
{
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
    struct strbuf doomed;

    strbuf_init(&doomed);
    state_append(&h->state, name, h->env->wall_time(h->env));
    drop_old(h, &doomed);
    if (state_write(h->env, h->model_dir, &h->state, err) == CREW_OK) {
        for (size_t i = 0; i < doomed.len; i += strlen(doomed.data + i) + 1) {
            remove_checkpoint(h, doomed.data + i);
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

int ckpt_save(struct ckpt_history *h, int64_t step, uint64_t epoch,
              const struct ckpt_tensor *tensors, int n, struct crew_err *err)
{
    const struct ckpt_tensor **sorted = xcalloc((size_t)n, sizeof *sorted);
    struct places p;

    for (int i = 0; i < n; i++) {
        sorted[i] = &tensors[i];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    places_init(&p, h->model_dir, step);
    if (check_epoch(h, epoch, err) == CREW_OK &&
        write_temporary(h, &p, step, epoch, sorted, n, err) == CREW_OK &&
        check_epoch(h, epoch, err) == CREW_OK && commit(h, &p, err) == CREW_OK) {
        (void)publish(h, step, err);
    }
    struct crew_err ignored = {0};
    (void)fs_remove_tree(h->env, p.tmp_dir, &ignored);
    if (err->code == CREW_RESOURCE_EXHAUSTED) {
        crew_err_wrap(err, "checkpoint of step %" PRId64 " (%" PRIu64 " bytes)",
                      step, total_bytes(tensors, n));
    }
    places_release(&p);
    free(sorted);
    return err->code;
}
