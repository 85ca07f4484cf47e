/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer of a run in one process: variables live in the graph's own memory
 * and the update rule runs here, on the training thread. Nothing waits, so
 * nothing can be interrupted. A step whose gradients are not all finite is
 * applied to no variable. */
#include "cluster/trainer_local.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/finite.h"

#include "base/banned.h"

#define LOCAL_MAGIC 0x4c4f434cu

struct local {
    struct trainer base;
    uint32_t magic;
    const struct trainer_options *o;
    const float **grads;          /* of this step, NULL until ready */
    struct optim_rows *rows;      /* the same of tables, by variable */
    struct replicas_rows *tables; /* sums of tables; NULL when needed is 1 */
    struct optim_powers powers[OPTIM_MAX_GROUPS];
    struct optim_step now[OPTIM_MAX_GROUPS];
    int64_t global_step;
    int64_t needed;  /* gradients an update is the mean of */
    int64_t batches; /* in `sums` */
    float **sums;    /* by variable; NULL when needed is 1 */
    bool over;       /* left or stopped */
    struct trainer_end end;
};

static struct local *local_of(struct trainer *t)
{
    struct local *l = CONTAINER_OF(t, struct local, base);
    PRE(l->magic == LOCAL_MAGIC);
    return l;
}

static int adopt(struct trainer *t,
                 uint64_t epoch,
                 const char *job_dir,
                 bool *adopted,
                 struct crew_err *err)
{
    (void)t;
    (void)epoch;
    (void)job_dir;
    (void)err;
    *adopted = false;
    return CREW_OK;
}

static int initialise(struct trainer *t,
                      uint64_t epoch,
                      int64_t global_step,
                      const struct optim_powers *powers,
                      struct crew_err *err)
{
    (void)epoch;
    (void)err;
    struct local *l = local_of(t);
    l->global_step = global_step;
    for (int i = 0; i < l->o->num_optimizers; i++) {
        l->powers[i] = powers[i];
    }
    return CREW_OK;
}

static int begin(struct trainer *t, int64_t *global_step, struct crew_err *err)
{
    (void)err;
    *global_step = local_of(t)->global_step;
    return CREW_OK;
}

static bool reached(const struct local *l)
{
    return l->o->max_steps >= 0 && l->global_step >= l->o->max_steps;
}

/* What this step does to each optimizer's variables. */
static int look_up_rates(struct local *l, struct crew_err *err)
{
    int rc = CREW_OK;
    for (int i = 0; rc == CREW_OK && i < l->o->num_optimizers; i++) {
        const struct crew_optimizer *o = &l->o->optimizers[i];
        l->now[i] = optim_step_at(o, &l->powers[i], l->global_step);
        rc = optim_check_rate(o, l->now[i].learning_rate, l->global_step, err);
    }
    return rc;
}

static int next_step(struct trainer *t, struct crew_err *err)
{
    struct local *l = local_of(t);
    for (int i = 0; i < l->o->num_vars; i++) {
        l->grads[i] = NULL;
    }
    if (!l->over && !reached(l)) {
        return look_up_rates(l, err); /* the same until an update is made */
    }
    l->end.step = l->global_step;
    return crew_err_set(err, CREW_OUT_OF_RANGE, "training is over at step %lld",
                        (long long)l->global_step);
}

static void grad_ready(struct trainer *t, int i, const float *grad)
{
    struct local *l = local_of(t);
    PRE(i >= 0 && i < l->o->num_vars);
    l->grads[i] = grad;
}

static void rows_ready(struct trainer *t, int i, const struct optim_rows *grad)
{
    struct local *l = local_of(t);
    PRE(i >= 0 && i < l->o->num_vars && l->o->vars[i].rows);
    l->rows[i] = *grad;
    l->grads[i] = grad->values;
}

static int check_gradients(const struct local *l, struct crew_err *err)
{
    for (int i = 0; i < l->o->num_vars; i++) {
        const struct trainer_var *v = &l->o->vars[i];
        PRE(v->rows || l->grads[i] != NULL);
        int rc = v->rows ? finite_check_rows(v, &l->rows[i], err)
                         : finite_check(v, l->grads[i], err);
        if (rc != CREW_OK) {
            return rc;
        }
    }
    return CREW_OK;
}

/* Add the gradient to those of this update; their mean when it is the last. */
static const float *gather(struct local *l, int i)
{
    int64_t n = l->o->vars[i].n;
    replicas_add(n, l->sums[i], l->grads[i], l->batches == 1);
    if (l->batches == l->needed) {
        replicas_divide(n, l->sums[i], l->needed);
    }
    return l->sums[i];
}

static struct optim_rows gather_rows(struct local *l, int i)
{
    struct replicas_rows *sum = &l->tables[i];
    if (l->batches == 1) {
        replicas_rows_clear(sum);
    }
    replicas_rows_add(sum, &l->rows[i]);
    return l->batches == l->needed ? replicas_rows_mean(sum) : l->rows[i];
}

static void take(struct local *l, int i)
{
    const struct trainer_var *v = &l->o->vars[i];
    const struct crew_optimizer *o = &l->o->optimizers[v->optimizer];
    const struct optim_step *now = &l->now[v->optimizer];
    if (v->rows) {
        struct optim_rows rows = l->needed > 1 ? gather_rows(l, i) : l->rows[i];
        if (l->batches == l->needed) {
            optim_apply_rows(o, now, v->shape.dim[0], v->value, v->slot, &rows);
        }
        return;
    }
    const float *grad = l->needed > 1 ? gather(l, i) : l->grads[i];
    if (l->batches == l->needed) {
        struct optim_step step = *now;
        step.learning_rate =
            optim_rate_of_mean(o, now->learning_rate, l->needed);
        optim_apply(o, &step, v->n, v->value, v->slot, grad);
    }
}

static int finish_step(struct trainer *t,
                       int64_t *global_step,
                       struct crew_err *err)
{
    struct local *l = local_of(t);
    int rc = check_gradients(l, err);
    if (rc != CREW_OK) {
        return rc;
    }
    l->batches++;
    for (int i = 0; i < l->o->num_vars; i++) {
        take(l, i);
    }
    *global_step = l->global_step;
    if (l->batches < l->needed) {
        return CREW_OK;
    }
    l->batches = 0;
    for (int i = 0; i < l->o->num_optimizers; i++) {
        optim_powers_advance(&l->o->optimizers[i], &l->powers[i]);
    }
    *global_step = ++l->global_step;
    return CREW_OK;
}

static int leave(struct trainer *t, struct crew_err *err)
{
    (void)err;
    local_of(t)->over = true;
    return CREW_OK;
}

static int hold(struct trainer *t, int64_t *global_step, struct crew_err *err)
{
    (void)err;
    *global_step = local_of(t)->global_step;
    return CREW_OK;
}

static int read_state(struct trainer *t,
                      struct optim_powers *powers,
                      struct crew_err *err)
{
    (void)err;
    const struct local *l = local_of(t);
    for (int i = 0; i < l->o->num_optimizers; i++) {
        powers[i] = l->powers[i];
    }
    return CREW_OK;
}

static int release(struct trainer *t, struct crew_err *err)
{
    (void)t;
    (void)err;
    return CREW_OK;
}

static int saved(struct trainer *t, int64_t step, struct crew_err *err)
{
    (void)t;
    (void)step;
    (void)err;
    return CREW_OK;
}

static int stop(struct trainer *t,
                int exit_code,
                int64_t step,
                const char *reason,
                bool *evaluator,
                struct crew_err *err)
{
    (void)err;
    struct local *l = local_of(t);
    l->over = true;
    l->end.exit_code = exit_code;
    l->end.step = step;
    (void)snprintf(l->end.reason, sizeof(l->end.reason), "%s", reason);
    *evaluator = false;
    return CREW_OK;
}

static int await_evaluator(struct trainer *t, double secs, struct crew_err *err)
{
    (void)t;
    (void)secs;
    (void)err;
    return CREW_OK;
}

static void last_evaluation(struct trainer *t,
                            char *line,
                            size_t size,
                            int64_t *step)
{
    (void)t;
    (void)snprintf(line, size, "%s", "");
    *step = 0;
}

static int64_t heard_step(struct trainer *t)
{
    return local_of(t)->global_step;
}

static const struct trainer_end *end(const struct trainer *t)
{
    return &CONTAINER_OF(t, struct local, base)->end;
}

static void local_close(struct trainer *t)
{
    struct local *l = local_of(t);
    l->magic = 0;
    for (int i = 0; l->sums != NULL && i < l->o->num_vars; i++) {
        free(l->sums[i]);
    }
    for (int i = 0; l->tables != NULL && i < l->o->num_vars; i++) {
        free(l->tables[i].rows);
        free(l->tables[i].count);
    }
    free(l->sums);
    free(l->tables);
    free(l->rows);
    free(l->grads);
    free(l);
}

static const struct trainer_ops local_ops = {
    .adopt = adopt,
    .initialise = initialise,
    .begin = begin,
    .next_step = next_step,
    .grad_ready = grad_ready,
    .rows_ready = rows_ready,
    .finish_step = finish_step,
    .leave = leave,
    .hold = hold,
    .read_state = read_state,
    .release = release,
    .saved = saved,
    .stop = stop,
    .await_evaluator = await_evaluator,
    .last_evaluation = last_evaluation,
    .heard_step = heard_step,
    .end = end,
    .close = local_close,
};

bool trainer_is_local(const struct trainer *t)
{
    return t->ops == &local_ops;
}

static int make_table(struct local *l, int i, struct crew_err *err)
{
    const struct trainer_var *v = &l->o->vars[i];
    struct replicas_rows *t = &l->tables[i];
    void *rows = NULL, *count = NULL;
    size_t n = (size_t)v->shape.dim[0];
    int rc = mem_try(n, sizeof(uint32_t), v->name, &rows, err);
    rc = rc ? rc : mem_try(n, sizeof(uint32_t), v->name, &count, err);
    *t = (struct replicas_rows){.width = v->n / v->shape.dim[0],
                                .sum = l->sums[i],
                                .rows = rows,
                                .count = count};
    return rc;
}

/* One process that is to average several gradients does several batches. */
static int make_sums(struct local *l, struct crew_err *err)
{
    const struct replicas *r = &l->o->replicas;
    l->needed = replicas_sync(r) ? replicas_needed(r, 1) : 1;
    if (l->needed == 1) {
        return CREW_OK;
    }
    int rc = CREW_OK;
    l->sums = xcalloc((size_t)l->o->num_vars + 1, sizeof(l->sums[0]));
    l->tables = xcalloc((size_t)l->o->num_vars + 1, sizeof(l->tables[0]));
    for (int i = 0; rc == CREW_OK && i < l->o->num_vars; i++) {
        void *p = NULL;
        rc = mem_try((size_t)l->o->vars[i].n + 1, sizeof(float),
                     l->o->vars[i].name, &p, err);
        l->sums[i] = rc == CREW_OK ? p : NULL;
        if (rc == CREW_OK && l->o->vars[i].rows) {
            rc = make_table(l, i, err);
        }
    }
    return rc;
}

int trainer_local_open(const struct trainer_options *o,
                       struct trainer **out,
                       struct crew_err *err)
{
    struct local *l = xcalloc(1, sizeof(*l));
    l->base.ops = &local_ops;
    l->magic = LOCAL_MAGIC;
    l->o = o;
    l->grads = xcalloc((size_t)o->num_vars + 1, sizeof(l->grads[0]));
    l->rows = xcalloc((size_t)o->num_vars + 1, sizeof(l->rows[0]));
    for (int i = 0; i < o->num_optimizers; i++) {
        l->powers[i] = optim_powers_initial(&o->optimizers[i]);
    }
    int rc = make_sums(l, err);
    if (rc != CREW_OK) {
        local_close(&l->base);
        return rc;
    }
    *out = &l->base;
    return CREW_OK;
}
