/* SPDX-License-Identifier: Apache-2.0
 * StopAtStepHook. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

struct stop_at_step {
    int64_t num_steps;
    int64_t last_step; /* 0: num_steps from where the session begins */
};

static int stop_created(void *self, int64_t step, struct crew_err *err)
{
    struct stop_at_step *h = self;

    (void)err;
    if (h->last_step == 0) {
        h->last_step = step + h->num_steps;
    }
    return CREW_OK;
}

static int stop_after_run(void *self,
                          struct crew_run_context *ctx,
                          struct crew_err *err)
{
    const struct stop_at_step *h = self;

    (void)err;
    if (ctx->global_step >= h->last_step) {
        crew_run_request_stop(ctx, "a StopAtStepHook's last step is reached");
    }
    return CREW_OK;
}

static const struct crew_hook_ops stop_ops = {
    .after_create_session = stop_created,
    .after_run = stop_after_run,
    .free = free,
};

struct crew_hook crew_stop_at_step_hook(int64_t num_steps, int64_t last_step)
{
    struct stop_at_step *h;

    if (num_steps <= 0 && last_step <= 0) {
        return hook_broken("One of num_steps or last_step must be specified.");
    }
    if (num_steps > 0 && last_step > 0) {
        return hook_broken(
            "Only one of num_steps or last_step can be specified.");
    }
    h = xcalloc(1, sizeof *h);
    h->num_steps = num_steps;
    h->last_step = last_step;
    return (struct crew_hook){&stop_ops, h};
}
