/* SPDX-License-Identifier: Apache-2.0
 *
 * Words to a yes or no: each text is a list of words of any length, each word a
 * row of a table, and the mean of a text's rows goes through a small network.
 * `data_dir` has train.csv and eval.csv:
 *
 *   label,text
 *   1,a film to see again and again
 *
 * What is served takes the ids of the words: crew_dataset_csv makes them by
 * TensorFlow's to_hash_bucket_fast.
 */
#include <stdio.h>

#include <crew.h>

/* A word's place in the table is its hash: some share one. */
enum { BUCKETS = 1 << 14, EMBEDDING = 16 };

/* --- the model */

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    double rate = crew_params_float(params, "learning_rate", 0.05);
    /* Rows longer than max_norm are scaled to it as they are looked up. */
    struct crew_embedding how = {.combiner = CREW_COMBINE_MEAN, .max_norm = 4};
    struct crew_node *words = crew_feature(features, "words");
    struct crew_node *table =
        crew_variable(g, "embeddings", crew_shape2(BUCKETS, EMBEDDING),
                      crew_init_uniform(-0.05, 0.05));
    struct crew_node *x, *logits, *yes;

    /* A text without a word is a row of zeros. */
    x = crew_safe_embedding_lookup_sparse(g, table, words, how, -1);
    x = crew_dense(g, "hidden", x, 16, CREW_RELU);
    x = crew_dropout(g, x, 0.2f, mode);
    logits = crew_dense(g, "logits", x, 1, CREW_LINEAR);
    yes = crew_sigmoid(g, logits);
    crew_spec_prediction(spec, "probability", yes);
    if (mode != CREW_PREDICT) {
        labels = crew_reshape(g, labels, crew_shape2(-1, 1));
        crew_spec_loss(spec, crew_sigmoid_cross_entropy(g, labels, logits, 0,
                                                        (struct crew_loss){0}));
        crew_spec_metric(spec, "auc",
                         crew_metric_auc(g, labels, yes, 200, CREW_AUC_ROC,
                                         CREW_AUC_TRAPEZOIDAL));
        crew_spec_minimize(spec, crew_adagrad(rate));
    }
    return crew_graph_status(g, err);
}

/* --- the data */

static int input(const struct crew_input_ctx *ctx,
                 struct crew_dataset **dataset,
                 struct crew_err *err)
{
    static const struct crew_csv_column columns[] = {
        {.name = "label", .dtype = CREW_FLOAT, .is_label = true},
        {.name = "words",
         .dtype = CREW_STRING,
         .list_delimiter = ' ',
         .hash_buckets = BUCKETS}};
    bool train = ctx->mode == CREW_TRAIN;
    char path[4096];
    struct crew_dataset *d;

    (void)err;
    (void)snprintf(path, sizeof path, "%s/%s.csv",
                   crew_params_str(ctx->params, "data_dir", "."),
                   train ? "train" : "eval");
    d = crew_dataset_csv(path, columns, 2, (struct crew_csv){.header = true});
    if (train) {
        d = crew_dataset_repeat(crew_dataset_shuffle(d, 10000, 0), -1);
    }
    *dataset = crew_dataset_batch(d, 64, false);
    return CREW_OK;
}

/* --- how long, how often, and what is kept */

static int configure(const struct crew_params *params,
                     struct crew_run_config *run_config,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)params;
    (void)err;
    run_config->save_checkpoints_steps = 500;
    train->input_fn = input;
    train->max_steps = 1000;
    eval->input_fn = input;
    eval->steps = -1;
    crew_eval_spec_add_exporter(eval, CREW_EXPORTER_FINAL, "final");
    return CREW_OK;
}

static const struct crew_job text = {.abi_version = CREW_ABI_VERSION,
                                     .name = "text",
                                     .model_fn = model_fn,
                                     .configure = configure};
CREW_JOB(text);
