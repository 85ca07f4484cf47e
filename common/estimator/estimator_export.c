/* SPDX-License-Identifier: Apache-2.0
 * Estimator.export_saved_model. Source: tensorflow_estimator's estimator.py. */
#include <stdlib.h>

#include "base/mem.h"
#include "estimator/estimator.h"
#include "estimator/export/exporters.h"
#include "base/banned.h"

static int check_mode(enum crew_mode mode, struct crew_err *err)
{
    if (mode == CREW_PREDICT || mode == CREW_EVAL) {
        return CREW_OK;
    }
    if (mode == CREW_TRAIN) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 64,
                             "export_saved_model: CREW_TRAIN is not exported; "
                             "training goes on from a checkpoint, and served "
                             "is what CREW_PREDICT or CREW_EVAL gives");
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "export_saved_model: there is no mode %d", (int)mode);
}

/* With the call's input function in the run. */
static int export_it(struct run *run,
                     enum crew_mode mode,
                     const char *base,
                     const struct crew_export_args *args,
                     char **dir,
                     struct crew_err *err)
{
    static const struct crew_exporter plain = {.kind = CREW_EXPORTER_FINAL};
    char *prefix = NULL;

    if (run->es.input_fn == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "An input_receiver_fn must be defined. In C: give "
                             "an input_fn, whose features are the receiver's");
    }
    if (estimator_find_checkpoint(run, args->checkpoint_path, &prefix, err) !=
        CREW_OK) {
        return err->code;
    }
    if (prefix == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "Couldn't find trained model at %s.",
                             run->model_dir);
    }
    (void)run_export_in_mode(run, mode,
                             args->exporter != NULL ? args->exporter : &plain,
                             prefix, base, dir, err);
    free(prefix);
    return err->code;
}

int crew_estimator_export_saved_model(struct crew_estimator *e,
                                      const char *base,
                                      enum crew_mode mode,
                                      const struct crew_export_args *given,
                                      char **dir,
                                      struct crew_err *err)
{
    static const struct crew_export_args none = {0};
    const struct crew_export_args *args = given != NULL ? given : &none;
    struct crew_err unheard = {0};
    crew_input_fn own;

    err = err != NULL ? err : &unheard;
    if (estimator_check(e, "crew_estimator_export_saved_model", err) !=
            CREW_OK ||
        check_mode(mode, err) != CREW_OK) {
        return err->code;
    }
    if (dir == NULL) {
        return estimator_null("crew_estimator_export_saved_model", "dir", err);
    }
    if (base == NULL || base[0] == '\0') {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "export_saved_model: export_dir_base is %s",
                             base == NULL ? "NULL" : "empty");
    }
    own = e->run.es.input_fn;
    if (args->input_fn != NULL) {
        e->run.es.input_fn = args->input_fn;
        e->run.input_self = args->input_self;
    }
    (void)export_it(&e->run, mode, base, args, dir, err);
    e->run.es.input_fn = own;
    e->run.input_self = NULL;
    return err->code;
}
