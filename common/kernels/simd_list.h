/* SPDX-License-Identifier: Apache-2.0
 * The functions of simd/, which are compiled once for each instruction set:
 * SIMD(result, name, (parameters), (arguments)). No include guard: the list is
 * used with different SIMDs. */
SIMD(void, k_relu, (int64_t n, const float *x, float *y), (n, x, y))
SIMD(void,
     k_relu_backward,
     (int64_t n, const float *y, const float *dy, float *dx),
     (n, y, dy, dx))
SIMD(void,
     k_relu_backward_to,
     (int64_t n, const float *y, const float *dy, float *dx),
     (n, y, dy, dx))
SIMD(void,
     k_sigmoid_backward,
     (int64_t n, const float *y, const float *dy, float *dx),
     (n, y, dy, dx))
SIMD(void,
     k_tanh_backward,
     (int64_t n, const float *y, const float *dy, float *dx),
     (n, y, dy, dx))
SIMD(void,
     k_add,
     (int64_t n, const float *a, const float *b, float *y),
     (n, a, b, y))
SIMD(void,
     k_mul,
     (int64_t n, const float *a, const float *b, float *y),
     (n, a, b, y))
SIMD(void,
     k_axpy,
     (int64_t n, float alpha, const float *x, float *y),
     (n, alpha, x, y))
SIMD(void,
     k_mul_acc,
     (int64_t n, const float *a, const float *b, float *y),
     (n, a, b, y))
SIMD(void,
     k_scale,
     (int64_t n, float alpha, const float *x, float *y),
     (n, alpha, x, y))
SIMD(double, k_sum, (int64_t n, const float *x), (n, x))
SIMD(uint32_t, k_any_not_finite, (int64_t n, const float *x), (n, x))
SIMD(void,
     k_bias_add,
     (int64_t rows, int64_t n, const float *x, const float *bias, float *y),
     (rows, n, x, bias, y))
SIMD(void,
     k_bias_add_backward,
     (int64_t rows, int64_t n, const float *dy, float *d_bias),
     (rows, n, dy, d_bias))
SIMD(void,
     k_max_pool2d,
     (const struct pool2d_dims *d, const float *x, float *y, uint8_t *arg),
     (d, x, y, arg))
SIMD(void,
     k_max_pool2d_backward,
     (const struct pool2d_dims *d,
      const uint8_t *arg,
      const float *dy,
      bool add,
      float *dx),
     (d, arg, dy, add, dx))
SIMD(void,
     k_dropout,
     (int64_t n,
      float rate,
      uint64_t seed,
      uint64_t stream,
      const float *x,
      float *y),
     (n, rate, seed, stream, x, y))
SIMD(void,
     k_dropout_backward,
     (int64_t n,
      float rate,
      uint64_t seed,
      uint64_t stream,
      const float *dy,
      float *dx),
     (n, rate, seed, stream, dy, dx))
SIMD(void,
     k_add_columns,
     (const struct conv2d_dims *d,
      const float *col,
      int64_t oy0,
      int64_t rows,
      float *image),
     (d, col, oy0, rows, image))
SIMD(void,
     k_add_columns_1,
     (const struct conv2d_dims *d,
      const float *col,
      int64_t oy0,
      int64_t rows,
      float *image),
     (d, col, oy0, rows, image))
SIMD(void,
     k_column_moments,
     (int64_t rows, int64_t n, const float *x, float *mean, float *variance),
     (rows, n, x, mean, variance))
SIMD(void,
     k_column_products,
     (int64_t rows,
      int64_t n,
      const float *x,
      const float *mean,
      const float *dy,
      float *sum,
      float *product),
     (rows, n, x, mean, dy, sum, product))
SIMD(void,
     k_column_scale,
     (int64_t rows,
      int64_t n,
      const float *x,
      const float *scale,
      const float *shift,
      float *y),
     (rows, n, x, scale, shift, y))
SIMD(void,
     k_column_scale_acc,
     (int64_t rows,
      int64_t n,
      const float *x,
      const float *scale,
      const float *y,
      const float *y_scale,
      const float *shift,
      float *out),
     (rows, n, x, scale, y, y_scale, shift, out))
/* Convolution of one image: numbers a vector holds, 0: there are no such
 * kernels for this set; y from the image in planes; d_filter += (see
 * conv_direct.c). */
SIMD(int64_t, k_direct_lanes, (void), ())
SIMD(void,
     k_direct_forward,
     (const struct conv2d_dims *d,
      const float *planes,
      const float *packed,
      float *y,
      bool add),
     (d, planes, packed, y, add))
SIMD(void,
     k_direct_filter,
     (const struct conv2d_dims *d,
      const float *bordered,
      const float *dy,
      float *d_filter),
     (d, bordered, dy, d_filter))
SIMD(void,
     k_depthwise,
     (const struct conv2d_dims *d, const float *x, const float *f, float *y),
     (d, x, f, y))
SIMD(void,
     k_depthwise_backward,
     (const struct conv2d_dims *d,
      const float *x,
      const float *f,
      const float *dy,
      float *d_x,
      float *d_f),
     (d, x, f, dy, d_x, d_f))
SIMD(void,
     k_avg_pool2d,
     (const struct pool2d_dims *d, const float *x, float *y),
     (d, x, y))
SIMD(void,
     k_avg_pool2d_backward,
     (const struct pool2d_dims *d, const float *dy, float *dx),
     (d, dy, dx))
SIMD(void,
     k_layer_norm,
     (int64_t rows,
      int64_t n,
      const float *x,
      const float *gamma,
      const float *beta,
      float epsilon,
      float *y,
      float *stats),
     (rows, n, x, gamma, beta, epsilon, y, stats))
SIMD(void,
     k_layer_norm_backward,
     (int64_t rows,
      int64_t n,
      const float *x,
      const float *stats,
      const float *gamma,
      const float *dy,
      float *dx,
      float *d_gamma,
      float *d_beta),
     (rows, n, x, stats, gamma, dy, dx, d_gamma, d_beta))
SIMD(float,
     k_exp_row,
     (int64_t n, const float *x, float *e, float *max),
     (n, x, e, max))
SIMD(void, k_divide, (int64_t n, float by, float *y), (n, by, y))
