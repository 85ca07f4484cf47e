/* SPDX-License-Identifier: Apache-2.0
 *
 * Joining the cluster, stage by stage: DECLARE what the model has, LOAD it
 * (chief) or PULL it, READY. Every stage is a job, so it survives lost
 * connections.
 *
 * A worker begins when every ps is READY under one epoch. READY goes to ps 0
 * last: where ps 0 is ready, so are all. A chief that finds all ps so keeps
 * their state, when it is its job's: it has lost nothing but itself. */
#include "base/check.h"
#include "cluster/session_impl.h"
#include "rpc/copy.h"
#include "tensor/tensor.h"

#include "base/banned.h"

#define CALL_MS 15000u
#define LOAD_BASE_MS 30000u
#define LOAD_BYTES_PER_MS 10000u /* 10 MB/s: slower is taken for stuck */
#define BATCH_NAME_BYTES 20000u
#define BATCH_VARS 200u
#define BATCH_GRANULES 1000u

/* Beside variable v. */
static uint32_t num_slots(const struct session *s, uint32_t v)
{
    const struct trainer_var *var = &s->o.vars[v];
    return (uint32_t)optim_num_slots(&s->o.optimizers[var->optimizer]);
}

static uint32_t granule_slots(const struct session *s, uint32_t id)
{
    return num_slots(s, s->placement->granules[id].variable);
}

/* ----------------------------------------------------------------- DECLARE */

/* The options' optimizers outlive the message. */
static void fill_optimizer(const struct crew_optimizer *o, Crew__Optimizer *m)
{
    size_t n = (size_t)o->schedule.num_boundaries;
    crew__optimizer__init(m);
    m->kind = (uint32_t)o->kind;
#define OPTIM_FIELD(member, name, type) m->name = o->member;
#include "optim/fields.h"
#undef OPTIM_FIELD
    m->n_boundaries = n;
    m->boundaries = (int64_t *)(uintptr_t)o->schedule.boundaries;
    m->n_values = n > 0 ? n + 1 : 0;
    m->values = (float *)(uintptr_t)o->schedule.values;
}

void declare_describe(struct session *s)
{
    for (int i = 0; i < s->o.num_optimizers; i++) {
        fill_optimizer(&s->o.optimizers[i], &s->optimizers[i]);
        s->optimizer_list[i] = &s->optimizers[i];
    }
}

/* As many variables as surely fit a header. */
static uint32_t batch_of_vars(const struct session *s, uint32_t at)
{
    uint32_t n = 0;
    size_t bytes = 0;
    while (at + n < (uint32_t)s->o.num_vars && n < BATCH_VARS) {
        for (const char *c = s->o.vars[at + n].name; *c != '\0'; c++) {
            bytes++;
        }
        if (n > 0 && bytes > BATCH_NAME_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

static void declare_done(struct rpc_call *call,
                         const ProtobufCMessage *reply,
                         const Crew__Error *error,
                         const struct crew_err *err)
{
    struct link *l = call->self;
    struct session *s = l->s;
    if (job_answered(l, reply, error, err)) {
        l->var_at += l->vars_sent;
        l->granule_at += l->granules_sent;
        l->done = l->var_at == (uint32_t)s->o.num_vars &&
                  l->granule_at == l->num_granules;
    } else {
        l->declare_seq = 0; /* from the start */
    }
    session_tick(s);
}

void declare_start(struct link *l)
{
    struct session *s = l->s;
    Crew__DeclareRequest q = CREW__DECLARE_REQUEST__INIT;
    Crew__Identity self;
    if (l->declare_seq == 0) {
        l->var_at = 0;
        l->granule_at = 0;
    }
    uint32_t left = l->num_granules - l->granule_at;
    l->vars_sent = batch_of_vars(s, l->var_at);
    bool all_vars = l->var_at + l->vars_sent == (uint32_t)s->o.num_vars;
    l->granules_sent = !all_vars               ? 0
                       : left < BATCH_GRANULES ? left
                                               : BATCH_GRANULES;
    session_self(s, &self, ++l->declare_seq);
    q.self = &self;
    q.n_variables = l->vars_sent;
    q.variables = &s->variable_list[l->var_at];
    q.n_granules = l->granules_sent;
    q.granules = &l->declared_list[l->granule_at];
    q.n_optimizers = (size_t)s->o.num_optimizers;
    q.optimizers = s->optimizer_list;
    q.last = all_vars && l->granules_sent == left;
    q.keep = session_keeps(s);
    if (s->job_dir != NULL) {
        q.job = (char *)(uintptr_t)s->job_dir;
    }
    job_call(l, (struct rpc_call){.on_done = declare_done, .self = l},
             RPC_DECLARE, &q.base, CALL_MS);
}

/* -------------------------------------------------------------------- LOAD */

static void load_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct link *l = call->self;
    if (job_answered(l, reply, error, err)) {
        const Crew__LoadReply *r = (const void *)reply;
        l->done = r->granules == l->num_granules;
        if (!l->done) {
            job_retry(l);
        }
    }
    session_tick(l->s);
}

static void load_granule(struct link *l, uint32_t i, uint32_t slot, bool end)
{
    struct session *s = l->s;
    uint32_t id = l->granules[i];
    const struct granule *g = &s->placement->granules[id];
    const struct trainer_var *v = &s->o.vars[g->variable];
    const float *from = slot == 0 ? v->value : v->slot[slot - 1];
    Crew__LoadPart part = CREW__LOAD_PART__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    part.self = &self;
    part.granule = id;
    part.slot = slot;
    part.beta1_power = s->powers[v->optimizer].beta1_power;
    part.beta2_power = s->powers[v->optimizer].beta2_power;
    rpc_call_part(&l->call, &part.base, from + g->offset,
                  (size_t)g->count * sizeof(float), true, end);
}

static uint64_t load_limit(const struct link *l)
{
    int64_t bytes = placement_bytes(l->s->placement, l->ps);
    return LOAD_BASE_MS +
           (uint64_t)bytes * (1 + OPTIM_MAX_SLOTS) / LOAD_BYTES_PER_MS;
}

void load_start(struct link *l)
{
    struct session *s = l->s;
    Crew__LoadRequest q = CREW__LOAD_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    q.self = &self;
    job_call(l, (struct rpc_call){.on_done = load_done, .self = l}, RPC_LOAD,
             &q.base, load_limit(l));
    for (uint32_t i = 0; i < l->num_granules; i++) {
        uint32_t slots = granule_slots(s, l->granules[i]);
        for (uint32_t k = 0; k <= slots; k++) {
            load_granule(l, i, k, i + 1 == l->num_granules && k == slots);
        }
    }
}

/* ------------------------------------------------------------------- READY */

void ready_start(struct link *l)
{
    struct session *s = l->s;
    for (int i = 1; l->ps == 0 && i < s->o.num_ps; i++) {
        if (!s->links[i].done) {
            return; /* ps 0 last */
        }
    }
    Crew__ReadyRequest q = CREW__READY_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    q.self = &self;
    q.global_step = s->start_step;
    q.max_steps = s->o.max_steps;
    q.save_checkpoints_steps = s->o.save_checkpoints_steps;
    q.save_checkpoints_secs = s->o.save_checkpoints_secs;
    q.keep = session_keeps(s);
    job_call(l, (struct rpc_call){.on_done = job_done, .self = l}, RPC_READY,
             &q.base, CALL_MS);
}

/* -------------------------------------------------------------------- PULL */

static uint32_t parts_wanted(const struct link *l)
{
    uint32_t n = l->num_granules;
    for (uint32_t i = 0; l->s->with_slots && i < l->num_granules; i++) {
        n += granule_slots(l->s, l->granules[i]);
    }
    return n;
}

/* Where a value of this link belongs; NULL: not expected. */
static float *place_of(const struct link *l,
                       const Crew__ValuePart *part,
                       uint64_t bytes)
{
    const struct session *s = l->s;
    const struct placement *pl = s->placement;
    if (part == NULL || l->generation != s->generation || s->closing ||
        part->granule >= pl->num_granules ||
        part->slot > granule_slots(s, part->granule)) {
        return NULL;
    }
    const struct granule *g = &pl->granules[part->granule];
    const struct trainer_var *v = &s->o.vars[g->variable];
    float *base = part->slot == 0 ? v->value : v->slot[part->slot - 1];
    if (g->ps != (uint32_t)l->ps || base == NULL ||
        !rows_part_fits(l, part, bytes)) {
        return NULL;
    }
    return part->rows ? l->landing : base + g->offset;
}

static void *pull_dest(struct rpc_call *call, const struct rpc_in *in)
{
    const Crew__ValuePart *part =
        (const void *)rpc_call_unpack(call, &crew__value_part__descriptor, in);
    return place_of(call->self, part, in->head.payload_len);
}

static void pull_part(struct rpc_call *call, const struct rpc_in *in)
{
    struct link *l = call->self;
    struct session *s = l->s;
    const Crew__ValuePart *part =
        (const void *)rpc_call_unpack(call, &crew__value_part__descriptor, in);
    if (place_of(l, part, in->head.payload_len) == NULL ||
        !rows_take(l, part, in->head.payload_len)) {
        return;
    }
    uint8_t *got =
        &l->got[s->place_in_link[part->granule] * (1 + OPTIM_MAX_SLOTS) +
                part->slot];
    l->num_got += *got == 0;
    *got = 1;
    l->progress_ms = session_now(s);
    /* At a step boundary all granules of an optimizer have the same powers. */
    if (s->with_slots) {
        const struct granule *g = &s->placement->granules[part->granule];
        s->powers[s->o.vars[g->variable].optimizer] =
            (struct optim_powers){part->beta1_power, part->beta2_power};
    }
}

static void pull_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct link *l = call->self;
    struct session *s = l->s;
    if (job_answered(l, reply, error, err)) {
        const Crew__PullReply *r = (const void *)reply;
        l->done = l->num_got == parts_wanted(l);
        if (!l->done) {
            job_retry(l);
        } else if (s->sync) {
            l->values_step = r->global_step;
        }
    }
    session_tick(l->s);
}

void pull_start(struct link *l)
{
    struct session *s = l->s;
    Crew__PullRequest q = CREW__PULL_REQUEST__INIT;
    Crew__Identity self;
    session_self(s, &self, 0);
    q.self = &self;
    q.slots = s->with_slots;
    q.update = sync_update_of(s);
    if (!q.slots && l->num_tables > 0) {
        q.n_versions = rows_versions(l, &q.versions);
    }
    for (uint32_t i = 0; i < l->num_granules * (1 + OPTIM_MAX_SLOTS); i++) {
        l->got[i] = 0;
    }
    l->num_got = 0;
    job_call(l,
             (struct rpc_call){.payload_dest = pull_dest,
                               .on_part = pull_part,
                               .on_done = pull_done,
                               .self = l},
             RPC_PULL, &q.base, 0);
}

/* ------------------------------------------------------------------ stages */

/* Every ps is READY, under one epoch. */
static bool cluster_ready(const struct session *s)
{
    for (int i = 0; i < s->o.num_ps; i++) {
        const struct link *l = &s->links[i];
        if (l->phase != CREW__PHASE__READY || l->epoch != s->links[0].epoch) {
            return false;
        }
    }
    return true;
}

static void enter(struct session *s, enum session_stage stage, enum job job)
{
    s->stage = stage;
    s->with_slots = false;
    job_set(s, job);
}

static bool connect_advance(struct session *s)
{
    bool chief = s->o.role == ROLE_CHIEF, takes = !chief || session_keeps(s);
    if (!links_up(s)) {
        return false;
    }
    if (takes && !cluster_ready(s)) {
        s->declined = session_keeps(s);
        return false;
    }
    if (takes) {
        s->epoch = s->links[0].epoch;
    }
    if (chief && s->begun) {
        enter(s, STAGE_PULL, JOB_PULL);
    } else {
        enter(s, STAGE_DECLARE, JOB_DECLARE);
    }
    return true;
}

static void joined(struct session *s)
{
    s->stage = STAGE_JOINED;
    s->begun = true;
    s->job = JOB_NONE;
    s->completed = s->seq;
    s->await_wanted = s->o.role == ROLE_CHIEF;
    if (s->links[0].global_step > s->global_step || s->o.role != ROLE_CHIEF) {
        s->global_step = s->links[0].global_step;
    }
}

/* One step on; false: nothing can be done now. */
static bool advance(struct session *s)
{
    bool chief = s->o.role == ROLE_CHIEF;
    if (s->stage == STAGE_CONNECT) {
        return connect_advance(s);
    }
    if (s->stage == STAGE_LOADED) {
        enter(s, STAGE_READY, JOB_READY);
    }
    job_pump(s);
    if (!job_all_done(s)) {
        return false;
    }
    switch (s->stage) {
        case STAGE_DECLARE:
            if (session_keeps(s)) {
                enter(s, STAGE_READY, JOB_READY);
            } else if (chief) {
                enter(s, STAGE_LOAD, JOB_LOAD);
            } else {
                enter(s, STAGE_PULL, JOB_PULL);
            }
            break;
        case STAGE_LOAD:
            enter(s, STAGE_LOADED, JOB_NONE);
            break;
        case STAGE_READY:
            if (session_keeps(s)) {
                enter(s, STAGE_PULL, JOB_PULL);
            } else {
                joined(s);
            }
            break;
        case STAGE_PULL:
            joined(s);
            break;
        default:
            break;
    }
    return true;
}

bool join_advance(struct session *s, enum session_stage goal)
{
    while (s->stage < goal) {
        if (!advance(s)) {
            return false;
        }
    }
    return true;
}
