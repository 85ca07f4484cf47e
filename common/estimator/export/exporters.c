/* SPDX-License-Identifier: Apache-2.0
 * One export: a fresh PREDICT graph with the checkpoint's values, written as a
 * SavedModel; TensorFlow's log lines. Who exports when is
 * evaluation/exporting.c's. */
#include "estimator/export/exporters.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/export/model_export.h"
#include "export/warmup.h"
#include "base/banned.h"

/* ------------------------------------------------------------------- log */

/* "Signatures INCLUDED in export for Predict: ['serving_default']" */
static void log_included(struct crew_env *env,
                         const char *what,
                         const struct export_request *q,
                         int method)
{
    struct strbuf names;

    strbuf_init(&names);
    for (int alternative = 0; alternative < 2; alternative++) {
        bool there = !alternative || (q->examples && q->alternative != NULL);

        for (int i = 0; there && i < q->n_signatures; i++) {
            const struct export_signature *s = &q->signatures[i];
            char *why_not = export_excluded(q, s, alternative);

            if ((int)s->method == method && why_not == NULL) {
                strbuf_addf(&names, "%s'%s%s%s'", names.len > 0 ? ", " : "",
                            alternative ? q->alternative : "",
                            alternative ? ":" : "", s->key);
            }
            free(why_not);
        }
    }
    env_log(env, LOG_INFO, "Signatures INCLUDED in export for %s: %s%s%s", what,
            names.len > 0 ? "[" : "", names.len > 0 ? names.data : "None",
            names.len > 0 ? "]" : "");
    strbuf_release(&names);
}

/* What has been left out, and what that leaves. */
static void log_excluded(struct crew_env *env, const struct export_request *q)
{
    bool title = false, any = false, has_default = false;

    for (int i = 0; i < q->n_signatures; i++) {
        const struct export_signature *s = &q->signatures[i];
        char *why_not = export_excluded(q, s, false);

        if (why_not == NULL) {
            any = true;
            has_default |= strcmp(s->key, CREW_SERVING_DEFAULT) == 0;
            continue;
        }
        if (!title) {
            env_log(env, LOG_INFO,
                    "Signatures EXCLUDED from export because they cannot be be "
                    "served via TensorFlow Serving APIs:");
            title = true;
        }
        env_log(env, LOG_INFO, "'%s' : %s", s->key, why_not);
        free(why_not);
    }
    if (!any) {
        env_log(env, LOG_WARN, "Export includes no signatures!");
    } else if (!has_default) {
        env_log(env, LOG_WARN, "Export includes no default signature!");
    }
}

static void log_signatures(struct crew_env *env, const struct export_request *q)
{
    log_included(env, "Classify", q, EXPORT_CLASSIFY);
    log_included(env, "Regress", q, EXPORT_REGRESS);
    log_included(env, "Predict", q, EXPORT_PREDICT);
    log_included(env, "Train", q, -1);
    log_included(env, "Eval", q, EXPORT_EVAL);
    log_excluded(env, q);
}

static bool has_assets(const struct export_request *q)
{
    for (int i = 0; i < q->n_signatures; i++) {
        for (int k = 0; k < q->signatures[i].n_outputs; k++) {
            const struct export_tensor *t = &q->signatures[i].outputs[k];

            if (t->text != EXPORT_VALUE && t->labels.file != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* ---------------------------------------------------------------- writing */

/* The first batch of the dataset (taken) as requests, in `out`. */
static int warm_up(struct run *run,
                   const struct model_export *x,
                   struct crew_dataset *dataset,
                   struct strbuf *out,
                   struct crew_err *err)
{
    const void *data[EXPORT_MAX_TENSORS] = {NULL};
    const struct dataset_batch *batch = NULL;
    struct dataset_reader *reader = NULL;

    if (dataset_reader_open(dataset, 0, &reader, err) == CREW_OK &&
        dataset_reader_next(reader, &batch, err) == CREW_OK) {
        for (int i = 0; i < x->request.n_features; i++) {
            if (x->component[i] >= 0) {
                data[i] = batch->data[x->component[i]];
            }
        }
        export_warmup(&x->request, run->job->name, data, batch->rows, out);
    } else if (err->code == CREW_OUT_OF_RANGE) {
        *err = (struct crew_err){0};
        env_log(run->env, LOG_WARN,
                "the evaluation's input is empty: the export has no requests "
                "to warm up with");
    }
    dataset_reader_close(reader);
    return err->code;
}

/* Write it; the dataset is taken. */
static int write_model(struct run *run,
                       struct model_export *x,
                       struct crew_dataset *dataset,
                       bool warmup,
                       const char *base,
                       char **dir,
                       struct crew_err *err)
{
    struct strbuf requests;
    struct export_blob blob = {.name = EXPORT_WARMUP_FILE};

    strbuf_init(&requests);
    if (!warmup) {
        dataset_free(dataset);
    } else if (warm_up(run, x, dataset, &requests, err) != CREW_OK) {
        goto out;
    }
    if (requests.len > 0) {
        blob.data = requests.data;
        blob.n = requests.len;
        x->request.blobs = &blob;
        x->request.n_blobs = 1;
    }
    if (fs_make_dirs(run->env, base, err) == CREW_OK) {
        (void)saved_model_write(run->env, base, &x->request, dir, err);
    }
    x->request.blobs = NULL;
    x->request.n_blobs = 0;
out:
    strbuf_release(&requests);
    return err->code;
}

static void log_written(struct crew_env *env,
                        const struct export_request *q,
                        const char *dir)
{
    if (has_assets(q)) {
        env_log(env, LOG_INFO, "Assets written to: %s/assets", dir);
    }
    env_log(env, LOG_INFO, "SavedModel written to: %s/saved_model.pb", dir);
}

int run_export(struct run *run,
               const struct crew_exporter *exporter,
               const char *prefix,
               const char *base,
               char **dir,
               struct crew_err *err)
{
    return run_export_in_mode(run, CREW_PREDICT, exporter, prefix, base, dir,
                              err);
}

int run_export_in_mode(struct run *run,
                       enum crew_mode mode,
                       const struct crew_exporter *exporter,
                       const char *prefix,
                       const char *base,
                       char **dir,
                       struct crew_err *err)
{
    bool warmup = exporter->warmup && mode == CREW_PREDICT;
    struct crew_env *env = run->env;
    struct crew_dataset *dataset = NULL;
    struct model *m = NULL;
    struct weights weights = {0};
    struct model_export x = {0};
    int64_t step;

    if (mode == CREW_TRAIN) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64, "%s",
                             MODEL_EXPORT_NO_TRAIN);
    }
    if (run_open_input(run, CREW_EVAL, &dataset, err) != CREW_OK ||
        run_build_model(run, mode, &dataset->spec, &m, err) != CREW_OK ||
        model_export_init(&x, m, exporter, run->params, err) != CREW_OK) {
        goto out;
    }
    log_signatures(env, &x.request);
    if (run_load_weights(run, m, prefix, &weights, &step, err) != CREW_OK) {
        goto out;
    }
    model_export_values(&x, &weights, step);
    env_log(env, LOG_INFO, "Assets added to graph.");
    if (!has_assets(&x.request)) {
        env_log(env, LOG_INFO, "No assets to write.");
    }
    if (write_model(run, &x, dataset, warmup, base, dir, err) == CREW_OK) {
        log_written(env, &x.request, *dir);
    }
    dataset = NULL;
out:
    model_export_release(&x);
    weights_release(&weights);
    model_free(m);
    dataset_free(dataset);
    return err->code;
}

int run_check_export(struct run *run,
                     const struct model *m,
                     const struct crew_exporter *exporter,
                     struct crew_err *err)
{
    bool writes = run->tf == NULL || run->tf->role == ROLE_EVALUATOR;
    struct model_export x = {0};
    uint8_t *bytes = NULL;
    size_t n;

    if (model_export_init(&x, m, exporter, run->params, err) == CREW_OK &&
        saved_model_pack(&x.request, &bytes, &n, err) == CREW_OK && writes) {
        (void)saved_model_check_files(run->env, &x.request, err);
    }
    free(bytes);
    model_export_release(&x);
    if (err->code != CREW_OK) {
        err->exit_code = err->exit_code != 0 ? err->exit_code : 1;
        return exporter != NULL
                   ? crew_err_wrap(err, "exporter %s", exporter->name)
                   : crew_err_wrap(err, "this model cannot be exported");
    }
    return CREW_OK;
}
