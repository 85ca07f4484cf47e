/* SPDX-License-Identifier: Apache-2.0
 * GlobalStepWaiterHook. It waits before the process has asked for a step, so
 * that nobody waits for it meanwhile. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

#define POLL_SECS 0.5
#define LOG_EVERY 1000

struct waiter {
    struct crew_session *session;
    int64_t until;
    bool started;
};

static int waiter_begin(void *self,
                        struct crew_session *session,
                        struct crew_err *err)
{
    struct waiter *h = self;

    (void)err;
    h->session = session;
    h->started = h->until <= 0;
    return CREW_OK;
}

static int waiter_before_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    struct waiter *h = self;
    const struct session_host *host = &h->session->host;
    int64_t step = ctx->global_step;
    int64_t logged = 0;

    if (h->started) {
        return CREW_OK;
    }
    env_log(h->session->env, LOG_INFO,
            "Waiting for global step %lld before starting training.",
            (long long)h->until);
    while (step < h->until) {
        if (host->wait_step == NULL) {
            return crew_err_exit(
                err, CREW_FAILED_PRECONDITION, 1,
                "GlobalStepWaiterHook waits for global step %lld, but nobody "
                "else makes steps. Fix: use it in a cluster's workers only",
                (long long)h->until);
        }
        if (host->wait_step(h->session->host_self, POLL_SECS, &step, err) !=
            CREW_OK) {
            return err->code;
        }
        if (step < h->until && step - logged > LOG_EVERY) {
            env_log(h->session->env, LOG_INFO,
                    "Waiting for global step %lld before starting training. "
                    "Current step is %lld.",
                    (long long)h->until, (long long)step);
            logged = step;
        }
    }
    h->started = true;
    return CREW_OK;
}

static const struct crew_hook_ops waiter_ops = {
    .begin = waiter_begin,
    .before_run = waiter_before_run,
    .free = free,
};

struct crew_hook crew_global_step_waiter_hook(int64_t wait_until_step)
{
    struct waiter *h = xcalloc(1, sizeof *h);

    h->until = wait_until_step;
    return (struct crew_hook){&waiter_ops, h};
}
