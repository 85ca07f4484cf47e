/* SPDX-License-Identifier: Apache-2.0
 *
 * Clipping of gradients. Sums are in double, so that no finite gradient has an
 * infinite norm.
 * Source: tensorflow/python/ops/clip_ops.py. */
#include <math.h>

#include "base/check.h"
#include "optim/loops.h"
#include "optim/optim.h"

#include "base/banned.h"

/* Eight sums side by side: they fill a vector, and their order is fixed. */
CLONES static double sum_squares(int64_t n, const float *x)
{
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) {
            double v = (double)x[i + k];
            sum[k] += v * v;
        }
    }
    for (; i < n; i++) {
        double v = (double)x[i];
        sum[0] += v * v;
    }
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) +
           ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

CLONES static void scale(int64_t n, float by, float *restrict x)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] *= by;
    }
}

CLONES static void clamp(int64_t n, float min, float max, float *restrict x)
{
    for (int64_t i = 0; i < n; i++) {
        float y = x[i] > max ? max : x[i];
        x[i] = y < min ? min : y;
    }
}

double optim_sum_squares(int64_t n, const float *x)
{
    return sum_squares(n, x);
}

void optim_scale(int64_t n, float factor, float *grad)
{
    scale(n, factor, grad);
}

float optim_global_scale(const struct crew_clip *c, double sum_squares)
{
    double norm = sqrt(sum_squares);
    if (!isfinite(norm)) {
        return NAN;
    }
    return (float)((double)c->norm * fmin(1.0 / norm, 1.0 / (double)c->norm));
}

/* x * norm / max(|x|, norm). NaN makes all NaN. */
static float norm_scale(float norm, double total)
{
    double length = sqrt(total);
    return length > (double)norm || isnan(length)
               ? (float)((double)norm / length)
               : 1.0f;
}

static float average_scale(float norm, double total, int64_t n)
{
    double inverse = (double)n / sqrt(total);
    return (float)((double)norm * fmin(inverse, 1.0 / (double)norm));
}

/* Each vector along the axis by its own norm. */
static void clip_along(const struct crew_clip *c,
                       const struct crew_shape *shape,
                       float *grad)
{
    int64_t outer = 1, inner = 1, length = shape->dim[c->axis];
    for (int i = 0; i < shape->rank; i++) {
        outer *= i < c->axis ? shape->dim[i] : 1;
        inner *= i > c->axis ? shape->dim[i] : 1;
    }
    for (int64_t i = 0; i < outer * inner; i++) {
        float *x = grad + i / inner * length * inner + i % inner;
        double total = 0;
        for (int64_t k = 0; k < length; k++) {
            total += (double)x[k * inner] * (double)x[k * inner];
        }
        float by = norm_scale(c->norm, total);
        for (int64_t k = 0; k < length; k++) {
            x[k * inner] *= by;
        }
    }
}

static int64_t count_of(const struct crew_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

void optim_clip_rows(const struct crew_clip *c,
                     const struct crew_shape *shape,
                     int64_t n,
                     float *values)
{
    struct crew_shape rows = *shape;
    rows.dim[0] = n;
    optim_clip(c, &rows, values);
}

void optim_clip(const struct crew_clip *c,
                const struct crew_shape *shape,
                float *grad)
{
    int64_t n = count_of(shape);
    switch (c->kind) {
        case CREW_CLIP_NONE:
        case CREW_CLIP_BY_GLOBAL_NORM:
            break;
        case CREW_CLIP_BY_VALUE:
            clamp(n, c->min, c->max, grad);
            break;
        case CREW_CLIP_BY_NORM:
            if (c->along_axis && c->axis < shape->rank) {
                clip_along(c, shape, grad);
            } else {
                scale(n, norm_scale(c->norm, sum_squares(n, grad)), grad);
            }
            break;
        case CREW_CLIP_BY_AVERAGE_NORM:
            scale(n, average_scale(c->norm, sum_squares(n, grad), n), grad);
            break;
    }
}
