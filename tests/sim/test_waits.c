/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker's session does while it waits, under virtual time: for a chief
 * that never comes, and for a ps 0 that has gone while nothing is asked of the
 * session (a GlobalStepWaiterHook polls what it has heard). */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "cluster/session.h"
#include "mem_net.h"
#include "ps.h"
#include "run_suite.h"

#define NUM_PS 2

static const char *const addresses[NUM_PS] = {"ps0:2222", "ps1:2222"};
static struct world *world;
static struct crew_env *env;
static struct crew_optimizer optimizer;

struct server {
    struct ps *ps;
    struct rpc_net *net;
    bool closed;
};
static struct server servers[NUM_PS];

struct trainer_end_of {
    struct session *session;
    struct rpc_net *net;
    struct trainer_var var;
    float value[4];
    bool done, closed;
    struct crew_err err;
    int lines;
    char line[500];
};

static void ps_is_closed(void *self)
{
    struct server *s = self;

    s->closed = true;
}

static void ps_is_over(void *self, int exit_code)
{
    (void)self, (void)exit_code;
}

static void open_server(int i)
{
    static const char *const names[NUM_PS] = {"ps/0", "ps/1"};
    struct server *s = &servers[i];
    struct crew_err err = {0};
    int port = 0;

    *s = (struct server){.net = mem_net_new(world, names[i])};
    struct ps_options o = {.net = s->net,
                           .index = (uint32_t)i,
                           .incarnation = 100 + (uint64_t)i,
                           .address = addresses[i],
                           .cluster = "{}",
                           .num_workers = 1,
                           .session_creation_timeout_secs = 7200,
                           .on_over = ps_is_over,
                           .self = s};
    ck_assert_msg(ps_open(&o, &s->ps, &port, &err) == CREW_OK, "%s", err.msg);
}

static void setup(void)
{
    struct world_faults quiet = {.latency_ms = 2};

    world = world_new(1);
    world_set_faults(world, &quiet);
    env = env_mem_new(1);
    optimizer = crew_gradient_descent(1);
    for (int i = 0; i < NUM_PS; i++) {
        open_server(i);
    }
}

static void on_done(void *self, enum session_op op, const struct crew_err *err)
{
    struct trainer_end_of *t = self;

    (void)op;
    t->done = true;
    t->err = *err;
}

static void on_wait(void *self, const char *line)
{
    struct trainer_end_of *t = self;

    t->lines++;
    (void)snprintf(t->line, sizeof t->line, "%s", line);
}

static void on_closed(void *self)
{
    struct trainer_end_of *t = self;

    t->closed = true;
}

static void open_trainer(struct trainer_end_of *t, int role, double patience)
{
    struct crew_err err = {0};

    *t = (struct trainer_end_of){
        .net = mem_net_new(world, role == ROLE_CHIEF ? "chief/0" : "worker/0")};
    t->var = (struct trainer_var){.name = "dense/bias",
                                  .shape = {.rank = 1, .dim = {4}},
                                  .n = 4,
                                  .value = t->value};
    struct session_options o = {.net = t->net,
                                .env = env,
                                .role = role,
                                .num_ps = NUM_PS,
                                .ps = addresses,
                                .cluster = "{}",
                                .host = "here",
                                .optimizers = &optimizer,
                                .num_optimizers = 1,
                                .vars = &t->var,
                                .num_vars = 1,
                                .max_steps = 100,
                                .save_checkpoints_steps = 50,
                                .save_checkpoints_secs = -1,
                                .session_creation_timeout_secs = patience,
                                .on_done = on_done,
                                .self = t,
                                .on_wait = on_wait,
                                .callbacks_self = t};
    ck_assert_msg(session_open(&o, &t->session, &err) == CREW_OK, "%s",
                  err.msg);
}

static void run_until(const bool *flag, uint64_t limit_ms)
{
    uint64_t end = world_now(world) + limit_ms;

    while (!*flag && world_now(world) < end && world_step(world)) {
    }
}

static void run_for(uint64_t ms)
{
    const bool never = false;

    run_until(&never, ms);
}

static void must(struct trainer_end_of *t, const char *what)
{
    run_until(&t->done, 60000);
    ck_assert_msg(t->done && t->err.code == CREW_OK, "%s: %s", what,
                  t->done ? t->err.msg : "not done");
    t->done = false;
}

static void close_all(struct trainer_end_of *t, int n)
{
    for (int i = 0; i < n; i++) {
        session_close(t[i].session, on_closed, &t[i]);
        run_until(&t[i].closed, 60000);
        ck_assert(t[i].closed);
    }
    for (int i = 0; i < NUM_PS; i++) {
        ps_close(servers[i].ps, ps_is_closed, &servers[i]);
        run_until(&servers[i].closed, 60000);
        ck_assert(servers[i].closed);
    }
    world_free(world);
    env_mem_free(env);
}

/* A line every 30 s that says what is missing, and TensorFlow's words at the
 * end of session_creation_timeout_secs; exit 138. */
START_TEST(worker_waits_for_the_chiefs_init)
{
    struct trainer_end_of worker;
    uint64_t began = world_now(world);

    open_trainer(&worker, ROLE_WORKER, 100);
    session_begin(worker.session);
    run_until(&worker.done, 99000);
    ck_assert(!worker.done);
    ck_assert_int_eq(worker.lines, 3);
    ck_assert_str_eq(worker.line,
                     "waiting for the chief to initialise the variables (90 "
                     "s)");
    run_until(&worker.done, 2000);
    ck_assert(worker.done);
    ck_assert_uint_ge(world_now(world) - began, 100000);
    ck_assert_int_eq(worker.err.code, CREW_UNAVAILABLE);
    ck_assert_int_eq(worker.err.exit_code, 138);
    ck_assert_str_eq(
        worker.err.msg,
        "Session was not ready after waiting 100 secs "
        "(session_creation_timeout_secs): waited for the chief to initialise "
        "the variables (100 s)");
    close_all(&worker, 1);
}
END_TEST

/* One chief and one worker that have begun. */
static void begin_both(struct trainer_end_of t[2])
{
    struct optim_powers powers = optim_powers_initial(&optimizer);

    open_trainer(&t[0], ROLE_CHIEF, 100);
    open_trainer(&t[1], ROLE_WORKER, 100);
    session_begin(t[1].session);
    run_for(500); /* it is there before the chief has initialised */
    ck_assert(!t[1].done);
    for (int i = 0; i < 4; i++) {
        t[0].value[i] = (float)i;
    }
    session_initialise(t[0].session, 1, 7, &powers);
    must(&t[0], "initialise");
    session_begin(t[0].session);
    must(&t[0], "begin");
    must(&t[1], "a worker's begin");
}

/* No 30 s of TensorFlow's recovery_wait_secs: it begins at once. */
START_TEST(worker_begins_as_soon_as_the_chief_has)
{
    struct trainer_end_of t[2];
    uint64_t began = world_now(world);

    begin_both(t);
    ck_assert_uint_lt(world_now(world) - began, 2500);
    ck_assert_int_eq(session_result_step(t[1].session), 7);
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(t[1].value[i], (float)i);
    }
    close_all(t, 2);
}
END_TEST

static void killed(struct trainer_end_of *t)
{
    mem_net_kill(t->net);
    session_close(t->session, on_closed, t);
    run_until(&t->closed, 60000);
}

/* The chief is gone and comes back, with the epoch of its new life. */
static void come_back(struct trainer_end_of *t,
                      uint64_t epoch,
                      const char *job_dir)
{
    open_trainer(t, ROLE_CHIEF, 100);
    session_adopt(t->session, epoch, job_dir);
    run_until(&t->done, 60000);
    ck_assert(t->done);
    t->done = false;
}

static void close_both(struct trainer_end_of *chief,
                       struct trainer_end_of *worker)
{
    session_close(worker->session, on_closed, worker);
    run_until(&worker->closed, 60000);
    close_all(chief, 1);
}

/* Values that no checkpoint has: the second chief has them from the ps. */
START_TEST(a_chief_comes_back_to_the_state)
{
    struct trainer_end_of t[2], chief;

    begin_both(t);
    killed(&t[0]);
    come_back(&chief, 2, "");
    ck_assert_msg(chief.err.code == CREW_OK, "%s", chief.err.msg);
    ck_assert(session_adopted(chief.session));
    session_begin(chief.session);
    must(&chief, "begin");
    ck_assert_int_eq(session_result_step(chief.session), 7);
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(chief.value[i], (float)i);
    }
    close_both(&chief, &t[1]);
}
END_TEST

/* Another model_dir, whose epochs have nothing to do with those here. */
START_TEST(a_chief_of_another_job_makes_the_state_anew)
{
    struct optim_powers powers = optim_powers_initial(&optimizer);
    struct trainer_end_of t[2], chief;

    begin_both(t);
    killed(&t[0]);
    come_back(&chief, 1, "/other");
    ck_assert_msg(chief.err.code == CREW_OK, "%s", chief.err.msg);
    ck_assert(!session_adopted(chief.session));
    chief.value[0] = 50;
    session_initialise(chief.session, 1, 0, &powers);
    must(&chief, "initialise");
    session_begin(chief.session);
    must(&chief, "begin");
    run_for(3000);
    ck_assert_int_eq(session_heard_step(t[1].session), 0);
    close_both(&chief, &t[1]);
}
END_TEST

/* It was slow: a newer chief has made the state meanwhile. */
START_TEST(a_chief_that_has_been_replaced_stops)
{
    struct trainer_end_of t[2], chief;

    begin_both(t);
    killed(&t[0]);
    come_back(&chief, 0, "");
    ck_assert_int_eq(chief.err.code, CREW_ABORTED);
    ck_assert_int_eq(chief.err.exit_code, 138);
    ck_assert_str_eq(chief.err.msg,
                     "epoch 0 of this job is over: epoch 1 has another owner; "
                     "this chief stops");
    close_both(&chief, &t[1]);
}
END_TEST

/* Nothing is asked of the session: what it has heard becomes "no more will
 * come", and the next step says why. */
START_TEST(a_waiter_hears_that_ps_0_is_lost)
{
    struct trainer_end_of t[2];
    uint64_t lost;

    begin_both(t);
    run_for(3000);
    ck_assert_int_eq(session_heard_step(t[1].session), 7);
    mem_net_kill(servers[0].net);
    lost = world_now(world);
    while (session_heard_step(t[1].session) != INT64_MAX &&
           world_now(world) < lost + 120000 && world_step(world)) {
    }
    ck_assert_int_eq(session_heard_step(t[1].session), INT64_MAX);
    ck_assert_uint_ge(world_now(world) - lost, 30000);
    ck_assert_uint_lt(world_now(world) - lost, 40000);
    session_next(t[1].session);
    run_until(&t[1].done, 1000);
    ck_assert_int_eq(t[1].err.code, CREW_UNAVAILABLE);
    ck_assert_int_eq(t[1].err.exit_code, 138);
    ck_assert_ptr_nonnull(strstr(t[1].err.msg, "ps/0 at ps0:2222 lost"));
    close_all(t, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("waits");
    TCase *t = tcase_create("waits");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, worker_waits_for_the_chiefs_init);
    tcase_add_test(t, worker_begins_as_soon_as_the_chief_has);
    tcase_add_test(t, a_chief_comes_back_to_the_state);
    tcase_add_test(t, a_chief_of_another_job_makes_the_state_anew);
    tcase_add_test(t, a_chief_that_has_been_replaced_stops);
    tcase_add_test(t, a_waiter_hears_that_ps_0_is_lost);
    suite_add_tcase(s, t);
    return run_suite(s);
}
