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
/* Const           a number -> a scalar. No gradient. Export: Const. */
ROW(op_constant)
/* Cast            ids int32 or int64 -> float32. Not differentiable. Export:
 * Cast SrcT, DstT. */
ROW(op_cast)
/* BatchMatMulV2   a (..., m, k), b (..., k, n) of equal dimensions in front. */
ROW(op_batch_matmul)
/* MatMul          a (m, k), b (k, n) -> (m, n); m may be b. float32. da = dy
 * b^T, db = a^T dy. Export: MatMul T. */
ROW(op_matmul)
/* BiasAdd         x (..., n), bias (n) -> like x. dx = dy, dbias = column sums.
 */
ROW(op_bias_add)
/* AddV2, Mul, Sub, RealDiv, Maximum, Minimum  a, b broadcast -> their common
 * shape. The gradient of a repeated operand is summed over the repetitions; of
 * equal operands a has the maximum and the minimum. */
ROW(op_add)
ROW(op_mul)
ROW(op_sub)
ROW(op_div)
ROW(op_maximum)
ROW(op_minimum)
/* Scale           x -> factor x. dx = factor dy. Export: Mul by a Const. */
ROW(op_scale)
/* Shift           x -> x + a constant. Export: AddV2 with a Const. */
ROW(op_shift)
/* Relu            x -> max(x, 0). dx = dy where y > 0 (0 at 0). */
ROW(op_relu)
/* Sigmoid         x -> 1 / (1 + exp(-x)). dx = dy y (1 - y). */
ROW(op_sigmoid)
/* Tanh            x -> tanh x. dx = dy (1 - y^2). */
ROW(op_tanh)
/* Functions of one number: value and derivative in kernels/unary_list.h. */
ROW(op_relu6)
ROW(op_elu)
ROW(op_selu)
ROW(op_leaky_relu)
ROW(op_softplus)
ROW(op_softsign)
ROW(op_exp)
ROW(op_log)
ROW(op_sqrt)
ROW(op_rsqrt)
ROW(op_square)
ROW(op_abs)
ROW(op_neg)
ROW(op_erf)
/* Reshape         x -> the same elements; one dimension may be -1; the batch
 * stays in front. dx = dy. Export: Reshape with a Const shape. */
ROW(op_reshape)
/* Conv2D          x (b, h, w, c), filter (kh, kw, c, f) -> (b, oh, ow, f). SAME
 * or VALID, NHWC, HWIO. Export: Conv2D T, strides, padding. */
ROW(op_conv2d)
/* DepthwiseConv2dNative  x (b, h, w, c), filter (kh, kw, c, m) -> (b, oh, ow,
 * c m). */
ROW(op_depthwise)
/* MaxPool, AvgPool  x (b, h, w, c) -> (b, oh, ow, c). Square window, SAME or
 * VALID; the mean is over what is inside the image. The first maximum of a
 * window gets the gradient. Export: ksize, strides, padding. */
ROW(op_max_pool)
ROW(op_avg_pool)
/* Dropout         x -> kept / (1 - rate), in training only. dx with the same
 * numbers. Not exportable: other modes have no such node. */
ROW(op_dropout)
/* Softmax         logits (b, n) -> like it. dx = y (dy - sum(dy y)). */
ROW(op_softmax)
/* LogSoftmax      logits (b, n) -> like it. dx = dy - exp(y) sum(dy). */
ROW(op_log_softmax)
/* ArgMax          x (b, n), axis 1 or -1 -> int64 (b). Not differentiable.
 * Export: ArgMax with a Const dimension. */
ROW(op_argmax)
/* SparseSoftmaxCrossEntropyWithLogits  labels int (b), logits (b, n) -> loss
 * (b). dlogits = dloss (softmax - onehot). Not exportable: labels are not
 * served. */
ROW(op_sparse_softmax_xent)
/* Mean, Sum, Max, Min  x -> over some dimensions, which go or become 1. Of
 * several extremes each has its share of the gradient. Export: with Const axes,
 * keep_dims. */
ROW(op_mean)
ROW(op_sum)
ROW(op_max)
ROW(op_min)
/* L2Loss          x -> sum(x^2) / 2, a scalar. */
ROW(op_l2_loss)
/* LayerNorm       x (..., n), gamma (n), beta (n) -> like x; rows of the last
 * dimension. Export: Mean, Sub, Square, Rsqrt, Mul, AddV2. */
ROW(op_layer_norm)
/* Moments         x (..., c) -> (2, c): mean and biased variance of each
 * column. Its gradient is part of BatchNorm's. Not exportable: training only.
 */
ROW(op_moments)
/* Moment          moments (2, c) -> one of them (c), the variance unbiased on
 * request. Not differentiable, not exportable: what moving averages move to. */
ROW(op_moment)
/* BatchNorm       x (..., c), its moments, gamma (c), beta (c), both optional.
 * Not exportable: other modes have the next one. */
ROW(op_batch_norm)
/* FrozenBatchNorm x (..., c), mean, variance, gamma, beta (c). Export:
 * FusedBatchNormV3, or Rsqrt, Mul, Sub, AddV2. */
ROW(op_batch_norm_frozen)
/* ConcatV2        up to 8 of one rank, along an axis that is not the batch. */
ROW(op_concat)
/* Transpose       x, a permutation that leaves the batch in front. */
ROW(op_transpose)
/* Pad             x with zeros before and after each dimension. */
ROW(op_pad)
/* GatherV2        params (v, ...), ids int -> rows of params. The gradient is
 * added into the rows that were taken. */
ROW(op_gather)
/* Embedding       table (v, w), ids ragged, (b) or (b, k), weights like them ->
 * (b, w): sum, mean or sqrtn. The gradient goes to the rows taken. Export:
 * GatherV2, Mul, Sum, DivNoNan over padded ids. */
ROW(op_embedding)
/* ClipRows        x (..., n): each row of more than max_norm scaled to it.
 * Export: Square, Sum, Sqrt, Maximum, Mul, RealDiv. */
ROW(op_clip_rows)
/* LabelRange      x -> x; a number beyond [0, most] ends the run. Export: All,
 * Assert, Identity. */
ROW(op_label_range)
/* Column          x (b, n) -> (b, 1), one of its columns. Not differentiable.
 * Export: Slice. */
ROW(op_column)
/* OneHot          ids int -> float32 (..., depth): 1 at the id; other rows are
 * 0. Not differentiable. */
ROW(op_one_hot)
/* Losses          labels, predictions or logits of one shape -> like them (row
 * by row for the softmax). The gradient goes to the second only. */
ROW(op_squared_difference)
ROW(op_absolute_difference)
ROW(op_huber_loss)
ROW(op_hinge_loss)
ROW(op_log_loss)
ROW(op_sigmoid_xent)
ROW(op_log_poisson_loss)
ROW(op_softmax_xent)
/* MeanPairwiseSquaredError  labels, predictions (b, ...), weights as below or
 * none -> a scalar. The gradient goes to the second only. Export: Sub, Square,
 * Sum, DivNoNan, Mul. */
ROW(op_pairwise_squared_error)
/* WeightedLoss    losses, weights broadcast to them -> tf.losses' Reduction. */
ROW(op_weighted_loss)
