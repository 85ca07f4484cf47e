/* SPDX-License-Identifier: Apache-2.0
 * Bounded staleness, as the trainers see it. For each two that train it counts
 * what both have done since the later of them came. A newcomer counts from
 * where the slowest is, and the other may be max_staleness + 1 further by then;
 * so neither may begin a step when it has done more than 2 max_staleness + 1
 * more than the other. One that has been given up, or that saves, comes anew.
 */
#include <inttypes.h>

#include "sim.h"

static bool trains(const struct sim *sim, const struct life *l)
{
    return l != NULL && l->counted && l->epochs == sim->ready_count &&
           l->incarnation == session_incarnation(l->session) &&
           ps_admits(sim->ps[0].ps, l->task->role, l->task->index,
                     l->incarnation);
}

static void come(struct life *l)
{
    struct sim *sim = l->sim;
    l->counted = true;
    l->epochs = sim->ready_count;
    l->incarnation = session_incarnation(l->session);
    for (int i = 0; i <= sim->num_workers; i++) {
        struct life *o = sim->trainers[i].life;
        if (o != NULL) {
            l->ahead[i] = 0;
            o->ahead[l->task - sim->trainers] = 0;
        }
    }
}

void bound_begin(struct life *l)
{
    struct sim *sim = l->sim;
    int64_t most = 2 * sim->replicas.max_staleness + 1;
    if (!trains(sim, l)) {
        come(l);
    }
    for (int i = 0; i <= sim->num_workers; i++) {
        const struct life *o = sim->trainers[i].life;
        if (o != l && trains(sim, o) && l->ahead[i] > most) {
            sim_fail(sim, "%s begins a step %" PRId64 " ahead of %s",
                     l->task->who, l->ahead[i], o->task->who);
        }
        sim->most_ahead =
            o != l && trains(sim, o) && l->ahead[i] > sim->most_ahead
                ? l->ahead[i]
                : sim->most_ahead;
    }
}

void bound_finished(struct life *l)
{
    struct sim *sim = l->sim;
    for (int i = 0; i <= sim->num_workers; i++) {
        struct life *o = sim->trainers[i].life;
        if (o != NULL && o != l) {
            l->ahead[i]++;
            o->ahead[l->task - sim->trainers]--;
        }
    }
}
