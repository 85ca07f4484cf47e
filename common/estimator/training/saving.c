/* SPDX-License-Identifier: Apache-2.0
 *
 * What saving means to a training process: bring the cluster to a step
 * boundary, fetch the state, let the cluster go on, and only then write the
 * files. Before training has begun the state is this process's own memory
 * already. */
#include <stdlib.h>

#include "base/mem.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

static int saver_hold(void *self, int64_t *step, struct crew_err *err)
{
    struct training *t = self;

    if (!t->began) {
        *step = t->step;
        return CREW_OK;
    }
    if (t->trainer->ops->hold(t->trainer, step, err) == CREW_OK) {
        t->step = *step;
    }
    return err->code;
}

static int saver_release(void *self, struct crew_err *err)
{
    struct training *t = self;

    return t->began ? t->trainer->ops->release(t->trainer, err) : CREW_OK;
}

static int write_files(struct training *t, int64_t step, struct crew_err *err)
{
    struct weights_table table;
    struct ckpt_tensor *tensors;

    weights_table_init(&table, &t->weights, &step);
    tensors = xcalloc((size_t)table.n, sizeof *tensors);
    for (int i = 0; i < table.n; i++) {
        tensors[i] = (struct ckpt_tensor){.name = table.entries[i].name,
                                          .dtype = table.entries[i].dtype,
                                          .shape = *table.entries[i].shape,
                                          .data = table.entries[i].data};
    }
    (void)ckpt_save(t->history, step, t->epoch, tensors, table.n, err);
    free(tensors);
    weights_table_release(&table);
    return err->code;
}

static int saver_write(void *self, int64_t step, struct crew_err *err)
{
    struct training *t = self;
    const struct trainer_ops *ops = t->trainer->ops;

    if (t->began) {
        struct crew_err released = {0};

        /* Let go in any case; what failed first is what is told. */
        (void)ops->read_state(t->trainer, t->weights.powers, err);
        if (ops->release(t->trainer, &released) != CREW_OK) {
            (void)crew_err_exit(err, released.code, released.exit_code, "%s",
                                released.msg);
        }
        if (err->code != CREW_OK) {
            /* The cluster is at fault, not the disk: training cannot go on. */
            err->exit_code = crew_err_exit_code(err);
            err->exit_code = err->exit_code == 74 ? 138 : err->exit_code;
            return err->code;
        }
    }
    /* The position first: no checkpoint is ever without one. */
    if (training_write_position(t, step, err) != CREW_OK ||
        write_files(t, step, err) != CREW_OK) {
        return err->code;
    }
    t->saved_step = step;
    return ops->saved(t->trainer, step, err);
}

static int saver_after_save(void *self,
                            int64_t step,
                            bool *request_stop,
                            struct crew_err *err)
{
    struct training *t = self;

    (void)request_stop;
    if (t->listener.after_save == NULL || signals_pending() != 0 ||
        t->stop == STOP_TOLD) {
        return CREW_OK;
    }
    return t->listener.after_save(t->listener.self, step, t->ending, err);
}

static int saver_end(void *self, int64_t step, struct crew_err *err)
{
    struct training *t = self;

    if (t->listener.end == NULL || signals_pending() != 0) {
        return CREW_OK;
    }
    return t->listener.end(t->listener.self, step, err);
}

static void saver_wait(void *self, double secs)
{
    (void)self;
    signals_sleep(secs);
}

static const struct saver_ops ops = {
    .hold = saver_hold,
    .release = saver_release,
    .write = saver_write,
    .after_save = saver_after_save,
    .end = saver_end,
};

const struct saver_options *training_saver(struct training *t)
{
    t->saver = (struct saver_options){
        .env = t->run->env,
        .model_dir = t->run->model_dir,
        .secs = t->run->rc.save_checkpoints_secs,
        .steps = t->run->rc.save_checkpoints_steps,
        .events = t->events,
        .ops = &ops,
        .self = t,
        .listeners = t->run->ts.saving_listeners,
        .num_listeners = t->run->ts.num_saving_listeners,
        .final_retries = 3,
        .wait = saver_wait,
    };
    return &t->saver;
}
