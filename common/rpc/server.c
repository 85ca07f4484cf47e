/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving side of a network.
 *
 * Happy path of a connection: on_accept makes a session and gives it 5 s ->
 * HELLO, judged by the handler -> requests and parts, each guarded, to the
 * handler -> rpc_reply* -> on_close, on_gone, the session's memory is gone.
 *
 * Failure modes:
 * - Garbage (what frame.c or the guard refuses, a payload nobody wants, a
 * message without its `self`, a part before HELLO): counted, one line, closed.
 * - No HELLO within 5 s, or more than max_conns connections: the same.
 * - HELLO refused: the error is sent, then the connection closed.
 * - A close from here waits until queued answers are sent, at most 1 s; what
 *   arrives meanwhile is not looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "rpc/out_pool.h"
#include "io/pbguard.h"
#include "rpc/server.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define HELLO_MS 5000u
#define LINGER_MS 1000u
#define COMPLAINT_MS 60000u
#define COMPLAINTS 32

enum session_state { SESSION_NEW, SESSION_SERVED, SESSION_LINGERING };

struct rpc_session {
    uint32_t magic;
    enum session_state state;
    bool known;  /* on_hello accepted it: on_gone is due */
    bool blamed; /* garbage was told already */
    struct rpc_server *server;
    struct rpc_conn *conn;
    struct rpc_timer timer; /* HELLO's limit, then the lingering's */
    int under_way;          /* frames not yet sent */
    void *data;
    struct rpc_session *next, *prev;
};
#define SESSION_MAGIC 0x73657373u

/* Whose garbage was told when: a line a minute and address. */
struct complaint {
    char host[80];
    uint64_t at_ms;
};

struct rpc_server {
    uint32_t magic;
    struct rpc_net *net;
    const struct rpc_handler *handler;
    void *self;
    struct rpc_accept accept;
    int max_conns, conns;
    struct rpc_session *sessions;
    struct out_pool pool;
    struct arena arena;
    uint64_t garbage;
    struct complaint complaints[COMPLAINTS];
    void (*on_closed)(void *self); /* set: closing */
    void *closed_self;
    struct rpc_timer closing;
};
#define SERVER_MAGIC 0x73657276u

static struct rpc_session *session_of(struct rpc_conn *conn)
{
    return CREW_CAST(struct rpc_session, SESSION_MAGIC, conn->self);
}

/* ---------------------------------------------------------------- garbage */

/* The address without its port: strangers come by a new one each time. */
static void host_of(const char *name, char host[80])
{
    (void)snprintf(host, 80, "%s", name);
    char *colon = strrchr(host, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
}

/* May this host's fault be told now? Remembers it; the oldest makes room. */
static bool may_complain(struct rpc_server *server, const char *name)
{
    uint64_t now = server->net->now_ms(server->net);
    struct complaint *oldest = &server->complaints[0];
    char host[80];

    host_of(name, host);
    for (int i = 0; i < COMPLAINTS; i++) {
        struct complaint *c = &server->complaints[i];
        if (c->host[0] != '\0' && strcmp(c->host, host) == 0) {
            if (now - c->at_ms < COMPLAINT_MS) {
                return false;
            }
            c->at_ms = now;
            return true;
        }
        if (oldest->host[0] != '\0' &&
            (c->host[0] == '\0' || c->at_ms < oldest->at_ms)) {
            oldest = c;
        }
    }
    (void)snprintf(oldest->host, sizeof oldest->host, "%s", host);
    oldest->at_ms = now;
    return true;
}

static void tell(struct rpc_session *s, const char *what)
{
    struct rpc_server *server = s->server;
    char line[512];

    if (s->blamed) {
        return;
    }
    s->blamed = true;
    server->garbage++;
    if (server->handler->on_garbage != NULL &&
        may_complain(server, s->conn->name)) {
        (void)snprintf(line, sizeof line, "%s: connection closed: %s",
                       s->conn->name, what);
        server->handler->on_garbage(server->self, line);
    }
}

static void blame(struct rpc_session *s, const char *what)
{
    tell(s, what);
    s->server->net->close(s->conn);
}

/* --------------------------------------------------------------- sessions */

static void linger(struct rpc_session *s)
{
    struct rpc_net *net = s->server->net;

    if (s->state == SESSION_LINGERING) {
        return;
    }
    s->state = SESSION_LINGERING;
    if (s->under_way == 0) {
        net->close(s->conn);
    } else {
        net->timer_set(net, &s->timer, LINGER_MS);
    }
}

static void on_session_timer(struct rpc_timer *timer)
{
    struct rpc_session *s =
        CREW_CAST(struct rpc_session, SESSION_MAGIC, timer->self);

    if (s->state == SESSION_NEW) {
        blame(s, "no HELLO within 5 s");
    } else {
        s->server->net->close(s->conn);
    }
}

static void server_done(struct rpc_server *server)
{
    server->net->timer_clear(server->net, &server->closing);
    server->on_closed(server->closed_self);
    out_pool_release(&server->pool);
    arena_release(&server->arena);
    server->magic = 0;
    free(server);
}

static void on_close(struct rpc_conn *conn, const struct crew_err *why)
{
    struct rpc_session *s = session_of(conn);
    struct rpc_server *server = s->server;

    INVARIANT(s->under_way == 0);
    if (why->code == CREW_DATA_LOSS && s->state != SESSION_LINGERING) {
        tell(s, why->msg);
    }
    server->net->timer_clear(server->net, &s->timer);
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        server->sessions = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    server->conns--;
    if (s->known) {
        server->handler->on_gone(server->self, s, why);
    }
    s->magic = 0;
    free(s);
    if (server->on_closed != NULL && server->conns == 0) {
        server_done(server);
    }
}

/* ------------------------------------------------------------------ input */

/* Every message that acts carries who acts: no handler need ask. */
static bool has_self(const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor,
                                                        "self");

    return field == NULL ||
           *(void *const *)(const void *)((const char *)message +
                                          field->offset) != NULL;
}

/* Guarded, unpacked, with its `self`; NULL: the session has been blamed. */
static const ProtobufCMessage *unpack(struct rpc_session *s,
                                      const ProtobufCMessageDescriptor *type,
                                      const uint8_t *data,
                                      size_t n)
{
    const ProtobufCMessage *message;
    struct crew_err err = {0};

    if (arena_unpack(&s->server->arena, type, data, n, &message, &err) != 0) {
        blame(s, err.msg);
        return NULL;
    }
    if (!has_self(message)) {
        (void)crew_err_set(&err, CREW_DATA_LOSS, "message %s without `self`",
                           type->short_name);
        blame(s, err.msg);
        return NULL;
    }
    return message;
}

static void refuse_hello(struct rpc_session *s,
                         uint64_t call_id,
                         const Crew__Error *error)
{
    rpc_reply_error(s, RPC_HELLO, call_id, error);
    linger(s);
}

static void on_hello(struct rpc_session *s,
                     uint64_t call_id,
                     const Crew__Hello *hello)
{
    struct rpc_server *server = s->server;
    Crew__HelloReply reply = CREW__HELLO_REPLY__INIT;
    Crew__Error error = CREW__ERROR__INIT;
    char text[160];

    if (hello->protocol != RPC_PROTOCOL) {
        (void)snprintf(text, sizeof text,
                       "protocol %u is not spoken here, %u is: run the same "
                       "release everywhere",
                       hello->protocol, RPC_PROTOCOL);
        error.code = CREW_FAILED_PRECONDITION;
        error.exit_code = 78;
        error.refusal = CREW__REFUSAL__MISMATCH;
        error.text = text;
        refuse_hello(s, call_id, &error);
        return;
    }
    if (server->handler->on_hello(server->self, s, hello, &reply, &error) !=
        0) {
        refuse_hello(s, call_id, &error);
        return;
    }
    s->known = true;
    if (s->state != SESSION_NEW) {
        return; /* the handler has closed it */
    }
    s->state = SESSION_SERVED;
    server->net->timer_clear(server->net, &s->timer);
    reply.protocol = RPC_PROTOCOL;
    rpc_reply(s, RPC_HELLO, call_id, &reply.base);
}

static void on_request(struct rpc_session *s, const struct rpc_in *in)
{
    struct rpc_server *server = s->server;
    int method = in->head.method;
    const ProtobufCMessageDescriptor *type = rpc_method_request(method);
    char text[80];

    if (type == NULL) {
        (void)snprintf(text, sizeof text, "unknown method %d", method);
        blame(s, text);
        return;
    }
    if (s->state == SESSION_NEW && method != RPC_HELLO &&
        method != RPC_HEALTH) {
        (void)snprintf(text, sizeof text, "%s before HELLO",
                       rpc_method_name(method));
        blame(s, text);
        return;
    }
    const ProtobufCMessage *message =
        unpack(s, type, in->header, in->head.header_len);
    if (message == NULL) {
        return;
    }
    if (method != RPC_HELLO) {
        server->handler->on_request(server->self, s, (enum rpc_method)method,
                                    in->head.call_id, message);
    } else if (s->state == SESSION_NEW) {
        on_hello(s, in->head.call_id, (const Crew__Hello *)message);
    }
}

static void *payload_dest(struct rpc_conn *conn, const struct rpc_in *in)
{
    struct rpc_session *s = session_of(conn);
    struct rpc_server *server = s->server;
    char text[120];

    arena_reset(&server->arena);
    if (s->state == SESSION_LINGERING) {
        return NULL;
    }
    if (s->state == SESSION_NEW) {
        tell(s, "a part before HELLO");
        return NULL;
    }
    void *dest = server->handler->payload_dest(server->self, s, in);
    if (dest == NULL && s->state == SESSION_SERVED) {
        (void)snprintf(text, sizeof text,
                       "a part of %s with %llu bytes that nobody waits for",
                       rpc_method_name(in->head.method),
                       (unsigned long long)in->head.payload_len);
        tell(s, text);
    }
    return dest;
}

static void on_frame(struct rpc_conn *conn,
                     const struct rpc_in *in,
                     void *payload)
{
    struct rpc_session *s = session_of(conn);
    struct rpc_server *server = s->server;

    arena_reset(&server->arena);
    if (s->state == SESSION_LINGERING) {
        return;
    }
    if (in->head.kind == RPC_REQUEST) {
        on_request(s, in);
    } else if (in->head.kind != RPC_PART) {
        blame(s, "an answer where requests are expected");
    } else if (s->state == SESSION_NEW) {
        blame(s, "a part before HELLO");
    } else {
        bool crc_ok =
            (in->head.flags & RPC_FLAG_CRC) == 0 ||
            crc32c(payload, in->head.payload_len) == in->head.payload_crc32c;
        server->handler->on_part(server->self, s, in, payload, crc_ok);
    }
}

static const struct rpc_conn_events conn_events = {
    .payload_dest = payload_dest,
    .on_frame = on_frame,
    .on_close = on_close,
};

static void on_accept(struct rpc_accept *accept, struct rpc_conn *conn)
{
    struct rpc_server *server =
        CREW_CAST(struct rpc_server, SERVER_MAGIC, accept->self);
    struct rpc_session *s = xcalloc(1, sizeof *s);

    s->magic = SESSION_MAGIC;
    s->server = server;
    s->conn = conn;
    s->timer = (struct rpc_timer){on_session_timer, s, NULL};
    s->next = server->sessions;
    if (s->next != NULL) {
        s->next->prev = s;
    }
    server->sessions = s;
    server->conns++;
    conn->events = &conn_events;
    conn->self = s;
    if (server->conns > server->max_conns) {
        char text[80];
        (void)snprintf(text, sizeof text,
                       "%d connections are open, the most allowed",
                       server->max_conns);
        blame(s, text);
        return;
    }
    server->net->timer_set(server->net, &s->timer, HELLO_MS);
}

/* ----------------------------------------------------------------- output */

static void reply_sent(struct rpc_out *out, bool sent)
{
    struct out_frame *f = out->self;
    struct rpc_session *s = f->owner;

    (void)sent; /* when it was not, on_close follows */
    out_give(f);
    s->under_way--;
    if (s->state == SESSION_LINGERING && s->under_way == 0) {
        s->server->net->close(s->conn);
    }
}

static bool reply(struct rpc_session *s,
                  struct rpc_head head,
                  const ProtobufCMessage *message,
                  const void *payload,
                  size_t n)
{
    struct out_frame *f = out_take(&s->server->pool, head, message, payload, n);

    if (f == NULL) {
        return false;
    }
    f->owner = s;
    f->out.self = f;
    f->out.done = reply_sent;
    s->under_way++;
    s->server->net->send(s->conn, &f->out);
    return true;
}

void rpc_reply(struct rpc_session *s,
               enum rpc_method method,
               uint64_t call_id,
               const ProtobufCMessage *message)
{
    struct rpc_head head = {.kind = RPC_RESPONSE,
                            .method = (uint16_t)method,
                            .flags = RPC_FLAG_END,
                            .call_id = call_id};

    PRE(message->descriptor == rpc_method_reply((int)method));
    if (!reply(s, head, message, NULL, 0)) {
        Crew__Error error = CREW__ERROR__INIT;
        error.code = CREW_INTERNAL;
        error.text = (char *)(uintptr_t) "the answer is over 65,536 bytes";
        rpc_reply_error(s, method, call_id, &error);
    }
}

void rpc_reply_error(struct rpc_session *s,
                     enum rpc_method method,
                     uint64_t call_id,
                     const Crew__Error *error)
{
    struct rpc_head head = {.kind = RPC_ERROR,
                            .method = (uint16_t)method,
                            .flags = RPC_FLAG_END,
                            .call_id = call_id};
    bool fits = reply(s, head, &error->base, NULL, 0);

    INVARIANT(fits);
}

void rpc_reply_part(struct rpc_session *s,
                    enum rpc_method method,
                    uint64_t call_id,
                    const ProtobufCMessage *header,
                    const void *payload,
                    size_t n,
                    bool crc)
{
    struct rpc_head head = {.kind = RPC_PART,
                            .method = (uint16_t)method,
                            .flags = crc ? RPC_FLAG_CRC : 0u,
                            .call_id = call_id};
    bool fits = reply(s, head, header, payload, n);

    INVARIANT(fits);
}

/* ---------------------------------------------------------------- opening */

int rpc_server_open(struct rpc_net *net,
                    const char *address,
                    int max_conns,
                    const struct rpc_handler *handler,
                    void *self,
                    struct rpc_server **out,
                    int *port,
                    struct crew_err *err)
{
    struct rpc_server *server = xcalloc(1, sizeof *server);

    PRE(max_conns > 0);
    server->magic = SERVER_MAGIC;
    server->net = net;
    server->handler = handler;
    server->self = self;
    server->max_conns = max_conns;
    server->accept = (struct rpc_accept){on_accept, server};
    int code = net->listen(net, address, &server->accept, port, err);
    if (code != CREW_OK) {
        free(server);
        return code;
    }
    arena_init(&server->arena);
    *out = server;
    return CREW_OK;
}

static void on_closing(struct rpc_timer *timer)
{
    server_done(CREW_CAST(struct rpc_server, SERVER_MAGIC, timer->self));
}

void rpc_server_close(struct rpc_server *server,
                      void (*on_closed)(void *self),
                      void *self)
{
    PRE(server->on_closed == NULL && on_closed != NULL);
    server->on_closed = on_closed;
    server->closed_self = self;
    server->closing = (struct rpc_timer){on_closing, server, NULL};
    server->net->unlisten(server->net, &server->accept);
    for (struct rpc_session *s = server->sessions; s != NULL; s = s->next) {
        linger(s);
    }
    if (server->conns == 0) {
        server->net->timer_set(server->net, &server->closing, 0);
    }
}

/* -------------------------------------------------------------- accessors */

uint64_t rpc_server_garbage(const struct rpc_server *server)
{
    return server->garbage;
}

void *rpc_session_data(const struct rpc_session *s)
{
    return s->data;
}

void rpc_session_set_data(struct rpc_session *s, void *data)
{
    s->data = data;
}

const char *rpc_session_name(const struct rpc_session *s)
{
    return s->conn->name;
}

void rpc_session_close(struct rpc_session *s)
{
    linger(s);
}

const ProtobufCMessage *rpc_session_unpack(
    struct rpc_session *s,
    const ProtobufCMessageDescriptor *type,
    const uint8_t *data,
    size_t n)
{
    return unpack(s, type, data, n);
}
