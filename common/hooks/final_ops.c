/* SPDX-License-Identifier: Apache-2.0
 * FinalOpsHook. There is no input left at the end; the values are those of the
 * last step, which is why they are fetched in each. */
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hook_session.h"
#include "base/banned.h"

struct final_ops {
    struct crew_session *session;
    char **names;
    int *tensors;
    struct crew_value *values;
    int n;
    crew_final_values_fn take;
    void *self;
};

static int final_begin(void *self,
                       struct crew_session *session,
                       struct crew_err *err)
{
    struct final_ops *h = self;

    h->session = session;
    for (int i = 0; i < h->n; i++) {
        if (crew_session_tensor(session, h->names[i], &h->tensors[i], err) !=
            CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static int final_before_run(void *self,
                            struct crew_run_context *ctx,
                            struct crew_err *err)
{
    const struct final_ops *h = self;

    (void)err;
    for (int i = 0; i < h->n; i++) {
        crew_run_fetch(ctx, h->tensors[i]);
    }
    return CREW_OK;
}

static int final_end(void *self, int64_t global_step, struct crew_err *err)
{
    struct final_ops *h = self;

    (void)global_step;
    for (int i = 0; i < h->n; i++) {
        h->values[i] = hook_session_value(h->session, h->tensors[i]);
    }
    return h->take(h->self, h->values, h->n, err);
}

static void final_free(void *self)
{
    struct final_ops *h = self;

    for (int i = 0; i < h->n; i++) {
        free(h->names[i]);
    }
    free(h->names);
    free(h->tensors);
    free(h->values);
    free(h);
}

static const struct crew_hook_ops final_ops = {
    .begin = final_begin,
    .before_run = final_before_run,
    .end = final_end,
    .free = final_free,
};

struct crew_hook crew_final_ops_hook(const char *const *tensors,
                                     int n,
                                     crew_final_values_fn take,
                                     void *self)
{
    struct final_ops *h;

    if (take == NULL) {
        return hook_broken(
            "FinalOpsHook: `take` must be a function, given: None.");
    }
    if (n < 0 || (n > 0 && tensors == NULL)) {
        return hook_broken("FinalOpsHook: %d tensors, but tensors is %s", n,
                           tensors == NULL ? "NULL" : "given");
    }
    for (int i = 0; i < n; i++) {
        if (tensors[i] == NULL) {
            return hook_broken("FinalOpsHook: tensors[%d] is NULL", i);
        }
    }
    h = xcalloc(1, sizeof *h);
    h->names = xcalloc((size_t)n + 1, sizeof *h->names);
    h->tensors = xcalloc((size_t)n + 1, sizeof *h->tensors);
    h->values = xcalloc((size_t)n + 1, sizeof *h->values);
    for (int i = 0; i < n; i++) {
        h->names[i] = xstrdup(tensors[i]);
    }
    h->n = n;
    h->take = take;
    h->self = self;
    return (struct crew_hook){&final_ops, h};
}
