/* SPDX-License-Identifier: Apache-2.0
 *
 * Initial values of variables. Element i of a variable is drawn from Philox at
 * (seed, hash of the name, i), so every process draws the same numbers, in any
 * order. */
#include <math.h>

#include "base/rng.h"
#include "graph/graph.h"

#include "base/banned.h"

/* FNV-1a, 64 bits. */
static uint64_t hash_name(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *s != '\0'; s++) {
        h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    }
    return h;
}

/* As tf's _compute_fans: a filter's receptive field counts on both sides. */
static double glorot_limit(const struct crew_shape *s)
{
    double field = 1, fan_in, fan_out;

    if (s->rank == 0) {
        fan_in = fan_out = 1;
    } else if (s->rank == 1) {
        fan_in = fan_out = (double)s->dim[0];
    } else {
        for (int i = 0; i < s->rank - 2; i++) {
            field *= (double)s->dim[i];
        }
        fan_in = field * (double)s->dim[s->rank - 2];
        fan_out = field * (double)s->dim[s->rank - 1];
    }
    return sqrt(6.0 / (fan_in + fan_out));
}

static void fill_uniform(const struct graph_var *v,
                         uint64_t seed,
                         double limit,
                         float *data)
{
    uint64_t stream = hash_name(v->name);
    uint32_t r[4];

    for (int64_t i = 0; i < v->n; i++) {
        if (i % 4 == 0) {
            philox4x32(seed, stream, (uint64_t)i / 4, r);
        }
        data[i] =
            (float)(limit * (2.0 * (double)rng_unit_float(r[i % 4]) - 1.0));
    }
}

/* A standard normal cut at two deviations: Box-Muller, drawn again while
 * outside. */
static double truncated_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    for (uint64_t attempt = 0;; attempt++) {
        uint32_t r[4];

        philox4x32(seed, stream, i * 64 + attempt % 64, r);
        double u = ((double)r[0] + 1.0) / 4294967296.0;
        double v = (double)r[1] / 4294967296.0;
        double x = sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);

        if (fabs(x) < 2.0) {
            return x;
        }
        if (attempt == 63) {
            return 0.0; /* one in 10^80 */
        }
    }
}

void graph_init_var(const struct graph_var *v, uint64_t seed, float *data)
{
    float value = v->init.kind == CREW_INIT_CONSTANT ? v->init.value : 0.0f;

    switch (v->init.kind) {
        case CREW_INIT_GLOROT_UNIFORM:
            fill_uniform(v, seed, glorot_limit(&v->shape), data);
            return;
        case CREW_INIT_TRUNCATED_NORMAL:
            for (int64_t i = 0; i < v->n; i++) {
                data[i] = (float)((double)v->init.value *
                                  truncated_normal(seed, hash_name(v->name),
                                                   (uint64_t)i));
            }
            return;
        case CREW_INIT_ZEROS:
        case CREW_INIT_CONSTANT:
            for (int64_t i = 0; i < v->n; i++) {
                data[i] = value;
            }
            return;
    }
}
