/* SPDX-License-Identifier: Apache-2.0
 *
 * cli-json CREW DIR: what the tool prints with --format json is in the shape of
 * the expectations in DIR, the folder of the families, and is the same: each
 * member of an expectation, but for those of `only_there`, is a member of what
 * is printed. That may have more. Memory of `crew ckpt` has a bound, whatever
 * the checkpoint's size. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/bundle.h"
#include "golden.h"

/* What the maker of the files knows beyond the files; errors of TensorFlow's
 * where we have none; pictures unpacked. */
static const char *const only_there[] = {"tensorflow",
                                         "debug_string",
                                         "partitions",
                                         "slice_reads",
                                         "placement",
                                         "creation_order",
                                         "get_tensor_error",
                                         "slot_names",
                                         "what",
                                         "pixels",
                                         "value",
                                         "functions",
                                         "stripped_op_list_ops",
                                         "has_object_graph_def"};

static bool is_ours(const char *member)
{
    for (size_t i = 0; i < COUNT_OF(only_there); i++) {
        if (strcmp(only_there[i], member) == 0) {
            return false;
        }
    }
    return true;
}

static const char *tool;
static struct golden_report report = {.family = "cli-json"};

/* What `crew <arguments>` prints; NULL after a difference. Owner: caller. */
static cJSON *run(const char *arguments)
{
    char *command = xasprintf("'%s' %s", tool, arguments), piece[65536];
    /* Words and folders of the tests alone. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    struct strbuf text;
    cJSON *json = NULL;
    size_t n;

    strbuf_init(&text);
    while (pipe != NULL && (n = fread(piece, 1, sizeof piece, pipe)) > 0) {
        strbuf_add(&text, piece, n);
    }
    if (pipe == NULL || pclose(pipe) != 0) {
        golden_differ(&report, command, -1, "an error", "exit code 0");
    } else {
        json = golden_parse(text.data, text.len, command);
    }
    strbuf_release(&text);
    free(command);
    return json;
}

static void covers(const char *name, const cJSON *got, const cJSON *want)
{
    const cJSON *member;
    int i = 0;

    if (got == NULL) {
        golden_differ(&report, name, -1, "nothing", "a member");
    } else if (cJSON_IsObject(want)) {
        cJSON_ArrayForEach(member, want)
        {
            char *path = xasprintf("%s.%s", name, member->string);

            if (is_ours(member->string)) {
                covers(path,
                       cJSON_GetObjectItemCaseSensitive(got, member->string),
                       member);
            }
            free(path);
        }
    } else if (cJSON_IsArray(want) && cJSON_IsObject(want->child)) {
        if (strstr(name, ".nodes") == NULL) { /* the first ones are shown */
            (void)golden_same_int(&report, name, -1, cJSON_GetArraySize(got),
                                  cJSON_GetArraySize(want));
        }
        cJSON_ArrayForEach(member, want)
        {
            covers(name, cJSON_GetArrayItem(got, i++), member);
        }
    } else {
        (void)golden_same_json(&report, name, got, want);
    }
}

/* `want`, without the folder that the expectation names files in. */
static void compare(const char *arguments, const cJSON *want, bool first_file)
{
    cJSON *got;

    golden_case(&report, "crew %s", arguments);
    got = run(arguments);
    if (got != NULL) {
        const cJSON *part =
            first_file ? cJSON_GetArrayItem(golden_member(got, "files"), 0)
                       : got;

        covers("output", part, want);
    }
    cJSON_Delete(got);
}

/* ---------------------------------------------------------------- families */

/* Each folder of a family that has an expected.json. */
static void each_folder(const char *dir,
                        const char *family,
                        void (*compare_one)(const char *folder,
                                            cJSON *expected))
{
    char *path = xasprintf("%s/%s", dir, family);
    DIR *list = opendir(path);
    struct dirent *entry;

    PRE(list != NULL);
    while ((entry = readdir(list)) != NULL) {
        char *folder = xasprintf("%s/%s", path, entry->d_name);
        char *file = xasprintf("%s/expected.json", folder);

        if (entry->d_name[0] != '.' && fs_exists(env_posix(), file)) {
            cJSON *expected = golden_load_expected(folder);

            compare_one(folder, expected);
            cJSON_Delete(expected);
        }
        free(file);
        free(folder);
    }
    (void)closedir(list);
    free(path);
}

/* Files that are not among ours are no expectation. */
static void keep_files(const char *folder, cJSON *files)
{
    cJSON *file = files->child, *next;

    for (; file != NULL; file = next) {
        char *path = xasprintf("%s/%s", folder, golden_text(file, "file"));

        next = file->next;
        if (!fs_exists(env_posix(), path)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(files, file));
        }
        free(path);
    }
}

/* Not of the lists of cases, state/ and corrupt/. */
static void checkpoint(const char *folder, cJSON *expected)
{
    const cJSON *prefix = cJSON_GetObjectItem(expected, "prefix");
    char *arguments;

    if (prefix != NULL) {
        keep_files(folder, cJSON_GetObjectItem(expected, "files"));
        arguments = xasprintf("ckpt dump --format json '%s/%s'", folder,
                              prefix->valuestring);
        compare(arguments, expected, false);
        free(arguments);
    }
}

static void saved_model(const char *folder, cJSON *expected)
{
    cJSON *want = cJSON_CreateObject();
    char *arguments =
        xasprintf("saved-model show --format json --dir '%s/saved_model/%s'",
                  folder, golden_text(expected, "version"));

    /* The rest is about training and feeds. */
    (void)cJSON_AddItemReferenceToObject(
        want, "meta_graph", (cJSON *)golden_member(expected, "meta_graph"));
    (void)cJSON_AddItemReferenceToObject(
        want, "signatures", (cJSON *)golden_member(expected, "signatures"));
    compare(arguments, want, false);
    free(arguments);
    cJSON_Delete(want);
}

/* Files of one list: the tool prints the path as it was given. */
static void files(const char *dir,
                  const char *family,
                  const char *list,
                  const char *command)
{
    char *folder = xasprintf("%s/%s", dir, family);
    cJSON *expected = golden_load(folder, list), *file;

    cJSON_ArrayForEach(file, golden_member(expected, "files"))
    {
        char *path = xasprintf("%s/%s", folder, golden_text(file, "file"));
        char *arguments = xasprintf("%s --format json '%s'", command, path);

        (void)cJSON_ReplaceItemInObject(file, "file", cJSON_CreateString(path));
        compare(arguments, file, true);
        free(arguments);
        free(path);
    }
    cJSON_Delete(expected);
    free(folder);
}

static void examples(const char *dir)
{
    char *folder = xasprintf("%s/records", dir);
    cJSON *expected = golden_load(folder, "examples.json");
    char *arguments = xasprintf("records dump --format json '%s/%s'", folder,
                                golden_text(expected, "file"));

    (void)cJSON_DeleteItemFromObject(expected, "file");
    compare(arguments, expected, true);
    cJSON_Delete(expected);
    free(arguments);
    free(folder);
}

/* ------------------------------------------------------------------ memory */

enum {
    BIG = 48 << 20,
    MOST_KIB = 160 << 10
}; /* floats; sanitizers take some */

static void write_big(const char *prefix)
{
    const struct crew_shape shape = {.rank = 2, .dim = {BIG / 16, 16}};
    char *data = xasprintf("%s.data-00000-of-00001", prefix);
    char *index = xasprintf("%s.index", prefix);
    float *zeros = xcalloc(BIG, sizeof *zeros);
    struct bundle_writer *w = NULL;
    struct bundle_sums sums;
    struct crew_err err = {0};

    PRE(bundle_writer_open(env_posix(), data, index, &w, &err) == CREW_OK);
    PRE(bundle_writer_add(w, "big", CREW_FLOAT, &shape, zeros, &err) ==
        CREW_OK);
    PRE(bundle_writer_finish(w, &sums, &err) == CREW_OK);
    bundle_writer_free(w);
    free(zeros);
    free(data);
    free(index);
}

/* 192 MiB through each command; children's peak is counted by the kernel. */
static void bounded_memory(void)
{
    char dir[] = "/tmp/cli-json-XXXXXX";
    struct crew_err err = {0};
    struct rusage used;
    char *prefix, *arguments[3];

    golden_case(&report, "memory of crew ckpt");
    PRE(mkdtemp(dir) != NULL);
    prefix = xasprintf("%s/c", dir);
    write_big(prefix);
    arguments[0] = xasprintf("ckpt verify --format json %s", prefix);
    arguments[1] = xasprintf("ckpt dump --format json %s", prefix);
    arguments[2] = xasprintf("ckpt diff --format json %s %s", prefix, prefix);
    for (size_t i = 0; i < COUNT_OF(arguments); i++) {
        cJSON_Delete(run(arguments[i]));
        free(arguments[i]);
    }
    PRE(getrusage(RUSAGE_CHILDREN, &used) == 0);
    if (used.ru_maxrss > MOST_KIB) {
        char *got = xasprintf("%ld KiB", used.ru_maxrss);

        golden_differ(&report, "peak", -1, got, "at most 160 MiB");
        free(got);
    }
    PRE(fs_remove_tree(env_posix(), dir, &err) == CREW_OK);
    free(prefix);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: cli-json CREW DIR\n");
        return 64;
    }
    tool = argv[1];
    bounded_memory();
    each_folder(argv[2], "checkpoints", checkpoint);
    each_folder(argv[2], "saved_models", saved_model);
    files(argv[2], "records", "records.json", "records ls");
    files(argv[2], "events", "v1.json", "events dump");
    files(argv[2], "events", "v2.json", "events dump");
    files(argv[2], "events", "only_version.json", "events dump");
    examples(argv[2]);
    golden_end(&report);
    printf("%d passed, %d failed\n", report.passed, report.failed);
    return report.failed == 0 ? 0 : 1;
}
