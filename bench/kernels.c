/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the kernels that move memory: bytes a second, against those of a
 * memcpy of the same arrays. Arrays are larger than the caches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench.h"
#include "kernels/kernels.h"
#include "optim/optim.h"

#include "base/banned.h"

/* 64 images of 32 x 32 x 64, or a table of as many numbers: 16.8 MB. */
enum {
    BATCH = 64,
    SIDE = 32,
    CHANNELS = 64,
    COUNT = BATCH * SIDE * SIDE * CHANNELS
};
enum { WIDE = 512, LOOKUPS = 65536, DIM = 64, ARRAYS = 5 };

struct field {
    float *a[ARRAYS];
    uint8_t *arg;
    int64_t *ids;
    struct crew_optimizer optimizer;
    struct optim_powers powers;
};

static int take(struct field *f, struct crew_err *err)
{
    void *p = NULL;

    for (int i = 0; i < ARRAYS; i++) {
        if (mem_try(COUNT, sizeof(float), "an array", &p, err) != CREW_OK) {
            return err->code;
        }
        f->a[i] = p;
        for (int64_t j = 0; j < COUNT; j++) {
            f->a[i][j] = (float)((j * 7 + i) % 1000) * 2e-3f + 0.01f;
        }
    }
    if (mem_try(COUNT, 1, "places", &p, err) != CREW_OK) {
        return err->code;
    }
    f->arg = p;
    if (mem_try(LOOKUPS, sizeof(int64_t), "ids", &p, err) != CREW_OK) {
        return err->code;
    }
    f->ids = p;
    for (int64_t i = 0; i < LOOKUPS; i++) {
        f->ids[i] = i * 40503 % (COUNT / DIM);
    }
    return CREW_OK;
}

static void release(struct field *f)
{
    for (int i = 0; i < ARRAYS; i++) {
        free(f->a[i]);
    }
    free(f->arg);
    free(f->ids);
}

static void copy_once(void *self)
{
    struct field *f = self;
    memcpy(f->a[1], f->a[0], COUNT * sizeof(float));
}

/* `arrays`: how many the call reads and writes, in all. */
static int row(void (*call)(void *),
               struct crew_optimizer optimizer,
               double arrays,
               double goal,
               struct bench_result *r,
               struct crew_err *err)
{
    struct field f = {.optimizer = optimizer,
                      .powers = optim_powers_initial(&optimizer)};
    int rc = take(&f, err);
    if (rc == CREW_OK) {
        double gb = COUNT * sizeof(float) * 1e-9;
        struct bench_time copy = bench_measure(0.3, copy_once, &f);
        struct bench_time ours = bench_measure(0.5, call, &f);
        r->ours = gb * arrays / ours.best;
        r->limit = gb * 2 / copy.best;
        r->unit = "GB/s";
        r->goal = goal;
        snprintf(r->note, sizeof(r->note), "%.2f ms (median %.2f)",
                 ours.best * 1e3, ours.median * 1e3);
    }
    release(&f);
    return rc;
}

static void batch_norm(void *self)
{
    struct field *f = self;
    float *s = f->a[2];
    k_column_moments(COUNT / CHANNELS, CHANNELS, f->a[0], s, s + CHANNELS);
    k_column_scale(COUNT / CHANNELS, CHANNELS, f->a[0], s, s + CHANNELS,
                   f->a[1]);
}

static void batch_norm_backward(void *self)
{
    struct field *f = self;
    float *s = f->a[2];
    k_column_products(COUNT / CHANNELS, CHANNELS, f->a[0], s + CHANNELS,
                      f->a[1], s, s + 2 * CHANNELS);
    k_column_scale_acc(COUNT / CHANNELS, CHANNELS, f->a[1], s, f->a[0],
                       s + CHANNELS, s + 2 * CHANNELS, f->a[3]);
}

static void layer_norm(void *self)
{
    struct field *f = self;
    k_layer_norm(COUNT / WIDE, WIDE, f->a[0], f->a[2], f->a[2] + WIDE, 1e-3f,
                 f->a[1], f->a[3]);
}

static void layer_norm_backward(void *self)
{
    struct field *f = self;
    float *s = f->a[2];
    k_layer_norm_backward(COUNT / WIDE, WIDE, f->a[0], f->a[3], s, f->a[1],
                          f->a[4], s + 2 * WIDE, s + 3 * WIDE);
}

static void softmax(void *self)
{
    struct field *f = self;
    k_softmax(COUNT / WIDE, WIDE, f->a[0], f->a[1]);
}

/* Four rows of the table into one. */
static void embedding(void *self)
{
    struct field *f = self;
    memset(f->a[1], 0, (size_t)LOOKUPS / 4 * DIM * sizeof(float));
    for (int64_t i = 0; i < LOOKUPS; i++) {
        k_axpy(DIM, 1.0f, f->a[0] + f->ids[i] * DIM, f->a[1] + i / 4 * DIM);
    }
}

static struct pool2d_dims pool_dims(void)
{
    return (struct pool2d_dims){.batch = BATCH,
                                .h = SIDE,
                                .w = SIDE,
                                .c = CHANNELS,
                                .size = 2,
                                .stride = 2,
                                .oh = SIDE / 2,
                                .ow = SIDE / 2};
}

static void max_pool(void *self)
{
    struct field *f = self;
    struct pool2d_dims d = pool_dims();
    k_max_pool2d(&d, f->a[0], f->a[1], f->arg);
}

static void avg_pool(void *self)
{
    struct field *f = self;
    struct pool2d_dims d = pool_dims();
    k_avg_pool2d(&d, f->a[0], f->a[1]);
}

static const struct conv2d_dims depth_dims = {
    BATCH, SIDE, SIDE, CHANNELS, 3, 3, CHANNELS, SIDE, SIDE, 1, 1, 1, 1};

static void depthwise(void *self)
{
    struct field *f = self;
    k_depthwise(&depth_dims, f->a[0], f->a[2], f->a[1]);
}

static void depthwise_backward(void *self)
{
    struct field *f = self;
    k_depthwise_backward(&depth_dims, f->a[0], f->a[2], f->a[1], f->a[3],
                         f->a[4]);
}

static void apply(void *self)
{
    struct field *f = self;
    float *const slots[OPTIM_MAX_SLOTS] = {f->a[2], f->a[3], f->a[4]};
    struct optim_step now = optim_step_at(&f->optimizer, &f->powers, 0);
    optim_apply(&f->optimizer, &now, COUNT, f->a[0], slots, f->a[1]);
}

#define ROW(name, call, optimizer, arrays, goal)                        \
    static int name##_row(struct bench_result *r, struct crew_err *err) \
    {                                                                   \
        return row(call, optimizer, arrays, goal, r, err);              \
    }
#define NO_RULE ((struct crew_optimizer){0})
/* x is read twice for its moments, once more to be scaled, y is written. */
ROW(norm, batch_norm, NO_RULE, 4, 0.6)
ROW(norm_back, batch_norm_backward, NO_RULE, 6, 0.5)
ROW(layer, layer_norm, NO_RULE, 2, 0.4)
/* x and dy are read once, dx is read and written. */
ROW(layer_back, layer_norm_backward, NO_RULE, 4, 0.6)
ROW(softmax, softmax, NO_RULE, 2, 0.2)
ROW(embed, embedding, NO_RULE, 1.25, 0.4)
ROW(maxpool, max_pool, NO_RULE, 1.3125, 0.5)
ROW(avgpool, avg_pool, NO_RULE, 1.25, 0.5)
/* Nine products and sums for each number, which takes about as long as to read
 * and write it. Backward reads x and dy, and reads and writes dx; it computes
 * twice as much. */
ROW(depth, depthwise, NO_RULE, 2, 0.5)
ROW(depth_back, depthwise_backward, NO_RULE, 4, 0.4)
ROW(momentum, apply, crew_momentum(1e-6, 0.9, false), 5, 0.6)
ROW(adagrad, apply, crew_adagrad(1e-6), 5, 0.4)
ROW(rmsprop, apply, crew_rmsprop(1e-6), 7, 0.4)
ROW(adadelta, apply, crew_adadelta(1e-6), 7, 0.4)
ROW(ftrl, apply, crew_ftrl(1e-6), 7, 0.3)

const struct bench_row bench_kernel_rows[] = {
    {"batch-norm", "batch normalisation of 64 x 32 x 32 x 64", norm_row},
    {"batch-norm-bw", "its gradient", norm_back_row},
    {"layer-norm", "layer normalisation of 8192 rows of 512", layer_row},
    {"layer-norm-bw", "its gradients", layer_back_row},
    {"softmax", "8192 rows of 512", softmax_row},
    {"embedding", "65536 lookups of 64 numbers, four to a sum", embed_row},
    {"max-pool", "2 x 2 over 64 x 32 x 32 x 64", maxpool_row},
    {"avg-pool", "the same", avgpool_row},
    {"depthwise", "3 x 3 over 64 x 32 x 32 x 64", depth_row},
    {"depthwise-bw", "its gradients", depth_back_row},
    {"momentum-apply", "4.2 M parameters, as the other rules", momentum_row},
    {"adagrad-apply", "Adagrad", adagrad_row},
    {"rmsprop-apply", "RMSProp", rmsprop_row},
    {"adadelta-apply", "Adadelta", adadelta_row},
    {"ftrl-apply", "Ftrl", ftrl_row},
    {NULL, NULL, NULL},
};
