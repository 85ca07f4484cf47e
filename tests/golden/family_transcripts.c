/* SPDX-License-Identifier: Apache-2.0
 *
 * The family transcripts: the runs of TensorFlow's program, made again by our
 * twin of it (tests/jobs/fashion_cnn.c) with the same arguments, in the same
 * order and from the same state. Compared are exit codes, the error that ended
 * a process, each process's lines of log in order, its results on stdout, the
 * files left and the events in them; transcripts_rules.txt says what may differ
 * and why. The data are read in the folder $CREW_FASHION_MNIST, or where
 * Debian's dataset-fashion-mnist puts them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/json.h"
#include "golden_families.h"
#include "transcripts.h"
#include "base/banned.h"

#define MAX_PROCESSES 16
#define MAX_SECS 150

/* Runs that share a model_dir, in their order; all others have their own. */
static const char *const shared[] = {
    "a_train",
    "b_evaluate",
    "b2_evaluate_named",
    "c_predict",
    "f_resume",
    "h_max_steps_reached",
    "h2_train_and_evaluate_max_steps_reached",
};
#define NUM_SHARED (sizeof shared / sizeof shared[0])

struct family {
    const char *dir;
    struct golden_report *report;
    struct rules *rules;
    char *work; /* a temporary folder */
    const char *twin, *data;
};

static bool is_shared(const char *run)
{
    for (size_t i = 0; i < NUM_SHARED; i++) {
        if (strcmp(run, shared[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- starting */

/* $MODEL_DIR in the arguments; the program's own name is replaced. */
static char **arguments(const struct family *f,
                        const cJSON *argv,
                        const char *model_dir,
                        bool many)
{
    char **out = xcalloc((size_t)cJSON_GetArraySize(argv) + 4, sizeof *out);
    const cJSON *arg;
    int n = 0, i = 0;

    out[n++] = xstrdup(f->twin);
    cJSON_ArrayForEach(arg, argv)
    {
        if (i++ >= 2) {
            out[n++] = xstrdup(strcmp(arg->valuestring, "$MODEL_DIR") == 0
                                   ? model_dir
                                   : arg->valuestring);
        }
    }
    if (many) { /* about TensorFlow's speed, so that the roles meet as there */
        out[n++] = xstrdup("--pace");
        out[n++] = xstrdup("100");
    }
    return out;
}

/* The cluster on ports that are free here: TensorFlow's may be taken. */
static void move_ports(cJSON *processes)
{
    struct texts from = {0}, to = {0};
    cJSON *process, *job, *address;

    cJSON_ArrayForEach(process, processes)
    {
        cJSON *config = cJSON_GetObjectItem(process, "TF_CONFIG");

        cJSON_ArrayForEach(job, cJSON_GetObjectItem(config, "cluster"))
        {
            cJSON_ArrayForEach(address, job)
            {
                int i = 0;

                while (i < from.n &&
                       strcmp(from.items[i], address->valuestring) != 0) {
                    i++;
                }
                if (i == from.n) {
                    texts_add(&from, xstrdup(address->valuestring));
                    texts_add(&to, xasprintf("localhost:%d", free_port()));
                }
                (void)cJSON_SetValuestring(address, to.items[i]);
            }
        }
    }
    texts_release(&from);
    texts_release(&to);
}

static int set_up(const struct family *f,
                  const char *run,
                  cJSON *processes,
                  const char *model_dir,
                  struct process *p)
{
    int n = 0;
    bool many = cJSON_GetArraySize(processes) > 1;
    const cJSON *item;

    move_ports(processes);
    cJSON_ArrayForEach(item, processes)
    {
        const cJSON *role = json_get(item, "role");
        const cJSON *config = json_get(item, "TF_CONFIG");

        if (n == MAX_PROCESSES) {
            return golden_trouble(65, "%s: more than %d processes", run, n);
        }
        p[n] = (struct process){
            .role = cJSON_IsString(role) ? role->valuestring : "",
            .argv = arguments(f, golden_member(item, "argv"), model_dir, many),
            .stdout_path = xasprintf("%s/%s.%d.out", f->work, run, n),
            .stderr_path = xasprintf("%s/%s.%d.err", f->work, run, n),
        };
        if (config != NULL) {
            p[n].tf_config = cJSON_PrintUnformatted(config);
        }
        n++;
    }
    return 0;
}

/* --------------------------------------------------------------- comparing */

static void mask_all(const struct family *f,
                     const char *where,
                     struct texts *lines)
{
    for (int i = 0; i < lines->n; i++) {
        lines->items[i] = rules_mask(f->rules, where, lines->items[i]);
    }
}

/* Behind the class of an exception: "    ValueError: sentence". NULL: the line
 * is no such. */
static const char *sentence_in(const char *line)
{
    const char *class = line + strspn(line, " ");
    const char *colon = strstr(class, "Error: ");

    if (colon == NULL || memchr(class, ' ', (size_t)(colon - class)) != NULL) {
        return NULL;
    }
    return colon + strlen("Error: ");
}

/* The sentence of the exception that ended TensorFlow's process: what the last
 * traceback ends with, without the class. An error of an op is followed by
 * where it was made, and may be raised again without its sentence. Owner:
 * caller. */
static char *their_sentence(const char *text)
{
    struct texts lines = {0};
    char *out = NULL;

    plain_lines(text, &lines);
    for (int i = lines.n - 1; i >= 0 && out == NULL; i--) {
        const char *sentence = sentence_in(lines.items[i]);

        if (sentence != NULL &&
            strcmp(sentence, "Graph execution error:") != 0) {
            out = xstrdup(sentence);
        }
    }
    if (out == NULL) {
        out = xstrdup(lines.n > 0 ? lines.items[lines.n - 1] : "");
    }
    texts_release(&lines);
    return out;
}

static char *last_line(const char *text)
{
    struct texts lines = {0};
    char *out;

    plain_lines(text, &lines);
    out = xstrdup(lines.n > 0 ? lines.items[lines.n - 1] : "");
    texts_release(&lines);
    return out;
}

/* Our process's last line says it. If it is a line of log, it is not one more
 * than TensorFlow logs. */
static void compare_failure(const struct family *f,
                            const char *theirs,
                            const char *ours,
                            struct texts *got)
{
    char *sentence = their_sentence(theirs);
    char *said = last_line(ours);

    if (strstr(said, sentence) == NULL) {
        golden_differ(f->report, "error", -1, said, sentence);
    } else if (got->n > 0 &&
               strncmp(got->items[got->n - 1], "ERROR ", 6) == 0 &&
               strstr(got->items[got->n - 1], sentence) != NULL) {
        texts_remove(got, got->n - 1, 1);
    }
    free(sentence);
    free(said);
}

static void compare_log(const struct family *f,
                        const char *where,
                        const char *model_dir,
                        const struct process *p,
                        const char *theirs,
                        bool failed)
{
    struct texts got = {0}, want = {0};
    char *ours = without_paths(model_dir, read_text(p->stderr_path));

    log_lines(ours, true, &got);
    log_lines(theirs, false, &want);
    if (failed) {
        compare_failure(f, theirs, ours, &got);
    }
    mask_all(f, where, &got);
    mask_all(f, where, &want);
    rules_compare(f->rules, f->report, where, &got, &want);
    texts_release(&got);
    texts_release(&want);
    free(ours);
}

static void compare_results(const struct family *f,
                            const char *run,
                            const char *model_dir,
                            const struct process *p,
                            const char *theirs)
{
    char *where = xasprintf("%s/stdout", run);
    struct texts got = {0}, want = {0};
    char *ours = without_paths(model_dir, read_text(p->stdout_path));

    plain_lines(ours, &got);
    plain_lines(theirs, &want);
    mask_all(f, where, &got);
    mask_all(f, where, &want);
    rules_compare(f->rules, f->report, where, &got, &want);
    texts_release(&got);
    texts_release(&want);
    free(ours);
    free(where);
}

/* <dir>/<run>/[role.]stdout.txt */
static char *their_text(const struct family *f,
                        const char *run,
                        const char *role,
                        const char *name)
{
    char *path = xasprintf("%s/%s/%s%s%s.txt", f->dir, run, role,
                           role[0] != '\0' ? "." : "", name);
    char *text = read_text(path);

    free(path);
    return text;
}

static void compare_process(const struct family *f,
                            const char *run,
                            const char *model_dir,
                            const struct process *p,
                            const cJSON *want)
{
    char *where = xasprintf("%s/%s", run, p->role);
    int exit_code = (int)golden_int(golden_member(want, "exit_code"));
    char *their_log = their_text(f, run, p->role, "stderr");
    char *their_results = their_text(f, run, p->role, "stdout");

    golden_case(f->report, "%s", where);
    (void)golden_same_int(f->report, "exit code", -1, p->exit_code,
                          rules_exit_code(f->rules, where, exit_code));
    compare_log(f, where, model_dir, p, their_log, exit_code > 0);
    compare_results(f, run, model_dir, p, their_results);
    free(their_log);
    free(their_results);
    free(where);
}

/* -------------------------------------------------------------------- runs */

static int run_one(const struct family *f, const char *run, const char *key)
{
    char *folder = path_join(f->dir, run);
    char *model_dir = path_join(f->work, key);
    cJSON *file = golden_load(folder, "run.json");
    cJSON *processes =
        file != NULL ? cJSON_GetObjectItem(file, "processes") : NULL;
    struct process p[MAX_PROCESSES] = {{0}};
    int n = cJSON_GetArraySize(processes);
    int rc = file == NULL ? 66 : 0;
    int i = 0;
    const cJSON *want;

    if (rc == 0) {
        rc = set_up(f, run, processes, model_dir, p);
    }
    if (rc == 0) {
        rc = processes_run(p, n, f->data, MAX_SECS);
    }
    if (rc == 0) {
        cJSON_ArrayForEach(want, processes)
        {
            compare_process(f, run, model_dir, &p[i++], want);
        }
        golden_case(f->report, "%s/files", run);
        compare_tree(f->rules, f->report, run, model_dir,
                     golden_member(file, "tree"));
        golden_end(f->report);
    }
    processes_release(p, n < MAX_PROCESSES ? n : MAX_PROCESSES);
    cJSON_Delete(file);
    free(model_dir);
    free(folder);
    return rc;
}

static bool has_run(const struct family *f, const char *run)
{
    char *path = xasprintf("%s/%s/run.json", f->dir, run);
    bool has = access(path, R_OK) == 0;

    free(path);
    return has;
}

static void find_runs(const struct family *f, struct texts *runs)
{
    DIR *dir = opendir(f->dir);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && has_run(f, entry->d_name)) {
            texts_add(runs, xstrdup(entry->d_name));
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    texts_sort(runs);
}

static int run_all(const struct family *f)
{
    const char *only = getenv("CREW_TRANSCRIPTS_ONLY");
    struct texts runs = {0};
    int rc = 0;

    find_runs(f, &runs);
    for (size_t i = 0; i < NUM_SHARED && rc == 0; i++) {
        if (has_run(f, shared[i]) && only == NULL) {
            rc = !has_run(f, shared[0])
                     ? golden_trouble(66,
                                      "%s begins where %s ended, which is "
                                      "not there",
                                      shared[i], shared[0])
                     : run_one(f, shared[i], "model");
        }
    }
    for (int i = 0; i < runs.n && rc == 0; i++) {
        if (!is_shared(runs.items[i]) &&
            (only == NULL || strcmp(only, runs.items[i]) == 0)) {
            rc = run_one(f, runs.items[i], runs.items[i]);
        }
    }
    texts_release(&runs);
    return rc;
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : otherwise;
}

int family_transcripts(const char *dir, struct golden_report *report)
{
    const char *tmp = setting("TMPDIR", "/tmp");
    struct family f = {
        .dir = dir,
        .report = report,
        .twin = setting("CREW_FASHION_CNN", TRANSCRIPTS_TWIN),
        .data =
            setting("CREW_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"),
        .work = path_join(tmp, "transcripts-XXXXXX"),
    };
    struct crew_err ignored = {0};
    int rc;

    f.rules = rules_load(setting("CREW_TRANSCRIPTS_RULES", TRANSCRIPTS_RULES));
    if (f.rules == NULL) {
        rc = 65;
    } else if (access(f.twin, X_OK) != 0) {
        rc = golden_trouble(66, "no program %s: build all", f.twin);
    } else if (access(f.data, R_OK) != 0) {
        rc = golden_trouble(
            66, "no data in %s: apt-get install dataset-fashion-mnist", f.data);
    } else if (mkdtemp(f.work) == NULL) {
        rc = golden_trouble(70, "no temporary folder %s", f.work);
    } else {
        rc = run_all(&f);
        if (getenv("CREW_TRANSCRIPTS_KEEP") != NULL) {
            (void)fprintf(stderr, "logs and files: %s\n", f.work);
        } else {
            (void)fs_remove_tree(env_posix(), f.work, &ignored);
        }
    }
    rules_free(f.rules);
    free(f.work);
    return rc;
}
