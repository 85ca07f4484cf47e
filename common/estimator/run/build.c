/* SPDX-License-Identifier: Apache-2.0
 *
 * The input, the graph and the weights of a run, each for one mode. */
#include "base/rng.h"
#include "estimator/run/run.h"
#include "estimator/weights/weights.h"
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

    if (code != CREW_OK || err->code != CREW_OK || dataset == NULL) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                            code != CREW_OK
                                ? "the input function returned %s (%d) without "
                                  "a message"
                                : "the input function returned no dataset",
                            crew_code_name(code), code);
        return crew_err_wrap(err, "%s", what);
    }
    if (dataset_take(dataset, "the dataset that the input function returned",
                     err) != CREW_OK) {
        return crew_err_wrap(err, "%s's input", what);
    }
    if (dataset->spec.n == 0 && dataset->broken.code == CREW_OK) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                            "the dataset has no components. Fix: columns for "
                            "its features and its label");
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
