/* SPDX-License-Identifier: Apache-2.0
 * The metrics of heads: eval_metric_ops by TensorFlow's keys. */
#include <stdio.h>

#include "base/mem.h"
#include "estimator/head/head.h"
#include "graph/op.h"
#include "metrics/metrics.h"
#include "base/banned.h"

/* Weighted as the losses are. */
static void add(const struct head_parts *p,
                struct crew_spec *spec,
                const char *key,
                struct crew_metric *m)
{
    if (p->weights != NULL) {
        m = crew_metric_weighted(m, p->weights);
    }
    crew_spec_metric(spec, head_key(p->head, key), m);
}

/* "accuracy/positive_threshold_0.5" */
static void add_at(const struct head_parts *p,
                   struct crew_spec *spec,
                   const char *what,
                   float threshold,
                   struct crew_metric *m)
{
    char key[96];

    (void)snprintf(key, sizeof key, "%s/positive_threshold_%g", what,
                   (double)threshold);
    add(p, spec, key, m);
}

static void add_thresholds(const struct head_parts *p,
                           struct crew_spec *spec,
                           struct crew_node *x)
{
    const struct crew_head_options *o = &p->head->o;
    bool keras = p->head->keras;

    for (int i = 0; i < o->num_thresholds; i++) {
        float t = o->thresholds[i];

        add_at(p, spec, "accuracy", t,
               metric_accuracy_at(p->g, p->labels, x, t, keras));
        add_at(p, spec, "precision", t,
               metric_precision_at(p->g, p->labels, x, t, keras));
        add_at(p, spec, "recall", t,
               metric_recall_at(p->g, p->labels, x, t, keras));
    }
}

static void add_areas(const struct head_parts *p,
                      struct crew_spec *spec,
                      struct crew_node *labels,
                      struct crew_node *x,
                      const char *of)
{
    bool keras = p->head->keras;

    add(p, spec, head_keep(p->g, xasprintf("auc%s", of)),
        metric_head_auc(p->g, labels, x, CREW_AUC_ROC, keras));
    add(p, spec, head_keep(p->g, xasprintf("auc_precision_recall%s", of)),
        metric_head_auc(p->g, labels, x, CREW_AUC_PR, keras));
}

static void add_binary(const struct head_parts *p, struct crew_spec *spec)
{
    struct crew_graph *g = p->g;

    add(p, spec, "accuracy", metric_accuracy(g, p->labels, p->class_ids));
    add(p, spec, "precision",
        crew_metric_precision(g, p->labels, p->class_ids));
    add(p, spec, "recall", crew_metric_recall(g, p->labels, p->class_ids));
    add(p, spec, "prediction/mean", crew_metric_mean(g, p->logistic));
    add(p, spec, "label/mean", crew_metric_mean(g, p->labels));
    add(p, spec, "accuracy_baseline",
        metric_accuracy_baseline(g, p->labels, p->head->keras));
    add_areas(p, spec, p->labels, p->logistic, "");
    add_thresholds(p, spec, p->logistic);
}

static struct crew_node *column(struct crew_graph *g,
                                struct crew_node *x,
                                int64_t i)
{
    return graph_add(g, &op_column, "Slice", 1, &x, (union op_attr){.size = i});
}

/* "class3", or the class's name. */
static char *class_text(const struct crew_head *h, int64_t class_id)
{
    return head_keep(h->graph,
                     h->o.label_vocabulary != NULL
                         ? xasprintf("/%s", h->o.label_vocabulary[class_id])
                         : xasprintf("/class%lld", (long long)class_id));
}

static void add_classes(const struct head_parts *p, struct crew_spec *spec)
{
    const struct crew_head_options *o = &p->head->o;

    for (int i = 0; i < o->num_classes_for_metrics; i++) {
        int64_t id = o->classes_for_class_based_metrics[i];
        struct crew_node *x = column(p->g, p->probabilities, id);
        const char *of = class_text(p->head, id);

        add(p, spec, head_keep(p->g, xasprintf("probability_mean%s", of)),
            crew_metric_mean(p->g, x));
        add_areas(p, spec, column(p->g, p->labels, id), x, of);
    }
}

void head_add_metrics(const struct head_parts *p, struct crew_spec *spec)
{
    struct crew_graph *g = p->g;

    crew_scope_push(g, "metrics");
    add(p, spec, "average_loss", crew_metric_mean(g, p->unreduced));
    switch (p->head->kind) {
        case HEAD_BINARY:
            add_binary(p, spec);
            break;
        case HEAD_MULTI_CLASS:
            add(p, spec, "accuracy",
                metric_accuracy(g, p->labels, p->class_ids));
            break;
        case HEAD_MULTI_LABEL:
            add_areas(p, spec, p->labels, p->probabilities, "");
            add_thresholds(p, spec, p->probabilities);
            add_classes(p, spec);
            break;
        default:
            add(p, spec, "prediction/mean",
                crew_metric_mean(g, p->predictions));
            add(p, spec, "label/mean", crew_metric_mean(g, p->labels));
    }
    if (p->args->regularization_loss != NULL) {
        crew_spec_metric(spec, head_key(p->head, "regularization_loss"),
                         crew_metric_mean(g, p->args->regularization_loss));
    }
    crew_scope_pop(g);
}
