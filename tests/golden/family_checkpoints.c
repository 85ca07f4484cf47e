/* SPDX-License-Identifier: Apache-2.0
 *
 * The family checkpoints. Of each checkpoint with an expected.json: every
 * tensor is read and must have TensorFlow's dtype, shape and bytes (sha256);
 * then the same tensors are written in the order of their offsets and must give
 * the same files; `slice_reads` are what RestoreV2 says of slices. corrupt/:
 * what opening and reading each damaged copy says, in TensorFlow's words.
 * state/: the file `checkpoint` as TensorFlow reads it, and what retention
 * leaves after the same saves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "checkpoint/bundle.h"
#include "checkpoint/save.h"
#include "checkpoint/sha256.h"
#include "checkpoint/state.h"
#include "checkpoint/value_text.h"
#include "config/json.h"
#include "checkpoints_more.h"
#include "golden.h"
#include "golden_families.h"
#include "io/table.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- reading */

/* sha256 of the bytes; of strings: each length as 64 bits, then the string.
 * Also the first values as JSON. */
static int read_tensor(struct bundle_reader *r,
                       const struct bundle_tensor *t,
                       char sum[65],
                       int num_first,
                       struct strbuf *first,
                       struct crew_err *err)
{
    struct bundle_strings strings = {0};
    struct sha256 s;
    uint8_t length[8];
    void *bytes = NULL;
    int64_t n = 0;

    sha256_init(&s);
    if (t->dtype == CREW_STRING) {
        if (bundle_read_strings(r, t, &strings, err) != CREW_OK) {
            return err->code;
        }
        for (int64_t i = 0; i < strings.n; i++) {
            put_le64(length, strings.at[i].n);
            sha256_add(&s, length, sizeof length);
            sha256_add(&s, strings.at[i].data, strings.at[i].n);
        }
        bundle_strings_release(&strings);
        sha256_hex(&s, sum);
        return CREW_OK;
    }
    if (shape_count(&t->shape, &n, err) != CREW_OK ||
        mem_try(t->nbytes, 1, t->name, &bytes, err) != CREW_OK) {
        return err->code;
    }
    if (bundle_read(r, t, bytes, err) == CREW_OK) {
        sha256_add(&s, bytes, t->nbytes);
        sha256_hex(&s, sum);
        for (int i = 0; i < num_first && i < n; i++) {
            strbuf_addstr(first, i > 0 ? "," : "");
            value_text(first, t->dtype, bytes, i * value_parts(t->dtype),
                       false);
        }
    }
    free(bytes);
    return err->code;
}

/* The numbers that expected.json shows of a tensor. Strings are in sha256. Long
 * integers are texts in the tree. */
static void compare_first(struct golden_report *report,
                          const cJSON *first,
                          const char *name,
                          struct strbuf *values)
{
    char *rest = NULL, *got = strtok_r(values->data, ",", &rest);
    const cJSON *want;
    char wanted[40];
    int i = 0;

    cJSON_ArrayForEach(want, first)
    {
        if (cJSON_IsBool(want)) {
            (void)snprintf(wanted, sizeof wanted, "%s",
                           cJSON_IsTrue(want) ? "true" : "false");
        } else if (cJSON_IsString(want)) {
            (void)snprintf(wanted, sizeof wanted, "%s", want->valuestring);
        } else if (got != NULL && strtod(got, NULL) == want->valuedouble) {
            (void)snprintf(wanted, sizeof wanted, "%s", got);
        } else {
            (void)snprintf(wanted, sizeof wanted, "%.17g", want->valuedouble);
        }
        if (got == NULL || strcmp(got, wanted) != 0) {
            golden_differ(report, name, i, got != NULL ? got : "nothing",
                          wanted);
        }
        got = strtok_r(NULL, ",", &rest);
        i++;
    }
}

static void compare_shape(struct golden_report *report,
                          const struct bundle_tensor *t,
                          const cJSON *want)
{
    (void)golden_same_int(report, "rank", -1, t->shape.rank,
                          cJSON_GetArraySize(want));
    for (int i = 0; i < t->shape.rank && i < cJSON_GetArraySize(want); i++) {
        (void)golden_same_int(report, t->name, i, t->shape.dim[i],
                              golden_int(cJSON_GetArrayItem(want, i)));
    }
}

static void compare_tensor(struct golden_report *report,
                           struct bundle_reader *r,
                           const struct bundle_tensor *t,
                           const cJSON *want)
{
    const cJSON *sha = json_get(want, "sha256");
    const cJSON *first = json_get(want, "first");
    struct crew_err err = {0};
    struct strbuf values;
    char sum[65];
    int shown = 0;

    (void)golden_same_text(report, "name", t->name, golden_text(want, "name"));
    (void)golden_same_text(report, t->name, bundle_dtype_name(t->dtype),
                           golden_text(want, "dtype"));
    compare_shape(report, t, golden_member(want, "shape"));
    if (t->dtype != CREW_STRING && first != NULL) {
        shown = cJSON_GetArraySize(first);
    }
    strbuf_init(&values);
    if (read_tensor(r, t, sum, shown, &values, &err) != CREW_OK) {
        golden_differ(report, t->name, -1, err.msg, "no error");
    } else if (sha != NULL) { /* TensorFlow cannot read half in slices itself */
        (void)golden_same_text(report, t->name, sum, sha->valuestring);
        if (shown > 0) {
            compare_first(report, first, t->name, &values);
        }
    }
    strbuf_release(&values);
}

/* ------------------------------------------------------------- the index */

/* The index's own entries through our builder. */
static void rebuild_table(struct golden_report *report,
                          const struct table *table,
                          const char *bytes,
                          size_t n)
{
    struct strbuf out;
    struct table_builder *b;

    strbuf_init(&out);
    b = table_builder_new(&out);
    for (int64_t i = 0; i < table_size(table); i++) {
        const struct table_entry *e = table_entry(table, i);

        table_builder_add(b, e->key, e->key_len, e->value, e->value_len);
    }
    table_builder_finish(b);
    (void)golden_same_bytes(report, "index built again", out.data, out.len,
                            bytes, n);
    strbuf_release(&out);
}

static void compare_checkpoint(struct golden_report *report,
                               const char *dir,
                               const cJSON *expected)
{
    const char *prefix_name = golden_text(expected, "prefix");
    const cJSON *tensors = golden_member(expected, "tensors");
    char *prefix = path_join(dir, prefix_name);
    char *index_name = xasprintf("%s.index", prefix_name);
    struct bundle_reader *r = NULL;
    struct table *table = NULL;
    struct crew_err err = {0};
    size_t n = 0;
    char *index = golden_bytes(dir, index_name, &n);
    const cJSON *want;
    int i = 0;

    if (index == NULL || table_parse(index, n, &table, NULL, &err) != CREW_OK ||
        bundle_reader_open(env_posix(), prefix, &r, &err) != CREW_OK) {
        golden_differ(report, "open", -1, err.msg, "no error");
        goto out;
    }
    (void)golden_same_int(report, "number of tensors", -1,
                          bundle_num_tensors(r), cJSON_GetArraySize(tensors));
    cJSON_ArrayForEach(want, tensors)
    {
        if (i < bundle_num_tensors(r)) {
            compare_tensor(report, r, bundle_tensor(r, i++), want);
        }
    }
    rebuild_table(report, table, index, n);
    checkpoints_write_again(report, r, table, dir, prefix_name);
    checkpoints_slice_reads(report, r, json_get(expected, "slice_reads"));
out:
    bundle_reader_free(r);
    table_free(table);
    free(index);
    free(index_name);
    free(prefix);
}

/* ----------------------------------------------------------------- damaged */

/* TensorFlow's text is the end of ours, which begins with the name or the path.
 */
static void compare_error(struct golden_report *report,
                          const char *what,
                          const struct crew_err *got,
                          const char *dir,
                          const char *message)
{
    struct strbuf want;
    size_t n = strlen(got->msg);

    strbuf_init(&want);
    for (const char *p = message; *p != '\0';) {
        if (strncmp(p, "$DIR", 4) == 0) {
            strbuf_addstr(&want, dir);
            p += 4;
        } else {
            strbuf_add(&want, p++, 1);
        }
    }
    if (n < want.len || strcmp(got->msg + n - want.len, want.data) != 0) {
        golden_differ(report, what, -1, got->code == CREW_OK ? "ok" : got->msg,
                      want.data);
    }
    strbuf_release(&want);
}

static int code_of(const char *type)
{
    return strcmp(type, "NotFoundError") == 0     ? CREW_NOT_FOUND
           : strcmp(type, "DataLossError") == 0   ? CREW_DATA_LOSS
           : strcmp(type, "OutOfRangeError") == 0 ? CREW_OUT_OF_RANGE
                                                  : CREW_OK;
}

/* "open", "RestoreV2 of a/kernel", or the name of a tensor. */
static void compare_result(struct golden_report *report,
                           const char *dir,
                           const char *prefix,
                           const cJSON *want)
{
    static const char restore[] = "RestoreV2 of ";
    bool restored = strncmp(want->string, restore, strlen(restore)) == 0;
    const char *name = want->string + (restored ? strlen(restore) : 0);
    const cJSON *ok = json_get(want, "ok");
    const struct bundle_tensor *t = NULL;
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};
    struct strbuf unused;
    char sum[65] = "";

    strbuf_init(&unused);
    if (bundle_reader_open(env_posix(), prefix, &r, &err) == CREW_OK &&
        strcmp(name, "open") != 0 &&
        bundle_lookup(r, name, &t, &err) == CREW_OK) {
        (void)read_tensor(r, t, sum, 0, &unused, &err);
    }
    strbuf_release(&unused);
    if (cJSON_IsString(want) || ok != NULL) {
        (void)golden_same_text(report, want->string,
                               err.code == CREW_OK ? "ok" : err.msg, "ok");
        if (ok != NULL) {
            (void)golden_same_text(report, want->string, sum, ok->valuestring);
        }
    } else {
        int code = code_of(golden_text(want, "type"));

        compare_error(report, want->string, &err, dir,
                      golden_text(want, "message"));
        if (code != CREW_OK) {
            (void)golden_same_text(report, "code", crew_code_name(err.code),
                                   crew_code_name(code));
        }
    }
    bundle_reader_free(r);
}

static void compare_corrupt(struct golden_report *report,
                            const char *dir,
                            const cJSON *file)
{
    const cJSON *item, *result;

    cJSON_ArrayForEach(item, golden_member(file, "cases"))
    {
        char *folder = path_join(dir, golden_text(item, "dir"));
        char *prefix = path_join(folder, "model.ckpt");

        golden_case(report, "%s", golden_text(item, "dir"));
        cJSON_ArrayForEach(result, golden_member(item, "results"))
        {
            compare_result(report, dir, prefix, result);
        }
        free(prefix);
        free(folder);
    }
}

/* ------------------------------------------------------------------- state */

static void put_file(struct crew_env *env, const char *path, const char *text)
{
    struct crew_err err = {0};

    if (fs_make_dirs(env, "/m", &err) != CREW_OK ||
        fs_replace_file(env, path, text, strlen(text), &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
}

/* A path as TensorFlow's reader gives it: "$DIR/" before a relative one. */
static void compare_path(struct golden_report *report,
                         int64_t index,
                         const char *got,
                         const char *want)
{
    char *full = got == NULL     ? NULL
                 : got[0] == '/' ? xstrdup(got)
                                 : xasprintf("$DIR/%s", got);

    (void)index;
    (void)golden_same_text(report, "path", full, want);
    free(full);
}

static void compare_odd(struct golden_report *report, const cJSON *item)
{
    struct crew_env *env = env_mem_new(1);
    const cJSON *want = json_get(item, "state");
    const cJSON *all, *path;
    struct ckpt_state s = {0};
    struct crew_err err = {0};
    char *named;
    int i = 0;

    put_file(env, "/m/checkpoint", golden_text(item, "text"));
    if (state_read(env, "/m", &s, &err) != CREW_OK) {
        golden_differ(report, "read", -1, err.msg, "no error");
    }
    if (want == NULL || cJSON_IsNull(want)) {
        (void)golden_same_int(report, "damaged", -1, s.damaged, 1);
        (void)golden_same_text(report, "newest", s.newest, NULL);
    } else {
        all = golden_member(want, "all_model_checkpoint_paths");
        compare_path(report, -1, s.newest,
                     golden_text(want, "model_checkpoint_path"));
        (void)golden_same_int(report, "paths", -1, s.n,
                              cJSON_GetArraySize(all));
        cJSON_ArrayForEach(path, all)
        {
            compare_path(report, i, i < s.n ? s.all[i].path : NULL,
                         path->valuestring);
            i++;
        }
    }
    named = ckpt_named(env, "/m"); /* no file that is named exists */
    (void)golden_same_text(report, "latest_checkpoint", named, NULL);
    free(named);
    state_release(&s);
    env_mem_free(env);
}

struct name_list {
    char *name[64];
    int n;
};

static void take_name(void *self, const char *name)
{
    struct name_list *l = self;

    if (name[0] != '.' && l->n < 64) {
        l->name[l->n++] = xstrdup(name);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void compare_listing(struct golden_report *report,
                            struct crew_env *env,
                            const cJSON *want)
{
    struct name_list l = {.n = 0};
    struct crew_err err = {0};

    if (env->fs->list(env->fs, "/m", take_name, &l, &err) != CREW_OK) {
        golden_differ(report, "list", -1, err.msg, "no error");
    }
    qsort(l.name, (size_t)l.n, sizeof l.name[0], by_text);
    (void)golden_same_int(report, "files", -1, l.n, cJSON_GetArraySize(want));
    for (int i = 0; i < l.n; i++) {
        const cJSON *name = cJSON_GetArrayItem(want, i);

        (void)golden_same_text(report, "file", l.name[i],
                               name != NULL ? name->valuestring : NULL);
        free(l.name[i]);
    }
}

/* The state file without the times, which TensorFlow's Saver does not write. */
static void compare_text(struct golden_report *report,
                         struct crew_env *env,
                         const char *want)
{
    struct crew_err err = {0};
    struct strbuf kept;
    char *text = NULL, *rest = NULL;
    size_t n = 0;

    if (fs_read_file(env, "/m/checkpoint", 65536, &text, &n, &err) != CREW_OK) {
        golden_differ(report, "checkpoint", -1, err.msg, "no error");
        return;
    }
    strbuf_init(&kept);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strstr(line, "timestamp") == NULL) {
            strbuf_addf(&kept, "%s\n", line);
        }
    }
    (void)golden_same_text(report, "checkpoint", kept.data, want);
    strbuf_release(&kept);
    free(text);
}

/* The same saves by our own code. */
static void compare_saves(struct golden_report *report, const cJSON *item)
{
    const cJSON *saver = golden_member(item, "saver"), *step;
    struct crew_env *env = env_mem_new(1);
    struct ckpt_history *h = NULL;
    struct crew_err err = {0};
    float value = 0;
    struct ckpt_tensor tensor = {
        .name = "v", .dtype = CREW_FLOAT, .data = &value};

    if (ckpt_history_open(env, "/m",
                          golden_int(golden_member(saver, "max_to_keep")),
                          10000, &h, &err) == CREW_OK) {
        cJSON_ArrayForEach(step, golden_member(saver, "saved_steps"))
        {
            env_mem_advance(env, 1000000000);
            value += 1;
            if (ckpt_save(h, golden_int(step), 0, &tensor, 1, &err) !=
                CREW_OK) {
                break;
            }
        }
    }
    if (err.code != CREW_OK) {
        golden_differ(report, "save", -1, err.msg, "no error");
    }
    compare_listing(report, env, golden_member(item, "listing"));
    compare_text(report, env, golden_text(item, "text"));
    ckpt_history_free(h);
    env_mem_free(env);
}

/* The folder's own file: read, written again. */
static void compare_state(struct golden_report *report, const cJSON *item)
{
    const char *text = golden_text(item, "text");
    struct crew_env *env = env_mem_new(1);
    struct ckpt_state s = {0};
    struct crew_err err = {0};
    size_t n = 0;
    char *got = NULL;

    put_file(env, "/m/checkpoint", text);
    if (state_read(env, "/m", &s, &err) == CREW_OK &&
        state_write(env, "/m", &s, &err) == CREW_OK &&
        fs_read_file(env, "/m/checkpoint", 65536, &got, &n, &err) == CREW_OK) {
        /* times of 0 are those that were not there */
        char *times = strstr(got, "all_model_checkpoint_timestamps: 0\n");

        if (times != NULL) {
            *times = '\0';
        }
        (void)golden_same_text(report, "written again", got, text);
    } else {
        golden_differ(report, "state", -1, err.msg, "no error");
    }
    free(got);
    state_release(&s);
    env_mem_free(env);
}

static void compare_states(struct golden_report *report, const cJSON *file)
{
    const cJSON *item;
    int i = 0;

    cJSON_ArrayForEach(item, golden_member(file, "states"))
    {
        golden_case(report, "state %d", i++);
        compare_state(report, item);
        if (cJSON_IsObject(json_get(item, "saver"))) {
            compare_saves(report, item);
        }
    }
    cJSON_ArrayForEach(item, golden_member(file, "odd"))
    {
        golden_case(report, "state: %s", golden_text(item, "what"));
        compare_odd(report, item);
    }
}

/* ------------------------------------------------------------------ family */

/* <dir>/<name> if it has an expected.json. */
static int compare_folder(struct golden_report *report,
                          const char *dir,
                          const char *name)
{
    char *folder = path_join(dir, name);
    char *path = path_join(folder, "expected.json");
    cJSON *file = NULL;
    int rc = 0;

    if (fs_exists(env_posix(), path)) {
        file = golden_load_expected(folder);
        rc = file == NULL ? 65 : 0;
    }
    if (json_get(file, "cases") != NULL) {
        compare_corrupt(report, dir, file);
    } else if (json_get(file, "states") != NULL) {
        compare_states(report, file);
    } else if (json_get(file, "tensors") != NULL) {
        golden_case(report, "%s", name);
        compare_checkpoint(report, folder, file);
    }
    cJSON_Delete(file);
    free(path);
    free(folder);
    return rc;
}

int family_checkpoints(const char *dir, struct golden_report *report)
{
    struct crew_env *env = env_posix();
    struct name_list l = {.n = 0};
    struct crew_err err = {0};
    int rc = 0;

    if (env->fs->list(env->fs, dir, take_name, &l, &err) != CREW_OK) {
        return golden_trouble(66, "%s", err.msg);
    }
    qsort(l.name, (size_t)l.n, sizeof l.name[0], by_text);
    for (int i = 0; i < l.n; i++) {
        int bad = compare_folder(report, dir, l.name[i]);

        rc = bad != 0 ? bad : rc;
        free(l.name[i]);
    }
    golden_end(report);
    return rc;
}
