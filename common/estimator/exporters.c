/* SPDX-License-Identifier: Apache-2.0
 * LatestExporter and FinalExporter: a fresh PREDICT graph with the checkpoint's
 * values, written as a SavedModel. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/evaluate.h"
#include "base/banned.h"

static void log_signatures(struct crew_env *env, const struct crew_spec *spec)
{
    bool named = spec->signature != NULL &&
                 strcmp(spec->signature, "serving_default") != 0;

    env_log(env, LOG_INFO, "Signatures INCLUDED in export for Classify: None");
    env_log(env, LOG_INFO, "Signatures INCLUDED in export for Regress: None");
    env_log(env, LOG_INFO,
            "Signatures INCLUDED in export for Predict: [%s%s%s"
            "'serving_default']",
            named ? "'" : "", named ? spec->signature : "", named ? "', " : "");
    env_log(env, LOG_INFO, "Signatures INCLUDED in export for Train: None");
    env_log(env, LOG_INFO, "Signatures INCLUDED in export for Eval: None");
}

static int write_model(struct run *run,
                       const struct model *m,
                       const struct weights *weights,
                       const char *base,
                       char **dir,
                       struct crew_err *err)
{
    struct export_tensor inputs[DATASET_MAX_COMPONENTS];
    struct export_tensor *outputs =
        xcalloc((size_t)m->spec->num_predictions, sizeof *outputs);
    const float **values =
        xcalloc((size_t)weights->num_vars + 1, sizeof *values);

    for (int i = 0; i < weights->num_vars; i++) {
        values[i] = weights->vars[i].value;
    }

    struct export_request request =
        model_export_request(m, inputs, outputs, values);

    if (fs_make_dirs(run->env, base, err) == CREW_OK) {
        (void)saved_model_write(run->env, base, &request, dir, err);
    }
    free(outputs);
    free(values);
    return err->code;
}

static int export_checkpoint(struct run *run,
                             const char *prefix,
                             const char *base,
                             char **dir,
                             struct crew_err *err)
{
    struct crew_env *env = run->env;
    struct crew_dataset *dataset = NULL;
    struct model *m = NULL;
    struct weights weights = {0};
    int64_t step;

    if (run_open_input(run, CREW_EVAL, &dataset, err) != CREW_OK ||
        run_build_model(run, CREW_PREDICT, &dataset->spec, &m, err) !=
            CREW_OK) {
        goto out;
    }
    log_signatures(env, m->spec);
    env_log(env, LOG_INFO, "Restoring parameters from %s", prefix);
    if (weights_new(m->graph, NULL, false, &weights, err) != CREW_OK ||
        weights_restore(&weights, env, prefix, &step, err) != CREW_OK) {
        goto out;
    }
    env_log(env, LOG_INFO, "Assets added to graph.");
    env_log(env, LOG_INFO, "No assets to write.");
    if (write_model(run, m, &weights, base, dir, err) == CREW_OK) {
        env_log(env, LOG_INFO, "SavedModel written to: %s/saved_model.pb",
                *dir);
    }
out:
    weights_release(&weights);
    model_free(m);
    dataset_free(dataset);
    return err->code;
}

void run_forget_exports(struct run *run)
{
    for (int i = 0; i < run->num_exports; i++) {
        free(run->exports[i]);
    }
    free(run->exports);
    run->exports = NULL;
    run->num_exports = 0;
}

static int run_exporter(struct run *run,
                        const struct crew_exporter *exporter,
                        const char *prefix,
                        struct crew_err *err)
{
    char *all = path_join(run->model_dir, "export");
    char *base = path_join(all, exporter->name);
    char *dir = NULL;

    if (export_checkpoint(run, prefix, base, &dir, err) == CREW_OK) {
        size_t n = (size_t)run->num_exports + 1;

        run->exports = xrealloc(run->exports, n * sizeof *run->exports);
        run->exports[run->num_exports++] = dir;
        if (exporter->kind == CREW_EXPORTER_LATEST &&
            exporter->exports_to_keep > 0) {
            (void)saved_model_prune(run->env, base, exporter->exports_to_keep,
                                    err);
        }
    }
    free(base);
    free(all);
    return err->code == CREW_OK
               ? CREW_OK
               : crew_err_wrap(err, "exporter %s", exporter->name);
}

static int run_final(struct run *run,
                     const struct crew_exporter *exporter,
                     const char *prefix,
                     struct crew_err *err)
{
    env_log(run->env, LOG_INFO,
            "Performing the final export in the end of training.");
    return run_exporter(run, exporter, prefix, err);
}

int exporters_run_final(struct run *run,
                        const char *prefix,
                        struct crew_err *err)
{
    for (int i = 0; i < run->es.num_exporters; i++) {
        const struct crew_exporter *exporter = &run->es.exporters[i];

        if (exporter->kind == CREW_EXPORTER_FINAL &&
            run_final(run, exporter, prefix, err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

int exporters_run(struct run *run,
                  const char *prefix,
                  bool is_final,
                  struct crew_err *err)
{
    /* The closing lines name what the last evaluation has exported. */
    run_forget_exports(run);
    for (int i = 0; i < run->es.num_exporters; i++) {
        const struct crew_exporter *exporter = &run->es.exporters[i];

        if (exporter->kind != CREW_EXPORTER_FINAL) {
            (void)run_exporter(run, exporter, prefix, err);
        } else if (is_final) {
            (void)run_final(run, exporter, prefix, err);
        }
        if (err->code != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}
