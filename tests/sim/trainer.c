/* SPDX-License-Identifier: Apache-2.0
 *
 * Trainers as scripts: what the training loop of a chief or a worker asks of
 * its session, in the same order, with random pauses for computing. A life is
 * one process; a killed one is closed without another word reaching the
 * network. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "cluster/placement.h"
#include "sim.h"

enum state {
    AT_START,
    AT_STEP,    /* compute, a gradient at a time */
    AT_WAITING, /* for an operation */
    AT_END
};

static uint64_t pause_ms(struct sim *sim, uint64_t most)
{
    return rng_below(world_rng(sim->world), most + 1);
}

static void wake(struct life *l, uint64_t ms)
{
    l->net->timer_set(l->net, &l->timer, ms);
}

static void on_done(void *self, enum session_op op, const struct crew_err *err)
{
    struct life *l = self;
    if (l->dead) {
        return;
    }
    l->have_done = true;
    l->done = op;
    l->err = *err;
    if (op == SESSION_FINISH && err->code == CREW_OK &&
        replicas_sync(&l->sim->replicas)) {
        oracle_finished(l);
    } else if (op == SESSION_FINISH && err->code == CREW_OK) {
        ledger_step(&l->sim->ledger, l->task->role, l->task->index,
                    session_incarnation(l->session),
                    session_step_seq(l->session))
            ->acked = true;
        bound_finished(l);
    }
    wake(l, pause_ms(l->sim, 2));
}

static void on_notice(void *self, enum env_level level, const char *line)
{
    struct life *l = self;
    (void)level;
    if (l->sim->verbose) {
        printf("%8" PRIu64 " %s: %s\n", world_now(l->sim->world), l->task->who,
               line);
    }
}

static void on_wait(void *self, const char *line)
{
    on_notice(self, LOG_INFO, line);
}

/* ------------------------------------------------------------------- lives */

static void on_closed(void *self)
{
    struct life *l = self;
    l->net->timer_clear(l->net, &l->timer);
    l->task->lives_open--;
    for (int i = 0; i < l->sim->model.num_vars; i++) {
        free(l->vars[i].value);
        free(l->grads[i]);
        free(l->packed[i]);
    }
    free(l);
}

static void end_life(struct life *l)
{
    l->dead = true;
    l->task->life = NULL;
    l->net->timer_clear(l->net, &l->timer);
    session_close(l->session, on_closed, l);
}

static void start_step(struct life *l)
{
    if (replicas_sync(&l->sim->replicas)) {
        oracle_compute(l);
    }
    if (l->sim->replicas.bounded) {
        bound_begin(l);
    }
    l->next_var = l->sim->model.num_vars;
    l->state = AT_STEP;
    wake(l, pause_ms(l->sim, 20));
}

/* The rows of a table's gradient. */
static void rows_ready(struct life *l, int v)
{
    const struct sim_model *m = &l->sim->model;
    int64_t width = m->n[v] / m->shape[v].dim[0];
    struct optim_rows g = {
        .width = width, .rows = l->rows[v], .values = l->packed[v]};
    for (int64_t r = 0; r < m->shape[v].dim[0]; r++) {
        if (sim_has_row(m, v, session_step_seq(l->session), r)) {
            l->rows[v][g.n] = (uint32_t)r;
            memcpy(l->packed[v] + g.n++ * width, l->grads[v] + r * width,
                   (size_t)width * 4);
        }
    }
    session_rows_ready(l->session, v, &g);
}

/* Backward: the last variable's gradient first. */
static void compute(struct life *l)
{
    if (l->next_var > 0) {
        int v = --l->next_var;
        if (l->vars[v].rows) {
            rows_ready(l, v);
        } else {
            session_grad_ready(l->session, v, l->grads[v]);
        }
        wake(l, pause_ms(l->sim, 3));
        return;
    }
    l->state = AT_WAITING;
    session_finish(l->session);
}

static bool save_due(const struct life *l)
{
    return l->task->role == ROLE_CHIEF &&
           session_global_step(l->session) - l->saved_step >=
               l->sim->save_steps;
}

static void save(struct life *l, int64_t step)
{
    struct crew_err err = {0};
    if (replicas_sync(&l->sim->replicas)) {
        oracle_check(l->sim, l->vars, step, "a save");
    } else {
        ledger_check(l->sim, l->vars, step, "a save");
    }
    if (sim_save(l->sim, l->vars, step, (uint64_t)l->options.pid, &err) !=
        CREW_OK) {
        sim_fail(l->sim, "save at step %" PRId64 ": %s", step, err.msg);
    }
    l->saved_step = step;
}

static void finish_task(struct life *l)
{
    l->task->finished = true;
    end_life(l);
}

/* Training is over for this process. */
static void over(struct life *l)
{
    if (l->task->role != ROLE_CHIEF) {
        const struct trainer_end *end = session_end(l->session);
        if (end->exit_code != 0) {
            sim_fail(l->sim, "%s was told to end with %d: %s", l->task->who,
                     end->exit_code, end->reason);
        }
        finish_task(l);
        return;
    }
    l->final = true;
    session_hold(l->session);
}

static void after_read(struct life *l)
{
    int64_t step = session_global_step(l->session);
    if (l->err.code == CREW_OK) {
        save(l, step);
    }
    if (!l->final) {
        session_release(l->session);
        return;
    }
    if (l->err.code != CREW_OK) {
        session_hold(l->session); /* the last save must not be skipped */
        return;
    }
    if (step != l->sim->max_steps) {
        sim_fail(l->sim, "it ends at step %" PRId64 ", max_steps is %" PRId64,
                 step, l->sim->max_steps);
    }
    l->sim->stopped = true;
    session_stop(l->session, 0, step, "max_steps reached");
}

static void unexpected(struct life *l)
{
    sim_fail(l->sim, "%s: operation %d ended with %s: %s", l->task->who,
             (int)l->done, crew_code_name(l->err.code), l->err.msg);
    finish_task(l);
}

/* Errors that a training loop lives with: a save that is skipped. */
static bool tolerable(const struct life *l)
{
    int code = l->err.code;
    return code == CREW_OK ||
           (l->done == SESSION_HOLD && code == CREW_DEADLINE_EXCEEDED) ||
           (l->done == SESSION_READ && code == CREW_ABORTED);
}

static void after_step(struct life *l)
{
    if (l->steps_left > 0 && --l->steps_left == 0) {
        session_leave(l->session);
    } else if (save_due(l)) {
        l->counted = false; /* it gives its ticket back */
        session_hold(l->session);
    } else {
        session_next(l->session);
    }
}

/* There is no state that it could go on with. */
static void initialise(struct life *l)
{
    struct sim *sim = l->sim;
    struct crew_err err = {0};
    uint64_t epoch = l->options.pid;
    int64_t step = sim_restore(sim, l->vars);
    l->saved_step = step < 0 ? 0 : step;
    if (replicas_sync(&sim->replicas)) {
        oracle_restart(sim, l->vars, l->saved_step);
    } else {
        ledger_restart(sim, l->vars, l->saved_step);
    }
    if (step < 0 && sim_save(sim, l->vars, 0, epoch, &err) != CREW_OK) {
        sim_fail(sim, "save at step 0: %s", err.msg);
    }
    struct optim_powers powers = optim_powers_initial(&sim->optimizer);
    session_initialise(l->session, epoch, l->saved_step, &powers);
}

static void after_adopt(struct life *l)
{
    if (session_adopted(l->session)) {
        l->sim->adopted++;
        session_hold(l->session); /* its first save */
    } else {
        initialise(l);
    }
}

static void react(struct life *l)
{
    if (l->sim->verbose && getenv("SIM_OPS") != NULL) {
        printf("%8" PRIu64 " %s: op %d: %d %s\n", world_now(l->sim->world),
               l->task->who, (int)l->done, l->err.code, l->err.msg);
    }
    if (l->err.code == CREW_OUT_OF_RANGE &&
        (l->done == SESSION_NEXT || l->done == SESSION_BEGIN)) {
        over(l);
        return;
    }
    if (!tolerable(l)) {
        unexpected(l);
        return;
    }
    switch (l->done) {
        case SESSION_ADOPT:
            after_adopt(l);
            break;
        case SESSION_INITIALISE:
            session_begin(l->session);
            break;
        case SESSION_NEXT:
            start_step(l);
            break;
        case SESSION_BEGIN:
        case SESSION_SAVED:
            session_next(l->session);
            break;
        case SESSION_LEAVE:
            l->sim->left++;
            finish_task(l);
            break;
        case SESSION_FINISH:
            after_step(l);
            break;
        case SESSION_HOLD:
            if (l->err.code == CREW_OK) {
                session_read(l->session);
            } else if (l->final) {
                session_hold(l->session);
            } else {
                session_next(l->session);
            }
            break;
        case SESSION_READ:
            after_read(l);
            break;
        case SESSION_RELEASE:
            session_saved(l->session, l->saved_step);
            break;
        case SESSION_STOP:
            finish_task(l);
            break;
        default:
            unexpected(l);
            break;
    }
}

static void begin(struct life *l)
{
    struct sim *sim = l->sim;
    struct crew_err err = {0};
    l->state = AT_WAITING;
    if (l->task->role != ROLE_CHIEF) {
        session_begin(l->session);
        return;
    }
    uint64_t epoch = 0;
    if (crewdir_make(sim->env, "/model", &err) != CREW_OK ||
        crewdir_claim_epoch(sim->env, "/model", "sim", &epoch, &err) !=
            CREW_OK) {
        sim_fail(sim, "%s", err.msg);
    }
    l->options.pid = (uint32_t)epoch;
    session_adopt(l->session, epoch,
                  pause_ms(sim, 4) == 0 ? "/other" : "/model");
}

static void on_timer(struct rpc_timer *timer)
{
    struct life *l = timer->self;
    if (l->have_done) {
        l->have_done = false;
        react(l);
    } else if (l->state == AT_START) {
        begin(l);
    } else if (l->state == AT_STEP) {
        compute(l);
    }
}

static void make_vars(struct life *l)
{
    const struct sim_model *m = &l->sim->model;
    for (int v = 0; v < m->num_vars; v++) {
        size_t n = (size_t)m->n[v];
        l->vars[v] = (struct trainer_var){.name = m->name[v],
                                          .shape = m->shape[v],
                                          .n = m->n[v],
                                          .rows = m->table[v],
                                          .value = xcalloc(n + 1, 4)};
        l->grads[v] = xcalloc(n + 1, 4);
        l->packed[v] = xcalloc(n + 1, 4);
        for (size_t i = 0; i < n; i++) {
            l->grads[v][i] = sim_gradient(v, (int64_t)i);
        }
    }
}

static const char *const addresses[SIM_NUM_PS] = {"ps0:2222", "ps1:2222"};

void task_start(struct trainer_task *t)
{
    struct sim *sim = t->sim;
    struct crew_err err = {0};
    struct life *l = xcalloc(1, sizeof(*l));
    l->sim = sim;
    l->task = t;
    l->net = mem_net_new(sim->world, t->who);
    make_vars(l);
    l->options = (struct session_options){
        .net = l->net,
        .env = sim->env,
        .role = t->role,
        .index = t->index,
        .num_ps = SIM_NUM_PS,
        .ps = addresses,
        .cluster = "{}",
        .host = t->who,
        .replicas = sim->replicas,
        .optimizers = &sim->optimizer,
        .num_optimizers = 1,
        .vars = l->vars,
        .num_vars = sim->model.num_vars,
        .max_steps = sim->max_steps,
        .save_checkpoints_steps = sim->save_steps,
        .save_checkpoints_secs = -1,
        .session_creation_timeout_secs = 200,
        .on_done = on_done,
        .on_wait = on_wait,
        .on_notice = on_notice,
        .self = l,
        .callbacks_self = l,
    };
    if (session_open(&l->options, &l->session, &err) != CREW_OK) {
        sim_fail(sim, "%s", err.msg);
        abort();
    }
    l->timer = (struct rpc_timer){.on_timer = on_timer, .self = l};
    l->steps_left = t->role == ROLE_CHIEF ? -1 : sim->input_steps;
    t->life = l;
    t->lives_open++;
    wake(l, t->begin_ms != 0 ? t->begin_ms : pause_ms(sim, 300));
}

static void end_by_kill(struct trainer_task *t)
{
    struct life *l = t->life;
    if (t->sim->verbose) {
        printf("%8" PRIu64 " %s: killed\n", world_now(t->sim->world), t->who);
    }
    t->sim->kills++;
    mem_net_kill(l->net);
    end_life(l);
}

void task_kill_for_good(struct trainer_task *t)
{
    end_by_kill(t);
    t->finished = true;
}

void task_kill(struct trainer_task *t)
{
    struct life *l = t->life;
    if (l == NULL || l->final || t->sim->stopped) {
        return;
    }
    end_by_kill(t);
    /* Sometimes before its lease is over, sometimes after. */
    l->net->timer_set(
        l->net, &t->restart,
        100 + pause_ms(t->sim, pause_ms(t->sim, 1) ? 2000 : 15000));
}

void task_give_up(struct trainer_task *t)
{
    if (t->life != NULL) {
        finish_task(t->life);
    }
}
