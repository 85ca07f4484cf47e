/* SPDX-License-Identifier: Apache-2.0
 * EstimatorSpec: what a model function has returned, by crew_spec_* calls.
 * Threads: one. */
#ifndef ESTIMATOR_SPEC_H
#define ESTIMATOR_SPEC_H

#include "base/strbuf.h"
#include "export/saved_model.h"
#include "graph/graph.h"
#include "hooks/hook_session.h"
#include "optim/optim.h"

struct spec_prediction {
    const char *key; /* the job's literal */
    struct crew_node *node;
    /* What of the node is predicted, as in an export: its value, or words that
     * go with class ids, which no node can hold; labels by names, or none. */
    enum export_text text;
    struct crew_labels labels;
};
struct spec_metric {
    const char *key;
    struct crew_metric *metric; /* the graph's */
};
/* One of export_outputs. */
struct spec_export {
    const char *key;
    enum export_method method;
    struct export_tensor *outputs; /* owned */
    int num_outputs;               /* 0: all predictions */
};
struct spec_summary {
    enum hook_summary_kind kind;
    char *tag;              /* owned: scoped, as TensorFlow would name it */
    struct crew_node *node; /* NULL: of a text */
    const char *text;       /* of a text */
    int64_t max_outputs;    /* of images */
};
enum spec_hook_kind {
    SPEC_TRAINING = 0,
    SPEC_TRAINING_CHIEF,
    SPEC_EVALUATION,
    SPEC_PREDICTION
};
struct spec_hook {
    struct crew_hook hook; /* owned; ops NULL once a session has it */
    enum spec_hook_kind kind;
};

struct crew_spec {
    struct spec_prediction *predictions;
    int num_predictions;
    struct spec_metric *metrics;
    int num_metrics;
    struct spec_summary *summaries;
    int num_summaries;
    struct spec_summary
        *pictures; /* metrics that are summaries; tag: the key */
    int num_pictures;
    struct spec_hook *hooks;
    int num_hooks;
    struct crew_node *loss;
    struct optim_groups optimizers;
    struct spec_export *exports;
    int num_exports;
    CREW_NULLABLE const struct crew_graph *graph; /* for scopes of tags */
    struct strbuf notes; /* lines of log, each ended by a newline */
    struct crew_scaffold scaffold;
    struct crew_err broken; /* the first misuse of a crew_spec_* call */
};

/* graph: borrowed, where tags get their scopes from. Owner: caller,
 * spec_free(). */
struct crew_spec *spec_new(CREW_NULLABLE const struct crew_graph *graph);
void spec_free(CREW_NULLABLE struct crew_spec *);

/* crew_spec_prediction() of any form. */
void spec_predict(struct crew_spec *, struct spec_prediction);

/* A prediction of words or class ids, from the node's value in a batch. Words
 * are borrowed from it; the memory is used again for the next batch. */
struct spec_words {
    const char **words; /* what is given out; or: */
    int32_t *ids;
    int64_t room;
    char (*digits)[24]; /* labels without names */
};
void spec_words_release(struct spec_words *);
/* *v: the node's value, becomes the prediction's; CREW_STRING: data is of const
 * char *, CREW_INT32: of int32_t. Errors: INVALID_ARGUMENT, an id beyond the
 * labels; RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int spec_words_make(const struct spec_prediction *,
                                    struct spec_words *,
                                    struct crew_value *v,
                                    struct crew_err *);

/* May a metric have this key? False: the misuse is noted. */
bool spec_take_key(struct crew_spec *, CREW_NULLABLE const char *key);
/* What the calls of the model function are to say in the log. */
void spec_log_notes(const struct crew_spec *, struct crew_env *);

/* A summary's value after a step that has computed it. */
struct hook_summary spec_summary_value(const struct spec_summary *,
                                       const struct plan *);
/* Give the hooks of a kind to a session. */
void spec_give_hooks(struct crew_spec *,
                     enum spec_hook_kind,
                     struct crew_session *);

/* Is everything there that `mode` needs? Errors: INVALID_ARGUMENT (exit 1) in
 * TensorFlow's words: "Missing loss.", "Missing predictions.", ... */
CREW_MUST_CHECK int spec_check(const struct crew_spec *,
                               enum crew_mode mode,
                               struct crew_err *);
/* Are they tensors, of this graph, metrics and hooks at all? To be asked before
 * spec_check(), which looks at them. Errors: INVALID_ARGUMENT (exit 1) in
 * TensorFlow's words. */
CREW_MUST_CHECK int spec_check_nodes(const struct crew_spec *,
                                     const struct crew_graph *,
                                     struct crew_err *);
/* Is there a default among the exports? spec_check asks it. */
CREW_MUST_CHECK int spec_check_exports(const struct crew_spec *,
                                       struct crew_err *);

/* Parts of it, for spec.c and spec_summary.c. */
CREW_MUST_CHECK int spec_check_summaries(const struct crew_spec *,
                                         struct crew_err *);
CREW_MUST_CHECK int spec_check_scalar(const struct crew_node *,
                                      const char *what,
                                      struct crew_err *);

#endif
