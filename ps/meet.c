/* SPDX-License-Identifier: Apache-2.0
 *
 * Where members meet: tickets, the hold for a cut, news of saves and of the
 * end. TICKET, HOLD, EVALUATOR and AWAIT are long polls: answered when there is
 * news, or after 5 s without; meet_flush looks at all that wait whenever
 * something has changed, and the server's tick looks at their deadlines. */
#include <stdio.h>

#include "ps_impl.h"

#include "base/banned.h"

#define POLL_MS 5000u

void meet_end(const struct ps *ps, Crew__End *end)
{
    crew__end__init(end);
    bool to_come = ps->end.phase == END_RUNNING && ps->end.asked;
    end->exit_code = to_come ? ps->end.asked_code : ps->end.exit_code;
    end->step = to_come ? ps->steps.global_step : ps->end.step;
    end->reason =
        (char *)(uintptr_t)(to_come ? ps->end.asked_reason : ps->end.reason);
}

bool meet_evaluator_awaited(const struct ps *ps)
{
    return ps->o.index == 0 && ps->members.all[ps->members.num - 1].alive &&
           !ps->evaluator_done;
}

void meet_count(struct ps *ps, int member, uint64_t seq)
{
    if (ps->sync.running) {
        return; /* sync_report does */
    }
    const struct member *m = &ps->members.all[member];
    if (steps_complete(&ps->steps, member, seq) > 0 &&
        ps->o.probe.completed != NULL) {
        ps->o.probe.completed(ps->o.probe.self, (int)m->role, m->index,
                              m->incarnation, seq);
    }
}

static struct waiter *wait_for(struct link *l,
                               enum wait_kind kind,
                               uint64_t call_id)
{
    struct waiter *w = &l->wait[kind];
    *w = (struct waiter){.active = true,
                         .call_id = call_id,
                         .deadline_ms = ps_now(l->ps) + POLL_MS};
    return w;
}

/* ---------------------------------------------------------------- tickets */

static void reply_ticket_at(struct link *l,
                            uint64_t call_id,
                            Crew__Ticket__Grant grant,
                            int64_t end_step,
                            uint32_t batch)
{
    struct ps *ps = l->ps;
    Crew__TicketReply reply = CREW__TICKET_REPLY__INIT;
    Crew__Ticket ticket = CREW__TICKET__INIT;
    Crew__Update update;
    Crew__End end;
    meet_end(ps, &end);
    if (ps->end.phase == END_RUNNING) {
        end.exit_code = 0;
        end.step = end_step;
    }
    ticket.grant = grant;
    ticket.global_step = ps->steps.global_step;
    ticket.end = grant == CREW__TICKET__GRANT__STOP ? &end : NULL;
    ticket.batch = batch;
    ticket.update = update_message(ps, &update);
    ticket.settled = ps->sync.running && !sync_pending(&ps->sync, l->member);
    ticket.dropped = ps->sync.running && ps->sync.members[l->member].dropped;
    reply.ticket = &ticket;
    rpc_reply(l->session, RPC_TICKET, call_id, &reply.base);
}

static void reply_ticket(struct link *l,
                         uint64_t call_id,
                         Crew__Ticket__Grant grant,
                         int64_t end_step)
{
    reply_ticket_at(l, call_id, grant, end_step, 0);
}

/* Synchronous. */
static bool try_sync_ticket(struct link *l, const struct waiter *w)
{
    struct ps *ps = l->ps;
    struct sync_ticket t;
    enum steps_grant gate = steps_gate(&ps->steps, ps_now(ps));
    if (gate == STEPS_GO && sync_ask(&ps->sync, l->member, w->seq, &t)) {
        reply_ticket_at(l, w->call_id, CREW__TICKET__GRANT__GO, 0, t.batch);
        return true;
    }
    if (sync_pending(&ps->sync, l->member)) {
        return false;
    }
    if (gate == STEPS_OVER && ps->members.all[l->member].role == MEMBER_CHIEF) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__STOP,
                     ps->steps.global_step);
        return true;
    }
    if (w->settle) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__WAIT, 0);
    }
    return w->settle;
}

/* Answer a waiting TICKET if there is an answer; false: it goes on waiting. */
static bool try_ticket(struct link *l, struct waiter *w)
{
    struct ps *ps = l->ps;
    if (ps->end.phase != END_RUNNING) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__STOP, 0);
        return true;
    }
    if (members_judge(&ps->members, l->member, l->incarnation) != MEMBER_SAME ||
        ps->phase != CREW__PHASE__READY) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__WAIT, 0);
        return true; /* asking again it will learn why */
    }
    if (ps->sync.running) {
        return try_sync_ticket(l, w);
    }
    enum steps_grant g = steps_ask(&ps->steps, l->member, w->seq, ps_now(ps));
    if (g == STEPS_GO) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__GO, 0);
        return true;
    }
    /* At max_steps the chief saves and then tells all others. */
    if (g == STEPS_OVER && ps->members.all[l->member].role == MEMBER_CHIEF) {
        reply_ticket(l, w->call_id, CREW__TICKET__GRANT__STOP,
                     ps->steps.global_step);
        return true;
    }
    return false;
}

void meet_ticket(struct link *l, uint64_t call_id, const Crew__TicketRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    if (!judge_state(ps, q->self, false, &member, &r) &&
        r.error.refusal != CREW__REFUSAL__STOPPED) {
        link_error(l, RPC_TICKET, call_id, &r);
        return;
    }
    bool mine = member == l->member && q->self->incarnation == l->incarnation;
    if (!mine || !steps_accept(&ps->steps, member, q->self->seq)) {
        reply_ticket(l, call_id, CREW__TICKET__GRANT__WAIT, 0);
        return;
    }
    meet_count(ps, member, q->completed);
    (void)sync_report(&ps->sync, member, q->completed, q->global_step);
    if (q->self->role == CREW__ROLE__ROLE_CHIEF && !q->leaving) {
        steps_release_hold(&ps->steps); /* its RELEASE may have been lost */
    }
    if (q->leaving) {
        steps_leave(&ps->steps, member);
        sync_leave(&ps->sync, member, q->broken);
        reply_ticket(l, call_id, CREW__TICKET__GRANT__WAIT, 0);
    } else {
        struct waiter *w = wait_for(l, WAIT_TICKET, call_id);
        w->seq = q->completed;
        w->settle = q->settle;
    }
    meet_flush(ps);
}

/* ------------------------------------------------------------------- hold */

static void reply_hold(struct link *l, uint64_t call_id, bool held)
{
    struct ps *ps = l->ps;
    Crew__HoldReply reply = CREW__HOLD_REPLY__INIT;
    Crew__Identity ids[MEMBERS_FENCED], *list[MEMBERS_FENCED];
    uint32_t n = ps->members.num_fenced < MEMBERS_FENCED
                     ? ps->members.num_fenced
                     : MEMBERS_FENCED;
    for (uint32_t i = 0; i < n; i++) {
        const struct member_fenced *f = &ps->members.fenced[i];
        crew__identity__init(&ids[i]);
        ids[i].role = (Crew__Role)f->role;
        ids[i].index = f->index;
        ids[i].incarnation = f->incarnation;
        list[i] = &ids[i];
    }
    Crew__Update update;
    reply.held = held;
    reply.update = update_message(ps, &update);
    reply.global_step = ps->steps.global_step;
    reply.steps_under_way = steps_under_way(&ps->steps);
    reply.n_fenced = n;
    reply.fenced = list;
    rpc_reply(l->session, RPC_HOLD, call_id, &reply.base);
}

static bool try_hold(struct link *l, struct waiter *w)
{
    struct ps *ps = l->ps;
    if (ps->steps.hold && steps_under_way(&ps->steps) > 0) {
        return false;
    }
    reply_hold(l, w->call_id, ps->steps.hold);
    return true;
}

void meet_hold(struct link *l, uint64_t call_id, const Crew__HoldRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    if (!judge_chief(ps, q->self, false, &r)) {
        link_error(l, RPC_HOLD, call_id, &r);
        return;
    }
    for (size_t i = 0; i < q->n_fence; i++) {
        const Crew__Identity *f = q->fence[i];
        if (members_fence(&ps->members, (int)f->role, f->index,
                          f->incarnation)) {
            ps_fenced(ps, members_find(&ps->members, (int)f->role, f->index),
                      f->incarnation);
        }
    }
    /* In synchronous training nothing is under way that could not be made
     * everywhere at once. */
    bool made = ps->o.index != 0 ? update_make(ps, q->update, &r)
                                 : update_make_own(ps, &r);
    if (!made) {
        link_error(l, RPC_HOLD, call_id, &r);
        return;
    }
    if (ps->o.index != 0) {
        reply_hold(l, call_id, true);
        return;
    }
    if (!steps_accept(&ps->steps, 0, q->self->seq)) {
        reply_hold(l, call_id, false);
        return;
    }
    steps_hold(&ps->steps);
    (void)wait_for(l, WAIT_HOLD, call_id);
    meet_flush(ps);
}

void meet_release(struct link *l,
                  uint64_t call_id,
                  const Crew__ReleaseRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    if (!judge_chief(ps, q->self, false, &r)) {
        link_error(l, RPC_RELEASE, call_id, &r);
        return;
    }
    if (steps_accept(&ps->steps, 0, q->self->seq)) {
        steps_release_hold(&ps->steps);
        if (q->saved_step >= 0) {
            steps_saved(&ps->steps, q->saved_step, ps_now(ps));
        }
        meet_flush(ps);
    }
    Crew__ReleaseReply reply = CREW__RELEASE_REPLY__INIT;
    rpc_reply(l->session, RPC_RELEASE, call_id, &reply.base);
}

/* -------------------------------------------------- evaluator and the end */

static bool try_evaluator(struct link *l, struct waiter *w)
{
    struct ps *ps = l->ps;
    bool ended = ps->end.phase != END_RUNNING;
    if (!ended && ps->steps.saved_step == w->known) {
        return false;
    }
    Crew__EvaluatorReply reply = CREW__EVALUATOR_REPLY__INIT;
    Crew__End end;
    meet_end(ps, &end);
    reply.saved_step = ps->steps.saved_step;
    reply.ended = ended;
    reply.end = ended ? &end : NULL;
    rpc_reply(l->session, RPC_EVALUATOR, w->call_id, &reply.base);
    return true;
}

void meet_evaluator(struct link *l,
                    uint64_t call_id,
                    const Crew__EvaluatorRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    if (!judge_incarnation(ps, q->self, &member, &r)) {
        link_error(l, RPC_EVALUATOR, call_id, &r);
        return;
    }
    if (q->result[0] != '\0' && q->result_step >= ps->result_step) {
        (void)snprintf(ps->result, sizeof(ps->result), "%s", q->result);
        ps->result_step = q->result_step;
    }
    ps->evaluator_done = ps->evaluator_done || q->done;
    wait_for(l, WAIT_EVALUATOR, call_id)->known = q->saved_step;
    if (q->done) {
        l->wait[WAIT_EVALUATOR].deadline_ms = ps_now(ps); /* just an ack */
    }
    meet_flush(ps);
}

static uint32_t workers_connected(const struct ps *ps)
{
    uint32_t n = 0;
    for (int i = 0; i < ps->members.num; i++) {
        const struct member *m = &ps->members.all[i];
        n += m->role == MEMBER_WORKER && m->connections > 0;
    }
    return n;
}

static bool try_await(struct link *l, struct waiter *w)
{
    struct ps *ps = l->ps;
    Crew__AwaitReply reply = CREW__AWAIT_REPLY__INIT;
    reply.evaluator_expected = meet_evaluator_awaited(ps);
    reply.evaluator_done = ps->evaluator_done;
    reply.trainers = workers_connected(ps);
    reply.result = ps->result;
    reply.result_step = ps->result_step;
    const Crew__AwaitReply *told = &l->told;
    if (l->told_once && ps_now(ps) < w->deadline_ms &&
        told->evaluator_expected == reply.evaluator_expected &&
        told->evaluator_done == reply.evaluator_done &&
        told->trainers == reply.trainers &&
        told->result_step == reply.result_step) {
        return false;
    }
    l->told = reply;
    l->told_once = true;
    rpc_reply(l->session, RPC_AWAIT, w->call_id, &reply.base);
    return true;
}

void meet_await(struct link *l, uint64_t call_id, const Crew__AwaitRequest *q)
{
    struct refusal r;
    int member = -1;
    if (!judge_incarnation(l->ps, q->self, &member, &r)) {
        link_error(l, RPC_AWAIT, call_id, &r);
        return;
    }
    (void)wait_for(l, WAIT_AWAIT, call_id);
    meet_flush(l->ps);
}

void meet_stop(struct link *l, uint64_t call_id, const Crew__StopRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    bool ok = judge_incarnation(ps, q->self, &member, &r);
    if (ok && (q->self->role != CREW__ROLE__ROLE_CHIEF || q->end == NULL)) {
        refuse(&r, CREW_PERMISSION_DENIED, 78, CREW__REFUSAL__MISMATCH,
               "only the chief ends the job");
        ok = false;
    }
    if (!ok) {
        link_error(l, RPC_STOP, call_id, &r);
        return;
    }
    ps_told(ps, q->end->exit_code, q->end->step, q->end->reason);
    Crew__StopReply reply = CREW__STOP_REPLY__INIT;
    reply.evaluator = meet_evaluator_awaited(ps);
    rpc_reply(l->session, RPC_STOP, call_id, &reply.base);
}

void meet_heartbeat(struct link *l,
                    uint64_t call_id,
                    const Crew__HeartbeatRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    if (!judge_incarnation(ps, q->self, &member, &r)) {
        link_error(l, RPC_HEARTBEAT, call_id, &r);
        return;
    }
    members_renew(&ps->members, member, ps_now(ps));
    Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;
    Crew__End end;
    meet_end(ps, &end);
    reply.phase = ps->phase;
    reply.epoch = ps->epoch;
    reply.global_step = ps->steps.global_step;
    if (ps->end.phase != END_RUNNING) {
        reply.phase = CREW__PHASE__ENDED;
    }
    if (ps->end.phase != END_RUNNING || ps->end.asked) {
        reply.end = &end;
    }
    rpc_reply(l->session, RPC_HEARTBEAT, call_id, &reply.base);
}

/* ------------------------------------------------------------------ flush */

/* Time is up: the answer that means "nothing new, ask again". */
static void give_up(struct link *l, enum wait_kind kind, struct waiter *w)
{
    struct ps *ps = l->ps;
    Crew__EvaluatorReply none = CREW__EVALUATOR_REPLY__INIT;
    switch (kind) {
        case WAIT_TICKET:
            reply_ticket(l, w->call_id, CREW__TICKET__GRANT__WAIT, 0);
            break;
        case WAIT_HOLD:
            reply_hold(l, w->call_id, false);
            break;
        case WAIT_EVALUATOR:
            none.saved_step = ps->steps.saved_step;
            rpc_reply(l->session, RPC_EVALUATOR, w->call_id, &none.base);
            break;
        case WAIT_AWAIT:
        case NUM_WAITS:
            break; /* try_await looks at the deadline itself */
    }
}

static void look(struct link *l, enum wait_kind kind)
{
    static bool (*const try[NUM_WAITS])(struct link *, struct waiter *) = {
        [WAIT_TICKET] = try_ticket,
        [WAIT_HOLD] = try_hold,
        [WAIT_EVALUATOR] = try_evaluator,
        [WAIT_AWAIT] = try_await,
    };
    struct waiter *w = &l->wait[kind];
    if (!w->active) {
        return;
    }
    if (try[kind](l, w)) {
        w->active = false;
    } else if (ps_now(l->ps) >= w->deadline_ms) {
        give_up(l, kind, w);
        w->active = false;
    }
}

void meet_flush(struct ps *ps)
{
    update_decide(ps);
    for (struct link *l = ps->links; l != NULL; l = l->next) {
        for (int k = 0; k < NUM_WAITS && !l->closing; k++) {
            look(l, (enum wait_kind)k);
        }
    }
}
