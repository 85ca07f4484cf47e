/* SPDX-License-Identifier: Apache-2.0
 * One evaluation, read from top to bottom: build, restore, run the batches,
 * log, write, export. */
#include "estimator/evaluation/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/model/graph_event.h"
#include "estimator/run/results.h"
#include "estimator/run/signals.h"
#include "hooks/events.h"
#include "metrics/metrics.h"
#include "base/banned.h"

/* What one evaluation holds. */
struct session {
    struct evaluator *evaluator;
    struct run *run;
    const struct weights *from; /* in memory; NULL: a checkpoint */
    struct model *model;
    struct plan *plan;
    struct crew_session hooks;
    struct dataset_reader *input;
    struct weights weights;
    double **metrics; /* the running sums of each */
    double loss_total;
    int64_t batches;
    int64_t global_step;
};

char *evaluator_dir(const struct run *run)
{
    char *name;
    char *dir;

    if (run->es.name == NULL || run->es.name[0] == '\0') {
        return path_join(run->model_dir, "eval");
    }
    name = xasprintf("eval_%s", run->es.name);
    dir = path_join(run->model_dir, name);
    free(name);
    return dir;
}

void evaluator_init(struct evaluator *e, struct run *run)
{
    *e = (struct evaluator){
        .run = run, .dir = evaluator_dir(run), .last_step = -1};
}

void evaluator_release(struct evaluator *e)
{
    event_writer_close(e->events);
    free(e->dir);
    eval_result_release(&e->result);
    for (int i = 0; i < CREW_MAX_EXPORTERS; i++) {
        best_release(&e->best[i]);
    }
    *e = (struct evaluator){0};
}

static void session_release(struct session *s)
{
    hook_session_release(&s->hooks);
    dataset_reader_close(s->input);
    plan_free(s->plan);
    weights_release(&s->weights);
    for (int i = 0; s->metrics != NULL && i < s->model->spec->num_metrics;
         i++) {
        free(s->metrics[i]);
    }
    free(s->metrics);
    model_free(s->model);
}

static void add_fetch(struct crew_node **fetches,
                      int *n,
                      struct crew_node *node)
{
    for (int i = 0; i < *n; i++) {
        if (fetches[i] == node) {
            return;
        }
    }
    fetches[(*n)++] = node;
}

/* The loss and what the metrics want, each once. Owner: caller, free(). */
static struct crew_node **collect_fetches(const struct crew_spec *spec, int *n)
{
    struct crew_node **fetches =
        xcalloc((size_t)spec->num_metrics * METRIC_MAX_INPUTS +
                    (size_t)spec->num_pictures + 1,
                sizeof *fetches);

    *n = 0;
    add_fetch(fetches, n, spec->loss);
    for (int i = 0; i < spec->num_metrics; i++) {
        struct crew_node *inputs[METRIC_MAX_INPUTS];
        int k = metric_inputs(spec->metrics[i].metric, inputs);

        for (int j = 0; j < k; j++) {
            add_fetch(fetches, n, inputs[j]);
        }
    }
    for (int i = 0; i < spec->num_pictures; i++) {
        if (spec->pictures[i].node != NULL) {
            add_fetch(fetches, n, spec->pictures[i].node);
        }
    }
    return fetches;
}

/* The training's own memory: nobody changes it meanwhile. The dry build has
 * seen that it has all of EVAL's variables. */
static void bind_from(struct session *s)
{
    const struct crew_graph *g = s->model->graph;

    for (int i = 0; i < graph_num_vars(g); i++) {
        for (int k = 0; k < s->from->num_vars; k++) {
            if (strcmp(graph_var(g, i)->name, s->from->vars[k].name) == 0) {
                plan_bind_var(s->plan, i, s->from->vars[k].value);
            }
        }
    }
}

static int make_plan(struct session *s, int64_t max_batch, struct crew_err *err)
{
    int n;
    int num_on_demand;
    struct crew_node **fetches = collect_fetches(s->model->spec, &n);
    struct crew_node **on_demand =
        hook_session_tensors(&s->hooks, &num_on_demand);

    if (plan_new_on_demand(s->model->graph, fetches, n, on_demand,
                           num_on_demand, NULL, max_batch, &s->plan,
                           err) == CREW_OK) {
        for (int i = 0; s->from == NULL && i < s->weights.num_vars; i++) {
            plan_bind_var(s->plan, i, s->weights.vars[i].value);
        }
        if (s->from != NULL) {
            bind_from(s);
        }
    }
    free(fetches);
    free(on_demand);
    hook_session_set_plan(&s->hooks, s->plan);
    return err->code;
}

static void open_events(struct evaluator *e, const struct session *s)
{
    if (e->events == NULL) {
        hook_events_open(e->run->env, e->dir, false, &e->events);
        graph_event_write(e->events, s->model->graph);
    }
}

static struct hook_summary get_summary(void *self, int i)
{
    const struct session *s = self;

    return spec_summary_value(&s->model->spec->summaries[i], s->plan);
}

static struct crew_node *summary_node(void *self, int i)
{
    const struct session *s = self;

    return s->model->spec->summaries[i].node;
}

/* In TensorFlow's order: the EvalSpec's, then the model's. */
static int begin_hooks(struct session *s, struct crew_err *err)
{
    hook_session_init(&s->hooks, s->run->env, s->model->graph);
    s->hooks.model_dir = s->run->model_dir;
    s->hooks.eval_dir = s->evaluator->dir;
    s->hooks.loss = s->model->spec->loss;
    s->hooks.summaries =
        (struct hook_summaries){.n = s->model->spec->num_summaries,
                                .get = get_summary,
                                .node = summary_node,
                                .self = s};
    if (s->run->es.num_hooks + s->model->spec->num_hooks > 0) {
        open_events(s->evaluator, s); /* they may write summaries */
        s->hooks.events = s->evaluator->events;
    }
    hook_session_borrow(&s->hooks, s->run->es.hooks, s->run->es.num_hooks);
    spec_give_hooks(s->model->spec, SPEC_EVALUATION, &s->hooks);
    return hook_session_begin(&s->hooks, err);
}

/* UTC; `between` stands between date and time: "T", or "-" where TensorFlow's
 * text has that. */
static void log_time(struct crew_env *env, const char *what, char between)
{
    time_t now = (time_t)env->wall_time(env);
    struct tm utc;

    (void)gmtime_r(&now, &utc);
    env_log(env, LOG_INFO, "%s evaluation at %04d-%02d-%02d%c%02d:%02d:%02d",
            what, utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, between,
            utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static int load(struct session *s, const char *prefix, struct crew_err *err)
{
    env_log(s->run->env, LOG_INFO, "Graph was finalized.");
    if (s->from != NULL) {
        return CREW_OK;
    }
    return run_load_weights(s->run, s->model, prefix, &s->weights,
                            &s->global_step, err);
}

/* Build the graph and load the checkpoint. */
static int open_session(struct session *s,
                        const char *prefix,
                        struct crew_err *err)
{
    struct crew_env *env = s->run->env;
    struct crew_dataset *dataset = NULL;
    struct dataset_spec element;

    if (run_open_input(s->run, CREW_EVAL, &dataset, err) != CREW_OK) {
        return err->code;
    }
    element = dataset->spec;
    if (dataset_reader_open(dataset, 2, &s->input, err) != CREW_OK ||
        run_build_model(s->run, CREW_EVAL, &element, &s->model, err) !=
            CREW_OK) {
        return err->code;
    }
    log_time(env, "Starting", 'T');
    if (begin_hooks(s, err) != CREW_OK) {
        return err->code;
    }
    if (load(s, prefix, err) != CREW_OK ||
        make_plan(s, element.max_batch, err) != CREW_OK) {
        return err->code;
    }
    s->metrics =
        xcalloc((size_t)s->model->spec->num_metrics + 1, sizeof *s->metrics);
    for (int i = 0; i < s->model->spec->num_metrics; i++) {
        s->metrics[i] = metric_state_new(s->model->spec->metrics[i].metric);
    }
    env_log(env, LOG_INFO, "Running local_init_op.");
    env_log(env, LOG_INFO, "Done running local_init_op.");
    return hook_session_created(&s->hooks, s->global_step, err);
}

/* tf's _StopAfterNEvalsHook: every batch below 20, else each tenth part. */
static void log_batch(struct session *s, int64_t steps)
{
    int64_t every = steps < 20 ? 1 : steps / 10;

    if (steps > 0 && (s->batches % every == 0 || s->batches == steps)) {
        env_log(s->run->env, LOG_INFO, "Evaluation [%lld/%lld]",
                (long long)s->batches, (long long)steps);
    }
}

static int run_batch(struct session *s,
                     const struct dataset_batch *batch,
                     float *loss,
                     struct crew_err *err)
{
    struct plan_feed feeds[DATASET_MAX_COMPONENTS];
    int n = model_feeds(s->model, batch, feeds);
    const struct crew_spec *spec = s->model->spec;
    struct crew_shape shape;

    if (plan_forward(s->plan, feeds, n, batch->rows, 0, 0, err) != CREW_OK) {
        return err->code;
    }
    *loss = *(const float *)plan_value(s->plan, spec->loss, &shape);
    s->loss_total += (double)*loss;
    for (int i = 0; i < spec->num_metrics; i++) {
        if (metric_update(spec->metrics[i].metric, s->metrics[i], s->plan,
                          err) != CREW_OK) {
            return crew_err_wrap(err, "metric '%s'", spec->metrics[i].key);
        }
    }
    s->batches++;
    return CREW_OK;
}

/* A batch with the hooks around it. OUT_OF_RANGE: there are no more. */
static int one_step(struct session *s, bool *more, struct crew_err *err)
{
    struct crew_run_context ctx = {.global_step = s->global_step,
                                   .local_step = s->batches + 1};
    const struct dataset_batch *batch;

    if (hook_session_before_run(&s->hooks, s->global_step, &ctx, err) !=
            CREW_OK ||
        dataset_reader_next(s->input, &batch, err) != CREW_OK ||
        run_batch(s, batch, &ctx.loss, err) != CREW_OK ||
        hook_session_after_run(&s->hooks, &ctx, err) != CREW_OK) {
        return err->code;
    }
    log_batch(s, s->run->es.steps);
    *more = !ctx.request_stop;
    return CREW_OK;
}

static int run_batches(struct session *s, struct crew_err *err)
{
    struct crew_env *env = s->run->env;
    uint64_t begin = env->now_ns(env);
    int64_t steps = s->run->es.steps;
    bool more = true;

    while (more && (steps < 0 || s->batches < steps)) {
        struct crew_err e = {0};

        if (signals_check(err) != CREW_OK) {
            return err->code;
        }
        if (one_step(s, &more, &e) != CREW_OK) {
            if (e.code == CREW_OUT_OF_RANGE) {
                break;
            }
            return crew_err_exit(err, e.code, e.exit_code, "%s", e.msg);
        }
    }
    if (hook_session_end(&s->hooks, s->global_step, err) != CREW_OK) {
        return err->code;
    }
    env_log(env, LOG_INFO, "Inference Time : %.5fs",
            (double)(env->now_ns(env) - begin) / 1e9);
    log_time(env, "Finished", '-');
    if (s->batches == 0) {
        env_log(env, LOG_WARN,
                "The evaluation's input is empty: no batch was "
                "evaluated.");
    }
    return CREW_OK;
}

/* One entry of the result: a number, or several (metrics at thresholds). */
struct item {
    const char *key;
    int n;
    float *values; /* owned */
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->key, ((const struct item *)b)->key);
}

static struct item *sorted_items(const struct session *s, int *n)
{
    const struct crew_spec *spec = s->model->spec;
    struct item *items = xcalloc((size_t)spec->num_metrics + 1, sizeof *items);

    *n = 0;
    items[*n] = (struct item){"loss", 1, xcalloc(1, sizeof(float))};
    if (s->batches > 0) {
        items[*n].values[0] = (float)(s->loss_total / (double)s->batches);
    }
    (*n)++;
    for (int i = 0; i < spec->num_metrics; i++) {
        const struct crew_metric *metric = spec->metrics[i].metric;
        int k = metric_num_values(metric);

        items[*n] = (struct item){spec->metrics[i].key, k,
                                  xcalloc((size_t)k, sizeof(float))};
        metric_values(metric, s->metrics[i], items[*n].values);
        (*n)++;
    }
    qsort(items, (size_t)*n, sizeof *items, by_key);
    return items;
}

static void free_items(struct item *items, int n)
{
    for (int i = 0; i < n; i++) {
        free(items[i].values);
    }
    free(items);
}

/* "0.66875", or as NumPy prints an array: "[0.5  0.25]". */
static void add_value(struct strbuf *text, const struct item *item)
{
    struct crew_value value = {.dtype = CREW_FLOAT, .data = item->values};

    if (item->n > 1) {
        value.shape = crew_shape1(item->n);
    }
    hook_value_text(&value, text);
}

/* "accuracy = 0.66875, global_step = 100, loss = 0.9084296" */
static void result_line(const struct item *items,
                        int n,
                        int64_t step,
                        char *line,
                        size_t size)
{
    struct strbuf text;
    bool step_done = false;

    strbuf_init(&text);
    for (int i = 0; i < n; i++) {
        if (!step_done && strcmp(items[i].key, "global_step") > 0) {
            strbuf_addf(&text, "%sglobal_step = %lld", i > 0 ? ", " : "",
                        (long long)step);
            step_done = true;
        }
        strbuf_addf(&text, "%s%s = ", text.len > 0 ? ", " : "", items[i].key);
        add_value(&text, &items[i]);
    }
    if (!step_done) {
        strbuf_addf(&text, ", global_step = %lld", (long long)step);
    }
    (void)snprintf(line, size, "%s", text.data);
    strbuf_release(&text);
}

static int by_tag(const void *a, const void *b)
{
    return strcmp(((const struct event_scalar *)a)->tag,
                  ((const struct event_scalar *)b)->tag);
}

/* The metrics that are summaries, of the last batch; without one there is
 * nothing to show. Their number. */
static int add_pictures(const struct session *s,
                        struct hook_summary *pictures,
                        struct event_scalar *scalars)
{
    const struct crew_spec *spec = s->model->spec;
    int n = s->batches > 0 ? spec->num_pictures : 0;

    for (int i = 0; i < n; i++) {
        pictures[i] = spec_summary_value(&spec->pictures[i], s->plan);
        scalars[i] = (struct event_scalar){.tag = spec->pictures[i].tag,
                                           .picture = &pictures[i]};
    }
    return n;
}

static int write_events(struct evaluator *e,
                        const struct session *s,
                        const struct item *items,
                        int n,
                        const char *prefix,
                        struct crew_err *err)
{
    size_t more = (size_t)s->model->spec->num_pictures;
    struct event_scalar *scalars = xcalloc((size_t)n + more, sizeof *scalars);
    struct hook_summary *pictures = xcalloc(more + 1, sizeof *pictures);

    for (int i = 0; i < n; i++) {
        scalars[i] = (struct event_scalar){items[i].key, items[i].values[0],
                                           items[i].n, items[i].values, NULL};
        if (items[i].n > 1) {
            env_log(e->run->env, LOG_INFO,
                    "Summary for np.ndarray is not visible in Tensorboard by "
                    "default. Consider using a Tensorboard plugin for "
                    "visualization (see "
                    "https://github.com/tensorflow/tensorboard-plugin-example/"
                    "blob/master/README.md for more information).");
        }
    }
    n += add_pictures(s, pictures, scalars + n);
    qsort(scalars, (size_t)n, sizeof *scalars, by_tag);
    open_events(e, s);
    (void)hook_event_evaluation(e->events, s->global_step, scalars, n, prefix,
                                err);
    free(pictures);
    free(scalars);
    return err->code;
}

/* All of it, for who asked. */
static void keep_results(struct run *run,
                         const struct session *s,
                         const struct item *items,
                         int n)
{
    struct crew_results *r = results_new();
    double step = (double)s->global_step;

    for (int i = 0; i < n; i++) {
        double *values = xcalloc((size_t)items[i].n + 1, sizeof *values);

        for (int k = 0; k < items[i].n; k++) {
            values[k] = (double)items[i].values[k];
        }
        results_add(r, items[i].key, items[i].n, values);
        free(values);
    }
    results_add(r, "global_step", 1, &step);
    crew_results_free(run->results);
    run->results = r;
}

/* The scalars, for the exporters. */
static void keep_result(struct evaluator *e,
                        const struct session *s,
                        const struct item *items,
                        int n)
{
    struct crew_eval_value *values = xcalloc((size_t)n + 1, sizeof *values);
    struct crew_eval_result r = {.global_step = s->global_step,
                                 .values = values};

    for (int i = 0; i < n; i++) {
        if (items[i].n == 1) {
            values[r.n++] =
                (struct crew_eval_value){items[i].key, items[i].values[0]};
        }
    }
    eval_result_copy(&e->result, &r);
    free(values);
}

static int report(struct evaluator *e,
                  const struct session *s,
                  const char *prefix,
                  struct eval_result *result,
                  struct crew_err *err)
{
    struct crew_env *env = e->run->env;
    int n;
    struct item *items = sorted_items(s, &n);

    keep_result(e, s, items, n);
    keep_results(e->run, s, items, n);
    result->global_step = s->global_step;
    result_line(items, n, s->global_step, result->line, sizeof result->line);
    results_set_text(e->run->results, result->line);
    env_log(env, LOG_INFO, "Saving dict for global step %lld: %s",
            (long long)s->global_step, result->line);
    if (write_events(e, s, items, n, prefix, err) == CREW_OK &&
        prefix != NULL) {
        env_log(env, LOG_INFO,
                "Saving 'checkpoint_path' summary for global step %lld: %s",
                (long long)s->global_step, prefix);
    }
    free_items(items, n);
    return err->code;
}

int evaluator_run(struct evaluator *e,
                  const char *prefix,
                  bool is_final,
                  struct eval_result *result,
                  struct crew_err *err)
{
    struct session s = {.evaluator = e, .run = e->run};

    if (open_session(&s, prefix, err) == CREW_OK &&
        run_batches(&s, err) == CREW_OK &&
        report(e, &s, prefix, result, err) == CREW_OK) {
        e->last_step = s.global_step;
        (void)snprintf(e->run->evaluation, sizeof e->run->evaluation, "%s",
                       result->line);
    }
    session_release(&s);
    if (err->code != CREW_OK) {
        return err->code;
    }
    return exporters_run(e, prefix, is_final, err);
}

/* What stays from one evaluation in memory to the next: the event file. */
struct kept {
    struct run run; /* the caller's, with another EvalSpec */
    struct evaluator evaluator;
};

static struct kept *kept_new(const struct run *run,
                             const struct memory_evaluation *what)
{
    struct kept *k = xcalloc(1, sizeof *k);

    k->run = *run;
    k->run.results = NULL; /* each has its own */
    k->run.es = (struct crew_eval_spec){.input_fn = what->input_fn,
                                        .steps = what->steps,
                                        .name = what->name,
                                        .hooks = what->hooks,
                                        .num_hooks = what->num_hooks};
    evaluator_init(&k->evaluator, &k->run);
    return k;
}

int evaluate_weights(struct run *run,
                     const struct weights *weights,
                     int64_t step,
                     struct memory_evaluation *what,
                     struct crew_err *err)
{
    struct kept *k = what->state != NULL ? what->state : kept_new(run, what);
    struct session s = {.evaluator = &k->evaluator,
                        .run = &k->run,
                        .from = weights,
                        .global_step = step};
    struct eval_result result;

    what->state = k;
    if (open_session(&s, NULL, err) == CREW_OK && s.model != NULL &&
        run_batches(&s, err) == CREW_OK) {
        (void)report(&k->evaluator, &s, NULL, &result, err);
    }
    session_release(&s);
    return err->code;
}

void evaluation_forget(void *state)
{
    struct kept *k = state;

    evaluator_release(&k->evaluator);
    crew_results_free(k->run.results);
    free(k);
}
