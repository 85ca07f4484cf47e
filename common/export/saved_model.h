/* SPDX-License-Identifier: Apache-2.0
 *
 * Write a SavedModel: a TF1-style MetaGraph (tag "serve", or "eval" with the
 * metrics as local variables; no object graph), to
 * <base>/<timestamp>/ through <base>/temp-<timestamp>/ and a rename, so that a
 * server never sees half of it:
 *
 *   saved_model.pb   the graph, with the weights as Const nodes
 *   variables/       empty; or the weights as a tensor bundle
 *   assets/          files that lookup tables are filled from
 *   assets.extra/    files for others, such as TensorFlow Serving's warm-up
 *
 * Folders are 0777 and files 0666 less umask. Sources: tensorflow/python/
 * saved_model/{builder_impl,model_utils/export_utils}.py. */
#ifndef EXPORT_SAVED_MODEL_H
#define EXPORT_SAVED_MODEL_H

#include "base/env.h"
#include "graph/graph.h"

enum export_method {
    EXPORT_PREDICT = 0,
    EXPORT_CLASSIFY,
    EXPORT_REGRESS,
    EXPORT_EVAL /* the only signature, of a request with the tag "eval" */
};

/* What of a node is given out. */
enum export_text {
    EXPORT_VALUE = 0,    /* its value */
    EXPORT_ID_LABELS,    /* it is class ids: their labels, of its shape */
    EXPORT_BEST_LABELS,  /* the same for a classification: at least (b, 1) */
    EXPORT_CLASS_LABELS, /* all labels, (b, labels.n), for each of its rows */
    EXPORT_CLASS_IDS     /* 0 to labels.n - 1 as int32, for each of its rows */
};

struct export_tensor {
    const char *key; /* in the signature */
    struct crew_node *node;
    enum export_text text;
    struct crew_labels labels; /* unless EXPORT_VALUE */
};

#define EXPORT_MAX_TENSORS 64 /* of one side of a signature */

struct export_signature {
    const char *key;
    enum export_method method;
    const struct export_tensor *outputs;
    int n_outputs;
};

/* A feature: the graph's placeholder for it and, for tf.Examples, how it is
 * spelt there. */
struct export_feature {
    const char *key;
    CREW_NULLABLE struct crew_node *node; /* NULL: is parsed and not used */
    enum crew_dtype wire; /* FLOAT, INT64, STRING; UINT8: bytes of a string */
    double scale;         /* 0: none */
    CREW_NULLABLE const void *default_value; /* borrowed */
    bool var_len;
};

/* A metric of EXPORT_EVAL: the outputs metrics/<key>/value and
 * metrics/<key>/update_op. */
struct export_metric {
    const char *key;
    const struct crew_metric *metric;
};

struct export_blob {
    const char *name;
    const void *data;
    size_t n;
};

/* All of it is borrowed. */
struct export_request {
    const struct crew_graph *graph; /* in CREW_PREDICT mode; or CREW_EVAL */
    bool eval; /* one signature of EXPORT_EVAL: the labels are features too */
    const struct export_metric *metrics; /* of it */
    int n_metrics;
    const struct export_feature *features;
    int n_features;
    bool examples; /* the server is sent tf.Examples, else tensors */
    CREW_NULLABLE const char *alternative; /* also tensors, at "<this>:<key>" */
    const struct export_signature *signatures;
    int n_signatures;
    enum crew_export_weights weights;
    CREW_NULLABLE const float *const *var_data; /* per variable of the graph */
    int64_t global_step;            /* goes to variables/; -1: it does not */
    const struct crew_asset *extra; /* to assets.extra/ */
    int n_extra;
    const struct export_blob *blobs; /* to assets.extra/ too */
    int n_blobs;
};

/* Why this signature cannot be served with these inputs, in TensorFlow's
 * words; NULL if it can. Owner: caller, free(). */
CREW_NULLABLE char *export_excluded(const struct export_request *,
                                    const struct export_signature *,
                                    bool alternative);

/* Serialise to bytes (a SavedModel message). Owner: caller, free(). Errors:
 * UNIMPLEMENTED naming an op that cannot be exported, INVALID_ARGUMENT what
 * cannot be (exit 1), RESOURCE_EXHAUSTED above protobuf's 2 GiB. With var_data
 * NULL: the dry run, nothing but the checks. */
CREW_MUST_CHECK int saved_model_pack(const struct export_request *,
                                     CREW_OUT uint8_t **bytes,
                                     CREW_OUT size_t *n,
                                     struct crew_err *);

/* The files that would be copied: are they there, and what they must be?
 * Errors: NOT_FOUND (exit 66) naming the file; INVALID_ARGUMENT (exit 65) a
 * vocabulary with an empty line or of another size, in TensorFlow's words. */
CREW_MUST_CHECK int saved_model_check_files(struct crew_env *,
                                            const struct export_request *,
                                            struct crew_err *);

/* Write it. The timestamp is the wall clock's second, or one more than the
 * highest there is (TensorFlow waits and tries 10 times). *dir gets the path.
 * Owner: caller. */
CREW_MUST_CHECK int saved_model_write(struct crew_env *,
                                      const char *base,
                                      const struct export_request *,
                                      CREW_OUT char **dir,
                                      struct crew_err *);

/* Remove the oldest versions (folders of ten digits) so that `keep` remain.
 * What is gone already is fine. */
CREW_MUST_CHECK int saved_model_prune(struct crew_env *,
                                      const char *base,
                                      int64_t keep,
                                      struct crew_err *);

#endif
