/* SPDX-License-Identifier: Apache-2.0
 * The EvalSpec's exporters after an evaluation, in their order: which are due,
 * their exports, and what goes of the old ones. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "estimator/evaluation/evaluate.h"
#include "estimator/export/exporters.h"
#include "export/saved_model.h"
#include "base/banned.h"

/* What the exporters of one evaluation share. */
struct exporting {
    struct evaluator *evaluator;
    const char *prefix; /* of the checkpoint */
    bool is_final;
};

static char *base_of(const struct run *run, const struct crew_exporter *x)
{
    return xasprintf("%s/export/%s", run->model_dir, x->name);
}

/* Old exports that do not go away are no reason to stop training. */
static void prune(struct run *run,
                  const struct crew_exporter *x,
                  const char *base)
{
    struct crew_err err = {0};

    if (x->exports_to_keep > 0 &&
        saved_model_prune(run->env, base, x->exports_to_keep, &err) !=
            CREW_OK) {
        env_log(run->env, LOG_WARN, "Can not delete the oldest of %s: %s", base,
                err.msg);
    }
}

static int export_one(struct run *run,
                      const struct crew_exporter *x,
                      const char *prefix,
                      struct crew_err *err)
{
    char *base = base_of(run, x);
    char *dir = NULL;

    if (run_export(run, x, prefix, base, &dir, err) == CREW_OK) {
        size_t n = (size_t)run->num_exports + 1;

        run->exports = xrealloc(run->exports, n * sizeof *run->exports);
        run->exports[run->num_exports++] = dir;
        prune(run, x, base);
    }
    free(base);
    return err->code;
}

static int latest(const struct exporting *e, int i, struct crew_err *err)
{
    struct run *run = e->evaluator->run;

    return export_one(run, &run->es.exporters[i], e->prefix, err);
}

static int final(const struct exporting *e, int i, struct crew_err *err)
{
    struct run *run = e->evaluator->run;

    if (!e->is_final) {
        return CREW_OK;
    }
    env_log(run->env, LOG_INFO,
            "Performing the final export in the end of training.");
    return export_one(run, &run->es.exporters[i], e->prefix, err);
}

static int best(const struct exporting *e, int i, struct crew_err *err)
{
    struct run *run = e->evaluator->run;
    const struct crew_exporter *x = &run->es.exporters[i];
    struct best_memory *memory = &e->evaluator->best[i];
    const struct crew_eval_result *current = &e->evaluator->result;
    char *base = base_of(run, x);
    struct best_place place = {.env = run->env,
                               .model_dir = run->model_dir,
                               .eval_dir = e->evaluator->dir,
                               .base = base};
    bool due = false;

    if (best_is_due(memory, &place, x, current, &due, err) == CREW_OK && due &&
        export_one(run, x, e->prefix, err) == CREW_OK) {
        best_exported(memory, &place, x, current);
    }
    free(base);
    return err->code;
}

static const struct exporter_ops {
    enum crew_exporter_kind kind;
    int (*run)(const struct exporting *, int i, struct crew_err *);
    bool only_final; /* has nothing to do before the end */
} kinds[] = {
    {CREW_EXPORTER_LATEST, latest, false},
    {CREW_EXPORTER_FINAL, final, true},
    {CREW_EXPORTER_BEST, best, false},
};

static const struct exporter_ops *ops_of(const struct crew_exporter *x)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].kind == x->kind) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* only_final: those that waited for the end. */
static int run_all(const struct exporting *e,
                   bool only_final,
                   struct crew_err *err)
{
    const struct crew_eval_spec *es = &e->evaluator->run->es;

    for (int i = 0; i < es->num_exporters; i++) {
        const struct exporter_ops *ops = ops_of(&es->exporters[i]);

        if (ops != NULL && (!only_final || ops->only_final) &&
            ops->run(e, i, err) != CREW_OK) {
            return crew_err_wrap(err, "exporter %s", es->exporters[i].name);
        }
    }
    return CREW_OK;
}

int exporters_run_final(struct evaluator *evaluator,
                        const char *prefix,
                        struct crew_err *err)
{
    struct exporting e = {evaluator, prefix, true};

    return run_all(&e, true, err);
}

int exporters_run(struct evaluator *evaluator,
                  const char *prefix,
                  bool is_final,
                  struct crew_err *err)
{
    struct exporting e = {evaluator, prefix, is_final};

    /* The closing lines name what the last evaluation has exported. */
    run_forget_exports(evaluator->run);
    return run_all(&e, false, err);
}
