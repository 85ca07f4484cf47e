/* SPDX-License-Identifier: Apache-2.0
 *
 * A lasting link to one server: connects, says HELLO, comes back after a loss
 * (backoff 0.1 s doubling to 2 s, with jitter), and matches answers to calls.
 *
 * Happy path: rpc_peer_open -> connect -> HELLO -> on_up; rpc_call_* as often
 * as wanted; rpc_peer_close -> on_closed. Failure modes: no connection or lost:
 * every call under way completes with UNAVAILABLE, on_down, later on_up again
 * (calls are not repeated here: who called knows what may be repeated). HELLO
 * refused: on_refused, no more attempts. A frame that is garbage: the
 * connection is dropped, as lost. Threads: the net's. No allocation in the
 * steady state: out-frames come from a pool of the peer. */
#ifndef RPC_PEER_H
#define RPC_PEER_H

#include "rpc/methods.h"
#include "rpc/net.h"
#include "proto/crew_rpc.pb-c.h"

struct rpc_peer;

struct rpc_peer_events {
    void (*on_up)(struct rpc_peer *, const Crew__HelloReply *);
    /* attempt counts from 1 since the last on_up; why is one line ("ps/0 at
     * h:1: connection refused"). */
    void (*on_down)(struct rpc_peer *, const struct crew_err *why, int attempt);
    void (*on_refused)(struct rpc_peer *, const Crew__Error *);
    void (*on_closed)(struct rpc_peer *);
};

/* hello and the strings in it are borrowed until close: they are packed anew
 * for each connection, so the owner may change epoch and incarnation in
 * between. */
struct rpc_peer *rpc_peer_open(struct rpc_net *,
                               const char *name,
                               const char *address,
                               Crew__Hello *hello,
                               uint64_t jitter_seed,
                               const struct rpc_peer_events *,
                               void *self);
void rpc_peer_close(struct rpc_peer *); /* on_closed follows */
void *rpc_peer_self(const struct rpc_peer *);
bool rpc_peer_is_up(const struct rpc_peer *);
/* Drop the connection and make a new one at once (a call has timed out). */
void rpc_peer_reconnect(struct rpc_peer *);

/* A call: the caller's memory until on_done, which comes exactly once. */
struct rpc_call {
    /* Parts coming back. payload_dest: where part's payload goes (exactly
     * payload_len bytes), NULL refuses. Both may be NULL when none is expected.
     */
    void *(*payload_dest)(struct rpc_call *, const struct rpc_in *);
    void (*on_part)(struct rpc_call *, const struct rpc_in *);
    /* reply is NULL and err set when it failed: UNAVAILABLE (lost),
     * DEADLINE_EXCEEDED, CANCELLED (rpc_peer_close) or the server's error (then
     * *error is its message). err->code is 0 when it went well. Answers are
     * unpacked in the peer's arena and live during the callback. */
    void (*on_done)(struct rpc_call *,
                    const ProtobufCMessage *reply,
                    CREW_NULLABLE const Crew__Error *error,
                    const struct crew_err *err);
    void *self;
    /* the peer's */
    struct rpc_peer *peer;
    uint64_t id;
    uint16_t method;
    uint64_t deadline_ms, timeout_ms;
    int fail_code; /* why it never went out */
    struct rpc_call *next;
    int parts_in_flight;
    bool overdue; /* its deadline passed; the connection is being dropped */
    struct rpc_in
        answer; /* came before its parts were gone: header is a copy */
};

/* Begin. timeout_ms 0: none. When the peer is down: on_done with UNAVAILABLE,
 * from the loop. A call that times out with parts under way, up or down, takes
 * the connection with it, as their memory is only then free of the kernel. */
void rpc_call_start(struct rpc_peer *,
                    struct rpc_call *,
                    enum rpc_method,
                    const ProtobufCMessage *request,
                    uint64_t timeout_ms);
/* One part up, before on_done. The payload (at most RPC_MAX_PAYLOAD bytes) is
 * borrowed until on_done. `end`: the last one. crc: cover the payload (it must
 * not change until it is sent). */
void rpc_call_part(struct rpc_call *,
                   const ProtobufCMessage *header,
                   const void *payload,
                   size_t n,
                   bool crc,
                   bool end);

/* Within payload_dest and on_part: the part's header (in->header), guarded and
 * unpacked into the peer's arena; it lives during the callback. NULL when it is
 * not well-formed (then refuse the part). */
CREW_NULLABLE const ProtobufCMessage *rpc_call_unpack(
    struct rpc_call *,
    const ProtobufCMessageDescriptor *,
    const struct rpc_in *);

#endif
