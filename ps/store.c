/* SPDX-License-Identifier: Apache-2.0
 *
 * How the state gets here and out again: DECLARE, LOAD, READY, PULL.
 *
 *   EMPTY --DECLARE of the chief, complete--> LOADING --READY--> READY
 *   any   --DECLARE with a higher epoch-----> LOADING
 *   READY --DECLARE, then READY, to keep----> READY
 *
 * A chief that comes back to its own job keeps the state, and nothing is rolled
 * back. One that loads the same model anew does so into the same memory, so
 * its return costs none. With another model the old memory is kept until the
 * connections are gone that may still send from it.
 *
 * Everything may be repeated: DECLARE and READY of the current epoch change
 * nothing a second time; a LOAD that comes after READY is not taken in. */
#include <stdlib.h>
#include <string.h>

#include "ps_impl.h"

#include "base/mem.h"

#include "base/banned.h"

static void fail(struct link *l,
                 enum rpc_method method,
                 uint64_t call_id,
                 const struct crew_err *err)
{
    struct refusal r;
    refuse_err(&r, err);
    link_error(l, method, call_id, &r);
}

void store_release(struct ps *ps)
{
    stage_free(ps->stage);
    ps->stage = NULL;
    shard_free(ps->shard);
    ps->shard = NULL;
    declare_release(&ps->declaration);
    free(ps->job);
    ps->job = NULL;
}

void grave_leave(struct link *l)
{
    struct grave *g = l->grave;
    l->grave = NULL;
    if (g != NULL && --g->links == 0) {
        shard_free(g->shard);
        free(g);
    }
}

/* The old shard's bytes may be queued on any data connection but `keep`. */
static void bury(struct ps *ps, struct link *keep)
{
    struct grave *g = xcalloc(1, sizeof(*g));
    g->shard = ps->shard;
    ps->shard = NULL;
    for (struct link *l = ps->links; l != NULL; l = l->next) {
        if (l != keep && !l->control && l->grave == NULL) {
            l->grave = g;
            g->links++;
            link_close(l);
        }
    }
    if (g->links == 0) {
        shard_free(g->shard);
        free(g);
    }
}

static bool same_as_now(const struct ps *ps, const struct declaration *d)
{
    struct crew_err ignored = {0};
    return ps->shard != NULL &&
           replicas_sync(&ps->replicas) == (ps->stage != NULL) &&
           declare_compare(&ps->declaration, d, &ignored) == CREW_OK;
}

/* Memory for what is declared; with places for gradients that wait when
 * training is synchronous. */
static int make_room(const struct ps *ps,
                     const struct declaration *d,
                     struct shard **shard,
                     struct stage **stage,
                     struct crew_err *err)
{
    int rc = shard_new(d->optimizers, d->num_optimizers, d->places,
                       d->num_places, ps->members.num, shard, err);
    if (rc == CREW_OK && replicas_sync(&ps->replicas)) {
        rc = stage_new(*shard, stage, err);
        if (rc != CREW_OK) {
            shard_free(*shard);
        }
    }
    return rc;
}

/* The chief's declaration is complete: from here on it is the state. */
static int make_state(struct link *l,
                      const Crew__DeclareRequest *q,
                      struct crew_err *err)
{
    struct ps *ps = l->ps;
    struct declaration *d = &l->declaration;
    if (same_as_now(ps, d)) {
        shard_restart(ps->shard);
    } else {
        struct shard *fresh = NULL;
        struct stage *stage = NULL;
        if (make_room(ps, d, &fresh, &stage, err) != CREW_OK) {
            return crew_err_wrap(err, "ps/%u", ps->o.index);
        }
        stage_free(ps->stage); /* nothing of it is ever sent */
        if (ps->shard != NULL) {
            bury(ps, l);
        }
        ps->shard = fresh;
        ps->stage = stage;
        declare_release(&ps->declaration);
        ps->declaration = *d;
        declare_init(d);
    }
    free(ps->job);
    ps->job = xstrdup(q->job);
    ps->epoch = q->self->epoch;
    ps->phase = CREW__PHASE__LOADING;
    steps_halt(&ps->steps);
    sync_halt(&ps->sync);
    meet_flush(ps); /* who waits for a ticket of the old epoch is told to ask */
    return CREW_OK;
}

static int declared(struct link *l,
                    const Crew__DeclareRequest *q,
                    struct crew_err *err)
{
    struct ps *ps = l->ps;
    if (q->self->epoch > ps->epoch) {
        return make_state(l, q, err);
    }
    int rc =
        q->keep ? settings_compare(&ps->trained, &ps->replicas, err) : CREW_OK;
    return rc ? rc : declare_compare(&ps->declaration, &l->declaration, err);
}

static void reply_declared(struct link *l, uint64_t call_id)
{
    Crew__DeclareReply reply = CREW__DECLARE_REPLY__INIT;
    reply.epoch = l->ps->epoch;
    rpc_reply(l->session, RPC_DECLARE, call_id, &reply.base);
}

/* Is the state here of the chief's job? */
static bool judge_job(const struct ps *ps,
                      const Crew__DeclareRequest *q,
                      struct refusal *r)
{
    if (strcmp(ps->job, q->job) == 0) {
        return true;
    }
    refuse(r, CREW_FAILED_PRECONDITION, 138, CREW__REFUSAL__OTHER_JOB,
           "it holds the state of the job in %.200s, not in %.200s", ps->job,
           q->job);
    r->error.epoch = ps->epoch;
    return false;
}

static bool judge_declare(struct ps *ps,
                          const Crew__DeclareRequest *q,
                          struct refusal *r)
{
    int member = -1;
    const Crew__Identity *who = q->self;
    if (who->role != CREW__ROLE__ROLE_CHIEF) {
        return judge_state(ps, who, true, &member, r);
    }
    if (q->keep &&
        (!judge_state(ps, who, false, &member, r) || !judge_job(ps, q, r))) {
        return false;
    }
    if (!judge_incarnation(ps, who, &member, r)) {
        return false;
    }
    if (ps->end.phase != END_RUNNING) {
        refuse(r, CREW_OUT_OF_RANGE, 0, CREW__REFUSAL__STOPPED,
               "the job has ended: %s", ps->end.reason);
        return false;
    }
    if (who->epoch < ps->epoch || who->epoch == 0) {
        refuse(r, CREW_ABORTED, 138, CREW__REFUSAL__STALE_EPOCH,
               "epoch %llu is over: epoch %llu has another owner; this chief "
               "stops",
               (unsigned long long)who->epoch, (unsigned long long)ps->epoch);
        r->error.epoch = ps->epoch;
        return false;
    }
    return who->epoch > ps->epoch || judge_job(ps, q, r);
}

void store_declare(struct link *l,
                   uint64_t call_id,
                   const Crew__DeclareRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    struct crew_err err = {0};
    if (!judge_declare(ps, q, &r)) {
        link_error(l, RPC_DECLARE, call_id, &r);
        return;
    }
    int rc = declare_add(&l->declaration, q, &err);
    if (rc == CREW_OK && l->declaration.complete && q->last) {
        rc = declared(l, q, &err);
        declare_release(&l->declaration);
    }
    if (rc != CREW_OK) {
        fail(l, RPC_DECLARE, call_id, &err);
        return;
    }
    reply_declared(l, call_id);
}

void store_load(struct link *l, uint64_t call_id, const Crew__LoadRequest *q)
{
    struct refusal r;
    if (!judge_chief(l->ps, q->self, true, &r)) {
        link_error(l, RPC_LOAD, call_id, &r);
        return;
    }
    const struct shard *s = l->ps->shard;
    if (s->num_granules == 0 || l->ps->phase == CREW__PHASE__READY) {
        /* Nothing to load, or it is done: a chief that was fenced meanwhile
         * asks again. */
        Crew__LoadReply reply = CREW__LOAD_REPLY__INIT;
        reply.granules = shard_loaded(s);
        rpc_reply(l->session, RPC_LOAD, call_id, &reply.base);
        return;
    }
    l->load_call = call_id;
}

/* The place of a LOAD's values, and its granule; NULL when it may not write. */
static float *load_place(struct link *l,
                         const struct rpc_in *in,
                         const Crew__LoadPart **part,
                         struct shard_granule **g)
{
    struct ps *ps = l->ps;
    struct refusal r;
    const Crew__LoadPart *p = (const Crew__LoadPart *)rpc_session_unpack(
        l->session, &crew__load_part__descriptor, in->header,
        in->head.header_len);
    if (p == NULL || ps->phase != CREW__PHASE__LOADING ||
        !link_speaks(l, p->self) || !judge_chief(ps, p->self, true, &r)) {
        return NULL;
    }
    *part = p;
    *g = shard_find(ps->shard, p->granule);
    if (*g == NULL ||
        in->head.payload_len != (uint64_t)(*g)->count * sizeof(float)) {
        return NULL;
    }
    return shard_slot(*g, p->slot);
}

void *store_load_dest(struct link *l, const struct rpc_in *in)
{
    const Crew__LoadPart *part = NULL;
    struct shard_granule *g = NULL;
    float *place = load_place(l, in, &part, &g);
    return place != NULL ? (void *)place : link_buffer(l, in->head.payload_len);
}

void store_load_part(struct link *l, const struct rpc_in *in, void *payload)
{
    const Crew__LoadPart *part = NULL;
    struct shard_granule *g = NULL;
    float *place = load_place(l, in, &part, &g);
    if (place == NULL || payload != place) {
        return; /* late, or not the chief's: it lies in the buffer */
    }
    shard_set_loaded(g, part->slot);
    if (part->slot == 0) {
        g->powers = (struct optim_powers){part->beta1_power, part->beta2_power};
    }
    if ((in->head.flags & RPC_FLAG_END) != 0 &&
        in->head.call_id == l->load_call) {
        Crew__LoadReply reply = CREW__LOAD_REPLY__INIT;
        reply.granules = shard_loaded(l->ps->shard);
        rpc_reply(l->session, RPC_LOAD, in->head.call_id, &reply.base);
    }
}

/* The state goes on, under a chief that may have other goals. */
static void go_on(struct ps *ps, const Crew__ReadyRequest *q)
{
    steps_goals(&ps->steps, q->max_steps, q->save_checkpoints_steps,
                q->save_checkpoints_secs);
    ps_notice(ps, LOG_INFO, "the chief is back; on from step %lld, epoch %llu",
              (long long)ps->steps.global_step, (unsigned long long)ps->epoch);
    meet_flush(ps);
}

static void begin(struct ps *ps, const Crew__ReadyRequest *q)
{
    ps->phase = CREW__PHASE__READY;
    ps->trained = ps->replicas;
    steps_begin(&ps->steps, q->global_step, q->max_steps,
                q->save_checkpoints_steps, q->save_checkpoints_secs,
                ps_now(ps));
    const struct replicas *replicas = &ps->replicas;
    steps_bound(&ps->steps, replicas->bounded ? replicas->max_staleness : -1);
    sync_begin(&ps->sync, replicas, q->global_step, ps_now(ps));
    if (ps->stage != NULL) {
        stage_begin(ps->stage, q->global_step);
    }
    ps_notice(ps, LOG_INFO, "ready at step %lld, epoch %llu",
              (long long)q->global_step, (unsigned long long)ps->epoch);
    if (ps->o.probe.ready != NULL) {
        ps->o.probe.ready(ps->o.probe.self, ps->epoch, q->global_step);
    }
}

void store_ready(struct link *l, uint64_t call_id, const Crew__ReadyRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    if (!judge_chief(ps, q->self, true, &r)) {
        link_error(l, RPC_READY, call_id, &r);
        return;
    }
    if (shard_loaded(ps->shard) != ps->shard->num_granules) {
        refuse(&r, CREW_FAILED_PRECONDITION, 0, CREW__REFUSAL__NONE,
               "READY before all values are loaded");
        link_error(l, RPC_READY, call_id, &r);
        return;
    }
    if (q->keep && ps->phase == CREW__PHASE__READY) {
        go_on(ps, q);
    } else if (ps->phase == CREW__PHASE__LOADING) {
        begin(ps, q);
    }
    Crew__ReadyReply reply = CREW__READY_REPLY__INIT;
    rpc_reply(l->session, RPC_READY, call_id, &reply.base);
}

/* The values, and the slots for a save: nothing changes meanwhile, so that they
 * can be covered. */
static void send_granule(struct link *l,
                         uint64_t call_id,
                         struct shard_granule *g,
                         uint64_t version,
                         bool slots)
{
    for (uint32_t k = 0; k < (slots ? shard_parts(g) : 1); k++) {
        Crew__ValuePart part = CREW__VALUE_PART__INIT;
        part.granule = g->id;
        part.slot = k;
        part.beta1_power = g->powers.beta1_power;
        part.beta2_power = g->powers.beta2_power;
        if (k == 0) {
            answer_value(&l->answers, l->session, RPC_PULL, call_id, g, version,
                         &part, slots);
        } else {
            rpc_reply_part(l->session, RPC_PULL, call_id, &part.base,
                           shard_slot(g, k), (size_t)g->count * sizeof(float),
                           slots);
        }
    }
}

void store_pull(struct link *l, uint64_t call_id, const Crew__PullRequest *q)
{
    struct ps *ps = l->ps;
    struct refusal r;
    int member = -1;
    if (!judge_state(ps, q->self, false, &member, &r) ||
        !update_make(ps, q->update, &r)) {
        link_error(l, RPC_PULL, call_id, &r);
        return;
    }
    const struct shard *s = ps->shard;
    size_t tables = 0;
    answer_begin(&l->answers, s);
    for (uint32_t i = 0; i < s->num_granules; i++) {
        struct shard_granule *g = &s->granules[i];
        bool known = g->width > 0 && !q->slots && tables < q->n_versions;
        send_granule(l, call_id, g, known ? q->versions[tables] : 0, q->slots);
        tables += g->width > 0;
    }
    Crew__PullReply reply = CREW__PULL_REPLY__INIT;
    reply.granules = s->num_granules;
    reply.global_step = ps->stage != NULL ? ps->stage->step : 0;
    rpc_reply(l->session, RPC_PULL, call_id, &reply.base);
}
