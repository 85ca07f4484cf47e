/* SPDX-License-Identifier: Apache-2.0
 * The NaN guard: a step whose loss is not finite is never pushed, so no
 * checkpoint can hold it. (Gradients are the trainer's to check.) */
#include <math.h>

#include "hooks/hooks.h"
#include "base/banned.h"

int hook_check_loss(struct crew_env *env, float loss, struct crew_err *err)
{
    if (isfinite(loss)) {
        return CREW_OK;
    }
    if (isnan(loss)) {
        env_log(env, LOG_ERROR, "Model diverged with loss = NaN.");
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "NaN loss during training.");
    }
    env_log(env, LOG_ERROR, "Model diverged with loss = %s.",
            loss > 0 ? "inf" : "-inf");
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "Infinite loss during training.");
}
