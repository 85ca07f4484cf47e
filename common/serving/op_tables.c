/* SPDX-License-Identifier: Apache-2.0
 * All ops of the executor: the tables of the families. */
#include <string.h>

#include "base/check.h"
#include "serving/op.h"
#include "serving/op_tables.h"
#include "base/banned.h"

static const struct serving_op *const tables[] = {
    serving_ops_array,  serving_ops_place,   serving_ops_math,
    serving_ops_reduce, serving_ops_nn,      serving_ops_state,
    serving_ops_string, serving_ops_sparse,  serving_ops_segment,
    serving_ops_cross,  serving_ops_lookup,  serving_ops_parse,
    serving_ops_loss,   serving_ops_scatter,
};

const struct serving_op *serving_op_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        for (const struct serving_op *op = tables[i]; op->name != NULL; op++) {
            if (strcmp(op->name, name) == 0) {
                return op;
            }
        }
    }
    return NULL;
}
