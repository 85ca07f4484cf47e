/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop of a training process. A step is: a batch, a ticket, forward, the
 * NaN guard, backward (each gradient leaves as soon as it is final), the
 * acknowledgements, the hooks. Nothing is pushed of a step whose loss is not
 * finite. */
#include <math.h>

#include "estimator/training/gradients.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

static int forward(struct training *t,
                   const struct dataset_batch *batch,
                   struct crew_err *err)
{
    struct plan_feed feeds[DATASET_MAX_COMPONENTS];
    struct crew_shape shape;
    int n = model_feeds(t->model, batch, feeds);

    /* The dropout of two trainers must differ: the process's own number is in
     * the seed, its own step in the counter. */
    if (plan_forward(t->plan, feeds, n, batch->rows,
                     t->run->seed + (uint64_t)t->run->trainer_index,
                     (uint64_t)(t->start_step + t->local_steps),
                     err) != CREW_OK) {
        err->exit_code = err->exit_code != 0 ? err->exit_code : 1;
        return crew_err_wrap(err, "step %lld", (long long)t->step);
    }
    t->loss = *(const float *)plan_value(t->plan, t->model->spec->loss, &shape);
    if (hook_nan_stops(&t->session, t->loss)) {
        return CREW_OK;
    }
    return hook_check_loss(t->run->env, t->loss, err);
}

/* Sets t->stop when there is to be no other step. */
static int one_step(struct training *t, bool *more, struct crew_err *err)
{
    const struct trainer_ops *ops = t->trainer->ops;
    struct crew_run_context ctx = {.global_step = t->step,
                                   .local_step = t->local_steps + 1};
    const struct dataset_batch *batch;

    /* Before the ticket: a hook may wait for the others. */
    if (hook_session_before_run(&t->session, t->step, &ctx, err) != CREW_OK) {
        t->stop = STOP_ERROR;
        return err->code;
    }
    if (dataset_reader_next(t->input, &batch, err) != CREW_OK) {
        t->stop = STOP_INPUT_END;
        return err->code;
    }
    if (ops->next_step(t->trainer, err) != CREW_OK) {
        t->stop = ops->end(t->trainer)->exit_code == 0 ? STOP_GOAL : STOP_TOLD;
        return err->code;
    }
    if (forward(t, batch, err) != CREW_OK) {
        t->stop = STOP_ERROR;
        return err->code;
    }
    if (isnan(t->loss)) {
        crew_run_request_stop(&ctx, "NaN loss");
        t->stop = STOP_HOOK; /* nothing of this step leaves; its ticket goes */
        *more = false;
        return CREW_OK;
    }
    plan_backward(t->plan, gradients_ready, t);
    gradients_end(t);
    if (ops->finish_step(t->trainer, &t->step, err) != CREW_OK) {
        t->stop = STOP_ERROR;
        return err->code;
    }
    t->local_steps++;
    ctx.global_step = t->step;
    ctx.loss = t->loss;
    t->session.step = t->step - 1;
    if (hook_session_after_run(&t->session, &ctx, err) != CREW_OK) {
        t->stop = STOP_ERROR;
        return err->code;
    }
    t->stop = STOP_HOOK;
    *more = !ctx.request_stop;
    return CREW_OK;
}

/* In one process the goal is seen before the hooks are told of another step; of
 * a cluster only ps 0 knows, when a ticket is asked for. */
static bool is_reached(const struct training *t)
{
    return t->run->tf == NULL && t->run->ts.max_steps > 0 &&
           t->step >= t->run->ts.max_steps;
}

int training_loop(struct training *t, struct crew_err *err)
{
    bool more = true;

    while (more) {
        struct crew_err e = {0};

        if (signals_pending() != 0) {
            t->stop = STOP_SIGNAL;
            break;
        }
        if (is_reached(t)) {
            t->stop = STOP_GOAL;
            break;
        }
        if (one_step(t, &more, &e) == CREW_OK) {
            continue;
        }
        if (e.code == CREW_OUT_OF_RANGE && t->stop != STOP_ERROR) {
            break; /* the input or the job is at its end */
        }
        if (e.code == CREW_CANCELLED && signals_pending() != 0) {
            t->stop = STOP_SIGNAL;
            break;
        }
        t->stop = STOP_ERROR;
        return crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
    }
    return CREW_OK;
}
