/* SPDX-License-Identifier: Apache-2.0
 * Contributing sets. */
#include "sync.h"

#include <stdlib.h>

#include "base/mem.h"

#include "base/banned.h"

void sync_init(struct sync *s, int num_members)
{
    *s = (struct sync){.num = num_members, .last.step = -1};
    s->members = xcalloc((size_t)num_members, sizeof(s->members[0]));
    s->last.parts = xcalloc((size_t)num_members, sizeof(s->last.parts[0]));
    for (int i = 0; i < num_members; i++) {
        s->members[i].fresh = true;
    }
}

void sync_release(struct sync *s)
{
    free(s->members);
    free(s->last.parts);
    s->members = NULL;
    s->last.parts = NULL;
}

/* Nothing is known of it, but who it is. */
static void forget(struct sync *s, int member, uint64_t incarnation)
{
    s->members[member] =
        (struct sync_member){.incarnation = incarnation, .fresh = true};
}

void sync_halt(struct sync *s)
{
    s->running = false;
}

/* Configured, and never heard of. */
static int64_t absent(const struct sync *s)
{
    int64_t n = s->replicas.total;
    for (int i = 0; i < s->num; i++) {
        const struct sync_member *m = &s->members[i];
        n -= m->lives || m->left;
    }
    return n > 0 ? n : 0;
}

/* Trainers that may still have a part in this update. */
static int64_t expected(const struct sync *s)
{
    int64_t n = s->first && !s->grace_over ? absent(s) : 0;
    for (int i = 0; i < s->num; i++) {
        const struct sync_member *m = &s->members[i];
        bool coming = s->first && m->lives && !m->left;
        n += (m->active || coming) && !m->away;
    }
    return n;
}

/* Who has gone is not waited for; who has come is, from the next update on. */
static void lower(struct sync *s)
{
    int64_t n = replicas_needed(&s->replicas, expected(s));
    if (n < s->needed) {
        s->needed = n;
    }
}

void sync_begin(struct sync *s,
                const struct replicas *r,
                int64_t global_step,
                uint64_t now)
{
    s->replicas = *r;
    s->running = replicas_sync(r);
    s->step = global_step;
    s->needed = r->to_aggregate;
    s->first = true;
    s->grace_over = false;
    s->begun_ms = now;
    s->missing = 0;
    s->last.step = -1;
    s->last.n = 0;
    for (int i = 0; i < s->num; i++) {
        struct sync_member old = s->members[i];
        forget(s, i, old.incarnation);
        s->members[i].lives = old.lives;
        s->members[i].left = old.left;
        s->members[i].away = old.away;
    }
    lower(s);
}

void sync_join(struct sync *s, int member, uint64_t incarnation)
{
    forget(s, member, incarnation);
    s->members[member].lives = true;
    lower(s);
}

void sync_reset(struct sync *s, int member)
{
    bool left = s->members[member].left;
    forget(s, member, s->members[member].incarnation);
    s->members[member].left = left;
    lower(s);
}

void sync_away(struct sync *s, int member, bool away)
{
    s->members[member].away = away;
    lower(s);
}

void sync_leave(struct sync *s, int member, bool broken)
{
    struct sync_member *m = &s->members[member];
    if (broken && m->under_way) {
        m->batches = 0;
    }
    m->under_way = false;
    m->active = false;
    m->left = true;
    lower(s);
}

/* A late double of its question may have moved the ticket on to another update;
 * what counts is the one that the trainer knew. */
enum sync_report sync_report(struct sync *s,
                             int member,
                             uint64_t seq,
                             int64_t at)
{
    struct sync_member *m = &s->members[member];
    if (!s->running || m->fresh || !m->under_way || seq != m->seq + 1) {
        return SYNC_OLD;
    }
    m->under_way = false;
    m->seq = seq;
    m->dropped = at != s->step || m->at != s->step;
    if (m->dropped) {
        s->dropped++;
        return SYNC_DROPPED;
    }
    m->batches++;
    return SYNC_PENDING;
}

bool sync_pending(const struct sync *s, int member)
{
    return s->members[member].batches > 0;
}

/* Batches that a trainer may do for one update. */
static int64_t share(const struct sync *s)
{
    int64_t n = expected(s);
    return n > 0 ? (s->needed + n - 1) / n : s->needed;
}

/* Complete, or on the way to be. */
static int64_t promised(const struct sync *s)
{
    int64_t n = 0;
    for (int i = 0; i < s->num; i++) {
        const struct sync_member *m = &s->members[i];
        n += m->batches + (m->under_way && m->at == s->step);
    }
    return n;
}

bool sync_ask(struct sync *s,
              int member,
              uint64_t seq,
              struct sync_ticket *ticket)
{
    struct sync_member *m = &s->members[member];
    if (!s->running) {
        return false;
    }
    if (m->fresh) {
        m->fresh = false;
        m->seq = seq;
    }
    if (seq != m->seq) {
        return false; /* late: it has gone further since */
    }
    m->active = true;
    m->left = false;
    bool again = m->under_way && m->at == s->step;
    if (!again && m->batches > 0 &&
        (m->batches >= share(s) || promised(s) >= s->needed)) {
        return false;
    }
    m->under_way = true;
    m->at = s->step;
    *ticket = (struct sync_ticket){.step = s->step, .batch = m->batches};
    return true;
}

/* Enough, and nothing of it is half of something. */
static bool complete(const struct sync *s)
{
    int64_t n = 0;
    for (int i = 0; i < s->num; i++) {
        const struct sync_member *m = &s->members[i];
        if (m->batches > 0 && m->under_way) {
            return false;
        }
        n += m->batches;
    }
    return n > 0 && n >= s->needed;
}

bool sync_decide(struct sync *s, uint64_t now)
{
    if (!s->running) {
        return false;
    }
    if (s->first && !s->grace_over && now - s->begun_ms >= SYNC_GRACE_MS) {
        s->missing = absent(s);
        s->grace_over = true;
        lower(s);
    }
    if (!complete(s)) {
        return false;
    }
    s->last.step = s->step;
    s->last.n = 0;
    for (int i = 0; i < s->num; i++) {
        struct sync_member *m = &s->members[i];
        if (m->batches > 0) {
            s->last.parts[s->last.n++] =
                (struct sync_part){i, m->incarnation, m->seq, m->batches};
            m->batches = 0;
        }
    }
    s->step++;
    s->first = false;
    s->needed = replicas_needed(&s->replicas, expected(s));
    return true;
}
