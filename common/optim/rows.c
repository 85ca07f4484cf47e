/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of some rows of a table. A row is updated as a variable of its own
 * would be; Adam that is not lazy moves the whole table, as TensorFlow's does.
 * Source: tensorflow/python/training/{optimizer,adam}.py. */
#include <math.h>

#include "base/check.h"
#include "optim/loops.h"
#include "optim/rules.h"

#include "base/banned.h"

/* Rows ahead whose memory is asked for. */
#define AHEAD 8

CLONES static void fade(int64_t n, float by, float *restrict x)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] *= by;
    }
}

CLONES static void adam_add(const struct crew_optimizer *o,
                            int64_t n,
                            float *restrict m,
                            float *restrict v,
                            const float *restrict grad)
{
    float one_minus_beta1 = 1.0f - o->beta1, one_minus_beta2 = 1.0f - o->beta2;
    for (int64_t i = 0; i < n; i++) {
        m[i] += grad[i] * one_minus_beta1;
        v[i] += grad[i] * grad[i] * one_minus_beta2;
    }
}

CLONES static void adam_move(float alpha,
                             float epsilon,
                             int64_t n,
                             float *restrict var,
                             const float *restrict m,
                             const float *restrict v)
{
    for (int64_t i = 0; i < n; i++) {
        var[i] -= m[i] * alpha / (sqrtf(v[i]) + epsilon);
    }
}

static const float *values_of(const struct optim_rows *r, int64_t i)
{
    return r->values + (r->in_place ? r->rows[i] : i) * r->width;
}

bool optim_moves_rows_only(const struct crew_optimizer *o)
{
    return !optim_has_powers(o) || o->lazy;
}

static void adam_table(const struct rule_step *s,
                       int64_t n,
                       float *var,
                       float *const *slot,
                       const struct optim_rows *rows)
{
    const struct crew_optimizer *o = s->o;
    float *m = slot[0];
    float *v = slot[1];
    fade(n, o->beta1, m);
    fade(n, o->beta2, v);
    if (o->kind == CREW_ADAMW) {
        fade(n, 1.0f - o->weight_decay * s->lr, var);
    }
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t at = rows->rows[i] * rows->width;
        adam_add(o, rows->width, m + at, v + at, values_of(rows, i));
    }
    adam_move(s->alpha, o->epsilon, n, var, m, v);
}

static void ask_for(const struct optim_rows *rows,
                    int64_t i,
                    const float *var,
                    float *const *slot,
                    int num_slots)
{
    int64_t at = rows->rows[i] * rows->width;
    __builtin_prefetch(var + at, 1);
    for (int k = 0; k < num_slots; k++) {
        __builtin_prefetch(slot[k] + at, 1);
    }
}

static void apply_each(const struct rule_step *s,
                       int64_t table_rows,
                       float *var,
                       float *const *slot,
                       int num_slots,
                       const struct optim_rows *rows)
{
    for (int64_t i = 0; i < rows->n; i++) {
        float *at_slot[OPTIM_MAX_SLOTS] = {NULL};
        int64_t row = rows->rows[i], at = row * rows->width;
        PRE(row < table_rows);
        if (i + AHEAD < rows->n) {
            ask_for(rows, i + AHEAD, var, slot, num_slots);
        }
        for (int k = 0; k < num_slots; k++) {
            at_slot[k] = slot[k] + at;
        }
        rule_apply(s, rows->width, var + at, at_slot, values_of(rows, i));
    }
}

void optim_apply_rows(const struct crew_optimizer *o,
                      const struct optim_step *step,
                      int64_t table_rows,
                      float *var,
                      float *const slots[OPTIM_MAX_SLOTS],
                      const struct optim_rows *rows)
{
    PRE(optim_kind_name(o->kind) != NULL);
    struct rule_step s = rule_step_of(o, step);
    int average = optim_average_slot(o);
    int64_t n = table_rows * rows->width;
    if (!optim_moves_rows_only(o)) {
        for (int64_t i = 0; i < rows->n; i++) {
            PRE(rows->rows[i] < table_rows);
        }
        adam_table(&s, n, var, slots, rows);
    } else {
        apply_each(&s, table_rows, var, slots,
                   average >= 0 ? average : optim_num_slots(o), rows);
    }
    if (average >= 0) {
        optim_average(&o->average, step->global_step, n, var, slots[average]);
    }
}
