/* SPDX-License-Identifier: Apache-2.0
 * Family ops: normalisation with its moving averages, dropout, lookups that
 * combine. */
#include "ops_more.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "graph/op.h"
#include "optim/optim.h"

#include "base/banned.h"

static const struct golden_tolerance tolerance = {1e-5, 1e-6};
static const struct golden_tolerance normalising = {5e-5, 1e-6};

float *ops_floats(const cJSON *json)
{
    struct golden_array a;
    float *numbers;

    golden_array_read(json, &a);
    numbers = golden_array_floats(&a);
    golden_array_release(&a);
    return numbers;
}

static const cJSON *input(const struct trial *t, const char *name)
{
    return json_get(golden_member(t->json, "inputs"), name);
}

/* ------------------------------------------------------------ normalisation */

static union op_attr norm_attr(const struct trial *t)
{
    return (union op_attr){
        .norm = {(float)ops_number(t, "epsilon", 0), false, true, true}};
}

struct crew_node *ops_build_batch_norm(struct trial *t)
{
    struct crew_node *x[4] = {ops_in(t, "x"), NULL, NULL, NULL};

    x[1] = graph_add(t->g, &op_moments, "moments", 1, x, (union op_attr){0});
    x[2] = ops_in(t, "gamma");
    x[3] = ops_in(t, "beta");
    return graph_add(t->g, &op_batch_norm, "norm", 4, x, norm_attr(t));
}

struct crew_node *ops_build_batch_norm_frozen(struct trial *t)
{
    static const char *const names[] = {"x", "moving_mean", "moving_variance",
                                        "gamma", "beta"};
    struct crew_node *x[5];

    for (int i = 0; i < 5; i++) {
        x[i] = ops_in(t, names[i]);
    }
    return graph_add(t->g, &op_batch_norm_frozen, "norm", 5, x, norm_attr(t));
}

/* ------------------------------------------------------------------ lookups */

/* The row splits of a sparse tensor, whose indices rise. */
static void split_rows(struct trial *t)
{
    struct golden_array indices, shape;

    golden_array_read(input(t, "indices"), &indices);
    golden_array_read(input(t, "dense_shape"), &shape);
    t->batch = shape.integer[0];
    t->splits = xcalloc((size_t)t->batch + 1, sizeof *t->splits);
    for (int64_t i = 0; i < indices.shape.dim[0]; i++) {
        t->splits[indices.integer[2 * i] + 1]++;
    }
    for (int64_t i = 0; i < t->batch; i++) {
        t->splits[i + 1] += t->splits[i];
    }
    golden_array_release(&indices);
    golden_array_release(&shape);
}

struct crew_node *ops_build_embedding(struct trial *t)
{
    static const char *const combiners[] = {"mean", "sum", "sqrtn"};
    const cJSON *id = ops_attribute(t, "default_id");
    struct crew_node *params = ops_in(t, "params"), *ids;
    struct golden_array *array = &t->fed[t->n_feeds];
    struct crew_embedding how = {.weights = NULL};

    how.max_norm = (float)ops_number(t, "max_norm", 0);
    split_rows(t);
    for (int i = 0; i < 3; i++) {
        if (ops_word_is(t, "combiner", combiners[i])) {
            how.combiner = (enum crew_combiner)i;
        }
    }
    golden_array_read(input(t, "ids"), array);
    ids = graph_input_ragged(t->g, "ids", CREW_INT64);
    t->lists[0] = (struct plan_ragged){t->splits, array->integer};
    t->feeds[t->n_feeds++] = (struct plan_feed){ids, CREW_INT64, &t->lists[0]};
    if (input(t, "weights") != NULL) {
        t->weights = ops_floats(input(t, "weights"));
        how.weights = graph_input_ragged(t->g, "weights", CREW_FLOAT);
        t->lists[1] = (struct plan_ragged){t->splits, t->weights};
        t->feeds[t->n_feeds++] =
            (struct plan_feed){how.weights, CREW_FLOAT, &t->lists[1]};
    }
    if (strcmp(golden_text(t->json, "op"), "embedding_lookup_sparse") == 0) {
        return crew_embedding_lookup_sparse(t->g, params, ids, how);
    }
    return crew_safe_embedding_lookup_sparse(
        t->g, params, ids, how, cJSON_IsNumber(id) ? golden_int(id) : -1);
}

/* ------------------------------------------------------- the layer, moving */

/* One variable of the layer: bound, moved after each step, compared. */
static void bind_vars(struct trial *t, struct plan *p)
{
    for (int i = 0; i < graph_num_vars(t->g); i++) {
        const struct graph_var *v = graph_var(t->g, i);
        struct crew_err err = {0};
        void *room = NULL;

        if (mem_try((size_t)v->n, sizeof(float), v->name, &room, &err) != 0) {
            exit(golden_trouble(70, "%s", err.msg));
        }
        graph_init_var(v, 0, room);
        t->value[t->n_vars++] = room;
        plan_bind_var(p, i, room);
    }
}

/* What the parameter server does with the layer's averages. */
static void move_averages(struct trial *t, struct plan *p)
{
    for (int i = 0; i < t->n_vars; i++) {
        const struct graph_var *v = graph_var(t->g, i);
        struct crew_optimizer o = {.kind = CREW_ASSIGN,
                                   .learning_rate = v->rest};
        struct optim_step step = {.learning_rate = v->rest};
        float *no_slots[OPTIM_MAX_SLOTS] = {NULL};

        if (v->fixed) {
            optim_apply(&o, &step, v->n, t->value[i], no_slots,
                        plan_grad(p, i));
        }
    }
}

static void same(struct golden_report *report,
                 const char *what,
                 const float *got,
                 int64_t n,
                 const cJSON *want,
                 struct golden_tolerance tol)
{
    struct golden_array array;

    golden_array_read(want, &array);
    golden_same_floats(report, what, got, n, &array, tol);
    golden_array_release(&array);
}

static void compare_vars(struct trial *t,
                         struct golden_report *report,
                         int step)
{
    const cJSON *want;

    cJSON_ArrayForEach(want, golden_member(t->json, "variables"))
    {
        const char *name = golden_text(want, "name");
        int i = graph_find_var(t->g, name);

        if (i < 0) {
            golden_differ(report, name, -1, "none", "a variable");
        } else {
            same(report, name, t->value[i], graph_var(t->g, i)->n,
                 cJSON_GetArrayItem(golden_member(want, "after_step"), step),
                 tolerance);
        }
    }
}

static void run_steps(struct trial *t,
                      struct golden_report *report,
                      struct plan *p,
                      struct crew_node *y)
{
    const cJSON *xs = golden_member(t->json, "x_per_step");

    for (int step = 0; step < cJSON_GetArraySize(xs); step++) {
        float *x = ops_floats(cJSON_GetArrayItem(xs, step));
        struct plan_feed feed = {t->g->nodes[0], CREW_FLOAT, x};
        struct crew_err err = {0};
        struct crew_shape shape;

        if (plan_forward(p, &feed, 1, t->batch, 0, 0, &err) != CREW_OK) {
            golden_differ(report, "forward", -1, err.msg, "a value");
        } else {
            same(report, "output", plan_value(p, y, &shape),
                 node_count(y, t->batch),
                 cJSON_GetArrayItem(golden_member(t->json, "output_per_step"),
                                    step),
                 normalising);
            plan_backward(p, ops_nothing, NULL);
            move_averages(t, p);
            compare_vars(t, report, step);
        }
        free(x);
    }
}

static void run_layer(struct trial *t, struct golden_report *report)
{
    struct crew_batch_norm how = {
        .momentum = ops_number(t, "momentum", 0),
        .epsilon = ops_number(t, "epsilon", 0),
        .not_fused = !cJSON_IsTrue(ops_attribute(t, "fused"))};
    struct crew_node *x, *y, *loss;
    struct golden_array first;
    struct crew_err err = {0};
    struct plan *p = NULL;

    golden_array_read(
        cJSON_GetArrayItem(golden_member(t->json, "x_per_step"), 0), &first);
    t->batch = first.shape.dim[0];
    first.shape.dim[0] = -1;
    x = graph_input(t->g, "x", CREW_FLOAT, first.shape);
    golden_array_release(&first);
    y = crew_batch_normalization(t->g, NULL, x, how, CREW_TRAIN);
    loss = crew_reduce_mean(t->g, y);
    if (plan_new(t->g, &y, 1, loss, t->batch, &p, &err) != CREW_OK) {
        golden_differ(report, "built", -1, err.msg, "a graph");
        return;
    }
    bind_vars(t, p);
    run_steps(t, report, p, y);
    plan_free(p);
}

/* ------------------------------------------------------------------ dropout */

enum { DRAWS = 256 };

/* TensorFlow's mask is its own: draw until each element that it has kept has
 * been kept by us too, and compare those; the others must be 0. */
struct draws {
    struct golden_array want, gradient;
    bool has_gradient;
    float *x, *cotangent;
    bool *met;
};

static void compare_draw(struct golden_report *report,
                         struct draws *d,
                         const float *y,
                         const float *dx)
{
    for (int64_t i = 0; i < d->want.n; i++) {
        bool kept = y[i] < 0.0f || y[i] > 0.0f;
        bool theirs = d->want.number[i] < 0.0 || d->want.number[i] > 0.0;

        if (!kept && d->has_gradient && (dx[i] < 0.0f || dx[i] > 0.0f)) {
            golden_differ(report, "gradient of what is dropped", i, "not 0",
                          "0");
        }
        if (!kept || !theirs) {
            continue;
        }
        d->met[i] = true;
        golden_same_number(report, "output", (double)y[i], d->want.number[i],
                           tolerance);
        if (d->has_gradient) {
            golden_same_number(report, "x", (double)dx[i],
                               d->gradient.number[i], tolerance);
        }
    }
}

static void draw(struct golden_report *report, struct trial *t, struct draws *d)
{
    struct crew_shape shape = d->want.shape, value_shape;
    struct crew_node *x =
        crew_variable(t->g, "x", shape, (struct crew_init){0});
    struct crew_node *c = graph_input(t->g, "c", CREW_FLOAT, shape);
    struct crew_node *y =
        crew_dropout(t->g, x, (float)ops_number(t, "rate", 0), CREW_TRAIN);
    struct crew_node *loss = crew_reduce(t->g, CREW_REDUCE_SUM,
                                         crew_mul(t->g, y, c), NULL, 0, false);
    struct plan_feed feed = {c, CREW_FLOAT, d->cotangent};
    struct crew_err err = {0};
    struct plan *p = NULL;

    if (plan_new(t->g, &y, 1, loss, 1, &p, &err) != CREW_OK) {
        golden_differ(report, "built", -1, err.msg, "a graph");
        return;
    }
    plan_bind_var(p, 0, d->x);
    for (uint64_t step = 0; step < DRAWS && err.code == CREW_OK; step++) {
        if (plan_forward(p, &feed, 1, 1, 1, step, &err) == CREW_OK) {
            plan_backward(p, ops_nothing, NULL);
            compare_draw(report, d, plan_value(p, y, &value_shape),
                         plan_grad(p, 0));
        }
    }
    if (err.code != CREW_OK) {
        golden_differ(report, "forward", -1, err.msg, "a value");
    }
    plan_free(p);
}

static void run_dropout(struct trial *t, struct golden_report *report)
{
    const cJSON *gradients = json_get(t->json, "gradients");
    const cJSON *cotangent = json_get(t->json, "cotangent");
    struct draws d = {.has_gradient = gradients != NULL};

    golden_array_read(golden_member(t->json, "output"), &d.want);
    d.x = ops_floats(input(t, "x"));
    d.met = xcalloc((size_t)d.want.n + 1, sizeof *d.met);
    if (d.has_gradient) {
        golden_array_read(golden_member(gradients, "x"), &d.gradient);
        d.cotangent = ops_floats(cotangent);
    } else {
        d.cotangent = xcalloc((size_t)d.want.n + 1, sizeof(float));
    }
    draw(report, t, &d);
    for (int64_t i = 0; i < d.want.n; i++) {
        if (!d.met[i] && (d.want.number[i] < 0.0 || d.want.number[i] > 0.0)) {
            golden_differ(report, "output", i, "0 in every draw", "kept");
        }
    }
    if (d.has_gradient) {
        golden_array_release(&d.gradient);
    }
    golden_array_release(&d.want);
    free(d.x);
    free(d.cotangent);
    free(d.met);
}

static void run_no_dropout(struct trial *t, struct golden_report *report)
{
    struct crew_node *x = ops_in(t, "x");
    struct crew_node *y =
        crew_dropout(t->g, x, (float)ops_number(t, "rate", 0), CREW_PREDICT);
    struct crew_err err = {0};
    struct crew_shape shape;
    struct plan *p = NULL;

    if (plan_new(t->g, &y, 1, NULL, 1, &p, &err) != CREW_OK) {
        golden_differ(report, "built", -1, err.msg, "a graph");
        return;
    }
    plan_bind_var(p, 0, t->value[0]);
    if (plan_forward(p, NULL, 0, 1, 0, 0, &err) != CREW_OK) {
        golden_differ(report, "forward", -1, err.msg, "a value");
    } else {
        same(report, "output", plan_value(p, y, &shape), node_count(y, 1),
             golden_member(t->json, "output"), tolerance);
    }
    plan_free(p);
}

bool ops_run_special(struct trial *t, struct golden_report *report)
{
    static const struct {
        const char *op;
        void (*run)(struct trial *, struct golden_report *);
    } rows[] = {
        {"layers_batch_normalization_moving", run_layer},
        {"dropout_train", run_dropout},
        {"nn_dropout_check", run_dropout},
        {"dropout_inference", run_no_dropout},
    };
    const char *op = golden_text(t->json, "op");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].op, op) == 0) {
            rows[i].run(t, report);
            return true;
        }
    }
    return false;
}
