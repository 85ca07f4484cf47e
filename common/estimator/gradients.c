/* SPDX-License-Identifier: Apache-2.0
 * Clipping, in the plan's own memory, and handing over to the trainer. */
#include "estimator/gradients.h"

#include <math.h>

#include "base/mem.h"
#include "base/banned.h"

static const struct crew_clip *clip_of(const struct training *t, int var)
{
    return &t->weights.optimizers[t->weights.vars[var].optimizer].clip;
}

static void hand_over(struct training *t, int var)
{
    t->trainer->ops->grad_ready(t->trainer, var, plan_grad(t->plan, var));
}

void gradients_ready(void *self, int var)
{
    struct training *t = self;
    const struct crew_clip *clip = clip_of(t, var);

    if (clip->kind != CREW_CLIP_BY_GLOBAL_NORM) {
        optim_clip(clip, &t->weights.vars[var].shape, plan_grad(t->plan, var));
        hand_over(t, var);
        return;
    }
    if (t->held == NULL) {
        t->held = xcalloc((size_t)t->weights.num_vars, sizeof *t->held);
    }
    t->held[t->num_held++] = var;
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
            sum += optim_sum_squares(t->weights.vars[var].n,
                                     plan_grad(t->plan, var));
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
        const struct trainer_var *v = &t->weights.vars[t->held[i]];

        optim_scale(v->n, scale[v->optimizer], plan_grad(t->plan, t->held[i]));
        hand_over(t, t->held[i]);
    }
    t->num_held = 0;
}
