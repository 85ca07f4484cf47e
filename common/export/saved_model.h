/* SPDX-License-Identifier: Apache-2.0
 *
 * Write a SavedModel: a TF1-style MetaGraph (tag "serve", no object graph)
 * whose weights are Const nodes, to <base>/<timestamp>/ through
 * <base>/temp-<timestamp>/ and a rename, so that a server never sees half of
 * it. Folders are 0777 and files 0666 less umask. */
#ifndef EXPORT_SAVED_MODEL_H
#define EXPORT_SAVED_MODEL_H

#include "base/env.h"
#include "graph/graph.h"

struct export_tensor {
    const char *key; /* in the signature */
    struct crew_node *node;
};

struct export_request {
    const struct crew_graph *graph; /* built in CREW_PREDICT mode */
    const struct export_tensor *inputs;
    int n_inputs;
    const struct export_tensor *outputs;
    int n_outputs;
    CREW_NULLABLE const char *signature; /* beside "serving_default" */
    const float *const *var_data;        /* per variable of the graph */
};

/* Serialise to bytes (a SavedModel message). Owner: caller, free(). Errors:
 * UNIMPLEMENTED naming an op that cannot be exported, RESOURCE_EXHAUSTED above
 * protobuf's 2 GiB. With var_data NULL: the dry run, nothing but the checks. */
CREW_MUST_CHECK int saved_model_pack(const struct export_request *,
                                     CREW_OUT uint8_t **bytes,
                                     CREW_OUT size_t *n,
                                     struct crew_err *);

/* Write it. The timestamp is the wall clock's second, the next free one if
 * taken (TensorFlow waits and tries 10 times). *dir gets the path. Owner:
 * caller. */
CREW_MUST_CHECK int saved_model_write(struct crew_env *,
                                      const char *base,
                                      const struct export_request *,
                                      CREW_OUT char **dir,
                                      struct crew_err *);

/* Remove the oldest versions (all-digit folder names) so that `keep` remain. */
CREW_MUST_CHECK int saved_model_prune(struct crew_env *,
                                      const char *base,
                                      int64_t keep,
                                      struct crew_err *);

#endif
