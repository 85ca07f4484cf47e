/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rates by step, in float32 as TensorFlow computes them.
 * Source: tensorflow/python/keras/optimizer_v2/legacy_learning_rate_decay.py.
 */
#include <math.h>

#include "base/rng.h"
#include "optim/optim.h"

#include "base/banned.h"

#define PI_F 3.14159265358979f
#define NOISE_SEED 0x6e6f697379ull

/* step / decay_steps, whole ones only when it is a staircase. */
static float fraction_of(const struct crew_schedule *s, int64_t step)
{
    float p = (float)step / (float)s->decay_steps;
    return s->staircase ? floorf(p) : p;
}

static float polynomial(const struct crew_schedule *s, float lr, int64_t step)
{
    float at = (float)step;
    float steps = (float)s->decay_steps;
    if (s->cycle) {
        steps *= step == 0 ? 1.0f : ceilf(at / steps);
    } else if (at > steps) {
        at = steps;
    }
    return (lr - s->end_learning_rate) * powf(1.0f - at / steps, s->power) +
           s->end_learning_rate;
}

static float piecewise(const struct crew_schedule *s, int64_t step)
{
    int i = 0;
    while (i < s->num_boundaries && i < CREW_MAX_BOUNDARIES &&
           step > s->boundaries[i]) {
        i++;
    }
    return s->values[i];
}

static float at_most_steps(const struct crew_schedule *s, int64_t step)
{
    return (float)(step < s->decay_steps ? step : s->decay_steps);
}

static float cosine(const struct crew_schedule *s, float lr, int64_t step)
{
    float completed = at_most_steps(s, step) / (float)s->decay_steps;
    float c = 0.5f * (1.0f + cosf(PI_F * completed));
    return lr * ((1.0f - s->alpha) * c + s->alpha);
}

static float restarts(const struct crew_schedule *s, float lr, int64_t step)
{
    float completed = (float)step / (float)s->decay_steps;
    float i;
    if (s->t_mul > 1.0f || s->t_mul < 1.0f) {
        i = floorf(logf(1.0f - completed * (1.0f - s->t_mul)) / logf(s->t_mul));
        float period = powf(s->t_mul, i);
        float before = (1.0f - period) / (1.0f - s->t_mul);
        completed = (completed - before) / period;
    } else {
        i = floorf(completed);
        completed -= i;
    }
    float c = 0.5f * powf(s->m_mul, i) * (1.0f + cosf(PI_F * completed));
    return lr * ((1.0f - s->alpha) * c + s->alpha);
}

/* N(0, 1) of a step. */
static float noise(int64_t step)
{
    uint32_t x[4];
    philox4x32(NOISE_SEED, 0, (uint64_t)step, x);
    float u = 1.0f - rng_unit_float(x[0]); /* (0, 1] */
    return sqrtf(-2.0f * logf(u)) * cosf(2.0f * PI_F * rng_unit_float(x[1]));
}

static float linear_cosine(const struct crew_schedule *s,
                           float lr,
                           int64_t step)
{
    float at = at_most_steps(s, step), steps = (float)s->decay_steps;
    float linear = (steps - at) / steps;
    if (s->kind == CREW_NOISY_LINEAR_COSINE_DECAY) {
        float variance =
            s->initial_variance / powf(1.0f + at, s->variance_decay);
        linear += sqrtf(variance) * noise(step);
    }
    float turns = s->num_periods * 2.0f * (at / steps);
    float c = 0.5f * (1.0f + cosf(PI_F * turns));
    return lr * ((s->alpha + linear) * c + s->beta);
}

static float rate_at(const struct crew_optimizer *o, int64_t step)
{
    const struct crew_schedule *s = &o->schedule;
    float lr = o->learning_rate;
    switch (s->kind) {
        case CREW_SCHEDULE_NONE:
            return lr;
        case CREW_EXPONENTIAL_DECAY:
            return lr * powf(s->decay_rate, fraction_of(s, step));
        case CREW_NATURAL_EXP_DECAY:
            return lr * expf(-s->decay_rate * fraction_of(s, step));
        case CREW_INVERSE_TIME_DECAY:
            return lr / (1.0f + s->decay_rate * fraction_of(s, step));
        case CREW_POLYNOMIAL_DECAY:
            return polynomial(s, lr, step);
        case CREW_PIECEWISE_CONSTANT:
            return piecewise(s, step);
        case CREW_COSINE_DECAY:
            return cosine(s, lr, step);
        case CREW_COSINE_DECAY_RESTARTS:
            return restarts(s, lr, step);
        case CREW_LINEAR_COSINE_DECAY:
        case CREW_NOISY_LINEAR_COSINE_DECAY:
            return linear_cosine(s, lr, step);
    }
    return lr;
}

double crew_learning_rate(const struct crew_optimizer *o, int64_t global_step)
{
    return o != NULL ? (double)rate_at(o, global_step) : 0;
}

struct optim_step optim_step_at(const struct crew_optimizer *o,
                                const struct optim_powers *powers,
                                int64_t global_step)
{
    return (struct optim_step){.powers = *powers,
                               .learning_rate = rate_at(o, global_step),
                               .global_step = global_step};
}
