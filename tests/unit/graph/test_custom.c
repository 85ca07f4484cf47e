/* SPDX-License-Identifier: Apache-2.0
 * Ops of a job's own: values, gradients, what is kept, exports, and everything
 * a job can get wrong. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/emit.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_graph *g;
static int freed;

static void setup(void)
{
    g = graph_new();
    freed = 0;
}

static void teardown(void)
{
    graph_free(g);
}

static void count_free(void *self)
{
    (void)self;
    freed++;
}

/* a * tanh(b), element by element; tanh is kept for backward. */
static int64_t count_of(const struct crew_shape *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++) {
        n *= s->dim[i];
    }
    return n;
}

static int gate_forward(void *self,
                        const struct crew_op_call *c,
                        struct crew_err *err)
{
    const float *a = c->in[0], *b = c->in[1];
    float *t = c->kept;

    (void)self;
    (void)err;
    for (int64_t i = 0; i < count_of(&c->out_shape); i++) {
        t[i] = tanhf(b[i]);
        c->out[i] = a[i] * t[i];
    }
    return CREW_OK;
}

static void gate_backward(void *self, const struct crew_op_call *c)
{
    const float *a = c->in[0], *t = c->kept;

    (void)self;
    for (int64_t i = 0; i < count_of(&c->out_shape); i++) {
        if (c->d_in[0] != NULL) {
            c->d_in[0][i] += c->d_out[i] * t[i];
        }
        if (c->d_in[1] != NULL) {
            c->d_in[1][i] += c->d_out[i] * a[i] * (1 - t[i] * t[i]);
        }
    }
}

static size_t gate_kept(void *self, int64_t batch)
{
    (void)self;
    return (size_t)batch * 3 * sizeof(float);
}

static const struct crew_op gate = {.name = "Gate",
                                    .forward = gate_forward,
                                    .backward = gate_backward,
                                    .kept = gate_kept,
                                    .free = count_free};

/* loss = sum(gate(v, w) * v): v's gradient has two contributions. */
struct trial {
    float v[6], w[6];
    struct crew_node *loss;
    struct plan *plan;
};

static double loss_of(struct trial *t)
{
    struct crew_err err = {0};
    struct crew_shape shape;

    ck_assert_msg(plan_forward(t->plan, NULL, 0, 2, 1, 1, &err) == CREW_OK,
                  "%s", err.msg);
    return (double)*(const float *)plan_value(t->plan, t->loss, &shape);
}

static void nothing(void *self, int var)
{
    (void)self;
    (void)var;
}

static void gradient_of(struct trial *t, int var, float *x)
{
    float got[6];

    (void)loss_of(t);
    plan_backward(t->plan, nothing, NULL);
    memcpy(got, plan_grad(t->plan, var), sizeof got);
    for (int i = 0; i < 6; i++) {
        const float eps = 1e-2f, keep = x[i];

        x[i] = keep + eps;
        double up = loss_of(t);
        x[i] = keep - eps;
        double down = loss_of(t);
        x[i] = keep;
        ck_assert_double_eq_tol((double)got[i], (up - down) / (2 * (double)eps),
                                2e-3);
    }
}

START_TEST(gradients_equal_central_differences)
{
    struct trial t = {.v = {1, -2, .5f, .3f, 2, -1},
                      .w = {.1f, .7f, -1, 1.5f, .2f, -.4f}};
    struct crew_node *v =
        crew_variable(g, "v", crew_shape2(2, 3), crew_init_constant(0));
    struct crew_node *w =
        crew_variable(g, "w", crew_shape2(2, 3), crew_init_constant(0));
    struct crew_node *in[] = {v, w};
    struct crew_node *y = crew_custom_op(g, &gate, NULL, in, 2);
    struct crew_err err = {0};

    t.loss = crew_reduce(g, CREW_REDUCE_SUM, crew_mul(g, y, v), NULL, 0, false);
    ck_assert_str_eq(node_name(y), "Gate");
    ck_assert_msg(plan_new(g, NULL, 0, t.loss, 2, &t.plan, &err) == CREW_OK,
                  "%s", err.msg);
    plan_bind_var(t.plan, 0, t.v);
    plan_bind_var(t.plan, 1, t.w);
    gradient_of(&t, 0, t.v);
    gradient_of(&t, 1, t.w);
    plan_free(t.plan);
}
END_TEST

/* ------------------------------------------------------------------ shapes */

static int row_sums(void *self,
                    const struct crew_shape *in,
                    int n_in,
                    struct crew_shape *out,
                    struct crew_err *err)
{
    (void)self;
    (void)n_in;
    if (in[0].rank != 2) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT, "x has rank %d, not 2",
                            in[0].rank);
    }
    *out = crew_shape1(in[0].dim[0]);
    return CREW_OK;
}

static int sum_forward(void *self,
                       const struct crew_op_call *c,
                       struct crew_err *err)
{
    const int64_t *x = c->in[0];

    (void)self;
    (void)err;
    for (int64_t b = 0; b < c->in_shape[0].dim[0]; b++) {
        c->out[b] = 0;
        for (int64_t i = 0; i < c->in_shape[0].dim[1]; i++) {
            c->out[b] += (float)x[b * c->in_shape[0].dim[1] + i];
        }
    }
    return CREW_OK;
}

START_TEST(integers_come_as_int64_and_the_batch_is_filled_in)
{
    const struct crew_op op = {
        .name = "Sums", .infer = row_sums, .forward = sum_forward};
    const int32_t ids[] = {1, 2, 3, 4, 5, 6};
    struct crew_node *x = graph_input(g, "x", CREW_INT32, crew_shape2(-1, 2));
    struct crew_node *y = crew_custom_op(g, &op, NULL, &x, 1);
    struct plan_feed feed = {.input = x, .dtype = CREW_INT32, .data = ids};
    struct crew_err err = {0};
    struct crew_shape shape;
    struct plan *p = NULL;

    ck_assert_int_eq((int)node_shape(y)->dim[0], -1);
    ck_assert_int_eq(plan_new(g, &y, 1, NULL, 4, &p, &err), CREW_OK);
    ck_assert_int_eq(plan_forward(p, &feed, 1, 3, 0, 0, &err), CREW_OK);
    const float *sums = plan_value(p, y, &shape);
    ck_assert_int_eq((int)shape.dim[0], 3);
    ck_assert(sums[0] == 3 && sums[1] == 7 && sums[2] == 11);
    plan_free(p);
}
END_TEST

static int bad_shape(void *self,
                     const struct crew_shape *in,
                     int n_in,
                     struct crew_shape *out,
                     struct crew_err *err)
{
    (void)in;
    (void)n_in;
    (void)err;
    *out = *(const struct crew_shape *)self;
    return CREW_OK;
}

static int silent(void *self,
                  const struct crew_shape *in,
                  int n_in,
                  struct crew_shape *out,
                  struct crew_err *err)
{
    (void)self;
    (void)in;
    (void)n_in;
    (void)out;
    (void)err;
    return CREW_INTERNAL;
}

static void is_refused(const struct crew_op *op,
                       void *self,
                       struct crew_node *x,
                       int n,
                       const char *text)
{
    struct crew_node *in[] = {x, x};
    struct crew_err err = {0};

    ck_assert_ptr_nonnull(crew_custom_op(g, op, self, in, n));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, text) != NULL, "%s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    graph_free(g);
    g = graph_new();
}

static struct crew_node *input(int64_t rows)
{
    return graph_input(g, "x", CREW_FLOAT, crew_shape2(rows, 3));
}

START_TEST(mistakes_have_one_clear_error)
{
    struct crew_shape shapes[] = {{.rank = 9},
                                  {.rank = -1},
                                  {.rank = 2, .dim = {-1, 0}},
                                  {.rank = 2, .dim = {3, -1}}};
    struct crew_shape batch = {.rank = 1, .dim = {-1}};
    struct crew_shape huge = {.rank = 3,
                              .dim = {-1, INT64_C(1) << 40, INT64_C(1) << 40}};
    struct crew_op op = {.name = "Mine", .free = count_free};

    is_refused(&op, NULL, input(-1), 1, "Mine: it has no forward");
    op.forward = sum_forward;
    is_refused(&op, NULL, input(-1), 0, "1 to 8 operands");
    is_refused(&op, NULL, NULL, 1, "operand 0 is NULL");
    op.infer = silent;
    is_refused(&op, NULL, input(-1), 1, "did not say why");
    op.infer = row_sums;
    is_refused(&op, NULL, graph_input(g, "x", CREW_FLOAT, crew_shape1(-1)), 1,
               "Mine: op Mine: x has rank 1, not 2");
    op.infer = bad_shape;
    for (int i = 0; i < 4; i++) {
        is_refused(&op, &shapes[i], input(-1), 1, "a shape that cannot be");
    }
    is_refused(&op, &batch, input(2), 1, "a shape that cannot be");
    is_refused(&op, &huge, input(-1), 1, "more than 2^40 elements");
    op.name = NULL;
    is_refused(&op, NULL, input(-1), 1, "it has no name");
    ck_assert_int_eq(freed, 12);
}
END_TEST

START_TEST(nothing_at_all_is_refused)
{
    const struct crew_op op = {
        .name = "Mine", .forward = sum_forward, .free = count_free};
    struct crew_node *x = input(-1);
    struct crew_err err = {0};

    (void)crew_custom_op(g, _i == 0 ? NULL : &op, NULL, _i == 0 ? &x : NULL, 1);
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(
        err.msg, _i == 0 ? "crew_op is NULL" : "list of its operands is NULL"));
    ck_assert_int_eq(freed, _i);
}
END_TEST

/* 1 / x without a guard. */
static int inverse(void *self,
                   const struct crew_op_call *c,
                   struct crew_err *err)
{
    const float *x = c->in[0];

    (void)self, (void)err;
    for (int64_t i = 0; i < count_of(&c->out_shape); i++) {
        c->out[i] = x[i] * x[i] / x[i];
    }
    return CREW_OK;
}

/* NaN is said where it is made, not where it comes from elsewhere; infinities
 * may be meant. */
START_TEST(a_forward_that_makes_nan_is_named)
{
    const struct crew_op op = {.name = "Mine", .forward = inverse};
    const float x[3][3] = {{1, 2, 0}, {1, NAN, 0}, {1, INFINITY, 3}};
    struct crew_node *in = input(-1);
    struct crew_node *y = crew_custom_op(g, &op, NULL, &in, 1);
    struct plan_feed feed = {.input = in, .dtype = CREW_FLOAT, .data = x[_i]};
    struct crew_err err = {0};
    struct plan *p = NULL;

    ck_assert_int_eq(plan_new(g, &y, 1, NULL, 1, &p, &err), CREW_OK);
    (void)plan_forward(p, &feed, 1, 1, 0, 0, &err);
    if (_i == 0) {
        ck_assert_msg(strstr(err.msg,
                             "Mine: op Mine: forward wrote NaN as "
                             "element 2") != NULL,
                      "%s", err.msg);
        ck_assert_int_eq(crew_err_exit_code(&err), 1);
    } else if (_i == 1) {
        ck_assert_int_eq(err.code, CREW_OK);
    } else { /* inf * inf / inf */
        ck_assert_ptr_nonnull(strstr(err.msg, "element 1"));
    }
    plan_free(p);
}
END_TEST

static int failing(void *self,
                   const struct crew_op_call *c,
                   struct crew_err *err)
{
    (void)c;
    if (self != NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT, "%s",
                            (const char *)self);
    }
    return -7;
}

START_TEST(a_forward_that_fails_ends_the_run)
{
    const struct crew_op op = {.name = "Mine", .forward = failing};
    char why[] = "no luck";
    const float x[3] = {0};

    for (int i = 0; i < 2; i++) {
        struct crew_node *in =
            graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 3));
        struct crew_node *y =
            crew_custom_op(g, &op, i == 0 ? why : NULL, &in, 1);
        struct plan_feed feed = {.input = in, .dtype = CREW_FLOAT, .data = x};
        struct crew_err err = {0};
        struct plan *p = NULL;

        ck_assert_int_eq(plan_new(g, &y, 1, NULL, 1, &p, &err), CREW_OK);
        ck_assert_int_ne(plan_forward(p, &feed, 1, 1, 0, 0, &err), CREW_OK);
        ck_assert_msg(strstr(err.msg, i == 0 ? "op Mine: no luck"
                                             : "did not say why") != NULL,
                      "%s", err.msg);
        ck_assert_int_eq(crew_err_exit_code(&err), 1);
        plan_free(p);
    }
}
END_TEST

/* ------------------------------------------------------------------ export */

START_TEST(is_exported_as_the_op_it_names_or_not_at_all)
{
    struct crew_op op = {.name = "Mine", .forward = failing};

    for (int i = 0; i < 2; i++) {
        struct crew_node *x = input(-1);
        struct graphdef *out = graphdef_new();
        struct crew_err err = {0};

        op.tf_name = i == 0 ? "Softsign" : NULL;
        struct crew_node *y = crew_custom_op(g, &op, NULL, &x, 1);
        int code = graph_emit(g, &y, 1, NULL, out, &err);
        if (i == 0) {
            const Tensorflow__GraphDef *m = graphdef_message(out);
            const Tensorflow__NodeDef *n = m->node[m->n_node - 1];

            ck_assert_int_eq(code, CREW_OK);
            ck_assert_str_eq(n->op, "Softsign");
            ck_assert_str_eq(n->name, "Mine");
            ck_assert_int_eq((int)n->n_input, 1);
        } else {
            ck_assert_int_eq(code, CREW_UNIMPLEMENTED);
            ck_assert_msg(strstr(err.msg, "op Mine cannot be exported") != NULL,
                          "%s", err.msg);
        }
        graphdef_free(out);
        graph_free(g);
        g = graph_new();
    }
}
END_TEST

START_TEST(gradients_end_where_there_is_no_backward)
{
    const struct crew_op op = {.name = "Mine", .forward = failing};
    struct crew_node *v =
        crew_variable(g, "v", crew_shape1(3), crew_init_constant(0));
    struct crew_node *loss =
        crew_reduce(g, CREW_REDUCE_SUM, crew_custom_op(g, &op, NULL, &v, 1),
                    NULL, 0, false);
    struct crew_err err = {0};
    struct plan *p = NULL;

    ck_assert_int_eq(plan_new(g, NULL, 0, loss, 1, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, "No gradients provided") != NULL, "%s",
                  err.msg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("custom");
    TCase *tc = tcase_create("custom");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, gradients_equal_central_differences);
    tcase_add_test(tc, integers_come_as_int64_and_the_batch_is_filled_in);
    tcase_add_test(tc, mistakes_have_one_clear_error);
    tcase_add_loop_test(tc, nothing_at_all_is_refused, 0, 2);
    tcase_add_loop_test(tc, a_forward_that_makes_nan_is_named, 0, 3);
    tcase_add_test(tc, a_forward_that_fails_ends_the_run);
    tcase_add_test(tc, is_exported_as_the_op_it_names_or_not_at_all);
    tcase_add_test(tc, gradients_end_where_there_is_no_backward);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
