/* SPDX-License-Identifier: Apache-2.0
 *
 * The chief: a worker that also initialises or restores, saves, writes
 * summaries and ends the job.
 *
 * The end: the last save, DONE on disk, then everybody is told. An evaluator
 * that has ever said HELLO is waited for, because a launcher takes the job for
 * finished, and may remove the evaluator, as soon as the chief exits. Without
 * one the chief evaluates the last checkpoint itself, so that a job always
 * leaves an export. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "estimator/evaluation/evaluate.h"
#include "estimator/roles/finish.h"
#include "estimator/roles/roles.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

#define EVALUATOR_WAIT_SECS 600

static int train(struct training *t, struct run *run, struct crew_err *err)
{
    struct training_listener none = {0};

    if (training_open(t, run, true, none, err) != CREW_OK ||
        training_start(t, err) != CREW_OK || training_loop(t, err) != CREW_OK) {
        return err->code;
    }
    return training_end(t, err);
}

/* No evaluator has come: do what it would have done, once. */
static int evaluate_here(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;
    struct evaluator evaluator;
    struct eval_result result;
    char *prefix = run_checkpoint_path(run, t->step);

    env_log(run->env, LOG_INFO,
            "No evaluator has joined this job: the chief evaluates the last "
            "checkpoint and exports it.");
    evaluator_init(&evaluator, run);
    if (evaluator_run(&evaluator, prefix, true, &result, err) == CREW_OK) {
        run_note_final_export(run, t->step);
    }
    evaluator_release(&evaluator);
    free(prefix);
    return err->code;
}

static int await_evaluator(struct training *t)
{
    struct crew_err err = {0};
    const struct trainer_ops *ops = t->trainer->ops;
    int64_t step;

    env_log(t->run->env, LOG_INFO,
            "Waiting for the evaluator's last export, at most %d secs.",
            EVALUATOR_WAIT_SECS);
    if (ops->await_evaluator(t->trainer, EVALUATOR_WAIT_SECS, &err) !=
        CREW_OK) {
        env_log(t->run->env, LOG_WARN,
                "The evaluator has not reported its last export: %s. The "
                "checkpoints are complete.",
                err.msg);
    }
    ops->last_evaluation(t->trainer, t->run->evaluation,
                         sizeof t->run->evaluation, &step);
    return 0;
}

static int end_job(struct training *t)
{
    struct run *run = t->run;
    struct crew_err err = {0};
    int code = 0;

    if (finish_announce(t, true)) {
        code = await_evaluator(t);
    } else if (t->saved_step < 0) {
        env_log(run->env, LOG_WARN,
                "Nothing was saved, as RunConfig's save_checkpoints_steps and "
                "save_checkpoints_secs are not set: there is nothing to "
                "evaluate or export.");
    } else if (evaluate_here(t, &err) != CREW_OK) {
        code = run_fail(run, &err);
    }
    run->result_step = t->step;
    return code;
}

/* By a signal here or at a ps: saved; now everybody is told. */
static int stop_early(struct training *t)
{
    struct crew_err err = {0};
    bool evaluator;
    char reason[256];
    int code;

    if (t->stop == STOP_TOLD) {
        (void)snprintf(reason, sizeof reason, "%s", finish_reason(t));
        code = finish_told(t);
    } else {
        code = finish_signalled(t);
        (void)snprintf(reason, sizeof reason, "%s at the chief",
                       code == 130 ? "SIGINT" : "SIGTERM");
    }
    if (t->trainer->ops->stop(t->trainer, code, t->step, reason, &evaluator,
                              &err) != CREW_OK) {
        env_log(t->run->env, LOG_WARN, "Not everybody has heard of it: %s",
                err.msg);
    }
    return code;
}

/* The job was over before this process came: those who wait for a chief are
 * told. */
static int announce(struct run *run, int64_t step)
{
    struct trainer_options options = {
        .env = run->env,
        .tf = run->tf,
        .max_steps = run->ts.max_steps,
        .session_creation_timeout_secs = run->rc.session_creation_timeout_secs,
        .insecure_network = run->opt.insecure_network,
        .bind = run->opt.bind,
        .on_wait = run_log_wait,
        .on_notice = run_log_notice,
        .self = run,
    };
    struct crew_err err = {0};

    run->result_step = step;
    if (tf_config_is_only_node(run->tf)) {
        return 0;
    }
    if (trainer_announce_end(&options, step, "max_steps reached", &err) !=
        CREW_OK) {
        env_log(run->env, LOG_INFO, "Nobody was told of the end: %s", err.msg);
    }
    return 0;
}

int run_chief(struct run *run)
{
    struct training t = {0};
    struct crew_err err = {0};
    int64_t step;
    int code;

    if (run_is_finished(run, &step)) {
        return announce(run, step);
    }
    env_log(run->env, LOG_INFO, "Not using Distribute Coordinator.");
    if (train(&t, run, &err) != CREW_OK) {
        code = err.code == CREW_OUT_OF_RANGE && t.trainer != NULL && !t.began
                   ? finish_too_late(&t)
                   : finish_failed(&t, &err);
    } else if (t.stop == STOP_SIGNAL || t.stop == STOP_TOLD) {
        code = stop_early(&t);
    } else {
        code = end_job(&t);
    }
    training_close(&t);
    return code;
}
