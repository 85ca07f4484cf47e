/* SPDX-License-Identifier: Apache-2.0
 *
 * The input of a training session, which may go on where an earlier one has
 * stopped. The chief writes its position with each checkpoint, before it; a
 * worker by a timer of the same steps or seconds, so that the position nearest
 * to the checkpoint counts. */
#include <inttypes.h>
#include <stdlib.h>

#include "estimator/weights/scaffold.h"
#include "estimator/training/train.h"
#include "base/banned.h"

/* Batches read ahead by the input thread. */
#define READ_AHEAD 2

static const struct crew_hook_ops marker = {0};

struct crew_hook crew_checkpoint_input_hook(void)
{
    return (struct crew_hook){.ops = &marker};
}

static bool is_wanted(const struct crew_train_spec *ts)
{
    bool wanted = ts->checkpoint_input > 0;

    for (int i = 0; i < ts->num_hooks; i++) {
        wanted = wanted || ts->hooks[i].ops == &marker;
    }
    return wanted;
}

/* The position that belongs to the newest checkpoint, into t->position. */
static int find_position(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;
    struct input_position p = {0};
    char *prefix = NULL;
    int64_t step = 0;
    bool found = false;

    if (ckpt_latest(run->env, run->model_dir, &prefix, &step, err) != CREW_OK ||
        prefix == NULL) {
        return err->code;
    }
    free(prefix);
    if (input_position_read(run->env, run->model_dir, run->who, step,
                            t->is_chief, &found, &p, err) != CREW_OK) {
        return err->code;
    }
    if (!found) {
        env_log(run->env, LOG_WARN,
                "No position of the input was saved with step %" PRId64
                ": it begins anew.",
                step);
    } else if (p.num_trainers != run->num_trainers ||
               p.trainer_index != run->trainer_index) {
        env_log(run->env, LOG_WARN,
                "The position of the input is of trainer %" PRId64
                " of %" PRId64 ", this is %" PRId64 " of %" PRId64
                ": it begins anew.",
                p.trainer_index, p.num_trainers, run->trainer_index,
                run->num_trainers);
    } else {
        t->position = p;
        env_log(run->env, LOG_INFO,
                "The input goes on after %" PRId64 " batches.", p.batches);
    }
    return CREW_OK;
}

int training_open_input(struct training *t,
                        struct dataset_spec *element,
                        struct crew_err *err)
{
    struct run *run = t->run;
    struct crew_dataset *dataset = NULL;

    t->keeps_position = is_wanted(&run->ts);
    if (t->keeps_position && find_position(t, err) != CREW_OK) {
        return err->code;
    }
    if (t->position.seed != 0) {
        run->input_seed = t->position.seed;
    }
    t->position.seed = run_input_seed(run, CREW_TRAIN);
    if (run_open_input(run, CREW_TRAIN, &dataset, err) != CREW_OK) {
        return err->code;
    }
    *element = dataset->spec;
    if (dataset_reader_open(dataset, READ_AHEAD, &t->input, err) != CREW_OK) {
        return err->code;
    }
    dataset_reader_seek(t->input, t->position.batches);
    return dataset_reader_start(t->input, err);
}

int training_write_position(struct training *t,
                            int64_t step,
                            struct crew_err *err)
{
    struct run *run = t->run;
    struct input_position p = {
        .step = step,
        .batches = t->position.batches + t->local_steps,
        .seed = t->position.seed,
        .num_trainers = run->num_trainers,
        .trainer_index = run->trainer_index,
    };
    /* More than there are checkpoints: a save may fail after this. */
    double hours;
    int64_t keep = scaffold_keep(&t->model->spec->scaffold, &run->rc, &hours);

    if (!t->keeps_position) {
        return CREW_OK;
    }
    return input_position_write(run->env, run->model_dir, run->who, &p,
                                keep > 0 ? keep + 2 : 0, err);
}

/* -------------------------------------------------------------- the worker */

/* A worker that cannot write goes on: it would only read some batches again. */
static int write_or_warn(struct training *t, int64_t step)
{
    struct crew_err failed = {0};

    if (training_write_position(t, step, &failed) != CREW_OK) {
        env_log(t->run->env, LOG_WARN, "%s", failed.msg);
    }
    return CREW_OK;
}

static int position_created(void *self, int64_t step, struct crew_err *err)
{
    struct training *t = self;

    (void)err;
    hook_timer_init(&t->position_timer, t->run->rc.save_checkpoints_secs,
                    t->run->rc.save_checkpoints_steps);
    (void)hook_timer_update(&t->position_timer, step,
                            t->run->env->now_ns(t->run->env), NULL, NULL);
    return write_or_warn(t, step);
}

static int position_after_run(void *self,
                              struct crew_run_context *ctx,
                              struct crew_err *err)
{
    struct training *t = self;
    uint64_t now = t->run->env->now_ns(t->run->env);

    (void)err;
    if (!hook_timer_due(&t->position_timer, ctx->global_step, now)) {
        return CREW_OK;
    }
    (void)hook_timer_update(&t->position_timer, ctx->global_step, now, NULL,
                            NULL);
    return write_or_warn(t, ctx->global_step);
}

static int position_end(void *self, int64_t step, struct crew_err *err)
{
    (void)err;
    return write_or_warn(self, step);
}

static const struct crew_hook_ops position_ops = {
    .after_create_session = position_created,
    .after_run = position_after_run,
    .end = position_end,
};

void training_add_position_hook(struct training *t)
{
    hook_list_add(&t->session.hooks, &position_ops, t);
}
