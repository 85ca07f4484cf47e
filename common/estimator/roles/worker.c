/* SPDX-License-Identifier: Apache-2.0
 * A worker: listens, waits its turn, trains until the cluster says that it is
 * over. It writes nothing into model_dir. */
#include "estimator/roles/finish.h"
#include "estimator/roles/roles.h"
#include "estimator/run/signals.h"
#include "estimator/training/train.h"
#include "base/banned.h"

/* tf's stagger: 5 s a place, at most max_worker_delay. The server is up
 * already, so that others can see this process. In synchronous training they
 * would only wait for it. */
static void start_delay(const struct training *t)
{
    const struct run *run = t->run;
    double delay = tf_config_start_delay(
        run->tf, run->rc.experimental_max_worker_delay_secs);

    if (delay > 0 && !replicas_sync(&t->replicas)) {
        env_log(run->env, LOG_INFO, "Waiting %d secs before starting training.",
                (int)delay);
        signals_sleep(delay);
    }
}

static int train(struct training *t, struct run *run, struct crew_err *err)
{
    struct training_listener none = {0};

    if (training_open(t, run, false, none, err) != CREW_OK) {
        return err->code;
    }
    start_delay(t);
    if (signals_check(err) != CREW_OK || training_start(t, err) != CREW_OK ||
        training_loop(t, err) != CREW_OK) {
        return err->code;
    }
    return training_end(t, err);
}

static int exit_code(const struct training *t)
{
    switch (t->stop) {
        case STOP_SIGNAL:
            return finish_signalled(t);
        case STOP_TOLD:
            return finish_told(t);
        default:
            return 0;
    }
}

int run_worker(struct run *run)
{
    struct training t = {0};
    struct crew_err err = {0};
    int64_t step;
    int code;

    if (run_is_finished(run, &step)) {
        return 0;
    }
    env_log(run->env, LOG_INFO, "Not using Distribute Coordinator.");
    if (train(&t, run, &err) == CREW_OK) {
        code = exit_code(&t);
    } else if (err.code == CREW_OUT_OF_RANGE && t.trainer != NULL) {
        code = finish_too_late(&t);
    } else {
        code = finish_failed(&t, &err);
    }
    training_close(&t);
    return code;
}
