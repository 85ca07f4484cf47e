/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening. A loopback address is bound as it is written; for any other host
 * all interfaces are, as TensorFlow's server does: in a container the task's
 * name is often that of a service, which no interface here has.
 *
 * Failure modes: the port is taken (UNAVAILABLE, exit 138); a socket file that
 * a dead process left behind is removed, one that answers is "in use". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define BACKLOG 511

static void closed_cb(uv_handle_t *handle)
{
    struct uv_listener *l = handle->data;

    l->net->open_handles--;
    free(l);
}

static void connection_cb(uv_stream_t *stream, int status)
{
    struct uv_listener *l = stream->data;

    if (status == 0) {
        uv_conn_accept(l);
    }
}

/* Bind to one address; 0 or libuv's error. */
static int bind_to(struct uv_listener *l, const char *host, int port)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (uv_ip4_addr(host, port, &v4) == 0) {
        return uv_tcp_bind(&l->socket.tcp, (const struct sockaddr *)&v4, 0);
    }
    int rv = uv_ip6_addr(host, port, &v6);
    if (rv == 0) {
        rv = uv_tcp_bind(&l->socket.tcp, (const struct sockaddr *)&v6, 0);
    }
    return rv;
}

static int bind_tcp(struct uv_listener *l, const struct uv_address *a)
{
    int port = (int)strtol(a->port, NULL, 10);

    if (strcmp(a->host, "localhost") == 0) {
        return bind_to(l, "127.0.0.1", port);
    }
    if (a->host[0] != '\0' && uv_address_is_loopback(a)) {
        return bind_to(l, a->host, port);
    }
    /* Both families by one socket; IPv4 alone where the kernel has no IPv6. */
    int rv = bind_to(l, "::", port);
    return rv == UV_EAFNOSUPPORT || rv == UV_EADDRNOTAVAIL
               ? bind_to(l, "0.0.0.0", port)
               : rv;
}

/* Does anyone answer on this socket file? */
static bool socket_is_alive(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = true;

    (void)snprintf(name.sun_path, sizeof name.sun_path, "%.107s", path);
    if (fd >= 0) {
        alive = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0;
        (void)close(fd);
    }
    return alive;
}

static int bind_unix(struct uv_listener *l, const char *path)
{
    int rv = uv_pipe_bind(&l->socket.pipe, path);

    if (rv == UV_EADDRINUSE && !socket_is_alive(path)) {
        (void)unlink(path);
        rv = uv_pipe_bind(&l->socket.pipe, path);
    }
    return rv;
}

static int port_of(struct uv_listener *l)
{
    struct sockaddr_storage name;
    int n = (int)sizeof name;

    if (l->socket.handle.type != UV_TCP ||
        uv_tcp_getsockname(&l->socket.tcp, (struct sockaddr *)&name, &n) != 0) {
        return 0;
    }
    return name.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)&name)->sin6_port)
               : ntohs(((const struct sockaddr_in *)&name)->sin_port);
}

int uv_listener_open(struct rpc_net *base,
                     const char *address,
                     struct rpc_accept *accept,
                     int *port,
                     struct crew_err *err)
{
    struct uv_net *net = uv_net_of(base);
    struct uv_address a;
    int code = uv_address_parse(address, &a, err);
    int rv;

    if (code != CREW_OK) {
        return code;
    }
    struct uv_listener *l = xcalloc(1, sizeof *l);
    l->net = net;
    l->accept = accept;
    net->open_handles++;
    if (a.is_unix) {
        (void)uv_pipe_init(net->loop, &l->socket.pipe, 0);
        rv = bind_unix(l, a.host);
    } else {
        (void)uv_tcp_init(net->loop, &l->socket.tcp);
        rv = bind_tcp(l, &a);
    }
    l->socket.handle.data = l;
    if (rv == 0) {
        rv = uv_listen(&l->socket.stream, BACKLOG, connection_cb);
    }
    if (rv != 0) {
        uv_close(&l->socket.handle, closed_cb);
        return crew_err_exit(err, CREW_UNAVAILABLE, 138, "listen on %.200s: %s",
                             address, uv_strerror(rv));
    }
    l->next = net->listeners;
    net->listeners = l;
    *port = port_of(l);
    return CREW_OK;
}

void uv_listener_close(struct rpc_net *base, struct rpc_accept *accept)
{
    struct uv_listener **at = &uv_net_of(base)->listeners;

    while (*at != NULL && (*at)->accept != accept) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        struct uv_listener *l = *at;
        *at = l->next;
        uv_close(&l->socket.handle, closed_cb);
    }
}
