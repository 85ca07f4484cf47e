/* SPDX-License-Identifier: Apache-2.0
 * The executor: from names of tensors to values. Internal to serving/. */
#ifndef SERVING_EXECUTOR_H
#define SERVING_EXECUTOR_H

#include "serving/model.h"
#include "serving/op.h"

struct executor;

/* An index over the graph, which is borrowed. Errors: INVALID_ARGUMENT (65) two
 * nodes of one name. Without a model: no ops with resources. */
CREW_MUST_CHECK int executor_new(const Tensorflow__GraphDef *,
                                 CREW_NULLABLE struct serving_model *,
                                 CREW_OUT struct executor **,
                                 struct crew_err *);
void executor_free(CREW_NULLABLE struct executor *);

/* As serving_run; fetches may also be names of nodes without output ("init"):
 * then out[i] stays empty (dtype 0). */
CREW_MUST_CHECK int executor_run(struct executor *,
                                 const struct serving_feed *,
                                 int n_feeds,
                                 const char *const *fetches,
                                 int n_fetches,
                                 struct value *out,
                                 struct crew_err *);
/* NULL: no node of that name. */
CREW_NULLABLE const Tensorflow__NodeDef *executor_node(const struct executor *,
                                                       const char *name);

#endif
