/* SPDX-License-Identifier: Apache-2.0
 * Refuses gradients that are not finite, with the place of the first one. */
#include "cluster/finite.h"

#include <inttypes.h>

#include "kernels/kernels.h"

#include "base/banned.h"

static int refuse(const struct trainer_var *v,
                  int64_t at,
                  float value,
                  struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "the gradient of %s is not finite: element %" PRId64
                         " of %" PRId64
                         " is %g; it was not applied. Lower the "
                         "learning rate, or look for bad values in the input",
                         v->name, at, v->n, (double)value);
}

int finite_check(const struct trainer_var *v,
                 const float *grad,
                 struct crew_err *err)
{
    int64_t at = 0;
    return k_all_finite(v->n, grad, &at) ? CREW_OK
                                         : refuse(v, at, grad[at], err);
}

int finite_check_rows(const struct trainer_var *v,
                      const struct optim_rows *grad,
                      struct crew_err *err)
{
    int64_t at = 0;
    if (k_all_finite(grad->n * grad->width, grad->values, &at)) {
        return CREW_OK;
    }
    int64_t row = grad->rows[at / grad->width];
    return refuse(v, row * grad->width + at % grad->width, grad->values[at],
                  err);
}
