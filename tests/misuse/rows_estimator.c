/* SPDX-License-Identifier: Apache-2.0
 * An Estimator's calls, what they return, and the main() of a job. */
#include <stdio.h>
#include <stdlib.h>

#include "nulls.h"

static struct crew_estimator *made;
static struct crew_results *results;
static struct crew_predictions *predictions;
static struct crew_prediction prediction;
static struct crew_shape shape;
static float *values;
static void *data;
static enum crew_dtype dtype;
static char **names;
static char *dir;
static int n;

static const struct crew_train_args *train_args(void)
{
    static const struct crew_train_args all = {.max_steps = 2};

    return &all;
}

static struct crew_train_args train_with(const struct crew_hook_ops *ops)
{
    static struct crew_hook hook;

    hook = (struct crew_hook){ops, NULL};
    return (struct crew_train_args){
        .max_steps = 2, .hooks = &hook, .num_hooks = 1};
}

static const struct crew_hook_ops hook_ops;

static int train_hook(const struct crew_hook_ops *ops)
{
    struct crew_train_args args = train_with(ops);

    return crew_estimator_train(estimator, input_fn, &args, &the_err);
}

static int train_hooks(const struct crew_hook *hooks)
{
    struct crew_train_args args = {
        .max_steps = 2, .hooks = hooks, .num_hooks = 1};

    return crew_estimator_train(estimator, input_fn, &args, &the_err);
}

static const struct crew_hook *hooks(void)
{
    static struct crew_hook all;

    all = (struct crew_hook){&hook_ops, NULL};
    return &all;
}

static int train_listeners(const struct crew_saving_listener *listeners)
{
    struct crew_train_args args = {.max_steps = 2,
                                   .saving_listeners = listeners,
                                   .num_saving_listeners = 1};

    return crew_estimator_train(estimator, input_fn, &args, &the_err);
}

static const struct crew_saving_listener_ops listener_ops;

static const struct crew_saving_listener *saving_listeners(void)
{
    static struct crew_saving_listener all;

    all = (struct crew_saving_listener){&listener_ops, NULL};
    return &all;
}

static int train_listener(const struct crew_saving_listener_ops *ops)
{
    struct crew_saving_listener listener = {ops, NULL};

    return train_listeners(&listener);
}

static int eval_hooks(const struct crew_hook *of)
{
    struct crew_eval_args args = {.steps = 1, .hooks = of, .num_hooks = 1};

    return crew_estimator_evaluate(estimator, input_fn, &args, &results,
                                   &the_err);
}

static int predict_keys(const char *const *keys)
{
    struct crew_predict_args args = {.predict_keys = keys,
                                     .num_predict_keys = 1};

    return crew_estimator_predict(estimator, input_fn, &args, &predictions,
                                  &the_err);
}

static int predict_key(const char *key)
{
    return predict_keys(&key);
}

static const char *const *keys(void)
{
    static const char *const all[] = {"logits"};

    return all;
}

static int predict_hooks(const struct crew_hook *of)
{
    struct crew_predict_args args = {.hooks = of, .num_hooks = 1};

    return crew_estimator_predict(estimator, input_fn, &args, &predictions,
                                  &the_err);
}

static int new_with(const char *const *all)
{
    struct crew_estimator_args args = {
        .model_dir = model_dir, .params = all, .num_params = 1};

    return crew_estimator_new(&job, &args, &made, &the_err);
}

static const char *const *one_param(const char *param)
{
    static const char *all[1];

    all[0] = param;
    return all;
}

static const struct crew_estimator_args *args(void)
{
    static struct crew_estimator_args all;

    all = (struct crew_estimator_args){.model_dir = model_dir};
    return &all;
}

static const struct crew_eval_args *eval_args(void)
{
    static const struct crew_eval_args all = {.steps = 1};

    return &all;
}

static const struct crew_predict_args *predict_args(void)
{
    static const struct crew_predict_args all = {.yield_batches = true};

    return &all;
}

static const struct crew_export_args *export_args(void)
{
    static const struct crew_export_args all = {.input_fn = input_fn};

    return &all;
}

static const char *base(void)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/served", model_dir);
    return path;
}

/* With an exporter whose assets are as given. */
static int export_assets(const struct crew_asset *assets)
{
    struct crew_exporter exporter = {.assets_extra = assets,
                                     .num_assets_extra = 1};
    struct crew_export_args with = {.input_fn = input_fn,
                                    .exporter = &exporter};

    return crew_estimator_export_saved_model(estimator, base(), CREW_PREDICT,
                                             &with, &dir, &the_err);
}

static int export_asset(const char *name, const char *source)
{
    struct crew_asset asset = {name, source};

    return export_assets(&asset);
}

static const struct crew_asset *assets_extra(void)
{
    static const struct crew_asset all = {"passwd", "/etc/passwd"};

    return &all;
}

static int export_features(const struct crew_example_feature *all)
{
    struct crew_exporter exporter = {
        .receiver = {.kind = CREW_RECEIVER_EXAMPLES,
                     .features = all,
                     .num_features = 1}};
    struct crew_export_args with = {.input_fn = input_fn,
                                    .exporter = &exporter};

    return crew_estimator_export_saved_model(estimator, base(), CREW_PREDICT,
                                             &with, &dir, &the_err);
}

static int export_feature(const char *name)
{
    struct crew_example_feature feature = {.name = name};

    return export_features(&feature);
}

static const struct crew_example_feature *example_features(void)
{
    static const struct crew_example_feature all = {.name = "x"};

    return &all;
}

static struct crew_results *evaluated(void)
{
    struct crew_results *r = NULL;

    (void)crew_estimator_evaluate(estimator, input_fn, NULL, &r, &the_err);
    return r;
}

static struct crew_predictions *predicted(void)
{
    struct crew_predictions *p = NULL;

    (void)crew_estimator_predict(estimator, input_fn, NULL, &p, &the_err);
    return p;
}

static const struct crew_eval_result *eval_result(void)
{
    static const struct crew_eval_value value = {"loss", 1};
    static const struct crew_eval_result all = {1, 1, &value};

    return &all;
}

static int initial(struct crew_initial_values *initial_values)
{
    return crew_initial_value(P(initial_values), AS("name", "dense/kernel"),
                              P(&shape), P(&values), ERR);
}

/* In the init_fn of a training that begins. */
static int in_training(void)
{
    struct crew_estimator_args there = {0};
    struct crew_train_args one = {.max_steps = 1};
    struct crew_err err = {0};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/initial", model_dir);
    there.model_dir = path;
    in_init_fn = initial;
    the_code = CREW_UNKNOWN;
    if (crew_estimator_new(&job, &there, &made, &err) == CREW_OK) {
        (void)crew_estimator_train(made, input_fn, &one, &err);
    }
    in_init_fn = NULL;
    return the_code;
}

static struct crew_run_config *rc(void)
{
    static struct crew_run_config all;

    crew_run_config_init(&all);
    return &all;
}

static const char *const *changes(void)
{
    return one_param("tf_random_seed=5");
}

static const struct crew_train_spec *train_spec(void)
{
    static struct crew_train_spec ts;

    crew_train_spec_init(&ts);
    ts.input_fn = input_fn;
    ts.max_steps = 2;
    return &ts;
}

static const struct crew_eval_spec *eval_spec(void)
{
    static struct crew_eval_spec es;

    crew_eval_spec_init(&es);
    es.input_fn = input_fn;
    es.steps = 1;
    return &es;
}

static char **argv(void)
{
    static char program[] = "nulls", flag[] = "--version";
    static char *all[] = {program, flag, NULL};

    return all;
}

static const struct crew_job *the_job(void)
{
    return &job;
}

static int new_job(const char *name, bool model)
{
    struct crew_job made_job = job;

    made_job.name = name;
    made_job.model_fn = model ? job.model_fn : NULL;
    return crew_estimator_new(&made_job, NULL, &made, &the_err);
}

#define ROWS(X)                                                                \
    X(REFUSED, crew_estimator_new, all,                                        \
      crew_estimator_new(AS("model_fn", the_job()), N(args()), P(&made), ERR)) \
    X(REFUSED, crew_estimator_new, params,                                     \
      new_with(AS("params", one_param("max_steps=5"))))                        \
    X(REFUSED, crew_estimator_new, parts,                                      \
      new_with(one_param(AS("params", "max_steps=5"))))                        \
    X(REFUSED, crew_estimator_new, name, new_job(P("name"), true))             \
    X(CALM, crew_estimator_free, all, (crew_estimator_free(P(NULL)), 0))       \
    X(CALM, crew_estimator_model_dir, all,                                     \
      crew_estimator_model_dir(P(estimator)))                                  \
    X(REFUSED, crew_estimator_train, all,                                      \
      crew_estimator_train(P(estimator), P(input_fn), N(train_args()), ERR))   \
    X(REFUSED, crew_estimator_train, ops, train_hook(AS("ops", &hook_ops)))    \
    X(REFUSED, crew_estimator_train, hooks, train_hooks(P(hooks())))           \
    X(REFUSED, crew_estimator_train, listeners,                                \
      train_listeners(P(saving_listeners())))                                  \
    X(REFUSED, crew_estimator_train, listener,                                 \
      train_listener(AS("ops", &listener_ops)))                                \
    X(CALM, crew_results_free, all, (crew_results_free(P(evaluated())), 0))    \
    X(CALM, crew_results_num, all, crew_results_num(P(evaluated())))           \
    X(CALM, crew_results_at, all, crew_results_at(P(evaluated()), 0))          \
    X(CALM, crew_results_get, all,                                             \
      crew_results_get(P(evaluated()), P("key"), 0))                           \
    X(CALM, crew_results_text, all, crew_results_text(P(evaluated())))         \
    X(REFUSED, crew_estimator_evaluate, all,                                   \
      crew_estimator_evaluate(P(estimator), P(input_fn), N(eval_args()),       \
                              P(&results), ERR))                               \
    X(REFUSED, crew_estimator_evaluate, hooks, eval_hooks(P(hooks())))         \
    X(REFUSED, crew_estimator_predict, all,                                    \
      crew_estimator_predict(P(estimator), P(input_fn), N(predict_args()),     \
                             P(&predictions), ERR))                            \
    X(REFUSED, crew_estimator_predict, keys, predict_keys(N(keys())))          \
    X(REFUSED, crew_estimator_predict, key, predict_key(AS("keys", "logits"))) \
    X(REFUSED, crew_estimator_predict, hooks, predict_hooks(P(hooks())))       \
    X(REFUSED, crew_predictions_next, all,                                     \
      crew_predictions_next(AS("predictions", predicted()), P(&prediction),    \
                            ERR))                                              \
    X(CALM, crew_predictions_free, all,                                        \
      (crew_predictions_free(P(predicted())), 0))                              \
    X(REFUSED, crew_estimator_export_saved_model, all,                         \
      crew_estimator_export_saved_model(P(estimator), P(base()), CREW_PREDICT, \
                                        N(export_args()), P(&dir), ERR))       \
    X(REFUSED, crew_estimator_export_saved_model, assets,                      \
      export_assets(P(assets_extra())))                                        \
    X(REFUSED, crew_estimator_export_saved_model, asset,                       \
      export_asset(P("name"), AS("source", "/etc/passwd")))                    \
    X(REFUSED, crew_estimator_export_saved_model, receiver,                    \
      export_features(AS("features", example_features())))                     \
    X(REFUSED, crew_estimator_export_saved_model, feature,                     \
      export_feature(AS("name", "x")))                                         \
    X(CALM, crew_estimator_latest_checkpoint, all,                             \
      crew_estimator_latest_checkpoint(P(estimator)))                          \
    X(REFUSED, crew_estimator_get_variable_names, all,                         \
      crew_estimator_get_variable_names(P(estimator), P(&names), P(&n), ERR))  \
    X(REFUSED, crew_estimator_get_variable_value, all,                         \
      crew_estimator_get_variable_value(P(estimator),                          \
                                        AS("name", "dense/kernel"), P(&dtype), \
                                        P(&shape), P(&data), ERR))             \
    X(REFUSED, crew_train_and_evaluate, all,                                   \
      crew_train_and_evaluate(P(estimator), N(train_spec()), N(eval_spec()),   \
                              ERR))                                            \
    X(CALM, crew_estimator_last_results, all,                                  \
      crew_estimator_last_results(P(estimator)))                               \
    X(CALM, crew_estimator_last_exports, all,                                  \
      crew_estimator_last_exports(P(estimator), P(&n)))                        \
    X(CALM, crew_eval_result_get, all,                                         \
      crew_eval_result_get(P(eval_result()), P("key"), 0))                     \
    X(REFUSED, crew_initial_value, all, in_training())                         \
    X(REFUSED, crew_run_config_replace, all,                                   \
      crew_run_config_replace(P(rc()), P(changes()), 1, ERR))                  \
    X(REFUSED, crew_run_config_replace, parts,                                 \
      crew_run_config_replace(                                                 \
          rc(), one_param(AS("change", "tf_random_seed=5")), 1, ERR))          \
    X(EXITS, crew_job_main, all, crew_job_main(P(the_job()), 2, P(argv())))

ROWS(ROW_FUNCTION)
const struct row estimator_rows[] = {ROWS(ROW)};
const int num_estimator_rows = NUM_OF(estimator_rows);
