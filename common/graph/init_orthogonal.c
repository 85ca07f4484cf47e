/* SPDX-License-Identifier: Apache-2.0
 *
 * Orthogonal matrices: Gram and Schmidt, each vector twice, which is enough for
 * float32. The diagonal of R is positive by that, so that the matrix is uniform
 * among the orthogonal ones, as TensorFlow's is by its signs. In place; sums
 * are doubles, so that the same numbers come out on every machine of a job. */
#include <math.h>

#include "graph/init.h"

#include "base/banned.h"

/* Projections that are taken off at once. */
enum { BLOCK = 128 };

/* Element k of vector j is data[k * along + j * across]. */
struct vectors {
    float *data;
    int64_t count, length;
    int64_t along, across;
};

static float *element(const struct vectors *v, int64_t j, int64_t k)
{
    return v->data + k * v->along + j * v->across;
}

/* Take off vector j what it has along vectors [from, from + n). */
static void take_off(const struct vectors *v, int64_t j, int64_t from, int n)
{
    double dot[BLOCK] = {0.0};

    for (int64_t k = 0; k < v->length; k++) {
        double x = (double)*element(v, j, k);

        for (int i = 0; i < n; i++) {
            dot[i] += x * (double)*element(v, from + i, k);
        }
    }
    for (int64_t k = 0; k < v->length; k++) {
        double sum = 0.0;

        for (int i = 0; i < n; i++) {
            sum += dot[i] * (double)*element(v, from + i, k);
        }
        *element(v, j, k) = (float)((double)*element(v, j, k) - sum);
    }
}

static void scale_to(const struct vectors *v, int64_t j, double length)
{
    double sum = 0.0;

    for (int64_t k = 0; k < v->length; k++) {
        sum += (double)*element(v, j, k) * (double)*element(v, j, k);
    }
    sum = sum > 0.0 ? length / sqrt(sum) : 0.0;
    for (int64_t k = 0; k < v->length; k++) {
        *element(v, j, k) = (float)((double)*element(v, j, k) * sum);
    }
}

void init_orthogonal(int64_t rows, int64_t columns, double gain, float *data)
{
    struct vectors v = {data, columns, rows, columns, 1};

    if (rows < columns) {
        v = (struct vectors){data, rows, columns, 1, columns};
    }
    for (int64_t j = 0; j < v.count; j++) {
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < j; i += BLOCK) {
                take_off(&v, j, i, (int)(j - i < BLOCK ? j - i : BLOCK));
            }
            scale_to(&v, j, 1.0);
        }
    }
    for (int64_t i = 0; i < rows * columns; i++) {
        data[i] = (float)((double)data[i] * gain);
    }
}
