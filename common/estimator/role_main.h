/* SPDX-License-Identifier: Apache-2.0
 * The main() of every program that loads a model. */
#ifndef ESTIMATOR_ROLE_MAIN_H
#define ESTIMATOR_ROLE_MAIN_H

#include "crew.h"
#include "config/cluster.h"

/* Read the options, TF_CONFIG and the job, build all graphs dry, then do what
 * the role does. role: ROLE_CHIEF, ROLE_WORKER, ROLE_EVALUATOR of a daemon,
 * which refuses a TF_CONFIG of another role (78), or ROLE_LOCAL: the role that
 * TF_CONFIG names, all of it without one (`crew run`; a ps becomes the program
 * crew-ps beside this one). Returns the exit code. */
CREW_API int crew_role_main(int role, int argc, char **argv);

/* Estimator.export_saved_model: export a checkpoint of a job to a new folder
 * below `dir` and print its path. argv: the options of `crew run` (TF_CONFIG is
 * not looked at). checkpoint_path NULL: the newest of --model-dir. exporter:
 * the name of the EvalSpec's exporter whose options count; NULL: the first
 * one's. mode: "predict", "eval" or, refused, "train". Returns the exit code;
 * 66 without a checkpoint. */
int role_export(int argc,
                char **argv,
                const char *dir,
                CREW_NULLABLE const char *checkpoint_path,
                CREW_NULLABLE const char *exporter,
                const char *mode);

/* Estimator.evaluate or Estimator.predict with the job's EvalSpec, on a
 * checkpoint of --model-dir; what comes of it goes to stdout. argv: the options
 * of `crew run` (TF_CONFIG is not looked at). Returns the exit code; 66 without
 * a checkpoint. */
struct role_call {
    const char *program; /* "crew evaluate" */
    bool predict;
    bool json;
    CREW_NULLABLE const char *checkpoint_path; /* NULL: the newest */
    CREW_NULLABLE const char *predict_keys;    /* "a,b"; NULL: all */
};
int role_call(int argc, char **argv, const struct role_call *);

/* --version: the release, the libraries and the kernels. */
void role_print_version(const char *program);

#endif
