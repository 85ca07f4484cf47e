/* SPDX-License-Identifier: Apache-2.0
 * SummarySaverHook: the first step, then every n global steps. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/events.h"
#include "hooks/hooks.h"
#include "base/banned.h"

struct summary {
    struct crew_env *env;
    struct hook_timer timer;
    struct event_writer *events;
    struct hook_summaries summaries;
    bool started;
};

static int64_t count(const struct crew_shape *shape)
{
    int64_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

static int add_one(struct event_summary *to,
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
    bool has_loss = false;

    for (int i = 0; i < h->summaries.n; i++) {
        struct hook_summary s = h->summaries.get(h->summaries.self, i);

        has_loss |= s.kind == HOOK_SCALAR && strcmp(s.tag, "loss") == 0;
        if (add_one(to, &s, first, err) != CREW_OK) {
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
    uint64_t now = h->env->now_ns(h->env);
    struct event_summary *values;
    bool first = !h->started;

    if (first) {
        h->started = true;
        hook_event_start(h->events, ctx->global_step);
    }
    if (!hook_timer_due(&h->timer, ctx->global_step, now)) {
        return CREW_OK;
    }
    (void)hook_timer_update(&h->timer, ctx->global_step, now, NULL, NULL);

    values = event_summary_new();
    if (add_all(h, values, ctx->loss, first, err) == CREW_OK) {
        event_write_summary(h->events, ctx->global_step, values);
    }
    event_summary_free(values);
    return err->code;
}

static const struct crew_hook_ops summary_ops = {
    .after_run = summary_after_run,
    .free = free,
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
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &summary_ops, h);
}
