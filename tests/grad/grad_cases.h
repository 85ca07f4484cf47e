/* SPDX-License-Identifier: Apache-2.0
 * Cases of the gradient test that are in files of their own. */
#ifndef GRAD_CASES_H
#define GRAD_CASES_H

#include "graph/op.h"

enum { BATCH = 3, MAX_VARS = 16 };

/* A case builds its op between variables and the loss: loss = mean(op(...) *
 * op(...)) so that the gradient that reaches the op differs from element to
 * element. */
struct trial {
    struct crew_graph *g;
    struct crew_node *labels; /* when the case needs some */
    bool direct;              /* the case has made the loss itself */
};

struct crew_node *var(struct trial *t,
                      const char *name,
                      struct crew_shape shape);

struct crew_node *build_batch_matmul(struct trial *);
struct crew_node *build_log_softmax(struct trial *);
struct crew_node *build_batch_norm(struct trial *);
struct crew_node *build_batch_norm_frozen(struct trial *);
struct crew_node *build_batch_norm_bare(struct trial *);
struct crew_node *build_embedding_sum(struct trial *);
struct crew_node *build_embedding_mean(struct trial *);
struct crew_node *build_embedding_sqrtn(struct trial *);

#endif
