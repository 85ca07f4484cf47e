/* SPDX-License-Identifier: Apache-2.0
 * What `crew local` is asked for: its options, the ports, each child's
 * TF_CONFIG and arguments. No process is started here. */
#ifndef CLI_LOCAL_PLAN_H
#define CLI_LOCAL_PLAN_H

#include "base/env.h"

struct local_options {
    int num_ps;
    int num_workers;
    bool evaluator;
    int base_port; /* 0: free ones are looked for */
    bool help;
    char **run_args; /* what stands behind `run`, borrowed from argv */
    int num_run_args;
};

/* One child: who, which program, its environment variable and arguments. */
struct local_task {
    char name[32];       /* "worker/0" */
    const char *program; /* "crew-worker" */
    char *tf_config;     /* JSON, owned */
    char **args;         /* NULL-terminated, owned; strings too */
    bool is_chief;
};

struct local_plan {
    struct local_task *tasks; /* ps first, then chief, workers, evaluator */
    int num_tasks;
};

/* Errors: INVALID_ARGUMENT (exit 64). */
CREW_MUST_CHECK int local_options_parse(int argc,
                                        char **argv,
                                        CREW_OUT struct local_options *,
                                        struct crew_err *);
/* folder: where the daemons are. Owner: caller, local_plan_release().
 * Errors: UNAVAILABLE (exit 138), no free port. */
CREW_MUST_CHECK int local_plan_make(const struct local_options *,
                                    const char *folder,
                                    CREW_OUT struct local_plan *,
                                    struct crew_err *);
void local_plan_release(struct local_plan *);

#endif
