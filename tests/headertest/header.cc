/* SPDX-License-Identifier: Apache-2.0
 * The public header, alone and first, in C++11. */
#include "crew.h"

static int model(struct crew_graph *graph,
                 const struct crew_features *features,
                 struct crew_node *,
                 enum crew_mode,
                 const struct crew_params *,
                 struct crew_spec *spec,
                 struct crew_err *err)
{
    struct crew_node *logits =
        crew_dense(graph, nullptr, crew_feature(features, "x"), 2, CREW_LINEAR);
    crew_spec_prediction(spec, "logits", logits);
    return crew_graph_status(graph, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "header", model, nullptr};

CREW_JOB(job);
