/* SPDX-License-Identifier: Apache-2.0
 * Rows about arithmetic and memory on one core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "bench.h"
#include "compute.h"
#include "optim/optim.h"

#include "base/banned.h"

/* The tutorial CNN's parameters. */
enum { PARAMETERS = 3274634 };

static int fma_peak(struct bench_result *r, struct crew_err *err)
{
    (void)err;
    r->ours = r->limit = bench_fma_peak();
    r->unit = "GFLOP/s";
    snprintf(r->note, sizeof(r->note), "the limit of the rows in GFLOP/s");
    return CREW_OK;
}

/* Four arrays of PARAMETERS floats: enough for Adam. */
struct arrays {
    float *a[4];
    struct crew_optimizer optimizer;
    struct optim_powers powers;
    uint32_t crc;
};

static int take_arrays(struct arrays *arrays, struct crew_err *err)
{
    for (int i = 0; i < 4; i++) {
        void *p;
        int rc = mem_try(PARAMETERS, sizeof(float), "an array", &p, err);
        if (rc != CREW_OK) {
            return rc;
        }
        arrays->a[i] = p;
        for (int64_t j = 0; j < PARAMETERS; j++) {
            arrays->a[i][j] = (float)(j % 1000) * 1e-3f;
        }
    }
    return CREW_OK;
}

static void free_arrays(struct arrays *arrays)
{
    for (int i = 0; i < 4; i++) {
        free(arrays->a[i]);
    }
}

static void copy_once(void *self)
{
    struct arrays *s = self;
    memcpy(s->a[1], s->a[0], PARAMETERS * sizeof(float));
}

static void apply_once(void *self)
{
    struct arrays *s = self;
    float *const slots[OPTIM_MAX_SLOTS] = {s->a[2], s->a[3]};
    struct optim_step now = optim_step_at(&s->optimizer, &s->powers, 0);
    optim_apply(&s->optimizer, &now, PARAMETERS, s->a[0], slots, s->a[1]);
}

/* Bytes moved to and from memory: memcpy 2 arrays, gradient descent 3, Adam 7.
 */
static int apply_row(struct crew_optimizer optimizer,
                     int moved,
                     double goal,
                     struct bench_result *r,
                     struct crew_err *err)
{
    struct arrays arrays = {.optimizer = optimizer,
                            .powers = optim_powers_initial(&optimizer)};
    int rc = take_arrays(&arrays, err);
    if (rc == CREW_OK) {
        double gb = PARAMETERS * sizeof(float) * 1e-9;
        struct bench_time copy = bench_measure(0.5, copy_once, &arrays);
        struct bench_time apply = bench_measure(1.0, apply_once, &arrays);
        r->ours = gb * moved / apply.best;
        r->limit = gb * 2 / copy.best;
        r->unit = "GB/s";
        r->goal = goal;
        snprintf(r->note, sizeof(r->note),
                 "%.2f ms for 13.1 MB of gradient (median %.2f)",
                 apply.best * 1e3, apply.median * 1e3);
    }
    free_arrays(&arrays);
    return rc;
}

static int optim_apply_row(struct bench_result *r, struct crew_err *err)
{
    return apply_row(crew_gradient_descent(1e-6), 3, 0.7, r, err);
}

static int adam_apply_row(struct bench_result *r, struct crew_err *err)
{
    return apply_row(crew_adam(1e-6), 7, 0.5, r, err);
}

static void crc_once(void *self)
{
    struct arrays *s = self;
    s->crc ^= crc32c(s->a[0], PARAMETERS * sizeof(float));
}

static int crc32c_row(struct bench_result *r, struct crew_err *err)
{
    struct arrays arrays = {0};
    int rc = take_arrays(&arrays, err);
    if (rc == CREW_OK) {
        double gb = PARAMETERS * sizeof(float) * 1e-9;
        struct bench_time copy = bench_measure(0.5, copy_once, &arrays);
        struct bench_time crc = bench_measure(0.5, crc_once, &arrays);
        r->ours = gb / crc.best;
        r->limit = gb / copy.best;
        r->unit = "GB/s";
        r->goal = 0.5;
        snprintf(r->note, sizeof(r->note), "13.1 MB, against memcpy of them");
    }
    free_arrays(&arrays);
    return rc;
}

const struct bench_row bench_compute_rows[] = {
    {"fma-peak", "fp32 multiply-adds of one core on registers", fma_peak},
    {"cnn-step", "a training step of the tutorial's CNN on one core",
     bench_cnn_step},
    {"optim-apply", "gradient descent on 3.27 M parameters, against memcpy",
     optim_apply_row},
    {"adam-apply", "Adam on 3.27 M parameters, against memcpy", adam_apply_row},
    {"crc32c", "CRC-32C of 13.1 MB, against memcpy", crc32c_row},
    {NULL, NULL, NULL},
};
