/* SPDX-License-Identifier: Apache-2.0
 * From a model function's spec and an exporter to what is to be written: the
 * signatures with the default one, the receiver's features; of a model in
 * CREW_EVAL mode: the signature "eval" on features and label. Threads: one. */
#ifndef ESTIMATOR_MODEL_EXPORT_H
#define ESTIMATOR_MODEL_EXPORT_H

#include "config/params.h"
#include "estimator/model/model.h"
#include "estimator/weights/weights.h"

/* Why there is no export in CREW_TRAIN mode. */
#define MODEL_EXPORT_NO_TRAIN                                                  \
    "cannot export in mode train: the ps apply the updates, so the graph has " \
    "no train_op that a SavedModel could hold. Fix: mode predict or eval; to " \
    "train on, start from the checkpoint (warm start)"

struct model_export {
    struct export_request request; /* points into the rest */
    struct export_signature *signatures;
    struct export_tensor *predictions; /* of signatures that name none */
    char **keys;                       /* of EVAL's predictions */
    int num_keys;
    struct export_metric *metrics;
    struct export_feature *features;
    int *component; /* of the dataset, for each feature; -1: not there */
    const float **values;
};

/* `exporter` NULL: the defaults, as for a job without exporters. A dry run
 * until model_export_values() is called. --set export_variables is asked for in
 * `params`. Owner: caller, model_export_release(). Errors: INVALID_ARGUMENT
 * (exit 1): a receiver that cannot be; a model in CREW_TRAIN mode. */
CREW_MUST_CHECK int model_export_init(
    struct model_export *,
    const struct model *,
    CREW_NULLABLE const struct crew_exporter *,
    const struct crew_params *,
    struct crew_err *);
void model_export_release(struct model_export *);
/* The weights, borrowed, and the step they are of. */
void model_export_values(struct model_export *,
                         const struct weights *,
                         int64_t global_step);

#endif
