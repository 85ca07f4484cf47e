/* SPDX-License-Identifier: Apache-2.0
 *
 * The parameter server as one object on a network: its connections, the
 * dispatch of calls, the clock tick (leases, long polls, the end).
 *
 * Happy path: ps_open -> HELLO makes a link -> calls go to store.c, push.c,
 * meet.c -> STOP -> everybody leaves -> on_over -> ps_close -> on_closed.
 *
 * Failure modes:
 * - A link goes: what it waited for is forgotten; its member lives on until the
 *   lease ends.
 * - A lease ends: the member is fenced, its tickets return, its links are
 * closed.
 * - No chief for too long: told to end with 138. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "ps_impl.h"

#include "base/banned.h"

#define TICK_MS 250u
#define MAX_TOOLS 16
#define SPARSE_WORKERS 64

void ps_notice(struct ps *ps, enum env_level level, const char *fmt, ...)
{
    char line[1200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (ps->o.on_notice != NULL) {
        ps->o.on_notice(ps->o.self, level, line);
    }
}

void ps_self(const struct ps *ps, Crew__Identity *id)
{
    crew__identity__init(id);
    id->epoch = ps->epoch;
    id->role = CREW__ROLE__ROLE_PS;
    id->index = ps->o.index;
    id->incarnation = ps->o.incarnation;
}

void ps_told(struct ps *ps, int exit_code, int64_t step, const char *reason)
{
    if (ps->end.phase == END_RUNNING) {
        end_tell(&ps->end, exit_code, step, reason, ps_now(ps));
        steps_halt(&ps->steps);
        sync_halt(&ps->sync);
        ps_notice(ps, exit_code == 0 ? LOG_INFO : LOG_WARN,
                  "the job has ended (exit %d): %s", exit_code, reason);
    }
    meet_flush(ps);
}

/* ------------------------------------------------------------------ links */

void link_close(struct link *l)
{
    if (!l->closing) {
        l->closing = true;
        rpc_session_close(l->session);
    }
}

void link_error(struct link *l,
                enum rpc_method method,
                uint64_t call_id,
                const struct refusal *r)
{
    if (!l->closing) {
        rpc_reply_error(l->session, method, call_id, &r->error);
    }
}

void ps_fenced(struct ps *ps, int member, uint64_t incarnation)
{
    steps_reset(&ps->steps, member);
    sync_reset(&ps->sync, member);
    if (member == 0) {
        steps_chief(&ps->steps, false);
    }
    for (struct link *l = ps->links; l != NULL; l = l->next) {
        if (l->member == member && l->incarnation == incarnation) {
            link_close(l);
        }
    }
}

static struct link *link_of(struct rpc_session *session)
{
    return CREW_CAST(struct link, LINK_MAGIC, rpc_session_data(session));
}

static void add_link(struct ps *ps,
                     struct rpc_session *session,
                     int member,
                     const struct replicas *replicas,
                     const Crew__Hello *hello)
{
    struct link *l = xcalloc(1, sizeof(*l));
    l->magic = LINK_MAGIC;
    l->ps = ps;
    l->session = session;
    l->member = member;
    l->incarnation = hello->self->incarnation;
    l->replicas = *replicas;
    l->control = hello->control != 0;
    declare_init(&l->declaration);
    l->next = ps->links;
    if (l->next != NULL) {
        l->next->prev = l;
    }
    ps->links = l;
    rpc_session_set_data(session, l);
    if (member >= 0) {
        members_connected(&ps->members, member);
        sync_away(&ps->sync, member, false);
    }
}

/* The chief's settings are the job's. A worker that came before it, with
 * others, loses its connections: it comes again and is told. */
static void agree_on_settings(struct ps *ps, const struct replicas *replicas)
{
    ps->replicas = *replicas;
    ps->replicas_known = true;
    for (struct link *l = ps->links; l != NULL; l = l->next) {
        struct crew_err ignored = {0};
        if (l->member > 0 && ps->members.all[l->member].role == MEMBER_WORKER &&
            settings_compare(replicas, &l->replicas, &ignored) != CREW_OK) {
            link_close(l);
        }
    }
}

static int on_hello(void *self,
                    struct rpc_session *session,
                    const Crew__Hello *hello,
                    Crew__HelloReply *reply,
                    Crew__Error *error)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, self);
    int member = -1;
    struct replicas replicas;
    if (judge_hello(ps, hello, &member, &replicas, &ps->hello_refusal) != 0) {
        *error = ps->hello_refusal.error;
        return -1;
    }
    add_link(ps, session, member, &replicas, hello);
    if (member == 0) {
        steps_chief(&ps->steps, true);
        if (hello->replicas != NULL) {
            agree_on_settings(ps, &replicas);
        }
    }
    ps_self(ps, &ps->hello_id);
    meet_end(ps, &ps->hello_end);
    reply->self = &ps->hello_id;
    reply->phase = ps->phase;
    reply->global_step = ps->steps.global_step;
    if (ps->end.phase != END_RUNNING) {
        reply->phase = CREW__PHASE__ENDED;
        reply->end = &ps->hello_end;
    }
    meet_flush(ps);
    return 0;
}

static void on_gone(void *self,
                    struct rpc_session *session,
                    const struct crew_err *why)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, self);
    struct link *l = link_of(session);
    (void)why;
    if (l->member >= 0) {
        members_disconnected(&ps->members, l->member, l->incarnation,
                             ps_now(ps));
    }
    if (l->prev != NULL) {
        l->prev->next = l->next;
    } else {
        ps->links = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
    grave_leave(l);
    declare_release(&l->declaration);
    free(l->buffer);
    answer_release(&l->answers);
    l->magic = 0;
    free(l);
    meet_flush(ps);
}

/* --------------------------------------------------------------- dispatch */

static void health(struct ps *ps, struct rpc_session *session, uint64_t call_id)
{
    Crew__HealthReply reply = CREW__HEALTH_REPLY__INIT;
    Crew__Identity id;
    ps_self(ps, &id);
    reply.self = &id;
    reply.phase = ps->end.phase == END_RUNNING ? ps->phase : CREW__PHASE__ENDED;
    reply.global_step = ps->steps.global_step;
    for (int i = 0; i < ps->members.num; i++) {
        reply.members += ps->members.all[i].alive;
    }
    reply.uptime_secs = (double)(ps_now(ps) - ps->opened_ms) / 1000.0;
    rpc_reply(session, RPC_HEALTH, call_id, &reply.base);
}

bool link_speaks(const struct link *l, const Crew__Identity *who)
{
    return who != NULL && who->incarnation == l->incarnation;
}

/* Every request but HELLO and HEALTH has one. */
static const Crew__Identity *speaker(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "self");
    if (f == NULL || f->descriptor != &crew__identity__descriptor) {
        return NULL;
    }
    const char *at = (const char *)m + f->offset;
    return *(const Crew__Identity *const *)(const void *)at;
}

/* What only ps 0 does. */
static bool meeting_only(enum rpc_method method)
{
    return method == RPC_TICKET || method == RPC_RELEASE ||
           method == RPC_EVALUATOR || method == RPC_AWAIT;
}

static void dispatch(struct link *l,
                     enum rpc_method method,
                     uint64_t call_id,
                     const ProtobufCMessage *m)
{
    switch (method) {
        case RPC_DECLARE:
            store_declare(l, call_id, (const void *)m);
            break;
        case RPC_LOAD:
            store_load(l, call_id, (const void *)m);
            break;
        case RPC_READY:
            store_ready(l, call_id, (const void *)m);
            break;
        case RPC_PUSH_PULL:
            push_request(l, call_id, (const void *)m);
            break;
        case RPC_TICKET:
            meet_ticket(l, call_id, (const void *)m);
            break;
        case RPC_PULL:
            store_pull(l, call_id, (const void *)m);
            break;
        case RPC_HOLD:
            meet_hold(l, call_id, (const void *)m);
            break;
        case RPC_RELEASE:
            meet_release(l, call_id, (const void *)m);
            break;
        case RPC_HEARTBEAT:
            meet_heartbeat(l, call_id, (const void *)m);
            break;
        case RPC_STOP:
            meet_stop(l, call_id, (const void *)m);
            break;
        case RPC_EVALUATOR:
            meet_evaluator(l, call_id, (const void *)m);
            break;
        case RPC_AWAIT:
            meet_await(l, call_id, (const void *)m);
            break;
        case RPC_HELLO:
        case RPC_HEALTH:
            break;
    }
}

static void on_request(void *self,
                       struct rpc_session *session,
                       enum rpc_method method,
                       uint64_t call_id,
                       const ProtobufCMessage *request)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, self);
    if (method == RPC_HEALTH) {
        health(ps, session, call_id);
        return;
    }
    struct link *l = link_of(session);
    if (meeting_only(method) && ps->o.index != 0) {
        struct refusal r;
        refuse(&r, CREW_INVALID_ARGUMENT, 0, CREW__REFUSAL__NONE,
               "only ps/0 answers that; this is ps/%u", ps->o.index);
        link_error(l, method, call_id, &r);
        return;
    }
    if (!l->closing && link_speaks(l, speaker(request))) {
        if (l->member >= 0) {
            members_asked(&ps->members, l->member, l->incarnation);
        }
        dispatch(l, method, call_id, request);
    }
}

static void *payload_dest(void *self,
                          struct rpc_session *session,
                          const struct rpc_in *in)
{
    (void)self;
    struct link *l = link_of(session);
    switch (in->head.method) {
        case RPC_PUSH_PULL:
            return push_dest(l, in);
        case RPC_LOAD:
            return store_load_dest(l, in);
        default:
            return NULL;
    }
}

static void on_part(void *self,
                    struct rpc_session *session,
                    const struct rpc_in *in,
                    void *payload,
                    bool crc_ok)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, self);
    struct link *l = link_of(session);
    if (!crc_ok) {
        ps_notice(ps, LOG_WARN,
                  "%s: bytes damaged on the way (wrong CRC); the connection is "
                  "closed and they are asked for again",
                  rpc_session_name(session));
        link_close(l);
        return;
    }
    if (l->closing) {
        return;
    }
    if (in->head.method == RPC_PUSH_PULL) {
        push_part(l, in, payload);
    } else if (in->head.method == RPC_LOAD) {
        store_load_part(l, in, payload);
    }
}

static void on_garbage(void *self, const char *line)
{
    ps_notice(CREW_CAST(struct ps, PS_MAGIC, self), LOG_WARN, "%s", line);
}

static const struct rpc_handler handler = {
    .on_hello = on_hello,
    .on_request = on_request,
    .payload_dest = payload_dest,
    .on_part = on_part,
    .on_gone = on_gone,
    .on_garbage = on_garbage,
};

/* ------------------------------------------------------------------- tick */

static void expire(struct ps *ps, uint64_t now)
{
    char name[32];
    int i;
    while ((i = members_expire(&ps->members, now)) >= 0) {
        const struct member *m = &ps->members.all[i];
        if (ps->end.phase == END_RUNNING) {
            ps_notice(ps, LOG_WARN,
                      "%s on %s has not been heard of for %u s; its steps "
                      "under way are given up",
                      members_name(m, name, sizeof(name)), m->host,
                      MEMBERS_LEASE_MS / 1000);
        }
        ps_fenced(ps, i, m->incarnation);
    }
}

static void look_at_end(struct ps *ps, uint64_t now)
{
    enum end_phase before = ps->end.phase;
    struct end_view v = {.first_ps = ps->o.index == 0,
                         .chief_alive = ps->members.all[0].alive,
                         .chief_connections = ps->members.all[0].connections,
                         .evaluator_awaited = meet_evaluator_awaited(ps)};
    for (int i = 1; i < ps->members.num; i++) {
        v.connections += ps->members.all[i].connections;
    }
    enum end_phase phase = end_step(&ps->end, &v, now);
    if (before == END_RUNNING && phase != END_RUNNING) {
        steps_halt(&ps->steps);
        sync_halt(&ps->sync);
        ps_notice(ps, LOG_ERROR,
                  "%s; ending. Start the job again: it goes on "
                  "from the last checkpoint",
                  ps->end.reason);
    }
    if (phase == END_GONE && !ps->over) {
        ps->over = true;
        ps->o.on_over(ps->o.self, ps->end.exit_code);
    }
}

static void on_tick(struct rpc_timer *timer)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, timer->self);
    uint64_t now = ps_now(ps);
    ps->net->timer_set(ps->net, &ps->tick, TICK_MS);
    expire(ps, now);
    update_away(ps, now);
    meet_flush(ps);
    look_at_end(ps, now);
}

/* ---------------------------------------------------------------- opening */

int ps_open(const struct ps_options *o,
            struct ps **out,
            int *port,
            struct crew_err *err)
{
    struct ps *ps = xcalloc(1, sizeof(*ps));
    ps->magic = PS_MAGIC;
    ps->o = *o;
    ps->net = o->net;
    ps->opened_ms = ps_now(ps);
    /* A sparse TF_CONFIG does not say how many workers there are. */
    uint32_t num_workers =
        o->num_workers != 0 ? o->num_workers : SPARSE_WORKERS;
    int max_conns = 2 * ((int)num_workers + 2) * 2 + MAX_TOOLS;
    int rc = rpc_server_open(o->net, o->address, max_conns, &handler, ps,
                             &ps->server, port, err);
    if (rc != CREW_OK) {
        free(ps);
        return rc;
    }
    members_init(&ps->members, num_workers);
    steps_init(&ps->steps, ps->members.num);
    update_init(ps);
    declare_init(&ps->declaration);
    end_init(&ps->end, o->session_creation_timeout_secs, ps_now(ps));
    ps->tick = (struct rpc_timer){.on_timer = on_tick, .self = ps};
    ps->net->timer_set(ps->net, &ps->tick, TICK_MS);
    *out = ps;
    return CREW_OK;
}

void ps_stop(struct ps *ps, int exit_code, const char *reason)
{
    if (ps->phase == CREW__PHASE__READY && ps->members.all[0].alive &&
        ps->members.all[0].connections > 0) {
        end_ask(&ps->end, exit_code, reason, ps_now(ps));
    } else {
        ps_told(ps, exit_code, ps->steps.global_step, reason);
    }
}

static void on_server_closed(void *self)
{
    struct ps *ps = CREW_CAST(struct ps, PS_MAGIC, self);
    INVARIANT(ps->links == NULL);
    store_release(ps);
    update_release(ps);
    members_release(&ps->members);
    steps_release(&ps->steps);
    void (*on_closed)(void *) = ps->on_closed;
    void *closed_self = ps->closed_self;
    ps->magic = 0;
    free(ps);
    on_closed(closed_self);
}

void ps_close(struct ps *ps, void (*on_closed)(void *self), void *self)
{
    ps->on_closed = on_closed;
    ps->closed_self = self;
    ps->over = true;
    ps->net->timer_clear(ps->net, &ps->tick);
    for (struct link *l = ps->links; l != NULL; l = l->next) {
        l->closing = true;
    }
    rpc_server_close(ps->server, on_server_closed, ps);
}

int64_t ps_global_step(const struct ps *ps)
{
    return ps->steps.global_step;
}

const float *ps_granule(const struct ps *ps, uint32_t id, int64_t *count)
{
    const struct shard_granule *g = shard_find(ps->shard, id);
    if (g == NULL) {
        return NULL;
    }
    *count = g->count;
    return g->value;
}

bool ps_admits(const struct ps *ps,
               int role,
               uint32_t index,
               uint64_t incarnation)
{
    return members_judge(&ps->members, members_find(&ps->members, role, index),
                         incarnation) == MEMBER_SAME;
}
