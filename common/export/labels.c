/* SPDX-License-Identifier: Apache-2.0
 * Strings of a signature: labels of class ids, or all labels for every row. The
 * graph has numbers only; what is here is added after it. Names are
 * TensorFlow's where its Estimator has such a node ("Tile"). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "export/build.h"

#include "base/banned.h"

/* What a lookup gives for an id beyond the file; index_to_string_table's. */
#define UNKNOWN_LABEL "UNK"

/* A Const with all labels; numbers when they have no names. */
static void label_const(struct graphdef *g,
                        const char *name,
                        const struct crew_labels *labels,
                        const struct crew_shape *shape)
{
    size_t n = (size_t)labels->n;
    char(*digits)[24] = xcalloc(n + 1, sizeof *digits);
    const char **list = xcalloc(n + 1, sizeof *list);

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(digits[i], sizeof digits[i], "%zu", i);
        list[i] = labels->names != NULL ? labels->names[i] : digits[i];
    }
    graphdef_const_strings(g, name, shape, list);
    free((void *)list);
    free(digits);
}

/* Node `name`: the lines of the labels' file at `ids` (int64). */
static void lookup(struct graphdef *g,
                   const char *name,
                   const char *ids,
                   const struct crew_labels *labels)
{
    struct crew_shape scalar = crew_scalar_shape();
    const char *unknown[] = {UNKNOWN_LABEL};
    char table[EXPORT_NAME_SIZE], fallback[EXPORT_NAME_SIZE];

    (void)export_below(table, name, "hash_table");
    (void)export_below(fallback, name, "Const");
    graphdef_table(g, table, labels->file, labels->n, false);
    graphdef_const_strings(g, fallback, &scalar, unknown);
    graphdef_lookup(g, name, table, ids, fallback, false);
}

/* The ids 0 to n - 1, as one row. */
static void all_ids(struct graphdef *g, const char *name, int64_t n)
{
    struct crew_shape shape = crew_shape2(1, n);
    int64_t *ids = xcalloc((size_t)n + 1, sizeof *ids);

    for (int64_t i = 0; i < n; i++) {
        ids[i] = i;
    }
    export_const_int64(g, name, &shape, ids);
    free(ids);
}

/* The same as int32, TensorFlow's range. */
static void all_ids32(struct graphdef *g, const char *name, int64_t n)
{
    struct crew_shape shape = crew_shape2(1, n);
    int32_t *ids = xcalloc((size_t)n + 1, sizeof *ids);

    for (int64_t i = 0; i < n; i++) {
        ids[i] = (int32_t)i;
    }
    graphdef_const_copy(g, name, CREW_INT32, &shape, ids,
                        (size_t)n * sizeof *ids);
    free(ids);
}

/* Class labels or class ids. */
static const char *class_labels(struct graphdef *g,
                                const struct export_tensor *t,
                                struct crew_shape *shape)
{
    const struct crew_labels *labels = &t->labels;
    const char *tile = graphdef_free_name(g, "Tile");
    struct crew_shape row = crew_shape2(1, labels->n);
    bool ids = t->text == EXPORT_CLASS_IDS;
    bool from_file = labels->file != NULL && !ids;
    char row_name[EXPORT_NAME_SIZE], multiples[EXPORT_NAME_SIZE];
    const char *strings;

    (void)export_below(row_name, tile, "input");
    (void)export_below(multiples, tile, "multiples");
    if (ids) {
        all_ids32(g, row_name, labels->n);
    } else if (from_file) {
        all_ids(g, row_name, labels->n);
    } else {
        label_const(g, row_name, labels, &row);
    }
    export_batch_shape(g, multiples, node_name(t->node), node_dtype(t->node),
                       (const int64_t[]){1}, 1);
    graphdef_node(g, tile, "Tile");
    graphdef_input(g, row_name);
    graphdef_input(g, multiples);
    graphdef_attr_type(g, "T",
                       ids         ? CREW_INT32
                       : from_file ? CREW_INT64
                                   : CREW_STRING);
    *shape = crew_shape2(-1, labels->n);
    if (!from_file) {
        return tile;
    }
    strings = graphdef_free_name(g, "class_labels");
    lookup(g, strings, tile, labels);
    return strings;
}

/* ids (b) as (b, 1): node <name>/ExpandDims. */
static void as_column(struct graphdef *g,
                      const char *name,
                      const char *ids,
                      enum crew_dtype dtype)
{
    char dim[EXPORT_NAME_SIZE];
    int32_t one = 1;

    (void)export_below(dim, name, "dim");
    graphdef_const_ints(g, dim, 0, &one, 1);
    graphdef_node(g, name, "ExpandDims");
    graphdef_input(g, ids);
    graphdef_input(g, dim);
    graphdef_attr_type(g, "T", dtype);
}

static void as_int64(struct graphdef *g, const char *name, const char *ids)
{
    graphdef_node(g, name, "Cast");
    graphdef_input(g, ids);
    graphdef_attr_type(g, "SrcT", CREW_INT32);
    graphdef_attr_type(g, "DstT", CREW_INT64);
}

static void gather(struct graphdef *g,
                   const char *name,
                   const char *ids,
                   enum crew_dtype dtype,
                   const struct crew_labels *labels)
{
    struct crew_shape list = crew_shape1(labels->n);
    char names[EXPORT_NAME_SIZE], axis[EXPORT_NAME_SIZE];
    int32_t zero = 0;

    label_const(g, export_below(names, name, "labels"), labels, &list);
    graphdef_const_ints(g, export_below(axis, name, "axis"), 0, &zero, 1);
    graphdef_node(g, name, "GatherV2");
    graphdef_input(g, names);
    graphdef_input(g, ids);
    graphdef_input(g, axis);
    graphdef_attr_type(g, "Tparams", CREW_STRING);
    graphdef_attr_type(g, "Tindices", dtype);
    graphdef_attr_type(g, "Taxis", CREW_INT32);
}

static const char *id_labels(struct graphdef *g,
                             const struct export_tensor *t,
                             struct crew_shape *shape)
{
    const struct crew_labels *labels = &t->labels;
    const char *name = graphdef_free_name(g, "class_labels");
    const char *ids = node_name(t->node);
    enum crew_dtype dtype = node_dtype(t->node);
    char column[EXPORT_NAME_SIZE], wide[EXPORT_NAME_SIZE];

    *shape = *node_shape(t->node);
    if (t->text == EXPORT_BEST_LABELS && shape->rank == 1) {
        as_column(g, export_below(column, name, "ExpandDims"), ids, dtype);
        ids = column;
        *shape = crew_shape2(shape->dim[0], 1);
    }
    if (labels->file != NULL) {
        if (dtype != CREW_INT64) {
            as_int64(g, export_below(wide, name, "Cast"), ids);
            ids = wide;
        }
        lookup(g, name, ids, labels);
    } else if (labels->names != NULL) {
        gather(g, name, ids, dtype, labels);
    } else {
        graphdef_node(g, name, "AsString");
        graphdef_input(g, ids);
        graphdef_attr_type(g, "T", dtype);
    }
    return name;
}

const char *export_labels(struct graphdef *g,
                          const struct export_tensor *t,
                          struct crew_shape *shape)
{
    return t->text == EXPORT_CLASS_LABELS || t->text == EXPORT_CLASS_IDS
               ? class_labels(g, t, shape)
               : id_labels(g, t, shape);
}
