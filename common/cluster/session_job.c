/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: work that every ps gets, one call a link. A job that is replaced while
 * calls are under way drops their connections: nothing of the old one may write
 * into the variables after that. */
#include "base/check.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

static bool on_control(enum job job)
{
    return job == JOB_FENCE || job == JOB_STOP;
}

static struct rpc_peer *peer_of(const struct link *l, enum job job)
{
    return l->port[on_control(job) ? PEER_CONTROL : PEER_DATA].peer;
}

static void reset(struct link *l)
{
    l->done = false;
    l->retry_ms = 0;
    l->declare_seq = 0;
}

void job_set(struct session *s, enum job job)
{
    s->job = job;
    s->generation++;
    for (int i = 0; i < s->o.num_ps; i++) {
        struct link *l = &s->links[i];
        reset(l);
        if (l->busy && !s->closing) {
            rpc_peer_reconnect(peer_of(l, l->job));
        }
    }
}

bool job_all_done(const struct session *s)
{
    for (int i = 0; i < s->o.num_ps; i++) {
        if (!s->links[i].done) {
            return false;
        }
    }
    return true;
}

static void start(struct link *l)
{
    switch (l->s->job) {
        case JOB_DECLARE:
            declare_start(l);
            break;
        case JOB_LOAD:
            load_start(l);
            break;
        case JOB_READY:
            ready_start(l);
            break;
        case JOB_PULL:
            pull_start(l);
            break;
        case JOB_PUSH:
            push_start(l);
            break;
        case JOB_FENCE:
            fence_start(l);
            break;
        case JOB_STOP:
            stop_start(l);
            break;
        case JOB_NONE:
            break;
    }
}

void job_pump(struct session *s)
{
    uint64_t now = session_now(s);
    for (int i = 0; i < s->o.num_ps && s->job != JOB_NONE; i++) {
        struct link *l = &s->links[i];
        if (l->done) {
            continue;
        }
        if (!l->busy && now >= l->retry_ms &&
            rpc_peer_is_up(peer_of(l, s->job))) {
            start(l);
        }
        if (l->busy && s->job == JOB_PUSH && l->generation == s->generation) {
            push_more(l);
        }
    }
}

void job_call(struct link *l,
              struct rpc_call call,
              enum rpc_method method,
              const ProtobufCMessage *request,
              uint64_t ms)
{
    struct session *s = l->s;
    l->busy = true;
    l->job = s->job;
    l->generation = s->generation;
    l->progress_ms = session_now(s);
    l->call = call;
    rpc_call_start(peer_of(l, l->job), &l->call, method, request, ms);
}

#define RETRY_MS 200u

void job_retry(struct link *l)
{
    l->retry_ms = session_now(l->s) + RETRY_MS;
}

bool job_answered(struct link *l,
                  const ProtobufCMessage *reply,
                  const Crew__Error *error,
                  const struct crew_err *err)
{
    struct session *s = l->s;
    l->busy = false;
    if (s->closing || l->generation != s->generation) {
        return false;
    }
    if (reply != NULL) {
        return true;
    }
    if (error != NULL && session_declined(s, error, err)) {
        return false;
    }
    if (error != NULL) {
        job_retry(l);
        (void)session_refused(s, l, error, err);
    } else if (err->code == CREW_DEADLINE_EXCEEDED) {
        rpc_peer_reconnect(peer_of(l, l->job));
    } else if (err->code != CREW_UNAVAILABLE && err->code != CREW_CANCELLED) {
        job_retry(l);
    }
    return false;
}

void job_done(struct rpc_call *call,
              const ProtobufCMessage *reply,
              const Crew__Error *error,
              const struct crew_err *err)
{
    struct link *l = call->self;
    l->done = job_answered(l, reply, error, err);
    session_tick(l->s);
}
