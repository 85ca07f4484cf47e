/* SPDX-License-Identifier: Apache-2.0
 * Clipping, in the plan's own memory, and handing over to the trainer. */
#include "estimator/training/gradients.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/banned.h"

static const struct crew_clip *clip_of(const struct training *t, int var)
{
    return &t->weights.optimizers[t->weights.vars[var].optimizer].clip;
}

static struct optim_row_sum *row_sum_of(struct training *t, int var)
{
    if (t->row_sums == NULL) {
        t->row_sums = xcalloc((size_t)t->weights.num_vars, sizeof *t->row_sums);
    }
    return &t->row_sums[var];
}

static void hand_over_rows(struct training *t, int var)
{
    struct plan_rows r = plan_grad_rows(t->plan, var);
    struct optim_rows g = {
        .n = r.n, .width = r.width, .rows = r.rows, .values = r.values};

    g = optim_sum_rows(row_sum_of(t, var), &g);
    t->trainer->ops->rows_ready(t->trainer, var, &g);
}

static void hand_over(struct training *t, int var)
{
    if (plan_has_rows(t->plan, var)) {
        hand_over_rows(t, var);
    } else {
        t->trainer->ops->grad_ready(t->trainer, var, plan_grad(t->plan, var));
    }
}

/* The numbers a gradient is made of, before what is of one row is summed. */
static float *values_of(const struct training *t, int var, int64_t *n)
{
    if (plan_has_rows(t->plan, var)) {
        struct plan_rows r = plan_grad_rows(t->plan, var);

        *n = r.n * r.width;
        return r.values;
    }
    *n = t->weights.vars[var].n;
    return plan_grad(t->plan, var);
}

static void clip(struct training *t, int var)
{
    const struct crew_shape *shape = &t->weights.vars[var].shape;

    if (plan_has_rows(t->plan, var)) {
        struct plan_rows r = plan_grad_rows(t->plan, var);

        optim_clip_rows(clip_of(t, var), shape, r.n, r.values);
    } else {
        optim_clip(clip_of(t, var), shape, plan_grad(t->plan, var));
    }
}

void gradients_ready(void *self, int var)
{
    struct training *t = self;

    if (clip_of(t, var)->kind != CREW_CLIP_BY_GLOBAL_NORM) {
        clip(t, var);
        hand_over(t, var);
        return;
    }
    if (t->held == NULL) {
        t->held = xcalloc((size_t)t->weights.num_vars, sizeof *t->held);
    }
    t->held[t->num_held++] = var;
}

void gradients_release(struct training *t)
{
    for (int i = 0; t->row_sums != NULL && i < t->weights.num_vars; i++) {
        optim_row_sum_release(&t->row_sums[i]);
    }
    free(t->row_sums);
    free(t->held);
}

/* What the held gradients of an optimizer are multiplied by. When their norm is
 * no number it is 1: then one of them is not finite, and the trainer, which
 * looks, can tell which. */
static float scale_of(const struct training *t, int optimizer)
{
    double sum = 0;
    float scale;

    for (int i = 0; i < t->num_held; i++) {
        int var = t->held[i];

        if (t->weights.vars[var].optimizer == optimizer) {
            int64_t n;
            const float *values = values_of(t, var, &n);

            sum += optim_sum_squares(n, values);
        }
    }
    scale = optim_global_scale(&t->weights.optimizers[optimizer].clip, sum);
    return isfinite(scale) ? scale : 1.0f;
}

void gradients_end(struct training *t)
{
    float scale[OPTIM_MAX_GROUPS];

    if (t->num_held == 0) {
        return;
    }
    for (int i = 0; i < t->weights.num_optimizers; i++) {
        bool global =
            t->weights.optimizers[i].clip.kind == CREW_CLIP_BY_GLOBAL_NORM;

        scale[i] = global ? scale_of(t, i) : 1.0f;
    }
    for (int i = 0; i < t->num_held; i++) {
        int64_t n;
        float *values = values_of(t, t->held[i], &n);

        optim_scale(n, scale[t->weights.vars[t->held[i]].optimizer], values);
        hand_over(t, t->held[i]);
    }
    t->num_held = 0;
}
