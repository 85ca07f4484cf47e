/* SPDX-License-Identifier: Apache-2.0
 * Ops that hold or restore state: constants, placeholders, variables. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "serving/broadcast.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

static int none(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 0;
}

static int run_nothing(struct op_call *call)
{
    (void)call;
    return CREW_OK;
}

static int run_const(struct op_call *call)
{
    const Tensorflow__AttrValue *v = op_attr(call->node, "value");

    if (v == NULL || v->value_case != TENSORFLOW__ATTR_VALUE__VALUE_TENSOR) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "no attribute 'value'");
    }
    return value_from_proto(&call->out[0], v->tensor, call->err);
}

static int run_placeholder(struct op_call *call)
{
    return op_fail(call, CREW_INVALID_ARGUMENT,
                   "You must feed a value for placeholder tensor '%s'",
                   call->node->name);
}

static int run_share(struct op_call *call)
{
    value_share(&call->out[0], &call->in[0], &call->in[0].shape);
    return CREW_OK;
}

static int run_assert(struct op_call *call)
{
    if (op_want_dtype(call, 0, CREW_BOOL) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[0].n == 1 && call->in[0].b[0]) {
        return CREW_OK;
    }
    if (call->n_in > 1 && call->in[1].dtype == CREW_STRING &&
        call->in[1].n > 0) {
        const struct value_string *s = &call->in[1].str[0];

        return op_fail(call, CREW_INVALID_ARGUMENT, "assertion failed: [%.*s]",
                       s->n < 300 ? (int)s->n : 300, s->data);
    }
    return op_fail(call, CREW_INVALID_ARGUMENT, "assertion failed");
}

/* --------------------------------------------------------------- variables */

static void note_type(struct serving_resource *r,
                      const Tensorflow__NodeDef *node)
{
    const Tensorflow__AttrValue *shape = op_attr(node, "shape");
    struct crew_err ignored = {0};

    r->dtype = op_attr_type(node, "dtype", 0);
    if (shape == NULL || shape->shape == NULL || shape->shape->unknown_rank ||
        value_shape_from_proto(shape->shape, &r->shape, &ignored) != CREW_OK) {
        r->shape = (struct crew_shape){.rank = -1};
    }
}

/* A handle is a scalar whose pointer is the resource. */
static int run_var_handle(struct op_call *call)
{
    char name[512];
    struct serving_resource *r = NULL;

    (void)op_attr_string(call->node, "shared_name", "", name, sizeof name);
    if (serving_resource_get(call->model,
                             name[0] != '\0' ? name : call->node->name,
                             SERVING_VARIABLE, &r, call->err) != CREW_OK) {
        return call->err->code;
    }
    note_type(r, call->node);
    call->out[0] = (struct value){.dtype = SERVING_RESOURCE, .n = 1};
    call->out[0].resource = r;
    return CREW_OK;
}

/* The variable of input 0; NULL: err is set. */
static struct serving_resource *variable(struct op_call *call, bool assigned)
{
    struct serving_resource *r = call->in[0].resource;

    if (op_want_dtype(call, 0, SERVING_RESOURCE) != CREW_OK) {
        return NULL;
    }
    if (r->kind != SERVING_VARIABLE) {
        (void)op_fail(call, CREW_INVALID_ARGUMENT, "'%s' is no variable",
                      r->name);
        return NULL;
    }
    if (assigned && r->value.dtype == 0) {
        (void)op_fail(
            call, CREW_FAILED_PRECONDITION,
            "Error while reading resource variable %s: it was never "
            "initialized. Fix: the export lacks its variables/ folder",
            r->name);
        return NULL;
    }
    return r;
}

static int run_read(struct op_call *call)
{
    struct serving_resource *r = variable(call, true);

    if (r != NULL) {
        value_share(&call->out[0], &r->value, &r->value.shape);
    }
    return call->err->code;
}

/* -1 of the variable's shape is any. */
static bool shape_fits(const struct crew_shape *is,
                       const struct crew_shape *wanted)
{
    bool same = wanted->rank < 0 || is->rank == wanted->rank;

    for (int i = 0; same && i < wanted->rank; i++) {
        same = wanted->dim[i] < 0 || is->dim[i] == wanted->dim[i];
    }
    return same;
}

static int check_assigned(struct op_call *call,
                          const struct serving_resource *r)
{
    const struct value *v = &call->in[1];
    char own[200], given[200];

    if (r->dtype != 0 && v->dtype != r->dtype) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Variable and value dtypes don't match; respectively, "
                       "%s and %s, of the variable %s",
                       dtype_name((enum crew_dtype)r->dtype),
                       dtype_name((enum crew_dtype)v->dtype), r->name);
    }
    if (!shape_fits(&v->shape, &r->shape)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Cannot update variable with shape %s using a Tensor "
                       "with shape %s, shapes must be equal, of the variable "
                       "%s. Fix: variables/ is of another model",
                       tf_shape_text(&r->shape, own, sizeof own),
                       tf_shape_text(&v->shape, given, sizeof given), r->name);
    }
    return CREW_OK;
}

static int run_assign(struct op_call *call)
{
    struct serving_resource *r = variable(call, false);

    if (r != NULL && check_assigned(call, r) == CREW_OK) {
        value_release(&r->value);
        value_share(&r->value, &call->in[1], &call->in[1].shape);
    }
    return call->err->code;
}

/* A new value: who has read the variable in this run keeps the old one. */
static int change(struct op_call *call, double sign)
{
    struct serving_resource *r = variable(call, true);
    const struct value *by = &call->in[1];
    struct value sum = {0};

    if (r == NULL) {
        return call->err->code;
    }
    if (!number_is(r->value.dtype) || r->value.dtype != by->dtype ||
        !shape_equal(&r->value.shape, &by->shape)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "the variable %s has another dtype or shape than what "
                       "it is changed by",
                       r->name);
    }
    if (value_new(&sum, by->dtype, &by->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < sum.n; i++) {
        if (number_is_integer(sum.dtype)) {
            number_put_int(&sum, i,
                           (int64_t)((uint64_t)number_int(&r->value, i) +
                                     (uint64_t)(int64_t)sign *
                                         (uint64_t)number_int(by, i)));
        } else {
            number_put_double(
                &sum, i,
                number_double(&r->value, i) + sign * number_double(by, i));
        }
    }
    value_release(&r->value);
    r->value = sum;
    return CREW_OK;
}

static int run_assign_add(struct op_call *call)
{
    return change(call, 1.0);
}

static int run_assign_sub(struct op_call *call)
{
    return change(call, -1.0);
}

static int run_is_initialized(struct op_call *call)
{
    struct serving_resource *r = variable(call, false);
    struct crew_shape scalar = crew_scalar_shape();

    if (r != NULL &&
        value_new(&call->out[0], CREW_BOOL, &scalar, call->err) == CREW_OK) {
        call->out[0].b[0] = r->value.dtype != 0;
    }
    return call->err->code;
}

/* Rows of the variable by int32 or int64 indices of any shape. */
static int run_resource_gather(struct op_call *call)
{
    struct serving_resource *r = variable(call, true);
    const struct value *ids = &call->in[1];
    struct crew_shape shape = ids->shape;
    size_t size, width;

    if (r == NULL) {
        return call->err->code;
    }
    const struct value *table = &r->value;

    if (op_attr_int(call->node, "batch_dims", 0) != 0) {
        return op_fail(call, CREW_UNIMPLEMENTED, "batch_dims other than 0");
    }
    if ((ids->dtype != CREW_INT32 && ids->dtype != CREW_INT64) ||
        table->shape.rank < 1 || table->dtype == CREW_STRING ||
        ids->shape.rank + table->shape.rank - 1 > CREW_MAX_RANK) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "params must be at least 1 dimensional, indices int32 "
                       "or int64");
    }
    for (int i = 1; i < table->shape.rank; i++) {
        shape.dim[shape.rank++] = table->shape.dim[i];
    }
    if (value_new(&call->out[0], table->dtype, &shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    size = value_element_size(table->dtype);
    width = table->shape.dim[0] > 0
                ? (size_t)(table->n / table->shape.dim[0]) * size
                : 0;
    for (int64_t i = 0; i < ids->n; i++) {
        int64_t id = ids->dtype == CREW_INT32 ? ids->i32[i] : ids->i64[i];

        if (id < 0 || id >= table->shape.dim[0]) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "indices[%" PRId64 "] = %" PRId64
                           " is not in [0, %" PRId64 ")",
                           i, id, table->shape.dim[0]);
        }
        memcpy((char *)call->out[0].data + (size_t)i * width,
               (const char *)table->data + (size_t)id * width, width);
    }
    return CREW_OK;
}

/* --------------------------------------------------------------- RestoreV2 */

static int restore_outputs(const Tensorflow__NodeDef *node,
                           struct crew_err *err)
{
    const Tensorflow__AttrValue__ListValue *list = op_attr_list(node, "dtypes");

    if (list == NULL || list->n_type < 1) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 65, "no attribute 'dtypes'");
        return -1;
    }
    return (int)list->n_type;
}

static int read_strings(struct op_call *call,
                        struct bundle_reader *reader,
                        const struct bundle_tensor *t,
                        struct value *out)
{
    struct bundle_strings strings = {0};
    void *list = NULL;

    if (bundle_read_strings(reader, t, &strings, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (mem_try((size_t)strings.n + 1, sizeof(struct value_string), "strings",
                &list, call->err) == CREW_OK) {
        for (int64_t i = 0; i < strings.n; i++) {
            ((struct value_string *)list)[i] =
                (struct value_string){strings.at[i].data, strings.at[i].n};
        }
        (void)value_new_strings(out, &t->shape, list, call->err);
    }
    free(list);
    bundle_strings_release(&strings);
    return call->err->code;
}

static int read_tensor(struct op_call *call,
                       struct bundle_reader *reader,
                       const char *name,
                       const char *spec,
                       int dtype,
                       struct value *out)
{
    const struct bundle_tensor *t = NULL;
    struct bundle_slice box;
    struct crew_shape shape;

    if (bundle_lookup(reader, name, &t, call->err) != CREW_OK ||
        bundle_want_dtype(t, dtype, call->err) != CREW_OK ||
        bundle_parse_slice(t, spec, &box, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (t->dtype == CREW_STRING) {
        return spec[0] == '\0'
                   ? read_strings(call, reader, t, out)
                   : op_fail(call, CREW_UNIMPLEMENTED,
                             "%s: strings cannot be read in slices", name);
    }
    shape = t->shape;
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = box.length[i];
    }
    if (value_new(out, t->dtype, &shape, call->err) == CREW_OK) {
        (void)(spec[0] == '\0'
                   ? bundle_read(reader, t, out->data, call->err)
                   : bundle_read_slice(reader, t, &box, out->data, call->err));
    }
    if (call->err->code != CREW_OK) {
        value_release(out);
        return call->err->code;
    }
    value_fix_bools(out);
    return CREW_OK;
}

static char *text_of(const struct value *v, int64_t i)
{
    return xasprintf("%.*s", (int)v->str[i].n, v->str[i].data);
}

static int run_restore(struct op_call *call)
{
    const Tensorflow__AttrValue__ListValue *dtypes =
        op_attr_list(call->node, "dtypes");
    struct bundle_reader *reader = NULL;
    char *prefix;

    for (int k = 0; k < 3; k++) {
        if (op_want_dtype(call, k, CREW_STRING) != CREW_OK) {
            return call->err->code;
        }
    }
    if (call->in[0].n != 1 || call->in[1].n != call->n_out ||
        call->in[2].n != call->n_out) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "%d dtypes, but %" PRId64 " names and %" PRId64
                       " slices",
                       call->n_out, call->in[1].n, call->in[2].n);
    }
    prefix = text_of(&call->in[0], 0);
    if (!serving_path_inside(call->model, prefix)) {
        (void)op_fail(call, CREW_INVALID_ARGUMENT,
                      "the checkpoint %.200s is not the model's own", prefix);
    } else {
        (void)bundle_reader_open(serving_env(call->model), prefix, &reader,
                                 call->err);
    }
    for (int i = 0; i < call->n_out && call->err->code == CREW_OK; i++) {
        char *name = text_of(&call->in[1], i),
             *slice = text_of(&call->in[2], i);

        (void)read_tensor(call, reader, name, slice, dtypes->type[i],
                          &call->out[i]);
        free(name);
        free(slice);
    }
    bundle_reader_free(reader);
    free(prefix);
    return call->err->code;
}

const struct serving_op serving_ops_state[] = {
    {"NoOp", run_nothing, none, 0, 0},
    {"Const", run_const, NULL, 0, 0},
    {"Placeholder", run_placeholder, NULL, 0, 0},
    {"PlaceholderWithDefault", run_share, NULL, 1, 1},
    {"Identity", run_share, NULL, 1, 1},
    {"StopGradient", run_share, NULL, 1, 1},
    {"PreventGradient", run_share, NULL, 1, 1},
    {"Snapshot", run_share, NULL, 1, 1},
    {"CheckNumerics", run_share, NULL, 1, 1},
    {"Assert", run_assert, none, 1, -1},
    {"VarHandleOp", run_var_handle, NULL, 0, 0},
    {"ReadVariableOp", run_read, NULL, 1, 1},
    {"AssignVariableOp", run_assign, none, 2, 2},
    {"AssignAddVariableOp", run_assign_add, none, 2, 2},
    {"AssignSubVariableOp", run_assign_sub, none, 2, 2},
    {"VarIsInitializedOp", run_is_initialized, NULL, 1, 1},
    {"ResourceGather", run_resource_gather, NULL, 2, 2},
    {"RestoreV2", run_restore, restore_outputs, 3, 3},
    {NULL, NULL, NULL, 0, 0},
};
