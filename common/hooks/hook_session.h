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

/* What an evaluation of the weights of this moment is to be. */
struct memory_evaluation {
    crew_input_fn input_fn;
    int64_t steps;
    CREW_NULLABLE const char *name;
    struct crew_hook *hooks; /* borrowed */
    int num_hooks;
    void *state; /* the host's, from evaluation to evaluation; see forget */
};
/* Of it, a session of one training. Any may be NULL. */
struct session_host {
    /* The newest global step heard of; INT64_MAX: no more will come, and the
     * next step says why. Waits `secs` first; CANCELLED: a signal has come. */
    int (*wait_step)(void *self,
                     double secs,
                     CREW_OUT int64_t *step,
                     struct crew_err *);
    int (*evaluate)(void *self, struct memory_evaluation *, struct crew_err *);
    void (*forget)(void *state);
};

struct crew_session {
    struct crew_env *env;
    const struct crew_graph *graph;
    /* What the host says of itself; all may be left out. */
    const char *model_dir;
    const char *eval_dir; /* of the EvalSpec's evaluations */
    bool is_chief;        /* of a training: or all in one process */
    bool stops_on_nan;    /* the host looks at the loss before it is applied: a
                             hook sets it to end without an error */
    CREW_NULLABLE struct crew_node *loss;
    CREW_NULLABLE struct event_writer *events; /* where summaries go */
    struct hook_summaries summaries;
    CREW_NULLABLE const struct saver_options *saver; /* NULL: none here */
    struct session_host host;
    void *host_self;

    struct hook_list hooks;
    CREW_NULLABLE struct plan *plan;
    struct session_tensor *tensors;
    int num_tensors;
    bool ran;      /* a step has been run */
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
/* The value that was fetched in the last step, after which nothing has run: in
 * after_run and end. */
struct crew_value hook_session_value(const struct crew_session *, int tensor);
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
