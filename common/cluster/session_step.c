/* SPDX-License-Identifier: Apache-2.0
 *
 * One step: the ticket, the push of gradients as they become ready, the new
 * values that come down.
 *
 * Happy path: PUSH_PULL to every ps -> a part a granule, in the order of
 * session_grad_ready -> the values straight into the variables -> the answer of
 * ps 0 brings the next ticket.
 *
 * Failure modes:
 * - The connection is lost: when it is back the whole push goes out again under
 * the same number; what had been applied is not applied again.
 * - The answer comes but a value does not: as lost. */
#include "base/check.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define TICKET_MS 7000u /* answered within 5 s */
#define AGAIN_MS 20u

/* --------------------------------------------------------------- the push */

static const struct granule *expected(const struct link *l,
                                      const Crew__ValuePart *part,
                                      uint64_t bytes)
{
    const struct session *s = l->s;
    if (part == NULL || l->generation != s->generation || s->closing ||
        part->granule >= s->placement->num_granules || part->slot != 0) {
        return NULL;
    }
    const struct granule *g = &s->placement->granules[part->granule];
    return g->ps == (uint32_t)l->ps && s->grads[g->variable] != NULL &&
                   rows_part_fits(l, part, bytes)
               ? g
               : NULL;
}

static void *push_dest(struct rpc_call *call, const struct rpc_in *in)
{
    struct link *l = call->self;
    const Crew__ValuePart *part =
        (const void *)rpc_call_unpack(call, &crew__value_part__descriptor, in);
    const struct granule *g = expected(l, part, in->head.payload_len);
    if (g != NULL && part->rows) {
        return l->landing;
    }
    return g == NULL ? NULL : l->s->o.vars[g->variable].value + g->offset;
}

static void push_value(struct rpc_call *call, const struct rpc_in *in)
{
    struct link *l = call->self;
    struct session *s = l->s;
    const Crew__ValuePart *part =
        (const void *)rpc_call_unpack(call, &crew__value_part__descriptor, in);
    if (expected(l, part, in->head.payload_len) == NULL ||
        !rows_take(l, part, in->head.payload_len)) {
        return;
    }
    uint8_t *got = &l->got[s->place_in_link[part->granule]];
    l->num_got += *got == 0;
    *got = 1;
    l->progress_ms = session_now(s);
}

void step_ticket(struct session *s, const Crew__Ticket *ticket)
{
    if (ticket == NULL) {
        return;
    }
    if (s->sync) {
        sync_ticket(s, ticket);
    } else {
        if (ticket->global_step > s->global_step) {
            s->global_step = ticket->global_step;
        }
        s->ticket = ticket->grant == CREW__TICKET__GRANT__GO;
    }
    if (ticket->grant != CREW__TICKET__GRANT__STOP || ticket->end == NULL) {
        return;
    }
    if (s->o.role == ROLE_CHIEF && ticket->end->exit_code == 0) {
        s->over = true;
        s->end.exit_code = 0;
        s->end.step = ticket->global_step;
    } else {
        session_ended(s, ticket->end);
    }
}

static void push_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct link *l = call->self;
    struct session *s = l->s;
    if (job_answered(l, reply, error, err)) {
        const Crew__PushPullReply *r = (const void *)reply;
        l->done = s->sync ? r->late || r->staged == l->num_granules
                          : l->num_got == l->num_granules;
        if (!l->done) {
            rpc_peer_reconnect(l->port[PEER_DATA].peer);
        } else if (l->ps == 0 && !s->sync) {
            step_ticket(s, r->ticket);
            s->global_step++; /* this step, which ps 0 does not count yet */
        }
    }
    session_tick(s);
}

void push_start(struct link *l)
{
    struct session *s = l->s;
    if (l->num_granules == 0 && l->ps != 0) {
        l->done = true; /* nothing of the model lies there */
        return;
    }
    if (s->num_ready == 0 && !s->finishing) {
        return;
    }
    Crew__PushPullRequest q = CREW__PUSH_PULL_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, s->seq);
    q.self = &self;
    q.completed = l->ps == 0 && !s->sync ? s->completed : 0;
    l->cursor = 0;
    l->sent = 0;
    l->end_sent = false;
    for (uint32_t i = 0; i < l->num_granules; i++) {
        l->got[i] = 0;
    }
    l->num_got = 0;
    job_call(l,
             (struct rpc_call){.payload_dest = push_dest,
                               .on_part = push_value,
                               .on_done = push_done,
                               .self = l},
             RPC_PUSH_PULL, &q.base, 0);
}

static void push_granule(struct link *l, uint32_t id)
{
    struct session *s = l->s;
    const struct granule *g = &s->placement->granules[id];
    Crew__PushPart part = CREW__PUSH_PART__INIT;
    Crew__Identity self;
    session_self(s, &self, s->seq);
    const struct optim_step *now = &s->now[s->o.vars[g->variable].optimizer];
    part.self = &self;
    part.granule = id;
    part.learning_rate = now->learning_rate;
    part.global_step = now->global_step;
    part.batch = s->batch;
    const void *payload = s->grads[g->variable] + g->offset;
    size_t bytes = (size_t)g->count * sizeof(float);
    if (s->o.vars[g->variable].rows) {
        payload = rows_payload(s, id, &bytes, &part.version);
    }
    l->sent++;
    l->end_sent = l->sent == l->num_granules;
    rpc_call_part(&l->call, &part.base, payload, bytes, bytes > 0, l->end_sent);
}

static void push_empty_end(struct link *l)
{
    Crew__PushPart part = CREW__PUSH_PART__INIT;
    Crew__Identity self;
    session_self(l->s, &self, l->s->seq);
    part.self = &self;
    part.granule = UINT32_MAX;
    part.global_step = l->s->now[0].global_step;
    l->end_sent = true;
    rpc_call_part(&l->call, &part.base, NULL, 0, false, true);
}

void push_more(struct link *l)
{
    struct session *s = l->s;
    const struct placement *pl = s->placement;
    bool sent = false;
    while (l->busy && l->cursor < s->num_ready) {
        int v = s->ready_list[l->cursor++];
        for (uint32_t id = pl->first[v]; id < pl->first[v + 1] && l->busy;
             id++) {
            if (pl->granules[id].ps == (uint32_t)l->ps) {
                push_granule(l, id);
                sent = true;
            }
        }
    }
    if (l->num_granules == 0 && !l->end_sent && s->num_ready == s->o.num_vars) {
        push_empty_end(l);
        sent = true;
    }
    if (sent) {
        l->progress_ms = session_now(s);
    }
}

/* ---------------------------------------------------------------- tickets */

bool poll_start(struct session *s,
                enum rpc_method method,
                ProtobufCMessage *request,
                Crew__Identity *self)
{
    struct poll *p = &s->poll;
    struct rpc_peer *peer = s->links[0].port[PEER_CONTROL].peer;
    if (p->busy || session_now(s) < p->retry_ms || !rpc_peer_is_up(peer)) {
        return false;
    }
    if (!s->request_open || p->method != method) {
        s->request++;
        s->request_open = true;
    }
    session_self(s, self, s->request);
    p->busy = true;
    p->method = method;
    rpc_call_start(peer, &p->call, method, request, TICKET_MS);
    return true;
}

bool poll_answered(struct session *s,
                   const ProtobufCMessage *reply,
                   const Crew__Error *error,
                   const struct crew_err *err,
                   uint64_t again_ms)
{
    struct link *l = &s->links[0];
    s->poll.busy = false;
    if (s->closing) {
        return false;
    }
    if (reply != NULL) {
        s->request_open = false;
        return true;
    }
    s->poll.retry_ms = session_now(s) + again_ms;
    if (error != NULL) {
        (void)session_refused(s, l, error, err);
    } else if (err->code == CREW_DEADLINE_EXCEEDED) {
        rpc_peer_reconnect(l->port[PEER_CONTROL].peer);
    }
    return false;
}

static void ticket_done(struct rpc_call *call,
                        const ProtobufCMessage *reply,
                        const Crew__Error *error,
                        const struct crew_err *err)
{
    struct session *s = call->self;
    if (poll_answered(s, reply, error, err, AGAIN_MS)) {
        s->poll.retry_ms = session_now(s) + AGAIN_MS;
        const Crew__TicketReply *r = (const void *)reply;
        bool stop =
            r->ticket != NULL && r->ticket->grant == CREW__TICKET__GRANT__STOP;
        if (s->leaving && !stop) {
            s->op_phase = s->op == SESSION_LEAVE || s->op == SESSION_HOLD
                              ? 2
                              : s->op_phase;
        } else if (s->op == SESSION_NEXT || stop ||
                   (s->sync && s->op == SESSION_FINISH)) {
            step_ticket(s, r->ticket);
        }
        if (s->sync && (s->ticket || s->op_phase == 2)) {
            s->poll.retry_ms = 0; /* it has brought something */
        }
    }
    session_tick(s);
}

bool step_poll_ticket(struct session *s, bool leaving)
{
    Crew__TicketRequest q = CREW__TICKET_REQUEST__INIT;
    Crew__Identity self;
    q.self = &self;
    q.completed = s->completed;
    q.leaving = leaving;
    q.global_step = s->now[0].global_step;
    q.settle = s->op == SESSION_FINISH;
    q.broken = s->step_active && s->completed != s->seq;
    if (s->leaving != leaving && !s->poll.busy) {
        s->request_open = false; /* another question */
    }
    if (leaving) {
        s->ticket = false; /* even if the answer is lost */
    }
    if (!s->poll.busy) {
        s->leaving = leaving;
        s->poll.call = (struct rpc_call){.on_done = ticket_done, .self = s};
    }
    return poll_start(s, RPC_TICKET, &q.base, &self);
}
