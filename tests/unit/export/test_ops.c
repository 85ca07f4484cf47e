/* SPDX-License-Identifier: Apache-2.0
 * Every op of the graph that can be exported, in one graph that TensorFlow's
 * registry must accept. Who adds an op (graph/op_list.h) uses it in build_all()
 * and adds TensorFlow's definition to opdef_list.h. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "export/saved_model.h"
#include "graph/emit.h"
#include "graph/op.h"
#include "opdef.h"
#include "run_suite.h"

#include "base/banned.h"

enum { MAX_OUTPUTS = 96 };

struct all {
    struct crew_graph *g;
    struct crew_node *out[MAX_OUTPUTS];
    int n;
};

static void add(struct all *a, struct crew_node *n)
{
    ck_assert_int_lt(a->n, MAX_OUTPUTS);
    a->out[a->n++] = n;
}

static void add_arithmetic(struct all *a, struct crew_node *x)
{
    struct crew_graph *g = a->g;
    struct crew_node *y =
        crew_variable(g, "y", crew_shape1(4), crew_init_constant(2));

    add(a, crew_add(g, x, y));
    add(a, crew_sub(g, x, y));
    add(a, crew_mul(g, x, y));
    add(a, crew_div(g, x, y));
    add(a, crew_maximum(g, x, y));
    add(a, crew_minimum(g, x, y));
    add(a, crew_scale(g, x, 2));
    add(a, crew_shift(g, x, 2));
    add(a, crew_exp(g, x));
    add(a, crew_log(g, x));
    add(a, crew_sqrt(g, x));
    add(a, crew_rsqrt(g, x));
    add(a, crew_square(g, x));
    add(a, crew_abs(g, x));
    add(a, crew_neg(g, x));
    add(a, crew_erf(g, x));
    for (int k = CREW_RELU; k <= CREW_GELU; k++) {
        add(a, crew_activate(g, x, (enum crew_activation)k));
    }
    add(a, crew_leaky_relu(g, x, 0.3f));
    for (int k = CREW_REDUCE_SUM; k <= CREW_REDUCE_MIN; k++) {
        int axis = -1;

        add(a, crew_reduce(g, (enum crew_reduction)k, x, &axis, 1, k == 1));
    }
    add(a, crew_l2_loss(g, x));
}

static void add_lookups(struct all *a,
                        struct crew_node *table,
                        struct crew_node *ids)
{
    struct crew_graph *g = a->g;
    struct crew_node *lists = graph_input_ragged(g, "lists", CREW_INT64);
    struct crew_node *weights = graph_input_ragged(g, "weights", CREW_FLOAT);

    for (int k = CREW_COMBINE_MEAN; k <= CREW_COMBINE_SQRTN; k++) {
        struct crew_embedding how = {.combiner = (enum crew_combiner)k};

        add(a, crew_embedding_lookup_sparse(g, table, ids, how));
        how.weights = weights;
        add(a, crew_safe_embedding_lookup_sparse(g, table, lists, how, k - 1));
        how.max_norm = 1;
        add(a, crew_safe_embedding_lookup_sparse(g, table, lists, how, 1));
    }
    add(a, crew_clip_rows_by_norm(g, table, 1));
}

static void add_layers(struct all *a,
                       struct crew_node *x,
                       struct crew_node *image,
                       struct crew_node *ids)
{
    const int64_t before[] = {0, 1}, after[] = {0, 2};
    struct crew_conv conv = {.strides = {2, 1}, .padding = CREW_SAME};
    struct crew_node *both[] = {x, x};
    struct crew_graph *g = a->g;
    struct crew_node *table =
        crew_variable(g, "table", crew_shape2(5, 2), crew_init_constant(0));

    add(a, crew_dense(g, NULL, x, 3, CREW_RELU));
    add(a, crew_conv2d(g, NULL, image, 3, 3, CREW_VALID, CREW_RELU));
    add(a, crew_conv2d_with(g, NULL, image, 3, 3, conv, CREW_LINEAR));
    add(a, crew_depthwise_conv2d(g, NULL, image, 2, 3, conv, CREW_LINEAR));
    add(a, crew_max_pool2d(g, image, 2, 2));
    add(a, crew_average_pooling2d(g, image, 2, 2, CREW_SAME));
    add(a, crew_dropout(g, x, 0.5f, CREW_PREDICT));
    add(a, crew_softmax(g, x));
    add(a, crew_argmax(g, x, 1));
    add(a, crew_log_softmax(g, x));
    add(a, crew_batch_matmul(
               g, image, crew_transpose(g, image, crew_shape4(0, 1, 3, 2))));
    add(a, crew_constant(g, 2));
    for (int k = 0; k < 4; k++) {
        struct crew_batch_norm how = {.no_center = k % 2 == 1,
                                      .no_scale = k % 2 == 1,
                                      .not_fused = k > 1};

        add(a, crew_batch_normalization(g, NULL, image, how, CREW_PREDICT));
    }
    add_lookups(a, table, ids);
    add(a, crew_layer_norm(g, NULL, x, 0.001f));
    add(a, crew_concat(g, both, 2, 1));
    add(a, crew_transpose(g, image, crew_shape4(0, 3, 1, 2)));
    add(a, crew_pad(g, x, before, after));
    add(a, crew_gather(g, table, ids));
    add(a, crew_one_hot(g, ids, 5));
    add(a, crew_to_float(g, ids));
    add(a, crew_reshape(g, image, crew_shape2(-1, 128)));
}

/* In an export of the EVAL graph, with and without weights. */
static void add_losses(struct all *a,
                       struct crew_node *x,
                       struct crew_node *labels,
                       struct crew_node *ids)
{
    struct crew_graph *g = a->g;
    struct crew_node *w = crew_reduce_mean(g, x);

    for (int k = CREW_LOSS_SUM_BY_NONZERO_WEIGHTS;
         k <= CREW_LOSS_SUM_OVER_BATCH_SIZE; k++) {
        struct crew_loss how = {.weights = w,
                                .reduction = (enum crew_loss_reduction)k};

        add(a, crew_mean_squared_error(g, labels, x, how));
    }
    struct crew_loss plain = {.weights = NULL};
    add(a, crew_absolute_difference(g, labels, x, plain));
    add(a, crew_huber_loss(g, labels, x, 1.5, plain));
    add(a, crew_hinge_loss(g, labels, x, plain));
    add(a, crew_log_loss(g, labels, x, 1e-7, plain));
    add(a, crew_sigmoid_cross_entropy(g, labels, x, 0.1, plain));
    add(a, crew_softmax_cross_entropy(g, labels, x, 0.1, plain));
    add(a, crew_sparse_softmax_cross_entropy(g, ids, x));
    add(a, crew_cosine_distance(g, labels, x, 1, plain));
    add(a, crew_mean_pairwise_squared_error(g, labels, x, NULL));
    add(a, crew_mean_pairwise_squared_error(g, labels, x, w));
}

/* What the heads have beside. */
static void add_heads(struct all *a,
                      struct crew_node *x,
                      struct crew_node *labels,
                      struct crew_node *ids)
{
    struct crew_node *both[] = {labels, x};
    union op_attr range = {.range = {3, "above", "below"}};

    add(a, graph_add(a->g, &op_label_range, "range", 1, &ids, range));
    add(a, graph_add(a->g, &op_label_range, "range", 1, &labels, range));
    add(a, graph_add(a->g, &op_column, "column", 1, &x,
                     (union op_attr){.size = 1}));
    for (int full = 0; full < 2; full++) {
        add(a, graph_add(a->g, &op_log_poisson_loss, "poisson", 2, both,
                         (union op_attr){.factor = (float)full}));
    }
}

static struct all build_all(void)
{
    struct all a = {.g = graph_new()};
    struct crew_node *x = graph_input(a.g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    struct crew_node *image =
        graph_input(a.g, "image", CREW_FLOAT, crew_shape4(-1, 8, 8, 2));
    struct crew_node *ids =
        graph_input(a.g, "ids", CREW_INT32, crew_shape1(-1));
    struct crew_node *labels =
        graph_input(a.g, "labels", CREW_FLOAT, crew_shape2(-1, 4));
    struct crew_err err = {0};

    add_arithmetic(&a, x);
    add_layers(&a, x, image, ids);
    add_losses(&a, x, labels, ids);
    add_heads(&a, x, labels, ids);
    ck_assert_msg(crew_graph_status(a.g, &err) == CREW_OK, "%s", err.msg);
    return a;
}

START_TEST(tensorflow_would_accept_every_op)
{
    struct all a = build_all();
    struct emit_options o = {.variables = _i == 1};
    struct graphdef *def = graphdef_new();
    struct crew_err err = {0};

    ck_assert_msg(graph_emit_with(a.g, a.out, a.n, &o, def, &err) == CREW_OK,
                  "%s", err.msg);
    if (_i == 1) {
        graphdef_restore(def);
    }
    ck_assert_msg(opdef_check_graph(graphdef_message(def), &err) == CREW_OK,
                  "%s", err.msg);
    graphdef_free(def);
    graph_free(a.g);
}
END_TEST

START_TEST(no_op_is_forgotten)
{
    static const struct {
        const struct op_def *op;
        const char *name;
    } rows[] = {
#define ROW(symbol) {&symbol, #symbol},
#include "graph/op_list.h"
#undef ROW
    };
    struct all a = build_all();

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool used = rows[i].op->emit == NULL;

        for (int k = 0; k < a.g->n_nodes && !used; k++) {
            used = a.g->nodes[k]->op == rows[i].op;
        }
        ck_assert_msg(used,
                      "%s can be exported; use it in build_all() and add its "
                      "definition to opdef_list.h",
                      rows[i].name);
    }
    graph_free(a.g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *tc = tcase_create("ops");

    tcase_add_loop_test(tc, tensorflow_would_accept_every_op, 0, 2);
    tcase_add_test(tc, no_op_is_forgotten);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
