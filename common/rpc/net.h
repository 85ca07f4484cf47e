/* SPDX-License-Identifier: Apache-2.0
 *
 * The network seam: connections that carry frames, and timers, on one event
 * loop. Two implementations: uv_net.h (libuv, TCP) and the simulator's
 * in-memory one, where time is virtual and frames are dropped and doubled.
 * Everything above (peer.h, server.h, ps, cluster) is written against this and
 * runs in both.
 *
 * Contract, after libuv and nng: callbacks run on the loop's thread and never
 * before the submitting call has returned; an operation completes exactly once;
 * after on_close nothing more is called for a connection, and its memory is the
 * net's again. Threads: one a net, except net->wake. */
#ifndef RPC_NET_H
#define RPC_NET_H

#include <stddef.h>
#include <stdint.h>

#include "crew.h"

enum rpc_kind {
    RPC_REQUEST = 1,
    RPC_RESPONSE = 2,
    RPC_ERROR = 3,
    RPC_PART = 4
};

#define RPC_FLAG_END 1u /* the last part of a call in this direction */
#define RPC_FLAG_CRC 2u /* payload_crc32c is valid */

#define RPC_MAX_HEADER 65536u
#define RPC_MAX_PAYLOAD (64u << 20)

/* A frame's fixed header, decoded. */
struct rpc_head {
    uint8_t kind;
    uint16_t method; /* enum rpc_method */
    uint32_t flags;
    uint32_t header_len;
    uint64_t call_id;
    uint64_t payload_len;
    uint32_t payload_crc32c;
};

/* A frame that has arrived: head and the protobuf header's bytes, valid during
 * the callback. */
struct rpc_in {
    struct rpc_head head;
    const uint8_t *header;
};

struct rpc_net;
struct rpc_conn;

struct rpc_conn_events {
    /* An outgoing connection is established. */
    void (*on_open)(struct rpc_conn *);
    /* head and header are in, payload_len > 0: where shall the payload go? NULL
     * refuses the frame; the connection is then closed. */
    void *(*payload_dest)(struct rpc_conn *, const struct rpc_in *);
    /* The whole frame is in; payload is payload_dest's answer, NULL without
     * one. */
    void (*on_frame)(struct rpc_conn *, const struct rpc_in *, void *payload);
    /* It is over. Exactly once. why->code: UNAVAILABLE (refused, reset, closed
     * by the other end), DATA_LOSS (what came is no frame, or payload_dest
     * refused it), CANCELLED (net->close). why->msg does not name the other
     * end. */
    void (*on_close)(struct rpc_conn *, const struct crew_err *why);
};

/* A frame to send. Lives with the submitter until done, which is called exactly
 * once, from the loop. header and payload are borrowed till then. */
struct rpc_out {
    struct rpc_head
        head; /* whole: lengths and payload CRC are the submitter's */
    const uint8_t *header;
    const void *payload;
    void (*done)(struct rpc_out *, bool sent);
    void *self;
    struct rpc_out *next; /* the net's */
    uint8_t wire[40];     /* the net's */
    size_t sent;          /* the net's */
};

/* The common head of every implementation's connection. */
struct rpc_conn {
    uint32_t magic;
    struct rpc_net *net;
    const struct rpc_conn_events *events;
    void *self;
    char name[80]; /* the other end, for messages: "ps/0 at host:port",
                      "10.0.0.7:1234" */
};
#define RPC_CONN_MAGIC 0x434f4e4eu

struct rpc_timer {
    void (*on_timer)(struct rpc_timer *);
    void *self;
    void *impl; /* the net's */
};

struct rpc_accept {
    /* A connection has come in: fill in *events and *self. */
    void (*on_accept)(struct rpc_accept *, struct rpc_conn *);
    void *self;
};

struct rpc_net {
    uint64_t (*now_ms)(struct rpc_net *);
    /* Listen on "host:port" (host may be empty: all interfaces); port 0 takes a
     * free one. *port gets it. Errors: UNAVAILABLE (exit 138) "address in use".
     */
    int (*listen)(struct rpc_net *,
                  const char *address,
                  struct rpc_accept *,
                  int *port,
                  struct crew_err *);
    void (*unlisten)(struct rpc_net *, struct rpc_accept *);
    /* Begin to connect (resolving the name each time anew); NULL never: a
     * failure comes as on_close. */
    struct rpc_conn *(*connect)(struct rpc_net *,
                                const char *address,
                                const struct rpc_conn_events *,
                                void *self);
    void (*send)(struct rpc_conn *, struct rpc_out *);
    /* Close: frames not yet sent complete with sent = false, then on_close.
     * Closing again changes nothing; a frame sent after it completes with sent
     * = false. */
    void (*close)(struct rpc_conn *);
    /* Fire once after ms. Setting again moves it. */
    void (*timer_set)(struct rpc_net *, struct rpc_timer *, uint64_t ms);
    void (*timer_clear)(struct rpc_net *, struct rpc_timer *);
};

#endif
