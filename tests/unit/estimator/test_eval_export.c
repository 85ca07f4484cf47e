/* SPDX-License-Identifier: Apache-2.0
 * The export of the EVAL graph: every metric, plain and weighted, gives in the
 * exported graph what our own evaluation gives over the same batches. With
 * CREW_EVAL_EXPORT_DIR=DIR the export and the values go there, so that
 * TensorFlow can be asked as well. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "estimator/export/model_export.h"
#include "graph/node.h"
#include "kernels/blas.h"
#include "metrics/metrics.h"
#include "serving/model.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 5, BATCHES = 3, CLASSES = 4, MAX_VALUES = 8 };

static struct crew_params *params;
static struct crew_err err;

static void add(struct crew_spec *spec,
                const char *key,
                struct crew_metric *m,
                struct crew_node *w)
{
    crew_spec_metric(spec, key, w != NULL ? crew_metric_weighted(m, w) : m);
}

/* What takes numbers: p and l of one shape. */
static void add_errors(struct crew_spec *s,
                       struct crew_graph *g,
                       struct crew_node *l,
                       struct crew_node *p,
                       struct crew_node *w,
                       const char *const key[6])
{
    add(s, key[0], crew_metric_mean(g, p), w);
    add(s, key[1], crew_metric_mean_squared_error(g, l, p), w);
    add(s, key[2], crew_metric_root_mean_squared_error(g, l, p), w);
    add(s, key[3], crew_metric_mean_absolute_error(g, l, p), w);
    add(s, key[4], crew_metric_percentage_below(g, p, 0.45), w);
    add(s, key[5], crew_metric_mean_relative_error(g, l, p, p), w);
}

static void add_classes(struct crew_spec *s,
                        struct crew_graph *g,
                        struct crew_node *label,
                        struct crew_node *scores,
                        struct crew_node *w)
{
    struct crew_node *best = crew_argmax(g, scores, 1);

    add(s, "accuracy", crew_metric_accuracy(g, label, best), NULL);
    add(s, "accuracy_w", crew_metric_accuracy(g, label, best), w);
    add(s, "per_class",
        crew_metric_mean_per_class_accuracy(g, label, best, CLASSES), NULL);
    add(s, "per_class_w",
        crew_metric_mean_per_class_accuracy(g, label, best, CLASSES), w);
    add(s, "precision_2", crew_metric_precision_at_k(g, label, scores, 2),
        NULL);
    add(s, "recall_2_w", crew_metric_recall_at_k(g, label, scores, 2), w);
    add(s, "in_top_2", crew_metric_in_top_k(g, label, scores, 2), w);
    add(s, "cosine",
        crew_metric_mean_cosine_distance(g, crew_one_hot(g, label, CLASSES),
                                         scores),
        w);
}

/* is, yes: float32, 0 or not. */
static void add_counts(struct crew_spec *s,
                       struct crew_graph *g,
                       struct crew_node *is,
                       struct crew_node *yes,
                       struct crew_node *w)
{
    add(s, "tp", crew_metric_true_positives(g, is, yes), NULL);
    add(s, "fp_w", crew_metric_false_positives(g, is, yes), w);
    add(s, "tn", crew_metric_true_negatives(g, is, yes), NULL);
    add(s, "fn", crew_metric_false_negatives(g, is, yes), NULL);
    add(s, "precision", crew_metric_precision(g, is, yes), NULL);
    add(s, "recall_w", crew_metric_recall(g, is, yes), w);
}

static const float at[] = {0.15f, 0.25f, 0.4f};

static void add_thresholds(struct crew_spec *s,
                           struct crew_graph *g,
                           struct crew_node *is,
                           struct crew_node *p,
                           struct crew_node *w)
{
    int n = (int)COUNT_OF(at);

    add(s, "precision_at", crew_metric_precision_at_thresholds(g, is, p, at, n),
        NULL);
    add(s, "recall_at_w", crew_metric_recall_at_thresholds(g, is, p, at, n), w);
    add(s, "tp_at", crew_metric_true_positives_at_thresholds(g, is, p, at, n),
        NULL);
    add(s, "fp_at", crew_metric_false_positives_at_thresholds(g, is, p, at, n),
        NULL);
    add(s, "tn_at", crew_metric_true_negatives_at_thresholds(g, is, p, at, n),
        NULL);
    add(s, "fn_at", crew_metric_false_negatives_at_thresholds(g, is, p, at, n),
        NULL);
    add(s, "auc",
        crew_metric_auc(g, is, p, 50, CREW_AUC_ROC, CREW_AUC_TRAPEZOIDAL),
        NULL);
}

static const char *const auc_keys[2][4] = {
    {"roc_t", "roc_c", "roc_min", "roc_max"},
    {"pr_t", "pr_c", "pr_min", "pr_max"}};

static void add_aucs(struct crew_spec *s,
                     struct crew_graph *g,
                     struct crew_node *is,
                     struct crew_node *p,
                     struct crew_node *w)
{
    for (int curve = CREW_AUC_ROC; curve <= CREW_AUC_PR; curve++) {
        for (int how = CREW_AUC_TRAPEZOIDAL; how <= CREW_AUC_MAJORING; how++) {
            add(s, auc_keys[curve][how],
                crew_metric_auc(g, is, p, 20, (enum crew_auc_curve)curve,
                                (enum crew_auc_summation)how),
                w);
        }
    }
}

/* The k best classes, by scores and themselves; three labels a row, of which
 * some are equal. */
static void add_best(struct crew_spec *s,
                     struct crew_graph *g,
                     struct crew_node *classes, /* (b, 3) */
                     struct crew_node *scores,
                     struct crew_node *w)
{
    struct crew_metric *m;

    add(s, "ap_2", crew_metric_average_precision_at_k(g, classes, scores, 2),
        NULL);
    add(s, "ap_3_w", crew_metric_average_precision_at_k(g, classes, scores, 3),
        w);
    add(s, "precision_3", crew_metric_precision_at_k(g, classes, scores, 3), w);
    add(s, "precision_top", crew_metric_precision_at_top_k(g, classes, classes),
        NULL);
    m = crew_metric_precision_at_k(g, classes, scores, 2);
    add(s, "precision_of_1", crew_metric_only_class(m, 1), NULL);
    m = crew_metric_recall_at_k(g, classes, scores, 2);
    add(s, "recall_of_2_w", crew_metric_only_class(m, 2), w);
}

/* Of the classes that are predicted, (b, 2), twice the same at times. */
static void add_given(struct crew_spec *s,
                      struct crew_graph *g,
                      struct crew_node *classes,
                      struct crew_node *said,
                      struct crew_node *w)
{
    struct crew_metric *m;

    add(s, "precision_said_w", crew_metric_precision_at_top_k(g, classes, said),
        w);
    add(s, "recall_said", crew_metric_recall_at_top_k(g, classes, said), NULL);
    m = crew_metric_precision_at_top_k(g, classes, said);
    add(s, "precision_said_1_w", crew_metric_only_class(m, 1), w);
    m = crew_metric_recall_at_top_k(g, classes, said);
    add(s, "recall_said_3", crew_metric_only_class(m, 3), NULL);
}

static void add_other_rates(struct crew_spec *s,
                            struct crew_graph *g,
                            struct crew_node *is,
                            struct crew_node *p,
                            struct crew_node *w)
{
    add(s, "sensitivity",
        crew_metric_sensitivity_at_specificity(g, is, p, 0.7, 50), NULL);
    add(s, "sensitivity_w",
        crew_metric_sensitivity_at_specificity(g, is, p, 0.4, 20), w);
    add(s, "specificity",
        crew_metric_specificity_at_sensitivity(g, is, p, 0.7, 50), NULL);
    add(s, "specificity_w",
        crew_metric_specificity_at_sensitivity(g, is, p, 0.4, 20), w);
}

static void add_matrices(struct crew_spec *s,
                         struct crew_graph *g,
                         struct crew_node *label,
                         struct crew_node *scores,
                         struct crew_node *w)
{
    struct crew_node *best = crew_argmax(g, scores, 1);
    const int rows = 0;
    struct crew_node *mean =
        crew_reduce(g, CREW_REDUCE_MEAN, scores, &rows, 1, false);

    add(s, "iou", crew_metric_mean_iou(g, label, best, CLASSES), NULL);
    add(s, "iou_w", crew_metric_mean_iou(g, label, best, CLASSES + 1), w);
    add(s, "tensor", crew_metric_mean_tensor(g, mean), NULL);
    add(s, "tensor_2",
        crew_metric_mean_tensor(
            g, crew_reshape(g, mean, crew_shape2(2, CLASSES / 2))),
        NULL);
}

/* A head is all of a model: which one. */
static void add_head(struct crew_spec *s,
                     struct crew_graph *g,
                     const struct crew_features *f,
                     struct crew_node *label,
                     int which)
{
    static const float thresholds[] = {0.3f, 0.5f};
    static const int64_t classes[] = {2};
    struct crew_head_options o = {.weight_column = "w",
                                  .version = which == 1 ? 1 : 2};
    struct crew_node *x = crew_feature(f, "x"), *y = crew_feature(f, "y");
    struct crew_head_args args = {
        .mode = CREW_EVAL, .features = f, .labels = label};
    struct crew_head *head;
    const int rows = 1;

    if (which <= 2) {
        o.thresholds = thresholds;
        o.num_thresholds = 2;
    }
    if (which == 2) {
        o.classes_for_class_based_metrics = classes;
        o.num_classes_for_metrics = 1;
        args.labels = y;
        head = crew_multi_label_head(g, 3, &o);
    } else if (which == 3) {
        head = crew_multi_class_head(g, CLASSES, &o);
    } else if (which == 4) {
        head = crew_poisson_regression_head(g, 1, &o);
    } else {
        args.labels = crew_reduce(g, CREW_REDUCE_MIN, y, &rows, 1, false);
        head = crew_binary_class_head(g, &o);
    }
    args.logits = crew_dense(g, "logits", x, crew_head_logits_dimension(head),
                             CREW_LINEAR);
    args.regularization_loss = crew_l2_regularizer(
        g, crew_reduce(g, CREW_REDUCE_MEAN, args.logits, NULL, 0, false), 0.1);
    (void)crew_head_spec(g, head, &args, s, &err);
}

/* Which metrics: an export has at most 64 outputs. */
enum part {
    ERRORS,
    CLASSIFIES,
    COUNTS,
    THRESHOLDS,
    AUCS,
    BEST,
    GIVEN,
    RATES,
    MATRICES,
    HEADS, /* binary of both versions, labels, classes, counts */
    PARTS = HEADS + 5
};
static enum part part;

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *label,
                    enum crew_mode mode,
                    const struct crew_params *p,
                    struct crew_spec *spec,
                    struct crew_err *e)
{
    static const char *const plain[] = {"mean", "mse",   "rmse",
                                        "mae",  "below", "relative"};
    static const char *const with[] = {"mean_w", "mse_w",   "rmse_w",
                                       "mae_w",  "below_w", "relative_w"};
    struct crew_node *x = crew_feature(features, "x");
    struct crew_node *w = crew_feature(features, "w");
    struct crew_node *y = crew_feature(features, "y");

    if (part >= HEADS) {
        add_head(spec, g, features, label, (int)part - (int)HEADS);
        return crew_graph_status(g, e);
    }
    struct crew_node *logits = crew_dense(g, "d", x, CLASSES, CREW_LINEAR);
    struct crew_node *scores = crew_softmax(g, logits), *hot;

    (void)p;
    crew_spec_prediction(spec, "scores", scores);
    crew_spec_prediction(spec, "id", crew_argmax(g, scores, 1));
    if (mode == CREW_PREDICT) {
        return crew_graph_status(g, e);
    }
    hot = crew_one_hot(g, label, CLASSES);
    crew_spec_loss(
        spec,
        crew_add(g, crew_sparse_softmax_cross_entropy(g, label, logits),
                 crew_sigmoid_cross_entropy(g, hot, logits, 0.1,
                                            (struct crew_loss){.weights = w})));
    switch (part) {
        case ERRORS:
            add_errors(spec, g, hot, scores, NULL, plain);
            add_errors(spec, g, hot, scores, w, with);
            break;
        case CLASSIFIES:
            add_classes(spec, g, label, scores, w);
            break;
        case COUNTS:
            add_counts(spec, g, y, crew_activate(g, x, CREW_RELU), w);
            break;
        case THRESHOLDS:
            add_thresholds(spec, g, hot, scores, w);
            break;
        case BEST:
            add_best(spec, g, crew_feature(features, "classes"), scores, w);
            break;
        case GIVEN:
            add_given(spec, g, crew_feature(features, "classes"),
                      crew_feature(features, "said"), w);
            break;
        case RATES:
            add_other_rates(spec, g, hot, scores, w);
            break;
        case MATRICES:
            add_matrices(spec, g, label, scores, w);
            break;
        default:
            add_aucs(spec, g, hot, scores, w);
    }
    return crew_graph_status(g, e);
}

static const struct crew_job job = {CREW_ABI_VERSION, "test", model_fn, NULL};
static const struct dataset_spec element = {
    .n = 6,
    .component = {{"x", CREW_FLOAT, {2, {-1, 3}}, false, false},
                  {"w", CREW_FLOAT, {2, {-1, 1}}, false, false},
                  {"y", CREW_FLOAT, {2, {-1, 3}}, false, false},
                  {"target", CREW_INT32, {1, {-1}}, true, false},
                  {"classes", CREW_INT32, {2, {-1, 3}}, false, false},
                  {"said", CREW_INT32, {2, {-1, 2}}, false, false}},
    .max_batch = ROWS,
};

struct batch {
    float x[ROWS * 3], w[ROWS], y[ROWS * 3];
    int32_t label[ROWS], classes[ROWS * 3], said[ROWS * 2];
};

static struct batch make_batch(int b)
{
    struct batch out;

    for (int i = 0; i < ROWS * 3; i++) {
        int k = b * ROWS * 3 + i;

        out.x[i] = (float)(k * 37 % 19) / 9.0f - 1.0f;
        out.y[i] = (float)(k * 5 % 3 > 0 ? 1 : 0);
    }
    for (int i = 0; i < ROWS; i++) {
        int k = b * ROWS + i;

        out.w[i] = (float)(k % 4) * 0.5f;
        out.label[i] = k * 7 % CLASSES;
        for (int j = 0; j < 3; j++) {
            out.classes[i * 3 + j] = (k * 3 + j * j * 2) % (CLASSES + 1) - 1;
        }
        out.said[i * 2] = k * 3 % CLASSES;
        out.said[i * 2 + 1] = k % 3 == 0 ? out.said[i * 2] : k % CLASSES;
    }
    return out;
}

static struct model *m;
static struct model_export x;
static struct weights weights;
static struct crew_env *env;
static struct serving_model *served;
static char *dir;

static void setup(void)
{
    err = (struct crew_err){0};
    params = params_new();
    env = env_mem_new(3);
    m = NULL;
    served = NULL;
    dir = NULL;
    x = (struct model_export){0};
    weights = (struct weights){0};
}

static void teardown(void)
{
    serving_model_close(served);
    free(dir);
    model_export_release(&x);
    weights_release(&weights);
    model_free(m);
    env_mem_free(env);
    params_free(params);
}

static void must(int code)
{
    ck_assert_msg(code == CREW_OK, "%s", err.msg);
}

static void export_model(enum part which, enum crew_export_weights form)
{
    struct crew_exporter how = {.kind = CREW_EXPORTER_FINAL, .weights = form};

    part = which;
    must(model_build(&job, params, CREW_EVAL, &element, &m, &err));
    must(model_export_init(&x, m, &how, params, &err));
    must(weights_new(m->graph, NULL, false, &weights, &err));
    weights_init(&weights, m->graph, 7);
    model_export_values(&x, &weights, 3);
    must(fs_make_dirs(env, "base", &err));
    must(saved_model_write(env, "base", &x.request, &dir, &err));
    must(serving_model_open_tag(env, dir, "eval", &served, &err));
}

/* ------------------------------------------------------- our own evaluation */

struct ours {
    double *states[64];
    float loss; /* of the last batch */
    struct plan *plan;
};

static void ours_open(struct ours *o)
{
    struct crew_node *fetches[1 + 64 * METRIC_MAX_INPUTS] = {m->spec->loss};
    int n = 1;

    for (int i = 0; i < m->spec->num_metrics; i++) {
        o->states[i] = metric_state_new(m->spec->metrics[i].metric);
        n += metric_inputs(m->spec->metrics[i].metric, &fetches[n]);
    }
    must(plan_new(m->graph, fetches, n, NULL, ROWS, &o->plan, &err));
    for (int i = 0; i < weights.num_vars; i++) {
        plan_bind_var(o->plan, i, weights.vars[i].value);
    }
}

static void ours_update(struct ours *o, const struct batch *b)
{
    struct plan_feed feeds[] = {{m->inputs[0], CREW_FLOAT, b->x},
                                {m->inputs[1], CREW_FLOAT, b->w},
                                {m->inputs[2], CREW_FLOAT, b->y},
                                {m->inputs[3], CREW_INT32, b->label},
                                {m->inputs[4], CREW_INT32, b->classes},
                                {m->inputs[5], CREW_INT32, b->said}};
    struct crew_shape shape;

    must(plan_forward(o->plan, feeds, 6, ROWS, 0, 0, &err));
    o->loss = *(const float *)plan_value(o->plan, m->spec->loss, &shape);
    for (int i = 0; i < m->spec->num_metrics; i++) {
        must(metric_update(m->spec->metrics[i].metric, o->states[i], o->plan,
                           &err));
    }
}

static void ours_close(struct ours *o)
{
    for (int i = 0; i < m->spec->num_metrics; i++) {
        free(o->states[i]);
    }
    plan_free(o->plan);
}

/* ---------------------------------------------------------- the served one */

static const char *tensor_of(const Tensorflow__TensorInfoEntry *const *list,
                             size_t n,
                             const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i]->key, key) == 0) {
            return list[i]->value->name;
        }
    }
    ck_abort_msg("no '%s' in the signature", key);
}

static const char *output(const char *key, const char *what)
{
    const Tensorflow__SignatureDef *s = serving_signature(served, "eval");
    char full[128];

    (void)snprintf(full, sizeof full, "%s%s%s", what != NULL ? "metrics/" : "",
                   key, what != NULL ? what : "");
    return tensor_of(
        (const Tensorflow__TensorInfoEntry *const *)(const void *)s->outputs,
        s->n_outputs, full);
}

static struct value copy_in(enum crew_dtype dtype,
                            struct crew_shape shape,
                            const void *data)
{
    struct value v = {0};

    must(value_new(&v, (int)dtype, &shape, &err));
    memcpy(v.data, data, (size_t)v.n * 4);
    return v;
}

static int try_served(const struct batch *b,
                      const char *const *fetches,
                      int n,
                      struct value *out)
{
    const Tensorflow__SignatureDef *s = serving_signature(served, "eval");
    static const char *const keys[] = {"x",     "w",       "y",
                                       "label", "classes", "said"};
    struct serving_feed feeds[6];

    feeds[0].value = copy_in(CREW_FLOAT, crew_shape2(ROWS, 3), b->x);
    feeds[1].value = copy_in(CREW_FLOAT, crew_shape2(ROWS, 1), b->w);
    feeds[2].value = copy_in(CREW_FLOAT, crew_shape2(ROWS, 3), b->y);
    feeds[3].value = copy_in(CREW_INT32, crew_shape1(ROWS), b->label);
    feeds[4].value = copy_in(CREW_INT32, crew_shape2(ROWS, 3), b->classes);
    feeds[5].value = copy_in(CREW_INT32, crew_shape2(ROWS, 2), b->said);
    for (int i = 0; i < 6; i++) {
        feeds[i].tensor = tensor_of(
            (const Tensorflow__TensorInfoEntry *const *)(const void *)s->inputs,
            s->n_inputs, keys[i]);
    }
    (void)serving_run(served, feeds, 6, fetches, n, out, &err);
    for (int i = 0; i < 6; i++) {
        value_release(&feeds[i].value);
    }
    return err.code;
}

static void run_served(const struct batch *b,
                       const char *const *fetches,
                       int n,
                       struct value *out)
{
    must(try_served(b, fetches, n, out));
}

static void near(const char *key, double got, double want)
{
    ck_assert_msg((isnan(got) && isnan(want)) ||
                      fabs(got - want) <= 1e-5 * fmax(1.0, fabs(want)),
                  "%s: got %.9g, want %.9g", key, got, want);
}

static void same_values(const char *key,
                        const struct value *got,
                        const struct crew_metric *metric,
                        const double *state)
{
    float want[MAX_VALUES];
    int n = metric_num_values(metric);

    ck_assert_int_le(n, MAX_VALUES);
    ck_assert_int_eq((int)got->n, n);
    metric_values(metric, state, want);
    for (int i = 0; i < n; i++) {
        near(key, (double)got->f32[i], (double)want[i]);
    }
}

/* The update of every batch, then the values. */
static void compare(const struct ours *o,
                    const struct batch *b,
                    const char *how)
{
    const char *fetches[64 + 1];
    struct value out[64 + 1] = {{0}};
    int n = m->spec->num_metrics;

    for (int i = 0; i < n; i++) {
        fetches[i] = output(m->spec->metrics[i].key, how);
    }
    fetches[n] = output("loss", NULL);
    run_served(b, fetches, n + 1, out);
    near("loss", (double)out[n].f32[0], (double)o->loss);
    for (int i = 0; i < n; i++) {
        same_values(m->spec->metrics[i].key, &out[i],
                    m->spec->metrics[i].metric, o->states[i]);
        value_release(&out[i]);
    }
    value_release(&out[n]);
}

/* -------------------------------------------------------------------- judge */

/* "key value value ..." a line: what TensorFlow should find. */
static void write_for_judge(const struct ours *o)
{
    const char *base = getenv("CREW_EVAL_EXPORT_DIR");
    char path[512];
    char *made = NULL;
    FILE *f;

    if (base == NULL) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%d", base, (int)part);
    must(fs_make_dirs(env_posix(), path, &err));
    must(saved_model_write(env_posix(), path, &x.request, &made, &err));
    (void)snprintf(path, sizeof path, "%s.txt", made);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "loss %.9g\n", (double)o->loss);
    for (int i = 0; i < m->spec->num_metrics; i++) {
        float values[MAX_VALUES];

        metric_values(m->spec->metrics[i].metric, o->states[i], values);
        (void)fprintf(f, "%s", m->spec->metrics[i].key);
        for (int k = 0; k < metric_num_values(m->spec->metrics[i].metric);
             k++) {
            (void)fprintf(f, " %.9g", (double)values[k]);
        }
        (void)fprintf(f, "\n");
    }
    (void)fclose(f);
    free(made);
}

START_TEST(metrics_in_the_graph_have_our_values)
{
    struct ours o = {.loss = 0.0f};
    struct batch b = make_batch(0);

    export_model((enum part)(_i / 2),
                 _i % 2 ? CREW_EXPORT_VARIABLES : CREW_EXPORT_CONSTANTS);
    ours_open(&o);
    for (int k = 0; k < BATCHES; k++) {
        b = make_batch(k);
        ours_update(&o, &b);
        compare(&o, &b, "/update_op");
    }
    compare(&o, &b, "/value");
    if (_i % 2 == 0) {
        write_for_judge(&o);
    }
    ours_close(&o);
}
END_TEST

/* As TensorFlow's confusion matrix: what is no class is not passed over. */
START_TEST(a_label_that_is_no_class_is_refused)
{
    struct batch b = make_batch(0);
    const char *fetch;
    struct value out = {0};

    export_model(MATRICES, CREW_EXPORT_CONSTANTS);
    fetch = output("iou", "/update_op");
    b.label[1] = CLASSES;
    ck_assert_int_eq(try_served(&b, &fetch, 1, &out), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "ScatterNd"));
}
END_TEST

START_TEST(is_tensorflows_eval_signature)
{
    const Tensorflow__SignatureDef *s;

    export_model(CLASSIFIES, CREW_EXPORT_CONSTANTS);
    s = serving_signature(served, "eval");
    ck_assert_ptr_nonnull(s);
    ck_assert_str_eq(s->method_name, "tensorflow/supervised/eval");
    ck_assert_uint_eq(s->n_inputs, 6);
    ck_assert_uint_eq(s->n_outputs, 1 + 2 + 2 * (size_t)m->spec->num_metrics);
    (void)output("predictions/scores", NULL);
    (void)output("predictions/id", NULL);
    ck_assert_str_eq(serving_meta_graph(served)->meta_info_def->tags[0],
                     "eval");
}
END_TEST

START_TEST(train_is_refused)
{
    m = xcalloc(1, sizeof *m);
    m->mode = CREW_TRAIN;
    ck_assert_int_eq(model_export_init(&x, m, NULL, params, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, MODEL_EXPORT_NO_TRAIN);
    free(m);
    m = NULL;
}
END_TEST

START_TEST(a_feature_called_label_is_refused)
{
    struct dataset_spec other = element;

    part = COUNTS;
    (void)snprintf(other.component[3].name, sizeof other.component[3].name,
                   "target");
    other.component[other.n++] = (struct dataset_component){
        .name = "label", .dtype = CREW_FLOAT, .shape = {1, {-1}}};
    must(model_build(&job, params, CREW_EVAL, &other, &m, &err));
    ck_assert_int_eq(model_export_init(&x, m, NULL, params, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "the feature 'label'"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("eval_export");
    TCase *tc = tcase_create("eval_export");

    if (blas_load(&err) != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, metrics_in_the_graph_have_our_values, 0, 2 * PARTS);
    tcase_add_test(tc, a_label_that_is_no_class_is_refused);
    tcase_add_test(tc, is_tensorflows_eval_signature);
    tcase_add_test(tc, train_is_refused);
    tcase_add_test(tc, a_feature_called_label_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
