/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense tensors: row-major, contiguous, 64-byte aligned; shapes and dtypes. No
 * views. The public shape constructors of crew.h live here too. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "crew.h"

struct crew_tensor {
    enum crew_dtype dtype;
    struct crew_shape shape; /* every dimension known */
    int64_t n;               /* elements */
    size_t nbytes;
    void *data; /* nbytes, owned; NULL when nbytes is 0 */
};

/* Bytes of an element; 0 for CREW_STRING and for what is no dtype. */
size_t dtype_size(enum crew_dtype);
/* "float32", "int64", ...; "invalid" for what is no dtype. */
const char *dtype_name(enum crew_dtype);
/* The inverse; CREW_INVALID_DTYPE when unknown. */
enum crew_dtype dtype_parse(const char *name);

bool shape_equal(const struct crew_shape *, const struct crew_shape *);
/* Elements. Errors: INVALID_ARGUMENT for an unknown or negative dimension, a
 * rank above CREW_MAX_RANK, or a product above INT64_MAX. */
CREW_MUST_CHECK int shape_count(const struct crew_shape *,
                                CREW_OUT int64_t *n,
                                struct crew_err *);
/* "(3, ?, 10)" as text; unknown dimensions are "?". Returns buf. */
const char *shape_text(const struct crew_shape *, char *buf, size_t size);

/* Zeroed. Owner: caller, tensor_free(). */
CREW_MUST_CHECK int tensor_new(enum crew_dtype,
                               struct crew_shape,
                               CREW_OUT struct crew_tensor **,
                               struct crew_err *);
void tensor_free(CREW_NULLABLE struct crew_tensor *);

#endif
