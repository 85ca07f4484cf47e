/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may change state: for each task of the cluster the one incarnation that
 * speaks for it. Pure: events and the time come in, decisions go out.
 *
 * - The newest HELLO of a task wins; the incarnation before is fenced at once.
 * - A member's lease lasts 10 s from its last HELLO or heartbeat. When it ends,
 *   the incarnation is fenced too: it may come back, but as a new one.
 * - More than 3 takeovers of a connected member within a minute: two processes
 * have been given the same task. Both are refused. Fenced incarnations are
 * remembered (the last 64), with the reason. Threads: one. */
#ifndef PS_MEMBERS_H
#define PS_MEMBERS_H

#include "crew.h"

#define MEMBERS_LEASE_MS 10000u
#define MEMBERS_FLAP_MS 60000u
#define MEMBERS_FLAP_COUNT 3
#define MEMBERS_FENCED 64

/* The numbers of Role in crew_rpc.proto. */
enum member_role { MEMBER_CHIEF = 1, MEMBER_WORKER = 2, MEMBER_EVALUATOR = 4 };

enum member_answer {
    MEMBER_SAME,     /* this incarnation speaks for the task */
    MEMBER_NEW,      /* now it does; nobody living did before */
    MEMBER_TAKEOVER, /* now it does; a living one was fenced */
    MEMBER_EXPIRED,  /* refused: its lease is over */
    MEMBER_REPLACED, /* refused: another incarnation has taken the task */
    MEMBER_FLAPPING, /* refused: two processes fight for the task */
    MEMBER_UNKNOWN   /* refused: it has not said HELLO, or there is no such task
                      */
};

struct member {
    enum member_role role;
    uint32_t index;
    uint64_t incarnation; /* 0: nobody so far */
    bool alive;           /* the lease holds */
    bool flapping;
    int connections;   /* of this incarnation */
    uint64_t gone_ms;  /* when the last of them went */
    uint64_t replaced; /* whom it fenced by its HELLO, until it says more; 0 */
    uint64_t lease_end_ms;
    uint64_t takeover_ms[MEMBERS_FLAP_COUNT]; /* the latest, a ring */
    uint32_t takeovers;
    char host[64];
    uint32_t pid;
};

struct member_fenced {
    enum member_role role;
    uint32_t index;
    uint64_t incarnation;
    enum member_answer why; /* EXPIRED, REPLACED or FLAPPING */
};

struct members {
    int num;
    struct member *all; /* chief, workers, evaluator */
    struct member_fenced fenced[MEMBERS_FENCED];
    uint32_t num_fenced; /* ever */
    uint64_t last_tick_ms;
};

/* One chief, num_workers workers, one evaluator. */
void members_init(struct members *, uint32_t num_workers);
void members_release(struct members *);
/* The place in all[], or -1. */
int members_find(const struct members *, int role, uint32_t index);

/* "worker/1", in `buf`. */
const char *members_name(const struct member *, char *buf, size_t size);

/* HELLO of a task. On TAKEOVER and FLAPPING the old incarnation is fenced.
 * `text` is a line that says why, on FLAPPING. */
enum member_answer members_hello(struct members *,
                                 int member,
                                 uint64_t incarnation,
                                 const char *host,
                                 uint32_t pid,
                                 uint64_t now_ms,
                                 char *text,
                                 size_t size);
/* May this incarnation change state now? SAME: yes. */
enum member_answer members_judge(const struct members *,
                                 int member,
                                 uint64_t incarnation);
/* It has been heard of. */
void members_renew(struct members *, int member, uint64_t now_ms);
/* A connection of this incarnation is there, has asked for something, is gone.
 * A process that was dead when its HELLO was read (this one was stopped, or the
 * network slow) asks for nothing: whom it replaced is then not refused for
 * good, but may come back as a new incarnation. */
void members_connected(struct members *, int member);
void members_asked(struct members *, int member, uint64_t incarnation);
void members_disconnected(struct members *,
                          int member,
                          uint64_t incarnation,
                          uint64_t now_ms);
/* Fence on somebody else's word. False: it was fenced already, or is not known.
 */
bool members_fence(struct members *,
                   int role,
                   uint32_t index,
                   uint64_t incarnation);
/* End the leases that are over. Call at least once a second: when this process
 * itself has slept, all leases are extended by that. Returns the next member
 * whose lease has ended, or -1: call until then. */
int members_expire(struct members *, uint64_t now_ms);

#endif
