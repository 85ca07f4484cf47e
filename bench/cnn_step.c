/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step of the tutorial's CNN with random data, kernel by kernel as
 * the graph calls them:
 *
 *   conv 5x5x32 same, relu, pool 2 | conv 5x5x64 same, relu, pool 2 |
 *   dense 3136 -> 1024, relu, dropout 0.4 | dense 1024 -> 10, cross entropy
 *
 * forward, backward, plain gradient descent; batch 100, one core. Counted at
 * 8.205 GFLOP, taps on the zero border included, the pass to the images left
 * out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench.h"
#include "compute.h"
#include "kernels/kernels.h"
#include "optim/optim.h"

#include "base/banned.h"

enum { BATCH = 100, FLAT = 7 * 7 * 64, HIDDEN = 1024, CLASSES = 10, VARS = 8 };

static const double STEP_GFLOP = 8.205;
static const float RATE = 0.4f;

static const struct conv2d_dims conv1 = {BATCH, 28, 28, 1, 5, 5, 32,
                                         28,    28, 2,  2, 1, 1};
static const struct conv2d_dims conv2 = {BATCH, 14, 14, 32, 5, 5, 64,
                                         14,    14, 2,  2,  1, 1};
static const struct pool2d_dims pool1 = {BATCH, 28, 28, 32, 2, 2, 14, 14, 0, 0};
static const struct pool2d_dims pool2 = {BATCH, 14, 14, 64, 2, 2, 7, 7, 0, 0};

enum {
    N1 = BATCH * 28 * 28 * 32,
    P1 = N1 / 4,
    N2 = BATCH * 14 * 14 * 64,
    P2 = N2 / 4,
    NH = BATCH * HIDDEN,
    NC = BATCH * CLASSES
};

static const int64_t var_sizes[VARS] = {
    25 * 32,      32,     25 * 32 * 64,    64,
    FLAT *HIDDEN, HIDDEN, HIDDEN *CLASSES, CLASSES};
/* w1 b1 w2 b2 w3 b3 w4 b4 */

struct cnn {
    float *x, *c1, *p1, *c2, *p2, *h, *drop, *logits, *prob, *loss;
    float *d_c1, *d_p1, *d_c2, *d_p2, *d_h, *d_drop, *d_logits, *d_loss;
    float *d_a1, *d_a2, *d_ah; /* gradients before relu */
    float *var[VARS], *grad[VARS], *scratch;
    uint8_t *arg1, *arg2;
    int64_t labels[BATCH];
    uint64_t step;
};

static int take(float **out, size_t n, struct crew_err *err)
{
    void *p;
    int rc = mem_try(n, sizeof(float), "the CNN's buffers", &p, err);
    if (rc == CREW_OK) {
        *out = p;
    }
    return rc;
}

static int take_buffers(struct cnn *n, struct crew_err *err)
{
    size_t scratch = k_conv2d_scratch(&conv1);
    size_t scratch2 = k_conv2d_scratch(&conv2);
    scratch = (scratch > scratch2 ? scratch : scratch2) / sizeof(float);
    float *bytes1 = NULL, *bytes2 = NULL;
    struct {
        float **at;
        size_t n;
    } all[] = {
        {&n->x, BATCH * 784},   {&n->c1, N1},       {&n->p1, P1},
        {&n->c2, N2},           {&n->p2, P2},       {&n->h, NH},
        {&n->drop, NH},         {&n->logits, NC},   {&n->prob, NC},
        {&n->loss, BATCH},      {&n->d_c1, N1},     {&n->d_p1, P1},
        {&n->d_c2, N2},         {&n->d_p2, P2},     {&n->d_h, NH},
        {&n->d_drop, NH},       {&n->d_logits, NC}, {&n->d_loss, BATCH},
        {&n->d_a1, N1},         {&n->d_a2, N2},     {&n->d_ah, NH},
        {&n->scratch, scratch}, {&bytes1, P1 / 4},  {&bytes2, P2 / 4},
    };
    int rc = CREW_OK;
    for (size_t i = 0; rc == CREW_OK && i < sizeof(all) / sizeof(all[0]); i++) {
        rc = take(all[i].at, all[i].n, err);
    }
    for (int v = 0; rc == CREW_OK && v < VARS; v++) {
        rc = take(&n->var[v], (size_t)var_sizes[v], err);
        rc = rc ? rc : take(&n->grad[v], (size_t)var_sizes[v], err);
    }
    n->arg1 = (uint8_t *)bytes1;
    n->arg2 = (uint8_t *)bytes2;
    return rc;
}

/* Uniform in [-scale, scale). */
static void fill(float *x, int64_t n, float scale, uint32_t seed)
{
    uint32_t s = seed * 2654435761u + 1;
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = ((float)(s >> 8) * 0x1p-23f - 1.0f) * scale;
    }
}

static void fill_all(struct cnn *n)
{
    static const float scale[VARS] = {0.3f,  0.1f, 0.05f, 0.1f,
                                      0.03f, 0.1f, 0.06f, 0.1f};
    fill(n->x, BATCH * 784, 1.0f, 100);
    for (int v = 0; v < VARS; v++) {
        fill(n->var[v], var_sizes[v], scale[v], (uint32_t)v);
    }
    for (int i = 0; i < BATCH; i++) {
        n->labels[i] = i % CLASSES;
        n->d_loss[i] = 1.0f / BATCH;
    }
}

static void forward(struct cnn *n)
{
    k_conv2d(&conv1, n->x, n->var[0], n->c1, n->scratch);
    k_bias_add(N1 / 32, 32, n->c1, n->var[1], n->c1);
    k_relu(N1, n->c1, n->c1);
    k_max_pool2d(&pool1, n->c1, n->p1, n->arg1);
    k_conv2d(&conv2, n->p1, n->var[2], n->c2, n->scratch);
    k_bias_add(N2 / 64, 64, n->c2, n->var[3], n->c2);
    k_relu(N2, n->c2, n->c2);
    k_max_pool2d(&pool2, n->c2, n->p2, n->arg2);
    k_matmul(false, false, BATCH, HIDDEN, FLAT, n->p2, n->var[4], false, n->h);
    k_bias_add(BATCH, HIDDEN, n->h, n->var[5], n->h);
    k_relu(NH, n->h, n->h);
    k_dropout(NH, RATE, 1, n->step, n->h, n->drop);
    k_matmul(false, false, BATCH, CLASSES, HIDDEN, n->drop, n->var[6], false,
             n->logits);
    k_bias_add(BATCH, CLASSES, n->logits, n->var[7], n->logits);
    k_sparse_softmax_xent(BATCH, CLASSES, n->logits, n->labels, n->loss,
                          n->prob);
}

static void zero(float *x, int64_t n)
{
    memset(x, 0, (size_t)n * sizeof(float));
}

static void zero_gradients(struct cnn *n)
{
    zero(n->d_c1, N1);
    zero(n->d_a1, N1);
    zero(n->d_p1, P1);
    zero(n->d_c2, N2);
    zero(n->d_a2, N2);
    zero(n->d_p2, P2);
    zero(n->d_h, NH);
    zero(n->d_ah, NH);
    zero(n->d_drop, NH);
    zero(n->d_logits, NC);
    for (int v = 0; v < VARS; v++) {
        zero(n->grad[v], var_sizes[v]);
    }
}

static void backward(struct cnn *n)
{
    zero_gradients(n);
    k_sparse_softmax_xent_backward(BATCH, CLASSES, n->prob, n->labels,
                                   n->d_loss, n->d_logits);
    k_bias_add_backward(BATCH, CLASSES, n->d_logits, n->grad[7]);
    k_matmul(true, false, HIDDEN, CLASSES, BATCH, n->drop, n->d_logits, true,
             n->grad[6]);
    k_matmul(false, true, BATCH, HIDDEN, CLASSES, n->d_logits, n->var[6], true,
             n->d_drop);
    k_dropout_backward(NH, RATE, 1, n->step, n->d_drop, n->d_h);
    k_relu_backward(NH, n->h, n->d_h, n->d_ah);
    k_bias_add_backward(BATCH, HIDDEN, n->d_ah, n->grad[5]);
    k_matmul(true, false, FLAT, HIDDEN, BATCH, n->p2, n->d_ah, true,
             n->grad[4]);
    k_matmul(false, true, BATCH, FLAT, HIDDEN, n->d_ah, n->var[4], true,
             n->d_p2);
    k_max_pool2d_backward(&pool2, n->arg2, n->d_p2, n->d_c2);
    k_relu_backward(N2, n->c2, n->d_c2, n->d_a2);
    k_bias_add_backward(N2 / 64, 64, n->d_a2, n->grad[3]);
    k_conv2d_backward(&conv2, n->p1, n->var[2], n->d_a2, n->d_p1, n->grad[2],
                      n->scratch);
    k_max_pool2d_backward(&pool1, n->arg1, n->d_p1, n->d_c1);
    k_relu_backward(N1, n->c1, n->d_c1, n->d_a1);
    k_bias_add_backward(N1 / 32, 32, n->d_a1, n->grad[1]);
    k_conv2d_backward(&conv1, n->x, n->var[0], n->d_a1, NULL, n->grad[0],
                      n->scratch);
}

static void step(void *self)
{
    struct cnn *n = self;
    static float *const no_slots[OPTIM_MAX_SLOTS];
    struct crew_optimizer sgd = crew_gradient_descent(0.001);
    struct optim_powers powers = optim_powers_initial(&sgd);
    struct optim_step now = optim_step_at(&sgd, &powers, 0);
    forward(n);
    backward(n);
    for (int v = 0; v < VARS; v++) {
        optim_apply(&sgd, &now, var_sizes[v], n->var[v], no_slots, n->grad[v]);
    }
    n->step++;
}

static void free_buffers(struct cnn *n)
{
    float *all[] = {n->x,      n->c1,       n->p1,     n->c2,   n->p2,
                    n->h,      n->drop,     n->logits, n->prob, n->loss,
                    n->d_c1,   n->d_p1,     n->d_c2,   n->d_p2, n->d_h,
                    n->d_drop, n->d_logits, n->d_loss, n->d_a1, n->d_a2,
                    n->d_ah,   n->scratch};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
    for (int v = 0; v < VARS; v++) {
        free(n->var[v]);
        free(n->grad[v]);
    }
    free(n->arg1);
    free(n->arg2);
}

int bench_cnn_step(struct bench_result *r, struct crew_err *err)
{
    struct cnn net = {0};
    int rc = take_buffers(&net, err);
    if (rc != CREW_OK) {
        goto out;
    }
    fill_all(&net);
    r->limit = bench_fma_peak();
    struct bench_time t = bench_measure(5.0, step, &net);
    int64_t bad;
    if (!k_all_finite(BATCH, net.loss, &bad)) {
        rc = crew_err_set(err, CREW_INTERNAL,
                          "the CNN's loss %ld is not finite", (long)bad);
        goto out;
    }
    r->ours = STEP_GFLOP / t.best;
    r->unit = "GFLOP/s";
    r->goal = 0.5;
    snprintf(r->note, sizeof(r->note), "%.1f ms a step (median %.1f)",
             t.best * 1e3, t.median * 1e3);
out:
    free_buffers(&net);
    return rc;
}
