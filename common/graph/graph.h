/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph a model function builds: nodes in the order of building (which is a
 * topological order), variables, scopes, names. Ops are rows of one table
 * (op_list.h): {TensorFlow's op name, shape rule, forward, backward, NodeDef}.
 * What is trained is what is exported; there is no second description.
 *
 * Builders (crew.h) never fail: the first error sticks and later calls return a
 * poisoned node. Threads: one. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "tensor/tensor.h"

/* Owner: caller, graph_free(). */
struct crew_graph *graph_new(void);
void graph_free(CREW_NULLABLE struct crew_graph *);

/* A placeholder named `name` (its NodeDef's name), e.g. float32 (-1, 784). */
struct crew_node *graph_input(struct crew_graph *,
                              const char *name,
                              enum crew_dtype,
                              struct crew_shape);

/* A ragged one: for each row of a batch a list of any length, of int64 or
 * float32. Its shape is (-1); only ops that look up take it. */
struct crew_node *graph_input_ragged(struct crew_graph *,
                                     const char *name,
                                     enum crew_dtype);

/* The features a model function sees: keys and placeholders. */
struct feature_entry {
    const char *key; /* borrowed */
    struct crew_node *node;
};
/* Owner: caller, features_free(). The graph gets the blame for unknown keys. */
struct crew_features *features_new(struct crew_graph *,
                                   const struct feature_entry *,
                                   int n);
void features_free(CREW_NULLABLE struct crew_features *);

/* Plans made from now on give gradients of rows: plan_grad_rows(). */
void graph_use_rows(struct crew_graph *);
/* But not of this variable. */
void graph_keep_dense(struct crew_graph *, int var);

/* "outer/inner/" or "": what crew_scope_push has opened. */
const char *graph_scope(const struct crew_graph *);

/* Variables in order of creation. */
struct graph_var {
    char *name;              /* scoped: "conv2d/kernel" */
    struct crew_shape shape; /* float32 */
    struct crew_init init;
    int64_t n;
    struct crew_node *node;
    /* No optimizer trains it. In training it moves to the value of `source`, if
     * there is one: v -= (v - source) rest. */
    bool fixed;
    CREW_NULLABLE struct crew_node *source;
    float rest;
    bool dense; /* graph_keep_dense */
};
int graph_num_vars(const struct crew_graph *);
const struct graph_var *graph_var(const struct crew_graph *, int i);
/* -1 when there is none of that name. */
int graph_find_var(const struct crew_graph *, const char *name);

/* Write the initial value of variable `v` into data (v->n floats). Depends only
 * on (seed, name): every process draws the same numbers. */
void graph_init_var(const struct graph_var *v, uint64_t seed, float *data);

/* NULL when there is none of that name. */
struct crew_node *graph_find_node(const struct crew_graph *, const char *name);
int graph_num_nodes(const struct crew_graph *);
/* TensorFlow's name of the op: "MatMul". */
const char *node_op(const struct crew_node *);
int node_num_inputs(const struct crew_node *);
const struct crew_node *node_input(const struct crew_node *, int i);
const struct crew_graph *node_graph(const struct crew_node *);
const char *node_name(const struct crew_node *);
enum crew_dtype node_dtype(const struct crew_node *);
const struct crew_shape *node_shape(const struct crew_node *); /* -1: batch */
bool node_is_ragged(const struct crew_node *);
/* What an exported graph has in its place: ragged lists are served as (batch,
 * longest), filled up, ids with -1. */
struct crew_shape node_served_shape(const struct crew_node *);

#endif
