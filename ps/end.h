/* SPDX-License-Identifier: Apache-2.0
 *
 * When a parameter server leaves. Pure: what is known and the time in, a
 * decision out.
 *
 *   RUNNING --told (STOP)--> ENDED --everybody has left, or too long--> GONE
 *           --no chief for too long--> ENDED (exit 138)
 *           --a signal, and the chief is there--> RUNNING, but it is asked to
 *             save and to stop the job; not done in time, or it goes: ENDED
 *
 * In ENDED it answers everybody with how the job ended. A ps leaves when its
 * members have left, after 10 s at the latest; ps 0 leaves after the chief,
 * which may wait for the evaluator's last export (600 s). Threads: one. */
#ifndef PS_END_H
#define PS_END_H

#include "crew.h"

#define END_LINGER_MS 10000u
#define END_EVALUATOR_MS 600000u
#define END_ORPHAN_MS 600000u
#define END_ASK_MS 15000u /* for the last save: all is over in 25 s */

enum end_phase { END_RUNNING = 0, END_ENDED, END_GONE };

struct end_state {
    enum end_phase phase;
    int exit_code;
    int64_t step;
    char reason[256];
    uint64_t ended_ms;
    uint64_t
        quiet_ms; /* since when only late comers could still come; 0: not yet */
    uint64_t chief_ms; /* when the chief was last alive; the start before any */
    bool chief_seen;
    uint64_t patience_ms; /* for the first chief */
    bool asked;           /* the chief is asked to stop the job: */
    int asked_code;
    char asked_reason[128];
    uint64_t asked_ms;
};

/* What is true now. */
struct end_view {
    bool first_ps;    /* ps 0 */
    bool chief_alive; /* its lease holds */
    int chief_connections;
    int connections; /* of trainers and evaluator, the chief apart */
    bool evaluator_awaited;
};

void end_init(struct end_state *,
              double session_creation_timeout_secs,
              uint64_t now_ms);
/* The job has ended. Only the first word counts. */
void end_tell(struct end_state *,
              int exit_code,
              int64_t step,
              const char *reason,
              uint64_t now_ms);
/* This process is to go: the chief, which is there, is asked to save and to
 * stop the job. Only the first word counts. */
void end_ask(struct end_state *,
             int exit_code,
             const char *reason,
             uint64_t now_ms);
/* Look again: call when something has changed and once a second. */
enum end_phase end_step(struct end_state *,
                        const struct end_view *,
                        uint64_t now_ms);

#endif
