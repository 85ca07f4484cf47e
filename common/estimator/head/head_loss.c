/* SPDX-License-Identifier: Apache-2.0
 * What a head loses: of each row, then of the batch. */
#include "estimator/head/head.h"
#include "graph/layers.h"
#include "graph/op.h"
#include "base/banned.h"

static struct crew_node *of_pairs(const struct head_parts *p,
                                  const struct op_def *op,
                                  struct crew_node *labels,
                                  float constant)
{
    struct crew_node *in[] = {labels, p->logits};

    return graph_add(p->g, op, "losses", 2, in,
                     (union op_attr){.factor = constant});
}

/* (b) of class ids (b, 1), as (b, 1). */
static struct crew_node *of_classes(const struct head_parts *p)
{
    struct crew_node *ids, *losses;

    if (graph_broken(p->g)) {
        return graph_poison(p->g);
    }
    ids = crew_reshape(p->g, p->labels, crew_shape1(p->labels->shape.dim[0]));
    losses = of_pairs(p, &op_sparse_softmax_xent, ids, 0.0f);
    return crew_reshape(p->g, losses, crew_shape2(-1, 1));
}

/* The mean over the classes, (b, 1). */
static struct crew_node *of_indicators(const struct head_parts *p)
{
    const int classes = 1;
    struct crew_node *labels =
        graph_broken(p->g) || p->labels->dtype == CREW_FLOAT
            ? p->labels
            : crew_to_float(p->g, p->labels);

    return crew_reduce(p->g, CREW_REDUCE_MEAN,
                       of_pairs(p, &op_sigmoid_xent, labels, 0.0f), &classes, 1,
                       true);
}

/* The caller's own; its shape is checked. */
static struct crew_node *of_function(const struct head_parts *p)
{
    const struct crew_head *h = p->head;
    struct crew_node *x;
    int64_t n = head_is_regression(h) ? h->logits_dimension : 1;

    if (graph_broken(p->g)) {
        return graph_poison(p->g);
    }
    x = h->o.loss_fn(h->o.loss_self, p->g, p->labels, p->logits);
    if (!graph_takes(p->g, "loss_fn", x)) {
        return graph_poison(p->g);
    }
    if (x->dtype != CREW_FLOAT || x->shape.rank != 2 || x->shape.dim[1] != n ||
        x->shape.dim[0] != p->logits->shape.dim[0]) {
        char text[128];

        return graph_fail(p->g,
                          "loss_fn must return Tensor of shape [D0, D1, ... "
                          "DN, %lld]. loss_shape: %s",
                          (long long)n,
                          shape_text(&x->shape, text, sizeof text));
    }
    return x;
}

static struct crew_node *unreduced(const struct head_parts *p)
{
    if (p->head->o.loss_fn != NULL) {
        return of_function(p);
    }
    switch (p->head->kind) {
        case HEAD_MULTI_CLASS:
            return of_classes(p);
        case HEAD_MULTI_LABEL:
            return of_indicators(p);
        case HEAD_REGRESSION:
            return of_pairs(p, &op_squared_difference, p->labels, 0.0f);
        case HEAD_POISSON:
            return of_pairs(p, &op_log_poisson_loss, p->labels,
                            p->head->o.no_full_loss ? 0.0f : 1.0f);
        default:
            return of_pairs(p, &op_sigmoid_xent, p->labels, 0.0f);
    }
}

void head_make_losses(struct head_parts *p)
{
    struct crew_node *penalty = p->args->regularization_loss;

    crew_scope_push(p->g, "losses");
    head_check_labels(p);
    head_find_weights(p);
    p->unreduced = unreduced(p);
    p->loss = loss_reduce(p->g, p->unreduced, p->weights, p->head->reduction);
    p->total_loss =
        penalty != NULL ? crew_add(p->g, p->loss, penalty) : p->loss;
    crew_scope_pop(p->g);
}
