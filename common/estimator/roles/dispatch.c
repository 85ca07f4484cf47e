/* SPDX-License-Identifier: Apache-2.0
 *
 * train_and_evaluate: which role TF_CONFIG names, and how it ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "estimator/roles/roles.h"
#include "base/banned.h"

int run_become_ps(int argc, char *const *argv, struct crew_err *err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char **args = xcalloc((size_t)argc + 2, sizeof *args);
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

int run_train_and_evaluate(struct run *run)
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
        default:
            (void)crew_err_exit(&err, CREW_INVALID_ARGUMENT, 78,
                                "there is nothing to do for a task of type %s",
                                run->tf->task_type);
            return run_fail(run, &err);
    }
}
