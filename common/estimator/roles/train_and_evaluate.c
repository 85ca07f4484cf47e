/* SPDX-License-Identifier: Apache-2.0
 *
 * train_and_evaluate in one process: training is stopped at each save for an
 * evaluation, as Estimator's local mode does. The first save of a session is
 * never evaluated; later ones are when throttle_secs have passed since the last
 * began; the last one always is. */
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

struct local {
    struct run *run;
    struct training *training;
    struct evaluator evaluator;
    struct hook_timer timer;
    bool first_save_seen;
    bool final_done; /* the exporters know that it was the last evaluation */
};

static int evaluate_now(struct local *l,
                        int64_t step,
                        bool is_final,
                        struct crew_err *err)
{
    struct crew_env *env = l->run->env;
    char *prefix = run_checkpoint_path(l->run, step);
    struct eval_result result;

    (void)hook_timer_update(&l->timer, step, env->now_ns(env), NULL, NULL);
    if (evaluator_run(&l->evaluator, prefix, is_final, &result, err) ==
        CREW_OK) {
        l->training->evaluation_step = step;
        l->final_done = is_final;
    }
    free(prefix);
    return err->code;
}

static int after_save(void *self, int64_t step, bool last, struct crew_err *err)
{
    struct local *l = self;
    struct crew_env *env = l->run->env;

    if (!l->first_save_seen) {
        l->first_save_seen = true;
        return CREW_OK;
    }
    if (l->run->es.throttle_secs > 0 &&
        !hook_timer_due(&l->timer, step, env->now_ns(env))) {
        env_log(env, LOG_INFO,
                "Skip the current checkpoint eval due to throttle secs (%g "
                "secs).",
                l->run->es.throttle_secs);
        return CREW_OK;
    }
    return evaluate_now(
        l, step,
        last || (l->run->ts.max_steps > 0 && step >= l->run->ts.max_steps),
        err);
}

/* Training may end with a save that was not known to be the last when it was
 * evaluated: the input has ended, or a hook asked to stop. */
static int at_end(void *self, int64_t step, struct crew_err *err)
{
    struct local *l = self;
    char *prefix;

    if (!l->timer.triggered || l->timer.last_step != step) {
        return evaluate_now(l, step, true, err);
    }
    if (l->final_done) {
        return CREW_OK;
    }
    prefix = run_checkpoint_path(l->run, step);
    if (exporters_run_final(&l->evaluator, prefix, err) == CREW_OK) {
        l->final_done = true;
    }
    free(prefix);
    return err->code;
}

static void log_start(const struct run *run)
{
    char steps[32] = "None";
    char secs[32] = "None";

    if (run->rc.save_checkpoints_steps >= 0) {
        (void)snprintf(steps, sizeof steps, "%lld",
                       (long long)run->rc.save_checkpoints_steps);
    }
    if (run->rc.save_checkpoints_secs >= 0) {
        (void)snprintf(secs, sizeof secs, "%g", run->rc.save_checkpoints_secs);
    }
    env_log(run->env, LOG_INFO, "Not using Distribute Coordinator.");
    env_log(run->env, LOG_INFO,
            "Running training and evaluation locally (non-distributed).");
    env_log(run->env, LOG_INFO,
            "Start train and evaluate loop. The evaluate will happen after "
            "every checkpoint. Checkpoint frequency is determined based on "
            "RunConfig arguments: save_checkpoints_steps %s or "
            "save_checkpoints_secs %s.",
            steps, secs);
}

static int train(struct local *l, struct crew_err *err)
{
    struct training *t = l->training;
    struct training_listener listener = {
        .after_save = after_save, .end = at_end, .self = l};

    if (training_open(t, l->run, true, listener, err) != CREW_OK ||
        training_start(t, err) != CREW_OK || training_loop(t, err) != CREW_OK ||
        training_end(t, err) != CREW_OK || t->stop == STOP_SIGNAL) {
        return err->code;
    }
    return crewdir_write_done(l->run->env, l->run->model_dir, t->step,
                              finish_reason(t), err);
}

int run_in_one_process(struct run *run)
{
    struct training training = {0};
    struct local l = {.run = run, .training = &training};
    struct crew_err err = {0};
    int64_t step;
    int code = 0;

    log_start(run);
    if (run_is_finished(run, &step) || run_is_trained(run, &step)) {
        run->result_step = step;
        return 0;
    }
    hook_timer_init(&l.timer, run->es.throttle_secs, 0);
    evaluator_init(&l.evaluator, run);
    if (train(&l, &err) != CREW_OK) {
        code = finish_failed(&training, &err);
    } else if (training.stop == STOP_SIGNAL) {
        code = finish_signalled(&training);
    } else {
        run->result_step = training.step;
    }
    training_close(&training);
    evaluator_release(&l.evaluator);
    return code;
}
