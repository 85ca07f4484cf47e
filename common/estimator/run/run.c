/* SPDX-License-Identifier: Apache-2.0
 *
 * What every role asks of its run: the files of model_dir that say how far the
 * job is, and how this process ends. */
#include "estimator/run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "checkpoint/save.h"
#include "estimator/run/results.h"
#include "base/banned.h"

void run_release(struct run *run)
{
    run_forget_exports(run);
    crew_results_free(run->results);
    crew_train_spec_release(&run->ts);
    crew_eval_spec_release(&run->es);
    params_free(run->params);
    tf_config_free(run->tf);
    options_release(&run->opt);
    free(run->model_dir);
}

void run_forget_exports(struct run *run)
{
    for (int i = 0; i < run->num_exports; i++) {
        free(run->exports[i]);
    }
    free(run->exports);
    run->exports = NULL;
    run->num_exports = 0;
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
