/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses as nodes of TensorFlow: the arithmetic of losses_impl.py, without
 * its assertions. The last node has the loss's name. in[0] labels, in[1]
 * predictions or logits; of the weighted one: losses, weights. */
#include "graph/op_loss_emit.h"

#include "graph/expr.h"
#include "tensor/tensor.h"

#include "base/banned.h"

static const char *of2(const struct expr *e,
                       const char *op,
                       const char *a,
                       const char *b)
{
    return expr_op(e, op, CREW_FLOAT, a, b);
}

static const char *of1(const struct expr *e, const char *op, const char *a)
{
    return expr_op(e, op, CREW_FLOAT, a, NULL);
}

/* The last node. */
static void end(const struct expr *e,
                const char *op,
                const char *a,
                const char *b)
{
    (void)expr_op_as(e, e->scope, op, CREW_FLOAT, a, b);
}

void loss_emit_squared(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};

    end(&e, "SquaredDifference", n->in[1]->name, n->in[0]->name);
}

void loss_emit_absolute(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};

    end(&e, "Abs", of2(&e, "Sub", n->in[1]->name, n->in[0]->name), NULL);
}

void loss_emit_huber(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *delta = expr_float(&e, n->attr.factor);
    const char *d = of2(&e, "Sub", n->in[1]->name, n->in[0]->name);
    const char *far = of1(&e, "Abs", d);
    const char *quadratic = of2(&e, "Minimum", far, delta);
    const char *linear = of2(&e, "Sub", far, quadratic);
    const char *half =
        of2(&e, "Mul", expr_float(&e, 0.5f), of1(&e, "Square", quadratic));

    end(&e, "AddV2", half, of2(&e, "Mul", delta, linear));
}

void loss_emit_hinge(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *one = expr_float(&e, 1.0f);
    const char *twice = of2(&e, "Mul", expr_float(&e, 2.0f), n->in[0]->name);
    const char *side = of2(&e, "Sub", twice, one);
    const char *product = of2(&e, "Mul", side, n->in[1]->name);

    end(&e, "Relu", of2(&e, "Sub", one, product), NULL);
}

void loss_emit_log_loss(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *l = n->in[0]->name, *x = n->in[1]->name;
    const char *one = expr_float(&e, 1.0f);
    const char *epsilon = expr_float(&e, n->attr.factor);
    const char *yes = of1(&e, "Log", of2(&e, "AddV2", x, epsilon));
    const char *rest = of2(&e, "Sub", one, x);
    const char *no = of1(&e, "Log", of2(&e, "AddV2", rest, epsilon));
    const char *first = of1(&e, "Neg", of2(&e, "Mul", l, yes));

    end(&e, "Sub", first, of2(&e, "Mul", of2(&e, "Sub", one, l), no));
}

/* label * (1 - smoothing) + smoothing * share */
static const char *smoothed(const struct expr *e,
                            const struct crew_node *n,
                            float share)
{
    float s = n->attr.factor;
    const char *scaled;

    if (!(s > 0.0f)) {
        return n->in[0]->name;
    }
    scaled = of2(e, "Mul", n->in[0]->name, expr_float(e, 1.0f - s));
    return of2(e, "AddV2", scaled, expr_float(e, s * share));
}

/* max(x, 0) - x z + log(1 + exp(-|x|)) */
void loss_emit_sigmoid_xent(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *x = n->in[1]->name, *z = smoothed(&e, n, 0.5f);
    const char *linear =
        of2(&e, "Sub", of1(&e, "Relu", x), of2(&e, "Mul", x, z));
    const char *power = of1(&e, "Exp", of1(&e, "Neg", of1(&e, "Abs", x)));

    end(&e, "AddV2", linear, of1(&e, "Log1p", power));
}

/* t log(t) - t + log(2 pi t) / 2, and 0 where t is in [0, 1]. */
static const char *stirling(const struct expr *e, const char *t)
{
    const char *product = of2(e, "Mul", t, of1(e, "Log", t));
    const char *circle = of2(e, "Mul", expr_float(e, 6.28318530717958648f), t);
    const char *half =
        of2(e, "Mul", expr_float(e, 0.5f), of1(e, "Log", circle));
    const char *sum = of2(e, "AddV2", of2(e, "Sub", product, t), half);
    const char *zeros = of1(e, "ZerosLike", t), *ones = of1(e, "OnesLike", t);
    const char *small =
        expr_logical(e, "LogicalAnd", of2(e, "GreaterEqual", t, zeros),
                     of2(e, "LessEqual", t, ones));

    return expr_select(e, small, CREW_FLOAT, zeros, sum);
}

/* exp(x) - x t */
void loss_emit_log_poisson(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *t = n->in[0]->name, *x = n->in[1]->name;
    const char *power = of1(&e, "Exp", x), *product = of2(&e, "Mul", x, t);

    if (n->attr.factor > 0.0f) {
        const char *loss = of2(&e, "Sub", power, product);

        end(&e, "AddV2", loss, stirling(&e, t));
    } else {
        end(&e, "Sub", power, product);
    }
}

void loss_emit_softmax_xent(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    float share = 1.0f / (float)n->in[1]->shape.dim[1];

    end(&e, "SoftmaxCrossEntropyWithLogits", n->in[1]->name,
        smoothed(&e, n, share));
}

void loss_emit_sparse_xent(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};

    end(&e, "SparseSoftmaxCrossEntropyWithLogits", n->in[1]->name,
        n->in[0]->name);
    if (n->in[0]->dtype != CREW_INT64) { /* TensorFlow's default */
        graphdef_attr_type(g, "Tlabels", n->in[0]->dtype);
    }
}

/* The sum of the weights, or how many of them are not 0, over all elements. */
static const char *weight_of_all(const struct expr *e,
                                 const struct crew_node *n)
{
    const char *w = n->in[1]->name;
    const char *ones = of1(e, "OnesLike", n->in[0]->name);

    if (n->attr.loss != CREW_LOSS_MEAN) {
        w = expr_cast(e, of2(e, "NotEqual", w, expr_float(e, 0.0f)), CREW_BOOL,
                      CREW_FLOAT);
    }
    return expr_sum_all(e, of2(e, "Mul", w, ones), n->in[0]->shape.rank);
}

void loss_emit_weighted(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const char *x = n->in[0]->name, *weighted, *sum, *by;
    int rank = n->in[0]->shape.rank;

    if (n->attr.loss == CREW_LOSS_NONE) {
        end(&e, "Mul", x, n->in[1]->name);
        return;
    }
    weighted = of2(&e, "Mul", x, n->in[1]->name);
    sum = expr_sum_all(&e, weighted, rank);
    if (n->attr.loss == CREW_LOSS_SUM) {
        end(&e, "Identity", sum, NULL);
        return;
    }
    by = n->attr.loss == CREW_LOSS_SUM_OVER_BATCH_SIZE
             ? expr_cast(&e, of1(&e, "Size", x), CREW_INT32, CREW_FLOAT)
             : weight_of_all(&e, n);
    end(&e, "DivNoNan", sum, by);
}
