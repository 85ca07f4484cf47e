/* SPDX-License-Identifier: Apache-2.0
 * What peer.c (the connection) and call.c (the calls on it) share. Internal to
 * rpc. Threads: the net's. */
#ifndef RPC_PEER_IMPL_H
#define RPC_PEER_IMPL_H

#include "base/rng.h"
#include "rpc/out_pool.h"
#include "io/pbguard.h"
#include "rpc/peer.h"

/*   BACKOFF -> CONNECTING -> HELLO -> UP
 *      ^           |          | |      |      DROPPING: net->close was called,
 *      |           v          v |      v      on_close has not come yet.
 *      +------- DROPPING <------+------+
 *                             REFUSED         CLOSING: from any, to the end. */
enum peer_state {
    PEER_BACKOFF,
    PEER_CONNECTING,
    PEER_HELLO,
    PEER_UP,
    PEER_DROPPING,
    PEER_REFUSED,
    PEER_CLOSING
};

/* Oldest first. */
struct call_list {
    struct rpc_call *first, **last;
};

struct rpc_peer {
    uint32_t magic;
    enum peer_state state;
    struct rpc_net *net;
    struct rpc_conn *conn; /* NULL: none */
    char *name, *address;
    Crew__Hello *hello;
    const struct rpc_peer_events *events;
    void *self;
    struct rng jitter;
    int attempt;
    uint64_t backoff_ms;
    bool at_once;             /* no backoff after this loss */
    struct crew_err drop_why; /* code 0: the net's reason holds */
    struct rpc_timer pace;    /* backoff, connect and HELLO limits, the end */
    struct rpc_timer deadline, fail;
    uint64_t deadline_at;    /* when `deadline` fires; 0: it is not set */
    struct call_list calls;  /* sent on this connection */
    struct call_list failed; /* to be completed by `fail` */
    uint64_t next_id;
    struct out_pool pool;
    struct arena arena;
};
#define PEER_MAGIC 0x70656572u

/* Give the connection up; code 0 in *why: for no fault. */
void peer_drop(struct rpc_peer *, const struct crew_err *why);

void call_list_init(struct call_list *);
/* Frames of an established connection. */
void *call_payload_dest(struct rpc_peer *, const struct rpc_in *);
void call_on_frame(struct rpc_peer *,
                   const struct rpc_in *,
                   const void *payload);
/* Complete all calls that were sent, and those that were not, with *why. */
void call_fail_all(struct rpc_peer *, const struct crew_err *why);
void call_on_deadline(struct rpc_timer *);
void call_on_fail(struct rpc_timer *);
/* The server's error as ours: code and exit code in range, one line of text. */
void call_error(const Crew__Error *, struct crew_err *);

#endif
