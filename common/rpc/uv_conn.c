/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's life.
 *
 * Outgoing: look the name up (anew each time: a restarted pod has another
 * address) -> try its addresses one after another -> on_open, read. Incoming:
 * accept, on_accept, read. The end, whoever wants it: uv_conn_fail notes why,
 * uv_close, and from its callback the frames left complete, then on_close, then
 * the memory is gone.
 *
 * Failure modes: a name that is not found or an address that does not parse is
 * told like a refused connection, by on_close from the loop. A look-up cannot
 * be stopped; it is left to itself and finds nobody waiting. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

static void closed_cb(uv_handle_t *handle);
static void try_next(struct uv_conn *conn);

struct uv_conn *uv_conn_of(void *p)
{
    return CREW_CAST(struct uv_conn, RPC_CONN_MAGIC, p);
}

static struct uv_conn *conn_new(struct uv_net *net, bool is_unix)
{
    struct uv_conn *conn = xcalloc(1, sizeof *conn);

    conn->base.magic = RPC_CONN_MAGIC;
    conn->base.net = &net->base;
    conn->net = net;
    conn->staging = xmalloc(STAGING_SIZE);
    out_queue_init(&conn->queue);
    out_queue_init(&conn->done);
    if (is_unix) {
        (void)uv_pipe_init(net->loop, &conn->socket.pipe, 0);
    } else {
        (void)uv_tcp_init(net->loop, &conn->socket.tcp);
    }
    conn->socket.handle.data = conn;
    conn->next = net->conns;
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    net->conns = conn;
    return conn;
}

/* ------------------------------------------------------------------ closing */

static void unlink_conn(struct uv_conn *conn)
{
    struct uv_conn **dirty = &conn->net->dirty;

    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        conn->net->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    while (conn->dirty && *dirty != conn) {
        dirty = &(*dirty)->next_dirty;
    }
    if (conn->dirty) {
        *dirty = conn->next_dirty;
    }
}

static void finish(struct uv_conn *conn)
{
    uv_write_end(conn);
    unlink_conn(conn);
    if (conn->base.events != NULL) {
        conn->base.events->on_close(&conn->base, &conn->why);
    }
    if (conn->addresses != NULL) {
        uv_freeaddrinfo(conn->addresses);
    }
    free(conn->staging);
    conn->base.magic = 0;
    free(conn);
}

static void closed_cb(uv_handle_t *handle)
{
    struct uv_conn *conn = uv_conn_of(handle->data);

    if (conn->closing) {
        finish(conn);
        return;
    }
    /* One address refused; a closed handle can be begun anew. */
    (void)uv_tcp_init(conn->net->loop, &conn->socket.tcp);
    conn->socket.handle.data = conn;
    try_next(conn);
}

void uv_conn_fail(struct uv_conn *conn, int code, const char *text)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    conn->open = false;
    (void)crew_err_set(&conn->why, code, "%s", text);
    if (conn->lookup != NULL) {
        conn->lookup->conn = NULL;
        (void)uv_cancel((uv_req_t *)&conn->lookup->req);
        conn->lookup = NULL;
    }
    if (!uv_is_closing(&conn->socket.handle)) {
        uv_close(&conn->socket.handle, closed_cb);
    }
}

void uv_conn_close(struct rpc_conn *base)
{
    uv_conn_fail(uv_conn_of(base), CREW_CANCELLED, "closed");
}

/* --------------------------------------------------------------- connecting */

/* Find a dead host within 30 s, whether data is under way or not; the kernel's
 * own limits are a quarter of an hour and two hours. */
static void set_options(struct uv_conn *conn)
{
    static const struct {
        int option, value;
    } limits[] = {{TCP_USER_TIMEOUT, 30000},
                  {TCP_KEEPIDLE, 15},
                  {TCP_KEEPINTVL, 5},
                  {TCP_KEEPCNT, 3}};
    uv_os_fd_t fd;
    int on = 1;

    if (conn->socket.handle.type != UV_TCP ||
        uv_fileno(&conn->socket.handle, &fd) != 0) {
        return;
    }
    (void)uv_tcp_nodelay(&conn->socket.tcp, 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        (void)setsockopt(fd, IPPROTO_TCP, limits[i].option, &limits[i].value,
                         sizeof limits[i].value);
    }
}

static void opened(struct uv_conn *conn)
{
    set_options(conn);
    conn->open = true;
    uv_read_begin(conn);
    if (!conn->closing) {
        conn->base.events->on_open(&conn->base);
    }
}

static void connected_cb(uv_connect_t *req, int status)
{
    struct uv_conn *conn = uv_conn_of(req->data);

    if (conn->closing) {
        return;
    }
    if (status == 0) {
        opened(conn);
        return;
    }
    if (conn->address != NULL && conn->address->ai_next != NULL) {
        conn->address = conn->address->ai_next;
        uv_close(&conn->socket.handle, closed_cb);
        return;
    }
    uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(status));
}

static void try_next(struct uv_conn *conn)
{
    conn->connect_req.data = conn;
    int rv = uv_tcp_connect(&conn->connect_req, &conn->socket.tcp,
                            conn->address->ai_addr, connected_cb);
    if (rv != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(rv));
    }
}

static void looked_up_cb(uv_getaddrinfo_t *req,
                         int status,
                         struct addrinfo *addresses)
{
    struct uv_lookup *lookup = req->data;
    struct uv_conn *conn = lookup->conn;

    free(lookup);
    if (conn == NULL) {
        uv_freeaddrinfo(addresses);
        return;
    }
    conn->lookup = NULL;
    if (status != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(status));
        return;
    }
    conn->addresses = addresses;
    conn->address = addresses;
    try_next(conn);
}

static void look_up(struct uv_conn *conn, const struct uv_address *a)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    struct uv_lookup *lookup = xcalloc(1, sizeof *lookup);

    lookup->conn = conn;
    lookup->req.data = lookup;
    int rv = uv_getaddrinfo(conn->net->loop, &lookup->req, looked_up_cb,
                            a->host, a->port, &hints);
    if (rv != 0) {
        free(lookup);
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(rv));
        return;
    }
    conn->lookup = lookup;
}

struct rpc_conn *uv_conn_connect(struct rpc_net *base,
                                 const char *address,
                                 const struct rpc_conn_events *events,
                                 void *self)
{
    struct uv_address a = {.is_unix = false};
    struct crew_err err = {0};
    int code = uv_address_parse(address, &a, &err);
    struct uv_conn *conn = conn_new(uv_net_of(base), a.is_unix);

    conn->base.events = events;
    conn->base.self = self;
    (void)snprintf(conn->base.name, sizeof conn->base.name, "%s", address);
    if (code != CREW_OK) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, err.msg);
    } else if (a.is_unix) {
        conn->connect_req.data = conn;
        uv_pipe_connect(&conn->connect_req, &conn->socket.pipe, a.host,
                        connected_cb);
    } else {
        look_up(conn, &a);
    }
    return &conn->base;
}

/* ---------------------------------------------------------------- accepting */

static void name_stranger(struct uv_conn *conn)
{
    struct sockaddr_storage from;
    int n = (int)sizeof from;
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;

    if (conn->socket.handle.type != UV_TCP ||
        uv_tcp_getpeername(&conn->socket.tcp, (struct sockaddr *)&from, &n) !=
            0) {
        (void)snprintf(conn->base.name, sizeof conn->base.name, "unix socket");
        return;
    }
    if (from.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&from;
        (void)uv_ip6_name(v6, host, sizeof host);
        port = ntohs(v6->sin6_port);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&from;
        (void)uv_ip4_name(v4, host, sizeof host);
        port = ntohs(v4->sin_port);
    }
    bool mapped = strncmp(host, "::ffff:", 7) == 0;
    (void)snprintf(conn->base.name, sizeof conn->base.name, "%s:%u",
                   mapped ? host + 7 : host, port);
}

void uv_conn_accept(struct uv_listener *listener)
{
    struct uv_conn *conn =
        conn_new(listener->net, listener->socket.handle.type != UV_TCP);

    if (uv_accept(&listener->socket.stream, &conn->socket.stream) != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, "not accepted");
        return;
    }
    name_stranger(conn);
    set_options(conn);
    conn->open = true;
    listener->accept->on_accept(listener->accept, &conn->base);
    INVARIANT(conn->base.events != NULL);
    if (!conn->closing) {
        uv_read_begin(conn);
    }
}
