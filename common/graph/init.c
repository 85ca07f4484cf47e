/* SPDX-License-Identifier: Apache-2.0
 *
 * Initial values of variables. Element i of a variable is drawn from Philox at
 * (seed, hash of the name, i), so every process draws the same numbers, in any
 * order. */
#include <math.h>

#include "base/rng.h"
#include "graph/init.h"

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
static void compute_fans(const struct crew_shape *s, double *in, double *out)
{
    double field = 1;

    if (s->rank < 2) {
        *in = *out = s->rank == 0 ? 1.0 : (double)s->dim[0];
        return;
    }
    for (int i = 0; i < s->rank - 2; i++) {
        field *= (double)s->dim[i];
    }
    *in = field * (double)s->dim[s->rank - 2];
    *out = field * (double)s->dim[s->rank - 1];
}

/* The variance that VARIANCE_SCALING asks for. */
static double scaled_variance(const struct graph_var *v)
{
    double in, out, fan;

    compute_fans(&v->shape, &in, &out);
    switch (v->init.fan) {
        case CREW_FAN_IN:
            fan = in;
            break;
        case CREW_FAN_OUT:
            fan = out;
            break;
        default:
            fan = (in + out) / 2.0;
    }
    return (double)v->init.a / (fan > 1.0 ? fan : 1.0);
}

/* Where a variable's numbers come from. */
struct source {
    uint64_t seed, stream;
};

static void fill_uniform(struct source s,
                         double from,
                         double to,
                         int64_t n,
                         float *data)
{
    double middle = (from + to) / 2.0, half = (to - from) / 2.0;
    uint32_t r[4];

    for (int64_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            philox4x32(s.seed, s.stream, (uint64_t)i / 4, r);
        }
        data[i] =
            (float)(middle +
                    half * (2.0 * (double)rng_unit_float(r[i % 4]) - 1.0));
    }
}

/* A standard normal by Box and Muller; when cut, drawn again while beyond two
 * deviations. */
static double normal(struct source s, uint64_t i, bool cut)
{
    for (uint64_t attempt = 0;; attempt++) {
        uint32_t r[4];

        philox4x32(s.seed, s.stream, i * 64 + attempt % 64, r);
        double u = ((double)r[0] + 1.0) / 4294967296.0;
        double v = (double)r[1] / 4294967296.0;
        double x = sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);

        if (!cut || fabs(x) < 2.0) {
            return x;
        }
        if (attempt == 63) {
            return 0.0; /* one in 10^80 */
        }
    }
}

static void fill_normal(struct source s,
                        double mean,
                        double stddev,
                        bool cut,
                        int64_t n,
                        float *data)
{
    for (int64_t i = 0; i < n; i++) {
        data[i] = (float)(mean + stddev * normal(s, (uint64_t)i, cut));
    }
}

static void fill_scaled(struct source s, const struct graph_var *v, float *data)
{
    /* The deviation of a standard normal cut at 2. */
    const double cut_stddev = 0.87962566103423978;
    double variance = scaled_variance(v), limit = sqrt(3.0 * variance);

    switch (v->init.distribution) {
        case CREW_DIST_UNIFORM:
            fill_uniform(s, -limit, limit, v->n, data);
            break;
        case CREW_DIST_UNTRUNCATED_NORMAL:
            fill_normal(s, 0.0, sqrt(variance), false, v->n, data);
            break;
        default:
            fill_normal(s, 0.0, sqrt(variance) / cut_stddev, true, v->n, data);
    }
}

/* uniform_unit_scaling's: all dimensions but the last are the input. */
static double unit_limit(const struct graph_var *v)
{
    double in = 1.0;

    for (int i = 0; i + 1 < v->shape.rank; i++) {
        in *= (double)v->shape.dim[i];
    }
    return sqrt(3.0 / (in > 1.0 ? in : 1.0)) * (double)v->init.a;
}

static void fill_identity(const struct graph_var *v, float *data)
{
    int64_t columns = v->shape.dim[1];

    for (int64_t i = 0; i < v->n; i++) {
        data[i] = i / columns == i % columns ? v->init.a : 0.0f;
    }
}

const char *init_fault(const struct crew_init *init,
                       const struct crew_shape *shape)
{
    if (init->kind == CREW_INIT_IDENTITY && shape->rank != 2) {
        return "Identity matrix initializer can only be used for 2D matrices.";
    }
    if (init->kind == CREW_INIT_ORTHOGONAL && shape->rank < 2) {
        return "The tensor to initialize, specified by argument `shape` must "
               "be at least two-dimensional.";
    }
    if ((unsigned)init->kind > CREW_INIT_ORTHOGONAL) {
        return "there is no such initializer";
    }
    return NULL;
}

void graph_init_var(const struct graph_var *v, uint64_t seed, float *data)
{
    struct source s = {seed, hash_name(v->name)};
    double a = (double)v->init.a, b = (double)v->init.b;

    switch (v->init.kind) {
        case CREW_INIT_UNIFORM:
            fill_uniform(s, a, b, v->n, data);
            return;
        case CREW_INIT_NORMAL:
        case CREW_INIT_TRUNCATED_NORMAL:
            fill_normal(s, a, b, v->init.kind == CREW_INIT_TRUNCATED_NORMAL,
                        v->n, data);
            return;
        case CREW_INIT_VARIANCE_SCALING:
            fill_scaled(s, v, data);
            return;
        case CREW_INIT_UNIT_SCALING:
            fill_uniform(s, -unit_limit(v), unit_limit(v), v->n, data);
            return;
        case CREW_INIT_IDENTITY:
            fill_identity(v, data);
            return;
        case CREW_INIT_ORTHOGONAL:
            fill_normal(s, 0.0, 1.0, false, v->n, data);
            init_orthogonal(v->n / v->shape.dim[v->shape.rank - 1],
                            v->shape.dim[v->shape.rank - 1], a, data);
            return;
        case CREW_INIT_ZEROS:
        case CREW_INIT_CONSTANT:
            for (int64_t i = 0; i < v->n; i++) {
                data[i] = v->init.kind == CREW_INIT_CONSTANT ? v->init.a : 0.0f;
            }
            return;
    }
}

/* ----------------------------------------------------------------- by name */

struct crew_init crew_init_zeros(void)
{
    return (struct crew_init){.kind = CREW_INIT_ZEROS};
}

struct crew_init crew_init_ones(void)
{
    return crew_init_constant(1.0);
}

struct crew_init crew_init_identity(double gain)
{
    return (struct crew_init){.kind = CREW_INIT_IDENTITY, .a = (float)gain};
}

struct crew_init crew_init_orthogonal(double gain)
{
    return (struct crew_init){.kind = CREW_INIT_ORTHOGONAL, .a = (float)gain};
}

struct crew_init crew_init_uniform_unit_scaling(double factor)
{
    return (struct crew_init){.kind = CREW_INIT_UNIT_SCALING,
                              .a = (float)factor};
}

struct crew_init crew_init_constant(double value)
{
    return (struct crew_init){.kind = CREW_INIT_CONSTANT, .a = (float)value};
}

struct crew_init crew_init_uniform(double minval, double maxval)
{
    return (struct crew_init){
        .kind = CREW_INIT_UNIFORM, .a = (float)minval, .b = (float)maxval};
}

struct crew_init crew_init_normal(double mean, double stddev)
{
    return (struct crew_init){
        .kind = CREW_INIT_NORMAL, .a = (float)mean, .b = (float)stddev};
}

struct crew_init crew_init_truncated_normal(double mean, double stddev)
{
    return (struct crew_init){.kind = CREW_INIT_TRUNCATED_NORMAL,
                              .a = (float)mean,
                              .b = (float)stddev};
}

struct crew_init crew_init_variance_scaling(double scale,
                                            enum crew_fan fan,
                                            enum crew_distribution distribution)
{
    return (struct crew_init){.kind = CREW_INIT_VARIANCE_SCALING,
                              .a = (float)scale,
                              .fan = fan,
                              .distribution = distribution};
}

struct crew_init crew_init_glorot_uniform(void)
{
    return crew_init_variance_scaling(1.0, CREW_FAN_AVG, CREW_DIST_UNIFORM);
}

struct crew_init crew_init_glorot_normal(void)
{
    return crew_init_variance_scaling(1.0, CREW_FAN_AVG,
                                      CREW_DIST_TRUNCATED_NORMAL);
}

struct crew_init crew_init_he_uniform(void)
{
    return crew_init_variance_scaling(2.0, CREW_FAN_IN, CREW_DIST_UNIFORM);
}

struct crew_init crew_init_he_normal(void)
{
    return crew_init_variance_scaling(2.0, CREW_FAN_IN,
                                      CREW_DIST_TRUNCATED_NORMAL);
}

struct crew_init crew_init_lecun_uniform(void)
{
    return crew_init_variance_scaling(1.0, CREW_FAN_IN, CREW_DIST_UNIFORM);
}

struct crew_init crew_init_lecun_normal(void)
{
    return crew_init_variance_scaling(1.0, CREW_FAN_IN,
                                      CREW_DIST_TRUNCATED_NORMAL);
}
