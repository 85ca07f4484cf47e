/* SPDX-License-Identifier: Apache-2.0
 *
 * The network in memory. Everything that happens is an event in one heap, by
 * time and then by the order in which it was asked for; nothing is called back
 * but from world_step. */
#include "mem_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include "base/banned.h"

#define MAX_DOUBLES 64
#define DOUBLE_WITHIN_MS 3000u
#define DOUBLE_KEPT_MS 20000u

struct mem_conn {
    struct rpc_conn base;
    struct mem_net *net;
    struct mem_conn *other; /* NULL: gone */
    struct mem_conn *next, *prev;
    char address[80];
    bool open, closing;
    struct crew_err why; /* of closing */
    uint64_t last_ms;    /* when its last frame arrives at the other end */
    uint32_t methods;    /* that it has carried, bit by bit */
    int events;          /* in the heap that name it */
    int unsent;          /* frames whose `done` is still to come */
    bool gone;           /* on_close was called */
};

struct mem_frame {
    struct rpc_head head;
    uint8_t *header;
    uint8_t *payload;
};

enum event_kind { EV_OPEN, EV_FRAME, EV_SENT, EV_CLOSE, EV_TIMER };

struct event {
    uint64_t ms, order;
    enum event_kind kind;
    struct mem_net *net;   /* whose process it happens to */
    struct mem_conn *conn; /* the one that is called back */
    struct mem_frame frame;
    struct rpc_out *out;
    bool sent;
    struct rpc_timer *timer; /* NULL: cleared */
};

/* A frame that may come again. */
struct repeat {
    bool used;
    uint64_t after_ms;
    char who[32];
    char address[80];
    struct mem_frame frame;
};

struct mem_net {
    struct rpc_net base;
    struct world *world;
    struct mem_net *next;
    char who[32];
    bool dead;
    uint64_t paused_until_ms;
    struct mem_conn *conns;
    struct rpc_accept *accept;
    char address[80];
};

struct world {
    struct rng rng;
    uint64_t now, order;
    struct event **heap;
    size_t n, cap;
    struct mem_net *nets;
    struct world_faults faults;
    struct world_counts counts;
    struct repeat repeats[MAX_DOUBLES];
};

/* ------------------------------------------------------------------ events */

static bool before(const struct event *a, const struct event *b)
{
    return a->ms != b->ms ? a->ms < b->ms : a->order < b->order;
}

static void add_event(struct world *w, struct event *e, uint64_t ms)
{
    e->ms = ms;
    e->order = w->order++;
    if (w->n == w->cap) {
        w->cap = w->cap == 0 ? 256 : w->cap * 2;
        w->heap = xrealloc(w->heap, w->cap * sizeof(w->heap[0]));
    }
    size_t i = w->n++;
    while (i > 0 && before(e, w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

static struct event *push_event(struct world *w,
                                enum event_kind kind,
                                struct mem_conn *conn,
                                uint64_t ms)
{
    struct event *e = xcalloc(1, sizeof(*e));
    e->kind = kind;
    e->conn = conn;
    if (conn != NULL) {
        conn->events++;
        e->net = conn->net;
    }
    add_event(w, e, ms);
    return e;
}

static struct event *pop_event(struct world *w)
{
    struct event *top = w->heap[0], *last = w->heap[--w->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < w->n && before(w->heap[child + 1], w->heap[child])) {
            child++;
        }
        if (child >= w->n || !before(w->heap[child], last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (w->n > 0) {
        w->heap[i] = last;
    }
    return top;
}

static bool chance(struct world *w, uint32_t per_million)
{
    return per_million > 0 && rng_below(&w->rng, 1000000) < per_million;
}

/* ------------------------------------------------------------------ frames */

static void *copy_bytes(const void *from, size_t n)
{
    void *to = xmalloc(n + 1);
    if (n > 0) {
        memcpy(to, from, n);
    }
    return to;
}

static struct mem_frame copy_frame(const struct mem_frame *f)
{
    struct mem_frame c = *f;
    c.header = copy_bytes(f->header, f->head.header_len);
    c.payload = copy_bytes(f->payload, f->head.payload_len);
    return c;
}

static void free_frame(struct mem_frame *f)
{
    free(f->header);
    free(f->payload);
    f->header = NULL;
    f->payload = NULL;
}

static void maybe_free_conn(struct mem_conn *c)
{
    if (!c->gone || c->events > 0) {
        return;
    }
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        c->net->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    free(c);
}

static void close_with(struct mem_conn *c,
                       int code,
                       const char *text,
                       uint64_t delay)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    (void)crew_err_set(&c->why, code, "%s", text);
    (void)push_event(c->net->world, EV_CLOSE, c, c->net->world->now + delay);
}

/* Both ends, at once; what is on its way is lost. */
static void reset_conn(struct mem_conn *c)
{
    struct mem_conn *other = c->other;
    close_with(c, CREW_UNAVAILABLE, "connection reset by peer", 0);
    if (other != NULL) {
        close_with(other, CREW_UNAVAILABLE, "connection reset by peer", 0);
    }
}

/* Remember a request or a part, to let it arrive once more. */
static void keep_double(struct world *w,
                        const struct mem_conn *c,
                        const struct mem_frame *f)
{
    bool up = f->head.kind == RPC_REQUEST || f->head.kind == RPC_PART;
    if (!up || c->address[0] == '\0' || !chance(w, w->faults.repeat)) {
        return;
    }
    struct repeat *r = &w->repeats[rng_below(&w->rng, MAX_DOUBLES)];
    if (r->used && r->after_ms + DOUBLE_KEPT_MS > w->now) {
        return;
    }
    free_frame(&r->frame);
    r->used = true;
    r->after_ms = w->now + rng_below(&w->rng, DOUBLE_WITHIN_MS);
    (void)snprintf(r->who, sizeof(r->who), "%s", c->net->who);
    (void)snprintf(r->address, sizeof(r->address), "%s", c->address);
    r->frame = copy_frame(f);
}

/* c is the receiving end. False: the connection is over. */
static bool deliver(struct mem_conn *c, struct mem_frame *f)
{
    if (c->closing || !c->open) {
        return false;
    }
    struct rpc_in in = {.head = f->head, .header = f->header};
    void *to = NULL;
    if (f->head.payload_len > 0) {
        to = c->base.events->payload_dest(&c->base, &in);
        if (to == NULL) {
            close_with(c, CREW_DATA_LOSS, "payload refused", 0);
            if (c->other != NULL) {
                close_with(c->other, CREW_UNAVAILABLE,
                           "connection reset by peer", 1);
            }
            return false;
        }
        memcpy(to, f->payload, f->head.payload_len);
    }
    c->net->world->counts.frames++;
    c->base.events->on_frame(&c->base, &in, to);
    return !c->closing;
}

/* Doubles that are due on this connection, whose other end is the sender. */
static void deliver_doubles(struct mem_conn *c)
{
    struct world *w = c->net->world;
    for (int i = 0; i < MAX_DOUBLES; i++) {
        struct repeat *r = &w->repeats[i];
        struct mem_conn *from = c->other;
        if (!r->used || r->after_ms > w->now || from == NULL || c->closing ||
            strcmp(r->who, from->net->who) != 0 ||
            strcmp(r->address, from->address) != 0 ||
            (from->methods & 1u << r->frame.head.method) == 0) {
            continue;
        }
        struct mem_frame f = r->frame;
        r->used = false;
        r->frame = (struct mem_frame){.header = NULL};
        w->counts.repeated++;
        (void)deliver(c, &f);
        free_frame(&f);
    }
}

static void frame_arrives(struct mem_conn *c, struct mem_frame *f)
{
    if (c->other != NULL) {
        c->other->methods |= 1u << f->head.method;
    }
    if (deliver(c, f)) {
        deliver_doubles(c);
    }
}

/* --------------------------------------------------------------- the seam */

static struct mem_net *net_of(struct rpc_net *base)
{
    return CONTAINER_OF(base, struct mem_net, base);
}

static struct mem_conn *conn_of(struct rpc_conn *base)
{
    return CONTAINER_OF(base, struct mem_conn, base);
}

static uint64_t now_ms(struct rpc_net *base)
{
    return net_of(base)->world->now;
}

static int mem_listen(struct rpc_net *base,
                      const char *address,
                      struct rpc_accept *accept,
                      int *port,
                      struct crew_err *err)
{
    struct mem_net *net = net_of(base);
    for (struct mem_net *n = net->world->nets; n != NULL; n = n->next) {
        if (n->accept != NULL && !n->dead && strcmp(n->address, address) == 0) {
            return crew_err_exit(err, CREW_UNAVAILABLE, 138,
                                 "%s: address in use", address);
        }
    }
    net->accept = accept;
    (void)snprintf(net->address, sizeof(net->address), "%s", address);
    *port = 1;
    return CREW_OK;
}

static void mem_unlisten(struct rpc_net *base, struct rpc_accept *accept)
{
    (void)accept;
    net_of(base)->accept = NULL;
}

static struct mem_conn *new_conn(struct mem_net *net)
{
    struct mem_conn *c = xcalloc(1, sizeof(*c));
    c->base.magic = RPC_CONN_MAGIC;
    c->base.net = &net->base;
    c->net = net;
    c->next = net->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    net->conns = c;
    return c;
}

static uint64_t latency(struct world *w)
{
    uint32_t most = w->faults.latency_ms;
    return most == 0 ? 0 : rng_below(&w->rng, most + 1);
}

static struct rpc_conn *mem_connect(struct rpc_net *base,
                                    const char *address,
                                    const struct rpc_conn_events *events,
                                    void *self)
{
    struct mem_net *net = net_of(base);
    struct mem_conn *c = new_conn(net);
    c->base.events = events;
    c->base.self = self;
    (void)snprintf(c->address, sizeof(c->address), "%s", address);
    (void)push_event(net->world, EV_OPEN, c,
                     net->world->now + 1 + latency(net->world));
    return &c->base;
}

static void opens(struct mem_conn *c)
{
    struct mem_net *server = c->net->world->nets;
    if (c->closing) {
        return;
    }
    while (server != NULL && (server->dead || server->accept == NULL ||
                              strcmp(server->address, c->address) != 0)) {
        server = server->next;
    }
    if (server == NULL || c->net->dead) {
        close_with(c, CREW_UNAVAILABLE, "connection refused", 0);
        return;
    }
    struct mem_conn *s = new_conn(server);
    s->other = c;
    c->other = s;
    s->open = true;
    c->open = true;
    (void)snprintf(s->base.name, sizeof(s->base.name), "%s:1", c->net->who);
    server->accept->on_accept(server->accept, &s->base);
    c->base.events->on_open(&c->base);
}

static void mem_send(struct rpc_conn *base, struct rpc_out *out)
{
    struct mem_conn *c = conn_of(base), *to = c->other;
    struct world *w = c->net->world;
    struct event *sent = push_event(w, EV_SENT, c, w->now);
    sent->out = out;
    c->unsent++;
    sent->sent = !c->closing && to != NULL && !to->closing;
    if (!sent->sent || c->net->dead) {
        return;
    }
    struct mem_frame f = {.head = out->head};
    if (chance(w, w->faults.reset)) {
        w->counts.resets++;
        reset_conn(c);
        return;
    }
    if (chance(w, w->faults.lose)) {
        w->counts.lost++;
        return;
    }
    if (chance(w, w->faults.lose_and_reset)) {
        w->counts.lost++;
        w->counts.resets++;
        reset_conn(c);
        return;
    }
    f.header = copy_bytes(out->header, out->head.header_len);
    f.payload = copy_bytes(out->payload, out->head.payload_len);
    keep_double(w, c, &f);
    uint64_t at = w->now + latency(w);
    c->last_ms = at > c->last_ms ? at : c->last_ms;
    push_event(w, EV_FRAME, to, c->last_ms)->frame = f;
}

static void mem_close(struct rpc_conn *base)
{
    struct mem_conn *c = conn_of(base), *other = c->other;
    uint64_t now = c->net->world->now;
    close_with(c, CREW_CANCELLED, "closed", 0);
    if (other != NULL && !other->closing) {
        /* What was sent before still arrives. */
        uint64_t at = c->last_ms > now ? c->last_ms : now;
        struct event *e = push_event(c->net->world, EV_CLOSE, other, at);
        e->sent = true; /* the peer's closing */
    }
}

static void closes(struct mem_conn *c, bool by_peer)
{
    if (c->gone || (by_peer && c->closing)) {
        return;
    }
    if (c->unsent > 0) { /* frames complete before the connection does */
        push_event(c->net->world, EV_CLOSE, c, c->net->world->now)->sent =
            by_peer;
        return;
    }
    if (by_peer) {
        c->closing = true;
        (void)crew_err_set(&c->why, CREW_UNAVAILABLE, "closed by the peer");
    }
    c->gone = true;
    c->open = false;
    if (c->other != NULL) {
        c->other->other = NULL;
        c->other = NULL;
    }
    if (c->base.events != NULL) {
        c->base.events->on_close(&c->base, &c->why);
    }
}

static void timer_clear(struct rpc_net *base, struct rpc_timer *t)
{
    (void)base;
    struct event *e = t->impl;
    if (e != NULL) {
        e->timer = NULL;
        t->impl = NULL;
    }
}

static void timer_set(struct rpc_net *base, struct rpc_timer *t, uint64_t ms)
{
    struct world *w = net_of(base)->world;
    timer_clear(base, t);
    struct event *e = push_event(w, EV_TIMER, NULL, w->now + ms);
    e->timer = t;
    e->net = net_of(base);
    t->impl = e;
}

/* ------------------------------------------------------------------- world */

struct world *world_new(uint64_t seed)
{
    struct world *w = xcalloc(1, sizeof(*w));
    w->rng.state = seed;
    w->now = 1000;
    return w;
}

void world_free(struct world *w)
{
    while (w->n > 0) {
        struct event *e = pop_event(w);
        free_frame(&e->frame);
        free(e);
    }
    for (int i = 0; i < MAX_DOUBLES; i++) {
        free_frame(&w->repeats[i].frame);
    }
    while (w->nets != NULL) {
        struct mem_net *net = w->nets;
        w->nets = net->next;
        while (net->conns != NULL) {
            struct mem_conn *c = net->conns;
            net->conns = c->next;
            free(c);
        }
        free(net);
    }
    free(w->heap);
    free(w);
}

void world_set_faults(struct world *w, const struct world_faults *f)
{
    w->faults = *f;
}

const struct world_counts *world_counts(const struct world *w)
{
    return &w->counts;
}

uint64_t world_now(const struct world *w)
{
    return w->now;
}

struct rng *world_rng(struct world *w)
{
    return &w->rng;
}

static void happen(struct event *e)
{
    struct rpc_timer *t = e->timer;
    switch (e->kind) {
        case EV_OPEN:
            opens(e->conn);
            break;
        case EV_FRAME:
            frame_arrives(e->conn, &e->frame);
            break;
        case EV_SENT:
            e->conn->unsent--;
            e->out->done(e->out, e->sent && !e->conn->closing);
            break;
        case EV_CLOSE:
            closes(e->conn, e->sent);
            break;
        case EV_TIMER:
            if (t != NULL) {
                t->impl = NULL;
                t->on_timer(t);
            }
            break;
    }
}

bool world_step(struct world *w)
{
    if (w->n == 0) {
        return false;
    }
    struct event *e = pop_event(w);
    w->now = e->ms;
    if (e->net != NULL && e->net->paused_until_ms > w->now) {
        add_event(w, e, e->net->paused_until_ms); /* in the same order, later */
        return true;
    }
    w->counts.events++;
    happen(e);
    if (e->conn != NULL) {
        e->conn->events--;
        maybe_free_conn(e->conn);
    }
    free_frame(&e->frame);
    free(e);
    return true;
}

struct rpc_net *mem_net_new(struct world *w, const char *who)
{
    struct mem_net *net = xcalloc(1, sizeof(*net));
    net->base = (struct rpc_net){.now_ms = now_ms,
                                 .listen = mem_listen,
                                 .unlisten = mem_unlisten,
                                 .connect = mem_connect,
                                 .send = mem_send,
                                 .close = mem_close,
                                 .timer_set = timer_set,
                                 .timer_clear = timer_clear};
    net->world = w;
    (void)snprintf(net->who, sizeof(net->who), "%s", who);
    net->next = w->nets;
    w->nets = net;
    return &net->base;
}

void mem_net_kill(struct rpc_net *base)
{
    struct mem_net *net = net_of(base);
    net->dead = true;
    for (struct mem_conn *c = net->conns; c != NULL; c = c->next) {
        if (!c->gone) {
            reset_conn(c);
        }
    }
}

void mem_net_pause(struct rpc_net *base, uint64_t ms)
{
    struct mem_net *net = net_of(base);
    net->paused_until_ms = net->world->now + ms;
}
