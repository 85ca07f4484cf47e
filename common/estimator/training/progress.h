/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line: step, share, steps a second, loss, time left and the last
 * evaluation, at most ten times a second. It is drawn on a terminal; under
 * `crew local` it goes to the pipe that CREW_PROGRESS_FD names, and is drawn
 * there. Otherwise the log's lines are enough. Threads: the training thread. */
#ifndef ESTIMATOR_PROGRESS_H
#define ESTIMATOR_PROGRESS_H

#include "hooks/hooks.h"

/* What the line is made from. */
struct progress_view {
    int64_t step;
    int64_t max_steps; /* -1: unknown */
    double rate;       /* steps a second; 0: not known yet */
    float loss;
    const char *evaluation; /* "accuracy = 0.98", "" */
    int64_t evaluation_step;
};
/* Returns buf. Pure. */
const char *progress_text(const struct progress_view *, char *buf, size_t size);

/* The newest evaluation, as trainer_ops has it. */
typedef void (*progress_evaluation_fn)(void *self,
                                       char *line,
                                       size_t size,
                                       int64_t *step);

/* Adds the hook if there is anywhere to draw. max_steps -1: none. */
void progress_add_hook(struct hook_list *,
                       struct crew_env *,
                       int64_t max_steps,
                       bool quiet,
                       progress_evaluation_fn,
                       void *self);

#endif
