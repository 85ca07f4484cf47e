/* SPDX-License-Identifier: Apache-2.0
 * The least a job can be: softmax regression on images in MNIST's format. */
#include <crew.h>

#define DATA "/usr/share/datasets/fashion-mnist/"

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *x = crew_feature(features, "x");
    struct crew_node *logits = crew_dense(g, "softmax", x, 10, CREW_LINEAR);
    struct crew_node *classes = crew_argmax(g, logits, 1);

    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode != CREW_PREDICT) {
        crew_spec_loss(spec,
                       crew_sparse_softmax_cross_entropy(g, labels, logits));
        crew_spec_metric(spec, "accuracy",
                         crew_metric_accuracy(g, labels, classes));
    }
    crew_spec_minimize(spec, crew_gradient_descent(crew_params_float(
                                 params, "learning_rate", 0.1)));
    return crew_graph_status(g, err);
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    bool train = ctx->mode == CREW_TRAIN;
    struct crew_dataset *d =
        crew_dataset_idx(train ? DATA "train-images-idx3-ubyte.gz"
                               : DATA "t10k-images-idx3-ubyte.gz",
                         train ? DATA "train-labels-idx1-ubyte.gz"
                               : DATA "t10k-labels-idx1-ubyte.gz",
                         "x", 28, 28);

    (void)err;
    d = train ? crew_dataset_repeat(crew_dataset_shuffle(d, 60000, 0), -1) : d;
    *dataset = crew_dataset_batch(d, 100, false);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)params, (void)rc, (void)err;
    *train = (struct crew_train_spec){.input_fn = input_fn, .max_steps = 2000};
    eval->input_fn = input_fn;
    return CREW_OK;
}

static const struct crew_job softmax = {CREW_ABI_VERSION, "softmax", model_fn,
                                        configure};
CREW_JOB(softmax);
