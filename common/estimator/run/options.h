/* SPDX-License-Identifier: Apache-2.0
 * The options that `crew run`, the daemons and crew_job_main share: one table,
 * from which they are parsed and --help is printed. */
#ifndef ESTIMATOR_OPTIONS_H
#define ESTIMATOR_OPTIONS_H

#include <stdio.h>

#include "base/env.h"

struct text_list {
    const char **items;
    int n;
};

/* Strings are borrowed from argv. */
struct options {
    const char *job;
    const char *config;
    const char *model_dir;
    const char *bind;
    const char *status_addr;
    const char *log_level;
    struct text_list sets;     /* --set key=value */
    struct text_list defaults; /* --default key=value: below --set */
    bool insecure_network;
    bool strict_tf_config;
    bool quiet;
    bool help;
    bool version;
};

/* argv[0] is skipped. with_job: --job is one of the options.
 * Errors: INVALID_ARGUMENT (exit 64) naming the option and the nearest known.
 */
CREW_MUST_CHECK int options_parse(int argc,
                                  char **argv,
                                  bool with_job,
                                  CREW_OUT struct options *,
                                  struct crew_err *);
void options_release(struct options *);
/* The list of options for --help. */
void options_print(FILE *, bool with_job);

/* What --quiet and --log-level ask for. Errors: INVALID_ARGUMENT (64). */
CREW_MUST_CHECK int options_set_log_level(const struct options *,
                                          struct crew_err *);

#endif
