/* SPDX-License-Identifier: Apache-2.0
 *
 * The features of a dataset of tf.Examples: from what a job asks for to a
 * parse_spec, and from parsed columns to elements. Threads: one. */
#ifndef IO_RECORD_FEATURES_H
#define IO_RECORD_FEATURES_H

#include "io/dataset.h"
#include "io/parse_example.h"

struct record_features;
/* For blocks of up to `block` examples. All is copied. Errors: INVALID_ARGUMENT
 * (64) naming the feature. Owner: caller, record_features_free(). */
CREW_MUST_CHECK int record_features_new(const struct crew_record_feature *,
                                        int n,
                                        int64_t block,
                                        CREW_OUT struct record_features **,
                                        struct crew_err *);
void record_features_free(CREW_NULLABLE struct record_features *);
/* Feature i as a component of the dataset. */
void record_features_declare(const struct record_features *,
                             int i,
                             struct crew_dataset *);
const struct parse_spec *record_features_spec(const struct record_features *);

/* Make elements of the parsed columns of n examples; the columns are borrowed
 * until the next call. */
void record_features_take(struct record_features *,
                          const struct parse_column *,
                          int64_t n);
/* Copy example i's values to out[k], a component each. Errors:
 * RESOURCE_EXHAUSTED, of lists. */
CREW_MUST_CHECK int record_features_give(const struct record_features *,
                                         int64_t i,
                                         void *const *out,
                                         struct crew_err *err);

#endif
