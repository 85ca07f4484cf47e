/* SPDX-License-Identifier: Apache-2.0
 *
 * tf.estimator's heads from the inside. A head is what its function was told,
 * checked and copied; head_spec.c builds the nodes of a call, in order: logits,
 * predictions, labels, losses and weights, metrics. Everything belongs to the
 * graph. Threads: one. Sources: tensorflow_estimator's head/ (version 2) and
 * canned/head.py (version 1). */
#ifndef ESTIMATOR_HEAD_H
#define ESTIMATOR_HEAD_H

#include "estimator/model/spec.h"
#include "graph/node.h"

enum head_kind {
    HEAD_BINARY = 1,
    HEAD_MULTI_CLASS,
    HEAD_MULTI_LABEL,
    HEAD_REGRESSION,
    HEAD_POISSON,
    HEAD_LOGISTIC
};

struct crew_head {
    struct crew_graph *graph;
    enum head_kind kind;
    bool keras;               /* version 2 */
    int64_t logits_dimension; /* of logits */
    int64_t labels_dimension; /* of labels and predictions of a regression */
    enum crew_loss_reduction reduction;
    struct crew_head_options o; /* strings and arrays are the graph's */
};

/* What a call has made so far. */
struct head_parts {
    struct crew_head *head;
    struct crew_graph *g;
    const struct crew_head_args *args;
    struct crew_node *logits; /* checked, (b, logits_dimension) */
    /* Predictions; NULL where the head has none. */
    struct crew_node *logistic, *probabilities, *class_ids, *predictions;
    struct crew_node *labels;     /* checked, (b, labels_dimension) */
    struct crew_node *weights;    /* (b, 1) or (b, d); NULL: 1 */
    struct crew_node *unreduced;  /* (b, 1) or (b, d) */
    struct crew_node *loss;       /* without and ... */
    struct crew_node *total_loss; /* ... with the regularization */
};

/* Regression heads of every kind. */
bool head_is_regression(const struct crew_head *);
/* "key", or "key/<name>". The graph's. */
const char *head_key(const struct crew_head *, const char *key);
/* The graph frees it; returns it. */
char *head_keep(struct crew_graph *, char *);
struct crew_labels head_labels(const struct crew_head *);

/* head_inputs.c: what was handed over, checked and brought into shape. What is
 * wrong sticks in the graph, in TensorFlow's words. */
void head_check_logits(struct head_parts *);
void head_check_labels(struct head_parts *);
void head_find_weights(struct head_parts *);

/* head_loss.c, head_metrics.c, head_predict.c. */
void head_make_losses(struct head_parts *);
void head_add_metrics(const struct head_parts *, struct crew_spec *);
void head_make_predictions(struct head_parts *);
void head_add_predictions(const struct head_parts *, struct crew_spec *);
void head_add_exports(const struct head_parts *, struct crew_spec *);

#endif
