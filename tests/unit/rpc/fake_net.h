/* SPDX-License-Identifier: Apache-2.0
 * A net in memory with virtual time, for the tests of peer and server: frames
 * are handed over one by one, a direction can be stalled, a connection cut. */
#ifndef TESTS_FAKE_NET_H
#define TESTS_FAKE_NET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "rpc/net.h"

struct fake_conn {
    struct rpc_conn base;
    struct fake_conn *other, *next;
    bool outgoing, opening, open, closing, gone;
    bool stalled; /* what it sends stays in its queue */
    struct crew_err why;
    struct rpc_out *first, **last;
};

struct fake_net {
    struct rpc_net base;
    uint64_t now;
    struct rpc_accept *accept; /* NULL: connections are refused */
    bool mute;                 /* what is sent by the accepting side is lost */
    int connects;
    struct fake_conn *conns;
    struct {
        struct rpc_timer *timer;
        uint64_t at;
    } timers[64];
};

static inline struct fake_net *fake_of(struct rpc_net *base)
{
    return CONTAINER_OF(base, struct fake_net, base);
}

static inline uint64_t fake_now(struct rpc_net *base)
{
    return fake_of(base)->now;
}

static inline int fake_listen(struct rpc_net *base,
                              const char *address,
                              struct rpc_accept *accept,
                              int *port,
                              struct crew_err *err)
{
    (void)address;
    (void)err;
    fake_of(base)->accept = accept;
    *port = 1;
    return CREW_OK;
}

static inline void fake_unlisten(struct rpc_net *base,
                                 struct rpc_accept *accept)
{
    (void)accept;
    fake_of(base)->accept = NULL;
}

static inline struct fake_conn *fake_conn_new(struct fake_net *net,
                                              const char *name)
{
    struct fake_conn *c = xcalloc(1, sizeof *c);

    c->base.magic = RPC_CONN_MAGIC;
    c->base.net = &net->base;
    (void)snprintf(c->base.name, sizeof c->base.name, "%s", name);
    c->last = &c->first;
    c->next = net->conns;
    net->conns = c;
    return c;
}

static inline struct rpc_conn *fake_connect(
    struct rpc_net *base,
    const char *address,
    const struct rpc_conn_events *events,
    void *self)
{
    struct fake_conn *c = fake_conn_new(fake_of(base), address);

    fake_of(base)->connects++;
    c->outgoing = true;
    c->opening = true;
    c->base.events = events;
    c->base.self = self;
    return &c->base;
}

static inline void fake_send(struct rpc_conn *base, struct rpc_out *out)
{
    struct fake_conn *c = (struct fake_conn *)base;

    out->next = NULL;
    *c->last = out;
    c->last = &out->next;
}

static inline void fake_end(struct fake_conn *c, int code, const char *text)
{
    if (!c->closing) {
        c->closing = true;
        (void)crew_err_set(&c->why, code, "%s", text);
    }
}

static inline void fake_close(struct rpc_conn *base)
{
    fake_end((struct fake_conn *)base, CREW_CANCELLED, "closed");
}

static inline void fake_timer_clear(struct rpc_net *base, struct rpc_timer *t)
{
    for (size_t i = 0; i < COUNT_OF(fake_of(base)->timers); i++) {
        if (fake_of(base)->timers[i].timer == t) {
            fake_of(base)->timers[i].timer = NULL;
        }
    }
}

static inline void fake_timer_set(struct rpc_net *base,
                                  struct rpc_timer *t,
                                  uint64_t ms)
{
    struct fake_net *net = fake_of(base);

    fake_timer_clear(base, t);
    for (size_t i = 0; i < COUNT_OF(net->timers); i++) {
        if (net->timers[i].timer == NULL) {
            net->timers[i].timer = t;
            net->timers[i].at = net->now + ms;
            return;
        }
    }
    INVARIANT(false); /* more timers than there is room for */
}

static inline void fake_net_init(struct fake_net *net)
{
    *net = (struct fake_net){.base = {.now_ms = fake_now,
                                      .listen = fake_listen,
                                      .unlisten = fake_unlisten,
                                      .connect = fake_connect,
                                      .send = fake_send,
                                      .close = fake_close,
                                      .timer_set = fake_timer_set,
                                      .timer_clear = fake_timer_clear}};
}

static inline void fake_establish(struct fake_net *net, struct fake_conn *c)
{
    c->opening = false;
    if (c->closing) {
        return;
    }
    if (net->accept == NULL) {
        fake_end(c, CREW_UNAVAILABLE, "connection refused");
        return;
    }
    struct fake_conn *other = fake_conn_new(net, "10.0.0.7:4000");
    c->other = other;
    other->other = c;
    c->open = other->open = true;
    net->accept->on_accept(net->accept, &other->base);
    c->base.events->on_open(&c->base);
}

static inline void fake_deliver(struct fake_conn *to, const struct rpc_out *out)
{
    struct rpc_in in = {.head = out->head, .header = out->header};
    void *dest = NULL;

    if (out->head.payload_len > 0) {
        dest = to->base.events->payload_dest(&to->base, &in);
        if (dest == NULL) {
            fake_end(to, CREW_DATA_LOSS, "a payload that nobody waits for");
            return;
        }
        if (to->closing) {
            return;
        }
        memcpy(dest, out->payload, out->head.payload_len);
    }
    to->base.events->on_frame(&to->base, &in, dest);
}

/* One frame from c to the other side. */
static inline bool fake_move(struct fake_net *net, struct fake_conn *c)
{
    struct rpc_out *out = c->first;

    if (out == NULL || c->stalled || c->closing || !c->open) {
        return false;
    }
    c->first = out->next;
    if (c->first == NULL) {
        c->last = &c->first;
    }
    if (c->other != NULL && !c->other->closing &&
        !(net->mute && !c->outgoing)) {
        fake_deliver(c->other, out);
    }
    out->done(out, true);
    return true;
}

static inline bool fake_bury(struct fake_net *net, struct fake_conn *c)
{
    struct fake_conn **at = &net->conns;

    if (!c->closing) {
        return false;
    }
    while (c->first != NULL) {
        struct rpc_out *out = c->first;
        c->first = out->next;
        out->done(out, false);
    }
    if (c->other != NULL) {
        c->other->other = NULL;
        fake_end(c->other, CREW_UNAVAILABLE, "closed by the other end");
    }
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    c->base.events->on_close(&c->base, &c->why);
    free(c);
    return true;
}

static inline bool fake_turn(struct fake_net *net)
{
    for (struct fake_conn *c = net->conns; c != NULL; c = c->next) {
        if (c->opening) {
            fake_establish(net, c);
            return true;
        }
        if (fake_move(net, c) || fake_bury(net, c)) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(net->timers); i++) {
        struct rpc_timer *t = net->timers[i].timer;
        if (t != NULL && net->timers[i].at <= net->now) {
            net->timers[i].timer = NULL;
            t->on_timer(t);
            return true;
        }
    }
    return false;
}

/* Let `ms` of virtual time go by. */
static inline void fake_run(struct fake_net *net, uint64_t ms)
{
    uint64_t until = net->now + ms;

    for (;;) {
        uint64_t next = until;
        while (fake_turn(net)) {
        }
        for (size_t i = 0; i < COUNT_OF(net->timers); i++) {
            if (net->timers[i].timer != NULL && net->timers[i].at < next) {
                next = net->timers[i].at;
            }
        }
        if (net->now >= until) {
            return;
        }
        net->now = next;
    }
}

#endif
