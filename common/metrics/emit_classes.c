/* SPDX-License-Identifier: Apache-2.0
 * Confusion matrices of classes, as nodes, and mean_iou of them. */
#include "graph/node.h"
#include "metrics/emit.h"

#include "base/banned.h"

/* The classes as a column of int64. */
static const char *column(const struct emission *x, int operand)
{
    const struct crew_node *n = x->m->operand[operand];
    const int32_t dims[] = {-1, 1};

    return expr_reshape(&x->e, CREW_INT64,
                        expr_cast(&x->e, n->name, n->dtype, CREW_INT64), dims,
                        2);
}

const char *emit_confusion(const struct emission *x)
{
    const int64_t n = x->m->rule.num_classes, square[] = {n, n};
    const int32_t flat = -1, axis = 1;
    const char *ones = emit_of1(x, "OnesLike", emit_floats(x, PREDICTIONS));
    const char *w =
        expr_reshape(&x->e, CREW_FLOAT, emit_weighted(x, ones), &flat, 1);
    const char *labels = column(x, LABELS), *said = column(x, PREDICTIONS);
    const char *axes = expr_ints(&x->e, 0, &axis, 1);
    const char *pairs = expr_op(&x->e, "ConcatV2", CREW_INT64, labels, said);
    const char *shape, *name;

    graphdef_input(x->e.graph, axes);
    graphdef_attr_int(x->e.graph, "N", 2);
    shape = expr_longs(&x->e, square, 2);
    name = expr_op(&x->e, "ScatterNd", CREW_FLOAT, pairs, w);
    graphdef_input(x->e.graph, shape);
    graphdef_attr_type(x->e.graph, "Tindices", CREW_INT64);
    return name;
}

const char *emit_mean_iou(const struct emission *x, const char *confusion)
{
    const char *zero = expr_float(&x->e, 0.0f);
    const char *hits = expr_op(&x->e, "DiagPart", CREW_FLOAT, confusion, NULL);
    const char *all = emit_of2(x, "AddV2", expr_sum(&x->e, confusion, 0),
                               expr_sum(&x->e, confusion, 1));
    const char *met, *mean;

    all = emit_of2(x, "Sub", all, hits);
    met = expr_cast(&x->e, emit_of2(x, "NotEqual", all, zero), CREW_BOOL,
                    CREW_FLOAT);
    met = expr_sum_all(&x->e, met, 1);
    all = expr_select(&x->e, emit_of2(x, "Greater", all, zero), CREW_FLOAT, all,
                      emit_of1(x, "OnesLike", all));
    mean = expr_sum_all(&x->e, emit_of2(x, "RealDiv", hits, all), 1);
    return emit_of2(x, "DivNoNan", mean, met);
}
