/* SPDX-License-Identifier: Apache-2.0
 * A case of family ops being built, and the ops whose cases are not just
 * operands and a result. */
#ifndef OPS_MORE_H
#define OPS_MORE_H

#include "golden.h"
#include "graph/plan.h"

enum { OPS_MAX_INPUTS = 8 };

struct ops_rows;

/* The inputs as nodes, and what is fed or bound to them. */
struct trial {
    const cJSON *json;
    struct crew_graph *g;
    int64_t batch;
    int n_vars, n_feeds;
    const char *var_name[OPS_MAX_INPUTS];
    float *value[OPS_MAX_INPUTS]; /* of variable i; 64-byte aligned */
    struct plan_feed feeds[OPS_MAX_INPUTS];
    struct golden_array fed[OPS_MAX_INPUTS];
    int64_t *splits; /* of the ragged ids and their weights */
    float *weights, *cotangent;
    struct plan_ragged lists[2];
    struct ops_rows *rows; /* gets the ops that were met */
};

const cJSON *ops_attribute(const struct trial *, const char *key);
double ops_number(const struct trial *, const char *key, double fallback);
bool ops_word_is(const struct trial *, const char *key, const char *word);
/* An array's numbers. Owner: caller. */
float *ops_floats(const cJSON *);
/* A variable holding these numbers. */
struct crew_node *ops_hold(struct trial *, const char *name, const cJSON *);
/* The input of that name: floats as a variable, integers as a feed. NULL: the
 * case has none. */
CREW_NULLABLE struct crew_node *ops_in(struct trial *, const char *name);
void ops_release(struct trial *);
void ops_nothing(void *self, int var);

struct crew_node *ops_build_batch_norm(struct trial *);
struct crew_node *ops_build_batch_norm_frozen(struct trial *);
struct crew_node *ops_build_embedding(struct trial *);

/* ops_rows.c: the cases of rows.json, and whether every row of the op table has
 * been met by a case that was compared. */
CREW_NULLABLE struct crew_node *ops_build_row(struct trial *, const char *op);
struct ops_rows *ops_rows_new(void);
void ops_rows_free(struct ops_rows *);
void ops_meet(struct ops_rows *, const struct crew_graph *);
void ops_all_met(const struct ops_rows *, struct golden_report *);
struct crew_loss ops_loss(struct trial *);

/* Cases of several steps or of chance. False: it is not one of them. */
bool ops_run_special(struct trial *, struct golden_report *);

#endif
