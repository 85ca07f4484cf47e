/* SPDX-License-Identifier: Apache-2.0
 * What many rows of the op table have in common. */
#include "graph/op.h"

#include <string.h>

#include "kernels/kernels.h"

#include "base/banned.h"

bool op_operand_is_float(struct crew_node *n, int k)
{
    if (n->in[k]->dtype != CREW_FLOAT) {
        (void)graph_fail(n->graph, "%s: %s is %s, must be float32", n->name,
                         n->in[k]->name, dtype_name(n->in[k]->dtype));
        return false;
    }
    return true;
}

bool op_operands_are_float(struct crew_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        if (!op_operand_is_float(n, k)) {
            return false;
        }
    }
    return true;
}

void op_pass_gradient(const struct crew_node *n, struct run *r, int k)
{
    const float *dy = run_d_out(r, n);
    struct grad dx = run_d_in(r, n, k);
    int64_t count = node_count(n, r->batch);

    if (dx.data == NULL || dx.data == dy) {
        return;
    }
    if (dx.add) {
        k_axpy(count, 1.0f, dy, dx.data);
    } else {
        memcpy(dx.data, dy, (size_t)count * sizeof(float));
    }
}

void op_emit_float(const struct crew_node *n, struct graphdef *g)
{
    graphdef_node(g, n->name, n->op->tf_name);
    for (int k = 0; k < n->n_in; k++) {
        graphdef_input(g, n->in[k]->name);
    }
    graphdef_attr_type(g, "T", CREW_FLOAT);
}
