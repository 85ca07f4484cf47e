/* SPDX-License-Identifier: Apache-2.0
 * The dry build at the start of a run: all three modes and the export are tried
 * before anything is opened or connected. */
#include "base/mem.h"
#include "estimator/export/exporters.h"
#include "estimator/roles/prepare.h"
#include "base/banned.h"

/* Every variable of `m` must be one of TRAIN's: nothing else is ever saved. */
static int check_subset(const struct model *train,
                        const struct model *m,
                        const char *mode,
                        struct crew_err *err)
{
    for (int i = 0; i < graph_num_vars(m->graph); i++) {
        const struct graph_var *v = graph_var(m->graph, i);
        int k = graph_find_var(train->graph, v->name);
        char wants[128];
        char has[128];

        if (k < 0) {
            return crew_err_exit(
                err, CREW_INVALID_ARGUMENT, 1,
                "variable %s exists in mode %s only, so that no checkpoint "
                "holds it; build it in mode train too",
                v->name, mode);
        }
        if (!shape_equal(&v->shape, &graph_var(train->graph, k)->shape)) {
            return crew_err_exit(
                err, CREW_INVALID_ARGUMENT, 1,
                "variable %s has shape %s in mode %s and %s in mode train",
                v->name, shape_text(&v->shape, wants, sizeof wants), mode,
                shape_text(&graph_var(train->graph, k)->shape, has,
                           sizeof has));
        }
    }
    return CREW_OK;
}

static int check_exports(struct run *run,
                         const struct model *m,
                         struct crew_err *err)
{
    (void)run_check_export(run, m, NULL, err);
    for (int i = 0; i < run->es.num_exporters && err->code == CREW_OK; i++) {
        (void)run_check_export(run, m, &run->es.exporters[i], err);
    }
    return err->code;
}

/* One mode's graph without a log line: TensorFlow builds it later, and so do we
 * again. */
static int build_quietly(struct run *run,
                         enum crew_mode mode,
                         struct model **out,
                         struct crew_err *err)
{
    enum crew_mode input = mode == CREW_TRAIN ? CREW_TRAIN : CREW_EVAL;
    struct crew_dataset *dataset = NULL;

    int rc = run_open_input(run, input, &dataset, err);

    if (rc != CREW_OK) {
        return rc;
    }
    rc = model_build(run->job, run->params, mode, &dataset->spec, out, err);
    dataset_free(dataset);
    return rc;
}

int run_dry_build(struct run *run, struct crew_err *err)
{
    struct model *train = NULL;
    struct model *eval = NULL;
    struct model *predict = NULL;

    if (build_quietly(run, CREW_TRAIN, &train, err) == CREW_OK &&
        build_quietly(run, CREW_EVAL, &eval, err) == CREW_OK &&
        build_quietly(run, CREW_PREDICT, &predict, err) == CREW_OK &&
        train != NULL && eval != NULL && predict != NULL &&
        check_subset(train, eval, "eval", err) == CREW_OK &&
        check_subset(train, predict, "infer", err) == CREW_OK) {
        (void)check_exports(run, predict, err);
    }
    model_free(train);
    model_free(eval);
    model_free(predict);
    return err->code;
}
