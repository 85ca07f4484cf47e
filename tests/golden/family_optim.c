/* SPDX-License-Identifier: Apache-2.0
 * Family optim: dense.json's and sparse.json's optimizers, every variable, slot
 * and power after every step; moving averages and clips are in
 * optim_more.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "golden_families.h"
#include "optim_more.h"

#include "base/banned.h"

enum { MAX_STATES = 64 };

const struct golden_tolerance optim_tolerance = {1e-5, 1e-6};

/* One state of a case: what TensorFlow had at first and after each step, and
 * ours. */
struct state {
    const char *name;
    struct golden_array want;
    struct crew_shape shape;
    float *value;
    int64_t n;
    bool seen; /* a variable, slot or power of ours */
};

struct run {
    struct crew_optimizer optimizer;
    struct optim_powers powers;
    struct state states[MAX_STATES];
    int num_states;
};

/* -------------------------------------------------------------- optimizers */

struct kind {
    const char *name;
    struct crew_optimizer optimizer; /* TensorFlow's defaults */
};

static bool find_kind(const char *name, struct crew_optimizer *out)
{
    const struct kind kinds[] = {
        {"GradientDescent", crew_gradient_descent(0)},
        {"Momentum", crew_momentum(0, 0, false)},
        {"Adam", crew_adam(0.001)},
        {"keras.AdamW", crew_adamw(0.001, 0.004)},
        {"Adagrad", crew_adagrad(0)},
        {"Adadelta", crew_adadelta(0.001)},
        {"RMSProp", crew_rmsprop(0)},
        {"Ftrl", crew_ftrl(0)},
        {"ProximalAdagrad", crew_proximal_adagrad(0, 0, 0)},
        {"ProximalGradientDescent", crew_proximal_gradient_descent(0, 0, 0)},
        {"AdagradDA", crew_adagrad_da(0, 0, 0)},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *out = kinds[i].optimizer;
            return true;
        }
    }
    return false;
}

/* Where an argument of TensorFlow's is kept; NULL: there is none such. */
static float *place_of(struct crew_optimizer *o, const char *key)
{
    const struct {
        const char *key;
        float *place;
    } rows[] = {
        {"learning_rate", &o->learning_rate},
        {"momentum", &o->momentum},
        {"beta1", &o->beta1},
        {"beta2", &o->beta2},
        {"beta_1", &o->beta1},
        {"beta_2", &o->beta2},
        {"epsilon", &o->epsilon},
        {"decay", &o->decay},
        {"rho", &o->decay},
        {"weight_decay", &o->weight_decay},
        {"beta", &o->beta},
        {"initial_accumulator_value", &o->initial_accumulator_value},
        {"initial_gradient_squared_accumulator_value",
         &o->initial_accumulator_value},
        {"learning_rate_power", &o->learning_rate_power},
        {"l1_regularization_strength", &o->l1},
        {"l2_regularization_strength", &o->l2},
        {"l2_shrinkage_regularization_strength", &o->l2_shrinkage},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(key, rows[i].key) == 0) {
            return rows[i].place;
        }
    }
    return NULL;
}

static int make_optimizer(const cJSON *c, struct crew_optimizer *out)
{
    struct crew_err err = {0};
    const cJSON *item;
    if (!find_kind(golden_text(c, "optimizer"), out)) {
        return golden_trouble(65, "there is no optimizer %s",
                              golden_text(c, "optimizer"));
    }
    cJSON_ArrayForEach(item, golden_member(c, "arguments"))
    {
        float *place = place_of(out, item->string);
        if (place != NULL) {
            *place = (float)golden_number(item);
        } else if (strcmp(item->string, "use_nesterov") == 0) {
            out->use_nesterov = cJSON_IsTrue(item) != 0;
        } else if (strcmp(item->string, "centered") == 0) {
            out->centered = cJSON_IsTrue(item) != 0;
        } else {
            return golden_trouble(65, "%s has no argument %s",
                                  golden_text(c, "optimizer"), item->string);
        }
    }
    return optim_check(out, &err) == CREW_OK
               ? 0
               : golden_trouble(65, "%s", err.msg);
}

/* ------------------------------------------------------------------ states */

static int read_states(const cJSON *c, struct run *run)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, golden_member(c, "states"))
    {
        if (run->num_states == MAX_STATES) {
            return golden_trouble(65, "a case of more than %d states",
                                  MAX_STATES);
        }
        struct state *s = &run->states[run->num_states++];
        struct golden_array initial;
        s->name = golden_text(item, "name");
        golden_array_read(golden_member(item, "initial"), &initial);
        golden_array_read(golden_member(item, "after_step"), &s->want);
        s->n = initial.n;
        s->shape = initial.shape;
        s->value = golden_array_floats(&initial);
        golden_array_release(&initial);
    }
    return 0;
}

static struct state *find_state(struct run *run, const char *name)
{
    for (int i = 0; i < run->num_states; i++) {
        if (strcmp(run->states[i].name, name) == 0) {
            run->states[i].seen = true;
            return &run->states[i];
        }
    }
    return NULL;
}

/* Slots get what we begin with, not what TensorFlow does: that is compared. The
 * slots of Keras are not in the files: ours live here. */
static int make_slots(struct run *run,
                      int v,
                      struct golden_report *report,
                      float *slots[OPTIM_MAX_SLOTS],
                      float *own[OPTIM_MAX_SLOTS])
{
    struct state *var = &run->states[v];
    bool listed = run->optimizer.kind != CREW_ADAMW;
    var->seen = true;
    for (int k = 0; k < optim_num_slots(&run->optimizer); k++) {
        char name[256];
        snprintf(name, sizeof(name), "%s/%s", var->name,
                 optim_slot_name(&run->optimizer, k));
        struct state *slot = listed ? find_state(run, name) : NULL;
        if (listed && (slot == NULL || slot->n != var->n)) {
            return golden_trouble(65, "no state %s of %ld numbers", name,
                                  (long)var->n);
        }
        own[k] = calloc((size_t)var->n + 1, sizeof(float));
        slots[k] = own[k];
        optim_slot_init(&run->optimizer, k, var->n, var->value, own[k]);
        if (slot != NULL) {
            struct golden_array initial = {.n = slot->n};
            initial.number = calloc((size_t)slot->n + 1, sizeof(double));
            for (int64_t i = 0; i < slot->n; i++) {
                initial.number[i] = (double)slot->value[i];
            }
            golden_same_floats(report, name, own[k], slot->n, &initial,
                               optim_tolerance);
            free(initial.number);
            free(slot->value);
            slot->value = own[k];
            own[k] = NULL;
        }
    }
    return 0;
}

/* ----------------------------------------------------------------- updates */

static int apply_dense(struct run *run,
                       int v,
                       const cJSON *gradient,
                       int64_t step,
                       const struct optim_step *now,
                       float *const *slots)
{
    struct state *var = &run->states[v];
    struct golden_array all;
    golden_array_read(golden_member(gradient, "values"), &all);
    float *grad = golden_array_floats(&all);
    bool well = all.n >= (step + 1) * var->n;
    if (well) {
        optim_apply(&run->optimizer, now, var->n, var->value, slots,
                    grad + step * var->n);
    }
    free(grad);
    golden_array_release(&all);
    return well ? 0
                : golden_trouble(65, "a gradient of %s is short", var->name);
}

static int apply_sparse(struct run *run,
                        int v,
                        const cJSON *gradient,
                        int64_t step,
                        const struct optim_step *now,
                        float *const *slots)
{
    struct state *var = &run->states[v];
    const cJSON *at =
        cJSON_GetArrayItem(golden_member(gradient, "steps"), (int)step);
    struct golden_array indices, values;
    golden_array_read(golden_member(at, "indices"), &indices);
    golden_array_read(golden_member(at, "values"), &values);
    float *grad = golden_array_floats(&values);
    int64_t table_rows = var->shape.dim[0], width = var->n / table_rows;
    uint32_t *ids = calloc((size_t)indices.n + 1, sizeof(ids[0]));
    bool well = values.n == indices.n * width;
    for (int64_t i = 0; i < indices.n; i++) {
        well =
            well && indices.integer[i] >= 0 && indices.integer[i] < table_rows;
        ids[i] = (uint32_t)indices.integer[i];
    }
    if (well) {
        struct optim_row_sum room = {0};
        struct optim_rows rows = {
            .n = indices.n, .width = width, .rows = ids, .values = grad};
        rows = optim_sum_rows(&room, &rows);
        optim_apply_rows(&run->optimizer, now, table_rows, var->value, slots,
                         &rows);
        optim_row_sum_release(&room);
    }
    free(ids);
    free(grad);
    golden_array_release(&indices);
    golden_array_release(&values);
    return well ? 0 : golden_trouble(65, "rows of %s do not fit", var->name);
}

static void set_power(struct run *run, const char *name, float power)
{
    struct state *s =
        optim_has_powers(&run->optimizer) ? find_state(run, name) : NULL;
    if (s != NULL) {
        s->value[0] = power;
    }
}

static void compare_states(struct run *run,
                           int64_t step,
                           struct golden_report *report)
{
    set_power(run, "beta1_power", run->powers.beta1_power);
    set_power(run, "beta2_power", run->powers.beta2_power);
    for (int i = 0; i < run->num_states; i++) {
        const struct state *s = &run->states[i];
        struct golden_array want = s->want;
        char name[300];
        snprintf(name, sizeof(name), "%s after step %ld", s->name,
                 (long)step + 1);
        want.number += step * s->n;
        want.n = s->n;
        golden_same_floats(report, name, s->value, s->n, &want,
                           optim_tolerance);
        if (!s->seen) {
            golden_differ(report, s->name, -1, "no such state", "a state");
        }
    }
}

static int run_steps(const cJSON *c,
                     struct run *run,
                     struct golden_report *report)
{
    const cJSON *gradients = golden_member(c, "gradients");
    int64_t steps = golden_int(golden_member(c, "steps"));
    int num_vars = cJSON_GetArraySize(gradients), rc = 0;
    float *slots[MAX_STATES][OPTIM_MAX_SLOTS] = {{NULL}};
    float *own[MAX_STATES][OPTIM_MAX_SLOTS] = {{NULL}};
    for (int v = 0; rc == 0 && v < num_vars && v < run->num_states; v++) {
        rc = make_slots(run, v, report, slots[v], own[v]);
    }
    for (int64_t step = 0; rc == 0 && step < steps; step++) {
        struct optim_step now =
            optim_step_at(&run->optimizer, &run->powers, step);
        for (int v = 0; rc == 0 && v < num_vars; v++) {
            const cJSON *gradient = cJSON_GetArrayItem(gradients, v);
            bool sparse = cJSON_IsTrue(golden_member(gradient, "sparse")) != 0;
            rc = (sparse ? apply_sparse : apply_dense)(run, v, gradient, step,
                                                       &now, slots[v]);
        }
        optim_powers_advance(&run->optimizer, &run->powers);
        if (rc == 0) {
            compare_states(run, step, report);
        }
    }
    for (int i = 0; i < MAX_STATES * OPTIM_MAX_SLOTS; i++) {
        free(own[i / OPTIM_MAX_SLOTS][i % OPTIM_MAX_SLOTS]);
    }
    return rc;
}

static int run_case(const cJSON *c,
                    const char *file,
                    int index,
                    struct golden_report *report)
{
    struct run run = {0};
    golden_case(report, "%s case %d %s", file, index,
                golden_text(c, "optimizer"));
    int rc = make_optimizer(c, &run.optimizer);
    run.powers = optim_powers_initial(&run.optimizer);
    rc = rc ? rc : read_states(c, &run);
    rc = rc ? rc : run_steps(c, &run, report);
    for (int i = 0; i < run.num_states; i++) {
        golden_array_release(&run.states[i].want);
        free(run.states[i].value);
    }
    return rc;
}

int optim_each_case(const char *dir,
                    const char *file,
                    optim_case_fn fn,
                    struct golden_report *report)
{
    cJSON *root = golden_load(dir, file);
    if (root == NULL) {
        return 66;
    }
    int rc = 0, index = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, golden_member(root, "cases"))
    {
        rc = rc ? rc : fn(c, file, index++, report);
    }
    cJSON_Delete(root);
    return rc;
}

int family_optim(const char *dir, struct golden_report *report)
{
    int rc = optim_each_case(dir, "dense.json", run_case, report);
    rc = rc ? rc : optim_each_case(dir, "sparse.json", run_case, report);
    rc = rc ? rc
            : optim_each_case(dir, "moving_average.json", optim_average_case,
                              report);
    rc = rc ? rc : optim_each_case(dir, "clip.json", optim_clip_case, report);
    golden_end(report);
    return rc;
}
