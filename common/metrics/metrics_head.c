/* SPDX-License-Identifier: Apache-2.0
 * Builders of the metrics that only heads have. Sources: tensorflow_estimator's
 * canned/head.py for version 1, keras/metrics for version 2. */
#include "graph/node.h"
#include "metrics/metrics_impl.h"

#include "base/banned.h"

enum { AUC_THRESHOLDS = 200 };

struct crew_metric *metric_accuracy(struct crew_graph *g,
                                    struct crew_node *labels,
                                    struct crew_node *classes)
{
    return metric_of_pairs(g, "accuracy",
                           (struct metric_rule){.kind = METRIC_ACCURACY},
                           labels, classes);
}

struct crew_metric *metric_accuracy_baseline(struct crew_graph *g,
                                             struct crew_node *labels,
                                             bool keras)
{
    struct metric_rule rule = {.kind = METRIC_ACCURACY_BASELINE,
                               .keras = keras};

    return metric_of_values(g, "accuracy_baseline", rule, labels);
}

struct crew_metric *metric_head_auc(struct crew_graph *g,
                                    struct crew_node *labels,
                                    struct crew_node *predictions,
                                    enum crew_auc_curve curve,
                                    bool keras)
{
    struct crew_metric *m =
        crew_metric_auc(g, labels, predictions, AUC_THRESHOLDS, curve,
                        keras && curve == CREW_AUC_PR ? CREW_AUC_CAREFUL
                                                      : CREW_AUC_TRAPEZOIDAL);

    if (m != NULL) {
        m->rule.keras = keras;
    }
    return m;
}

static struct crew_metric *at(struct crew_graph *g,
                              const char *name,
                              struct metric_rule rule,
                              struct crew_node *labels,
                              struct crew_node *predictions,
                              float threshold)
{
    rule.thresholds = &threshold;
    rule.num_thresholds = 1;
    return metric_of_pairs(g, name, rule, labels, predictions);
}

/* A prediction on the threshold itself is true in version 1 alone. */
struct crew_metric *metric_accuracy_at(struct crew_graph *g,
                                       struct crew_node *labels,
                                       struct crew_node *predictions,
                                       float threshold,
                                       bool keras)
{
    struct metric_rule rule = {.kind = METRIC_ACCURACY_AT, .or_equal = !keras};

    return at(g, "accuracy_at", rule, labels, predictions, threshold);
}

struct crew_metric *metric_precision_at(struct crew_graph *g,
                                        struct crew_node *labels,
                                        struct crew_node *predictions,
                                        float threshold,
                                        bool keras)
{
    struct metric_rule rule = {
        .kind = METRIC_PRECISION_AT, .keras = keras, .scalar = true};

    return at(g, "precision_at", rule, labels, predictions, threshold);
}

struct crew_metric *metric_recall_at(struct crew_graph *g,
                                     struct crew_node *labels,
                                     struct crew_node *predictions,
                                     float threshold,
                                     bool keras)
{
    struct metric_rule rule = {
        .kind = METRIC_RECALL_AT, .keras = keras, .scalar = true};

    return at(g, "recall_at", rule, labels, predictions, threshold);
}
