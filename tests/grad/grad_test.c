/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks the op table: every row has a case here whose gradient equals central
 * differences, and exports; or it says itself that it has no gradient or no
 * export. A new row without a case fails. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/emit.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "kernels/blas.h"

#include "base/banned.h"

enum { BATCH = 3, MAX_VARS = 16 };

/* A case builds its op between variables and the loss: loss = mean(op(...) *
 * op(...)) so that the gradient that reaches the op differs from element to
 * element. */
struct trial {
    struct crew_graph *g;
    struct crew_node *labels; /* when the case needs some */
    bool direct;              /* the case has made the loss itself */
};

static struct crew_node *var(struct trial *t,
                             const char *name,
                             struct crew_shape shape)
{
    return crew_variable(t->g, name, shape,
                         crew_init_truncated_normal(0, 1));
}

static struct crew_node *build_variable(struct trial *t)
{
    return var(t, "v", crew_shape2(BATCH, 5));
}

static struct crew_node *build_matmul(struct trial *t)
{
    return crew_matmul(t->g, var(t, "a", crew_shape2(BATCH, 4)),
                       var(t, "b", crew_shape2(4, 5)));
}

static struct crew_node *build_bias_add(struct trial *t)
{
    return crew_bias_add(t->g, var(t, "x", crew_shape4(BATCH, 2, 1, 5)),
                         var(t, "b", crew_shape1(5)));
}

static struct crew_node *build_add(struct trial *t)
{
    struct crew_node *a = var(t, "a", crew_shape2(BATCH, 5));

    return crew_add(t->g, crew_add(t->g, a, var(t, "b", crew_shape2(BATCH, 5))),
                    a);
}

static struct crew_node *build_mul(struct trial *t)
{
    struct crew_node *a = var(t, "a", crew_shape2(BATCH, 5));

    return crew_mul(t->g, crew_mul(t->g, a, var(t, "b", crew_shape2(BATCH, 5))),
                    a);
}

static struct crew_node *build_scale(struct trial *t)
{
    return crew_scale(t->g, var(t, "x", crew_shape2(BATCH, 5)), -2.5f);
}

static struct crew_node *activation(struct trial *t, enum crew_activation kind)
{
    /* over a sum, whose value and gradient may then be worked over in place */
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 5)), var(t, "b", crew_shape1(5)));

    return crew_activate(t->g, x, kind);
}

static struct crew_node *build_relu(struct trial *t)
{
    return activation(t, CREW_RELU);
}

static struct crew_node *build_sigmoid(struct trial *t)
{
    return activation(t, CREW_SIGMOID);
}

static struct crew_node *build_tanh(struct trial *t)
{
    return activation(t, CREW_TANH);
}

static struct crew_node *build_reshape(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape2(4, 5));
    struct crew_node *y = crew_reshape(t->g, x, crew_shape2(2, -1));

    return crew_mul(t->g, y, crew_reshape(t->g, x, crew_shape2(2, 10)));
}

static struct crew_node *conv(struct trial *t,
                              enum crew_padding padding,
                              int64_t k)
{
    struct crew_node *x = var(t, "x", crew_shape4(2, 5, 4, 2));
    struct crew_node *y =
        crew_conv2d(t->g, NULL, x, 3, k, padding, CREW_LINEAR);

    return crew_conv2d(t->g, NULL, y, 2, 1, padding, CREW_LINEAR);
}

static struct crew_node *build_conv_same(struct trial *t)
{
    return conv(t, CREW_SAME, 4);
}

static struct crew_node *build_conv_valid(struct trial *t)
{
    return conv(t, CREW_VALID, 3);
}

static struct crew_node *build_max_pool(struct trial *t)
{
    return crew_max_pool2d(t->g, var(t, "x", crew_shape4(2, 5, 5, 2)), 3, 2);
}

static struct crew_node *build_dropout(struct trial *t)
{
    return crew_dropout(t->g, var(t, "x", crew_shape2(BATCH, 8)), 0.4f,
                        CREW_TRAIN);
}

static struct crew_node *build_softmax(struct trial *t)
{
    return crew_softmax(t->g, var(t, "x", crew_shape2(BATCH, 5)));
}

static struct crew_node *build_xent(struct trial *t)
{
    struct crew_node *x =
        graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    struct crew_node *logits = crew_dense(t->g, NULL, x, 5, CREW_LINEAR);

    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    t->direct = true;
    return crew_sparse_softmax_cross_entropy(t->g, t->labels, logits);
}

static struct crew_node *build_mean(struct trial *t)
{
    struct crew_node *x = var(t, "x", crew_shape2(BATCH, 5));

    t->direct = true;
    return crew_mul(t->g, crew_reduce_mean(t->g, x),
                    crew_reduce_mean(t->g, crew_mul(t->g, x, x)));
}

/* --- ops together, where a plan must not share a buffer it could share */

/* The second sum may not be written over the relu, whose sign backward asks. */
static struct crew_node *build_relu_under_bias(struct trial *t)
{
    struct crew_node *bias = var(t, "above", crew_shape1(5));

    return crew_bias_add(t->g, activation(t, CREW_RELU), bias);
}

/* r is relu of x, which has a second reader: neither x's value nor its gradient
 * is r's. The bias keeps the loss from being flat where r is 0. */
static struct crew_node *beside(struct trial *t,
                                struct crew_node *r,
                                struct crew_node *x)
{
    struct crew_node *bias = var(t, "above", crew_shape1(r->shape.dim[1]));

    return crew_bias_add(t->g, crew_add(t->g, crew_scale(t->g, r, 3.0f), x),
                         bias);
}

static struct crew_node *build_relu_beside_its_operand(struct trial *t)
{
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 4)), var(t, "b", crew_shape1(4)));

    return beside(t, crew_activate(t->g, x, CREW_RELU), x);
}

/* The same through other names of the same memory. */
static struct crew_node *build_relu_beside_a_reshape(struct trial *t)
{
    struct crew_node *x = crew_bias_add(
        t->g, var(t, "x", crew_shape2(BATCH, 4)), var(t, "b", crew_shape1(4)));
    struct crew_node *a = crew_reshape(t->g, x, crew_shape2(2 * BATCH, 2));
    struct crew_node *b = crew_reshape(t->g, x, crew_shape2(2 * BATCH, 2));

    return beside(t, crew_activate(t->g, a, CREW_RELU), b);
}

/* A variable that two products read is ready after the second. */
static struct crew_node *build_shared_weights(struct trial *t)
{
    struct crew_node *w = var(t, "w", crew_shape2(4, 4));
    struct crew_node *y =
        crew_matmul(t->g, var(t, "x", crew_shape2(BATCH, 4)), w);

    return crew_matmul(t->g, crew_activate(t->g, y, CREW_TANH), w);
}

static const struct {
    const struct op_def *op;
    const char *what;
    struct crew_node *(*build)(struct trial *);
    double tolerance; /* of the largest gradient */
} cases[] = {
    {&op_variable, "variable", build_variable, 1e-3},
    {&op_matmul, "matmul", build_matmul, 1e-3},
    {&op_bias_add, "bias_add", build_bias_add, 1e-3},
    {&op_add, "add", build_add, 1e-3},
    {&op_mul, "mul", build_mul, 2e-3},
    {&op_scale, "scale", build_scale, 1e-3},
    {&op_relu, "relu", build_relu, 1e-3},
    {&op_sigmoid, "sigmoid", build_sigmoid, 1e-3},
    {&op_tanh, "tanh", build_tanh, 1e-3},
    {&op_reshape, "reshape", build_reshape, 2e-3},
    {&op_conv2d, "conv2d same", build_conv_same, 2e-3},
    {&op_conv2d, "conv2d valid", build_conv_valid, 2e-3},
    {&op_max_pool, "max_pool", build_max_pool, 1e-3},
    {&op_dropout, "dropout", build_dropout, 1e-3},
    {&op_softmax, "softmax", build_softmax, 2e-3},
    {&op_sparse_softmax_xent, "xent", build_xent, 2e-3},
    {&op_mean, "mean", build_mean, 2e-3},
    {&op_relu, "relu under a bias", build_relu_under_bias, 1e-3},
    {&op_relu, "relu beside its operand", build_relu_beside_its_operand, 1e-3},
    {&op_relu, "relu beside a reshape", build_relu_beside_a_reshape, 1e-3},
    {&op_matmul, "shared weights", build_shared_weights, 2e-3},
};

static const struct op_def *const table[] = {
#define ROW(symbol) &symbol,
#include "graph/op_list.h"
#undef ROW
};

static float feed_x[BATCH * 4];
static const int32_t feed_labels[BATCH] = {4, 0, 2};

static double loss_of(struct plan *p, struct trial *t, struct crew_node *loss)
{
    struct plan_feed feeds[2];
    struct crew_err err = {0};
    struct crew_shape shape;
    int n = 0;

    if (t->labels != NULL) {
        feeds[n++] = (struct plan_feed){t->g->nodes[0], CREW_FLOAT, feed_x};
        feeds[n++] = (struct plan_feed){t->labels, CREW_INT32, feed_labels};
    }
    ck_assert_msg(plan_forward(p, feeds, n, BATCH, 11, 22, &err) == CREW_OK,
                  "%s", err.msg);
    return (double)*(const float *)plan_value(p, loss, &shape);
}

/* The variables of a trial. When one is ready its gradient is kept and its
 * value is spoilt: what is "ready" may be pushed and overwritten at once. */
struct vars {
    struct plan *plan;
    int n, num_ready;
    int64_t len[MAX_VARS];
    float *value[MAX_VARS], *spare[MAX_VARS], *grad[MAX_VARS];
};

static void take_ready(void *self, int i)
{
    struct vars *v = self;

    v->num_ready++;
    memcpy(v->grad[i], plan_grad(v->plan, i),
           (size_t)v->len[i] * sizeof(float));
    for (int64_t k = 0; k < v->len[i]; k++) {
        v->value[i][k] = NAN;
    }
}

static void vars_init(struct vars *v,
                      const struct crew_graph *g,
                      struct plan *p)
{
    *v = (struct vars){.plan = p, .n = graph_num_vars(g)};
    ck_assert_int_le(v->n, MAX_VARS);
    for (int i = 0; i < v->n; i++) {
        const struct graph_var *var = graph_var(g, i);
        size_t bytes = (size_t)(var->n * 4 + 63) / 64 * 64;

        v->len[i] = var->n;
        v->value[i] = aligned_alloc(64, bytes);
        v->spare[i] = aligned_alloc(64, bytes);
        v->grad[i] = aligned_alloc(64, bytes);
        graph_init_var(var, 77, v->value[i]);
        memcpy(v->spare[i], v->value[i], bytes);
        plan_bind_var(p, i, v->value[i]);
    }
}

static void vars_release(struct vars *v)
{
    for (int i = 0; i < v->n; i++) {
        free(v->value[i]);
        free(v->spare[i]);
        free(v->grad[i]);
    }
}

/* Backward, and the values as they were. */
static void backward(const char *what, struct vars *v)
{
    plan_backward(v->plan, take_ready, v);
    ck_assert_msg(v->num_ready == v->n, "%s: %d of %d variables were ready",
                  what, v->num_ready, v->n);
    for (int i = 0; i < v->n; i++) {
        size_t bytes = (size_t)v->len[i] * sizeof(float);

        ck_assert_msg(memcmp(v->grad[i], plan_grad(v->plan, i), bytes) == 0,
                      "%s: gradient %d went on after it was ready", what, i);
        memcpy(v->value[i], v->spare[i], bytes);
    }
}

static double difference(struct plan *p,
                         struct trial *t,
                         struct crew_node *loss,
                         float *x)
{
    const double eps = 1e-2;
    float keep = *x;

    *x = (float)((double)keep + eps);
    double up = loss_of(p, t, loss);
    *x = (float)((double)keep - eps);
    double down = loss_of(p, t, loss);
    *x = keep;
    return (up - down) / (2 * eps);
}

/* Central differences on every element of every variable. */
static void check_gradient(const char *what,
                           struct plan *p,
                           struct trial *t,
                           struct crew_node *loss,
                           double tolerance)
{
    struct vars v;

    vars_init(&v, t->g, p);
    (void)loss_of(p, t, loss);
    backward(what, &v);
    for (int i = 0; i < v.n; i++) {
        double largest = 1e-3;

        for (int64_t k = 0; k < v.len[i]; k++) {
            largest = fmax(largest, fabs((double)v.grad[i][k]));
        }
        for (int64_t k = 0; k < v.len[i]; k++) {
            double got = (double)v.grad[i][k];
            double want = difference(p, t, loss, &v.value[i][k]);

            ck_assert_msg(fabs(got - want) <= tolerance * largest,
                          "%s: d loss / d %s[%d]: got %g, want %g", what,
                          graph_var(t->g, i)->name, (int)k, got, want);
        }
    }
    vars_release(&v);
}

START_TEST(gradient_equals_central_differences)
{
    struct trial t = {.g = graph_new()};
    struct crew_node *y = cases[_i].build(&t), *loss;
    struct crew_err err = {0};
    struct plan *p = NULL;

    loss = t.direct ? y : crew_reduce_mean(t.g, crew_mul(t.g, y, y));
    for (int i = 0; i < BATCH * 4; i++) {
        feed_x[i] = (float)((i * 7) % 5) / 3.0f - 0.6f;
    }
    ck_assert_msg(plan_new(t.g, NULL, 0, loss, BATCH, &p, &err) == CREW_OK,
                  "%s: %s", cases[_i].what, err.msg);
    check_gradient(cases[_i].what, p, &t, loss, cases[_i].tolerance);
    plan_free(p);
    graph_free(t.g);
}
END_TEST

START_TEST(exports_or_says_that_it_cannot)
{
    struct trial t = {.g = graph_new()};
    struct crew_node *y = cases[_i].build(&t);
    struct graphdef *out = graphdef_new();
    struct crew_err err = {0};
    bool found = false;

    bool wanted = (cases[_i].op->flags & OP_NO_EXPORT) == 0;
    int code = graph_emit(t.g, &y, 1, NULL, out, &err);
    ck_assert_msg(code == (wanted ? CREW_OK : CREW_UNIMPLEMENTED), "%s: %s",
                  cases[_i].what, err.msg);
    for (size_t i = 0; wanted && i < graphdef_message(out)->n_node; i++) {
        found |= strcmp(graphdef_message(out)->node[i]->op,
                        cases[_i].op->tf_name) == 0;
    }
    ck_assert_msg(found == wanted, "%s: no %s among the nodes", cases[_i].what,
                  cases[_i].op->tf_name);
    graphdef_free(out);
    graph_free(t.g);
}
END_TEST

START_TEST(every_row_of_the_table_is_complete_and_has_a_case)
{
    for (size_t r = 0; r < sizeof table / sizeof table[0]; r++) {
        const struct op_def *op = table[r];
        bool has_case = (op->flags & OP_NO_GRADIENT) != 0;

        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            has_case |= cases[c].op == op;
        }
        ck_assert_msg(has_case, "row %d (%s) has no gradient case", (int)r,
                      op->tf_name);
        ck_assert_ptr_nonnull(op->infer);
        if (op != &op_variable && op != &op_placeholder) {
            ck_assert_ptr_nonnull(op->forward);
            ck_assert_int_eq(op->backward == NULL,
                             (op->flags & OP_NO_GRADIENT) != 0);
        }
        if (op != &op_variable) {
            ck_assert_int_eq(op->emit == NULL, (op->flags & OP_NO_EXPORT) != 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad");
    TCase *tc = tcase_create("ops");
    SRunner *runner = srunner_create(suite);
    struct crew_err err = {0};
    int n = (int)(sizeof cases / sizeof cases[0]);

    if (blas_load(&err) != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    tcase_add_loop_test(tc, gradient_equals_central_differences, 0, n);
    tcase_add_loop_test(tc, exports_or_says_that_it_cannot, 0, n);
    tcase_add_test(tc, every_row_of_the_table_is_complete_and_has_a_case);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
