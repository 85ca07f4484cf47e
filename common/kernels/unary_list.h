/* SPDX-License-Identifier: Apache-2.0
 * UNARY(name, value, derivative): expressions of the operand x, the result y
 * and the constant a. No include guard: the list is used with different UNARYs.
 * Values at the corners are TensorFlow's: relu6 has derivative 0 at 0 and at 6,
 * abs at 0. */
UNARY(relu6, fminf(fmaxf(x, 0.0f), 6.0f), x > 0.0f && x < 6.0f ? 1.0f : 0.0f)
UNARY(elu, x < 0.0f ? expm1f(x) : x, y < 0.0f ? y + 1.0f : 1.0f)
UNARY(selu,
      x < 0.0f ? SELU_SCALE * SELU_ALPHA * expm1f(x) : SELU_SCALE * x,
      y < 0.0f ? y + SELU_SCALE * SELU_ALPHA : SELU_SCALE)
UNARY(leaky_relu, x > 0.0f ? x : a * x, x > 0.0f ? 1.0f : a)
UNARY(softplus,
      fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))),
      1.0f / (1.0f + expf(-x)))
UNARY(softsign,
      x / (1.0f + fabsf(x)),
      1.0f / ((1.0f + fabsf(x)) * (1.0f + fabsf(x))))
UNARY(exp, expf(x), y)
UNARY(log, logf(x), 1.0f / x)
UNARY(sqrt, sqrtf(x), 0.5f / y)
UNARY(rsqrt, 1.0f / sqrtf(x), -0.5f * y * y * y)
UNARY(square, x *x, 2.0f * x)
UNARY(abs, fabsf(x), x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f)
UNARY(neg, -x, -1.0f)
UNARY(erf, erff(x), TWO_OVER_SQRT_PI *expf(-x *x))
