/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to a running process, with a loop of its own: HELLO as a tool,
 * then HEALTH. Only an event loop that turns can answer, so a stopped or stuck
 * process is found unhealthy.
 *
 * Failure modes: the first attempt decides (no retry): nobody listens, HELLO is
 * refused, or no answer in time. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/peer.h"
#include "rpc/uv_net.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

struct probe {
    struct rpc_net *net;
    struct rpc_peer *peer;
    struct rpc_call call;
    struct rpc_timer limit;
    const char *address;
    bool over;
    Crew__HealthReply *reply;
    struct crew_err err;
};

/* The first outcome counts. */
static void end(struct probe *p, const struct crew_err *why)
{
    if (p->over) {
        return;
    }
    p->over = true;
    if (why != NULL) {
        p->err = *why;
    }
    p->net->timer_clear(p->net, &p->limit);
    rpc_peer_close(p->peer);
}

static void on_done(struct rpc_call *call,
                    const ProtobufCMessage *reply,
                    const Crew__Error *error,
                    const struct crew_err *err)
{
    struct probe *p = call->self;

    (void)error;
    if (reply == NULL) {
        end(p, err);
        return;
    }
    /* The reply is the arena's: a copy of its own, by way of the wire format.
     */
    size_t n = protobuf_c_message_get_packed_size(reply);
    uint8_t *packed = xmalloc(n);
    (void)protobuf_c_message_pack(reply, packed);
    p->reply = crew__health_reply__unpack(NULL, n, packed);
    free(packed);
    end(p, NULL);
}

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    struct probe *p = rpc_peer_self(peer);
    Crew__HealthRequest request = CREW__HEALTH_REQUEST__INIT;

    (void)reply;
    p->call.on_done = on_done;
    p->call.self = p;
    rpc_call_start(peer, &p->call, RPC_HEALTH, &request.base, 0);
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    (void)attempt;
    end(rpc_peer_self(peer), why);
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct probe *p = rpc_peer_self(peer);
    struct crew_err why = {0};

    (void)crew_err_set(&why, CREW_FAILED_PRECONDITION,
                       "process at %.80s: refused: %.800s", p->address,
                       error->text);
    end(p, &why);
}

static void on_closed(struct rpc_peer *peer)
{
    struct probe *p = rpc_peer_self(peer);

    p->peer = NULL;
}

static void on_limit(struct rpc_timer *timer)
{
    struct probe *p = timer->self;
    struct crew_err why = {0};

    (void)crew_err_set(&why, CREW_DEADLINE_EXCEEDED,
                       "process at %.80s: no answer in time: it is stopped or "
                       "stuck, or not one of Traincrew",
                       p->address);
    end(p, &why);
}

static uint64_t random64(void)
{
    uint64_t x = 0;

    (void)uv_random(NULL, NULL, &x, sizeof x, 0, NULL);
    return x | 1;
}

int rpc_probe(const char *address,
              uint64_t timeout_ms,
              Crew__HealthReply **reply,
              struct crew_err *err)
{
    static const struct rpc_peer_events events = {on_up, on_down, on_refused,
                                                  on_closed};
    struct probe p = {.address = address};
    Crew__Identity self = CREW__IDENTITY__INIT;
    Crew__Hello hello = CREW__HELLO__INIT;
    uv_loop_t loop;

    self.role = CREW__ROLE__ROLE_TOOL;
    self.incarnation = random64();
    hello.self = &self;
    hello.control = true;
    if (uv_loop_init(&loop) != 0) {
        return crew_err_set(err, CREW_INTERNAL, "no event loop");
    }
    p.net = uv_net_new(&loop);
    p.limit = (struct rpc_timer){on_limit, &p, NULL};
    p.net->timer_set(p.net, &p.limit, timeout_ms);
    p.peer = rpc_peer_open(p.net, "process", address, &hello, self.incarnation,
                           &events, &p);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    INVARIANT(p.peer == NULL);
    uv_net_free(p.net);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    if (p.reply == NULL) {
        return crew_err_exit(err, p.err.code, p.err.exit_code, "%s", p.err.msg);
    }
    *reply = p.reply;
    return CREW_OK;
}
