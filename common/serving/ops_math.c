/* SPDX-License-Identifier: Apache-2.0
 * Ops of the family math. */
#include "serving/op_tables.h"
#include "base/banned.h"

const struct serving_op serving_ops_math[] = {
    {NULL, NULL, NULL, 0, 0},
};
