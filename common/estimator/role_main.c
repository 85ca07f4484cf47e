/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv and the environment to a role. In order: options, TF_CONFIG,
 * libraries, job, hyper-parameters, configuration, model_dir, dry build, and
 * then nothing of a cluster has been touched yet: whatever the user got wrong
 * is said by now. */
#include "estimator/role_main.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "estimator/roles/prepare.h"
#include "estimator/roles/roles.h"
#include "estimator/run/signals.h"
#include "kernels/blas.h"
#include "base/banned.h"

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

static int prepare(struct run *run,
                   int role,
                   const struct crew_job *job,
                   const char *program,
                   struct crew_err *err)
{
    if (run_read_tf_config(run, role, program, err) != CREW_OK) {
        return err->code;
    }
    if (run->tf != NULL && run->tf->role == ROLE_PS) {
        return CREW_OK;
    }
    if (run_prepare_job(run, job, program, err) != CREW_OK) {
        return err->code;
    }
    return run_prepare_model_dir(run, err);
}

/* Do what is to be done; the exit code. */
static int work(struct run *run,
                int role,
                const struct crew_job *job,
                int argc,
                char **argv)
{
    struct crew_err err = {0};
    int code;

    signals_install();
    if (prepare(run, role, job, base_name(argv[0]), &err) != CREW_OK) {
        return run_fail(run, &err);
    }
    if (run->tf != NULL && run->tf->role == ROLE_PS) {
        (void)run_become_ps(argc, argv, &err);
        return run_fail(run, &err);
    }
    code = run_train_and_evaluate(run);
    if (run->result_step >= 0) {
        run_print_result(run, run->result_step);
    }
    return code;
}

static int role_main(int role,
                     const struct crew_job *job,
                     int argc,
                     char **argv)
{
    struct run run = {.env = env_posix(), .who = "local", .result_step = -1};
    const char *program = base_name(argv[0]);
    struct crew_err err = {0};
    int code = 0;

    log_set_who(program);
    if (options_parse(argc, argv, job == NULL, &run.opt, &err) != CREW_OK ||
        options_set_log_level(&run.opt, &err) != CREW_OK) {
        (void)fprintf(stderr, "%s: %s\n", program, err.msg);
        code = crew_err_exit_code(&err);
    } else if (run.opt.help) {
        print_help(program, role, job == NULL);
    } else if (run.opt.version) {
        role_print_version(program);
    } else {
        code = work(&run, role, job, argc, argv);
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
    if (job == NULL || argc < 1 || argv == NULL || argv[0] == NULL) {
        (void)fprintf(stderr, "crew_job_main: %s is NULL\n",
                      job == NULL ? "the job" : "argv, or its first word,");
        return 64;
    }
    return role_main(ROLE_LOCAL, job, argc, argv);
}
