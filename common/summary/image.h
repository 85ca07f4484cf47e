/* SPDX-License-Identifier: Apache-2.0
 *
 * Images for TensorBoard: numbers to pixels by the rule of tf.summary.image v1,
 * pixels to PNG. 1 (grey), 2 (grey, alpha), 3 or 4 channels, 8 bits each,
 * row-major. Threads: any. Source: tensorflow/core/kernels/summary_image_op.cc.
 */
#ifndef SUMMARY_IMAGE_H
#define SUMMARY_IMAGE_H

#include "base/strbuf.h"
#include "crew.h"

/* Values without a negative one are stretched so that the largest is 255,
 * others so that the largest by size is 127 away from 128; truncated. A pixel
 * with a channel that is not finite becomes red and does not count for the
 * scale. */
void image_from_floats(const float *values,
                       int64_t pixels,
                       int channels,
                       CREW_OUT uint8_t *out);

/* Append the PNG. Errors: INVALID_ARGUMENT (exit 1) without pixels or of more
 * than 2^31 - 1 a side; RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int image_to_png(const uint8_t *pixels,
                                 int64_t height,
                                 int64_t width,
                                 int channels,
                                 struct strbuf *png,
                                 struct crew_err *);

#endif
