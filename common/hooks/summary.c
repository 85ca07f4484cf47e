/* SPDX-License-Identifier: Apache-2.0
 * SummarySaverHook: the first step, then every n global steps or seconds. What
 * the summaries are computed from is fetched in those steps only. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

struct summary {
    struct crew_env *env;
    struct hook_timer timer;
    struct event_writer *events;
    struct event_writer *own_events; /* of another folder */
    char *output_dir;                /* NULL: the session's */
    struct hook_summaries summaries;
    int *tensors; /* -1: nothing to fetch */
    bool own;     /* Estimator's: `loss` is written without a word */
    bool started, due;
};

static int declare(struct summary *h,
                   struct crew_session *session,
                   struct crew_err *err)
{
    size_t n = (size_t)h->summaries.n + 1;

    h->tensors = xrealloc(h->tensors, n * sizeof *h->tensors);
    for (int i = 0; i < h->summaries.n; i++) {
        struct crew_node *node = h->summaries.node(h->summaries.self, i);

        h->tensors[i] = -1;
        if (node != NULL &&
            crew_session_node(session, node, &h->tensors[i], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static int own_begin(void *self,
                     struct crew_session *session,
                     struct crew_err *err)
{
    struct summary *h = self;

    return session != NULL && h->summaries.node != NULL
               ? declare(h, session, err)
               : CREW_OK;
}

static int summary_begin(void *self,
                         struct crew_session *session,
                         struct crew_err *err)
{
    struct summary *h = self;

    h->env = session->env;
    h->events = session->events;
    h->started = false;
    h->summaries = session->summaries;
    if (h->output_dir != NULL) {
        if (h->own_events == NULL) {
            hook_events_open(h->env, h->output_dir, false, &h->own_events);
        }
        h->events = h->own_events;
    }
    return h->summaries.node != NULL ? declare(h, session, err) : CREW_OK;
}

static int summary_before_run(void *self,
                              struct crew_run_context *ctx,
                              struct crew_err *err)
{
    struct summary *h = self;

    (void)err;
    h->due = !h->started || hook_timer_due(&h->timer, ctx->global_step + 1,
                                           h->env->now_ns(h->env));
    for (int i = 0; h->due && h->tensors != NULL && i < h->summaries.n; i++) {
        if (h->tensors[i] >= 0) {
            crew_run_fetch(ctx, h->tensors[i]);
        }
    }
    return CREW_OK;
}

static int64_t count(const struct crew_shape *shape)
{
    int64_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

int hook_summary_add(struct event_summary *to,
                     const struct hook_summary *s,
                     bool first,
                     struct crew_err *err)
{
    const struct crew_shape scalar = {0};

    switch (s->kind) {
        case HOOK_SCALAR:
            event_add_scalar(to, s->tag, *(const float *)s->data);
            break;
        case HOOK_HISTOGRAM:
            return event_add_histogram(to, s->tag, s->dtype, s->data,
                                       count(&s->shape), err);
        case HOOK_IMAGE:
            return event_add_images(to, s->tag, s->dtype, &s->shape, s->data,
                                    s->max_outputs, err);
        case HOOK_TEXT:
            if (first) {
                event_add_text(to, s->tag, &scalar, &s->text);
            }
            break;
    }
    return CREW_OK;
}

static int add_all(struct summary *h,
                   struct event_summary *to,
                   float loss,
                   bool first,
                   struct crew_err *err)
{
    bool has_loss = !h->own;

    for (int i = 0; i < h->summaries.n; i++) {
        struct hook_summary s = h->summaries.get(h->summaries.self, i);

        has_loss |= s.kind == HOOK_SCALAR && strcmp(s.tag, "loss") == 0;
        if (hook_summary_add(to, &s, first, err) != CREW_OK) {
            return err->code;
        }
    }
    if (!has_loss) {
        event_add_scalar(to, "loss", loss);
    }
    return CREW_OK;
}

static int summary_after_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    struct summary *h = self;
    struct event_summary *values;
    bool first = !h->started;

    if (h->events == NULL || !h->due) {
        return CREW_OK;
    }
    if (first) {
        h->started = true;
        hook_event_start(h->events, ctx->global_step);
    }
    (void)hook_timer_update(&h->timer, ctx->global_step, h->env->now_ns(h->env),
                            NULL, NULL);

    values = event_summary_new();
    if (add_all(h, values, ctx->loss, first, err) == CREW_OK) {
        event_write_summary(h->events, ctx->global_step, values);
    }
    event_summary_free(values);
    return err->code;
}

static void summary_free(void *self)
{
    struct summary *h = self;

    event_writer_close(h->own_events);
    free(h->output_dir);
    free(h->tensors);
    free(h);
}

static const struct crew_hook_ops own_ops = {
    .begin = own_begin,
    .before_run = summary_before_run,
    .after_run = summary_after_run,
    .free = summary_free,
};
static const struct crew_hook_ops summary_ops = {
    .begin = summary_begin,
    .before_run = summary_before_run,
    .after_run = summary_after_run,
    .free = summary_free,
};

void hook_add_summary(struct hook_list *list,
                      struct crew_env *env,
                      int64_t every_n,
                      struct event_writer *events,
                      struct hook_summaries summaries)
{
    struct summary *h;

    if (events == NULL) {
        return;
    }
    h = xcalloc(1, sizeof *h);
    h->env = env;
    h->events = events;
    h->summaries = summaries;
    h->own = true;
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &own_ops, h);
}

struct crew_hook crew_summary_saver_hook(int64_t save_steps,
                                         double save_secs,
                                         const char *output_dir)
{
    struct summary *h;

    if (save_steps > 0 && save_secs > 0) {
        return hook_broken(HOOK_TIMER_BOTH);
    }
    if (save_steps <= 0 && save_secs <= 0) {
        return hook_broken(HOOK_TIMER_NEITHER);
    }
    h = xcalloc(1, sizeof *h);
    h->output_dir = output_dir != NULL ? xstrdup(output_dir) : NULL;
    hook_timer_init(&h->timer, save_secs, save_steps);
    return (struct crew_hook){&summary_ops, h};
}
