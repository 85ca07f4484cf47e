/* SPDX-License-Identifier: Apache-2.0
 *
 * What the chief alone asks for: the hold for a cut, news of saves, the end of
 * the job, and the wait for those who leave before it.
 *
 * HOLD: give the ticket back -> HOLD until ps 0 says that no step is under way
 * -> tell the other ps whom ps 0 has fenced -> held. Not held within 30 s:
 * RELEASE, and DEADLINE_EXCEEDED: the save is skipped. STOP: to every ps ->
 * until the workers have left; 10 s at the most. */
#include <stdio.h>

#include "base/check.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define HOLD_MS 30000u
#define STOP_MS 10000u
#define GONE_MS 25000u /* down for so long: not worth a wait */
#define CALL_MS 3000u
#define AWAIT_LIMIT_MS 15000u
#define RETRY_MS 100u

/* Phases of HOLD (op_phase): 0 and 1 give the ticket back, 2 ask, 3 fence, 4
 * give up. */

static void keep_fenced(struct session *s, const Crew__HoldReply *r)
{
    s->num_fenced = 0;
    for (size_t i = 0; i < r->n_fenced && s->num_fenced < 64; i++) {
        Crew__Identity *id = &s->fenced[s->num_fenced++];
        crew__identity__init(id);
        id->role = r->fenced[i]->role;
        id->index = r->fenced[i]->index;
        id->incarnation = r->fenced[i]->incarnation;
    }
}

static void hold_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct session *s = call->self;
    if (poll_answered(s, reply, error, err, RETRY_MS)) {
        const Crew__HoldReply *r = (const void *)reply;
        if (r->held && s->op == SESSION_HOLD && s->op_phase == 2) {
            s->global_step = r->global_step;
            sync_keep_update(s, r->update);
            keep_fenced(s, r);
            s->op_phase = 3;
            job_set(s, JOB_FENCE);
        }
    }
    session_tick(s);
}

static void ask_hold(struct session *s)
{
    Crew__HoldRequest q = CREW__HOLD_REQUEST__INIT;
    Crew__Identity self;
    q.self = &self;
    if (!s->poll.busy) {
        s->poll.call = (struct rpc_call){.on_done = hold_done, .self = s};
        (void)poll_start(s, RPC_HOLD, &q.base, &self);
    }
}

void fence_start(struct link *l)
{
    struct session *s = l->s;
    if (l->ps == 0) {
        l->done = true;
        return;
    }
    Crew__HoldRequest q = CREW__HOLD_REQUEST__INIT;
    Crew__Identity self, *list[64];
    for (uint32_t i = 0; i < s->num_fenced; i++) {
        list[i] = &s->fenced[i];
    }
    session_self(s, &self, s->request);
    q.self = &self;
    q.n_fence = s->num_fenced;
    q.fence = list;
    q.update = sync_update_of(s);
    job_call(l, (struct rpc_call){.on_done = job_done, .self = l}, RPC_HOLD,
             &q.base, CALL_MS);
}

static void give_up_hold(struct session *s)
{
    struct crew_err err = {0};
    (void)crew_err_set(&err, CREW_DEADLINE_EXCEEDED,
                       "the trainers did not come to rest within %u s",
                       HOLD_MS / 1000);
    op_done(s, &err);
}

static void release_done(struct rpc_call *call,
                         const ProtobufCMessage *reply,
                         const Crew__Error *error,
                         const struct crew_err *err)
{
    struct session *s = call->self;
    if (poll_answered(s, reply, error, err, RETRY_MS)) {
        s->op_phase = 10;
    }
    session_tick(s);
}

static void ask_release(struct session *s, int64_t saved_step)
{
    Crew__ReleaseRequest q = CREW__RELEASE_REQUEST__INIT;
    Crew__Identity self;
    q.self = &self;
    q.saved_step = saved_step;
    if (!s->poll.busy) {
        s->poll.call = (struct rpc_call){.on_done = release_done, .self = s};
        (void)poll_start(s, RPC_RELEASE, &q.base, &self);
    }
}

static void hold_at_rest(struct session *s)
{
    job_pump(s);
    if (job_all_done(s)) {
        op_well(s);
    }
}

void chief_hold_tick(struct session *s)
{
    uint64_t spent = session_now(s) - s->op_ms;
    if (!s->begun) {
        op_well(s); /* nobody trains yet */
        return;
    }
    if (s->ended) {
        struct crew_err err = {0};
        (void)crew_err_set(&err, CREW_OUT_OF_RANGE, "the job has ended: %s",
                           s->end.reason);
        op_done(s, &err);
        return;
    }
    if (s->stage != STAGE_JOINED) {
        s->op_phase = 0;
        if (!join_advance(s, STAGE_JOINED)) {
            return; /* waiting: we had been given up and come back */
        }
    }
    if (spent >= HOLD_MS && s->op_phase < 4) {
        s->op_phase = 4;
        job_set(s, JOB_NONE);
        s->request_open = false;
    }
    if (s->op_phase < 2 && s->sync) {
        s->op_phase = 2; /* no decision is made: our ticket may stay */
    }
    if (s->op_phase < 2) {
        (void)step_poll_ticket(s, true);
    } else if (s->op_phase == 2) {
        ask_hold(s); /* waiting: for the steps under way */
    } else if (s->op_phase == 3) {
        hold_at_rest(s);
    } else if (s->op_phase == 10 || spent >= HOLD_MS + CALL_MS) {
        give_up_hold(s);
    } else {
        ask_release(s, -1);
    }
}

void chief_release_tick(struct session *s)
{
    uint64_t spent = session_now(s) - s->op_ms;
    if (!s->begun || s->ended || s->op_phase == 10) {
        op_well(s);
    } else if (s->stage != STAGE_JOINED && s->op == SESSION_RELEASE) {
        op_well(s); /* whoever gave us up has released the hold */
    } else if (spent >= HOLD_MS) {
        struct crew_err err = {0};
        (void)crew_err_set(&err, CREW_UNAVAILABLE,
                           "ps/0 did not answer within %u s", HOLD_MS / 1000);
        op_done(s, &err);
    } else if (s->stage == STAGE_JOINED || join_advance(s, STAGE_JOINED)) {
        ask_release(s, s->saved_step);
    }
}

/* -------------------------------------------------------------------- STOP */

static void stop_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct link *l = call->self;
    struct session *s = l->s;
    if (job_answered(l, reply, error, err)) {
        const Crew__StopReply *r = (const void *)reply;
        l->done = true;
        if (l->ps == 0) {
            s->evaluator = r->evaluator != 0;
            s->evaluator_done = false;
        }
    } else if (error != NULL && error->exit_code != 0 &&
               l->generation == s->generation) {
        l->done = true; /* it will not listen to us */
    }
    session_tick(s);
}

void stop_start(struct link *l)
{
    struct session *s = l->s;
    Crew__StopRequest q = CREW__STOP_REQUEST__INIT;
    Crew__Identity self;
    Crew__End end = CREW__END__INIT;
    session_self(s, &self, 0);
    end.exit_code = s->end.exit_code;
    end.step = s->end.step;
    end.reason = s->end.reason;
    q.self = &self;
    q.end = &end;
    job_call(l, (struct rpc_call){.on_done = stop_done, .self = l}, RPC_STOP,
             &q.base, CALL_MS);
}

static uint64_t stop_limit(const struct session *s)
{
    return s->o.stop_patience_ms != 0 ? s->o.stop_patience_ms : STOP_MS;
}

/* Every ps has been told, but those that cannot be reached. */
static bool all_told(const struct session *s)
{
    uint64_t now = session_now(s);
    for (int i = 0; i < s->o.num_ps; i++) {
        const struct link *l = &s->links[i];
        uint64_t down = l->port[PEER_CONTROL].down_since_ms;
        bool lost = down != 0 &&
                    (now - s->op_ms >= stop_limit(s) || now - down >= GONE_MS);
        if (!l->done && !lost) {
            return false;
        }
    }
    return true;
}

void chief_stop_tick(struct session *s)
{
    bool late = session_now(s) - s->op_ms >= stop_limit(s);
    if (s->op_phase == 0 || (s->op_phase == 1 && s->job != JOB_STOP)) {
        s->op_phase = 1; /* also when we were given up and came back */
        job_set(s, JOB_STOP);
    }
    job_pump(s);
    if (s->op_phase == 1 && (late || all_told(s))) {
        s->op_phase = 2;
        s->ended = true;
        s->await_wanted = true;
    }
    if (s->op_phase != 2) {
        return; /* waiting: for every ps to know */
    }
    bool gone = s->trainers_known && s->trainers == 0;
    if (late || gone || !s->links[0].done) {
        op_well(s);
    } /* waiting: for the workers to leave */
}

/* ------------------------------------------------------------------- AWAIT */

static void await_done(struct rpc_call *call,
                       const ProtobufCMessage *reply,
                       const Crew__Error *error,
                       const struct crew_err *err)
{
    struct session *s = call->self;
    (void)error;
    s->await.busy = false;
    if (s->closing) {
        return;
    }
    if (reply == NULL) {
        s->await.retry_ms = session_now(s) + RETRY_MS;
        if (err->code == CREW_DEADLINE_EXCEEDED) {
            rpc_peer_reconnect(s->links[0].port[PEER_CONTROL].peer);
        }
        session_tick(s);
        return;
    }
    const Crew__AwaitReply *r = (const void *)reply;
    s->trainers = r->trainers;
    s->trainers_known = true;
    s->evaluator_done = r->evaluator_done || !r->evaluator_expected;
    if (r->result_step != s->evaluation_step || s->evaluation[0] == '\0') {
        (void)snprintf(s->evaluation, sizeof(s->evaluation), "%s", r->result);
        s->evaluation_step = r->result_step;
        if (s->o.on_evaluation != NULL && s->evaluation[0] != '\0') {
            s->o.on_evaluation(s->o.self, s->evaluation_step, s->evaluation);
        }
    }
    session_tick(s);
}

void chief_await_pump(struct session *s)
{
    struct rpc_peer *peer = s->links[0].port[PEER_CONTROL].peer;
    if (!s->await_wanted || s->await.busy ||
        session_now(s) < s->await.retry_ms || !rpc_peer_is_up(peer)) {
        return;
    }
    Crew__AwaitRequest q = CREW__AWAIT_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    q.self = &self;
    s->await.busy = true;
    s->await.call = (struct rpc_call){.on_done = await_done, .self = s};
    rpc_call_start(peer, &s->await.call, RPC_AWAIT, &q.base, AWAIT_LIMIT_MS);
}

void chief_await_tick(struct session *s)
{
    struct crew_err err = {0};
    uint64_t now = session_now(s);
    uint64_t down = s->links[0].port[PEER_CONTROL].down_since_ms;
    s->await_wanted = true;
    if (s->evaluator_done || !s->evaluator) {
        op_well(s);
    } else if (now >= s->await_until_ms) {
        (void)crew_err_set(&err, CREW_DEADLINE_EXCEEDED,
                           "the evaluator has not reported its last export");
        op_done(s, &err);
    } else if (down != 0 && now - down >= HOLD_MS) {
        (void)crew_err_set(&err, CREW_UNAVAILABLE,
                           "ps/0 is gone, and with it news of the evaluator");
        op_done(s, &err);
    }
}
