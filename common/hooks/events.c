/* SPDX-License-Identifier: Apache-2.0
 * Events, with failures turned into warnings. */
#include "hooks/events.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/banned.h"

/* The writer reports a failure once and is quiet from then on, so this warns
 * once. */
static void warn(struct crew_env *env, int code, const struct crew_err *err)
{
    if (code != CREW_OK) {
        env_log(env, LOG_WARN,
                "Events are not written any more: %s. Training goes on.",
                err->msg);
    }
}

void hook_event_scalar(struct event_writer *events,
                       struct crew_env *env,
                       int64_t step,
                       const char *tag,
                       float value)
{
    struct event_scalar scalar = {.tag = tag, .value = value};
    struct crew_err err = {0};

    if (events != NULL) {
        warn(env, event_scalars(events, step, &scalar, 1, &err), &err);
    }
}

void hook_event_start(struct event_writer *events,
                      struct crew_env *env,
                      int64_t step)
{
    struct crew_err err = {0};

    if (events != NULL) {
        warn(env,
             event_session_log(events, step, EVENT_SESSION_START, NULL, &err),
             &err);
    }
}

void hook_event_checkpoint(struct event_writer *events,
                           struct crew_env *env,
                           int64_t step,
                           const char *model_dir)
{
    struct crew_err err = {0};
    char *path;

    if (events == NULL) {
        return;
    }
    path = path_join(model_dir, "model.ckpt");
    warn(env,
         event_session_log(events, step, EVENT_SESSION_CHECKPOINT, path, &err),
         &err);
    free(path);
}

void hook_event_evaluation(struct event_writer *events,
                           struct crew_env *env,
                           int64_t step,
                           const struct event_scalar *scalars,
                           int n,
                           const char *checkpoint_path)
{
    struct crew_err err = {0};
    int code;

    if (events == NULL) {
        return;
    }
    code = event_scalars(events, step, scalars, n, &err);
    if (code == CREW_OK) {
        code =
            event_text(events, step, "checkpoint_path", checkpoint_path, &err);
    }
    warn(env, code, &err);
}

void hook_events_open(struct crew_env *env,
                      const char *dir,
                      struct event_writer **events)
{
    struct crew_err err = {0};

    warn(env, event_writer_open(env, dir, events, &err), &err);
}
