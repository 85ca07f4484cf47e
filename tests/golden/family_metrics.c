/* SPDX-License-Identifier: Apache-2.0
 * Family metrics: streaming.json's and more.json's (where there is one) cases
 * of tf.metrics, the value and the sums after every batch; then the heads' of
 * heads_v1.json and heads_v2.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "metrics/rule.h"
#include "metrics_heads.h"

#include "base/banned.h"

/* Values and weighted sums; golden/README-numerics.md: relative to at least 1.
 */
static const struct golden_tolerance tolerance = {1e-5, 1e-5};
static const struct golden_tolerance area = {0, 1e-6};

static const struct {
    const char *name;
    enum metric_kind kind;
} kinds[] = {
    {"mean", METRIC_MEAN},
    {"accuracy", METRIC_ACCURACY},
    {"mean_per_class_accuracy", METRIC_MEAN_PER_CLASS_ACCURACY},
    {"mean_squared_error", METRIC_SQUARED_ERROR},
    {"root_mean_squared_error", METRIC_ROOT_SQUARED_ERROR},
    {"mean_absolute_error", METRIC_ABSOLUTE_ERROR},
    {"mean_relative_error", METRIC_RELATIVE_ERROR},
    {"mean_cosine_distance", METRIC_COSINE_DISTANCE},
    {"percentage_below", METRIC_BELOW},
    {"true_positives", METRIC_TRUE_POSITIVES},
    {"false_positives", METRIC_FALSE_POSITIVES},
    {"true_negatives", METRIC_TRUE_NEGATIVES},
    {"false_negatives", METRIC_FALSE_NEGATIVES},
    {"precision", METRIC_PRECISION},
    {"recall", METRIC_RECALL},
    {"true_positives_at_thresholds", METRIC_TRUE_POSITIVES_AT},
    {"false_positives_at_thresholds", METRIC_FALSE_POSITIVES_AT},
    {"true_negatives_at_thresholds", METRIC_TRUE_NEGATIVES_AT},
    {"false_negatives_at_thresholds", METRIC_FALSE_NEGATIVES_AT},
    {"precision_at_thresholds", METRIC_PRECISION_AT},
    {"recall_at_thresholds", METRIC_RECALL_AT},
    {"auc", METRIC_AUC},
    {"precision_at_k", METRIC_PRECISION_TOP_K},
    {"recall_at_k", METRIC_RECALL_TOP_K},
    {"in_top_k_mean", METRIC_IN_TOP_K},
    {"precision_at_top_k", METRIC_PRECISION_TOP_K},
    {"recall_at_top_k", METRIC_RECALL_TOP_K},
    {"average_precision_at_k", METRIC_AVERAGE_PRECISION_TOP_K},
    {"mean_iou", METRIC_MEAN_IOU},
    {"mean_tensor", METRIC_MEAN_TENSOR},
    {"sensitivity_at_specificity", METRIC_SENSITIVITY_AT_SPECIFICITY},
    {"specificity_at_sensitivity", METRIC_SPECIFICITY_AT_SENSITIVITY},
};

/* --------------------------------------------------------------- the metric */

static int64_t whole(const cJSON *arguments, const char *key, int64_t fallback)
{
    const cJSON *v = json_get(arguments, key);

    return v == NULL ? fallback : golden_int(v);
}

static bool is_word(const cJSON *arguments, const char *key, const char *word)
{
    const cJSON *v = json_get(arguments, key);

    return cJSON_IsString(v) && strcmp(v->valuestring, word) == 0;
}

static void read_auc(const cJSON *arguments, struct metric_rule *r)
{
    float *at;

    r->num_thresholds = (int)whole(arguments, "num_thresholds", 200);
    at = xcalloc((size_t)r->num_thresholds, sizeof *at);
    metric_auc_thresholds(r->kind, at, r->num_thresholds);
    r->thresholds = at;
    r->curve = is_word(arguments, "curve", "PR") ? CREW_AUC_PR : CREW_AUC_ROC;
    if (is_word(arguments, "summation_method", "careful_interpolation")) {
        r->summation = CREW_AUC_CAREFUL;
    } else if (is_word(arguments, "summation_method", "minoring")) {
        r->summation = CREW_AUC_MINORING;
    } else if (is_word(arguments, "summation_method", "majoring")) {
        r->summation = CREW_AUC_MAJORING;
    }
}

/* What only more.json's metrics have. */
static void read_more(const cJSON *c, struct metric_rule *r)
{
    const cJSON *arguments = golden_member(c, "arguments");
    const cJSON *first = golden_member(c, "batches")->child, *target;
    struct golden_array values;

    target = json_get(arguments, r->kind == METRIC_SENSITIVITY_AT_SPECIFICITY
                                     ? "specificity"
                                     : "sensitivity");
    r->target = target != NULL ? golden_number(target) : 0.0;
    r->by_class = json_get(first, "predictions_idx") != NULL;
    r->one_class = json_get(arguments, "class_id") != NULL;
    r->class_id = whole(arguments, "class_id", 0);
    if (r->kind == METRIC_MEAN_TENSOR) {
        golden_array_read(golden_member(first, "values"), &values);
        r->num_elements = values.n;
        golden_array_release(&values);
    }
}

static bool of_auc_thresholds(enum metric_kind kind)
{
    return kind >= METRIC_SENSITIVITY_AT_SPECIFICITY && kind <= METRIC_AUC;
}

/* r->thresholds gets an array of its own. Ends the program when the metric is
 * one we do not have. */
static struct metric_rule read_rule(const cJSON *c)
{
    const cJSON *arguments = golden_member(c, "arguments"), *item;
    const char *name = golden_text(c, "metric");
    struct metric_rule r = {.k = whole(arguments, "k", 0),
                            .num_classes = whole(arguments, "num_classes", 0)};
    float *at = xcalloc(256, sizeof *at);

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        r.kind = strcmp(kinds[i].name, name) == 0 ? kinds[i].kind : r.kind;
    }
    if (r.kind == 0) {
        exit(golden_trouble(65, "no metric '%s' here", name));
    }
    read_more(c, &r);
    if (of_auc_thresholds(r.kind)) {
        free(at);
        read_auc(arguments, &r);
        return r;
    }
    r.thresholds = at;
    if ((item = json_get(arguments, "threshold")) != NULL) {
        at[r.num_thresholds++] = (float)golden_number(item);
    }
    cJSON_ArrayForEach(item, json_get(arguments, "thresholds"))
    {
        if (r.num_thresholds < 256) {
            at[r.num_thresholds++] = (float)golden_number(item);
        }
    }
    return r;
}

/* ------------------------------------------------------------- its batches */

/* Arrays that a batch points into. */
struct store {
    void *data[4];
    int n;
};

static void *keep(struct store *s, void *data)
{
    s->data[s->n++] = data;
    return data;
}

static struct metric_column read_column(const cJSON *batch,
                                        const char *key,
                                        struct store *store,
                                        struct crew_shape *shape)
{
    const cJSON *json = json_get(batch, key);
    struct metric_column c = {.dtype = CREW_FLOAT};
    struct golden_array a;

    *shape = crew_scalar_shape();
    if (json == NULL) {
        return c;
    }
    golden_array_read(json, &a);
    *shape = a.shape;
    if (a.dtype == CREW_FLOAT) {
        c.data = keep(store, golden_array_floats(&a));
    } else {
        int64_t *values = xcalloc((size_t)a.n + 1, sizeof *values);

        memcpy(values, a.integer, (size_t)a.n * sizeof *values);
        c.data = keep(store, values);
        c.dtype = CREW_INT64;
    }
    golden_array_release(&a);
    return c;
}

static int64_t per_row(const struct crew_shape *shape)
{
    return shape->rank < 2 ? 1 : shape->dim[1];
}

static void feed(const struct metric_rule *r, const cJSON *batch, double *state)
{
    struct store store = {0};
    struct crew_shape shape, labels, weights, ignored;
    struct metric_batch b = {0};
    struct crew_err err = {0};

    b.predictions = read_column(batch,
                                json_get(batch, "values") != NULL ? "values"
                                : r->by_class ? "predictions_idx"
                                              : "predictions",
                                &store, &shape);
    b.labels = read_column(batch, "labels", &store, &labels);
    b.normalizer = read_column(batch, "normalizer", &store, &ignored);
    b.weights = read_column(batch, "weights", &store, &weights).data;
    b.rows = shape.dim[0];
    b.columns = per_row(&shape);
    b.label_columns = per_row(&labels);
    b.weights_per_row = weights.rank == 0 ? 0 : per_row(&weights);
    if (metric_rule_update(r, &b, state, &err) != CREW_OK) {
        exit(golden_trouble(65, "%s", err.msg));
    }
    for (int i = 0; i < store.n; i++) {
        free(store.data[i]);
    }
}

static void compare_values(struct golden_report *report,
                           const struct metric_rule *r,
                           const double *state,
                           const char *what,
                           const cJSON *want)
{
    int n = metric_rule_values(r);
    float *got = xcalloc((size_t)n, sizeof *got);
    struct golden_array array;

    metric_rule_value(r, state, got);
    if (cJSON_IsObject(want)) {
        golden_array_read(want, &array);
        golden_same_floats(report, what, got, n, &array, tolerance);
        golden_array_release(&array);
    } else {
        golden_same_number(report, what, (double)got[0], golden_number(want),
                           r->kind == METRIC_AUC ? area : tolerance);
    }
    free(got);
}

/* --------------------------------------------------------------- the state */

/* Where our state keeps TensorFlow's variable of this name: as many doubles. */
static size_t place_of(const struct metric_rule *r, const char *name)
{
    static const char *const cells[] = {"true_pos", "false_neg", "true_neg",
                                        "false_pos"};
    size_t all = metric_rule_state(r);
    const char *last = strchr(name, '/');

    for (size_t i = 0; i < 4 && all != 2; i++) {
        if (last != NULL && r->kind != METRIC_MEAN_PER_CLASS_ACCURACY &&
            strstr(name, cells[i]) != NULL) {
            return i * (all / 4);
        }
    }
    if (strstr(name, "/count") != NULL || strstr(name, "false_") != NULL ||
        strstr(name, "/max") != NULL) {
        return all / 2;
    }
    return 0;
}

static void compare_state(struct golden_report *report,
                          const struct metric_rule *r,
                          const double *state,
                          const cJSON *c)
{
    const cJSON *name = golden_member(c, "state_names")->child;
    const cJSON *want;

    cJSON_ArrayForEach(want, golden_member(c, "final_state"))
    {
        struct golden_array array;
        size_t from = place_of(r, name->valuestring);
        float *got;

        golden_array_read(want, &array);
        got = xcalloc((size_t)array.n, sizeof *got);
        for (int64_t i = 0; i < array.n; i++) {
            /* A PR curve needs no true negatives, so TensorFlow's graph never
             * counts them. */
            bool idle = r->kind == METRIC_AUC && r->curve == CREW_AUC_PR &&
                        strstr(name->valuestring, "true_neg") != NULL;

            got[i] = idle ? 0.0f : (float)state[from + (size_t)i];
        }
        golden_same_floats(report, name->valuestring, got, array.n, &array,
                           tolerance);
        golden_array_release(&array);
        free(got);
        name = name->next;
    }
}

static void compare_case(struct golden_report *report, const cJSON *c, int i)
{
    struct metric_rule r = read_rule(c);
    const cJSON *batch = golden_member(c, "batches")->child, *after;
    double *state = xcalloc(metric_rule_state(&r), sizeof *state);

    golden_case(report, "%d %s", i, golden_text(c, "metric"));
    compare_values(report, &r, state, "before",
                   golden_member(c, "value_before"));
    cJSON_ArrayForEach(after, golden_member(c, "after_batch"))
    {
        const cJSON *update = golden_member(after, "update_op");

        feed(&r, batch, state);
        compare_values(report, &r, state, "value",
                       golden_member(after, "value"));
        /* Those of classes are their counts, which the state shows. */
        if (r.kind != METRIC_MEAN_PER_CLASS_ACCURACY &&
            r.kind != METRIC_MEAN_IOU) {
            compare_values(report, &r, state, "update_op", update);
        }
        batch = batch->next;
    }
    compare_state(report, &r, state, c);
    golden_end(report);
    free(state);
    free((void *)(uintptr_t)r.thresholds);
}

static int compare_file(const char *dir,
                        const char *name,
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
        compare_case(report, c, i++);
    }
    cJSON_Delete(file);
    return 0;
}

int family_metrics(const char *dir, struct golden_report *report)
{
    int code = compare_file(dir, "streaming.json", report);

    if (code == 0 && golden_has(dir, "more.json")) {
        code = compare_file(dir, "more.json", report);
    }
    return code == 0 ? metrics_heads(dir, report) : code;
}
