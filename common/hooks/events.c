/* SPDX-License-Identifier: Apache-2.0
 * Events, with what happens to them as warnings. */
#include "hooks/events.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/banned.h"

static void warn(void *self, const char *text)
{
    env_log(self, LOG_WARN, "TensorBoard: %s. Training goes on.", text);
}

void hook_events_open(struct crew_env *env,
                      const char *dir,
                      bool threaded,
                      struct event_writer **events)
{
    struct event_notice notice = {.told = warn, .self = env};
    struct crew_err err = {0};

    if (event_writer_open(env, dir, notice, events, &err) != CREW_OK) {
        env_log(env, LOG_WARN,
                "TensorBoard: %s: events are not written. Training goes on.",
                err.msg);
    } else if (threaded) {
        event_writer_start(*events);
    }
}

void hook_event_scalar(struct event_writer *events,
                       int64_t step,
                       const char *tag,
                       float value)
{
    if (events != NULL) {
        event_write_scalar(events, step, tag, value);
    }
}

void hook_event_start(struct event_writer *events, int64_t step)
{
    if (events != NULL) {
        event_write_session(events, step, EVENT_SESSION_START, NULL);
    }
}

void hook_event_checkpoint(struct event_writer *events,
                           int64_t step,
                           const char *model_dir)
{
    char *path;

    if (events == NULL) {
        return;
    }
    path = path_join(model_dir, "model.ckpt");
    event_write_session(events, step, EVENT_SESSION_CHECKPOINT, path);
    event_writer_sync(events);
    free(path);
}

/* TensorFlow's _write_dict_to_summary gives the values of a summary these tags,
 * whatever theirs were. */
static int add_picture(struct event_summary *to,
                       const struct event_scalar *s,
                       struct crew_err *err)
{
    Tensorflow__Summary *m = event_summary_message(to);
    size_t first = m->n_value;

    if (hook_summary_add(to, s->picture, true, err) != CREW_OK) {
        return err->code;
    }
    for (size_t i = first; i < m->n_value; i++) {
        free(m->value[i]->tag);
        m->value[i]->tag = xasprintf("%s/%zu", s->tag, i - first);
    }
    return CREW_OK;
}

static int add_scalars(struct event_summary *to,
                       const struct event_scalar *scalars,
                       int n,
                       struct crew_err *err)
{
    for (int i = 0; i < n; i++) {
        const struct event_scalar *s = &scalars[i];

        if (s->picture != NULL) {
            if (add_picture(to, s, err) != CREW_OK) {
                return err->code;
            }
        } else if (s->n > 1) {
            event_add_floats(to, s->tag, s->values, s->n);
        } else {
            event_add_scalar(to, s->tag, s->value);
        }
    }
    return CREW_OK;
}

int hook_event_evaluation(struct event_writer *events,
                          int64_t step,
                          const struct event_scalar *scalars,
                          int n,
                          const char *checkpoint_path,
                          struct crew_err *err)
{
    struct event_summary *summary;

    if (events == NULL) {
        return CREW_OK;
    }
    summary = event_summary_new();
    if (add_scalars(summary, scalars, n, err) == CREW_OK) {
        event_write_summary(events, step, summary);
    }
    event_summary_free(summary);
    if (checkpoint_path == NULL || err->code != CREW_OK) {
        return err->code;
    }
    summary = event_summary_new();
    event_add_string(summary, "checkpoint_path", checkpoint_path);
    event_write_summary(events, step, summary);
    event_summary_free(summary);
    return CREW_OK;
}
