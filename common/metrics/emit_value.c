/* SPDX-License-Identifier: Apache-2.0
 * The value of a metric's sums, as nodes: rule.c's and auc.c's formulas. */
#include "metrics/emit.h"

#include "base/banned.h"

bool emit_by_threshold(const struct emission *x)
{
    enum metric_kind kind = x->m->rule.kind;

    return kind >= METRIC_TRUE_POSITIVES_AT && kind <= METRIC_AUC;
}

static const char *number(const struct emission *x, double v)
{
    return expr_float(&x->e, (float)v);
}

static const char *plus(const struct emission *x, const char *a, const char *b)
{
    return emit_of2(x, "AddV2", a, b);
}

/* --------------------------------------------------------------------- auc */

/* Elements 0 to n - 2 of n, or 1 to n - 1. */
static const char *without(const struct emission *x, const char *a, bool last)
{
    const int32_t from = last ? 0 : 1, n = x->m->rule.num_thresholds - 1;
    const char *begin = expr_ints(&x->e, 1, &from, 1);
    const char *size = expr_ints(&x->e, 1, &n, 1);
    const char *name = expr_op(&x->e, "Slice", CREW_FLOAT, a, begin);

    graphdef_input(x->e.graph, size);
    graphdef_attr_type(x->e.graph, "Index", CREW_INT32);
    return name;
}

/* The area below the points (px, py), whose px fall. */
static const char *area(const struct emission *x,
                        const char *px,
                        const char *py)
{
    const char *width =
        emit_of2(x, "Sub", without(x, px, true), without(x, px, false));
    const char *a = without(x, py, true), *b = without(x, py, false);
    const char *height;

    switch (x->m->rule.summation) {
        case CREW_AUC_MINORING:
            height = emit_of2(x, "Minimum", a, b);
            break;
        case CREW_AUC_MAJORING:
            height = emit_of2(x, "Maximum", a, b);
            break;
        default:
            height = emit_of2(x, "RealDiv", plus(x, a, b), number(x, 2.0));
    }
    return expr_sum_all(&x->e, emit_of2(x, "Mul", width, height), 1);
}

/* Davis and Goadrich's interpolation between the points of a PR curve. */
static const char *interpolated(const struct emission *x,
                                const char *tp,
                                const char *fn,
                                const char *fp)
{
    const char *zero = number(x, 0.0), *said = plus(x, tp, fp);
    const char *p = without(x, said, true), *q = without(x, said, false);
    const char *next = without(x, tp, false);
    const char *d = emit_of2(x, "Sub", without(x, tp, true), next);
    const char *slope =
        emit_of2(x, "DivNoNan", d,
                 emit_of2(x, "Maximum", emit_of2(x, "Sub", p, q), zero));
    const char *intercept =
        emit_of2(x, "Sub", next, emit_of2(x, "Mul", slope, q));
    const char *both =
        expr_logical(&x->e, "LogicalAnd", emit_of2(x, "Greater", p, zero),
                     emit_of2(x, "Greater", q, zero));
    const char *ratio =
        expr_select(&x->e, both, CREW_FLOAT, emit_of2(x, "DivNoNan", p, q),
                    emit_of1(x, "OnesLike", p));
    const char *sum =
        plus(x, d, emit_of2(x, "Mul", intercept, emit_of1(x, "Log", ratio)));
    const char *all = plus(x, next, without(x, fn, false));

    return expr_sum_all(&x->e,
                        emit_of2(x, "DivNoNan", emit_of2(x, "Mul", slope, sum),
                                 emit_of2(x, "Maximum", all, zero)),
                        1);
}

static const char *auc(const struct emission *x, const char *const *sums)
{
    const struct metric_rule *r = &x->m->rule;
    const char *tp = sums[0], *fn = sums[1], *tn = sums[2], *fp = sums[3];
    const char *eps, *top, *recall, *rate;

    if (r->curve == CREW_AUC_PR && r->summation == CREW_AUC_CAREFUL) {
        return interpolated(x, tp, fn, fp);
    }
    if (r->keras) {
        recall = emit_of2(x, "DivNoNan", tp, plus(x, tp, fn));
        return r->curve == CREW_AUC_PR
                   ? area(x, recall,
                          emit_of2(x, "DivNoNan", tp, plus(x, tp, fp)))
                   : area(x, emit_of2(x, "DivNoNan", fp, plus(x, fp, tn)),
                          recall);
    }
    eps = number(x, 1e-6);
    top = plus(x, tp, eps);
    recall = emit_of2(x, "RealDiv", top, plus(x, plus(x, tp, fn), eps));
    if (r->curve == CREW_AUC_PR) {
        return area(x, recall,
                    emit_of2(x, "RealDiv", top, plus(x, plus(x, tp, fp), eps)));
    }
    rate = emit_of2(x, "RealDiv", fp, plus(x, plus(x, fp, tn), eps));
    return area(x, rate, recall);
}

/* ------------------------------------------------------- at another's rate */

/* hits / (hits + misses), guarded as TensorFlow does. */
static const char *rate(const struct emission *x,
                        const char *hits,
                        const char *misses)
{
    return emit_of2(x, "RealDiv", hits,
                    plus(x, plus(x, hits, misses), number(x, 1e-7)));
}

/* Places along the only axis: int64. */
static const char *place(const struct emission *x,
                         const char *op,
                         enum crew_dtype dtype,
                         const char *a)
{
    const int32_t axis = 0;

    return expr_op(&x->e, op, dtype, a, expr_ints(&x->e, 0, &axis, 1));
}

/* The last of the smallest: ArgMax of how many there have been so far. */
static const char *last_smallest(const struct emission *x, const char *far)
{
    const int32_t axis = 0;
    const char *least =
        expr_op(&x->e, "Min", CREW_FLOAT, far, expr_ints(&x->e, 1, &axis, 1));
    const char *is = expr_cast(&x->e, emit_of2(x, "Equal", far, least),
                               CREW_BOOL, CREW_INT64);

    return place(x, "ArgMax", CREW_INT64, place(x, "Cumsum", CREW_INT64, is));
}

/* One rate at the threshold where the other is nearest to the target: of equal
 * ones the first for a specificity, the last for a sensitivity. */
static const char *at_other_rate(const struct emission *x,
                                 const char *const *sums)
{
    bool by_negatives = x->m->rule.kind == METRIC_SENSITIVITY_AT_SPECIFICITY;
    const char *tp = sums[0], *fn = sums[1], *tn = sums[2], *fp = sums[3];
    const char *given = by_negatives ? rate(x, tn, fp) : rate(x, tp, fn);
    const char *wanted = by_negatives ? rate(x, tp, fn) : rate(x, tn, fp);
    const char *far = emit_of1(
        x, "Abs", emit_of2(x, "Sub", given, number(x, x->m->rule.target)));
    const char *at = by_negatives ? place(x, "ArgMin", CREW_FLOAT, far)
                                  : last_smallest(x, far);
    const int32_t axis = 0;
    const char *axes = expr_ints(&x->e, 0, &axis, 1);

    return expr_gather(&x->e, wanted, at, axes);
}

/* ------------------------------------------------------------------- others */

/* sums[0] of both; of 0 in all it is 0. TensorFlow's epsilon where there are
 * thresholds. */
static const char *share(const struct emission *x, const char *const *sums)
{
    const char *all = plus(x, sums[0], sums[1]);

    return emit_by_threshold(x) && !x->m->rule.keras
               ? emit_of2(x, "RealDiv", sums[0], plus(x, all, number(x, 1e-7)))
               : emit_of2(x, "DivNoNan", sums[0], all);
}

/* What is right when always the more frequent of two is said. */
static const char *baseline(const struct emission *x, const char *const *sums)
{
    const char *total = sums[0], *mean;

    if (x->m->rule.keras) {
        total =
            emit_of2(x, "Maximum", total, emit_of2(x, "Sub", sums[1], total));
        return emit_of2(x, "DivNoNan", total, sums[1]);
    }
    mean = emit_of2(x, "DivNoNan", total, sums[1]);
    return emit_of2(x, "Maximum", mean,
                    emit_of2(x, "Sub", number(x, 1.0), mean));
}

static const char *mean_of_classes(const struct emission *x,
                                   const char *const *sums)
{
    const char *each = emit_of2(x, "DivNoNan", sums[1], sums[0]);
    const char *n = number(x, (double)x->m->rule.num_classes);

    return emit_of2(x, "RealDiv", expr_sum_all(&x->e, each, 1), n);
}

static const char *value(const struct emission *x, const char *const *sums)
{
    switch (x->m->rule.kind) {
        case METRIC_MEAN_PER_CLASS_ACCURACY:
            return mean_of_classes(x, sums);
        case METRIC_MEAN_IOU:
            return emit_mean_iou(x, sums[0]);
        case METRIC_SENSITIVITY_AT_SPECIFICITY:
        case METRIC_SPECIFICITY_AT_SENSITIVITY:
            return at_other_rate(x, sums);
        case METRIC_AUC:
            return auc(x, sums);
        case METRIC_ACCURACY_BASELINE:
            return baseline(x, sums);
        case METRIC_PRECISION:
        case METRIC_PRECISION_AT:
        case METRIC_RECALL:
        case METRIC_RECALL_AT:
            return share(x, sums);
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K: /* NaN before the first row, as TensorFlow */
            return emit_of2(x, "RealDiv", sums[0], plus(x, sums[0], sums[1]));
        case METRIC_ROOT_SQUARED_ERROR:
            return emit_of1(x, "Sqrt",
                            emit_of2(x, "DivNoNan", sums[0], sums[1]));
        case METRIC_COSINE_DISTANCE:
            return emit_of2(x, "Sub", number(x, 1.0),
                            emit_of2(x, "DivNoNan", sums[0], sums[1]));
        default: /* one count, or a mean */
            return x->n_parts == 1 ? sums[0]
                                   : emit_of2(x, "DivNoNan", sums[0], sums[1]);
    }
}

const char *emit_value(const struct emission *x, const char *const *sums)
{
    const char *v = value(x, sums);

    return x->m->rule.scalar ? expr_reshape(&x->e, CREW_FLOAT, v, NULL, 0) : v;
}
