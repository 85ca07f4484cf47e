/* SPDX-License-Identifier: Apache-2.0
 * A server and a peer on the net in memory, and a call that notes how it ended.
 */
#ifndef TESTS_PEER_RIG_H
#define TESTS_PEER_RIG_H

#include <check.h>

#include "fake_net.h"
#include "rpc/peer.h"
#include "rpc/peer_impl.h"
#include "rpc/server.h"

#define MOST 64

struct rig {
    struct fake_net net;
    struct rpc_server *server;
    struct rpc_peer *peer;
    Crew__Hello hello;
    Crew__Identity self;
    /* server side */
    int hellos, requests, parts, gone;
    bool crc_ok, refuse, silent, early_error, server_closed;
    struct rpc_session *session;
    uint64_t last_id;
    enum rpc_method last_method;
    char garbage[512];
    int garbage_lines;
    uint8_t sink[4096];
    /* client side */
    int ups, downs, refusals, closed, attempt;
    char why[1200];
};

struct probe_call {
    struct rpc_call call;
    int done, parts;
    int code;
    bool replied;
    uint32_t refusal;
    char msg[1100];
    uint8_t back[4096];
};

/* ------------------------------------------------------------ server's side */

static inline int on_hello(void *self,
                           struct rpc_session *s,
                           const Crew__Hello *hello,
                           Crew__HelloReply *reply,
                           Crew__Error *error)
{
    struct rig *r = self;

    r->hellos++;
    if (r->refuse) {
        error->code = CREW_FAILED_PRECONDITION;
        error->refusal = CREW__REFUSAL__FENCED;
        error->text = (char *)(uintptr_t) "another has taken worker 1";
        return CREW_FAILED_PRECONDITION;
    }
    ck_assert_uint_eq(hello->self->incarnation, 7);
    rpc_session_set_data(s, r);
    r->session = s;
    reply->global_step = 42;
    return CREW_OK;
}

static inline void on_request(void *self,
                              struct rpc_session *s,
                              enum rpc_method method,
                              uint64_t call_id,
                              const ProtobufCMessage *request)
{
    struct rig *r = self;

    (void)request;
    r->requests++;
    r->last_id = call_id;
    r->last_method = method;
    if (r->early_error) {
        Crew__Error e = CREW__ERROR__INIT;
        e.code = CREW_ABORTED;
        e.refusal = CREW__REFUSAL__STALE_EPOCH;
        e.text = (char *)(uintptr_t) "epoch 3 is over\nepoch 4 runs";
        rpc_reply_error(s, method, call_id, &e);
    } else if (method == RPC_HEARTBEAT && !r->silent) {
        Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;
        reply.global_step = 99;
        rpc_reply(s, method, call_id, &reply.base);
    }
}

static inline void *server_dest(void *self,
                                struct rpc_session *s,
                                const struct rpc_in *in)
{
    struct rig *r = self;
    const Crew__PushPart *part = (const Crew__PushPart *)rpc_session_unpack(
        s, &crew__push_part__descriptor, in->header, in->head.header_len);

    if (part == NULL || in->head.payload_len > sizeof r->sink) {
        return NULL;
    }
    return r->sink;
}

static inline void on_part(void *self,
                           struct rpc_session *s,
                           const struct rpc_in *in,
                           void *payload,
                           bool crc_ok)
{
    struct rig *r = self;
    Crew__ValuePart value = CREW__VALUE_PART__INIT;
    Crew__PushPullReply reply = CREW__PUSH_PULL_REPLY__INIT;

    r->parts++;
    r->crc_ok = crc_ok;
    if (r->early_error || r->silent) {
        return;
    }
    rpc_reply_part(s, RPC_PUSH_PULL, in->head.call_id, &value.base, payload,
                   in->head.payload_len, false);
    if ((in->head.flags & RPC_FLAG_END) != 0) {
        rpc_reply(s, RPC_PUSH_PULL, in->head.call_id, &reply.base);
    }
}

static inline void on_gone(void *self,
                           struct rpc_session *s,
                           const struct crew_err *why)
{
    struct rig *r = self;

    (void)why;
    ck_assert_ptr_eq(rpc_session_data(s), r);
    r->gone++;
    r->session = NULL;
}

static inline void on_garbage(void *self, const char *line)
{
    struct rig *r = self;

    r->garbage_lines++;
    (void)snprintf(r->garbage, sizeof r->garbage, "%s", line);
}

static const struct rpc_handler handler = {on_hello, on_request, server_dest,
                                           on_part,  on_gone,    on_garbage};

/* ------------------------------------------------------------ client's side */

static inline void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    struct rig *r = rpc_peer_self(peer);

    ck_assert_int_eq(reply->global_step, 42);
    ck_assert(rpc_peer_is_up(peer));
    r->ups++;
}

static inline void on_down(struct rpc_peer *peer,
                           const struct crew_err *why,
                           int attempt)
{
    struct rig *r = rpc_peer_self(peer);

    ck_assert(!rpc_peer_is_up(peer));
    r->downs++;
    r->attempt = attempt;
    (void)snprintf(r->why, sizeof r->why, "%s", why->msg);
}

static inline void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct rig *r = rpc_peer_self(peer);

    r->refusals++;
    (void)snprintf(r->why, sizeof r->why, "%s", error->text);
}

static inline void on_closed(struct rpc_peer *peer)
{
    struct rig *r = rpc_peer_self(peer);

    r->closed++;
    r->peer = NULL;
}

static const struct rpc_peer_events peer_events = {on_up, on_down, on_refused,
                                                   on_closed};

static inline void *call_dest(struct rpc_call *call, const struct rpc_in *in)
{
    struct probe_call *c = call->self;
    const Crew__ValuePart *part = (const Crew__ValuePart *)rpc_call_unpack(
        call, &crew__value_part__descriptor, in);

    return part != NULL && in->head.payload_len <= sizeof c->back ? c->back
                                                                  : NULL;
}

static inline void on_call_part(struct rpc_call *call, const struct rpc_in *in)
{
    struct probe_call *c = call->self;

    (void)in;
    c->parts++;
}

static inline void on_done(struct rpc_call *call,
                           const ProtobufCMessage *reply,
                           const Crew__Error *error,
                           const struct crew_err *err)
{
    struct probe_call *c = call->self;

    c->done++;
    c->replied = reply != NULL;
    c->code = err->code;
    c->refusal = error != NULL ? (uint32_t)error->refusal : 0;
    (void)snprintf(c->msg, sizeof c->msg, "%s", err->msg);
}

static inline void begin_heartbeat(struct rig *r,
                                   struct probe_call *c,
                                   uint64_t limit)
{
    Crew__HeartbeatRequest request = CREW__HEARTBEAT_REQUEST__INIT;

    *c = (struct probe_call){.call = {.on_done = on_done, .self = c}};
    request.self = &r->self;
    rpc_call_start(r->peer, &c->call, RPC_HEARTBEAT, &request.base, limit);
    ck_assert_int_eq(c->done,
                     0); /* never before the submitting call returned */
}

static inline void begin_push(struct rig *r,
                              struct probe_call *c,
                              uint64_t limit)
{
    Crew__PushPullRequest request = CREW__PUSH_PULL_REQUEST__INIT;

    *c = (struct probe_call){.call = {.payload_dest = call_dest,
                                      .on_part = on_call_part,
                                      .on_done = on_done,
                                      .self = c}};
    request.self = &r->self;
    rpc_call_start(r->peer, &c->call, RPC_PUSH_PULL, &request.base, limit);
    ck_assert_int_eq(c->done, 0);
}

static inline void push_part(struct rig *r,
                             struct probe_call *c,
                             const void *payload,
                             size_t n,
                             bool end)
{
    Crew__PushPart part = CREW__PUSH_PART__INIT;

    part.self = &r->self;
    rpc_call_part(&c->call, &part.base, payload, n, true, end);
}

static inline void open_server(struct rig *r)
{
    struct crew_err err = {0};
    int port;

    ck_assert_int_eq(rpc_server_open(&r->net.base, "x:1", 8, &handler, r,
                                     &r->server, &port, &err),
                     0);
}

static inline void open_peer(struct rig *r)
{
    r->peer = rpc_peer_open(&r->net.base, "ps/0", "h:1", &r->hello, 5,
                            &peer_events, r);
    ck_assert_int_eq(r->ups + r->downs, 0);
}

static inline void begin(struct rig *r, bool with_server)
{
    *r = (struct rig){.crc_ok = true};
    fake_net_init(&r->net);
    crew__hello__init(&r->hello);
    crew__identity__init(&r->self);
    r->self.incarnation = 7;
    r->hello.self = &r->self;
    if (with_server) {
        open_server(r);
    }
    open_peer(r);
    fake_run(&r->net, 10);
}

static inline void on_server_closed(void *self)
{
    ((struct rig *)self)->server_closed = true;
}

static inline void end(struct rig *r)
{
    if (r->peer != NULL) {
        rpc_peer_close(r->peer);
    }
    if (r->server != NULL) {
        rpc_server_close(r->server, on_server_closed, r);
    }
    fake_run(&r->net, 2000);
    ck_assert_ptr_null(r->net.conns);
    ck_assert_int_eq(r->closed, 1);
    ck_assert(r->server == NULL || r->server_closed);
    for (size_t i = 0; i < COUNT_OF(r->net.timers); i++) {
        ck_assert_ptr_null(r->net.timers[i].timer);
    }
}

static inline struct fake_conn *client_conn(struct rig *r)
{
    for (struct fake_conn *c = r->net.conns; c != NULL; c = c->next) {
        if (c->outgoing && !c->closing) {
            return c;
        }
    }
    return NULL;
}

#endif
