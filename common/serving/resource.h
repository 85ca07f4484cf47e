/* SPDX-License-Identifier: Apache-2.0
 *
 * What lives in a model between runs: variables and lookup tables, by name. A
 * resource belongs to the model and dies with it. */
#ifndef SERVING_RESOURCE_H
#define SERVING_RESOURCE_H

#include "serving/value.h"

struct serving_model;
struct serving_table; /* ops_lookup.c: a hash table */

enum serving_resource_kind { SERVING_VARIABLE = 1, SERVING_TABLE = 2 };

struct serving_resource {
    enum serving_resource_kind kind;
    char *name;         /* shared_name, or the node's */
    struct value value; /* SERVING_VARIABLE: dtype 0 until assigned */
    /* What its VarHandleOp says; dtype 0, rank -1: nothing. */
    int dtype;
    struct crew_shape shape;
    struct serving_table *table;
    void (*free_table)(struct serving_table *);
    struct serving_resource *next;
};

/* Find or make. Errors: INVALID_ARGUMENT, there is one of another kind. */
CREW_MUST_CHECK int serving_resource_get(struct serving_model *,
                                         const char *name,
                                         enum serving_resource_kind,
                                         CREW_OUT struct serving_resource **,
                                         struct crew_err *);
/* The path under which an asset's file lies, when `name` ("node:0") is the
 * tensor of an asset. NULL: it is none. Borrowed. */
CREW_NULLABLE const char *serving_asset_path(const struct serving_model *,
                                             const char *name);
/* Is it a path inside the model's folder? Nothing else is read for a model.
 */
bool serving_path_inside(const struct serving_model *, const char *path);
struct crew_env;
struct crew_env *serving_env(const struct serving_model *);

#endif
