/* SPDX-License-Identifier: Apache-2.0
 * What a head predicts and offers to servers. */
#include <stdlib.h>

#include "estimator/head/head.h"
#include "base/banned.h"

/* argmax as (b, 1). */
static struct crew_node *best(struct crew_graph *g, struct crew_node *logits)
{
    struct crew_node *ids =
        crew_named(g, crew_argmax(g, logits, -1), "class_ids");

    return crew_reshape(g, ids, crew_shape2(-1, 1));
}

static void predict_two(struct head_parts *p)
{
    const int64_t before[] = {0, 1}, after[] = {0, 0};
    struct crew_node *both;

    p->logistic = crew_named(p->g, crew_sigmoid(p->g, p->logits), "logistic");
    both = crew_named(p->g, crew_pad(p->g, p->logits, before, after),
                      "two_class_logits");
    p->probabilities =
        crew_named(p->g, crew_softmax(p->g, both), "probabilities");
    p->class_ids = best(p->g, both);
}

static struct crew_node *expected(const struct head_parts *p)
{
    const struct crew_head *h = p->head;

    switch (h->kind) {
        case HEAD_POISSON:
            return crew_exp(p->g, p->logits);
        case HEAD_LOGISTIC:
            return crew_sigmoid(p->g, p->logits);
        default:
            return h->o.inverse_link_fn != NULL && !graph_broken(p->g)
                       ? h->o.inverse_link_fn(p->g, p->logits)
                       : p->logits;
    }
}

void head_make_predictions(struct head_parts *p)
{
    crew_scope_push(p->g, "predictions");
    switch (p->head->kind) {
        case HEAD_BINARY:
            predict_two(p);
            break;
        case HEAD_MULTI_CLASS:
            p->probabilities = crew_named(p->g, crew_softmax(p->g, p->logits),
                                          "probabilities");
            p->class_ids = best(p->g, p->logits);
            break;
        case HEAD_MULTI_LABEL:
            p->probabilities = crew_named(p->g, crew_sigmoid(p->g, p->logits),
                                          "probabilities");
            break;
        default:
            p->predictions = expected(p);
    }
    crew_scope_pop(p->g);
}

/* ----------------------------------------------------------------- the spec */

static void add(struct crew_spec *spec,
                const char *key,
                struct crew_node *node,
                enum export_text text,
                struct crew_labels labels)
{
    spec_predict(spec, (struct spec_prediction){key, node, text, labels});
}

void head_add_predictions(const struct head_parts *p, struct crew_spec *spec)
{
    const struct crew_head *h = p->head;
    struct crew_labels labels = head_labels(h);

    if (head_is_regression(h)) {
        crew_spec_prediction(spec, "predictions", p->predictions);
        if (p->predictions != p->logits) {
            crew_spec_prediction(spec, "logits", p->logits);
        }
        return;
    }
    crew_spec_prediction(spec, "logits", p->logits);
    if (h->kind == HEAD_BINARY) {
        crew_spec_prediction(spec, "logistic", p->logistic);
    }
    crew_spec_prediction(spec, "probabilities", p->probabilities);
    if (h->kind == HEAD_MULTI_LABEL) {
        add(spec, "classes", p->probabilities, EXPORT_CLASS_LABELS, labels);
        return;
    }
    crew_spec_prediction(spec, "class_ids", p->class_ids);
    add(spec, "classes", p->class_ids, EXPORT_ID_LABELS, labels);
    add(spec, "all_class_ids", p->probabilities, EXPORT_CLASS_IDS, labels);
    add(spec, "all_classes", p->probabilities, EXPORT_CLASS_LABELS, labels);
}

void head_add_exports(const struct head_parts *p, struct crew_spec *spec)
{
    struct crew_labels labels = head_labels(p->head);

    if (head_is_regression(p->head)) {
        crew_spec_export_regress(spec, CREW_SERVING_DEFAULT, p->predictions);
        crew_spec_export_regress(spec, "regression", p->predictions);
    } else {
        crew_spec_export_classify(spec, CREW_SERVING_DEFAULT, p->probabilities,
                                  NULL, labels);
        crew_spec_export_classify(spec, "classification", p->probabilities,
                                  NULL, labels);
        if (p->head->kind == HEAD_BINARY) {
            crew_spec_export_regress(spec, "regression", p->logistic);
        }
    }
    crew_spec_signature(spec, "predict");
}
