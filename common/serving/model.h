/* SPDX-License-Identifier: Apache-2.0
 *
 * A SavedModel in memory: its signatures, and an executor for the ops that
 * Estimator's exports and ours are made of. Only nodes that the init op or an
 * output asked for reaches must be known. The folder's content is not trusted:
 * sizes, shapes and paths are checked before use. Threads: one a model. */
#ifndef SERVING_MODEL_H
#define SERVING_MODEL_H

#include "base/env.h"
#include "serving/value.h"

struct serving_model;

/* <dir>/saved_model.pb, guarded. Owner: caller,
 * tensorflow__saved_model__free_unpacked(). Errors: NOT_FOUND (66), DATA_LOSS
 * (65). */
CREW_MUST_CHECK int saved_model_load(struct crew_env *,
                                     const char *dir,
                                     CREW_OUT Tensorflow__SavedModel **,
                                     struct crew_err *);

/* Load the MetaGraph tagged "serve", read its variables, run its init op.
 * Errors besides saved_model_load's: UNIMPLEMENTED (65) an op that is not
 * known, with its name and node. */
CREW_MUST_CHECK int serving_model_open(struct crew_env *,
                                       const char *dir,
                                       CREW_OUT struct serving_model **,
                                       struct crew_err *);
/* The same of the MetaGraph with another tag ("eval"). */
CREW_MUST_CHECK int serving_model_open_tag(struct crew_env *,
                                           const char *dir,
                                           const char *tag,
                                           CREW_OUT struct serving_model **,
                                           struct crew_err *);
void serving_model_close(CREW_NULLABLE struct serving_model *);

/* The signature of that key; NULL: none. Borrowed. */
CREW_NULLABLE const Tensorflow__SignatureDef *serving_signature(
    const struct serving_model *,
    const char *key);
const Tensorflow__MetaGraphDef *serving_meta_graph(
    const struct serving_model *);

struct serving_feed {
    const char *tensor; /* "node:0" */
    struct value value; /* borrowed during the run */
};
/* Compute `fetches` ("node:k"). Owner of out[i]: caller, value_release. */
CREW_MUST_CHECK int serving_run(struct serving_model *,
                                const struct serving_feed *,
                                int n_feeds,
                                const char *const *fetches,
                                int n_fetches,
                                struct value *out,
                                struct crew_err *);

#endif
