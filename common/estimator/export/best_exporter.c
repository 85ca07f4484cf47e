/* SPDX-License-Identifier: Apache-2.0
 * The memory of a BestExporter. An evaluation has written its event before the
 * exporters run, so that events of the current step do not count; but when that
 * very step has been exported already (a note in .crew/ says so) they do, and
 * the evaluator that comes back does not export it again. */
#include "estimator/export/best_exporter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/file_pattern.h"
#include "summary/event_reader.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- results */

float crew_eval_result_get(const struct crew_eval_result *r,
                           const char *key,
                           float fallback)
{
    for (int i = 0; r != NULL && key != NULL && i < r->n; i++) {
        if (strcmp(r->values[i].key, key) == 0) {
            return r->values[i].value;
        }
    }
    return fallback;
}

static bool has_loss(const struct crew_eval_result *r)
{
    for (int i = 0; i < r->n; i++) {
        if (strcmp(r->values[i].key, "loss") == 0) {
            return true;
        }
    }
    return false;
}

void eval_result_copy(struct crew_eval_result *to,
                      const struct crew_eval_result *from)
{
    struct crew_eval_value *values =
        xcalloc((size_t)from->n + 1, sizeof *values);

    for (int i = 0; i < from->n; i++) {
        values[i].key = xstrdup(from->values[i].key);
        values[i].value = from->values[i].value;
    }
    eval_result_release(to);
    *to = (struct crew_eval_result){from->global_step, from->n, values};
}

void eval_result_release(struct crew_eval_result *r)
{
    for (int i = 0; i < r->n; i++) {
        free((void *)r->values[i].key);
    }
    free((void *)r->values);
    *r = (struct crew_eval_result){0};
}

/* ------------------------------------------------------------------- paths */

/* What cannot be listed matches nothing. Owner: file_list_release(). */
static struct file_list find(struct crew_env *env,
                             const char *dir,
                             const char *pattern)
{
    struct crew_err ignored = {0};
    struct file_list found = {0};
    bool absolute = pattern[0] == '/';

    (void)file_list_glob(&found, env, absolute ? "/" : dir,
                         pattern + strspn(pattern, "/"), &ignored);
    return found;
}

/* -------------------------------------------------------------- comparing */

static int loss_smaller(const struct crew_eval_result *best,
                        const struct crew_eval_result *current,
                        bool *better,
                        struct crew_err *err)
{
    if (!has_loss(best)) {
        return crew_err_set(
            err, CREW_INVALID_ARGUMENT,
            "best_eval_result cannot be empty or no loss is found in it.");
    }
    if (!has_loss(current)) {
        return crew_err_set(
            err, CREW_INVALID_ARGUMENT,
            "current_eval_result cannot be empty or no loss is found in it.");
    }
    float was = crew_eval_result_get(best, "loss", 0);
    float is = crew_eval_result_get(current, "loss", 0);

    *better = was > is || (isnan(was) && !isnan(is));
    return CREW_OK;
}

static int compare(const struct crew_exporter *x,
                   const struct crew_eval_result *best,
                   const struct crew_eval_result *current,
                   bool *better,
                   struct crew_err *err)
{
    int code;

    *better = false;
    if (x->compare_fn == NULL) {
        return loss_smaller(best, current, better, err);
    }
    code = x->compare_fn(x->compare_self, best, current, better, err);
    if (code != CREW_OK && err->code == CREW_OK) {
        return crew_err_exit(err, code, 1,
                             "compare_fn returned %s without a message",
                             crew_code_name(code));
    }
    return err->code;
}

/* ----------------------------------------------------------------- history */

/* The event's scalars; n 0: it has none. Keys are the event's. Owner of
 * values: caller. */
static struct crew_eval_result scalars_of(const Tensorflow__Event *e)
{
    struct crew_eval_result r = {.global_step = e->step};
    const Tensorflow__Summary *s =
        e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY ? e->summary : NULL;
    struct crew_eval_value *values =
        xcalloc((s != NULL ? s->n_value : 0) + 1, sizeof *values);

    for (size_t i = 0; s != NULL && i < s->n_value; i++) {
        const Tensorflow__Summary__Value *v = s->value[i];

        if (v->value_case == TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE) {
            values[r.n++] = (struct crew_eval_value){v->tag, v->simple_value};
        }
    }
    r.values = values;
    return r;
}

/* One evaluation of the past. Without a loss it is none, if that is what
 * counts: a hook may write other curves beside it. */
static int consider(struct best_memory *m,
                    const struct crew_exporter *x,
                    const struct crew_eval_result *r,
                    int64_t skip_step,
                    struct crew_err *err)
{
    bool better = true;

    if (r->n == 0 || r->global_step == skip_step ||
        (x->compare_fn == NULL && !has_loss(r))) {
        return CREW_OK;
    }
    if (m->best.values != NULL &&
        compare(x, &m->best, r, &better, err) != CREW_OK) {
        return err->code;
    }
    if (better) {
        eval_result_copy(&m->best, r);
    }
    return CREW_OK;
}

/* A file that cannot be read to its end (a crash cut it) counts as far as it
 * can. */
static int read_events(struct best_memory *m,
                       struct crew_env *env,
                       const struct crew_exporter *x,
                       const char *path,
                       int64_t skip_step,
                       struct crew_err *err)
{
    struct event_reader *reader = NULL;
    struct crew_err e = {0};
    Tensorflow__Event *event;

    if (event_reader_open(env, path, &reader, &e) == CREW_OK) {
        while (err->code == CREW_OK &&
               event_reader_next(reader, &event, &e) == CREW_OK) {
            struct crew_eval_result r = scalars_of(event);

            (void)consider(m, x, &r, skip_step, err);
            free((void *)r.values);
            tensorflow__event__free_unpacked(event, NULL);
        }
    }
    event_reader_close(reader);
    if (e.code != CREW_OK && e.code != CREW_OUT_OF_RANGE) {
        env_log(env, LOG_WARN, "Earlier evaluations in %s are not counted: %s",
                path, e.msg);
    }
    return err->code;
}

/* ------------------------------------------------------------- the exports */

static char *note_path(const struct best_place *p,
                       const struct crew_exporter *x)
{
    return xasprintf("%s/.crew/best-%s", p->model_dir, x->name);
}

static bool is_noted(const struct best_place *p,
                     const struct crew_exporter *x,
                     int64_t step)
{
    char *path = note_path(p, x);
    char *text = NULL;
    size_t n;
    struct crew_err ignored = {0};
    bool noted =
        fs_read_file(p->env, path, 64, &text, &n, &ignored) == CREW_OK &&
        strtoll(text, NULL, 10) == step;

    free(text);
    free(path);
    return noted;
}

static bool has_exports(const struct best_place *p)
{
    struct file_list exports = find(
        p->env, p->base, "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]");
    bool any = exports.n > 0;

    file_list_release(&exports);
    return any;
}

static int load(struct best_memory *m,
                const struct best_place *p,
                const struct crew_exporter *x,
                int64_t step,
                struct crew_err *err)
{
    const char *pattern = x->event_file_pattern;
    int64_t skip_step = is_noted(p, x, step) ? -1 : step;
    struct file_list files = {0};

    if (pattern == NULL) {
        files = find(p->env, p->eval_dir, "*.tfevents.*");
    } else if (pattern[0] != '\0') {
        files = find(p->env, p->model_dir, pattern);
    }
    for (int i = 0; i < files.n && err->code == CREW_OK; i++) {
        (void)read_events(m, p->env, x, files.paths[i], skip_step, err);
    }
    file_list_release(&files);
    return err->code;
}

int best_is_due(struct best_memory *m,
                const struct best_place *p,
                const struct crew_exporter *x,
                const struct crew_eval_result *current,
                bool *due,
                struct crew_err *err)
{
    bool is_first = false;

    if (!m->loaded) {
        if (x->event_file_pattern == NULL || x->event_file_pattern[0] != '\0') {
            env_log(p->env, LOG_INFO, "Loading best metric from event files.");
        }
        if (load(m, p, x, current->global_step, err) != CREW_OK) {
            return err->code;
        }
        is_first = !has_exports(p);
        m->loaded = true;
    }
    *due = m->best.values == NULL || is_first;
    if (!*due && compare(x, &m->best, current, due, err) != CREW_OK) {
        return err->code;
    }
    if (*due) {
        env_log(p->env, LOG_INFO, "Performing best model export.");
    }
    return CREW_OK;
}

void best_exported(struct best_memory *m,
                   const struct best_place *p,
                   const struct crew_exporter *x,
                   const struct crew_eval_result *current)
{
    char *path = note_path(p, x);
    char *dir = path_join(p->model_dir, ".crew");
    char text[32];
    struct crew_err err = {0};

    eval_result_copy(&m->best, current);
    (void)snprintf(text, sizeof text, "%lld\n",
                   (long long)current->global_step);
    if (fs_make_dirs(p->env, dir, &err) != CREW_OK ||
        fs_replace_file(p->env, path, text, strlen(text), &err) != CREW_OK) {
        env_log(p->env, LOG_WARN, "%s could not be written: %s", path, err.msg);
    }
    free(dir);
    free(path);
}

void best_release(struct best_memory *m)
{
    eval_result_release(&m->best);
    *m = (struct best_memory){0};
}
