/* SPDX-License-Identifier: Apache-2.0
 * Tasks, incarnations, leases, fences. */
#include "members.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#include "base/banned.h"

/* A gap between two looks at the clock that means: this process did not run. */
#define SLEPT_MS 3000u

void members_init(struct members *ms, uint32_t num_workers)
{
    *ms = (struct members){.num = (int)num_workers + 2};
    ms->all = xcalloc((size_t)ms->num, sizeof(ms->all[0]));
    ms->all[0].role = MEMBER_CHIEF;
    for (uint32_t i = 0; i < num_workers; i++) {
        ms->all[1 + i].role = MEMBER_WORKER;
        ms->all[1 + i].index = i;
    }
    ms->all[ms->num - 1].role = MEMBER_EVALUATOR;
}

void members_release(struct members *ms)
{
    free(ms->all);
    ms->all = NULL;
}

int members_find(const struct members *ms, int role, uint32_t index)
{
    for (int i = 0; i < ms->num; i++) {
        if ((int)ms->all[i].role == role && ms->all[i].index == index) {
            return i;
        }
    }
    return -1;
}

/* Its place in fenced[], or -1. */
static int fenced_at(const struct members *ms,
                     const struct member *m,
                     uint64_t incarnation)
{
    uint32_t n =
        ms->num_fenced < MEMBERS_FENCED ? ms->num_fenced : MEMBERS_FENCED;
    for (uint32_t i = 0; i < n; i++) {
        const struct member_fenced *f = &ms->fenced[i];
        if (f->incarnation == incarnation && f->role == m->role &&
            f->index == m->index) {
            return (int)i;
        }
    }
    return -1;
}

static const struct member_fenced *find_fenced(const struct members *ms,
                                               const struct member *m,
                                               uint64_t incarnation)
{
    int at = fenced_at(ms, m, incarnation);
    return at < 0 ? NULL : &ms->fenced[at];
}

static void fence(struct members *ms,
                  struct member *m,
                  uint64_t incarnation,
                  enum member_answer why)
{
    ms->fenced[ms->num_fenced++ % MEMBERS_FENCED] =
        (struct member_fenced){m->role, m->index, incarnation, why};
    if (m->incarnation == incarnation) {
        m->alive = false;
    }
}

/* Takeovers within the last minute, this one included. */
static int count_takeover(struct member *m, uint64_t now)
{
    int recent = 1;
    for (int i = 0; i < MEMBERS_FLAP_COUNT; i++) {
        bool used = (uint32_t)i < m->takeovers;
        recent += used && now - m->takeover_ms[i] < MEMBERS_FLAP_MS;
    }
    m->takeover_ms[m->takeovers++ % MEMBERS_FLAP_COUNT] = now;
    return recent;
}

static void admit(struct member *m,
                  uint64_t incarnation,
                  const char *host,
                  uint32_t pid,
                  uint64_t now)
{
    m->incarnation = incarnation;
    m->alive = true;
    m->connections = 0;
    m->replaced = 0;
    m->lease_end_ms = now + MEMBERS_LEASE_MS;
    m->pid = pid;
    (void)snprintf(m->host, sizeof(m->host), "%s", host);
}

static const char *role_word(enum member_role role)
{
    switch (role) {
        case MEMBER_CHIEF:
            return "chief";
        case MEMBER_WORKER:
            return "worker";
        case MEMBER_EVALUATOR:
            return "evaluator";
    }
    return "task";
}

const char *members_name(const struct member *m, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/%u", role_word(m->role), m->index);
    return buf;
}

/* Both lose: whichever won would be taken over in the next second. */
static enum member_answer refuse_flapping(struct members *ms,
                                          struct member *m,
                                          uint64_t incarnation,
                                          const char *host,
                                          uint32_t pid,
                                          char *text,
                                          size_t size)
{
    (void)snprintf(
        text, size,
        "%s/%u is claimed by two processes (%s pid %u, %s pid %u), "
        "%d takeovers in 60 s; both are refused. Check task.index in "
        "their TF_CONFIG",
        role_word(m->role), m->index, m->host, m->pid, host, pid,
        MEMBERS_FLAP_COUNT + 1);
    fence(ms, m, incarnation, MEMBER_FLAPPING);
    fence(ms, m, m->incarnation, MEMBER_FLAPPING);
    return MEMBER_FLAPPING;
}

enum member_answer members_hello(struct members *ms,
                                 int member,
                                 uint64_t incarnation,
                                 const char *host,
                                 uint32_t pid,
                                 uint64_t now,
                                 char *text,
                                 size_t size)
{
    if (member < 0 || incarnation == 0) {
        return MEMBER_UNKNOWN;
    }
    struct member *m = &ms->all[member];
    const struct member_fenced *f = find_fenced(ms, m, incarnation);
    if (f != NULL) {
        (void)snprintf(text, size,
                       "%s/%u is claimed by two processes; both are refused. "
                       "Check task.index in their TF_CONFIG",
                       role_word(m->role), m->index);
        return f->why;
    }
    if (m->incarnation == incarnation) {
        m->lease_end_ms = now + MEMBERS_LEASE_MS;
        return MEMBER_SAME;
    }
    if (!m->alive) {
        admit(m, incarnation, host, pid, now);
        return MEMBER_NEW;
    }
    /* One that is gone, if not for as long as a lease, fights for nothing. */
    if (m->connections > 0 && count_takeover(m, now) > MEMBERS_FLAP_COUNT) {
        return refuse_flapping(ms, m, incarnation, host, pid, text, size);
    }
    uint64_t before = m->incarnation;
    fence(ms, m, before, MEMBER_REPLACED);
    admit(m, incarnation, host, pid, now);
    m->replaced = before;
    return MEMBER_TAKEOVER;
}

enum member_answer members_judge(const struct members *ms,
                                 int member,
                                 uint64_t incarnation)
{
    if (member < 0) {
        return MEMBER_UNKNOWN;
    }
    const struct member *m = &ms->all[member];
    if (m->alive && m->incarnation == incarnation) {
        return MEMBER_SAME;
    }
    const struct member_fenced *f = find_fenced(ms, m, incarnation);
    return f != NULL ? f->why : MEMBER_UNKNOWN;
}

void members_renew(struct members *ms, int member, uint64_t now)
{
    if (ms->all[member].alive) {
        ms->all[member].lease_end_ms = now + MEMBERS_LEASE_MS;
    }
}

void members_connected(struct members *ms, int member)
{
    ms->all[member].connections++;
}

void members_asked(struct members *ms, int member, uint64_t incarnation)
{
    if (ms->all[member].incarnation == incarnation) {
        ms->all[member].replaced = 0;
    }
}

void members_disconnected(struct members *ms,
                          int member,
                          uint64_t incarnation,
                          uint64_t now)
{
    struct member *m = &ms->all[member];
    if (m->incarnation != incarnation || m->connections == 0) {
        return;
    }
    m->connections--;
    m->gone_ms = now;
    int at = m->replaced != 0 && m->connections == 0
                 ? fenced_at(ms, m, m->replaced)
                 : -1;
    if (at >= 0 && ms->fenced[at].why == MEMBER_REPLACED) {
        ms->fenced[at].why = MEMBER_EXPIRED;
    }
}

bool members_fence(struct members *ms,
                   int role,
                   uint32_t index,
                   uint64_t incarnation)
{
    int i = members_find(ms, role, index);
    if (i < 0 || incarnation == 0 ||
        find_fenced(ms, &ms->all[i], incarnation) != NULL) {
        return false;
    }
    bool current = ms->all[i].incarnation == incarnation && ms->all[i].alive;
    fence(ms, &ms->all[i], incarnation, MEMBER_EXPIRED);
    return current;
}

int members_expire(struct members *ms, uint64_t now)
{
    uint64_t gap = now - ms->last_tick_ms;
    if (ms->last_tick_ms != 0 && gap > SLEPT_MS) {
        for (int i = 0; i < ms->num; i++) {
            ms->all[i].lease_end_ms += gap;
        }
    }
    ms->last_tick_ms = now;
    for (int i = 0; i < ms->num; i++) {
        struct member *m = &ms->all[i];
        if (m->alive && now >= m->lease_end_ms) {
            fence(ms, m, m->incarnation, MEMBER_EXPIRED);
            return i;
        }
    }
    return -1;
}
