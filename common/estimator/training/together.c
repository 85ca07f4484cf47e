/* SPDX-License-Identifier: Apache-2.0
 * Synchronous or not, and of how many. */
#include "estimator/training/together.h"

#include "base/banned.h"

/* Of one model: they share the step. */
static int check_optimizers(const struct crew_optimizer *o,
                            int n,
                            struct crew_err *err)
{
    for (int i = 1; i < n; i++) {
        if (o[i].replicas_to_aggregate != o[0].replicas_to_aggregate ||
            o[i].total_num_replicas != o[0].total_num_replicas) {
            return crew_err_exit(
                err, CREW_INVALID_ARGUMENT, 1,
                "the model's optimizers differ in crew_sync_replicas: %d of %d "
                "and %d of %d. Fix: the same numbers for all of them",
                o[0].replicas_to_aggregate, o[0].total_num_replicas,
                o[i].replicas_to_aggregate, o[i].total_num_replicas);
        }
    }
    return CREW_OK;
}

static int64_t first_set(int64_t a, int64_t b, int64_t otherwise)
{
    return a != 0 ? a : b != 0 ? b : otherwise;
}

int together_of(const struct crew_run_config *rc,
                const struct crew_optimizer *optimizers,
                int num_optimizers,
                int64_t num_trainers,
                struct replicas *out,
                struct crew_err *err)
{
    int64_t aggregate = 0, total = 0;
    if (check_optimizers(optimizers, num_optimizers, err) != CREW_OK) {
        return err->code;
    }
    if (num_optimizers > 0) {
        aggregate = optimizers[0].replicas_to_aggregate;
        total = optimizers[0].total_num_replicas;
    }
    struct replicas r = {.bounded = rc->max_staleness >= 0,
                         .max_staleness = rc->max_staleness};
    bool sync =
        rc->sync > 0 ||
        (rc->sync < 0 && (rc->replicas_to_aggregate > 0 || aggregate != 0));
    if (!sync && rc->replicas_to_aggregate > 0) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 64,
            "replicas_to_aggregate is %lld, but sync is false: "
            "leave one of them out",
            (long long)rc->replicas_to_aggregate);
    }
    if (sync) {
        r.to_aggregate =
            first_set(rc->replicas_to_aggregate, aggregate, num_trainers);
        r.total = first_set(rc->total_num_replicas, total, num_trainers);
    }
    r.max_staleness = r.bounded ? r.max_staleness : 0;
    if (replicas_check(&r, err) != CREW_OK) {
        err->exit_code = 64;
        return err->code;
    }
    *out = r;
    return CREW_OK;
}
