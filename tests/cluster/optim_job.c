/* SPDX-License-Identifier: Apache-2.0
 *
 * A job for the test of optimizers: two layers, each by an optimizer of its
 * own,
 * --set first= and second=; the first with everything that an optimizer can
 * have. The input is read in order. */
#include <stdio.h>
#include <string.h>

#include <crew.h>

static int pick(const char *name,
                struct crew_optimizer *out,
                struct crew_err *err)
{
    const struct {
        const char *name;
        struct crew_optimizer optimizer;
    } all[] = {
        {"sgd", crew_gradient_descent(0.05)},
        {"momentum", crew_momentum(0.05, 0.9, true)},
        {"adagrad", crew_adagrad(0.05)},
        {"adadelta", crew_adadelta(0.5)},
        {"rmsprop", crew_rmsprop(0.01)},
        {"adam", crew_adam(0.01)},
        {"adamw", crew_adamw(0.01, 0.01)},
        {"ftrl", crew_ftrl(0.1)},
        {"proximal", crew_proximal_gradient_descent(0.05, 0.001, 0.001)},
        {"proximal_adagrad", crew_proximal_adagrad(0.05, 0.001, 0.001)},
        {"adagrad_da", crew_adagrad_da(0.05, 0.001, 0.001)},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].name, name) == 0) {
            *out = all[i].optimizer;
            return CREW_OK;
        }
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64, "no optimizer %s",
                         name);
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *x = crew_feature(features, "x");
    struct crew_node *hidden = crew_dense(g, "hidden", x, 16, CREW_RELU);
    struct crew_node *logits = crew_dense(g, "out", hidden, 4, CREW_LINEAR);
    struct crew_optimizer first, second;

    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode != CREW_PREDICT) {
        crew_spec_loss(spec,
                       crew_sparse_softmax_cross_entropy(g, labels, logits));
    }
    if (pick(crew_params_str(params, "first", "sgd"), &first, err) != CREW_OK ||
        pick(crew_params_str(params, "second", "sgd"), &second, err) !=
            CREW_OK) {
        return err->code;
    }
    first.schedule = crew_exponential_decay(
        10, crew_params_float(params, "decay_rate", 0.9), false);
    first.clip = crew_clip_by_global_norm(0.5);
    first.average.decay = 0.9f;
    first.average.evaluate = crew_params_bool(params, "averages", false);
    crew_spec_minimize(spec, first);
    crew_spec_minimize_scope(spec, "out/", second);
    return crew_graph_status(g, err);
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    const char *folder = crew_params_str(ctx->params, "data", ".");
    bool train = ctx->mode == CREW_TRAIN;
    char images[1024];
    char labels[1024];
    struct crew_dataset *d;

    (void)err;
    (void)snprintf(images, sizeof images, "%s/images.idx3.gz", folder);
    (void)snprintf(labels, sizeof labels, "%s/labels.idx1.gz", folder);
    d = crew_dataset_idx(images, labels, "x", 4, 4);
    *dataset =
        crew_dataset_batch(train ? crew_dataset_repeat(d, -1) : d, 32, false);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)params, (void)err;
    rc->tf_random_seed = 7;
    train->input_fn = input_fn;
    eval->input_fn = input_fn;
    eval->steps = -1;
    return CREW_OK;
}

static const struct crew_job job = {CREW_ABI_VERSION, "optim", model_fn,
                                    configure};
CREW_JOB(job);
