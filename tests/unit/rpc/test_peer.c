/* SPDX-License-Identifier: Apache-2.0
 * Peers and servers over a net in memory: HELLO, calls and parts, deadlines,
 * losses, refusals. Time is virtual. */
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

static int on_hello(void *self,
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

static void on_request(void *self,
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

static void *server_dest(void *self,
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

static void on_part(void *self,
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

static void on_gone(void *self,
                    struct rpc_session *s,
                    const struct crew_err *why)
{
    struct rig *r = self;

    (void)why;
    ck_assert_ptr_eq(rpc_session_data(s), r);
    r->gone++;
    r->session = NULL;
}

static void on_garbage(void *self, const char *line)
{
    struct rig *r = self;

    r->garbage_lines++;
    (void)snprintf(r->garbage, sizeof r->garbage, "%s", line);
}

static const struct rpc_handler handler = {on_hello, on_request, server_dest,
                                           on_part,  on_gone,    on_garbage};

/* ------------------------------------------------------------ client's side */

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    struct rig *r = rpc_peer_self(peer);

    ck_assert_int_eq(reply->global_step, 42);
    ck_assert(rpc_peer_is_up(peer));
    r->ups++;
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    struct rig *r = rpc_peer_self(peer);

    ck_assert(!rpc_peer_is_up(peer));
    r->downs++;
    r->attempt = attempt;
    (void)snprintf(r->why, sizeof r->why, "%s", why->msg);
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct rig *r = rpc_peer_self(peer);

    r->refusals++;
    (void)snprintf(r->why, sizeof r->why, "%s", error->text);
}

static void on_closed(struct rpc_peer *peer)
{
    struct rig *r = rpc_peer_self(peer);

    r->closed++;
    r->peer = NULL;
}

static const struct rpc_peer_events peer_events = {on_up, on_down, on_refused,
                                                   on_closed};

static void *call_dest(struct rpc_call *call, const struct rpc_in *in)
{
    struct probe_call *c = call->self;
    const Crew__ValuePart *part = (const Crew__ValuePart *)rpc_call_unpack(
        call, &crew__value_part__descriptor, in);

    return part != NULL && in->head.payload_len <= sizeof c->back ? c->back
                                                                  : NULL;
}

static void on_call_part(struct rpc_call *call, const struct rpc_in *in)
{
    struct probe_call *c = call->self;

    (void)in;
    c->parts++;
}

static void on_done(struct rpc_call *call,
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

static void begin_heartbeat(struct rig *r, struct probe_call *c, uint64_t limit)
{
    Crew__HeartbeatRequest request = CREW__HEARTBEAT_REQUEST__INIT;

    *c = (struct probe_call){.call = {.on_done = on_done, .self = c}};
    request.self = &r->self;
    rpc_call_start(r->peer, &c->call, RPC_HEARTBEAT, &request.base, limit);
    ck_assert_int_eq(c->done,
                     0); /* never before the submitting call returned */
}

static void begin_push(struct rig *r, struct probe_call *c, uint64_t limit)
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

static void push_part(struct rig *r,
                      struct probe_call *c,
                      const void *payload,
                      size_t n,
                      bool end)
{
    Crew__PushPart part = CREW__PUSH_PART__INIT;

    part.self = &r->self;
    rpc_call_part(&c->call, &part.base, payload, n, true, end);
}

static void open_server(struct rig *r)
{
    struct crew_err err = {0};
    int port;

    ck_assert_int_eq(rpc_server_open(&r->net.base, "x:1", 8, &handler, r,
                                     &r->server, &port, &err),
                     0);
}

static void open_peer(struct rig *r)
{
    r->peer = rpc_peer_open(&r->net.base, "ps/0", "h:1", &r->hello, 5,
                            &peer_events, r);
    ck_assert_int_eq(r->ups + r->downs, 0);
}

static void begin(struct rig *r, bool with_server)
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

static void on_server_closed(void *self)
{
    ((struct rig *)self)->server_closed = true;
}

static void end(struct rig *r)
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

static struct fake_conn *client_conn(struct rig *r)
{
    for (struct fake_conn *c = r->net.conns; c != NULL; c = c->next) {
        if (c->outgoing && !c->closing) {
            return c;
        }
    }
    return NULL;
}

/* -------------------------------------------------------------------- tests */

static struct rig rig;

START_TEST(hello_then_calls_are_answered)
{
    struct probe_call a, b;

    begin(&rig, true);
    ck_assert_int_eq(rig.ups, 1);
    begin_heartbeat(&rig, &a, 1000);
    begin_heartbeat(&rig, &b, 1000);
    fake_run(&rig.net, 1);
    ck_assert(a.replied && b.replied);
    fake_run(&rig.net, 5000); /* the deadline's timer must not find them */
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(b.done, 1);
    end(&rig);
    ck_assert_int_eq(rig.gone, 1);
}
END_TEST

START_TEST(parts_go_up_and_come_down)
{
    struct probe_call c;
    uint8_t data[1000];

    begin(&rig, true);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    begin_push(&rig, &c, 1000);
    push_part(&rig, &c, data, sizeof data, false);
    push_part(&rig, &c, data, sizeof data, true);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(c.done, 1);
    ck_assert(c.replied);
    ck_assert_int_eq(c.parts, 2);
    ck_assert_int_eq(rig.parts, 2);
    ck_assert(rig.crc_ok);
    ck_assert_mem_eq(c.back, data, sizeof data);
    end(&rig);
}
END_TEST

/* The sender's memory changes after the CRC was taken: the server is told. */
START_TEST(a_wrong_crc_is_told)
{
    struct probe_call c;
    uint8_t data[100] = {1};

    begin(&rig, true);
    begin_push(&rig, &c, 1000);
    push_part(&rig, &c, data, sizeof data, true);
    data[50] ^= 1;
    fake_run(&rig.net, 10);
    ck_assert_int_eq(rig.parts, 1);
    ck_assert(!rig.crc_ok);
    end(&rig);
}
END_TEST

START_TEST(a_call_while_down_fails_from_the_loop)
{
    struct probe_call c;

    begin(&rig, false);
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    ck_assert_str_eq(c.msg, "ps/0 at h:1: not connected for HEARTBEAT");
    end(&rig);
}
END_TEST

START_TEST(a_deadline_without_parts_leaves_the_connection)
{
    struct probe_call a, b;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 300);
    begin_heartbeat(&rig, &b, 100);
    fake_run(&rig.net, 150);
    ck_assert_int_eq(b.done, 1);
    ck_assert_int_eq(b.code, CREW_DEADLINE_EXCEEDED);
    ck_assert_str_eq(b.msg,
                     "ps/0 at h:1: no answer to HEARTBEAT within 100 ms");
    ck_assert_int_eq(a.done, 0);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(rig.downs, 0);
    /* The answer that comes too late is nobody's. */
    Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;
    rpc_reply(rig.session, RPC_HEARTBEAT, rig.last_id, &reply.base);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(rig.downs, 0);
    end(&rig);
}
END_TEST

START_TEST(a_deadline_with_parts_drops_the_connection)
{
    struct probe_call push, beat;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.silent = true;
    begin_push(&rig, &push, 100);
    begin_heartbeat(&rig, &beat, 0);
    client_conn(&rig)->stalled = true;
    push_part(&rig, &push, data, sizeof data, true);
    fake_run(&rig.net, 150);
    ck_assert_int_eq(push.done, 1);
    ck_assert_int_eq(push.code, CREW_DEADLINE_EXCEEDED);
    ck_assert_int_eq(beat.done, 1);
    ck_assert_int_eq(beat.code, CREW_UNAVAILABLE);
    ck_assert_int_eq(rig.downs, 1);
    fake_run(&rig.net, 500);
    ck_assert_int_eq(rig.ups, 2);
    end(&rig);
}
END_TEST

/* The server's refusal overtakes parts that are still being sent: on_done must
 * wait for their memory. */
START_TEST(an_early_error_waits_for_the_parts)
{
    struct probe_call c;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.early_error = true;
    begin_push(&rig, &c, 0);
    /* The request goes first; then the way up is stalled. */
    while (rig.requests == 0) {
        ck_assert(fake_turn(&rig.net));
    }
    client_conn(&rig)->stalled = true;
    push_part(&rig, &c, data, sizeof data, true);
    fake_run(&rig.net, 50);
    ck_assert_int_eq(c.done, 0);
    client_conn(&rig)->stalled = false;
    fake_run(&rig.net, 50);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(c.code, CREW_ABORTED);
    ck_assert_uint_eq(c.refusal, CREW__REFUSAL__STALE_EPOCH);
    ck_assert_str_eq(c.msg, "epoch 3 is over?epoch 4 runs");
    ck_assert_int_eq(rig.downs, 0);
    end(&rig);
}
END_TEST

START_TEST(a_loss_fails_the_calls_once_and_heals)
{
    struct probe_call a, push;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 400);
    begin_push(&rig, &push, 400);
    push_part(&rig, &push, data, sizeof data, true);
    fake_run(&rig.net, 10);
    fake_end(client_conn(&rig), CREW_UNAVAILABLE, "connection reset by peer");
    fake_run(&rig.net, 1);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(a.code, CREW_UNAVAILABLE);
    ck_assert_str_eq(a.msg, "ps/0 at h:1: connection reset by peer");
    ck_assert_int_eq(push.done, 1);
    ck_assert_int_eq(rig.downs, 1);
    ck_assert_int_eq(rig.attempt, 1);
    ck_assert_int_eq(rig.gone, 1);
    fake_run(&rig.net, 1000);
    ck_assert_int_eq(rig.ups, 2);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(push.done, 1);
    end(&rig);
}
END_TEST

START_TEST(backoff_doubles_to_two_seconds)
{
    begin(&rig, false);
    fake_run(&rig.net, 60000);
    /* 0.1 + 0.2 + .. + 1.6, then 2 s each; by chance down to half of it. */
    ck_assert_int_ge(rig.net.connects, 60000 / 2000);
    ck_assert_int_le(rig.net.connects, 60000 / 1000 + 6);
    ck_assert_int_eq(rig.attempt, rig.downs);
    ck_assert_str_eq(rig.why, "ps/0 at h:1: connection refused");
    open_server(&rig);
    fake_run(&rig.net, 2100);
    ck_assert_int_eq(rig.ups, 1);
    end(&rig);
}
END_TEST

START_TEST(a_refusal_ends_the_attempts)
{
    struct probe_call c;

    begin(&rig, false);
    rig.refuse = true;
    open_server(&rig);
    fake_run(&rig.net, 30000);
    ck_assert_int_eq(rig.refusals, 1);
    ck_assert_int_eq(rig.hellos, 1);
    ck_assert_int_eq(rig.gone, 0);
    ck_assert_str_eq(rig.why, "another has taken worker 1");
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    rig.refuse = false;
    rpc_peer_reconnect(rig.peer);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(rig.ups, 1);
    end(&rig);
}
END_TEST

START_TEST(reconnect_is_at_once)
{
    struct probe_call c;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    rpc_peer_reconnect(rig.peer);
    ck_assert_int_eq(c.done, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(rig.ups, 2);
    end(&rig);
}
END_TEST

START_TEST(no_answer_to_hello_is_a_loss_after_5_s)
{
    begin(&rig, false);
    rig.net.mute = true;
    open_server(&rig);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(rig.hellos, 1);
    int before = rig.downs;
    fake_run(&rig.net, 5100);
    ck_assert_int_eq(rig.downs, before + 1);
    ck_assert_str_eq(rig.why,
                     "ps/0 at h:1: connected, but no answer to HELLO "
                     "within 5 s");
    end(&rig);
}
END_TEST

START_TEST(close_cancels_what_is_under_way)
{
    struct probe_call a, b;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 0);
    fake_run(&rig.net, 1);
    rpc_peer_close(rig.peer);
    begin_heartbeat(&rig, &b, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(a.code, CREW_CANCELLED);
    ck_assert_int_eq(b.done, 1);
    ck_assert_int_eq(rig.closed, 1);
    end(&rig);
}
END_TEST

/* -------------------------------------------------- the server and strangers
 */

/* A stranger's connection: what it sends is made by hand. */
struct stranger {
    struct fake_conn *conn;
    int answers, errors, closed;
    char text[200];
    uint32_t kind;
};

static void stranger_open(struct rpc_conn *conn)
{
    (void)conn;
}

static void stranger_frame(struct rpc_conn *conn,
                           const struct rpc_in *in,
                           void *payload)
{
    struct stranger *s = conn->self;

    (void)payload;
    s->answers++;
    s->kind = in->head.kind;
    if (in->head.kind == RPC_ERROR) {
        Crew__Error *e =
            crew__error__unpack(NULL, in->head.header_len, in->header);
        (void)snprintf(s->text, sizeof s->text, "%s", e->text);
        crew__error__free_unpacked(e, NULL);
    }
}

static void stranger_close(struct rpc_conn *conn, const struct crew_err *why)
{
    struct stranger *s = conn->self;

    (void)why;
    s->closed++;
    s->conn = NULL;
}

static const struct rpc_conn_events stranger_events = {
    stranger_open, NULL, stranger_frame, stranger_close};

static void stranger_begin(struct rig *r, struct stranger *s)
{
    *s = (struct stranger){0};
    s->conn = (struct fake_conn *)r->net.base.connect(&r->net.base, "h:1",
                                                      &stranger_events, s);
    fake_run(&r->net, 1);
}

static void out_done(struct rpc_out *out, bool sent)
{
    (void)out;
    (void)sent;
}

static void stranger_send(struct rig *r,
                          struct stranger *s,
                          struct rpc_head head,
                          const void *header,
                          size_t n,
                          const void *payload,
                          size_t payload_len)
{
    struct rpc_out out = {.head = head, .header = header, .done = out_done};

    out.head.header_len = (uint32_t)n;
    out.payload = payload;
    out.head.payload_len = payload_len;
    r->net.base.send(&s->conn->base, &out);
    fake_run(&r->net, 1);
}

static size_t pack_hello(uint8_t *to, uint32_t protocol, bool with_self)
{
    Crew__Hello hello = CREW__HELLO__INIT;
    Crew__Identity self = CREW__IDENTITY__INIT;

    self.incarnation = 7;
    hello.protocol = protocol;
    hello.self = with_self ? &self : NULL;
    return crew__hello__pack(&hello, to);
}

static const struct {
    const char *what;
    struct rpc_head head;
    const char *header;
    size_t header_len, payload_len;
    const char *line;
} garbage[] = {
    {"request before HELLO",
     {.kind = RPC_REQUEST, .method = RPC_TICKET},
     "",
     0,
     0,
     "TICKET before HELLO"},
    {"part before HELLO",
     {.kind = RPC_PART, .method = RPC_PUSH_PULL},
     "",
     0,
     8,
     "a part before HELLO"},
    {"empty part before HELLO",
     {.kind = RPC_PART, .method = RPC_PUSH_PULL},
     "",
     0,
     0,
     "a part before HELLO"},
    {"unknown method",
     {.kind = RPC_REQUEST, .method = 999},
     "",
     0,
     0,
     "unknown method 999"},
    {"an answer",
     {.kind = RPC_RESPONSE, .method = RPC_HELLO},
     "",
     0,
     0,
     "an answer where requests are expected"},
    {"HELLO without self",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x08\x01",
     2,
     0,
     "message Hello without `self`"},
    {"HELLO with protocol twice",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x08\x01\x08\x01",
     4,
     0,
     "singular field twice: protocol"},
    {"HELLO that is cut",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x12\x20\x08",
     3,
     0,
     "malformed or cut field self"},
};

START_TEST(garbage_is_refused_with_a_line)
{
    struct stranger s;
    struct probe_call c;
    uint8_t payload[8] = {0};

    begin(&rig, true);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, garbage[_i].head, garbage[_i].header,
                  garbage[_i].header_len, payload, garbage[_i].payload_len);
    ck_assert_msg(s.closed == 1, "%s: the connection stays", garbage[_i].what);
    ck_assert_msg(strstr(rig.garbage, garbage[_i].line) != NULL,
                  "%s: got \"%s\", want \"%s\"", garbage[_i].what, rig.garbage,
                  garbage[_i].line);
    ck_assert_int_eq(strncmp(rig.garbage, "10.0.0.7:4000: ", 15), 0);
    ck_assert_uint_eq(rpc_server_garbage(rig.server), 1);
    /* The others are served as before. */
    begin_heartbeat(&rig, &c, 100);
    fake_run(&rig.net, 10);
    ck_assert(c.replied);
    end(&rig);
}
END_TEST

START_TEST(a_line_a_minute_and_address)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = 999};

    begin(&rig, true);
    for (int i = 0; i < 20; i++) {
        stranger_begin(&rig, &s);
        stranger_send(&rig, &s, head, "", 0, NULL, 0);
    }
    ck_assert_int_eq(rig.garbage_lines, 1);
    ck_assert_uint_eq(rpc_server_garbage(rig.server), 20);
    fake_run(&rig.net, 60000);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, "", 0, NULL, 0);
    ck_assert_int_eq(rig.garbage_lines, 2);
    end(&rig);
}
END_TEST

START_TEST(no_hello_within_5_s_is_the_end)
{
    struct stranger s;

    begin(&rig, true);
    stranger_begin(&rig, &s);
    fake_run(&rig.net, 4900);
    ck_assert_int_eq(s.closed, 0);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(s.closed, 1);
    ck_assert_ptr_nonnull(strstr(rig.garbage, "no HELLO within 5 s"));
    ck_assert_int_eq(rig.downs, 0); /* the member's connection stands */
    end(&rig);
}
END_TEST

START_TEST(another_protocol_is_refused_in_words)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = RPC_HELLO};
    uint8_t hello[64];

    begin(&rig, true);
    int before = rig.hellos;
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, hello, pack_hello(hello, 9, true), NULL, 0);
    ck_assert_int_eq(s.closed, 1);
    ck_assert_uint_eq(s.kind, RPC_ERROR);
    ck_assert_str_eq(s.text,
                     "protocol 9 is not spoken here, 1 is: run the "
                     "same release everywhere");
    ck_assert_int_eq(rig.hellos, before);
    end(&rig);
}
END_TEST

START_TEST(health_needs_no_hello)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = RPC_HEALTH};

    begin(&rig, true);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, "", 0, NULL, 0);
    ck_assert_int_eq(rig.last_method, RPC_HEALTH);
    ck_assert_int_eq(s.closed, 0);
    end(&rig);
}
END_TEST

START_TEST(the_newest_connection_over_the_limit_is_closed)
{
    struct stranger s[8];

    begin(&rig, true); /* the peer is the first of 8 */
    for (int i = 0; i < 8; i++) {
        stranger_begin(&rig, &s[i]);
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(s[i].closed, 0);
    }
    ck_assert_int_eq(s[7].closed, 1);
    ck_assert_ptr_nonnull(strstr(rig.garbage, "8 connections are open"));
    end(&rig);
}
END_TEST

/* Closing sends what is queued first, but waits only a second for it. */
START_TEST(closing_waits_a_second_at_most)
{
    struct probe_call c;
    Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    rpc_reply(rig.session, RPC_HEARTBEAT, rig.last_id, &reply.base);
    client_conn(&rig)->other->stalled = true;
    rpc_server_close(rig.server, on_server_closed, &rig);
    fake_run(&rig.net, 900);
    ck_assert(!rig.server_closed);
    fake_run(&rig.net, 200);
    ck_assert(rig.server_closed);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    rig.server = NULL;
    end(&rig);
}
END_TEST

/* After the first round nothing grows: frames come from the pool, messages from
 * the arena. */
START_TEST(the_steady_state_takes_no_memory)
{
    struct probe_call c;
    uint8_t data[256] = {0};
    int made = 0;
    size_t most = 0;

    begin(&rig, true);
    for (int i = 0; i < 100; i++) {
        begin_push(&rig, &c, 1000);
        push_part(&rig, &c, data, sizeof data, false);
        push_part(&rig, &c, data, sizeof data, true);
        fake_run(&rig.net, 1);
        ck_assert_int_eq(c.done, 1);
        ck_assert_int_eq(c.parts, 2);
        if (i == 0) {
            made = rig.peer->pool.made;
            most = rig.peer->arena.most;
        }
    }
    ck_assert_int_eq(rig.peer->pool.made, made);
    ck_assert_uint_eq(rig.peer->arena.most, most);
    ck_assert_int_eq(rig.peer->pool.under_way, 0);
    end(&rig);
}
END_TEST

static Suite *peer_suite(void)
{
    Suite *suite = suite_create("peer and server");
    TCase *peer = tcase_create("peer");
    TCase *server = tcase_create("server");

    tcase_add_test(peer, hello_then_calls_are_answered);
    tcase_add_test(peer, parts_go_up_and_come_down);
    tcase_add_test(peer, a_wrong_crc_is_told);
    tcase_add_test(peer, a_call_while_down_fails_from_the_loop);
    tcase_add_test(peer, a_deadline_without_parts_leaves_the_connection);
    tcase_add_test(peer, a_deadline_with_parts_drops_the_connection);
    tcase_add_test(peer, an_early_error_waits_for_the_parts);
    tcase_add_test(peer, a_loss_fails_the_calls_once_and_heals);
    tcase_add_test(peer, backoff_doubles_to_two_seconds);
    tcase_add_test(peer, a_refusal_ends_the_attempts);
    tcase_add_test(peer, reconnect_is_at_once);
    tcase_add_test(peer, no_answer_to_hello_is_a_loss_after_5_s);
    tcase_add_test(peer, close_cancels_what_is_under_way);
    tcase_add_test(peer, the_steady_state_takes_no_memory);
    tcase_add_loop_test(server, garbage_is_refused_with_a_line, 0,
                        (int)COUNT_OF(garbage));
    tcase_add_test(server, a_line_a_minute_and_address);
    tcase_add_test(server, no_hello_within_5_s_is_the_end);
    tcase_add_test(server, another_protocol_is_refused_in_words);
    tcase_add_test(server, health_needs_no_hello);
    tcase_add_test(server, the_newest_connection_over_the_limit_is_closed);
    tcase_add_test(server, closing_waits_a_second_at_most);
    suite_add_tcase(suite, peer);
    suite_add_tcase(suite, server);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(peer_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
