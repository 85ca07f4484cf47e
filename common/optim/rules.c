/* SPDX-License-Identifier: Apache-2.0
 *
 * The update rules of TensorFlow's training_ops.cc, in float32 and in its order
 * of operations, so that a run continued from its checkpoint goes on as it
 * would have there. */
#include <math.h>

#include "base/check.h"
#include "optim/loops.h"
#include "optim/optim.h"
#include "optim/rules.h"

#include "base/banned.h"

CLONES static void gradient_descent(const struct rule_step *s,
                                    int64_t n,
                                    float *restrict var,
                                    const float *restrict grad)
{
    float lr = s->lr;
    for (int64_t i = 0; i < n; i++) {
        var[i] -= grad[i] * lr;
    }
}

CLONES static void momentum(const struct rule_step *s,
                            int64_t n,
                            float *restrict var,
                            float *restrict accum,
                            const float *restrict grad)
{
    float lr = s->lr, momentum = s->o->momentum;
    for (int64_t i = 0; i < n; i++) {
        accum[i] = accum[i] * momentum + grad[i];
        var[i] -= accum[i] * lr;
    }
}

CLONES static void nesterov(const struct rule_step *s,
                            int64_t n,
                            float *restrict var,
                            float *restrict accum,
                            const float *restrict grad)
{
    float lr = s->lr, momentum = s->o->momentum;
    for (int64_t i = 0; i < n; i++) {
        accum[i] = accum[i] * momentum + grad[i];
        var[i] -= grad[i] * lr + accum[i] * momentum * lr;
    }
}

CLONES static void adam(const struct rule_step *s,
                        int64_t n,
                        float *restrict var,
                        float *restrict m,
                        float *restrict v,
                        const float *restrict grad)
{
    float alpha = s->alpha, one_minus_beta1 = 1.0f - s->o->beta1,
          one_minus_beta2 = 1.0f - s->o->beta2, epsilon = s->o->epsilon;
    for (int64_t i = 0; i < n; i++) {
        m[i] += (grad[i] - m[i]) * one_minus_beta1;
        v[i] += (grad[i] * grad[i] - v[i]) * one_minus_beta2;
        var[i] -= m[i] * alpha / (sqrtf(v[i]) + epsilon);
    }
}

CLONES static void adamw(const struct rule_step *s,
                         int64_t n,
                         float *restrict var,
                         float *restrict m,
                         float *restrict v,
                         const float *restrict grad)
{
    float alpha = s->alpha, one_minus_beta1 = 1.0f - s->o->beta1,
          one_minus_beta2 = 1.0f - s->o->beta2, epsilon = s->o->epsilon,
          weight_decay = s->o->weight_decay * s->lr;
    for (int64_t i = 0; i < n; i++) {
        float w = var[i] - var[i] * weight_decay;
        m[i] += (grad[i] - m[i]) * one_minus_beta1;
        v[i] += (grad[i] * grad[i] - v[i]) * one_minus_beta2;
        var[i] = w - m[i] * alpha / (sqrtf(v[i]) + epsilon);
    }
}

CLONES static void adagrad(const struct rule_step *s,
                           int64_t n,
                           float *restrict var,
                           float *restrict accum,
                           const float *restrict grad)
{
    float lr = s->lr, epsilon = s->o->epsilon;
    for (int64_t i = 0; i < n; i++) {
        accum[i] += grad[i] * grad[i];
        var[i] -= grad[i] * lr / (sqrtf(accum[i]) + epsilon);
    }
}

CLONES static void adadelta(const struct rule_step *s,
                            int64_t n,
                            float *restrict var,
                            float *restrict accum,
                            float *restrict accum_update,
                            const float *restrict grad)
{
    float lr = s->lr, rho = s->o->decay, rest = 1.0f - rho,
          epsilon = s->o->epsilon;
    for (int64_t i = 0; i < n; i++) {
        accum[i] = accum[i] * rho + grad[i] * grad[i] * rest;
        float update = sqrtf(accum_update[i] + epsilon) /
                       sqrtf(accum[i] + epsilon) * grad[i];
        var[i] -= update * lr;
        accum_update[i] = accum_update[i] * rho + update * update * rest;
    }
}

CLONES static void rmsprop(const struct rule_step *s,
                           int64_t n,
                           float *restrict var,
                           float *restrict ms,
                           float *restrict mom,
                           const float *restrict grad)
{
    float lr = s->lr, rest = 1.0f - s->o->decay, momentum = s->o->momentum,
          epsilon = s->o->epsilon;
    for (int64_t i = 0; i < n; i++) {
        ms[i] += (grad[i] * grad[i] - ms[i]) * rest;
        mom[i] = mom[i] * momentum + grad[i] * lr / sqrtf(ms[i] + epsilon);
        var[i] -= mom[i];
    }
}

CLONES static void rmsprop_centered(const struct rule_step *s,
                                    int64_t n,
                                    float *restrict var,
                                    float *restrict ms,
                                    float *restrict mg,
                                    float *restrict mom,
                                    const float *restrict grad)
{
    float lr = s->lr, rest = 1.0f - s->o->decay, momentum = s->o->momentum,
          epsilon = s->o->epsilon;
    for (int64_t i = 0; i < n; i++) {
        ms[i] += (grad[i] * grad[i] - ms[i]) * rest;
        mg[i] += (grad[i] - mg[i]) * rest;
        float denominator = ms[i] - mg[i] * mg[i] + epsilon;
        mom[i] = mom[i] * momentum + grad[i] * lr / sqrtf(denominator);
        var[i] -= mom[i];
    }
}

/* learning_rate_power -0.5: square roots. */
CLONES static void ftrl_sqrt(const struct rule_step *s,
                             int64_t n,
                             float *restrict var,
                             float *restrict accum,
                             float *restrict linear,
                             const float *restrict grad)
{
    float lr = s->lr, l1 = s->o->l1, two_l2 = s->two_l2,
          two_shrinkage = 2.0f * s->o->l2_shrinkage;
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] + two_shrinkage * var[i];
        float now = accum[i] + grad[i] * grad[i];
        float root = sqrtf(now);
        float z = linear[i] + g - (root - sqrtf(accum[i])) / lr * var[i];
        float x = copysignf(l1, z) - z;
        float y = root / lr + two_l2;
        var[i] = fabsf(z) > l1 ? x / y : 0.0f;
        linear[i] = z;
        accum[i] = now;
    }
}

static void ftrl_power(const struct rule_step *s,
                       int64_t n,
                       float *restrict var,
                       float *restrict accum,
                       float *restrict linear,
                       const float *restrict grad)
{
    float lr = s->lr, l1 = s->o->l1, two_l2 = s->two_l2,
          two_shrinkage = 2.0f * s->o->l2_shrinkage,
          power = -s->o->learning_rate_power;
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] + two_shrinkage * var[i];
        float now = accum[i] + grad[i] * grad[i];
        float root = powf(now, power);
        float z = linear[i] + g - (root - powf(accum[i], power)) / lr * var[i];
        float x = copysignf(l1, z) - z;
        float y = root / lr + two_l2;
        var[i] = fabsf(z) > l1 ? x / y : 0.0f;
        linear[i] = z;
        accum[i] = now;
    }
}

/* What is left of p when `by` is taken from its size, l2 in the denominator. */
static inline float shrunk(float p, float by, float one_plus_l2)
{
    float left = fabsf(p) - by;
    return copysignf(left < 0.0f ? 0.0f : left, p) / one_plus_l2;
}

CLONES static void proximal_gradient_descent(const struct rule_step *s,
                                             int64_t n,
                                             float *restrict var,
                                             const float *restrict grad)
{
    float lr = s->lr, by = lr * s->o->l1, one_plus_l2 = 1.0f + lr * s->o->l2;
    for (int64_t i = 0; i < n; i++) {
        var[i] = shrunk(var[i] - grad[i] * lr, by, one_plus_l2);
    }
}

CLONES static void proximal_adagrad(const struct rule_step *s,
                                    int64_t n,
                                    float *restrict var,
                                    float *restrict accum,
                                    const float *restrict grad)
{
    float l1 = s->o->l1, l2 = s->o->l2, rate = s->lr;
    for (int64_t i = 0; i < n; i++) {
        accum[i] += grad[i] * grad[i];
        float lr = rate / sqrtf(accum[i]);
        var[i] = shrunk(var[i] - grad[i] * lr, lr * l1, 1.0f + l2 * lr);
    }
}

CLONES static void adagrad_da(const struct rule_step *s,
                              int64_t n,
                              float *restrict var,
                              float *restrict sum,
                              float *restrict squares,
                              const float *restrict grad)
{
    float t = (float)(s->step->global_step + 1), lr = s->lr, by = s->o->l1 * t,
          bottom = s->o->l2 * t * lr;
    for (int64_t i = 0; i < n; i++) {
        sum[i] += grad[i];
        squares[i] += grad[i] * grad[i];
        float top = -lr * shrunk(sum[i], by, 1.0f);
        var[i] = top / (bottom + sqrtf(squares[i]));
    }
}

struct rule_step rule_step_of(const struct crew_optimizer *o,
                              const struct optim_step *step)
{
    struct rule_step s = {.o = o, .step = step, .lr = step->learning_rate};
    if (optim_has_powers(o)) {
        s.alpha = s.lr * sqrtf(1.0f - step->powers.beta2_power) /
                  (1.0f - step->powers.beta1_power);
    } else if (o->kind == CREW_FTRL) {
        float l2 = o->beta > 0.0f ? o->l2 + o->beta / (2.0f * s.lr) : o->l2;
        s.two_l2 = 2.0f * l2;
    }
    return s;
}

CLONES static void average_by(float rest,
                              int64_t n,
                              const float *restrict value,
                              float *restrict average)
{
    for (int64_t i = 0; i < n; i++) {
        average[i] -= (average[i] - value[i]) * rest;
    }
}

void rule_apply(const struct rule_step *s,
                int64_t n,
                float *var,
                float *const *slot,
                const float *grad)
{
    const struct crew_optimizer *o = s->o;
    switch (o->kind) {
        case CREW_GRADIENT_DESCENT:
            gradient_descent(s, n, var, grad);
            break;
        case CREW_MOMENTUM:
            (o->use_nesterov ? nesterov : momentum)(s, n, var, slot[0], grad);
            break;
        case CREW_ADAM:
            adam(s, n, var, slot[0], slot[1], grad);
            break;
        case CREW_ADAMW:
            adamw(s, n, var, slot[0], slot[1], grad);
            break;
        case CREW_ADAGRAD:
            adagrad(s, n, var, slot[0], grad);
            break;
        case CREW_ADADELTA:
            adadelta(s, n, var, slot[0], slot[1], grad);
            break;
        case CREW_RMSPROP:
            if (o->centered) {
                rmsprop_centered(s, n, var, slot[0], slot[1], slot[2], grad);
            } else {
                rmsprop(s, n, var, slot[0], slot[1], grad);
            }
            break;
        case CREW_FTRL: {
            bool root = o->learning_rate_power == -0.5f;
            (root ? ftrl_sqrt : ftrl_power)(s, n, var, slot[0], slot[1], grad);
            break;
        }
        case CREW_PROXIMAL_GRADIENT_DESCENT:
            proximal_gradient_descent(s, n, var, grad);
            break;
        case CREW_PROXIMAL_ADAGRAD:
            proximal_adagrad(s, n, var, slot[0], grad);
            break;
        case CREW_ADAGRAD_DA:
            adagrad_da(s, n, var, slot[0], slot[1], grad);
            break;
        case CREW_ASSIGN:
            average_by(s->lr, n, grad, var);
            break;
    }
}

void optim_average(const struct crew_moving_average *a,
                   int64_t global_step,
                   int64_t n,
                   const float *value,
                   float *average)
{
    float decay = a->decay;
    if (a->num_updates) {
        float t = (float)global_step, most = (1.0f + t) / (10.0f + t);
        decay = decay < most ? decay : most;
    }
    average_by(1.0f - decay, n, value, average);
}

void optim_apply(const struct crew_optimizer *o,
                 const struct optim_step *step,
                 int64_t n,
                 float *var,
                 float *const slots[OPTIM_MAX_SLOTS],
                 const float *grad)
{
    PRE(optim_kind_name(o->kind) != NULL);
    struct rule_step s = rule_step_of(o, step);
    int average = optim_average_slot(o);
    rule_apply(&s, n, var, slots, grad);
    if (average >= 0) {
        optim_average(&o->average, step->global_step, n, var, slots[average]);
    }
}
