/* SPDX-License-Identifier: Apache-2.0
 *
 * PUSH_PULL. Each part is judged and applied alone, as soon as it is in; the
 * new values go out of the variables' own memory. So a push cut in the middle
 * and sent again applies every granule once, and no push is ever kept here.
 *
 * Happy path: request -> (part: buffer, apply)* -> last part: a ValuePart a
 * granule, lowest layers first, and the reply, on ps 0 with a ticket.
 *
 * The values wait for the last part so that they are as new as they can be:
 * those of the top layers, whose gradients come first, would otherwise be older
 * than the whole backward pass, and lack what other trainers do meanwhile:
 * with two, each gradient would meet a change of the other's. A trainer that
 * is alone is answered part by part: its values come down while it computes.
 *
 * In synchronous training a part waits here for the decision of ps 0 (stage.c)
 * and is not answered; the reply says how many granules wait.
 *
 * Failure modes:
 * - Fenced, an old epoch, not ready, ended: one error for the call; its parts
 * are read and dropped.
 * - A duplicate: not applied; answered as if it had been.
 * - A part of a call that is not the newest of its connection (the network has
 * doubled a frame): judged as any other, but not answered.
 * - Synchronous, and the update has been made already: not taken in; the
 * answer says that it is late.
 * - Rows of a table that do not ascend or are not there: an error for the call;
 * nothing of that part is applied.
 * - Wrong CRC, wrong size, no such granule, a rate that is no number: the
 * connection is closed; the
 * trainer comes back and sends the step again. */
#include <stdlib.h>

#include "base/mem.h"
#include "ps_impl.h"

#include "base/banned.h"

void *link_buffer(struct link *l, uint64_t size)
{
    const struct shard *s = l->ps->shard;
    uint64_t most = s != NULL ? s->max_bytes : 0;
    if (size > most) {
        return NULL;
    }
    if (size > l->buffer_size) {
        struct crew_err err = {0};
        void *p = NULL;
        if (mem_try(1, most, "a gradient", &p, &err) != CREW_OK) {
            return NULL;
        }
        free(l->buffer);
        l->buffer = p;
        l->buffer_size = most;
    }
    return l->buffer;
}

static void refuse_call(struct link *l,
                        uint64_t call_id,
                        const struct refusal *r)
{
    if (call_id == l->push_call && call_id != l->refused_call) {
        l->refused_call = call_id;
        link_error(l, RPC_PUSH_PULL, call_id, r);
    }
}

static int trainers_alive(const struct ps *ps)
{
    int n = 0;
    for (int i = 0; i < ps->members.num; i++) {
        const struct member *m = &ps->members.all[i];
        n += m->alive && m->role != MEMBER_EVALUATOR;
    }
    return n;
}

void push_request(struct link *l,
                  uint64_t call_id,
                  const Crew__PushPullRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    if (call_id <= l->push_call) {
        return; /* a double */
    }
    l->push_call = call_id;
    l->alone = trainers_alive(ps) <= 1;
    answer_begin(&l->answers, ps->shard);
    if (!judge_state(ps, q->self, false, &member, &r)) {
        refuse_call(l, call_id, &r);
        return;
    }
    struct crew_err err = {0};
    if (ps->stage != NULL && stage_room(ps->stage, member, &err) != CREW_OK) {
        refuse_err(&r, &err);
        refuse_call(l, call_id, &r);
        return;
    }
    if (ps->o.index == 0 && q->completed != 0) {
        meet_count(ps, member, q->completed);
        meet_flush(ps);
    }
}

/* A rate that the rule cannot take would break the variable for good. */
static bool sound(const struct shard_granule *g, const Crew__PushPart *part)
{
    struct crew_err ignored = {0};
    return part->global_step >= 0 &&
           optim_check_rate(g->optimizer, part->learning_rate,
                            part->global_step, &ignored) == CREW_OK;
}

void *push_dest(struct link *l, const struct rpc_in *in)
{
    const Crew__PushPart *part = (const Crew__PushPart *)rpc_session_unpack(
        l->session, &crew__push_part__descriptor, in->header,
        in->head.header_len);
    if (part == NULL) {
        return NULL;
    }
    const struct shard_granule *g = shard_find(l->ps->shard, part->granule);
    if (g == NULL || !sound(g, part) || !shard_fits(g, in->head.payload_len)) {
        return NULL;
    }
    return link_buffer(l, in->head.payload_len);
}

static void answer_granule(struct link *l,
                           uint64_t call_id,
                           const struct shard_granule *g)
{
    Crew__ValuePart value = CREW__VALUE_PART__INIT;
    answer_value(&l->answers, l->session, RPC_PUSH_PULL, call_id, g,
                 answer_noted(&l->answers, l->ps->shard, g), &value, false);
}

/* Of the step's granules: what has got lost on the way is not answered, so that
 * it is sent again. */
static void answer_all_values(struct link *l,
                              uint64_t call_id,
                              int member,
                              uint64_t seq)
{
    const struct shard *s = l->ps->shard;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        if (shard_has(s, &s->granules[i], member, seq)) {
            answer_granule(l, call_id, &s->granules[i]);
        }
    }
}

/* The ticket for the step after the one just pushed. */
static void answer_end(struct link *l,
                       uint64_t call_id,
                       int member,
                       uint64_t seq)
{
    struct ps *ps = l->ps;
    Crew__PushPullReply reply = CREW__PUSH_PULL_REPLY__INIT;
    Crew__Ticket ticket = CREW__TICKET__INIT;
    if (ps->o.index == 0) {
        enum steps_grant g =
            steps_ask_ahead(&ps->steps, member, seq, ps_now(ps));
        ticket.grant =
            g == STEPS_GO ? CREW__TICKET__GRANT__GO : CREW__TICKET__GRANT__WAIT;
        ticket.global_step = ps->steps.global_step;
        reply.ticket = &ticket;
    }
    rpc_reply(l->session, RPC_PUSH_PULL, call_id, &reply.base);
}

/* A gradient as it has arrived: of a table, or whole. */
struct arrived {
    struct shard_granule *g;
    const float *whole;
    struct optim_rows rows;
};

/* False: the part is of no granule, or its rows are not sound, which is said.
 */
static bool read_gradient(struct link *l,
                          const struct rpc_in *in,
                          const Crew__PushPart *part,
                          const void *payload,
                          struct arrived *out)
{
    struct crew_err err = {0};
    struct refusal r;
    out->g = shard_find(l->ps->shard, part->granule);
    out->whole = payload;
    if (out->g == NULL) {
        return false;
    }
    if (out->g->width == 0) {
        return payload != NULL;
    }
    if (in->head.payload_len > 0 && payload == NULL) {
        return false;
    }
    if (!sound(out->g, part) || !shard_fits(out->g, in->head.payload_len)) {
        return false;
    }
    if (shard_read_rows(out->g, payload, in->head.payload_len, &out->rows,
                        &err) != CREW_OK) {
        refuse_err(&r, &err);
        refuse_call(l, in->head.call_id, &r);
        return false;
    }
    return true;
}

static void apply(struct link *l,
                  int member,
                  const struct arrived *a,
                  const Crew__PushPart *part)
{
    struct ps *ps = l->ps;
    struct shard_granule *g = a->g;
    const Crew__Identity *who = part->self;
    bool fresh =
        g->width > 0
            ? shard_apply_rows(ps->shard, g, member, who->seq,
                               part->learning_rate, part->global_step, &a->rows)
            : shard_apply(ps->shard, g, member, who->seq, part->learning_rate,
                          part->global_step, a->whole);
    if (fresh && ps->o.probe.applied != NULL) {
        ps->o.probe.applied(ps->o.probe.self, (int)who->role, who->index,
                            who->incarnation, who->seq, g->id);
    }
}

/* Synchronous: how much of the step waits here. */
static void answer_staged(struct link *l,
                          uint64_t call_id,
                          int member,
                          const Crew__PushPart *last)
{
    const struct stage *s = l->ps->stage;
    Crew__PushPullReply reply = CREW__PUSH_PULL_REPLY__INIT;
    reply.staged =
        stage_count(s, member, last->self->incarnation, last->self->seq);
    reply.late = last->global_step < s->step;
    rpc_reply(l->session, RPC_PUSH_PULL, call_id, &reply.base);
}

static void stage_part(struct link *l,
                       uint64_t call_id,
                       int member,
                       const Crew__PushPart *part,
                       const struct arrived *a)
{
    struct stage *s = l->ps->stage;
    struct stage_tag tag = {.incarnation = part->self->incarnation,
                            .seq = part->self->seq,
                            .step = part->global_step,
                            .batches = part->batch + 1,
                            .learning_rate = part->learning_rate};
    if (s->sums[member] == NULL) {
        return;
    }
    enum stage_answer answer =
        a->g->width > 0 ? stage_add_rows(s, a->g, member, &tag, &a->rows)
                        : stage_add(s, a->g, member, &tag, a->whole);
    if (answer != STAGE_WRONG) {
        return;
    }
    struct refusal r;
    refuse(&r, CREW_INTERNAL, 70, CREW__REFUSAL__NONE,
           "batch %u of step %lld cannot come now, at step %lld", part->batch,
           (long long)part->global_step, (long long)s->step);
    refuse_call(l, call_id, &r);
}

static bool is_answered(const struct link *l, uint64_t call_id)
{
    return call_id == l->push_call && call_id != l->refused_call;
}

void push_part(struct link *l, const struct rpc_in *in, void *payload)
{
    struct ps *ps = l->ps;
    uint64_t call_id = in->head.call_id;
    bool last = (in->head.flags & RPC_FLAG_END) != 0;
    const Crew__PushPart *part = (const Crew__PushPart *)rpc_session_unpack(
        l->session, &crew__push_part__descriptor, in->header,
        in->head.header_len);
    struct arrived a;
    struct refusal r;
    int member = -1;
    if (part == NULL || !link_speaks(l, part->self)) {
        return;
    }
    if (!judge_state(ps, part->self, false, &member, &r)) {
        refuse_call(l, call_id, &r);
        return;
    }
    bool have = read_gradient(l, in, part, payload, &a);
    bool answer = is_answered(l, call_id);
    if (have && ps->stage != NULL) {
        stage_part(l, call_id, member, part, &a);
    } else if (have) {
        apply(l, member, &a, part);
        if (answer) {
            answer_note(&l->answers, ps->shard, a.g, part->version);
        }
        if (answer && l->alone) {
            answer_granule(l, call_id, a.g);
        }
    }
    if (!last || !is_answered(l, call_id)) {
        return;
    }
    if (ps->stage != NULL) {
        answer_staged(l, call_id, member, part);
    } else {
        if (!l->alone) {
            answer_all_values(l, call_id, member, part->self->seq);
        }
        answer_end(l, call_id, member, part->self->seq);
    }
}
