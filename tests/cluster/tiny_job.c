/* SPDX-License-Identifier: Apache-2.0
 *
 * A job for tests: one or two dense layers on 4x4 images, with what a test
 * needs to provoke: where the data is, how long a step takes, another model, a
 * NaN. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <crew.h>

#ifndef TINY_ABI
#define TINY_ABI CREW_ABI_VERSION
#endif

static int slow_step(void *self,
                     struct crew_run_context *ctx,
                     struct crew_err *err)
{
    long ms = (long)(intptr_t)self;
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)ctx, (void)err;
    (void)nanosleep(&t, NULL);
    return CREW_OK;
}

static const struct crew_hook_ops slow_ops = {.before_run = slow_step};

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *x = crew_feature(features, "x");
    int64_t hidden = crew_params_int(params, "hidden", 0);
    int64_t step_ms = crew_params_int(params, "step_ms", 0);
    double rate = crew_params_float(params, "learning_rate", 0.1);

    if (hidden > 0) {
        x = crew_dense(g, "hidden", x, hidden, CREW_RELU);
    }

    struct crew_node *logits = crew_dense(g, "out", x, 4, CREW_LINEAR);
    struct crew_node *classes = crew_argmax(g, logits, 1);

    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode != CREW_PREDICT) {
        struct crew_node *loss =
            crew_sparse_softmax_cross_entropy(g, labels, logits);

        /* Overflows to infinity, and then to NaN, once weights have grown. */
        if (crew_params_bool(params, "soft_nan", false)) {
            loss = crew_add(g, loss, crew_sub(g, loss, loss));
        }
        crew_spec_loss(spec, loss);
        crew_spec_metric(spec, "accuracy",
                         crew_metric_accuracy(g, labels, classes));
        crew_spec_summary(spec, "half_loss", crew_scale(g, loss, 0.5f));
    }
    if (strcmp(crew_params_str(params, "optimizer", "momentum"), "adam") == 0) {
        crew_spec_minimize(spec, crew_adam(rate));
    } else {
        crew_spec_minimize(spec, crew_momentum(rate, 0.9, false));
    }
    if (mode == CREW_PREDICT &&
        crew_params_bool(params, "log_classes", false)) {
        struct crew_logged logged = {.tag = "classes", .node = classes};
        struct crew_logging o = {
            .tensors = &logged, .num_tensors = 1, .every_n_iter = 2};

        crew_spec_prediction_hook(spec, crew_logging_tensor_hook(&o));
    }
    if (mode == CREW_TRAIN && step_ms > 0) {
        crew_spec_hook(spec, &slow_ops, (void *)(intptr_t)step_ms, false);
    }
    return crew_graph_status(g, err);
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    const char *folder = crew_params_str(ctx->params, "data", ".");
    int64_t repeat = crew_params_int(ctx->params, "repeat", -1);
    bool train = ctx->mode == CREW_TRAIN;
    char images[1024];
    char labels[1024];
    struct crew_dataset *d;

    (void)err;
    (void)snprintf(images, sizeof images, "%s/images.idx3.gz", folder);
    (void)snprintf(labels, sizeof labels, "%s/labels.idx1.gz", folder);
    d = crew_dataset_idx(images, labels, "x", 4, 4);
    if (train) {
        d = crew_dataset_repeat(crew_dataset_shuffle(d, 512, 0), repeat);
    }
    *dataset = crew_dataset_batch(d, 32, false);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)err;
    if (crew_params_bool(params, "stop_early", false)) {
        struct crew_early_stopping o = {.min_steps = 100,
                                        .run_every_steps = 10};

        crew_train_spec_add_hook(train,
                                 crew_stop_if_higher_hook("accuracy", -1, o));
        crew_train_spec_add_hook(
            train,
            crew_global_step_waiter_hook(crew_params_int(params, "wait", 0)));
    }
    if (crew_params_bool(params, "soft_nan", false)) {
        crew_train_spec_add_hook(train, crew_nan_tensor_hook(NULL, false));
    }
    rc->save_checkpoints_steps = 50;
    rc->log_step_count_steps = 20;
    rc->tf_random_seed = 7;
    train->input_fn = input_fn;
    train->max_steps = 100;
    eval->input_fn = input_fn;
    eval->steps = -1;
    crew_eval_spec_add_exporter(eval, CREW_EXPORTER_LATEST, "latest");
    crew_eval_spec_add_exporter(eval, CREW_EXPORTER_FINAL, "final");
    return CREW_OK;
}

#ifdef TINY_NO_ENTRY
int tiny_nothing(void);
int tiny_nothing(void)
{
    (void)model_fn;
    (void)configure;
    return 0;
}
#else
static const struct crew_job tiny = {TINY_ABI, "tiny", model_fn, configure};
CREW_JOB(tiny);
#endif
