/* SPDX-License-Identifier: Apache-2.0
 * Metrics out of event files. */
#include "hooks/eval_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "summary/event_reader.h"
#include "base/banned.h"

static void add_values(struct eval_metrics *m, const Tensorflow__Event *e)
{
    const Tensorflow__Summary *s =
        e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY ? e->summary : NULL;

    for (size_t i = 0; s != NULL && i < s->n_value; i++) {
        const Tensorflow__Summary__Value *v = s->value[i];

        if (v->value_case != TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE) {
            continue;
        }
        m->items = xrealloc(m->items, ((size_t)m->n + 1) * sizeof *m->items);
        m->items[m->n] = (struct eval_metric){e->step, m->n, xstrdup(v->tag),
                                              v->simple_value};
        m->n++;
    }
}

static void read_file(struct crew_env *env,
                      const char *path,
                      struct eval_metrics *m)
{
    struct event_reader *r = NULL;
    Tensorflow__Event *e;
    struct crew_err err = {0};

    if (event_reader_open(env, path, &r, &err) == CREW_OK) {
        while (event_reader_next(r, &e, &err) == CREW_OK) {
            add_values(m, e);
            tensorflow__event__free_unpacked(e, NULL);
        }
    }
    if (err.code != CREW_OUT_OF_RANGE) {
        env_log(env, LOG_WARN,
                "Skipping rest of the file due to encountering data corruption "
                "error; file path: %s; original error raised by "
                "`tf.train.summary_iterator`: %s",
                path, err.msg);
    }
    event_reader_close(r);
}

static int compare(const struct eval_metric *a, const struct eval_metric *b)
{
    if (a->step != b->step) {
        return a->step < b->step ? -1 : 1;
    }
    return strcmp(a->tag, b->tag);
}

static int by_step(const void *a, const void *b)
{
    const struct eval_metric *x = a;
    const struct eval_metric *y = b;
    int order = compare(x, y);

    return order != 0 ? order : x->order - y->order;
}

/* Of the same step and tag the last one read stays. */
static void keep_last(struct eval_metrics *m)
{
    int n = 0;

    for (int i = 0; i < m->n; i++) {
        if (i + 1 < m->n && compare(&m->items[i], &m->items[i + 1]) == 0) {
            free(m->items[i].tag);
            continue;
        }
        m->items[n++] = m->items[i];
    }
    m->n = n;
}

int eval_metrics_read(struct crew_env *env,
                      const char *dir,
                      struct eval_metrics *m,
                      struct crew_err *err)
{
    char **files = NULL;
    int n = 0;
    struct crew_err e = {0};

    *m = (struct eval_metrics){0};
    if (event_files(env, dir, &files, &n, &e) != CREW_OK) {
        /* Nothing has been evaluated yet. */
        return e.code == CREW_NOT_FOUND
                   ? CREW_OK
                   : crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
    }
    for (int i = 0; i < n; i++) {
        read_file(env, files[i], m);
    }
    event_files_free(files, n);
    if (m->n > 0) {
        qsort(m->items, (size_t)m->n, sizeof *m->items, by_step);
    }
    keep_last(m);
    return CREW_OK;
}

void eval_metrics_release(struct eval_metrics *m)
{
    for (int i = 0; i < m->n; i++) {
        free(m->items[i].tag);
    }
    free(m->items);
    *m = (struct eval_metrics){0};
}

int eval_metrics_step_end(const struct eval_metrics *m, int from)
{
    int i = from;

    while (i < m->n && m->items[i].step == m->items[from].step) {
        i++;
    }
    return i;
}

const struct eval_metric *eval_metrics_find(const struct eval_metrics *m,
                                            int from,
                                            const char *tag)
{
    int end = eval_metrics_step_end(m, from);

    for (int i = from; i < end; i++) {
        if (strcmp(m->items[i].tag, tag) == 0) {
            return &m->items[i];
        }
    }
    return NULL;
}
