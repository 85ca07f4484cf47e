/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks the op table: every row has a case here whose gradient equals central
 * differences and which, exported, gives the same value in the executor; or it
 * is listed here with the reason why not. A new row without a case fails.
 * (Golden cases of every row: tests/golden, family ops.) */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "grad_cases.h"
#include "graph/emit.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "kernels/blas.h"
#include "run_suite.h"

#include "base/banned.h"

static const struct op_def *const table[] = {
#define ROW(symbol) &symbol,
#include "graph/op_list.h"
#undef ROW
};

const float feed_x[BATCH * 4] = {-0.6f, 0.07f, 0.73f,  -0.27f, 0.4f,  -0.6f,
                                 0.07f, 0.73f, -0.27f, 0.4f,   -0.6f, 0.07f};
const int32_t feed_labels[BATCH] = {4, 0, 2};

int trial_feeds(const struct trial *t, struct plan_feed feeds[2])
{
    if (t->labels == NULL) {
        return 0;
    }
    feeds[0] = (struct plan_feed){t->g->nodes[0], CREW_FLOAT, feed_x};
    feeds[1] = (struct plan_feed){t->labels, CREW_INT32, feed_labels};
    return 2;
}

static double loss_of(struct plan *p, struct trial *t, struct crew_node *loss)
{
    struct plan_feed feeds[2];
    struct crew_err err = {0};
    struct crew_shape shape;
    int n = trial_feeds(t, feeds);

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
    const struct grad_case *c = &grad_cases[_i];
    struct trial t = {.g = graph_new()};
    struct crew_node *y = c->build(&t), *loss;
    struct crew_err err = {0};
    struct plan *p = NULL;

    if (c->tolerance > 0.0) {
        loss = t.direct ? y : crew_reduce_mean(t.g, crew_mul(t.g, y, y));
        ck_assert_msg(plan_new(t.g, NULL, 0, loss, BATCH, &p, &err) == CREW_OK,
                      "%s: %s", c->what, err.msg);
        check_gradient(c->what, p, &t, loss, c->tolerance);
    }
    plan_free(p);
    graph_free(t.g);
}
END_TEST

START_TEST(exports_or_says_that_it_cannot)
{
    const struct grad_case *c = &grad_cases[_i];
    struct trial t = {.g = graph_new()};
    struct crew_node *y = c->build(&t);

    if ((c->op->flags & OP_NO_EXPORT) == 0) {
        check_export(c, &t, y);
    } else {
        struct graphdef *out = graphdef_new();
        struct crew_err err = {0};

        ck_assert_msg(
            graph_emit(t.g, &y, 1, NULL, out, &err) == CREW_UNIMPLEMENTED,
            "%s: %s", c->what, err.msg);
        graphdef_free(out);
    }
    graph_free(t.g);
}
END_TEST

/* --------------------------------------------------------------- completeness
 */

/* The rows that lack something, each with its reason: a flag alone is no
 * excuse. */
static const struct {
    const struct op_def *op;
    unsigned flag;
    const char *why;
} excused[] = {
    {&op_placeholder, OP_NO_GRADIENT, "it is what is fed"},
    {&op_constant, OP_NO_GRADIENT, "it has no operand"},
    {&op_argmax, OP_NO_GRADIENT, "it jumps from integer to integer"},
    {&op_cast, OP_NO_GRADIENT, "its operand is integers"},
    {&op_one_hot, OP_NO_GRADIENT, "its operand is integers"},
    {&op_moments, OP_NO_GRADIENT, "BatchNorm's backward has it"},
    {&op_moment, OP_NO_GRADIENT, "only moving averages read it"},
    {&op_moments, OP_NO_EXPORT, "of a batch: in training only"},
    {&op_moment, OP_NO_EXPORT, "of a batch: in training only"},
    {&op_label_range, OP_NO_GRADIENT, "of labels"},
    {&op_column, OP_NO_GRADIENT, "of what metrics take"},
    {&op_batch_norm, OP_NO_EXPORT, "of a batch: in training only"},
    {&op_dropout, OP_NO_EXPORT, "other modes have no such node"},
};

static bool is_excused(const struct op_def *op, unsigned flag)
{
    for (size_t i = 0; i < COUNT_OF(excused); i++) {
        if (excused[i].op == op && excused[i].flag == flag) {
            return true;
        }
    }
    return false;
}

/* Has the row a case, and one whose gradient is tried? */
static bool has_case(const struct op_def *op, bool with_gradient)
{
    for (int c = 0; c < grad_num_cases; c++) {
        if (grad_cases[c].op == op &&
            (!with_gradient || grad_cases[c].tolerance > 0.0)) {
            return true;
        }
    }
    return false;
}

START_TEST(every_row_of_the_table_is_complete_and_has_a_case)
{
    for (size_t r = 0; r < COUNT_OF(table); r++) {
        const struct op_def *op = table[r];
        bool no_gradient = (op->flags & OP_NO_GRADIENT) != 0;
        bool no_export = (op->flags & OP_NO_EXPORT) != 0;

        ck_assert_msg(has_case(op, !no_gradient),
                      "row %d (%s) has no case: add one to grad_cases", (int)r,
                      op->tf_name);
        ck_assert_msg(no_gradient == is_excused(op, OP_NO_GRADIENT),
                      "row %d (%s): gradient and list disagree", (int)r,
                      op->tf_name);
        ck_assert_msg(no_export == is_excused(op, OP_NO_EXPORT),
                      "row %d (%s): export and list disagree", (int)r,
                      op->tf_name);
        ck_assert_ptr_nonnull(op->infer);
        if (op != &op_variable && op != &op_placeholder) {
            ck_assert_ptr_nonnull(op->forward);
            ck_assert_int_eq(op->backward == NULL, no_gradient);
        }
        if (op != &op_variable) {
            ck_assert_int_eq(op->emit == NULL, no_export);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad");
    TCase *tc = tcase_create("ops");
    struct crew_err err = {0};

    if (blas_load(&err) != CREW_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    tcase_add_loop_test(tc, gradient_equals_central_differences, 0,
                        grad_num_cases);
    tcase_add_loop_test(tc, exports_or_says_that_it_cannot, 0, grad_num_cases);
    tcase_add_test(tc, every_row_of_the_table_is_complete_and_has_a_case);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
