/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolutional network of TensorFlow's "A Guide to TF Layers", on images
 * in MNIST's format: a whole job in one file.
 *
 *   cc -shared -fPIC mnist.c -o mnist.so $(pkg-config --cflags --libs crew)
 *   crew run --job ./mnist.so --model-dir model
 *
 * Runs unchanged in one process and on a cluster; only TF_CONFIG differs.
 *
 * --set learning_rate=, batch_size=, dropout_rate=, optimizer=sgd|momentum|adam
 * and data_dir= change what is read below; max_steps, save_checkpoints_steps
 * and all other fields of RunConfig, TrainSpec and EvalSpec can be set by name
 * too. serve_examples=true exports a model that is sent tf.Examples and
 * classifies them. */
#include <crew.h>

#include <stdio.h>
#include <string.h>

enum { SIDE = 28, CLASSES = 10, SHUFFLE_BUFFER = 60000 };

/* --- the model: a graph for training, one for evaluation, one for export */

static int pick_optimizer(const struct crew_params *params,
                          struct crew_optimizer *optimizer,
                          struct crew_err *err)
{
    const char *name = crew_params_str(params, "optimizer", "sgd");
    double rate = crew_params_float(params, "learning_rate", 0.001);

    if (strcmp(name, "sgd") == 0) {
        *optimizer = crew_gradient_descent(rate);
    } else if (strcmp(name, "momentum") == 0) {
        *optimizer = crew_momentum(rate, 0.9, false);
    } else if (strcmp(name, "adam") == 0) {
        *optimizer = crew_adam(rate);
    } else {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "optimizer is \"%s\". Fix: --set optimizer=sgd, "
                             "momentum or adam",
                             name);
    }
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    double dropout_rate = crew_params_float(params, "dropout_rate", 0.4);
    struct crew_optimizer optimizer;
    struct crew_node *x = crew_feature(features, "x"); /* (batch, 784) */

    /* Variables get tf.layers' names: conv2d/kernel, conv2d_1/kernel, ... */
    x = crew_reshape(g, x, crew_shape4(-1, SIDE, SIDE, 1));   /* an image: */
    x = crew_conv2d(g, NULL, x, 32, 5, CREW_SAME, CREW_RELU); /* 28 x 28 x 32 */
    x = crew_max_pool2d(g, x, 2, 2);                          /* 14 x 14 x 32 */
    x = crew_conv2d(g, NULL, x, 64, 5, CREW_SAME, CREW_RELU); /* 14 x 14 x 64 */
    x = crew_max_pool2d(g, x, 2, 2);                          /* 7 x 7 x 64 */
    x = crew_reshape(g, x, crew_shape2(-1, 7 * 7 * 64));
    x = crew_dense(g, NULL, x, 1024, CREW_RELU);
    x = crew_dropout(g, x, (float)dropout_rate, mode);
    struct crew_node *logits = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);

    struct crew_node *classes = crew_argmax(g, logits, 1);
    struct crew_node *probabilities =
        crew_named(g, crew_softmax(g, logits), "softmax_tensor");
    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(spec, "probabilities", probabilities);
    crew_spec_signature(spec, "predict_images");
    if (crew_params_bool(params, "serve_examples", false)) {
        struct crew_labels digits = {.n = CLASSES}; /* "0" to "9" */

        crew_spec_export_classify(spec, CREW_SERVING_DEFAULT, probabilities,
                                  NULL, digits);
    }

    if (mode != CREW_PREDICT) { /* there are labels */
        struct crew_node *loss =
            crew_sparse_softmax_cross_entropy(g, labels, logits);
        crew_spec_loss(spec, loss);
        crew_spec_metric(spec, "accuracy",
                         crew_metric_accuracy(g, labels, classes));
    }
    if (pick_optimizer(params, &optimizer, err) != CREW_OK) {
        return err->code;
    }
    crew_spec_minimize(spec, optimizer);
    return crew_graph_status(g, err);
}

/* --- the data: declared here, opened when the first batch is asked for */

static struct crew_dataset *images(const struct crew_input_ctx *ctx,
                                   const char *kind)
{
    const char *dir = crew_params_str(ctx->params, "data_dir",
                                      "/usr/share/datasets/fashion-mnist");
    char image_path[4096], label_path[4096];

    (void)snprintf(image_path, sizeof image_path, "%s/%s-images-idx3-ubyte.gz",
                   dir, kind);
    (void)snprintf(label_path, sizeof label_path, "%s/%s-labels-idx1-ubyte.gz",
                   dir, kind);
    return crew_dataset_idx(image_path, label_path, "x", SIDE, SIDE);
}

static int train_input(const struct crew_input_ctx *ctx,
                       struct crew_dataset **dataset,
                       struct crew_err *err)
{
    int64_t batch_size = crew_params_int(ctx->params, "batch_size", 100);
    struct crew_dataset *d = images(ctx, "train");

    (void)err;
    /* Seed 0: by the run and the worker. On a cluster each trainer reads its
     * own part of the images. */
    d = crew_dataset_shuffle(d, SHUFFLE_BUFFER, 0);
    d = crew_dataset_repeat(d, -1);
    *dataset = crew_dataset_batch(d, batch_size, true);
    return CREW_OK;
}

static int eval_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)err;
    *dataset = crew_dataset_batch(images(ctx, "t10k"), 100, false);
    return CREW_OK;
}

/* --- how long, how often */

static int configure(const struct crew_params *params,
                     struct crew_run_config *run_config,
                     struct crew_train_spec *train_spec,
                     struct crew_eval_spec *eval_spec,
                     struct crew_err *err)
{
    (void)run_config;
    (void)err;
    train_spec->input_fn = train_input;
    train_spec->max_steps = 20000;
    eval_spec->input_fn = eval_input;
    eval_spec->steps = -1; /* all 10,000 test images */
    /* One SavedModel, of the finished model. CREW_EXPORTER_LATEST would write
     * one after every evaluation, for who wants to serve while it trains. */
    crew_eval_spec_add_exporter(eval_spec, CREW_EXPORTER_FINAL, "final");
    if (crew_params_bool(params, "serve_examples", false)) {
        struct crew_exporter *final = &eval_spec->exporters[0];

        final->receiver.kind = CREW_RECEIVER_EXAMPLES;
        final->receiver.tensors_alternative = "tensors"; /* them too */
        final->warmup = true;
    }
    return CREW_OK;
}

static const struct crew_job mnist = {
    .abi_version = CREW_ABI_VERSION,
    .name = "mnist",
    .model_fn = model_fn,
    .configure = configure,
};
CREW_JOB(mnist);
