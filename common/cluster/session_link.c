/* SPDX-License-Identifier: Apache-2.0
 *
 * The session's links: two connections to each ps, one for data and one for
 * control, and the heartbeat on the latter, which also brings news of phase,
 * epoch and end.
 *
 * Failure modes: see session.c; here they are noticed. A heartbeat that is not
 * answered within 3 s drops its connection. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define BEAT_MS 1000u
#define BEAT_WAITING_MS 200u /* while waiting for news */
#define BEAT_LIMIT_MS 3000u
#define LOST_MS 30000u /* unless the options have another lost_ms */
#define STUCK_MS 10000u

static struct port *port_of(struct rpc_peer *peer)
{
    return rpc_peer_self(peer);
}

bool link_up(const struct link *l)
{
    return rpc_peer_is_up(l->port[PEER_DATA].peer) &&
           rpc_peer_is_up(l->port[PEER_CONTROL].peer);
}

bool links_up(const struct session *s)
{
    for (int i = 0; i < s->o.num_ps; i++) {
        if (!link_up(&s->links[i])) {
            return false;
        }
    }
    return true;
}

const struct link *links_worst(const struct session *s,
                               uint64_t *down_since,
                               const struct port **port)
{
    const struct link *worst = NULL;
    for (int i = 0; i < s->o.num_ps; i++) {
        for (int k = 0; k < NUM_PEERS; k++) {
            const struct port *p = &s->links[i].port[k];
            if (p->down_since_ms != 0 &&
                (worst == NULL || p->down_since_ms < *down_since)) {
                worst = &s->links[i];
                *down_since = p->down_since_ms;
                *port = p;
            }
        }
    }
    return worst;
}

/* ------------------------------------------------------------------ events */

/* After the state was made, a ps that is another one has none of it. */
static void look_at_server(struct link *l, uint64_t incarnation)
{
    struct session *s = l->s;
    bool changed = l->incarnation != 0 && l->incarnation != incarnation;
    l->incarnation = incarnation;
    if (!changed || s->ended) {
        return;
    }
    if (session_keeps(s)) {
        return; /* it answers so */
    }
    if (s->begun || s->stage > STAGE_DECLARE) {
        session_fail(s, CREW_UNAVAILABLE, 138,
                     "%s at %s was restarted and has lost its variables. Start "
                     "the job again: it goes on from the last checkpoint",
                     l->name, s->o.ps[l->ps]);
    }
}

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    struct port *p = port_of(peer);
    struct link *l = p->link;
    struct session *s = l->s;
    if (p->down_since_ms != 0 && p->attempt > 0 && s->begun) {
        session_notice(s, LOG_INFO, "%s at %s is back after %.1f s", l->name,
                       s->o.ps[l->ps],
                       (double)(session_now(s) - p->down_since_ms) / 1000.0);
    }
    p->down_since_ms = 0;
    l->phase = reply->phase;
    l->global_step = reply->global_step;
    if (reply->self != NULL) {
        l->epoch = reply->self->epoch;
        look_at_server(l, reply->self->incarnation);
    }
    if (reply->phase == CREW__PHASE__ENDED) {
        session_ended(s, reply->end);
    }
    session_tick(s);
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    struct port *p = port_of(peer);
    struct session *s = p->link->s;
    bool was_up = p->down_since_ms == 0;
    p->attempt = attempt;
    (void)snprintf(p->why, sizeof(p->why), "%.250s", why->msg);
    if (was_up) {
        p->down_since_ms = session_now(s);
        if (s->begun && !s->ended) {
            session_notice(s, LOG_WARN, "%s", p->why);
        }
    }
    session_tick(s);
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct port *p = port_of(peer);
    struct session *s = p->link->s;
    struct crew_err err = {0};
    if (error->refusal == CREW__REFUSAL__FENCED && error->exit_code == 0 &&
        p->self.incarnation != s->incarnation) {
        p->self.incarnation = s->incarnation; /* has been seen to already */
        rpc_peer_reconnect(peer);
        return;
    }
    (void)crew_err_exit(&err, error->code, error->exit_code, "%.600s",
                        error->text);
    (void)session_refused(s, p->link, error, &err);
    session_tick(s);
}

static void on_closed(struct rpc_peer *peer)
{
    struct port *p = port_of(peer);
    struct session *s = p->link->s;
    p->peer = NULL;
    if (--s->ports_open > 0) {
        return;
    }
    void (*closed)(void *) = s->on_closed;
    void *self = s->closed_self;
    for (int i = 0; i < s->o.num_ps; i++) {
        struct link *l = &s->links[i];
        free(l->granules);
        free(l->declared);
        free(l->declared_list);
        free(l->got);
    }
    sync_free(s);
    rows_free(s);
    free(s->links);
    free(s->place_in_link);
    free(s->variables);
    free(s->variable_list);
    free(s->grads);
    free(s->ready_list);
    placement_free(s->placement);
    s->magic = 0;
    free(s);
    closed(self);
}

static const struct rpc_peer_events events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

/* -------------------------------------------------------------- heartbeats */

static void beat_done(struct rpc_call *call,
                      const ProtobufCMessage *message,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct link *l = call->self;
    struct session *s = l->s;
    const Crew__HeartbeatReply *r = (const void *)message;
    l->beating = false;
    if (s->closing) {
        return;
    }
    if (r != NULL) {
        l->phase = r->phase;
        l->epoch = r->epoch;
        l->global_step = r->global_step;
        if (l->ps == 0 && !s->ended && s->failed.code == 0) {
            atomic_store(&s->heard_step, r->global_step);
        }
        if (r->phase == CREW__PHASE__ENDED) {
            session_ended(s, r->end);
        } else if (r->end != NULL && s->o.role == ROLE_CHIEF) {
            session_asked(s, r->end);
        }
    } else if (error != NULL) {
        (void)session_refused(s, l, error, err);
    } else if (err->code == CREW_DEADLINE_EXCEEDED) {
        rpc_peer_reconnect(l->port[PEER_CONTROL].peer);
    }
    session_tick(s);
}

static void beat(struct link *l, uint64_t now)
{
    struct session *s = l->s;
    Crew__HeartbeatRequest q = CREW__HEARTBEAT_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    q.self = &self;
    l->beating = true;
    l->next_beat_ms =
        now + (s->stage == STAGE_CONNECT ? BEAT_WAITING_MS : BEAT_MS);
    l->beat = (struct rpc_call){.on_done = beat_done, .self = l};
    rpc_call_start(l->port[PEER_CONTROL].peer, &l->beat, RPC_HEARTBEAT, &q.base,
                   BEAT_LIMIT_MS);
}

void links_beat(struct session *s)
{
    uint64_t now = session_now(s);
    for (int i = 0; i < s->o.num_ps; i++) {
        struct link *l = &s->links[i];
        if (!l->beating && now >= l->next_beat_ms &&
            rpc_peer_is_up(l->port[PEER_CONTROL].peer)) {
            beat(l, now);
        }
    }
}

/* A data connection that says it is up but brings nothing. */
static void look_for_stuck(struct link *l, uint64_t now)
{
    bool waits_for_us = l->job == JOB_PUSH && !l->end_sent;
    bool streams = l->job == JOB_PUSH || l->job == JOB_PULL;
    if (l->busy && streams && !waits_for_us &&
        now - l->progress_ms >= STUCK_MS) {
        l->progress_ms = now;
        rpc_peer_reconnect(l->port[PEER_DATA].peer);
    }
}

void links_check(struct session *s)
{
    uint64_t now = session_now(s), since = 0;
    uint64_t lost_ms = s->o.lost_ms > 0 ? s->o.lost_ms : LOST_MS;
    const struct port *port = NULL;
    for (int i = 0; i < s->o.num_ps; i++) {
        look_for_stuck(&s->links[i], now);
    }
    const struct link *l = links_worst(s, &since, &port);
    if (l != NULL && s->begun && !s->ended && s->failed.code == 0 &&
        now - since >= lost_ms) {
        session_fail(
            s, CREW_UNAVAILABLE, 138,
            "%s at %s lost: not reachable for %g s (%s). Start the job "
            "again: it goes on from the last checkpoint",
            l->name, s->o.ps[l->ps], (double)lost_ms / 1000, port->why);
    }
}

void links_reincarnate(struct session *s)
{
    s->incarnation = s->o.env->random(s->o.env) | 1;
    session_notice(s, LOG_WARN,
                   "the parameter servers had given this process up: it comes "
                   "back and drops the step under way");
    session_rejoin(s);
    for (int i = 0; i < s->o.num_ps; i++) {
        for (int k = 0; k < NUM_PEERS; k++) {
            struct port *p = &s->links[i].port[k];
            p->self.incarnation = s->incarnation;
            rpc_peer_reconnect(p->peer);
        }
    }
}

/* -------------------------------------------------------- opening, closing */

static void open_port(struct link *l, enum peer_kind kind)
{
    struct session *s = l->s;
    struct port *p = &l->port[kind];
    p->link = l;
    p->down_since_ms = session_now(s) + (session_now(s) == 0);
    (void)snprintf(p->why, sizeof(p->why), "%s at %s", l->name, s->o.ps[l->ps]);
    session_self(s, &p->self, 0);
    crew__hello__init(&p->hello);
    p->hello.self = &p->self;
    p->hello.control = kind == PEER_CONTROL;
    p->hello.cluster = (char *)(uintptr_t)s->o.cluster;
    p->hello.host = (char *)(uintptr_t)s->o.host;
    p->hello.pid = s->o.pid;
    p->hello.version = (char *)(uintptr_t)CREW_VERSION;
    /* Who has come only to tell the end trains nothing. */
    p->hello.replicas = s->o.num_vars > 0 ? &s->replicas : NULL;
    p->peer = rpc_peer_open(s->net, l->name, s->o.ps[l->ps], &p->hello,
                            s->o.env->random(s->o.env), &events, p);
    s->ports_open++;
}

/* The granules that lie on this ps, as ids and as messages. */
static void assign_granules(struct link *l)
{
    struct session *s = l->s;
    const struct placement *pl = s->placement;
    size_t n = 0;
    for (uint32_t id = 0; id < pl->num_granules; id++) {
        n += pl->granules[id].ps == (uint32_t)l->ps;
    }
    l->granules = xcalloc(n + 1, sizeof(l->granules[0]));
    l->declared = xcalloc(n + 1, sizeof(l->declared[0]));
    l->declared_list = xcalloc(n + 1, sizeof(l->declared_list[0]));
    l->got = xcalloc(n + 1, 1 + OPTIM_MAX_SLOTS);
    for (uint32_t id = 0; id < pl->num_granules; id++) {
        const struct granule *g = &pl->granules[id];
        if (g->ps != (uint32_t)l->ps) {
            continue;
        }
        Crew__Granule *d = &l->declared[l->num_granules];
        crew__granule__init(d);
        d->id = id;
        d->variable = g->variable;
        d->offset = (uint64_t)g->offset;
        d->count = (uint64_t)g->count;
        l->declared_list[l->num_granules] = d;
        s->place_in_link[id] = l->num_granules;
        l->granules[l->num_granules++] = id;
    }
}

static void describe_settings(struct session *s)
{
    const struct replicas *r = &s->o.replicas;
    crew__replicas__init(&s->replicas);
    s->replicas.to_aggregate = r->to_aggregate;
    s->replicas.total = r->total;
    s->replicas.bounded = r->bounded;
    s->replicas.max_staleness = r->max_staleness;
}

void links_open(struct session *s)
{
    describe_settings(s);
    s->links = xcalloc((size_t)s->o.num_ps, sizeof(s->links[0]));
    s->place_in_link = xcalloc((size_t)s->placement->num_granules + 1,
                               sizeof(s->place_in_link[0]));
    for (int i = 0; i < s->o.num_ps; i++) {
        struct link *l = &s->links[i];
        l->s = s;
        l->ps = i;
        l->values_step = -1;
        (void)snprintf(l->name, sizeof(l->name), "ps/%d", i);
        assign_granules(l);
        open_port(l, PEER_DATA);
        open_port(l, PEER_CONTROL);
    }
}

void links_close(struct session *s)
{
    for (int i = 0; i < s->o.num_ps; i++) {
        for (int k = 0; k < NUM_PEERS; k++) {
            rpc_peer_close(s->links[i].port[k].peer);
        }
    }
}
