/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's cnn_mnist.py ("A Guide to TF Layers") line by line, as a program
 * with a main() of its own: docs/from-estimator.md has the two side by side.
 *
 *   cc cnn_mnist.c -o cnn_mnist $(pkg-config --cflags --libs crew)
 *   ./cnn_mnist [MODEL_DIR [STEPS]]
 *
 * examples/mnist.c is the same model as a job, for `crew run` and clusters. */
#include <crew.h>

#include <stdio.h>
#include <stdlib.h>

#define DATA "/usr/share/datasets/fashion-mnist/"

static int cnn_model_fn(struct crew_graph *g,
                        const struct crew_features *features,
                        struct crew_node *labels,
                        enum crew_mode mode,
                        const struct crew_params *params,
                        struct crew_spec *spec,
                        struct crew_err *err)
{
    (void)params;
    /* Input layer */
    struct crew_node *x = crew_reshape(g, crew_feature(features, "x"),
                                       crew_shape4(-1, 28, 28, 1));
    /* Convolutional and pooling layers */
    x = crew_conv2d(g, NULL, x, 32, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    x = crew_conv2d(g, NULL, x, 64, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    /* Dense layer */
    x = crew_reshape(g, x, crew_shape2(-1, 7 * 7 * 64));
    x = crew_dense(g, NULL, x, 1024, CREW_RELU);
    x = crew_dropout(g, x, 0.4f, mode);
    /* Logits layer */
    struct crew_node *logits = crew_dense(g, NULL, x, 10, CREW_LINEAR);

    struct crew_node *classes = crew_argmax(g, logits, 1);
    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(
        spec, "probabilities",
        crew_named(g, crew_softmax(g, logits), "softmax_tensor"));
    if (mode == CREW_PREDICT) {
        return crew_graph_status(g, err);
    }

    /* Loss, optimizer, metrics: a mode takes what it needs. */
    crew_spec_loss(spec, crew_sparse_softmax_cross_entropy(g, labels, logits));
    crew_spec_minimize(spec, crew_gradient_descent(0.001));
    crew_spec_metric(spec, "accuracy",
                     crew_metric_accuracy(g, labels, classes));
    return crew_graph_status(g, err);
}

static int train_input_fn(const struct crew_input_ctx *ctx,
                          struct crew_dataset **dataset,
                          struct crew_err *err)
{
    struct crew_dataset *d =
        crew_dataset_idx(DATA "train-images-idx3-ubyte.gz",
                         DATA "train-labels-idx1-ubyte.gz", "x", 28, 28);

    (void)ctx;
    (void)err;
    d = crew_dataset_shuffle(d, 60000, 0);
    d = crew_dataset_repeat(d, -1); /* num_epochs=None */
    *dataset = crew_dataset_batch(d, 100, true);
    return CREW_OK;
}

static int eval_input_fn(const struct crew_input_ctx *ctx,
                         struct crew_dataset **dataset,
                         struct crew_err *err)
{
    struct crew_dataset *d =
        crew_dataset_idx(DATA "t10k-images-idx3-ubyte.gz",
                         DATA "t10k-labels-idx1-ubyte.gz", "x", 28, 28);

    (void)ctx;
    (void)err;
    *dataset = crew_dataset_batch(d, 100, false);
    return CREW_OK;
}

static const struct crew_job cnn_mnist = {.abi_version = CREW_ABI_VERSION,
                                          .name = "cnn_mnist",
                                          .model_fn = cnn_model_fn};

static int train_and_test(struct crew_estimator *mnist_classifier,
                          int64_t steps,
                          struct crew_err *err)
{
    /* Log the values in the "softmax_tensor" with label "probabilities" */
    const struct crew_logged tensors_to_log = {.tag = "probabilities",
                                               .tensor = "softmax_tensor"};
    const struct crew_logging every_50 = {
        .tensors = &tensors_to_log, .num_tensors = 1, .every_n_iter = 50};
    struct crew_hook logging_hook = crew_logging_tensor_hook(&every_50);
    struct crew_train_args train = {
        .steps = steps, .hooks = &logging_hook, .num_hooks = 1};
    struct crew_results *results = NULL;

    if (crew_estimator_train(mnist_classifier, train_input_fn, &train, err) !=
            CREW_OK ||
        crew_estimator_evaluate(mnist_classifier, eval_input_fn, NULL, &results,
                                err) != CREW_OK) {
        return err->code;
    }
    (void)printf("%s\n", crew_results_text(results));
    crew_results_free(results);
    return CREW_OK;
}

int main(int argc, char **argv)
{
    struct crew_estimator_args args = {
        .model_dir = argc > 1 ? argv[1] : "runs/mnist_convnet_model"};
    struct crew_estimator *mnist_classifier = NULL;
    struct crew_err err = {0};

    if (crew_estimator_new(&cnn_mnist, &args, &mnist_classifier, &err) ==
        CREW_OK) {
        (void)train_and_test(mnist_classifier,
                             argc > 2 ? strtoll(argv[2], NULL, 10) : 20000,
                             &err);
    }
    crew_estimator_free(mnist_classifier);
    if (err.code != CREW_OK) {
        (void)fprintf(stderr, "cnn_mnist: %s\n", err.msg);
    }
    return crew_err_exit_code(&err);
}
