/* SPDX-License-Identifier: Apache-2.0
 * The end of a parameter server. */
#include "end.h"

#include <stdio.h>

#include "base/banned.h"

/* Late members learn the end within this long after the last one has left. */
#define QUIET_MS 500u

void end_init(struct end_state *e, double timeout_secs, uint64_t now)
{
    *e = (struct end_state){.chief_ms = now,
                            .patience_ms = (uint64_t)(timeout_secs * 1000.0)};
}

void end_tell(struct end_state *e,
              int exit_code,
              int64_t step,
              const char *reason,
              uint64_t now)
{
    if (e->phase != END_RUNNING) {
        return;
    }
    e->phase = END_ENDED;
    e->exit_code = exit_code;
    e->step = step;
    e->ended_ms = now;
    (void)snprintf(e->reason, sizeof(e->reason), "%s", reason);
}

static void look_for_chief(struct end_state *e,
                           const struct end_view *v,
                           uint64_t now)
{
    if (v->chief_alive) {
        e->chief_seen = true;
        e->chief_ms = now;
        return;
    }
    uint64_t patience = e->patience_ms;
    if (e->chief_seen && patience > END_ORPHAN_MS) {
        patience = END_ORPHAN_MS;
    }
    if (now - e->chief_ms < patience) {
        return;
    }
    char reason[128];
    (void)snprintf(reason, sizeof(reason),
                   e->chief_seen ? "no chief for %llu s"
                                 : "no chief has come within %llu s",
                   (unsigned long long)(patience / 1000));
    end_tell(e, 138, -1, reason, now);
}

void end_ask(struct end_state *e,
             int exit_code,
             const char *reason,
             uint64_t now)
{
    if (!e->asked) {
        e->asked = true;
        e->asked_code = exit_code;
        e->asked_ms = now;
        (void)snprintf(e->asked_reason, sizeof(e->asked_reason), "%s", reason);
    }
}

static void look_at_asked(struct end_state *e,
                          const struct end_view *v,
                          uint64_t now)
{
    if (v->chief_connections == 0 || now - e->asked_ms >= END_ASK_MS) {
        end_tell(e, e->asked_code, -1, e->asked_reason, now);
    }
}

/* Whether nobody is left who is to be waited for. */
static bool all_left(struct end_state *e,
                     const struct end_view *v,
                     uint64_t now)
{
    bool chief_first = v->first_ps && v->chief_connections > 0;
    uint64_t limit = END_LINGER_MS;
    if (chief_first) {
        limit += v->evaluator_awaited ? END_EVALUATOR_MS : END_LINGER_MS;
    }
    if (now - e->ended_ms >= limit) {
        return true;
    }
    if (chief_first || v->connections + v->chief_connections > 0) {
        e->quiet_ms = 0;
        return false;
    }
    if (e->quiet_ms == 0) {
        e->quiet_ms = now;
    }
    return now - e->quiet_ms >= QUIET_MS;
}

enum end_phase end_step(struct end_state *e,
                        const struct end_view *v,
                        uint64_t now)
{
    if (e->phase == END_RUNNING) {
        look_for_chief(e, v, now);
    }
    if (e->phase == END_RUNNING && e->asked) {
        look_at_asked(e, v, now);
    }
    if (e->phase == END_ENDED && all_left(e, v, now)) {
        e->phase = END_GONE;
    }
    return e->phase;
}
