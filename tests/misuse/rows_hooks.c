/* SPDX-License-Identifier: Apache-2.0
 * Hooks, what they may ask of a session, and the specs that own them. */
#include <stdio.h>

#include "config/run_config.h"
#include "nulls.h"

static int tensor;
static struct crew_run_config rc;
static struct crew_train_spec ts;
static struct crew_eval_spec es;
static struct crew_run_context context;

static struct crew_run_context *run_context(struct crew_session *of)
{
    context = (struct crew_run_context){.session = of};
    return &context;
}

static const struct crew_hook_ops hook_ops;

static struct crew_hook hook_of(const struct crew_hook_ops *ops)
{
    return (struct crew_hook){ops, NULL};
}

static const struct crew_saving_listener_ops listener_ops;

static struct crew_saving_listener listener_of(
    const struct crew_saving_listener_ops *ops)
{
    return (struct crew_saving_listener){ops, NULL};
}

/* The specs as configure() leaves them, validated as the host does. */
static int train_spec(struct crew_hook hook,
                      bool null,
                      struct crew_saving_listener listener)
{
    crew_run_config_init(&rc);
    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = input_fn;
    es.input_fn = input_fn;
    ts.max_steps = 1;
    crew_train_spec_add_hook(null ? NULL : &ts, hook);
    crew_train_spec_add_saving_listener(null ? NULL : &ts, listener);
    return run_config_validate(&rc, &ts, &es, &the_err);
}

static int eval_spec(struct crew_hook hook, const char *exporter, bool null)
{
    crew_run_config_init(&rc);
    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ts.input_fn = input_fn;
    es.input_fn = input_fn;
    ts.max_steps = 1;
    crew_eval_spec_add_hook(null ? NULL : &es, hook);
    crew_eval_spec_add_exporter(null ? NULL : &es, CREW_EXPORTER_LATEST,
                                exporter);
    return run_config_validate(&rc, &ts, &es, &the_err);
}

static struct crew_hook logging_of(const char *tag, const char *tensor_name)
{
    static struct crew_logged logged;
    struct crew_logging o = {
        .tensors = &logged, .num_tensors = 1, .every_n_iter = 1};

    logged = (struct crew_logged){.tag = tag, .tensor = tensor_name};
    return crew_logging_tensor_hook(&o);
}

static const struct crew_logged *logged(void)
{
    static const struct crew_logged all = {.tag = "a"};

    return &all;
}

static struct crew_hook logging_list(const struct crew_logged *tensors)
{
    struct crew_logging o = {
        .tensors = tensors, .num_tensors = 1, .every_n_iter = 1};

    return crew_logging_tensor_hook(&o);
}

static const struct crew_logging *logging(void)
{
    static struct crew_logging o;

    o = (struct crew_logging){
        .tensors = logged(), .num_tensors = 1, .every_n_iter = 1};
    return &o;
}

static int take(void *self,
                const struct crew_value *values,
                int n,
                struct crew_err *err)
{
    (void)self, (void)values, (void)n, (void)err;
    return CREW_OK;
}

static const char *const *tensors(void)
{
    static const char *const all[] = {"a"};

    return all;
}

static struct crew_hook final_ops_of(const char *name)
{
    return crew_final_ops_hook(&name, 1, take, NULL);
}

static int should_stop(void *self, bool *stop, struct crew_err *err)
{
    (void)self, (void)stop, (void)err;
    return CREW_OK;
}

static const struct crew_saving_listener *listeners(void)
{
    static struct crew_saving_listener all;

    all = listener_of(&listener_ops);
    return &all;
}

static struct crew_hook saver_of(const struct crew_saving_listener_ops *ops)
{
    struct crew_saving_listener listener = listener_of(ops);

    return crew_checkpoint_saver_hook(0, 5, &listener, 1);
}

static const struct crew_hook *hooks(void)
{
    static struct crew_hook all;

    all = hook_of(&hook_ops);
    return &all;
}

static struct crew_hook evaluator_of(const struct crew_hook_ops *ops)
{
    struct crew_hook hook = hook_of(ops);

    return crew_in_memory_evaluator_hook(input_fn, 1, NULL, &hook, 1, 1);
}

static const struct crew_early_stopping how = {.eval_dir = "/no/such/folder",
                                               .run_every_steps = 1};

#define ROWS(X)                                                                \
    X(REFUSED, crew_session_tensor, all,                                       \
      crew_session_tensor(P(session), AS("name", "a"), P(&tensor), ERR))       \
    X(REFUSED, crew_session_node, all,                                         \
      crew_session_node(P(session), AS("tensor", a), P(&tensor), ERR))         \
    X(CALM, crew_run_fetch, all, (crew_run_fetch(P(&context), 0), 0))          \
    X(CALM, crew_run_fetch, session,                                           \
      (crew_run_fetch(run_context(P(session)), 0), 0))                         \
    X(CALM, crew_run_value, all, crew_run_value(P(&context), 0).data)          \
    X(CALM, crew_run_value, session,                                           \
      crew_run_value(run_context(P(session)), 0).data)                         \
    X(CALM, crew_run_request_stop, all,                                        \
      (crew_run_request_stop(P(&context), P("why")), 0))                       \
    X(CALM, crew_run_request_stop, session,                                    \
      (crew_run_request_stop(run_context(P(session)), N("why")), 0))           \
    X(REFUSED, crew_train_spec_add_hook, ops,                                  \
      train_spec(hook_of(AS("ops", &hook_ops)), false,                         \
                 listener_of(&listener_ops)))                                  \
    X(REFUSED, crew_train_spec_add_saving_listener, ops,                       \
      train_spec(hook_of(&hook_ops), false,                                    \
                 listener_of(AS("ops", &listener_ops))))                       \
    X(CALM, crew_train_spec_add_hook, spec,                                    \
      train_spec(hook_of(&hook_ops), null_at("ts", false),                     \
                 listener_of(&listener_ops)))                                  \
    X(CALM, crew_train_spec_release, spec,                                     \
      (crew_train_spec_release(P(&ts)), 0))                                    \
    X(CALM, crew_train_spec_init, spec, (crew_train_spec_init(P(&ts)), 0))     \
    X(CALM, crew_eval_spec_release, spec, (crew_eval_spec_release(P(&es)), 0)) \
    X(CALM, crew_eval_spec_init, spec, (crew_eval_spec_init(P(&es)), 0))       \
    X(CALM, crew_run_config_init, spec, (crew_run_config_init(P(&rc)), 0))     \
    X(REFUSED, crew_eval_spec_add_hook, ops,                                   \
      eval_spec(hook_of(AS("ops", &hook_ops)), "name", false))                 \
    X(REFUSED, crew_eval_spec_add_exporter, name,                              \
      eval_spec(hook_of(&hook_ops), P("name"), false))                         \
    X(CALM, crew_eval_spec_add_exporter, spec,                                 \
      eval_spec(hook_of(&hook_ops), "name", null_at("es", false)))             \
    X(HOOK, crew_logging_tensor_hook, all,                                     \
      crew_logging_tensor_hook(P(logging())))                                  \
    X(HOOK, crew_logging_tensor_hook, list, logging_list(P(logged())))         \
    X(HOOK, crew_logging_tensor_hook, parts, logging_of(P("tag"), N("a")))     \
    X(HOOK, crew_checkpoint_saver_hook, list,                                  \
      crew_checkpoint_saver_hook(0, 5, P(listeners()), 1))                     \
    X(HOOK, crew_checkpoint_saver_hook, parts,                                 \
      saver_of(AS("ops", &listener_ops)))                                      \
    X(HOOK, crew_nan_tensor_hook, all, crew_nan_tensor_hook(N("a"), true))     \
    X(HOOK, crew_summary_saver_hook, all,                                      \
      crew_summary_saver_hook(1, 0, N(model_dir)))                             \
    X(HOOK, crew_final_ops_hook, list,                                         \
      crew_final_ops_hook(P(tensors()), 1, P(take), N("self")))                \
    X(HOOK, crew_final_ops_hook, parts, final_ops_of(P("a")))                  \
    X(HOOK, crew_profiler_hook, all,                                           \
      crew_profiler_hook(1, 0, N(model_dir), true, true))                      \
    X(HOOK, crew_in_memory_evaluator_hook, all,                                \
      crew_in_memory_evaluator_hook(P(input_fn), 1, N("name"), P(hooks()), 1,  \
                                    1))                                        \
    X(HOOK, crew_in_memory_evaluator_hook, parts,                              \
      evaluator_of(AS("ops", &hook_ops)))                                      \
    X(HOOK, crew_stop_if_higher_hook, all,                                     \
      crew_stop_if_higher_hook(P("metric"), 1, how))                           \
    X(HOOK, crew_stop_if_lower_hook, all,                                      \
      crew_stop_if_lower_hook(P("metric"), 1, how))                            \
    X(HOOK, crew_stop_if_no_increase_hook, all,                                \
      crew_stop_if_no_increase_hook(P("metric"), 1, how))                      \
    X(HOOK, crew_stop_if_no_decrease_hook, all,                                \
      crew_stop_if_no_decrease_hook(P("metric"), 1, how))                      \
    X(HOOK, crew_early_stopping_hook, all,                                     \
      crew_early_stopping_hook(P(should_stop), N("self"), how))

ROWS(ROW_FUNCTION)
const struct row hook_rows[] = {ROWS(ROW)};
const int num_hook_rows = NUM_OF(hook_rows);
