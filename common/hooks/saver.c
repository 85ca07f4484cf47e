/* SPDX-License-Identifier: Apache-2.0
 *
 * CheckpointSaverHook: saves when the session is created, whenever its timer is
 * due, and at the end if the step has moved since.
 *
 * A save that fails (a full disk) while training runs is one error line; the
 * next trigger tries again. The first of a session must work, for a folder that
 * cannot be written is a mistake better learnt now; the last one is tried a few
 * times more, and if it cannot be made the process ends with 138 so that a
 * launcher starts it again. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

struct saver {
    struct saver_options o;
    bool own;                               /* Estimator's: o is complete */
    struct crew_saving_listener *listeners; /* owned; of a user's hook */
    int num_listeners;
    bool began;
    struct hook_timer timer;
    int64_t saved_step; /* what is on disk; -1: nothing yet */
};

/* A listener that fails ends training, with 1 unless it says otherwise. */
static int listener_failed(struct crew_err *err)
{
    if (err->code == CREW_OK) {
        (void)crew_err_set(err, CREW_UNKNOWN,
                           "a CheckpointSaverListener failed without a "
                           "message");
    }
    err->exit_code = err->exit_code != 0 ? err->exit_code : 1;
    return err->code;
}

/* A user's hook saves as the host does, at times of its own, with its listeners
 * before the host's. Where nothing is saved (a worker) it does nothing. */
static int take_options(struct saver *h,
                        const struct crew_session *session,
                        struct crew_err *err)
{
    double secs = h->o.secs;
    int64_t steps = h->o.steps;
    int n = h->num_listeners;
    int more = session->saver != NULL ? session->saver->num_listeners : 0;

    h->o = (struct saver_options){0};
    h->saved_step = -1;
    if (session->saver == NULL) {
        return CREW_OK;
    }
    if (h->began) {
        return crew_err_exit(err, CREW_FAILED_PRECONDITION, 1,
                             "a CheckpointSaverHook serves one training");
    }
    h->began = true;
    h->o = *session->saver;
    h->o.secs = secs;
    h->o.steps = steps;
    h->listeners = xrealloc(
        h->listeners, ((size_t)n + (size_t)more + 1) * sizeof *h->listeners);
    for (int i = 0; i < more; i++) {
        h->listeners[n + i] = session->saver->listeners[i];
    }
    h->o.listeners = h->listeners;
    h->o.num_listeners = n + more;
    return CREW_OK;
}

static int saver_begin(void *self,
                       struct crew_session *session,
                       struct crew_err *err)
{
    struct saver *h = self;

    if (!h->own && take_options(h, session, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < h->o.num_listeners; i++) {
        const struct crew_saving_listener *l = &h->o.listeners[i];

        if (l->ops->begin != NULL && l->ops->begin(l->self, err) != CREW_OK) {
            return listener_failed(err);
        }
    }
    return CREW_OK;
}

/* The state is held. An error is the end of training, and nothing is held any
 * more. */
static int before_save(struct saver *h, int64_t step, struct crew_err *err)
{
    struct crew_err ignored = {0};

    if (step == h->saved_step) {
        return CREW_OK;
    }
    env_log(h->o.env, LOG_INFO,
            "Calling checkpoint listeners before saving checkpoint %lld...",
            (long long)step);
    for (int i = 0; i < h->o.num_listeners; i++) {
        const struct crew_saving_listener *l = &h->o.listeners[i];

        if (l->ops->before_save != NULL &&
            l->ops->before_save(l->self, step, err) != CREW_OK) {
            (void)h->o.ops->release(h->o.self, &ignored);
            return listener_failed(err);
        }
    }
    return CREW_OK;
}

/* Says what it does in TensorFlow's words. On success `step` is on disk. */
static int announce_and_write(struct saver *h,
                              int64_t step,
                              struct crew_err *err)
{
    struct crew_env *env = h->o.env;

    if (step == h->saved_step) {
        return h->o.ops->release(h->o.self, err);
    }
    env_log(env, LOG_INFO, "Saving checkpoints for %lld into %s/model.ckpt.",
            (long long)step, h->o.model_dir);
    if (h->o.ops->write(h->o.self, step, err) != CREW_OK) {
        return err->code;
    }
    h->saved_step = step;
    (void)hook_timer_update(&h->timer, step, env->now_ns(env), NULL, NULL);
    hook_event_checkpoint(h->o.events, step, h->o.model_dir);
    return CREW_OK;
}

static int after_save(struct saver *h,
                      int64_t step,
                      bool *request_stop,
                      struct crew_err *err)
{
    env_log(h->o.env, LOG_INFO,
            "Calling checkpoint listeners after saving checkpoint %lld...",
            (long long)step);
    for (int i = 0; i < h->o.num_listeners; i++) {
        const struct crew_saving_listener *l = &h->o.listeners[i];
        bool stop = false;

        if (l->ops->after_save == NULL) {
            continue;
        }
        if (l->ops->after_save(l->self, step, &stop, err) != CREW_OK) {
            return listener_failed(err);
        }
        if (stop) {
            env_log(h->o.env, LOG_INFO,
                    "A CheckpointSaverListener requested that training be "
                    "stopped. listener: %d",
                    i);
            *request_stop = true;
        }
    }
    if (h->o.ops->after_save == NULL) {
        return CREW_OK;
    }
    return h->o.ops->after_save(h->o.self, step, request_stop, err);
}

static int saver_after_create_session(void *self,
                                      int64_t step,
                                      struct crew_err *err)
{
    struct saver *h = self;
    bool stop = false;

    if (h->o.ops == NULL) {
        return CREW_OK;
    }
    if (before_save(h, step, err) != CREW_OK ||
        announce_and_write(h, step, err) != CREW_OK) {
        return err->code;
    }
    return after_save(h, step, &stop, err);
}

/* A save in the middle of training. Only what ends training is an error. */
static int save_now(struct saver *h, bool *request_stop, struct crew_err *err)
{
    struct crew_env *env = h->o.env;
    struct crew_err e = {0};
    int64_t step;

    if (h->o.ops->hold(h->o.self, &step, &e) != CREW_OK) {
        if (e.code != CREW_DEADLINE_EXCEEDED) {
            return crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
        }
        env_log(env, LOG_WARN,
                "This save is skipped: %s. Training goes on; the next save "
                "tries again.",
                e.msg);
        return CREW_OK;
    }
    if (before_save(h, step, err) != CREW_OK) {
        return err->code;
    }
    if (announce_and_write(h, step, &e) != CREW_OK) {
        if (e.code == CREW_CANCELLED || e.code == CREW_ABORTED ||
            e.exit_code == 138) {
            return crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
        }
        env_log(env, LOG_ERROR,
                "Could not save checkpoint %lld: %s. Training goes on; the "
                "next save tries again.",
                (long long)step, e.msg);
        return CREW_OK;
    }
    return after_save(h, step, request_stop, err);
}

static int saver_after_run(void *self,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    struct saver *h = self;
    uint64_t now;
    bool stop = false;

    if (h->o.ops == NULL) {
        return CREW_OK;
    }
    now = h->o.env->now_ns(h->o.env);
    if (!hook_timer_due(&h->timer, ctx->global_step, now)) {
        return CREW_OK;
    }

    /* Skipped and failed saves count as triggered: the next try is a full
     * interval away. */
    (void)hook_timer_update(&h->timer, ctx->global_step, now, NULL, NULL);
    if (save_now(h, &stop, err) != CREW_OK) {
        return err->code;
    }
    ctx->request_stop = ctx->request_stop || stop;
    return CREW_OK;
}

static int last_save(struct saver *h, int64_t *step, struct crew_err *err)
{
    struct crew_env *env = h->o.env;

    bool announced = false;

    for (int i = 0;; i++) {
        struct crew_err e = {0};

        if (h->o.ops->hold(h->o.self, step, &e) == CREW_OK) {
            if (!announced && before_save(h, *step, err) != CREW_OK) {
                return err->code;
            }
            announced = true;
            if (announce_and_write(h, *step, &e) == CREW_OK) {
                return CREW_OK;
            }
        }
        if (i >= h->o.final_retries) {
            return crew_err_exit(err, CREW_UNAVAILABLE, 138,
                                 "could not save the last checkpoint: %s",
                                 e.msg);
        }
        env_log(env, LOG_ERROR,
                "Could not save the last checkpoint: %s. Trying again.", e.msg);
        h->o.wait(h->o.self, 1.0);
    }
}

/* Only the hold tells at which step a cluster stands: the others may have gone
 * on since this process last heard. */
static int saver_end(void *self, int64_t global_step, struct crew_err *err)
{
    struct saver *h = self;
    int64_t before = h->saved_step;
    int64_t step;
    bool stop = false;

    (void)global_step;
    if (h->o.ops == NULL) {
        return CREW_OK;
    }
    if (last_save(h, &step, err) != CREW_OK) {
        return err->code;
    }
    if (step != before && after_save(h, step, &stop, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < h->o.num_listeners; i++) {
        const struct crew_saving_listener *l = &h->o.listeners[i];

        if (l->ops->end != NULL && l->ops->end(l->self, step, err) != CREW_OK) {
            return listener_failed(err);
        }
    }
    return h->o.ops->end != NULL ? h->o.ops->end(h->o.self, step, err)
                                 : CREW_OK;
}

static void saver_free(void *self)
{
    struct saver *h = self;

    for (int i = 0; i < h->num_listeners; i++) {
        listener_free(h->listeners[i]);
    }
    free(h->listeners);
    free(h);
}

static const struct crew_hook_ops saver_hook_ops = {
    .begin = saver_begin,
    .after_create_session = saver_after_create_session,
    .after_run = saver_after_run,
    .end = saver_end,
    .free = saver_free,
};

bool hook_is_saver(struct crew_hook hook)
{
    return hook.ops == &saver_hook_ops;
}

struct crew_hook crew_checkpoint_saver_hook(
    double save_secs,
    int64_t save_steps,
    const struct crew_saving_listener *listeners,
    int num_listeners)
{
    struct saver *h = xcalloc(1, sizeof *h);
    bool without_ops = false;

    if (num_listeners < 0 || (num_listeners > 0 && listeners == NULL)) {
        saver_free(h);
        return hook_broken(
            "crew_checkpoint_saver_hook: %d listeners, but "
            "listeners is %s",
            num_listeners, listeners == NULL ? "NULL" : "given");
    }
    h->listeners = xcalloc((size_t)num_listeners + 1, sizeof *h->listeners);
    for (int i = 0; i < num_listeners; i++) {
        h->listeners[i] = listeners[i];
        without_ops = without_ops || listeners[i].ops == NULL;
    }
    h->num_listeners = num_listeners;
    if (without_ops) {
        saver_free(h);
        return hook_broken(
            "crew_checkpoint_saver_hook: a listener's ops is "
            "NULL");
    }
    if ((save_secs > 0) == (save_steps > 0)) {
        saver_free(h);
        return hook_broken(
            "%s", save_secs > 0 ? HOOK_TIMER_BOTH : HOOK_TIMER_NEITHER);
    }
    h->o.secs = save_secs;
    h->o.steps = save_steps;
    hook_timer_init(&h->timer, save_secs, save_steps);
    return (struct crew_hook){&saver_hook_ops, h};
}

void hook_add_saver(struct hook_list *list, const struct saver_options *options)
{
    struct saver *h = xcalloc(1, sizeof *h);

    h->o = *options;
    h->own = true;
    h->saved_step = -1;
    hook_timer_init(&h->timer, options->secs, options->steps);
    hook_list_add(list, &saver_hook_ops, h);
}
