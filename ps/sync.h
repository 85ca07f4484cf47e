/* SPDX-License-Identifier: Apache-2.0
 *
 * Synchronous training, on ps 0: whose gradients make the next update. Pure:
 * events and the time in, decisions out.
 *
 * Trainers get tickets for batches at update `step`. Their gradients wait on
 * every ps; once all have them a trainer reports its batch, and it is complete.
 * When `needed` batches are complete, the update is decided, here and only
 * once: the mean of all complete ones, in the order of the members. What
 * comes later was too late and is dropped whole.
 *
 *   ask -> ticket (step, batch) -> report -> pending -> decided: taken
 *                                        \-> the step is over: dropped
 *
 * Nobody is waited for who cannot come: `needed` follows the trainers that
 * train, downwards at once, upwards with the next update. Only the first update
 * after READY waits also for those that are on their way: for who has said
 * HELLO as long as it lives, and for who is configured but has not been heard
 * of until SYNC_GRACE_MS after READY. A trainer that has lost its connections
 * is away: not waited for either, but what it had begun still counts when it
 * comes back in time.
 *
 * A trainer does one batch an update, or its share when more gradients are
 * wanted than there are trainers; a further one (batch 1, 2, ...) is added to
 * its first on the ps. An update is not decided while one is under way that is
 * added to something complete. When its trainer is lost, all of its pending
 * batches are.
 *
 * Everything is idempotent: a repeated or late message changes nothing.
 * Threads: one. */
#ifndef PS_SYNC_H
#define PS_SYNC_H

#include "optim/replicas.h"

/* A lease: as long as one that has been heard of may be silent. */
#define SYNC_GRACE_MS 10000u

/* One trainer's part in an update. */
struct sync_part {
    int member;
    uint64_t incarnation;
    uint64_t seq; /* of its newest batch in it */
    uint32_t batches;
};

/* An update that has been decided. */
struct sync_update {
    int64_t step; /* global_step before it; -1: none yet */
    int n;
    struct sync_part *parts; /* by ascending member */
};

struct sync_member {
    uint64_t incarnation;
    bool lives;  /* it has said HELLO, and its lease holds */
    bool active; /* it trains: it is waited for */
    bool left;   /* it has trained enough */
    bool away;   /* none of its connections is there */
    bool fresh;  /* its first request sets where it counts from */
    uint64_t seq;
    bool under_way;   /* it has a ticket for step seq + 1 */
    int64_t at;       /* the update that the ticket is for */
    uint32_t batches; /* pending: complete, of update `step` */
    bool dropped;     /* what it reported last came too late */
};

struct sync {
    struct replicas replicas;
    bool running;
    int64_t step; /* of the update that is being collected */
    int64_t needed;
    bool first; /* the first update since READY: not all have come yet */
    bool grace_over;
    uint64_t begun_ms;
    int64_t missing; /* that had not come when the grace was over */
    int num;
    struct sync_member *members;
    struct sync_update last;
    uint64_t dropped; /* batches, ever */
};

enum sync_report { SYNC_OLD = 0, SYNC_PENDING, SYNC_DROPPED };

struct sync_ticket {
    int64_t step;
    uint32_t batch; /* which of its own in this update, from 0 */
};

void sync_init(struct sync *, int num_members);
void sync_release(struct sync *);
/* READY: all trainers begin afresh; who had left still has. */
void sync_begin(struct sync *,
                const struct replicas *,
                int64_t global_step,
                uint64_t now_ms);
void sync_halt(struct sync *);
/* A new incarnation of a member. What the old one has pending is lost. */
void sync_join(struct sync *, int member, uint64_t incarnation);
/* Its lease has ended. The same. */
void sync_reset(struct sync *, int member);
/* It has lost all of its connections, or has one again. */
void sync_away(struct sync *, int member, bool away);
/* It makes no more steps. `broken`: it had begun the one under way, so that
 * what is pending of it may be half of something; else that still counts. */
void sync_leave(struct sync *, int member, bool broken);

/* Every ps has the gradients of step `seq`, made at update `at`. */
enum sync_report sync_report(struct sync *,
                             int member,
                             uint64_t seq,
                             int64_t at);
/* Some of its batches are complete and wait for the decision. */
bool sync_pending(const struct sync *, int member);
/* May it do a batch after `seq`? The same answer when it is asked again. */
bool sync_ask(struct sync *,
              int member,
              uint64_t seq,
              CREW_OUT struct sync_ticket *);
/* Decide the update if that can be done: then `last` is it, and `step` is one
 * more. */
bool sync_decide(struct sync *, uint64_t now_ms);

#endif
