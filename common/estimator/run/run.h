/* SPDX-License-Identifier: Apache-2.0
 *
 * What every role of one process works with: the job and what it is configured
 * to, where it runs, and how a program ends. Filled by roles/prepare.c, read by
 * all else. Threads: the main thread. */
#ifndef ESTIMATOR_RUN_H
#define ESTIMATOR_RUN_H

#include "base/env.h"
#include "config/params.h"
#include "config/run_config.h"
#include "config/tf_config.h"
#include "estimator/model/model.h"
#include "estimator/run/options.h"

struct run {
    struct crew_env *env;
    struct options opt;
    const struct crew_job *job;
    struct crew_params *params;
    struct tf_config *tf; /* NULL: all in this process */
    struct crew_run_config rc;
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    char *model_dir;
    char who[64]; /* "chief/0"; "local" in one process */
    uint64_t seed;
    uint64_t input_seed; /* of training's input when it goes on; 0: from seed */
    int64_t num_trainers; /* chief and workers */
    int64_t trainer_index;
    /* What came of it, for the closing lines. */
    char
        evaluation[512]; /* "accuracy = 0.98, global_step = 500, loss = 0.05" */
    char **exports;      /* folders of the newest evaluation's exports, owned */
    int num_exports;
    CREW_NULLABLE struct crew_results *results; /* of that evaluation, owned */
    int64_t result_step; /* where training has ended; -1: it has not */
    /* How a role has failed, or was stopped (CANCELLED). A program's host logs
     * that; an Estimator returns it. */
    struct crew_err failure;
    bool is_library;
    CREW_NULLABLE void *input_self; /* for the input functions */
};
void run_forget_exports(struct run *);
void run_release(struct run *);

/* What the input's shuffles are made of, for this trainer. */
uint64_t run_input_seed(const struct run *, enum crew_mode);

/* The job's input for a mode: made, checked, batched, seeded for this trainer.
 * No file is opened. Owner: caller, dataset_free(). */
CREW_MUST_CHECK int run_open_input(struct run *,
                                   enum crew_mode,
                                   CREW_OUT struct crew_dataset **,
                                   struct crew_err *);

/* model_build on the mode's input, with TensorFlow's two log lines around it.
 */
CREW_MUST_CHECK int run_build_model(struct run *,
                                    enum crew_mode,
                                    const struct dataset_spec *element,
                                    CREW_OUT struct model **,
                                    struct crew_err *);

/* Values for a model that does not train, with "Restoring parameters from"
 * before it: the checkpoint's, or without one (NULL) those it begins with.
 * Errors: as weights_restore(). Owner: caller, weights_release(). */
struct weights;
CREW_MUST_CHECK int run_load_weights(struct run *,
                                     const struct model *,
                                     CREW_NULLABLE const char *prefix,
                                     CREW_OUT struct weights *,
                                     CREW_OUT int64_t *global_step,
                                     struct crew_err *);

/* DONE says that the job has ended at max_steps or beyond: say so, and true.
 * A DONE of fewer steps than are asked for now is removed when a chief starts.
 */
bool run_is_finished(struct run *, CREW_OUT int64_t *step);

/* The note, in .crew/, that the last checkpoint has been evaluated and
 * exported, so that who comes after the end does not do it again. */
void run_note_final_export(struct run *, int64_t step);
bool run_has_final_export(struct run *, int64_t step);

/* The newest checkpoint is of max_steps or beyond (without a DONE): says so. */
bool run_is_trained(struct run *, CREW_OUT int64_t *step);

/* <model_dir>/model.ckpt-<step>. Owner: caller. */
char *run_checkpoint_path(const struct run *, int64_t step);

/* Where the files are and what to do with them. */
void run_print_result(const struct run *, int64_t step);

/* Can model_dir be made and written? Errors: PERMISSION_DENIED and others (exit
 * 73). */
CREW_MUST_CHECK int run_check_model_dir(struct run *, struct crew_err *);

/* trainer_options' callbacks; self is the run. */
void run_log_wait(void *run, const char *line);
void run_log_notice(void *run, enum env_level, const char *line);

/* This error ends the run: logged, or kept for who asked. Its exit code. */
int run_fail(struct run *, const struct crew_err *);
/* The same of a stop that is no failure. */
int run_stopped(struct run *, int exit_code, const char *text);

#endif
