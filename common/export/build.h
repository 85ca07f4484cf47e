/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps from an export_request to the bytes of saved_model.pb, for the
 * files of this folder: receiver, graph, labels, what must be restored or
 * initialised, signatures. Threads: one. */
#ifndef EXPORT_BUILD_H
#define EXPORT_BUILD_H

#include "export/saved_model.h"
#include "graph/graphdef.h"

#define EXAMPLES_PLACEHOLDER "input_example_tensor"

/* A tensor as a signature shows it. Strings live as long as the graphdef. */
struct export_info {
    const char *key;
    const char *tensor; /* "node:0" */
    enum crew_dtype dtype;
    struct crew_shape shape;
};

/* A signature whose nodes have been made. */
struct export_resolved {
    const char *key;
    enum export_method method;
    struct export_info in[EXPORT_MAX_TENSORS], out[EXPORT_MAX_TENSORS];
    int n_in, n_out;
};

struct export_build {
    struct graphdef *graph;
    struct export_resolved *signatures; /* in order of their keys */
    int n_signatures;
    bool variables;                    /* weights are in variables/ */
    bool eval;                         /* the tag is "eval" */
    CREW_NULLABLE const char *main_op; /* the graph's */
};

/* Emit everything. Owner: caller, export_build_release(). */
CREW_MUST_CHECK int export_build(const struct export_request *,
                                 CREW_OUT struct export_build *,
                                 struct crew_err *);
void export_build_release(struct export_build *);
/* The SavedModel message's bytes. Owner: caller, free(). */
CREW_MUST_CHECK int export_build_pack(const struct export_build *,
                                      CREW_OUT uint8_t **bytes,
                                      CREW_OUT size_t *n,
                                      struct crew_err *);

/* receiver.c: placeholder, ParseExample, and for each feature a node with its
 * placeholder's name. Errors: INVALID_ARGUMENT what cannot be converted. */
CREW_MUST_CHECK int export_receiver(const struct export_request *,
                                    struct graphdef *,
                                    struct crew_err *);

/* eval.c: the metrics' nodes, and their outputs behind those of `r`. Errors:
 * UNIMPLEMENTED naming a metric that cannot be exported. */
CREW_MUST_CHECK int export_metrics(const struct export_request *,
                                   struct graphdef *,
                                   struct export_resolved *r,
                                   struct crew_err *);
/* How many operands the metrics have; `nodes` NULL: only to count. */
int export_metric_inputs(const struct export_request *,
                         CREW_NULLABLE struct crew_node **nodes);

/* labels.c: the strings of one output. Returns the node's name; *shape gets
 * its shape. */
const char *export_labels(struct graphdef *,
                          const struct export_tensor *,
                          CREW_OUT struct crew_shape *shape);

/* nodes.c: a vector Pack `name` of the batch and `rest`. `of` is the tensor
 * whose first dimension the batch is, of dtype `dtype`, and the vector int32;
 * or, with dtype CREW_INVALID_DTYPE, a vector of int64 that is a shape, and so
 * is the result. */
void export_batch_shape(struct graphdef *,
                        const char *name,
                        const char *of,
                        enum crew_dtype dtype,
                        const int64_t *rest,
                        int n_rest);
/* "base/part" in buf. */
#define EXPORT_NAME_SIZE 512
const char *export_below(char buf[EXPORT_NAME_SIZE],
                         const char *base,
                         const char *part);
/* A Const of int64. */
void export_const_int64(struct graphdef *,
                        const char *name,
                        const struct crew_shape *,
                        const int64_t *);

/* files.c */
CREW_MUST_CHECK int export_write_file(struct crew_env *,
                                      const char *path,
                                      const void *data,
                                      size_t n,
                                      struct crew_err *);
CREW_MUST_CHECK int export_copy_file(struct crew_env *,
                                     const char *from,
                                     const char *to,
                                     struct crew_err *);
/* Is it a vocabulary of `lines` lines (0: any number), none of them empty? */
CREW_MUST_CHECK int export_check_vocabulary(struct crew_env *,
                                            const char *path,
                                            int64_t lines,
                                            struct crew_err *);

#endif
