/* SPDX-License-Identifier: Apache-2.0
 * Heads in programs: trained, evaluated, asked for predictions and exported as
 * a job's, and what they refuse. Their numbers are golden/metrics' affair. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/env.h"
#include "base/log.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "estimator/export/model_export.h"
#include "graph/graph.h"
#include "kernels/blas.h"
#include "run_suite.h"
#include "serving/model.h"

enum { ROWS = 64, BATCH = 16 };

static float features[ROWS * 2], weights[ROWS];
static int64_t labels[ROWS], bad_labels[ROWS];
static struct crew_err err;

/* A label is whether the first number is above the second. */
static void setup(void)
{
    err = (struct crew_err){0};
    log_set_level(LOG_ERROR);
    for (int i = 0; i < ROWS; i++) {
        features[2 * i] = (float)(i * 37 % 19) / 9.0f - 1.0f;
        features[2 * i + 1] = (float)(i * 11 % 17) / 8.0f - 1.0f;
        labels[i] = features[2 * i] > features[2 * i + 1] ? 1 : 0;
        bad_labels[i] = i == 21 ? 2 : labels[i];
        weights[i] = (float)(i % 3) * 0.5f;
    }
}

static const int64_t *label_data = labels;

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *e)
{
    static const struct crew_column columns[] = {
        {"x", CREW_FLOAT, {1, {2}}, false},
        {"w", CREW_FLOAT, {0, {0}}, false},
        {"y", CREW_INT64, {0, {0}}, true},
    };
    const void *data[] = {features, weights, label_data};
    struct crew_dataset *d = crew_dataset_arrays(columns, data, 3, ROWS);

    (void)e;
    d = ctx->mode == CREW_TRAIN ? crew_dataset_repeat(d, -1) : d;
    *out = crew_dataset_batch(d, BATCH, false);
    return CREW_OK;
}

static const char *const words[] = {"below", "above"};
static const float at[] = {0.25f, 0.5f};

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *e)
{
    const struct crew_optimizer sgd = crew_gradient_descent(0.5);
    struct crew_head_options o = {
        .weight_column =
            crew_params_bool(params, "weighted", false) ? "w" : NULL,
        .thresholds = at,
        .num_thresholds = 2,
        .label_vocabulary = words,
        .vocabulary_size = 2,
        .name = crew_params_str(params, "name", NULL),
        .version = (int)crew_params_int(params, "version", 0)};
    struct crew_head *head = crew_binary_class_head(g, &o);
    struct crew_head_args args = {
        .mode = mode, .features = in, .labels = y, .optimizer = &sgd};

    args.logits = crew_dense(g, "logits", crew_feature(in, "x"),
                             crew_head_logits_dimension(head), CREW_LINEAR);
    args.regularization_loss = crew_l2_regularizer(
        g, crew_reshape(g, args.logits, crew_shape2(-1, 1)), 0.0);
    return crew_head_spec(g, head, &args, spec, e);
}

static const struct crew_job job = {CREW_ABI_VERSION, "head", model_fn, NULL};

static void must(int code)
{
    ck_assert_msg(code == CREW_OK, "%s", err.msg);
}

static char dir[64];

static struct crew_estimator *new_estimator(const char *const *params, int n)
{
    struct crew_estimator_args args = {
        .model_dir = dir, .params = params, .num_params = n};
    struct crew_estimator *e = NULL;

    (void)snprintf(dir, sizeof dir, "/tmp/crew-head-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    must(crew_estimator_new(&job, &args, &e, &err));
    return e;
}

static void end(struct crew_estimator *e)
{
    struct crew_err ignored = {0};

    crew_estimator_free(e);
    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &ignored), CREW_OK);
}

static char *keys_of(const struct crew_results *r)
{
    struct strbuf keys;

    strbuf_init(&keys);
    for (int i = 0; i < crew_results_num(r); i++) {
        strbuf_addf(&keys, "%s ", crew_results_at(r, i)->key);
    }
    return strbuf_detach(&keys);
}

/* ------------------------------------------------------------- as Estimator */

START_TEST(evaluation_has_tensorflows_keys)
{
    static const char *const params[] = {"weighted=true", "name=late"};
    struct crew_estimator *e = new_estimator(params, _i == 0 ? 1 : 2);
    struct crew_train_args steps = {.steps = 60};
    struct crew_results *r = NULL;
    char *keys;

    must(crew_estimator_train(e, input_fn, &steps, &err));
    must(crew_estimator_evaluate(e, input_fn, NULL, &r, &err));
    keys = keys_of(r);
    ck_assert_str_eq(
        keys,
        _i == 0
            ? "accuracy accuracy/positive_threshold_0.25 "
              "accuracy/positive_threshold_0.5 accuracy_baseline auc "
              "auc_precision_recall average_loss global_step label/mean loss "
              "precision precision/positive_threshold_0.25 "
              "precision/positive_threshold_0.5 prediction/mean recall "
              "recall/positive_threshold_0.25 recall/positive_threshold_0.5 "
              "regularization_loss "
            : "accuracy/late accuracy/positive_threshold_0.25/late "
              "accuracy/positive_threshold_0.5/late accuracy_baseline/late "
              "auc/late auc_precision_recall/late average_loss/late "
              "global_step label/mean/late loss precision/late "
              "precision/positive_threshold_0.25/late "
              "precision/positive_threshold_0.5/late prediction/mean/late "
              "recall/late recall/positive_threshold_0.25/late "
              "recall/positive_threshold_0.5/late regularization_loss/late ");
    free(keys);
    ck_assert(crew_results_get(r, _i == 0 ? "auc" : "auc/late", 0) > 0.98);
    crew_results_free(r);
    end(e);
}
END_TEST

START_TEST(predictions_are_words_too)
{
    struct crew_estimator *e = new_estimator(NULL, 0);
    struct crew_train_args steps = {.steps = 200};
    struct crew_predictions *p = NULL;
    struct crew_prediction row;
    int n = 0, right = 0;

    must(crew_estimator_train(e, input_fn, &steps, &err));
    must(crew_estimator_predict(e, input_fn, NULL, &p, &err));
    while (crew_predictions_next(p, &row, &err) == CREW_OK) {
        static const char *const keys[] = {
            "logits",  "logistic",      "probabilities", "class_ids",
            "classes", "all_class_ids", "all_classes"};
        const char *const *all;
        int64_t id;

        ck_assert_int_eq(row.n, 7);
        for (int i = 0; i < 7; i++) {
            ck_assert_str_eq(row.values[i].key, keys[i]);
        }
        id = *(const int64_t *)row.values[3].value.data;
        ck_assert_int_eq(row.values[4].value.dtype, CREW_STRING);
        ck_assert_int_eq(row.values[4].value.shape.rank, 1);
        ck_assert_str_eq(*(const char *const *)row.values[4].value.data,
                         words[id]);
        ck_assert_int_eq(row.values[5].value.dtype, CREW_INT32);
        ck_assert_int_eq(((const int32_t *)row.values[5].value.data)[1], 1);
        all = row.values[6].value.data;
        ck_assert_int_eq(row.values[6].value.shape.dim[0], 2);
        ck_assert_str_eq(all[0], "below");
        ck_assert_str_eq(all[1], "above");
        right += id == labels[n++];
    }
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    ck_assert_int_eq(n, ROWS);
    ck_assert_int_ge(right, ROWS - 4);
    crew_predictions_free(p);
    end(e);
}
END_TEST

START_TEST(a_label_that_is_no_class_ends_training)
{
    static const char *const params[] = {"version=1"};
    struct crew_estimator *e = new_estimator(params, _i);
    struct crew_train_args steps = {.steps = 8};

    label_data = bad_labels;
    ck_assert_int_eq(crew_estimator_train(e, input_fn, &steps, &err),
                     CREW_INVALID_ARGUMENT);
    label_data = labels;
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    ck_assert_msg(
        strstr(err.msg, _i == 1 ? "assertion failed: [Labels must <= n_classes "
                                  "- 1] Label 2 in row 5 of the batch"
                                : "assertion failed: [Labels must be <= "
                                  "n_classes - 1] Label 2 in row 5 of the "
                                  "batch is not in [0, 1]") != NULL,
        "%s", err.msg);
    end(e);
}
END_TEST

/* ------------------------------------------------------------------ exports */

static const struct dataset_spec element = {
    .n = 2,
    .component = {{"x", CREW_FLOAT, {2, {-1, 2}}, false, false},
                  {"y", CREW_INT64, {1, {-1}}, true, false}},
    .max_batch = BATCH,
};

/* "key:method outputs..." of each signature. */
static char *signatures_of(const struct model_export *x)
{
    struct strbuf out;

    strbuf_init(&out);
    for (int i = 0; i < x->request.n_signatures; i++) {
        const struct export_signature *s = &x->request.signatures[i];

        strbuf_addf(&out, "%s:%d", s->key, (int)s->method);
        for (int k = 0; k < s->n_outputs; k++) {
            strbuf_addf(&out, " %s", s->outputs[k].key);
        }
        strbuf_addstr(&out, "; ");
    }
    return strbuf_detach(&out);
}

static int regression_fn(struct crew_graph *g,
                         const struct crew_features *in,
                         struct crew_node *y,
                         enum crew_mode mode,
                         const struct crew_params *params,
                         struct crew_spec *spec,
                         struct crew_err *e)
{
    struct crew_head_args args = {.mode = mode, .features = in, .labels = y};

    (void)params;
    args.logits =
        crew_dense(g, "logits", crew_feature(in, "x"), 1, CREW_LINEAR);
    return crew_head_spec(g, crew_poisson_regression_head(g, 1, NULL), &args,
                          spec, e);
}

static const struct crew_job counts = {CREW_ABI_VERSION, "counts",
                                       regression_fn, NULL};

START_TEST(exports_have_tensorflows_signatures)
{
    struct crew_params *params = params_new();
    struct model *m = NULL;
    struct model_export x = {0};
    char *text;

    must(model_build(_i == 0 ? &job : &counts, params, CREW_PREDICT, &element,
                     &m, &err));
    must(model_export_init(&x, m, NULL, params, &err));
    text = signatures_of(&x);
    ck_assert_str_eq(
        text, _i == 0 ? "serving_default:1 classes scores; classification:1 "
                        "classes scores; regression:2 outputs; predict:0 "
                        "logits logistic probabilities class_ids classes "
                        "all_class_ids all_classes; "
                      : "serving_default:2 outputs; regression:2 outputs; "
                        "predict:0 predictions logits; ");
    free(text);
    model_export_release(&x);
    model_free(m);
    params_free(params);
}
END_TEST

/* The predict signature's words, from the exported graph. With
 * CREW_HEAD_EXPORT_DIR=DIR it goes there too. */
START_TEST(an_export_says_the_words)
{
    struct crew_exporter how = {.kind = CREW_EXPORTER_FINAL};
    const char *judge = getenv("CREW_HEAD_EXPORT_DIR");
    struct crew_params *params = params_new();
    struct crew_env *env = env_mem_new(3);
    struct serving_model *served = NULL;
    struct weights w = {0};
    struct model *m = NULL;
    struct model_export x = {0};
    struct serving_feed feed = {.tensor = "x:0"};
    struct value out[3] = {{0}};
    struct crew_shape shape = crew_shape2(3, 2);
    const char *fetches[3];
    char *made = NULL;

    must(model_build(&job, params, CREW_PREDICT, &element, &m, &err));
    must(model_export_init(&x, m, &how, params, &err));
    must(weights_new(m->graph, NULL, false, &w, &err));
    weights_init(&w, m->graph, 7);
    model_export_values(&x, &w, 3);
    must(fs_make_dirs(env, "base", &err));
    must(saved_model_write(env, "base", &x.request, &made, &err));
    must(serving_model_open(env, made, &served, &err));
    for (size_t i = 0, n = 0; n < 3; i++) {
        const Tensorflow__SignatureDef *s =
            serving_signature(served, "predict");
        const char *key = s->outputs[i]->key;

        if (strcmp(key, "classes") == 0 || strncmp(key, "all_", 4) == 0) {
            fetches[n++] = s->outputs[i]->value->name;
        }
    }
    must(value_new(&feed.value, CREW_FLOAT, &shape, &err));
    memcpy(feed.value.data, features, 6 * sizeof(float));
    must(serving_run(served, &feed, 1, fetches, 3, out, &err));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(out[i].shape.rank, 2);
        ck_assert_int_eq(out[i].shape.dim[0], 3);
        if (out[i].dtype == CREW_INT32) {
            ck_assert_int_eq(out[i].i32[5], 1);
        } else if (out[i].shape.dim[1] == 2) {
            ck_assert_int_eq(memcmp(out[i].str[4].data, "below", 5), 0);
        }
        value_release(&out[i]);
    }
    if (judge != NULL) {
        free(made);
        must(saved_model_write(env_posix(), judge, &x.request, &made, &err));
    }
    value_release(&feed.value);
    serving_model_close(served);
    free(made);
    model_export_release(&x);
    weights_release(&w);
    model_free(m);
    env_mem_free(env);
    params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ refusals
 */

static struct crew_graph *g;
static struct crew_spec *spec;
static struct crew_node *ids, *numbers, *column, *pair, *triple;
static struct crew_features *none;

static void setup_graph(void)
{
    setup();
    g = graph_new();
    spec = spec_new(g);
    ids = graph_input(g, "ids", CREW_INT64, crew_shape1(-1));
    numbers = graph_input(g, "numbers", CREW_FLOAT, crew_shape1(-1));
    column = graph_input(g, "column", CREW_FLOAT, crew_shape2(-1, 1));
    pair = graph_input(g, "pair", CREW_FLOAT, crew_shape2(-1, 2));
    triple = graph_input(g, "triple", CREW_FLOAT, crew_shape2(-1, 3));
    none = features_new(g, NULL, 0);
}

static void teardown_graph(void)
{
    features_free(none);
    spec_free(spec);
    graph_free(g);
}

static void refused(struct crew_head *head,
                    struct crew_head_args args,
                    const char *text)
{
    struct crew_err e = {0};

    ck_assert_int_ne(crew_head_spec(g, head, &args, spec, &e), CREW_OK);
    ck_assert_msg(strstr(e.msg, text) != NULL, "got: %s\nwant: %s", e.msg,
                  text);
    ck_assert_int_eq(crew_err_exit_code(&e), 1);
}

#define ARGS(...) ((struct crew_head_args){__VA_ARGS__})
#define OPTIONS(...) (&(struct crew_head_options){__VA_ARGS__})

static const float edge[] = {0.5f, 1.0f};
static const int64_t fourth[] = {3};

static struct crew_node *flat_loss(void *self,
                                   struct crew_graph *graph,
                                   struct crew_node *y,
                                   struct crew_node *logits)
{
    (void)self;
    (void)y;
    return crew_reduce_mean(graph, logits);
}

static struct crew_head *other_with(int i, const char **text)
{
    switch (i) {
        case 7:
            *text =
                "All classes_for_class_based_metrics must be in range [0, "
                "2]. Given: 3";
            return crew_multi_label_head(
                g, 3,
                OPTIONS(.classes_for_class_based_metrics = fourth,
                        .num_classes_for_metrics = 1));
        case 8:
            *text = "RegressionHead: has no thresholds";
            return crew_regression_head(
                g, 1, OPTIONS(.thresholds = at, .num_thresholds = 1));
        case 9:
            *text =
                "BinaryClassHead: thresholds and num_thresholds (2) do not "
                "go together";
            return crew_binary_class_head(g, OPTIONS(.num_thresholds = 2));
        case 10:
            *text = "BinaryClassHead: version is 3. Fix: 1 or 2";
            return crew_binary_class_head(g, OPTIONS(.version = 3));
        case 11:
            *text = "LogisticRegressionHead: has no loss_fn";
            return crew_logistic_regression_head(g,
                                                 OPTIONS(.loss_fn = flat_loss));
        case 12:
            *text = "BinaryClassHead: has no inverse_link_fn";
            return crew_binary_class_head(g,
                                          OPTIONS(.inverse_link_fn = crew_exp));
        default:
            *text = "RegressionHead: has no compute_full_loss";
            return crew_regression_head(g, 1, OPTIONS(.no_full_loss = true));
    }
}

/* Options, by number. */
static struct crew_head *head_with(int i, const char **text)
{
    switch (i) {
        case 0:
            *text = "BinaryClassHead: thresholds not in (0, 1): 1.";
            return crew_binary_class_head(
                g, OPTIONS(.thresholds = edge, .num_thresholds = 2));
        case 1:
            *text = "MultiClassHead: n_classes must be > 2: 2.";
            return crew_multi_class_head(g, 2, NULL);
        case 2:
            *text =
                "MultiLabelHead: n_classes must be > 1 for multi-label "
                "classification. Given: 1";
            return crew_multi_label_head(g, 1, NULL);
        case 3:
            *text = "RegressionHead: Invalid label_dimension 0.";
            return crew_regression_head(g, 0, NULL);
        case 4:
            *text =
                "MultiClassHead: \"label_vocabulary\" does not have "
                "\"n_classes\" items. len(label_vocabulary)=2, n_classes=3";
            return crew_multi_class_head(
                g, 3, OPTIONS(.label_vocabulary = words, .vocabulary_size = 2));
        case 5:
            *text =
                "MultiLabelHead: Length of label_vocabulary must be "
                "n_classes (3). Given: 2";
            return crew_multi_label_head(
                g, 3, OPTIONS(.label_vocabulary = words, .vocabulary_size = 2));
        case 6:
            *text =
                "Invalid loss_reduction: 3. See enum crew_head_reduction "
                "for valid options. This one is of version 1";
            return crew_binary_class_head(
                g, OPTIONS(.loss_reduction = CREW_HEAD_MEAN));
        default:
            return other_with(i, text);
    }
}

START_TEST(options_that_cannot_be)
{
    const char *text = NULL;
    struct crew_head *head = head_with(_i, &text);

    refused(head, ARGS(.logits = column, .labels = ids), text);
}
END_TEST

/* What is asked of a head, and what it says. */
struct request {
    struct crew_head *head;
    struct crew_head_args args;
    const char *text;
};

static void wrong_call(int i, struct request *r)
{
    static struct crew_optimizer sgd;

    sgd = crew_gradient_descent(1.0);
    switch (i) {
        case 7:
            r->head = crew_binary_class_head(g, OPTIONS(.weight_column = "w"));
            r->text = "weight_column 'w' is a feature, but features is NULL";
            break;
        case 8:
            r->head = crew_binary_class_head(g, OPTIONS(.weight_column = "w"));
            r->args.weights = numbers;
            r->text = "weights and weight_column 'w' cannot both be set.";
            break;
        case 9:
            r->args.mode = CREW_TRAIN;
            r->text = "train_op_fn and optimizer cannot both be None.";
            break;
        case 10:
            r->args.mode = CREW_TRAIN;
            r->args.optimizer = &sgd;
            crew_spec_minimize(spec, sgd);
            r->text = "train_op_fn and optimizer cannot both be set.";
            break;
        case 11:
            r->args.mode = (enum crew_mode)7;
            r->text = "mode=7 unrecognized";
            break;
        case 12:
            r->head = NULL;
            r->text = "crew_head_spec: the head is NULL";
            break;
        case 13:
            r->head = (struct crew_head *)(void *)spec;
            r->text = "crew_head_spec: the head is of another graph";
            break;
        default:
            r->head = crew_binary_class_head(g, OPTIONS(.loss_fn = flat_loss));
            r->text =
                "loss_fn must return Tensor of shape [D0, D1, ... DN, 1].";
    }
}

static void wrong_tensor(int i, struct request *r)
{
    switch (i) {
        case 0:
            r->args.logits = pair;
            r->text =
                "logits shape must be [D0, D1, ... DN, logits_dimension], "
                "got (None, 2).";
            break;
        case 1:
            r->args.logits = NULL;
            r->text = "logits";
            break;
        case 2:
            r->args.labels = NULL;
            r->text =
                "You must provide a labels Tensor. Given: None. Suggested "
                "troubleshooting steps: Check that your data contains your "
                "label feature.";
            break;
        case 3:
            r->args.labels = pair;
            r->text =
                "Mismatched label shape. Expected labels dimension=1.  "
                "Received 2. Suggested Fix: If your classifier expects "
                "one-hot encoding label,";
            break;
        case 4:
            r->head = crew_multi_class_head(g, 3, NULL);
            r->args.logits = triple;
            r->args.labels = numbers;
            r->text =
                "Labels dtype should be integer. Instead got <dtype: "
                "'float32'>.";
            break;
        case 5:
            r->args.weights = pair;
            r->text =
                "weights shape must be [D0, D1, ... DN] or [D0, D1, ... DN, "
                "1], logits_shape: (None, 1). weights_shape: (None, 2).";
            break;
        case 6:
            r->head = crew_binary_class_head(g, OPTIONS(.weight_column = "w"));
            r->args.features = none;
            r->text = "Feature w is not in features dictionary.";
            break;
        default:
            wrong_call(i, r);
    }
}

START_TEST(what_does_not_fit)
{
    struct request r = {.args = {.mode = CREW_EVAL}};

    r.head = crew_binary_class_head(g, NULL);
    r.args.logits = column;
    r.args.labels = ids;
    wrong_tensor(_i, &r);
    refused(r.head, r.args, r.text);
}
END_TEST

START_TEST(nothing_at_all)
{
    struct crew_head_args args = {.mode = CREW_PREDICT, .logits = column};
    struct crew_head *head = crew_binary_class_head(g, NULL);

    ck_assert_ptr_null(crew_binary_class_head(NULL, NULL));
    ck_assert_int_eq(crew_head_logits_dimension(NULL), 0);
    ck_assert_int_eq(crew_head_spec(NULL, head, &args, spec, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_head_spec(g, head, NULL, spec, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    ck_assert_int_eq(crew_head_spec(g, head, &args, NULL, &err),
                     CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    must(crew_head_spec(g, head, &args, spec, &err));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head");
    TCase *jobs = tcase_create("jobs"), *refusals = tcase_create("refusals");
    struct crew_err e = {0};

    if (blas_load(&e) != CREW_OK) {
        (void)fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    tcase_set_timeout(jobs, 60);
    tcase_add_checked_fixture(jobs, setup, NULL);
    tcase_add_loop_test(jobs, evaluation_has_tensorflows_keys, 0, 2);
    tcase_add_test(jobs, predictions_are_words_too);
    tcase_add_loop_test(jobs, a_label_that_is_no_class_ends_training, 0, 2);
    tcase_add_loop_test(jobs, exports_have_tensorflows_signatures, 0, 2);
    tcase_add_test(jobs, an_export_says_the_words);
    suite_add_tcase(suite, jobs);
    tcase_add_checked_fixture(refusals, setup_graph, teardown_graph);
    tcase_add_loop_test(refusals, options_that_cannot_be, 0, 14);
    tcase_add_loop_test(refusals, what_does_not_fit, 0, 15);
    tcase_add_test(refusals, nothing_at_all);
    suite_add_tcase(suite, refusals);
    return run_suite(suite);
}
