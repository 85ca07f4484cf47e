/* SPDX-License-Identifier: Apache-2.0
 * A loop and a net that catches what strangers send over real sockets. */
#ifndef TESTS_UV_BED_H
#define TESTS_UV_BED_H

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "rpc/copy.h"
#include "rpc/frame.h"
#include "rpc/peer.h"
#include "rpc/server.h"
#include "rpc/uv_net.h"

#define MIB ((size_t)1 << 20)

/* What arrived, in words: one item a frame. */
struct catcher {
    struct rpc_accept accept;
    struct rpc_conn *conn;
    char text[4000];
    uint8_t *sink;
    size_t sink_size;
    int frames, closes;
    char why[200];
};

static inline void *catch_dest(struct rpc_conn *conn, const struct rpc_in *in)
{
    struct catcher *c = conn->self;

    return in->head.payload_len <= c->sink_size ? c->sink : NULL;
}

static inline void catch_frame(struct rpc_conn *conn,
                               const struct rpc_in *in,
                               void *payload)
{
    struct catcher *c = conn->self;
    uint32_t sum = 0;
    size_t at = strlen(c->text);

    for (uint32_t i = 0; i < in->head.header_len; i++) {
        sum = sum * 31 + in->header[i];
    }
    for (uint64_t i = 0; i < in->head.payload_len; i++) {
        sum = sum * 31 + ((const uint8_t *)payload)[i];
    }
    (void)snprintf(c->text + at, sizeof c->text - at, "%u:%u:%u:%llu:%x ",
                   in->head.kind, in->head.method, in->head.header_len,
                   (unsigned long long)in->head.payload_len, sum);
    c->frames++;
}

static inline void catch_close(struct rpc_conn *conn,
                               const struct crew_err *why)
{
    struct catcher *c = conn->self;

    c->closes++;
    c->conn = NULL;
    (void)snprintf(c->why, sizeof c->why, "%.190s", why->msg);
}

static const struct rpc_conn_events catch_events = {.payload_dest = catch_dest,
                                                    .on_frame = catch_frame,
                                                    .on_close = catch_close};

static inline void catch_accept(struct rpc_accept *accept,
                                struct rpc_conn *conn)
{
    struct catcher *c = accept->self;

    c->conn = conn;
    conn->events = &catch_events;
    conn->self = c;
}

/* A loop and a net that catches what strangers send. */
struct bed {
    uv_loop_t loop;
    struct rpc_net *net;
    struct catcher catcher;
    int port;
    uint8_t sink[1 << 20];
};

static inline void bed_open(struct bed *b)
{
    struct crew_err err = {0};

    memset(b, 0, sizeof *b);
    ck_assert_int_eq(uv_loop_init(&b->loop), 0);
    b->net = uv_net_new(&b->loop);
    b->catcher.accept = (struct rpc_accept){catch_accept, &b->catcher};
    b->catcher.sink = b->sink;
    b->catcher.sink_size = sizeof b->sink;
    ck_assert_msg(b->net->listen(b->net, "127.0.0.1:0", &b->catcher.accept,
                                 &b->port, &err) == CREW_OK,
                  "%s", err.msg);
}

static inline void bed_close(struct bed *b)
{
    uv_net_free(b->net);
    ck_assert_int_eq(uv_loop_close(&b->loop), 0);
}

/* Turn the loop till *counter is `want`, at most 5 s. No ck_assert, which
 * allocates. */
static inline void turn(uv_loop_t *loop, const int *counter, int want)
{
    for (int i = 0; *counter < want && i < 5000; i++) {
        if (uv_run(loop, UV_RUN_NOWAIT) >= 0 && *counter < want) {
            (void)usleep(i < 100 ? 50 : 1000);
        }
    }
}

static inline void turn_until(uv_loop_t *loop, const int *counter, int want)
{
    turn(loop, counter, want);
    ck_assert_int_eq(*counter, want);
}

static inline int stranger(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void put(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, data, n);
        ck_assert_int_gt(put, 0);
        data += put;
        n -= (size_t)put;
    }
}

static inline size_t add_frame(uint8_t *to,
                               uint8_t kind,
                               uint16_t method,
                               uint32_t header_len,
                               uint64_t payload_len)
{
    struct rpc_head head = {.kind = kind,
                            .method = method,
                            .header_len = header_len,
                            .payload_len = payload_len,
                            .call_id = 5};

    for (size_t i = 0; i < header_len + payload_len; i++) {
        to[FRAME_HEAD_SIZE + i] = (uint8_t)(i * 13 + method);
    }
    frame_encode(&head, to + FRAME_HEAD_SIZE, to);
    return FRAME_HEAD_SIZE + header_len + payload_len;
}

static inline size_t make_stream(uint8_t *to)
{
    size_t n = add_frame(to, RPC_REQUEST, 1, 11, 0);

    n += add_frame(to + n, RPC_PART, 2, 3, 37);
    n += add_frame(to + n, RPC_PART, 3, 0, 5);
    n += add_frame(to + n, RPC_RESPONSE, 4, 0, 0);
    n += add_frame(to + n, RPC_PART, 5, 7, 0);
    return n;
}

#endif
