/* SPDX-License-Identifier: Apache-2.0
 * tf.train.Scaffold's init_fn and saver. */
#include "estimator/weights/scaffold.h"

#include <string.h>

#include "base/banned.h"

struct crew_initial_values {
    struct weights *weights;
};

int crew_initial_value(struct crew_initial_values *initial,
                       const char *name,
                       struct crew_shape *shape,
                       float **values,
                       struct crew_err *err)
{
    struct crew_err unheard = {0};

    err = err != NULL ? err : &unheard;
    if (initial == NULL || name == NULL || shape == NULL || values == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "crew_initial_value: %s is NULL",
                             initial == NULL ? "the struct crew_initial_values"
                             : name == NULL  ? "the name"
                             : shape == NULL ? "shape"
                                             : "values");
    }
    for (int i = 0; i < initial->weights->num_vars; i++) {
        const struct trainer_var *v = &initial->weights->vars[i];

        if (strcmp(v->name, name) == 0) {
            *shape = v->shape;
            *values = v->value;
            return CREW_OK;
        }
    }
    return crew_err_exit(err, CREW_NOT_FOUND, 1,
                         "crew_initial_value: there is no variable \"%s\" in "
                         "the model",
                         name);
}

int scaffold_init(const struct crew_scaffold *scaffold,
                  struct weights *weights,
                  struct crew_err *err)
{
    struct crew_initial_values initial = {weights};
    int code;

    if (scaffold->init_fn == NULL) {
        return CREW_OK;
    }
    code = scaffold->init_fn(scaffold->init_self, &initial, err);
    if (code == CREW_OK && err->code == CREW_OK) {
        return CREW_OK;
    }
    (void)crew_err_exit(err, CREW_UNKNOWN, 1,
                        "it returned %d without a message", code);
    err->exit_code = err->exit_code != 0 ? err->exit_code : 1;
    return crew_err_wrap(err, "the scaffold's init_fn");
}

int64_t scaffold_keep(const struct crew_scaffold *scaffold,
                      const struct crew_run_config *rc,
                      double *hours)
{
    if (!scaffold->saver) {
        *hours = rc->keep_checkpoint_every_n_hours;
        return rc->keep_checkpoint_max;
    }
    *hours = scaffold->keep_checkpoint_every_n_hours > 0
                 ? scaffold->keep_checkpoint_every_n_hours
                 : 10000;
    return scaffold->max_to_keep;
}
