/* SPDX-License-Identifier: Apache-2.0
 * Where values come from: placeholders and variables, whose values are bound by
 * the plan, so that there is nothing to run; constants; integers as floats. */
#include "graph/op.h"

#include "base/banned.h"

static void infer_nothing(struct crew_node *n)
{
    (void)n; /* dtype and shape are set by who adds the node */
}

static void emit_placeholder(const struct crew_node *n, struct graphdef *g)
{
    struct crew_shape shape = node_served_shape(n);

    graphdef_node(g, n->name, "Placeholder");
    graphdef_attr_type(g, "dtype", n->dtype);
    graphdef_attr_shape(g, "shape", &shape);
}

const struct op_def op_placeholder = {
    .tf_name = "Placeholder",
    .flags = OP_NO_GRADIENT,
    .infer = infer_nothing,
    .emit = emit_placeholder,
};

/* Exported with the values it is given then: see graph_emit(). */
const struct op_def op_variable = {
    .tf_name = "Const",
    .infer = infer_nothing,
};

static void infer_constant(struct crew_node *n)
{
    n->dtype = CREW_FLOAT;
    n->shape = crew_scalar_shape();
}

static void forward_constant(const struct crew_node *n, struct run *r)
{
    *(float *)run_out(r, n) = n->attr.factor;
}

static void emit_constant(const struct crew_node *n, struct graphdef *g)
{
    graphdef_const_float(g, n->name, n->attr.factor);
}

const struct op_def op_constant = {
    .tf_name = "Const",
    .flags = OP_NO_GRADIENT,
    .infer = infer_constant,
    .forward = forward_constant,
    .emit = emit_constant,
};

/* x of integers, held as int64 whatever their dtype. */
static void infer_cast(struct crew_node *n)
{
    n->dtype = CREW_FLOAT;
    n->shape = n->in[0]->shape;
}

static void forward_cast(const struct crew_node *n, struct run *r)
{
    const int64_t *x = run_in(r, n, 0);
    float *y = run_out(r, n);

    for (int64_t i = 0, count = node_count(n, r->batch); i < count; i++) {
        y[i] = (float)x[i];
    }
}

static void emit_cast(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, "Cast");
    graphdef_input(g, n->in[0]->name);
    graphdef_attr_type(g, "SrcT", n->in[0]->dtype);
    graphdef_attr_type(g, "DstT", CREW_FLOAT);
}

const struct op_def op_cast = {
    .tf_name = "Cast",
    .flags = OP_NO_GRADIENT,
    .infer = infer_cast,
    .forward = forward_cast,
    .emit = emit_cast,
};
