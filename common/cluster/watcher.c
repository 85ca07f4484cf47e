/* SPDX-License-Identifier: Apache-2.0
 *
 * The evaluator's link to ps 0, on a network thread.
 *
 * Happy path: HELLO -> a heartbeat a second, and one EVALUATOR call always
 * under way (answered at a save, at the end, or within 5 s), which also carries
 * the newest result -> the end is told -> watcher_done sends `done` and waits
 * for its answer. Failure modes: ps 0 cannot be reached: the peer tries again
 * for ever, a line every 30 s; one that was there and is gone for 30 s is
 * `lost`. Refused: watcher_wait returns why. */
#include "cluster/watcher.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cluster/net_thread.h"
#include "cluster/trainer_cluster.h"
#include "rpc/peer.h"

#include "base/banned.h"

#define TICK_MS 1000u
#define LOST_MS 30000u
#define LINE_MS 30000u
#define CALL_MS 15000u
#define DONE_MS 10000u

struct watcher {
    const struct trainer_options *o;
    struct net_thread thread;
    struct status *status;
    struct rpc_peer *peer;
    struct rpc_timer timer;
    Crew__Hello hello;
    Crew__Identity self;
    char *address, *cluster;
    char host[128];
    atomic_bool interrupted;

    /* The network thread's. */
    struct rpc_call beat, poll;
    bool beating, polling, closing;
    bool met; /* ps 0 has been there */
    uint64_t down_since_ms, line_ms;
    char why[256];
    bool sending_done;

    /* Guarded by thread.lock. */
    struct watcher_news news;
    struct crew_err refused;
    char line[512]; /* for on_wait; "": none */
    char result[256];
    int64_t result_step;
    bool done_wanted, done_told, close_wanted;
};

static void lock(struct watcher *w)
{
    (void)pthread_mutex_lock(&w->thread.lock);
}

static void unlock(struct watcher *w)
{
    (void)pthread_mutex_unlock(&w->thread.lock);
}

static void changed(struct watcher *w)
{
    (void)pthread_cond_signal(&w->thread.changed);
}

/* ------------------------------------------------- on the network thread */

static void note_end(struct watcher *w, const Crew__End *end)
{
    lock(w);
    if (end != NULL && !w->news.ended) {
        w->news.ended = true;
        w->news.end.exit_code = end->exit_code;
        w->news.end.step = end->step;
        (void)snprintf(w->news.end.reason, sizeof w->news.end.reason, "%s",
                       end->reason);
        changed(w);
    }
    unlock(w);
}

static void tick(struct watcher *w);

static void poll_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct watcher *w = call->self;
    const Crew__EvaluatorReply *r = (const Crew__EvaluatorReply *)reply;

    (void)error, (void)err;
    w->polling = false;
    if (r != NULL) {
        if (r->ended) {
            note_end(w, r->end);
        }
        lock(w);
        if (r->saved_step > w->news.saved_step) {
            w->news.saved_step = r->saved_step;
        }
        w->done_told = w->done_told || w->sending_done;
        changed(w);
        unlock(w);
        tick(w); /* ask for what comes next */
    }
    w->sending_done = false;
}

static void start_poll(struct watcher *w)
{
    Crew__EvaluatorRequest q = CREW__EVALUATOR_REQUEST__INIT;
    char result[sizeof w->result];
    bool ask;

    lock(w);
    /* After the end there is nothing to wait for but the word that we are done.
     */
    ask = !w->news.ended || (w->done_wanted && !w->done_told);
    q.self = &w->self;
    q.saved_step = w->news.saved_step;
    q.done = w->done_wanted;
    q.result_step = w->result_step;
    (void)snprintf(result, sizeof result, "%s", w->result);
    q.result = result;
    unlock(w);
    if (!ask) {
        return;
    }
    w->polling = true;
    w->sending_done = q.done;
    w->poll = (struct rpc_call){.on_done = poll_done, .self = w};
    rpc_call_start(w->peer, &w->poll, RPC_EVALUATOR, &q.base, CALL_MS);
}

static void beat_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct watcher *w = call->self;
    const Crew__HeartbeatReply *r = (const Crew__HeartbeatReply *)reply;

    (void)err;
    w->beating = false;
    if (r != NULL) {
        note_end(w, r->end);
    } else if (error != NULL && error->refusal == CREW__REFUSAL__FENCED) {
        /* We were silent for too long (a stopped process): come back anew. */
        w->self.incarnation = w->o->env->random(w->o->env) | 1;
        rpc_peer_reconnect(w->peer);
    }
}

static void start_beat(struct watcher *w)
{
    Crew__HeartbeatRequest q = CREW__HEARTBEAT_REQUEST__INIT;

    q.self = &w->self;
    w->beating = true;
    w->beat = (struct rpc_call){.on_done = beat_done, .self = w};
    rpc_call_start(w->peer, &w->beat, RPC_HEARTBEAT, &q.base, CALL_MS);
}

/* While ps 0 is away: a line every 30 s, and the verdict. */
static void look_at_absence(struct watcher *w, uint64_t now)
{
    uint64_t away = now - w->down_since_ms;

    lock(w);
    if (w->met && away >= LOST_MS && !w->news.lost) {
        w->news.lost = true;
        changed(w);
    }
    if (now - w->line_ms >= LINE_MS) {
        w->line_ms = now;
        (void)snprintf(w->line, sizeof w->line, "waiting for %s (%llu s)",
                       w->why, (unsigned long long)(away / 1000));
        changed(w);
    }
    unlock(w);
}

static void tick(struct watcher *w)
{
    if (w->closing) {
        return;
    }
    if (rpc_peer_is_up(w->peer)) {
        if (!w->polling) {
            start_poll(w);
        }
    } else {
        look_at_absence(w, w->thread.net->now_ms(w->thread.net));
    }
}

static void on_timer(struct rpc_timer *timer)
{
    struct watcher *w = timer->self;

    w->thread.net->timer_set(w->thread.net, &w->timer, TICK_MS);
    if (rpc_peer_is_up(w->peer) && !w->beating) {
        start_beat(w);
    }
    tick(w);
}

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    struct watcher *w = rpc_peer_self(peer);

    w->met = true;
    lock(w);
    w->news.lost = false;
    unlock(w);
    note_end(w, reply->end);
    tick(w);
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    struct watcher *w = rpc_peer_self(peer);

    if (attempt <= 1) {
        w->down_since_ms = w->thread.net->now_ms(w->thread.net);
    }
    (void)snprintf(w->why, sizeof w->why, "%.250s", why->msg);
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    struct watcher *w = rpc_peer_self(peer);

    lock(w);
    crew_err_exit(&w->refused, error->code != 0 ? error->code : CREW_ABORTED,
                  error->exit_code, "%s", error->text);
    changed(w);
    unlock(w);
}

static void status_closed(void *self)
{
    struct watcher *w = self;

    net_thread_finish(&w->thread);
}

static void on_closed(struct rpc_peer *peer)
{
    struct watcher *w = rpc_peer_self(peer);

    if (w->status != NULL) {
        status_close(w->status, status_closed, w);
    } else {
        net_thread_finish(&w->thread);
    }
}

static const struct rpc_peer_events peer_events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

static void on_wake(void *self)
{
    struct watcher *w = self;
    bool close;

    lock(w);
    close = w->close_wanted;
    w->close_wanted = false;
    unlock(w);
    tick(w);
    if (close) {
        w->closing = true;
        w->thread.net->timer_clear(w->thread.net, &w->timer);
        rpc_peer_close(w->peer);
    }
}

/* ---------------------------------------------------- on the owner's thread */

static void fill_hello(struct watcher *w)
{
    crew__hello__init(&w->hello);
    crew__identity__init(&w->self);
    w->self.role = CREW__ROLE__ROLE_EVALUATOR;
    w->self.index = (uint32_t)w->o->tf->index;
    w->self.incarnation = w->o->env->random(w->o->env) | 1;
    w->hello.protocol = RPC_PROTOCOL;
    w->hello.self = &w->self;
    w->hello.control = true;
    w->hello.cluster = w->cluster;
    w->hello.host = w->host;
    w->hello.pid = (uint32_t)getpid();
    w->hello.version = (char *)CREW_VERSION;
}

static void free_watcher(struct watcher *w)
{
    free(w->address);
    free(w->cluster);
    free(w);
}

static int ps0_address(struct watcher *w, struct crew_err *err)
{
    const char *given = cluster_address(w->o->tf->cluster, ROLE_PS, 0);
    struct address address;
    char text[300];

    if (given == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                             "TF_CONFIG's cluster has no ps 0, which tells the "
                             "evaluator when training ends");
    }
    if (address_split(given, false, &address, err) == CREW_OK) {
        w->address = xstrdup(address_text(&address, text, sizeof text));
    }
    return err->code;
}

int watcher_open(const struct trainer_options *o,
                 const char *status,
                 struct watcher **out,
                 struct crew_err *err)
{
    struct watcher *w = xcalloc(1, sizeof *w);

    w->o = o;
    w->news.saved_step = -1;
    w->cluster = cluster_canonical(o->tf->cluster);
    (void)gethostname(w->host, sizeof w->host - 1);
    fill_hello(w);
    if (ps0_address(w, err) != CREW_OK ||
        net_thread_init(&w->thread, on_wake, w, err) != CREW_OK) {
        free_watcher(w);
        return err->code;
    }
    if (status != NULL && cluster_open_status(w->thread.net, o, status,
                                              &w->status, err) != CREW_OK) {
        goto fail;
    }
    w->down_since_ms = w->line_ms = w->thread.net->now_ms(w->thread.net);
    (void)snprintf(w->why, sizeof w->why, "ps/0 at %s", w->address);
    w->peer = rpc_peer_open(w->thread.net, "ps/0", w->address, &w->hello,
                            w->self.incarnation, &peer_events, w);
    w->timer = (struct rpc_timer){.on_timer = on_timer, .self = w};
    w->thread.net->timer_set(w->thread.net, &w->timer, TICK_MS);
    if (net_thread_start(&w->thread, err) == CREW_OK) {
        *out = w;
        return CREW_OK;
    }
    w->closing = true;
    w->thread.net->timer_clear(w->thread.net, &w->timer);
    rpc_peer_close(w->peer);
fail:
    net_thread_release(&w->thread, false);
    free_watcher(w);
    return err->code;
}

/* Pass a queued line to on_wait. Called with the lock held, calls out without
 * it. */
static void report_line(struct watcher *w)
{
    char text[sizeof w->line];

    if (w->line[0] != '\0') {
        (void)snprintf(text, sizeof text, "%s", w->line);
        w->line[0] = '\0';
        unlock(w);
        w->o->on_wait(w->o->self, text);
        lock(w);
    }
}

static bool differ(const struct watcher_news *a, const struct watcher_news *b)
{
    return a->saved_step != b->saved_step || a->ended != b->ended ||
           a->lost != b->lost;
}

static uint64_t now_ms(const struct watcher *w)
{
    return w->o->env->now_ns(w->o->env) / 1000000;
}

int watcher_wait(struct watcher *w,
                 double secs,
                 struct watcher_news *news,
                 struct crew_err *err)
{
    uint64_t now = now_ms(w), until = now + (uint64_t)(secs * 1000);

    lock(w);
    for (; w->refused.code == CREW_OK && !differ(&w->news, news);
         now = now_ms(w)) {
        report_line(w);
        if (atomic_load(&w->interrupted)) {
            crew_err_set(err, CREW_CANCELLED, "interrupted");
            break;
        }
        if (now >= until) {
            break;
        }
        net_thread_wait(&w->thread, until - now < 1000 ? until - now : 1000);
    }
    if (w->refused.code != CREW_OK && err->code == CREW_OK) {
        *err = w->refused;
    }
    *news = w->news;
    unlock(w);
    return err->code;
}

void watcher_report(struct watcher *w, int64_t step, const char *line)
{
    lock(w);
    (void)snprintf(w->result, sizeof w->result, "%s", line);
    w->result_step = step;
    unlock(w);
    net_thread_wake(&w->thread);
}

int watcher_done(struct watcher *w, struct crew_err *err)
{
    uint64_t until = now_ms(w) + DONE_MS;

    lock(w);
    w->done_wanted = true;
    net_thread_wake(&w->thread);
    while (!w->done_told && now_ms(w) < until) {
        net_thread_wait(&w->thread, 1000);
    }
    if (!w->done_told) {
        crew_err_set(err, CREW_DEADLINE_EXCEEDED,
                     "ps/0 at %s did not take the word that the last export is "
                     "written",
                     w->address);
    }
    unlock(w);
    return err->code;
}

void watcher_interrupt(struct watcher *w)
{
    atomic_store(&w->interrupted, true);
    net_thread_wake(&w->thread);
}

void watcher_close(struct watcher *w)
{
    if (w == NULL) {
        return;
    }
    lock(w);
    w->close_wanted = true;
    unlock(w);
    net_thread_wake(&w->thread);
    net_thread_release(&w->thread, true);
    free_watcher(w);
}
