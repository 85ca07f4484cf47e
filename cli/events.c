/* SPDX-License-Identifier: Apache-2.0
 * crew events: what is in TensorBoard's event files. */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "cli/commands.h"
#include "summary/event_reader.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew events ls [--format text|json] FILE|DIR\n"
    "       crew events dump [--format text|json] FILE|DIR\n\n"
    "FILE is an event file; of DIR all whose name contains `tfevents`, in "
    "order.\n\n"
    "  ls    a line a tag (kind, points, steps, last value) and a line for "
    "each "
    "kind\n"
    "        of other events (graph, session log, ...)\n"
    "  dump  every event\n\n"
    "A damaged file is shown up to the damage. Exit codes: 0; 65 damaged; 66 "
    "not\n"
    "found; 64 usage.\n"
    "Next: tensorboard --logdir MODEL_DIR\n";

struct arguments {
    const char *path;
    bool json, list;
};

static void print_json(cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);

    (void)fputs(text, stdout);
    free(text);
    cJSON_Delete(json);
}

static int dump_events(struct event_reader *r, bool json, struct crew_err *err)
{
    Tensorflow__Event *e = NULL;
    bool first = true;

    while (event_reader_next(r, &e, err) == CREW_OK) {
        if (json) {
            (void)fputs(first ? "\n  " : ",\n  ", stdout);
            print_json(event_to_json(e));
        } else {
            char *text = event_text(e);

            (void)puts(text);
            free(text);
        }
        tensorflow__event__free_unpacked(e, NULL);
        first = false;
    }
    return err->code;
}

static void list_events(struct event_reader *r,
                        struct event_list *list,
                        struct crew_err *err)
{
    Tensorflow__Event *e = NULL;

    while (event_reader_next(r, &e, err) == CREW_OK) {
        event_list_add(list, e);
        tensorflow__event__free_unpacked(e, NULL);
    }
}

static void show_events(struct event_reader *r,
                        const struct arguments *a,
                        cJSON *file,
                        struct crew_err *err)
{
    if (!a->list) {
        (void)dump_events(r, a->json, err);
        return;
    }

    struct event_list *list = event_list_new();

    list_events(r, list, err);
    if (a->json) {
        event_list_to_json(list, file);
    } else {
        event_list_print(list);
    }
    event_list_free(list);
}

/* {"file", "bytes"} and what of it is asked for; events are printed as they are
 * read, since there may be many. */
static int show_file(const char *path,
                     const struct arguments *a,
                     struct crew_err *err)
{
    struct crew_env *env = env_posix();
    struct event_reader *r = NULL;
    struct env_stat st;

    if (env->fs->stat(env->fs, path, &st, err) != CREW_OK ||
        event_reader_open(env, path, &r, err) != CREW_OK) {
        (void)fputs(a->json ? "null" : "", stdout);
        return err->code;
    }

    cJSON *file = cJSON_CreateObject();

    cJSON_AddStringToObject(file, "file", path);
    cJSON_AddNumberToObject(file, "bytes", (double)st.size);
    if (!a->json) {
        (void)puts(path);
        show_events(r, a, NULL, err);
        cJSON_Delete(file);
    } else if (a->list) {
        show_events(r, a, file, err);
        print_json(file);
    } else {
        char *head = cJSON_PrintUnformatted(file);

        head[strlen(head) - 1] = '\0'; /* the brace */
        (void)printf("%s,\"events\":[", head);
        free(head);
        cJSON_Delete(file);
        show_events(r, a, NULL, err);
        (void)fputs("\n ]}", stdout);
    }
    event_reader_close(r);
    if (err->code == CREW_OUT_OF_RANGE) {
        *err = (struct crew_err){0};
    }
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
