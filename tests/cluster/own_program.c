/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of a user's own that makes an Estimator and calls
 * crew_train_and_evaluate; the role is TF_CONFIG's.
 *
 *   own_program MODEL_DIR [KEY=VALUE...]
 *
 * It prints "done" when the call has returned well, and exits as the error
 * says. */
#include <stdio.h>
#include <stdlib.h>

#include "two_columns.h"

#define ROWS 256
#define MAX_PARAMS 16

static float features[ROWS * 2];
static int64_t labels[ROWS];

static void make_data(void)
{
    for (int i = 0; i < ROWS; i++) {
        features[2 * i] = (float)(i % 16) / 8.0f - 1.0f;
        features[2 * i + 1] = (float)(i / 16) / 8.0f - 1.0f;
        labels[i] = features[2 * i] > features[2 * i + 1];
    }
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    struct crew_dataset *d = two_columns(features, labels, ROWS);

    (void)err;
    if (ctx->mode == CREW_TRAIN) {
        d = crew_dataset_repeat(d, -1);
    }
    *dataset = crew_dataset_batch(d, 32, false);
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *logits = two_classes(g, in, y, mode, spec);
    struct crew_node *classes = crew_argmax(g, logits, 1);

    (void)params;
    crew_spec_prediction(spec, "classes", classes);
    if (mode != CREW_PREDICT) {
        crew_spec_metric(spec, "accuracy", crew_metric_accuracy(g, y, classes));
    }
    crew_spec_minimize(spec, crew_gradient_descent(0.1));
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "own", model_fn, NULL};

int main(int argc, char **argv)
{
    struct crew_run_config rc;
    struct crew_estimator_args args = {.run_config = &rc};
    struct crew_estimator *estimator = NULL;
    struct crew_train_spec train;
    struct crew_eval_spec eval;
    struct crew_err err = {0};

    if (argc < 2 || argc > MAX_PARAMS) {
        (void)fprintf(stderr, "usage: own_program MODEL_DIR [KEY=VALUE...]\n");
        return 64;
    }
    make_data();
    crew_run_config_init(&rc);
    rc.model_dir = argv[1];
    rc.tf_random_seed = 3;
    rc.save_checkpoints_steps = 100;
    args.params = (const char *const *)argv + 2;
    args.num_params = argc - 2;
    crew_train_spec_init(&train);
    train.input_fn = input_fn;
    train.max_steps = 200;
    crew_eval_spec_init(&eval);
    eval.input_fn = input_fn;
    eval.steps = -1;
    eval.start_delay_secs = 0;
    eval.throttle_secs = 1;
    crew_eval_spec_add_exporter(&eval, CREW_EXPORTER_FINAL, "final");
    if (crew_estimator_new(&job, &args, &estimator, &err) == CREW_OK) {
        (void)crew_train_and_evaluate(estimator, &train, &eval, &err);
    }
    crew_estimator_free(estimator);
    crew_eval_spec_release(&eval);
    if (err.code != CREW_OK) {
        (void)fprintf(stderr, "own_program: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    (void)printf("done\n");
    return 0;
}
