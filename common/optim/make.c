/* SPDX-License-Identifier: Apache-2.0
 * The optimizers, schedules and clips of crew.h, with TensorFlow's defaults. */
#include "optim/optim.h"

#include "base/banned.h"

static struct crew_optimizer make(enum crew_optimizer_kind kind, double rate)
{
    return (struct crew_optimizer){.kind = kind, .learning_rate = (float)rate};
}

struct crew_optimizer crew_gradient_descent(double learning_rate)
{
    return make(CREW_GRADIENT_DESCENT, learning_rate);
}

struct crew_optimizer crew_momentum(double learning_rate,
                                    double momentum,
                                    bool use_nesterov)
{
    struct crew_optimizer o = make(CREW_MOMENTUM, learning_rate);
    o.momentum = (float)momentum;
    o.use_nesterov = use_nesterov;
    return o;
}

struct crew_optimizer crew_adam(double learning_rate)
{
    struct crew_optimizer o = make(CREW_ADAM, learning_rate);
    o.beta1 = 0.9f;
    o.beta2 = 0.999f;
    o.epsilon = 1e-8f;
    return o;
}

struct crew_optimizer crew_adamw(double learning_rate, double weight_decay)
{
    struct crew_optimizer o = crew_adam(learning_rate);
    o.kind = CREW_ADAMW;
    o.epsilon = 1e-7f;
    o.weight_decay = (float)weight_decay;
    return o;
}

struct crew_optimizer crew_adagrad(double learning_rate)
{
    struct crew_optimizer o = make(CREW_ADAGRAD, learning_rate);
    o.initial_accumulator_value = 0.1f;
    return o;
}

struct crew_optimizer crew_adadelta(double learning_rate)
{
    struct crew_optimizer o = make(CREW_ADADELTA, learning_rate);
    o.decay = 0.95f;
    o.epsilon = 1e-8f;
    return o;
}

struct crew_optimizer crew_rmsprop(double learning_rate)
{
    struct crew_optimizer o = make(CREW_RMSPROP, learning_rate);
    o.decay = 0.9f;
    o.epsilon = 1e-10f;
    return o;
}

struct crew_optimizer crew_ftrl(double learning_rate)
{
    struct crew_optimizer o = make(CREW_FTRL, learning_rate);
    o.learning_rate_power = -0.5f;
    o.initial_accumulator_value = 0.1f;
    return o;
}

static struct crew_optimizer regularized(enum crew_optimizer_kind kind,
                                         double learning_rate,
                                         double l1,
                                         double l2)
{
    struct crew_optimizer o = make(kind, learning_rate);
    o.l1 = (float)l1;
    o.l2 = (float)l2;
    if (kind != CREW_PROXIMAL_GRADIENT_DESCENT) {
        o.initial_accumulator_value = 0.1f;
    }
    return o;
}

struct crew_optimizer crew_proximal_gradient_descent(double learning_rate,
                                                     double l1,
                                                     double l2)
{
    return regularized(CREW_PROXIMAL_GRADIENT_DESCENT, learning_rate, l1, l2);
}

struct crew_optimizer crew_proximal_adagrad(double learning_rate,
                                            double l1,
                                            double l2)
{
    return regularized(CREW_PROXIMAL_ADAGRAD, learning_rate, l1, l2);
}

struct crew_optimizer crew_adagrad_da(double learning_rate,
                                      double l1,
                                      double l2)
{
    return regularized(CREW_ADAGRAD_DA, learning_rate, l1, l2);
}

struct crew_optimizer crew_sync_replicas(struct crew_optimizer o,
                                         int replicas_to_aggregate,
                                         int total_num_replicas)
{
    o.replicas_to_aggregate = replicas_to_aggregate;
    o.total_num_replicas = total_num_replicas;
    return o;
}

/* ---------------------------------------------------------------- schedules */

static struct crew_schedule by_rate(enum crew_schedule_kind kind,
                                    int64_t decay_steps,
                                    double decay_rate,
                                    bool staircase)
{
    return (struct crew_schedule){
        .kind = kind,
        .decay_steps = decay_steps,
        .decay_rate = (float)decay_rate,
        .staircase = staircase,
    };
}

struct crew_schedule crew_exponential_decay(int64_t decay_steps,
                                            double decay_rate,
                                            bool staircase)
{
    return by_rate(CREW_EXPONENTIAL_DECAY, decay_steps, decay_rate, staircase);
}

struct crew_schedule crew_natural_exp_decay(int64_t decay_steps,
                                            double decay_rate,
                                            bool staircase)
{
    return by_rate(CREW_NATURAL_EXP_DECAY, decay_steps, decay_rate, staircase);
}

struct crew_schedule crew_inverse_time_decay(int64_t decay_steps,
                                             double decay_rate,
                                             bool staircase)
{
    return by_rate(CREW_INVERSE_TIME_DECAY, decay_steps, decay_rate, staircase);
}

struct crew_schedule crew_polynomial_decay(int64_t decay_steps,
                                           double end_learning_rate,
                                           double power,
                                           bool cycle)
{
    return (struct crew_schedule){
        .kind = CREW_POLYNOMIAL_DECAY,
        .decay_steps = decay_steps,
        .end_learning_rate = (float)end_learning_rate,
        .power = (float)power,
        .cycle = cycle,
    };
}

/* Too many boundaries: optim_check tells. */
struct crew_schedule crew_piecewise_constant(const int64_t *boundaries,
                                             const double *values,
                                             int n)
{
    struct crew_schedule s = {.kind = CREW_PIECEWISE_CONSTANT,
                              .num_boundaries = n};

    if (values == NULL || (n > 0 && boundaries == NULL)) {
        s.num_boundaries = SCHEDULE_OF_NULL; /* optim_check() says it */
        return s;
    }
    for (int i = 0; i <= n && i <= CREW_MAX_BOUNDARIES; i++) {
        s.values[i] = (float)values[i];
        if (i < n && i < CREW_MAX_BOUNDARIES) {
            s.boundaries[i] = boundaries[i];
        }
    }
    return s;
}

struct crew_schedule crew_cosine_decay(int64_t decay_steps, double alpha)
{
    return (struct crew_schedule){
        .kind = CREW_COSINE_DECAY,
        .decay_steps = decay_steps,
        .alpha = (float)alpha,
    };
}

struct crew_schedule crew_cosine_decay_restarts(int64_t first_decay_steps,
                                                double t_mul,
                                                double m_mul,
                                                double alpha)
{
    return (struct crew_schedule){
        .kind = CREW_COSINE_DECAY_RESTARTS,
        .decay_steps = first_decay_steps,
        .t_mul = (float)t_mul,
        .m_mul = (float)m_mul,
        .alpha = (float)alpha,
    };
}

struct crew_schedule crew_linear_cosine_decay(int64_t decay_steps,
                                              double num_periods,
                                              double alpha,
                                              double beta)
{
    return (struct crew_schedule){
        .kind = CREW_LINEAR_COSINE_DECAY,
        .decay_steps = decay_steps,
        .num_periods = (float)num_periods,
        .alpha = (float)alpha,
        .beta = (float)beta,
    };
}

struct crew_schedule crew_noisy_linear_cosine_decay(int64_t decay_steps,
                                                    double initial_variance,
                                                    double variance_decay,
                                                    double num_periods,
                                                    double alpha,
                                                    double beta)
{
    struct crew_schedule s =
        crew_linear_cosine_decay(decay_steps, num_periods, alpha, beta);
    s.kind = CREW_NOISY_LINEAR_COSINE_DECAY;
    s.initial_variance = (float)initial_variance;
    s.variance_decay = (float)variance_decay;
    return s;
}

/* -------------------------------------------------------------------- clips */

struct crew_clip crew_clip_by_value(double min, double max)
{
    return (struct crew_clip){
        .kind = CREW_CLIP_BY_VALUE, .min = (float)min, .max = (float)max};
}

static struct crew_clip by_norm(enum crew_clip_kind kind, double norm)
{
    return (struct crew_clip){.kind = kind, .norm = (float)norm};
}

struct crew_clip crew_clip_by_norm(double norm)
{
    return by_norm(CREW_CLIP_BY_NORM, norm);
}

struct crew_clip crew_clip_by_average_norm(double norm)
{
    return by_norm(CREW_CLIP_BY_AVERAGE_NORM, norm);
}

struct crew_clip crew_clip_by_global_norm(double norm)
{
    return by_norm(CREW_CLIP_BY_GLOBAL_NORM, norm);
}
