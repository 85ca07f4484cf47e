/* SPDX-License-Identifier: Apache-2.0
 * What a model function may hand over that is none, or not its own: an error
 * with words and exit code 1, and never a crash. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "graph/graph.h"
#include "run_suite.h"
#include "two_columns.h"

static float features[32];
static int64_t labels[16];

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    (void)ctx, (void)err;
    *out = crew_dataset_batch(two_columns(features, labels, 16), 16, true);
    return CREW_OK;
}

/* What a model function may do wrong; `kept` is of another graph. */
static struct crew_node *kept, *gone;
static struct crew_metric *kept_metric;

static int misuse(const char *how, struct crew_graph *g, struct crew_spec *spec)
{
    if (strcmp(how, "foreign loss") == 0) {
        crew_spec_loss(spec, kept);
    } else if (strcmp(how, "foreign prediction") == 0) {
        crew_spec_prediction(spec, "kept", kept);
    } else if (strcmp(how, "no prediction") == 0) {
        crew_spec_prediction(spec, "nothing", NULL);
    } else if (strcmp(how, "no key") == 0) {
        crew_spec_prediction(spec, NULL, NULL);
    } else if (strcmp(how, "no metric") == 0) {
        crew_spec_metric(spec, "nothing", NULL);
    } else if (strcmp(how, "twice") == 0) {
        crew_spec_metric(spec, "accuracy", NULL);
    } else if (strcmp(how, "foreign metric") == 0) {
        crew_spec_metric(spec, "kept", kept_metric);
    } else if (strcmp(how, "gone loss") == 0) {
        crew_spec_loss(spec, gone);
    } else if (strcmp(how, "gone summary") == 0) {
        crew_spec_summary(spec, "gone", gone);
    } else if (strcmp(how, "foreign output") == 0) {
        crew_spec_export_predict(spec, "s", "kept", kept);
    } else if (strcmp(how, "gone scores") == 0) {
        crew_spec_export_classify(spec, "s", gone, NULL,
                                  (struct crew_labels){0});
    } else if (strcmp(how, "gone value") == 0) {
        crew_spec_export_regress(spec, "s", gone);
    } else if (strcmp(how, "no signature") == 0) {
        crew_spec_export_predict(spec, NULL, "k", NULL);
    } else if (strcmp(how, "no output key") == 0) {
        crew_spec_export_predict(spec, "s", NULL, NULL);
    } else if (strcmp(how, "no scope") == 0) {
        crew_spec_minimize_scope(spec, NULL, crew_gradient_descent(1));
    } else if (strcmp(how, "scaffold") == 0) {
        crew_spec_scaffold(spec, (struct crew_scaffold){.max_to_keep = -1});
    } else if (strcmp(how, "no graph") == 0) {
        return crew_graph_status(NULL, &(struct crew_err){0});
    } else if (strcmp(how, "no hook") == 0) {
        crew_spec_training_hook(spec, (struct crew_hook){NULL, NULL});
    } else if (strcmp(how, "silence") == 0) {
        return CREW_UNAVAILABLE;
    } else if (strcmp(how, "garbage") == 0) {
        return 4711;
    }
    return crew_graph_status(g, &(struct crew_err){0});
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    const char *how = crew_params_str(params, "misuse", "none");
    struct crew_node *logits = two_classes(g, in, y, mode, spec);

    crew_spec_prediction(spec, "logits", logits);
    crew_spec_metric(spec, "accuracy",
                     crew_metric_accuracy(g, y, crew_argmax(g, logits, 1)));
    crew_spec_minimize(spec, crew_gradient_descent(0.5));
    if (strcmp(how, "none") != 0) {
        return misuse(how, g, spec);
    }
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "misuse", model_fn, NULL};

/* One step of training; what came of it is in err. */
static void train_with(const char *param, struct crew_err *err)
{
    char dir[] = "/tmp/crew-misuse-XXXXXX";
    struct crew_estimator_args args = {
        .model_dir = dir, .params = &param, .num_params = 1};
    struct crew_train_args steps = {.steps = 1};
    struct crew_estimator *e = NULL;
    struct crew_err ignored = {0};

    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(crew_estimator_new(&job, &args, &e, err), CREW_OK);
    (void)crew_estimator_train(e, input_fn, &steps, err);
    crew_estimator_free(e);
    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &ignored), CREW_OK);
}

START_TEST(misuse_by_a_model_function)
{
    static const struct {
        const char *param, *words;
    } cases[] = {
        {"misuse=foreign loss",
         "loss with \"a node of another graph\" must be from the default "
         "graph. "
         "Possible causes of this error include: "},
        {"misuse=foreign prediction",
         "prediction values with \"kept\" must be from the default graph."},
        {"misuse=no prediction",
         "predictions[nothing] must be Tensor, given: None"},
        {"misuse=no key", "a prediction's key is NULL"},
        {"misuse=no metric",
         "Values of eval_metric_ops must be (metric_value, update_op) tuples, "
         "given: None for key: nothing"},
        {"misuse=twice", "metric 'accuracy' is given twice"},
        {"misuse=foreign metric",
         "eval_metric_ops with \"kept\" must be from the default graph."},
        {"misuse=gone loss", "loss with \"a node of another graph\" must be"},
        {"misuse=gone summary", "summary with \"gone\" must be from the"},
        {"misuse=foreign output", "export 's': an output must be from the"},
        {"misuse=gone scores", "export 's': an output must be from the"},
        {"misuse=gone value", "export 's': an output must be from the"},
        {"misuse=no signature", "a signature's name is NULL"},
        {"misuse=no output key", "an output's key is NULL"},
        {"misuse=no scope", "crew_spec_minimize_scope: the scope is NULL"},
        {"misuse=scaffold", "scaffold: max_to_keep and "},
        {"misuse=no graph", "the model function returned INVALID_ARGUMENT"},
        {"misuse=no hook",
         "All hooks must be SessionRunHook instances, given: "},
        {"misuse=silence", "the model function returned UNAVAILABLE (14)"},
        {"misuse=garbage", "the model function returned UNKNOWN (4711)"},
    };
    struct crew_err fine = {0};

    log_set_level(LOG_ERROR);
    struct crew_graph *other = graph_new();
    kept = graph_input(other, "kept", CREW_FLOAT, crew_shape2(-1, 2));
    kept_metric = crew_metric_mean(other, kept);
    struct crew_graph *freed = graph_new();
    gone = graph_input(freed, "gone", CREW_FLOAT, crew_shape2(-1, 2));
    graph_free(freed);
    train_with("misuse=none", &fine);
    ck_assert_msg(fine.code == CREW_OK, "%s", fine.msg);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crew_err err = {0};

        train_with(cases[i].param, &err);
        ck_assert_int_ne(err.code, CREW_OK);
        ck_assert_msg(strstr(err.msg, cases[i].words) != NULL, "%s", err.msg);
        ck_assert_int_eq(crew_err_exit_code(&err), 1);
    }
    graph_free(other);
}
END_TEST

/* Without a spec there is nowhere to say so: nothing happens, hooks are freed.
 */
static void count_free(void *self)
{
    ++*(int *)self;
}

START_TEST(no_spec)
{
    static const struct crew_hook_ops ops = {.free = count_free};
    int freed = 0;

    crew_spec_prediction(NULL, "k", NULL);
    crew_spec_loss(NULL, NULL);
    crew_spec_minimize(NULL, crew_gradient_descent(1));
    crew_spec_metric(NULL, "k", NULL);
    crew_spec_summary(NULL, "t", NULL);
    crew_spec_summary_histogram(NULL, "t", NULL);
    crew_spec_summary_image(NULL, "t", NULL, 1);
    crew_spec_summary_text(NULL, "t", "x");
    crew_spec_summary_variables(NULL, NULL);
    crew_spec_signature(NULL, "s");
    crew_spec_export_predict(NULL, "s", "k", NULL);
    crew_spec_export_classify(NULL, "s", NULL, NULL, (struct crew_labels){0});
    crew_spec_export_regress(NULL, "s", NULL);
    crew_spec_scaffold(NULL, (struct crew_scaffold){0});
    crew_spec_hook(NULL, &ops, &freed, false);
    crew_spec_training_hook(NULL, (struct crew_hook){&ops, &freed});
    crew_spec_evaluation_hook(NULL, (struct crew_hook){&ops, &freed});
    crew_spec_prediction_hook(NULL, (struct crew_hook){&ops, &freed});
    ck_assert_int_eq(freed, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec_misuse");
    TCase *tc = tcase_create("cases");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, misuse_by_a_model_function);
    tcase_add_test(tc, no_spec);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
