/* SPDX-License-Identifier: Apache-2.0
 * Endings: stopped, failed, done. */
#include "estimator/roles/finish.h"

#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "estimator/run/signals.h"
#include "base/banned.h"

const char *finish_reason(const struct training *t)
{
    switch (t->stop) {
        case STOP_INPUT_END:
            return "end of input";
        case STOP_HOOK:
            return t->session.why[0] != '\0' ? t->session.why
                                             : "a hook asked to stop";
        case STOP_GOAL:
            return "max_steps reached";
        case STOP_TOLD:
            return t->trainer->ops->end(t->trainer)->reason;
        case STOP_SIGNAL:
            return "stopped by a signal";
        default:
            return "failed";
    }
}

int finish_signalled(const struct training *t)
{
    struct run *run = t->run;
    int number = signals_pending();
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    char *text =
        t->saved_step >= 0
            ? xasprintf(
                  "Stopped by %s at step %lld; %s/model.ckpt-%lld is "
                  "saved. To resume, run the same command again.",
                  name, (long long)t->step, run->model_dir,
                  (long long)t->saved_step)
            : xasprintf("Stopped by %s. To resume, run the same command again.",
                        name);
    int code = run_stopped(run, 128 + number, text);

    free(text);
    return code;
}

int finish_told(const struct training *t)
{
    const struct trainer_end *end = t->trainer->ops->end(t->trainer);
    char *text = xasprintf(
        "The job has been stopped: %s. To resume, start the processes again.",
        end->reason);
    int code = run_stopped(t->run, end->exit_code, text);

    free(text);
    return code;
}

int finish_too_late(const struct training *t)
{
    if (t->trainer->ops->end(t->trainer)->exit_code != 0) {
        return finish_told(t);
    }
    env_log(t->run->env, LOG_INFO, "The job has already ended.");
    return 0;
}

bool finish_announce(struct training *t, bool write_done)
{
    struct run *run = t->run;
    struct crew_err err = {0};
    bool evaluator = false;

    if (write_done && crewdir_write_done(run->env, run->model_dir, t->step,
                                         finish_reason(t), &err) != CREW_OK) {
        env_log(run->env, LOG_WARN, "DONE could not be written: %s", err.msg);
        err = (struct crew_err){0};
    }
    if (t->trainer->ops->stop(t->trainer, 0, t->step, finish_reason(t),
                              &evaluator, &err) != CREW_OK) {
        env_log(run->env, LOG_WARN, "Not everybody has heard of the end: %s",
                err.msg);
    }
    return evaluator;
}

int finish_failed(struct training *t, const struct crew_err *err)
{
    bool signalled = signals_pending() != 0 && err->code == CREW_CANCELLED;
    int code = signalled ? finish_signalled(t) : run_fail(t->run, err);
    struct crew_err ignored = {0};
    bool evaluator;

    /* Whoever still hears us need not wait for a chief; but a cluster that does
     * not want us (78) is another chief's to stop. */
    if (t->is_chief && t->trainer != NULL && t->began && code != 78) {
        (void)t->trainer->ops->stop(t->trainer, code, t->step, err->msg,
                                    &evaluator, &ignored);
    }
    if (t->saved_step >= 0 && code == 138) {
        env_log(t->run->env, LOG_INFO,
                "The newest checkpoint is %s/model.ckpt-%lld. To resume, "
                "start the processes again.",
                t->run->model_dir, (long long)t->saved_step);
    }
    return code;
}
