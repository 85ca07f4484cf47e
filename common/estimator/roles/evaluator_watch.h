/* SPDX-License-Identifier: Apache-2.0
 *
 * When the evaluator evaluates, waits and ends: a pure function of what it
 * knows.
 *
 *   - nothing before start_delay_secs, then the newest checkpoint that is not
 * yet evaluated, but not before throttle_secs since the last evaluation began;
 *   - the last checkpoint (of max_steps, or of the job's end) at once and once;
 *   - then, when the job has ended, the end, without another throttle's wait;
 *   - a job that was stopped or failed ends it with the job's code;
 *   - no ps 0 any more and no word of an end: 138, the launcher may try again.
 */
#ifndef ESTIMATOR_EVALUATOR_WATCH_H
#define ESTIMATOR_EVALUATOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "crew.h"

/* How long the last checkpoint may take to appear in model_dir once the job has
 * ended (network file systems). */
#define WATCH_LAST_CHECKPOINT_SECS 60.0
/* How long the word of the end may take once the checkpoint of max_steps is
 * there: a report that comes before the chief has asked who is there would be
 * overlooked. */
#define WATCH_END_SECS 60.0
/* How often model_dir is looked at when nobody calls. */
#define WATCH_POLL_SECS 2.0
/* A warning that would repeat is given again after so long. */
#define WATCH_REPEAT_WARNING_SECS 600.0
/* When a checkpoint that was not there is looked for again. */
#define WATCH_RETRY_SECS 1.0

struct watch {
    double start_delay_secs;
    double throttle_secs;
    int64_t max_steps; /* -1: none */
    double started;    /* all times in seconds of one monotonic clock */

    int64_t newest_step;    /* in model_dir; -1: no checkpoint */
    int64_t evaluated_step; /* -1: none yet */
    double evaluation_began;
    bool final_done; /* the final exporters have run */
    bool warned;     /* since the last evaluation: */
    double warned_at;
    bool has_gone; /* a checkpoint was removed before it was read: */
    int64_t gone_step;
    double gone_at, gone_told_at;

    bool ended; /* the job has ended: */
    double ended_at;
    int end_code;
    int64_t end_step;
    bool lost; /* ps 0 has gone */
};

enum watch_action {
    WATCH_WAIT,          /* at most `secs` */
    WATCH_EVALUATE,      /* newest_step; `is_final` says what for */
    WATCH_EXPORT_FINAL,  /* evaluated already, now known to be the last */
    WATCH_DONE,          /* exit 0 */
    WATCH_STOPPED,       /* exit with end_code */
    WATCH_NO_CHECKPOINT, /* the last one never came: exit 66 */
    WATCH_LOST           /* exit 138 */
};
struct watch_decision {
    enum watch_action action;
    double secs;
    bool is_final;
};
struct watch_decision watch_decide(const struct watch *, double now);

/* The newest checkpoint was evaluated; it had been begun at `began`. */
void watch_evaluated(struct watch *, double began, bool is_final);
/* It was removed before it was read: no attempt for WATCH_RETRY_SECS, unless
 * there is another. True: worth a line of log, once a checkpoint and
 * WATCH_REPEAT_WARNING_SECS. */
bool watch_gone(struct watch *, double now);

/* TensorFlow's warning that there is nothing to evaluate, when an evaluation
 * would be due and it has not been given for WATCH_REPEAT_WARNING_SECS; NULL:
 * nothing to say. */
CREW_NULLABLE const char *watch_warning(struct watch *, double now);

#endif
