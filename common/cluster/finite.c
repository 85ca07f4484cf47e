/* SPDX-License-Identifier: Apache-2.0
 * Refuses gradients that are not finite, with the place of the first one. */
#include "cluster/finite.h"

#include <inttypes.h>

#include "kernels/kernels.h"

#include "base/banned.h"

int finite_check(const struct trainer_var *v,
                 const float *grad,
                 struct crew_err *err)
{
    int64_t at = 0;
    if (k_all_finite(v->n, grad, &at)) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "the gradient of %s is not finite: element %" PRId64
                         " of %" PRId64
                         " is %g; it was not applied. Lower the "
                         "learning rate, or look for bad values in the input",
                         v->name, at, v->n, (double)grad[at]);
}
