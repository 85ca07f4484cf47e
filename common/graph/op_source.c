/* SPDX-License-Identifier: Apache-2.0
 * Where values come from: placeholders and variables. Their values are bound by
 * the plan, so there is nothing to run. */
#include "graph/op.h"

#include "base/banned.h"

static void infer_nothing(struct crew_node *n)
{
    (void)n; /* dtype and shape are set by who adds the node */
}

static void emit_placeholder(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, "Placeholder");
    graphdef_attr_type(g, "dtype", n->dtype);
    graphdef_attr_shape(g, "shape", &n->shape);
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
