/* SPDX-License-Identifier: Apache-2.0
 * StepCounterHook: how fast all trainers together are. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

/* Warnings that the step stands still, as TensorFlow's log_first_n. */
#define MAX_WARNINGS 5

struct step_counter {
    struct crew_env *env;
    struct hook_timer timer;
    struct event_writer *events;
    int64_t last_step;
    bool has_last;
    int warnings;
};

static int step_counter_begin(void *self,
                              struct crew_session *session,
                              struct crew_err *err)
{
    struct step_counter *h = self;

    (void)err;
    h->env = session->env;
    h->events = session->events;
    return CREW_OK;
}

static void warn_if_still(struct step_counter *h, int64_t step)
{
    if (h->has_last && step == h->last_step && h->warnings < MAX_WARNINGS) {
        h->warnings++;
        env_log(h->env, LOG_WARN,
                "It seems that global step (tf.train.get_global_step) has not "
                "been increased. Current value (could be stable): %lld vs "
                "previous value: %lld.",
                (long long)step, (long long)h->last_step);
    }
    h->last_step = step;
    h->has_last = true;
}

static int step_counter_after_run(void *self,
                                  struct crew_run_context *ctx,
                                  struct crew_err *err)
{
    struct step_counter *h = self;
    uint64_t now = h->env->now_ns(h->env);
    double secs;
    int64_t steps;

    (void)err;
    if (hook_timer_due(&h->timer, ctx->global_step, now) &&
        hook_timer_update(&h->timer, ctx->global_step, now, &secs, &steps) &&
        secs > 0) {
        double rate = (double)steps / secs;

        env_log(h->env, LOG_INFO, "global_step/sec: %g", rate);
        hook_event_scalar(h->events, ctx->global_step, "global_step/sec",
                          (float)rate);
    }
    warn_if_still(h, ctx->global_step);
    return CREW_OK;
}

static const struct crew_hook_ops own_ops = {
    .after_run = step_counter_after_run,
    .free = free,
};
static const struct crew_hook_ops step_counter_ops = {
    .begin = step_counter_begin,
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
    hook_list_add(list, &own_ops, h);
}

struct crew_hook crew_step_counter_hook(int64_t every_n_steps,
                                        double every_n_secs)
{
    struct step_counter *h;

    if ((every_n_steps > 0) == (every_n_secs > 0)) {
        return hook_broken(
            "exactly one of every_n_steps and every_n_secs should be "
            "provided.");
    }
    h = xcalloc(1, sizeof *h);
    hook_timer_init(&h->timer, every_n_secs, every_n_steps);
    return (struct crew_hook){&step_counter_ops, h};
}
