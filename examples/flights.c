/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a table: numbers, words, small integers, and a yes or no to foretell.
 * Words become ids as the CSV file is read, ids rows of embeddings, and a deep
 * network does the rest. The data: will a flight from New York be 15 minutes
 * late or more? `data_dir` has flights13-train.csv.gz and
 * flights13-eval.csv.gz:
 *
 *   late,month,weekday,hour,carrier,origin,dest,tailnum,distance,temp,...
 */
#include <math.h>
#include <stdio.h>

#include <crew.h>

enum { EMBEDDING = 8 };

/* Of small integers `size` is how many there are; of words, how many buckets.
 */
static const struct category {
    const char *name;
    bool is_word;
    int64_t size;
} categories[] = {{"month", false, 13},   {"weekday", false, 7},
                  {"hour", false, 24},    {"carrier", true, 100},
                  {"origin", true, 10},   {"dest", true, 500},
                  {"tailnum", true, 8000}};

static const struct number {
    const char *name;
    float mean, stddev; /* in the training data */
} numbers[] = {{"distance", 1048.4f, 736.0f}, {"temp", 57.01f, 17.89f},
               {"dewp", 41.5f, 19.33f},       {"humid", 59.2f, 19.57f},
               {"wind_speed", 11.06f, 5.53f}, {"precip", 0.00416f, 0.0292f},
               {"visib", 9.29f, 1.976f}};

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum { NUM_CATEGORIES = COUNT_OF(categories), NUM_NUMBERS = COUNT_OF(numbers) };

/* --- the model */

static struct crew_node *embed(struct crew_graph *g,
                               const struct crew_features *features,
                               const struct category *c)
{
    struct crew_node *table, *ids = crew_feature(features, c->name);

    crew_scope_push(g, c->name);
    table =
        crew_variable(g, "embedding_weights", crew_shape2(c->size, EMBEDDING),
                      crew_init_truncated_normal(0, 1 / sqrt(EMBEDDING)));
    crew_scope_pop(g);
    /* An empty field is -1: a row of zeros. */
    return crew_safe_embedding_lookup_sparse(g, table, ids,
                                             (struct crew_embedding){0}, -1);
}

static struct crew_node *standardise(struct crew_graph *g,
                                     const struct crew_features *features,
                                     const struct number *n)
{
    struct crew_node *x = crew_feature(features, n->name);

    x = crew_scale(g, crew_shift(g, x, -n->mean), 1 / n->stddev);
    return crew_reshape(g, x, crew_shape2(-1, 1));
}

static struct crew_node *network(struct crew_graph *g,
                                 const struct crew_features *features)
{
    struct crew_node *parts[NUM_CATEGORIES + NUM_NUMBERS];
    struct crew_node *x;
    int n = 0;

    for (int i = 0; i < NUM_CATEGORIES; i++) {
        parts[n++] = embed(g, features, &categories[i]);
    }
    for (int i = 0; i < NUM_NUMBERS; i++) {
        parts[n++] = standardise(g, features, &numbers[i]);
    }
    x = crew_concat(g, parts, n, 1);
    x = crew_dense(g, "hidden_0", x, 128, CREW_RELU);
    x = crew_dense(g, "hidden_1", x, 64, CREW_RELU);
    return crew_dense(g, "logits", x, 1, CREW_LINEAR);
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *labels,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    const struct crew_optimizer adagrad =
        crew_adagrad(crew_params_float(params, "learning_rate", 0.05));
    const struct crew_head_options summed = {.loss_reduction = CREW_HEAD_SUM};
    const struct crew_head_args args = {.mode = mode,
                                        .logits = network(g, features),
                                        .labels = labels,
                                        .optimizer = &adagrad};

    /* Predictions, loss, metrics and signatures, as tf.estimator's head. */
    return crew_head_spec(g, crew_binary_class_head(g, &summed), &args, spec,
                          err);
}

/* --- the data */

static struct crew_dataset *open_csv(const struct crew_input_ctx *ctx,
                                     const char *file)
{
    struct crew_csv_column columns[1 + NUM_CATEGORIES + NUM_NUMBERS] = {
        {.name = "late", .dtype = CREW_FLOAT, .is_label = true}};
    char path[4096];
    int n = 1;

    for (int i = 0; i < NUM_CATEGORIES; i++) {
        const struct category *c = &categories[i];

        columns[n++] = (struct crew_csv_column){
            .name = c->name,
            .dtype = c->is_word ? CREW_STRING : CREW_INT64,
            .default_value = -1,
            .hash_buckets = c->is_word ? c->size : 0};
    }
    for (int i = 0; i < NUM_NUMBERS; i++) {
        columns[n++] =
            (struct crew_csv_column){.name = numbers[i].name,
                                     .dtype = CREW_FLOAT,
                                     .default_value = (double)numbers[i].mean};
    }
    (void)snprintf(path, sizeof path, "%s/%s",
                   crew_params_str(ctx->params, "data_dir", "."), file);
    return crew_dataset_csv(path, columns, n,
                            (struct crew_csv){.header = true});
}

static int train_input(const struct crew_input_ctx *ctx,
                       struct crew_dataset **dataset,
                       struct crew_err *err)
{
    int64_t epochs = crew_params_int(ctx->params, "epochs", 3);
    struct crew_dataset *d = open_csv(ctx, "flights13-train.csv.gz");

    (void)err;
    d = crew_dataset_repeat(crew_dataset_shuffle(d, 300000, 0), epochs);
    *dataset = crew_dataset_batch(d, 512, false);
    return CREW_OK;
}

static int eval_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)err;
    *dataset =
        crew_dataset_batch(open_csv(ctx, "flights13-eval.csv.gz"), 4096, false);
    return CREW_OK;
}

/* --- how long, how often, and what is kept */

/* The better model is the one with the greater AUC. */
static int auc_is_better(void *self,
                         const struct crew_eval_result *best,
                         const struct crew_eval_result *current,
                         bool *better,
                         struct crew_err *err)
{
    (void)self;
    (void)err;
    *better = crew_eval_result_get(best, "auc", 0) <
              crew_eval_result_get(current, "auc", 0);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *run_config,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    const struct crew_early_stopping every_200_steps = {.run_every_steps = 200};

    (void)params;
    (void)err;
    run_config->save_checkpoints_steps = 300;
    train->input_fn = train_input;
    train->max_steps = -1; /* to the end of the input */
    /* Stop when 900 steps have brought no better AUC. */
    crew_train_spec_add_hook(
        train, crew_stop_if_no_increase_hook("auc", 900, every_200_steps));
    eval->input_fn = eval_input;
    eval->steps = -1;
    eval->throttle_secs = 0;
    crew_eval_spec_add_exporter(eval, CREW_EXPORTER_BEST, "best");
    eval->exporters[0].compare_fn = auc_is_better;
    return CREW_OK;
}

static const struct crew_job flights = {.abi_version = CREW_ABI_VERSION,
                                        .name = "flights",
                                        .model_fn = model_fn,
                                        .configure = configure};
CREW_JOB(flights);
