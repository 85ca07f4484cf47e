/* SPDX-License-Identifier: Apache-2.0
 * What a process of each role does. Threads: the main thread. */
#ifndef ESTIMATOR_ROLES_H
#define ESTIMATOR_ROLES_H

#include "estimator/run/run.h"

/* Become the program crew-ps beside this one, with the same arguments. Returns
 * only when there is none. */
CREW_MUST_CHECK int run_become_ps(int argc,
                                  char *const *argv,
                                  struct crew_err *);

/* The role that TF_CONFIG names, but a ps; all of it in this process without
 * one. Each returns the exit code, and has logged why or left it in
 * run->failure. */
int run_train_and_evaluate(struct run *);
int run_in_one_process(struct run *);
int run_chief(struct run *);
int run_worker(struct run *);
int run_evaluator(struct run *);

#endif
