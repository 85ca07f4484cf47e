/* SPDX-License-Identifier: Apache-2.0
 *
 * parse_example: batches of serialized tf.Examples into columns, straight from
 * the wire bytes, with TensorFlow's results and texts of errors. A spec is made
 * once; an output belongs to the caller and keeps its buffers from batch to
 * batch, so that parsing allocates nothing once they are large enough.
 *
 * Owners: the spec copies keys and defaults. Columns belong to the output and
 * hold until its next use. Strings of a column point into the serialized bytes
 * (or, for defaults and paddings, into the spec), which must outlive them.
 * Threads: a spec is never written after it was made and may be shared; an
 * output is used by one thread at a time.
 * Source: tensorflow/core/util/example_proto_fast_parsing.cc. */
#ifndef IO_PARSE_EXAMPLE_H
#define IO_PARSE_EXAMPLE_H

#include "crew.h"
#include "io/example.h"

enum parse_kind {
    PARSE_FIXED,          /* FixedLenFeature */
    PARSE_FIXED_SEQUENCE, /* FixedLenSequenceFeature(allow_missing=True) */
    PARSE_VAR_LEN,        /* VarLenFeature */
    PARSE_RAGGED          /* RaggedFeature: values and one level of row splits
                             (ParseExampleV2 has no other; inner partitions are
                             ops of the graph behind it) */
};

#define PARSE_MAX_FEATURES 65536
/* Most bytes of a column: [batch] + shape, [batch, longest] + shape. */
#define PARSE_MAX_COLUMN ((size_t)1 << 31)

/* A feature as the caller wants it. All is copied. */
struct parse_feature {
    struct example_bytes key;
    enum parse_kind kind;
    enum crew_dtype dtype;   /* CREW_FLOAT, CREW_INT64 or CREW_STRING */
    struct crew_shape shape; /* FIXED: of an example; FIXED_SEQUENCE: of a step;
                                rank at most CREW_MAX_RANK - 2 */
    /* float, int64_t or struct example_bytes, in row-major order. FIXED: one
     * an element of the shape; none (num_default 0): the key is required.
     * FIXED_SEQUENCE: one, the padding; none: 0 or "". */
    CREW_NULLABLE const void *default_values;
    int64_t num_default;
    /* FIXED_SEQUENCE among the feature lists of a SequenceExample: an example
     * may be without it (feature_list_dense_missing_assumed_empty). */
    bool may_be_missing;
};

/* ------------------------------------------------------------------- output */

/* What became of a feature. Shapes for a batch; parse_example_single() gives
 * the same without the batch's dimension and index. */
struct parse_column {
    int64_t n; /* values in all */
    /* The values, by the feature's dtype; row-major. */
    const float *floats;
    const int64_t *ints;
    const struct example_bytes *strings;
    /* FIXED: [batch] + shape; FIXED_SEQUENCE: [batch, longest] + shape;
     * VAR_LEN: the sparse tensor's dense shape [batch, longest]; RAGGED: [n].
     */
    struct crew_shape shape;
    /* VAR_LEN: (n, 2) rows of (example, position); in a feature list (n, 3). */
    const int64_t *indices;
    /* RAGGED: batch + 1; in a feature list one more than it has steps. NULL
     * from parse_example_single(). */
    const int64_t *row_splits;
    int64_t num_splits;
    /* Feature lists only. RAGGED: batch + 1 splits of the steps.
     * FIXED_SEQUENCE: the batch's numbers of steps. */
    const int64_t *outer_splits;
    const int64_t *lengths;
};

struct parse_output;
/* Empty. Owner: caller. */
struct parse_output *parse_output_new(void);
void parse_output_free(CREW_NULLABLE struct parse_output *);
/* The columns of the last successful call, in the order of the spec's features
 * (a SequenceExample: the context's, then the lists'). Borrowed from the
 * output; after an error there are none (NULL). */
const struct parse_column *parse_output_columns(const struct parse_output *);
/* How many examples it was of. */
int64_t parse_output_batch(const struct parse_output *);

/* --------------------------------------------------------------------- spec */

struct parse_spec;
/* Errors: INVALID_ARGUMENT: a key twice, a dtype or shape that cannot be, a
 * default that does not fit (in TensorFlow's words where it has some);
 * RESOURCE_EXHAUSTED. Owner: caller. */
CREW_MUST_CHECK int parse_spec_new(const struct parse_feature *features,
                                   int n,
                                   CREW_OUT struct parse_spec **,
                                   struct crew_err *);
/* Of a SequenceExample: its context (FIXED, VAR_LEN, RAGGED) and its feature
 * lists (FIXED_SEQUENCE, VAR_LEN, RAGGED). */
CREW_MUST_CHECK int parse_spec_new_sequence(const struct parse_feature *context,
                                            int num_context,
                                            const struct parse_feature *lists,
                                            int num_lists,
                                            CREW_OUT struct parse_spec **,
                                            struct crew_err *);
void parse_spec_free(CREW_NULLABLE struct parse_spec *);
int parse_spec_count(const struct parse_spec *); /* columns */
/* Column i's feature; key and defaults are the spec's own copies. */
const struct parse_feature *parse_spec_feature(const struct parse_spec *,
                                               int i);

/* ------------------------------------------------------------------ parsing */

/* A batch. names NULL: "<unknown>" in messages, num_names is ignored;
 * otherwise num_names must be batch. Errors: INVALID_ARGUMENT, exit 65, in
 * TensorFlow's words ("Name: <unknown>, Key: x, Index: 3.  ..."), the first
 * example's that is wrong; RESOURCE_EXHAUSTED when a column would exceed
 * PARSE_MAX_COLUMN or memory is short. */
CREW_MUST_CHECK int parse_example_batch(
    const struct parse_spec *,
    const struct example_bytes *serialized,
    CREW_NULLABLE const struct example_bytes *names,
    int64_t num_names,
    int64_t batch,
    struct parse_output *,
    struct crew_err *);
/* One example without the batch's dimension (parse_single_example, or
 * ParseExampleV2 with a scalar). Its texts differ: "Key: x.  ...". */
CREW_MUST_CHECK int parse_example_single(const struct parse_spec *,
                                         const struct example_bytes *serialized,
                                         struct parse_output *,
                                         struct crew_err *);
/* A batch of SequenceExamples by a spec of parse_spec_new_sequence(), as
 * ParseSequenceExampleV2. */
CREW_MUST_CHECK int parse_sequence_batch(
    const struct parse_spec *,
    const struct example_bytes *serialized,
    CREW_NULLABLE const struct example_bytes *names,
    int64_t num_names,
    int64_t batch,
    struct parse_output *,
    struct crew_err *);

#endif
