/* SPDX-License-Identifier: Apache-2.0
 *
 * The way in: tf.Examples are parsed (build_parsing_serving_input_receiver_fn)
 * and each feature is brought to the dtype and shape the model's placeholder of
 * that name has; the node that does it takes over the name. ParseExample, not
 * its V2: every TensorFlow has that one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/build.h"

#include "base/banned.h"

#define PARSE "ParseExample/ParseExample"

/* Where a feature's values come out of ParseExample. */
struct parsed {
    const struct export_feature *f;
    int place; /* among the sparse or the dense ones */
};

struct parsing {
    struct parsed *list; /* sparse ones first, each half in order of the keys */
    int n_sparse, n_dense;
};

static int by_kind_and_key(const void *a, const void *b)
{
    const struct export_feature *x = ((const struct parsed *)a)->f;
    const struct export_feature *y = ((const struct parsed *)b)->f;

    if (x->var_len != y->var_len) {
        return x->var_len ? -1 : 1;
    }
    return strcmp(x->key, y->key);
}

static void sort_features(const struct export_request *q, struct parsing *p)
{
    *p = (struct parsing){
        .list = xcalloc((size_t)q->n_features + 1, sizeof *p->list)};
    for (int i = 0; i < q->n_features; i++) {
        p->list[i].f = &q->features[i];
        p->n_sparse += q->features[i].var_len;
    }
    p->n_dense = q->n_features - p->n_sparse;
    qsort(p->list, (size_t)q->n_features, sizeof *p->list, by_kind_and_key);
    for (int i = 0; i < q->n_features; i++) {
        p->list[i].place = i < p->n_sparse ? i : i - p->n_sparse;
    }
}

/* As ParseExample sees it. */
static enum crew_dtype list_dtype(const struct export_feature *f)
{
    return f->wire == CREW_UINT8 ? CREW_STRING : f->wire;
}

/* Of one example; bytes are one string. */
static struct crew_shape example_shape(const struct export_feature *f)
{
    struct crew_shape shape = *node_shape(f->node);

    if (f->wire == CREW_UINT8) {
        return crew_scalar_shape();
    }
    shape.rank--;
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = shape.dim[i + 1];
    }
    return shape;
}

/* ------------------------------------------------------------ ParseExample */

static void scalar_string(struct graphdef *g, const char *name, const char *s)
{
    struct crew_shape scalar = crew_scalar_shape();

    graphdef_const_strings(g, name, &scalar, &s);
}

/* The value for a missing feature; of no elements: it is required. */
static void default_const(struct graphdef *g,
                          const char *name,
                          const struct export_feature *f)
{
    struct crew_shape none = crew_shape1(0), shape = example_shape(f);
    enum crew_dtype dtype = list_dtype(f);
    size_t n = dtype_size(dtype);

    if (f->default_value == NULL && dtype == CREW_STRING) {
        graphdef_const_strings(g, name, &none, NULL);
    } else if (f->default_value == NULL) {
        graphdef_const(g, name, dtype, &none, NULL, 0);
    } else {
        for (int i = 0; i < shape.rank; i++) {
            n *= (size_t)shape.dim[i];
        }
        graphdef_const_copy(g, name, dtype, &shape, f->default_value, n);
    }
}

static void key_name(char out[EXPORT_NAME_SIZE],
                     const struct parsed *p,
                     const char *what)
{
    (void)snprintf(out, EXPORT_NAME_SIZE, "%s/%s_%d", PARSE, what, p->place);
}

static void keys_and_defaults(struct graphdef *g, const struct parsing *p)
{
    struct crew_shape none = crew_shape1(0);
    char name[EXPORT_NAME_SIZE];

    graphdef_const_strings(g, PARSE "/names", &none, NULL);
    for (int i = 0; i < p->n_sparse + p->n_dense; i++) {
        bool sparse = i < p->n_sparse;

        key_name(name, &p->list[i], sparse ? "sparse_keys" : "dense_keys");
        scalar_string(g, name, p->list[i].f->key);
        if (!sparse) {
            key_name(name, &p->list[i], "dense_defaults");
            default_const(g, name, p->list[i].f);
        }
    }
}

static void parse_node(struct graphdef *g, const struct parsing *p)
{
    int n = p->n_sparse + p->n_dense;
    enum crew_dtype *dtypes = xcalloc((size_t)n + 1, sizeof *dtypes);
    struct crew_shape *shapes = xcalloc((size_t)n + 1, sizeof *shapes);
    char name[EXPORT_NAME_SIZE];

    graphdef_node(g, PARSE, "ParseExample");
    graphdef_input(g, EXAMPLES_PLACEHOLDER);
    graphdef_input(g, PARSE "/names");
    for (int i = 0; i < n; i++) {
        bool sparse = i < p->n_sparse;

        key_name(name, &p->list[i], sparse ? "sparse_keys" : "dense_keys");
        graphdef_input(g, name);
        dtypes[i] = list_dtype(p->list[i].f);
        if (!sparse) {
            shapes[i] = example_shape(p->list[i].f);
        }
    }
    for (int i = p->n_sparse; i < n; i++) {
        key_name(name, &p->list[i], "dense_defaults");
        graphdef_input(g, name);
    }
    graphdef_attr_int(g, "Nsparse", p->n_sparse);
    graphdef_attr_int(g, "Ndense", p->n_dense);
    graphdef_attr_types(g, "sparse_types", dtypes, p->n_sparse);
    graphdef_attr_types(g, "Tdense", dtypes + p->n_sparse, p->n_dense);
    graphdef_attr_shapes(g, "dense_shapes", shapes + p->n_sparse, p->n_dense);
    free(shapes);
    free(dtypes);
}

/* -------------------------------------------- from the list to the feature */

enum step { STEP_DENSE, STEP_BYTES, STEP_SHAPE, STEP_CAST, STEP_SCALE };

/* Output `k` of ParseExample. */
static const char *output(char out[64], int k)
{
    if (k == 0) {
        (void)snprintf(out, 64, "%s", PARSE);
    } else {
        (void)snprintf(out, 64, "%s:%d", PARSE, k);
    }
    return out;
}

/* A sparse feature as (b, n), filled up; lists of any length up to the longest,
 * ids with -1. */
static void make_dense(struct graphdef *g,
                       const struct parsing *p,
                       const struct parsed *x,
                       const char *name)
{
    const struct crew_shape *shape = node_shape(x->f->node);
    struct crew_shape scalar = crew_scalar_shape();
    char dims[EXPORT_NAME_SIZE], fill[EXPORT_NAME_SIZE], from[64];
    bool ragged = node_is_ragged(x->f->node);
    enum crew_dtype dtype = x->f->wire;
    /* 0 is of any dtype. */
    const int64_t nothing = ragged && dtype == CREW_INT64 ? -1 : 0;

    if (!ragged) {
        export_batch_shape(g, export_below(dims, name, "output_shape"),
                           output(from, 2 * p->n_sparse + x->place),
                           CREW_INVALID_DTYPE, &shape->dim[1], 1);
    } else {
        (void)output(dims, 2 * p->n_sparse + x->place);
    }
    graphdef_const_copy(
        g, export_below(fill, name, "default_value"), dtype, &scalar,
        x->f->default_value != NULL ? x->f->default_value : &nothing,
        dtype_size(dtype));
    graphdef_node(g, name, "SparseToDense");
    graphdef_input(g, output(from, x->place));
    graphdef_input(g, dims);
    graphdef_input(g, output(from, p->n_sparse + x->place));
    graphdef_input(g, fill);
    graphdef_attr_type(g, "T", dtype);
    graphdef_attr_type(g, "Tindices", CREW_INT64);
}

static void make_shape(struct graphdef *g,
                       const struct export_feature *f,
                       const char *name,
                       const char *from)
{
    const struct crew_shape *shape = node_shape(f->node);
    char dims[EXPORT_NAME_SIZE];

    export_batch_shape(g, export_below(dims, name, "shape"), from, CREW_UINT8,
                       &shape->dim[1], shape->rank - 1);
    graphdef_node(g, name, "Reshape");
    graphdef_input(g, from);
    graphdef_input(g, dims);
    graphdef_attr_type(g, "T", CREW_UINT8);
}

static void make_scaled(struct graphdef *g,
                        const struct export_feature *f,
                        const char *name,
                        const char *from)
{
    char factor[EXPORT_NAME_SIZE];

    graphdef_const_float(g, export_below(factor, name, "y"), (float)f->scale);
    graphdef_node(g, name, "Mul");
    graphdef_input(g, from);
    graphdef_input(g, factor);
    graphdef_attr_type(g, "T", CREW_FLOAT);
}

static void make_step(struct graphdef *g,
                      const struct parsing *p,
                      const struct parsed *x,
                      enum step step,
                      const char *name,
                      const char *from)
{
    if (step == STEP_DENSE) {
        make_dense(g, p, x, name);
    } else if (step == STEP_SHAPE) {
        make_shape(g, x->f, name, from);
    } else if (step == STEP_SCALE) {
        make_scaled(g, x->f, name, from);
    } else if (step == STEP_BYTES) {
        graphdef_node(g, name, "DecodeRaw");
        graphdef_input(g, from);
        graphdef_attr_type(g, "out_type", CREW_UINT8);
    } else {
        graphdef_node(g, name, "Cast");
        graphdef_input(g, from);
        graphdef_attr_type(g, "SrcT", x->f->wire);
        graphdef_attr_type(g, "DstT", node_dtype(x->f->node));
    }
}

static void make_feature(struct graphdef *g,
                         const struct parsing *p,
                         const struct parsed *x)
{
    static const char *const suffixes[] = {"dense", "bytes", "values", "cast"};
    const struct export_feature *f = x->f;
    const char *name = node_name(f->node);
    char names[2][EXPORT_NAME_SIZE], first[64];
    const char *from = output(first, 3 * p->n_sparse + x->place);
    enum step steps[5];
    int n = 0;

    if (f->var_len) {
        steps[n++] = STEP_DENSE;
    }
    if (f->wire == CREW_UINT8) {
        steps[n++] = STEP_BYTES;
        steps[n++] = STEP_SHAPE;
    }
    if (f->wire != node_dtype(f->node)) {
        steps[n++] = STEP_CAST;
    }
    if (f->scale != 0) {
        steps[n++] = STEP_SCALE;
    }
    for (int i = 0; i < n; i++) {
        const char *to =
            i == n - 1 ? name
                       : export_below(names[i % 2], name, suffixes[steps[i]]);

        make_step(g, p, x, steps[i], to, from);
        from = to;
    }
    if (n == 0) {
        graphdef_node(g, name, "Identity");
        graphdef_input(g, from);
        graphdef_attr_type(g, "T", f->wire);
    }
}

/* ----------------------------------------------------------------- checks */

static int check_feature(const struct export_feature *f, struct crew_err *err)
{
    const char *wrong = NULL;
    bool used = f->node != NULL;

    if (f->wire != CREW_FLOAT && f->wire != CREW_INT64 &&
        f->wire != CREW_STRING && f->wire != CREW_UINT8) {
        wrong =
            "an Example has lists of float32, int64 and strings (or uint8: "
            "the bytes of a string)";
    } else if (!used && !f->var_len) {
        wrong =
            "the dataset has no such feature; one that is only parsed must "
            "have var_len";
    } else if (used && f->wire == CREW_STRING) {
        wrong = "the model takes numbers, an Example would bring strings";
    } else if (f->wire == CREW_UINT8 && (f->var_len || f->default_value)) {
        wrong =
            "uint8 is a string of exactly as many bytes as the feature "
            "has: it has no default_value and no var_len";
    } else if (used && f->var_len && node_served_shape(f->node).rank != 2) {
        wrong = "with var_len the feature must be a vector";
    } else if (used && node_is_ragged(f->node) &&
               (f->wire == CREW_UINT8 || f->scale != 0 ||
                f->default_value != NULL || f->wire != node_dtype(f->node))) {
        wrong =
            "it is a list of any length, which is taken as it is: no dtype, "
            "scale or default_value";
    } else if (used && f->scale != 0 && node_dtype(f->node) != CREW_FLOAT) {
        wrong = "scale is for features that are float32 in the model";
    } else {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "the receiver's feature '%s': %s", f->key, wrong);
}

int export_receiver(const struct export_request *q,
                    struct graphdef *g,
                    struct crew_err *err)
{
    struct crew_shape batch = crew_shape1(-1);
    struct parsing p;

    for (int i = 0; i < q->n_features; i++) {
        if (check_feature(&q->features[i], err) != CREW_OK) {
            return err->code;
        }
    }
    sort_features(q, &p);
    graphdef_node(g, EXAMPLES_PLACEHOLDER, "Placeholder");
    graphdef_attr_type(g, "dtype", CREW_STRING);
    graphdef_attr_shape(g, "shape", &batch);
    keys_and_defaults(g, &p);
    parse_node(g, &p);
    for (int i = 0; i < q->n_features; i++) {
        if (p.list[i].f->node != NULL) {
            make_feature(g, &p, &p.list[i]);
        }
    }
    free(p.list);
    return CREW_OK;
}
