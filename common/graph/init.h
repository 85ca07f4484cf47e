/* SPDX-License-Identifier: Apache-2.0
 * Initial values: what the files of graph/ share. */
#ifndef GRAPH_INIT_H
#define GRAPH_INIT_H

#include "graph/graph.h"

/* What is wrong with this initializer for a variable of this shape; NULL:
 * nothing. */
CREW_NULLABLE const char *init_fault(const struct crew_init *,
                                     const struct crew_shape *);
/* Make the (rows, columns) normal numbers of data an orthogonal matrix times
 * gain: of the longer side's vectors as many as there can be. */
void init_orthogonal(int64_t rows, int64_t columns, double gain, float *data);

#endif
