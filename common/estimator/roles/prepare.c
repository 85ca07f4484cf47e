/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens before anything is built or connected, the same for the programs
 * and for an Estimator: TF_CONFIG, hyper-parameters, configuration, model_dir.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/run_config_text.h"
#include "estimator/roles/prepare.h"
#include "estimator/run/job_load.h"
#include "kernels/blas.h"
#include "base/banned.h"

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

static void log_text(struct run *run, CREW_NULLABLE CREW_TAKES char *text)
{
    if (text != NULL) {
        env_log(run->env, LOG_INFO, "%s", text);
        free(text);
    }
}

/* tf NULL: it could not be read. */
static void log_tf_config(struct run *run,
                          CREW_NULLABLE const struct tf_config *tf)
{
    log_text(run, tf_config_log_text(getenv("TF_CONFIG")));
    if (tf != NULL) {
        log_text(run, tf_config_model_dir_text(tf));
    }
}

int run_read_tf_config(struct run *run,
                       int role,
                       const char *program,
                       struct crew_err *err)
{
    struct tf_config *tf = NULL;

    if (tf_config_parse_for(getenv("TF_CONFIG"), run->opt.model_dir,
                            run->opt.strict_tf_config, &tf, err) != CREW_OK) {
        log_tf_config(run, NULL);
        return err->code;
    }
    if (run->opt.model_dir == NULL && tf->model_dir != NULL) {
        run->model_dir = xstrdup(tf->model_dir);
    }
    if (tf->cluster == NULL) {
        if (role == ROLE_LOCAL) {
            log_set_who(run->who);
            log_tf_config(run, tf);
            tf_config_free(tf);
            return CREW_OK;
        }
        tf_config_free(tf);
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 78,
            "%s needs a TF_CONFIG with a cluster and a task of "
            "type %s; without one, use crew run",
            program, role_name((enum crew_role)role));
    }
    run->tf = tf;
    (void)tf_config_who(tf, run->who, sizeof run->who);
    if (role != ROLE_LOCAL && tf->role != (enum crew_role)role) {
        return crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,
                             "%s is the role %s, but TF_CONFIG's task is %s; "
                             "start crew-%s, or crew run",
                             program, role_name((enum crew_role)role), run->who,
                             role_name(tf->role));
    }
    log_set_who(run->who);
    log_tf_config(run, tf);
    return tf_config_check_start(tf, err);
}

int run_load_params(struct run *run, struct crew_err *err)
{
    char *text = NULL;
    size_t n = 0;

    run->params = params_new();
    for (int i = 0; i < run->opt.defaults.n; i++) {
        if (params_set_default(run->params, run->opt.defaults.items[i], err) !=
            CREW_OK) {
            return err->code;
        }
    }
    if (run->opt.config != NULL) {
        if (fs_read_file(run->env, run->opt.config, MAX_CONFIG_BYTES, &text, &n,
                         err) != CREW_OK) {
            return crew_err_wrap(err, "--config");
        }
        (void)params_load_json(run->params, text, n, run->opt.config, err);
        free(text);
    }
    for (int i = 0; err->code == CREW_OK && i < run->opt.sets.n; i++) {
        (void)params_set(run->params, run->opt.sets.items[i], err);
    }
    return err->code;
}

/* What the job says, if it says anything. */
static int call_configure(struct run *run, struct crew_err *err)
{
    int code;

    if (run->job->configure == NULL) {
        return CREW_OK;
    }
    code = run->job->configure(run->params, &run->rc, &run->ts, &run->es, err);
    if (code != CREW_OK || err->code != CREW_OK) {
        (void)crew_err_exit(err, code != CREW_OK ? code : CREW_UNKNOWN, 1,
                            "it returned %s without a message",
                            crew_code_name(code));
        return crew_err_wrap(err, "job %s: configure()", run->job->name);
    }
    return CREW_OK;
}

/* RunConfig's model_dir, and the others that there may be. */
static int settle_model_dir(struct run *run, struct crew_err *err)
{
    const char *dir = run->rc.model_dir;
    const char *given = run->opt.model_dir;

    if (dir == NULL) {
        return CREW_OK;
    }
    if (given != NULL && strcmp(given, dir) != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "`model_dir` are set both in constructor and "
                             "`RunConfig`, but with different values. In "
                             "constructor: '%.250s', in `RunConfig`: '%.250s' ",
                             given, dir);
    }
    if (run->model_dir != NULL && strcmp(run->model_dir, dir) != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                             TF_CONFIG_MODEL_DIR_DIFFERS, dir, run->model_dir);
    }
    if (run->model_dir == NULL && given == NULL) {
        run->model_dir = xstrdup(dir);
    }
    return CREW_OK;
}

int run_configure(struct run *run,
                  const struct crew_run_config *given,
                  struct crew_err *err)
{
    run_config_defaults(&run->rc, &run->ts, &run->es);
    if (call_configure(run, err) != CREW_OK) {
        return err->code;
    }
    if (given != NULL) {
        run->rc = *given;
    }
    if (run_config_apply(run->params, &run->rc, &run->ts, &run->es, err) !=
            CREW_OK ||
        run_config_validate_run(&run->rc, err) != CREW_OK ||
        settle_model_dir(run, err) != CREW_OK) {
        return err->code;
    }
    run->seed = run->rc.tf_random_seed >= 0 ? (uint64_t)run->rc.tf_random_seed
                                            : run->env->random(run->env);
    run->num_trainers = run->tf != NULL ? tf_config_num_trainers(run->tf) : 1;
    run->trainer_index = run->tf != NULL && run->tf->role != ROLE_EVALUATOR
                             ? tf_config_trainer_place(run->tf)
                             : 0;
    return CREW_OK;
}

static int choose_model_dir(struct run *run, struct crew_err *err)
{
    if (run->opt.model_dir != NULL) {
        run->model_dir = xstrdup(run->opt.model_dir);
    } else if (run->model_dir == NULL && run->tf != NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "a task of a cluster needs --model-dir DIR, the "
                             "same for all tasks");
    } else if (run->model_dir == NULL) {
        const char *tmp = getenv("TMPDIR");

        run->model_dir = path_join(tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp",
                                   "crew-XXXXXX");
        if (mkdtemp(run->model_dir) == NULL) {
            return crew_err_exit(err, CREW_PERMISSION_DENIED, 73,
                                 "cannot make a temporary folder %s: %s; give "
                                 "--model-dir",
                                 run->model_dir, strerror(errno));
        }
        env_log(run->env, LOG_WARN,
                "Using temporary folder as model directory: %s",
                run->model_dir);
    }
    if (run->tf == NULL || run->tf->role == ROLE_CHIEF) {
        return run_check_model_dir(run, err);
    }
    return CREW_OK;
}

int run_prepare_model_dir(struct run *run, struct crew_err *err)
{
    if (choose_model_dir(run, err) == CREW_OK) {
        char *text = run_config_log_text(&run->rc, run->tf, run->model_dir);

        env_log(run->env, LOG_INFO, "%s", text);
        free(text);
        text = run_config_no_effect_text(&run->rc);
        if (text != NULL) {
            env_log(run->env, LOG_WARN, "RunConfig: %s", text);
            free(text);
        }
    }
    return err->code;
}

int run_prepare_job(struct run *run,
                    const struct crew_job *job,
                    const char *program,
                    struct crew_err *err)
{
    if (job == NULL && run->opt.job == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "which model? give --job LIB.so");
    }
    run->job = job;
    if (blas_load(err) != CREW_OK ||
        (job != NULL ? job_check(job, program, true, err)
                     : job_load(run->opt.job, &run->job, err)) != CREW_OK ||
        run_load_params(run, err) != CREW_OK ||
        run_configure(run, NULL, err) != CREW_OK) {
        return err->code;
    }
    return run_check_job(run, err);
}

int run_check_job(struct run *run, struct crew_err *err)
{
    if (run_config_validate(&run->rc, &run->ts, &run->es, err) != CREW_OK ||
        run_dry_build(run, err) != CREW_OK ||
        params_status(run->params, err) != CREW_OK) {
        return err->code;
    }
    return params_unused(run->params, err);
}
