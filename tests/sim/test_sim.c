/* SPDX-License-Identifier: Apache-2.0
 *
 * A thousand clusters under faults. Each seed is a run of a chief, two or three
 * workers and two parameter servers to max_steps, with frames lost, doubled and
 * late, connections reset, workers and the chief killed and started again.
 * After it: the final global_step is max_steps; every element of every variable
 * has had exactly the updates that the ledger has; every checkpoint is a
 * consistent cut; every process has ended with 0, within the virtual time
 * allowed.
 *
 * test_sim [--seed N] [--seeds N] [--verbose]: one seed, or seeds 1..N (1000).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem_fs.h"
#include "cluster/placement.h"
#include "sim.h"

#define LIMIT_MS 600000u
#define FAULTS_UNTIL_MS 60000u

enum mode { ASYNC, BOUNDED, SYNC, START };

/* START: what becomes of the last worker of a synchronous job, and by when,
 * after READY, the first update must have been made, with it or without. */
enum { PROMPT, LATE, NEVER, SLOW, DIES, NUM_STARTS };
static const struct start {
    const char *what;
    uint64_t at_ms;    /* it starts, begins to train, or dies */
    uint64_t from, to; /* the first update */
    int without;
} starts[NUM_STARTS] = {
    [PROMPT] = {"starts with the others", 0, 0, 1500, 0},
    [LATE] = {"starts 6 s late", 6000, 5000, 7500, 0},
    [NEVER] = {"never starts", 0, 9000, 10500, 1},
    [SLOW] = {"says HELLO, and trains 25 s later", 25000, 24000, 26500, 0},
    [DIES] = {"is killed before its first step", 3000, 4000, 6000, 1},
};

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    if (sim->failure[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sim->failure, sizeof(sim->failure), fmt, args);
    va_end(args);
}

static uint64_t pick(struct sim *sim, uint64_t n)
{
    return rng_below(world_rng(sim->world), n);
}

static void make_model(struct sim *sim, uint64_t one_in)
{
    struct sim_model *m = &sim->model;
    m->num_vars = 1 + (int)pick(sim, 4);
    bool large = pick(sim, one_in) == 0;
    struct crew_err err = {0};
    for (int v = 0; v < m->num_vars; v++) {
        (void)snprintf(m->name[v], sizeof(m->name[v]), "layer%d/kernel", v);
        int64_t rows = 1 + (int64_t)pick(sim, 12);
        m->shape[v] = large && v == 0
                          ? crew_shape2(400, 100)
                          : crew_shape2(rows, 1 + (int64_t)pick(sim, 9));
        m->n[v] = m->shape[v].dim[0] * m->shape[v].dim[1];
        m->table[v] = pick(sim, 2) == 0;
        m->total += m->n[v];
    }
    if (placement_new(m->shape, m->table, (uint32_t)m->num_vars, SIM_NUM_PS,
                      &sim->placement, &err) != CREW_OK) {
        sim_fail(sim, "%s", err.msg);
    }
}

static void on_ps_notice(void *self, enum env_level level, const char *line)
{
    struct ps_task *t = self;
    (void)level;
    if (t->sim->verbose) {
        printf("%8" PRIu64 " ps/%u: %s\n", world_now(t->sim->world), t->index,
               line);
    }
}

static void on_ps_closed(void *self)
{
    struct ps_task *t = self;
    t->closed = true;
    t->ps = NULL;
}

static void on_ps_over(void *self, int exit_code)
{
    struct ps_task *t = self;
    t->exit_code = exit_code;
    ps_close(t->ps, on_ps_closed, t);
}

static void start_ps(struct sim *sim, uint32_t i)
{
    static const char *const names[SIM_NUM_PS] = {"ps/0", "ps/1"};
    static const char *const addresses[SIM_NUM_PS] = {"ps0:2222", "ps1:2222"};
    struct ps_task *t = &sim->ps[i];
    struct crew_err err = {0};
    int port = 0;
    t->sim = sim;
    t->index = i;
    t->exit_code = -1;
    t->net = mem_net_new(sim->world, names[i]);
    struct ps_options o = {.net = t->net,
                           .index = i,
                           .incarnation = pick(sim, UINT32_MAX) + 1,
                           .address = addresses[i],
                           .cluster = "{}",
                           .num_workers = SIM_MAX_WORKERS,
                           .session_creation_timeout_secs = 200,
                           .on_notice = on_ps_notice,
                           .on_over = on_ps_over,
                           .self = t};
    if (replicas_sync(&sim->replicas)) {
        oracle_probe(sim, &o.probe);
    } else {
        ledger_probe(sim, &o.probe);
    }
    if (i != 0) {
        o.probe.completed = NULL;
        o.probe.ready = NULL;
    }
    if (ps_open(&o, &t->ps, &port, &err) != CREW_OK) {
        sim_fail(sim, "%s", err.msg);
        abort();
    }
}

static void on_restart(struct rpc_timer *timer)
{
    struct trainer_task *t = timer->self;
    if (t->sim->stopped) {
        t->finished = true; /* it would find DONE */
    } else {
        task_start(t);
    }
}

static void on_kill(struct rpc_timer *timer)
{
    struct trainer_task *t = timer->self;
    task_kill(t);
    if (--t->kills_left > 0) {
        t->sim->clock->timer_set(t->sim->clock, &t->killer,
                                 500 + pick(t->sim, 20000));
    }
}

/* A machine that swaps, a SIGSTOP: long enough, and the leases are over. */
static void on_pause(struct rpc_timer *timer)
{
    struct sim *sim = timer->self;
    int who = (int)pick(sim, (uint64_t)sim->num_workers + 3);
    uint64_t ms = 200 + pick(sim, 14000);
    if (sim->stopped || --sim->pauses_left < 0) {
        return;
    }
    struct rpc_net *net = NULL;
    if (who < SIM_NUM_PS) {
        net = sim->ps[who].net;
    } else if (sim->trainers[who - SIM_NUM_PS].life != NULL) {
        net = sim->trainers[who - SIM_NUM_PS].life->net;
    }
    if (net != NULL) {
        if (sim->verbose) {
            printf("%8" PRIu64 " pause of %d for %" PRIu64 " ms\n",
                   world_now(sim->world), who, ms);
        }
        mem_net_pause(net, ms);
        sim->pauses++;
    }
    sim->clock->timer_set(sim->clock, &sim->pause, 2000 + pick(sim, 20000));
}

static void start_pauses(struct sim *sim, bool pauses)
{
    sim->clock = mem_net_new(sim->world, "clock");
    sim->pauses_left = pauses && pick(sim, 3) == 0 ? 1 + (int)pick(sim, 3) : 0;
    sim->pause = (struct rpc_timer){.on_timer = on_pause, .self = sim};
    if (sim->pauses_left > 0) {
        sim->clock->timer_set(sim->clock, &sim->pause, 100 + pick(sim, 1500));
    }
}

static void start_trainers(struct sim *sim, bool kills)
{
    for (int i = 0; i <= sim->num_workers; i++) {
        struct trainer_task *t = &sim->trainers[i];
        t->sim = sim;
        t->role = i == 0 ? ROLE_CHIEF : ROLE_WORKER;
        t->index = i == 0 ? 0 : (uint32_t)i - 1;
        (void)snprintf(t->who, sizeof(t->who), "%s/%u",
                       i == 0 ? "chief" : "worker", t->index);
        t->restart = (struct rpc_timer){.on_timer = on_restart, .self = t};
        t->killer = (struct rpc_timer){.on_timer = on_kill, .self = t};
        t->kills_left = kills ? (int)pick(sim, i == 0 ? 2 : 3) : 0;
        if (i < sim->num_workers || sim->start < 0) {
            task_start(t);
        }
        if (t->kills_left > 0) {
            sim->clock->timer_set(sim->clock, &t->killer, 50 + pick(sim, 3000));
        }
    }
}

static void on_start(struct rpc_timer *timer)
{
    task_start(timer->self);
}

static void on_death(struct rpc_timer *timer)
{
    task_kill_for_good(timer->self);
}

static void start_last(struct sim *sim, int what)
{
    struct trainer_task *t = &sim->trainers[sim->num_workers];
    uint64_t at = starts[what].at_ms;
    t->begin_ms = what == SLOW || what == DIES ? 25000 : 0;
    if (what == LATE) {
        t->restart.on_timer = on_start;
        sim->clock->timer_set(sim->clock, &t->restart, at);
    } else if (what == NEVER) {
        t->finished = true;
    } else {
        task_start(t);
    }
    if (what == DIES) {
        t->killer.on_timer = on_death;
        sim->clock->timer_set(sim->clock, &t->killer, at);
    }
}

static void check_start(struct sim *sim, const struct start *s)
{
    const struct sim_oracle *o = &sim->oracle;
    int want = 1 + sim->num_workers - s->without;
    uint64_t after = o->first_ms - o->ready_ms;
    if (o->first_parts != want || after < s->from || after > s->to) {
        sim_fail(sim,
                 "a worker %s: the first update is of %d, %" PRIu64
                 " ms after READY; wanted %d, from %" PRIu64 " to %" PRIu64,
                 s->what, o->first_parts, after, want, s->from, s->to);
    }
}

static bool all_over(const struct sim *sim)
{
    for (int i = 0; i < SIM_NUM_PS; i++) {
        if (!sim->ps[i].closed) {
            return false;
        }
    }
    for (int i = 0; i <= sim->num_workers; i++) {
        const struct trainer_task *t = &sim->trainers[i];
        if (!t->finished || t->lives_open > 0) {
            return false;
        }
    }
    return true;
}

/* A worker that was starting when the last ps left: a real one finds DONE. */
static void let_late_ones_go(struct sim *sim)
{
    for (int i = 1; i <= sim->num_workers; i++) {
        if (sim->stopped && sim->ps[0].closed && sim->ps[1].closed) {
            task_give_up(&sim->trainers[i]);
        }
    }
}

static void run(struct sim *sim)
{
    struct world_faults none = {.latency_ms = 2};
    bool faults_on = true;
    while (sim->failure[0] == '\0' && !all_over(sim)) {
        if (faults_on && world_now(sim->world) > FAULTS_UNTIL_MS) {
            faults_on = false;
            world_set_faults(sim->world, &none);
        }
        let_late_ones_go(sim);
        if (!world_step(sim->world)) {
            sim_fail(sim, "nothing more happens, but not all have ended");
        }
        if (world_now(sim->world) > LIMIT_MS) {
            sim_fail(sim, "not over after %u s", LIMIT_MS / 1000);
        }
    }
}

static void check_end(struct sim *sim)
{
    for (int i = 0; i < SIM_NUM_PS; i++) {
        if (sim->ps[i].exit_code != 0) {
            sim_fail(sim, "ps/%d ended with %d", i, sim->ps[i].exit_code);
        }
    }
    sim_check_files(sim);
    if (replicas_sync(&sim->replicas) && sim->oracle.step != sim->max_steps) {
        sim_fail(sim, "%" PRId64 " updates were decided", sim->oracle.step);
    }
}

struct totals {
    uint64_t events, frames, lost, resets, repeated;
    int64_t saves, kills, pauses, torn, adopted;
    int64_t batches, dropped, left, smaller, ahead;
};

/* A failed run leaves its memory to the end of the process. */
static void clean_up(struct sim *sim, struct totals *t)
{
    const struct world_counts *c = world_counts(sim->world);
    t->events += c->events;
    t->frames += c->frames;
    t->lost += c->lost;
    t->resets += c->resets;
    t->repeated += c->repeated;
    t->saves += sim->saves;
    t->kills += sim->kills;
    t->pauses += sim->pauses;
    t->torn += sim->torn;
    t->adopted += sim->adopted;
    t->batches += sim->oracle.batches;
    t->dropped += sim->dropped;
    t->left += sim->left;
    t->ahead += sim->most_ahead;
    t->smaller += sim->oracle.fewest_parts < sim->oracle.most_parts;
    if (sim->failure[0] == '\0') {
        world_free(sim->world);
        env_mem_free(sim->env);
        placement_free(sim->placement);
        free(sim->ledger.steps);
        oracle_free(sim);
    }
}

static struct world_faults faults_of(struct sim *sim)
{
    struct world_faults f = {.latency_ms = (uint32_t)pick(sim, 12)};
    uint32_t level = (uint32_t)pick(sim, 4); /* 0: a quiet network */
    f.lose = level * (uint32_t)pick(sim, 1500);
    f.lose_and_reset = level * (uint32_t)pick(sim, 1500);
    f.reset = level * (uint32_t)pick(sim, 2500);
    f.repeat = level * (uint32_t)pick(sim, 15000);
    return f;
}

/* As many gradients as trainers, fewer (backups), more (several batches each).
 */
static void set_mode(struct sim *sim, enum mode mode)
{
    int64_t n = 1 + sim->num_workers;
    sim->input_steps = -1;
    if (mode == BOUNDED) {
        sim->replicas.bounded = true;
        sim->replicas.max_staleness = (int64_t)pick(sim, 4);
    }
    sim->start = -1;
    if (mode != SYNC && mode != START) {
        return;
    }
    if (mode == START) {
        sim->start = (int)(sim->seed % NUM_STARTS);
        sim->optimizer = crew_gradient_descent(0.05);
        sim->replicas = (struct replicas){.to_aggregate = n, .total = n};
        return;
    }
    const int64_t choices[] = {n, n, n - 1, 1, n + 1, 2 * n};
    sim->optimizer = crew_gradient_descent(0.05);
    sim->replicas.to_aggregate = choices[pick(sim, 6)];
    sim->replicas.total = n;
    sim->input_steps = pick(sim, 4) == 0 ? 3 + (int64_t)pick(sim, 12) : -1;
}

static bool run_seed(uint64_t seed,
                     enum mode mode,
                     bool verbose,
                     struct totals *totals)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    sim->seed = seed;
    sim->verbose = verbose;
    sim->world = world_new(seed * 0x9e3779b97f4a7c15u);
    sim->env = env_mem_new(seed);
    sim->optimizer = crew_gradient_descent(1.0);
    make_model(sim, mode == SYNC ? 24 : 6);
    sim->num_workers = 2 + (int)pick(sim, 2);
    sim->max_steps = 5 + (int64_t)pick(sim, 36);
    sim->save_steps = 3 + (int64_t)pick(sim, 12);
    set_mode(sim, mode);
    struct world_faults f = faults_of(sim);
    if (mode != START) {
        world_set_faults(sim->world, &f);
    }
    for (uint32_t i = 0; i < SIM_NUM_PS; i++) {
        start_ps(sim, i);
    }
    start_pauses(sim, mode != START);
    start_trainers(sim, mode != START && pick(sim, 4) > 0);
    if (mode == START) {
        start_last(sim, sim->start);
    }
    run(sim);
    if (sim->failure[0] == '\0') {
        check_end(sim);
    }
    if (mode == START && sim->failure[0] == '\0') {
        check_start(sim, &starts[sim->start]);
    }
    bool well = sim->failure[0] == '\0';
    if (!well) {
        printf("seed %" PRIu64 ": %s\n", seed, sim->failure);
    }
    if (verbose) {
        printf("seed %" PRIu64 ": %d workers, %" PRId64
               " steps, %u granules, "
               "ended at %" PRIu64 " ms, %" PRIu64 " events\n",
               seed, sim->num_workers, sim->max_steps,
               sim->placement->num_granules, world_now(sim->world),
               world_counts(sim->world)->events);
    }
    clean_up(sim, totals);
    if (well) {
        free(sim);
    }
    return well;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, last = 1000;
    bool verbose = false;
    enum mode mode = ASYNC;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = last = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            last = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--sync") == 0) {
            mode = SYNC;
        } else if (strcmp(argv[i], "--start") == 0) {
            mode = START;
        } else if (strcmp(argv[i], "--bounded") == 0) {
            mode = BOUNDED;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr,
                    "test_sim [--sync | --start | --bounded] [--seed N] "
                    "[--seeds N] [--verbose]\n");
            return 64;
        }
    }
    struct totals t = {0};
    int failed = 0;
    for (uint64_t seed = first; seed <= last && failed < 10; seed++) {
        failed += !run_seed(seed, mode, verbose, &t);
    }
    printf("%" PRIu64 " seeds, %d failed; %" PRIu64 " events, %" PRIu64
           " frames, %" PRIu64 " lost, %" PRIu64 " resets, %" PRIu64
           " repeated, %" PRId64 " kills, %" PRId64 " pauses, %" PRId64
           " saves, %" PRId64 " torn granules, %" PRId64
           " chiefs came back to the state\n",
           last - first + 1, failed, t.events, t.frames, t.lost, t.resets,
           t.repeated, t.kills, t.pauses, t.saves, t.torn, t.adopted);
    if (mode == BOUNDED) {
        printf("at most %.2f steps ahead, on average of the clusters\n",
               (double)t.ahead / (double)(last - first + 1));
    }
    if (mode == SYNC) {
        printf("%" PRId64 " batches taken, %" PRId64 " too late, %" PRId64
               " workers left early, %" PRId64 " clusters with smaller sets\n",
               t.batches, t.dropped, t.left, t.smaller);
    }
    if (mode != START && last - first >= 999 && t.adopted == 0) {
        printf("no chief has come back to the state it had left\n");
        failed++;
    }
    return failed == 0 ? 0 : 1;
}
