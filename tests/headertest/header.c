/* SPDX-License-Identifier: Apache-2.0
 * The public header, alone and first, in C11. */
#include "crew.h"

static int model(struct crew_graph *graph,
                 const struct crew_features *features,
                 struct crew_node *labels,
                 enum crew_mode mode,
                 const struct crew_params *params,
                 struct crew_spec *spec,
                 struct crew_err *err)
{
    struct crew_node *logits =
        crew_dense(graph, NULL, crew_feature(features, "x"), 2, CREW_LINEAR);
    (void)labels;
    (void)mode;
    (void)params;
    crew_spec_prediction(spec, "logits", logits);
    return crew_graph_status(graph, err);
}

static const struct crew_job job = {
    .abi_version = CREW_ABI_VERSION,
    .name = "header",
    .model_fn = model,
};

CREW_JOB(job);
