/* SPDX-License-Identifier: Apache-2.0
 *
 * The evaluator: watches model_dir, told by ps 0 of saves and of the end. What
 * to do when is evaluator_watch.c's; here it is done.
 *
 * A checkpoint that is removed while it is read is no error: the next newest is
 * taken. An evaluator that comes back after the job's end finds ps 0 gone and
 * DONE on disk, and ends with 0.
 *
 * A disk that is full ends no evaluator before the last checkpoint, as it ends
 * no training: what could not be written is told, and the next checkpoint's
 * turn comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "checkpoint/save.h"
#include "cluster/watcher.h"
#include "estimator/evaluation/evaluate.h"
#include "estimator/roles/evaluator_watch.h"
#include "estimator/roles/finish.h"
#include "estimator/roles/roles.h"
#include "estimator/run/signals.h"
#include "base/banned.h"

/* Longest path of a Unix socket, with its NUL. */
#define MAX_SOCKET_PATH 108

struct role {
    struct run *run;
    struct evaluator evaluator;
    struct watcher *watcher;
    struct trainer_options options;
    struct watch watch;
    struct watcher_news news;
};

static double now_secs(const struct role *r)
{
    return (double)r->run->env->now_ns(r->run->env) / 1e9;
}

static void interrupt(void *watcher)
{
    watcher_interrupt(watcher);
}

/* ------------------------------------------------------------- evaluations */

static bool is_full_disk(const struct crew_err *e)
{
    return e->code == CREW_RESOURCE_EXHAUSTED && crew_err_exit_code(e) == 74;
}

/* Of the last checkpoint: whoever starts the evaluator again gets it. */
static int fail_for_good(const struct crew_err *e, struct crew_err *err)
{
    if (is_full_disk(e)) {
        return crew_err_exit(err, e->code, 138,
                             "could not write what the last checkpoint's "
                             "evaluation gives: %s. Fix: make room, then start "
                             "the evaluator again",
                             e->msg);
    }
    return crew_err_exit(err, e->code, e->exit_code, "%s", e->msg);
}

/* An error: what a retry does not cure. */
static int evaluate(struct role *r, bool is_final, struct crew_err *err)
{
    struct run *run = r->run;
    char *prefix = run_checkpoint_path(run, r->watch.newest_step);
    struct eval_result result;
    struct crew_err e = {0};
    double began = now_secs(r);

    if (evaluator_run(&r->evaluator, prefix, is_final, &result, &e) ==
        CREW_OK) {
        watch_evaluated(&r->watch, began, is_final);
        watcher_report(r->watcher, result.global_step, result.line);
        double left = r->watch.throttle_secs - (now_secs(r) - began);

        if (!is_final && left > 0) {
            env_log(run->env, LOG_INFO,
                    "Waiting %f secs before starting next eval run.", left);
        }
    } else if (e.code == CREW_NOT_FOUND &&
               r->evaluator.last_step != r->watch.newest_step) {
        if (watch_gone(&r->watch, now_secs(r))) {
            env_log(run->env, LOG_WARN,
                    "%s was removed before it was read (%s); the next newest "
                    "is taken.",
                    prefix, e.msg);
        }
    } else if (is_full_disk(&e) && !is_final) {
        watch_evaluated(&r->watch, began, false);
        env_log(run->env, LOG_ERROR,
                "Could not write what the evaluation of %s gives: %s. The next "
                "checkpoint is evaluated.",
                prefix, e.msg);
    } else {
        (void)fail_for_good(&e, err);
    }
    free(prefix);
    return err->code;
}

static int export_final(struct role *r, struct crew_err *err)
{
    char *prefix = run_checkpoint_path(r->run, r->watch.evaluated_step);
    struct crew_err e = {0};

    if (exporters_run_final(&r->evaluator, prefix, &e) == CREW_OK) {
        r->watch.final_done = true;
    } else {
        (void)fail_for_good(&e, err);
    }
    free(prefix);
    return err->code;
}

/* ------------------------------------------------------------------- waits */

static void look_at_model_dir(struct role *r)
{
    char *prefix = ckpt_named(r->run->env, r->run->model_dir);

    r->watch.newest_step = prefix != NULL ? ckpt_step(prefix) : -1;
    free(prefix);
}

/* Without a ps 0 that answers, DONE says how it ended. */
static void look_at_done(struct role *r)
{
    struct crewdir_done done;
    struct crew_err err = {0};
    bool found = false;
    const struct run *run = r->run;

    if (r->watch.ended ||
        crewdir_read_done(run->env, run->model_dir, &found, &done, &err) !=
            CREW_OK ||
        !found || (run->ts.max_steps > 0 && done.step < run->ts.max_steps)) {
        return;
    }
    r->watch.ended = true;
    r->watch.ended_at = now_secs(r);
    r->watch.end_step = done.step;
}

static void take_news(struct role *r)
{
    if (r->news.ended && !r->watch.ended) {
        r->watch.ended = true;
        r->watch.ended_at = now_secs(r);
        r->watch.end_code = r->news.end.exit_code;
        r->watch.end_step = r->news.end.step;
    }
    r->watch.lost = r->news.lost;
}

static int wait_for_news(struct role *r, double secs, struct crew_err *err)
{
    const char *warning = watch_warning(&r->watch, now_secs(r));

    if (warning != NULL) {
        env_log(r->run->env, LOG_WARN, "%s", warning);
    }
    if (signals_check(err) != CREW_OK ||
        watcher_wait(r->watcher, secs, &r->news, err) != CREW_OK) {
        if (signals_pending() != 0) {
            err->code = CREW_CANCELLED;
        }
        return err->code;
    }
    take_news(r);
    return CREW_OK;
}

/* -------------------------------------------------------------------- ends */

static int done(struct role *r)
{
    struct run *run = r->run;
    struct crew_err told = {0};

    if (run->ts.max_steps > 0 && r->watch.evaluated_step >= run->ts.max_steps) {
        env_log(run->env, LOG_INFO,
                "Exiting evaluation, global_step=%lld >= train max_steps=%lld",
                (long long)r->watch.evaluated_step,
                (long long)run->ts.max_steps);
    } else {
        env_log(run->env, LOG_INFO,
                "Exiting evaluation, the job has ended at global_step=%lld",
                (long long)r->watch.evaluated_step);
    }
    if (watcher_done(r->watcher, &told) != CREW_OK) {
        env_log(run->env, LOG_INFO, "ps 0 was not told of the last export: %s",
                told.msg);
    }
    run_note_final_export(run, r->watch.evaluated_step);
    return 0;
}

static int stopped(struct role *r)
{
    char *text = xasprintf("The job has been stopped: %s.", r->news.end.reason);
    int code = run_stopped(r->run, r->watch.end_code, text);

    free(text);
    return code;
}

/* One action; *code is the exit code when it returns true. */
static bool act(struct role *r, int *code, struct crew_err *err)
{
    struct watch_decision d;

    look_at_model_dir(r);
    if (r->watch.lost) {
        look_at_done(r);
    }
    d = watch_decide(&r->watch, now_secs(r));
    switch (d.action) {
        case WATCH_EVALUATE:
            return evaluate(r, d.is_final, err) != CREW_OK;
        case WATCH_EXPORT_FINAL:
            return export_final(r, err) != CREW_OK;
        case WATCH_DONE:
            *code = done(r);
            return true;
        case WATCH_STOPPED:
            *code = stopped(r);
            return true;
        case WATCH_NO_CHECKPOINT:
            (void)crew_err_exit(
                err, CREW_NOT_FOUND, 66,
                "the job has ended at step %lld, but %s holds no "
                "such checkpoint; is it the chief's model_dir?",
                (long long)r->watch.end_step, r->run->model_dir);
            return true;
        case WATCH_LOST:
            (void)crew_err_exit(
                err, CREW_UNAVAILABLE, 138,
                "ps 0 has gone and model_dir does not say that the "
                "job has ended; start the evaluator again when the "
                "cluster is back");
            return true;
        default:
            return wait_for_news(r, d.secs, err) != CREW_OK;
    }
}

/* ------------------------------------------------------------------- role */

/* The address crew health asks: host:port, or a path as rpc writes it. Owner:
 * caller; NULL when there is none to take. */
static char *status_address(const struct run *run)
{
    const char *given = run->opt.status_addr;
    char *address;

    if (given != NULL) {
        return strchr(given, '/') != NULL && strncmp(given, "unix:", 5) != 0
                   ? xasprintf("unix:%s", given)
                   : xstrdup(given);
    }
    address = xasprintf("unix:%s/.crew/evaluator.sock", run->model_dir);
    if (strlen(address) - strlen("unix:") >= MAX_SOCKET_PATH) {
        env_log(run->env, LOG_WARN,
                "No status socket: its path is too long (%s); give "
                "--status-addr.",
                address);
        free(address);
        return NULL;
    }
    return address;
}

static int open_watcher(struct role *r, struct crew_err *err)
{
    struct run *run = r->run;
    char *status;

    r->options = (struct trainer_options){
        .env = run->env,
        .tf = run->tf,
        .max_steps = run->ts.max_steps,
        .session_creation_timeout_secs = run->rc.session_creation_timeout_secs,
        .insecure_network = run->opt.insecure_network,
        .on_wait = run_log_wait,
        .on_notice = run_log_notice,
        .self = run,
    };
    if (crewdir_make(run->env, run->model_dir, err) != CREW_OK) {
        return err->code;
    }
    status = status_address(run);
    if (watcher_open(&r->options, status, &r->watcher, err) == CREW_OK) {
        signals_on_interrupt(interrupt, r->watcher);
    }
    free(status);
    return err->code;
}

static void init_watch(struct role *r)
{
    const struct run *run = r->run;

    r->watch = (struct watch){
        .start_delay_secs = run->es.start_delay_secs,
        .throttle_secs = run->es.throttle_secs,
        .max_steps = run->ts.max_steps,
        .started = now_secs(r),
        .newest_step = -1,
        .evaluated_step = -1,
    };
    r->news.saved_step = -1;
    if (run->es.start_delay_secs > 0) {
        env_log(run->env, LOG_INFO, "Waiting %f secs before starting eval.",
                run->es.start_delay_secs);
    }
}

/* The job has ended and its last checkpoint is evaluated and exported. */
static bool came_too_late(struct run *run)
{
    int64_t step;

    return run_is_finished(run, &step) && run_has_final_export(run, step);
}

int run_evaluator(struct run *run)
{
    struct role r = {.run = run};
    struct crew_err err = {0};
    int code = 0;

    env_log(run->env, LOG_INFO, "Not using Distribute Coordinator.");
    evaluator_init(&r.evaluator, run);
    if (!came_too_late(run) && open_watcher(&r, &err) == CREW_OK) {
        init_watch(&r);
        while (!act(&r, &code, &err)) {
        }
    }
    if (err.code != CREW_OK && signals_pending() != 0) {
        code = run_stopped(run, 128 + signals_pending(),
                           "Stopped by a signal. Training is not affected; "
                           "start the evaluator again at any time.");
    } else if (err.code != CREW_OK) {
        code = run_fail(run, &err);
    }
    signals_on_interrupt(NULL, NULL);
    watcher_close(r.watcher);
    evaluator_release(&r.evaluator);
    return code;
}
