/* SPDX-License-Identifier: Apache-2.0
 * Plans: feeds, shared buffers, batches, dropout, no memory. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/plan.h"
#include "kernels/blas.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_graph *g;

static void setup(void)
{
    struct crew_err err = {0};

    ck_assert_msg(blas_load(&err) == CREW_OK, "%s", err.msg);
    g = graph_new();
}

static void teardown(void)
{
    graph_free(g);
}

static struct crew_node *input(const char *name, int64_t width)
{
    return graph_input(g, name, CREW_FLOAT, crew_shape2(-1, width));
}

/* A small network whose hidden sum, relu and reshape can share buffers. */
struct net {
    struct crew_node *x, *labels, *hidden, *act, *logits, *loss;
    struct plan *plan;
    float *value[4];
};

static void build_net(struct net *n)
{
    n->x = input("x", 6);
    n->labels = graph_input(g, "labels", CREW_INT32, crew_shape1(-1));
    n->hidden = crew_dense(g, NULL, crew_reshape(g, n->x, crew_shape2(-1, 6)),
                           8, CREW_LINEAR);
    n->act = crew_activate(g, n->hidden, CREW_RELU);
    n->logits =
        crew_dense(g, NULL,
                   crew_dropout(g, crew_reshape(g, n->act, crew_shape2(-1, 8)),
                                0.5f, CREW_TRAIN),
                   3, CREW_LINEAR);
    n->loss = crew_sparse_softmax_cross_entropy(g, n->labels, n->logits);
}

static void plan_net(struct net *n, struct crew_node *const *fetches, int k)
{
    struct crew_err err = {0};

    ck_assert_msg(
        plan_new(g, fetches, k, n->loss, 4, &n->plan, &err) == CREW_OK, "%s",
        err.msg);
    for (int i = 0; i < graph_num_vars(g); i++) {
        const struct graph_var *v = graph_var(g, i);

        n->value[i] = calloc((size_t)v->n, sizeof(float));
        graph_init_var(v, 5, n->value[i]);
        plan_bind_var(n->plan, i, n->value[i]);
    }
}

static void release_net(struct net *n)
{
    for (int i = 0; i < graph_num_vars(g); i++) {
        free(n->value[i]);
    }
    plan_free(n->plan);
}

static const float feed_x[24] = {1, -2, 3, .5f, 0, 2, -1, 1,  1, 1, 1, 1,
                                 0, 0,  1, -1,  2, 2, 3,  -3, 1, 0, 0, 1};
static const int32_t feed_labels[4] = {0, 2, 1, 1};

static int run(struct net *n,
               int64_t batch,
               const int32_t *labels,
               struct crew_err *err)
{
    struct plan_feed feeds[] = {{n->x, CREW_FLOAT, feed_x},
                                {n->labels, CREW_INT32, labels}};

    return plan_forward(n->plan, feeds, 2, batch, 9, 1, err);
}

static void ignore(void *self, int i)
{
    (void)self, (void)i;
}

START_TEST(shared_buffers_change_no_number)
{
    struct net lean = {0}, fat = {0};
    struct crew_err err = {0};
    struct crew_shape shape;

    build_net(&lean);
    fat = lean;
    struct crew_node *all[] = {fat.hidden, fat.act, fat.logits};
    plan_net(&lean, NULL, 0);
    plan_net(&fat, all, 3); /* what is fetched is not written over */
    ck_assert_int_eq(run(&lean, 4, feed_labels, &err), CREW_OK);
    ck_assert_int_eq(run(&fat, 4, feed_labels, &err), CREW_OK);
    ck_assert(*(const float *)plan_value(lean.plan, lean.loss, &shape) ==
              *(const float *)plan_value(fat.plan, fat.loss, &shape));
    const float *hidden = plan_value(fat.plan, fat.hidden, &shape);
    bool negative = false;
    for (int i = 0; i < 32; i++) {
        negative |= hidden[i] < 0;
    }
    ck_assert_msg(negative, "the fetched sum was overwritten by its relu");
    plan_backward(lean.plan, ignore, NULL);
    plan_backward(fat.plan, ignore, NULL);
    for (int v = 0; v < 4; v++) {
        ck_assert_int_eq(memcmp(plan_grad(lean.plan, v), plan_grad(fat.plan, v),
                                (size_t)graph_var(g, v)->n * sizeof(float)),
                         0);
    }
    release_net(&lean);
    release_net(&fat);
}
END_TEST

START_TEST(a_smaller_batch_is_the_mean_of_fewer)
{
    struct net n = {0};
    struct crew_err err = {0};
    struct crew_shape shape;

    build_net(&n);
    plan_net(&n, &n.logits, 1);
    ck_assert_int_eq(run(&n, 3, feed_labels, &err), CREW_OK);
    (void)plan_value(n.plan, n.logits, &shape);
    ck_assert_int_eq(shape.dim[0], 3);
    ck_assert_int_eq(run(&n, 5, feed_labels, &err), CREW_INVALID_ARGUMENT);
    release_net(&n);
}
END_TEST

START_TEST(feeds_are_checked)
{
    struct net n = {0};
    struct crew_err err = {0};
    static const int32_t bad[4] = {0, 1, 3, 1};

    build_net(&n);
    plan_net(&n, NULL, 0);
    ck_assert_int_eq(run(&n, 4, bad, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg,
                                 "Received a label value of 3 which is "
                                 "outside the valid range of [0, 3)"));
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    struct plan_feed only[] = {{n.x, CREW_FLOAT, feed_x}};
    err = (struct crew_err){0};
    ck_assert_int_eq(plan_forward(n.plan, only, 1, 4, 0, 0, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "'labels'"));
    release_net(&n);
}
END_TEST

/* The bias is added where the sum will be, not in what the caller fed. */
START_TEST(feeds_are_not_written_over)
{
    struct crew_node *x = input("x", 6);
    struct crew_node *b =
        crew_variable(g, "b", crew_shape1(6), (struct crew_init){0});
    struct crew_node *y =
        crew_bias_add(g, crew_reshape(g, x, crew_shape2(-1, 6)), b);
    static const float bias[6] = {1, 1, 1, 1, 1, 1};
    struct plan_feed feed = {x, CREW_FLOAT, NULL};
    struct crew_err err = {0};
    struct crew_shape shape;
    struct plan *p = NULL;
    float fed[24];

    memcpy(fed, feed_x, sizeof fed);
    feed.data = fed;
    y = crew_activate(g, y, CREW_RELU);
    ck_assert_int_eq(plan_new(g, &y, 1, NULL, 4, &p, &err), CREW_OK);
    plan_bind_var(p, 0, bias);
    ck_assert_int_eq(plan_forward(p, &feed, 1, 4, 0, 0, &err), CREW_OK);
    ck_assert_int_eq(memcmp(fed, feed_x, sizeof fed), 0);
    const float *got = plan_value(p, y, &shape);
    for (int i = 0; i < 24; i++) {
        ck_assert_float_eq(got[i], fmaxf(feed_x[i] + 1, 0));
    }
    plan_free(p);
}
END_TEST

/* An even filter: SAME puts the odd row and column at the bottom and right. */
START_TEST(same_padding_is_at_the_bottom_and_right)
{
    struct crew_node *x = input("x", 4);
    struct crew_node *y = crew_reshape(g, x, crew_shape4(-1, 2, 2, 1));
    static const float ones[4] = {1, 1, 1, 1}, zero[1] = {0};
    static const float image[4] = {1, 2, 3, 4}, want[4] = {10, 6, 7, 4};
    struct plan_feed feed = {x, CREW_FLOAT, image};
    struct crew_err err = {0};
    struct crew_shape shape;
    struct plan *p = NULL;

    y = crew_conv2d(g, NULL, y, 1, 2, CREW_SAME, CREW_LINEAR);
    ck_assert_int_eq(plan_new(g, &y, 1, NULL, 1, &p, &err), CREW_OK);
    plan_bind_var(p, 0, ones);
    plan_bind_var(p, 1, zero);
    ck_assert_int_eq(plan_forward(p, &feed, 1, 1, 0, 0, &err), CREW_OK);
    const float *got = plan_value(p, y, &shape);
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(got[i], want[i]);
    }
    plan_free(p);
}
END_TEST

START_TEST(a_loss_without_variables_is_refused)
{
    struct crew_node *loss = crew_reduce_mean(g, input("x", 3));
    struct crew_err err = {0};
    struct plan *p = NULL;

    ck_assert_int_eq(plan_new(g, NULL, 0, loss, 4, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "No gradients provided for any variable"));
    err = (struct crew_err){0};
    ck_assert_int_eq(plan_new(g, NULL, 0, input("y", 3), 4, &p, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "Loss must be scalar"));
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(no_memory_for_a_plan_is_an_error_at_every_place)
{
    struct net n = {0};

    build_net(&n);
    for (int64_t k = 1;; k++) {
        struct crew_err err = {0};
        struct plan *p = NULL;

        mem_fail_at(k, false);
        int code = plan_new(g, NULL, 0, n.loss, 4, &p, &err);
        bool fired = mem_fail_fired();
        mem_fail_at(0, false);
        ck_assert_int_eq(code, fired ? CREW_RESOURCE_EXHAUSTED : CREW_OK);
        plan_free(p);
        if (!fired) {
            ck_assert_int_gt((int)k, 5);
            break;
        }
    }
}
END_TEST

/* Which elements were kept, in two dropouts of one graph. */
static void draw(struct plan *p,
                 struct crew_node *const y[2],
                 const struct plan_feed *feed,
                 uint64_t step,
                 bool kept[2][24])
{
    struct crew_err err = {0};
    struct crew_shape shape;

    ck_assert_int_eq(plan_forward(p, feed, 1, 4, 3, step, &err), CREW_OK);
    for (int k = 0; k < 2; k++) {
        const float *got = plan_value(p, y[k], &shape);

        for (int i = 0; i < 24; i++) {
            kept[k][i] = got[i] != 0.0f;
            ck_assert(got[i] == 0.0f || got[i] == 2.0f);
        }
    }
}

START_TEST(each_dropout_and_each_step_draws_its_own_numbers)
{
    struct crew_node *x = input("x", 6), *y[2];
    bool first[2][24], again[2][24], later[2][24];
    struct crew_err err = {0};
    struct plan *p = NULL;
    float ones[24];

    for (int i = 0; i < 24; i++) {
        ones[i] = 1;
    }
    struct plan_feed feed = {x, CREW_FLOAT, ones};
    y[0] = crew_dropout(g, x, 0.5f, CREW_TRAIN);
    y[1] = crew_dropout(g, x, 0.5f, CREW_TRAIN);
    ck_assert_ptr_eq(crew_dropout(g, x, 0.5f, CREW_EVAL), x);
    ck_assert_int_eq(plan_new(g, y, 2, NULL, 4, &p, &err), CREW_OK);
    draw(p, y, &feed, 7, first);
    draw(p, y, &feed, 8, later);
    draw(p, y, &feed, 7, again);
    ck_assert_int_eq(memcmp(first, again, sizeof first), 0);
    ck_assert_int_ne(memcmp(first, later, sizeof first), 0);
    ck_assert_int_ne(memcmp(first[0], first[1], sizeof first[0]), 0);
    plan_free(p);
}
END_TEST

/* A table looked up in two ways, and one that a regularizer wants whole. */
static struct crew_node *lookups(struct crew_node **ids)
{
    struct crew_init init = crew_init_uniform(-1, 1);
    struct crew_embedding how = {.combiner = CREW_COMBINE_SQRTN};
    struct crew_node *table = crew_variable(g, "t", crew_shape2(50, 3), init);
    struct crew_node *whole = crew_variable(g, "w", crew_shape2(50, 3), init);
    struct crew_node *x[3];

    ids[0] = graph_input(g, "ids", CREW_INT64, crew_shape2(-1, 4));
    ids[1] = graph_input(g, "one", CREW_INT64, crew_shape1(-1));
    x[0] = crew_embedding_lookup_sparse(g, table, ids[0], how);
    x[1] = crew_gather(g, table, ids[1]);
    x[2] = crew_gather(g, whole, ids[1]);
    return crew_add(g, crew_l2_loss(g, crew_concat(g, x, 3, 1)),
                    crew_l2_regularizer(g, whole, 0.1));
}

static void backward_of(struct crew_node *const *ids,
                        struct crew_node *loss,
                        float *const *values,
                        struct plan **p)
{
    static const int64_t feed[12] = {7, 3, 7, 49, 0, 0, 0, 1, 9, 7, 3, 2};
    static const int64_t one[3] = {3, 20, 3};
    struct plan_feed feeds[] = {{ids[0], CREW_INT64, feed},
                                {ids[1], CREW_INT64, one}};
    struct crew_err err = {0};

    ck_assert_msg(plan_new(g, NULL, 0, loss, 3, p, &err) == CREW_OK, "%s",
                  err.msg);
    plan_bind_var(*p, 0, values[0]);
    plan_bind_var(*p, 1, values[1]);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(plan_forward(*p, feeds, 2, 3, 1, 1, &err), CREW_OK);
        plan_backward(*p, ignore, NULL);
    }
}

/* Summed up, rows are the gradient that is made without them. */
START_TEST(rows_are_the_dense_gradient)
{
    struct crew_node *ids[2], *loss = lookups(ids);
    struct plan *dense, *sparse;
    float *values[2], sum[150] = {0};
    bool rows[2];

    for (int i = 0; i < 2; i++) {
        values[i] = calloc(150, sizeof(float));
        graph_init_var(graph_var(g, i), 5, values[i]);
    }
    backward_of(ids, loss, values, &dense);
    plan_find_rows(g, loss, rows);
    ck_assert(!rows[0] && !rows[1]);
    graph_use_rows(g);
    plan_find_rows(g, loss, rows);
    ck_assert(rows[0] && !rows[1]);
    backward_of(ids, loss, values, &sparse);
    ck_assert(plan_has_rows(sparse, 0) && !plan_has_rows(sparse, 1));
    ck_assert_ptr_null(plan_grad(sparse, 0));
    struct plan_rows r = plan_grad_rows(sparse, 0);
    /* 7 of the lookup, each once; 3 of the gather, one twice. */
    ck_assert_int_eq(r.n, 7 + 3);
    for (int64_t i = 0; i < r.n * 3; i++) {
        sum[r.rows[i / 3] * 3 + i % 3] += r.values[i];
    }
    for (int i = 0; i < 150; i++) {
        ck_assert_float_eq_tol(sum[i], plan_grad(dense, 0)[i], 1e-6f);
    }
    ck_assert_mem_eq(plan_grad(dense, 1), plan_grad(sparse, 1), sizeof sum);
    plan_free(dense);
    plan_free(sparse);
    free(values[0]);
    free(values[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, shared_buffers_change_no_number);
    tcase_add_test(tc, a_smaller_batch_is_the_mean_of_fewer);
    tcase_add_test(tc, feeds_are_checked);
    tcase_add_test(tc, rows_are_the_dense_gradient);
    tcase_add_test(tc, feeds_are_not_written_over);
    tcase_add_test(tc, same_padding_is_at_the_bottom_and_right);
    tcase_add_test(tc, a_loss_without_variables_is_refused);
    tcase_add_test(tc, no_memory_for_a_plan_is_an_error_at_every_place);
    tcase_add_test(tc, each_dropout_and_each_step_draws_its_own_numbers);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
