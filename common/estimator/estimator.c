/* SPDX-License-Identifier: Apache-2.0
 *
 * tf.estimator.Estimator and train_and_evaluate over the same parts as the
 * programs. Source: tensorflow_estimator's estimator.py. */
#include "estimator/estimator.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/save.h"
#include "estimator/evaluation/evaluate.h"
#include "estimator/roles/prepare.h"
#include "estimator/roles/roles.h"
#include "estimator/run/job_load.h"
#include "kernels/blas.h"
#include "base/banned.h"

int estimator_check(const struct crew_estimator *e,
                    const char *function,
                    struct crew_err *err)
{
    if (!estimator_lives(e)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s: the Estimator is %s", function,
                             e == NULL ? "NULL; crew_estimator_new() makes one"
                                       : "none, or has been freed");
    }
    return CREW_OK;
}

int estimator_null(const char *function,
                   const char *argument,
                   struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64, "%s: %s is NULL",
                         function, argument);
}

/* ------------------------------------------------------------------ making */

/* What is borrowed from the arguments goes before crew_estimator_new returns.
 */
static void set_options(struct crew_estimator *e,
                        const struct crew_estimator_args *args)
{
    struct options *o = &e->run.opt;

    o->model_dir = args->model_dir;
    o->strict_tf_config = args->strict_tf_config;
    o->insecure_network = args->insecure_network;
    o->quiet = true; /* no progress line */
    if (args->bind != NULL) {
        e->bind = xstrdup(args->bind);
        o->bind = e->bind;
    }
    o->sets.items = xcalloc((size_t)args->num_params + 1, sizeof(char *));
    for (int i = 0; i < args->num_params; i++) {
        o->sets.items[o->sets.n++] = args->params[i];
    }
}

static void forget_arguments(struct crew_estimator *e)
{
    struct options *o = &e->run.opt;

    free(o->sets.items);
    o->sets = (struct text_list){0};
    o->model_dir = NULL;
}

static int check_arguments(const struct crew_estimator_args *args,
                           struct crew_err *err)
{
    if (args->num_params < 0 ||
        (args->num_params > 0 && args->params == NULL)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "crew_estimator_new: %d params, but params is "
                             "NULL",
                             args->num_params);
    }
    for (int i = 0; i < args->num_params; i++) {
        if (args->params[i] == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "crew_estimator_new: params[%d] is NULL", i);
        }
    }
    if (args->model_dir != NULL && args->model_dir[0] == '\0') {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "model_dir should be non-empty.");
    }
    return CREW_OK;
}

static int check_job(const struct crew_job *job, struct crew_err *err)
{
    if (job == NULL ||
        (job->abi_version == CREW_ABI_VERSION && job->model_fn == NULL)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "model_fn must be provided to Estimator.");
    }
    return job_check(job, "crew_estimator_new", false, err);
}

static int prepare(struct crew_estimator *e,
                   const struct crew_job *job,
                   const struct crew_estimator_args *args,
                   struct crew_err *err)
{
    struct run *run = &e->run;

    if (check_job(job, err) != CREW_OK ||
        check_arguments(args, err) != CREW_OK) {
        return err->code;
    }
    run->job = job;
    set_options(e, args);
    if (run_read_tf_config(run, ROLE_LOCAL, "crew_estimator_new", err) !=
            CREW_OK ||
        blas_load(err) != CREW_OK || run_load_params(run, err) != CREW_OK ||
        run_configure(run, args->run_config, err) != CREW_OK) {
        return err->code;
    }
    if (args->run_config == NULL && job->configure == NULL) {
        env_log(run->env, LOG_INFO, "Using default config.");
    }
    return run_prepare_model_dir(run, err);
}

int crew_estimator_new(const struct crew_job *job,
                       const struct crew_estimator_args *args,
                       struct crew_estimator **out,
                       struct crew_err *err)
{
    static const struct crew_estimator_args none = {0};
    struct crew_err unheard = {0};
    struct crew_estimator *e;

    err = err != NULL ? err : &unheard;
    if (out == NULL) {
        return estimator_null("crew_estimator_new",
                              "the place for the Estimator made", err);
    }
    e = xcalloc(1, sizeof *e);
    estimator_enlist(e);
    e->run = (struct run){.env = env_posix(),
                          .who = "local",
                          .result_step = -1,
                          .is_library = true};
    (void)prepare(e, job, args != NULL ? args : &none, err);
    forget_arguments(e);
    if (err->code != CREW_OK) {
        crew_estimator_free(e);
        return err->code;
    }
    *out = e;
    return CREW_OK;
}

void crew_estimator_free(struct crew_estimator *e)
{
    if (!estimator_lives(e)) {
        return; /* NULL, or freed already */
    }
    estimator_delist(e);
    run_release(&e->run);
    free(e->bind);
    free(e);
}

const char *crew_estimator_model_dir(const struct crew_estimator *e)
{
    return estimator_lives(e) ? e->run.model_dir : NULL;
}

/* --------------------------------------------------------- parts of a call */

int estimator_steps(const char *name,
                    int64_t given,
                    int64_t *steps,
                    struct crew_err *err)
{
    if (given < -1) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "Must specify %s > 0, given: %lld", name,
                             (long long)given);
    }
    *steps = given > 0 ? given : -1;
    return CREW_OK;
}

int estimator_take_hooks(struct crew_eval_spec *es,
                         const struct crew_hook *hooks,
                         int n,
                         struct crew_err *err)
{
    if (n > 0 && hooks == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%d hooks, but hooks is NULL", n);
    }
    for (int i = 0; i < n; i++) {
        if (hooks[i].ops == NULL) {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                "Hooks must be a SessionRunHook, given: one "
                                "without ops (hook %d)",
                                i);
        } else {
            crew_eval_spec_add_hook(es, hooks[i]);
        }
    }
    return err->code;
}

int estimator_find_checkpoint(const struct run *run,
                              const char *given,
                              char **prefix,
                              struct crew_err *err)
{
    int64_t step;

    if (given != NULL) {
        *prefix = xstrdup(given);
        return CREW_OK;
    }
    return ckpt_latest(run->env, run->model_dir, prefix, &step, err);
}

int estimator_no_input_fn(struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "`input_fn` must be callable, given: None");
}

/* ---------------------------------------------------------------- evaluate */

/* With the call's own EvalSpec in the run. */
static int evaluate(struct run *run,
                    const char *checkpoint_path,
                    struct crew_err *err)
{
    struct evaluator evaluator;
    struct eval_result line;
    char *prefix = NULL;

    if (estimator_find_checkpoint(run, checkpoint_path, &prefix, err) !=
        CREW_OK) {
        return err->code;
    }
    if (prefix == NULL) {
        env_log(run->env, LOG_INFO,
                "Could not find trained model in model_dir: %s, running "
                "initialization to evaluate.",
                run->model_dir);
    }
    evaluator_init(&evaluator, run);
    (void)evaluator_run(&evaluator, prefix, false, &line, err);
    evaluator_release(&evaluator);
    free(prefix);
    return err->code;
}

int crew_estimator_evaluate(struct crew_estimator *e,
                            crew_input_fn input_fn,
                            const struct crew_eval_args *given,
                            struct crew_results **out,
                            struct crew_err *err)
{
    static const struct crew_eval_args none = {0};
    const struct crew_eval_args *args = given != NULL ? given : &none;
    struct crew_eval_spec es = {.input_fn = input_fn, .name = args->name};
    struct crew_err unheard = {0};
    struct crew_eval_spec own;

    err = err != NULL ? err : &unheard;
    if (estimator_take_hooks(&es, args->hooks, args->num_hooks, err) ==
            CREW_OK &&
        estimator_check(e, "crew_estimator_evaluate", err) == CREW_OK &&
        estimator_steps("steps", args->steps, &es.steps, err) == CREW_OK &&
        (input_fn != NULL || estimator_no_input_fn(err) == CREW_OK) &&
        (out != NULL || estimator_null("crew_estimator_evaluate", "results",
                                       err) == CREW_OK)) {
        struct run *run = &e->run;

        own = run->es;
        run->es = es;
        run->input_self = args->input_self;
        if (evaluate(run, args->checkpoint_path, err) == CREW_OK &&
            params_status(run->params, err) == CREW_OK && out != NULL) {
            *out = run->results;
            run->results = NULL;
        }
        run->input_self = NULL;
        run->es = own;
    }
    crew_eval_spec_release(&es);
    return err->code;
}

/* -------------------------------------------------------------- checkpoints */

char *crew_estimator_latest_checkpoint(const struct crew_estimator *e)
{
    return estimator_lives(e) ? ckpt_named(e->run.env, e->run.model_dir) : NULL;
}

static int open_latest(const struct crew_estimator *e,
                       const char *function,
                       struct bundle_reader **reader,
                       struct crew_err *err)
{
    char *prefix;

    if (estimator_check(e, function, err) != CREW_OK) {
        return err->code;
    }
    prefix = crew_estimator_latest_checkpoint(e);
    if (prefix == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "Could not find trained model in model_dir: %s.",
                             e->run.model_dir);
    }
    (void)bundle_reader_open(e->run.env, prefix, reader, err);
    free(prefix);
    return err->code;
}

int crew_estimator_get_variable_names(const struct crew_estimator *e,
                                      char ***names,
                                      int *n,
                                      struct crew_err *err)
{
    struct bundle_reader *reader = NULL;
    size_t bytes = 0;
    struct crew_err unheard = {0};
    char **list;
    char *text;

    err = err != NULL ? err : &unheard;
    if (names == NULL || n == NULL) {
        return estimator_null("crew_estimator_get_variable_names",
                              names == NULL ? "names" : "n", err);
    }
    if (open_latest(e, "crew_estimator_get_variable_names", &reader, err) !=
        CREW_OK) {
        return err->code;
    }
    *n = bundle_num_tensors(reader);
    for (int i = 0; i < *n; i++) {
        bytes += strlen(bundle_tensor(reader, i)->name) + 1;
    }
    list = xcalloc(1, ((size_t)*n + 1) * sizeof *list + bytes);
    text = (char *)(list + *n + 1);
    for (int i = 0; i < *n; i++) {
        size_t size = strlen(bundle_tensor(reader, i)->name) + 1;

        memcpy(text, bundle_tensor(reader, i)->name, size);
        list[i] = text;
        text += size;
    }
    *names = list;
    bundle_reader_free(reader);
    return CREW_OK;
}

int crew_estimator_get_variable_value(const struct crew_estimator *e,
                                      const char *name,
                                      enum crew_dtype *dtype,
                                      struct crew_shape *shape,
                                      void **data,
                                      struct crew_err *err)
{
    struct bundle_reader *reader = NULL;
    const struct bundle_tensor *t;
    struct crew_err unheard = {0};
    void *memory = NULL;

    err = err != NULL ? err : &unheard;
    if (name == NULL || dtype == NULL || shape == NULL || data == NULL) {
        return estimator_null("crew_estimator_get_variable_value",
                              name == NULL    ? "the name"
                              : dtype == NULL ? "dtype"
                              : shape == NULL ? "shape"
                                              : "data",
                              err);
    }
    if (open_latest(e, "crew_estimator_get_variable_value", &reader, err) ==
            CREW_OK &&
        bundle_lookup(reader, name, &t, err) == CREW_OK &&
        mem_try((size_t)t->nbytes + 1, 1, name, &memory, err) == CREW_OK &&
        bundle_read(reader, t, memory, err) == CREW_OK) {
        *dtype = (enum crew_dtype)t->dtype;
        *shape = t->shape;
        *data = memory;
        memory = NULL;
    }
    free(memory);
    bundle_reader_free(reader);
    return err->code;
}

/* ------------------------------------------------------ train_and_evaluate */

/* crew-ps, with the flags that a ps has. */
static int become_ps(struct run *run, struct crew_err *err)
{
    char name[] = "crew-ps", dir_flag[] = "--model-dir";
    char insecure[] = "--insecure-network", bind_flag[] = "--bind";
    char *bind = run->opt.bind != NULL ? xstrdup(run->opt.bind) : NULL;
    char *argv[7] = {name, dir_flag, run->model_dir};
    int n = 3;

    if (run->opt.insecure_network) {
        argv[n++] = insecure;
    }
    if (bind != NULL) {
        argv[n++] = bind_flag;
        argv[n++] = bind;
    }
    (void)run_become_ps(n, argv, err);
    free(bind);
    return err->code;
}

/* --set's fields are put over the specs that were given. */
static int apply_params(struct run *run, struct crew_err *err)
{
    if (run_config_apply(run->params, &run->rc, &run->ts, &run->es, err) ==
        CREW_OK) {
        (void)run_check_job(run, err);
    }
    return err->code;
}

int crew_train_and_evaluate(struct crew_estimator *e,
                            const struct crew_train_spec *ts,
                            const struct crew_eval_spec *es,
                            struct crew_err *err)
{
    struct crew_train_spec own_ts;
    struct crew_eval_spec own_es;
    struct crew_err unheard = {0};
    struct run *run;

    err = err != NULL ? err : &unheard;
    if (estimator_check(e, "crew_train_and_evaluate", err) != CREW_OK) {
        return err->code;
    }
    run = &e->run;
    if (run->tf != NULL && run->tf->role == ROLE_PS) {
        return become_ps(run, err);
    }
    own_ts = run->ts;
    own_es = run->es;
    run->ts = ts != NULL ? *ts : own_ts;
    run->es = es != NULL ? *es : own_es;
    crew_results_free(run->results);
    run->results = NULL;
    run_forget_exports(run);
    if (apply_params(run, err) == CREW_OK) {
        run->failure = (struct crew_err){0};
        if (run_train_and_evaluate(run) != 0) {
            (void)crew_err_exit(err, run->failure.code, run->failure.exit_code,
                                "%s", run->failure.msg);
        }
    }
    run->ts = own_ts;
    run->es = own_es;
    return err->code;
}

const struct crew_results *crew_estimator_last_results(
    const struct crew_estimator *e)
{
    return estimator_lives(e) ? e->run.results : NULL;
}

const char *const *crew_estimator_last_exports(const struct crew_estimator *e,
                                               int *n)
{
    bool lives = estimator_lives(e);

    if (n != NULL) {
        *n = lives ? e->run.num_exports : 0;
    }
    return lives ? (const char *const *)e->run.exports : NULL;
}
