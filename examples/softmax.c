/* SPDX-License-Identifier: Apache-2.0
 * The least a job can be: softmax regression on images in MNIST's format. */
#include <crew.h>

#define DATA "/usr/share/datasets/fashion-mnist/"
#define SET(k) DATA k "-images-idx3-ubyte.gz", DATA k "-labels-idx1-ubyte.gz"

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    double rate = crew_params_float(params, "learning_rate", 0.1);
    struct crew_node *x = crew_feature(features, "x");
    struct crew_node *y = crew_dense(g, "softmax", x, 10, CREW_LINEAR);
    struct crew_node *classes = crew_argmax(g, y, 1);
    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(spec, "probabilities", crew_softmax(g, y));
    if (mode != CREW_PREDICT) { /* there are labels */
        crew_spec_loss(spec, crew_sparse_softmax_cross_entropy(g, labels, y));
        crew_spec_metric(spec, "accuracy",
                         crew_metric_accuracy(g, labels, classes));
        crew_spec_minimize(spec, crew_gradient_descent(rate));
    }
    return crew_graph_status(g, err);
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    bool train = ctx->mode == CREW_TRAIN;
    (void)err;
    *dataset = train ? crew_dataset_idx(SET("train"), "x", 28, 28)
                     : crew_dataset_idx(SET("t10k"), "x", 28, 28);
    *dataset = crew_dataset_shuffle(*dataset, 60000, 0);
    *dataset = crew_dataset_repeat(*dataset, train ? -1 : 1);
    *dataset = crew_dataset_batch(*dataset, 100, false);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *run_config,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)params, (void)run_config, (void)err;
    train->input_fn = eval->input_fn = input_fn;
    train->max_steps = 2000;
    return CREW_OK;
}

static const struct crew_job job = {CREW_ABI_VERSION, "softmax", model_fn,
                                    configure};
CREW_JOB(job);
