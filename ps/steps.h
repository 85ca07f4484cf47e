/* SPDX-License-Identifier: Apache-2.0
 *
 * global_step and the right to raise it, on ps 0. Pure: events and the time in,
 * decisions out.
 *
 * A trainer numbers its steps from 1. `granted` is the highest it has a ticket
 * for, `completed` the highest it has said to be complete everywhere; the
 * difference (0, 1, or 2: the next ticket comes with the answer to a push) is
 * under way. A ticket is granted only while global_step + all under way <
 * max_steps, so the final global_step is exactly max_steps; and with no more
 * granted the cluster comes to rest at a step boundary, where a cut is
 * consistent.
 *
 * Bounded staleness (max_staleness >= 0): a trainer begins a step only while it
 * has completed at most so many more than the slowest that trains. Then no
 * ticket comes ahead, so that ps 0 hears of each step when it is complete. Who
 * comes, or comes back, counts from where the slowest is; who has left or lost
 * its lease is not waited for.
 *
 * Everything is idempotent: a repeated or late message changes nothing. A dead
 * trainer's tickets return.
 * Threads: one. */
#ifndef PS_STEPS_H
#define PS_STEPS_H

#include "crew.h"

struct steps_trainer {
    uint64_t completed, granted;
    uint64_t request; /* number of the newest control request */
    bool fresh;       /* its first request sets where it counts from */
    bool active;      /* it trains: it has asked, and not left */
    int64_t clock; /* own steps, completed; of a newcomer: as the slowest's */
};

struct steps {
    bool running; /* READY, not ended */
    bool hold;    /* no tickets */
    int64_t global_step;
    int64_t max_steps;   /* -1: none */
    int64_t save_steps;  /* -1: not set */
    uint64_t save_ms;    /* 0: not set */
    int64_t saved_step;  /* newest; -1: none */
    int64_t policy_step; /* where the save policy counts from */
    uint64_t policy_ms;
    bool chief_alive;
    int64_t max_staleness; /* -1: any */
    int num;
    struct steps_trainer *trainers; /* by member */
};

enum steps_grant { STEPS_GO = 1, STEPS_WAIT = 2, STEPS_OVER = 3 };

void steps_init(struct steps *, int num_members);
void steps_release(struct steps *);
/* READY: a chief has made the state. All trainers begin afresh. */
void steps_begin(struct steps *,
                 int64_t global_step,
                 int64_t max_steps,
                 int64_t save_steps,
                 double save_secs,
                 uint64_t now_ms);
/* A chief has come back to a state that goes on: its goals. */
void steps_goals(struct steps *,
                 int64_t max_steps,
                 int64_t save_steps,
                 double save_secs);
/* The job is being initialised anew, or has ended: nothing is granted. */
void steps_halt(struct steps *);
/* A new incarnation of a member has come: it counts, and numbers its requests,
 * anew. */
void steps_join(struct steps *, int member);
/* Its lease has ended: its tickets return. */
void steps_reset(struct steps *, int member);
void steps_chief(struct steps *, bool alive);

/* A control request with this number: false when it is the late double of an
 * earlier one and must be ignored. */
bool steps_accept(struct steps *, int member, uint64_t request);
/* Step `seq` is complete everywhere. Returns how many steps that adds (0 or 1;
 * 2 never in practice). */
int steps_complete(struct steps *, int member, uint64_t seq);
/* May the member do the step after `seq`? OVER only when max_steps is reached.
 */
enum steps_grant steps_ask(struct steps *,
                           int member,
                           uint64_t seq,
                           uint64_t now_ms);
/* The ticket that comes with the answer to the push of `seq`. */
enum steps_grant steps_ask_ahead(struct steps *,
                                 int member,
                                 uint64_t seq,
                                 uint64_t now_ms);
/* It will do no step for now: its tickets return. */
void steps_leave(struct steps *, int member);

void steps_hold(struct steps *);
void steps_release_hold(struct steps *);
void steps_saved(struct steps *, int64_t step, uint64_t now_ms);
/* Synchronous training has tickets of its own (sync.h). May another update be
 * collected at all? */
enum steps_grant steps_gate(const struct steps *, uint64_t now_ms);
/* An update has been decided. */
void steps_advance(struct steps *);
/* From now on. -1: any. */
void steps_bound(struct steps *, int64_t max_staleness);
/* Of all trainers. */
uint32_t steps_under_way(const struct steps *);

#endif
