/* SPDX-License-Identifier: Apache-2.0
 * Synchronous training's ledger. Gradients depend on the values they were
 * computed from, on the trainer and on its step; the oracle makes each update
 * that ps 0 decides on its own, from its own values. So a save that has the
 * oracle's bits says: every gradient of every set was computed from exactly the
 * values of its step, each set was averaged in the order of its members, and
 * each update was made once on every ps. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/placement.h"
#include "sim.h"
#include "sync.h"

static float gradient(int member, uint64_t seq, int var, int64_t i, float value)
{
    uint64_t h = (uint64_t)member * 7919 + seq * 104729 + (uint64_t)var * 31 +
                 (uint64_t)i * 17;
    return value * 0.01f + (float)((h * 2654435761u >> 7) % 1000) * 0.0137f;
}

static int member_of(const struct trainer_task *t)
{
    return t->role == ROLE_CHIEF ? 0 : 1 + (int)t->index;
}

void oracle_compute(struct life *l)
{
    const struct sim_model *m = &l->sim->model;
    uint64_t seq = session_step_seq(l->session);
    for (int v = 0; v < m->num_vars; v++) {
        for (int64_t i = 0; i < m->n[v]; i++) {
            l->grads[v][i] =
                gradient(member_of(l->task), seq, v, i, l->vars[v].value[i]);
        }
    }
    l->dropped = session_dropped(l->session);
    l->incarnation = session_incarnation(l->session);
    l->epochs = l->sim->oracle.epochs;
}

static bool is_taken(const struct sim_oracle *o,
                     uint64_t incarnation,
                     uint64_t seq)
{
    for (size_t i = o->num_taken; i-- > 0;) {
        if (o->taken[i].seq == seq && o->taken[i].incarnation == incarnation) {
            return true;
        }
    }
    return false;
}

/* Not dropped, nor lost with an epoch or a lease: then it is in a set. */
void oracle_finished(struct life *l)
{
    struct sim *sim = l->sim;
    uint64_t seq = session_step_seq(l->session);
    bool dropped = session_dropped(l->session) != l->dropped;
    sim->dropped += dropped;
    if (dropped || session_incarnation(l->session) != l->incarnation ||
        sim->oracle.epochs != l->epochs || sim->stopped ||
        session_result_step(l->session) == session_step_at(l->session)) {
        return;
    }
    if (!is_taken(&sim->oracle, l->incarnation, seq)) {
        sim_fail(sim,
                 "%s step %" PRIu64 " at update %" PRId64
                 " is finished, but in no set",
                 l->task->who, seq, session_step_at(l->session));
    }
}

static void take(struct sim *sim, uint64_t incarnation, uint64_t seq)
{
    struct sim_oracle *o = &sim->oracle;
    if (is_taken(o, incarnation, seq)) {
        sim_fail(sim, "step %" PRIu64 " is in two sets", seq);
    }
    if (o->num_taken == o->cap_taken) {
        o->cap_taken = o->cap_taken == 0 ? 64 : o->cap_taken * 2;
        o->taken = xrealloc(o->taken, o->cap_taken * sizeof(o->taken[0]));
    }
    o->taken[o->num_taken++] = (struct sim_batch){incarnation, seq};
    o->batches++;
}

/* Adds the part's gradients of an element that have its row; how many. */
static int64_t part_sum(const struct sim *sim,
                        const struct sim_part *p,
                        int v,
                        int64_t i,
                        float *total)
{
    const struct sim_model *m = &sim->model;
    int64_t row = i / (m->n[v] / m->shape[v].dim[0]), n = 0;
    float value = sim->oracle.value[v][i], sum = 0;
    for (uint32_t b = 0; b < p->batches; b++) {
        uint64_t seq = p->seq - p->batches + 1 + b;
        if (sim_has_row(m, v, seq, row)) {
            float g = gradient(p->member, seq, v, i, value);
            sum = n++ == 0 ? g : sum + g;
        }
    }
    *total = sum;
    return n;
}

/* The mean of those that have the row; nobody has: nothing changes. */
static void make_element(struct sim *sim, int v, int64_t i)
{
    struct sim_oracle *o = &sim->oracle;
    float sum = 0, part = 0;
    int64_t count = 0;
    for (int k = 0; k < o->n; k++) {
        int64_t n = part_sum(sim, &o->parts[k], v, i, &part);
        sum = n == 0 ? sum : count == 0 ? part : sum + part;
        count += n;
    }
    if (count > 0) {
        o->value[v][i] -= sim->optimizer.learning_rate * (sum / (float)count);
    }
}

static void make(struct sim *sim)
{
    for (int v = 0; v < sim->model.num_vars; v++) {
        for (int64_t i = 0; i < sim->model.n[v]; i++) {
            make_element(sim, v, i);
        }
    }
    sim->oracle.step++;
}

static void on_decided(void *self, const struct sync_update *u)
{
    struct sim *sim = self;
    struct sim_oracle *o = &sim->oracle;
    if (u->step != o->step || u->n < 1) {
        sim_fail(sim, "update %" PRId64 " of %d is decided at %" PRId64,
                 u->step, u->n, o->step);
        return;
    }
    for (int i = 0; i < SIM_NUM_PS; i++) {
        if (o->made[i] != o->step) {
            sim_fail(sim, "update %" PRId64 " is decided, ps/%d is at %" PRId64,
                     u->step, i, o->made[i]);
        }
    }
    if (o->first_ms == 0) {
        o->first_ms = world_now(sim->world);
        o->first_parts = u->n;
    }
    o->n = u->n;
    for (int k = 0; k < u->n; k++) {
        const struct sync_part *p = &u->parts[k];
        o->parts[k] =
            (struct sim_part){p->member, p->incarnation, p->seq, p->batches};
        for (uint32_t b = 0; b < p->batches; b++) {
            take(sim, p->incarnation, p->seq - b);
        }
    }
    o->most_parts = u->n > o->most_parts ? u->n : o->most_parts;
    o->fewest_parts = u->n < o->fewest_parts ? u->n : o->fewest_parts;
    make(sim);
}

static void on_updated(void *self, uint32_t ps, const struct sync_update *u)
{
    struct sim *sim = self;
    struct sim_oracle *o = &sim->oracle;
    bool same = u->n == o->n && u->step + 1 == o->step;
    for (int k = 0; same && k < u->n; k++) {
        const struct sync_part *a = &u->parts[k];
        const struct sim_part *b = &o->parts[k];
        same = a->member == b->member && a->incarnation == b->incarnation &&
               a->seq == b->seq && a->batches == b->batches;
    }
    if (!same || o->made[ps] != u->step) {
        sim_fail(sim,
                 "ps/%u makes update %" PRId64 " of %d at its step %" PRId64
                 "; decided are %" PRId64 ", the newest of %d",
                 ps, u->step, u->n, o->made[ps], o->step, o->n);
    }
    o->made[ps]++;
}

static void on_ready(void *self, uint64_t epoch, int64_t global_step)
{
    struct sim *sim = self;
    struct sim_oracle *o = &sim->oracle;
    (void)epoch;
    if (o->loaded_step != global_step) {
        sim_fail(sim, "READY at step %" PRId64 ", loaded %" PRId64, global_step,
                 o->loaded_step);
    }
    for (int v = 0; v < sim->model.num_vars; v++) {
        memcpy(o->value[v], o->loaded[v], (size_t)sim->model.n[v] * 4);
    }
    o->step = global_step;
    for (int i = 0; i < SIM_NUM_PS; i++) {
        o->made[i] = global_step;
    }
    o->epochs++;
    o->ready_ms = world_now(sim->world);
    o->first_ms = 0;
}

void oracle_probe(struct sim *sim, struct ps_probe *probe)
{
    *probe = (struct ps_probe){.decided = on_decided,
                               .updated = on_updated,
                               .ready = on_ready,
                               .self = sim};
}

void oracle_restart(struct sim *sim,
                    const struct trainer_var *vars,
                    int64_t step)
{
    struct sim_oracle *o = &sim->oracle;
    o->fewest_parts = o->epochs == 0 ? INT64_MAX : o->fewest_parts;
    o->loaded_step = step;
    for (int v = 0; v < sim->model.num_vars; v++) {
        size_t bytes = (size_t)sim->model.n[v] * 4;
        if (o->value[v] == NULL) {
            o->value[v] = xcalloc(bytes + 1, 1);
            o->loaded[v] = xcalloc(bytes + 1, 1);
        }
        memcpy(o->loaded[v], vars[v].value, bytes);
    }
}

void oracle_check(struct sim *sim,
                  const struct trainer_var *vars,
                  int64_t global_step,
                  const char *what)
{
    const struct sim_oracle *o = &sim->oracle;
    if (global_step != o->step) {
        sim_fail(sim, "%s at step %" PRId64 ", but %" PRId64 " were decided",
                 what, global_step, o->step);
    }
    for (int v = 0; v < sim->model.num_vars; v++) {
        for (int64_t i = 0; i < sim->model.n[v]; i++) {
            if (memcmp(&vars[v].value[i], &o->value[v][i], 4) != 0) {
                sim_fail(sim,
                         "%s at step %" PRId64 ": %s[%" PRId64
                         "] is %.9g, want %.9g",
                         what, global_step, vars[v].name, i,
                         (double)vars[v].value[i], (double)o->value[v][i]);
                return;
            }
        }
    }
}

void oracle_free(struct sim *sim)
{
    for (int v = 0; v < SIM_MAX_VARS; v++) {
        free(sim->oracle.value[v]);
        free(sim->oracle.loaded[v]);
    }
    free(sim->oracle.taken);
}
