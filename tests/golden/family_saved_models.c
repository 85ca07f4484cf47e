/* SPDX-License-Identifier: Apache-2.0
 *
 * Family saved_models: TensorFlow's exports, a folder each. Every one is loaded
 * and each of its signatures run on the feeds of expected.json; the facts of
 * saved_model.pb, the text of `saved_model_cli show --all` and the training
 * checkpoint are compared as well. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "kernels/blas.h"
#include "saved_models_cnn.h"
#include "serving/model.h"
#include "serving/show.h"
#include "tensor/tensor.h"

#include "base/banned.h"

static const struct golden_tolerance computed = {1e-5, 1e-6};

enum { MAX_INPUTS = 32 };

/* ------------------------------------------------------------------- feeds */

/* A tensor of expected.json. The caller releases it. */
static struct value read_value(const cJSON *json)
{
    struct golden_array a;
    struct crew_err err = {0};
    struct value v = {0};
    const cJSON *item;
    int64_t i = 0;

    golden_array_read(json, &a);
    if (a.dtype == CREW_STRING) {
        struct value_string *list = xcalloc((size_t)a.n + 1, sizeof *list);

        cJSON_ArrayForEach(item, golden_member(json, "values"))
        {
            if (i < a.n) {
                list[i].data = golden_base64(item->valuestring, &list[i].n);
                i++;
            }
        }
        if (value_new_strings(&v, &a.shape, list, &err) != CREW_OK) {
            exit(golden_trouble(65, "%s", err.msg));
        }
        while (i > 0) {
            free((void *)(uintptr_t)list[--i].data);
        }
        free(list);
    } else if (value_new(&v, (int)a.dtype, &a.shape, &err) != CREW_OK) {
        exit(golden_trouble(65, "%s", err.msg));
    }
    for (i = 0; a.dtype != CREW_STRING && i < a.n; i++) {
        switch (a.dtype) {
            case CREW_FLOAT:
                v.f32[i] = (float)a.number[i];
                break;
            case CREW_DOUBLE:
                v.f64[i] = a.number[i];
                break;
            case CREW_INT32:
                v.i32[i] = (int32_t)a.integer[i];
                break;
            case CREW_INT64:
                v.i64[i] = a.integer[i];
                break;
            default:
                v.u8[i] = (uint8_t)a.integer[i];
        }
    }
    golden_array_release(&a);
    return v;
}

/* ----------------------------------------------------------------- outputs */

static void same_strings(struct golden_report *report,
                         const char *name,
                         const struct value *got,
                         const cJSON *want)
{
    const cJSON *item;
    int64_t i = 0;

    cJSON_ArrayForEach(item, golden_member(want, "values"))
    {
        size_t n = 0;
        char *s = golden_base64(item->valuestring, &n);

        if (i < got->n) {
            (void)golden_same_bytes(report, name, got->str[i].data,
                                    got->str[i].n, s, n);
        }
        i++;
        free(s);
    }
    (void)golden_same_int(report, name, -1, got->n, i);
}

static void same_shape(struct golden_report *report,
                       const char *name,
                       const struct crew_shape *got,
                       const cJSON *want)
{
    const cJSON *dim;
    int i = 0;

    (void)golden_same_int(report, name, -1, got->rank,
                          cJSON_GetArraySize(want));
    cJSON_ArrayForEach(dim, want)
    {
        if (i < got->rank) {
            (void)golden_same_int(report, name, i, got->dim[i],
                                  golden_int(dim));
        }
        i++;
    }
}

static void same_value(struct golden_report *report,
                       const char *name,
                       const struct value *got,
                       const cJSON *want)
{
    struct golden_array a;

    (void)golden_same_text(report, name,
                           got->dtype == CREW_STRING
                               ? "string"
                               : dtype_name((enum crew_dtype)got->dtype),
                           golden_text(want, "dtype"));
    same_shape(report, name, &got->shape, golden_member(want, "shape"));
    if (got->dtype == CREW_STRING) {
        same_strings(report, name, got, want);
        return;
    }
    golden_array_read(want, &a);
    if (got->dtype == CREW_FLOAT && a.dtype == CREW_FLOAT) {
        golden_same_floats(report, name, got->f32, got->n, &a, computed);
    } else if (got->dtype == CREW_DOUBLE) {
        for (int64_t i = 0; i < got->n && i < a.n; i++) {
            (void)golden_same_number(report, name, got->f64[i], a.number[i],
                                     computed);
        }
    } else {
        for (int64_t i = 0; i < got->n && i < a.n; i++) {
            int64_t v = got->dtype == CREW_INT64   ? got->i64[i]
                        : got->dtype == CREW_INT32 ? got->i32[i]
                                                   : got->u8[i];

            (void)golden_same_int(report, name, i, v,
                                  a.integer != NULL ? a.integer[i] : -1);
        }
    }
    golden_array_release(&a);
}

/* -------------------------------------------------------------- signatures */

/* The outputs of a signature, by their keys in the expectation. */
static void run_signature(struct golden_report *report,
                          struct serving_model *model,
                          const cJSON *feeds,
                          const cJSON *want)
{
    struct serving_feed feed[MAX_INPUTS] = {0};
    size_t most = (size_t)cJSON_GetArraySize(golden_member(want, "outputs"));
    const char **fetch = xcalloc(most + 1, sizeof *fetch);
    struct value *out = xcalloc(most + 1, sizeof *out);
    const cJSON *item;
    struct crew_err err = {0};
    int n_feeds = 0, n = 0;

    cJSON_ArrayForEach(item, golden_member(want, "inputs"))
    {
        /* The feeds are named as the receiver names them: one of a tf.Example
         * receiver is there once under its own name. */
        const cJSON *values = json_get(feeds, item->string);

        if (n_feeds == MAX_INPUTS) {
            exit(golden_trouble(65, "more than %d inputs", MAX_INPUTS));
        }
        feed[n_feeds].tensor = golden_text(item, "name");
        feed[n_feeds++].value =
            read_value(values != NULL ? values : feeds->child);
    }
    cJSON_ArrayForEach(item, golden_member(want, "outputs"))
    {
        fetch[n++] = golden_text(item, "name");
    }
    if (serving_run(model, feed, n_feeds, fetch, n, out, &err) != CREW_OK) {
        golden_differ(report, "run", -1, err.msg, "values");
    } else {
        int i = 0;

        cJSON_ArrayForEach(item, golden_member(want, "outputs"))
        {
            same_value(report, item->string, &out[i],
                       golden_member(item, "value"));
            value_release(&out[i++]);
        }
    }
    for (int i = 0; i < n_feeds; i++) {
        value_release(&feed[i].value);
    }
    free(fetch);
    free(out);
}

/* ------------------------------------------------------------------- facts */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ops in the braces of the last line, sorted: Python's set has no order. */
static void sort_ops(char *text)
{
    char *open = strrchr(text, '{'), *close = strrchr(text, '}');
    char *words[1024], *copy, *word, *rest = NULL;
    struct strbuf out;
    int n = 0;

    if (open == NULL || close == NULL || close < open) {
        return;
    }
    copy = xasprintf("%.*s", (int)(close - open - 1), open + 1);
    for (word = strtok_r(copy, ", ", &rest); word != NULL && n < 1024;
         word = strtok_r(NULL, ", ", &rest)) {
        words[n++] = word;
    }
    qsort(words, (size_t)n, sizeof *words, by_text);
    strbuf_init(&out);
    for (int i = 0; i < n; i++) {
        strbuf_addf(&out, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    memcpy(open + 1, out.data, out.len);
    strbuf_release(&out);
    free(copy);
}

static void compare_show(struct golden_report *report,
                         const char *folder,
                         const Tensorflow__SavedModel *m)
{
    size_t n = 0;
    char *want = golden_bytes(folder, "saved_model_cli_show.txt", &n);
    struct strbuf got;

    if (want == NULL) {
        golden_differ(report, "show", -1, "no file", "a text");
        return;
    }
    strbuf_init(&got);
    show_all(m, &got);
    sort_ops(want);
    (void)golden_same_text(report, "show --all", got.data, want);
    strbuf_release(&got);
    free(want);
}

static void compare_facts(struct golden_report *report,
                          const Tensorflow__SavedModel *m,
                          const cJSON *want)
{
    const Tensorflow__MetaGraphDef *meta = m->meta_graphs[0];
    const Tensorflow__MetaGraphDef__MetaInfoDef *info = meta->meta_info_def;
    const cJSON *tags = golden_member(want, "tags");

    (void)golden_same_int(
        report, "schema version", -1, m->saved_model_schema_version,
        golden_int(golden_member(want, "saved_model_schema_version")));
    (void)golden_same_text(report, "tensorflow_version",
                           info->tensorflow_version,
                           golden_text(want, "tensorflow_version"));
    (void)golden_same_int(
        report, "stripped_default_attrs", -1, info->stripped_default_attrs,
        cJSON_IsTrue(golden_member(want, "stripped_default_attrs")));
    (void)golden_same_int(report, "tags", -1, (int64_t)info->n_tags,
                          cJSON_GetArraySize(tags));
    for (size_t i = 0; i < info->n_tags; i++) {
        const cJSON *tag = cJSON_GetArrayItem(tags, (int)i);

        (void)golden_same_text(report, "tag", info->tags[i],
                               tag != NULL ? tag->valuestring : NULL);
    }
}

/* Names, dtypes and shapes of the last training checkpoint. */
static void compare_checkpoint(struct golden_report *report,
                               const char *folder,
                               const cJSON *want)
{
    char *prefix =
        xasprintf("%s/checkpoint/%s", folder, golden_text(want, "prefix"));
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};
    const cJSON *tensors = golden_member(want, "tensors"), *item;

    if (bundle_reader_open(env_posix(), prefix, &r, &err) != CREW_OK) {
        golden_differ(report, "checkpoint", -1, err.msg, "a checkpoint");
        tensors = NULL;
    }
    cJSON_ArrayForEach(item, tensors)
    {
        const struct bundle_tensor *t =
            bundle_find(r, golden_text(item, "name"));

        if (t == NULL) {
            golden_differ(report, golden_text(item, "name"), -1, "missing",
                          "a tensor");
            continue;
        }
        (void)golden_same_text(report, t->name, bundle_dtype_name(t->dtype),
                               golden_text(item, "dtype"));
        same_shape(report, t->name, &t->shape, golden_member(item, "shape"));
    }
    bundle_reader_free(r);
    free(prefix);
}

/* -------------------------------------------------------------- one export */

static void compare_model(struct golden_report *report,
                          const char *folder,
                          const char *name,
                          const cJSON *tree)
{
    char *base = path_join(folder, "saved_model");
    char *dir = path_join(base, golden_text(tree, "version"));
    const cJSON *signatures = golden_member(tree, "signatures"), *s;
    struct serving_model *model = NULL;
    Tensorflow__SavedModel *m = NULL;
    struct crew_err err = {0};

    golden_case(report, "%s facts", name);
    if (saved_model_load(env_posix(), dir, &m, &err) != CREW_OK) {
        golden_differ(report, "load", -1, err.msg, "a SavedModel");
    } else {
        compare_facts(report, m, golden_member(tree, "meta_graph"));
        compare_show(report, folder, m);
        tensorflow__saved_model__free_unpacked(m, NULL);
    }
    if (json_get(tree, "checkpoint") != NULL) {
        compare_checkpoint(report, folder, json_get(tree, "checkpoint"));
    }
    if (serving_model_open(env_posix(), dir, &model, &err) != CREW_OK) {
        golden_differ(report, "open", -1, err.msg, "a model");
        signatures = NULL;
    }
    cJSON_ArrayForEach(s, signatures)
    {
        golden_case(report, "%s %s", name, s->string);
        run_signature(report, model, golden_member(tree, "feeds"), s);
    }
    serving_model_close(model);
    free(dir);
    free(base);
}

static int compare_folder(struct golden_report *report,
                          const char *dir,
                          const char *name)
{
    char *folder = path_join(dir, name);
    cJSON *tree = golden_load(folder, "expected.json");
    int rc = tree == NULL ? 66 : 0;

    if (tree != NULL) {
        compare_model(report, folder, name, tree);
    }
    if (rc == 0 && strcmp(name, "mnist_cnn_raw") == 0) {
        rc = saved_models_cnn(folder, report);
    }
    cJSON_Delete(tree);
    free(folder);
    return rc;
}

struct names {
    char **at;
    int n;
};

static void take_name(void *self, const char *name)
{
    struct names *names = self;

    names->at = xrealloc(names->at, (size_t)(names->n + 1) * sizeof *names->at);
    names->at[names->n++] = xstrdup(name);
}

int family_saved_models(const char *dir, struct golden_report *report)
{
    struct crew_env *env = env_posix();
    struct names names = {0};
    struct crew_err err = {0};
    int rc = 0;

    if (blas_load(&err) != CREW_OK ||
        env->fs->list(env->fs, dir, take_name, &names, &err) != CREW_OK) {
        return golden_trouble(66, "%s", err.msg);
    }
    qsort(names.at, (size_t)names.n, sizeof *names.at, by_text);
    for (int i = 0; i < names.n; i++) {
        char *path = path_join(dir, names.at[i]);
        struct env_stat st;

        if (rc == 0 && env->fs->stat(env->fs, path, &st, &err) == CREW_OK &&
            st.is_dir) {
            rc = compare_folder(report, dir, names.at[i]);
        }
        free(path);
        free(names.at[i]);
    }
    free(names.at);
    return rc;
}
