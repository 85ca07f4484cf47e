/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics as nodes: sums in local variables, the update that adds a batch, and
 * the value of the sums, before or after it. The arithmetic is rule.c's and
 * auc.c's, in float32 as TensorFlow's own. Operands are matrices here: a row of
 * the batch by the elements of a row. */
#include <stdio.h>
#include <string.h>

#include "graph/expr.h"
#include "graph/node.h"
#include "metrics/emit.h"

#include "base/banned.h"

/* ---------------------------------------------------------------- operands */

const char *emit_of1(const struct emission *x, const char *op, const char *a)
{
    return expr_op(&x->e, op, CREW_FLOAT, a, NULL);
}

const char *emit_of2(const struct emission *x,
                     const char *op,
                     const char *a,
                     const char *b)
{
    return expr_op(&x->e, op, CREW_FLOAT, a, b);
}

static const char *matrix(const struct emission *x,
                          enum crew_dtype dtype,
                          const char *a,
                          int64_t columns)
{
    const int32_t dims[] = {-1, (int32_t)columns};

    return expr_reshape(&x->e, dtype, a, dims, 2);
}

/* An operand as (rows, columns) float32. */
const char *emit_floats(const struct emission *x, int operand)
{
    const struct crew_node *n = x->m->operand[operand];
    const char *a = expr_cast(&x->e, n->name, n->dtype, CREW_FLOAT);

    return matrix(x, CREW_FLOAT, a, metric_per_row(&n->shape));
}

/* The weights so that they can be multiplied with a matrix; NULL: none. */
static const char *weights(const struct emission *x)
{
    const struct crew_node *w = x->m->operand[WEIGHTS];

    return w == NULL || w->shape.rank == 0
               ? (w != NULL ? w->name : NULL)
               : matrix(x, CREW_FLOAT, w->name, metric_per_row(&w->shape));
}

const char *emit_weighted(const struct emission *x, const char *values)
{
    const char *w = weights(x);

    return w != NULL ? emit_of2(x, "Mul", values, w) : values;
}

/* -------------------------------------------- what is added up of a batch */

static void add_shaped(struct emission *x,
                       const char *name,
                       const char *sum,
                       struct crew_shape shape)
{
    x->parts[x->n_parts++] = (struct emit_part){name, sum, shape};
}

/* A scalar, or of_each numbers. */
static void add(struct emission *x,
                const char *name,
                const char *sum,
                int64_t of_each)
{
    add_shaped(x, name, sum,
               of_each > 0 ? crew_shape1(of_each) : crew_scalar_shape());
}

/* The sum of a matrix, and the weight of all its elements. */
static void add_mean(struct emission *x, const char *a)
{
    const char *ones = emit_of1(x, "OnesLike", a);

    add(x, "total", expr_sum_all(&x->e, emit_weighted(x, a), 2), 0);
    add(x, "count", expr_sum_all(&x->e, emit_weighted(x, ones), 2), 0);
}

static const char *as_number(const struct emission *x, const char *condition)
{
    return expr_cast(&x->e, condition, CREW_BOOL, CREW_FLOAT);
}

/* Of the labels' dtype. */
static const char *are_equal(const struct emission *x)
{
    const struct crew_node *l = x->m->operand[LABELS];
    const struct crew_node *p = x->m->operand[PREDICTIONS];
    const char *said = expr_cast(&x->e, p->name, p->dtype, l->dtype);
    const char *equal = expr_op(&x->e, "Equal", l->dtype, said, l->name);

    return matrix(x, CREW_FLOAT, as_number(x, equal),
                  metric_per_row(&p->shape));
}

static const char *below(const struct emission *x)
{
    const char *limit = expr_float(&x->e, x->m->rule.thresholds[0]);

    return as_number(x,
                     emit_of2(x, "Less", emit_floats(x, PREDICTIONS), limit));
}

static const char *right_at(const struct emission *x)
{
    const char *limit = expr_float(&x->e, x->m->rule.thresholds[0]);
    const char *op = x->m->rule.or_equal ? "GreaterEqual" : "Greater";
    const char *yes =
        as_number(x, emit_of2(x, op, emit_floats(x, PREDICTIONS), limit));

    return as_number(x, emit_of2(x, "Equal", emit_floats(x, LABELS), yes));
}

/* The sum and the weight of each element, which has no batch in front. */
static void add_tensor(struct emission *x)
{
    const struct crew_shape *shape = &x->m->operand[PREDICTIONS]->shape;
    const char *a = emit_floats(x, PREDICTIONS);
    const char *sums[2] = {a, emit_of1(x, "OnesLike", a)};
    int32_t dims[CREW_MAX_RANK];

    for (int i = 0; i < shape->rank; i++) {
        dims[i] = (int32_t)shape->dim[i];
    }
    for (int i = 0; i < 2; i++) {
        add_shaped(x, i == 0 ? "total_tensor" : "count_tensor",
                   expr_reshape(&x->e, CREW_FLOAT, emit_weighted(x, sums[i]),
                                dims, shape->rank),
                   *shape);
    }
}

/* Sums of products of the columns, one a row. */
static const char *cosines(const struct emission *x)
{
    const char *product =
        emit_of2(x, "Mul", emit_floats(x, PREDICTIONS), emit_floats(x, LABELS));

    return matrix(x, CREW_FLOAT, expr_sum(&x->e, product, 1), 1);
}

/* What the mean is taken of. */
static const char *elements(const struct emission *x)
{
    const char *d;

    switch (x->m->rule.kind) {
        case METRIC_ACCURACY:
            return are_equal(x);
        case METRIC_BELOW:
            return below(x);
        case METRIC_ACCURACY_AT:
            return right_at(x);
        case METRIC_COSINE_DISTANCE:
            return cosines(x);
        case METRIC_SQUARED_ERROR:
        case METRIC_ROOT_SQUARED_ERROR:
            return emit_of2(x, "SquaredDifference", emit_floats(x, PREDICTIONS),
                            emit_floats(x, LABELS));
        case METRIC_ABSOLUTE_ERROR:
        case METRIC_RELATIVE_ERROR:
            d = emit_of1(x, "Abs",
                         emit_of2(x, "Sub", emit_floats(x, LABELS),
                                  emit_floats(x, PREDICTIONS)));
            return x->m->rule.kind == METRIC_ABSOLUTE_ERROR
                       ? d
                       : emit_of2(x, "DivNoNan", d, emit_floats(x, NORMALIZER));
        default:
            return emit_floats(x, PREDICTIONS);
    }
}

/* (rows * columns, classes): 1 in the label's column. */
static void add_classes(struct emission *x)
{
    const struct crew_node *l = x->m->operand[LABELS];
    const char *one = expr_float(&x->e, 1.0f), *zero = expr_float(&x->e, 0.0f);
    const int32_t flat = -1, classes = (int32_t)x->m->rule.num_classes;
    const char *labels = expr_reshape(&x->e, l->dtype, l->name, &flat, 1);
    const char *depth = expr_ints(&x->e, 0, &classes, 1);
    const char *hot = expr_op(&x->e, "OneHot", CREW_FLOAT, labels, depth);
    const char *right, *w;

    graphdef_input(x->e.graph, one);
    graphdef_input(x->e.graph, zero);
    if (l->dtype != CREW_INT64) { /* TensorFlow's default */
        graphdef_attr_type(x->e.graph, "TI", l->dtype);
    }
    right = are_equal(x);
    w = matrix(x, CREW_FLOAT, emit_weighted(x, emit_of1(x, "OnesLike", right)),
               1);
    hot = emit_of2(x, "Mul", hot, w);
    right = matrix(x, CREW_FLOAT, right, 1);
    add(x, "count", expr_sum(&x->e, hot, 0), classes);
    add(x, "total", expr_sum(&x->e, emit_of2(x, "Mul", hot, right), 0),
        classes);
}

/* ------------------------------------------------------------------- cells */

enum { TP, FN, TN, FP, CELLS };

static const char *const cell_names[CELLS] = {
    "true_positives", "false_negatives", "true_negatives", "false_positives"};

/* A bit for each of the counts that the metric needs. */
static unsigned cells_of(enum metric_kind kind)
{
    switch (kind) {
        case METRIC_TRUE_POSITIVES:
        case METRIC_TRUE_POSITIVES_AT:
            return 1u << TP;
        case METRIC_FALSE_POSITIVES:
        case METRIC_FALSE_POSITIVES_AT:
            return 1u << FP;
        case METRIC_TRUE_NEGATIVES:
        case METRIC_TRUE_NEGATIVES_AT:
            return 1u << TN;
        case METRIC_FALSE_NEGATIVES:
        case METRIC_FALSE_NEGATIVES_AT:
            return 1u << FN;
        case METRIC_PRECISION:
        case METRIC_PRECISION_AT:
            return 1u << TP | 1u << FP;
        case METRIC_RECALL:
        case METRIC_RECALL_AT:
            return 1u << TP | 1u << FN;
        default:
            return (1u << CELLS) - 1;
    }
}

/* A row of all elements. */
static const char *one_row(const struct emission *x, const char *a)
{
    const int32_t dims[] = {1, -1};

    return expr_reshape(&x->e, CREW_FLOAT, a, dims, 2);
}

/* A column of the thresholds. */
static const char *thresholds(const struct emission *x)
{
    const struct metric_rule *r = &x->m->rule;
    struct crew_shape shape = crew_shape2(r->num_thresholds, 1);
    char name[256];
    const char *kept;

    (void)snprintf(name, sizeof name, "%s/thresholds", x->e.scope);
    kept = graphdef_free_name(x->e.graph, name);
    graphdef_const(x->e.graph, kept, CREW_FLOAT, &shape, r->thresholds,
                   (size_t)r->num_thresholds * sizeof(float));
    return kept;
}

/* The weight in each cell: scalars, or one number a threshold. */
static void add_cells(struct emission *x)
{
    int64_t n = emit_by_threshold(x) ? x->m->rule.num_thresholds : 0;
    unsigned wanted = cells_of(x->m->rule.kind);
    const char *zero = expr_float(&x->e, 0.0f);
    const char *p = emit_floats(x, PREDICTIONS);
    const char *ones = emit_of1(x, "OnesLike", p), *w = emit_weighted(x, ones);
    const char *is[2], *said[2];

    w = one_row(x, w);
    p = one_row(x, p);
    is[1] = emit_of2(x, "NotEqual", one_row(x, emit_floats(x, LABELS)), zero);
    is[0] = expr_logical(&x->e, "LogicalNot", is[1], NULL);
    said[1] = n > 0 ? emit_of2(x, "Greater", p, thresholds(x))
                    : emit_of2(x, "NotEqual", p, zero);
    said[0] = expr_logical(&x->e, "LogicalNot", said[1], NULL);
    for (int cell = 0; cell < CELLS; cell++) {
        bool label = cell == TP || cell == FN, yes = cell == TP || cell == FP;
        const char *in, *sum;

        if ((wanted >> cell & 1u) == 0) {
            continue;
        }
        in = as_number(x,
                       expr_logical(&x->e, "LogicalAnd", is[label], said[yes]));
        in = emit_of2(x, "Mul", in, w);
        sum = n > 0 ? expr_sum(&x->e, in, 1) : expr_sum_all(&x->e, in, 2);
        add(x, cell_names[cell], sum, n);
    }
}

/* ---------------------------------------------------------------- the rest */

static bool is_by_row(enum metric_kind kind)
{
    return kind == METRIC_COSINE_DISTANCE ||
           (kind >= METRIC_PRECISION_TOP_K && kind <= METRIC_IN_TOP_K);
}

static int check(const struct crew_metric *m, struct crew_err *err)
{
    const struct crew_node *w = m->operand[WEIGHTS];

    if (is_by_row(m->rule.kind) && w != NULL && w->shape.rank > 0 &&
        metric_per_row(&w->shape) != 1) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 1,
                             "%s: the weights %s are one a value; an export "
                             "takes one a row. Fix: reduce them",
                             m->name, w->name);
    }
    return CREW_OK;
}

/* Hits, and what they are counted against beside them. */
static void add_top_k(struct emission *x)
{
    const char *hits, *rest;

    emit_top_k(x, &hits, &rest);
    add(x, "total", expr_sum_all(&x->e, emit_weighted(x, hits), 2), 0);
    add(x, "count", expr_sum_all(&x->e, emit_weighted(x, rest), 2), 0);
}

static void add_all(struct emission *x)
{
    int64_t n = x->m->rule.num_classes;

    switch (x->m->rule.kind) {
        case METRIC_MEAN_PER_CLASS_ACCURACY:
            add_classes(x);
            break;
        case METRIC_MEAN_IOU:
            add_shaped(x, "total_confusion_matrix", emit_confusion(x),
                       crew_shape2(n, n));
            break;
        case METRIC_MEAN_TENSOR:
            add_tensor(x);
            break;
        case METRIC_IN_TOP_K:
            add_mean(x, emit_in_top_k(x));
            break;
        case METRIC_AVERAGE_PRECISION_TOP_K:
            add_mean(x, emit_average_precision(x));
            break;
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K:
            add_top_k(x);
            break;
        default:
            if (x->m->rule.kind >= METRIC_TRUE_POSITIVES &&
                x->m->rule.kind <= METRIC_AUC) {
                add_cells(x);
            } else {
                add_mean(x, elements(x));
            }
    }
}

/* The variable of a part; *now and *then are its value before and after this
 * run's update. */
static void add_variable(const struct emission *x,
                         const struct emit_part *part,
                         const char **now,
                         const char **then)
{
    struct graphdef *g = x->e.graph;
    char name[256], read[320], control[320];
    const char *assign;

    (void)snprintf(name, sizeof name, "%s/%s", x->e.scope, part->name);
    graphdef_local(g, name, &part->shape);
    (void)snprintf(read, sizeof read, "%s/Read/ReadVariableOp", name);
    *now = graphdef_keep(g, read);
    (void)snprintf(read, sizeof read, "%s/AssignAddVariableOp", name);
    assign = graphdef_keep(g, read);
    graphdef_node(g, assign, "AssignAddVariableOp");
    graphdef_input(g, name);
    graphdef_input(g, part->sum);
    graphdef_attr_type(g, "dtype", CREW_FLOAT);
    (void)snprintf(read, sizeof read, "%s/ReadVariableOp", name);
    *then = graphdef_keep(g, read);
    graphdef_node(g, *then, "ReadVariableOp");
    graphdef_input(g, name);
    (void)snprintf(control, sizeof control, "^%s", assign);
    graphdef_input(g, control);
    graphdef_attr_type(g, "dtype", CREW_FLOAT);
}

/* A scope of its own: "accuracy", "accuracy_1", ... */
static const char *new_scope(const struct crew_metric *m, struct graphdef *g)
{
    const char *base = m->name, *own;
    char scope[200], value[256];

    if (strncmp(base, "crew_metric_", 12) == 0) {
        base += 12;
    }
    for (int i = 0;; i++) {
        (void)(i == 0 ? snprintf(scope, sizeof scope, "%s", base)
                      : snprintf(scope, sizeof scope, "%s_%d", base, i));
        (void)snprintf(value, sizeof value, "%s/value", scope);
        own = graphdef_free_name(g, value);
        if (strcmp(own, value) == 0) {
            return graphdef_keep(g, scope);
        }
    }
}

static const char *end(const struct emission *x,
                       const char *leaf,
                       const char *const *sums)
{
    char name[256];

    (void)snprintf(name, sizeof name, "%s/%s", x->e.scope, leaf);
    return expr_op_as(&x->e, graphdef_keep(x->e.graph, name), "Identity",
                      CREW_FLOAT, emit_value(x, sums), NULL);
}

static struct crew_shape value_shape(const struct crew_metric *m)
{
    if (m->rule.kind == METRIC_MEAN_TENSOR) {
        return m->operand[PREDICTIONS]->shape;
    }
    return m->rule.kind >= METRIC_TRUE_POSITIVES_AT &&
                   m->rule.kind <= METRIC_RECALL_AT && !m->rule.scalar
               ? crew_shape1(metric_num_values(m))
               : crew_scalar_shape();
}

int metric_emit(const struct crew_metric *m,
                struct graphdef *g,
                struct metric_nodes *out,
                struct crew_err *err)
{
    struct emission x = {.m = m};
    const char *now[EMIT_MAX_PARTS], *then[EMIT_MAX_PARTS];

    if (check(m, err) != CREW_OK) {
        return err->code;
    }
    x.e = (struct expr){g, new_scope(m, g)};
    add_all(&x);
    for (int i = 0; i < x.n_parts; i++) {
        add_variable(&x, &x.parts[i], &now[i], &then[i]);
    }
    out->value = end(&x, "value", now);
    out->update = end(&x, "update_op", then);
    out->shape = value_shape(m);
    return CREW_OK;
}
