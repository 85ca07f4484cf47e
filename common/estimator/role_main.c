/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv and the environment to a role. In order: options, TF_CONFIG,
 * libraries, job, hyper-parameters, configuration, model_dir, dry build, and
 * then nothing of a cluster has been touched yet: whatever the user got wrong
 * is said by now. */
#include "estimator/role_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/run_config_text.h"
#include "estimator/job_load.h"
#include "estimator/run.h"
#include "estimator/signals.h"
#include "kernels/blas.h"
#include "base/banned.h"

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

void role_print_version(const char *program)
{
    struct crew_err err = {0};

    (void)blas_load(&err);
    (void)printf("%s %s\nABI %d\nkernels: %s\n", program, crew_version(),
                 CREW_ABI_VERSION, blas_description());
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void print_help(const char *program, int role, bool with_job)
{
    if (role == ROLE_LOCAL) {
        (void)printf(
            "usage: %s %s--model-dir DIR [options]\n\n"
            "Train and evaluate: as the role that TF_CONFIG names, or "
            "all of it in this\nprocess when TF_CONFIG is not set.\n\n",
            program, with_job ? "--job LIB.so " : "");
    } else {
        (void)printf(
            "usage: TF_CONFIG=... %s --job LIB.so --model-dir DIR "
            "[options]\n\nThe role %s of a cluster.\n\n",
            program, role_name((enum crew_role)role));
    }
    options_print(stdout, with_job);
    (void)printf(
        "\n--set takes the job's own hyper-parameters and, by "
        "Estimator's names:\n ");
    for (size_t i = 0; run_config_field(i) != NULL; i++) {
        (void)printf(" %s", run_config_field(i));
    }
    (void)printf(
        "\n\nNext: crew tf-config check, crew ckpt ls DIR, crew events "
        "dump DIR\n");
}

/* ----------------------------------------------------------- preparations */

/* crew run as a ps: the program beside this one, with the same arguments. */
static int become_ps(int argc, char **argv, struct crew_err *err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char **args = xcalloc((size_t)argc + 1, sizeof *args);
    char *slash;
    char *program;

    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    program = path_join(path, "crew-ps");
    args[0] = program;
    for (int i = 1; i < argc; i++) {
        args[i] = argv[i];
    }
    (void)execv(program, args);
    (void)execvp("crew-ps", args); /* a job's own program is elsewhere */
    (void)crew_err_exit(err, CREW_INTERNAL, 70, "cannot run %s: %s", program,
                        strerror(errno));
    free(program);
    free(args);
    return err->code;
}

/* Who are we? run->tf stays NULL without a cluster. */
static int read_tf_config(struct run *run,
                          int role,
                          const char *program,
                          struct crew_err *err)
{
    struct tf_config *tf = NULL;
    char *text;

    if (tf_config_parse_for(getenv("TF_CONFIG"), run->opt.model_dir,
                            run->opt.strict_tf_config, &tf, err) != CREW_OK) {
        return err->code;
    }
    if (run->opt.model_dir == NULL && tf->model_dir != NULL) {
        run->model_dir = xstrdup(tf->model_dir);
    }
    if (tf->cluster == NULL) {
        tf_config_free(tf);
        if (role == ROLE_LOCAL) {
            log_set_who(run->who);
            return CREW_OK;
        }
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
    text = tf_config_log_text(tf);
    if (text != NULL) {
        env_log(run->env, LOG_INFO, "%s", text);
        free(text);
    }
    return tf_config_check_start(tf, err);
}

static int load_params(struct run *run, struct crew_err *err)
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

static int configure(struct run *run, struct crew_err *err)
{
    int code;

    run_config_defaults(&run->rc, &run->ts, &run->es);
    code = run->job->configure(run->params, &run->rc, &run->ts, &run->es, err);
    if (code != CREW_OK || err->code != CREW_OK) {
        (void)crew_err_exit(err, code != CREW_OK ? code : CREW_UNKNOWN, 1,
                            "it returned %s without a message",
                            crew_code_name(code));
        return crew_err_wrap(err, "job %s: configure()", run->job->name);
    }
    if (run_config_apply(run->params, &run->rc, &run->ts, &run->es, err) !=
            CREW_OK ||
        run_config_validate(&run->rc, &run->ts, &run->es, err) != CREW_OK) {
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

/* Where the files go; made if it must be written by this role. */
static int prepare_model_dir(struct run *run, struct crew_err *err)
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
        (job != NULL ? job_check(job, program, err)
                     : job_load(run->opt.job, &run->job, err)) != CREW_OK ||
        load_params(run, err) != CREW_OK || configure(run, err) != CREW_OK ||
        run_dry_build(run, err) != CREW_OK ||
        params_status(run->params, err) != CREW_OK ||
        params_unused(run->params, err) != CREW_OK) {
        return err->code;
    }
    return CREW_OK;
}

static void log_config(const struct run *run)
{
    char *text = run_config_log_text(&run->rc, run->tf, run->model_dir);

    env_log(run->env, LOG_INFO, "%s", text);
    free(text);
}

static int prepare(struct run *run,
                   int role,
                   const struct crew_job *job,
                   const char *program,
                   struct crew_err *err)
{
    if (read_tf_config(run, role, program, err) != CREW_OK) {
        return err->code;
    }
    if (run->tf != NULL && run->tf->role == ROLE_PS) {
        return CREW_OK;
    }
    if (run_prepare_job(run, job, program, err) != CREW_OK) {
        return err->code;
    }
    if (prepare_model_dir(run, err) == CREW_OK) {
        log_config(run);
    }
    return err->code;
}

/* ------------------------------------------------------------------- main */

static int dispatch(struct run *run, int argc, char **argv)
{
    struct crew_err err = {0};

    if (run->tf == NULL) {
        return run_in_one_process(run);
    }
    switch (run->tf->role) {
        case ROLE_CHIEF:
            return run_chief(run);
        case ROLE_WORKER:
            return run_worker(run);
        case ROLE_EVALUATOR:
            return run_evaluator(run);
        case ROLE_PS:
            (void)become_ps(argc, argv, &err);
            return run_fail(run->env, &err);
        default:
            (void)crew_err_exit(&err, CREW_INVALID_ARGUMENT, 78,
                                "there is nothing to do for a task of type %s",
                                run->tf->task_type);
            return run_fail(run->env, &err);
    }
}

int run_set_log_level(const struct options *o, struct crew_err *err)
{
    enum env_level level = o->quiet ? LOG_WARN : LOG_INFO;

    if (o->log_level != NULL && log_level_parse(o->log_level, &level) != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "--log-level %s: one of debug, info, warn, error",
                             o->log_level);
    }
    log_set_level(level);
    return CREW_OK;
}

void run_release(struct run *run)
{
    run_forget_exports(run);
    crew_train_spec_release(&run->ts);
    crew_eval_spec_release(&run->es);
    params_free(run->params);
    tf_config_free(run->tf);
    options_release(&run->opt);
    free(run->model_dir);
}

static int role_main(int role,
                     const struct crew_job *job,
                     int argc,
                     char **argv)
{
    struct run run = {.env = env_posix(), .who = "local"};
    const char *program = base_name(argv[0]);
    struct crew_err err = {0};
    int code = 0;

    log_set_who(program);
    if (options_parse(argc, argv, job == NULL, &run.opt, &err) != CREW_OK ||
        run_set_log_level(&run.opt, &err) != CREW_OK) {
        (void)fprintf(stderr, "%s: %s\n", program, err.msg);
        code = crew_err_exit_code(&err);
    } else if (run.opt.help) {
        print_help(program, role, job == NULL);
    } else if (run.opt.version) {
        role_print_version(program);
    } else {
        signals_install();
        code = prepare(&run, role, job, program, &err) == CREW_OK
                   ? dispatch(&run, argc, argv)
                   : run_fail(run.env, &err);
    }
    run_release(&run);
    return code;
}

int crew_role_main(int role, int argc, char **argv)
{
    return role_main(role, NULL, argc, argv);
}

int crew_job_main(const struct crew_job *job, int argc, char **argv)
{
    return role_main(ROLE_LOCAL, job, argc, argv);
}
