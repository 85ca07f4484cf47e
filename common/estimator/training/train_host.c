/* SPDX-License-Identifier: Apache-2.0
 * What hooks may have a training do for them. */
#include "estimator/evaluation/evaluate.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

int training_wait_step(void *training,
                       double secs,
                       int64_t *step,
                       struct crew_err *err)
{
    struct training *t = training;

    signals_sleep(secs);
    if (signals_check(err) != CREW_OK) {
        return err->code;
    }
    *step = t->trainer->ops->heard_step(t->trainer);
    return CREW_OK;
}

int training_evaluate(void *training,
                      struct memory_evaluation *what,
                      struct crew_err *err)
{
    struct training *t = training;

    return evaluate_weights(t->run, &t->weights, t->step, what, err);
}
