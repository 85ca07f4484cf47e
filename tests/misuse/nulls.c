/* SPDX-License-Identifier: Apache-2.0
 *
 * Every function of crew.h with a NULL in the place of each pointer: words that
 * name it, and never a signal. A function of libcrew.so's public symbols that
 * no row calls makes it fail.
 *
 *   nulls LIBCREW.so NM */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"
#include "nulls.h"

enum { NONE_OF_THEM = -1, ALL_OF_THEM = -2, SECONDS = 60, MOST_CALLS = 64 };

/* What a call has come to. */
struct outcome {
    int target;   /* which pointer is NULL */
    bool no_err;  /* and the error too */
    int pointers; /* that the call has */
    bool allowed; /* the NULL may be */
    bool errs;    /* it is the error's place */
    bool lives;   /* it has returned */
    char text[64];
    int code;
    struct crew_err err;
};
/* Shared with the process that makes the calls of a row. */
static struct {
    int at; /* the call that is being made */
    int n;  /* how many the row has; 0: not known yet */
    struct outcome calls[MOST_CALLS];
} * shared;
static struct outcome *now;
static int passed, failed;

/* "source()", "\"name\"" and "&optimizer" are the names of parameters. */
static void set_text(const char *text)
{
    size_t n = 0;

    for (; *text != '\0' && *text != '('; text++) {
        if (*text != '"' && *text != '&' && n + 1 < sizeof now->text) {
            now->text[n++] = *text;
        }
    }
    now->text[n] = '\0';
}

bool null_at(const char *text, bool allowed)
{
    int i = now->pointers++;
    bool is_err = strcmp(text, "err") == 0;

    if (is_err && now->no_err) {
        return true;
    }
    if (now->target == ALL_OF_THEM) {
        now->allowed = now->allowed && allowed;
        return true;
    }
    if (i != now->target) {
        return false;
    }
    now->allowed = allowed;
    now->errs = is_err;
    set_text(text);
    return true;
}

/* ------------------------------------------------------------------ calling */

/* The i-th call: as it stands, then each pointer, with an error and without one
 * where the error is what says it, then all. */
static void set_up_call(const struct row *row, int i)
{
    int variants = row->kind == REFUSED ? 2 : 1;

    now = &shared->calls[i];
    *now = (struct outcome){.target = NONE_OF_THEM, .allowed = true};
    if (i > 0 && i == shared->n - 1) {
        now->target = ALL_OF_THEM;
        (void)snprintf(now->text, sizeof now->text, "all");
    } else if (i > 0) {
        now->target = (i - 1) / variants;
        now->no_err = (i - 1) % variants == 1;
    }
}

static void one_call(const struct row *row, int i)
{
    struct crew_err err = {0};

    set_up_call(row, i);
    shared->at = i;
    bed_make();
    row->call(row->arg);
    now->code = bed_judge(row->kind, &err);
    now->err = err;
    now->lives = true;
    if (i == 0) {
        shared->n = 2 + now->pointers * (row->kind == REFUSED ? 2 : 1);
    }
}

/* The calls from `from` on, in a process of their own: all of them, or one. */
static void call_in_child(const struct row *row, int from, bool one)
{
    pid_t pid;
    int status;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)alarm(SECONDS);
        do {
            one_call(row, from++);
        } while (!one && from < shared->n);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(1);
    }
}

static void make_calls(const struct row *row, bool one_by_one)
{
    int from = 0;

    memset(shared, 0, sizeof *shared);
    do {
        call_in_child(row, from, one_by_one);
        from = shared->at + 1;
    } while (from < shared->n && from < MOST_CALLS);
}

static void verdict(const struct row *row, bool good, const char *why)
{
    if (good) {
        passed++;
        return;
    }
    failed++;
    (void)printf("%s with NULL for %s%s: %s%s%s\n", row->name,
                 now->text[0] != '\0' ? now->text : "nothing",
                 now->no_err ? " and err" : "", why,
                 now->err.msg[0] != '\0' ? ": " : "", now->err.msg);
}

/* Do the words say that something is not there, and what? Of what a graph or a
 * spec keeps it may be the node's name, as in TensorFlow. */
static bool names_it(const struct row *row, const char *words)
{
    static const char *const none[] = {
        "NULL",    "None",    "must be provided", "has no ",
        "without", "Missing", "must be callable", "empty arguments"};
    bool says = false;

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        says = says || strstr(words, none[i]) != NULL;
    }
    if (row->kind == POISONS || row->kind == SPEC) {
        return says;
    }
    return says && (strcasestr(words, now->text) != NULL ||
                    strstr(words, row->name) != NULL);
}

/* Without the thing that would keep the error nothing can be said. */
static bool has_a_keeper(void)
{
    static const char *const keepers[] = {"graph", "spec", "features",
                                          "params"};
    bool has = now->target != ALL_OF_THEM;

    for (size_t i = 0; i < sizeof keepers / sizeof keepers[0]; i++) {
        has = has && strcmp(now->text, keepers[i]) != 0;
    }
    return has;
}

static void judge(const struct row *row)
{
    bool is_int = row->kind == EXITS || row->kind == REFUSED;
    bool has_words =
        row->kind != EXITS && !now->no_err && now->target != ALL_OF_THEM;

    if (!now->lives) {
        verdict(row, false, "it dies");
    } else if (row->kind == CALM || now->allowed) {
        verdict(row, !now->errs || now->code == CREW_OK, "it is refused");
    } else if (is_int || has_a_keeper()) {
        verdict(row, now->code != CREW_OK, "it is taken");
        verdict(row, !has_words || names_it(row, now->err.msg),
                "the words do not name it");
    } else {
        verdict(row, true, "");
    }
}

/* Builders are called with operands that need not fit; what is NULL is said
 * first. */
static void sweep(const struct row *row, bool is_builder, bool one_by_one)
{
    make_calls(row, one_by_one);
    now = &shared->calls[0];
    if (!now->lives || (!is_builder && now->code != CREW_OK)) {
        verdict(row, false, "it fails as it stands");
        return;
    }
    verdict(row, shared->n <= MOST_CALLS, "it has too many pointers");
    for (int i = 1; i < shared->n && i < MOST_CALLS; i++) {
        now = &shared->calls[i];
        judge(row);
    }
}

/* ------------------------------------------------------------- completeness */

static const struct {
    const struct row *rows;
    const int *n;
} tables[] = {
    {input_rows, &num_input_rows},         {graph_rows, &num_graph_rows},
    {spec_rows, &num_spec_rows},           {hook_rows, &num_hook_rows},
    {estimator_rows, &num_estimator_rows}, {builder_rows, &num_builder_rows},
};

static bool is_known(const char *name)
{
    for (int i = 0; without_pointers[i] != NULL; i++) {
        if (strcmp(without_pointers[i], name) == 0) {
            return true;
        }
    }
    for (int t = 0; t < NUM_OF(tables); t++) {
        for (int i = 0; i < *tables[t].n; i++) {
            if (strcmp(tables[t].rows[i].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Lines of nm: "0000000000012345 T crew_add@@CREW_0". */
static void check_completeness(const char *library, const char *nm)
{
    char command[1024], line[512], name[256];
    int found = 0;
    FILE *list;

    (void)snprintf(command, sizeof command, "'%s' -D --defined-only '%s'", nm,
                   library);
    list = popen(command, "r");
    while (list != NULL && fgets(line, sizeof line, list) != NULL) {
        if (strstr(line, "@@CREW_0") == NULL ||
            sscanf(line, "%*s T %255[^@]", name) != 1) {
            continue;
        }
        found++;
        if (is_known(name)) {
            passed++;
        } else {
            failed++;
            (void)printf("no row calls %s\n", name);
        }
    }
    if (list == NULL || pclose(list) != 0 || found < 250) {
        failed++;
        (void)printf("%s: %d public functions, wanted 250 or more\n", command,
                     found);
    }
}

/* nulls LIBCREW.so NM [FUNCTION]: all, or this one. */
int main(int argc, char **argv)
{
    const char *only = argc > 3 ? argv[3] : NULL;
    struct crew_err err = {0};

    if (argc < 3) {
        (void)fprintf(stderr, "usage: nulls LIBCREW.so NM [FUNCTION]\n");
        return 64;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    bed_make_estimator();
    for (int t = 0; t < NUM_OF(tables); t++) {
        for (int i = 0; i < *tables[t].n; i++) {
            const struct row *row = &tables[t].rows[i];

            /* An Estimator's calls change it. */
            if (only == NULL || strcmp(row->name, only) == 0) {
                sweep(row, tables[t].rows == builder_rows,
                      tables[t].rows == estimator_rows);
            }
        }
    }
    if (only == NULL) {
        check_completeness(argv[1], argv[2]);
    }
    crew_estimator_free(estimator);
    (void)fs_remove_tree(env_posix(), model_dir, &err);
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
