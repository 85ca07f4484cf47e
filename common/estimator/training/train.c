/* SPDX-License-Identifier: Apache-2.0
 * A training session from its opening to its end; see train.h for the order. */
#include "estimator/training/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/crewdir.h"
#include "estimator/evaluation/evaluate.h"
#include "estimator/training/gradients.h"
#include "estimator/model/graph_event.h"
#include "estimator/training/progress.h"
#include "estimator/weights/scaffold.h"
#include "estimator/run/signals.h"
#include "estimator/training/together.h"
#include "estimator/weights/warm_start.h"
#include "hooks/events.h"
#include "base/banned.h"

/* ------------------------------------------------------------------ opening */

static int open_trainer(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;

    t->options = (struct trainer_options){
        .env = run->env,
        .tf = run->tf,
        .optimizers = t->weights.optimizers,
        .num_optimizers = t->weights.num_optimizers,
        .replicas = t->replicas,
        .vars = t->weights.vars,
        .num_vars = t->weights.num_vars,
        .max_steps = run->ts.max_steps,
        .save_checkpoints_steps = run->rc.save_checkpoints_steps,
        .save_checkpoints_secs = run->rc.save_checkpoints_secs,
        .session_creation_timeout_secs = run->rc.session_creation_timeout_secs,
        .lost_ms = (uint64_t)run->rc.session_config.operation_timeout_in_ms,
        .insecure_network = run->opt.insecure_network,
        .bind = run->opt.bind,
        .on_wait = run_log_wait,
        .on_notice = run_log_notice,
        .self = run,
    };
    if (run->tf == NULL) {
        return trainer_local_open(&t->options, &t->trainer, err);
    }
    if (tf_config_is_only_node(run->tf)) {
        env_log(run->env, LOG_INFO,
                "Skip starting Tensorflow server as there is only one node in "
                "the cluster.");
        return trainer_local_open(&t->options, &t->trainer, err);
    }
    env_log(run->env, LOG_INFO, "Start server.");
    return trainer_cluster_open(&t->options, &t->trainer, err);
}

/* The graph made ready: the loss is fetched, and on demand what hooks want. */
static int make_plan(struct training *t,
                     int64_t max_batch,
                     struct crew_err *err)
{
    const struct crew_spec *spec = t->model->spec;
    int n;
    struct crew_node **on_demand = hook_session_tensors(&t->session, &n);

    (void)plan_new_on_demand(t->model->graph, &spec->loss, 1, on_demand, n,
                             spec->loss, max_batch, &t->plan, err);
    free(on_demand);
    hook_session_set_plan(&t->session, t->plan);
    for (int i = 0; err->code == CREW_OK && i < t->weights.num_vars; i++) {
        plan_bind_var(t->plan, i, t->weights.vars[i].value);
        if (plan_grad(t->plan, i) == NULL && !plan_has_rows(t->plan, i)) {
            return crew_err_exit(
                err, CREW_INVALID_ARGUMENT, 1,
                "variable %s: the loss does not depend on it, so that it "
                "cannot be trained; leave it out of mode train",
                t->weights.vars[i].name);
        }
    }
    if (err->code != CREW_OK && err->exit_code == 0) {
        err->exit_code = 1;
    }
    return err->code;
}

/* TensorFlow's line comes when all else is ready (training_start), and here
 * when it would be the last. */
static int build_model(struct training *t,
                       const struct dataset_spec *element,
                       struct crew_err *err)
{
    if (model_build(t->run->job, t->run->params, CREW_TRAIN, element, &t->model,
                    err) != CREW_OK) {
        env_log(t->run->env, LOG_INFO, "Calling model_fn.");
    }
    return err->code;
}

/* Gradients of tables are pushed as rows. A clip by the average norm makes them
 * dense: TensorFlow's takes IndexedSlices for the tensor that they stand for,
 * whose elements all count, and gives one back. */
static void find_tables(struct training *t)
{
    const struct weights *w = &t->weights;
    bool *rows = xcalloc((size_t)w->num_vars + 1, sizeof *rows);

    graph_use_rows(t->model->graph);
    for (int i = 0; i < w->num_vars; i++) {
        if (w->optimizers[w->vars[i].optimizer].clip.kind ==
            CREW_CLIP_BY_AVERAGE_NORM) {
            graph_keep_dense(t->model->graph, i);
        }
    }
    plan_find_rows(t->model->graph, t->model->spec->loss, rows);
    for (int i = 0; i < t->weights.num_vars; i++) {
        t->weights.vars[i].rows = rows[i];
    }
    free(rows);
}

/* In a signal handler. */
static void interrupt(void *trainer)
{
    trainer_interrupt(trainer);
}

int training_open(struct training *t,
                  struct run *run,
                  bool is_chief,
                  struct training_listener listener,
                  struct crew_err *err)
{
    struct dataset_spec element;

    *t = (struct training){.run = run,
                           .is_chief = is_chief,
                           .listener = listener,
                           .saved_step = -1};
    if (training_open_input(t, &element, err) != CREW_OK ||
        build_model(t, &element, err) != CREW_OK ||
        weights_new(t->model->graph, &t->model->spec->optimizers, is_chief,
                    &t->weights, err) != CREW_OK ||
        together_of(&run->rc, t->weights.optimizers, t->weights.num_optimizers,
                    run->num_trainers, &t->replicas, err) != CREW_OK) {
        return err->code;
    }
    find_tables(t);
    if (open_trainer(t, err) != CREW_OK) {
        return err->code;
    }
    signals_on_interrupt(interrupt, t->trainer);
    return CREW_OK;
}

/* -------------------------------------------------------------------- hooks */

static struct hook_summary get_summary(void *self, int i)
{
    const struct training *t = self;

    return spec_summary_value(&t->model->spec->summaries[i], t->plan);
}

static void last_evaluation(void *self, char *line, size_t size, int64_t *step)
{
    struct training *t = self;

    if (t->run->evaluation[0] != '\0') {
        (void)snprintf(line, size, "%s", t->run->evaluation);
        *step = t->evaluation_step;
        return;
    }
    t->trainer->ops->last_evaluation(t->trainer, line, size, step);
}

static struct crew_node *summary_node(void *self, int i)
{
    const struct training *t = self;

    return t->model->spec->summaries[i].node;
}

/* Has the user brought a saver? */
static bool has_saver(const struct training *t)
{
    const struct crew_spec *spec = t->model->spec;
    const struct crew_train_spec *ts = &t->run->ts;

    for (int i = 0; i < ts->num_hooks; i++) {
        if (hook_is_saver(ts->hooks[i])) {
            return true;
        }
    }
    for (int i = 0; i < spec->num_hooks; i++) {
        if (spec->hooks[i].kind <= SPEC_TRAINING_CHIEF &&
            hook_is_saver(spec->hooks[i].hook)) {
            return true;
        }
    }
    return false;
}

/* Does RunConfig say when to save? */
static bool has_times(const struct training *t)
{
    return t->run->rc.save_checkpoints_steps > 0 ||
           t->run->rc.save_checkpoints_secs > 0;
}

/* Listeners are called when something is saved. */
static int check_listeners(const struct training *t, struct crew_err *err)
{
    bool has_listeners =
        t->run->ts.num_saving_listeners > 0 || t->listener.after_save != NULL;

    if (t->is_chief && has_listeners && !has_times(t) && !has_saver(t)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "There should be a CheckpointSaverHook to use "
                             "saving_listeners. Please set one of the "
                             "RunConfig.save_checkpoints_steps or "
                             "RunConfig.save_checkpoints_secs.");
    }
    return CREW_OK;
}

/* What hooks may ask of this training. */
static void open_session(struct training *t)
{
    struct run *run = t->run;
    struct crew_session *s = &t->session;

    hook_session_init(s, run->env, t->model->graph);
    t->eval_dir = evaluator_dir(run);
    s->model_dir = run->model_dir;
    s->eval_dir = t->eval_dir;
    s->is_chief = t->is_chief;
    s->loss = t->model->spec->loss;
    s->summaries = (struct hook_summaries){.n = t->model->spec->num_summaries,
                                           .get = get_summary,
                                           .node = summary_node,
                                           .self = t};
    s->host.wait_step = run->tf != NULL ? training_wait_step : NULL;
    s->host.evaluate = run->tf == NULL ? training_evaluate : NULL;
    s->host.forget = evaluation_forget;
    s->host_self = t;
    if (t->is_chief) {
        hook_events_open(run->env, run->model_dir, true, &t->events);
        graph_event_write(t->events, t->model->graph);
        s->events = t->events;
        s->saver = training_saver(t);
    }
}

/* MonitoredTrainingSession's order. */
static void add_hooks(struct training *t)
{
    struct run *run = t->run;
    struct hook_list *hooks = &t->session.hooks;

    if (t->is_chief) {
        if (has_times(t) && !has_saver(t)) {
            hook_add_saver(hooks, t->session.saver);
        }
        spec_give_hooks(t->model->spec, SPEC_TRAINING_CHIEF, &t->session);
        if (run->rc.log_step_count_steps > 0) {
            hook_add_step_counter(hooks, run->env, run->rc.log_step_count_steps,
                                  t->events);
        }
        if (run->rc.save_summary_steps > 0) {
            hook_add_summary(hooks, run->env, run->rc.save_summary_steps,
                             t->events, t->session.summaries);
        }
    }
    if (t->keeps_position && !t->is_chief) {
        training_add_position_hook(t);
    }
    hook_session_borrow(&t->session, run->ts.hooks, run->ts.num_hooks);
    if (run->rc.log_step_count_steps > 0) {
        hook_add_logging(hooks, run->env, run->rc.log_step_count_steps);
    }
    spec_give_hooks(t->model->spec, SPEC_TRAINING, &t->session);
    if (t->is_chief) {
        progress_add_hook(hooks, run->env, run->ts.max_steps, run->opt.quiet,
                          last_evaluation, t);
    }
}

/* ----------------------------------------------------------------- starting */

/* The weights of a run without a checkpoint; *step is where it begins. */
static int init_weights(struct training *t, int64_t *step, struct crew_err *err)
{
    struct run *run = t->run;
    const struct crew_warm_start *warm = &run->rc.warm_start;

    *step = 0;
    weights_init(&t->weights, t->model->graph, run->seed);
    if (warm->ckpt_to_initialize_from != NULL &&
        warm_start_weights(warm, run->env, run->seed, &t->weights, step, err) !=
            CREW_OK) {
        return err->code;
    }
    return scaffold_init(&t->model->spec->scaffold, &t->weights, err);
}

/* TensorFlow looks at what it starts from, and says so, right after model_fn.
 */
static int start_warm(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;
    char *named = NULL;

    if (run->rc.warm_start.ckpt_to_initialize_from == NULL) {
        return CREW_OK;
    }
    named = ckpt_named(run->env, run->model_dir);
    if (named == NULL && init_weights(t, &t->warm_step, err) == CREW_OK) {
        t->is_warm = true;
    }
    free(named);
    return err->code;
}

int training_restore_or_init(struct training *t,
                             int64_t *step,
                             struct crew_err *err)
{
    struct run *run = t->run;
    char *prefix = NULL;
    int64_t named_step;

    if (ckpt_latest(run->env, run->model_dir, &prefix, &named_step, err) !=
        CREW_OK) {
        return err->code;
    }
    if (prefix == NULL && t->is_warm) {
        t->is_warm = false;
        *step = t->warm_step;
        return CREW_OK;
    }
    if (prefix == NULL) {
        return init_weights(t, step, err);
    }
    env_log(run->env, LOG_INFO, "Restoring parameters from %s", prefix);
    (void)weights_restore(&t->weights, run->env, prefix, step, err);
    free(prefix);
    return err->code;
}

/* A chief that comes back to parameter servers which live goes on where they
 * are: with it only its own step is lost. */
static int adopt(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;

    t->job_dir = realpath(run->model_dir, NULL);
    if (t->trainer->ops->adopt(t->trainer, t->epoch,
                               t->job_dir != NULL ? t->job_dir : run->model_dir,
                               &t->adopted, err) == CREW_OK &&
        t->adopted) {
        env_log(run->env, LOG_INFO,
                "The parameter servers still have this job's state: training "
                "goes on from there.");
    }
    return err->code;
}

static int start_chief(struct training *t, struct crew_err *err)
{
    struct run *run = t->run;
    double hours;
    int64_t keep = scaffold_keep(&t->model->spec->scaffold, &run->rc, &hours);

    if (crewdir_make(run->env, run->model_dir, err) != CREW_OK ||
        crewdir_claim_epoch(run->env, run->model_dir, run->who, &t->epoch,
                            err) != CREW_OK ||
        crewdir_remove_done(run->env, run->model_dir, err) != CREW_OK ||
        ckpt_history_open(run->env, run->model_dir, keep, hours, &t->history,
                          err) != CREW_OK ||
        adopt(t, err) != CREW_OK) {
        return err->code;
    }
    if (t->adopted) {
        return CREW_OK;
    }
    if (training_restore_or_init(t, &t->step, err) != CREW_OK) {
        return err->code;
    }
    t->start_step = t->step;
    return t->trainer->ops->initialise(t->trainer, t->epoch, t->step,
                                       t->weights.powers, err);
}

int training_start(struct training *t, struct crew_err *err)
{
    struct crew_env *env = t->run->env;

    env_log(env, LOG_INFO, "Calling model_fn.");
    spec_log_notes(t->model->spec, env);
    env_log(env, LOG_INFO, "Done calling model_fn.");
    if (check_listeners(t, err) != CREW_OK ||
        (t->is_chief && start_warm(t, err) != CREW_OK)) {
        return err->code;
    }
    if (has_times(t) && !has_saver(t)) {
        env_log(env, LOG_INFO, "Create CheckpointSaverHook.");
    }
    open_session(t);
    add_hooks(t);
    if (hook_session_begin(&t->session, err) != CREW_OK ||
        make_plan(t, t->model->element.max_batch, err) != CREW_OK) {
        return err->code;
    }
    env_log(env, LOG_INFO, "Graph was finalized.");
    if (t->is_chief && start_chief(t, err) != CREW_OK) {
        return err->code;
    }
    env_log(env, LOG_INFO, "Running local_init_op.");
    env_log(env, LOG_INFO, "Done running local_init_op.");
    /* The chief's first save comes before any worker's first step, unless they
     * train already. */
    if (t->is_chief && !t->adopted &&
        hook_session_created(&t->session, t->step, err) != CREW_OK) {
        return err->code;
    }
    if (t->trainer->ops->begin(t->trainer, &t->step, err) != CREW_OK) {
        return err->code;
    }
    t->began = true;
    if (!t->is_chief || t->adopted) {
        t->start_step = t->step;
        return hook_session_created(&t->session, t->step, err);
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------- ending */

int training_end(struct training *t, struct crew_err *err)
{
    struct crew_env *env = t->run->env;
    char loss[40];

    t->ending = true;
    if (t->stop == STOP_INPUT_END || t->stop == STOP_HOOK ||
        t->stop == STOP_SIGNAL) {
        struct crew_err ignored = {0};

        /* A ps that has gone is noticed by the save, or does not matter. */
        (void)t->trainer->ops->leave(t->trainer, &ignored);
    }
    if (hook_session_end(&t->session, t->step, err) != CREW_OK) {
        return err->code;
    }
    if (t->local_steps == 0 && t->stop != STOP_SIGNAL) {
        env_log(env, LOG_WARN,
                "Training with estimator made no steps. Perhaps input is empty "
                "or misspecified.");
    }
    env_log(env, LOG_INFO, "Loss for final step: %s.",
            t->local_steps > 0 ? hook_float_text(t->loss, loss, sizeof loss)
                               : "None");
    return CREW_OK;
}

void training_close(struct training *t)
{
    signals_on_interrupt(NULL, NULL);
    hook_session_release(&t->session);
    if (t->trainer != NULL) {
        t->trainer->ops->close(t->trainer);
    }
    event_writer_close(t->events);
    ckpt_history_free(t->history);
    dataset_reader_close(t->input);
    plan_free(t->plan);
    gradients_release(t);
    weights_release(&t->weights);
    free(t->eval_dir);
    free(t->job_dir);
    model_free(t->model);
    *t = (struct training){0};
}
