/* SPDX-License-Identifier: Apache-2.0
 * What the files of uv_net share. Internal to rpc. Threads: the loop's. */
#ifndef RPC_UV_IMPL_H
#define RPC_UV_IMPL_H

#include "rpc/frame.h"
#include "rpc/uv_net.h"

/* A whole header always fits, and at most 64 KiB of a payload come with it. */
#define STAGING_SIZE (FRAME_HEAD_SIZE + RPC_MAX_HEADER)

union uv_socket {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

/* "host:port", "[v6]:port" or "unix:/path", taken apart. */
struct uv_address {
    bool is_unix;
    char host[256]; /* or the path; empty: all interfaces */
    char port[8];
};

struct uv_net;
struct uv_conn;

/* A look-up under way. It outlives the connection that is closed meanwhile. */
struct uv_lookup {
    uv_getaddrinfo_t req;
    struct uv_conn *conn; /* NULL: nobody waits any more */
};

/* First-in first-out, linked by rpc_out.next. */
struct out_queue {
    struct rpc_out *first, **last;
};

struct uv_conn {
    struct rpc_conn base;
    struct uv_net *net;
    struct uv_conn *next, *prev; /* all of the net */
    union uv_socket socket;
    bool open, closing;
    struct crew_err why;
    /* connecting */
    struct uv_lookup *lookup;
    struct addrinfo *addresses, *address;
    uv_connect_t connect_req;
    /* reading: staging[at..fill) is not looked at yet */
    uint8_t *staging;
    size_t at, fill;
    bool bulk;        /* the last frame was a big one; so will be the next */
    struct rpc_in in; /* while a payload is read */
    uint8_t *dest;
    size_t got;
    /* writing */
    struct out_queue queue, done;
    uv_write_t write_req;
    bool writing;
    size_t writing_bytes;
    bool dirty;
    struct uv_conn *next_dirty;
};

/* A timer that rests in the net's free list while it is not set. */
struct uv_clock {
    uv_timer_t timer;
    struct rpc_timer *owner;
    struct uv_net *net;
    struct uv_clock *next;
};

struct uv_listener {
    union uv_socket socket;
    struct uv_net *net;
    struct rpc_accept *accept;
    struct uv_listener *next;
};

struct uv_net {
    struct rpc_net base;
    uint32_t magic;
    uv_loop_t *loop;
    uv_prepare_t prepare; /* before the loop sleeps: write what is queued */
    struct uv_conn *conns;
    struct uv_conn *dirty;
    struct uv_clock *clocks; /* resting */
    struct uv_listener *listeners;
    int open_handles; /* clocks, listeners, prepare: closed by uv_net_free */
};
#define UV_NET_MAGIC 0x75766e74u

struct uv_net *uv_net_of(struct rpc_net *);
struct uv_conn *uv_conn_of(void *);

/* Errors: INVALID_ARGUMENT (exit 78) naming the address. */
CREW_MUST_CHECK int uv_address_parse(const char *text,
                                     CREW_OUT struct uv_address *,
                                     struct crew_err *);
bool uv_address_is_loopback(const struct uv_address *);

struct rpc_conn *uv_conn_connect(struct rpc_net *,
                                 const char *address,
                                 const struct rpc_conn_events *,
                                 void *self);
/* Take what has come in on a listener. */
void uv_conn_accept(struct uv_listener *);
void uv_conn_close(struct rpc_conn *);
/* Over, because of a fault: on_close follows. The first one counts. */
void uv_conn_fail(struct uv_conn *, int code, const char *text);

int uv_listener_open(struct rpc_net *,
                     const char *address,
                     struct rpc_accept *,
                     int *port,
                     struct crew_err *);
void uv_listener_close(struct rpc_net *, struct rpc_accept *);

/* Begin to read frames. */
void uv_read_begin(struct uv_conn *);
/* Its two halves, without a socket: where the next bytes belong (never an empty
 * place), and that n of them are there. */
void uv_read_place(struct uv_conn *, uv_buf_t *);
void uv_read_took(struct uv_conn *, size_t n);

void out_queue_init(struct out_queue *);
void uv_write_frame(struct rpc_conn *, struct rpc_out *);
/* Write what the socket takes and call `done` of what is gone. */
void uv_write_flush(struct uv_conn *);
/* It is closed: complete what is left. */
void uv_write_end(struct uv_conn *);

#endif
