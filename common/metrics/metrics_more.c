/* SPDX-License-Identifier: Apache-2.0
 * Builders of the metrics by the k best, by classes and by another rate. */
#include "graph/node.h"
#include "graph/owner.h"
#include "metrics/metrics_impl.h"

#include "base/banned.h"

/* ------------------------------------------------------------------- k best */

static const char *top_k_fault(const struct crew_node *labels,
                               const struct crew_node *predictions,
                               const struct metric_rule *r)
{
    if (!metric_is_integer(labels)) {
        return "labels must be integers";
    }
    if (metric_is_integer(predictions) != r->by_class) {
        return r->by_class ? "predictions must be integers, the k best classes"
                           : "predictions must be float32, a score a class";
    }
    if (predictions->shape.rank != 2) {
        return r->by_class ? "predictions must be (batch, k)"
                           : "predictions must be (batch, classes)";
    }
    if (r->k < 1) {
        return "k must be positive";
    }
    if (r->k > predictions->shape.dim[1] && r->kind != METRIC_IN_TOP_K) {
        return "input must have at least k columns";
    }
    return NULL;
}

/* labels (b) or (b, several), predictions (b, classes) or (b, k). */
static struct crew_metric *of_top_k(struct crew_graph *g,
                                    const char *name,
                                    struct metric_rule rule,
                                    struct crew_node *labels,
                                    struct crew_node *predictions)
{
    struct crew_metric *m = metric_new(g, name, rule, labels, predictions);

    metric_check_present(m, LABELS, "labels");
    if (!graph_broken(g)) {
        const char *fault;

        if (rule.by_class && predictions->shape.rank == 2) {
            m->rule.k = predictions->shape.dim[1];
        }
        fault = top_k_fault(labels, predictions, &m->rule);
        if (fault != NULL) {
            (void)graph_fail(g, "%s: %s; k is %lld", name, fault,
                             (long long)m->rule.k);
        }
    }
    return m;
}

#define BY_SCORES(function, metric_kind)                                     \
    struct crew_metric *function(struct crew_graph *g,                       \
                                 struct crew_node *labels,                   \
                                 struct crew_node *predictions, int64_t k)   \
    {                                                                        \
        return of_top_k(g, #function,                                        \
                        (struct metric_rule){.kind = (metric_kind), .k = k}, \
                        labels, predictions);                                \
    }
BY_SCORES(crew_metric_precision_at_k, METRIC_PRECISION_TOP_K)
BY_SCORES(crew_metric_recall_at_k, METRIC_RECALL_TOP_K)
BY_SCORES(crew_metric_average_precision_at_k, METRIC_AVERAGE_PRECISION_TOP_K)
BY_SCORES(crew_metric_in_top_k, METRIC_IN_TOP_K)

#define BY_CLASSES(function, metric_kind)                                  \
    struct crew_metric *function(struct crew_graph *g,                     \
                                 struct crew_node *labels,                 \
                                 struct crew_node *predictions_idx)        \
    {                                                                      \
        return of_top_k(                                                   \
            g, #function,                                                  \
            (struct metric_rule){.kind = (metric_kind), .by_class = true}, \
            labels, predictions_idx);                                      \
    }
BY_CLASSES(crew_metric_precision_at_top_k, METRIC_PRECISION_TOP_K)
BY_CLASSES(crew_metric_recall_at_top_k, METRIC_RECALL_TOP_K)

struct crew_metric *crew_metric_only_class(struct crew_metric *m,
                                           int64_t class_id)
{
    if (m == NULL) {
        return NULL;
    }
    if (m->rule.kind != METRIC_PRECISION_TOP_K &&
        m->rule.kind != METRIC_RECALL_TOP_K) {
        (void)graph_fail(m->graph,
                         "crew_metric_only_class: %s has no class_id. Fix: "
                         "precision or recall at k",
                         m->name);
    }
    m->rule.one_class = true;
    m->rule.class_id = class_id;
    return m;
}

/* ------------------------------------------------------------------ classes */

struct crew_metric *crew_metric_mean_iou(struct crew_graph *g,
                                         struct crew_node *labels,
                                         struct crew_node *classes,
                                         int64_t num_classes)
{
    struct metric_rule rule = {.kind = METRIC_MEAN_IOU,
                               .num_classes = num_classes};
    struct crew_metric *m;

    if (num_classes < 1 || num_classes > 10000) {
        (void)graph_fail(g,
                         "crew_metric_mean_iou: num_classes is %lld, must be "
                         "1 to 10000: the confusion matrix is kept",
                         (long long)num_classes);
        rule.num_classes = 1;
    }
    m = metric_of_pairs(g, "crew_metric_mean_iou", rule, labels, classes);
    metric_check_integer(m, LABELS, true);
    metric_check_integer(m, PREDICTIONS, true);
    return m;
}

struct crew_metric *crew_metric_mean_tensor(struct crew_graph *g,
                                            struct crew_node *x)
{
    struct metric_rule rule = {.kind = METRIC_MEAN_TENSOR, .num_elements = 1};

    if (!graph_broken(g) && graph_owns(g, x)) {
        rule.num_elements = node_count(x, 1);
        if (x->shape.rank > 0 && x->shape.dim[0] < 0) {
            (void)graph_fail(g,
                             "crew_metric_mean_tensor: %s has the batch in "
                             "front, so its elements are others each time. "
                             "Fix: reduce over axis 0, or crew_metric_mean",
                             x->name);
        }
    }
    return metric_of_values(g, "crew_metric_mean_tensor", rule, x);
}

/* --------------------------------------------------------- at another's rate
 */

static struct crew_metric *at_rate(struct crew_graph *g,
                                   const char *name,
                                   enum metric_kind kind,
                                   struct crew_node *labels,
                                   struct crew_node *predictions,
                                   double target,
                                   int num_thresholds)
{
    struct metric_rule rule = {
        .kind = kind, .target = target, .num_thresholds = num_thresholds};
    struct crew_metric *m;

    if (!(target >= 0.0 && target <= 1.0)) { /* NaN too */
        (void)graph_fail(
            g, "%s: `%s` must be in the range [0, 1]. Currently, %g", name,
            kind == METRIC_SENSITIVITY_AT_SPECIFICITY ? "specificity"
                                                      : "sensitivity",
            target);
    }
    if (num_thresholds < 2) {
        (void)graph_fail(g,
                         "%s: num_thresholds is %d, must be at least 2 "
                         "(TensorFlow's default is 200)",
                         name, num_thresholds);
        rule.num_thresholds = 2;
    }
    m = metric_of_pairs(g, name, rule, labels, predictions);
    if (m == NULL) {
        return NULL;
    }
    metric_auc_thresholds(m->rule.kind, m->thresholds, m->rule.num_thresholds);
    return m;
}

struct crew_metric *crew_metric_sensitivity_at_specificity(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *predictions,
    double specificity,
    int num_thresholds)
{
    return at_rate(g, "crew_metric_sensitivity_at_specificity",
                   METRIC_SENSITIVITY_AT_SPECIFICITY, labels, predictions,
                   specificity, num_thresholds);
}

struct crew_metric *crew_metric_specificity_at_sensitivity(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *predictions,
    double sensitivity,
    int num_thresholds)
{
    return at_rate(g, "crew_metric_specificity_at_sensitivity",
                   METRIC_SPECIFICITY_AT_SENSITIVITY, labels, predictions,
                   sensitivity, num_thresholds);
}
