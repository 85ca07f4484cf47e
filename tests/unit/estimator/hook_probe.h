/* SPDX-License-Identifier: Apache-2.0
 * A hook and a saving listener that note in `calls` what is called. */
#ifndef UNIT_ESTIMATOR_HOOK_PROBE_H
#define UNIT_ESTIMATOR_HOOK_PROBE_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/strbuf.h"

static struct strbuf calls;

struct probe {
    char name;
    int64_t fail_at; /* the step whose after_run fails; 0: none */
    int64_t stop_at;
};

static int probe_begin(void *self,
                       struct crew_session *session,
                       struct crew_err *err)
{
    const struct probe *p = self;

    (void)err;
    ck_assert_ptr_nonnull(session);
    strbuf_addf(&calls, "b%c ", p->name);
    return CREW_OK;
}

static int probe_created(void *self, int64_t step, struct crew_err *err)
{
    const struct probe *p = self;

    (void)err;
    strbuf_addf(&calls, "c%c%d ", p->name, (int)step);
    return CREW_OK;
}

static int probe_before(void *self,
                        struct crew_run_context *ctx,
                        struct crew_err *err)
{
    const struct probe *p = self;

    (void)err;
    strbuf_addf(&calls, "<%c%d ", p->name, (int)ctx->local_step);
    return CREW_OK;
}

static int probe_after(void *self,
                       struct crew_run_context *ctx,
                       struct crew_err *err)
{
    const struct probe *p = self;

    ck_assert(ctx->loss > 0 && isfinite(ctx->loss));
    strbuf_addf(&calls, ">%c%d ", p->name, (int)ctx->global_step);
    if (p->fail_at == ctx->local_step) {
        return crew_err_set(err, CREW_INTERNAL, "the probe has had enough");
    }
    if (p->stop_at == ctx->local_step) {
        crew_run_request_stop(ctx, "the probe has seen enough");
    }
    return CREW_OK;
}

static int probe_end(void *self, int64_t step, struct crew_err *err)
{
    const struct probe *p = self;

    (void)err;
    strbuf_addf(&calls, "e%c%d ", p->name, (int)step);
    return CREW_OK;
}

static void probe_free(void *self)
{
    struct probe *p = self;

    strbuf_addf(&calls, "f%c ", p->name);
    free(p);
}

static const struct crew_hook_ops probe_ops = {
    .begin = probe_begin,
    .after_create_session = probe_created,
    .before_run = probe_before,
    .after_run = probe_after,
    .end = probe_end,
    .free = probe_free,
};

static struct crew_hook probe(char name, int64_t fail_at, int64_t stop_at)
{
    struct probe *p = xcalloc(1, sizeof *p);

    *p = (struct probe){name, fail_at, stop_at};
    return (struct crew_hook){&probe_ops, p};
}

static int note_save(char what, char name, int64_t step)
{
    strbuf_addf(&calls, "%c%c%d ", what, name, (int)step);
    return CREW_OK;
}

static int listener_begin(void *self, struct crew_err *err)
{
    (void)err;
    return note_save('b', *(char *)self, 0);
}

static int listener_before(void *self, int64_t step, struct crew_err *err)
{
    (void)err;
    return note_save('(', *(char *)self, step);
}

static int listener_after(void *self,
                          int64_t step,
                          bool *request_stop,
                          struct crew_err *err)
{
    (void)err;
    *request_stop = step >= 4;
    return note_save(')', *(char *)self, step);
}

static int listener_end(void *self, int64_t step, struct crew_err *err)
{
    (void)err;
    return note_save('e', *(char *)self, step);
}

static void listener_free_name(void *self)
{
    strbuf_addf(&calls, "f%c ", *(char *)self);
    free(self);
}

static const struct crew_saving_listener_ops listener_ops = {
    .begin = listener_begin,
    .before_save = listener_before,
    .after_save = listener_after,
    .end = listener_end,
    .free = listener_free_name,
};

#endif
