/* SPDX-License-Identifier: Apache-2.0
 * The table key of one slice of a partitioned variable: name and extents in
 * TensorFlow's ordered code. Source:
 * tensorflow/core/util/saved_tensor_slice_util.cc,
 * tsl/lib/strings/ordered_code.cc. */
#ifndef CHECKPOINT_SLICE_KEY_H
#define CHECKPOINT_SLICE_KEY_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "proto/tensorflow.pb-c.h"

/* Replaces what is in `out`. An extent without a length is the whole dimension
 * (start 0, length -1). */
void slice_key(struct strbuf *out,
               const char *name,
               const Tensorflow__TensorSliceProto *);

#endif
