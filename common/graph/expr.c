/* SPDX-License-Identifier: Apache-2.0
 * Expressions of several nodes; see expr.h. */
#include "graph/expr.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tensor/tensor.h"

#include "base/banned.h"

/* A free name for a node of that op. */
static const char *name_for(const struct expr *e, const char *op)
{
    char *own = xasprintf("%s/%s", e->scope, op);
    const char *name = graphdef_free_name(e->graph, own);

    free(own);
    return name;
}

const char *expr_op_as(const struct expr *e,
                       const char *name,
                       const char *op,
                       enum crew_dtype t,
                       const char *a,
                       const char *b)
{
    graphdef_node(e->graph, name, op);
    graphdef_input(e->graph, a);
    if (b != NULL) {
        graphdef_input(e->graph, b);
    }
    graphdef_attr_type(e->graph, "T", t);
    return name;
}

const char *expr_op(const struct expr *e,
                    const char *op,
                    enum crew_dtype t,
                    const char *a,
                    const char *b)
{
    return expr_op_as(e, name_for(e, op), op, t, a, b);
}

const char *expr_logical(const struct expr *e,
                         const char *op,
                         const char *a,
                         const char *b)
{
    const char *name = name_for(e, op);

    graphdef_node(e->graph, name, op);
    graphdef_input(e->graph, a);
    if (b != NULL) {
        graphdef_input(e->graph, b);
    }
    return name;
}

const char *expr_select(const struct expr *e,
                        const char *condition,
                        enum crew_dtype t,
                        const char *yes,
                        const char *no)
{
    const char *name = name_for(e, "Select");

    graphdef_node(e->graph, name, "Select");
    graphdef_input(e->graph, condition);
    graphdef_input(e->graph, yes);
    graphdef_input(e->graph, no);
    graphdef_attr_type(e->graph, "T", t);
    return name;
}

const char *expr_cast(const struct expr *e,
                      const char *a,
                      enum crew_dtype from,
                      enum crew_dtype to)
{
    const char *name;

    if (from == to) {
        return a;
    }
    name = name_for(e, "Cast");
    graphdef_node(e->graph, name, "Cast");
    graphdef_input(e->graph, a);
    graphdef_attr_type(e->graph, "SrcT", from);
    graphdef_attr_type(e->graph, "DstT", to);
    return name;
}

const char *expr_float(const struct expr *e, float v)
{
    const char *name = name_for(e, "Const");

    graphdef_const_float(e->graph, name, v);
    return name;
}

const char *expr_ints(const struct expr *e, int rank, const int32_t *v, int n)
{
    const char *name = name_for(e, "Const");

    graphdef_const_ints(e->graph, name, rank, v, n);
    return name;
}

const char *expr_longs(const struct expr *e, const int64_t *v, int n)
{
    struct crew_shape shape = crew_shape1(n);
    const char *name = name_for(e, "Const");

    graphdef_const_copy(e->graph, name, CREW_INT64, &shape, v,
                        (size_t)n * sizeof *v);
    return name;
}

const char *expr_gather(const struct expr *e,
                        const char *a,
                        const char *ids,
                        const char *axis)
{
    const char *name = name_for(e, "GatherV2");

    graphdef_node(e->graph, name, "GatherV2");
    graphdef_input(e->graph, a);
    graphdef_input(e->graph, ids);
    graphdef_input(e->graph, axis);
    graphdef_attr_type(e->graph, "Tparams", CREW_FLOAT);
    graphdef_attr_type(e->graph, "Tindices", CREW_INT64);
    graphdef_attr_type(e->graph, "Taxis", CREW_INT32);
    return name;
}

const char *expr_sum_all(const struct expr *e, const char *a, int n)
{
    int32_t axes[CREW_MAX_RANK];

    for (int i = 0; i < n; i++) {
        axes[i] = i;
    }
    return expr_op(e, "Sum", CREW_FLOAT, a, expr_ints(e, 1, axes, n));
}

const char *expr_sum(const struct expr *e, const char *a, int32_t axis)
{
    return expr_op(e, "Sum", CREW_FLOAT, a, expr_ints(e, 1, &axis, 1));
}

const char *expr_reshape(const struct expr *e,
                         enum crew_dtype t,
                         const char *a,
                         const int32_t *dims,
                         int n)
{
    return expr_op(e, "Reshape", t, a, expr_ints(e, 1, dims, n));
}
