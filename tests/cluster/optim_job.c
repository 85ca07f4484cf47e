/* SPDX-License-Identifier: Apache-2.0
 *
 * A job for the test of optimizers: two layers, each by an optimizer of its
 * own, --set first= and second=; the first with everything that an optimizer
 * can have. With norm=true batch normalisation is between them, and there is a
 * variable of every initializer. The input is read in order. */
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

/* A variable by every initializer, whose gradient is 0. */
static void add_initialised(struct crew_graph *g)
{
    const struct {
        const char *name;
        struct crew_init init;
    } all[] = {
        {"init/ones", crew_init_ones()},
        {"init/uniform", crew_init_uniform(-1, 2)},
        {"init/normal", crew_init_normal(1, 2)},
        {"init/truncated_normal", crew_init_truncated_normal(1, 2)},
        {"init/glorot_normal", crew_init_glorot_normal()},
        {"init/he_uniform", crew_init_he_uniform()},
        {"init/unit_scaling", crew_init_uniform_unit_scaling(1)},
        {"init/identity", crew_init_identity(1)},
        {"init/orthogonal", crew_init_orthogonal(1)},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct crew_node *v =
            crew_variable(g, all[i].name, crew_shape2(700, 70), all[i].init);

        (void)crew_l2_regularizer(g, v, 0.0);
    }
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
    struct crew_optimizer first, second;
    struct crew_node *logits;

    if (crew_params_bool(params, "norm", false)) {
        struct crew_batch_norm how = {.momentum = 0.9};

        hidden = crew_batch_normalization(g, NULL, hidden, how, mode);
        add_initialised(g);
    }
    logits = crew_dense(g, "out", hidden, 4, CREW_LINEAR);

    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode != CREW_PREDICT) {
        (void)crew_sparse_softmax_cross_entropy(g, labels, logits);
        crew_spec_loss(spec, crew_total_loss(g, true));
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
