/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer of a chief or worker: the blocking face of a session that runs on
 * the network thread.
 *
 * A function puts its operation into `want`, wakes the network thread and waits
 * on a condition until on_done; nothing polls, nothing sleeps. Gradients are
 * posted without a lock: `posted` of the entries of `post` are valid, and the
 * network thread keeps its own count of those it has taken. The training thread
 * blocks in the functions that write into variables and slots, so nobody reads
 * them meanwhile.
 *
 * on_wait and on_notice are called on the network thread.
 *
 * Failure modes: the session's (session.c). A gradient that is not finite is
 * never posted: finish_step fails, and the step is not complete anywhere. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/addresses.h"
#include "cluster/finite.h"
#include "cluster/net_thread.h"
#include "cluster/session.h"
#include "cluster/trainer_cluster.h"
#include "cluster/trainer_local.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define CLUSTER_MAGIC 0x434c5553u
#define ANNOUNCE_MS 30000u

/* An operation on its way to the network thread. */
struct want {
    enum session_op op;
    const char *job_dir;
    uint64_t epoch;
    int64_t step;
    const struct optim_powers *powers;
    int exit_code;
    const char *reason;
    double secs;
};

struct cluster_trainer {
    struct trainer base;
    uint32_t magic;
    const struct trainer_options *o;
    struct addresses addresses;
    char host[64];
    struct net_thread thread;
    struct session *session; /* the network thread's, but for results */
    struct status *status;   /* NULL: trainer_announce_end */

    /* Guarded by thread.lock. */
    struct want want; /* op NONE: nothing to begin */
    bool close_wanted;
    bool done;
    struct crew_err err;
    int64_t step; /* results of the newest operation */
    struct optim_powers powers[OPTIM_MAX_GROUPS];
    bool adopted, evaluator;
    struct trainer_end end;
    char evaluation[512];
    int64_t evaluation_step;

    /* Gradients of this step. */
    int *post;
    const float **grads;
    struct optim_rows *rows; /* the same of tables */
    atomic_int posted;
    int taken;            /* the network thread's */
    struct crew_err bad;  /* a gradient that is not finite */
    struct crew_err lost; /* the cluster is, and nobody has been told */
    atomic_bool interrupted;
};

static struct cluster_trainer *cluster_of(const struct trainer *t)
{
    struct cluster_trainer *c = CONTAINER_OF((struct trainer *)(uintptr_t)t,
                                             struct cluster_trainer, base);
    PRE(c->magic == CLUSTER_MAGIC);
    return c;
}

/* ------------------------------------------------------- the network thread */

static void on_done(void *self, enum session_op op, const struct crew_err *err)
{
    struct cluster_trainer *c = self;
    (void)op;
    (void)pthread_mutex_lock(&c->thread.lock);
    c->done = true;
    c->err = *err;
    c->step = session_result_step(c->session);
    for (int i = 0; i < c->o->num_optimizers; i++) {
        c->powers[i] = session_powers(c->session)[i];
    }
    c->adopted = session_adopted(c->session);
    c->evaluator = session_evaluator(c->session);
    c->end = *session_end(c->session);
    (void)pthread_cond_signal(&c->thread.changed);
    (void)pthread_mutex_unlock(&c->thread.lock);
}

static void on_evaluation(void *self, int64_t step, const char *line)
{
    struct cluster_trainer *c = self;
    (void)pthread_mutex_lock(&c->thread.lock);
    c->evaluation_step = step;
    (void)snprintf(c->evaluation, sizeof(c->evaluation), "%s", line);
    (void)pthread_mutex_unlock(&c->thread.lock);
}

static void start_op(struct session *s, const struct want *w)
{
    switch (w->op) {
        case SESSION_ADOPT:
            session_adopt(s, w->epoch, w->job_dir);
            break;
        case SESSION_INITIALISE:
            session_initialise(s, w->epoch, w->step, w->powers);
            break;
        case SESSION_BEGIN:
            session_begin(s);
            break;
        case SESSION_NEXT:
            session_next(s);
            break;
        case SESSION_FINISH:
            session_finish(s);
            break;
        case SESSION_LEAVE:
            session_leave(s);
            break;
        case SESSION_HOLD:
            session_hold(s);
            break;
        case SESSION_READ:
            session_read(s);
            break;
        case SESSION_RELEASE:
            session_release(s);
            break;
        case SESSION_SAVED:
            session_saved(s, w->step);
            break;
        case SESSION_STOP:
            session_stop(s, w->exit_code, w->step, w->reason);
            break;
        case SESSION_AWAIT:
            session_await(s, w->secs);
            break;
        case SESSION_NONE:
            break;
    }
}

static void take_gradients(struct cluster_trainer *c)
{
    int posted = atomic_load_explicit(&c->posted, memory_order_acquire);
    while (c->taken < posted) {
        int i = c->post[c->taken++];
        if (c->o->vars[i].rows) {
            session_rows_ready(c->session, i, &c->rows[i]);
        } else {
            session_grad_ready(c->session, i, c->grads[i]);
        }
    }
}

static void status_closed(void *self)
{
    struct cluster_trainer *c = self;
    net_thread_finish(&c->thread);
}

static void session_closed(void *self)
{
    struct cluster_trainer *c = self;
    if (c->status != NULL) {
        status_close(c->status, status_closed, c);
    } else {
        net_thread_finish(&c->thread);
    }
}

static void on_wake(void *self)
{
    struct cluster_trainer *c = self;
    take_gradients(c);
    (void)pthread_mutex_lock(&c->thread.lock);
    struct want w = c->want;
    bool close = c->close_wanted;
    c->want.op = SESSION_NONE;
    c->close_wanted = false;
    (void)pthread_mutex_unlock(&c->thread.lock);
    if (w.op == SESSION_NEXT) {
        c->taken = 0; /* the training thread has emptied the list */
    } else if (w.op == SESSION_FINISH) {
        take_gradients(c); /* posted between the two looks */
    }
    start_op(c->session, &w);
    if (c->status != NULL) {
        status_set_step(c->status, session_global_step(c->session));
    }
    if (atomic_exchange(&c->interrupted, false)) {
        session_interrupt(c->session);
    }
    if (close) {
        session_close(c->session, session_closed, c);
    }
}

/* ------------------------------------------------------ the training thread */

static int perform(struct cluster_trainer *c,
                   const struct want *w,
                   struct crew_err *err)
{
    (void)pthread_mutex_lock(&c->thread.lock);
    c->want = *w;
    c->done = false;
    (void)pthread_mutex_unlock(&c->thread.lock);
    net_thread_wake(&c->thread);
    (void)pthread_mutex_lock(&c->thread.lock);
    while (!c->done) {
        (void)pthread_cond_wait(&c->thread.changed, &c->thread.lock);
    }
    int rc = c->err.code;
    if (rc != CREW_OK) {
        *err = c->err;
    }
    if (rc == CREW_UNAVAILABLE && w->op != SESSION_AWAIT) {
        c->lost = c->err;
    } else if (w->op == SESSION_STOP) {
        c->lost.code = CREW_OK;
    }
    (void)pthread_mutex_unlock(&c->thread.lock);
    return rc;
}

static int adopt(struct trainer *t,
                 uint64_t epoch,
                 const char *job_dir,
                 bool *adopted,
                 struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    struct want w = {.op = SESSION_ADOPT, .epoch = epoch, .job_dir = job_dir};
    int rc = perform(c, &w, err);
    *adopted = rc == CREW_OK && c->adopted;
    return rc;
}

static int initialise(struct trainer *t,
                      uint64_t epoch,
                      int64_t global_step,
                      const struct optim_powers *powers,
                      struct crew_err *err)
{
    struct want w = {.op = SESSION_INITIALISE,
                     .epoch = epoch,
                     .step = global_step,
                     .powers = powers};
    return perform(cluster_of(t), &w, err);
}

/* An operation that gives the cluster's step. The results are the training
 * thread's to read until it begins the next operation. */
static int perform_step(struct trainer *t,
                        enum session_op op,
                        int64_t *global_step,
                        struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    struct want w = {.op = op};
    int rc = perform(c, &w, err);
    if (rc == CREW_OK) {
        *global_step = c->step;
    }
    return rc;
}

static int simple(struct trainer *t, enum session_op op, struct crew_err *err)
{
    struct want w = {.op = op};
    return perform(cluster_of(t), &w, err);
}

static int begin(struct trainer *t, int64_t *global_step, struct crew_err *err)
{
    return perform_step(t, SESSION_BEGIN, global_step, err);
}

static int next_step(struct trainer *t, struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    atomic_store_explicit(&c->posted, 0, memory_order_release);
    c->bad.code = 0;
    return simple(t, SESSION_NEXT, err);
}

/* The network thread takes it from here. */
static void post(struct cluster_trainer *c, int i)
{
    int n = atomic_load_explicit(&c->posted, memory_order_relaxed);
    PRE(n < c->o->num_vars);
    c->post[n] = i;
    atomic_store_explicit(&c->posted, n + 1, memory_order_release);
    net_thread_wake(&c->thread);
}

static void grad_ready(struct trainer *t, int i, const float *grad)
{
    struct cluster_trainer *c = cluster_of(t);
    PRE(i >= 0 && i < c->o->num_vars);
    if (c->bad.code == 0 &&
        finite_check(&c->o->vars[i], grad, &c->bad) == CREW_OK) {
        c->grads[i] = grad;
        post(c, i);
    }
}

static void rows_ready(struct trainer *t, int i, const struct optim_rows *grad)
{
    struct cluster_trainer *c = cluster_of(t);
    PRE(i >= 0 && i < c->o->num_vars && c->o->vars[i].rows);
    if (c->bad.code == 0 &&
        finite_check_rows(&c->o->vars[i], grad, &c->bad) == CREW_OK) {
        c->rows[i] = *grad;
        post(c, i);
    }
}

static int finish_step(struct trainer *t,
                       int64_t *global_step,
                       struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    if (c->bad.code != 0) {
        *err = c->bad;
        return err->code;
    }
    PRE(atomic_load(&c->posted) == c->o->num_vars);
    return perform_step(t, SESSION_FINISH, global_step, err);
}

static int leave(struct trainer *t, struct crew_err *err)
{
    return simple(t, SESSION_LEAVE, err);
}

static int hold(struct trainer *t, int64_t *global_step, struct crew_err *err)
{
    return perform_step(t, SESSION_HOLD, global_step, err);
}

static int read_state(struct trainer *t,
                      struct optim_powers *powers,
                      struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    int rc = simple(t, SESSION_READ, err);
    if (rc == CREW_OK) {
        for (int i = 0; i < c->o->num_optimizers; i++) {
            powers[i] = c->powers[i];
        }
    }
    return rc;
}

static int release(struct trainer *t, struct crew_err *err)
{
    return simple(t, SESSION_RELEASE, err);
}

static int saved(struct trainer *t, int64_t step, struct crew_err *err)
{
    struct want w = {.op = SESSION_SAVED, .step = step};
    return perform(cluster_of(t), &w, err);
}

static int stop(struct trainer *t,
                int exit_code,
                int64_t step,
                const char *reason,
                bool *evaluator,
                struct crew_err *err)
{
    struct cluster_trainer *c = cluster_of(t);
    struct want w = {.op = SESSION_STOP,
                     .exit_code = exit_code,
                     .step = step,
                     .reason = reason};
    int rc = perform(c, &w, err);
    if (rc == CREW_OK) {
        *evaluator = c->evaluator;
    }
    return rc;
}

static int await_evaluator(struct trainer *t, double secs, struct crew_err *err)
{
    struct want w = {.op = SESSION_AWAIT, .secs = secs};
    return perform(cluster_of(t), &w, err);
}

static void last_evaluation(struct trainer *t,
                            char *line,
                            size_t size,
                            int64_t *step)
{
    struct cluster_trainer *c = cluster_of(t);
    (void)pthread_mutex_lock(&c->thread.lock);
    (void)snprintf(line, size, "%s", c->evaluation);
    *step = c->evaluation_step;
    (void)pthread_mutex_unlock(&c->thread.lock);
}

static int64_t heard_step(struct trainer *t)
{
    return session_heard_step(cluster_of(t)->session);
}

static const struct trainer_end *end(const struct trainer *t)
{
    return &cluster_of(t)->end;
}

static void free_trainer(struct cluster_trainer *c)
{
    c->magic = 0;
    addresses_release(&c->addresses);
    free(c->post);
    free(c->grads);
    free(c->rows);
    free(c);
}

/* A chief that has lost a ps takes the others and their members with it:
 * without it they would wait for ten minutes. */
static void tell_lost(struct cluster_trainer *c)
{
    struct crew_err ignored = {0};
    if (c->lost.code == CREW_OK || c->o->tf->role != ROLE_CHIEF) {
        return;
    }
    struct want w = {.op = SESSION_STOP,
                     .exit_code = crew_err_exit_code(&c->lost),
                     .step = c->step,
                     .reason = c->lost.msg};
    (void)perform(c, &w, &ignored);
}

static void cluster_close(struct trainer *t)
{
    struct cluster_trainer *c = cluster_of(t);
    tell_lost(c);
    (void)pthread_mutex_lock(&c->thread.lock);
    c->close_wanted = true;
    (void)pthread_mutex_unlock(&c->thread.lock);
    net_thread_wake(&c->thread);
    net_thread_release(&c->thread, true);
    free_trainer(c);
}

static const struct trainer_ops cluster_ops = {
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
    .close = cluster_close,
};

/* ------------------------------------------------------------------ opening */

static int open_session(struct cluster_trainer *c,
                        bool announcing,
                        struct crew_err *err)
{
    const struct trainer_options *o = c->o;
    struct session_options options = {
        .net = c->thread.net,
        .env = o->env,
        .role = (int)o->tf->role,
        .index = (uint32_t)o->tf->index,
        .num_ps = c->addresses.num_ps,
        .ps = (const char *const *)c->addresses.ps,
        .cluster = c->addresses.cluster,
        .host = c->host,
        .pid = (uint32_t)getpid(),
        .optimizers = o->optimizers,
        .replicas = o->replicas,
        .num_optimizers = announcing ? 0 : o->num_optimizers,
        .vars = o->vars,
        .num_vars = announcing ? 0 : o->num_vars,
        .max_steps = o->max_steps,
        .save_checkpoints_steps = o->save_checkpoints_steps,
        .save_checkpoints_secs = o->save_checkpoints_secs,
        .session_creation_timeout_secs = o->session_creation_timeout_secs,
        .lost_ms = o->lost_ms,
        .stop_patience_ms = announcing ? ANNOUNCE_MS : 0,
        .on_done = on_done,
        .on_evaluation = on_evaluation,
        .self = c,
        .on_wait = o->on_wait,
        .on_notice = o->on_notice,
        .callbacks_self = o->self,
    };
    return session_open(&options, &c->session, err);
}

/* Undo what was put on a net whose thread does not run. */
static void abandon(struct cluster_trainer *c)
{
    if (c->session != NULL) {
        session_close(c->session, session_closed, c);
    } else if (c->status != NULL) {
        status_close(c->status, status_closed, c);
    }
    net_thread_release(&c->thread, false);
}

static int start(struct cluster_trainer *c,
                 bool announcing,
                 struct crew_err *err)
{
    int rc = net_thread_init(&c->thread, on_wake, c, err);
    if (rc != CREW_OK) {
        return rc;
    }
    if (!announcing && c->addresses.own != NULL) {
        rc = cluster_open_status(c->thread.net, c->o, c->addresses.own,
                                 &c->status, err);
    }
    rc = rc ? rc : open_session(c, announcing, err);
    rc = rc ? rc : net_thread_start(&c->thread, err);
    if (rc != CREW_OK) {
        abandon(c);
    }
    return rc;
}

static int open_cluster(const struct trainer_options *o,
                        bool announcing,
                        struct cluster_trainer **out,
                        struct crew_err *err)
{
    struct cluster_trainer *c = xcalloc(1, sizeof(*c));
    c->base.ops = &cluster_ops;
    c->magic = CLUSTER_MAGIC;
    c->o = o;
    c->post = xcalloc((size_t)o->num_vars + 1, sizeof(c->post[0]));
    c->grads = xcalloc((size_t)o->num_vars + 1, sizeof(c->grads[0]));
    c->rows = xcalloc((size_t)o->num_vars + 1, sizeof(c->rows[0]));
    if (gethostname(c->host, sizeof(c->host) - 1) != 0) {
        c->host[0] = '\0';
    }
    int rc = addresses_init(&c->addresses, o->tf, o->bind, err);
    rc = rc ? rc : start(c, announcing, err);
    if (rc != CREW_OK) {
        free_trainer(c);
        return rc;
    }
    *out = c;
    return CREW_OK;
}

int trainer_cluster_open(const struct trainer_options *o,
                         struct trainer **out,
                         struct crew_err *err)
{
    struct cluster_trainer *c = NULL;
    int rc = open_cluster(o, false, &c, err);
    if (rc == CREW_OK) {
        *out = &c->base;
    }
    return rc;
}

int trainer_announce_end(const struct trainer_options *o,
                         int64_t step,
                         const char *reason,
                         struct crew_err *err)
{
    struct cluster_trainer *c = NULL;
    bool evaluator = false;
    int rc = open_cluster(o, true, &c, err);
    if (rc == CREW_OK) {
        rc = stop(&c->base, 0, step, reason, &evaluator, err);
        cluster_close(&c->base);
    }
    return rc;
}

void trainer_interrupt(struct trainer *t)
{
    if (!trainer_is_local(t)) {
        struct cluster_trainer *c = cluster_of(t);
        atomic_store(&c->interrupted, true);
        net_thread_wake(&c->thread);
    }
}
