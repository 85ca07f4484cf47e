/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimator.train: one training session, without evaluation. On a cluster it is
 * this process's part of it. Source: tensorflow_estimator's estimator.py. */
#include <stdlib.h>

#include "base/mem.h"
#include "estimator/estimator.h"
#include "estimator/roles/finish.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

/* ----------------------------------------------- StopAtStepHook(num_steps) */

struct steps_hook {
    int64_t num_steps;
    int64_t last_step;
};

static int steps_created(void *self, int64_t step, struct crew_err *err)
{
    struct steps_hook *h = self;

    (void)err;
    h->last_step = step + h->num_steps;
    return CREW_OK;
}

static int steps_after_run(void *self,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    const struct steps_hook *h = self;

    (void)err;
    if (ctx->global_step >= h->last_step) {
        crew_run_request_stop(ctx, "the steps asked for are done");
    }
    return CREW_OK;
}

static const struct crew_hook_ops steps_ops = {
    .after_create_session = steps_created,
    .after_run = steps_after_run,
    .free = free,
};

static void add_steps_hook(struct crew_train_spec *ts, int64_t num_steps)
{
    struct steps_hook *h = xcalloc(1, sizeof *h);

    h->num_steps = num_steps;
    crew_train_spec_add_hook(ts, (struct crew_hook){&steps_ops, h});
}

/* ------------------------------------------------------------------- a call */

static int check_list(const void *list,
                      int n,
                      const char *name,
                      struct crew_err *err)
{
    if (n < 1 || list != NULL) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "crew_estimator_train: %d %s, but %s is NULL", n, name,
                         name);
}

/* Everything of the arguments that is owned, whatever else is wrong. */
static int take(struct crew_train_spec *ts,
                const struct crew_train_args *args,
                struct crew_err *err)
{
    (void)check_list(args->hooks, args->num_hooks, "hooks", err);
    (void)check_list(args->saving_listeners, args->num_saving_listeners,
                     "saving_listeners", err);
    for (int i = 0; args->hooks != NULL && i < args->num_hooks; i++) {
        if (args->hooks[i].ops == NULL) {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                "Hooks must be a SessionRunHook, given: one "
                                "without ops (hook %d)",
                                i);
        } else {
            crew_train_spec_add_hook(ts, args->hooks[i]);
        }
    }
    for (int i = 0;
         args->saving_listeners != NULL && i < args->num_saving_listeners;
         i++) {
        if (args->saving_listeners[i].ops == NULL) {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                "saving_listeners must be a list of "
                                "CheckpointSaverListener, given: one without "
                                "ops (listener %d)",
                                i);
        } else {
            crew_train_spec_add_saving_listener(ts, args->saving_listeners[i]);
        }
    }
    return err->code;
}

static int check_steps(struct crew_train_spec *ts,
                       const struct crew_train_args *args,
                       int64_t *steps,
                       struct crew_err *err)
{
    if (estimator_steps("steps", args->steps, steps, err) != CREW_OK ||
        estimator_steps("max_steps", args->max_steps, &ts->max_steps, err) !=
            CREW_OK) {
        return err->code;
    }
    if (*steps > 0 && ts->max_steps > 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "Can not provide both steps and max_steps.");
    }
    if (*steps > 0) {
        add_steps_hook(ts, *steps);
    }
    return CREW_OK;
}

static int check_role(const struct run *run, struct crew_err *err)
{
    if (run->tf != NULL &&
        (run->tf->role == ROLE_EVALUATOR || run->tf->role == ROLE_PS)) {
        return crew_err_exit(
            err, CREW_FAILED_PRECONDITION, 78,
            "Train has been called wrong configuration. Please use "
            "tf.estimator.train_and_evaluate which calls proper API according "
            "to given configuration. Current configuration: task %s. In C: "
            "crew_train_and_evaluate()",
            run->who);
    }
    return CREW_OK;
}

/* ----------------------------------------------------------------- training */

/* Fills run->failure unless all went well. */
static int session(struct run *run, bool is_chief)
{
    struct training t = {0};
    struct training_listener none = {0};
    struct crew_err err = {0};
    int code = 0;

    if (training_open(&t, run, is_chief, none, &err) != CREW_OK ||
        training_start(&t, &err) != CREW_OK ||
        training_loop(&t, &err) != CREW_OK ||
        training_end(&t, &err) != CREW_OK) {
        bool too_late =
            err.code == CREW_OUT_OF_RANGE && t.trainer != NULL && !t.began;

        code = too_late ? finish_too_late(&t) : finish_failed(&t, &err);
    } else if (t.stop == STOP_SIGNAL) {
        code = finish_signalled(&t);
    } else if (t.stop == STOP_TOLD) {
        code = finish_told(&t);
    } else if (run->tf != NULL && is_chief) {
        /* Nobody else knows that its job is over. */
        (void)finish_announce(&t, run->ts.max_steps > 0);
    }
    training_close(&t);
    return code;
}

static int train(struct run *run, struct crew_err *err)
{
    int64_t step;

    if (check_role(run, err) != CREW_OK) {
        return err->code;
    }
    if (run_is_trained(run, &step)) {
        return CREW_OK;
    }
    run->failure = (struct crew_err){0};
    if (session(run, run->tf == NULL || run->tf->role == ROLE_CHIEF) != 0) {
        return crew_err_exit(err, run->failure.code, run->failure.exit_code,
                             "%s", run->failure.msg);
    }
    return params_status(run->params, err);
}

int crew_estimator_train(struct crew_estimator *e,
                         crew_input_fn input_fn,
                         const struct crew_train_args *given,
                         struct crew_err *err)
{
    static const struct crew_train_args none = {0};
    const struct crew_train_args *args = given != NULL ? given : &none;
    struct crew_train_spec ts = {.input_fn = input_fn};
    struct crew_train_spec own;
    struct crew_err unheard = {0};
    int64_t steps;

    err = err != NULL ? err : &unheard;
    if (take(&ts, args, err) == CREW_OK &&
        estimator_check(e, "crew_estimator_train", err) == CREW_OK &&
        (input_fn != NULL || estimator_no_input_fn(err) == CREW_OK) &&
        check_steps(&ts, args, &steps, err) == CREW_OK) {
        own = e->run.ts;
        e->run.ts = ts;
        e->run.input_self = args->input_self;
        (void)train(&e->run, err);
        e->run.input_self = NULL;
        e->run.ts = own;
    }
    crew_train_spec_release(&ts);
    return err->code;
}
