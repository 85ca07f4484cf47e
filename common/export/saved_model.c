/* SPDX-License-Identifier: Apache-2.0
 * The folder of a SavedModel, and the older ones beside it; see
 * saved_model.h. */
#include "export/saved_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "export/build.h"

#include "base/banned.h"

/* ------------------------------------------------------------------ checks */

/* A path below the folder, and no way out of it. */
static bool is_inside(const char *name)
{
    const char *p = name;

    if (*p == '\0' || *p == '/') {
        return false;
    }
    while (*p != '\0') {
        size_t n = strcspn(p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.')) {
            return false;
        }
        p += n;
        p += *p == '/' && p[1] != '\0';
    }
    return true;
}

static int check_extra(struct crew_env *env,
                       const struct export_request *q,
                       struct crew_err *err)
{
    if (q->n_extra > 0 && q->extra == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "num_assets_extra is %d, but assets_extra is NULL",
                             q->n_extra);
    }
    for (int i = 0; i < q->n_extra; i++) {
        const struct crew_asset *a = &q->extra[i];
        struct env_stat st;

        if (a->name == NULL || a->source == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "assets_extra[%d]: its %s is NULL", i,
                                 a->name == NULL ? "name" : "source");
        }
        if (!is_inside(a->name)) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "assets_extra: '%s' must be a path below "
                                 "assets.extra/, and come from a file",
                                 a->name);
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(a->name, q->extra[k].name) == 0) {
                return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                     "assets_extra: '%s' is there twice",
                                     a->name);
            }
        }
        if (env->fs->stat(env->fs, a->source, &st, err) != CREW_OK) {
            return crew_err_wrap(err, "assets_extra '%s'", a->name);
        }
    }
    return CREW_OK;
}

int saved_model_check_files(struct crew_env *env,
                            const struct export_request *q,
                            struct crew_err *err)
{
    struct export_build b = {0};

    if (check_extra(env, q, err) != CREW_OK ||
        export_build(q, &b, err) != CREW_OK) {
        return err->code;
    }
    const struct graphdef_notes *notes = graphdef_notes(b.graph);

    for (int i = 0; i < notes->num_assets && err->code == CREW_OK; i++) {
        if (export_check_vocabulary(env, notes->assets[i].path,
                                    notes->assets[i].lines, err) != CREW_OK) {
            (void)crew_err_wrap(err, "vocabulary");
        }
    }
    export_build_release(&b);
    return err->code;
}

/* --------------------------------------------------------- what is written */

/* The weights that the graph reads, and the global step. */
static int write_variables(struct crew_env *env,
                           const char *dir,
                           const struct export_request *q,
                           const struct graphdef_notes *notes,
                           struct crew_err *err)
{
    char *data = path_join(dir, "variables.data-00000-of-00001");
    char *index = path_join(dir, "variables.index");
    struct crew_shape scalar = crew_scalar_shape();
    struct bundle_writer *w = NULL;
    struct bundle_sums sums;

    if (bundle_writer_open(env, data, index, &w, err) != CREW_OK) {
        goto out;
    }
    for (int i = 0; i < notes->num_vars; i++) {
        const struct graphdef_var *v = &notes->vars[i];
        int k = graph_find_var(q->graph, v->name);

        if (bundle_writer_add(w, v->name, (int)v->dtype, &v->shape,
                              q->var_data[k], err) != CREW_OK) {
            goto out;
        }
    }
    if (q->global_step >= 0 && graph_find_var(q->graph, "global_step") < 0 &&
        bundle_writer_add(w, "global_step", CREW_INT64, &scalar,
                          &q->global_step, err) != CREW_OK) {
        goto out;
    }
    if (bundle_writer_finish(w, &sums, err) == CREW_OK) {
        (void)env->fs->sync_dir(env->fs, dir, err);
    }
out:
    bundle_writer_free(w);
    free(index);
    free(data);
    return err->code;
}

static int copy_assets(struct crew_env *env,
                       const char *dir,
                       const struct graphdef_notes *notes,
                       struct crew_err *err)
{
    if (notes->num_assets == 0) {
        return CREW_OK;
    }
    (void)fs_make_dirs(env, dir, err);
    for (int i = 0; i < notes->num_assets && err->code == CREW_OK; i++) {
        char *to = path_join(dir, notes->assets[i].file);

        if (!fs_exists(env, to)) { /* two tables may share one */
            (void)export_copy_file(env, notes->assets[i].path, to, err);
        }
        free(to);
    }
    if (err->code == CREW_OK) {
        (void)env->fs->sync_dir(env->fs, dir, err);
    }
    return err->code;
}

/* One file of assets.extra/, whose name may have folders. */
static int add_extra(struct crew_env *env,
                     const char *dir,
                     const char *name,
                     const char *source,
                     const struct export_blob *blob,
                     struct crew_err *err)
{
    char *to = path_join(dir, name);
    char *folder = xstrdup(to);

    *strrchr(folder, '/') = '\0';
    if (fs_make_dirs(env, folder, err) == CREW_OK &&
        (blob == NULL ? export_copy_file(env, source, to, err)
                      : export_write_file(env, to, blob->data, blob->n, err)) ==
            CREW_OK) {
        (void)env->fs->sync_dir(env->fs, folder, err);
    }
    free(folder);
    free(to);
    return err->code;
}

static int add_extras(struct crew_env *env,
                      const char *dir,
                      const struct export_request *q,
                      struct crew_err *err)
{
    for (int i = 0; i < q->n_extra && err->code == CREW_OK; i++) {
        (void)add_extra(env, dir, q->extra[i].name, q->extra[i].source, NULL,
                        err);
    }
    for (int i = 0; i < q->n_blobs && err->code == CREW_OK; i++) {
        (void)add_extra(env, dir, q->blobs[i].name, NULL, &q->blobs[i], err);
    }
    return err->code;
}

/* Fill `dir`, durably; saved_model.pb is the last file. TensorFlow's builder
 * makes variables/ in any case. */
static int fill_dir(struct crew_env *env,
                    const char *dir,
                    const struct export_request *q,
                    const struct export_build *b,
                    struct crew_err *err)
{
    const struct graphdef_notes *notes = graphdef_notes(b->graph);
    char *variables = path_join(dir, "variables");
    char *assets = path_join(dir, "assets");
    char *extra = path_join(dir, "assets.extra");
    char *pb = path_join(dir, "saved_model.pb");
    uint8_t *bytes = NULL;
    size_t n = 0;

    if (export_build_pack(b, &bytes, &n, err) == CREW_OK &&
        fs_make_dirs(env, variables, err) == CREW_OK &&
        (!b->variables ||
         write_variables(env, variables, q, notes, err) == CREW_OK) &&
        copy_assets(env, assets, notes, err) == CREW_OK &&
        add_extras(env, extra, q, err) == CREW_OK &&
        export_write_file(env, pb, bytes, n, err) == CREW_OK) {
        (void)env->fs->sync_dir(env->fs, dir, err);
    }
    free(bytes);
    free(pb);
    free(extra);
    free(assets);
    free(variables);
    return err->code;
}

/* ---------------------------------------------------------------- versions */

struct versions {
    int64_t *stamp;
    int n;
};

static void collect(void *self, const char *name)
{
    struct versions *v = self;
    char *end = NULL;

    /* Ten digits, as TensorFlow: other numbers are somebody else's. */
    if (strspn(name, "0123456789") != 10) {
        return;
    }
    int64_t stamp = strtoll(name, &end, 10);
    if (*end == '\0') {
        v->stamp = xrealloc(v->stamp, (size_t)(v->n + 1) * sizeof *v->stamp);
        v->stamp[v->n++] = stamp;
    }
}

/* The wall clock's second, or what follows the newest there is: a server takes
 * the highest number for the newest, also when it has been pruned within the
 * second, or the clock has been set back. */
static int next_timestamp(struct crew_env *env,
                          const char *base,
                          int64_t *stamp,
                          struct crew_err *err)
{
    struct versions v = {0};
    struct crew_err e = {0};

    if (env->fs->list(env->fs, base, collect, &v, &e) != CREW_OK &&
        e.code != CREW_NOT_FOUND) {
        return crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
    }
    *stamp = (int64_t)env->wall_time(env);
    for (int i = 0; i < v.n; i++) {
        if (v.stamp[i] >= *stamp) {
            *stamp = v.stamp[i] + 1;
        }
    }
    free(v.stamp);
    return CREW_OK;
}

int saved_model_write(struct crew_env *env,
                      const char *base,
                      const struct export_request *q,
                      char **dir,
                      struct crew_err *err)
{
    char *temporary = NULL, *final = NULL;
    struct export_build b = {0};
    int64_t stamp = 0;

    if (check_extra(env, q, err) != CREW_OK ||
        export_build(q, &b, err) != CREW_OK ||
        next_timestamp(env, base, &stamp, err) != CREW_OK) {
        goto out;
    }
    temporary = xasprintf("%s/temp-%" PRId64, base, stamp);
    final = xasprintf("%s/%" PRId64, base, stamp);
    if (fs_remove_tree(env, temporary, err) != CREW_OK ||
        fill_dir(env, temporary, q, &b, err) != CREW_OK ||
        env->fs->rename(env->fs, temporary, final, err) != CREW_OK ||
        env->fs->sync_dir(env->fs, base, err) != CREW_OK) {
        struct crew_err ignored = {0};
        (void)fs_remove_tree(env, temporary, &ignored);
        goto out;
    }
    *dir = final;
    final = NULL;
out:
    export_build_release(&b);
    free(final);
    free(temporary);
    return err->code;
}

/* --------------------------------------------------------------- retention */

static int oldest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

int saved_model_prune(struct crew_env *env,
                      const char *base,
                      int64_t keep,
                      struct crew_err *err)
{
    struct versions v = {0};

    if (keep > 0 && env->fs->list(env->fs, base, collect, &v, err) == CREW_OK) {
        qsort(v.stamp, (size_t)v.n, sizeof *v.stamp, oldest_first);
        for (int i = 0; i < v.n - keep && err->code == CREW_OK; i++) {
            char *path = xasprintf("%s/%" PRId64, base, v.stamp[i]);

            (void)fs_remove_tree(env, path, err);
            free(path);
        }
    }
    free(v.stamp);
    return err->code;
}
