/* SPDX-License-Identifier: Apache-2.0
 *
 * The values that flow through a graph being executed: dense tensors of
 * TensorFlow's dtypes, strings among them, and handles of resources. A value
 * never changes once its op has returned; Reshape and Identity share the memory
 * of their input (reference counted). Threads: one a model. */
#ifndef SERVING_VALUE_H
#define SERVING_VALUE_H

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

/* TensorFlow's dtypes beyond enum crew_dtype. */
enum { SERVING_INT8 = 6, SERVING_RESOURCE = 20 };

/* An element of a string tensor. */
struct value_string {
    const char *data; /* not NUL-terminated */
    size_t n;
};

struct value_memory; /* reference counted */

struct value {
    int dtype; /* DataType's number; 0: not there */
    struct crew_shape shape;
    int64_t n; /* elements */
    union {    /* by dtype; NULL when n is 0 */
        void *data;
        float *f32;
        double *f64;
        int32_t *i32;
        int64_t *i64;
        uint8_t *u8;
        bool *b;
        struct value_string *str;
        struct serving_resource *resource; /* RESOURCE: the handle itself */
    };
    struct value_memory *memory;
};

#define VALUE_MAX_BYTES (4ull << 30)
/* No dimension, nor the product of those that are not 0, is above it: so sizes
 * and strides fit in 64 bits, even those of a tensor without elements. */
#define VALUE_MAX_ELEMENTS ((int64_t)1 << 40)
/* Elements of a shape. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int value_count(const struct crew_shape *,
                                CREW_OUT int64_t *n,
                                struct crew_err *);
/* Zeroed memory for `shape` (strings: all empty). Owner: caller, value_release.
 * Errors: INVALID_ARGUMENT (shape), RESOURCE_EXHAUSTED above VALUE_MAX_BYTES.
 */
CREW_MUST_CHECK int value_new(CREW_OUT struct value *,
                              int dtype,
                              const struct crew_shape *,
                              struct crew_err *);
/* A string tensor of copies: from[i], i < elements of the shape; all together
 * at most VALUE_MAX_TEXT bytes, so that the length of one fits in an int. */
#define VALUE_MAX_TEXT ((size_t)INT32_MAX)
CREW_MUST_CHECK int value_new_strings(CREW_OUT struct value *,
                                      const struct crew_shape *,
                                      const struct value_string *from,
                                      struct crew_err *);
/* The same memory under another shape of as many elements. */
void value_share(CREW_OUT struct value *,
                 const struct value *from,
                 const struct crew_shape *);
void value_release(struct value *); /* dtype becomes 0 */
/* Bytes of its memory when nothing else shares it, else 0. */
size_t value_own_bytes(const struct value *);
/* Bytes from elsewhere as bools: what is not 0 becomes true. */
void value_fix_bools(struct value *);
/* Bytes of an element; 0: no dtype that is handled here. */
size_t value_element_size(int dtype);

/* To and from TensorFlow's message (tensor_content or typed, the last value
 * repeated). Errors: INVALID_ARGUMENT, UNIMPLEMENTED (dtype). */
CREW_MUST_CHECK int value_from_proto(CREW_OUT struct value *,
                                     const Tensorflow__TensorProto *,
                                     struct crew_err *);

/* Unknown dimensions stay -1. Errors: INVALID_ARGUMENT, an unknown rank, or one
 * above CREW_MAX_RANK. NULL is a scalar. */
CREW_MUST_CHECK int value_shape_from_proto(
    CREW_NULLABLE const Tensorflow__TensorShapeProto *,
    CREW_OUT struct crew_shape *,
    struct crew_err *);

#endif
