/* SPDX-License-Identifier: Apache-2.0
 * The Estimator as a user's own program calls it: train, evaluate, predict,
 * export, the checkpoint's variables, train_and_evaluate; what it says and what
 * it refuses. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "run_suite.h"
#include "two_columns.h"

#define ROWS 40
#define BATCH 16

static float features[ROWS * 2];
static int64_t labels[ROWS];
static char model_dir[64];
static char log_path[80];
static int stderr_copy;

/* --------------------------------------------------------------------- job */

/* ctx->self NULL: once through, all of it; else as many rows as it says. */
static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    const int64_t *rows = ctx->self;
    struct crew_dataset *d =
        two_columns(features, ctx->mode == CREW_PREDICT ? NULL : labels,
                    rows != NULL ? *rows : ROWS);

    (void)err;
    if (ctx->mode == CREW_TRAIN && rows == NULL) {
        d = crew_dataset_repeat(d, -1);
    }
    *out = crew_dataset_batch(d, BATCH, false);
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *logits = two_classes(g, in, y, mode, spec);
    struct crew_node *classes = crew_argmax(g, logits, 1);
    double rate = crew_params_float(params, "learning_rate", 0.5);

    crew_spec_prediction(spec, "classes", classes);
    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode == CREW_PREDICT && crew_params_bool(params, "with_mean", false)) {
        crew_spec_prediction(spec, "mean", crew_reduce_mean(g, logits));
    }
    if (mode != CREW_PREDICT) {
        crew_spec_metric(spec, "accuracy", crew_metric_accuracy(g, y, classes));
    }
    crew_spec_minimize(spec, crew_gradient_descent(rate));
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "estimator", model_fn,
                                    NULL};

static struct crew_estimator *make_with(const char *const *params, int n)
{
    struct crew_run_config rc;
    struct crew_estimator_args args = {.model_dir = model_dir,
                                       .run_config = &rc,
                                       .params = params,
                                       .num_params = n};
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    crew_run_config_init(&rc);
    rc.tf_random_seed = 1;
    ck_assert_msg(crew_estimator_new(&job, &args, &e, &err) == CREW_OK, "%s",
                  err.msg);
    return e;
}

static struct crew_estimator *make(void)
{
    return make_with(NULL, 0);
}

static void train_to(struct crew_estimator *e, int64_t max_steps)
{
    struct crew_train_args args = {.max_steps = max_steps};
    struct crew_err err = {0};

    ck_assert_msg(crew_estimator_train(e, input_fn, &args, &err) == CREW_OK,
                  "%s", err.msg);
}

static int64_t newest_step(const struct crew_estimator *e)
{
    char *prefix = crew_estimator_latest_checkpoint(e);
    int64_t step =
        prefix != NULL ? strtoll(strrchr(prefix, '-') + 1, NULL, 10) : -1;

    free(prefix);
    return step;
}

/* --------------------------------------------------------------------- log */

/* Whether a line of the log so far has this text. */
static bool logged(const char *text)
{
    struct crew_err err = {0};
    char *all = NULL;
    size_t n;
    bool found;

    ck_assert_int_eq(
        fs_read_file(env_posix(), log_path, 1 << 20, &all, &n, &err), CREW_OK);
    found = strstr(all, text) != NULL;
    free(all);
    return found;
}

static void forget_log(void)
{
    ck_assert_int_eq(ftruncate(STDERR_FILENO, 0), 0);
}

static void setup(void)
{
    int log;

    two_columns_fill(features, labels, ROWS);
    (void)unsetenv("TF_CONFIG");
    (void)snprintf(model_dir, sizeof model_dir, "/tmp/crew-est-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(model_dir));
    (void)snprintf(log_path, sizeof log_path, "%s.log", model_dir);
    log = open(log_path, O_CREAT | O_RDWR | O_APPEND | O_TRUNC, 0600);
    ck_assert_int_ge(log, 0);
    stderr_copy = dup(STDERR_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)close(log);
}

static void teardown(void)
{
    struct crew_err err = {0};

    (void)dup2(stderr_copy, STDERR_FILENO);
    (void)close(stderr_copy);
    (void)unlink(log_path);
    ck_assert_int_eq(fs_remove_tree(env_posix(), model_dir, &err), CREW_OK);
}

/* ---------------------------------------------------------- counting hooks */

struct counter {
    int runs, ends, frees;
};

static int count_run(void *self,
                     struct crew_run_context *ctx,
                     struct crew_err *err)
{
    struct counter *c = self;

    (void)ctx, (void)err;
    c->runs++;
    return CREW_OK;
}

static int count_end(void *self, int64_t step, struct crew_err *err)
{
    struct counter *c = self;

    (void)step, (void)err;
    c->ends++;
    return CREW_OK;
}

static void count_free(void *self)
{
    struct counter *c = self;

    c->frees++;
}

static const struct crew_hook_ops counter_ops = {.after_run = count_run,
                                                 .end = count_end,
                                                 .free = count_free};

/* ------------------------------------------------------------------- train */

/* steps go on from where training is, max_steps is where it ends. */
START_TEST(steps_and_max_steps)
{
    struct crew_estimator *e = make();
    struct crew_train_args ten = {.steps = 10};
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_train(e, input_fn, &ten, &err), CREW_OK);
    ck_assert_int_eq(newest_step(e), 10);
    ck_assert_int_eq(crew_estimator_train(e, input_fn, &ten, &err), CREW_OK);
    ck_assert_int_eq(newest_step(e), 20);
    train_to(e, 25);
    ck_assert_int_eq(newest_step(e), 25);
    ck_assert(logged("Loss for final step: "));
    ck_assert(!logged("Skipping training"));
    train_to(e, 25);
    ck_assert(logged("Skipping training since max_steps has already saved."));
    ck_assert_int_eq(newest_step(e), 25);
    crew_estimator_free(e);
}
END_TEST

/* Without either it is the input that ends training. */
START_TEST(to_the_end_of_the_input)
{
    struct crew_estimator *e = make();
    int64_t rows = ROWS;
    struct crew_train_args args = {.input_self = &rows};
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_train(e, input_fn, &args, &err), CREW_OK);
    ck_assert_int_eq(newest_step(e), 3);
    crew_estimator_free(e);
}
END_TEST

START_TEST(two_estimators_have_what_is_theirs)
{
    static const char *const slow[] = {"learning_rate=0"};
    struct crew_estimator *a = make();
    struct crew_estimator *b;
    struct crew_results *before = NULL, *after = NULL;
    struct crew_err err = {0};

    train_to(a, 4);
    b = make_with(slow, 1);
    ck_assert_int_eq(crew_estimator_evaluate(a, input_fn, NULL, &before, &err),
                     CREW_OK);
    train_to(b, 8);
    ck_assert_int_eq(crew_estimator_evaluate(a, input_fn, NULL, &after, &err),
                     CREW_OK);
    ck_assert(crew_results_get(before, "loss", -1) ==
              crew_results_get(after, "loss", -2));
    ck_assert(crew_results_get(after, "global_step", -1) == 8);
    train_to(a, 12);
    crew_results_free(after);
    ck_assert_int_eq(crew_estimator_evaluate(b, input_fn, NULL, &after, &err),
                     CREW_OK);
    ck_assert(crew_results_get(after, "loss", 9) <
              crew_results_get(before, "loss", -1));
    crew_results_free(before);
    crew_results_free(after);
    crew_estimator_free(a);
    crew_estimator_free(b);
}
END_TEST

static void refused(struct crew_estimator *e,
                    struct crew_train_args args,
                    const char *words)
{
    struct crew_err err = {0};

    ck_assert_int_ne(crew_estimator_train(e, input_fn, &args, &err), CREW_OK);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
    ck_assert_int_eq(err.exit_code, 64);
}

START_TEST(arguments_are_checked_and_hooks_freed)
{
    struct crew_estimator *e = make();
    struct counter c = {0};
    struct crew_hook hooks[2] = {{&counter_ops, &c}, {NULL, NULL}};
    struct crew_saving_listener listener = {NULL, NULL};

    refused(e, (struct crew_train_args){.steps = 5, .max_steps = 5},
            "Can not provide both steps and max_steps.");
    refused(e, (struct crew_train_args){.steps = -2},
            "Must specify steps > 0, given: -2");
    refused(e, (struct crew_train_args){.max_steps = -7},
            "Must specify max_steps > 0, given: -7");
    refused(e, (struct crew_train_args){.hooks = hooks, .num_hooks = 2},
            "Hooks must be a SessionRunHook, given: ");
    ck_assert_int_eq(c.frees, 1);
    refused(
        e,
        (struct crew_train_args){.hooks = hooks,
                                 .num_hooks = 1,
                                 .saving_listeners = &listener,
                                 .num_saving_listeners = 1},
        "saving_listeners must be a list of CheckpointSaverListener, given");
    ck_assert_int_eq(c.frees, 2);
    refused(NULL, (struct crew_train_args){.hooks = hooks, .num_hooks = 1},
            "crew_estimator_train: the Estimator is NULL");
    ck_assert_int_eq(c.frees, 3);
    ck_assert_int_eq(newest_step(e), -1);
    crew_estimator_free(e);
}
END_TEST

START_TEST(training_hooks_run)
{
    struct crew_estimator *e = make();
    struct counter c = {0};
    struct crew_hook hook = {&counter_ops, &c};
    struct crew_train_args args = {.steps = 3, .hooks = &hook, .num_hooks = 1};
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_train(e, input_fn, &args, &err), CREW_OK);
    ck_assert_int_eq(c.runs, 3);
    ck_assert_int_eq(c.ends, 1);
    ck_assert_int_eq(c.frees, 1);
    crew_estimator_free(e);
}
END_TEST

/* ---------------------------------------------------------------- evaluate */

START_TEST(evaluation_returns_all_by_key)
{
    struct crew_estimator *e = make();
    struct crew_results *r = NULL;
    struct counter c = {0};
    struct crew_hook hook = {&counter_ops, &c};
    struct crew_eval_args args = {
        .steps = 2, .name = "again", .hooks = &hook, .num_hooks = 1};
    struct crew_err err = {0};
    char dir[96];

    train_to(e, 30);
    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, &args, &r, &err),
                     CREW_OK);
    ck_assert_int_eq(crew_results_num(r), 3);
    ck_assert_str_eq(crew_results_at(r, 0)->key, "accuracy");
    ck_assert_str_eq(crew_results_at(r, 1)->key, "global_step");
    ck_assert_str_eq(crew_results_at(r, 2)->key, "loss");
    ck_assert_ptr_null(crew_results_at(r, 3));
    ck_assert_ptr_null(crew_results_at(r, -1));
    ck_assert(crew_results_get(r, "accuracy", -1) == 1.0);
    ck_assert(crew_results_get(r, "global_step", -1) == 30.0);
    ck_assert(crew_results_get(r, "nothing", -1) == -1.0);
    ck_assert_ptr_nonnull(
        strstr(crew_results_text(r), "accuracy = 1.0, global_step = 30, loss"));
    ck_assert_int_eq(c.runs, 2);
    ck_assert_int_eq(c.frees, 1);
    (void)snprintf(dir, sizeof dir, "%s/eval_again", model_dir);
    ck_assert(fs_exists(env_posix(), dir));
    crew_results_free(r);
    crew_estimator_free(e);
}
END_TEST

/* The initialised model, and the log says so. */
START_TEST(evaluation_without_a_checkpoint)
{
    struct crew_estimator *e = make();
    struct crew_results *r = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, NULL, &r, &err),
                     CREW_OK);
    ck_assert(logged("Could not find trained model in model_dir: "));
    ck_assert(logged(", running initialization to evaluate."));
    ck_assert(!logged("Restoring parameters"));
    ck_assert(!logged("checkpoint_path"));
    ck_assert(crew_results_get(r, "global_step", -1) == 0);
    ck_assert(crew_results_get(r, "loss", -1) > 0.3);
    crew_results_free(r);
    crew_estimator_free(e);
}
END_TEST

START_TEST(evaluation_of_an_older_checkpoint)
{
    struct crew_estimator *e = make();
    struct crew_results *r = NULL;
    char path[96];
    struct crew_eval_args args = {.checkpoint_path = path};
    struct crew_err err = {0};

    train_to(e, 3);
    train_to(e, 6);
    (void)snprintf(path, sizeof path, "%s/model.ckpt-3", model_dir);
    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, &args, &r, &err),
                     CREW_OK);
    ck_assert(crew_results_get(r, "global_step", -1) == 3);
    crew_results_free(r);
    (void)snprintf(path, sizeof path, "%s/model.ckpt-99", model_dir);
    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, &args, &r, &err),
                     CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    err = (struct crew_err){0};
    args = (struct crew_eval_args){.steps = -3};
    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, &args, &r, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "Must specify steps > 0, given: -3");
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_estimator_evaluate(e, NULL, NULL, &r, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "`input_fn` must be callable, given: None");
    crew_estimator_free(e);
}
END_TEST

/* ----------------------------------------------------------------- predict */

START_TEST(predictions_one_by_one)
{
    struct crew_estimator *e = make();
    struct crew_predictions *p = NULL;
    struct crew_prediction row;
    struct counter c = {0};
    struct crew_hook hook = {&counter_ops, &c};
    struct crew_predict_args args = {.hooks = &hook, .num_hooks = 1};
    struct crew_err err = {0};
    int n = 0;

    train_to(e, 30);
    ck_assert_int_eq(crew_estimator_predict(e, input_fn, &args, &p, &err),
                     CREW_OK);
    while (crew_predictions_next(p, &row, &err) == CREW_OK) {
        const float *probability = row.values[1].value.data;

        ck_assert_int_eq(row.n, 2);
        ck_assert_str_eq(row.values[0].key, "classes");
        ck_assert_int_eq(row.values[0].value.dtype, CREW_INT64);
        ck_assert_int_eq(row.values[0].value.shape.rank, 0);
        ck_assert_int_eq(*(const int64_t *)row.values[0].value.data, n % 2);
        ck_assert_str_eq(row.values[1].key, "probabilities");
        ck_assert_int_eq(row.values[1].value.shape.rank, 1);
        ck_assert_int_eq(row.values[1].value.shape.dim[0], 2);
        ck_assert(fabsf(probability[0] + probability[1] - 1.0f) < 1e-5f);
        ck_assert((probability[1] > 0.5f) == (n % 2 == 1));
        n++;
    }
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    ck_assert_int_eq(n, ROWS);
    ck_assert_int_eq(c.runs, 3);
    ck_assert_int_eq(c.ends, 1);
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_predictions_next(p, &row, &err), CREW_OUT_OF_RANGE);
    ck_assert_int_eq(c.ends, 1);
    crew_predictions_free(p);
    ck_assert_int_eq(c.frees, 1);
    crew_estimator_free(e);
}
END_TEST

START_TEST(predictions_by_batch_and_key)
{
    static const char *const keys[] = {"probabilities"};
    struct crew_estimator *e = make();
    struct crew_predictions *p = NULL;
    struct crew_prediction batch;
    struct crew_predict_args args = {
        .predict_keys = keys, .num_predict_keys = 1, .yield_batches = true};
    struct crew_err err = {0};
    int64_t rows = 0;
    int batches = 0;

    ck_assert_int_eq(crew_estimator_predict(e, input_fn, &args, &p, &err),
                     CREW_OK);
    ck_assert(logged(", running initialization to predict."));
    while (crew_predictions_next(p, &batch, &err) == CREW_OK) {
        ck_assert_int_eq(batch.n, 1);
        ck_assert_str_eq(batch.values[0].key, "probabilities");
        ck_assert_int_eq(batch.values[0].value.shape.rank, 2);
        rows += batch.values[0].value.shape.dim[0];
        batches++;
    }
    ck_assert_int_eq(rows, ROWS);
    ck_assert_int_eq(batches, 3);
    crew_predictions_free(p);
    crew_estimator_free(e);
}
END_TEST

START_TEST(predictions_that_cannot_be)
{
    static const char *const keys[] = {"logits", "scores"};
    static const char *const mean[] = {"with_mean=true"};
    struct crew_estimator *e = make_with(mean, 1);
    struct crew_predictions *p = NULL;
    struct crew_prediction row;
    struct crew_predict_args args = {.predict_keys = keys,
                                     .num_predict_keys = 2};
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_predict(e, input_fn, &args, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "Expected to run at least one output from "
                     "dict_keys(['classes', 'probabilities', 'mean']), "
                     "provided ['logits', 'scores'].");
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_estimator_predict(e, input_fn, NULL, &p, &err),
                     CREW_OK);
    ck_assert_int_eq(crew_predictions_next(p, &row, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "prediction 'mean' is a scalar"));
    crew_predictions_free(p);
    crew_estimator_free(e);
}
END_TEST

/* ---------------------------------------------------- export and variables */

START_TEST(export_and_its_refusals)
{
    struct crew_estimator *e = make();
    struct crew_export_args args = {.input_fn = input_fn};
    struct crew_err err = {0};
    char base[96];
    char file[256];
    char *dir = NULL;

    (void)snprintf(base, sizeof base, "%s/served", model_dir);
    ck_assert_int_eq(crew_estimator_export_saved_model(e, base, CREW_PREDICT,
                                                       &args, &dir, &err),
                     CREW_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "Couldn't find trained model at /"));
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    train_to(e, 2);
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_estimator_export_saved_model(e, base, CREW_PREDICT,
                                                       NULL, &dir, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "An input_receiver_fn must be defined."));
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_estimator_export_saved_model(e, base, CREW_TRAIN,
                                                       &args, &dir, &err),
                     CREW_UNIMPLEMENTED);
    err = (struct crew_err){0};
    ck_assert_msg(crew_estimator_export_saved_model(
                      e, base, CREW_PREDICT, &args, &dir, &err) == CREW_OK,
                  "%s", err.msg);
    (void)snprintf(file, sizeof file, "%s/saved_model.pb", dir);
    ck_assert(strncmp(dir, base, strlen(base)) == 0);
    ck_assert(fs_exists(env_posix(), file));
    free(dir);
    crew_estimator_free(e);
}
END_TEST

START_TEST(variables_of_the_newest_checkpoint)
{
    struct crew_estimator *e = make();
    struct crew_err err = {0};
    char **names = NULL;
    enum crew_dtype dtype = CREW_INVALID_DTYPE;
    struct crew_shape shape = {0};
    void *data = NULL;
    int n = 0;

    ck_assert_ptr_null(crew_estimator_latest_checkpoint(e));
    ck_assert_int_eq(crew_estimator_get_variable_names(e, &names, &n, &err),
                     CREW_NOT_FOUND);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "Could not find trained model in model_dir: /"));
    train_to(e, 2);
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_estimator_get_variable_names(e, &names, &n, &err),
                     CREW_OK);
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(names[0], "dense/bias");
    ck_assert_str_eq(names[1], "dense/kernel");
    ck_assert_str_eq(names[2], "global_step");
    free(names);
    ck_assert_int_eq(crew_estimator_get_variable_value(e, "global_step", &dtype,
                                                       &shape, &data, &err),
                     CREW_OK);
    ck_assert_int_eq(dtype, CREW_INT64);
    ck_assert_int_eq(shape.rank, 0);
    ck_assert_int_eq(*(const int64_t *)data, 2);
    free(data);
    ck_assert_int_eq(crew_estimator_get_variable_value(
                         e, "dense/kernel", &dtype, &shape, &data, &err),
                     CREW_OK);
    ck_assert_int_eq(dtype, CREW_FLOAT);
    ck_assert_int_eq(shape.rank, 2);
    free(data);
    ck_assert_int_eq(crew_estimator_get_variable_value(e, "kernel", &dtype,
                                                       &shape, &data, &err),
                     CREW_NOT_FOUND);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "Key kernel not found in checkpoint"));
    crew_estimator_free(e);
}
END_TEST

/* ------------------------------------------------------ train_and_evaluate */

START_TEST(train_and_evaluate_here)
{
    struct crew_estimator *e = make();
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_err err = {0};
    int n = 0;

    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = input_fn;
    ts.max_steps = 20;
    es.input_fn = input_fn;
    es.steps = -1;
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "served");
    ck_assert_msg(crew_train_and_evaluate(e, &ts, &es, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert(crew_results_get(crew_estimator_last_results(e), "global_step",
                               -1) == 20);
    ck_assert_ptr_nonnull(
        strstr(crew_estimator_last_exports(e, &n)[0], "/export/served/"));
    ck_assert_int_eq(n, 1);
    /* Once more: it is done, and there is nothing to return. */
    ck_assert_int_eq(crew_train_and_evaluate(e, &ts, &es, &err), CREW_OK);
    ck_assert(logged("Skipping training since max_steps has already saved."));
    ck_assert_ptr_null(crew_estimator_last_results(e));
    /* And with the same Estimator by hand. */
    train_to(e, 22);
    ck_assert_int_eq(newest_step(e), 22);
    ts.input_fn = NULL;
    ck_assert_int_eq(crew_train_and_evaluate(e, &ts, &es, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "`input_fn` must be callable, given: None");
    crew_estimator_free(e);
}
END_TEST

/* ------------------------------------------------------------------ making */

static void not_made(const struct crew_job *j,
                     struct crew_estimator_args args,
                     int exit_code,
                     const char *words)
{
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    ck_assert_int_ne(crew_estimator_new(j, &args, &e, &err), CREW_OK);
    ck_assert_ptr_null(e);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), exit_code);
}

START_TEST(what_cannot_be_made)
{
    static const char *const bad[] = {"save_summary_steps=-1"};
    static const char *const holes[] = {NULL};
    struct crew_job old = job;
    struct crew_job empty = job;
    struct crew_run_config rc;

    old.abi_version = 1;
    empty.model_fn = NULL;
    not_made(NULL, (struct crew_estimator_args){0}, 64,
             "model_fn must be provided to Estimator.");
    not_made(&empty, (struct crew_estimator_args){0}, 64,
             "model_fn must be provided to Estimator.");
    not_made(&old, (struct crew_estimator_args){0}, 78, "build the job again");
    not_made(&job, (struct crew_estimator_args){.model_dir = ""}, 64,
             "model_dir should be non-empty.");
    not_made(&job, (struct crew_estimator_args){.params = bad, .num_params = 1},
             64, "save_summary_steps should be >= 0");
    not_made(&job,
             (struct crew_estimator_args){.params = holes, .num_params = 1}, 64,
             "params[0] is NULL");
    not_made(&job, (struct crew_estimator_args){.num_params = 1}, 64,
             "params is NULL");
    crew_run_config_init(&rc);
    rc.save_checkpoints_steps = 5;
    rc.save_checkpoints_secs = 5;
    not_made(&job, (struct crew_estimator_args){.run_config = &rc}, 64,
             "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be "
             "both set.");
}
END_TEST

START_TEST(a_temporary_folder_when_none_is_given)
{
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(crew_estimator_new(&job, NULL, &e, &err), CREW_OK);
    ck_assert(logged("Using temporary folder as model directory: /"));
    ck_assert(logged(crew_estimator_model_dir(e)));
    ck_assert_int_eq(
        fs_remove_tree(env_posix(), crew_estimator_model_dir(e), &err),
        CREW_OK);
    crew_estimator_free(e);
    crew_estimator_free(NULL);
}
END_TEST

/* An evaluator's process may evaluate, but not train. */
START_TEST(roles_of_tf_config)
{
    struct crew_estimator *e = make();
    struct crew_estimator *evaluator;
    struct crew_results *r = NULL;
    struct crew_err err = {0};

    train_to(e, 2);
    crew_estimator_free(e);
    (void)setenv("TF_CONFIG",
                 "{\"cluster\": {\"chief\": [\"127.0.0.1:29001\"], \"ps\": "
                 "[\"127.0.0.1:29002\"]}, \"task\": {\"type\": \"evaluator\", "
                 "\"index\": 0}}",
                 1);
    evaluator = make();
    ck_assert_int_eq(crew_estimator_train(evaluator, input_fn, NULL, &err),
                     CREW_FAILED_PRECONDITION);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "Train has been called wrong configuration."));
    err = (struct crew_err){0};
    ck_assert_int_eq(
        crew_estimator_evaluate(evaluator, input_fn, NULL, &r, &err), CREW_OK);
    ck_assert(crew_results_get(r, "global_step", -1) == 2);
    crew_results_free(r);
    crew_estimator_free(evaluator);
    forget_log();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("estimator");
    TCase *tc = tcase_create("calls");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, steps_and_max_steps);
    tcase_add_test(tc, to_the_end_of_the_input);
    tcase_add_test(tc, two_estimators_have_what_is_theirs);
    tcase_add_test(tc, arguments_are_checked_and_hooks_freed);
    tcase_add_test(tc, training_hooks_run);
    tcase_add_test(tc, evaluation_returns_all_by_key);
    tcase_add_test(tc, evaluation_without_a_checkpoint);
    tcase_add_test(tc, evaluation_of_an_older_checkpoint);
    tcase_add_test(tc, predictions_one_by_one);
    tcase_add_test(tc, predictions_by_batch_and_key);
    tcase_add_test(tc, predictions_that_cannot_be);
    tcase_add_test(tc, export_and_its_refusals);
    tcase_add_test(tc, variables_of_the_newest_checkpoint);
    tcase_add_test(tc, train_and_evaluate_here);
    tcase_add_test(tc, what_cannot_be_made);
    tcase_add_test(tc, a_temporary_folder_when_none_is_given);
    tcase_add_test(tc, roles_of_tf_config);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
