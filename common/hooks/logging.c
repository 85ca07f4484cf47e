/* SPDX-License-Identifier: Apache-2.0
 * LoggingTensorHook and StepCounterHook: the two lines people watch. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hooks.h"
#include "base/banned.h"

struct logging {
    struct crew_env *env;
    struct hook_timer timer;
    int64_t iterations; /* of this process */
};

static int logging_after_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    struct logging *h = self;
    uint64_t now = h->env->now_ns(h->env);
    int64_t iteration = h->iterations++;
    char loss[40];
    double secs;

    (void)err;
    if (!hook_timer_due(&h->timer, iteration, now)) {
        return CREW_OK;
    }
    (void)hook_float_text(ctx->loss, loss, sizeof loss);
    if (hook_timer_update(&h->timer, iteration, now, &secs, NULL)) {
        env_log(h->env, LOG_INFO, "loss = %s, step = %lld (%.3f sec)", loss,
                (long long)(ctx->global_step - 1), secs);
    } else {
        env_log(h->env, LOG_INFO, "loss = %s, step = %lld", loss,
                (long long)(ctx->global_step - 1));
    }
    return CREW_OK;
}

static const struct crew_hook_ops logging_ops = {
    .after_run = logging_after_run,
    .free = free,
};

void hook_add_logging(struct hook_list *list,
                      struct crew_env *env,
                      int64_t every_n)
{
    struct logging *h = xcalloc(1, sizeof *h);

    h->env = env;
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &logging_ops, h);
}

struct step_counter {
    struct crew_env *env;
    struct hook_timer timer;
    struct event_writer *events;
};

static int step_counter_after_run(void *self,
                                  struct crew_run_context *ctx,
                                  struct crew_err *err)
{
    struct step_counter *h = self;
    uint64_t now = h->env->now_ns(h->env);
    double secs;
    int64_t steps;

    (void)err;
    if (!hook_timer_due(&h->timer, ctx->global_step, now) ||
        !hook_timer_update(&h->timer, ctx->global_step, now, &secs, &steps) ||
        secs <= 0) {
        return CREW_OK;
    }

    double rate = (double)steps / secs;

    env_log(h->env, LOG_INFO, "global_step/sec: %g", rate);
    hook_event_scalar(h->events, ctx->global_step, "global_step/sec",
                      (float)rate);
    return CREW_OK;
}

static const struct crew_hook_ops step_counter_ops = {
    .after_run = step_counter_after_run,
    .free = free,
};

void hook_add_step_counter(struct hook_list *list,
                           struct crew_env *env,
                           int64_t every_n,
                           struct event_writer *events)
{
    struct step_counter *h = xcalloc(1, sizeof *h);

    h->env = env;
    h->events = events;
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &step_counter_ops, h);
}
