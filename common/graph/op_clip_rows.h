/* SPDX-License-Identifier: Apache-2.0
 * Rows clipped to a norm, for the ops that do it: tf.clip_by_norm(x, max_norm,
 * axes=[-1]), which is what max_norm= of TensorFlow's lookups does. */
#ifndef GRAPH_OP_CLIP_ROWS_H
#define GRAPH_OP_CLIP_ROWS_H

#include "graph/op.h"

/* What row x is multiplied by: 1, or max_norm / its length. */
float clip_row_scale(int64_t width, const float *x, float max_norm);
/* The gradient with respect to x, of dy with respect to the clipped row, is
 * by_dy dy + by_x x. */
struct clip_row_slope {
    float by_dy, by_x;
};
struct clip_row_slope clip_row_backward(int64_t width,
                                        const float *x,
                                        const float *dy,
                                        float max_norm);
/* Ops that clip `x`, the last one named `name`. */
void clip_rows_emit(struct graphdef *,
                    const char *name,
                    const char *x,
                    float max_norm);

#endif
