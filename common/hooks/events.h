/* SPDX-License-Identifier: Apache-2.0
 * What the hooks write for TensorBoard. Curves are no reason to stop training:
 * an event that cannot be written (a full disk) is a warning. events NULL:
 * nothing is written. */
#ifndef HOOKS_EVENTS_H
#define HOOKS_EVENTS_H

#include "hooks/hooks.h"

/* The folder's writer, which may be a thread's work (while training runs);
 * *events stays NULL, after a warning, if it cannot be made. */
void hook_events_open(struct crew_env *,
                      const char *dir,
                      bool threaded,
                      CREW_OUT struct event_writer **events);

void hook_event_scalar(CREW_NULLABLE struct event_writer *,
                       int64_t step,
                       const char *tag,
                       float value);
/* SessionLog START. */
void hook_event_start(CREW_NULLABLE struct event_writer *, int64_t step);
/* SessionLog CHECKPOINT with "<model_dir>/model.ckpt"; what was written so far
 * is to be as safe as the checkpoint is. */
void hook_event_checkpoint(CREW_NULLABLE struct event_writer *,
                           int64_t step,
                           const char *model_dir);

struct event_scalar {
    const char *tag;
    float value;
    int n; /* more than 1: the array `values` */
    const float *values;
    CREW_NULLABLE const struct hook_summary
        *picture; /* instead: <tag>/0, ... */
};
/* One evaluation: its scalars as one event, then checkpoint_path (NULL: none).
 * Errors: hook_summary_add()'s; nothing is written then. */
CREW_MUST_CHECK int hook_event_evaluation(CREW_NULLABLE struct event_writer *,
                                          int64_t step,
                                          const struct event_scalar *,
                                          int n,
                                          const char *checkpoint_path,
                                          struct crew_err *);

#endif
