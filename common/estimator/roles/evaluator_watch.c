/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's decisions. */
#include "estimator/roles/evaluator_watch.h"

#include "base/banned.h"

static bool is_last(const struct watch *w, int64_t step)
{
    if (step < 0) {
        return false;
    }
    return (w->max_steps > 0 && step >= w->max_steps) ||
           (w->ended && w->end_code == 0 && step >= w->end_step);
}

/* When the next evaluation may begin. */
static double due_at(const struct watch *w)
{
    if (w->ended || is_last(w, w->newest_step)) {
        return 0;
    }
    return w->evaluated_step >= 0 ? w->evaluation_began + w->throttle_secs
                                  : w->started + w->start_delay_secs;
}

static bool is_new(const struct watch *w, double now)
{
    return w->newest_step > w->evaluated_step &&
           !(w->has_gone && w->newest_step == w->gone_step &&
             now - w->gone_at < WATCH_RETRY_SECS);
}

static struct watch_decision wait_for(double secs)
{
    return (struct watch_decision){
        .action = WATCH_WAIT,
        .secs = secs < WATCH_POLL_SECS ? secs : WATCH_POLL_SECS};
}

struct watch_decision watch_decide(const struct watch *w, double now)
{
    struct watch_decision d = {0};

    if (is_last(w, w->evaluated_step)) {
        if (!w->final_done) {
            d.action = WATCH_EXPORT_FINAL;
            return d;
        }
        if (!w->ended && !w->lost &&
            now - w->evaluation_began < WATCH_END_SECS) {
            return wait_for(WATCH_POLL_SECS);
        }
        d.action = WATCH_DONE;
        return d;
    }
    if (w->ended && w->end_code != 0) {
        d.action = WATCH_STOPPED;
        return d;
    }
    if (is_new(w, now)) {
        double due = due_at(w);

        if (now < due) {
            return wait_for(due - now);
        }
        d.action = WATCH_EVALUATE;
        d.is_final = is_last(w, w->newest_step);
        return d;
    }
    if (w->ended) {
        if (now - w->ended_at < WATCH_LAST_CHECKPOINT_SECS) {
            return wait_for(WATCH_POLL_SECS);
        }
        d.action = WATCH_NO_CHECKPOINT;
        return d;
    }
    if (w->lost) {
        d.action = WATCH_LOST;
        return d;
    }
    return wait_for(WATCH_POLL_SECS);
}

void watch_evaluated(struct watch *w, double began, bool is_final)
{
    w->evaluated_step = w->newest_step;
    w->evaluation_began = began;
    w->final_done = is_final;
    w->warned = false;
}

bool watch_gone(struct watch *w, double now)
{
    bool again = w->has_gone && w->gone_step == w->newest_step &&
                 now - w->gone_told_at < WATCH_REPEAT_WARNING_SECS;

    w->has_gone = true;
    w->gone_step = w->newest_step;
    w->gone_at = now;
    if (!again) {
        w->gone_told_at = now;
    }
    return !again;
}

const char *watch_warning(struct watch *w, double now)
{
    double due = w->evaluated_step >= 0 ? w->evaluation_began + w->throttle_secs
                                        : w->started + w->start_delay_secs;

    if (now < due || w->newest_step > w->evaluated_step ||
        (w->warned && now - w->warned_at < WATCH_REPEAT_WARNING_SECS)) {
        return NULL;
    }
    w->warned = true;
    w->warned_at = now;
    return w->evaluated_step < 0
               ? "Estimator is not trained yet. Will start an evaluation when "
                 "a checkpoint is ready."
               : "No new checkpoint ready for evaluation. Skip the current "
                 "evaluation pass as evaluation results are expected to be "
                 "same for the same checkpoint.";
}
