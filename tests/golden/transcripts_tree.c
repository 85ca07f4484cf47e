/* SPDX-License-Identifier: Apache-2.0
 * What a run leaves in its model_dir: the files' names, the events of event
 * files, the text of "checkpoint". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/events.h"
#include "config/json.h"
#include "summary/event_reader.h"
#include "transcripts.h"
#include "base/banned.h"

struct tree {
    const struct rules *rules;
    struct golden_report *report;
    char *names_at;  /* "<run>/tree" */
    char *events_at; /* "<run>/events" */
    const char *model_dir;
};

/* ------------------------------------------------------------------- events */

static const char *value_kind(const Tensorflow__Summary__Value *v)
{
    switch (v->value_case) {
        case TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE:
            return "simple_value";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR:
            return "tensor";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO:
            return "histo";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE:
            return "image";
        default:
            return "other";
    }
}

/* "100 summary accuracy:simple_value loss:simple_value" */
static char *text_of_event(const Tensorflow__Event *e)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%lld %s", (long long)e->step, event_what(e));
    if (e->what_case == TENSORFLOW__EVENT__WHAT_SESSION_LOG) {
        strbuf_addf(&out, " %d %s", (int)e->session_log->status,
                    e->session_log->checkpoint_path != NULL
                        ? e->session_log->checkpoint_path
                        : "");
    }
    if (e->what_case == TENSORFLOW__EVENT__WHAT_FILE_VERSION) {
        strbuf_addf(&out, " %s", e->file_version);
    }
    for (size_t i = 0; e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY &&
                       i < e->summary->n_value;
         i++) {
        strbuf_addf(&out, " %s:%s", e->summary->value[i]->tag,
                    value_kind(e->summary->value[i]));
    }
    return strbuf_detach(&out);
}

static void got_events(struct tree *t, const char *path, struct texts *out)
{
    struct event_reader *reader = NULL;
    struct crew_err err = {0};
    Tensorflow__Event *e;

    if (event_reader_open(env_posix(), path, &reader, &err) == CREW_OK) {
        while (event_reader_next(reader, &e, &err) == CREW_OK) {
            char *text = without_paths(t->model_dir, text_of_event(e));

            texts_add(out, rules_mask(t->rules, t->events_at, text));
            tensorflow__event__free_unpacked(e, NULL);
        }
    }
    event_reader_close(reader);
    if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(t->report, path, -1, err.msg, "readable events");
    }
}

static char *want_event_text(const cJSON *e)
{
    const char *what = golden_text(e, "what");
    const cJSON *value;
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%lld %s",
                (long long)golden_int(golden_member(e, "step")), what);
    if (strcmp(what, "session_log") == 0) {
        strbuf_addf(&out, " %d %s", (int)golden_int(golden_member(e, "status")),
                    golden_text(e, "checkpoint_path"));
    }
    if (strcmp(what, "file_version") == 0) {
        strbuf_addf(&out, " %s", golden_text(e, "file_version"));
    }
    cJSON_ArrayForEach(value, json_get(e, "values"))
    {
        strbuf_addf(&out, " %s:%s", golden_text(value, "tag"),
                    golden_text(value, "kind"));
    }
    return strbuf_detach(&out);
}

static void compare_events(struct tree *t,
                           const char *path,
                           const cJSON *want_file)
{
    struct texts got = {0}, want = {0};
    const cJSON *e;

    cJSON_ArrayForEach(e, golden_member(want_file, "events"))
    {
        texts_add(&want,
                  rules_mask(t->rules, t->events_at, want_event_text(e)));
    }
    got_events(t, path, &got);
    rules_compare(t->rules, t->report, t->events_at, &got, &want);
    texts_release(&got);
    texts_release(&want);
}

/* -------------------------------------------------------------------- names */

struct listing {
    struct texts *out;
    const char *prefix;
};

static void take_name(void *self, const char *name)
{
    struct listing *l = self;

    texts_add(l->out, xasprintf("%s%s", l->prefix, name));
}

/* Names below `dir`, folders with a / behind them. */
static void list_tree(const char *dir, const char *prefix, struct texts *out)
{
    struct crew_env *env = env_posix();
    struct crew_err ignored = {0};
    struct texts names = {0};
    struct listing l = {&names, ""};

    (void)env->fs->list(env->fs, dir, take_name, &l, &ignored);
    for (int i = 0; i < names.n; i++) {
        char *path = path_join(dir, names.items[i]);
        struct env_stat st;

        if (env->fs->stat(env->fs, path, &st, &ignored) == CREW_OK &&
            st.is_dir) {
            char *below = xasprintf("%s%s/", prefix, names.items[i]);

            list_tree(path, below, out);
            texts_add(out, below);
        } else {
            texts_add(out, xasprintf("%s%s", prefix, names.items[i]));
        }
        free(path);
    }
    texts_release(&names);
}

static void compare_names(struct tree *t,
                          const struct texts *names,
                          const cJSON *want_tree)
{
    struct texts got = {0}, want = {0};
    const cJSON *file;

    for (int i = 0; i < names->n; i++) {
        texts_add(&got,
                  rules_mask(t->rules, t->names_at, xstrdup(names->items[i])));
    }
    cJSON_ArrayForEach(file, want_tree)
    {
        texts_add(&want, rules_mask(t->rules, t->names_at,
                                    xstrdup(golden_text(file, "path"))));
    }
    texts_sort(&got);
    texts_sort(&want);
    rules_compare(t->rules, t->report, t->names_at, &got, &want);
    texts_release(&got);
    texts_release(&want);
}

/* ---------------------------------------------------------------- contents */

static bool is_event_file(const char *path)
{
    return strstr(path, "tfevents") != NULL;
}

/* Everything up to the last /. */
static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* The n-th event file of the same folder as `like`, by name; NULL: none. */
static const char *nth_event_file(const struct texts *names,
                                  const char *like,
                                  int n)
{
    size_t len = folder_len(like);

    for (int i = 0; i < names->n; i++) {
        const char *name = names->items[i];

        if (is_event_file(name) && folder_len(name) == len &&
            strncmp(name, like, len) == 0 && n-- == 0) {
            return name;
        }
    }
    return NULL;
}

static void compare_event_files(struct tree *t,
                                const struct texts *names,
                                const cJSON *want_tree)
{
    const cJSON *file;
    const char *before = NULL;
    int n = 0;

    cJSON_ArrayForEach(file, want_tree)
    {
        const char *like = golden_text(file, "path");
        const char *name;
        char *path;

        if (!is_event_file(like)) {
            continue;
        }
        n = before != NULL && folder_len(like) == folder_len(before) &&
                    strncmp(like, before, folder_len(like)) == 0
                ? n + 1
                : 0;
        before = like;
        name = nth_event_file(names, like, n);
        if (name == NULL) {
            golden_differ(t->report, t->events_at, n, "no event file", like);
            continue;
        }
        path = path_join(t->model_dir, name);
        compare_events(t, path, file);
        free(path);
    }
}

static void compare_state(struct tree *t, const cJSON *want_tree)
{
    const cJSON *file;

    cJSON_ArrayForEach(file, want_tree)
    {
        if (strcmp(golden_text(file, "path"), "checkpoint") == 0 &&
            !rules_match(t->rules, RULE_FREE, t->names_at, "checkpoint")) {
            char *path = path_join(t->model_dir, "checkpoint");
            char *text = read_text(path);
            char *expected = rules_mask(t->rules, t->names_at,
                                        xstrdup(golden_text(file, "text")));

            text = rules_mask(t->rules, t->names_at, text);
            (void)golden_same_text(t->report, "checkpoint", text, expected);
            free(expected);
            free(text);
            free(path);
        }
    }
}

void compare_tree(const struct rules *rules,
                  struct golden_report *report,
                  const char *run,
                  const char *model_dir,
                  const cJSON *want)
{
    struct tree t = {.rules = rules,
                     .report = report,
                     .names_at = xasprintf("%s/tree", run),
                     .events_at = xasprintf("%s/events", run),
                     .model_dir = model_dir};
    struct texts names = {0};

    list_tree(model_dir, "", &names);
    texts_sort(&names);
    compare_names(&t, &names, want);
    compare_event_files(&t, &names, want);
    compare_state(&t, want);
    texts_release(&names);
    free(t.names_at);
    free(t.events_at);
}
