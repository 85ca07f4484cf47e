/* SPDX-License-Identifier: Apache-2.0
 *
 * Early stopping, as tf.estimator.experimental has it. The chief asks the
 * predicate; its stop is the end of the job, which all other processes learn as
 * they learn of max_steps, so that there is no variable to signal it and a
 * resumed job is not stopped by an old signal.
 * Source: tensorflow_estimator/python/estimator/early_stopping.py. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/eval_metrics.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

#define DEFAULT_SECS 60.0

enum rule { HIGHER, LOWER, NO_INCREASE, NO_DECREASE, OWN };

struct early_stopping {
    struct crew_session *session;
    struct hook_timer timer;
    enum rule rule;
    char *metric;
    double threshold;
    int64_t max_steps;
    int64_t min_steps;
    char *eval_dir; /* NULL: the session's */
    crew_should_stop_fn should_stop;
    void *self;
    char why[256];
};

static int early_begin(void *self,
                       struct crew_session *session,
                       struct crew_err *err)
{
    struct early_stopping *h = self;

    (void)err;
    h->session = session;
    return CREW_OK;
}

/* Python's str() of a float: the shortest text that reads back the same. */
static const char *double_text(double x, char *text, size_t size)
{
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(text, size, "%.*g", precision, x);
        if (strtod(text, NULL) == x) {
            break;
        }
    }
    return text;
}

static bool is_better(const struct early_stopping *h, float a, double b)
{
    return h->rule == HIGHER || h->rule == NO_INCREASE ? (double)a > b
                                                       : (double)a < b;
}

static bool crosses(struct early_stopping *h, const struct eval_metric *m)
{
    char value[40];
    char threshold[40];

    if (!is_better(h, m->value, h->threshold)) {
        return false;
    }
    (void)snprintf(h->why, sizeof h->why,
                   "At step %lld, metric \"%s\" has value %s which is %s the "
                   "configured threshold (%s) for early stopping.",
                   (long long)m->step, h->metric,
                   double_text((double)m->value, value, sizeof value),
                   h->rule == HIGHER ? "greater than" : "less than",
                   double_text(h->threshold, threshold, sizeof threshold));
    return true;
}

static bool stands_still(struct early_stopping *h,
                         const struct eval_metric *m,
                         const struct eval_metric *best)
{
    if (m->step - best->step < h->max_steps) {
        return false;
    }
    (void)snprintf(h->why, sizeof h->why,
                   "No %s in metric \"%s\" for %lld steps, which is greater "
                   "than or equal to max steps (%lld) configured for early "
                   "stopping.",
                   h->rule == NO_INCREASE ? "increase" : "decrease", h->metric,
                   (long long)(m->step - best->step), (long long)h->max_steps);
    return true;
}

static int look(struct early_stopping *h,
                const struct eval_metrics *all,
                const char *dir,
                bool *stop,
                struct crew_err *err)
{
    const struct eval_metric *best = NULL;

    for (int i = 0; i < all->n && !*stop; i = eval_metrics_step_end(all, i)) {
        const struct eval_metric *m = eval_metrics_find(all, i, h->metric);

        if (all->items[i].step < h->min_steps) {
            continue;
        }
        if (m == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "early stopping: the evaluation of step %lld "
                                 "in %s has no metric '%s'. Fix: one that it "
                                 "has, such as '%s'",
                                 (long long)all->items[i].step, dir, h->metric,
                                 all->items[i].tag);
        }
        if (h->rule == HIGHER || h->rule == LOWER) {
            *stop = crosses(h, m);
            continue;
        }
        if (best == NULL || is_better(h, m->value, (double)best->value)) {
            best = m;
        }
        *stop = stands_still(h, m, best);
    }
    return CREW_OK;
}

static int ask(struct early_stopping *h, bool *stop, struct crew_err *err)
{
    struct eval_metrics all;
    const char *dir = h->eval_dir != NULL ? h->eval_dir : h->session->eval_dir;

    if (h->rule == OWN) {
        (void)snprintf(h->why, sizeof h->why, "early stopping");
        return h->should_stop(h->self, stop, err);
    }
    if (dir == NULL ||
        eval_metrics_read(h->session->env, dir, &all, err) != CREW_OK) {
        return err->code;
    }
    (void)look(h, &all, dir, stop, err);
    eval_metrics_release(&all);
    if (*stop) {
        env_log(h->session->env, LOG_INFO, "%s", h->why);
    }
    return err->code;
}

static int early_after_run(void *self,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    struct early_stopping *h = self;
    struct crew_env *env = h->session->env;
    uint64_t now = env->now_ns(env);
    int64_t step = ctx->global_step - 1; /* TensorFlow reads it before */
    bool stop = false;

    if (!h->session->is_chief || !hook_timer_due(&h->timer, step, now)) {
        return CREW_OK;
    }
    (void)hook_timer_update(&h->timer, step, now, NULL, NULL);
    if (ask(h, &stop, err) != CREW_OK) {
        return err->code;
    }
    if (stop) {
        env_log(env, LOG_INFO, "Requesting early stopping at global step %lld",
                (long long)step);
        crew_run_request_stop(ctx, h->why);
    }
    return CREW_OK;
}

static void early_free(void *self)
{
    struct early_stopping *h = self;

    free(h->metric);
    free(h->eval_dir);
    free(h);
}

static const struct crew_hook_ops early_ops = {
    .begin = early_begin,
    .after_run = early_after_run,
    .free = early_free,
};

static struct crew_hook make(struct early_stopping with,
                             const char *metric,
                             struct crew_early_stopping o)
{
    struct early_stopping *h;

    if (o.run_every_secs > 0 && o.run_every_steps > 0) {
        return hook_broken(
            "Only one of `run_every_secs` and `run_every_steps` must be set.");
    }
    if (with.rule == OWN ? with.should_stop == NULL : metric == NULL) {
        return hook_broken("%s", with.rule == OWN
                                     ? "`should_stop_fn` must be callable."
                                     : "early stopping needs a metric's name: "
                                       "it is NULL.");
    }
    h = xcalloc(1, sizeof *h);
    *h = with;
    h->metric = metric != NULL ? xstrdup(metric) : NULL;
    h->eval_dir = o.eval_dir != NULL ? xstrdup(o.eval_dir) : NULL;
    h->min_steps = o.min_steps;
    if (o.run_every_secs <= 0 && o.run_every_steps <= 0) {
        o.run_every_secs = DEFAULT_SECS;
    }
    hook_timer_init(&h->timer, o.run_every_secs, o.run_every_steps);
    return (struct crew_hook){&early_ops, h};
}

struct crew_hook crew_stop_if_higher_hook(const char *metric,
                                          double threshold,
                                          struct crew_early_stopping o)
{
    struct early_stopping with = {.rule = HIGHER, .threshold = threshold};

    return make(with, metric, o);
}

struct crew_hook crew_stop_if_lower_hook(const char *metric,
                                         double threshold,
                                         struct crew_early_stopping o)
{
    struct early_stopping with = {.rule = LOWER, .threshold = threshold};

    return make(with, metric, o);
}

struct crew_hook crew_stop_if_no_increase_hook(
    const char *metric,
    int64_t max_steps_without_increase,
    struct crew_early_stopping o)
{
    struct early_stopping with = {.rule = NO_INCREASE,
                                  .max_steps = max_steps_without_increase};

    return make(with, metric, o);
}

struct crew_hook crew_stop_if_no_decrease_hook(
    const char *metric,
    int64_t max_steps_without_decrease,
    struct crew_early_stopping o)
{
    struct early_stopping with = {.rule = NO_DECREASE,
                                  .max_steps = max_steps_without_decrease};

    return make(with, metric, o);
}

struct crew_hook crew_early_stopping_hook(crew_should_stop_fn should_stop,
                                          void *self,
                                          struct crew_early_stopping o)
{
    struct early_stopping with = {
        .rule = OWN, .should_stop = should_stop, .self = self};

    return make(with, NULL, o);
}
