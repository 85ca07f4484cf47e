/* SPDX-License-Identifier: Apache-2.0
 * LoggingTensorHook. A line is made in buffers of the hook's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

/* Estimator's own two, which need no fetch. */
enum source { TENSOR = 0, LOSS, STEP };

struct entry {
    enum source source;
    char *tag;
    char *name;             /* NULL: the node */
    struct crew_node *node; /* NULL: by name */
    int tensor;
};

struct logging {
    struct crew_env *env;
    struct crew_session *session;
    struct hook_timer timer;
    bool never; /* but at the end */
    bool at_end;
    bool due;
    int64_t iterations; /* of this process */
    struct entry *entries;
    struct crew_value *values;
    int n;
    float loss;
    int64_t step;
    crew_log_formatter formatter;
    void *formatter_self;
    struct strbuf line;
};

static int logging_begin(void *self,
                         struct crew_session *session,
                         struct crew_err *err)
{
    struct logging *h = self;

    h->session = session;
    h->env = session->env;
    h->iterations = 0;
    h->timer.triggered = false;
    for (int i = 0; i < h->n; i++) {
        struct entry *e = &h->entries[i];
        int code = CREW_OK;

        if (e->source == TENSOR) {
            code = e->node != NULL
                       ? crew_session_node(session, e->node, &e->tensor, err)
                       : crew_session_tensor(session, e->name, &e->tensor, err);
        }
        if (code != CREW_OK) {
            return code;
        }
    }
    return CREW_OK;
}

static int logging_before_run(void *self,
                              struct crew_run_context *ctx,
                              struct crew_err *err)
{
    struct logging *h = self;
    uint64_t now = h->env->now_ns(h->env);

    (void)err;
    h->due = !h->never && hook_timer_due(&h->timer, h->iterations, now);
    for (int i = 0; (h->due || h->at_end) && i < h->n; i++) {
        if (h->entries[i].source == TENSOR) {
            crew_run_fetch(ctx, h->entries[i].tensor);
        }
    }
    return CREW_OK;
}

static void take_values(struct logging *h)
{
    for (int i = 0; i < h->n; i++) {
        struct crew_value *v = &h->values[i];

        *v = (struct crew_value){.dtype = CREW_INT64, .data = &h->step};
        if (h->entries[i].source == LOSS) {
            *v = (struct crew_value){.dtype = CREW_FLOAT, .data = &h->loss};
        } else if (h->entries[i].source == TENSOR) {
            *v = hook_session_value(h->session, h->entries[i].tensor);
        }
    }
}

static void write_line(struct logging *h)
{
    uint64_t now = h->env->now_ns(h->env);
    double secs = 0;
    bool again = !h->never &&
                 hook_timer_update(&h->timer, h->iterations, now, &secs, NULL);
    char text[1024] = "";

    take_values(h);
    if (h->formatter != NULL) {
        h->formatter(h->formatter_self, h->values, h->n, text, sizeof text);
        text[sizeof text - 1] = '\0'; /* a job's function may forget it */
        env_log(h->env, LOG_INFO, "%s", text);
        return;
    }
    strbuf_reset(&h->line);
    for (int i = 0; i < h->n; i++) {
        strbuf_addf(&h->line, "%s%s = ", i > 0 ? ", " : "", h->entries[i].tag);
        hook_value_text(&h->values[i], &h->line);
    }
    if (again) {
        strbuf_addf(&h->line, " (%.3f sec)", secs);
    }
    env_log(h->env, LOG_INFO, "%s", h->line.data);
}

static int logging_after_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    struct logging *h = self;

    (void)err;
    h->loss = ctx->loss;
    h->step = ctx->global_step - 1;
    if (h->due) {
        write_line(h);
    }
    h->iterations++;
    return CREW_OK;
}

static int logging_end(void *self, int64_t global_step, struct crew_err *err)
{
    struct logging *h = self;

    (void)global_step, (void)err;
    if (h->at_end && h->iterations > 0) {
        write_line(h);
    }
    return CREW_OK;
}

static void logging_free(void *self)
{
    struct logging *h = self;

    for (int i = 0; i < h->n; i++) {
        free(h->entries[i].tag);
        free(h->entries[i].name);
    }
    free(h->entries);
    free(h->values);
    strbuf_release(&h->line);
    free(h);
}

static const struct crew_hook_ops logging_ops = {
    .begin = logging_begin,
    .before_run = logging_before_run,
    .after_run = logging_after_run,
    .end = logging_end,
    .free = logging_free,
};
/* Estimator's own needs no session. */
static const struct crew_hook_ops own_ops = {
    .before_run = logging_before_run,
    .after_run = logging_after_run,
    .free = logging_free,
};

static struct logging *logging_new(int n)
{
    struct logging *h = xcalloc(1, sizeof *h);

    h->entries = xcalloc((size_t)n + 1, sizeof *h->entries);
    h->values = xcalloc((size_t)n + 1, sizeof *h->values);
    h->n = n;
    strbuf_init(&h->line);
    return h;
}

void hook_add_logging(struct hook_list *list,
                      struct crew_env *env,
                      int64_t every_n)
{
    struct logging *h = logging_new(2);

    h->env = env;
    h->entries[0] = (struct entry){.source = LOSS, .tag = xstrdup("loss")};
    h->entries[1] = (struct entry){.source = STEP, .tag = xstrdup("step")};
    hook_timer_init(&h->timer, 0, every_n);
    hook_list_add(list, &own_ops, h);
}

static int by_tag(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->tag,
                  ((const struct entry *)b)->tag);
}

/* What cannot be looked at; NULL: nothing. */
static const char *logging_fault(const struct crew_logging *o)
{
    if (o == NULL) {
        return "the struct crew_logging is NULL";
    }
    if (o->num_tensors < 0) {
        return "num_tensors is below 0";
    }
    if (o->num_tensors > 0 && o->tensors == NULL) {
        return "tensors is NULL";
    }
    for (int i = 0; i < o->num_tensors; i++) {
        if (o->tensors[i].tag == NULL) {
            return "a tensor's tag is NULL";
        }
    }
    return NULL;
}

struct crew_hook crew_logging_tensor_hook(const struct crew_logging *o)
{
    const char *fault = logging_fault(o);
    bool by_iter, by_secs;
    struct logging *h;

    if (fault != NULL) {
        return hook_broken("crew_logging_tensor_hook: %s", fault);
    }
    by_iter = o->every_n_iter != 0;
    by_secs = o->every_n_secs != 0;
    if (by_iter == by_secs && (by_iter || !o->at_end)) {
        return hook_broken(
            "either at_end and/or exactly one of every_n_iter and every_n_secs "
            "must be provided.");
    }
    if (o->every_n_iter < 0) {
        return hook_broken("invalid every_n_iter=%lld.",
                           (long long)o->every_n_iter);
    }
    h = logging_new(o->num_tensors);
    for (int i = 0; i < o->num_tensors; i++) {
        const struct crew_logged *t = &o->tensors[i];

        h->entries[i].tag = xstrdup(t->tag);
        h->entries[i].name = xstrdup(t->tensor != NULL ? t->tensor : t->tag);
        h->entries[i].node = t->node;
    }
    qsort(h->entries, (size_t)h->n, sizeof *h->entries, by_tag);
    h->never = !by_iter && !by_secs;
    h->at_end = o->at_end;
    h->formatter = o->formatter;
    h->formatter_self = o->formatter_self;
    hook_timer_init(&h->timer, o->every_n_secs, o->every_n_iter);
    return (struct crew_hook){&logging_ops, h};
}
