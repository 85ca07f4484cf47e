/* SPDX-License-Identifier: Apache-2.0
 * The families of ops, a file each; every table ends with a row without name.
 */
#ifndef SERVING_OP_TABLES_H
#define SERVING_OP_TABLES_H

#include "serving/op.h"

extern const struct serving_op serving_ops_array[];  /* Reshape, Slice, ... */
extern const struct serving_op serving_ops_place[];  /* Slice, GatherV2, ... */
extern const struct serving_op serving_ops_math[];   /* MatMul, AddV2, ... */
extern const struct serving_op serving_ops_reduce[]; /* Sum, ArgMax, ... */
extern const struct serving_op serving_ops_nn[];     /* Conv2D, Softmax, ... */
extern const struct serving_op
    serving_ops_scatter[]; /* ScatterNd, DynamicStitch, ... */
extern const struct serving_op serving_ops_loss[]; /* InTopKV2, ... */
extern const struct serving_op
    serving_ops_state[]; /* VarHandleOp, Const, ... */
extern const struct serving_op serving_ops_string[]; /* AsString, hashes, ... */
extern const struct serving_op serving_ops_sparse[]; /* SparseReshape, ... */
extern const struct serving_op serving_ops_segment[]; /* SparseSegmentSum */
extern const struct serving_op serving_ops_cross[];   /* SparseCross */
extern const struct serving_op serving_ops_lookup[];  /* HashTableV2, ... */
extern const struct serving_op serving_ops_parse[];   /* ParseExampleV2, ... */

#endif
