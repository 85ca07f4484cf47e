/* SPDX-License-Identifier: Apache-2.0
 * Values: reference-counted memory under a dtype and a shape. */
#include "serving/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/tensor.h"
#include "base/banned.h"

struct value_memory {
    int references;
    size_t bytes;
    void *data; /* aligned to 64 bytes */
};

size_t value_element_size(int dtype)
{
    switch (dtype) {
        case CREW_UINT8:
        case SERVING_INT8:
        case CREW_BOOL:
            return 1;
        case CREW_FLOAT:
        case CREW_INT32:
            return 4;
        case CREW_DOUBLE:
        case CREW_INT64:
            return 8;
        case CREW_STRING:
            return sizeof(struct value_string);
        case SERVING_RESOURCE:
            return sizeof(struct serving_resource *);
        default:
            return 0;
    }
}

int value_count(const struct crew_shape *shape,
                int64_t *n,
                struct crew_err *err)
{
    int64_t product = 1;

    if (shape_count(shape, n, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dim[i] > 0 ? shape->dim[i] : 1;

        if (dim > VALUE_MAX_ELEMENTS / product) {
            char text[160];

            return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 65,
                                 "the shape %s is too large",
                                 shape_text(shape, text, sizeof text));
        }
        product *= dim;
    }
    return CREW_OK;
}

/* `extra` bytes behind the elements. */
static int allocate(struct value *out,
                    int dtype,
                    const struct crew_shape *shape,
                    size_t extra,
                    struct crew_err *err)
{
    size_t size = value_element_size(dtype);
    struct value v = {.dtype = dtype, .shape = *shape};
    void *data = NULL;

    if (size == 0) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 65,
                             "tensors of dtype %d are not handled here", dtype);
    }
    if (value_count(shape, &v.n, err) != CREW_OK) {
        return err->code;
    }
    if ((uint64_t)v.n > (VALUE_MAX_BYTES - extra) / size) {
        return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 65,
                             "a tensor of %lld elements is more than 4 GiB",
                             (long long)v.n);
    }
    if (mem_try((size_t)v.n * size + extra + 1, 1, "a tensor", &data, err) !=
        CREW_OK) {
        return err->code;
    }
    v.memory = xcalloc(1, sizeof *v.memory);
    *v.memory = (struct value_memory){1, (size_t)v.n * size + extra, data};
    v.data = data;
    *out = v;
    return CREW_OK;
}

static void no_strings(struct value *v)
{
    for (int64_t i = 0; i < v->n; i++) {
        v->str[i] = (struct value_string){"", 0};
    }
}

int value_new(struct value *out,
              int dtype,
              const struct crew_shape *shape,
              struct crew_err *err)
{
    if (dtype == SERVING_RESOURCE) {
        return crew_err_set(err, CREW_INTERNAL, "a handle is no tensor");
    }
    if (allocate(out, dtype, shape, 0, err) != CREW_OK) {
        return err->code;
    }
    if (dtype == CREW_STRING) {
        no_strings(out);
    }
    return CREW_OK;
}

int value_new_strings(struct value *out,
                      const struct crew_shape *shape,
                      const struct value_string *from,
                      struct crew_err *err)
{
    int64_t n = 0;
    size_t bytes = 0;
    char *to;

    if (value_count(shape, &n, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        if (from[i].n > VALUE_MAX_TEXT - bytes) {
            return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 65,
                                 "a string tensor of 2 GiB or more");
        }
        bytes += from[i].n;
    }
    if (allocate(out, CREW_STRING, shape, bytes, err) != CREW_OK) {
        return err->code;
    }
    to = (char *)out->data + (size_t)n * sizeof(struct value_string);
    for (int64_t i = 0; i < n; i++) {
        if (from[i].n > 0) {
            memcpy(to, from[i].data, from[i].n);
        }
        out->str[i] = (struct value_string){to, from[i].n};
        to += from[i].n;
    }
    return CREW_OK;
}

void value_share(struct value *out,
                 const struct value *from,
                 const struct crew_shape *shape)
{
    struct value v = *from;

    v.shape = *shape;
    if (v.memory != NULL) {
        v.memory->references++;
    }
    *out = v;
}

void value_release(struct value *v)
{
    if (v->memory != NULL && --v->memory->references == 0) {
        free(v->memory->data);
        free(v->memory);
    }
    *v = (struct value){0};
}

size_t value_own_bytes(const struct value *v)
{
    return v->memory != NULL && v->memory->references == 1 ? v->memory->bytes
                                                           : 0;
}

void value_fix_bools(struct value *v)
{
    for (int64_t i = 0; v->dtype == CREW_BOOL && i < v->n; i++) {
        v->u8[i] = v->u8[i] != 0 ? 1 : 0;
    }
}

/* ------------------------------------------------------------- TensorProto */

int value_shape_from_proto(const Tensorflow__TensorShapeProto *p,
                           struct crew_shape *shape,
                           struct crew_err *err)
{
    *shape = crew_scalar_shape();
    if (p == NULL) {
        return CREW_OK;
    }
    if (p->unknown_rank || p->n_dim > CREW_MAX_RANK) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "a tensor of unknown rank, or above rank %d",
                             CREW_MAX_RANK);
    }
    for (size_t i = 0; i < p->n_dim; i++) {
        shape->dim[shape->rank++] = p->dim[i]->size;
    }
    return CREW_OK;
}

/* How many values a typed list has, and where. */
struct typed {
    size_t n, size;
    const void *data;
};

static struct typed typed_list(const Tensorflow__TensorProto *t)
{
    switch (t->dtype) {
        case CREW_FLOAT:
            return (struct typed){t->n_float_val, 4, t->float_val};
        case CREW_DOUBLE:
            return (struct typed){t->n_double_val, 8, t->double_val};
        case CREW_INT64:
            return (struct typed){t->n_int64_val, 8, t->int64_val};
        case CREW_BOOL:
            return (struct typed){t->n_bool_val, sizeof(protobuf_c_boolean),
                                  t->bool_val};
        default: /* int32, uint8, int8 */
            return (struct typed){t->n_int_val, 4, t->int_val};
    }
}

/* A shorter list is padded with its last value, an empty one with zeros. */
static void fill_typed(struct value *v, const struct typed *list)
{
    size_t size = value_element_size(v->dtype);

    for (int64_t i = 0; i < v->n && list->n > 0; i++) {
        size_t k = (size_t)i < list->n ? (size_t)i : list->n - 1;
        const char *from = (const char *)list->data + k * list->size;

        if (v->dtype == CREW_BOOL) {
            v->b[i] = *(const protobuf_c_boolean *)(const void *)from != 0;
        } else { /* little endian: the low bytes come first */
            memcpy((char *)v->data + (size_t)i * size, from, size);
        }
    }
}

static int strings_from_proto(struct value *out,
                              const struct crew_shape *shape,
                              const Tensorflow__TensorProto *t,
                              struct crew_err *err)
{
    int64_t n = 0;
    void *list = NULL;

    if (value_count(shape, &n, err) != CREW_OK) {
        return err->code;
    }
    if ((uint64_t)n > VALUE_MAX_BYTES / sizeof(struct value_string)) {
        return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 65,
                             "a tensor of %lld strings", (long long)n);
    }
    if (mem_try((size_t)n + 1, sizeof(struct value_string), "strings", &list,
                err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < n && t->n_string_val > 0; i++) {
        size_t k =
            (size_t)i < t->n_string_val ? (size_t)i : t->n_string_val - 1;

        ((struct value_string *)list)[i] = (struct value_string){
            (const char *)t->string_val[k].data, t->string_val[k].len};
    }
    (void)value_new_strings(out, shape, list, err);
    free(list);
    return err->code;
}

int value_from_proto(struct value *out,
                     const Tensorflow__TensorProto *t,
                     struct crew_err *err)
{
    struct crew_shape shape;
    struct typed list;

    if (value_shape_from_proto(t->tensor_shape, &shape, err) != CREW_OK) {
        return err->code;
    }
    if (t->dtype == CREW_STRING) {
        return strings_from_proto(out, &shape, t, err);
    }
    if (value_new(out, t->dtype, &shape, err) != CREW_OK) {
        return err->code;
    }
    if (t->tensor_content.len > 0) {
        size_t bytes = (size_t)out->n * value_element_size(out->dtype);

        if (t->tensor_content.len != bytes) {
            value_release(out);
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "tensor_content has %zu bytes, its shape "
                                 "wants %zu",
                                 t->tensor_content.len, bytes);
        }
        memcpy(out->data, t->tensor_content.data, bytes);
        value_fix_bools(out);
        return CREW_OK;
    }
    list = typed_list(t);
    fill_typed(out, &list);
    return CREW_OK;
}
