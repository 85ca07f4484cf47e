/* SPDX-License-Identifier: Apache-2.0
 * SecondOrStepTimer, over clock readings it is given. */
#include "hooks/timer.h"

#include <stddef.h>

#include "base/banned.h"

void hook_timer_init(struct hook_timer *t,
                     double every_secs,
                     int64_t every_steps)
{
    *t = (struct hook_timer){.every_secs = every_secs,
                             .every_steps = every_steps};
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

bool hook_timer_due(const struct hook_timer *t, int64_t step, uint64_t now_ns)
{
    if (!t->triggered) {
        return true;
    }
    if (step == t->last_step) {
        return false;
    }
    if (t->every_secs > 0) {
        return seconds_between(t->last_ns, now_ns) >= t->every_secs;
    }
    return t->every_steps > 0 && step >= t->last_step + t->every_steps;
}

bool hook_timer_update(struct hook_timer *t,
                       int64_t step,
                       uint64_t now_ns,
                       double *secs,
                       int64_t *steps)
{
    bool before = t->triggered;

    if (before && secs != NULL) {
        *secs = seconds_between(t->last_ns, now_ns);
    }
    if (before && steps != NULL) {
        *steps = step - t->last_step;
    }
    t->triggered = true;
    t->last_step = step;
    t->last_ns = now_ns;
    return before;
}
