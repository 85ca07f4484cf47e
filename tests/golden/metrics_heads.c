/* SPDX-License-Identifier: Apache-2.0
 * Heads in CREW_EVAL over batches of labels and logits. */
#include "metrics_heads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "estimator/model/spec.h"
#include "graph/plan.h"
#include "metrics/metrics.h"

#include "base/banned.h"

enum { MAX_METRICS = 64, MAX_LIST = 16 };

static const struct golden_tolerance tolerance = {1e-5, 1e-5};
static const struct golden_tolerance area = {0, 1e-6};

/* A head of one case, ready to run. */
struct trial {
    struct golden_report *report;
    struct crew_graph *graph;
    struct crew_spec *spec;
    struct plan *plan;
    struct crew_node *labels, *logits, *weights; /* placeholders */
    struct crew_features *features;
    double *state[MAX_METRICS];
    struct spec_words words[16];
    void *fed[3];  /* a placeholder's value is what it was fed */
    double losses; /* the sum of the batches' */
    int batches;
};

/* --------------------------------------------------------------- the head */

static int64_t whole(const cJSON *arguments, const char *key, int64_t fallback)
{
    const cJSON *v = json_get(arguments, key);

    return v == NULL ? fallback : golden_int(v);
}

static enum crew_head_reduction reduction_of(const cJSON *arguments)
{
    static const char *const names[] = {
        [CREW_HEAD_DEFAULT] = "sum", /* of version 2 */
        [CREW_HEAD_SUM] = "weighted_sum",
        [CREW_HEAD_SUM_OVER_BATCH_SIZE] = "weighted_sum_over_batch_size",
        [CREW_HEAD_MEAN] = "weighted_mean",
        [CREW_HEAD_SUM_BY_NONZERO_WEIGHTS] = "weighted_sum_by_nonzero_weights"};

    if (json_get(arguments, "loss_reduction") == NULL) {
        return CREW_HEAD_DEFAULT;
    }
    for (int i = 0; i <= CREW_HEAD_SUM_BY_NONZERO_WEIGHTS; i++) {
        if (strcmp(names[i], golden_text(arguments, "loss_reduction")) == 0) {
            return i == 0 ? CREW_HEAD_SUM : (enum crew_head_reduction)i;
        }
    }
    exit(golden_trouble(65, "no reduction '%s' here",
                        golden_text(arguments, "loss_reduction")));
}

/* Lists that the options point into until the head is made. */
struct lists {
    float thresholds[MAX_LIST];
    int64_t classes[MAX_LIST];
    const char *words[MAX_LIST];
};

static void read_lists(const cJSON *arguments,
                       struct lists *lists,
                       struct crew_head_options *o)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get(arguments, "thresholds"))
    {
        lists->thresholds[o->num_thresholds++ % MAX_LIST] =
            (float)golden_number(item);
        o->thresholds = lists->thresholds;
    }
    cJSON_ArrayForEach(item,
                       json_get(arguments, "classes_for_class_based_metrics"))
    {
        lists->classes[o->num_classes_for_metrics++ % MAX_LIST] =
            golden_int(item);
        o->classes_for_class_based_metrics = lists->classes;
    }
    cJSON_ArrayForEach(item, json_get(arguments, "label_vocabulary"))
    {
        lists->words[o->vocabulary_size++ % MAX_LIST] = item->valuestring;
        o->label_vocabulary = lists->words;
    }
}

static const char *text_or_null(const cJSON *arguments, const char *key)
{
    return cJSON_IsString(json_get(arguments, key))
               ? golden_text(arguments, key)
               : NULL;
}

static struct crew_head *of_name(struct crew_graph *g,
                                 const char *name,
                                 const cJSON *arguments,
                                 const struct crew_head_options *o)
{
    int64_t classes = whole(arguments, "n_classes", 0);
    int64_t dimension = whole(arguments, "label_dimension", 1);

    if (strcmp(name, "binary_classification_head") == 0 ||
        strcmp(name, "BinaryClassHead") == 0) {
        return crew_binary_class_head(g, o);
    }
    if (strcmp(name, "multi_class_head") == 0 ||
        strcmp(name, "MultiClassHead") == 0) {
        return crew_multi_class_head(g, classes, o);
    }
    if (strcmp(name, "MultiLabelHead") == 0) {
        return crew_multi_label_head(g, classes, o);
    }
    if (strcmp(name, "regression_head") == 0 ||
        strcmp(name, "RegressionHead") == 0) {
        return crew_regression_head(g, dimension, o);
    }
    if (strcmp(name, "PoissonRegressionHead") == 0) {
        return crew_poisson_regression_head(g, dimension, o);
    }
    if (strcmp(name, "LogisticRegressionHead") == 0) {
        return crew_logistic_regression_head(g, o);
    }
    exit(golden_trouble(65, "no head '%s' here", name));
}

static struct crew_head *make_head(struct trial *t, const cJSON *c, int version)
{
    const cJSON *arguments = golden_member(c, "arguments");
    struct lists lists;
    struct crew_head_options o = {.version = version};

    read_lists(arguments, &lists, &o);
    o.loss_reduction = reduction_of(arguments);
    o.weight_column = text_or_null(arguments, "weight_column");
    o.name = text_or_null(arguments, "name");
    o.no_full_loss = cJSON_IsFalse(json_get(arguments, "compute_full_loss"));
    if (text_or_null(arguments, "inverse_link_fn") != NULL) {
        o.inverse_link_fn = crew_exp;
    }
    return of_name(t->graph, golden_text(c, "head"), arguments, &o);
}

static struct crew_node *placeholder(struct trial *t,
                                     const cJSON *batch,
                                     const char *key)
{
    struct golden_array a;
    struct crew_node *n;

    golden_array_read(golden_member(batch, key), &a);
    a.shape.dim[0] = -1;
    n = graph_input(t->graph, key, a.dtype, a.shape);
    golden_array_release(&a);
    return n;
}

static void make_inputs(struct trial *t, const cJSON *batch)
{
    struct feature_entry w = {.key = "w"};

    t->labels = placeholder(t, batch, "labels");
    t->logits = placeholder(t, batch, "logits");
    if (json_get(batch, "weights") != NULL) {
        w.node = t->weights = placeholder(t, batch, "weights");
    }
    t->features = features_new(t->graph, &w, w.node != NULL ? 1 : 0);
}

static int64_t max_rows(const cJSON *batches)
{
    const cJSON *batch;
    int64_t most = 1;

    cJSON_ArrayForEach(batch, batches)
    {
        struct golden_array a;

        golden_array_read(golden_member(batch, "labels"), &a);
        most = a.shape.dim[0] > most ? a.shape.dim[0] : most;
        golden_array_release(&a);
    }
    return most;
}

static void must(int code, const struct crew_err *err)
{
    if (code != CREW_OK) {
        exit(golden_trouble(70, "%s", err->msg));
    }
}

static void begin(struct trial *t, const cJSON *c, int version)
{
    const cJSON *batches = golden_member(c, "batches"), *penalty;
    struct crew_node *fetches[256];
    struct crew_err err = {0};
    struct crew_head_args args = {.mode = CREW_EVAL};
    int n = 0;

    t->graph = graph_new();
    t->spec = spec_new(t->graph);
    make_inputs(t, batches->child);
    args.features = t->features;
    args.labels = t->labels;
    args.logits = t->logits;
    penalty = json_get(golden_member(c, "arguments"), "regularization_loss");
    if (penalty != NULL) {
        args.regularization_loss =
            crew_constant(t->graph, (float)golden_number(penalty));
    }
    must(crew_head_spec(t->graph, make_head(t, c, version), &args, t->spec,
                        &err),
         &err);
    must(spec_check(t->spec, CREW_EVAL, &err), &err);
    fetches[n++] = t->spec->loss;
    for (int i = 0; i < t->spec->num_predictions; i++) {
        fetches[n++] = t->spec->predictions[i].node;
    }
    for (int i = 0; i < t->spec->num_metrics && i < MAX_METRICS; i++) {
        t->state[i] = metric_state_new(t->spec->metrics[i].metric);
        n += metric_inputs(t->spec->metrics[i].metric, &fetches[n]);
    }
    must(
        plan_new(t->graph, fetches, n, NULL, max_rows(batches), &t->plan, &err),
        &err);
}

static void free_fed(struct trial *t)
{
    for (int i = 0; i < 3; i++) {
        free(t->fed[i]);
        t->fed[i] = NULL;
    }
}

static void end(struct trial *t)
{
    free_fed(t);
    for (int i = 0; i < t->spec->num_metrics; i++) {
        free(t->state[i]);
    }
    for (size_t i = 0; i < sizeof t->words / sizeof t->words[0]; i++) {
        spec_words_release(&t->words[i]);
    }
    plan_free(t->plan);
    features_free(t->features);
    spec_free(t->spec);
    graph_free(t->graph);
}

/* ----------------------------------------------------------------- a batch */

/* The array as the placeholder takes it. */
static struct plan_feed feed_of(struct crew_node *node,
                                const cJSON *batch,
                                const char *key,
                                void **owned,
                                int64_t *rows)
{
    struct golden_array a;
    struct plan_feed feed = {.input = node};

    golden_array_read(golden_member(batch, key), &a);
    feed.dtype = a.dtype == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
    *rows = a.shape.dim[0];
    if (a.dtype == CREW_FLOAT) {
        *owned = golden_array_floats(&a);
    } else {
        *owned = xcalloc((size_t)a.n + 1, sizeof(int64_t));
        memcpy(*owned, a.integer, (size_t)a.n * sizeof(int64_t));
    }
    feed.data = *owned;
    golden_array_release(&a);
    return feed;
}

static void run(struct trial *t, const cJSON *batch)
{
    struct plan_feed feeds[3];
    struct crew_err err = {0};
    int64_t rows = 0;
    int n = 0;

    free_fed(t);
    feeds[n] = feed_of(t->labels, batch, "labels", &t->fed[n], &rows);
    n++;
    feeds[n] = feed_of(t->logits, batch, "logits", &t->fed[n], &rows);
    n++;
    if (t->weights != NULL) {
        feeds[n] = feed_of(t->weights, batch, "weights", &t->fed[n], &rows);
        n++;
    }
    must(plan_forward(t->plan, feeds, n, rows, 0, 0, &err), &err);
    for (int i = 0; i < t->spec->num_metrics; i++) {
        must(metric_update(t->spec->metrics[i].metric, t->state[i], t->plan,
                           &err),
             &err);
    }
}

/* -------------------------------------------------------------- comparisons */

static void compare_loss(struct trial *t, const cJSON *want)
{
    struct crew_shape shape;
    double loss =
        (double)*(const float *)plan_value(t->plan, t->spec->loss, &shape);

    t->losses += loss;
    t->batches++;
    golden_same_number(t->report, "batch_loss", loss, golden_number(want),
                       tolerance);
}

static void compare_elements(struct trial *t,
                             const char *key,
                             const struct crew_value *got,
                             const struct golden_array *want)
{
    const cJSON *word = want->data->child;

    for (int64_t i = 0; i < want->n; i++) {
        if (want->dtype == CREW_STRING) {
            golden_same_text(t->report, key,
                             ((const char *const *)got->data)[i],
                             word->valuestring);
            word = word->next;
        } else {
            golden_same_int(t->report, key, i,
                            got->dtype == CREW_INT32
                                ? ((const int32_t *)got->data)[i]
                                : ((const int64_t *)got->data)[i],
                            want->integer[i]);
        }
    }
}

static void compare_prediction(struct trial *t, int i, const cJSON *json)
{
    const struct spec_prediction *p = &t->spec->predictions[i];
    struct crew_value v = {0};
    struct crew_err err = {0};
    struct golden_array want;
    bool same = true;

    golden_array_read(json, &want);
    v.data = plan_value(t->plan, p->node, &v.shape);
    v.dtype = node_dtype(p->node) == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
    must(spec_words_make(p, &t->words[i], &v, &err), &err);
    same &= golden_same_int(t->report, p->key, -1, (int64_t)v.dtype,
                            (int64_t)want.dtype);
    same &=
        golden_same_int(t->report, p->key, -1, v.shape.rank, want.shape.rank);
    for (int k = 0; same && k < want.shape.rank; k++) {
        same &= golden_same_int(t->report, p->key, k, v.shape.dim[k],
                                want.shape.dim[k]);
    }
    if (same && want.dtype == CREW_FLOAT) {
        golden_same_floats(t->report, p->key, v.data, want.n, &want, tolerance);
    } else if (same) {
        compare_elements(t, p->key, &v, &want);
    }
    golden_array_release(&want);
}

/* The keys are the same, and what is there. */
static void compare_predictions(struct trial *t, const cJSON *all)
{
    golden_same_int(t->report, "predictions", -1, t->spec->num_predictions,
                    cJSON_GetArraySize(all));
    for (int i = 0; i < t->spec->num_predictions; i++) {
        const char *key = t->spec->predictions[i].key;
        const cJSON *want = json_get(all, key);

        if (want == NULL) {
            golden_differ(t->report, key, -1, "a prediction", "none");
        } else {
            compare_prediction(t, i, want);
        }
    }
}

static void compare_metrics(struct trial *t, const cJSON *all)
{
    golden_same_int(t->report, "metrics", -1, t->spec->num_metrics + 1,
                    cJSON_GetArraySize(all));
    for (int i = 0; i < t->spec->num_metrics; i++) {
        const struct spec_metric *m = &t->spec->metrics[i];
        const cJSON *want = json_get(all, m->key);
        float got;

        if (want == NULL || metric_num_values(m->metric) != 1) {
            golden_differ(t->report, m->key, -1, "a metric", "none");
            continue;
        }
        metric_values(m->metric, t->state[i], &got);
        golden_same_number(t->report, m->key, (double)got, golden_number(want),
                           strncmp(m->key, "auc", 3) == 0 ? area : tolerance);
    }
    golden_same_number(t->report, "loss", t->losses / t->batches,
                       golden_number(golden_member(all, "loss")), tolerance);
}

static void compare_case(struct golden_report *report,
                         const cJSON *c,
                         int version,
                         int i)
{
    struct trial t = {.report = report};
    const cJSON *batch, *loss = golden_member(c, "batch_loss")->child;
    const cJSON *after = golden_member(c, "metrics_after_batch")->child;
    const cJSON *predicted = json_get(c, "predictions");

    predicted = predicted != NULL ? predicted->child : NULL;
    golden_case(report, "%d %s", i, golden_text(c, "head"));
    begin(&t, c, version);
    cJSON_ArrayForEach(batch, golden_member(c, "batches"))
    {
        run(&t, batch);
        compare_loss(&t, loss);
        compare_metrics(&t, after);
        if (predicted != NULL) {
            compare_predictions(&t, predicted);
            predicted = predicted->next;
        }
        loss = loss->next;
        after = after->next;
    }
    golden_end(report);
    end(&t);
}

static int compare_file(const char *dir,
                        const char *name,
                        int version,
                        struct golden_report *report)
{
    cJSON *file = golden_load(dir, name);
    const cJSON *c;
    int i = 0;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(c, golden_member(file, "cases"))
    {
        compare_case(report, c, version, i++);
    }
    cJSON_Delete(file);
    return 0;
}

int metrics_heads(const char *dir, struct golden_report *report)
{
    int code = compare_file(dir, "heads_v1.json", 1, report);

    if (code == 0) {
        code = compare_file(dir, "heads_v2.json", 2, report);
    }
    if (code == 0 && golden_has(dir, "heads_more.json")) {
        code = compare_file(dir, "heads_more.json", 2, report);
    }
    return code;
}
