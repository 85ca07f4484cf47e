/* SPDX-License-Identifier: Apache-2.0
 * Elements of tensors of all of TensorFlow's numeric dtypes as text: float32
 * and narrower with 9 significant digits, float64 with 17, so that they read
 * back as the same bits. */
#ifndef CHECKPOINT_VALUE_TEXT_H
#define CHECKPOINT_VALUE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Numbers an element: 2 for complex ones, real before imaginary. */
int value_parts(int dtype);
/* Number i (of elements times parts) onto `out`. json: "NaN" and the infinities
 * come with quotes. The dtype has a size (bundle_dtype_size). */
void value_text(struct strbuf *out,
                int dtype,
                const void *data,
                int64_t i,
                bool json);

#endif
