/* SPDX-License-Identifier: Apache-2.0
 * SecondOrStepTimer: when it is time again, by the clock or by global steps.
 * Pure. Source: tensorflow/python/training/basic_session_run_hooks.py. */
#ifndef HOOKS_TIMER_H
#define HOOKS_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct hook_timer {
    double every_secs;   /* used when > 0 */
    int64_t every_steps; /* used when > 0 and every_secs is not */
    bool triggered;
    int64_t last_step;
    uint64_t last_ns;
};

void hook_timer_init(struct hook_timer *,
                     double every_secs,
                     int64_t every_steps);
/* True the first time; then never twice for one step, and when the seconds or
 * the steps since the last update have passed. */
bool hook_timer_due(const struct hook_timer *, int64_t step, uint64_t now_ns);
/* It has happened at `step`. secs and steps since the time before (NULL: not
 * wanted); false when there was none. */
bool hook_timer_update(struct hook_timer *,
                       int64_t step,
                       uint64_t now_ns,
                       double *secs,
                       int64_t *steps);

#endif
