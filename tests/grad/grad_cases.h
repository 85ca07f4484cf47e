/* SPDX-License-Identifier: Apache-2.0
 * The cases of the op table's tests, and those in files of their own. */
#ifndef GRAD_CASES_H
#define GRAD_CASES_H

#include "graph/op.h"
#include "graph/plan.h"

enum { BATCH = 3, MAX_VARS = 16 };

/* A case builds its op between variables and the loss: loss = mean(op(...) *
 * op(...)) so that the gradient that reaches the op differs from element to
 * element. */
struct trial {
    struct crew_graph *g;
    struct crew_node *labels; /* when the case needs some */
    bool direct;              /* the case has made the loss itself */
};

struct grad_case {
    const struct op_def *op;
    const char *what;
    struct crew_node *(*build)(struct trial *);
    double tolerance; /* of the largest gradient; 0: it has none */
};
extern const struct grad_case grad_cases[];
extern const int grad_num_cases;

/* What is fed to a case with labels: the node 0 and the labels. Returns how
 * many feeds. */
extern const float feed_x[BATCH * 4];
extern const int32_t feed_labels[BATCH];
int trial_feeds(const struct trial *, struct plan_feed feeds[2]);

/* grad_export.c: y as a GraphDef, its constants the variables' values, run by
 * the executor: the same numbers as forward's. */
void check_export(const struct grad_case *,
                  const struct trial *,
                  struct crew_node *y);

/* A variable with normal numbers. */
struct crew_node *var(struct trial *t,
                      const char *name,
                      struct crew_shape shape);

struct crew_node *build_batch_matmul(struct trial *);
struct crew_node *build_log_softmax(struct trial *);
struct crew_node *build_batch_norm(struct trial *);
struct crew_node *build_batch_norm_frozen(struct trial *);
struct crew_node *build_batch_norm_bare(struct trial *);
struct crew_node *build_embedding_sum(struct trial *);
struct crew_node *build_embedding_max_norm(struct trial *);
struct crew_node *build_clip_rows(struct trial *);
struct crew_node *build_embedding_mean(struct trial *);
struct crew_node *build_embedding_sqrtn(struct trial *);

struct crew_node *build_placeholder(struct trial *);
struct crew_node *build_constant(struct trial *);
struct crew_node *build_cast(struct trial *);
struct crew_node *build_argmax(struct trial *);
struct crew_node *build_one_hot(struct trial *);
struct crew_node *build_label_range(struct trial *);
struct crew_node *build_number_range(struct trial *);
struct crew_node *build_column(struct trial *);
struct crew_node *build_moments(struct trial *);
struct crew_node *build_moment(struct trial *);

#endif
