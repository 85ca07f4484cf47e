/* SPDX-License-Identifier: Apache-2.0
 * Dense tensors, shapes and dtypes; see tensor.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/tensor.h"
#include "base/banned.h"

static const struct {
    enum crew_dtype dtype;
    const char *name;
    size_t size;
} dtypes[] = {
    {CREW_FLOAT, "float32", 4}, {CREW_DOUBLE, "float64", 8},
    {CREW_INT32, "int32", 4},   {CREW_UINT8, "uint8", 1},
    {CREW_STRING, "string", 0}, {CREW_INT64, "int64", 8},
    {CREW_BOOL, "bool", 1},
};

#define NUM_DTYPES (sizeof dtypes / sizeof dtypes[0])

size_t dtype_size(enum crew_dtype dtype)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].size;
        }
    }
    return 0;
}

const char *dtype_name(enum crew_dtype dtype)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].name;
        }
    }
    return "invalid";
}

enum crew_dtype dtype_parse(const char *name)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            return dtypes[i].dtype;
        }
    }
    return CREW_INVALID_DTYPE;
}

struct crew_shape crew_scalar_shape(void)
{
    return (struct crew_shape){.rank = 0};
}

struct crew_shape crew_shape1(int64_t a)
{
    return (struct crew_shape){.rank = 1, .dim = {a}};
}

struct crew_shape crew_shape2(int64_t a, int64_t b)
{
    return (struct crew_shape){.rank = 2, .dim = {a, b}};
}

struct crew_shape crew_shape4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (struct crew_shape){.rank = 4, .dim = {a, b, c, d}};
}

bool shape_equal(const struct crew_shape *a, const struct crew_shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

/* A product with a 0 in it is 0 however large the rest: zeros are looked for
 * before anything can overflow. */
static bool has_zero(const struct crew_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 0) {
            return true;
        }
    }
    return false;
}

int shape_count(const struct crew_shape *shape,
                int64_t *n,
                struct crew_err *err)
{
    char text[160];
    int64_t product = 1;

    if (shape->rank < 0 || shape->rank > CREW_MAX_RANK) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "a shape of rank %d; it must be 0 to %d",
                            shape->rank, CREW_MAX_RANK);
    }
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "shape %s: dimension %d is not known",
                                shape_text(shape, text, sizeof text), i);
        }
    }
    if (has_zero(shape)) {
        *n = 0;
        return CREW_OK;
    }
    for (int i = 0; i < shape->rank; i++) {
        if (__builtin_mul_overflow(product, shape->dim[i], &product)) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "shape %s has more elements than 2^63 - 1",
                                shape_text(shape, text, sizeof text));
        }
    }
    *n = product;
    return CREW_OK;
}

const char *shape_text(const struct crew_shape *shape, char *buf, size_t size)
{
    char number[24];
    size_t n = 0;

    (void)snprintf(buf, size, "(");
    for (int i = 0; i < shape->rank && i < CREW_MAX_RANK; i++) {
        if (shape->dim[i] < 0) {
            (void)snprintf(number, sizeof number, "?");
        } else {
            (void)snprintf(number, sizeof number, "%lld",
                           (long long)shape->dim[i]);
        }
        n = strlen(buf);
        (void)snprintf(buf + n, size - n, "%s%s", i > 0 ? ", " : "", number);
    }
    n = strlen(buf);
    (void)snprintf(buf + n, size - n, ")");
    return buf;
}

int tensor_new(enum crew_dtype dtype,
               struct crew_shape shape,
               struct crew_tensor **out,
               struct crew_err *err)
{
    struct crew_tensor *t;
    size_t size = dtype_size(dtype);
    void *data = NULL;
    int64_t n = 0;
    int rc;

    if (size == 0) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "no dense tensor of dtype %s", dtype_name(dtype));
    }
    rc = shape_count(&shape, &n, err);
    if (rc == CREW_OK && n > 0) {
        rc = mem_try((size_t)n, size, "tensor", &data, err);
    }
    if (rc != CREW_OK) {
        return rc;
    }
    t = xmalloc(sizeof *t);
    *t = (struct crew_tensor){.dtype = dtype,
                              .shape = shape,
                              .n = n,
                              .nbytes = (size_t)n * size,
                              .data = data};
    *out = t;
    return CREW_OK;
}

void tensor_free(struct crew_tensor *t)
{
    if (t != NULL) {
        free(t->data);
        free(t);
    }
}
