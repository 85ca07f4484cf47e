/* SPDX-License-Identifier: Apache-2.0
 * Endings: finished before it began, stopped, failed, done. */
#include "estimator/finish.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "estimator/signals.h"
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

char *run_checkpoint_path(const struct run *run, int64_t step)
{
    return xasprintf("%s/model.ckpt-%lld", run->model_dir, (long long)step);
}

int run_check_model_dir(struct run *run, struct crew_err *err)
{
    struct crew_env *env = run->env;
    char *probe = path_join(run->model_dir, ".crew/write-probe");
    struct env_file *file = NULL;

    if (crewdir_make(env, run->model_dir, err) == CREW_OK &&
        env->fs->create(env->fs, probe, false, &file, err) == CREW_OK) {
        (void)env->fs->close(file, err);
        (void)env->fs->unlink(env->fs, probe, err);
    }
    free(probe);
    if (err->code == CREW_OK) {
        return CREW_OK;
    }
    err->exit_code = 73;
    return crew_err_wrap(err, "--model-dir %s cannot be written",
                         run->model_dir);
}

void run_log_wait(void *run, const char *line)
{
    struct run *r = run;

    env_log(r->env, LOG_INFO, "%s", line);
}

void run_log_notice(void *run, enum env_level level, const char *line)
{
    struct run *r = run;

    env_log(r->env, level, "%s", line);
}

int run_fail(struct run *run, const struct crew_err *err)
{
    run->failure = *err;
    run->failure.exit_code = crew_err_exit_code(err);
    if (!run->is_library) {
        env_log(run->env, LOG_ERROR, "%s", err->msg);
    }
    return run->failure.exit_code;
}

int run_stopped(struct run *run, int exit_code, const char *text)
{
    run->failure = (struct crew_err){0};
    (void)crew_err_exit(&run->failure, CREW_CANCELLED, exit_code, "%s", text);
    if (!run->is_library) {
        env_log(run->env, LOG_INFO, "%s", text);
    }
    return exit_code;
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

bool run_is_finished(struct run *run, int64_t *step)
{
    struct crewdir_done done;
    struct crew_err err = {0};
    bool found = false;

    if (crewdir_read_done(run->env, run->model_dir, &found, &done, &err) !=
            CREW_OK ||
        !found) {
        return false;
    }
    if (run->ts.max_steps > 0 && done.step >= run->ts.max_steps) {
        env_log(run->env, LOG_INFO,
                "Skipping training since max_steps has already saved.");
        env_log(run->env, LOG_INFO,
                "The job in %s has ended at step %lld (%s). For more, raise "
                "max_steps or give another --model-dir.",
                run->model_dir, (long long)done.step, done.reason);
        *step = done.step;
        return true;
    }
    return false;
}

static char *final_export_path(const struct run *run)
{
    return path_join(run->model_dir, ".crew/final-export");
}

void run_note_final_export(struct run *run, int64_t step)
{
    char *path = final_export_path(run);
    char text[32];
    struct crew_err err = {0};

    (void)snprintf(text, sizeof text, "%lld\n", (long long)step);
    if (fs_replace_file(run->env, path, text, strlen(text), &err) != CREW_OK) {
        env_log(run->env, LOG_WARN, "%s could not be written: %s", path,
                err.msg);
    }
    free(path);
}

bool run_has_final_export(struct run *run, int64_t step)
{
    char *path = final_export_path(run);
    char *text = NULL;
    size_t n;
    struct crew_err err = {0};
    bool has = fs_read_file(run->env, path, 64, &text, &n, &err) == CREW_OK &&
               strtoll(text, NULL, 10) >= step;

    free(text);
    free(path);
    return has;
}

bool run_is_trained(struct run *run, int64_t *step)
{
    char *prefix = ckpt_named(run->env, run->model_dir);
    bool trained = prefix != NULL && run->ts.max_steps > 0 &&
                   ckpt_step(prefix) >= run->ts.max_steps;

    if (trained) {
        *step = ckpt_step(prefix);
        env_log(run->env, LOG_INFO,
                "Skipping training since max_steps has already saved.");
    }
    free(prefix);
    return trained;
}

void run_print_result(const struct run *run, int64_t step)
{
    if (run->evaluation[0] != '\0') {
        (void)printf("%s\n", run->evaluation);
    }
    (void)printf("model_dir   %s\n", run->model_dir);
    (void)printf("checkpoint  %s/model.ckpt-%lld\n", run->model_dir,
                 (long long)step);
    for (int i = 0; i < run->num_exports; i++) {
        (void)printf("export      %s\n", run->exports[i]);
    }
    (void)printf("next        crew ckpt ls %s\n", run->model_dir);
    (void)printf("            crew events dump %s\n", run->model_dir);
    (void)printf("            tensorboard --logdir %s\n", run->model_dir);
    if (run->num_exports > 0) {
        (void)printf("            crew saved-model show --all --dir %s\n",
                     run->exports[run->num_exports - 1]);
    }
    (void)fflush(stdout);
}
