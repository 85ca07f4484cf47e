/* SPDX-License-Identifier: Apache-2.0
 *
 * What RunConfig, TrainSpec and EvalSpec refuse, with TensorFlow's sentences.
 * Sources: tensorflow_estimator's run_config.py and training.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/run_config_impl.h"
#include "base/banned.h"

/* ------------------------------------------------------------------ checks */

int run_config_wrong_type(const struct field *f,
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
    if (f->kind == GROUP) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%s must be instance of ConfigProto", f->name);
    }
    if (f->kind == CALLABLE) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%s must be callable with exactly one argument "
                            "\"op\".",
                            f->name);
    }
    if (f->owner == EVAL && f->kind == TEXT) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`%s` must be string, given: %s", f->name, given);
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT, "%s must be %s, given: %s",
                        f->name,
                        f->kind == TEXT      ? "a text"
                        : f->kind == TRUTH   ? "true or false"
                        : f->kind == INTEGER ? "an integer"
                                             : "a number",
                        given);
}

bool run_config_in_range(const struct field *f, double value)
{
    return f->range == ANY || (f->range == POSITIVE ? value > 0 : value >= 0);
}

/* RunConfig says what should be, TrainSpec and EvalSpec also what was given. */
int run_config_out_of_range(const struct field *f,
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

int run_config_both_set(struct crew_err *err)
{
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "`save_checkpoints_steps` and `save_checkpoints_secs` "
                        "cannot be both set.");
}

/* Is "/job:ps" one of the names, or the beginning of one? */
static bool lets_ps_in(const char *filters)
{
    static const char ps[] = "/job:ps";

    while (*filters != '\0') {
        filters += strspn(filters, ", ");
        if (strncmp(filters, ps, sizeof ps - 1) == 0) {
            return true;
        }
        filters += strcspn(filters, ",");
    }
    return false;
}

int run_config_check_text(const struct field *f,
                          const char *value,
                          struct crew_err *err)
{
    if (value == NULL) {
        return CREW_OK;
    }
    if (strcmp(f->name, "model_dir") == 0 && value[0] == '\0') {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "model_dir should be non-empty.");
    }
    if (strcmp(f->name, "protocol") == 0 && strcmp(value, "grpc") != 0 &&
        strcmp(value, "grpc+verbs") != 0) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "protocol should be grpc or grpc+verbs");
    }
    if (strcmp(f->tf_name, "device_filters") == 0 && !lets_ps_in(value)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "session_config.device_filters \"%.200s\" lacks "
                            "/job:ps, where the variables are",
                            value);
    }
    if (strstr(f->name, "_distribute") != NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%s: there is no strategy \"%.200s\" here; "
                            "training is distributed over the parameter "
                            "servers and trainers of TF_CONFIG. Leave it "
                            "None; for all trainers in step, set sync",
                            f->name, value);
    }
    return CREW_OK;
}

static int check_device_fn(const struct crew_run_config *rc,
                           struct crew_err *err)
{
    if (rc->device_fn != NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "device_fn: there are no devices to choose here; "
                            "variables are placed on the parameter servers by "
                            "their size. Leave it NULL");
    }
    return CREW_OK;
}

/* steps without a secs of one's own: the default of secs goes. */
void run_config_settle_saving(struct crew_run_config *rc)
{
    if (rc->save_checkpoints_steps >= 0 &&
        rc->save_checkpoints_secs == RUN_CONFIG_DEFAULT_SECS) {
        rc->save_checkpoints_secs = -1;
    }
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
        return run_config_check_text(
            f, *(const char **)run_config_place(specs, f), err);
    }
    if (f->kind == GROUP) {
        return CREW_OK;
    }
    if (f->kind == CALLABLE) {
        return check_device_fn(specs->rc, err);
    }
    value = run_config_number(specs, f);
    (void)snprintf(given, sizeof given, "%.15g", value);
    if (value == f->none || f->range == ANY) {
        return CREW_OK;
    }
    if (f->whole && value != floor(value)) {
        return run_config_wrong_type(f, given, err);
    }
    return run_config_in_range(f, value)
               ? CREW_OK
               : run_config_out_of_range(f, given, err);
}

static int check_input_fn(bool given, struct crew_err *err)
{
    if (!given) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`input_fn` must be callable, given: None");
    }
    return CREW_OK;
}

static int check_hooks(const struct crew_hook *hooks,
                       int n,
                       struct crew_err *err)
{
    if (n < 0 || (n > 0 && hooks == NULL)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "num_hooks is %d, but hooks is %s. Fix: "
                            "crew_train_spec_add_hook() and "
                            "crew_eval_spec_add_hook() count",
                            n, hooks == NULL ? "NULL" : "given");
    }
    for (int i = 0; i < n; i++) {
        if (hooks[i].ops == NULL) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "All hooks must be `SessionRunHook` "
                                "instances, given: one without ops (hook %d)",
                                i);
        }
    }
    return CREW_OK;
}

static int check_listeners(const struct crew_train_spec *ts,
                           struct crew_err *err)
{
    if (ts->num_saving_listeners < 0 ||
        (ts->num_saving_listeners > 0 && ts->saving_listeners == NULL)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "num_saving_listeners is %d, but saving_listeners "
                            "is %s. Fix: crew_train_spec_add_saving_listener() "
                            "counts",
                            ts->num_saving_listeners,
                            ts->saving_listeners == NULL ? "NULL" : "given");
    }
    for (int i = 0; i < ts->num_saving_listeners; i++) {
        if (ts->saving_listeners[i].ops == NULL) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "saving_listeners must be a list of "
                                "CheckpointSaverListener, given: one without "
                                "ops (listener %d)",
                                i);
        }
    }
    return CREW_OK;
}

static int check_fields(const struct specs *specs,
                        enum owner first,
                        enum owner last,
                        struct crew_err *err)
{
    const struct field *f;
    int status = CREW_OK;

    for (size_t i = 0; (f = run_config_row(i)) != NULL && status == CREW_OK;
         i++) {
        if (f->owner >= first && f->owner <= last) {
            status = check_field(specs, f, err);
        }
    }
    return status;
}

int run_config_validate_run(struct crew_run_config *rc, struct crew_err *err)
{
    struct specs specs = {.rc = rc};

    run_config_settle_saving(rc);
    if (rc->save_checkpoints_steps >= 0 && rc->save_checkpoints_secs >= 0) {
        return run_config_both_set(err);
    }
    return check_fields(&specs, RUN, RUN, err);
}

int run_config_validate(struct crew_run_config *rc,
                        struct crew_train_spec *ts,
                        struct crew_eval_spec *es,
                        struct crew_err *err)
{
    struct specs specs = {rc, ts, es};
    (void)(run_config_validate_run(rc, err) == CREW_OK &&
           check_fields(&specs, TRAIN, EVAL, err) == CREW_OK &&
           check_input_fn(ts->input_fn != NULL, err) == CREW_OK &&
           check_hooks(ts->hooks, ts->num_hooks, err) == CREW_OK &&
           check_listeners(ts, err) == CREW_OK &&
           check_input_fn(es->input_fn != NULL, err) == CREW_OK &&
           check_hooks(es->hooks, es->num_hooks, err) == CREW_OK &&
           eval_spec_check_exporters(es, err) == CREW_OK);
    return err->code;
}
