/* SPDX-License-Identifier: Apache-2.0
 *
 * tf.losses.mean_pairwise_squared_error: how far differences between the
 * elements of a row are from those of the labels. With d = prediction - label,
 * S = sum d, Q = sum d^2 over the n elements of a row whose weight is not 0,
 *
 *     loss = sum over rows of w (2 Q / (n - 1) - 2 S^2 / (n (n - 1))),
 *
 * where what is divided by 0 counts 0. (Q and S are over all elements of the
 * row, as in TensorFlow, whatever their weights.) */
#include "graph/op_loss_emit.h"

#include "graph/expr.h"
#include "tensor/tensor.h"

#include "base/banned.h"

/* in[0] labels, in[1] predictions (b, ...), in[2] weights: a scalar, or of
 * their rank with each dimension theirs or 1; none: 1. */
static void infer_pairwise(struct crew_node *n)
{
    if (!loss_same_shape(n) ||
        (n->n_in == 3 && !loss_weights_fit(n, n->in[1], n->in[2]))) {
        return;
    }
    if (n->in[1]->shape.rank < 1) {
        (void)graph_fail(n->graph, "%s: predictions must have a batch",
                         n->name);
        return;
    }
    n->dtype = CREW_FLOAT;
    n->shape = crew_scalar_shape();
}

/* Elements of a row. */
static int64_t width_of(const struct crew_node *x)
{
    int64_t n = 1;

    for (int i = 1; i < x->shape.rank; i++) {
        n *= x->shape.dim[i];
    }
    return n;
}

/* What the weights of one row come to. */
struct row_weight {
    double sum;     /* of those given, not repeated over the elements */
    double present; /* elements of the row whose weight is not 0 */
};

static struct row_weight weight_of_row(const struct crew_node *n,
                                       const struct run *r,
                                       int64_t row)
{
    int64_t width = width_of(n->in[1]), each;
    struct row_weight w = {0.0, 0.0};
    const float *x;

    if (n->n_in < 3) {
        return (struct row_weight){1.0, (double)width};
    }
    each = width_of(n->in[2]);
    x = run_in(r, n, 2);
    if (n->in[2]->shape.rank > 0 && n->in[2]->shape.dim[0] != 1) {
        x += row * each;
    }
    for (int64_t i = 0; i < each; i++) {
        w.sum += (double)x[i];
        w.present += x[i] > 0.0f || x[i] < 0.0f ? 1.0 : 0.0;
    }
    w.present *= (double)width / (double)each;
    return w;
}

/* 2 / (n - 1) and 2 / (n (n - 1)), or 0. */
static void factors(double n, double *square, double *sum)
{
    *square = n > 1.0 ? 2.0 / (n - 1.0) : 0.0;
    *sum = n > 1.0 ? 2.0 / (n * (n - 1.0)) : 0.0;
}

static double sum_of_row(const float *labels,
                         const float *x,
                         int64_t n,
                         double *squares)
{
    double sum = 0.0;

    *squares = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)labels[i];

        sum += d;
        *squares += d * d;
    }
    return sum;
}

static void forward_pairwise(const struct crew_node *n, struct run *r)
{
    const float *labels = run_in(r, n, 0), *x = run_in(r, n, 1);
    int64_t width = width_of(n->in[1]);
    int64_t rows = node_count(n->in[1], r->batch) / width;
    double loss = 0.0;

    for (int64_t row = 0; row < rows; row++) {
        struct row_weight w = weight_of_row(n, r, row);
        double by_square, by_sum, squares;
        double sum =
            sum_of_row(labels + row * width, x + row * width, width, &squares);

        factors(w.present, &by_square, &by_sum);
        loss += w.sum * (by_square * squares - by_sum * sum * sum);
    }
    *(float *)run_out(r, n) = (float)loss;
}

static void backward_pairwise(const struct crew_node *n, struct run *r)
{
    const float *labels = run_in(r, n, 0), *x = run_in(r, n, 1);
    int64_t width = width_of(n->in[1]);
    int64_t rows = node_count(n->in[1], r->batch) / width;
    double dy = (double)*run_d_out(r, n);
    float *dx = run_d_in_zeroed(r, n, 1);

    for (int64_t row = 0; dx != NULL && row < rows; row++) {
        struct row_weight w = weight_of_row(n, r, row);
        double by_square, by_sum, squares;
        double sum =
            sum_of_row(labels + row * width, x + row * width, width, &squares);

        factors(w.present, &by_square, &by_sum);
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            double d = (double)x[i] - (double)labels[i];

            dx[i] += (float)(2.0 * dy * w.sum * (by_square * d - by_sum * sum));
        }
    }
}

/* ------------------------------------------------------------------ export */

static const char *of2(const struct expr *e,
                       const char *op,
                       const char *a,
                       const char *b)
{
    return expr_op(e, op, CREW_FLOAT, a, b);
}

/* The sum of each row, as a column. */
static const char *row_sums(const struct expr *e, const char *matrix)
{
    const int32_t column[] = {-1, 1};

    return expr_reshape(e, CREW_FLOAT, expr_sum(e, matrix, 1), column, 2);
}

/* The weights as a matrix, and how many elements of each row are present. */
static const char *weight_nodes(const struct expr *e,
                                const struct crew_node *n,
                                const char **present)
{
    double width = (double)width_of(n->in[1]);
    const char *w, *is;
    int32_t dims[] = {-1, 1};
    float each;

    if (n->n_in < 3) {
        *present = expr_float(e, (float)width);
        return expr_float(e, 1.0f);
    }
    dims[1] = (int32_t)width_of(n->in[2]);
    each = (float)(width / (double)dims[1]);
    w = expr_reshape(e, CREW_FLOAT, n->in[2]->name, dims, 2);
    is = of2(e, "NotEqual", w, expr_float(e, 0.0f));
    is = row_sums(e, expr_cast(e, is, CREW_BOOL, CREW_FLOAT));
    *present = of2(e, "Mul", is, expr_float(e, each));
    return row_sums(e, w);
}

static void emit_pairwise(const struct crew_node *n, struct graphdef *g)
{
    struct expr e = {g, n->name};
    const int32_t dims[] = {-1, (int32_t)width_of(n->in[1])};
    const char *zero = expr_float(&e, 0.0f), *two = expr_float(&e, 2.0f);
    const char *d = of2(&e, "Sub", n->in[1]->name, n->in[0]->name);
    const char *many, *w = weight_nodes(&e, n, &many), *less, *a, *b;

    d = expr_reshape(&e, CREW_FLOAT, d, dims, 2);
    less = of2(&e, "Sub", many, expr_float(&e, 1.0f));
    less = of2(&e, "Maximum", less, zero);
    a = row_sums(&e, expr_op(&e, "Square", CREW_FLOAT, d, NULL));
    a = of2(&e, "Mul", two, of2(&e, "DivNoNan", a, less));
    b = expr_op(&e, "Square", CREW_FLOAT, row_sums(&e, d), NULL);
    b = of2(&e, "DivNoNan", b, of2(&e, "Mul", many, less));
    a = of2(&e, "Sub", a, of2(&e, "Mul", two, b));
    a = expr_sum_all(&e, of2(&e, "Mul", a, w), 2);
    (void)expr_op_as(&e, n->name, "Identity", CREW_FLOAT, a, NULL);
}

const struct op_def op_pairwise_squared_error = {
    .tf_name = "MeanPairwiseSquaredError",
    .flags = OP_MANY_NODES | OP_NEEDS_INPUT,
    .infer = infer_pairwise,
    .forward = forward_pairwise,
    .backward = backward_pairwise,
    .emit = emit_pairwise,
};
