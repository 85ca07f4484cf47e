/* SPDX-License-Identifier: Apache-2.0
 * RunConfig.replace. Source: tensorflow_estimator's run_config.py. */
#include <string.h>

#include "config/run_config_impl.h"
#include "base/banned.h"

static const char allowed[] =
    "['model_dir', 'tf_random_seed', 'save_summary_steps', "
    "'save_checkpoints_steps', 'save_checkpoints_secs', 'session_config', "
    "'keep_checkpoint_max', 'keep_checkpoint_every_n_hours', "
    "'log_step_count_steps', 'train_distribute', 'device_fn', 'protocol', "
    "'eval_distribute', 'experimental_distribute', "
    "'experimental_max_worker_delay_secs', 'session_creation_timeout_secs', "
    "'checkpoint_save_graph_def']";

/* The field that "name=value" is of; NULL after an error. */
static const struct field *changed_field(const char *change,
                                         struct crew_err *err)
{
    size_t n = change != NULL ? strcspn(change, "=") : 0;
    const struct field *f = change != NULL ? run_config_find(change, n) : NULL;

    if (change == NULL || change[n] == '\0') {
        (void)crew_err_set(err, CREW_INVALID_ARGUMENT,
                           "crew_run_config_replace: a change is "
                           "\"name=value\", given: %.200s",
                           change != NULL ? change : "NULL");
        return NULL;
    }
    if (f == NULL || f->owner != RUN) {
        (void)crew_err_set(err, CREW_INVALID_ARGUMENT,
                           "Replacing %.*s is not supported. Allowed "
                           "properties are %s.",
                           n < 100 ? (int)n : 100, change, allowed);
        return NULL;
    }
    if (strcmp(change, "model_dir=") == 0) {
        (void)crew_err_set(err, CREW_INVALID_ARGUMENT,
                           "model_dir should be non-empty");
        return NULL;
    }
    return f;
}

/* Texts point into the params, which go: point into the caller's instead. */
static void keep_texts(struct crew_run_config *rc,
                       const char *const *changes,
                       int n)
{
    struct specs specs = {.rc = rc};

    for (int i = 0; i < n; i++) {
        size_t length = strcspn(changes[i], "=");
        const struct field *f = run_config_find(changes[i], length);

        if (f->kind == TEXT) {
            const char **place = run_config_place(&specs, f);

            *place = *place != NULL ? changes[i] + length + 1 : NULL;
        }
    }
}

int crew_run_config_replace(struct crew_run_config *rc,
                            const char *const *changes,
                            int n,
                            struct crew_err *err)
{
    struct crew_params *params;
    struct crew_run_config ignored, new_rc;
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    int status = CREW_OK;
    struct crew_err unheard = {0};

    err = err != NULL ? err : &unheard;
    if (rc == NULL || (n > 0 && changes == NULL)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "crew_run_config_replace: %s is NULL",
                            rc == NULL ? "the RunConfig" : "changes");
    }
    params = params_new();
    new_rc = *rc;
    run_config_defaults(&ignored, &ts, &es);
    for (int i = 0; i < n && status == CREW_OK; i++) {
        status = changed_field(changes[i], err) != NULL
                     ? params_set(params, changes[i], err)
                     : err->code;
    }
    if (status == CREW_OK &&
        run_config_apply(params, &new_rc, &ts, &es, err) == CREW_OK &&
        run_config_validate_run(&new_rc, err) == CREW_OK) {
        keep_texts(&new_rc, changes, n);
        *rc = new_rc;
    }
    params_free(params);
    return err->code;
}
