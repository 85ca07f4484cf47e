/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of TensorFlow's program whose runs golden-check's family transcripts
 * compares with: the classic MNIST tutorial's network, cut down, on
 * Fashion-MNIST. It takes the same arguments, runs in the folder that holds the
 * four idx .gz files, and prints the same results. --pace N, at most N steps a
 * second, is its own: roles of a cluster meet only if they are not too fast. */
#include <crew.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fashion_args.h"

enum { SIDE = 28, CLASSES = 10, SHUFFLE_BUFFER = 1000, TEST_IMAGES = 500 };

static struct fashion_args a;

/* --- data */

/* Which step an element is of: they come in order. */
struct gate {
    int64_t first; /* the step that the checkpoint is of */
    int64_t count; /* elements since then; an evaluation stays where it is */
    bool moves;
};
static struct gate train_gate = {.moves = true}, eval_gate;

static int64_t step_of(struct gate *gate)
{
    return gate->first + (gate->moves ? gate->count++ / a.batch : 0);
}

/* A feature `gate` beside the image, which the loss is multiplied with: 1, and
 * in the step nan_at NaN. */
static int add_gate(void *self,
                    const void *const *in,
                    void *const *out,
                    struct crew_err *err)
{
    bool is_nan = step_of(self) == a.nan_at;

    (void)err;
    (void)memcpy(out[0], in[0], SIDE * SIDE * sizeof(float));
    *(float *)out[1] = is_nan ? (float)strtod("nan", NULL) : 1;
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

static struct crew_estimator *estimator;

static int64_t newest_step(void)
{
    char *path =
        estimator != NULL ? crew_estimator_latest_checkpoint(estimator) : NULL;
    const char *dash = path != NULL ? strrchr(path, '-') : NULL;
    int64_t step = dash != NULL ? strtoll(dash + 1, NULL, 10) : 0;

    free(path);
    return step;
}

static struct crew_dataset *images(const char *images_path,
                                   const char *labels_path,
                                   int64_t n,
                                   int64_t repeat,
                                   struct gate *gate)
{
    const struct crew_column gated[] = {
        {"x", CREW_FLOAT, crew_shape1(SIDE * SIDE), false},
        {"gate", CREW_FLOAT, crew_scalar_shape(), false},
        {"label", CREW_INT32, crew_scalar_shape(), true},
    };
    struct crew_dataset *d =
        crew_dataset_idx(images_path, labels_path, "x", SIDE, SIDE);

    d = crew_dataset_take(d, n);
    if (gate == &train_gate) {
        d = crew_dataset_shuffle(d, SHUFFLE_BUFFER, (uint64_t)a.rng_seed);
    }
    d = crew_dataset_repeat(d, repeat);
    if (a.nan_at != NOT_GIVEN) {
        gate->first = newest_step();
        gate->count = 0;
        d = crew_dataset_map(d, gated, 3, add_gate, gate);
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
    *dataset =
        images("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
               a.examples, a.epochs == NOT_GIVEN ? -1 : a.epochs, &train_gate);
    return CREW_OK;
}

static int eval_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)ctx;
    (void)err;
    *dataset = images("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
                      TEST_IMAGES, 1, &eval_gate);
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

static bool has_optimizer(void)
{
    return strcmp(a.optimizer, "sgd") == 0 ||
           strcmp(a.optimizer, "momentum") == 0 ||
           strcmp(a.optimizer, "adagrad") == 0;
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
    if (a.nan_at != NOT_GIVEN) {
        struct crew_node *gate = crew_feature(features, "gate");

        loss = crew_mul(g, loss, crew_reduce_mean(g, gate));
    }
    crew_spec_loss(spec, loss);
    if (mode == CREW_TRAIN && !has_optimizer()) {
        return crew_err_set(err, CREW_NOT_FOUND, "'%s'", a.optimizer);
    }
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

/* TensorFlow refuses a number of steps that is 0 or less, which in C can only
 * mean that none is given. */
static int64_t number_of(const char *name, int64_t n, struct crew_err *err)
{
    if (n != NOT_GIVEN && n <= 0) {
        (void)crew_err_set(err, CREW_INVALID_ARGUMENT,
                           "Must specify %s > 0, given: %lld", name,
                           (long long)n);
    }
    return n == NOT_GIVEN ? -1 : n;
}

/* The TrainSpec's hooks. Owner: the specs or calls that are given them. */
static int make_hooks(struct crew_hook hooks[2])
{
    const struct crew_logged probabilities = {"probabilities", "softmax_tensor",
                                              NULL};
    const struct crew_logging logging = {.tensors = &probabilities,
                                         .num_tensors = 1,
                                         .every_n_iter = a.logging_hook};
    int n = 0;

    if (a.logging_hook != NOT_GIVEN && a.logging_hook != 0) {
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
    struct crew_train_args args = {.hooks = hooks};

    if (a.steps == NOT_GIVEN || a.max_steps == NOT_GIVEN) {
        args.steps = number_of("steps", a.steps, err);
        args.max_steps = number_of("max_steps", a.max_steps, err);
    } else {
        args.steps = args.max_steps = 1; /* both: an error whatever they are */
    }
    if (err->code != CREW_OK) {
        return err->code;
    }
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
    struct crew_eval_args args = {
        .steps = number_of("steps", a.eval_steps, err), .name = a.eval_name};
    struct crew_results *results = NULL;

    if (err->code == CREW_OK &&
        crew_estimator_evaluate(e, eval_input, &args, &results, err) ==
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

enum { NUM_EXPORTERS = 3 };
static const char *const exporter_names[NUM_EXPORTERS] = {"final", "latest",
                                                          "best"};

static void add_exporter(struct crew_eval_spec *es,
                         enum crew_exporter_kind kind,
                         int i)
{
    struct crew_exporter *x;

    crew_eval_spec_add_exporter(es, kind, exporter_names[i]);
    x = &es->exporters[es->num_exporters - 1];
    x->exports_to_keep = kind == CREW_EXPORTER_FINAL ? 0 : 2;
    x->receiver.kind = CREW_RECEIVER_EXAMPLES;
    x->weights = CREW_EXPORT_VARIABLES; /* as TensorFlow's files are */
}

/* A task of a cluster returns nothing. */
static bool is_local(void)
{
    const char *tf_config = getenv("TF_CONFIG");

    return tf_config == NULL || strstr(tf_config, "\"cluster\"") == NULL;
}

static const char *export_of(const char *exporter,
                             const char *const *dirs,
                             int n)
{
    char middle[40];

    (void)snprintf(middle, sizeof middle, "/export/%s/", exporter);
    for (int i = 0; i < n; i++) {
        if (strstr(dirs[i], middle) != NULL) {
            return dirs[i];
        }
    }
    return NULL;
}

static void print_returned(const struct crew_estimator *e)
{
    const struct crew_results *results = crew_estimator_last_results(e);
    int n = 0;
    const char *const *dirs = crew_estimator_last_exports(e, &n);

    if (!is_local()) {
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
    for (int i = 0; a.exporters && i < NUM_EXPORTERS; i++) {
        const char *dir = export_of(exporter_names[i], dirs, n);

        (void)printf("%s%s%s%s", i > 0 ? ", " : "", dir != NULL ? "b'" : "None",
                     dir != NULL ? dir : "", dir != NULL ? "'" : "");
    }
    (void)printf("])\n");
}

static int train_and_evaluate(struct crew_estimator *e, struct crew_err *err)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_hook hooks[2];
    int n;

    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = train_input;
    ts.max_steps = number_of("max_steps", a.max_steps, err);
    es.steps = number_of("steps", a.eval_steps, err);
    if (err->code != CREW_OK) {
        return err->code;
    }
    n = make_hooks(hooks);
    for (int i = 0; i < n; i++) {
        crew_train_spec_add_hook(&ts, hooks[i]);
    }
    es.input_fn = eval_input;
    es.name = a.eval_name;
    es.start_delay_secs = (double)a.start_delay;
    es.throttle_secs = (double)a.throttle;
    if (a.exporters) {
        add_exporter(&es, CREW_EXPORTER_FINAL, 0);
        add_exporter(&es, CREW_EXPORTER_LATEST, 1);
        add_exporter(&es, CREW_EXPORTER_BEST, 2);
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

/* NULL: the program makes its Estimator and does nothing more. */
static const struct mode *find_mode(void)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, a.mode) == 0) {
            return &modes[i];
        }
    }
    return NULL;
}

/* As texts, since then what is given is judged, and -1 is not None. */
enum { NUM_SETTINGS = 5 };
struct settings {
    char text[NUM_SETTINGS][60];
    const char *items[NUM_SETTINGS];
};

static void make_settings(struct settings *s)
{
    const struct {
        const char *name;
        int64_t value;
    } given[NUM_SETTINGS] = {
        {"tf_random_seed", a.rng_seed},
        {"save_checkpoints_steps", a.save_steps},
        {"log_step_count_steps", a.log_steps},
        {"save_summary_steps", a.summary_steps},
        {"keep_checkpoint_max", a.keep_max},
    };

    for (int i = 0; i < NUM_SETTINGS; i++) {
        (void)snprintf(s->text[i], sizeof s->text[i], "%s=%lld", given[i].name,
                       (long long)given[i].value);
        s->items[i] = s->text[i];
    }
}

int main(int argc, char **argv)
{
    struct crew_job job = {.abi_version = CREW_ABI_VERSION,
                           .name = "fashion_cnn",
                           .model_fn = model_fn};
    struct settings settings;
    struct crew_run_config defaults;
    struct crew_estimator_args args = {.strict_tf_config = true};
    struct crew_err err = {0};
    const struct mode *mode;

    if (!fashion_args_parse(&a, argc, argv)) {
        return 2;
    }
    args.model_dir = a.model_dir;
    mode = find_mode();
    if (mode != NULL) {
        job.model_fn = mode->model_fn;
    }
    if (job.model_fn == model_fn) { /* the others have the default */
        make_settings(&settings);
        crew_run_config_init(&defaults);
        args.run_config = &defaults;
        args.params = settings.items;
        args.num_params = NUM_SETTINGS;
    }
    if (crew_estimator_new(&job, &args, &estimator, &err) == CREW_OK &&
        mode != NULL) {
        (void)mode->run(estimator, &err);
    }
    crew_estimator_free(estimator);
    if (err.code != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1; /* as of a Python program, whatever the exception was */
    }
    return 0;
}
