/* SPDX-License-Identifier: Apache-2.0
 * Ops that apply a function of one number to every element. */
#include "graph/op.h"
#include "kernels/unary.h"

#include "base/banned.h"

static void infer(struct crew_node *n)
{
    if (op_operand_is_float(n, 0)) {
        n->dtype = CREW_FLOAT;
        n->shape = n->in[0]->shape;
    }
}

static void forward(const struct crew_node *n, struct run *r, k_unary f)
{
    f(node_count(n, r->batch), n->attr.factor, run_in(r, n, 0), run_out(r, n));
}

static void backward(const struct crew_node *n,
                     struct run *r,
                     k_unary_backward f)
{
    float *dx = run_d_in_zeroed(r, n, 0);

    if (dx != NULL) {
        f(node_count(n, r->batch), n->attr.factor, run_in(r, n, 0),
          run_out(r, n), run_d_out(r, n), dx);
    }
}

static void emit(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, n->op->tf_name);
    graphdef_input(g, n->in[0]->name);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

#define UNARY_OP_WITH(symbol, tf, kernel, emitter)                          \
    static void forward_##kernel(const struct crew_node *n, struct run *r)  \
    {                                                                       \
        forward(n, r, k_##kernel);                                          \
    }                                                                       \
    static void backward_##kernel(const struct crew_node *n, struct run *r) \
    {                                                                       \
        backward(n, r, k_##kernel##_backward);                              \
    }                                                                       \
    const struct op_def symbol = {                                          \
        .tf_name = (tf),                                                    \
        .flags = OP_NEEDS_INPUT | OP_NEEDS_OUTPUT,                          \
        .infer = infer,                                                     \
        .forward = forward_##kernel,                                        \
        .backward = backward_##kernel,                                      \
        .emit = (emitter),                                                  \
    };
#define UNARY_OP(symbol, tf, kernel) UNARY_OP_WITH(symbol, tf, kernel, emit)

static void emit_leaky(const struct crew_node *n, struct graphdef *g)
{
    const float tf_default = 0.2f;

    emit(n, g);
    if (n->attr.factor > tf_default || n->attr.factor < tf_default) {
        graphdef_attr_float(g, "alpha", n->attr.factor);
    }
}

UNARY_OP(op_relu6, "Relu6", relu6)
UNARY_OP(op_elu, "Elu", elu)
UNARY_OP(op_selu, "Selu", selu)
UNARY_OP(op_softplus, "Softplus", softplus)
UNARY_OP(op_softsign, "Softsign", softsign)
UNARY_OP(op_exp, "Exp", exp)
UNARY_OP(op_log, "Log", log)
UNARY_OP(op_sqrt, "Sqrt", sqrt)
UNARY_OP(op_rsqrt, "Rsqrt", rsqrt)
UNARY_OP(op_square, "Square", square)
UNARY_OP(op_abs, "Abs", abs)
UNARY_OP(op_neg, "Neg", neg)
UNARY_OP(op_erf, "Erf", erf)
UNARY_OP_WITH(op_leaky_relu, "LeakyRelu", leaky_relu, emit_leaky)
