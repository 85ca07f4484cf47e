/* SPDX-License-Identifier: Apache-2.0
 * Inputs and graphs of a run, and the dry build at its start: all three modes
 * and the export are tried before anything is opened or connected. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "estimator/run.h"
#include "estimator/weights.h"
#include "base/banned.h"

/* Streams of random numbers that must not be the same. */
#define INPUT_STREAM 0x696e707574u

uint64_t run_input_seed(const struct run *run, enum crew_mode mode)
{
    uint32_t out[4];

    if (mode == CREW_TRAIN && run->input_seed != 0) {
        return run->input_seed;
    }
    philox4x32(run->seed, INPUT_STREAM, (uint64_t)run->trainer_index, out);
    return (uint64_t)out[0] << 32 | out[1] | 1u;
}

int run_open_input(struct run *run,
                   enum crew_mode mode,
                   struct crew_dataset **out,
                   struct crew_err *err)
{
    const char *what = mode == CREW_TRAIN ? "train_spec" : "eval_spec";
    crew_input_fn input_fn =
        mode == CREW_TRAIN ? run->ts.input_fn : run->es.input_fn;
    struct crew_input_ctx ctx = {
        .mode = mode,
        .params = run->params,
        .num_workers = run->num_trainers,
        .worker_index = run->trainer_index,
        .seed = run_input_seed(run, mode),
        .self = run->input_self,
    };
    struct crew_dataset *dataset = NULL;

    if (input_fn == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s: `input_fn` must be set by the job's "
                             "configure()",
                             what);
    }

    int code = input_fn(&ctx, &dataset, err);

    if (code != CREW_OK || dataset == NULL) {
        (void)crew_err_exit(err, code != CREW_OK ? code : CREW_INVALID_ARGUMENT,
                            1, "the input function returned no dataset");
        return crew_err_wrap(err, "%s", what);
    }
    if (dataset_check(dataset, err) == CREW_OK && dataset->spec.max_batch < 1) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                            "the dataset must end with crew_dataset_batch()");
    }
    if (err->code != CREW_OK) {
        dataset_free(dataset);
        return crew_err_wrap(err, "%s's input", what);
    }
    dataset_set_seed(dataset, ctx.seed);
    if (mode == CREW_TRAIN && run->rc.input_sharding != 0) {
        dataset_shard_by_default(dataset, run->num_trainers,
                                 run->trainer_index);
    }
    *out = dataset;
    return CREW_OK;
}

int run_build_model(struct run *run,
                    enum crew_mode mode,
                    const struct dataset_spec *element,
                    struct model **out,
                    struct crew_err *err)
{
    env_log(run->env, LOG_INFO, "Calling model_fn.");
    if (model_build(run->job, run->params, mode, element, out, err) !=
        CREW_OK) {
        return err->code;
    }
    spec_log_notes((*out)->spec, run->env);
    env_log(run->env, LOG_INFO, "Done calling model_fn.");
    return CREW_OK;
}

int run_load_weights(struct run *run,
                     const struct model *m,
                     const char *prefix,
                     struct weights *weights,
                     int64_t *global_step,
                     struct crew_err *err)
{
    if (prefix != NULL) {
        env_log(run->env, LOG_INFO, "Restoring parameters from %s", prefix);
    }
    if (weights_new(m->graph, NULL, false, weights, err) != CREW_OK) {
        return err->code;
    }
    if (prefix == NULL) {
        weights_init(weights, m->graph, run->seed);
        *global_step = 0;
        return CREW_OK;
    }
    weights_use_averages(weights, &m->spec->optimizers);
    return weights_restore(weights, run->env, prefix, global_step, err);
}

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

    if (run_open_input(run, input, &dataset, err) != CREW_OK) {
        return err->code;
    }
    (void)model_build(run->job, run->params, mode, &dataset->spec, out, err);
    dataset_free(dataset);
    return err->code;
}

int run_dry_build(struct run *run, struct crew_err *err)
{
    struct model *train = NULL;
    struct model *eval = NULL;
    struct model *predict = NULL;

    if (build_quietly(run, CREW_TRAIN, &train, err) == CREW_OK &&
        build_quietly(run, CREW_EVAL, &eval, err) == CREW_OK &&
        build_quietly(run, CREW_PREDICT, &predict, err) == CREW_OK &&
        check_subset(train, eval, "eval", err) == CREW_OK &&
        check_subset(train, predict, "infer", err) == CREW_OK) {
        (void)check_exports(run, predict, err);
    }
    model_free(train);
    model_free(eval);
    model_free(predict);
    return err->code;
}
