/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms as TensorFlow makes them: the HistogramProto of summary v1, whose
 * 1,551 bucket limits grow by a tenth each, and the 30 equal buckets of the
 * newer form. Threads: one. Sources: tsl/lib/histogram/histogram.cc,
 * tensorflow/core/kernels/summary_op.cc, tensorboard/plugins/histogram/
 * summary_v2.py. */
#ifndef SUMMARY_HISTOGRAM_H
#define SUMMARY_HISTOGRAM_H

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

struct histogram;

/* Owner: caller, histogram_free(). */
struct histogram *histogram_new(void);
void histogram_free(CREW_NULLABLE struct histogram *);

/* Add n values of a float or integer dtype; denormal ones count as 0, as in
 * TensorFlow's kernels. `tag` is for the message. Errors: INVALID_ARGUMENT
 * (exit 1) in TensorFlow's words at the first value that is NaN or infinite. */
CREW_MUST_CHECK int histogram_add(struct histogram *,
                                  enum crew_dtype,
                                  const void *values,
                                  int64_t n,
                                  const char *tag,
                                  struct crew_err *);
/* The message, each run of empty buckets as one. Owner: caller,
 * tensorflow__histogram_proto__free_unpacked(p, NULL). */
Tensorflow__HistogramProto *histogram_proto(const struct histogram *);

/* The newer form: rows of (left edge, right edge, count). */
enum { HISTOGRAM_ROWS = 30 };
CREW_MUST_CHECK int histogram_rows(enum crew_dtype,
                                   const void *values,
                                   int64_t n,
                                   const char *tag,
                                   CREW_OUT double rows[HISTOGRAM_ROWS][3],
                                   struct crew_err *);

#endif
