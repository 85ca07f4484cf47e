/* SPDX-License-Identifier: Apache-2.0
 * The hooks and listeners that TrainSpec and EvalSpec own. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

static void add_hook(struct crew_hook **hooks, int *n, struct crew_hook hook)
{
    *hooks = xrealloc(*hooks, ((size_t)*n + 1) * sizeof **hooks);
    (*hooks)[(*n)++] = hook;
}

static void free_hooks(struct crew_hook **hooks, int *n)
{
    for (int i = 0; *hooks != NULL && i < *n; i++) {
        hook_free((*hooks)[i]);
    }
    free(*hooks);
    *hooks = NULL;
    *n = 0;
}

void listener_free(struct crew_saving_listener listener)
{
    if (listener.ops != NULL && listener.ops->free != NULL) {
        listener.ops->free(listener.self);
    }
}

void crew_train_spec_add_hook(struct crew_train_spec *ts, struct crew_hook hook)
{
    if (ts == NULL) {
        hook_free(hook);
        return;
    }
    add_hook(&ts->hooks, &ts->num_hooks, hook);
}

void crew_train_spec_add_saving_listener(struct crew_train_spec *ts,
                                         struct crew_saving_listener listener)
{
    size_t n;

    if (ts == NULL) {
        listener_free(listener);
        return;
    }
    n = (size_t)ts->num_saving_listeners + 1;
    ts->saving_listeners =
        xrealloc(ts->saving_listeners, n * sizeof *ts->saving_listeners);
    ts->saving_listeners[ts->num_saving_listeners++] = listener;
}

void crew_train_spec_release(struct crew_train_spec *ts)
{
    if (ts == NULL) {
        return;
    }
    free_hooks(&ts->hooks, &ts->num_hooks);
    for (int i = 0;
         ts->saving_listeners != NULL && i < ts->num_saving_listeners; i++) {
        listener_free(ts->saving_listeners[i]);
    }
    free(ts->saving_listeners);
    ts->saving_listeners = NULL;
    ts->num_saving_listeners = 0;
}

void crew_eval_spec_add_hook(struct crew_eval_spec *es, struct crew_hook hook)
{
    if (es == NULL) {
        hook_free(hook);
        return;
    }
    add_hook(&es->hooks, &es->num_hooks, hook);
}

void crew_eval_spec_release(struct crew_eval_spec *es)
{
    if (es == NULL) {
        return;
    }
    free_hooks(&es->hooks, &es->num_hooks);
}
