/* SPDX-License-Identifier: Apache-2.0
 *
 * Synchronous training, the trainer's side. A step ends when its fate is known:
 *
 *   PUSH_PULL to every ps (the gradients wait there) -> TICKET to ps 0: they
 * are everywhere -> the answer tells which update has been decided, and brings
 * the next ticket -> PULL from every ps, with that update, for the new values.
 *
 * The answer may also be another batch for the same update; then the values are
 * still good.
 *
 * Failure modes:
 * - Too late for the update (a backup worker): the gradients were dropped,
 * whole; the values are fetched and training goes on.
 * - A ps has newer values than the ticket is for: the update has been decided
 *   without us meanwhile; another ticket is asked for.
 * - All else: as in asynchronous training. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define DROPPED_LINE_MS 60000u

void sync_forget(struct session *s)
{
    s->update_known = false;
    for (int i = 0; i < s->o.num_ps; i++) {
        s->links[i].values_step = -1;
    }
}

void sync_free(struct session *s)
{
    free(s->parts);
    free(s->part_list);
}

/* Room for as many parts as there are trainers: it grows only at first. */
static void make_room(struct session *s, size_t n)
{
    if (n <= s->cap_parts) {
        return;
    }
    s->parts = xrealloc(s->parts, n * sizeof(s->parts[0]));
    s->part_list = xrealloc(s->part_list, n * sizeof(s->part_list[0]));
    s->cap_parts = n;
    for (size_t i = 0; i < n; i++) {
        s->part_list[i] = &s->parts[i];
    }
}

void sync_keep_update(struct session *s, const Crew__Update *u)
{
    s->update_known = u != NULL;
    if (u == NULL) {
        return;
    }
    make_room(s, u->n_parts);
    for (size_t i = 0; i < u->n_parts; i++) {
        Crew__Part *p = &s->parts[i];
        crew__part__init(p);
        p->role = u->parts[i]->role;
        p->index = u->parts[i]->index;
        p->incarnation = u->parts[i]->incarnation;
        p->seq = u->parts[i]->seq;
        p->batches = u->parts[i]->batches;
    }
    crew__update__init(&s->update);
    s->update.global_step = u->global_step;
    s->update.n_parts = u->n_parts;
    s->update.parts = s->part_list;
}

Crew__Update *sync_update_of(struct session *s)
{
    return s->update_known ? &s->update : NULL;
}

static void note_dropped(struct session *s)
{
    uint64_t now = session_now(s);
    s->dropped++;
    if (s->dropped_told_ms != 0 && now - s->dropped_told_ms < DROPPED_LINE_MS) {
        return;
    }
    s->dropped_told_ms = now + (now == 0);
    session_notice(s, LOG_INFO,
                   "the update of step %" PRId64
                   " was made without this "
                   "trainer's gradients, which came too late: %" PRIu64
                   " of its %" PRIu64 " batches so far",
                   s->now[0].global_step, s->dropped, s->seq);
}

void sync_ticket(struct session *s, const Crew__Ticket *t)
{
    bool pushed = s->op == SESSION_FINISH && s->op_phase == 1;
    sync_keep_update(s, t->update);
    s->global_step = t->global_step;
    s->ticket = t->grant == CREW__TICKET__GRANT__GO;
    s->ticket_step = t->global_step;
    s->batch = t->batch;
    if (!pushed || (!t->settled && !s->ticket)) {
        return;
    }
    s->op_phase = 2;
    if (t->settled && t->dropped) {
        note_dropped(s);
    }
}

/* Also a ps without granules is told of each update: then all stand at one
 * step. */
static bool link_current(const struct link *l)
{
    return l->values_step == l->s->global_step;
}

/* A ps is further than our ticket. */
static bool overtaken(const struct session *s)
{
    for (int i = 0; i < s->o.num_ps; i++) {
        if (s->links[i].values_step > s->global_step) {
            return true;
        }
    }
    return false;
}

/* Fetch the values of s->global_step from every ps that has not given them yet.
 * True: they are here, or newer ones, which our ticket is not for. */
static bool refresh(struct session *s)
{
    if (s->job != JOB_PULL) {
        s->with_slots = false;
        job_set(s, JOB_PULL);
        for (int i = 0; i < s->o.num_ps; i++) {
            s->links[i].done = link_current(&s->links[i]);
        }
    }
    job_pump(s);
    if (!job_all_done(s)) {
        return false; /* waiting: for the new values */
    }
    s->job = JOB_NONE;
    if (overtaken(s)) {
        s->ticket = false;
    }
    return true;
}

bool sync_next(struct session *s)
{
    if (s->ticket_step != s->global_step) {
        s->ticket = false;
        return false;
    }
    return refresh(s) && s->ticket;
}

/* Phases of FINISH (op_phase): 0 push, 1 ask what becomes of it, 2 fetch
 * values. */
bool sync_finish(struct session *s)
{
    if (s->op_phase == 0) {
        job_pump(s);
        if (!job_all_done(s)) {
            return false; /* waiting: for every ps to have the gradients */
        }
        s->completed = s->seq;
        s->op_phase = 1;
    }
    if (s->op_phase == 1) {
        if (!s->poll.busy) {
            (void)step_poll_ticket(s, false);
        }
        return false; /* waiting: for the others, and for the decision */
    }
    return refresh(s);
}
