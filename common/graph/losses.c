/* SPDX-License-Identifier: Apache-2.0
 * tf.losses by its names: a loss of elements or rows, then the reduction. */
#include "base/mem.h"
#include "graph/layers.h"
#include "graph/op.h"
#include "graph/owner.h"
#include "tensor/tensor.h"

#include "base/banned.h"

struct crew_node *crew_add_loss(struct crew_graph *g, struct crew_node *loss)
{
    if (!graph_takes(g, "crew_add_loss", loss)) {
        return graph_poison(g);
    }
    g->losses = xrealloc(
        g->losses, (size_t)(g->n_losses + 1) * sizeof(struct crew_node *));
    g->losses[g->n_losses++] = loss;
    return loss;
}

/* Without weights the reductions are plain sums and means. */
struct crew_node *loss_reduce(struct crew_graph *g,
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

struct crew_node *crew_compute_weighted_loss(struct crew_graph *g,
                                             struct crew_node *losses,
                                             struct crew_loss how)
{
    if ((unsigned)how.reduction > CREW_LOSS_SUM_OVER_BATCH_SIZE) {
        return graph_fail(g,
                          "Invalid Reduction Key %d. Key should be one of enum "
                          "crew_loss_reduction",
                          (int)how.reduction);
    }
    return crew_add_loss(g, loss_reduce(g, losses, how.weights, how.reduction));
}

/* TensorFlow casts labels to the predictions' dtype. */
static struct crew_node *as_floats(struct crew_graph *g, struct crew_node *x)
{
    return graph_takes(g, "labels", x) && x->dtype == CREW_FLOAT
               ? x
               : crew_to_float(g, x);
}

/* `labels` (b, 1) of ids beside logits of rows: (b). */
static struct crew_node *squeezed(struct crew_graph *g, struct crew_node *x)
{
    return !graph_broken(g) && graph_owns(g, x) && x->shape.rank == 2 &&
                   x->shape.dim[1] == 1
               ? crew_reshape(g, x, crew_shape1(x->shape.dim[0]))
               : x;
}

static struct crew_node *no_labels(struct crew_graph *g, const char *name)
{
    return graph_fail(g,
                      "%s: Argument `labels` must not be None. Fix: make no "
                      "loss in CREW_PREDICT",
                      name);
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
        return no_labels(g, name);
    }
    crew_scope_push(g, name);
    if (op != &op_sparse_softmax_xent) {
        in[0] = as_floats(g, labels);
    }
    losses =
        graph_add(g, op, "losses", 2, in, (union op_attr){.factor = constant});
    losses = crew_compute_weighted_loss(g, losses, how);
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
    how.weights = squeezed(g, how.weights);
    return loss(g, &op_sparse_softmax_xent, "sparse_softmax_cross_entropy_loss",
                squeezed(g, labels), logits, 0.0f, how);
}

struct crew_node *crew_sparse_softmax_cross_entropy(struct crew_graph *g,
                                                    struct crew_node *labels,
                                                    struct crew_node *logits)
{
    struct crew_node *in[] = {squeezed(g, labels), logits}, *loss;

    if (labels == NULL) {
        return no_labels(g, "crew_sparse_softmax_cross_entropy");
    }
    layer_push(g, NULL, "sparse_softmax_cross_entropy_loss");
    loss = graph_add(g, &op_sparse_softmax_xent, "xentropy", 2, in,
                     (union op_attr){0});
    loss = graph_add(g, &op_mean, "value", 1, &loss,
                     (union op_attr){.reduce = {.axes = 1}});
    crew_scope_pop(g);
    return crew_add_loss(g, loss);
}

struct crew_node *crew_cosine_distance(struct crew_graph *g,
                                       struct crew_node *labels,
                                       struct crew_node *predictions,
                                       int axis,
                                       struct crew_loss how)
{
    struct crew_node *x;

    if (labels == NULL) {
        return no_labels(g, "cosine_distance_loss");
    }
    crew_scope_push(g, "cosine_distance_loss");
    labels = as_floats(g, labels);
    if (predictions == NULL) {
        x = graph_fail(g,
                       "cosine_distance_loss: Argument `predictions` must "
                       "not be None.");
    } else if (!graph_takes(g, "cosine_distance_loss", predictions)) {
        x = graph_poison(g);
    } else if (!shape_equal(&labels->shape, &predictions->shape)) {
        char a[128], b[128];

        x = graph_fail(
            g, "cosine_distance_loss: Shapes %s and %s are incompatible",
            shape_text(&predictions->shape, a, sizeof a),
            shape_text(&labels->shape, b, sizeof b));
    } else {
        x = crew_reduce(g, CREW_REDUCE_SUM, crew_mul(g, predictions, labels),
                        &axis, 1, true);
        x = crew_shift(g, crew_neg(g, x), 1.0f);
        x = crew_compute_weighted_loss(g, x, how);
    }
    crew_scope_pop(g);
    return x;
}

struct crew_node *crew_mean_pairwise_squared_error(
    struct crew_graph *g,
    struct crew_node *labels,
    struct crew_node *predictions,
    struct crew_node *weights)
{
    struct crew_node *in[] = {labels, predictions, weights}, *x;

    if (labels == NULL) {
        return no_labels(g, "mean_pairwise_squared_error");
    }
    crew_scope_push(g, "mean_pairwise_squared_error");
    in[0] = as_floats(g, labels);
    x = crew_add_loss(
        g, graph_add(g, &op_pairwise_squared_error, "value",
                     weights != NULL ? 3 : 2, in, (union op_attr){0}));
    crew_scope_pop(g);
    return x;
}

struct crew_node *crew_total_loss(struct crew_graph *g,
                                  bool add_regularization_losses)
{
    struct crew_node *sum =
        add_regularization_losses ? crew_regularization_loss(g) : NULL;

    for (int i = 0; !graph_broken(g) && i < g->n_losses; i++) {
        sum = sum == NULL ? g->losses[i] : crew_add(g, sum, g->losses[i]);
    }
    return sum != NULL ? sum : crew_constant(g, 0.0f);
}
