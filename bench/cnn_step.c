/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step of the tutorial's CNN with random data, by the graph and
 * the plan that a trainer runs:
 *
 *   conv 5x5x32 same, relu, pool 2 | conv 5x5x64 same, relu, pool 2 |
 *   dense 3136 -> 1024, relu, dropout 0.4 | dense 1024 -> 10, cross entropy
 *
 * forward, backward, plain gradient descent; batch 100, one core. Counted at
 * 8.205 GFLOP, taps on the zero border included, the pass to the images left
 * out. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bench.h"
#include "compute.h"
#include "graph/plan.h"
#include "kernels/kernels.h"
#include "optim/optim.h"

#include "base/banned.h"

enum { BATCH = 100, SIDE = 28, FLAT = 7 * 7 * 64, CLASSES = 10, VARS = 8 };

static const double STEP_GFLOP = 8.205;
static const uint64_t SEED = 1;

struct cnn {
    struct crew_graph *graph;
    struct crew_node *loss;
    struct plan *plan;
    struct plan_feed feeds[2];
    float *images, *var[VARS];
    int64_t labels[BATCH], step;
    struct crew_err err;
};

static int build(struct cnn *n, struct crew_err *err)
{
    struct crew_graph *g = n->graph = graph_new();
    struct crew_node *image =
        graph_input(g, "x", CREW_FLOAT, crew_shape4(-1, SIDE, SIDE, 1));
    struct crew_node *label =
        graph_input(g, "label", CREW_INT64, crew_shape1(-1));

    struct crew_node *x =
        crew_conv2d(g, NULL, image, 32, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    x = crew_conv2d(g, NULL, x, 64, 5, CREW_SAME, CREW_RELU);
    x = crew_max_pool2d(g, x, 2, 2);
    x = crew_reshape(g, x, crew_shape2(-1, FLAT));
    x = crew_dense(g, NULL, x, 1024, CREW_RELU);
    x = crew_dropout(g, x, 0.4f, CREW_TRAIN);
    x = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);
    n->loss = crew_sparse_softmax_cross_entropy(g, label, x);
    n->feeds[0] = (struct plan_feed){image, CREW_FLOAT, n->images};
    n->feeds[1] = (struct plan_feed){label, CREW_INT64, n->labels};
    return plan_new(g, &n->loss, 1, n->loss, BATCH, &n->plan, err);
}

static int take(int64_t count, float **out, struct crew_err *err)
{
    void *p = NULL;
    int rc =
        mem_try((size_t)count, sizeof(float), "the CNN's numbers", &p, err);
    *out = p;
    return rc;
}

static int fill(struct cnn *n, struct crew_err *err)
{
    uint32_t s = 1;
    int rc = take(BATCH * SIDE * SIDE, &n->images, err);
    for (int i = 0; rc == CREW_OK && i < BATCH * SIDE * SIDE; i++) {
        s = s * 1664525u + 1013904223u;
        n->images[i] = (float)(s >> 8) * 0x1p-24f;
    }
    for (int i = 0; i < BATCH; i++) {
        n->labels[i] = i % CLASSES;
    }
    rc = rc ? rc : build(n, err);
    for (int v = 0; rc == CREW_OK && v < VARS; v++) {
        const struct graph_var *var = graph_var(n->graph, v);
        rc = take(var->n, &n->var[v], err);
        if (rc == CREW_OK) {
            graph_init_var(var, SEED, n->var[v]);
            plan_bind_var(n->plan, v, n->var[v]);
        }
    }
    return rc;
}

/* As a trainer by itself does: a variable is updated when its gradient is
 * final. */
static void apply(void *self, int v)
{
    struct cnn *n = self;
    static float *const no_slots[OPTIM_MAX_SLOTS];
    struct crew_optimizer sgd = crew_gradient_descent(0.001);
    struct optim_powers powers = optim_powers_initial(&sgd);
    struct optim_step now = optim_step_at(&sgd, &powers, 0);
    optim_apply(&sgd, &now, graph_var(n->graph, v)->n, n->var[v], no_slots,
                plan_grad(n->plan, v));
}

static void step(void *self)
{
    struct cnn *n = self;
    if (plan_forward(n->plan, n->feeds, 2, BATCH, SEED, (uint64_t)n->step++,
                     &n->err) == CREW_OK) {
        plan_backward(n->plan, apply, n);
    }
}

static void release(struct cnn *n)
{
    plan_free(n->plan);
    graph_free(n->graph);
    free(n->images);
    for (int v = 0; v < VARS; v++) {
        free(n->var[v]);
    }
}

int bench_cnn_step(struct bench_result *r, struct crew_err *err)
{
    struct cnn net = {0};
    int rc = fill(&net, err);
    if (rc != CREW_OK) {
        goto out;
    }
    r->limit = bench_fma_peak();
    struct bench_time t = bench_measure(5.0, step, &net);
    if (net.err.code != CREW_OK) {
        *err = net.err;
        rc = err->code;
        goto out;
    }
    struct crew_shape shape;
    const float *loss = plan_value(net.plan, net.loss, &shape);
    int64_t bad;
    if (!k_all_finite(1, loss, &bad)) {
        rc = crew_err_set(err, CREW_INTERNAL, "the CNN's loss is %g",
                          (double)*loss);
        goto out;
    }
    r->ours = STEP_GFLOP / t.best;
    r->unit = "GFLOP/s";
    r->goal = 0.5;
    snprintf(r->note, sizeof(r->note), "%.1f ms a step (median %.1f)",
             t.best * 1e3, t.median * 1e3);
out:
    release(&net);
    return rc;
}
