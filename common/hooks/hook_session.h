/* SPDX-License-Identifier: Apache-2.0
 *
 * MonitoredSession: what hooks run with in a training, an evaluation or a
 * prediction. The host fills in the fields, adds hooks, and calls the phases;
 * in between it makes the plan, with hook_session_tensors() computed on demand.
 *
 *   hook_session_init, hooks added (hooks/hooks.h)
 *   hook_session_begin           hooks declare tensors
 *   plan_new_on_demand      the host
 *   hook_session_set_plan
 *   hook_session_created         after_create_session
 *   loop: hook_session_before_run, plan_forward, ..., hook_session_after_run
 *   hook_session_end             after a clean end
 *   hook_session_release
 *
 * Nothing is allocated after hook_session_created. Threads: the session's one.
 */
#ifndef HOOKS_HOOK_SESSION_H
#define HOOKS_HOOK_SESSION_H

#include "graph/plan.h"
#include "hooks/hooks.h"

/* What some hook may ask for. node NULL: global_step. */
struct session_tensor {
    struct crew_node *node;
    bool wanted; /* in this step */
};

struct crew_session {
    struct crew_env *env;
    const struct crew_graph *graph;
    struct hook_list hooks;
    CREW_NULLABLE struct plan *plan;
    struct session_tensor *tensors;
    int num_tensors;
    int64_t step;  /* what "global_step" gives: before this step is counted */
    char why[256]; /* crew_run_request_stop's words, "" without any */
};

void hook_session_init(struct crew_session *,
                       struct crew_env *,
                       const struct crew_graph *);
/* Frees the hooks it owns. */
void hook_session_release(struct crew_session *);

/* Take, or borrow, each of them. */
void hook_session_add(struct crew_session *, CREW_TAKES struct crew_hook);
void hook_session_borrow(struct crew_session *,
                         const struct crew_hook *,
                         int n);

CREW_MUST_CHECK int hook_session_begin(struct crew_session *,
                                       struct crew_err *);
/* The nodes that hooks have declared. Owner: caller, free(). */
struct crew_node **hook_session_tensors(const struct crew_session *,
                                        CREW_OUT int *n);
void hook_session_set_plan(struct crew_session *, struct plan *);
CREW_MUST_CHECK int hook_session_created(struct crew_session *,
                                         int64_t step,
                                         struct crew_err *);
/* step: the global step before this one is counted. */
CREW_MUST_CHECK int hook_session_before_run(struct crew_session *,
                                            int64_t step,
                                            struct crew_run_context *,
                                            struct crew_err *);
CREW_MUST_CHECK int hook_session_after_run(struct crew_session *,
                                           struct crew_run_context *,
                                           struct crew_err *);
CREW_MUST_CHECK int hook_session_end(struct crew_session *,
                                     int64_t global_step,
                                     struct crew_err *);

#endif
