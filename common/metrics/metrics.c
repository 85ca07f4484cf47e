/* SPDX-License-Identifier: Apache-2.0
 * Metrics as a model function declares them: operands checked, kept with the
 * graph, and carried from a plan's fetches into the arithmetic. */
#include "metrics/metrics.h"

#include <stdlib.h>

#include "base/mem.h"
#include "graph/node.h"
#include "graph/owner.h"
#include "metrics/metrics_impl.h"

#include "base/banned.h"

/* ---------------------------------------------------------------- operands */

bool metric_is_integer(const struct crew_node *x)
{
    return x->dtype != CREW_FLOAT;
}

void metric_check_present(struct crew_metric *m, int i, const char *what)
{
    if (m == NULL || graph_broken(m->graph) ||
        graph_owns(m->graph, m->operand[i])) {
        return;
    }
    if (m->operand[i] == NULL) {
        (void)graph_fail(m->graph,
                         "%s: %s is NULL. Fix: make no metrics in CREW_PREDICT",
                         m->name, what);
    } else {
        (void)graph_fail(m->graph, "%s: %s is of another graph", m->name, what);
    }
}

static void check_same_shape(struct crew_metric *m, int i)
{
    const struct crew_node *a, *b;

    if (m == NULL || graph_broken(m->graph)) {
        return;
    }
    a = m->operand[i];
    b = m->operand[PREDICTIONS];
    if (!shape_equal(&a->shape, &b->shape)) {
        char x[128], y[128];

        (void)graph_fail(m->graph, "%s: %s is %s but %s is %s", m->name,
                         a->name, shape_text(&a->shape, x, sizeof x), b->name,
                         shape_text(&b->shape, y, sizeof y));
    }
}

void metric_check_integer(struct crew_metric *m, int i, bool wanted)
{
    const struct crew_node *x = m != NULL ? m->operand[i] : NULL;

    if (m != NULL && !graph_broken(m->graph) &&
        metric_is_integer(x) != wanted) {
        (void)graph_fail(m->graph, "%s: %s is %s, must be %s", m->name, x->name,
                         dtype_name(x->dtype),
                         wanted ? "an integer" : "float32");
    }
}

/* ---------------------------------------------------------------- builders */

struct crew_metric *metric_new(struct crew_graph *g,
                               const char *name,
                               struct metric_rule rule,
                               struct crew_node *labels,
                               struct crew_node *predictions)
{
    int n = rule.num_thresholds;
    struct crew_metric *m;

    if (g == NULL) {
        return NULL;
    }
    if (n < 0 || (n > 0 && rule.kind != METRIC_AUC &&
                  rule.kind != METRIC_SENSITIVITY_AT_SPECIFICITY &&
                  rule.kind != METRIC_SPECIFICITY_AT_SENSITIVITY &&
                  rule.thresholds == NULL)) {
        (void)graph_fail(g, "%s: thresholds is NULL, or their number negative",
                         name);
        n = rule.num_thresholds = 0;
    }
    m = xcalloc(1, sizeof *m + (size_t)n * sizeof(float));
    m->graph = g;
    m->name = name;
    for (int i = 0; i < n && rule.thresholds != NULL; i++) {
        m->thresholds[i] = rule.thresholds[i];
    }
    m->rule = rule;
    m->rule.thresholds = m->thresholds;
    m->operand[LABELS] = labels;
    m->operand[PREDICTIONS] = predictions;
    graph_own(g, m, free);
    metric_check_present(m, PREDICTIONS, "its operand");
    return m;
}

/* Of one operand. */
struct crew_metric *metric_of_values(struct crew_graph *g,
                                     const char *name,
                                     struct metric_rule rule,
                                     struct crew_node *x)
{
    struct crew_metric *m = metric_new(g, name, rule, NULL, x);

    metric_check_integer(m, PREDICTIONS, false);
    return m;
}

/* Of labels and predictions of one shape. */
struct crew_metric *metric_of_pairs(struct crew_graph *g,
                                    const char *name,
                                    struct metric_rule rule,
                                    struct crew_node *labels,
                                    struct crew_node *predictions)
{
    struct crew_metric *m = metric_new(g, name, rule, labels, predictions);

    metric_check_present(m, LABELS, "labels");
    check_same_shape(m, LABELS);
    return m;
}

struct crew_metric *crew_metric_mean(struct crew_graph *g, struct crew_node *x)
{
    return metric_of_values(g, "crew_metric_mean",
                            (struct metric_rule){.kind = METRIC_MEAN}, x);
}

struct crew_metric *crew_metric_percentage_below(struct crew_graph *g,
                                                 struct crew_node *x,
                                                 double threshold)
{
    float at = (float)threshold;
    struct metric_rule rule = {
        .kind = METRIC_BELOW, .thresholds = &at, .num_thresholds = 1};

    return metric_of_values(g, "crew_metric_percentage_below", rule, x);
}

struct crew_metric *crew_metric_accuracy(struct crew_graph *g,
                                         struct crew_node *labels,
                                         struct crew_node *classes)
{
    struct crew_metric *m = metric_of_pairs(
        g, "crew_metric_accuracy",
        (struct metric_rule){.kind = METRIC_ACCURACY}, labels, classes);

    metric_check_integer(m, LABELS, true);
    metric_check_integer(m, PREDICTIONS, true);
    return m;
}

struct crew_metric *crew_metric_mean_per_class_accuracy(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *classes,
    int64_t num_classes)
{
    struct metric_rule rule = {.kind = METRIC_MEAN_PER_CLASS_ACCURACY,
                               .num_classes = num_classes};
    struct crew_metric *m;

    if (num_classes < 1) {
        (void)graph_fail(g,
                         "crew_metric_mean_per_class_accuracy: num_classes is "
                         "%lld, must be positive",
                         (long long)num_classes);
        rule.num_classes = 1;
    }
    m = metric_of_pairs(g, "crew_metric_mean_per_class_accuracy", rule, labels,
                        classes);
    metric_check_integer(m, LABELS, true);
    metric_check_integer(m, PREDICTIONS, true);
    return m;
}

/* The kinds that take nothing but labels and predictions. */
#define OF_PAIRS(function, metric_kind)                                     \
    struct crew_metric *function(struct crew_graph *g,                      \
                                 struct crew_node *labels,                  \
                                 struct crew_node *predictions)             \
    {                                                                       \
        return metric_of_pairs(g, #function,                                \
                               (struct metric_rule){.kind = (metric_kind)}, \
                               labels, predictions);                        \
    }
OF_PAIRS(crew_metric_mean_squared_error, METRIC_SQUARED_ERROR)
OF_PAIRS(crew_metric_root_mean_squared_error, METRIC_ROOT_SQUARED_ERROR)
OF_PAIRS(crew_metric_mean_absolute_error, METRIC_ABSOLUTE_ERROR)
OF_PAIRS(crew_metric_mean_cosine_distance, METRIC_COSINE_DISTANCE)
OF_PAIRS(crew_metric_true_positives, METRIC_TRUE_POSITIVES)
OF_PAIRS(crew_metric_false_positives, METRIC_FALSE_POSITIVES)
OF_PAIRS(crew_metric_true_negatives, METRIC_TRUE_NEGATIVES)
OF_PAIRS(crew_metric_false_negatives, METRIC_FALSE_NEGATIVES)
OF_PAIRS(crew_metric_precision, METRIC_PRECISION)
OF_PAIRS(crew_metric_recall, METRIC_RECALL)

struct crew_metric *crew_metric_mean_relative_error(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *predictions,
    struct crew_node *normalizer)
{
    struct crew_metric *m =
        metric_of_pairs(g, "crew_metric_mean_relative_error",
                        (struct metric_rule){.kind = METRIC_RELATIVE_ERROR},
                        labels, predictions);

    if (m == NULL) {
        return NULL;
    }
    m->operand[NORMALIZER] = normalizer;
    metric_check_present(m, NORMALIZER, "normalizer");
    check_same_shape(m, NORMALIZER);
    return m;
}

/* The kinds with thresholds. */
#define AT_THRESHOLDS(function, metric_kind)                             \
    struct crew_metric *function(                                        \
        struct crew_graph *g, struct crew_node *labels,                  \
        struct crew_node *predictions, const float *thresholds, int n)   \
    {                                                                    \
        struct metric_rule rule = {.kind = (metric_kind),                \
                                   .thresholds = thresholds,             \
                                   .num_thresholds = n};                 \
        return metric_of_pairs(g, #function, rule, labels, predictions); \
    }
AT_THRESHOLDS(crew_metric_precision_at_thresholds, METRIC_PRECISION_AT)
AT_THRESHOLDS(crew_metric_recall_at_thresholds, METRIC_RECALL_AT)
AT_THRESHOLDS(crew_metric_true_positives_at_thresholds,
              METRIC_TRUE_POSITIVES_AT)
AT_THRESHOLDS(crew_metric_false_positives_at_thresholds,
              METRIC_FALSE_POSITIVES_AT)
AT_THRESHOLDS(crew_metric_true_negatives_at_thresholds,
              METRIC_TRUE_NEGATIVES_AT)
AT_THRESHOLDS(crew_metric_false_negatives_at_thresholds,
              METRIC_FALSE_NEGATIVES_AT)

struct crew_metric *crew_metric_auc(struct crew_graph *g,
                                    struct crew_node *labels,
                                    struct crew_node *predictions,
                                    int num_thresholds,
                                    enum crew_auc_curve curve,
                                    enum crew_auc_summation summation)
{
    struct metric_rule rule = {.kind = METRIC_AUC,
                               .curve = curve,
                               .summation = summation,
                               .num_thresholds = num_thresholds};
    struct crew_metric *m;

    if (num_thresholds < 2) {
        (void)graph_fail(g,
                         "crew_metric_auc: num_thresholds is %d, must be at "
                         "least 2 (TensorFlow's default is 200)",
                         num_thresholds);
        rule.num_thresholds = 2;
    }
    m = metric_of_pairs(g, "crew_metric_auc", rule, labels, predictions);
    if (m == NULL) {
        return NULL;
    }
    metric_auc_thresholds(m->rule.kind, m->thresholds, m->rule.num_thresholds);
    return m;
}

/* Rows of weights that go with the values: all of them, one a row, or one. */
static bool weights_fit(const struct crew_metric *m, const struct crew_node *w)
{
    const struct crew_shape *p = &m->operand[PREDICTIONS]->shape;
    int64_t per_row = node_count(w, 1);

    return w->dtype == CREW_FLOAT &&
           (w->shape.rank == 0 || per_row == 1 || shape_equal(&w->shape, p));
}

struct crew_metric *crew_metric_weighted(struct crew_metric *m,
                                         struct crew_node *weights)
{
    if (m == NULL) {
        return NULL;
    }
    m->operand[WEIGHTS] = weights;
    if (!graph_broken(m->graph) &&
        (!graph_owns(m->graph, weights) || !weights_fit(m, weights))) {
        (void)graph_fail(m->graph,
                         "crew_metric_weighted: weights must be float32, one a "
                         "row or one a value of %s%s",
                         m->operand[PREDICTIONS]->name,
                         weights != NULL ? "" : ", given: None");
    }
    return m;
}

/* ----------------------------------------------------------------- a batch */

int metric_inputs(const struct crew_metric *m,
                  struct crew_node *nodes[METRIC_MAX_INPUTS])
{
    int n = 0;

    for (int i = 0; i < METRIC_MAX_INPUTS; i++) {
        if (m->operand[i] != NULL) {
            nodes[n++] = m->operand[i];
        }
    }
    return n;
}

double *metric_state_new(const struct crew_metric *m)
{
    return xcalloc(metric_rule_state(&m->rule), sizeof(double));
}

/* Integers are held as int64 whatever their dtype. */
static struct metric_column column(const struct crew_metric *m,
                                   int i,
                                   const struct plan *p,
                                   struct crew_shape *shape)
{
    const struct crew_node *x = m->operand[i];
    struct metric_column c = {.dtype = CREW_FLOAT};

    *shape = crew_scalar_shape();
    if (x != NULL) {
        c.data = plan_value(p, x, shape);
        c.dtype = metric_is_integer(x) ? CREW_INT64 : CREW_FLOAT;
    }
    return c;
}

int64_t metric_per_row(const struct crew_shape *shape)
{
    int64_t n = 1;

    for (int i = 1; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

int metric_update(const struct crew_metric *m,
                  double *state,
                  const struct plan *p,
                  struct crew_err *err)
{
    struct crew_shape shape, labels, weights, ignored;
    struct metric_batch b = {0};

    b.predictions = column(m, PREDICTIONS, p, &shape);
    b.labels = column(m, LABELS, p, &labels);
    b.normalizer = column(m, NORMALIZER, p, &ignored);
    b.weights = column(m, WEIGHTS, p, &weights).data;
    b.rows = shape.rank > 0 ? shape.dim[0] : 1;
    b.columns = metric_per_row(&shape);
    b.label_columns = metric_per_row(&labels);
    b.weights_per_row = weights.rank == 0 ? 0 : metric_per_row(&weights);
    return metric_rule_update(&m->rule, &b, state, err);
}

int metric_num_values(const struct crew_metric *m)
{
    return metric_rule_values(&m->rule);
}

void metric_values(const struct crew_metric *m,
                   const double *state,
                   float *values)
{
    metric_rule_value(&m->rule, state, values);
}
