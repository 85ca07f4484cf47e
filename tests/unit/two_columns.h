/* SPDX-License-Identifier: Apache-2.0
 *
 * What small jobs of the tests are made of: rows of a feature "x", two floats,
 * and a label "y", one of two classes, and a linear model of them. Of crew.h
 * alone, so that a user's program may have it too. */
#ifndef UNIT_TWO_COLUMNS_H
#define UNIT_TWO_COLUMNS_H

#include "crew.h"

/* Rows that a line separates: x (rows, 2), y (rows). */
static inline void two_columns_fill(float *x, int64_t *y, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        y[i] = i % 2;
        x[2 * i] = (float)(i % 2);
        x[2 * i + 1] = 1.0f - (float)(i % 2);
    }
}

/* Once through them, one by one. x, y: borrowed; y NULL: without the label.
 * Owner: caller. */
static inline struct crew_dataset *two_columns(const float *x,
                                               const int64_t *y,
                                               int64_t rows)
{
    const struct crew_column columns[] = {
        {"x", CREW_FLOAT, {1, {2}}, false},
        {"y", CREW_INT64, {0, {0}}, true},
    };
    const void *const data[] = {x, y};

    return crew_dataset_arrays(columns, data, y != NULL ? 2 : 1, rows);
}

/* One dense layer, and its loss but in CREW_PREDICT. Returns the logits,
 * (batch, 2). */
static inline struct crew_node *two_classes(struct crew_graph *g,
                                            const struct crew_features *in,
                                            struct crew_node *y,
                                            enum crew_mode mode,
                                            struct crew_spec *spec)
{
    struct crew_node *logits =
        crew_dense(g, NULL, crew_feature(in, "x"), 2, CREW_LINEAR);

    if (mode != CREW_PREDICT) {
        crew_spec_loss(spec, crew_sparse_softmax_cross_entropy(g, y, logits));
    }
    return logits;
}

#endif
