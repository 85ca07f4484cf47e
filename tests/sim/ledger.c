/* SPDX-License-Identifier: Apache-2.0
 * The ledger: what the parameter servers say they applied and counted, what the
 * trainers were told, and whether the numbers in the variables agree. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cluster/placement.h"
#include "sim.h"

float sim_initial(int var, int64_t i)
{
    return (float)(1000 + (i * 7 + var * 13) % 101);
}

float sim_gradient(int var, int64_t i)
{
    return (float)(1 + (i + var) % 3);
}

bool sim_has_row(const struct sim_model *m, int var, uint64_t seq, int64_t row)
{
    return !m->table[var] || (row / 2 + (int64_t)(seq % 5) + var) % 4 == 0;
}

struct sim_step *ledger_step(struct sim_ledger *l,
                             int role,
                             uint32_t index,
                             uint64_t incarnation,
                             uint64_t seq)
{
    for (size_t i = l->n; i-- > 0;) {
        struct sim_step *s = &l->steps[i];
        if (s->seq == seq && s->incarnation == incarnation && s->role == role &&
            s->index == index) {
            return s;
        }
    }
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->steps = xrealloc(l->steps, l->cap * sizeof(l->steps[0]));
    }
    l->steps[l->n] = (struct sim_step){
        .role = role, .index = index, .incarnation = incarnation, .seq = seq};
    return &l->steps[l->n++];
}

static void on_applied(void *self,
                       int role,
                       uint32_t index,
                       uint64_t incarnation,
                       uint64_t seq,
                       uint32_t granule)
{
    struct sim *sim = self;
    ledger_step(&sim->ledger, role, index, incarnation, seq)->applied |=
        (uint64_t)1 << granule;
}

static void on_completed(void *self,
                         int role,
                         uint32_t index,
                         uint64_t incarnation,
                         uint64_t seq)
{
    struct sim *sim = self;
    struct sim_step *s =
        ledger_step(&sim->ledger, role, index, incarnation, seq);
    uint64_t all = ((uint64_t)1 << sim->placement->num_granules) - 1;
    if (s->counted) {
        sim_fail(sim, "role %d/%u step %" PRIu64 " is counted twice", role,
                 index, seq);
    }
    if (s->applied != all || !s->acked) {
        sim_fail(sim,
                 "role %d/%u step %" PRIu64
                 " is counted, but applied to %" PRIx64 " of %" PRIx64
                 " granules, acked: %d",
                 role, index, seq, s->applied, all, s->acked);
    }
    s->counted = true;
    sim->ledger.counted++;
}

static void on_ready(void *self, uint64_t epoch, int64_t global_step)
{
    struct sim *sim = self;
    (void)epoch;
    struct sim_ledger *l = &sim->ledger;
    sim->ready_count++;
    /* Processes live on: what belongs to the old state is forgotten. */
    l->n = 0;
    l->counted = 0;
    if (l->base_step != global_step) {
        sim_fail(sim, "READY at step %" PRId64 ", loaded %" PRId64, global_step,
                 l->base_step);
    }
}

void ledger_probe(struct sim *sim, struct ps_probe *probe)
{
    *probe = (struct ps_probe){.applied = on_applied,
                               .completed = on_completed,
                               .ready = on_ready,
                               .self = sim};
}

/* How many updates element i of a variable has had. */
static double updates(const struct trainer_var *v, int var, int64_t i)
{
    return (double)(sim_initial(var, i) - v->value[i]) /
           (double)sim_gradient(var, i);
}

void ledger_restart(struct sim *sim,
                    const struct trainer_var *vars,
                    int64_t step)
{
    struct sim_ledger *l = &sim->ledger;
    l->base_step = step;
    for (uint32_t id = 0; id < sim->placement->num_granules; id++) {
        const struct granule *g = &sim->placement->granules[id];
        l->base_count[id] =
            (int64_t)updates(&vars[g->variable], (int)g->variable, g->offset);
    }
    for (int v = 0; v < sim->model.num_vars; v++) {
        int64_t rows = sim->model.shape[v].dim[0];
        for (int64_t r = 0; r < rows; r++) {
            l->base_rows[v][r] =
                (int64_t)updates(&vars[v], v, r * (sim->model.n[v] / rows));
        }
    }
}

/* Steps of processes that were lost in the middle: applied here, never counted.
 */
static bool is_on(const struct sim_step *s, uint32_t granule)
{
    return (s->applied >> granule & 1) != 0;
}

static int64_t torn_on(const struct sim_ledger *l, uint32_t granule)
{
    int64_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        n += !l->steps[i].counted && is_on(&l->steps[i], granule);
    }
    return n;
}

/* Of a table: how often a row must have been updated. */
static int64_t row_updates(const struct sim *sim,
                           uint32_t granule,
                           int var,
                           int64_t row)
{
    const struct sim_ledger *l = &sim->ledger;
    int64_t n = l->base_rows[var][row];
    for (size_t i = 0; i < l->n; i++) {
        n += is_on(&l->steps[i], granule) &&
             sim_has_row(&sim->model, var, l->steps[i].seq, row);
    }
    return n;
}

static void check_granule(struct sim *sim,
                          const struct trainer_var *v,
                          uint32_t id,
                          const char *what)
{
    const struct sim_ledger *l = &sim->ledger;
    const struct granule *g = &sim->placement->granules[id];
    int var = (int)g->variable;
    int64_t torn = torn_on(l, id), width = v->n / v->shape.dim[0];
    int64_t want = l->base_count[id] + l->counted + torn;
    sim->torn += torn > 0;
    for (int64_t i = g->offset; i < g->offset + g->count; i++) {
        double got = updates(v, var, i);
        if (sim->model.table[var] && i % width == 0) {
            want = row_updates(sim, id, var, i / width);
        }
        if (got < (double)want || got > (double)want) {
            sim_fail(sim,
                     "%s: %s[%" PRId64
                     "] (granule %u) has had %g updates, want %" PRId64
                     " (%" PRId64 " of the granule torn)",
                     what, v->name, i, id, got, want, torn);
            return;
        }
    }
}

/* At rest, what a living trainer was told to be complete has been counted. */
static void check_acked(struct sim *sim)
{
    const struct sim_ledger *l = &sim->ledger;
    for (size_t i = 0; i < l->n; i++) {
        const struct sim_step *s = &l->steps[i];
        if (s->acked && !s->counted && s->applied != 0 &&
            ps_admits(sim->ps[0].ps, s->role, s->index, s->incarnation)) {
            sim_fail(sim,
                     "role %d/%u step %" PRIu64
                     " is complete, but not "
                     "counted",
                     s->role, s->index, s->seq);
        }
    }
}

void ledger_check(struct sim *sim,
                  const struct trainer_var *vars,
                  int64_t global_step,
                  const char *what)
{
    const struct sim_ledger *l = &sim->ledger;
    if (global_step != l->base_step + l->counted) {
        sim_fail(sim,
                 "%s: global_step is %" PRId64 ", but %" PRId64
                 " steps were counted after %" PRId64,
                 what, global_step, l->counted, l->base_step);
    }
    check_acked(sim);
    for (uint32_t id = 0; id < sim->placement->num_granules; id++) {
        check_granule(sim, &vars[sim->placement->granules[id].variable], id,
                      what);
    }
}
