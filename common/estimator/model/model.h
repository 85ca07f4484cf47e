/* SPDX-License-Identifier: Apache-2.0
 * A model function's graph for one mode, with its inputs and its spec. */
#ifndef ESTIMATOR_MODEL_H
#define ESTIMATOR_MODEL_H

#include "estimator/model/spec.h"
#include "export/saved_model.h"
#include "graph/plan.h"
#include "io/dataset.h"

struct model {
    enum crew_mode mode;
    struct crew_graph *graph;
    struct crew_features *features;
    struct crew_spec *spec;
    int num_inputs; /* features first, as in the dataset; the label where it is
                     */
    struct crew_node *inputs[DATASET_MAX_COMPONENTS];
    struct dataset_spec element; /* what the inputs were made from */
    struct plan_ragged ragged[DATASET_MAX_COMPONENTS]; /* of the last feeds */
};

/* Call the job's model function on placeholders for what `element` declares; in
 * CREW_PREDICT the label is left out and the placeholders carry the features'
 * names, as a raw serving receiver's do. Owner: caller, model_free().
 * Errors: what the model function returned, the graph's sticky error, or what
 * the spec lacks; exit 1 unless it says otherwise. */
CREW_MUST_CHECK int model_build(const struct crew_job *,
                                const struct crew_params *,
                                enum crew_mode,
                                const struct dataset_spec *element,
                                CREW_OUT struct model **,
                                struct crew_err *);
void model_free(CREW_NULLABLE struct model *);

/* The feeds of one batch, in plan_forward's form, until the next call. Returns
 * how many. */
int model_feeds(struct model *,
                const struct dataset_batch *,
                CREW_OUT struct plan_feed feeds[DATASET_MAX_COMPONENTS]);

#endif
