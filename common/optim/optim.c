/* SPDX-License-Identifier: Apache-2.0
 *
 * The update rules of TensorFlow's training_ops.cc, in float32 and in its order
 * of operations, so that a run continued from its checkpoint goes on as it
 * would have there. */
#include "optim/optim.h"

#include <math.h>
#include <stddef.h>

#include "base/check.h"

#include "base/banned.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OPTIM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OPTIM_SANITIZED 1
#endif
#endif

/* One body, compiled for each vector length; the loader picks one. Sanitizers
 * instrument functions that the loader would call too early. */
#if defined(__x86_64__) && !defined(OPTIM_SANITIZED)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

struct crew_optimizer crew_gradient_descent(double learning_rate)
{
    return (struct crew_optimizer){
        .kind = CREW_GRADIENT_DESCENT,
        .learning_rate = (float)learning_rate,
    };
}

struct crew_optimizer crew_momentum(double learning_rate,
                                    double momentum,
                                    bool use_nesterov)
{
    return (struct crew_optimizer){
        .kind = CREW_MOMENTUM,
        .learning_rate = (float)learning_rate,
        .momentum = (float)momentum,
        .use_nesterov = use_nesterov,
    };
}

struct crew_optimizer crew_adam(double learning_rate)
{
    return (struct crew_optimizer){
        .kind = CREW_ADAM,
        .learning_rate = (float)learning_rate,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
    };
}

/* What differs between rules, beside the arithmetic. */
struct rule {
    const char* name;
    int num_slots;
    const char* slot_names[OPTIM_MAX_SLOTS];
};

static const struct rule* rule_of(enum crew_optimizer_kind kind)
{
    static const struct rule gradient_descent = {"GradientDescent", 0, {NULL}};
    static const struct rule momentum = {"Momentum", 1, {"Momentum"}};
    static const struct rule adam = {"Adam", 2, {"Adam", "Adam_1"}};
    switch (kind) {
        case CREW_GRADIENT_DESCENT:
            return &gradient_descent;
        case CREW_MOMENTUM:
            return &momentum;
        case CREW_ADAM:
            return &adam;
    }
    return NULL;
}

int optim_num_slots(const struct crew_optimizer* o)
{
    const struct rule* rule = rule_of(o->kind);
    PRE(rule != NULL);
    return rule->num_slots;
}

const char* optim_slot_name(const struct crew_optimizer* o, int slot)
{
    PRE(slot >= 0 && slot < optim_num_slots(o));
    return rule_of(o->kind)->slot_names[slot];
}

float optim_slot_initial(const struct crew_optimizer* o, int slot)
{
    PRE(slot >= 0 && slot < optim_num_slots(o));
    return 0.0f;
}

const char* optim_kind_name(enum crew_optimizer_kind kind)
{
    const struct rule* rule = rule_of(kind);
    return rule == NULL ? NULL : rule->name;
}

static int check_finite(const char* rule,
                        const char* what,
                        float value,
                        struct crew_err* err)
{
    if (isfinite(value)) {
        return CREW_OK;
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "%s optimizer: %s must be a finite number, not %g",
                        rule, what, (double)value);
}

/* At 1 a power never moves and Adam divides by 1 - 1. */
static int check_beta(const char* what, float value, struct crew_err* err)
{
    if (value >= 0.0f && value < 1.0f) {
        return CREW_OK;
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "Adam optimizer: %s must be in [0, 1), not %g", what,
                        (double)value);
}

int optim_check(const struct crew_optimizer* o, struct crew_err* err)
{
    const struct rule* rule = rule_of(o->kind);
    if (rule == NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "unknown optimizer kind %d; make it with "
                            "crew_gradient_descent, crew_momentum or crew_adam",
                            (int)o->kind);
    }
    int rc = check_finite(rule->name, "learning_rate", o->learning_rate, err);
    if (rc == CREW_OK && o->kind == CREW_MOMENTUM) {
        rc = check_finite(rule->name, "momentum", o->momentum, err);
    }
    if (rc == CREW_OK && o->kind == CREW_ADAM) {
        rc = check_beta("beta1", o->beta1, err);
        rc = rc ? rc : check_beta("beta2", o->beta2, err);
        rc = rc ? rc : check_finite(rule->name, "epsilon", o->epsilon, err);
    }
    return rc;
}

struct optim_powers optim_powers_initial(const struct crew_optimizer* o)
{
    return (struct optim_powers){o->beta1, o->beta2};
}

void optim_powers_advance(const struct crew_optimizer* o,
                          struct optim_powers* powers)
{
    if (o->kind == CREW_ADAM) {
        powers->beta1_power *= o->beta1;
        powers->beta2_power *= o->beta2;
    }
}

CLONES static void apply_gradient_descent(int64_t n,
                                          float lr,
                                          float* restrict var,
                                          const float* restrict grad)
{
    for (int64_t i = 0; i < n; i++) {
        var[i] -= grad[i] * lr;
    }
}

CLONES static void apply_momentum(int64_t n,
                                  float lr,
                                  float momentum,
                                  float* restrict var,
                                  float* restrict accum,
                                  const float* restrict grad)
{
    for (int64_t i = 0; i < n; i++) {
        accum[i] = accum[i] * momentum + grad[i];
        var[i] -= accum[i] * lr;
    }
}

CLONES static void apply_nesterov(int64_t n,
                                  float lr,
                                  float momentum,
                                  float* restrict var,
                                  float* restrict accum,
                                  const float* restrict grad)
{
    for (int64_t i = 0; i < n; i++) {
        accum[i] = accum[i] * momentum + grad[i];
        var[i] -= grad[i] * lr + accum[i] * momentum * lr;
    }
}

/* What of Adam is the same for all elements. */
struct adam_step {
    float alpha, one_minus_beta1, one_minus_beta2, epsilon;
};

CLONES static void apply_adam(int64_t n,
                              struct adam_step s,
                              float* restrict var,
                              float* restrict m,
                              float* restrict v,
                              const float* restrict grad)
{
    for (int64_t i = 0; i < n; i++) {
        m[i] += (grad[i] - m[i]) * s.one_minus_beta1;
        v[i] += (grad[i] * grad[i] - v[i]) * s.one_minus_beta2;
        var[i] -= m[i] * s.alpha / (sqrtf(v[i]) + s.epsilon);
    }
}

static struct adam_step adam_step_of(const struct crew_optimizer* o,
                                     const struct optim_powers* powers)
{
    return (struct adam_step){
        .alpha = o->learning_rate * sqrtf(1.0f - powers->beta2_power) /
                 (1.0f - powers->beta1_power),
        .one_minus_beta1 = 1.0f - o->beta1,
        .one_minus_beta2 = 1.0f - o->beta2,
        .epsilon = o->epsilon,
    };
}

void optim_apply(const struct crew_optimizer* o,
                 const struct optim_powers* powers,
                 int64_t n,
                 float* var,
                 float* const slots[OPTIM_MAX_SLOTS],
                 const float* grad)
{
    PRE(rule_of(o->kind) != NULL);
    switch (o->kind) {
        case CREW_GRADIENT_DESCENT:
            apply_gradient_descent(n, o->learning_rate, var, grad);
            break;
        case CREW_MOMENTUM:
            if (o->use_nesterov) {
                apply_nesterov(n, o->learning_rate, o->momentum, var, slots[0],
                               grad);
            } else {
                apply_momentum(n, o->learning_rate, o->momentum, var, slots[0],
                               grad);
            }
            break;
        case CREW_ADAM:
            apply_adam(n, adam_step_of(o, powers), var, slots[0], slots[1],
                       grad);
            break;
    }
}
