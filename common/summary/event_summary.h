/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of one Summary event. Tags and forms are those of tf.summary v1,
 * which every reader knows; event_add_histogram_rows() is the newer form of a
 * histogram. Names are copied. Threads: one. */
#ifndef SUMMARY_EVENT_SUMMARY_H
#define SUMMARY_EVENT_SUMMARY_H

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

struct event_summary;

/* Owner: caller, event_summary_free(). */
struct event_summary *event_summary_new(void);
void event_summary_free(CREW_NULLABLE struct event_summary *);
/* Borrowed. */
Tensorflow__Summary *event_summary_message(struct event_summary *);

/* A simple_value. */
void event_add_scalar(struct event_summary *, const char *tag, float);

/* A histo of n values; see histogram.h for dtypes and errors. */
CREW_MUST_CHECK int event_add_histogram(struct event_summary *,
                                        const char *tag,
                                        enum crew_dtype,
                                        const void *values,
                                        int64_t n,
                                        struct crew_err *);
/* The same as a float64 tensor (30, 3) of the plugin `histograms`. */
CREW_MUST_CHECK int event_add_histogram_rows(struct event_summary *,
                                             const char *tag,
                                             enum crew_dtype,
                                             const void *values,
                                             int64_t n,
                                             struct crew_err *);

/* The first max_outputs images of (b, h, w, c), float32 or uint8, c 1, 3 or 4:
 * tags <name>/image/0, ..., or <name>/image when max_outputs is 1.
 * Errors: INVALID_ARGUMENT (exit 1) of another shape or dtype. */
CREW_MUST_CHECK int event_add_images(struct event_summary *,
                                     const char *name,
                                     enum crew_dtype,
                                     const struct crew_shape *,
                                     const void *values,
                                     int64_t max_outputs,
                                     struct crew_err *);

/* Markdown for the plugin `text`: a tensor of strings of rank 0, 1 (a list) or
 * 2 (a table). */
void event_add_text(struct event_summary *,
                    const char *tag,
                    const struct crew_shape *,
                    const char *const *texts);
/* A float32 tensor (n) without metadata: an evaluation's array. */
void event_add_floats(struct event_summary *,
                      const char *tag,
                      const float *values,
                      int64_t n);
/* A string tensor without metadata: Estimator's `checkpoint_path` of an
 * evaluation. */
void event_add_string(struct event_summary *,
                      const char *tag,
                      const char *text);

#endif
