/* SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic under the graph's ops: pure functions on raw pointers with
 * explicit sizes, each forward beside its backward. Layout is TensorFlow's:
 * NHWC activations, HWIO filters, row-major matrices. Matrix products are
 * OpenBLAS's with one thread (blas.h); the rest is plain C written for the
 * vectoriser.
 *
 * Backward functions ADD into gradients named d_x ("accumulate") unless they
 * say "written". Threads: any, on disjoint outputs; scratch is the caller's. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "crew.h"

/* The instruction set in use: "avx512", "avx2" or "generic". CREW_KERNELS in
 * the environment asks for a lower one than the CPU has. */
const char *kernels_isa(void);

/* c (m, n) = a (m, k) b (k, n), or + c with accumulate. a or b are read
 * transposed (stored (k, m), (n, k)) on request. */
void k_matmul(bool trans_a,
              bool trans_b,
              int64_t m,
              int64_t n,
              int64_t k,
              const float *a,
              const float *b,
              bool accumulate,
              float *c);

/* y (rows, n) = x (rows, n) + bias (n). y may be x. */
void k_bias_add(int64_t rows,
                int64_t n,
                const float *x,
                const float *bias,
                float *y);
/* d_bias (n) += column sums of dy (rows, n). */
void k_bias_add_backward(int64_t rows,
                         int64_t n,
                         const float *dy,
                         float *d_bias);

/* Elementwise. y may be x. Backward takes y, the forward's result (relu: 0 at
 * 0). dx += dy * f'(x). */
void k_relu(int64_t n, const float *x, float *y);
void k_relu_backward(int64_t n, const float *y, const float *dy, float *dx);
/* The same, dx written; it may be dy. */
void k_relu_backward_to(int64_t n, const float *y, const float *dy, float *dx);
void k_sigmoid(int64_t n, const float *x, float *y);
void k_sigmoid_backward(int64_t n, const float *y, const float *dy, float *dx);
void k_tanh(int64_t n, const float *x, float *y);
void k_tanh_backward(int64_t n, const float *y, const float *dy, float *dx);
void k_add(int64_t n, const float *a, const float *b, float *y);
void k_mul(int64_t n, const float *a, const float *b, float *y);
void k_axpy(int64_t n,
            float alpha,
            const float *x,
            float *y); /* y += alpha x */
void k_mul_acc(int64_t n,
               const float *a,
               const float *b,
               float *y); /* y += a b */
void k_scale(int64_t n,
             float alpha,
             const float *x,
             float *y); /* y = alpha x */

/* Convolution: x (batch, h, w, c_in), filter (kh, kw, c_in, c_out), y (batch,
 * oh, ow, c_out). SAME puts the odd row/column at bottom/right. Per-image
 * im2col + one matrix product. */
struct conv2d_dims {
    int64_t batch, h, w, c_in, kh, kw, c_out, oh, ow, pad_top, pad_left;
    int64_t stride_h, stride_w;
};
/* Bytes of scratch a call below needs (a band of one image's columns). */
size_t k_conv2d_scratch(const struct conv2d_dims *);
void k_conv2d(const struct conv2d_dims *,
              const float *x,
              const float *filter,
              float *y,
              float *scratch);
/* d_filter +=. d_x (NULL: not needed, the input): with add_x +=, else written.
 */
void k_conv2d_backward(const struct conv2d_dims *,
                       const float *x,
                       const float *filter,
                       const float *dy,
                       bool add_x,
                       CREW_NULLABLE float *d_x,
                       float *d_filter,
                       float *scratch);

/* Depthwise convolution: filter (kh, kw, c_in, m), output channel c m + q is
 * channel c through filter (.., c, q); c_out = c_in m. d_filter +=, d_x +=
 * (NULL: not needed). */
void k_depthwise(const struct conv2d_dims *,
                 const float *x,
                 const float *filter,
                 float *y);
void k_depthwise_backward(const struct conv2d_dims *,
                          const float *x,
                          const float *filter,
                          const float *dy,
                          CREW_NULLABLE float *d_x,
                          float *d_filter);

/* Max pooling, NHWC, square window. arg (batch, oh, ow, c) receives the
 * place of the first maximum in its window, row-major (0 .. size*size-1); the
 * gradient goes there, and with add is added to dx, else all of dx is written.
 * size <= 15. */
struct pool2d_dims {
    int64_t batch, h, w, c, size, stride, oh, ow, pad_top, pad_left;
};
void k_max_pool2d(const struct pool2d_dims *,
                  const float *x,
                  float *y,
                  uint8_t *arg);
void k_max_pool2d_backward(const struct pool2d_dims *,
                           const uint8_t *arg,
                           const float *dy,
                           bool add,
                           float *dx);

/* The mean over the part of each window that is inside the image. */
void k_avg_pool2d(const struct pool2d_dims *, const float *x, float *y);
void k_avg_pool2d_backward(const struct pool2d_dims *,
                           const float *dy,
                           float *dx);

/* Inverted dropout: y = keep ? x / (1 - rate) : 0. Element i is kept or not by
 * Philox at (seed, stream, i): the backward pass draws the same numbers. */
void k_dropout(int64_t n,
               float rate,
               uint64_t seed,
               uint64_t stream,
               const float *x,
               float *y);
void k_dropout_backward(int64_t n,
                        float rate,
                        uint64_t seed,
                        uint64_t stream,
                        const float *dy,
                        float *dx);

/* Of each column of x (rows, n): its mean, and the mean of the squared distance
 * from it. */
void k_column_moments(int64_t rows,
                      int64_t n,
                      const float *x,
                      float *mean,
                      float *variance);
/* Of each column: sum = the sum of dy, product = that of dy (x - mean). */
void k_column_products(int64_t rows,
                       int64_t n,
                       const float *x,
                       const float *mean,
                       const float *dy,
                       float *sum,
                       float *product);
/* y = x scale + shift, column by column. */
void k_column_scale(int64_t rows,
                    int64_t n,
                    const float *x,
                    const float *scale,
                    const float *shift,
                    float *y);
/* out += x scale + y y_scale + shift. */
void k_column_scale_acc(int64_t rows,
                        int64_t n,
                        const float *x,
                        const float *scale,
                        const float *y,
                        const float *y_scale,
                        const float *shift,
                        float *out);

/* Each row of x (rows, n) to mean 0 and variance 1, times gamma (n), plus beta
 * (n). stats (rows, 2) gets the row's mean and 1 / deviation, for backward. */
void k_layer_norm(int64_t rows,
                  int64_t n,
                  const float *x,
                  const float *gamma,
                  const float *beta,
                  float epsilon,
                  float *y,
                  float *stats);
/* dx +=, d_gamma +=, d_beta += (NULL: not needed). */
void k_layer_norm_backward(int64_t rows,
                           int64_t n,
                           const float *x,
                           const float *stats,
                           const float *gamma,
                           const float *dy,
                           CREW_NULLABLE float *dx,
                           CREW_NULLABLE float *d_gamma,
                           CREW_NULLABLE float *d_beta);
/* e = exp(x - max) with the largest x of a row; returns the sum. */
float k_exp_row(int64_t n, const float *x, float *e, CREW_OUT float *max);
/* y /= by. */
void k_divide(int64_t n, float by, float *y);

/* Rows of logits (rows, n): x - log(sum(exp(x))). */
void k_log_softmax(int64_t rows, int64_t n, const float *logits, float *y);
/* dx += dy - exp(y) sum(dy). */
void k_log_softmax_backward(int64_t rows,
                            int64_t n,
                            const float *y,
                            const float *dy,
                            float *dx);
/* Rows of logits (rows, n). */
void k_softmax(int64_t rows, int64_t n, const float *logits, float *y);
void k_softmax_backward(int64_t rows,
                        int64_t n,
                        const float *y,
                        const float *dy,
                        float *dx);
/* The first maximum of each row. */
void k_argmax(int64_t rows, int64_t n, const float *x, int64_t *y);
/* loss (rows) and prob (rows, n), kept for backward. Errors: returns the row of
 * the first label outside [0, n), else -1. */
int64_t k_sparse_softmax_xent(int64_t rows,
                              int64_t n,
                              const float *logits,
                              const int64_t *labels,
                              float *loss,
                              float *prob);
/* d_logits += d_loss[row] * (prob - onehot(label)). */
void k_sparse_softmax_xent_backward(int64_t rows,
                                    int64_t n,
                                    const float *prob,
                                    const int64_t *labels,
                                    const float *d_loss,
                                    float *d_logits);
/* Sum in double. */
double k_sum(int64_t n, const float *x);
/* Whether all are finite; else *first gets the first index that is not. */
bool k_all_finite(int64_t n, const float *x, CREW_OUT int64_t *first);

#endif
