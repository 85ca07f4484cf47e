/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of TensorFlow's program whose runs golden-check's family transcripts
 * compares with: the classic MNIST tutorial's network, cut down, on
 * Fashion-MNIST. It takes the same arguments, runs in the folder that holds the
 * four idx .gz files, and prints the same results. --pace N, at most N steps a
 * second, is its own: roles of a cluster meet only if they are not too fast. */
#include <crew.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = 28, CLASSES = 10, SHUFFLE_BUFFER = 1000, TEST_IMAGES = 500 };

/* --- arguments, by argparse's names; -1 and NULL: not given */

static struct {
    const char *mode, *model_dir, *eval_name, *optimizer;
    int64_t steps, max_steps, batch, examples, epochs, save_steps, log_steps;
    int64_t summary_steps, keep_max, logging_hook, eval_steps, throttle;
    int64_t start_delay, nan_at, rng_seed, pace;
    double lr;
    bool exporters;
} a = {
    .optimizer = "sgd",
    .steps = -1,
    .max_steps = -1,
    .batch = 32,
    .examples = 2000,
    .epochs = -1,
    .save_steps = 100,
    .log_steps = 50,
    .summary_steps = 100,
    .keep_max = 5,
    .logging_hook = -1,
    .eval_steps = 10,
    .nan_at = -1,
    .rng_seed = 1,
    .pace = -1,
    .lr = 0.05,
};

static const struct argument {
    const char *name;
    const char **text;
    int64_t *number;
    double *fraction;
    bool *flag;
} arguments[] = {
    {.name = "--mode", .text = &a.mode},
    {.name = "--model_dir", .text = &a.model_dir},
    {.name = "--eval_name", .text = &a.eval_name},
    {.name = "--optimizer", .text = &a.optimizer},
    {.name = "--steps", .number = &a.steps},
    {.name = "--max_steps", .number = &a.max_steps},
    {.name = "--batch", .number = &a.batch},
    {.name = "--examples", .number = &a.examples},
    {.name = "--epochs", .number = &a.epochs},
    {.name = "--save_steps", .number = &a.save_steps},
    {.name = "--log_steps", .number = &a.log_steps},
    {.name = "--summary_steps", .number = &a.summary_steps},
    {.name = "--keep_max", .number = &a.keep_max},
    {.name = "--logging_hook", .number = &a.logging_hook},
    {.name = "--eval_steps", .number = &a.eval_steps},
    {.name = "--throttle", .number = &a.throttle},
    {.name = "--start_delay", .number = &a.start_delay},
    {.name = "--nan_at", .number = &a.nan_at},
    {.name = "--rng_seed", .number = &a.rng_seed},
    {.name = "--pace", .number = &a.pace},
    {.name = "--lr", .fraction = &a.lr},
    {.name = "--exporters", .flag = &a.exporters},
};
#define NUM_ARGUMENTS (sizeof arguments / sizeof arguments[0])

static const struct argument *find_argument(const char *name)
{
    for (size_t i = 0; i < NUM_ARGUMENTS; i++) {
        if (strcmp(arguments[i].name, name) == 0) {
            return &arguments[i];
        }
    }
    return NULL;
}

static bool set_argument(const struct argument *arg, const char *value)
{
    char *end = NULL;

    errno = 0;
    if (arg->text != NULL) {
        *arg->text = value;
        return true;
    }
    if (arg->number != NULL) {
        *arg->number = strtoll(value, &end, 10);
    } else {
        *arg->fraction = strtod(value, &end);
    }
    return errno == 0 && end != value && *end == '\0';
}

static bool parse_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const struct argument *arg = find_argument(argv[i]);

        if (arg != NULL && arg->flag != NULL) {
            *arg->flag = true;
        } else if (arg == NULL || i + 1 == argc ||
                   !set_argument(arg, argv[i + 1])) {
            (void)fprintf(stderr, "fashion_cnn: %s: not understood\n", argv[i]);
            return false;
        } else {
            i++;
        }
    }
    if (a.mode == NULL) {
        (void)fprintf(stderr, "fashion_cnn: --mode is required\n");
    }
    return a.mode != NULL;
}

/* --- data */

/* A feature `gate` beside the image: 1, and in the step nan_at NaN, which the
 * loss is multiplied with. Elements come in order, so that they tell the step.
 */
static int add_gate(void *self,
                    const void *const *in,
                    void *const *out,
                    struct crew_err *err)
{
    int64_t *count = self;

    (void)err;
    (void)memcpy(out[0], in[0], SIDE * SIDE * sizeof(float));
    *(float *)out[1] =
        (*count)++ / a.batch == a.nan_at ? (float)strtod("nan", NULL) : 1;
    *(int32_t *)out[2] = *(const int32_t *)in[1];
    return CREW_OK;
}

static int drop_label(void *self,
                      const void *const *in,
                      void *const *out,
                      struct crew_err *err)
{
    (void)self;
    (void)err;
    (void)memcpy(out[0], in[0], SIDE * SIDE * sizeof(float));
    return CREW_OK;
}

static struct crew_dataset *images(const char *images_path,
                                   const char *labels_path,
                                   int64_t n,
                                   int64_t repeat,
                                   bool shuffle)
{
    static int64_t count;
    const struct crew_column gated[] = {
        {"x", CREW_FLOAT, crew_shape1(SIDE * SIDE), false},
        {"gate", CREW_FLOAT, crew_scalar_shape(), false},
        {"label", CREW_INT32, crew_scalar_shape(), true},
    };
    struct crew_dataset *d =
        crew_dataset_idx(images_path, labels_path, "x", SIDE, SIDE);

    d = crew_dataset_take(d, n);
    if (shuffle) {
        d = crew_dataset_shuffle(d, SHUFFLE_BUFFER, (uint64_t)a.rng_seed);
    }
    d = crew_dataset_repeat(d, repeat);
    if (a.nan_at >= 0) {
        count = 0;
        d = crew_dataset_map(d, gated, 3, add_gate, &count);
    }
    if (strcmp(a.mode, "missing_label") == 0) {
        d = crew_dataset_map(d, gated, 1, drop_label, NULL);
    }
    return crew_dataset_batch(d, a.batch, false);
}

static int train_input(const struct crew_input_ctx *ctx,
                       struct crew_dataset **dataset,
                       struct crew_err *err)
{
    (void)ctx;
    (void)err;
    *dataset = images("train-images-idx3-ubyte.gz",
                      "train-labels-idx1-ubyte.gz", a.examples, a.epochs, true);
    return CREW_OK;
}

static int eval_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)ctx;
    (void)err;
    *dataset = images("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
                      TEST_IMAGES, 1, false);
    return CREW_OK;
}

/* --- the model */

static void sleep_secs(double secs)
{
    struct timespec t = {.tv_sec = (time_t)secs};

    t.tv_nsec = (long)((secs - (double)t.tv_sec) * 1e9);
    (void)nanosleep(&t, NULL);
}

static int pace_before_run(void *self,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    (void)self;
    (void)ctx;
    (void)err;
    sleep_secs(1.0 / (double)a.pace);
    return CREW_OK;
}

static const struct crew_hook_ops pace_ops = {.before_run = pace_before_run};

static struct crew_optimizer optimizer(void)
{
    if (strcmp(a.optimizer, "momentum") == 0) {
        return crew_momentum(a.lr, 0.9, false);
    }
    return strcmp(a.optimizer, "adagrad") == 0 ? crew_adagrad(a.lr)
                                               : crew_gradient_descent(a.lr);
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

    (void)params;
    x = crew_reshape(g, x, crew_shape4(-1, SIDE, SIDE, 1));
    x = crew_conv2d(g, NULL, x, 4, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    x = crew_conv2d(g, NULL, x, 8, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    x = crew_reshape(g, x, crew_shape2(-1, 7 * 7 * 8));
    x = crew_dense(g, NULL, x, 32, CREW_RELU);
    x = crew_dropout(g, x, 0.4f, mode);
    struct crew_node *logits = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);

    struct crew_node *classes = crew_argmax(g, logits, 1);
    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(
        spec, "probabilities",
        crew_named(g, crew_softmax(g, logits), "softmax_tensor"));
    crew_spec_signature(spec, "classify");
    if (mode == CREW_PREDICT) {
        return crew_graph_status(g, err);
    }
    struct crew_node *loss =
        crew_sparse_softmax_cross_entropy(g, labels, logits);
    if (a.nan_at >= 0) {
        struct crew_node *gate = crew_feature(features, "gate");

        loss = crew_mul(g, loss, crew_reduce_mean(g, gate));
    }
    crew_spec_loss(spec, loss);
    crew_spec_minimize(spec, optimizer());
    crew_spec_metric(spec, "accuracy",
                     crew_metric_accuracy(g, labels, classes));
    return crew_graph_status(g, err);
}

/* The DNNClassifier of the runs that must fail: of the feature that is there,
 * or of one that is not. */
static int dnn_fn(struct crew_graph *g,
                  const struct crew_features *features,
                  struct crew_node *labels,
                  enum crew_mode mode,
                  const struct crew_params *params,
                  struct crew_spec *spec,
                  struct crew_err *err)
{
    bool no_feature = strcmp(a.mode, "missing_feature") == 0;
    struct crew_node *x = crew_feature(features, no_feature ? "pixels" : "x");
    struct crew_node *logits;

    (void)params;
    x = crew_dense(g, NULL, x, 8, CREW_RELU);
    logits = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);
    crew_spec_prediction(spec, "logits", logits);
    if (mode != CREW_PREDICT) {
        crew_spec_loss(spec,
                       crew_sparse_softmax_cross_entropy(g, labels, logits));
        crew_spec_minimize(spec, crew_adagrad(0.001));
    }
    return crew_graph_status(g, err);
}

/* --- the program */

/* The TrainSpec's hooks. Owner: the specs or calls that are given them. */
static int make_hooks(struct crew_hook hooks[2])
{
    const struct crew_logged probabilities = {"probabilities", "softmax_tensor",
                                              NULL};
    const struct crew_logging logging = {.tensors = &probabilities,
                                         .num_tensors = 1,
                                         .every_n_iter = a.logging_hook};
    int n = 0;

    if (a.logging_hook > 0) {
        hooks[n++] = crew_logging_tensor_hook(&logging);
    }
    if (a.pace > 0) {
        hooks[n++] = (struct crew_hook){&pace_ops, NULL};
    }
    return n;
}

static int train(struct crew_estimator *e, struct crew_err *err)
{
    struct crew_hook hooks[2];
    struct crew_train_args args = {
        .steps = a.steps, .max_steps = a.max_steps, .hooks = hooks};

    args.num_hooks = make_hooks(hooks);
    return crew_estimator_train(e, train_input, &args, err);
}

/* "'accuracy': 0.5" of the scalars, global_step where `last` says. */
static void print_results(const struct crew_results *r,
                          const char *open,
                          const char *between,
                          const char *close,
                          bool step_last)
{
    int n = crew_results_num(r);

    for (int i = 0, printed = 0; i < 2 * n; i++) {
        const struct crew_result *item = crew_results_at(r, i % n);
        bool is_step = strcmp(item->key, "global_step") == 0;

        if ((i < n) == (is_step && step_last) || (i >= n && !step_last)) {
            continue;
        }
        (void)printf("%s%s'%s'%s", printed++ > 0 ? ", " : "", open, item->key,
                     between);
        (void)printf(is_step ? "%.0f%s" : "%.8g%s", item->values[0], close);
    }
}

static int evaluate(struct crew_estimator *e, struct crew_err *err)
{
    struct crew_eval_args args = {.steps = a.eval_steps, .name = a.eval_name};
    struct crew_results *results = NULL;

    if (crew_estimator_evaluate(e, eval_input, &args, &results, err) ==
        CREW_OK) {
        (void)printf("RESULT [");
        print_results(results, "(", ", ", ")", false);
        (void)printf("]\n");
        crew_results_free(results);
    }
    return err->code;
}

static void print_prediction(int number, const struct crew_prediction *p)
{
    const float *probabilities = p->values[1].value.data;

    (void)printf("PREDICTION %d %lld [", number,
                 (long long)*(const int64_t *)p->values[0].value.data);
    for (int i = 0; i < CLASSES; i++) {
        (void)printf("%s'%.9g'", i > 0 ? ", " : "", (double)probabilities[i]);
    }
    (void)printf("]\n");
}

static int predict(struct crew_estimator *e, struct crew_err *err)
{
    struct crew_predictions *predictions = NULL;
    struct crew_prediction p;

    if (crew_estimator_predict(e, eval_input, NULL, &predictions, err) !=
        CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < 3; i++) {
        if (crew_predictions_next(predictions, &p, err) != CREW_OK) {
            break;
        }
        print_prediction(i, &p);
    }
    crew_predictions_free(predictions);
    return err->code;
}

static void add_exporter(struct crew_eval_spec *es,
                         enum crew_exporter_kind kind,
                         const char *name)
{
    struct crew_exporter *x;

    crew_eval_spec_add_exporter(es, kind, name);
    x = &es->exporters[es->num_exporters - 1];
    x->exports_to_keep = kind == CREW_EXPORTER_FINAL ? 0 : 2;
    x->receiver.kind = CREW_RECEIVER_EXAMPLES;
    x->weights = CREW_EXPORT_VARIABLES; /* as TensorFlow's files are */
}

static void print_returned(const struct crew_estimator *e)
{
    const struct crew_results *results = crew_estimator_last_results(e);
    int n = 0;
    const char *const *dirs = crew_estimator_last_exports(e, &n);

    if (getenv("TF_CONFIG") != NULL) {
        (void)printf("RETURNED None\n");
        return;
    }
    if (results == NULL) {
        (void)printf("RETURNED (None, None)\n");
        return;
    }
    (void)printf("RETURNED ({");
    print_results(results, "", ": ", "", true);
    (void)printf("}, [");
    for (int i = 0; i < n; i++) {
        (void)printf("%sb'%s'", i > 0 ? ", " : "", dirs[i]);
    }
    (void)printf("])\n");
}

static int train_and_evaluate(struct crew_estimator *e, struct crew_err *err)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_hook hooks[2];
    int n = make_hooks(hooks);

    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = train_input;
    ts.max_steps = a.max_steps;
    for (int i = 0; i < n; i++) {
        crew_train_spec_add_hook(&ts, hooks[i]);
    }
    es.input_fn = eval_input;
    es.steps = a.eval_steps;
    es.name = a.eval_name;
    es.start_delay_secs = (double)a.start_delay;
    es.throttle_secs = (double)a.throttle;
    if (a.exporters) {
        add_exporter(&es, CREW_EXPORTER_FINAL, "final");
        add_exporter(&es, CREW_EXPORTER_LATEST, "latest");
        add_exporter(&es, CREW_EXPORTER_BEST, "best");
    }
    if (crew_train_and_evaluate(e, &ts, &es, err) == CREW_OK) {
        print_returned(e);
    }
    crew_train_spec_release(&ts);
    crew_eval_spec_release(&es);
    return err->code;
}

static const struct mode {
    const char *name;
    crew_model_fn model_fn;
    int (*run)(struct crew_estimator *, struct crew_err *);
} modes[] = {
    {"train", model_fn, train},
    {"evaluate", model_fn, evaluate},
    {"predict", model_fn, predict},
    {"train_and_evaluate", model_fn, train_and_evaluate},
    {"missing_feature", dnn_fn, train},
    {"missing_label", dnn_fn, train},
};

static const struct mode *find_mode(void)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, a.mode) == 0) {
            return &modes[i];
        }
    }
    (void)fprintf(stderr, "fashion_cnn: no mode %s\n", a.mode);
    return NULL;
}

int main(int argc, char **argv)
{
    const struct mode *mode = parse_arguments(argc, argv) ? find_mode() : NULL;
    struct crew_job job = {.abi_version = CREW_ABI_VERSION,
                           .name = "fashion_cnn"};
    struct crew_run_config rc;
    struct crew_estimator_args args = {.model_dir = a.model_dir};
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    if (mode == NULL) {
        return 64;
    }
    job.model_fn = mode->model_fn;
    if (mode->model_fn == model_fn) {
        crew_run_config_init(&rc);
        rc.tf_random_seed = a.rng_seed;
        rc.save_checkpoints_steps = a.save_steps;
        rc.log_step_count_steps = a.log_steps;
        rc.save_summary_steps = a.summary_steps;
        rc.keep_checkpoint_max = a.keep_max;
        args.run_config = &rc;
    }
    if (crew_estimator_new(&job, &args, &e, &err) == CREW_OK) {
        (void)mode->run(e, &err);
    }
    crew_estimator_free(e);
    if (err.code != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    return 0;
}
