/* SPDX-License-Identifier: Apache-2.0
 * Family optim: dense.json's cases of the optimizers there are, every variable,
 * slot and power after every step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "golden_families.h"
#include "optim/optim.h"

#include "base/banned.h"

static const struct golden_tolerance tolerance = {1e-5, 1e-6};

enum { MAX_STATES = 32 };

/* One state of a case: what TensorFlow had at first and after each step, and
 * ours. */
struct state {
    const char* name;
    struct golden_array want;
    float* value;
    int64_t n;
};

struct run {
    struct crew_optimizer optimizer;
    struct optim_powers powers;
    struct state states[MAX_STATES];
    int num_states;
};

static double argument(const cJSON* c, const char* key, double fallback)
{
    const cJSON* arguments = golden_member(c, "arguments");
    const cJSON* value = cJSON_GetObjectItemCaseSensitive(arguments, key);
    return value == NULL ? fallback : golden_number(value);
}

/* false: an optimizer, or an argument of one, that we do not have. */
static bool make_optimizer(const cJSON* c, struct crew_optimizer* out)
{
    const char* name = golden_text(c, "optimizer");
    if (strcmp(name, "GradientDescent") == 0) {
        *out = crew_gradient_descent(argument(c, "learning_rate", 0));
    } else if (strcmp(name, "Momentum") == 0) {
        const cJSON* arguments = golden_member(c, "arguments");
        const cJSON* nesterov =
            cJSON_GetObjectItemCaseSensitive(arguments, "use_nesterov");
        *out =
            crew_momentum(argument(c, "learning_rate", 0),
                          argument(c, "momentum", 0), cJSON_IsTrue(nesterov));
    } else if (strcmp(name, "Adam") == 0) {
        *out = crew_adam(argument(c, "learning_rate", 0.001));
        out->beta1 = (float)argument(c, "beta1", 0.9);
        out->beta2 = (float)argument(c, "beta2", 0.999);
        out->epsilon = (float)argument(c, "epsilon", 1e-8);
    } else {
        return false;
    }
    return true;
}

static int read_states(const cJSON* c, struct run* run)
{
    const cJSON* item;
    cJSON_ArrayForEach(item, golden_member(c, "states"))
    {
        if (run->num_states == MAX_STATES) {
            return golden_trouble(65, "a case of more than %d states",
                                  MAX_STATES);
        }
        struct state* s = &run->states[run->num_states++];
        struct golden_array initial;
        s->name = golden_text(item, "name");
        golden_array_read(golden_member(item, "initial"), &initial);
        golden_array_read(golden_member(item, "after_step"), &s->want);
        s->n = initial.n;
        s->value = golden_array_floats(&initial);
        golden_array_release(&initial);
    }
    return 0;
}

static struct state* find_state(struct run* run, const char* name)
{
    for (int i = 0; i < run->num_states; i++) {
        if (strcmp(run->states[i].name, name) == 0) {
            return &run->states[i];
        }
    }
    return NULL;
}

/* Update variable v with its gradient of this step. A slot is found by the name
 * it has in TensorFlow's checkpoint. */
static int update(struct run* run, int v, const float* grad)
{
    struct state* var = &run->states[v];
    float* slots[OPTIM_MAX_SLOTS] = {NULL, NULL};
    for (int k = 0; k < optim_num_slots(&run->optimizer); k++) {
        char name[256];
        snprintf(name, sizeof(name), "%s/%s", var->name,
                 optim_slot_name(&run->optimizer, k));
        struct state* slot = find_state(run, name);
        if (slot == NULL || slot->n != var->n) {
            return golden_trouble(65, "no state %s of %ld numbers", name,
                                  (long)var->n);
        }
        slots[k] = slot->value;
    }
    optim_apply(&run->optimizer, &run->powers, var->n, var->value, slots, grad);
    return 0;
}

static void set_power(struct run* run, const char* name, float power)
{
    struct state* s = find_state(run, name);
    if (s != NULL) {
        s->value[0] = power;
    }
}

static void compare_states(struct run* run,
                           int64_t step,
                           struct golden_report* report)
{
    set_power(run, "beta1_power", run->powers.beta1_power);
    set_power(run, "beta2_power", run->powers.beta2_power);
    for (int i = 0; i < run->num_states; i++) {
        const struct state* s = &run->states[i];
        struct golden_array want = s->want;
        char name[300];
        snprintf(name, sizeof(name), "%s after step %ld", s->name,
                 (long)step + 1);
        want.number += step * s->n;
        want.n = s->n;
        golden_same_floats(report, name, s->value, s->n, &want, tolerance);
    }
}

static int run_steps(const cJSON* c,
                     struct run* run,
                     struct golden_report* report)
{
    const cJSON* gradients = golden_member(c, "gradients");
    int64_t steps = golden_int(golden_member(c, "steps"));
    int rc = 0;
    for (int64_t step = 0; rc == 0 && step < steps; step++) {
        for (int v = 0; rc == 0 && v < cJSON_GetArraySize(gradients); v++) {
            struct golden_array all;
            golden_array_read(
                golden_member(cJSON_GetArrayItem(gradients, v), "values"),
                &all);
            float* grad = golden_array_floats(&all);
            rc = all.n == steps * run->states[v].n
                     ? update(run, v, grad + step * run->states[v].n)
                     : golden_trouble(65, "gradient %d has %ld numbers", v,
                                      (long)all.n);
            free(grad);
            golden_array_release(&all);
        }
        optim_powers_advance(&run->optimizer, &run->powers);
        if (rc == 0) {
            compare_states(run, step, report);
        }
    }
    return rc;
}

static int run_case(const cJSON* c,
                    int index,
                    struct golden_report* report,
                    int* skipped)
{
    struct run run = {0};
    if (!make_optimizer(c, &run.optimizer)) {
        (*skipped)++;
        return 0;
    }
    golden_case(report, "dense case %d %s", index, golden_text(c, "optimizer"));
    run.powers = optim_powers_initial(&run.optimizer);
    int rc = read_states(c, &run);
    rc = rc ? rc : run_steps(c, &run, report);
    for (int i = 0; i < run.num_states; i++) {
        golden_array_release(&run.states[i].want);
        free(run.states[i].value);
    }
    return rc;
}

int family_optim(const char* dir, struct golden_report* report)
{
    cJSON* root = golden_load(dir, "dense.json");
    if (root == NULL) {
        return 66;
    }
    int rc = 0, index = 0, skipped = 0;
    const cJSON* c;
    cJSON_ArrayForEach(c, golden_member(root, "cases"))
    {
        rc = rc ? rc : run_case(c, index++, report, &skipped);
    }
    golden_end(report);
    printf(
        "optim: %d cases skipped: their optimizer is not there yet; "
        "sparse, clip and moving_average are not looked at\n",
        skipped);
    cJSON_Delete(root);
    return rc;
}
