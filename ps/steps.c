/* SPDX-License-Identifier: Apache-2.0
 * Tickets and the counting of steps. */
#include "steps.h"

#include <stdlib.h>

#include "base/mem.h"

#include "base/banned.h"

/* How long trainers go on without a chief when no save policy says. */
#define DEFAULT_SAVE_MS 600000u

void steps_init(struct steps *s, int num_members)
{
    *s = (struct steps){.num = num_members,
                        .max_steps = -1,
                        .saved_step = -1,
                        .max_staleness = -1};
    s->trainers = xcalloc((size_t)num_members, sizeof(s->trainers[0]));
    for (int i = 0; i < num_members; i++) {
        s->trainers[i].fresh = true;
    }
}

void steps_release(struct steps *s)
{
    free(s->trainers);
    s->trainers = NULL;
}

void steps_begin(struct steps *s,
                 int64_t global_step,
                 int64_t max_steps,
                 int64_t save_steps,
                 double save_secs,
                 uint64_t now)
{
    s->running = true;
    s->hold = false;
    s->global_step = global_step;
    steps_goals(s, max_steps, save_steps, save_secs);
    s->policy_step = global_step;
    s->policy_ms = now;
    for (int i = 0; i < s->num; i++) {
        steps_reset(s, i);
    }
}

void steps_goals(struct steps *s,
                 int64_t max_steps,
                 int64_t save_steps,
                 double save_secs)
{
    s->max_steps = max_steps;
    s->save_steps = save_steps;
    s->save_ms = save_secs > 0 ? (uint64_t)(save_secs * 1000.0) : 0;
    if (save_steps <= 0 && s->save_ms == 0) {
        s->save_ms = DEFAULT_SAVE_MS;
    }
}

void steps_halt(struct steps *s)
{
    s->running = false;
    s->hold = false;
}

/* The numbers of requests go on: a new epoch does not make a process forget
 * what it has asked, nor a late double harmless. */
void steps_reset(struct steps *s, int member)
{
    struct steps_trainer *t = &s->trainers[member];
    t->granted = t->completed;
    t->fresh = true;
    t->active = false;
    t->clock = 0;
}

void steps_join(struct steps *s, int member)
{
    s->trainers[member] = (struct steps_trainer){.fresh = true};
}

void steps_chief(struct steps *s, bool alive)
{
    s->chief_alive = alive;
    if (!alive) {
        s->hold = false;
    }
}

bool steps_accept(struct steps *s, int member, uint64_t request)
{
    struct steps_trainer *t = &s->trainers[member];
    if (request < t->request) {
        return false;
    }
    t->request = request;
    return true;
}

static void count_from(struct steps_trainer *t, uint64_t seq)
{
    t->completed = seq;
    t->granted = seq;
    t->fresh = false;
}

int steps_complete(struct steps *s, int member, uint64_t seq)
{
    struct steps_trainer *t = &s->trainers[member];
    if (t->fresh || !s->running || seq <= t->completed || seq > t->granted) {
        return 0;
    }
    int n = (int)(seq - t->completed);
    t->completed = seq;
    t->clock += n;
    s->global_step += n;
    return n;
}

uint32_t steps_under_way(const struct steps *s)
{
    uint64_t n = 0;
    for (int i = 0; i < s->num; i++) {
        n += s->trainers[i].granted - s->trainers[i].completed;
    }
    return (uint32_t)n;
}

/* Without a chief: only as far as its next save would have come, so that a
 * chief that does come back loses no more than it would have alone. */
static bool save_due(const struct steps *s, int64_t promised, uint64_t now)
{
    bool by_steps =
        s->save_steps > 0 && promised - s->policy_step >= s->save_steps;
    bool by_time = s->save_ms > 0 && now - s->policy_ms >= s->save_ms;
    return by_steps || by_time;
}

/* Of those that train; `t` itself is not counted. */
static int64_t slowest(const struct steps *s, const struct steps_trainer *t)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < s->num; i++) {
        const struct steps_trainer *o = &s->trainers[i];
        if (o != t && o->active && o->clock < least) {
            least = o->clock;
        }
    }
    return least;
}

static bool too_far_ahead(const struct steps *s, const struct steps_trainer *t)
{
    int64_t least = slowest(s, t);
    return s->max_staleness >= 0 && least < t->clock &&
           t->clock - least > s->max_staleness;
}

/* It trains (again): nobody is to wait until it has caught up. */
static void activate(struct steps *s, struct steps_trainer *t)
{
    int64_t least = slowest(s, t);
    if (!t->active && least != INT64_MAX && t->clock < least) {
        t->clock = least;
    }
    t->active = true;
}

static enum steps_grant grant(struct steps *s,
                              struct steps_trainer *t,
                              uint64_t seq,
                              uint64_t now)
{
    int64_t promised = s->global_step + (int64_t)steps_under_way(s);
    if (s->max_steps >= 0 && promised >= s->max_steps) {
        return s->global_step >= s->max_steps ? STEPS_OVER : STEPS_WAIT;
    }
    if (s->hold || (!s->chief_alive && save_due(s, promised, now)) ||
        too_far_ahead(s, t)) {
        return STEPS_WAIT;
    }
    t->granted = seq + 1;
    return STEPS_GO;
}

enum steps_grant steps_ask(struct steps *s,
                           int member,
                           uint64_t seq,
                           uint64_t now)
{
    struct steps_trainer *t = &s->trainers[member];
    if (!s->running) {
        return STEPS_WAIT;
    }
    if (t->fresh) {
        count_from(t, seq);
    }
    if (seq != t->completed) {
        return STEPS_WAIT; /* late: it has gone further since */
    }
    activate(s, t);
    if (t->granted > seq) {
        return STEPS_GO; /* asked again: the answer was lost */
    }
    return grant(s, t, seq, now);
}

enum steps_grant steps_ask_ahead(struct steps *s,
                                 int member,
                                 uint64_t seq,
                                 uint64_t now)
{
    struct steps_trainer *t = &s->trainers[member];
    /* Only while `seq` itself is under way: later it is TICKET that asks. */
    if (!s->running || t->fresh || seq != t->completed + 1 ||
        seq > t->granted || s->max_staleness >= 0) {
        return STEPS_WAIT;
    }
    if (t->granted > seq) {
        return STEPS_GO;
    }
    enum steps_grant g = grant(s, t, seq, now);
    return g == STEPS_OVER ? STEPS_WAIT : g;
}

void steps_leave(struct steps *s, int member)
{
    struct steps_trainer *t = &s->trainers[member];
    t->granted = t->completed;
    t->active = false;
}

enum steps_grant steps_gate(const struct steps *s, uint64_t now)
{
    if (!s->running) {
        return STEPS_WAIT;
    }
    if (s->max_steps >= 0 && s->global_step >= s->max_steps) {
        return STEPS_OVER;
    }
    bool stop = !s->chief_alive && save_due(s, s->global_step, now);
    return stop ? STEPS_WAIT : STEPS_GO;
}

void steps_advance(struct steps *s)
{
    s->global_step++;
}

void steps_bound(struct steps *s, int64_t max_staleness)
{
    s->max_staleness = max_staleness;
}

void steps_hold(struct steps *s)
{
    s->hold = true;
}

void steps_release_hold(struct steps *s)
{
    s->hold = false;
}

void steps_saved(struct steps *s, int64_t step, uint64_t now)
{
    s->saved_step = step;
    s->policy_step = step;
    s->policy_ms = now;
}
