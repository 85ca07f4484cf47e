/* SPDX-License-Identifier: Apache-2.0
 *
 * The session's operations and its tick. session_impl.h tells the story.
 *
 * Failure modes:
 * - A ps is unreachable: before training begins it is waited for up to
 *   session_creation_timeout_secs; later 30 s; then everything fails with exit
 * 138.
 * - A ps that comes back as another incarnation has lost its state: exit 138;
 *   before a chief has adopted the state it is made anew instead.
 * - STALE_EPOCH, or fenced because the lease was over: the step under way is
 * worth nothing; the session joins anew within the next operation and goes on.
 * - Fenced because another process has the task, or a mismatch: everything
 * fails with the server's text and exit code.
 * - The job ends: NEXT completes with OUT_OF_RANGE, FINISH well. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define TICK_MS 100u
#define WAIT_LINE_MS 30000u
#define LEAVE_MS 5000u
#define INTERRUPT_FINISH_MS 2000u

void session_notice(struct session *s,
                    enum env_level level,
                    const char *fmt,
                    ...)
{
    char line[600];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (s->o.on_notice != NULL) {
        s->o.on_notice(s->o.callbacks_self, level, line);
    }
}

void session_self(const struct session *s, Crew__Identity *id, uint64_t seq)
{
    crew__identity__init(id);
    id->epoch = s->epoch;
    id->role = (Crew__Role)s->o.role;
    id->index = s->o.index;
    id->incarnation = s->incarnation;
    id->seq = seq;
}

/* -------------------------------------------------------------- operations */

void op_done(struct session *s, const struct crew_err *err)
{
    enum session_op op = s->op;
    if (op == SESSION_NONE) {
        return;
    }
    /* No byte may land in the variables once their owner goes on. */
    if ((op != SESSION_NEXT || s->job == JOB_PULL) && s->job != JOB_NONE) {
        job_set(s, JOB_NONE);
    }
    s->op = SESSION_NONE;
    s->result_step = s->global_step;
    s->o.on_done(s->o.self, op, err);
}

void op_well(struct session *s)
{
    struct crew_err none = {0};
    op_done(s, &none);
}

static void op_over(struct session *s)
{
    struct crew_err err = {0};
    (void)crew_err_set(&err, CREW_OUT_OF_RANGE,
                       "training is over at step %" PRId64, s->end.step);
    op_done(s, &err);
}

static void begin_op(struct session *s, enum session_op op)
{
    PRE(s->op == SESSION_NONE);
    s->op = op;
    s->op_ms = session_now(s);
    s->wait_ms = s->op_ms + WAIT_LINE_MS;
    s->op_phase = 0;
    session_tick(s);
}

void session_fail(struct session *s,
                  int code,
                  int exit_code,
                  const char *fmt,
                  ...)
{
    char text[900];
    va_list args;
    if (s->failed.code != 0) {
        return; /* what came first is the cause */
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)crew_err_exit(&s->failed, code, exit_code, "%s", text);
    s->await_wanted = false;
    atomic_store(&s->heard_step, INT64_MAX); /* nobody need wait for more */
}

static void keep_end(struct session *s, const Crew__End *end)
{
    s->end.exit_code = end->exit_code;
    s->end.step = end->step;
    (void)snprintf(s->end.reason, sizeof(s->end.reason), "%s", end->reason);
}

void session_ended(struct session *s, const Crew__End *end)
{
    if (s->ended || end == NULL) {
        return;
    }
    s->ended = true;
    atomic_store(&s->heard_step, INT64_MAX);
    keep_end(s, end);
    session_tick(s);
}

void session_asked(struct session *s, const Crew__End *end)
{
    if (!s->ended && !s->over) {
        s->over = true;
        keep_end(s, end);
    }
}

bool session_declined(struct session *s,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    if (!session_keeps(s)) {
        return false;
    }
    switch (error->refusal) {
        case CREW__REFUSAL__OTHER_JOB:
            s->other_epoch = error->epoch;
            break;
        case CREW__REFUSAL__MISMATCH:
            break;
        case CREW__REFUSAL__STALE_EPOCH:
        case CREW__REFUSAL__NOT_READY: /* it has been restarted just now */
            s->declined = true;
            return true;
        default:
            return false;
    }
    if (!s->declined) {
        session_notice(s, LOG_WARN,
                       "what the parameter servers hold is made anew: %s",
                       err->msg);
    }
    s->declined = true;
    return true;
}

void session_rejoin(struct session *s)
{
    if (s->stage == STAGE_CONNECT) {
        return;
    }
    s->step_void = s->step_active;
    s->ticket = false;
    s->request_open = false;
    sync_forget(s);
    rows_forget(s);
    /* A chief that has not begun initialises from the start. */
    s->stage = STAGE_CONNECT;
    job_set(s, JOB_NONE);
}

bool session_refused(struct session *s,
                     struct link *l,
                     const Crew__Error *error,
                     const struct crew_err *err)
{
    if (error == NULL) {
        return false; /* lost or late: again when it is up */
    }
    bool chief = s->o.role == ROLE_CHIEF;
    switch (error->refusal) {
        case CREW__REFUSAL__STOPPED:
            l->next_beat_ms = 0; /* it tells how */
            return true;
        case CREW__REFUSAL__FENCED:
            if (error->exit_code == 0) {
                links_reincarnate(s);
                return true;
            }
            break;
        case CREW__REFUSAL__STALE_EPOCH:
        case CREW__REFUSAL__NOT_READY:
            if (!chief || (error->epoch < s->epoch && !s->begun)) {
                l->phase = CREW__PHASE__EMPTY;
                session_rejoin(s);
                return true;
            }
            break;
        default:
            if (error->code == CREW_ABORTED) {
                return false;
            }
            break;
    }
    session_fail(s, err->code != 0 ? err->code : CREW_UNAVAILABLE,
                 error->exit_code != 0 ? error->exit_code : 138, "%s: %s",
                 l->name, err->msg);
    return true;
}

void session_adopt(struct session *s, uint64_t epoch, const char *job_dir)
{
    s->job_dir = job_dir;
    s->own_epoch = epoch;
    s->declined = false;
    begin_op(s, SESSION_ADOPT);
}

void session_initialise(struct session *s,
                        uint64_t epoch,
                        int64_t global_step,
                        const struct optim_powers *powers)
{
    s->epoch = epoch > s->other_epoch ? epoch : s->other_epoch + 1;
    s->start_step = global_step;
    s->global_step = global_step;
    for (int i = 0; i < s->o.num_optimizers; i++) {
        s->powers[i] = powers[i];
    }
    begin_op(s, SESSION_INITIALISE);
}

void session_begin(struct session *s)
{
    begin_op(s, SESSION_BEGIN);
}

void session_next(struct session *s)
{
    begin_op(s, SESSION_NEXT);
}

void session_finish(struct session *s)
{
    s->finishing = true;
    begin_op(s, SESSION_FINISH);
}

void session_leave(struct session *s)
{
    begin_op(s, SESSION_LEAVE);
}

void session_hold(struct session *s)
{
    begin_op(s, SESSION_HOLD);
}

void session_read(struct session *s)
{
    begin_op(s, SESSION_READ);
}

void session_release(struct session *s)
{
    s->saved_step = -1;
    begin_op(s, SESSION_RELEASE);
}

void session_saved(struct session *s, int64_t step)
{
    s->saved_step = step;
    begin_op(s, SESSION_SAVED);
}

void session_stop(struct session *s,
                  int exit_code,
                  int64_t step,
                  const char *reason)
{
    if (!s->ended) {
        s->end.exit_code = exit_code;
        s->end.step = step;
        (void)snprintf(s->end.reason, sizeof(s->end.reason), "%s", reason);
    }
    begin_op(s, SESSION_STOP);
}

void session_await(struct session *s, double secs)
{
    s->await_until_ms = session_now(s) + (uint64_t)(secs * 1000.0);
    begin_op(s, SESSION_AWAIT);
}

void session_interrupt(struct session *s)
{
    s->interrupted = true;
    s->interrupt_ms = session_now(s);
    session_tick(s);
}

/* ------------------------------------------------------------------- steps */

/* The rates of the step that begins: of the cluster's step, as it is known
 * here, and the same if the push has to be sent again. */
static int look_up_rates(struct session *s, struct crew_err *err)
{
    int rc = CREW_OK;
    for (int i = 0; rc == CREW_OK && i < s->o.num_optimizers; i++) {
        const struct crew_optimizer *o = &s->o.optimizers[i];
        s->now[i] = optim_step_at(o, &s->powers[i], s->global_step);
        rc = optim_check_rate(o, s->now[i].learning_rate, s->global_step, err);
    }
    return rc;
}

static void begin_step(struct session *s)
{
    s->ticket = false;
    s->seq++;
    s->num_ready = 0;
    s->finishing = false;
    s->step_active = true;
    s->step_void = false;
    for (int i = 0; i < s->o.num_vars; i++) {
        s->grads[i] = NULL;
    }
    job_set(s, JOB_PUSH);
}

static void next_tick(struct session *s)
{
    if (s->ended || s->over) {
        op_over(s);
    } else if (!join_advance(s, STAGE_JOINED)) {
        return; /* waiting: to be part of the cluster (again) */
    } else if (s->ticket && (!s->sync || sync_next(s))) {
        struct crew_err err = {0};
        if (look_up_rates(s, &err) == CREW_OK) {
            begin_step(s);
        }
        op_done(s, &err);
    } else if (!s->ticket && !s->poll.busy) {
        (void)step_poll_ticket(s, false); /* waiting: for a ticket */
    }
}

static void end_step(struct session *s)
{
    s->step_active = false;
    s->finishing = false;
    s->completed = s->seq;
    op_well(s);
}

static void finish_tick(struct session *s)
{
    if (s->ended || !s->step_active) {
        end_step(s);
    } else if (s->step_void) {
        if (join_advance(s, STAGE_JOINED)) {
            end_step(s);
        }
    } else if (s->sync) {
        if (sync_finish(s)) {
            end_step(s);
        }
    } else if (job_all_done(s)) {
        end_step(s);
    } else {
        job_pump(s); /* waiting: for every ps to acknowledge */
    }
}

static void leave_tick(struct session *s)
{
    bool late = session_now(s) - s->op_ms >= LEAVE_MS;
    if (s->ended || late || s->stage != STAGE_JOINED || s->op_phase == 2) {
        op_well(s);
        return;
    }
    if (!s->poll.busy && step_poll_ticket(s, true)) {
        s->op_phase = 1; /* waiting: until ps 0 has it back */
    }
}

static void read_tick(struct session *s)
{
    struct crew_err err = {0};
    if (!s->begun) {
        op_well(s); /* what was loaded is in the variables */
        return;
    }
    if (s->stage != STAGE_JOINED) {
        (void)crew_err_set(&err, CREW_ABORTED,
                           "the cluster's hold was lost while its state was "
                           "read");
        op_done(s, &err);
        return;
    }
    if (s->op_phase == 0) {
        s->op_phase = 1;
        s->with_slots = true;
        job_set(s, JOB_PULL);
    }
    if (job_all_done(s)) {
        op_well(s);
    } else {
        job_pump(s); /* waiting: for values and slots */
    }
}

static void begin_tick(struct session *s)
{
    if (s->ended) {
        op_over(s);
    } else if (join_advance(s, STAGE_JOINED)) {
        op_well(s);
    }
}

/* What was declared to be compared has changed nothing. */
static void adopt_tick(struct session *s)
{
    bool joined = !s->ended && join_advance(s, STAGE_JOINED);
    if (joined && s->epoch > s->own_epoch) {
        session_fail(s, CREW_ABORTED, 138,
                     "epoch %" PRIu64 " of this job is over: epoch %" PRIu64
                     " has another owner; this chief stops",
                     s->own_epoch, s->epoch);
        return;
    }
    if (s->declined && !s->ended) {
        session_rejoin(s);
    }
    if (joined || s->declined || s->ended) { /* BEGIN says that it has ended */
        op_well(s);
    }
}

static void initialise_tick(struct session *s)
{
    if (s->ended || join_advance(s, STAGE_LOADED)) {
        op_well(s); /* BEGIN says that the job has ended */
    }
}

/* -------------------------------------------------------------------- tick */

static bool interruptible(const struct session *s)
{
    switch (s->op) {
        case SESSION_ADOPT:
        case SESSION_INITIALISE:
        case SESSION_BEGIN:
        case SESSION_NEXT:
        case SESSION_AWAIT:
            return true;
        case SESSION_FINISH:
            return session_now(s) - s->interrupt_ms >= INTERRUPT_FINISH_MS;
        default:
            return false;
    }
}

/* What is waited for, in words; "" when it is not worth a line. */
static void what_is_waited_for(const struct session *s, char *text, size_t size)
{
    uint64_t since = 0, now = session_now(s);
    const struct port *port = NULL;
    uint64_t waited = (now - s->op_ms) / 1000;
    if (links_worst(s, &since, &port) != NULL) {
        (void)snprintf(text, size, "%s (%" PRIu64 " s, attempt %d)", port->why,
                       (now - since) / 1000, port->attempt);
    } else if (s->stage == STAGE_CONNECT || s->stage == STAGE_DECLARE) {
        (void)snprintf(text, size,
                       "the chief to initialise the variables (%" PRIu64 " s)",
                       waited);
    } else if (s->op == SESSION_NEXT) {
        (void)snprintf(
            text, size,
            "ps/0 to allow another step: a save, the end of the job, "
            "%sor no chief (%" PRIu64 " s)",
            s->o.replicas.bounded ? "a slower trainer (max_staleness), " : "",
            waited);
    } else if (s->sync && s->op == SESSION_FINISH && s->op_phase == 1) {
        (void)snprintf(text, size,
                       "the other trainers' gradients of step %" PRId64
                       ": a slow one, one that has not come yet, or a save "
                       "(%" PRIu64 " s)",
                       s->now[0].global_step, waited);
    } else {
        (void)snprintf(text, size,
                       "the parameter servers to answer (%" PRIu64 " s)",
                       waited);
    }
}

static void look_at_wait(struct session *s)
{
    uint64_t now = session_now(s);
    char text[400];
    if (s->op == SESSION_NONE || s->op == SESSION_AWAIT || now < s->wait_ms) {
        return;
    }
    s->wait_ms = now + WAIT_LINE_MS;
    what_is_waited_for(s, text, sizeof(text));
    char line[420];
    (void)snprintf(line, sizeof(line), "waiting for %s", text);
    if (s->o.on_wait != NULL) {
        s->o.on_wait(s->o.callbacks_self, line);
    }
}

static void look_at_patience(struct session *s)
{
    double waited = (double)(session_now(s) - s->op_ms) / 1000.0;
    bool joining = s->op == SESSION_ADOPT || s->op == SESSION_INITIALISE ||
                   s->op == SESSION_BEGIN ||
                   (s->stage != STAGE_JOINED &&
                    (s->op == SESSION_NEXT || s->op == SESSION_FINISH));
    if (joining && waited >= s->o.session_creation_timeout_secs) {
        char text[400];
        what_is_waited_for(s, text, sizeof(text));
        session_fail(s, CREW_UNAVAILABLE, 138,
                     "Session was not ready after waiting %.0f secs "
                     "(session_creation_timeout_secs): waited for %s",
                     s->o.session_creation_timeout_secs, text);
    }
}

static void op_tick(struct session *s)
{
    switch (s->op) {
        case SESSION_ADOPT:
            adopt_tick(s);
            break;
        case SESSION_INITIALISE:
            initialise_tick(s);
            break;
        case SESSION_BEGIN:
            begin_tick(s);
            break;
        case SESSION_NEXT:
            next_tick(s);
            break;
        case SESSION_FINISH:
            finish_tick(s);
            break;
        case SESSION_LEAVE:
            leave_tick(s);
            break;
        case SESSION_HOLD:
            chief_hold_tick(s);
            break;
        case SESSION_READ:
            read_tick(s);
            break;
        case SESSION_RELEASE:
        case SESSION_SAVED:
            chief_release_tick(s);
            break;
        case SESSION_STOP:
            chief_stop_tick(s);
            break;
        case SESSION_AWAIT:
            chief_await_tick(s);
            break;
        case SESSION_NONE:
            if (s->step_active && !s->step_void) {
                job_pump(s);
            }
            break;
    }
}

/* Operations that make sense when all else has failed. */
static bool last_words(enum session_op op)
{
    return op == SESSION_STOP || op == SESSION_AWAIT;
}

static void tick_once(struct session *s)
{
    links_beat(s);
    links_check(s);
    look_at_wait(s);
    look_at_patience(s);
    if (s->failed.code != 0 && s->op != SESSION_NONE && !last_words(s->op)) {
        struct crew_err err = s->failed;
        op_done(s, &err);
        return;
    }
    if (s->interrupted && interruptible(s)) {
        struct crew_err err = {0};
        s->interrupted = false;
        (void)crew_err_set(&err, CREW_CANCELLED, "interrupted");
        op_done(s, &err);
        return;
    }
    op_tick(s);
    chief_await_pump(s);
}

/* Callbacks from within a tick ask for one more instead of nesting. */
void session_tick(struct session *s)
{
    if (s->closing) {
        return;
    }
    s->tick_again = true;
    if (s->in_tick) {
        return;
    }
    s->in_tick = true;
    for (int i = 0; s->tick_again && i < 100; i++) {
        s->tick_again = false;
        tick_once(s);
    }
    s->in_tick = false;
}

static void on_timer(struct rpc_timer *timer)
{
    struct session *s = CREW_CAST(struct session, SESSION_MAGIC, timer->self);
    s->net->timer_set(s->net, &s->timer, TICK_MS);
    session_tick(s);
}

/* -------------------------------------------------------- opening, closing */

static int place(struct session *s, struct crew_err *err)
{
    struct crew_shape *shapes =
        xcalloc((size_t)s->o.num_vars + 1, sizeof(shapes[0]));
    bool *tables = xcalloc((size_t)s->o.num_vars + 1, sizeof(tables[0]));
    for (int i = 0; i < s->o.num_vars; i++) {
        shapes[i] = s->o.vars[i].shape;
        tables[i] = s->o.vars[i].rows;
    }
    int rc = placement_new(shapes, tables, (uint32_t)s->o.num_vars, s->o.num_ps,
                           &s->placement, err);
    free(shapes);
    free(tables);
    return rc;
}

static void describe(struct session *s)
{
    size_t n = (size_t)s->o.num_vars;
    s->variables = xcalloc(n + 1, sizeof(s->variables[0]));
    s->variable_list = xcalloc(n + 1, sizeof(s->variable_list[0]));
    for (size_t i = 0; i < n; i++) {
        Crew__Variable *v = &s->variables[i];
        struct trainer_var *var = &s->o.vars[i];
        crew__variable__init(v);
        v->name = (char *)(uintptr_t)var->name;
        v->dtype = CREW_FLOAT;
        v->n_dims = (size_t)var->shape.rank;
        v->dims = var->shape.dim;
        v->optimizer = (uint32_t)var->optimizer;
        v->table = var->rows;
        s->variable_list[i] = v;
    }
}

uint64_t session_incarnation(const struct session *s)
{
    return s->incarnation;
}

int session_open(const struct session_options *o,
                 struct session **out,
                 struct crew_err *err)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->magic = SESSION_MAGIC;
    s->o = *o;
    s->net = o->net;
    s->incarnation = o->env->random(o->env) | 1;
    s->sync = replicas_sync(&o->replicas);
    int rc = place(s, err);
    if (rc != CREW_OK) {
        free(s);
        return rc;
    }
    s->grads = xcalloc((size_t)o->num_vars + 1, sizeof(s->grads[0]));
    s->ready_list = xcalloc((size_t)o->num_vars + 1, sizeof(s->ready_list[0]));
    for (int i = 0; i < o->num_optimizers; i++) {
        s->powers[i] = optim_powers_initial(&o->optimizers[i]);
    }
    declare_describe(s);
    s->saved_step = -1;
    describe(s);
    links_open(s);
    rows_open(s);
    s->timer = (struct rpc_timer){.on_timer = on_timer, .self = s};
    s->net->timer_set(s->net, &s->timer, TICK_MS);
    *out = s;
    return CREW_OK;
}

void session_close(struct session *s, void (*on_closed)(void *self), void *self)
{
    struct crew_err err = {0};
    (void)crew_err_set(&err, CREW_CANCELLED, "closed");
    op_done(s, &err);
    s->closing = true;
    s->on_closed = on_closed;
    s->closed_self = self;
    s->net->timer_clear(s->net, &s->timer);
    links_close(s);
}

/* ----------------------------------------------------------------- results */

void session_grad_ready(struct session *s, int i, const float *grad)
{
    PRE(i >= 0 && i < s->o.num_vars);
    if (!s->step_active || s->grads[i] != NULL) {
        return;
    }
    s->grads[i] = grad;
    s->ready_list[s->num_ready++] = i;
    if (!s->step_void) {
        job_pump(s);
    }
}

bool session_adopted(const struct session *s)
{
    return s->begun && !s->declined;
}

int64_t session_heard_step(const struct session *s)
{
    return atomic_load(&s->heard_step);
}

int64_t session_global_step(const struct session *s)
{
    return s->global_step;
}

int64_t session_result_step(const struct session *s)
{
    return s->result_step;
}

uint64_t session_step_seq(const struct session *s)
{
    return s->seq;
}

int64_t session_step_at(const struct session *s)
{
    return s->now[0].global_step;
}

uint64_t session_dropped(const struct session *s)
{
    return s->dropped;
}

const struct optim_powers *session_powers(const struct session *s)
{
    return s->powers;
}

const struct trainer_end *session_end(const struct session *s)
{
    return &s->end;
}

bool session_evaluator(const struct session *s)
{
    return s->evaluator;
}
