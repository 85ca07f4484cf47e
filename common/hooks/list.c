/* SPDX-License-Identifier: Apache-2.0
 * The list of hooks a session runs through. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

void hook_list_init(struct hook_list *list)
{
    *list = (struct hook_list){0};
}

void hook_free(struct crew_hook hook)
{
    if (hook.ops != NULL && hook.ops->free != NULL) {
        hook.ops->free(hook.self);
    }
}

void hook_list_release(struct hook_list *list)
{
    for (int i = 0; i < list->n; i++) {
        if (list->items[i].owned) {
            hook_free(list->items[i].hook);
        }
    }
    free(list->items);
    hook_list_init(list);
}

static void add(struct hook_list *list, struct crew_hook hook, bool owned)
{
    size_t n = (size_t)list->n + 1;

    list->items = xrealloc(list->items, n * sizeof *list->items);
    list->items[list->n++] = (struct hook_entry){hook, owned};
}

void hook_list_add(struct hook_list *list,
                   const struct crew_hook_ops *ops,
                   void *self)
{
    add(list, (struct crew_hook){ops, self}, true);
}

void hook_list_take(struct hook_list *list, struct crew_hook hook)
{
    add(list, hook, true);
}

void hook_list_borrow(struct hook_list *list, struct crew_hook hook)
{
    add(list, hook, false);
}

/* A hook that failed and did not say why, or what the process is to end with:
 * training has failed (1). */
static int failed(const char *function, struct crew_err *err)
{
    if (err->code == CREW_OK) {
        (void)crew_err_set(err, CREW_UNKNOWN,
                           "a hook's %s failed without a message", function);
    }
    if (err->exit_code == 0 && err->code != CREW_CANCELLED) {
        err->exit_code = 1;
    }
    return err->code;
}

int hook_list_begin(struct hook_list *list,
                    struct crew_session *session,
                    struct crew_err *err)
{
    for (int i = 0; i < list->n; i++) {
        const struct crew_hook *h = &list->items[i].hook;

        if (h->ops->begin != NULL &&
            h->ops->begin(h->self, session, err) != CREW_OK) {
            return failed("begin", err);
        }
    }
    return CREW_OK;
}

int hook_list_after_create_session(struct hook_list *list,
                                   int64_t step,
                                   struct crew_err *err)
{
    for (int i = 0; i < list->n; i++) {
        const struct crew_hook *h = &list->items[i].hook;

        if (h->ops->after_create_session != NULL &&
            h->ops->after_create_session(h->self, step, err) != CREW_OK) {
            return failed("after_create_session", err);
        }
    }
    return CREW_OK;
}

int hook_list_before_run(struct hook_list *list,
                         struct crew_run_context *ctx,
                         struct crew_err *err)
{
    for (int i = 0; i < list->n; i++) {
        const struct crew_hook *h = &list->items[i].hook;

        if (h->ops->before_run != NULL &&
            h->ops->before_run(h->self, ctx, err) != CREW_OK) {
            return failed("before_run", err);
        }
    }
    return CREW_OK;
}

int hook_list_after_run(struct hook_list *list,
                        struct crew_run_context *ctx,
                        struct crew_err *err)
{
    for (int i = 0; i < list->n; i++) {
        const struct crew_hook *h = &list->items[i].hook;

        if (h->ops->after_run != NULL &&
            h->ops->after_run(h->self, ctx, err) != CREW_OK) {
            return failed("after_run", err);
        }
    }
    return CREW_OK;
}

int hook_list_end(struct hook_list *list,
                  int64_t global_step,
                  struct crew_err *err)
{
    int code = CREW_OK;

    for (int i = 0; i < list->n; i++) {
        const struct crew_hook *h = &list->items[i].hook;
        struct crew_err e = {0};

        if (h->ops->end != NULL &&
            h->ops->end(h->self, global_step, &e) != CREW_OK &&
            code == CREW_OK) {
            (void)failed("end", &e);
            code = crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
        }
    }
    return code;
}
