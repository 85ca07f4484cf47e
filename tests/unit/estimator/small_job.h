/* SPDX-License-Identifier: Apache-2.0
 * A small job that is trained and evaluated whole in the test's process, in a
 * folder of its own; `wanted` says what is particular. */
#ifndef UNIT_ESTIMATOR_SMALL_JOB_H
#define UNIT_ESTIMATOR_SMALL_JOB_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "two_columns.h"

#define ROWS 64
#define BATCH 16

static float features[ROWS * 2];
static int64_t labels[ROWS];
static char model_dir[64];
static struct crew_node *probabilities;

/* What the next training is to be. */
static struct {
    int64_t max_steps;
    int64_t save_steps;
    int64_t epochs; /* of training's input, 4 batches each; 0: without end */
    void (*tune)(struct crew_run_config *);
    void (*add)(struct crew_train_spec *, struct crew_eval_spec *);
    void (*add_to_model)(struct crew_graph *,
                         struct crew_spec *,
                         enum crew_mode);
} wanted;

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    struct crew_dataset *d = two_columns(features, labels, ROWS);

    (void)err;
    if (ctx->mode == CREW_TRAIN) {
        d = crew_dataset_repeat(d, wanted.epochs > 0 ? wanted.epochs : -1);
    }
    *out = crew_dataset_batch(d, BATCH, true);
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *logits = two_classes(g, in, y, mode, spec);

    (void)params;
    probabilities = crew_named(g, crew_softmax(g, logits), "softmax_tensor");
    crew_spec_prediction(spec, "p", probabilities);
    crew_spec_minimize(spec, crew_gradient_descent(0.1));
    if (wanted.add_to_model != NULL) {
        wanted.add_to_model(g, spec, mode);
    }
    return crew_graph_status(g, err);
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *ts,
                     struct crew_eval_spec *es,
                     struct crew_err *err)
{
    (void)params, (void)err;
    rc->tf_random_seed = 1;
    rc->save_checkpoints_steps = wanted.save_steps;
    rc->save_checkpoints_secs = -1;
    ts->input_fn = input_fn;
    ts->max_steps = wanted.max_steps;
    es->input_fn = input_fn;
    es->steps = 2;
    es->throttle_secs = 0;
    if (wanted.tune != NULL) {
        wanted.tune(rc);
    }
    if (wanted.add != NULL) {
        wanted.add(ts, es);
    }
    return CREW_OK;
}

static const struct crew_job job = {CREW_ABI_VERSION, "small", model_fn,
                                    configure};

/* The exit code. */
static inline int train(void)
{
    char program[] = "small";
    char quiet[] = "--quiet";
    char flag[] = "--model-dir";
    char *argv[] = {program, quiet, flag, model_dir, NULL};

    return crew_job_main(&job, 4, argv);
}

static inline void small_job_setup(void)
{
    two_columns_fill(features, labels, ROWS);
    (void)snprintf(model_dir, sizeof model_dir, "/tmp/crew-small-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(model_dir));
    wanted.max_steps = 2;
    wanted.save_steps = 100;
}

static inline void small_job_teardown(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), model_dir, &err), CREW_OK);
}

/* Owner: caller. */
static inline char *read_in_model_dir(const char *name)
{
    char *path = path_join(model_dir, name);
    struct crew_err err = {0};
    char *text = NULL;
    size_t n;

    ck_assert_int_eq(fs_read_file(env_posix(), path, 1 << 16, &text, &n, &err),
                     CREW_OK);
    free(path);
    return text;
}

static inline int count_of(const char *text, const char *what)
{
    int n = 0;

    for (; (text = strstr(text, what)) != NULL; text++) {
        n++;
    }
    return n;
}

static inline bool has_checkpoint(int step)
{
    char name[64];
    char *path;
    bool there;

    (void)snprintf(name, sizeof name, "model.ckpt-%d.index", step);
    path = path_join(model_dir, name);
    there = access(path, F_OK) == 0;
    free(path);
    return there;
}

#endif
