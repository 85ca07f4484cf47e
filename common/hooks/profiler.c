/* SPDX-License-Identifier: Apache-2.0
 *
 * ProfilerHook: one step's ops as a Chrome trace, in the form of TensorFlow's
 * timeline (tensorflow/python/client/timeline.py). Times are those of the
 * process's monotonic clock, in microseconds; thread 0 is the one that
 * computes. A file that cannot be written is a warning. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

struct profiler {
    struct crew_session *session;
    struct hook_timer timer;
    char *dir;
    bool show_dataflow;
    bool show_memory;
    bool started, due;
    struct plan_trace trace;
    struct strbuf text;
};

static uint64_t profiler_now(void *self)
{
    struct crew_env *env = self;

    return env->now_ns(env);
}

static int profiler_begin(void *self,
                          struct crew_session *session,
                          struct crew_err *err)
{
    struct profiler *h = self;
    size_t n = (size_t)graph_num_nodes(session->graph) * 2 + 1;

    (void)err;
    h->session = session;
    h->started = false;
    h->trace.now = profiler_now;
    h->trace.self = session->env;
    h->trace.events = xrealloc(h->trace.events, n * sizeof *h->trace.events);
    if (h->show_memory) {
        env_log(session->env, LOG_WARN,
                "ProfilerHook: show_memory has no meaning here: all buffers "
                "are made once, before the first step.");
    }
    return CREW_OK;
}

static int profiler_before_run(void *self,
                               struct crew_run_context *ctx,
                               struct crew_err *err)
{
    struct profiler *h = self;
    uint64_t now = h->session->env->now_ns(h->session->env);

    (void)err;
    h->due = h->started && hook_timer_due(&h->timer, ctx->global_step + 1, now);
    if (h->due) {
        plan_set_trace(h->session->plan, &h->trace);
    }
    return CREW_OK;
}

static double micros(uint64_t ns)
{
    return (double)ns / 1000.0;
}

/* "key": "<prefix><name><suffix>". A node may be called anything. */
static void add_name(struct strbuf *t,
                     const char *key,
                     const char *prefix,
                     const char *name,
                     const char *suffix)
{
    char *whole = xasprintf("%s%s%s", prefix, name, suffix);

    strbuf_addf(t, "\"%s\": ", key);
    strbuf_add_json(t, whole, strlen(whole));
    free(whole);
}

static void add_op(struct profiler *h, const struct plan_event *e)
{
    struct strbuf *t = &h->text;

    strbuf_addf(t,
                ",\n{\"ph\": \"X\", \"cat\": \"Op\", \"pid\": 1, \"tid\": 0, "
                "\"ts\": %.3f, \"dur\": %.3f, ",
                micros(e->begin_ns), micros(e->end_ns - e->begin_ns));
    add_name(t, "name", "", node_op(e->node), "");
    strbuf_addstr(t, ", \"args\": {");
    add_name(t, "name", e->backward ? "gradients/" : "", node_name(e->node),
             "");
    strbuf_addstr(t, ", ");
    add_name(t, "op", "", node_op(e->node), e->backward ? "Grad" : "");
    for (int i = 0; i < node_num_inputs(e->node); i++) {
        char key[32];

        (void)snprintf(key, sizeof key, "input%d", i);
        strbuf_addstr(t, ", ");
        add_name(t, key, "", node_name(node_input(e->node, i)), "");
    }
    strbuf_addstr(t, "}}");
}

/* One end of an arrow; phase: "s" where it starts, "t" where it ends. */
static void add_arrow(struct strbuf *t,
                      const char *phase,
                      const struct crew_node *node,
                      int id,
                      uint64_t ns)
{
    strbuf_addstr(t, ",\n{");
    add_name(t, "name", "", node_name(node), "");
    strbuf_addf(t,
                ", \"cat\": \"DataFlow\", \"ph\": \"%s\", \"id\": %d, "
                "\"pid\": 1, \"tid\": 0, \"ts\": %.3f}",
                phase, id, micros(ns));
}

/* Arrows from who makes a tensor to who reads it. */
static void add_flow(struct profiler *h, int reader, int *id)
{
    const struct plan_event *to = &h->trace.events[reader];

    for (int k = 0; !to->backward && k < node_num_inputs(to->node); k++) {
        for (int i = 0; i < reader; i++) {
            const struct plan_event *from = &h->trace.events[i];

            if (from->backward || from->node != node_input(to->node, k)) {
                continue;
            }
            add_arrow(&h->text, "s", from->node, *id, from->end_ns);
            add_arrow(&h->text, "t", from->node, *id, to->begin_ns);
            (*id)++;
        }
    }
}

static void save(struct profiler *h, int64_t step)
{
    struct crew_env *env = h->session->env;
    char *name = xasprintf("timeline-%" PRId64 ".json", step);
    char *path = path_join(h->dir, name);
    struct crew_err err = {0};
    int id = 0;

    env_log(env, LOG_INFO, "Saving timeline for %" PRId64 " into '%s'.", step,
            path);
    strbuf_reset(&h->text);
    strbuf_addstr(&h->text,
                  "{\"traceEvents\": [\n{\"name\": \"process_name\", \"ph\": "
                  "\"M\", \"pid\": 1, \"args\": {\"name\": "
                  "\"/job:localhost/replica:0/task:0/device:CPU:0 "
                  "Compute\"}}");
    for (int i = 0; i < h->trace.n; i++) {
        add_op(h, &h->trace.events[i]);
        if (h->show_dataflow) {
            add_flow(h, i, &id);
        }
    }
    strbuf_addstr(&h->text, "\n]}\n");
    if (fs_replace_file(env, path, h->text.data, h->text.len, &err) !=
        CREW_OK) {
        env_log(env, LOG_WARN, "ProfilerHook: %s could not be written: %s",
                path, err.msg);
    }
    free(path);
    free(name);
}

static int profiler_after_run(void *self,
                              struct crew_run_context *ctx,
                              struct crew_err *err)
{
    struct profiler *h = self;
    uint64_t now = h->session->env->now_ns(h->session->env);

    (void)err;
    if (!h->started) {
        h->started = true;
        (void)hook_timer_update(&h->timer, ctx->global_step - 1, now, NULL,
                                NULL);
    }
    if (h->due) {
        plan_set_trace(h->session->plan, NULL);
        (void)hook_timer_update(&h->timer, ctx->global_step, now, NULL, NULL);
        save(h, ctx->global_step);
    }
    return CREW_OK;
}

static void profiler_free(void *self)
{
    struct profiler *h = self;

    free(h->dir);
    free(h->trace.events);
    strbuf_release(&h->text);
    free(h);
}

static const struct crew_hook_ops profiler_ops = {
    .begin = profiler_begin,
    .before_run = profiler_before_run,
    .after_run = profiler_after_run,
    .free = profiler_free,
};

struct crew_hook crew_profiler_hook(int64_t save_steps,
                                    double save_secs,
                                    const char *output_dir,
                                    bool show_dataflow,
                                    bool show_memory)
{
    struct profiler *h;

    if (save_steps > 0 && save_secs > 0) {
        return hook_broken(HOOK_TIMER_BOTH);
    }
    if (save_steps <= 0 && save_secs <= 0) {
        return hook_broken(HOOK_TIMER_NEITHER);
    }
    h = xcalloc(1, sizeof *h);
    h->dir = xstrdup(output_dir != NULL ? output_dir : ".");
    h->show_dataflow = show_dataflow;
    h->show_memory = show_memory;
    strbuf_init(&h->text);
    hook_timer_init(&h->timer, save_secs, save_steps);
    return (struct crew_hook){&profiler_ops, h};
}
