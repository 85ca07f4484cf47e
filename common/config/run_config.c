/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of RunConfig, TrainSpec and EvalSpec, a row each: their defaults,
 * and --set by Estimator's names; see run_config.h. Sources:
 * tensorflow_estimator's run_config.py and training.py. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/run_config_impl.h"
#include "base/banned.h"

#define AT(type, member) offsetof(struct crew_##type, member)

static const struct field fields[] = {
    {"model_dir", "model_dir", TEXT, RUN, ANY, false, 0,
     AT(run_config, model_dir)},
    {"tf_random_seed", "tf_random_seed", INTEGER, RUN, ANY, true, -1,
     AT(run_config, tf_random_seed)},
    {"save_summary_steps", "save_summary_steps", INTEGER, RUN, NOT_NEGATIVE,
     true, -1, AT(run_config, save_summary_steps)},
    {"save_checkpoints_steps", "save_checkpoints_steps", INTEGER, RUN,
     NOT_NEGATIVE, true, -1, AT(run_config, save_checkpoints_steps)},
    {"save_checkpoints_secs", "save_checkpoints_secs", SECONDS, RUN,
     NOT_NEGATIVE, false, -1, AT(run_config, save_checkpoints_secs)},
    {"keep_checkpoint_max", "keep_checkpoint_max", INTEGER, RUN, NOT_NEGATIVE,
     true, 0, AT(run_config, keep_checkpoint_max)},
    {"keep_checkpoint_every_n_hours", "keep_checkpoint_every_n_hours", SECONDS,
     RUN, POSITIVE, false, 10000,
     AT(run_config, keep_checkpoint_every_n_hours)},
    {"log_step_count_steps", "log_step_count_steps", INTEGER, RUN, POSITIVE,
     true, 0, AT(run_config, log_step_count_steps)},
    {"experimental_max_worker_delay_secs", "experimental_max_worker_delay_secs",
     SECONDS, RUN, NOT_NEGATIVE, true, 60,
     AT(run_config, experimental_max_worker_delay_secs)},
    {"session_creation_timeout_secs", "session_creation_timeout_secs", SECONDS,
     RUN, POSITIVE, false, 7200, AT(run_config, session_creation_timeout_secs)},
    {"session_config", "session_config", GROUP, RUN, ANY, false, 0, 0},
    {"session_config.intra_op_parallelism_threads",
     "intra_op_parallelism_threads", INTEGER, RUN, NOT_NEGATIVE, true, 0,
     AT(run_config, session_config.intra_op_parallelism_threads)},
    {"session_config.inter_op_parallelism_threads",
     "inter_op_parallelism_threads", INTEGER, RUN, NOT_NEGATIVE, true, 0,
     AT(run_config, session_config.inter_op_parallelism_threads)},
    {"session_config.device_filters", "device_filters", TEXT, RUN, ANY, false,
     0, AT(run_config, session_config.device_filters)},
    {"session_config.operation_timeout_in_ms", "operation_timeout_in_ms",
     INTEGER, RUN, NOT_NEGATIVE, true, 0,
     AT(run_config, session_config.operation_timeout_in_ms)},
    {"train_distribute", "train_distribute", TEXT, RUN, ANY, false, 0,
     AT(run_config, train_distribute)},
    {"eval_distribute", "eval_distribute", TEXT, RUN, ANY, false, 0,
     AT(run_config, eval_distribute)},
    {"experimental_distribute", "experimental_distribute", TEXT, RUN, ANY,
     false, 0, AT(run_config, experimental_distribute)},
    {"device_fn", "device_fn", CALLABLE, RUN, ANY, false, 0,
     AT(run_config, device_fn)},
    {"protocol", "protocol", TEXT, RUN, ANY, false, 0,
     AT(run_config, protocol)},
    {"checkpoint_save_graph_def", "checkpoint_save_graph_def", TRUTH, RUN, ANY,
     true, 1, AT(run_config, checkpoint_save_graph_def)},
    {"sync", "sync", TRUTH, RUN, ANY, true, -1, AT(run_config, sync)},
    {"replicas_to_aggregate", "replicas_to_aggregate", INTEGER, RUN, POSITIVE,
     true, 0, AT(run_config, replicas_to_aggregate)},
    {"total_num_replicas", "total_num_replicas", INTEGER, RUN, POSITIVE, true,
     0, AT(run_config, total_num_replicas)},
    {"max_staleness", "max_staleness", INTEGER, RUN, NOT_NEGATIVE, true, -1,
     AT(run_config, max_staleness)},
    {"input_sharding", "input_sharding", TRUTH, RUN, ANY, true, 1,
     AT(run_config, input_sharding)},
    {"warm_start_from", "warm_start_from", TEXT, RUN, ANY, false, 0,
     AT(run_config, warm_start.ckpt_to_initialize_from)},
    {"max_steps", "max_steps", INTEGER, TRAIN, POSITIVE, true, -1,
     AT(train_spec, max_steps)},
    {"checkpoint_input", "checkpoint_input", TRUTH, TRAIN, ANY, true, 0,
     AT(train_spec, checkpoint_input)},
    {"eval_steps", "steps", INTEGER, EVAL, POSITIVE, true, -1,
     AT(eval_spec, steps)},
    {"name", "name", TEXT, EVAL, ANY, false, 0, AT(eval_spec, name)},
    {"start_delay_secs", "start_delay_secs", SECONDS, EVAL, NOT_NEGATIVE, false,
     120, AT(eval_spec, start_delay_secs)},
    {"throttle_secs", "throttle_secs", SECONDS, EVAL, NOT_NEGATIVE, false, 600,
     AT(eval_spec, throttle_secs)},
};

#define STEPS_FIELD (&fields[3])
#define SECS_FIELD (&fields[4])

const struct field *run_config_row(size_t i)
{
    return i < COUNT_OF(fields) ? &fields[i] : NULL;
}

const struct field *run_config_find(const char *name, size_t length)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (strlen(fields[i].name) == length &&
            strncmp(fields[i].name, name, length) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

const char *run_config_field(size_t i)
{
    return i < COUNT_OF(fields) ? fields[i].name : NULL;
}

void run_config_defaults(struct crew_run_config *rc,
                         struct crew_train_spec *ts,
                         struct crew_eval_spec *es)
{
    *rc = (struct crew_run_config){
        .tf_random_seed = -1,
        .save_summary_steps = 100,
        .save_checkpoints_steps = -1,
        .save_checkpoints_secs = RUN_CONFIG_DEFAULT_SECS,
        .keep_checkpoint_max = 5,
        .keep_checkpoint_every_n_hours = 10000,
        .log_step_count_steps = 100,
        .experimental_max_worker_delay_secs = 60,
        .session_creation_timeout_secs = 7200,
        .checkpoint_save_graph_def = 1,
        .sync = -1,
        .max_staleness = -1,
        .input_sharding = 1,
    };
    *ts = (struct crew_train_spec){.max_steps = -1};
    *es = (struct crew_eval_spec){
        .steps = 100,
        .start_delay_secs = 120,
        .throttle_secs = 600,
    };
}

void *run_config_place(const struct specs *specs, const struct field *f)
{
    char *base = f->owner == RUN     ? (char *)specs->rc
                 : f->owner == TRAIN ? (char *)specs->ts
                                     : (char *)specs->es;

    return base + f->offset;
}

double run_config_number(const struct specs *specs, const struct field *f)
{
    const void *place = run_config_place(specs, f);

    return f->kind != SECONDS ? (double)*(const int64_t *)place
                              : *(const double *)place;
}

static void set_number(const struct specs *specs,
                       const struct field *f,
                       double value,
                       int64_t whole)
{
    void *place = run_config_place(specs, f);

    if (f->kind != SECONDS) {
        *(int64_t *)place = whole;
    } else {
        *(double *)place = value;
    }
}

static void set_none(const struct specs *specs, const struct field *f)
{
    if (f->kind == TEXT) {
        *(const char **)run_config_place(specs, f) = NULL;
    } else if (f->kind == CALLABLE) {
        specs->rc->device_fn = NULL; /* there is one such field */
    } else {
        set_number(specs, f, f->none, (int64_t)f->none);
    }
}

/* ------------------------------------------------------------------- --set */

/* Give the field the user's value. */
static int set_field(const struct specs *specs,
                     const struct field *f,
                     const struct params_value *v,
                     struct crew_err *err)
{
    char given[200];
    double value = 0;
    int64_t whole = 0;

    (void)params_value_text(v, given, sizeof given);
    if (params_value_is_none(v)) {
        set_none(specs, f);
        return CREW_OK;
    }
    if (f->kind == CALLABLE) {
        return run_config_wrong_type(f, given, err);
    }
    if (f->kind == TEXT) {
        const char **place = run_config_place(specs, f);

        return params_value_str(v, place)
                   ? run_config_check_text(f, *place, err)
                   : run_config_wrong_type(f, given, err);
    }
    if (f->kind == TRUTH) {
        bool truth = false;
        if (!params_value_bool(v, &truth)) {
            return run_config_wrong_type(f, given, err);
        }
        set_number(specs, f, truth, truth);
        return CREW_OK;
    }
    if (f->whole) {
        if (!params_value_int(v, &whole)) {
            return run_config_wrong_type(f, given, err);
        }
        value = (double)whole;
    } else if (!params_value_double(v, &value)) {
        return run_config_wrong_type(f, given, err);
    }
    if (!run_config_in_range(f, value)) {
        return run_config_out_of_range(f, given, err);
    }
    set_number(specs, f, value, whole);
    return CREW_OK;
}

/* Whether the field still has TensorFlow's default: --default may set it. */
static bool is_untouched(const struct specs *specs, const struct field *f)
{
    struct crew_run_config rc;
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct specs defaults = {&rc, &ts, &es};

    run_config_defaults(&rc, &ts, &es);
    if (f->kind == GROUP) {
        return true;
    }
    if (f->kind == CALLABLE) {
        return specs->rc->device_fn == NULL;
    }
    if (f->kind == TEXT) {
        return *(const char **)run_config_place(specs, f) == NULL;
    }
    return run_config_number(specs, f) == run_config_number(&defaults, f);
}

/* The field of a group's member; NULL for one that has no meaning here. */
static const struct field *member_field(const struct field *group,
                                        const char *member)
{
    char name[100];
    int n = snprintf(name, sizeof name, "%s.%s", group->name, member);

    return n > 0 && (size_t)n < sizeof name ? run_config_find(name, (size_t)n)
                                            : NULL;
}

static void set_group_to_none(const struct specs *specs,
                              const struct field *group)
{
    size_t n = strlen(group->name);

    for (const struct field *f = group + 1;
         strncmp(f->name, group->name, n) == 0 && f->name[n] == '.'; f++) {
        set_none(specs, f);
    }
}

/* An object: all of the group, what is not in it as it is by default. */
static int set_group(const struct specs *specs,
                     const struct field *group,
                     const struct params_value *v,
                     struct crew_err *err)
{
    char given[200];
    const cJSON *member;
    int status = CREW_OK;

    if (!params_value_is_none(v) && !cJSON_IsObject(v->json)) {
        return run_config_wrong_type(
            group, params_value_text(v, given, sizeof given), err);
    }
    set_group_to_none(specs, group);
    cJSON_ArrayForEach(member, v->json)
    {
        const struct field *f = member_field(group, member->string);
        struct params_value value = {.layer = v->layer, .json = member};

        if (f == NULL) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "%s.%s has no meaning here: there are no "
                                "devices to choose and no graph to rewrite. "
                                "Leave it out",
                                group->name, member->string);
        }
        if (status == CREW_OK) {
            status = set_field(specs, f, &value, err);
        }
    }
    return status;
}

static int apply_field(const struct crew_params *params,
                       const struct specs *specs,
                       const struct field *f,
                       struct crew_err *err)
{
    struct params_value v;

    if (!params_take(params, f->name, &v) ||
        (v.layer == PARAMS_DEFAULT && !is_untouched(specs, f))) {
        return CREW_OK;
    }
    return f->kind == GROUP ? set_group(specs, f, &v, err)
                            : set_field(specs, f, &v, err);
}

/* One of save_checkpoints_steps and _secs; a value unsets the other one. */
static int apply_saving(const struct specs *specs,
                        const struct field *f,
                        const struct params_value *v,
                        struct crew_err *err)
{
    const struct field *other = f == STEPS_FIELD ? SECS_FIELD : STEPS_FIELD;
    int rc = set_field(specs, f, v, err);

    if (rc == CREW_OK && !params_value_is_none(v)) {
        set_none(specs, other);
    }
    return rc;
}

static int apply_both_saving(const struct crew_params *params,
                             const struct specs *specs,
                             struct crew_err *err)
{
    struct params_value steps = {0}, secs = {0};
    bool untouched =
        is_untouched(specs, STEPS_FIELD) && is_untouched(specs, SECS_FIELD);
    bool has_steps = params_take(params, STEPS_FIELD->name, &steps) &&
                     (untouched || steps.layer != PARAMS_DEFAULT);
    bool has_secs = params_take(params, SECS_FIELD->name, &secs) &&
                    (untouched || secs.layer != PARAMS_DEFAULT);
    int rc = CREW_OK;

    if (has_steps && has_secs && steps.layer == secs.layer &&
        !params_value_is_none(&steps) && !params_value_is_none(&secs)) {
        return run_config_both_set(err);
    }
    /* The higher layer is applied last, and None before a value. */
    if (has_steps &&
        (!has_secs || steps.layer < secs.layer ||
         (steps.layer == secs.layer && params_value_is_none(&steps)))) {
        rc = apply_saving(specs, STEPS_FIELD, &steps, err);
        has_steps = false;
    }
    if (rc == CREW_OK && has_secs) {
        rc = apply_saving(specs, SECS_FIELD, &secs, err);
    }
    if (rc == CREW_OK && has_steps) {
        rc = apply_saving(specs, STEPS_FIELD, &steps, err);
    }
    return rc;
}

int run_config_apply(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *ts,
                     struct crew_eval_spec *es,
                     struct crew_err *err)
{
    struct crew_run_config new_rc = *rc;
    struct crew_train_spec new_ts = *ts;
    struct crew_eval_spec new_es = *es;
    struct specs specs = {&new_rc, &new_ts, &new_es};
    int status;

    run_config_settle_saving(&new_rc);
    status = apply_both_saving(params, &specs, err);
    for (size_t i = 0; i < COUNT_OF(fields) && status == CREW_OK; i++) {
        if (&fields[i] != STEPS_FIELD && &fields[i] != SECS_FIELD) {
            status = apply_field(params, &specs, &fields[i], err);
        }
    }
    if (status == CREW_OK) {
        *rc = new_rc;
        *ts = new_ts;
        *es = new_es;
    }
    return status;
}

void crew_run_config_init(struct crew_run_config *rc)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;

    if (rc != NULL) {
        run_config_defaults(rc, &ts, &es);
    }
}

void crew_train_spec_init(struct crew_train_spec *ts)
{
    struct crew_run_config rc;
    struct crew_eval_spec es;

    if (ts != NULL) {
        run_config_defaults(&rc, ts, &es);
    }
}

void crew_eval_spec_init(struct crew_eval_spec *es)
{
    struct crew_run_config rc;
    struct crew_train_spec ts;

    if (es != NULL) {
        run_config_defaults(&rc, &ts, es);
    }
}
