/* SPDX-License-Identifier: Apache-2.0
 * The graph's structs, for the files of this folder and for the export. */
#ifndef GRAPH_NODE_H
#define GRAPH_NODE_H

#include "base/strbuf.h"
#include "graph/graph.h"

struct op_def;

union op_attr {
    int64_t var;               /* Variable: its index */
    struct crew_shape reshape; /* Reshape: as asked for, -1 where inferred;
                                  Transpose: the permutation */
    struct {
        enum crew_padding padding;
        int64_t stride_h, stride_w;
        int64_t size; /* of a pool's window */
    } window;
    struct {
        float rate;
        uint64_t stream; /* each dropout of a graph draws its own numbers */
    } dropout;
    float factor; /* Scale, Shift, LeakyRelu, losses, LayerNorm's epsilon */
    struct {
        uint32_t axes; /* a bit a dimension */
        bool keep;
    } reduce;
    int axis; /* ArgMax, ConcatV2 */
    struct {
        int64_t before[CREW_MAX_RANK], after[CREW_MAX_RANK];
    } pad;
    int64_t size; /* OneHot: depth; Column: which */
    struct {
        int64_t most;
        const char *above, *below; /* what to say; they outlive the graph */
    } range;                       /* LabelRange */
    enum crew_loss_reduction loss; /* WeightedLoss */
    struct {
        float epsilon;
        bool fused;       /* exported as FusedBatchNormV3 */
        bool gamma, beta; /* are among the operands */
    } norm;               /* BatchNorm */
    struct {
        int which; /* 0: mean, 1: variance */
        bool unbiased;
    } moment;
    struct {
        enum crew_combiner combiner;
        bool safe;
        int64_t default_id; /* -1: zeros */
        float max_norm;     /* rows are clipped to it; 0: not */
    } embed;
};

struct crew_node {
    const struct op_def *op;
    struct crew_graph *graph;
    char *name;
    int id; /* place in the graph; inputs have smaller ones */
    enum crew_dtype dtype;
    struct crew_shape shape; /* -1 only in front: the batch */
    bool ragged;             /* an input of lists: see plan_ragged */
    union op_attr attr;
    int n_in;
    struct crew_node *in[];
};

struct owned {
    void *p;
    void (*free)(void *);
};

struct crew_graph {
    struct crew_node **nodes;
    int n_nodes, cap_nodes;
    struct graph_var *vars;
    int n_vars, cap_vars;
    struct crew_node **penalties; /* crew_regularize's, each a scalar */
    int n_penalties;
    struct crew_node **losses; /* crew_add_loss's */
    int n_losses;
    bool rows; /* graph_use_rows */
    struct owned *owned;
    int n_owned;
    struct strbuf scope; /* "outer/inner/" or empty */
    uint64_t num_dropouts;
    struct crew_err err;      /* the first one sticks */
    struct crew_node *poison; /* what builders return after an error */
};

struct crew_features {
    struct crew_graph *graph;
    struct feature_entry *entries;
    int n;
};

/* Make a node: its shape and dtype by the op's rule. `name` within the current
 * scope, made unique the way TensorFlow does (x, x_1, x_2). Poisoned inputs
 * give the poison. */
struct crew_node *graph_add(struct crew_graph *,
                            const struct op_def *,
                            const char *name,
                            int n_in,
                            struct crew_node *const *in,
                            union op_attr);
/* Stick an error in the graph and return the poisoned node. */
struct crew_node *graph_fail(struct crew_graph *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A graph that is NULL is broken too. */
bool graph_broken(const struct crew_graph *);
/* What builders return once it is; of NULL a node that belongs to no graph. */
struct crew_node *graph_poison(CREW_NULLABLE const struct crew_graph *);
/* May `what` look at operand x? If it is NULL or another graph's, that sticks.
 * False, also when the graph is broken. */
bool graph_takes(CREW_NULLABLE struct crew_graph *,
                 const char *what,
                 CREW_NULLABLE const struct crew_node *x);
/* A free scoped name for `name`. Owner: caller. */
char *graph_unique_name(const struct crew_graph *, const char *name);
/* Freed with the graph. */
void graph_own(struct crew_graph *, void *p, void (*release)(void *));
/* Elements of the node's value for a batch. */
int64_t node_count(const struct crew_node *, int64_t batch);

#endif
