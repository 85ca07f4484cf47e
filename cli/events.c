/* SPDX-License-Identifier: Apache-2.0
 * crew events: what is in TensorBoard's event files. */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "summary/event_reader.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew events ls [--format text|json] FILE|DIR\n"
    "       crew events dump [--format text|json] FILE|DIR\n\n"
    "FILE is an event file; of DIR all whose name contains `tfevents`, in "
    "order.\n\n"
    "  ls    files and tags: how many points, first and last step, last value\n"
    "  dump  every event\n\n"
    "A damaged file is shown up to the damage. Exit codes: 0; 65 damaged; 66 "
    "not\n"
    "found; 64 usage.\n"
    "Next: tensorboard --logdir MODEL_DIR\n";

/* ------------------------------------------------------------------- dump */

static void print_value(const Tensorflow__Summary__Value *v)
{
    cJSON *json = NULL;
    char *text;

    switch (v->value_case) {
        case TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE:
            printf(" %s=%.9g", v->tag, (double)v->simple_value);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO:
            printf(" %s=histogram(num %.17g, min %.9g, max %.9g)", v->tag,
                   v->histo->num, v->histo->min, v->histo->max);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE:
            printf(" %s=image(%dx%d)", v->tag, v->image->width,
                   v->image->height);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR:
            if (v->tensor->n_string_val == 1) {
                printf(" %s=\"%.*s\"", v->tag,
                       (int)v->tensor->string_val[0].len,
                       (const char *)v->tensor->string_val[0].data);
                break;
            }
            json = event_tensor_to_json(v->tensor);
            text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
            printf(" %s=%s", v->tag, text != NULL ? text : "tensor");
            free(text);
            cJSON_Delete(json);
            break;
        default:
            printf(" %s", v->tag);
    }
}

static void print_text(const Tensorflow__Event *e)
{
    static const char *const status[] = {"unspecified", "START", "STOP",
                                         "CHECKPOINT"};
    int s;

    printf("%.6f step %lld %s", e->wall_time, (long long)e->step,
           event_what(e));
    switch (e->what_case) {
        case TENSORFLOW__EVENT__WHAT_FILE_VERSION:
            printf(" %s", e->file_version);
            break;
        case TENSORFLOW__EVENT__WHAT_GRAPH_DEF:
            printf(" %zu bytes", e->graph_def.len);
            break;
        case TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF:
            printf(" %zu bytes", e->meta_graph_def.len);
            break;
        case TENSORFLOW__EVENT__WHAT_SESSION_LOG:
            s = e->session_log->status;
            printf(" %s %s", s >= 0 && s < 4 ? status[s] : "?",
                   e->session_log->checkpoint_path);
            break;
        case TENSORFLOW__EVENT__WHAT_SUMMARY:
            for (size_t i = 0; i < e->summary->n_value; i++) {
                print_value(e->summary->value[i]);
            }
            break;
        default:
            break;
    }
    puts("");
}

static void print_json(const Tensorflow__Event *e, bool first)
{
    cJSON *json = event_to_json(e);
    char *text = cJSON_PrintUnformatted(json);

    printf("%s\n  %s", first ? "" : ",", text);
    free(text);
    cJSON_Delete(json);
}

/* --------------------------------------------------------------------- ls */

struct tag {
    char *name;
    int64_t points, first_step, last_step;
    double last; /* of a scalar */
    bool is_scalar;
};

struct tags {
    struct tag *at;
    int n;
};

static void count_value(struct tags *tags,
                        const Tensorflow__Summary__Value *v,
                        int64_t step)
{
    struct tag *t = NULL;

    for (int i = 0; i < tags->n && t == NULL; i++) {
        t = strcmp(tags->at[i].name, v->tag) == 0 ? &tags->at[i] : NULL;
    }
    if (t == NULL) {
        tags->at = xrealloc(tags->at, (size_t)(tags->n + 1) * sizeof *t);
        t = &tags->at[tags->n++];
        *t = (struct tag){.name = xstrdup(v->tag), .first_step = step};
    }
    t->points++;
    t->last_step = step;
    t->is_scalar =
        v->value_case == TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    t->last = t->is_scalar ? (double)v->simple_value : 0;
}

static void print_tag_json(const struct tag *t, bool first)
{
    cJSON *json = cJSON_CreateObject();
    char *text;

    cJSON_AddStringToObject(json, "tag", t->name);
    cJSON_AddItemToObject(json, "points",
                          cJSON_CreateNumber((double)t->points));
    cJSON_AddItemToObject(json, "first_step",
                          cJSON_CreateNumber((double)t->first_step));
    cJSON_AddItemToObject(json, "last_step",
                          cJSON_CreateNumber((double)t->last_step));
    if (t->is_scalar) {
        cJSON_AddItemToObject(json, "last", event_number(t->last, 9));
    }
    text = cJSON_PrintUnformatted(json);
    printf("%s\n  %s", first ? "" : ",", text);
    free(text);
    cJSON_Delete(json);
}

static void print_tags(struct tags *tags, bool json)
{
    for (int i = 0; i < tags->n; i++) {
        struct tag *t = &tags->at[i];

        if (json) {
            print_tag_json(t, i == 0);
        } else if (t->is_scalar) {
            printf("  %-32s %6lld points, steps %lld to %lld, last %.9g\n",
                   t->name, (long long)t->points, (long long)t->first_step,
                   (long long)t->last_step, t->last);
        } else {
            printf("  %-32s %6lld points, steps %lld to %lld\n", t->name,
                   (long long)t->points, (long long)t->first_step,
                   (long long)t->last_step);
        }
        free(t->name);
    }
    free(tags->at);
}

/* ---------------------------------------------------------------- a file */

struct arguments {
    const char *path;
    bool json, list;
};

static int show_events(struct event_reader *r,
                       const struct arguments *a,
                       struct crew_err *err)
{
    Tensorflow__Event *e = NULL;
    struct tags tags = {0};
    bool first = true;

    while (event_reader_next(r, &e, err) == CREW_OK) {
        if (!a->list && a->json) {
            print_json(e, first);
        } else if (!a->list) {
            print_text(e);
        }
        if (a->list && e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY) {
            for (size_t i = 0; i < e->summary->n_value; i++) {
                count_value(&tags, e->summary->value[i], e->step);
            }
        }
        tensorflow__event__free_unpacked(e, NULL);
        first = false;
    }
    print_tags(&tags, a->json);
    if (err->code == CREW_OUT_OF_RANGE) {
        *err = (struct crew_err){0};
    }
    return err->code;
}

static int show_file(const char *path,
                     const struct arguments *a,
                     struct crew_err *err)
{
    struct crew_env *env = env_posix();
    struct event_reader *r = NULL;
    cJSON *name = cJSON_CreateString(path);
    char *quoted = cJSON_PrintUnformatted(name);
    struct env_stat st;

    if (env->fs->stat(env->fs, path, &st, err) == CREW_OK &&
        event_reader_open(env, path, &r, err) == CREW_OK) {
        if (a->json) {
            printf("{\"file\": %s, \"bytes\": %llu, \"%s\": [", quoted,
                   (unsigned long long)st.size, a->list ? "tags" : "events");
        } else {
            printf("%s\n", path);
        }
        (void)show_events(r, a, err);
        (void)fputs(a->json ? "\n ]}" : "", stdout);
    }
    event_reader_close(r);
    free(quoted);
    cJSON_Delete(name);
    return err->code;
}

/* Every file is shown, also after a damaged one; the first error counts. */
static int show(const struct arguments *a, struct crew_err *err)
{
    char **files = NULL;
    int n = 0;

    if (event_files(env_posix(), a->path, &files, &n, err) != CREW_OK) {
        return err->code;
    }
    (void)fputs(a->json ? "{\"files\": [\n " : "", stdout);
    for (int i = 0; i < n; i++) {
        struct crew_err bad = {0};

        (void)fputs(i == 0 ? "" : a->json ? ",\n " : "\n", stdout);
        if (show_file(files[i], a, &bad) != CREW_OK && err->code == CREW_OK) {
            *err = bad;
        }
    }
    (void)fputs(a->json ? "\n]}\n" : "", stdout);
    event_files_free(files, n);
    return err->code;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    if (argc < 2 ||
        (strcmp(argv[1], "ls") != 0 && strcmp(argv[1], "dump") != 0)) {
        return false;
    }
    a->list = strcmp(argv[1], "ls") == 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--format") == 0 && i + 1 < argc &&
            (strcmp(argv[i + 1], "json") == 0 ||
             strcmp(argv[i + 1], "text") == 0)) {
            a->json = strcmp(argv[++i], "json") == 0;
        } else if (argv[i][0] == '-' || a->path != NULL) {
            return false;
        } else {
            a->path = argv[i];
        }
    }
    return a->path != NULL;
}

int cmd_events(int argc, char **argv)
{
    struct crew_err err = {0};
    struct arguments a = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (!parse(argc, argv, &a)) {
        (void)fputs(usage, stderr);
        return 64;
    }
    if (show(&a, &err) != CREW_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "crew events: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    return 0;
}
