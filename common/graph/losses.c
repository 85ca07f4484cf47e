/* SPDX-License-Identifier: Apache-2.0
 * tf.losses by its names: a loss of elements or rows, then the reduction. */
#include "graph/op.h"

#include "base/banned.h"

/* Without weights the reductions are plain sums and means. */
static struct crew_node *reduce(struct crew_graph *g,
                                struct crew_node *losses,
                                struct crew_node *weights,
                                enum crew_loss_reduction reduction)
{
    struct crew_node *in[] = {losses, weights};

    if (weights != NULL) {
        return graph_add(g, &op_weighted_loss, "weighted_loss", 2, in,
                         (union op_attr){.loss = reduction});
    }
    switch (reduction) {
        case CREW_LOSS_NONE:
            return losses;
        case CREW_LOSS_SUM:
            return crew_reduce(g, CREW_REDUCE_SUM, losses, NULL, 0, false);
        default: /* all the same while every weight is 1 */
            return crew_reduce_mean(g, losses);
    }
}

static struct crew_node *loss(struct crew_graph *g,
                              const struct op_def *op,
                              const char *name,
                              struct crew_node *labels,
                              struct crew_node *x,
                              float constant,
                              struct crew_loss how)
{
    struct crew_node *in[] = {labels, x}, *losses;

    if (labels == NULL) {
        return graph_fail(g,
                          "%s: labels are NULL. Fix: make no loss in "
                          "CREW_PREDICT",
                          name);
    }
    crew_scope_push(g, name);
    losses =
        graph_add(g, op, "losses", 2, in, (union op_attr){.factor = constant});
    losses = reduce(g, losses, how.weights, how.reduction);
    crew_scope_pop(g);
    return losses;
}

struct crew_node *crew_mean_squared_error(struct crew_graph *g,
                                          struct crew_node *labels,
                                          struct crew_node *predictions,
                                          struct crew_loss how)
{
    return loss(g, &op_squared_difference, "mean_squared_error", labels,
                predictions, 0.0f, how);
}

struct crew_node *crew_absolute_difference(struct crew_graph *g,
                                           struct crew_node *labels,
                                           struct crew_node *predictions,
                                           struct crew_loss how)
{
    return loss(g, &op_absolute_difference, "absolute_difference", labels,
                predictions, 0.0f, how);
}

struct crew_node *crew_huber_loss(struct crew_graph *g,
                                  struct crew_node *labels,
                                  struct crew_node *predictions,
                                  double delta,
                                  struct crew_loss how)
{
    return loss(g, &op_huber_loss, "huber_loss", labels, predictions,
                (float)delta, how);
}

struct crew_node *crew_hinge_loss(struct crew_graph *g,
                                  struct crew_node *labels,
                                  struct crew_node *logits,
                                  struct crew_loss how)
{
    return loss(g, &op_hinge_loss, "hinge_loss", labels, logits, 0.0f, how);
}

struct crew_node *crew_log_loss(struct crew_graph *g,
                                struct crew_node *labels,
                                struct crew_node *predictions,
                                double epsilon,
                                struct crew_loss how)
{
    return loss(g, &op_log_loss, "log_loss", labels, predictions,
                (float)epsilon, how);
}

struct crew_node *crew_sigmoid_cross_entropy(struct crew_graph *g,
                                             struct crew_node *labels,
                                             struct crew_node *logits,
                                             double label_smoothing,
                                             struct crew_loss how)
{
    return loss(g, &op_sigmoid_xent, "sigmoid_cross_entropy_loss", labels,
                logits, (float)label_smoothing, how);
}

struct crew_node *crew_softmax_cross_entropy(struct crew_graph *g,
                                             struct crew_node *onehot_labels,
                                             struct crew_node *logits,
                                             double label_smoothing,
                                             struct crew_loss how)
{
    return loss(g, &op_softmax_xent, "softmax_cross_entropy_loss",
                onehot_labels, logits, (float)label_smoothing, how);
}

struct crew_node *crew_sparse_softmax_cross_entropy_weighted(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *logits,
    struct crew_loss how)
{
    return loss(g, &op_sparse_softmax_xent, "sparse_softmax_cross_entropy_loss",
                labels, logits, 0.0f, how);
}
