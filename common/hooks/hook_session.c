/* SPDX-License-Identifier: Apache-2.0
 * A session of hooks, and what a hook may ask of it. */
#include "hooks/hook_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/owner.h"
#include "base/banned.h"

#define GLOBAL_STEP "global_step"

void hook_session_init(struct crew_session *s,
                       struct crew_env *env,
                       const struct crew_graph *graph)
{
    *s = (struct crew_session){.env = env, .graph = graph};
    hook_list_init(&s->hooks);
}

void hook_session_release(struct crew_session *s)
{
    hook_list_release(&s->hooks);
    free(s->tensors);
    *s = (struct crew_session){0};
}

void hook_session_add(struct crew_session *s, struct crew_hook hook)
{
    hook_list_add(&s->hooks, hook.ops, hook.self);
}

void hook_session_borrow(struct crew_session *s,
                         const struct crew_hook *hooks,
                         int n)
{
    for (int i = 0; i < n; i++) {
        hook_list_borrow(&s->hooks, hooks[i]);
    }
}

/* ------------------------------------------------------------------- phases */

int hook_session_begin(struct crew_session *s, struct crew_err *err)
{
    return hook_list_begin(&s->hooks, s, err);
}

struct crew_node **hook_session_tensors(const struct crew_session *s, int *n)
{
    struct crew_node **nodes =
        xcalloc((size_t)s->num_tensors + 1, sizeof(struct crew_node *));

    *n = 0;
    for (int i = 0; i < s->num_tensors; i++) {
        if (s->tensors[i].node != NULL) {
            nodes[(*n)++] = s->tensors[i].node;
        }
    }
    return nodes;
}

void hook_session_set_plan(struct crew_session *s, struct plan *plan)
{
    s->plan = plan;
}

int hook_session_created(struct crew_session *s,
                         int64_t step,
                         struct crew_err *err)
{
    s->step = step;
    return hook_list_after_create_session(&s->hooks, step, err);
}

int hook_session_before_run(struct crew_session *s,
                            int64_t step,
                            struct crew_run_context *ctx,
                            struct crew_err *err)
{
    s->step = step;
    ctx->session = s;
    for (int i = 0; i < s->num_tensors; i++) {
        s->tensors[i].wanted = false;
    }
    if (hook_list_before_run(&s->hooks, ctx, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < s->num_tensors; i++) {
        if (s->tensors[i].wanted && s->tensors[i].node != NULL) {
            plan_request(s->plan, s->tensors[i].node);
        }
    }
    return CREW_OK;
}

int hook_session_after_run(struct crew_session *s,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    ctx->session = s;
    s->ran = true;
    return hook_list_after_run(&s->hooks, ctx, err);
}

int hook_session_end(struct crew_session *s,
                     int64_t global_step,
                     struct crew_err *err)
{
    s->step = global_step;
    return hook_list_end(&s->hooks, global_step, err);
}

/* ------------------------------------------------------------ what is asked */

static int declare(struct crew_session *s, struct crew_node *node)
{
    for (int i = 0; i < s->num_tensors; i++) {
        if (s->tensors[i].node == node) {
            return i;
        }
    }
    s->tensors =
        xrealloc(s->tensors, ((size_t)s->num_tensors + 1) * sizeof *s->tensors);
    s->tensors[s->num_tensors] = (struct session_tensor){.node = node};
    return s->num_tensors++;
}

/* "softmax_tensor:0" without its ":0". Every op of ours has one output. */
static int op_name(const char *name,
                   char *op,
                   size_t size,
                   struct crew_err *err)
{
    const char *colon = strchr(name, ':');
    size_t n = colon != NULL ? (size_t)(colon - name) : strlen(name);

    if (n == 0 || n >= size || (colon != NULL && strcmp(colon, ":0") != 0)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "The name '%s' refers to a Tensor which does not "
                             "exist. Fix: the name of an op, or <op>:0",
                             name);
    }
    (void)snprintf(op, size, "%.*s", (int)n, name);
    return CREW_OK;
}

static int check_asked(const struct crew_session *s,
                       const void *what,
                       const int *tensor,
                       const char *function,
                       const char *name,
                       struct crew_err *err)
{
    if (s != NULL && what != NULL && tensor != NULL) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1, "%s: %s is NULL",
                         function,
                         s == NULL      ? "the session"
                         : what == NULL ? name
                                        : "the place for the tensor's handle");
}

int crew_session_tensor(struct crew_session *s,
                        const char *name,
                        int *tensor,
                        struct crew_err *err)
{
    struct crew_err unheard = {0};
    struct crew_node *node;
    char op[512];

    err = err != NULL ? err : &unheard;
    if (check_asked(s, name, tensor, "crew_session_tensor", "the name", err) !=
        CREW_OK) {
        return err->code;
    }
    if (op_name(name, op, sizeof op, err) != CREW_OK) {
        return err->code;
    }
    node = graph_find_node(s->graph, op);
    if (node == NULL && strcmp(op, "loss") == 0) {
        node = s->loss;
    }
    if (node == NULL && strcmp(op, GLOBAL_STEP) != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "\"The name '%s:0' refers to a Tensor which does "
                             "not exist. The operation, '%s', does not exist "
                             "in the graph.\"",
                             op, op);
    }
    *tensor = declare(s, node);
    return CREW_OK;
}

int crew_session_node(struct crew_session *s,
                      struct crew_node *node,
                      int *tensor,
                      struct crew_err *err)
{
    struct crew_err unheard = {0};

    err = err != NULL ? err : &unheard;
    if (check_asked(s, node, tensor, "crew_session_node", "the tensor", err) !=
        CREW_OK) {
        return err->code;
    }
    if (!graph_owns(s->graph, node)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "a hook's tensor is of another graph. Fix: ask "
                             "for it by its name");
    }
    *tensor = declare(s, node);
    return CREW_OK;
}

static bool is_known(const struct crew_session *s, int tensor)
{
    return s != NULL && tensor >= 0 && tensor < s->num_tensors;
}

void crew_run_fetch(struct crew_run_context *ctx, int tensor)
{
    if (ctx != NULL && is_known(ctx->session, tensor)) {
        ctx->session->tensors[tensor].wanted = true;
    }
}

struct crew_value crew_run_value(const struct crew_run_context *ctx, int tensor)
{
    return hook_session_value(ctx != NULL ? ctx->session : NULL, tensor);
}

struct crew_value hook_session_value(const struct crew_session *s, int tensor)
{
    struct crew_value value = {0};

    if (!is_known(s, tensor) || !s->tensors[tensor].wanted) {
        return value;
    }

    const struct crew_node *node = s->tensors[tensor].node;

    if (node != NULL && !s->ran) {
        return value;
    }
    if (node == NULL) {
        value.dtype = CREW_INT64;
        value.data = &s->step;
        return value;
    }
    value.dtype = node_dtype(node) == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
    value.data = plan_value(s->plan, node, &value.shape);
    return value;
}

void crew_run_request_stop(struct crew_run_context *ctx, const char *why)
{
    if (ctx == NULL) {
        return;
    }
    ctx->request_stop = true;
    if (ctx->session != NULL && why != NULL && ctx->session->why[0] == '\0') {
        (void)snprintf(ctx->session->why, sizeof ctx->session->why, "%s", why);
    }
}
