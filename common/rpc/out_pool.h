/* SPDX-License-Identifier: Apache-2.0
 * Frames to send, from a free list: each has room for a small protobuf header
 * inside, so that sending allocates nothing once the list has grown to what is
 * under way at a time. Internal to rpc. Threads: the net's. */
#ifndef RPC_OUT_POOL_H
#define RPC_OUT_POOL_H

#include <protobuf-c/protobuf-c.h>

#include "rpc/net.h"

#define OUT_INLINE 512u

struct out_pool;

struct out_frame {
    struct rpc_out out;
    struct out_pool *pool;
    struct out_frame *next; /* in the free list */
    void *owner;            /* what `done` is about: a call, a session */
    uint8_t *big;           /* the header when it is over OUT_INLINE bytes */
    uint8_t inline_header[OUT_INLINE];
};

struct out_pool {
    struct out_frame *free_list;
    int made, under_way;
};

/* Release: no frame may be under way. */
void out_pool_release(struct out_pool *);

/* A frame with `message` packed as its header and, for a part, its payload
 * (with its CRC when head.flags ask for it). head: kind, method, flags and
 * call_id. NULL when the message is over RPC_MAX_HEADER bytes. Give it back in
 * `done`. */
CREW_NULLABLE struct out_frame *out_take(struct out_pool *,
                                         struct rpc_head head,
                                         const ProtobufCMessage *message,
                                         CREW_NULLABLE const void *payload,
                                         size_t n);
void out_give(struct out_frame *);

#endif
