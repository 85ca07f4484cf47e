/* SPDX-License-Identifier: Apache-2.0
 * StopAtStepHook. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

struct stop_at_step {
    int64_t last_step;
};

static int stop_after_run(void *self,
                          struct crew_run_context *ctx,
                          struct crew_err *err)
{
    const struct stop_at_step *h = self;

    (void)err;
    if (ctx->global_step >= h->last_step) {
        ctx->request_stop = true;
    }
    return CREW_OK;
}

static const struct crew_hook_ops stop_ops = {
    .after_run = stop_after_run,
    .free = free,
};

void hook_add_stop_at_step(struct hook_list *list, int64_t last_step)
{
    struct stop_at_step *h = xcalloc(1, sizeof *h);

    h->last_step = last_step;
    hook_list_add(list, &stop_ops, h);
}
