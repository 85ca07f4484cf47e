/* SPDX-License-Identifier: Apache-2.0
 *
 * Synchronous training on the wire: ps 0 decides an update (sync.c) and tells
 * it with tickets; every ps, ps 0 too, makes it when a trainer brings it with
 * PULL or the chief with HOLD (stage.c).
 *
 * Why no ps can be left behind: a gradient for step t counts only if its
 * trainer had values of step t from every ps. So when t + 1 is decided, t has
 * been made everywhere. And if all who knew of a decision die, ps 0 tells it to
 * the next one that asks. */
#include <stdlib.h>

#include "base/mem.h"
#include "ps_impl.h"

#include "base/banned.h"

/* Longer than a connection that was only reset takes to come back. */
#define AWAY_MS 2000u

void update_init(struct ps *ps)
{
    size_t n = (size_t)ps->members.num;
    ps->parts = xcalloc(n, sizeof(ps->parts[0]));
    ps->part_list = xcalloc(n, sizeof(ps->part_list[0]));
    ps->scratch = xcalloc(n, sizeof(ps->scratch[0]));
    for (size_t i = 0; i < n; i++) {
        ps->part_list[i] = &ps->parts[i];
    }
    sync_init(&ps->sync, ps->members.num);
}

void update_release(struct ps *ps)
{
    free(ps->parts);
    free(ps->part_list);
    free(ps->scratch);
    sync_release(&ps->sync);
}

Crew__Update *update_message(struct ps *ps, Crew__Update *message)
{
    const struct sync_update *u = &ps->sync.last;
    if (!ps->sync.running || u->step < 0) {
        return NULL;
    }
    crew__update__init(message);
    for (int i = 0; i < u->n; i++) {
        const struct member *m = &ps->members.all[u->parts[i].member];
        Crew__Part *p = &ps->parts[i];
        crew__part__init(p);
        p->role = (Crew__Role)m->role;
        p->index = m->index;
        p->incarnation = u->parts[i].incarnation;
        p->seq = u->parts[i].seq;
        p->batches = u->parts[i].batches;
    }
    message->global_step = u->step;
    message->n_parts = (size_t)u->n;
    message->parts = ps->part_list;
    return message;
}

static int make(struct ps *ps,
                const struct sync_update *u,
                struct crew_err *err)
{
    bool made = false;
    int rc = stage_commit(ps->stage, u, &made, err);
    if (made && ps->o.probe.updated != NULL) {
        ps->o.probe.updated(ps->o.probe.self, ps->o.index, u);
    }
    return rc;
}

bool update_make(struct ps *ps, const Crew__Update *message, struct refusal *r)
{
    struct crew_err err = {0};
    if (message == NULL || ps->stage == NULL) {
        return true;
    }
    struct sync_update u = {.step = message->global_step, .parts = ps->scratch};
    for (size_t i = 0; i < message->n_parts && u.n < ps->members.num; i++) {
        const Crew__Part *p = message->parts[i];
        ps->scratch[u.n++] = (struct sync_part){
            .member = members_find(&ps->members, (int)p->role, p->index),
            .incarnation = p->incarnation,
            .seq = p->seq,
            .batches = p->batches};
    }
    if (make(ps, &u, &err) != CREW_OK) {
        refuse(r, CREW_INTERNAL, 70, CREW__REFUSAL__NONE, "%s", err.msg);
        return false;
    }
    return true;
}

bool update_make_own(struct ps *ps, struct refusal *r)
{
    Crew__Update message;
    return update_make(ps, update_message(ps, &message), r);
}

static void tell_away(struct ps *ps, const struct member *m, bool active)
{
    char name[32];
    if (ps->sync.running && active && ps->o.index == 0) {
        ps_notice(ps, LOG_WARN,
                  "%s on %s has lost its connections; synchronous training "
                  "goes on without it until it is back",
                  members_name(m, name, sizeof(name)), m->host);
    }
}

void update_away(struct ps *ps, uint64_t now)
{
    for (int i = 0; i < ps->members.num; i++) {
        const struct member *m = &ps->members.all[i];
        if (m->alive && m->connections == 0 && !ps->sync.members[i].away &&
            now - m->gone_ms >= AWAY_MS) {
            tell_away(ps, m, ps->sync.members[i].active);
            sync_away(&ps->sync, i, true);
        }
    }
}

/* The first update has been made, and not all had come. */
static void tell_missing(struct ps *ps)
{
    if (ps->sync.missing > 0) {
        ps_notice(ps, LOG_WARN,
                  "synchronous training has begun without %lld of %lld "
                  "trainers, which have not come within %u s; who comes later "
                  "takes part from then on",
                  (long long)ps->sync.missing,
                  (long long)ps->sync.replicas.total, SYNC_GRACE_MS / 1000);
    }
}

void update_decide(struct ps *ps)
{
    bool may = ps->sync.running && !ps->steps.hold &&
               steps_gate(&ps->steps, ps_now(ps)) == STEPS_GO;
    bool first = ps->sync.first;
    if (may && sync_decide(&ps->sync, ps_now(ps))) {
        steps_advance(&ps->steps);
        if (first) {
            tell_missing(ps);
        }
        if (ps->o.probe.decided != NULL) {
            ps->o.probe.decided(ps->o.probe.self, &ps->sync.last);
        }
    }
}
