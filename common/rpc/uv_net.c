/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_net on libuv: the net itself and its timers. uv_conn.c makes connections,
 * uv_listen.c takes them, uv_read.c and uv_write.c move frames, uv_address.c
 * reads addresses.
 *
 * Small frames queued while callbacks run are written together, in the prepare
 * phase, right before the loop sleeps; big ones at once. */
#include <signal.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

struct uv_net *uv_net_of(struct rpc_net *base)
{
    struct uv_net *net = CONTAINER_OF(base, struct uv_net, base);

    INVARIANT(net->magic == UV_NET_MAGIC);
    return net;
}

static uint64_t now_ms(struct rpc_net *base)
{
    struct uv_net *net = uv_net_of(base);

    uv_update_time(net->loop);
    return uv_now(net->loop);
}

/* ----------------------------------------------------------------- timers */

static void rest(struct uv_clock *clock)
{
    clock->owner->impl = NULL;
    clock->owner = NULL;
    clock->next = clock->net->clocks;
    clock->net->clocks = clock;
}

static void clock_cb(uv_timer_t *timer)
{
    struct uv_clock *clock = timer->data;
    struct rpc_timer *owner = clock->owner;

    rest(clock); /* first: the owner may be gone after its callback */
    owner->on_timer(owner);
}

static struct uv_clock *clock_take(struct uv_net *net)
{
    struct uv_clock *clock = net->clocks;

    if (clock != NULL) {
        net->clocks = clock->next;
        return clock;
    }
    clock = xcalloc(1, sizeof *clock);
    clock->net = net;
    (void)uv_timer_init(net->loop, &clock->timer);
    clock->timer.data = clock;
    net->open_handles++;
    return clock;
}

static void timer_set(struct rpc_net *base, struct rpc_timer *t, uint64_t ms)
{
    struct uv_net *net = uv_net_of(base);
    struct uv_clock *clock = t->impl;

    if (clock == NULL) {
        clock = clock_take(net);
        clock->owner = t;
        t->impl = clock;
    }
    uv_update_time(net->loop);
    (void)uv_timer_start(&clock->timer, clock_cb, ms, 0);
}

static void timer_clear(struct rpc_net *base, struct rpc_timer *t)
{
    struct uv_clock *clock = t->impl;

    (void)base;
    if (clock != NULL) {
        (void)uv_timer_stop(&clock->timer);
        rest(clock);
    }
}

/* ------------------------------------------------------------------- life */

static void prepare_cb(uv_prepare_t *prepare)
{
    struct uv_net *net = prepare->data;

    while (net->dirty != NULL) {
        struct uv_conn *conn = net->dirty;
        net->dirty = conn->next_dirty;
        conn->dirty = false;
        uv_write_flush(conn);
    }
}

/* libuv writes with writev, so a reset connection would be a signal that ends
 * the process. A handler of the program's own is left alone. */
static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &now, NULL);
    }
}

struct rpc_net *uv_net_new(uv_loop_t *loop)
{
    struct uv_net *net = xcalloc(1, sizeof *net);

    ignore_sigpipe();
    net->magic = UV_NET_MAGIC;
    net->loop = loop;
    net->base = (struct rpc_net){.now_ms = now_ms,
                                 .listen = uv_listener_open,
                                 .unlisten = uv_listener_close,
                                 .connect = uv_conn_connect,
                                 .send = uv_write_frame,
                                 .close = uv_conn_close,
                                 .timer_set = timer_set,
                                 .timer_clear = timer_clear};
    (void)uv_prepare_init(loop, &net->prepare);
    net->prepare.data = net;
    (void)uv_prepare_start(&net->prepare, prepare_cb);
    uv_unref((uv_handle_t *)&net->prepare);
    net->open_handles = 1;
    return &net->base;
}

static void clock_closed_cb(uv_handle_t *handle)
{
    struct uv_clock *clock = handle->data;

    clock->net->open_handles--;
    free(clock);
}

static void prepare_closed_cb(uv_handle_t *handle)
{
    struct uv_net *net = handle->data;

    net->open_handles--;
}

void uv_net_free(struct rpc_net *base)
{
    struct uv_net *net = uv_net_of(base);

    while (net->listeners != NULL) {
        uv_listener_close(base, net->listeners->accept);
    }
    for (struct uv_conn *c = net->conns; c != NULL; c = c->next) {
        uv_conn_close(&c->base);
    }
    while (net->conns != NULL) {
        (void)uv_run(net->loop, UV_RUN_NOWAIT);
    }
    while (net->clocks != NULL) {
        struct uv_clock *clock = net->clocks;
        net->clocks = clock->next;
        uv_close((uv_handle_t *)&clock->timer, clock_closed_cb);
    }
    uv_close((uv_handle_t *)&net->prepare, prepare_closed_cb);
    while (net->open_handles > 0) {
        (void)uv_run(net->loop, UV_RUN_NOWAIT);
    }
    net->magic = 0;
    free(net);
}
