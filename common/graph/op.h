/* SPDX-License-Identifier: Apache-2.0
 *
 * What an op is: one row of functions, forward beside backward beside export.
 * The rows are listed in op_list.h; plan.c runs them. */
#ifndef GRAPH_OP_H
#define GRAPH_OP_H

#include "graph/graphdef.h"
#include "graph/node.h"

struct plan;

/* One run of a plan, as the ops see it. */
struct run {
    struct plan *plan;
    int64_t batch;
    uint64_t seed, step;
    struct crew_err *err; /* forward: set it to stop */
};

enum op_flags {
    OP_NEEDS_OUTPUT = 1,  /* backward reads the node's own value */
    OP_NEEDS_INPUT = 2,   /* backward reads the value of an input */
    OP_IN_PLACE = 4,      /* the value may be written over that of in[0] */
    OP_GRAD_IN_PLACE = 8, /* d_in[0] may be written over d_out */
    OP_NO_GRADIENT = 16,  /* not differentiable: ends backward */
    OP_NO_EXPORT = 32,    /* has no place in a served graph */
    OP_TAKES_RAGGED = 64, /* an operand may be ragged */
    OP_ROWS = 128,        /* looks up rows of in[0] by in[1]: the gradient of
                             in[0] goes through run_rows() */
    OP_MANY_NODES = 256   /* exported as several ops, none of them tf_name */
};

struct op_def {
    const char *tf_name; /* the NodeDef's op */
    unsigned flags;
    /* Set dtype and shape, or graph_fail. */
    void (*infer)(struct crew_node *);
    void (*forward)(const struct crew_node *, struct run *);
    void (*backward)(const struct crew_node *, struct run *);
    void (*emit)(const struct crew_node *, struct graphdef *);
    /* Bytes kept from forward to backward, and of scratch during a call; NULL:
     * none. */
    size_t (*kept)(const struct crew_node *, int64_t batch);
    size_t (*scratch)(const struct crew_node *, int64_t batch);
};

#define ROW(symbol) extern const struct op_def symbol;
#include "graph/op_list.h"
#undef ROW

/* infer: is operand k float32, or are all of them? Else it says so by
 * graph_fail. */
bool op_operand_is_float(struct crew_node *, int k);
bool op_operands_are_float(struct crew_node *);
/* backward: dx (+)= dy for operand k, which is nothing to do when they share
 * their memory. */
void op_pass_gradient(const struct crew_node *, struct run *, int k);
/* emit: one node with all operands as its inputs, and T, float32. */
void op_emit_float(const struct crew_node *, struct graphdef *);

/* Values. */
const void *run_in(const struct run *, const struct crew_node *, int k);
void *run_out(const struct run *, const struct crew_node *);
void *run_kept(const struct run *, const struct crew_node *);
void *run_scratch(const struct run *);

/* Of a ragged operand: batch + 1 places where its lists begin; NULL: it is
 * dense. */
const int64_t *run_splits(const struct run *, const struct crew_node *, int k);

/* Gradients. */
const float *run_d_out(const struct run *, const struct crew_node *);
/* Where the gradient of input k goes. data NULL: nobody wants it. add: others
 * have written to it before, so add; else write all of it. data may be d_out's
 * memory (OP_GRAD_IN_PLACE). Asking counts as having written. */
struct grad {
    float *data;
    bool add;
};
struct grad run_d_in(struct run *, const struct crew_node *, int k);
/* The same for kernels that only add: zeroed first if need be. */
float *run_d_in_zeroed(struct run *, const struct crew_node *, int k);

/* The gradient of in[0] of an op with OP_ROWS: of at most `most` rows of
 * `width` elements. Of a table that is only looked up it is kept as a list of
 * rows, which is TensorFlow's IndexedSlices. unique: those of this op that are
 * of one row are added up at once. */
struct row_sink {
    CREW_NULLABLE float *dense; /* one of both, or none */
    CREW_NULLABLE struct row_list *list;
    int64_t width, begin;
    bool unique;
};
struct row_sink run_rows(struct run *,
                         const struct crew_node *,
                         int64_t width,
                         int64_t most,
                         bool unique);
/* d row += alpha x. */
void row_sink_add(struct row_sink *, int64_t row, float alpha, const float *x);

#endif
