/* SPDX-License-Identifier: Apache-2.0
 *
 * All ops, one row each; a test walks this list. Above each row its rules, in
 * the words: operands -> result; dtypes; shape; gradient; export. (b is the
 * batch, unknown until a run; Source: TensorFlow's op of that name.) */

/* Placeholder     -> x. float32, or int32/int64 (held as int64). No gradient.
 *                 Export: Placeholder dtype, shape. */
ROW(op_placeholder)
/* Variable        -> v. float32, all dimensions known. Gradient: collected for
 * the optimizer. Export: a Const with the trained values. */
ROW(op_variable)
/* MatMul          a (m, k), b (k, n) -> (m, n); m may be b. float32. da = dy
 * b^T, db = a^T dy. Export: MatMul T. */
ROW(op_matmul)
/* BiasAdd         x (..., n), bias (n) -> like x. dx = dy, dbias = column sums.
 */
ROW(op_bias_add)
/* AddV2           a, b of one shape -> the same. da = db = dy. */
ROW(op_add)
/* Mul             a, b of one shape -> the same. da = dy b, db = dy a. */
ROW(op_mul)
/* Scale           x -> factor x. dx = factor dy. Export: Mul by a Const. */
ROW(op_scale)
/* Relu            x -> max(x, 0). dx = dy where y > 0 (0 at 0). */
ROW(op_relu)
/* Sigmoid         x -> 1 / (1 + exp(-x)). dx = dy y (1 - y). */
ROW(op_sigmoid)
/* Tanh            x -> tanh x. dx = dy (1 - y^2). */
ROW(op_tanh)
/* Reshape         x -> the same elements; one dimension may be -1; the batch
 * stays in front. dx = dy. Export: Reshape with a Const shape. */
ROW(op_reshape)
/* Conv2D          x (b, h, w, c), filter (kh, kw, c, f) -> (b, oh, ow, f).
 * Stride 1, SAME or VALID, NHWC, HWIO. Export: Conv2D T, strides, padding. */
ROW(op_conv2d)
/* MaxPool         x (b, h, w, c) -> (b, oh, ow, c). Square window, VALID. The
 * first maximum of a window gets the gradient. Export: MaxPool ksize, strides,
 * padding. */
ROW(op_max_pool)
/* Dropout         x -> kept / (1 - rate), in training only. dx with the same
 * numbers. Not exportable: other modes have no such node. */
ROW(op_dropout)
/* Softmax         logits (b, n) -> like it. dx = y (dy - sum(dy y)). */
ROW(op_softmax)
/* ArgMax          x (b, n), axis 1 or -1 -> int64 (b). Not differentiable.
 * Export: ArgMax with a Const dimension. */
ROW(op_argmax)
/* SparseSoftmaxCrossEntropyWithLogits  labels int (b), logits (b, n) -> loss
 * (b). dlogits = dloss (softmax - onehot). Not exportable: labels are not
 * served. */
ROW(op_sparse_softmax_xent)
/* Mean            x -> its mean over everything, a scalar. dx = dy / n. Export:
 * Mean with Const axes. */
ROW(op_mean)
