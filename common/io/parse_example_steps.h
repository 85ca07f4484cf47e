/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the two halves of parsing SequenceExamples: finding and counting
 * (parse_example_steps.c), then writing (parse_example_sequence.c). */
#ifndef IO_PARSE_EXAMPLE_STEPS_H
#define IO_PARSE_EXAMPLE_STEPS_H

#include "io/parse_example_impl.h"
#include "io/parse_example_wire.h"

/* Where a feature's bytes are in an example. */
struct step_proto {
    const uint8_t *data;
    size_t n;
    bool present;
};
/* Of feature f in example e; in the output's memory. */
struct step_proto *steps_proto(const struct parse_run *, int f, int64_t e);
/* All of them. Errors: INVALID_ARGUMENT (65), RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int steps_find(struct parse_run *);
/* Into the slot: n: values in all; longest: most of an example (of the
 * context's FIXED: at least as many as its default has); cap: steps. */
CREW_MUST_CHECK int steps_count(struct parse_run *, int f);

/* The Feature at w: how many values, -1 if it cannot be read as `kind` (its
 * tag); out NULL: only count. */
int64_t steps_feature(struct wire *, uint8_t kind, CREW_NULLABLE void *out);
/* The next step of a feature list: its number of values, or -1 (*broken: the
 * list is no message at all). */
int64_t steps_next(struct wire *,
                   uint8_t kind,
                   CREW_NULLABLE void *out,
                   CREW_OUT bool *broken);
/* What is said of step `row` of the example run->i. Returns the code. */
int steps_error(struct parse_run *, int f, int64_t row, bool broken);
/* The key as text. Returns buf. */
const char *steps_key(const struct parse_run *, int f, char *buf, size_t size);

#define STEPS_FAIL(run, ...) \
    crew_err_exit((run)->err, CREW_INVALID_ARGUMENT, 65, __VA_ARGS__)

#endif
