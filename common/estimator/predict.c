/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimator.predict: a PREDICT graph with a checkpoint's values, batch by
 * batch, given out whole or one example at a time. Source:
 * tensorflow_estimator's estimator.py. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/estimator.h"
#include "estimator/weights/weights.h"
#include "hooks/hook_session.h"
#include "tensor/tensor.h"
#include "base/banned.h"

struct crew_predictions {
    const struct crew_estimator *estimator;
    struct run *run; /* its own */
    struct model *model;
    struct plan *plan;
    struct crew_session hooks;
    struct crew_eval_spec own; /* the caller's hooks */
    struct dataset_reader *input;
    struct weights weights;
    struct crew_node **nodes; /* what is predicted */
    struct spec_prediction *how;
    struct spec_words *words;
    struct crew_named_value *values;
    struct crew_named_value *batch; /* the same of the whole batch */
    int n;
    bool by_batch;
    int64_t global_step;
    int64_t batches;
    int64_t rows; /* of this batch; of them are given out: */
    int64_t next_row;
    bool last;             /* a hook has asked for the end */
    struct crew_err ended; /* how; code 0: not yet */
};

void crew_predictions_free(struct crew_predictions *p)
{
    if (p == NULL) {
        return;
    }
    hook_session_release(&p->hooks);
    crew_eval_spec_release(&p->own);
    dataset_reader_close(p->input);
    plan_free(p->plan);
    weights_release(&p->weights);
    model_free(p->model);
    for (int i = 0; i < p->n; i++) {
        spec_words_release(&p->words[i]);
    }
    free(p->words);
    free(p->how);
    free(p->nodes);
    free(p->values);
    free(p->batch);
    free(p);
}

/* ------------------------------------------------------------- what to run */

static bool is_wanted(const struct crew_predict_args *args, const char *key)
{
    bool wanted = args->predict_keys == NULL || args->num_predict_keys == 0;

    for (int i = 0; !wanted && i < args->num_predict_keys; i++) {
        wanted = args->predict_keys[i] != NULL &&
                 strcmp(args->predict_keys[i], key) == 0;
    }
    return wanted;
}

static int no_such_keys(const struct crew_spec *spec,
                        const struct crew_predict_args *args,
                        struct crew_err *err)
{
    struct strbuf there, given;

    strbuf_init(&there);
    strbuf_init(&given);
    for (int i = 0; i < spec->num_predictions; i++) {
        strbuf_addf(&there, "%s'%s'", i > 0 ? ", " : "",
                    spec->predictions[i].key);
    }
    for (int i = 0; i < args->num_predict_keys; i++) {
        strbuf_addf(
            &given, "%s'%s'", i > 0 ? ", " : "",
            args->predict_keys[i] != NULL ? args->predict_keys[i] : "(NULL)");
    }
    (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                        "Expected to run at least one output from "
                        "dict_keys([%s]), provided [%s].",
                        there.data, given.data);
    strbuf_release(&there);
    strbuf_release(&given);
    return err->code;
}

static int choose(struct crew_predictions *p,
                  const struct crew_predict_args *args,
                  struct crew_err *err)
{
    const struct crew_spec *spec = p->model->spec;
    size_t most = (size_t)spec->num_predictions + 1;

    p->nodes = xcalloc(most, sizeof(struct crew_node *));
    p->how = xcalloc(most, sizeof *p->how);
    p->words = xcalloc(most, sizeof *p->words);
    p->values = xcalloc(most, sizeof *p->values);
    p->batch = xcalloc(most, sizeof *p->batch);
    for (int i = 0; i < spec->num_predictions; i++) {
        if (is_wanted(args, spec->predictions[i].key)) {
            p->values[p->n].key = spec->predictions[i].key;
            p->batch[p->n].key = spec->predictions[i].key;
            p->how[p->n] = spec->predictions[i];
            p->nodes[p->n++] = spec->predictions[i].node;
        }
    }
    return p->n > 0 ? CREW_OK : no_such_keys(spec, args, err);
}

/* ------------------------------------------------------------------- start */

static int make_plan(struct crew_predictions *p, struct crew_err *err)
{
    int num_on_demand;
    struct crew_node **on_demand =
        hook_session_tensors(&p->hooks, &num_on_demand);

    (void)plan_new_on_demand(p->model->graph, p->nodes, p->n, on_demand,
                             num_on_demand, NULL, p->model->element.max_batch,
                             &p->plan, err);
    free(on_demand);
    for (int i = 0; err->code == CREW_OK && i < p->weights.num_vars; i++) {
        plan_bind_var(p->plan, i, p->weights.vars[i].value);
    }
    hook_session_set_plan(&p->hooks, p->plan);
    return err->code;
}

static int open_input(struct crew_predictions *p,
                      struct dataset_spec *element,
                      struct crew_err *err)
{
    struct crew_dataset *dataset = NULL;

    if (run_open_input(p->run, CREW_PREDICT, &dataset, err) != CREW_OK) {
        return err->code;
    }
    *element = dataset->spec;
    return dataset_reader_open(dataset, 2, &p->input, err);
}

static int start(struct crew_predictions *p,
                 const struct crew_predict_args *args,
                 const char *prefix,
                 struct crew_err *err)
{
    struct crew_env *env = p->run->env;
    struct dataset_spec element;

    if (open_input(p, &element, err) != CREW_OK ||
        run_build_model(p->run, CREW_PREDICT, &element, &p->model, err) !=
            CREW_OK ||
        choose(p, args, err) != CREW_OK) {
        return err->code;
    }
    hook_session_init(&p->hooks, env, p->model->graph);
    p->hooks.model_dir = p->run->model_dir;
    hook_session_borrow(&p->hooks, p->own.hooks, p->own.num_hooks);
    spec_give_hooks(p->model->spec, SPEC_PREDICTION, &p->hooks);
    if (hook_session_begin(&p->hooks, err) != CREW_OK) {
        return err->code;
    }
    env_log(env, LOG_INFO, "Graph was finalized.");
    if (run_load_weights(p->run, p->model, prefix, &p->weights, &p->global_step,
                         err) != CREW_OK ||
        make_plan(p, err) != CREW_OK) {
        return err->code;
    }
    env_log(env, LOG_INFO, "Running local_init_op.");
    env_log(env, LOG_INFO, "Done running local_init_op.");
    return hook_session_created(&p->hooks, p->global_step, err);
}

static int open_predictions(struct crew_predictions *p,
                            const struct crew_predict_args *args,
                            struct crew_err *err)
{
    char *prefix = NULL;

    if (estimator_find_checkpoint(p->run, args->checkpoint_path, &prefix,
                                  err) != CREW_OK) {
        return err->code;
    }
    if (prefix == NULL) {
        env_log(p->run->env, LOG_INFO,
                "Could not find trained model in model_dir: %s, running "
                "initialization to predict.",
                p->run->model_dir);
    }
    if (start(p, args, prefix, err) == CREW_OK) {
        (void)params_status(p->run->params, err);
    }
    free(prefix);
    return err->code;
}

int crew_estimator_predict(struct crew_estimator *e,
                           crew_input_fn input_fn,
                           const struct crew_predict_args *given,
                           struct crew_predictions **out,
                           struct crew_err *err)
{
    static const struct crew_predict_args none = {0};
    const struct crew_predict_args *args = given != NULL ? given : &none;
    struct crew_predictions *p = xcalloc(1, sizeof *p);
    struct crew_err unheard = {0};
    crew_input_fn own;

    err = err != NULL ? err : &unheard;
    p->by_batch = args->yield_batches;
    if (estimator_take_hooks(&p->own, args->hooks, args->num_hooks, err) ==
            CREW_OK &&
        estimator_check(e, "crew_estimator_predict", err) == CREW_OK &&
        (input_fn != NULL || estimator_no_input_fn(err) == CREW_OK) &&
        (out != NULL || estimator_null("crew_estimator_predict", "predictions",
                                       err) == CREW_OK)) {
        own = e->run.es.input_fn;
        p->estimator = e;
        p->run = &e->run;
        p->run->es.input_fn = input_fn;
        p->run->input_self = args->input_self;
        (void)open_predictions(p, args, err);
        p->run->es.input_fn = own;
        p->run->input_self = NULL;
    }
    if (err->code != CREW_OK || out == NULL) {
        crew_predictions_free(p);
        return err->code;
    }
    *out = p;
    return CREW_OK;
}

/* --------------------------------------------------------------- iterating */

/* Every value must have the batch in front, as many rows as the others. */
static int check_rows(struct crew_predictions *p, struct crew_err *err)
{
    for (int i = 0; i < p->n; i++) {
        const struct crew_shape *shape = &p->batch[i].value.shape;

        if (shape->rank == 0) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "prediction '%s' is a scalar and cannot be "
                                 "given out example by example. Ask for whole "
                                 "batches (yield_single_examples=False)",
                                 p->batch[i].key);
        }
        if (i == 0) {
            p->rows = shape->dim[0];
        } else if (shape->dim[0] != p->rows) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "Batch length of predictions should be same. "
                                 "%s has different batch length than others.",
                                 p->batch[i].key);
        }
    }
    return CREW_OK;
}

static int run_batch(struct crew_predictions *p, struct crew_err *err)
{
    struct crew_run_context ctx = {.global_step = p->global_step,
                                   .local_step = p->batches + 1};
    struct plan_feed feeds[DATASET_MAX_COMPONENTS];
    const struct dataset_batch *batch;
    int n;

    if (hook_session_before_run(&p->hooks, p->global_step, &ctx, err) !=
            CREW_OK ||
        dataset_reader_next(p->input, &batch, err) != CREW_OK) {
        return err->code;
    }
    n = model_feeds(p->model, batch, feeds);
    if (plan_forward(p->plan, feeds, n, batch->rows, 0, 0, err) != CREW_OK ||
        hook_session_after_run(&p->hooks, &ctx, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < p->n; i++) {
        struct crew_value *v = &p->batch[i].value;

        /* Integers are held as int64 whatever their dtype. */
        v->dtype =
            node_dtype(p->nodes[i]) == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
        v->data = plan_value(p->plan, p->nodes[i], &v->shape);
        if (spec_words_make(&p->how[i], &p->words[i], v, err) != CREW_OK) {
            return err->code;
        }
    }
    p->batches++;
    p->next_row = 0;
    p->rows = 1;
    p->last = ctx.request_stop;
    return p->by_batch ? CREW_OK : check_rows(p, err);
}

/* Row next_row of the batch. */
static void fill_row(struct crew_predictions *p)
{
    for (int i = 0; i < p->n; i++) {
        const struct crew_value *from = &p->batch[i].value;
        struct crew_value *to = &p->values[i].value;
        int64_t n = 1;

        *to = (struct crew_value){.dtype = from->dtype};
        to->shape.rank = from->shape.rank - 1;
        for (int k = 1; k < from->shape.rank; k++) {
            to->shape.dim[k - 1] = from->shape.dim[k];
            n *= from->shape.dim[k];
        }
        to->data = (const char *)from->data +
                   (size_t)(p->next_row * n) * (from->dtype == CREW_STRING
                                                    ? sizeof(const char *)
                                                    : dtype_size(from->dtype));
    }
}

/* The hooks' end, once; what has ended it is said again at every later call. */
static int end(struct crew_predictions *p,
               const struct crew_err *why,
               struct crew_err *err)
{
    p->ended = *why;
    if (why->code == CREW_OUT_OF_RANGE) {
        struct crew_err e = {0};

        if (hook_session_end(&p->hooks, p->global_step, &e) != CREW_OK) {
            p->ended = e;
        }
    }
    return crew_err_exit(err, p->ended.code, p->ended.exit_code, "%s",
                         p->ended.msg);
}

int crew_predictions_next(struct crew_predictions *p,
                          struct crew_prediction *out,
                          struct crew_err *err)
{
    struct crew_err e = {0}, unheard = {0};

    err = err != NULL ? err : &unheard;
    if (p == NULL || out == NULL) {
        return estimator_null("crew_predictions_next",
                              p == NULL ? "predictions" : "the prediction",
                              err);
    }
    if (estimator_check(p->estimator, "crew_predictions_next", err) !=
        CREW_OK) {
        return err->code;
    }
    if (p->ended.code != CREW_OK) {
        return crew_err_exit(err, p->ended.code, p->ended.exit_code, "%s",
                             p->ended.msg);
    }
    while (p->next_row >= p->rows) {
        if (p->last) {
            (void)crew_err_set(&e, CREW_OUT_OF_RANGE, "a hook asked to stop");
        } else {
            (void)run_batch(p, &e);
        }
        if (e.code != CREW_OK) {
            return end(p, &e, err);
        }
    }
    if (p->by_batch) {
        *out = (struct crew_prediction){.n = p->n, .values = p->batch};
    } else {
        fill_row(p);
        *out = (struct crew_prediction){.n = p->n, .values = p->values};
    }
    p->next_row++;
    return CREW_OK;
}
