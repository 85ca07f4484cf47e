/* SPDX-License-Identifier: Apache-2.0
 * What ops ask of their node and inputs. */
#include "serving/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tensor/tensor.h"
#include "base/banned.h"

const Tensorflow__AttrValue *op_attr(const Tensorflow__NodeDef *node,
                                     const char *key)
{
    for (size_t i = 0; i < node->n_attr; i++) {
        if (strcmp(node->attr[i]->key, key) == 0) {
            return node->attr[i]->value;
        }
    }
    return NULL;
}

/* The attribute if it has that kind of value. */
static const Tensorflow__AttrValue *attr_of(
    const Tensorflow__NodeDef *node,
    const char *key,
    Tensorflow__AttrValue__ValueCase kind)
{
    const Tensorflow__AttrValue *v = op_attr(node, key);

    return v != NULL && v->value_case == kind ? v : NULL;
}

int64_t op_attr_int(const Tensorflow__NodeDef *node,
                    const char *key,
                    int64_t fallback)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_I);

    return v != NULL ? v->i : fallback;
}

float op_attr_float(const Tensorflow__NodeDef *node,
                    const char *key,
                    float fallback)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_F);

    return v != NULL ? v->f : fallback;
}

bool op_attr_bool(const Tensorflow__NodeDef *node,
                  const char *key,
                  bool fallback)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_B);

    return v != NULL ? v->b != 0 : fallback;
}

int op_attr_type(const Tensorflow__NodeDef *node, const char *key, int fallback)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_TYPE);

    return v != NULL ? v->type : fallback;
}

const char *op_attr_string(const Tensorflow__NodeDef *node,
                           const char *key,
                           const char *fallback,
                           char *buf,
                           size_t size)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_S);

    if (v != NULL) {
        (void)snprintf(buf, size, "%.*s", (int)v->s.len,
                       v->s.data != NULL ? (const char *)v->s.data : "");
    } else {
        (void)snprintf(buf, size, "%s", fallback);
    }
    return buf;
}

const Tensorflow__AttrValue__ListValue *op_attr_list(
    const Tensorflow__NodeDef *node,
    const char *key)
{
    const Tensorflow__AttrValue *v =
        attr_of(node, key, TENSORFLOW__ATTR_VALUE__VALUE_LIST);

    return v != NULL ? v->list : NULL;
}

int op_fail(struct op_call *call, int code, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return crew_err_exit(call->err, code, 65, "%s", text);
}

int op_want_dtype(struct op_call *call, int in, int dtype)
{
    int got = call->in[in].dtype;

    if (got == dtype) {
        return CREW_OK;
    }
    return op_fail(call, CREW_INVALID_ARGUMENT,
                   "input %d is %s (dtype %d), expected %s (dtype %d)", in,
                   dtype_name((enum crew_dtype)got), got,
                   dtype_name((enum crew_dtype)dtype), dtype);
}

int op_want_rank(struct op_call *call, int in, int rank)
{
    int got = call->in[in].shape.rank;

    return got == rank
               ? CREW_OK
               : op_fail(call, CREW_INVALID_ARGUMENT,
                         "input %d has rank %d, expected %d", in, got, rank);
}

int op_ints(struct op_call *call, int in, int64_t *list, int most, int *n)
{
    const struct value *v = &call->in[in];

    if (v->dtype != CREW_INT32 && v->dtype != CREW_INT64) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "input %d has dtype %d, expected int32 or int64", in,
                       v->dtype);
    }
    if (v->shape.rank > 1 || v->n > most) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "input %d must be a scalar or a vector of at most %d",
                       in, most);
    }
    for (int64_t i = 0; i < v->n; i++) {
        list[i] = v->dtype == CREW_INT32 ? v->i32[i] : v->i64[i];
    }
    *n = (int)v->n;
    return CREW_OK;
}
