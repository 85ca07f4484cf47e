/* SPDX-License-Identifier: Apache-2.0
 * The NaN guard: a step whose loss is not finite is never pushed, so no
 * checkpoint can hold it. (Gradients are the trainer's to check.) NanTensorHook
 * softens it, or watches another tensor. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

#define DIVERGED "Model diverged with loss = NaN."

int hook_check_loss(struct crew_env *env, float loss, struct crew_err *err)
{
    if (isfinite(loss)) {
        return CREW_OK;
    }
    if (isnan(loss)) {
        env_log(env, LOG_ERROR, DIVERGED);
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "NaN loss during training.");
    }
    env_log(env, LOG_ERROR, "Model diverged with loss = %s.",
            loss > 0 ? "inf" : "-inf");
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "Infinite loss during training.");
}

bool hook_nan_stops(struct crew_session *s, float loss)
{
    if (!s->stops_on_nan || !isnan(loss)) {
        return false;
    }
    env_log(s->env, LOG_WARN, DIVERGED);
    return true;
}

struct nan_hook {
    struct crew_env *env;
    char *name; /* NULL: the loss */
    bool fails;
    int tensor;
};

static int nan_begin(void *self, struct crew_session *s, struct crew_err *err)
{
    struct nan_hook *h = self;

    h->env = s->env;
    if (h->name != NULL) {
        return crew_session_tensor(s, h->name, &h->tensor, err);
    }
    s->stops_on_nan |= !h->fails;
    return CREW_OK;
}

static int nan_before_run(void *self,
                          struct crew_run_context *ctx,
                          struct crew_err *err)
{
    const struct nan_hook *h = self;

    (void)err;
    if (h->name != NULL) {
        crew_run_fetch(ctx, h->tensor);
    }
    return CREW_OK;
}

static bool has_nan(const struct crew_value *v)
{
    int64_t n = 1;

    for (int i = 0; i < v->shape.rank; i++) {
        n *= v->shape.dim[i];
    }
    for (int64_t i = 0; v->dtype == CREW_FLOAT && i < n; i++) {
        if (isnan(((const float *)v->data)[i])) {
            return true;
        }
    }
    return false;
}

static int nan_after_run(void *self,
                         struct crew_run_context *ctx,
                         struct crew_err *err)
{
    const struct nan_hook *h = self;
    struct crew_value v = {.dtype = CREW_FLOAT, .data = &ctx->loss};

    if (h->name != NULL) {
        v = crew_run_value(ctx, h->tensor);
    }
    if (v.data == NULL || !has_nan(&v)) {
        return CREW_OK;
    }
    if (h->fails) {
        env_log(h->env, LOG_ERROR, DIVERGED);
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "NaN loss during training.");
    }
    env_log(h->env, LOG_WARN, DIVERGED);
    crew_run_request_stop(ctx, "NaN loss");
    return CREW_OK;
}

static void nan_free(void *self)
{
    struct nan_hook *h = self;

    free(h->name);
    free(h);
}

static const struct crew_hook_ops nan_ops = {
    .begin = nan_begin,
    .before_run = nan_before_run,
    .after_run = nan_after_run,
    .free = nan_free,
};

struct crew_hook crew_nan_tensor_hook(const char *tensor, bool fail_on_nan_loss)
{
    struct nan_hook *h = xcalloc(1, sizeof *h);

    h->name = tensor != NULL ? xstrdup(tensor) : NULL;
    h->fails = fail_on_nan_loss;
    return (struct crew_hook){&nan_ops, h};
}
