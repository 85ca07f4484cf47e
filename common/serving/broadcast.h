/* SPDX-License-Identifier: Apache-2.0
 * Walking over several tensors that are broadcast to one shape. */
#ifndef SERVING_BROADCAST_H
#define SERVING_BROADCAST_H

#include "serving/op.h"
#include "tensor/tensor.h"

#define BROADCAST_MAX 3

struct broadcast {
    struct crew_shape shape; /* of the result */
    int64_t n;               /* its elements */
    int count;               /* of operands */
    int64_t stride[BROADCAST_MAX][CREW_MAX_RANK];
    int64_t index[CREW_MAX_RANK];
    int64_t at[BROADCAST_MAX]; /* where each operand stands now */
};
/* Over inputs [first, first + count) of the call. Errors: INVALID_ARGUMENT
 * "Incompatible shapes: [2,3] vs. [4]". */
CREW_MUST_CHECK int broadcast_init(struct broadcast *,
                                   struct op_call *,
                                   int first,
                                   int count);
/* One operand, `input`, to a shape that is given. Errors: INVALID_ARGUMENT
 * "Unable to broadcast tensor of shape [2] to tensor of shape [3]". */
CREW_MUST_CHECK int broadcast_to(struct broadcast *,
                                 struct op_call *,
                                 int input,
                                 const struct crew_shape *);
/* To the next element of the result, row-major. */
void broadcast_next(struct broadcast *);

/* "[2,3]", as TensorFlow's errors write shapes. Returns buf. */
const char *tf_shape_text(const struct crew_shape *, char *buf, size_t size);

#endif
