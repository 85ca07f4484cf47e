/* SPDX-License-Identifier: Apache-2.0
 *
 * A lasting link to one server: its connection. call.c has the calls.
 *
 * Happy path:
 * - rpc_peer_open sets a timer of 0 ms, so that nothing is called back before
 * it has returned; the timer begins to connect.
 * - on_open: HELLO is packed and sent.
 * - The answer to HELLO: UP, on_up; frames go to call.c.
 * - rpc_peer_close: the connection is closed, open calls complete with
 *   CANCELLED, on_closed, the peer's memory is gone.
 *
 * Failure modes:
 * - No connection or no answer to HELLO within 5 s, refused by the network,
 * lost, or garbage: calls complete with UNAVAILABLE, on_down, and another
 * attempt after 0.1 s, doubling to 2 s, of which a random half is taken off so
 * that those who lost the same server do not come back in step.
 * - HELLO refused: on_refused and no more attempts, unless rpc_peer_reconnect.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/peer_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define LIMIT_MS 5000u
#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MOST_MS 2000u

static struct rpc_peer *peer_of(struct rpc_conn *conn)
{
    return CREW_CAST(struct rpc_peer, PEER_MAGIC, conn->self);
}

void peer_drop(struct rpc_peer *peer, const struct crew_err *why)
{
    if (peer->conn == NULL || peer->state == PEER_DROPPING ||
        peer->state == PEER_CLOSING) {
        return;
    }
    if (peer->state != PEER_REFUSED) {
        peer->state = PEER_DROPPING;
    }
    peer->drop_why = *why;
    peer->net->close(peer->conn);
}

static void drop_because(struct rpc_peer *peer, int code, const char *text)
{
    struct crew_err why = {0};

    (void)crew_err_set(&why, code, "%s", text);
    peer_drop(peer, &why);
}

static void hello_sent(struct rpc_out *out, bool sent)
{
    (void)sent; /* when it was not, on_close follows */
    out_give(out->self);
}

static void on_open(struct rpc_conn *conn)
{
    struct rpc_peer *peer = peer_of(conn);
    struct rpc_head head = {.kind = RPC_REQUEST,
                            .method = RPC_HELLO,
                            .flags = RPC_FLAG_END,
                            .call_id = peer->next_id++};

    peer->hello->protocol = RPC_PROTOCOL;
    struct out_frame *f =
        out_take(&peer->pool, head, &peer->hello->base, NULL, 0);
    if (f == NULL) {
        drop_because(peer, CREW_INVALID_ARGUMENT,
                     "HELLO is over 65,536 bytes: the cluster's description "
                     "is too long");
        return;
    }
    f->out.self = f;
    f->out.done = hello_sent;
    peer->state = PEER_HELLO;
    peer->net->timer_set(peer->net, &peer->pace, LIMIT_MS);
    peer->net->send(conn, &f->out);
}

static void refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct crew_err why = {0};

    call_error(error, &why);
    peer->state = PEER_REFUSED;
    peer->net->timer_clear(peer->net, &peer->pace);
    peer->events->on_refused(peer, error);
    peer_drop(peer, &why);
}

static void accepted(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    if (reply->protocol != RPC_PROTOCOL) {
        char text[160];
        Crew__Error error = CREW__ERROR__INIT;
        (void)snprintf(text, sizeof text,
                       "it speaks protocol %u, this program %u: run the same "
                       "release everywhere",
                       reply->protocol, RPC_PROTOCOL);
        error.code = CREW_FAILED_PRECONDITION;
        error.refusal = CREW__REFUSAL__MISMATCH;
        error.text = text;
        refused(peer, &error);
        return;
    }
    peer->state = PEER_UP;
    peer->attempt = 0;
    peer->backoff_ms = BACKOFF_FIRST_MS;
    peer->net->timer_clear(peer->net, &peer->pace);
    peer->events->on_up(peer, reply);
}

static void on_hello_answer(struct rpc_peer *peer, const struct rpc_in *in)
{
    bool well = in->head.kind == RPC_RESPONSE;
    const ProtobufCMessage *message;
    struct crew_err why = {0};

    if (in->head.method != RPC_HELLO || (!well && in->head.kind != RPC_ERROR)) {
        drop_because(peer, CREW_DATA_LOSS,
                     "a frame before the answer to HELLO");
        return;
    }
    if (arena_unpack(
            &peer->arena,
            well ? &crew__hello_reply__descriptor : &crew__error__descriptor,
            in->header, in->head.header_len, &message, &why) != 0) {
        peer_drop(peer, &why);
    } else if (well) {
        accepted(peer, (const Crew__HelloReply *)message);
    } else {
        refused(peer, (const Crew__Error *)message);
    }
}

static void *payload_dest(struct rpc_conn *conn, const struct rpc_in *in)
{
    struct rpc_peer *peer = peer_of(conn);

    arena_reset(&peer->arena);
    return peer->state == PEER_UP ? call_payload_dest(peer, in) : NULL;
}

static void on_frame(struct rpc_conn *conn,
                     const struct rpc_in *in,
                     void *payload)
{
    struct rpc_peer *peer = peer_of(conn);

    arena_reset(&peer->arena);
    if (peer->state == PEER_UP) {
        call_on_frame(peer, in, payload);
    } else if (peer->state == PEER_HELLO) {
        on_hello_answer(peer, in);
    }
}

static void finish(struct rpc_peer *peer)
{
    struct crew_err why = {0};

    (void)crew_err_set(&why, CREW_CANCELLED, "%s at %s: closed", peer->name,
                       peer->address);
    call_fail_all(peer, &why);
    peer->net->timer_clear(peer->net, &peer->pace);
    peer->net->timer_clear(peer->net, &peer->deadline);
    peer->net->timer_clear(peer->net, &peer->fail);
    peer->events->on_closed(peer);
    out_pool_release(&peer->pool);
    arena_release(&peer->arena);
    free(peer->name);
    free(peer->address);
    peer->magic = 0;
    free(peer);
}

/* Half of the backoff for sure, up to all of it by chance. */
static uint64_t next_delay(struct rpc_peer *peer)
{
    uint64_t most = peer->backoff_ms;

    if (peer->at_once) {
        peer->at_once = false;
        return 0;
    }
    peer->backoff_ms = most * 2 < BACKOFF_MOST_MS ? most * 2 : BACKOFF_MOST_MS;
    return most / 2 + rng_below(&peer->jitter, most / 2 + 1);
}

static void on_close(struct rpc_conn *conn, const struct crew_err *net_why)
{
    struct rpc_peer *peer = peer_of(conn);
    struct crew_err why = peer->drop_why.code != 0 ? peer->drop_why : *net_why;

    peer->conn = NULL;
    peer->drop_why.code = 0;
    if (peer->state == PEER_CLOSING) {
        finish(peer);
        return;
    }
    (void)crew_err_wrap(&why, "%s at %s", peer->name, peer->address);
    if (peer->state == PEER_REFUSED) {
        why.code = CREW_UNAVAILABLE;
        call_fail_all(peer, &why);
        if (peer->at_once && peer->state == PEER_REFUSED) {
            rpc_peer_reconnect(peer);
        }
        return;
    }
    peer->state = PEER_BACKOFF;
    why.code = CREW_UNAVAILABLE;
    peer->attempt++;
    peer->net->timer_set(peer->net, &peer->pace, next_delay(peer));
    call_fail_all(peer, &why);
    if (peer->state == PEER_BACKOFF) {
        peer->events->on_down(peer, &why, peer->attempt);
    }
}

static const struct rpc_conn_events conn_events = {
    .on_open = on_open,
    .payload_dest = payload_dest,
    .on_frame = on_frame,
    .on_close = on_close,
};

static void on_pace(struct rpc_timer *timer)
{
    struct rpc_peer *peer = CREW_CAST(struct rpc_peer, PEER_MAGIC, timer->self);

    switch (peer->state) {
        case PEER_BACKOFF:
            peer->state = PEER_CONNECTING;
            peer->net->timer_set(peer->net, timer, LIMIT_MS);
            peer->conn = peer->net->connect(peer->net, peer->address,
                                            &conn_events, peer);
            (void)snprintf(peer->conn->name, sizeof peer->conn->name,
                           "%s at %s", peer->name, peer->address);
            break;
        case PEER_CONNECTING:
            drop_because(peer, CREW_UNAVAILABLE, "no connection within 5 s");
            break;
        case PEER_HELLO:
            drop_because(peer, CREW_UNAVAILABLE,
                         "connected, but no answer to HELLO within 5 s");
            break;
        case PEER_CLOSING:
            finish(peer);
            break;
        default:
            break;
    }
}

struct rpc_peer *rpc_peer_open(struct rpc_net *net,
                               const char *name,
                               const char *address,
                               Crew__Hello *hello,
                               uint64_t jitter_seed,
                               const struct rpc_peer_events *events,
                               void *self)
{
    struct rpc_peer *peer = xcalloc(1, sizeof *peer);

    peer->magic = PEER_MAGIC;
    peer->state = PEER_BACKOFF;
    peer->net = net;
    peer->name = xstrdup(name);
    peer->address = xstrdup(address);
    peer->hello = hello;
    peer->events = events;
    peer->self = self;
    peer->jitter.state = jitter_seed;
    peer->backoff_ms = BACKOFF_FIRST_MS;
    peer->next_id = 1;
    peer->pace = (struct rpc_timer){on_pace, peer, NULL};
    peer->deadline = (struct rpc_timer){call_on_deadline, peer, NULL};
    peer->fail = (struct rpc_timer){call_on_fail, peer, NULL};
    call_list_init(&peer->calls);
    call_list_init(&peer->failed);
    arena_init(&peer->arena);
    net->timer_set(net, &peer->pace, 0);
    return peer;
}

void rpc_peer_close(struct rpc_peer *peer)
{
    enum peer_state was = peer->state;

    if (was == PEER_CLOSING) {
        return;
    }
    peer->state = PEER_CLOSING;
    if (peer->conn == NULL) {
        peer->net->timer_set(peer->net, &peer->pace, 0);
        return;
    }
    peer->net->timer_clear(peer->net, &peer->pace);
    peer->net->close(peer->conn);
}

void rpc_peer_reconnect(struct rpc_peer *peer)
{
    struct crew_err why = {0};

    if (peer->state == PEER_CLOSING) {
        return;
    }
    if (peer->conn == NULL) {
        peer->at_once = false;
        peer->state = PEER_BACKOFF;
        peer->net->timer_set(peer->net, &peer->pace, 0);
        return;
    }
    peer->at_once = true;
    (void)crew_err_set(&why, CREW_UNAVAILABLE, "dropped to connect anew");
    peer_drop(peer, &why);
}

void *rpc_peer_self(const struct rpc_peer *peer)
{
    return peer->self;
}

bool rpc_peer_is_up(const struct rpc_peer *peer)
{
    return peer->state == PEER_UP;
}
