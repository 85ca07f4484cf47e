/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire over loopback TCP against plain blocking sockets doing the least
 * that could work: bytes read into place and one byte back. Each side has a
 * thread at either end; ours and the twin take turns, so that both see the same
 * machine.
 *
 * push: 13.1 MB in parts of 1 MiB with CRC, answered by one frame; pull: a
 * request, 13.1 MB in parts without; small: a call of 64 bytes and its answer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "rpc/peer.h"
#include "rpc/server.h"
#include "rpc/uv_net.h"
#include "base/mem.h"

#include "base/banned.h"

enum { PART = 1 << 20, TOTAL = 13100000, SMALL = 64, ROUNDS = 6 };
static const double seconds_a_round = 0.25;

/* ---------------------------------------------------------- our own server */

struct ours {
    /* the server's thread */
    pthread_t thread;
    uint8_t *memory;
    char address[64];
    atomic_bool ready, stop;
    /* the caller's */
    uv_loop_t loop;
    struct rpc_net *net;
    struct rpc_peer *peer;
    uint8_t *mine;
    struct rpc_call call;
    Crew__Identity self;
    Crew__Hello hello;
    bool up, done, closed;
    struct crew_err err;
};

static int on_hello(void *self,
                    struct rpc_session *s,
                    const Crew__Hello *hello,
                    Crew__HelloReply *reply,
                    Crew__Error *error)
{
    (void)self;
    (void)s;
    (void)hello;
    (void)reply;
    (void)error;
    return CREW_OK;
}

static size_t part_size(uint32_t i)
{
    size_t from = (size_t)i * PART;
    return from + PART <= TOTAL ? PART : TOTAL - from;
}

static void send_values(struct ours *o, struct rpc_session *s, uint64_t call_id)
{
    Crew__ValuePart value = CREW__VALUE_PART__INIT;
    Crew__PullReply reply = CREW__PULL_REPLY__INIT;
    for (uint32_t i = 0; (size_t)i * PART < TOTAL; i++) {
        value.granule = i;
        rpc_reply_part(s, RPC_PULL, call_id, &value.base,
                       o->memory + (size_t)i * PART, part_size(i), false);
    }
    rpc_reply(s, RPC_PULL, call_id, &reply.base);
}

static void on_request(void *self,
                       struct rpc_session *s,
                       enum rpc_method method,
                       uint64_t call_id,
                       const ProtobufCMessage *request)
{
    (void)request;
    if (method == RPC_PULL) {
        send_values(self, s, call_id);
    } else if (method == RPC_HEARTBEAT) {
        Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;
        reply.phase = CREW__PHASE__READY;
        reply.epoch = 7;
        reply.global_step = 123456;
        rpc_reply(s, method, call_id, &reply.base);
    }
}

static void *server_dest(void *self,
                         struct rpc_session *s,
                         const struct rpc_in *in)
{
    struct ours *o = self;
    const Crew__PushPart *part = (const Crew__PushPart *)rpc_session_unpack(
        s, &crew__push_part__descriptor, in->header, in->head.header_len);
    return part != NULL ? o->memory + (size_t)part->granule * PART : NULL;
}

static void on_part(void *self,
                    struct rpc_session *s,
                    const struct rpc_in *in,
                    void *payload,
                    bool crc_ok)
{
    (void)self;
    (void)payload;
    if (!crc_ok) {
        rpc_session_close(s);
    } else if ((in->head.flags & RPC_FLAG_END) != 0) {
        Crew__PushPullReply reply = CREW__PUSH_PULL_REPLY__INIT;
        rpc_reply(s, RPC_PUSH_PULL, in->head.call_id, &reply.base);
    }
}

static void on_gone(void *self,
                    struct rpc_session *s,
                    const struct crew_err *why)
{
    (void)self;
    (void)s;
    (void)why;
}

static const struct rpc_handler handler = {.on_hello = on_hello,
                                           .on_request = on_request,
                                           .payload_dest = server_dest,
                                           .on_part = on_part,
                                           .on_gone = on_gone};

static void server_closed(void *self)
{
    *(bool *)self = true;
}

static void wake_up(uv_timer_t *timer)
{
    (void)timer;
}

static void *serve(void *arg)
{
    struct ours *o = arg;
    uv_loop_t loop;
    uv_timer_t tick; /* so that `stop` is seen */
    struct rpc_server *server;
    struct crew_err err = {0};
    int port;
    bool closed = false;
    (void)uv_loop_init(&loop);
    struct rpc_net *net = uv_net_new(&loop);
    (void)uv_timer_init(&loop, &tick);
    (void)uv_timer_start(&tick, wake_up, 50, 50);
    if (rpc_server_open(net, "127.0.0.1:0", 4, &handler, o, &server, &port,
                        &err) != CREW_OK) {
        fprintf(stderr, "crew-bench: %s\n", err.msg);
        exit(crew_err_exit_code(&err));
    }
    (void)snprintf(o->address, sizeof(o->address), "127.0.0.1:%d", port);
    atomic_store(&o->ready, true);
    while (!atomic_load(&o->stop)) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    rpc_server_close(server, server_closed, &closed);
    while (!closed) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_net_free(net);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return NULL;
}

/* ---------------------------------------------------------- our own caller */

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    (void)reply;
    ((struct ours *)rpc_peer_self(peer))->up = true;
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    struct ours *o = rpc_peer_self(peer);
    (void)attempt;
    o->err = *why;
    o->up = o->done = true;
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct crew_err why = {0};
    (void)crew_err_set(&why, CREW_INTERNAL, "refused: %s", error->text);
    on_down(peer, &why, 1);
}

static void on_closed(struct rpc_peer *peer)
{
    ((struct ours *)rpc_peer_self(peer))->closed = true;
}

static void *call_dest(struct rpc_call *call, const struct rpc_in *in)
{
    struct ours *o = call->self;
    const Crew__ValuePart *part = (const Crew__ValuePart *)rpc_call_unpack(
        call, &crew__value_part__descriptor, in);
    return part != NULL ? o->mine + (size_t)part->granule * PART : NULL;
}

static void on_value(struct rpc_call *call, const struct rpc_in *in)
{
    (void)call;
    (void)in;
}

static void on_done(struct rpc_call *call,
                    const ProtobufCMessage *reply,
                    const Crew__Error *error,
                    const struct crew_err *err)
{
    struct ours *o = call->self;
    (void)reply;
    (void)error;
    if (err->code != CREW_OK) {
        o->err = *err;
    }
    o->done = true;
}

static void begin_call(struct ours *o)
{
    o->done = false;
    o->call = (struct rpc_call){.payload_dest = call_dest,
                                .on_part = on_value,
                                .on_done = on_done,
                                .self = o};
}

static void turn(struct ours *o, const bool *until)
{
    while (!*until) {
        (void)uv_run(&o->loop, UV_RUN_ONCE);
    }
}

static void our_push(void *self)
{
    struct ours *o = self;
    Crew__PushPullRequest request = CREW__PUSH_PULL_REQUEST__INIT;
    Crew__PushPart part = CREW__PUSH_PART__INIT;
    begin_call(o);
    request.self = part.self = &o->self;
    rpc_call_start(o->peer, &o->call, RPC_PUSH_PULL, &request.base, 0);
    for (uint32_t i = 0; (size_t)i * PART < TOTAL; i++) {
        part.granule = i;
        rpc_call_part(&o->call, &part.base, o->mine + (size_t)i * PART,
                      part_size(i), true, (size_t)(i + 1) * PART >= TOTAL);
    }
    turn(o, &o->done);
}

static void our_pull(void *self)
{
    struct ours *o = self;
    Crew__PullRequest request = CREW__PULL_REQUEST__INIT;
    begin_call(o);
    request.self = &o->self;
    rpc_call_start(o->peer, &o->call, RPC_PULL, &request.base, 0);
    turn(o, &o->done);
}

/* 40 bytes of header and about 24 of message each way. */
static void our_small(void *self)
{
    struct ours *o = self;
    Crew__HeartbeatRequest request = CREW__HEARTBEAT_REQUEST__INIT;
    begin_call(o);
    request.self = &o->self;
    rpc_call_start(o->peer, &o->call, RPC_HEARTBEAT, &request.base, 0);
    turn(o, &o->done);
}

static void *touched(size_t n)
{
    return memset(xmalloc(n), 1, n);
}

static int ours_open(struct ours *o, struct crew_err *err)
{
    static const struct rpc_peer_events events = {on_up, on_down, on_refused,
                                                  on_closed};
    o->memory = touched(TOTAL);
    o->mine = touched(TOTAL);
    if (pthread_create(&o->thread, NULL, serve, o) != 0) {
        return crew_err_set(err, CREW_INTERNAL, "no thread");
    }
    while (!atomic_load(&o->ready)) {
        (void)usleep(100);
    }
    (void)uv_loop_init(&o->loop);
    o->net = uv_net_new(&o->loop);
    crew__identity__init(&o->self);
    o->self.epoch = 3;
    o->self.role = CREW__ROLE__ROLE_WORKER;
    o->self.index = 1;
    o->self.incarnation = 0x1122334455667788u;
    o->self.seq = 100000;
    crew__hello__init(&o->hello);
    o->hello.self = &o->self;
    o->peer =
        rpc_peer_open(o->net, "ps/0", o->address, &o->hello, 1, &events, o);
    turn(o, &o->up);
    return CREW_OK;
}

static void ours_close(struct ours *o)
{
    rpc_peer_close(o->peer);
    turn(o, &o->closed);
    uv_net_free(o->net);
    (void)uv_loop_close(&o->loop);
    atomic_store(&o->stop, true);
    (void)pthread_join(o->thread, NULL);
    free(o->memory);
    free(o->mine);
}

/* ---------------------------------------------------------------- the twin */

struct twin {
    pthread_t thread;
    int near, far;
    uint8_t *memory, *mine;
};

static bool read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, to, n, 0);
        if (got <= 0) {
            return false;
        }
        to += got;
        n -= (size_t)got;
    }
    return true;
}

static void write_all(int fd, const uint8_t *from, size_t n)
{
    while (n > 0) {
        ssize_t put = send(fd, from, n, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        from += put;
        n -= (size_t)put;
    }
}

/* The first byte says what is wanted. */
static void *twin_serve(void *arg)
{
    struct twin *t = arg;
    uint8_t what[SMALL];
    while (read_all(t->far, what, 1)) {
        if (what[0] == 'u' && read_all(t->far, t->memory, TOTAL)) {
            write_all(t->far, what, 1);
        } else if (what[0] == 'd') {
            write_all(t->far, t->memory, TOTAL);
        } else if (what[0] == 's' && read_all(t->far, what + 1, SMALL - 1)) {
            write_all(t->far, what, SMALL);
        }
    }
    return NULL;
}

static void twin_push(void *self)
{
    struct twin *t = self;
    uint8_t ack;
    write_all(t->near, (const uint8_t *)"u", 1);
    write_all(t->near, t->mine, TOTAL);
    (void)read_all(t->near, &ack, 1);
}

static void twin_pull(void *self)
{
    struct twin *t = self;
    write_all(t->near, (const uint8_t *)"d", 1);
    (void)read_all(t->near, t->mine, TOTAL);
}

static void twin_small(void *self)
{
    struct twin *t = self;
    uint8_t data[SMALL] = {'s'};
    write_all(t->near, data, SMALL);
    (void)read_all(t->near, data, SMALL);
}

static void no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int twin_open(struct twin *t, struct crew_err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    t->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(listener, (const struct sockaddr *)&at, n) == 0 &&
              listen(listener, 1) == 0 &&
              getsockname(listener, (struct sockaddr *)&at, &n) == 0 &&
              connect(t->near, (const struct sockaddr *)&at, n) == 0;
    t->far = ok ? accept(listener, NULL, NULL) : -1;
    (void)close(listener);
    if (t->far < 0) {
        return crew_err_set(err, CREW_INTERNAL, "no loopback connection");
    }
    no_delay(t->near);
    no_delay(t->far);
    t->memory = touched(TOTAL);
    t->mine = touched(TOTAL);
    if (pthread_create(&t->thread, NULL, twin_serve, t) != 0) {
        return crew_err_set(err, CREW_INTERNAL, "no thread");
    }
    return CREW_OK;
}

static void twin_close(struct twin *t)
{
    (void)shutdown(t->near, SHUT_RDWR);
    (void)pthread_join(t->thread, NULL);
    (void)close(t->near);
    (void)close(t->far);
    free(t->memory);
    free(t->mine);
}

/* --------------------------------------------------------------------- rows */

/* The middle time of a call, the best of some rounds in turns. */
static int measure(void (*ours_call)(void *),
                   void (*twin_call)(void *),
                   double *ours_secs,
                   double *twin_secs,
                   struct crew_err *err)
{
    struct ours o = {0};
    struct twin t = {0};
    int code = ours_open(&o, err);
    if (code != CREW_OK || (code = twin_open(&t, err)) != CREW_OK) {
        return code;
    }
    *ours_secs = *twin_secs = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double a = bench_measure(seconds_a_round, ours_call, &o).median;
        double b = bench_measure(seconds_a_round, twin_call, &t).median;
        *ours_secs = a < *ours_secs ? a : *ours_secs;
        *twin_secs = b < *twin_secs ? b : *twin_secs;
    }
    twin_close(&t);
    ours_close(&o);
    return o.err.code == CREW_OK
               ? CREW_OK
               : crew_err_set(err, o.err.code, "%s", o.err.msg);
}

static int bulk(void (*ours_call)(void *),
                void (*twin_call)(void *),
                struct bench_result *result,
                struct crew_err *err)
{
    double ours, twin;
    int code = measure(ours_call, twin_call, &ours, &twin, err);
    if (code == CREW_OK) {
        result->ours = TOTAL / ours * 1e-9;
        result->limit = TOTAL / twin * 1e-9;
        result->unit = "GB/s";
        result->goal = 0.6;
    }
    return code;
}

static int push_13mb(struct bench_result *result, struct crew_err *err)
{
    return bulk(our_push, twin_push, result, err);
}

static int pull_13mb(struct bench_result *result, struct crew_err *err)
{
    return bulk(our_pull, twin_pull, result, err);
}

static int rpc_small(struct bench_result *result, struct crew_err *err)
{
    double ours, twin;
    int code = measure(our_small, twin_small, &ours, &twin, err);
    if (code == CREW_OK) {
        result->ours = ours * 1e6;
        result->limit = twin * 1e6;
        result->unit = "us";
        result->goal = 2.0;
        result->lower_is_better = true;
    }
    return code;
}

const struct bench_row bench_transport_rows[] = {
    {"push-13mb", "13.1 MB of gradients to a ps, against raw sockets",
     push_13mb},
    {"pull-13mb", "13.1 MB of values from a ps, against raw sockets",
     pull_13mb},
    {"rpc-small", "a call of 64 bytes, against a raw ping-pong", rpc_small},
    {NULL, NULL, NULL},
};
