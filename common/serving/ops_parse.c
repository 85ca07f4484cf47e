/* SPDX-License-Identifier: Apache-2.0
 * ParseExample and ParseExampleV2, over io/parse_example.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/parse_example.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* How many features of each kind a node parses. */
struct counts {
    size_t sparse, dense, ragged;
    bool v2;
};

static size_t types(const Tensorflow__NodeDef *node, const char *key)
{
    const Tensorflow__AttrValue__ListValue *list = op_attr_list(node, key);

    return list != NULL ? list->n_type : 0;
}

static struct counts counts_of(const Tensorflow__NodeDef *node)
{
    return (struct counts){.sparse = types(node, "sparse_types"),
                           .dense = types(node, "Tdense"),
                           .ragged = types(node, "ragged_value_types"),
                           .v2 = strcmp(node->op, "ParseExampleV2") == 0};
}

static int outputs(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    struct counts c = counts_of(node);
    size_t n = 3 * c.sparse + c.dense + 2 * c.ragged;

    if (n > 4096) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 65, "%zu features", n);
        return -1;
    }
    return (int)n;
}

/* The list of a key of kind `from` (its input in V2, one input each in V1). */
static bool key_at(const struct op_call *call,
                   int input,
                   size_t i,
                   bool vector,
                   struct example_bytes *key)
{
    const struct value *v;

    if (input + (vector ? 0 : (int)i) >= call->n_in) {
        return false;
    }
    v = &call->in[input + (vector ? 0 : (int)i)];
    if (v->dtype != CREW_STRING || (vector ? (int64_t)i : 0) >= v->n) {
        return false;
    }
    key->data = v->str[vector ? i : 0].data;
    key->n = v->str[vector ? i : 0].n;
    return true;
}

static enum crew_dtype type_at(const Tensorflow__NodeDef *node,
                               const char *key,
                               size_t i)
{
    return (enum crew_dtype)op_attr_list(node, key)->type[i];
}

/* A dense feature's shape and default. */
static int dense_feature(struct op_call *call,
                         size_t i,
                         int default_input,
                         struct parse_feature *f)
{
    const Tensorflow__AttrValue__ListValue *shapes =
        op_attr_list(call->node, "dense_shapes");
    const struct value *v;

    if (shapes == NULL || i >= shapes->n_shape || default_input >= call->n_in ||
        value_shape_from_proto(shapes->shape[i], &f->shape, call->err) !=
            CREW_OK) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "dense feature %zu has no shape or default", i);
    }
    f->kind = PARSE_FIXED;
    if (f->shape.rank > 0 && f->shape.dim[0] == -1) {
        f->kind = PARSE_FIXED_SEQUENCE;
        f->shape.rank--;
        memmove(f->shape.dim, f->shape.dim + 1,
                (size_t)f->shape.rank * sizeof f->shape.dim[0]);
    }
    v = &call->in[default_input];
    if (v->dtype != (int)f->dtype) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "dense_defaults[%zu].dtype() == %s != dense_types_[%zu] "
                       "== %s",
                       i, dtype_name((enum crew_dtype)v->dtype), i,
                       dtype_name(f->dtype));
    }
    f->default_values = v->data; /* value_string is laid out as example_bytes */
    f->num_default = v->n;
    return CREW_OK;
}

/* All features in the order of the spec: sparse, dense, ragged. */
static int read_features(struct op_call *call,
                         const struct counts *c,
                         struct parse_feature *f)
{
    int sparse_in = 2, dense_in = c->v2 ? 3 : 2 + (int)c->sparse;
    int ragged_in = 4;
    int defaults = c->v2 ? 5 : dense_in + (int)c->dense;
    bool ok = true;

    for (size_t i = 0; ok && i < c->sparse; i++, f++) {
        ok = key_at(call, sparse_in, i, c->v2, &f->key);
        f->kind = PARSE_VAR_LEN;
        f->dtype = type_at(call->node, "sparse_types", i);
    }
    for (size_t i = 0; ok && i < c->dense; i++, f++) {
        ok = key_at(call, dense_in, i, c->v2, &f->key);
        f->dtype = type_at(call->node, "Tdense", i);
        if (ok && dense_feature(call, i, defaults + (int)i, f) != CREW_OK) {
            return call->err->code;
        }
    }
    for (size_t i = 0; ok && i < c->ragged; i++, f++) {
        ok = key_at(call, ragged_in, i, true, &f->key);
        f->kind = PARSE_RAGGED;
        f->dtype = type_at(call->node, "ragged_value_types", i);
    }
    return ok ? CREW_OK
              : op_fail(call, CREW_INVALID_ARGUMENT,
                        "fewer keys than its attributes announce");
}

/* ----------------------------------------------------------------- outputs */

static int put(struct op_call *call,
               int k,
               int dtype,
               struct crew_shape shape,
               const void *data)
{
    if (dtype == CREW_STRING) {
        return value_new_strings(&call->out[k], &shape, data, call->err);
    }
    if (value_new(&call->out[k], dtype, &shape, call->err) == CREW_OK &&
        call->out[k].n > 0) {
        memcpy(call->out[k].data, data,
               (size_t)call->out[k].n * value_element_size(dtype));
    }
    return call->err->code;
}

static const void *values_of(const struct parse_column *c,
                             enum crew_dtype dtype)
{
    switch (dtype) {
        case CREW_FLOAT:
            return c->floats;
        case CREW_INT64:
            return c->ints;
        default:
            return c->strings;
    }
}

static int put_splits(struct op_call *call,
                      int k,
                      size_t i,
                      const struct parse_column *c)
{
    bool narrow = type_at(call->node, "ragged_split_types", i) == CREW_INT32;
    struct crew_shape shape = crew_shape1(c->num_splits);

    if (value_new(&call->out[k], narrow ? CREW_INT32 : CREW_INT64, &shape,
                  call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t s = 0; s < c->num_splits; s++) {
        if (narrow) {
            call->out[k].i32[s] = (int32_t)c->row_splits[s];
        } else {
            call->out[k].i64[s] = c->row_splits[s];
        }
    }
    return CREW_OK;
}

/* The dense shape of a sparse column as an int64 vector. */
static int put_dense_shape(struct op_call *call,
                           int k,
                           const struct parse_column *c)
{
    return put(call, k, CREW_INT64, crew_shape1(c->shape.rank), c->shape.dim);
}

static int give(struct op_call *call,
                const struct counts *c,
                const struct parse_feature *f,
                const struct parse_column *col)
{
    size_t s = c->sparse, d = c->dense;
    struct crew_err *err = call->err;

    for (size_t i = 0; i < s && err->code == CREW_OK; i++, f++, col++) {
        (void)put(call, (int)i, CREW_INT64,
                  crew_shape2(col->n, col->shape.rank), col->indices);
        if (err->code == CREW_OK &&
            put(call, (int)(s + i), (int)f->dtype, crew_shape1(col->n),
                values_of(col, f->dtype)) == CREW_OK) {
            (void)put_dense_shape(call, (int)(2 * s + i), col);
        }
    }
    for (size_t i = 0; i < d && err->code == CREW_OK; i++, f++, col++) {
        (void)put(call, (int)(3 * s + i), (int)f->dtype, col->shape,
                  values_of(col, f->dtype));
    }
    for (size_t i = 0; i < c->ragged && err->code == CREW_OK; i++, f++, col++) {
        (void)put(call, (int)(3 * s + d + i), (int)f->dtype,
                  crew_shape1(col->n), values_of(col, f->dtype));
        if (err->code == CREW_OK) {
            (void)put_splits(call, (int)(3 * s + d + c->ragged + i), i, col);
        }
    }
    return err->code;
}

/* --------------------------------------------------------------------- run */

static int parse(struct op_call *call,
                 const struct counts *c,
                 const struct parse_feature *features,
                 const struct parse_spec *spec,
                 struct parse_output *out)
{
    const struct value *in = &call->in[0], *names = &call->in[1];
    const struct example_bytes *bytes = (const void *)in->str;
    int code;

    if (in->shape.rank == 0 && c->v2) {
        code = parse_example_single(spec, bytes, out, call->err);
    } else {
        code = parse_example_batch(
            spec, bytes, names->n > 0 ? (const void *)names->str : NULL,
            names->n, in->n, out, call->err);
    }
    return code == CREW_OK ? give(call, c, features, parse_output_columns(out))
                           : code;
}

static int run_parse(struct op_call *call)
{
    struct counts c = counts_of(call->node);
    size_t n = c.sparse + c.dense + c.ragged;
    struct parse_feature *features;
    struct parse_output *out;
    struct parse_spec *spec = NULL;

    _Static_assert(sizeof(struct value_string) == sizeof(struct example_bytes),
                   "strings are handed over as they are");
    if (op_want_dtype(call, 0, CREW_STRING) != CREW_OK ||
        op_want_dtype(call, 1, CREW_STRING) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[0].shape.rank > 1 || (!c.v2 && call->in[0].shape.rank != 1) ||
        types(call->node, "ragged_split_types") != c.ragged) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Expected serialized to be a %svector",
                       c.v2 ? "scalar or " : "");
    }
    features = xcalloc(n + 1, sizeof *features);
    out = parse_output_new();
    if (read_features(call, &c, features) == CREW_OK &&
        parse_spec_new(features, (int)n, &spec, call->err) == CREW_OK) {
        (void)parse(call, &c, features, spec, out);
    }
    parse_spec_free(spec);
    parse_output_free(out);
    free(features);
    return call->err->code;
}

const struct serving_op serving_ops_parse[] = {
    {"ParseExample", run_parse, outputs, 2, -1},
    {"ParseExampleV2", run_parse, outputs, 5, -1},
    {NULL, NULL, NULL, 0, 0},
};
