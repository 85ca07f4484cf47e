/* SPDX-License-Identifier: Apache-2.0
 * Lists of any length in elements and batches. */
#include "io/dataset_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

void dataset_list_begin(struct crew_list *l, enum crew_dtype dtype)
{
    l->dtype = dtype;
    l->n = 0;
    l->err = (struct crew_err){0};
}

void *dataset_list_extend(struct crew_list *l,
                          int64_t more,
                          struct crew_err *err)
{
    size_t size = dtype_size(l->dtype);
    int64_t wanted = l->n + more;
    void *values = l->values;

    if (wanted > l->capacity) {
        int64_t room = l->capacity < 8 ? 8 : 2 * l->capacity;

        room = room < wanted ? wanted : room;
        /* Of the larger size, so that a list may serve both dtypes. */
        if (mem_try((size_t)room, sizeof(int64_t), "a list of a feature",
                    &values, err) != CREW_OK) {
            return NULL;
        }
        if (l->n > 0) {
            memcpy(values, l->values, (size_t)l->n * size);
        }
        free(l->values);
        l->values = values;
        l->capacity = room;
    }
    l->n = wanted;
    return values == NULL ? NULL
                          : (char *)values + (size_t)(wanted - more) * size;
}

void dataset_list_release(struct crew_list *l)
{
    free(l->values);
    *l = (struct crew_list){0};
}

void dataset_list_swap(struct crew_list *a, struct crew_list *b)
{
    struct crew_list kept = *a;

    *a = *b;
    *b = kept;
}

void dataset_release_lists(void *at, int64_t n, size_t stride)
{
    for (int64_t i = 0; at != NULL && i < n; i++) {
        dataset_list_release(
            (struct crew_list *)(void *)((char *)at + (size_t)i * stride));
    }
}

/* ----------------------------------------------------------------- batches */

int dataset_lists_new(int64_t max_batch, void **out, struct crew_err *err)
{
    struct dataset_lists *l = xcalloc(1, sizeof *l);
    void *splits;

    if (mem_try((size_t)max_batch + 1, sizeof *l->splits, "row splits", &splits,
                err) != CREW_OK) {
        free(l);
        return err->code;
    }
    l->splits = splits;
    *out = l;
    return CREW_OK;
}

void dataset_lists_free(struct dataset_lists *l)
{
    if (l != NULL) {
        free(l->splits);
        dataset_list_release(&l->all);
        free(l);
    }
}

int dataset_lists_add(struct dataset_lists *l,
                      int64_t row,
                      const struct crew_list *one,
                      struct crew_err *err)
{
    void *to;

    if (row == 0) {
        dataset_list_begin(&l->all, one->dtype);
        l->splits[0] = 0;
        /* A batch without a value has memory too, so that it can be fed. */
        if (dataset_list_extend(&l->all, 1, err) == NULL) {
            return err->code;
        }
        l->all.n = 0;
    }
    if (one->n > 0) {
        to = dataset_list_extend(&l->all, one->n, err);
        if (to == NULL) {
            return err->code;
        }
        memcpy(to, one->values, (size_t)one->n * dtype_size(one->dtype));
    }
    l->splits[row + 1] = l->all.n;
    return CREW_OK;
}

/* --------------------------------------------------- what a job sees of one */

int64_t crew_list_size(const struct crew_list *l)
{
    return l != NULL ? l->n : 0;
}

const void *crew_list_values(const struct crew_list *l)
{
    return l != NULL ? l->values : NULL;
}

/* Where one value more of that dtype goes; NULL: nowhere. */
static void *room_for_one(struct crew_list *l,
                          enum crew_dtype dtype,
                          const char *wrong_kind)
{
    if (l == NULL) {
        return NULL;
    }
    if (l->dtype != dtype) {
        (void)crew_err_set(&l->err, CREW_INVALID_ARGUMENT, "%s", wrong_kind);
        return NULL;
    }
    return dataset_list_extend(l, 1, &l->err);
}

void crew_list_add_int(struct crew_list *l, int64_t value)
{
    void *to = room_for_one(l, CREW_INT64,
                            "crew_list_add_int: the list is of float32. Fix: "
                            "crew_list_add_float");

    if (to != NULL) {
        *(int64_t *)to = value;
    }
}

void crew_list_add_float(struct crew_list *l, float value)
{
    void *to = room_for_one(l, CREW_FLOAT,
                            "crew_list_add_float: the list is of int64. Fix: "
                            "crew_list_add_int");

    if (to != NULL) {
        *(float *)to = value;
    }
}
