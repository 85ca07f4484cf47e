/* SPDX-License-Identifier: Apache-2.0
 * Family optim: moving averages after every step, and clipped gradients. */
#include "optim_more.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

/* ---------------------------------------------------------------- averages */

int optim_average_case(const cJSON *c,
                       const char *file,
                       int index,
                       struct golden_report *report)
{
    const cJSON *arguments = golden_member(c, "arguments");
    const cJSON *state = cJSON_GetArrayItem(golden_member(c, "states"), 0);
    struct crew_optimizer o = crew_gradient_descent(1);
    struct golden_array initial, deltas, want;
    golden_case(report, "%s case %d", file, index);
    o.average.decay = (float)golden_number(golden_member(arguments, "decay"));
    o.average.num_updates =
        cJSON_IsString(golden_member(arguments, "num_updates")) != 0;
    golden_array_read(golden_member(c, "initial"), &initial);
    golden_array_read(golden_member(c, "deltas"), &deltas);
    golden_array_read(golden_member(state, "after_step"), &want);
    float *value = golden_array_floats(&initial);
    float *average = golden_array_floats(&initial);
    float *delta = golden_array_floats(&deltas);
    char name[64];
    snprintf(name, sizeof(name), "w/%s", optim_slot_name(&o, 0));
    golden_same_text(report, "name", name, golden_text(state, "name"));
    optim_slot_init(&o, 0, initial.n, value, average);
    for (int64_t step = 0; step < deltas.n / initial.n; step++) {
        struct golden_array now = want;
        struct optim_step at = {.learning_rate = -1, .global_step = step};
        float *slots[OPTIM_MAX_SLOTS] = {average};
        /* Descent by -1: the variable gets its delta. */
        optim_apply(&o, &at, initial.n, value, slots, delta + step * initial.n);
        now.number += step * initial.n;
        now.n = initial.n;
        golden_same_floats(report, name, average, initial.n, &now,
                           optim_tolerance);
    }
    free(value);
    free(average);
    free(delta);
    golden_array_release(&initial);
    golden_array_release(&deltas);
    golden_array_release(&want);
    return 0;
}

/* ------------------------------------------------------------------- clips */

static int make_clip(const cJSON *c, struct crew_clip *out)
{
    const cJSON *arguments = golden_member(c, "arguments");
    const cJSON *norm =
        cJSON_GetObjectItemCaseSensitive(arguments, "clip_norm");
    const cJSON *axes = cJSON_GetObjectItemCaseSensitive(arguments, "axes");
    const char *op = golden_text(c, "op");
    double by = norm != NULL ? golden_number(norm) : 0;
    if (strcmp(op, "clip_by_value") == 0) {
        *out =
            crew_clip_by_value(golden_number(golden_member(arguments, "min")),
                               golden_number(golden_member(arguments, "max")));
    } else if (strcmp(op, "clip_by_norm") == 0) {
        *out = crew_clip_by_norm(by);
        out->along_axis = axes != NULL;
        out->axis =
            axes != NULL ? (int32_t)golden_int(cJSON_GetArrayItem(axes, 0)) : 0;
        if (axes != NULL && cJSON_GetArraySize(axes) != 1) {
            return golden_trouble(65, "clip_by_norm along several axes");
        }
    } else if (strcmp(op, "clip_by_average_norm") == 0) {
        *out = crew_clip_by_average_norm(by);
    } else if (strcmp(op, "clip_by_global_norm") == 0) {
        *out = crew_clip_by_global_norm(by);
    } else {
        return golden_trouble(65, "there is no %s", op);
    }
    return 0;
}

/* An array, or the values of rows; NULL: null. */
static const cJSON *numbers_of(const cJSON *item)
{
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(item, "indices");
    if (cJSON_IsNull(item)) {
        return NULL;
    }
    return values != NULL ? golden_member(item, "values") : item;
}

static double all_squares(const cJSON *inputs)
{
    double sum = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, inputs)
    {
        struct golden_array a;
        if (numbers_of(item) == NULL) {
            continue;
        }
        golden_array_read(numbers_of(item), &a);
        float *x = golden_array_floats(&a);
        sum += optim_sum_squares(a.n, x);
        free(x);
        golden_array_release(&a);
    }
    return sum;
}

static void clip_one(const struct crew_clip *clip,
                     float global,
                     const cJSON *input,
                     const cJSON *output,
                     int i,
                     struct golden_report *report)
{
    char name[32];
    struct golden_array a, want;
    if (numbers_of(input) == NULL) {
        return;
    }
    golden_array_read(numbers_of(input), &a);
    golden_array_read(numbers_of(output), &want);
    float *x = golden_array_floats(&a);
    if (clip->kind == CREW_CLIP_BY_GLOBAL_NORM) {
        optim_scale(a.n, global, x);
    } else {
        optim_clip(clip, &a.shape, x);
    }
    snprintf(name, sizeof(name), "output %d", i);
    golden_same_floats(report, name, x, a.n, &want, optim_tolerance);
    free(x);
    golden_array_release(&a);
    golden_array_release(&want);
}

int optim_clip_case(const cJSON *c,
                    const char *file,
                    int index,
                    struct golden_report *report)
{
    const cJSON *inputs = golden_member(c, "inputs");
    const cJSON *outputs = golden_member(c, "outputs");
    const cJSON *norm = cJSON_GetObjectItemCaseSensitive(c, "global_norm");
    struct crew_clip clip = {.kind = CREW_CLIP_NONE};
    golden_case(report, "%s case %d %s", file, index, golden_text(c, "op"));
    int rc = make_clip(c, &clip);
    if (rc != 0) {
        return rc;
    }
    double sum = all_squares(inputs);
    float global = optim_global_scale(&clip, sum);
    if (norm != NULL) {
        golden_same_number(report, "global_norm", sqrt(sum),
                           golden_number(norm), optim_tolerance);
    }
    for (int i = 0; i < cJSON_GetArraySize(inputs); i++) {
        clip_one(&clip, global, cJSON_GetArrayItem(inputs, i),
                 cJSON_GetArrayItem(outputs, i), i, report);
    }
    return 0;
}
