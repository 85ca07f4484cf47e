/* SPDX-License-Identifier: Apache-2.0
 *
 * What an op of the executor is: TensorFlow's name of it and a function from
 * inputs and attributes to outputs. Each ops_<family>.c ends with its table;
 * op_tables.c lists the tables. An op checks what it is given (number, dtype
 * and shape of inputs, ranges of indices: all of it may come from a stranger's
 * file or a client) and reports in TensorFlow's words where TensorFlow has any;
 * the executor puts the node's name in front. */
#ifndef SERVING_OP_H
#define SERVING_OP_H

#include "serving/resource.h"
#include "serving/value.h"

/* One run of one node. Kernels read `in`, make every out[i] with value_new or
 * value_share; the executor releases them. */
struct op_call {
    const Tensorflow__NodeDef *node;
    const struct value *in; /* data inputs, control inputs left out */
    int n_in;
    struct value *out;
    int n_out; /* as the op's n_out said */
    struct serving_model *model;
    struct crew_err *err;
};

struct serving_op {
    const char *name; /* NodeDef.op */
    int (*run)(struct op_call *);
    /* How many outputs; NULL: one. A negative number: an attribute is wrong,
     * err is set. */
    int (*n_out)(const Tensorflow__NodeDef *, struct crew_err *);
    int min_in, max_in; /* data inputs; max -1: any */
};

/* NULL: not known. */
const struct serving_op *serving_op_find(const char *name);

/* Every attribute of the node has the kind that its name has. Errors:
 * INVALID_ARGUMENT, as TensorFlow's when it imports the graph. */
CREW_MUST_CHECK int op_check_attrs(const Tensorflow__NodeDef *,
                                   struct crew_err *);
/* Attributes; a missing one gives the fallback (TensorFlow leaves out
 * defaults). The *_list getters borrow. */
CREW_NULLABLE const Tensorflow__AttrValue *op_attr(const Tensorflow__NodeDef *,
                                                   const char *key);
int64_t op_attr_int(const Tensorflow__NodeDef *,
                    const char *key,
                    int64_t fallback);
float op_attr_float(const Tensorflow__NodeDef *,
                    const char *key,
                    float fallback);
bool op_attr_bool(const Tensorflow__NodeDef *, const char *key, bool fallback);
int op_attr_type(const Tensorflow__NodeDef *, const char *key, int fallback);
/* Copied into buf, cut to size; returns buf. */
const char *op_attr_string(const Tensorflow__NodeDef *,
                           const char *key,
                           const char *fallback,
                           char *buf,
                           size_t size);
CREW_NULLABLE const Tensorflow__AttrValue__ListValue *op_attr_list(
    const Tensorflow__NodeDef *,
    const char *key);

/* Checks; each returns 0 or sets INVALID_ARGUMENT. */
CREW_MUST_CHECK int op_want_dtype(struct op_call *, int in, int dtype);
CREW_MUST_CHECK int op_want_rank(struct op_call *, int in, int rank);
/* Input `in`, a scalar or vector of int32 or int64, as int64 values: at most
 * `most` of them into list, *n how many. */
CREW_MUST_CHECK int op_ints(struct op_call *,
                            int in,
                            int64_t *list,
                            int most,
                            int *n);
/* err = INVALID_ARGUMENT (or another code) with the text. Returns the code. */
int op_fail(struct op_call *, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
