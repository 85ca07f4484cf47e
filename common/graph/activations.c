/* SPDX-License-Identifier: Apache-2.0
 * tf.nn's activations, by kind and by name. */
#include "graph/op.h"

#include "base/banned.h"

static struct crew_node *of1(struct crew_graph *g,
                             const struct op_def *op,
                             const char *name,
                             struct crew_node *x)
{
    return graph_add(g, op, name, 1, &x, (union op_attr){0});
}

struct crew_node *crew_leaky_relu(struct crew_graph *g,
                                  struct crew_node *x,
                                  float alpha)
{
    return graph_add(g, &op_leaky_relu, "LeakyRelu", 1, &x,
                     (union op_attr){.factor = alpha});
}

/* 0.5 x (1 + erf(x / sqrt 2)), or by tanh. */
struct crew_node *crew_gelu(struct crew_graph *g,
                            struct crew_node *x,
                            bool approximate)
{
    struct crew_node *inner, *phi;

    if (approximate) {
        inner = crew_mul(g, x, crew_square(g, x)); /* x^3 */
        inner = crew_add(g, x, crew_scale(g, inner, 0.044715f));
        phi = of1(g, &op_tanh, "Tanh", crew_scale(g, inner, 0.79788456f));
    } else {
        phi = crew_erf(g, crew_scale(g, x, 0.70710678f));
    }
    return crew_mul(g, crew_scale(g, x, 0.5f), crew_shift(g, phi, 1.0f));
}

struct crew_node *crew_activate(struct crew_graph *g,
                                struct crew_node *x,
                                enum crew_activation activation)
{
    switch (activation) {
        case CREW_LINEAR:
            return graph_takes(g, "crew_activate", x) ? x : graph_poison(g);
        case CREW_RELU:
            return of1(g, &op_relu, "Relu", x);
        case CREW_SIGMOID:
            return of1(g, &op_sigmoid, "Sigmoid", x);
        case CREW_TANH:
            return of1(g, &op_tanh, "Tanh", x);
        case CREW_RELU6:
            return of1(g, &op_relu6, "Relu6", x);
        case CREW_ELU:
            return of1(g, &op_elu, "Elu", x);
        case CREW_SELU:
            return of1(g, &op_selu, "Selu", x);
        case CREW_SOFTPLUS:
            return of1(g, &op_softplus, "Softplus", x);
        case CREW_SOFTSIGN:
            return of1(g, &op_softsign, "Softsign", x);
        case CREW_LEAKY_RELU:
            return crew_leaky_relu(g, x, 0.2f);
        case CREW_SWISH:
            return crew_mul(g, x, crew_activate(g, x, CREW_SIGMOID));
        case CREW_GELU:
            return crew_gelu(g, x, false);
    }
    return graph_fail(g, "crew_activate: there is no activation %d",
                      (int)activation);
}

#define BY_NAME(name, kind)                                                  \
    struct crew_node *crew_##name(struct crew_graph *g, struct crew_node *x) \
    {                                                                        \
        return crew_activate(g, x, kind);                                    \
    }
BY_NAME(relu, CREW_RELU)
BY_NAME(relu6, CREW_RELU6)
BY_NAME(elu, CREW_ELU)
BY_NAME(selu, CREW_SELU)
BY_NAME(sigmoid, CREW_SIGMOID)
BY_NAME(tanh, CREW_TANH)
BY_NAME(softplus, CREW_SOFTPLUS)
BY_NAME(softsign, CREW_SOFTSIGN)
BY_NAME(swish, CREW_SWISH)
#undef BY_NAME

struct crew_node *crew_log_sigmoid(struct crew_graph *g, struct crew_node *x)
{
    return crew_neg(g, crew_softplus(g, crew_neg(g, x)));
}

struct crew_node *crew_crelu(struct crew_graph *g, struct crew_node *x)
{
    struct crew_node *both[] = {crew_relu(g, x), crew_relu(g, crew_neg(g, x))};

    return crew_concat(g, both, 2, -1);
}
