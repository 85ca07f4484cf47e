/* SPDX-License-Identifier: Apache-2.0
 * Family ops: what rows.json adds, and the walk over the op table. A set with
 * that file is one that has a case of every row; other sets need not. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "graph/op.h"
#include "ops_more.h"

#include "base/banned.h"

/* --------------------------------------------------------------------- rows */

static const struct op_def *const table[] = {
#define ROW(symbol) &(symbol),
#include "graph/op_list.h"
#undef ROW
};

struct ops_rows {
    bool met[COUNT_OF(table)];
};

struct ops_rows *ops_rows_new(void)
{
    return xcalloc(1, sizeof(struct ops_rows));
}

void ops_rows_free(struct ops_rows *rows)
{
    free(rows);
}

void ops_meet(struct ops_rows *rows, const struct crew_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        for (size_t r = 0; r < COUNT_OF(table); r++) {
            rows->met[r] |= g->nodes[i]->op == table[r];
        }
    }
}

void ops_all_met(const struct ops_rows *rows, struct golden_report *report)
{
    golden_case(report, "every row of the op table");
    for (size_t r = 0; r < COUNT_OF(table); r++) {
        if (!rows->met[r]) {
            golden_differ(report, table[r]->tf_name, -1, "no golden case",
                          "one, see tools/make_ops_rows.py");
        }
    }
    golden_end(report);
}

/* -------------------------------------------------------------------- cases */

#define OF_X(name)                                         \
    static struct crew_node *build_##name(struct trial *t) \
    {                                                      \
        return crew_##name(t->g, ops_in(t, "x"));          \
    }
OF_X(neg)
OF_X(erf)
OF_X(rsqrt)
OF_X(log_sigmoid)
OF_X(crelu)
OF_X(flatten)
OF_X(global_average_pooling2d)
OF_X(global_max_pooling2d)

static struct crew_node *build_gelu(struct trial *t)
{
    return crew_gelu(t->g, ops_in(t, "x"), true);
}

static struct crew_node *build_minimum(struct trial *t)
{
    struct crew_node *x = ops_in(t, "x");

    return crew_minimum(t->g, x, ops_in(t, "y"));
}

static float constant(struct trial *t)
{
    return (float)ops_number(t, "constant", 0);
}

static struct crew_node *build_add_constant(struct trial *t)
{
    struct crew_node *x = ops_in(t, "x");

    return crew_add(t->g, x, crew_constant(t->g, constant(t)));
}

static struct crew_node *build_shift(struct trial *t)
{
    return crew_shift(t->g, ops_in(t, "x"), constant(t));
}

static struct crew_node *build_scale(struct trial *t)
{
    return crew_scale(t->g, ops_in(t, "x"), constant(t));
}

static struct crew_node *build_argmax(struct trial *t)
{
    return crew_argmax(t->g, ops_in(t, "x"), 1);
}

static struct crew_node *build_clip_rows(struct trial *t)
{
    return crew_clip_rows_by_norm(t->g, ops_in(t, "x"),
                                  ops_number(t, "clip_norm", 0));
}

static struct crew_node *build_log_poisson(struct trial *t)
{
    struct crew_node *in[2];

    in[0] = ops_in(t, "labels");
    in[1] = ops_in(t, "logits");
    return graph_add(
        t->g, &op_log_poisson_loss, "losses", 2, in,
        (union op_attr){.factor = (float)ops_number(t, "full", 0)});
}

static struct crew_node *build_column(struct trial *t)
{
    struct crew_node *x = ops_in(t, "x");

    return graph_add(
        t->g, &op_column, "column", 1, &x,
        (union op_attr){.size = (int64_t)ops_number(t, "column", 0)});
}

static struct crew_node *build_label_range(struct trial *t)
{
    struct crew_node *x = ops_in(t, "x");
    union op_attr attr = {
        .range = {(int64_t)ops_number(t, "most", 0), "above", "below"}};

    return graph_add(t->g, &op_label_range, "range", 1, &x, attr);
}

static struct crew_node *build_cast(struct trial *t)
{
    return crew_to_float(t->g, ops_in(t, "ids"));
}

static struct crew_node *build_cosine_distance(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_cosine_distance(t->g, l, x, (int)ops_number(t, "axis", 0),
                                ops_loss(t));
}

static struct crew_node *build_weighted_loss(struct trial *t)
{
    struct crew_node *x = ops_in(t, "losses");

    return crew_compute_weighted_loss(t->g, x, ops_loss(t));
}

static struct crew_node *build_pairwise(struct trial *t)
{
    struct crew_node *l = ops_in(t, "labels"), *x = ops_in(t, "predictions");

    return crew_mean_pairwise_squared_error(t->g, l, x, ops_in(t, "weights"));
}

struct crew_node *ops_build_row(struct trial *t, const char *op)
{
    static const struct {
        const char *op;
        struct crew_node *(*build)(struct trial *);
    } builders[] = {
        {"add_constant", build_add_constant},
        {"argmax", build_argmax},
        {"cast", build_cast},
        {"clip_rows_by_norm", build_clip_rows},
        {"column", build_column},
        {"compute_weighted_loss", build_weighted_loss},
        {"cosine_distance", build_cosine_distance},
        {"crelu", build_crelu},
        {"erf", build_erf},
        {"flatten", build_flatten},
        {"gelu_approximate", build_gelu},
        {"global_average_pooling2d", build_global_average_pooling2d},
        {"global_max_pooling2d", build_global_max_pooling2d},
        {"label_range", build_label_range},
        {"log_poisson_loss", build_log_poisson},
        {"log_sigmoid", build_log_sigmoid},
        {"mean_pairwise_squared_error", build_pairwise},
        {"minimum", build_minimum},
        {"neg", build_neg},
        {"rsqrt", build_rsqrt},
        {"scale", build_scale},
        {"shift", build_shift},
    };

    for (size_t i = 0; i < COUNT_OF(builders); i++) {
        if (strcmp(builders[i].op, op) == 0) {
            return builders[i].build(t);
        }
    }
    return NULL;
}
