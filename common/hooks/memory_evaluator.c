/* SPDX-License-Identifier: Apache-2.0
 * InMemoryEvaluatorHook: when to evaluate; how is the host's. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

struct memory_evaluator {
    struct crew_session *session;
    struct memory_evaluation what;
    char *name;
    struct crew_hook *hooks; /* owned */
    struct hook_timer timer;
    int64_t iterations;
    void (*forget)(void *state);
};

static int memory_begin(void *self,
                        struct crew_session *session,
                        struct crew_err *err)
{
    struct memory_evaluator *h = self;

    h->session = session;
    h->iterations = 0;
    h->timer.triggered = false;
    h->forget = session->host.forget;
    if (session->host.evaluate == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "InMemoryEvaluator supports only single machine "
                             "(aka Local) setting.");
    }
    return CREW_OK;
}

static int evaluate(struct memory_evaluator *h, struct crew_err *err)
{
    struct crew_session *s = h->session;

    if (s->host.evaluate(s->host_self, &h->what, err) != CREW_OK) {
        return err->code;
    }
    (void)hook_timer_update(&h->timer, h->iterations, s->env->now_ns(s->env),
                            NULL, NULL);
    return CREW_OK;
}

static int memory_created(void *self, int64_t step, struct crew_err *err)
{
    (void)step;
    return evaluate(self, err);
}

static int memory_after_run(void *self,
                            struct crew_run_context *ctx,
                            struct crew_err *err)
{
    struct memory_evaluator *h = self;
    struct crew_env *env = h->session->env;

    (void)ctx;
    h->iterations++;
    return hook_timer_due(&h->timer, h->iterations, env->now_ns(env))
               ? evaluate(h, err)
               : CREW_OK;
}

static int memory_end(void *self, int64_t global_step, struct crew_err *err)
{
    (void)global_step;
    return evaluate(self, err);
}

static void memory_free(void *self)
{
    struct memory_evaluator *h = self;

    if (h->what.state != NULL) {
        h->forget(h->what.state);
    }
    for (int i = 0; i < h->what.num_hooks; i++) {
        hook_free(h->hooks[i]);
    }
    free(h->hooks);
    free(h->name);
    free(h);
}

static const struct crew_hook_ops memory_ops = {
    .begin = memory_begin,
    .after_create_session = memory_created,
    .after_run = memory_after_run,
    .end = memory_end,
    .free = memory_free,
};

struct crew_hook crew_in_memory_evaluator_hook(crew_input_fn input_fn,
                                               int64_t steps,
                                               const char *name,
                                               const struct crew_hook *hooks,
                                               int num_hooks,
                                               int64_t every_n_iter)
{
    struct memory_evaluator *h = xcalloc(1, sizeof *h);
    bool without_ops = false;

    if (num_hooks < 0 || (num_hooks > 0 && hooks == NULL)) {
        free(h);
        return hook_broken(
            "crew_in_memory_evaluator_hook: %d hooks, but hooks "
            "is %s",
            num_hooks, hooks == NULL ? "NULL" : "given");
    }
    h->hooks = xcalloc((size_t)num_hooks + 1, sizeof *h->hooks);
    for (int i = 0; i < num_hooks; i++) {
        h->hooks[i] = hooks[i];
        without_ops = without_ops || hooks[i].ops == NULL;
    }
    h->name = name != NULL ? xstrdup(name) : NULL;
    h->what = (struct memory_evaluation){.input_fn = input_fn,
                                         .steps = steps,
                                         .name = h->name,
                                         .hooks = h->hooks,
                                         .num_hooks = num_hooks};
    if (without_ops) {
        memory_free(h);
        return hook_broken(
            "All hooks must be `SessionRunHook` instances, "
            "given: one whose ops is NULL");
    }
    if (every_n_iter <= 0 || input_fn == NULL) {
        memory_free(h);
        return input_fn == NULL ? hook_broken("`input_fn` must be callable")
                                : hook_broken("invalid every_n_iter=%lld.",
                                              (long long)every_n_iter);
    }
    hook_timer_init(&h->timer, 0, every_n_iter);
    return (struct crew_hook){&memory_ops, h};
}
