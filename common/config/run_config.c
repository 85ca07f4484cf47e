/* SPDX-License-Identifier: Apache-2.0
 *
 * Defaults, --set by Estimator's names, and checks of RunConfig, TrainSpec and
 * EvalSpec; see run_config.h. One row a field. Sources: tensorflow_estimator's
 * run_config.py and training.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/py_text.h"
#include "config/run_config.h"
#include "base/banned.h"

enum kind { INTEGER, SECONDS, TEXT, TRUTH };
enum owner { RUN, TRAIN, EVAL };
/* What a value must be: any, >= 0, > 0. */
enum range { ANY, NOT_NEGATIVE, POSITIVE };

struct field {
    const char *name;    /* of --set */
    const char *tf_name; /* in TensorFlow's sentences */
    enum kind kind;
    enum owner owner;
    enum range range;
    bool whole;  /* SECONDS that must be an integer */
    double none; /* what None stands for */
    size_t offset;
};

#define AT(type, member) offsetof(struct crew_##type, member)

static const struct field fields[] = {
    {"tf_random_seed", "tf_random_seed", INTEGER, RUN, ANY, true, -1,
     AT(run_config, tf_random_seed)},
    {"save_summary_steps", "save_summary_steps", INTEGER, RUN, NOT_NEGATIVE,
     true, 0, AT(run_config, save_summary_steps)},
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

#define STEPS_FIELD (&fields[2])
#define SECS_FIELD (&fields[3])
#define DEFAULT_SECS 600.0

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
        .save_checkpoints_secs = DEFAULT_SECS,
        .keep_checkpoint_max = 5,
        .keep_checkpoint_every_n_hours = 10000,
        .log_step_count_steps = 100,
        .experimental_max_worker_delay_secs = 60,
        .session_creation_timeout_secs = 7200,
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

/* The three structs that fields are in. */
struct specs {
    struct crew_run_config *rc;
    struct crew_train_spec *ts;
    struct crew_eval_spec *es;
};

static void *place_of(const struct specs *specs, const struct field *f)
{
    char *base = f->owner == RUN     ? (char *)specs->rc
                 : f->owner == TRAIN ? (char *)specs->ts
                                     : (char *)specs->es;

    return base + f->offset;
}

static double value_of(const struct specs *specs, const struct field *f)
{
    const void *place = place_of(specs, f);

    return f->kind != SECONDS ? (double)*(const int64_t *)place
                              : *(const double *)place;
}

static void set_number(const struct specs *specs,
                       const struct field *f,
                       double value,
                       int64_t whole)
{
    void *place = place_of(specs, f);

    if (f->kind != SECONDS) {
        *(int64_t *)place = whole;
    } else {
        *(double *)place = value;
    }
}

static void set_none(const struct specs *specs, const struct field *f)
{
    if (f->kind == TEXT) {
        *(const char **)place_of(specs, f) = NULL;
    } else {
        set_number(specs, f, f->none, (int64_t)f->none);
    }
}

/* ------------------------------------------------------------------ checks */

static int wrong_type(const struct field *f,
                      const char *given,
                      struct crew_err *err)
{
    if (strcmp(f->name, "tf_random_seed") == 0) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "tf_random_seed must be integer.");
    }
    if (f->kind == SECONDS && f->whole) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%s must be an integer if set.", f->name);
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT, "%s must be %s, given: %s",
                        f->name,
                        f->kind == TEXT      ? "a text"
                        : f->kind == TRUTH   ? "true or false"
                        : f->kind == INTEGER ? "an integer"
                                             : "a number",
                        given);
}

static bool in_range(enum range range, double value)
{
    return range == ANY || (range == POSITIVE ? value > 0 : value >= 0);
}

/* RunConfig says what should be, TrainSpec and EvalSpec also what was given. */
static int out_of_range(const struct field *f,
                        const char *given,
                        struct crew_err *err)
{
    const char *op = f->range == POSITIVE ? ">" : ">=";

    if (f->owner == RUN) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT, "%s should be %s 0",
                            f->name, op);
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "Must specify %s %s 0, given: %s", f->tf_name, op,
                        given);
}

static int both_set(struct crew_err *err)
{
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "`save_checkpoints_steps` and `save_checkpoints_secs` "
                        "cannot be both set.");
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
    if (f->kind == TEXT) {
        return params_value_str(v, (const char **)place_of(specs, f))
                   ? CREW_OK
                   : wrong_type(f, given, err);
    }
    if (f->kind == TRUTH) {
        bool truth = false;
        if (!params_value_bool(v, &truth)) {
            return wrong_type(f, given, err);
        }
        set_number(specs, f, truth, truth);
        return CREW_OK;
    }
    if (f->whole) {
        if (!params_value_int(v, &whole)) {
            return wrong_type(f, given, err);
        }
        value = (double)whole;
    } else if (!params_value_double(v, &value)) {
        return wrong_type(f, given, err);
    }
    if (!in_range(f->range, value)) {
        return out_of_range(f, given, err);
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
    if (f->kind == TEXT) {
        return *(const char **)place_of(specs, f) == NULL;
    }
    return value_of(specs, f) == value_of(&defaults, f);
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
    return set_field(specs, f, &v, err);
}

/* steps without a secs of one's own: the default of secs goes. */
static void settle_saving(struct crew_run_config *rc)
{
    if (rc->save_checkpoints_steps >= 0 &&
        rc->save_checkpoints_secs == DEFAULT_SECS) {
        rc->save_checkpoints_secs = -1;
    }
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
        return both_set(err);
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

    settle_saving(&new_rc);
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

/* -------------------------------------------------------------- validation */

/* A value that configure() may leave: what None is stored as, or one in range.
 */
static int check_field(const struct specs *specs,
                       const struct field *f,
                       struct crew_err *err)
{
    char given[40];
    double value;

    if (f->kind == TEXT) {
        return CREW_OK;
    }
    value = value_of(specs, f);
    (void)snprintf(given, sizeof given, "%.15g", value);
    if (value == f->none || f->range == ANY) {
        return CREW_OK;
    }
    if (f->whole && value != floor(value)) {
        return wrong_type(f, given, err);
    }
    return in_range(f->range, value) ? CREW_OK : out_of_range(f, given, err);
}

static int check_input_fn(bool given, struct crew_err *err)
{
    if (!given) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`input_fn` must be callable, given: None");
    }
    return CREW_OK;
}

/* `what` is wrong with a name; then all of them, as Python writes a list. */
static int bad_names(const struct crew_eval_spec *es,
                     const char *what,
                     struct crew_err *err)
{
    struct strbuf names;
    int rc;

    strbuf_init(&names);
    for (int i = 0; i < es->num_exporters; i++) {
        strbuf_addstr(&names, i > 0 ? ", " : "");
        if (es->exporters[i].name == NULL) {
            strbuf_addstr(&names, "None");
        } else {
            py_repr_text(&names, es->exporters[i].name);
        }
    }
    rc = crew_err_set(err, CREW_INVALID_ARGUMENT, "%s All exporter names: [%s]",
                      what, names.data);
    strbuf_release(&names);
    return rc;
}

static int check_exporter(const struct crew_eval_spec *es,
                          int i,
                          struct crew_err *err)
{
    const struct crew_exporter *e = &es->exporters[i];

    if (e->kind < CREW_EXPORTER_LATEST || e->kind > CREW_EXPORTER_BEST) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "exporter %d is of no kind that there is: %d", i,
                            (int)e->kind);
    }
    if (e->name == NULL || e->name[0] == '\0') {
        return bad_names(
            es, "An Exporter cannot have a name that is `None` or empty.", err);
    }
    for (int k = 0; k < i; k++) {
        if (strcmp(es->exporters[k].name, e->name) == 0) {
            return bad_names(es,
                             "`exporters` must have unique names. Such a name "
                             "cannot be `None`.",
                             err);
        }
    }
    if (strchr(e->name, '/') != NULL || e->name[0] == '.') {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "the exporter name \"%.100s\" must be the name of "
                            "one folder under export/",
                            e->name);
    }
    if (e->exports_to_keep < 0 && e->kind == CREW_EXPORTER_BEST) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`exports_to_keep`, if provided, must be a "
                            "positive number. Got %lld",
                            (long long)e->exports_to_keep);
    }
    if (e->exports_to_keep < 0) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`exports_to_keep`, if provided, must be positive "
                            "number");
    }
    return CREW_OK;
}

static int check_exporters(const struct crew_eval_spec *es,
                           struct crew_err *err)
{
    int rc = CREW_OK;

    if (es->num_exporters < 0 || es->num_exporters > CREW_MAX_EXPORTERS) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "an EvalSpec has at most %d exporters, given: %d",
                            CREW_MAX_EXPORTERS, es->num_exporters);
    }
    for (int i = 0; i < es->num_exporters && rc == CREW_OK; i++) {
        rc = check_exporter(es, i, err);
    }
    return rc;
}

static int check_fields(const struct specs *specs,
                        enum owner first,
                        enum owner last,
                        struct crew_err *err)
{
    int status = CREW_OK;

    for (size_t i = 0; i < COUNT_OF(fields) && status == CREW_OK; i++) {
        if (fields[i].owner >= first && fields[i].owner <= last) {
            status = check_field(specs, &fields[i], err);
        }
    }
    return status;
}

int run_config_validate_run(struct crew_run_config *rc, struct crew_err *err)
{
    struct specs specs = {.rc = rc};

    settle_saving(rc);
    if (rc->save_checkpoints_steps >= 0 && rc->save_checkpoints_secs >= 0) {
        return both_set(err);
    }
    return check_fields(&specs, RUN, RUN, err);
}

int run_config_validate(struct crew_run_config *rc,
                        struct crew_train_spec *ts,
                        struct crew_eval_spec *es,
                        struct crew_err *err)
{
    struct specs specs = {rc, ts, es};
    int status = run_config_validate_run(rc, err);

    if (status == CREW_OK) {
        status = check_fields(&specs, TRAIN, EVAL, err);
    }
    if (status == CREW_OK) {
        status = check_input_fn(ts->input_fn != NULL, err);
    }
    if (status == CREW_OK) {
        status = check_input_fn(es->input_fn != NULL, err);
    }
    return status == CREW_OK ? check_exporters(es, err) : status;
}

void crew_eval_spec_add_exporter(struct crew_eval_spec *es,
                                 enum crew_exporter_kind kind,
                                 const char *name)
{
    /* One too many is counted, so that validation can refuse it. */
    if (es->num_exporters < CREW_MAX_EXPORTERS) {
        es->exporters[es->num_exporters] = (struct crew_exporter){
            .kind = kind,
            .name = name == NULL && kind == CREW_EXPORTER_BEST ? "best_exporter"
                                                               : name,
            .exports_to_keep = kind == CREW_EXPORTER_FINAL ? 0 : 5,
        };
    }
    es->num_exporters++;
}

void crew_run_config_init(struct crew_run_config *rc)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;

    run_config_defaults(rc, &ts, &es);
}

void crew_train_spec_init(struct crew_train_spec *ts)
{
    struct crew_run_config rc;
    struct crew_eval_spec es;

    run_config_defaults(&rc, ts, &es);
}

void crew_eval_spec_init(struct crew_eval_spec *es)
{
    struct crew_run_config rc;
    struct crew_train_spec ts;

    run_config_defaults(&rc, &ts, es);
}
