/* SPDX-License-Identifier: Apache-2.0
 * An Estimator's calls with what is none: a NULL, a freed Estimator, no input
 * function, no place for the result; and listeners where nothing is saved. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "run_suite.h"
#include "two_columns.h"

static float features[32];
static int64_t labels[16];
static char model_dir[64];

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    struct crew_dataset *d = two_columns(features, labels, 16);

    (void)err;
    *out = crew_dataset_batch(
        crew_dataset_repeat(d, ctx->mode == CREW_TRAIN ? -1 : 1), 16, true);
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
    (void)params;
    crew_spec_prediction(spec, "logits", two_classes(g, in, y, mode, spec));
    crew_spec_minimize(spec, crew_gradient_descent(0.1));
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "misuse", model_fn, NULL};

static void set_up(void)
{
    log_set_level(LOG_ERROR);
    (void)snprintf(model_dir, sizeof model_dir, "/tmp/crew-misuse-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(model_dir));
}

static void tear_down(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), model_dir, &err), CREW_OK);
}

static struct crew_estimator *make_with(const char *const *params, int n)
{
    struct crew_estimator_args args = {
        .model_dir = model_dir, .params = params, .num_params = n};
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    ck_assert_msg(crew_estimator_new(&job, &args, &e, &err) == CREW_OK, "%s",
                  err.msg);
    return e;
}

static struct crew_estimator *make(void)
{
    return make_with(NULL, 0);
}

/* Every call with what is none: words and 64, never a crash. */
static void ck_refused(int code, struct crew_err *err, const char *words)
{
    ck_assert_int_eq(code, CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(crew_err_exit_code(err), 64);
    ck_assert_msg(strstr(err->msg, words) != NULL, "%s lacks %s", err->msg,
                  words);
    *err = (struct crew_err){0};
}

static void ck_no_estimator(struct crew_estimator *e, const char *words)
{
    struct crew_results *results = NULL;
    struct crew_predictions *p = NULL;
    struct crew_err err = {0};
    enum crew_dtype dtype;
    struct crew_shape shape;
    void *data = NULL;
    char **names = NULL, *dir = NULL;
    int n = 7;

    ck_refused(crew_estimator_train(e, input_fn, NULL, &err), &err, words);
    ck_refused(crew_estimator_evaluate(e, input_fn, NULL, &results, &err), &err,
               words);
    ck_refused(crew_estimator_predict(e, input_fn, NULL, &p, &err), &err,
               words);
    ck_refused(crew_estimator_export_saved_model(e, "x", CREW_PREDICT, NULL,
                                                 &dir, &err),
               &err, words);
    ck_refused(crew_estimator_get_variable_names(e, &names, &n, &err), &err,
               words);
    ck_refused(
        crew_estimator_get_variable_value(e, "v", &dtype, &shape, &data, &err),
        &err, words);
    ck_refused(crew_train_and_evaluate(e, NULL, NULL, &err), &err, words);
    ck_assert_ptr_null(crew_estimator_model_dir(e));
    ck_assert_ptr_null(crew_estimator_latest_checkpoint(e));
    ck_assert_ptr_null(crew_estimator_last_results(e));
    ck_assert_ptr_null(crew_estimator_last_exports(e, &n));
    ck_assert_int_eq(n, 0);
    crew_estimator_free(e);
}

START_TEST(none_and_freed)
{
    struct crew_estimator *e = make();

    ck_no_estimator(NULL, "the Estimator is NULL; crew_estimator_new() makes");
    crew_estimator_free(e);
    ck_no_estimator(e, "the Estimator is none, or has been freed");
}
END_TEST

START_TEST(arguments_that_are_null)
{
    struct crew_estimator *e = make();
    struct crew_results *results = NULL;
    struct crew_predictions *p = NULL;
    struct crew_prediction row;
    struct crew_err err = {0};
    char **names = NULL;

    ck_refused(crew_estimator_new(&job, NULL, NULL, &err), &err, "is NULL");
    ck_refused(crew_estimator_train(e, NULL, NULL, &err), &err,
               "`input_fn` must be callable, given: None");
    ck_refused(crew_estimator_evaluate(e, NULL, NULL, &results, &err), &err,
               "`input_fn` must be callable, given: None");
    ck_refused(crew_estimator_evaluate(e, input_fn, NULL, NULL, &err), &err,
               "crew_estimator_evaluate: results is NULL");
    ck_refused(crew_estimator_predict(e, NULL, NULL, &p, &err), &err,
               "`input_fn` must be callable, given: None");
    ck_refused(crew_estimator_predict(e, input_fn, NULL, NULL, &err), &err,
               "crew_estimator_predict: predictions is NULL");
    ck_refused(crew_predictions_next(NULL, &row, &err), &err,
               "crew_predictions_next: predictions is NULL");
    ck_refused(crew_estimator_export_saved_model(e, "x", CREW_PREDICT, NULL,
                                                 NULL, &err),
               &err, "dir is NULL");
    ck_refused(crew_estimator_get_variable_names(e, &names, NULL, &err), &err,
               "n is NULL");
    ck_refused(
        crew_estimator_get_variable_value(e, NULL, NULL, NULL, NULL, &err),
        &err, "the name is NULL");
    crew_estimator_free(e);
}
END_TEST

/* ------------------------------------------------------- without checkpoints
 */

static const struct crew_saving_listener_ops no_listener = {0};

/* save_checkpoints_steps and _secs both None. */
START_TEST(nothing_is_saved)
{
    static const char *const params[] = {"save_checkpoints_secs=None"};
    struct crew_estimator *e = make_with(params, 1);
    struct crew_saving_listener listener = {&no_listener, NULL};
    struct crew_train_args args = {.max_steps = 2,
                                   .saving_listeners = &listener,
                                   .num_saving_listeners = 1};
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_err err = {0};

    ck_refused(crew_estimator_train(e, input_fn, &args, &err), &err,
               "There should be a CheckpointSaverHook to use saving_listeners. "
               "Please set one of the RunConfig.save_checkpoints_steps or "
               "RunConfig.save_checkpoints_secs.");
    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = input_fn;
    es.input_fn = input_fn;
    ts.max_steps = 2;
    ck_refused(crew_train_and_evaluate(e, &ts, &es, &err), &err,
               "There should be a CheckpointSaverHook to use saving_listeners");
    args.num_saving_listeners = 0;
    ck_assert_msg(crew_estimator_train(e, input_fn, &args, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert_ptr_null(crew_estimator_latest_checkpoint(e));
    crew_estimator_free(e);
}
END_TEST

/* Is the text somewhere in dir/name? */
static bool has_bytes(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);
    struct crew_err err = {0};
    char *all = NULL;
    size_t n;
    bool found;

    ck_assert_msg(
        fs_read_file(env_posix(), path, 1 << 20, &all, &n, &err) == CREW_OK,
        "%s", err.msg);
    found = memmem(all, n, text, strlen(text)) != NULL;
    free(all);
    free(path);
    return found;
}

/* EVAL is exported; TRAIN is not, nor what is no mode. */
START_TEST(modes_of_an_export)
{
    struct crew_estimator *e = make();
    struct crew_train_args steps = {.max_steps = 1};
    struct crew_export_args args = {.input_fn = input_fn};
    struct crew_err err = {0};
    char base[96];
    char *dir = NULL;

    (void)snprintf(base, sizeof base, "%s/served", model_dir);
    ck_assert_int_eq(crew_estimator_train(e, input_fn, &steps, &err), CREW_OK);
    ck_assert_msg(crew_estimator_export_saved_model(e, base, CREW_EVAL, &args,
                                                    &dir, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert(has_bytes(dir, "saved_model.pb", "eval"));
    free(dir);
    dir = NULL;
    ck_assert_int_eq(crew_estimator_export_saved_model(e, base, CREW_TRAIN,
                                                       &args, &dir, &err),
                     CREW_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "CREW_TRAIN is not exported"));
    err = (struct crew_err){0};
    ck_refused(crew_estimator_export_saved_model(e, base, (enum crew_mode)7,
                                                 &args, &dir, &err),
               &err, "there is no mode 7");
    ck_assert_ptr_null(dir);
    crew_estimator_free(e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("estimator_misuse");
    TCase *tc = tcase_create("estimator_misuse");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, none_and_freed);
    tcase_add_test(tc, arguments_that_are_null);
    tcase_add_test(tc, nothing_is_saved);
    tcase_add_test(tc, modes_of_an_export);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
