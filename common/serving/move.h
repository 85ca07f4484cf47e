/* SPDX-License-Identifier: Apache-2.0
 * What the ops that move elements share. Internal to serving/. */
#ifndef SERVING_MOVE_H
#define SERVING_MOVE_H

#include "serving/op.h"

/* n elements from place j of `from` to place i of `to`, both of one dtype.
 * Strings are then borrowed: move_finish() gives them memory of their own. */
void move_copy(struct value *to,
               int64_t i,
               const struct value *from,
               int64_t j,
               int64_t n);
CREW_MUST_CHECK int move_finish(struct op_call *, struct value *);
/* out[0] of that dtype and shape. */
CREW_MUST_CHECK int move_begin(struct op_call *,
                               int dtype,
                               const struct crew_shape *);
/* Elements of dimensions [from, to). */
int64_t move_span(const struct crew_shape *, int from, int to);
/* One integer of input k. */
CREW_MUST_CHECK int move_int(struct op_call *, int k, int64_t *);
/* Input k as an axis, negative ones from the end of `rank`. */
CREW_MUST_CHECK int move_axis(struct op_call *, int k, int rank, int *axis);

#endif
