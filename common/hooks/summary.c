/* SPDX-License-Identifier: Apache-2.0
 * SummarySaverHook: the first step, then every n global steps. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hooks.h"
#include "base/banned.h"

struct summary {
    struct crew_env *env;
    struct hook_timer timer;
    struct event_writer *events;
    struct hook_scalars scalars;
    bool started;
};

static int summary_after_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    struct summary *h = self;
    uint64_t now = h->env->now_ns(h->env);
    struct event_scalar *scalars;
    struct crew_err e = {0};

    (void)err;
    if (!h->started) {
        h->started = true;
        hook_event_start(h->events, h->env, ctx->global_step);
    }
    if (!hook_timer_due(&h->timer, ctx->global_step, now)) {
        return CREW_OK;
    }
    (void)hook_timer_update(&h->timer, ctx->global_step, now, NULL, NULL);

    scalars = xcalloc((size_t)h->scalars.n + 1, sizeof *scalars);
    scalars[0] = (struct event_scalar){.tag = "loss", .value = ctx->loss};
    for (int i = 0; i < h->scalars.n; i++) {
        scalars[i + 1] = (struct event_scalar){
            .tag = h->scalars.tag(h->scalars.self, i),
            .value = h->scalars.value(h->scalars.self, i)};
    }
    if (event_scalars(h->events, ctx->global_step, scalars, h->scalars.n + 1,
                      &e) != CREW_OK) {
        env_log(h->env, LOG_WARN,
                "Events are not written any more: %s. Training goes on.",
                e.msg);
    }
    free(scalars);
    return CREW_OK;
}

static const struct crew_hook_ops summary_ops = {
    .after_run = summary_after_run,
    .free = free,
};

void hook_add_summary(struct hook_list *list,
                      struct crew_env *env,
                      int64_t every_n,
                      struct event_writer *events,
                      struct hook_scalars scalars)
{
    struct summary *h;

    if (events == NULL) {
        return;
    }
    h = xcalloc(1, sizeof *h);
    h->env = env;
    h->events = events;
    h->scalars = scalars;
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &summary_ops, h);
}
