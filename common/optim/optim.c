/* SPDX-License-Identifier: Apache-2.0
 * What the update rules are called, what they keep and which constants they
 * take; the arithmetic is in rules.c and rows.c. */
#include "optim/optim.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"

#include "base/banned.h"

#define MAX_OWN_SLOTS 3
#define MAX_CONSTANTS 7

/* What a constant must be, beside finite. */
enum range { ANY = 0, NOT_NEGATIVE, POSITIVE, NOT_POSITIVE, BELOW_ONE };

struct constant {
    const char *name; /* NULL: the list is over */
    size_t offset;
    enum range range;
};
#define CONSTANT(name, range)                               \
    {                                                       \
#name, offsetof(struct crew_optimizer, name), range \
    }
#define RATE CONSTANT(learning_rate, ANY)
/* Where something is divided by the rate. */
#define POSITIVE_RATE CONSTANT(learning_rate, POSITIVE)
#define ACCUMULATOR CONSTANT(initial_accumulator_value, POSITIVE)

/* How a slot begins. */
enum start { ZEROS = 0, ONES, ACCUMULATED };

/* What differs between rules, beside the arithmetic. Slot k is the name and,
 * but for the first, _k. */
struct rule {
    const char *name;
    const char *slot_names[MAX_OWN_SLOTS];
    enum start start[MAX_OWN_SLOTS];
    struct constant constants[MAX_CONSTANTS + 1];
};

static const struct rule rules[] = {
    [CREW_GRADIENT_DESCENT] = {.name = "GradientDescent", .constants = {RATE}},
    [CREW_MOMENTUM] = {.name = "Momentum",
                       .slot_names = {"Momentum"},
                       .constants = {RATE, CONSTANT(momentum, ANY)}},
    [CREW_ADAM] = {.name = "Adam",
                   .slot_names = {"Adam", "Adam_1"},
                   .constants = {RATE, CONSTANT(beta1, BELOW_ONE),
                                 CONSTANT(beta2, BELOW_ONE),
                                 CONSTANT(epsilon, ANY)}},
    [CREW_ADAGRAD] = {.name = "Adagrad",
                      .slot_names = {"Adagrad"},
                      .start = {ACCUMULATED},
                      .constants = {RATE, ACCUMULATOR,
                                    CONSTANT(epsilon, NOT_NEGATIVE)}},
    [CREW_ADADELTA] = {.name = "Adadelta",
                       .slot_names = {"Adadelta", "Adadelta_1"},
                       .constants = {RATE, CONSTANT(decay, ANY),
                                     CONSTANT(epsilon, POSITIVE)}},
    [CREW_RMSPROP] = {.name = "RMSProp",
                      .slot_names = {"RMSProp", "RMSProp_1", "RMSProp_2"},
                      .start = {ONES},
                      .constants = {RATE, CONSTANT(decay, ANY),
                                    CONSTANT(momentum, ANY),
                                    CONSTANT(epsilon, NOT_NEGATIVE)}},
    [CREW_FTRL] = {.name = "Ftrl",
                   .slot_names = {"Ftrl", "Ftrl_1"},
                   .start = {ACCUMULATED},
                   .constants = {POSITIVE_RATE,
                                 CONSTANT(initial_accumulator_value,
                                          NOT_NEGATIVE),
                                 CONSTANT(l1, NOT_NEGATIVE),
                                 CONSTANT(l2, NOT_NEGATIVE),
                                 CONSTANT(l2_shrinkage, NOT_NEGATIVE),
                                 CONSTANT(beta, NOT_NEGATIVE),
                                 CONSTANT(learning_rate_power, NOT_POSITIVE)}},
    [CREW_ADAMW] = {.name = "AdamW",
                    .slot_names = {"AdamW", "AdamW_1"},
                    .constants = {RATE, CONSTANT(beta1, BELOW_ONE),
                                  CONSTANT(beta2, BELOW_ONE),
                                  CONSTANT(epsilon, ANY),
                                  CONSTANT(weight_decay, NOT_NEGATIVE)}},
    [CREW_PROXIMAL_GRADIENT_DESCENT] =
        {.name = "ProximalGradientDescent",
         .constants = {RATE, CONSTANT(l1, NOT_NEGATIVE),
                       CONSTANT(l2, NOT_NEGATIVE)}},
    [CREW_PROXIMAL_ADAGRAD] = {.name = "ProximalAdagrad",
                               .slot_names = {"ProximalAdagrad"},
                               .start = {ACCUMULATED},
                               .constants = {RATE, ACCUMULATOR,
                                             CONSTANT(l1, NOT_NEGATIVE),
                                             CONSTANT(l2, NOT_NEGATIVE)}},
    [CREW_ADAGRAD_DA] = {.name = "AdagradDA",
                         .slot_names = {"AdagradDA", "AdagradDA_1"},
                         .start = {ZEROS, ACCUMULATED},
                         .constants = {RATE, ACCUMULATOR,
                                       CONSTANT(l1, NOT_NEGATIVE),
                                       CONSTANT(l2, NOT_NEGATIVE)}},
    /* The "gradient" is where the variable moves to, the rate how far. */
    [CREW_ASSIGN] = {.name = "AssignMovingAverage",
                     .constants = {CONSTANT(learning_rate, NOT_NEGATIVE)}},
};

static const struct rule *rule_of(enum crew_optimizer_kind kind)
{
    size_t i = (size_t)kind;
    bool known = i < sizeof(rules) / sizeof(rules[0]) && rules[i].name != NULL;
    return known ? &rules[i] : NULL;
}

const char *optim_kind_name(enum crew_optimizer_kind kind)
{
    const struct rule *rule = rule_of(kind);
    return rule == NULL ? NULL : rule->name;
}

int optim_group_of(const struct optim_groups *groups, const char *name)
{
    int best = -1;
    size_t length = 0;
    for (int i = 0; i < groups->n; i++) {
        const char *scope = groups->group[i].scope;
        size_t n = strlen(scope);
        if (strncmp(scope, name, n) == 0 && (best < 0 || n > length)) {
            best = i;
            length = n;
        }
    }
    return best;
}

/* -------------------------------------------------------------------- slots */

/* Without the average. */
static int own_slots(const struct crew_optimizer *o)
{
    const struct rule *rule = rule_of(o->kind);
    PRE(rule != NULL);
    int n = 0;
    while (n < MAX_OWN_SLOTS && rule->slot_names[n] != NULL) {
        n++;
    }
    return o->kind == CREW_RMSPROP && !o->centered ? n - 1 : n;
}

int optim_average_slot(const struct crew_optimizer *o)
{
    return o->average.decay > 0.0f ? own_slots(o) : -1;
}

int optim_num_slots(const struct crew_optimizer *o)
{
    return own_slots(o) + (o->average.decay > 0.0f);
}

const char *optim_slot_name(const struct crew_optimizer *o, int slot)
{
    PRE(slot >= 0 && slot < optim_num_slots(o));
    return slot == optim_average_slot(o) ? "ExponentialMovingAverage"
                                         : rule_of(o->kind)->slot_names[slot];
}

void optim_slot_init(const struct crew_optimizer *o,
                     int slot,
                     int64_t n,
                     const float *value,
                     float *data)
{
    PRE(slot >= 0 && slot < optim_num_slots(o));
    bool average = slot == optim_average_slot(o);
    enum start start = average ? ZEROS : rule_of(o->kind)->start[slot];
    float all = start == ONES          ? 1.0f
                : start == ACCUMULATED ? o->initial_accumulator_value
                                       : 0.0f;
    for (int64_t i = 0; i < n; i++) {
        data[i] = average ? value[i] : all;
    }
}

/* ------------------------------------------------------------------- powers */

bool optim_has_powers(const struct crew_optimizer *o)
{
    return o->kind == CREW_ADAM || o->kind == CREW_ADAMW;
}

struct optim_powers optim_powers_initial(const struct crew_optimizer *o)
{
    return (struct optim_powers){o->beta1, o->beta2};
}

void optim_powers_advance(const struct crew_optimizer *o,
                          struct optim_powers *powers)
{
    if (optim_has_powers(o)) {
        powers->beta1_power *= o->beta1;
        powers->beta2_power *= o->beta2;
    }
}

/* ----------------------------------------------------------------- checking */

/* NULL: well; else what it must be. */
static const char *broken(enum range range, float v)
{
    static const char *const wanted[] = {
        [ANY] = "a finite number",
        [NOT_NEGATIVE] = "a finite number of at least 0",
        [POSITIVE] = "a finite number above 0",
        [NOT_POSITIVE] = "a finite number of at most 0",
        [BELOW_ONE] = "in [0, 1)", /* at 1 Adam divides by 1 - 1 */
    };
    bool well = isfinite(v);
    switch (range) {
        case ANY:
            break;
        case NOT_NEGATIVE:
            well = well && v >= 0.0f;
            break;
        case POSITIVE:
            well = well && v > 0.0f;
            break;
        case NOT_POSITIVE:
            well = well && v <= 0.0f;
            break;
        case BELOW_ONE:
            well = v >= 0.0f && v < 1.0f;
            break;
    }
    return well ? NULL : wanted[range];
}

static int refuse(const struct crew_optimizer *o,
                  const char *what,
                  const char *must,
                  double v,
                  struct crew_err *err)
{
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "%s optimizer: %s must be %s, not %g",
                        optim_kind_name(o->kind), what, must, v);
}

static int check_constants(const struct crew_optimizer *o, struct crew_err *err)
{
    const struct constant *c = rule_of(o->kind)->constants;
    for (; c->name != NULL; c++) {
        float v = *(const float *)((const char *)o + c->offset);
        bool unused =
            c->offset == offsetof(struct crew_optimizer, learning_rate) &&
            o->schedule.kind == CREW_PIECEWISE_CONSTANT;
        const char *must = unused ? NULL : broken(c->range, v);
        if (must != NULL) {
            return refuse(o, c->name, must, (double)v, err);
        }
    }
    return CREW_OK;
}

static int check_piecewise(const struct crew_optimizer *o, struct crew_err *err)
{
    const struct crew_schedule *s = &o->schedule;
    if (s->num_boundaries == SCHEDULE_OF_NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "crew_piecewise_constant: boundaries or values is "
                            "NULL");
    }
    if (s->num_boundaries < 1 || s->num_boundaries > CREW_MAX_BOUNDARIES) {
        return refuse(o, "the number of boundaries", "in [1, 16]",
                      s->num_boundaries, err);
    }
    for (int i = 0; i <= s->num_boundaries; i++) {
        if (!isfinite(s->values[i])) {
            return refuse(o, "a piecewise_constant value", "a finite number",
                          (double)s->values[i], err);
        }
        if (i > 0 && i < s->num_boundaries &&
            s->boundaries[i] <= s->boundaries[i - 1]) {
            return refuse(o, "a boundary", "above the one before it",
                          (double)s->boundaries[i], err);
        }
    }
    return CREW_OK;
}

static int check_schedule(const struct crew_optimizer *o, struct crew_err *err)
{
    const struct crew_schedule *s = &o->schedule;
    const struct {
        const char *name;
        float v;
        enum range range;
    } rows[] = {
        {"decay_rate", s->decay_rate, ANY},
        {"end_learning_rate", s->end_learning_rate, ANY},
        {"power", s->power, ANY},
        {"alpha", s->alpha, ANY},
        {"beta", s->beta, ANY},
        {"num_periods", s->num_periods, ANY},
        {"t_mul", s->t_mul,
         s->kind == CREW_COSINE_DECAY_RESTARTS ? POSITIVE : ANY},
        {"m_mul", s->m_mul, ANY},
        {"initial_variance", s->initial_variance, NOT_NEGATIVE},
        {"variance_decay", s->variance_decay, ANY},
    };
    if (s->kind == CREW_SCHEDULE_NONE) {
        return CREW_OK;
    }
    if ((unsigned)s->kind > CREW_NOISY_LINEAR_COSINE_DECAY) {
        return refuse(o, "the kind of its schedule", "one of crew.h's",
                      (double)s->kind, err);
    }
    if (s->kind == CREW_PIECEWISE_CONSTANT) {
        return check_piecewise(o, err);
    }
    if (s->decay_steps < 1) {
        return refuse(o, "decay_steps", "at least 1", (double)s->decay_steps,
                      err);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *must = broken(rows[i].range, rows[i].v);
        if (must != NULL) {
            return refuse(o, rows[i].name, must, (double)rows[i].v, err);
        }
    }
    return CREW_OK;
}

static int check_clip(const struct crew_optimizer *o, struct crew_err *err)
{
    const struct crew_clip *c = &o->clip;
    if ((unsigned)c->kind > CREW_CLIP_BY_GLOBAL_NORM) {
        return refuse(o, "the kind of its clip", "one of crew.h's",
                      (double)c->kind, err);
    }
    if (c->kind == CREW_CLIP_BY_VALUE && !(c->min <= c->max)) {
        return refuse(o, "the clip's min", "at most its max", (double)c->min,
                      err);
    }
    if (c->kind > CREW_CLIP_BY_VALUE && broken(POSITIVE, c->norm) != NULL) {
        return refuse(o, "the clip's norm", broken(POSITIVE, c->norm),
                      (double)c->norm, err);
    }
    if (c->along_axis && c->axis < 0) {
        return refuse(o, "the clip's axis", "at least 0", c->axis, err);
    }
    return CREW_OK;
}

int optim_check(const struct crew_optimizer *o, struct crew_err *err)
{
    if (rule_of(o->kind) == NULL) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "unknown optimizer kind %d; make it with a "
                            "function of crew.h, such as crew_adam",
                            (int)o->kind);
    }
    int rc = check_constants(o, err);
    rc = rc ? rc : check_schedule(o, err);
    rc = rc ? rc : check_clip(o, err);
    if (rc == CREW_OK && broken(BELOW_ONE, o->average.decay) != NULL) {
        rc = refuse(o, "the moving average's decay",
                    broken(BELOW_ONE, o->average.decay),
                    (double)o->average.decay, err);
    }
    return rc;
}

int optim_check_rate(const struct crew_optimizer *o,
                     float learning_rate,
                     int64_t global_step,
                     struct crew_err *err)
{
    enum range range = rule_of(o->kind)->constants[0].range;
    const char *must = broken(range, learning_rate);
    return must == NULL
               ? CREW_OK
               : crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                               "%s optimizer: its schedule gives a learning "
                               "rate of %g at step %lld; it must be %s",
                               optim_kind_name(o->kind), (double)learning_rate,
                               (long long)global_step, must);
}

float optim_rate_of_mean(const struct crew_optimizer *o,
                         float learning_rate,
                         int64_t count)
{
    if (o->kind != CREW_ASSIGN || count == 1) {
        return learning_rate;
    }
    return (float)(1.0 - pow(1.0 - (double)learning_rate, (double)count));
}

/* --------------------------------------------------------------- comparison */

static bool differ(double a, double b)
{
    return a < b || a > b;
}

const char *optim_difference(const struct crew_optimizer *a,
                             const struct crew_optimizer *b,
                             double *in_a,
                             double *in_b)
{
    const struct {
        const char *name;
        double a, b;
    } rows[] = {
#define OPTIM_FIELD(member, name, type) \
    {#name, (double)a->member, (double)b->member},
#include "optim/fields.h"
#undef OPTIM_FIELD
        {"number of boundaries", a->schedule.num_boundaries,
         b->schedule.num_boundaries},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (differ(rows[i].a, rows[i].b)) {
            *in_a = rows[i].a;
            *in_b = rows[i].b;
            return rows[i].name;
        }
    }
    for (int i = 0; i <= CREW_MAX_BOUNDARIES; i++) {
        const struct crew_schedule *x = &a->schedule, *y = &b->schedule;
        *in_a = (double)x->values[i];
        *in_b = (double)y->values[i];
        if (differ(*in_a, *in_b)) {
            return "values";
        }
        *in_a = i < CREW_MAX_BOUNDARIES ? (double)x->boundaries[i] : 0;
        *in_b = i < CREW_MAX_BOUNDARIES ? (double)y->boundaries[i] : 0;
        if (differ(*in_a, *in_b)) {
            return "boundaries";
        }
    }
    return NULL;
}
