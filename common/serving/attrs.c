/* SPDX-License-Identifier: Apache-2.0
 * The kinds of attributes. TensorFlow's OpDefs say what kind an attribute of an
 * op has; of those that are read here, each name means one kind in every op
 * ("T" two), so that one table does. */
#include <stdio.h>
#include <string.h>

#include "serving/op.h"
#include "base/banned.h"

enum kind {
    NONE,
    STRING,
    INT,
    FLOAT,
    BOOL,
    TYPE,
    SHAPE,
    TENSOR,
    LISTS, /* those from here on */
    ANY_LIST,
    STRINGS,
    INTS,
    FLOATS,
    BOOLS,
    TYPES,
    SHAPES
};

/* As TensorFlow writes them in an OpDef. */
static const char *const kind_names[] = {
    [NONE] = "none",
    [STRING] = "string",
    [INT] = "int",
    [FLOAT] = "float",
    [BOOL] = "bool",
    [TYPE] = "type",
    [SHAPE] = "shape",
    [TENSOR] = "tensor",
    [ANY_LIST] = "list",
    [STRINGS] = "list(string)",
    [INTS] = "list(int)",
    [FLOATS] = "list(float)",
    [BOOLS] = "list(bool)",
    [TYPES] = "list(type)",
    [SHAPES] = "list(shape)",
};

static const struct {
    const char *key;
    enum kind kind, or ; /* NONE: only the one */
} known[] = {
    {"DstT", TYPE, NONE},
    {"N", INT, NONE},
    {"SrcT", TYPE, NONE},
    {"T", TYPE, TYPES},
    {"adj_x", BOOL, NONE},
    {"adj_y", BOOL, NONE},
    {"alpha", FLOAT, NONE},
    {"axis", INT, NONE},
    {"batch_dims", INT, NONE},
    {"begin_mask", INT, NONE},
    {"boundaries", FLOATS, NONE},
    {"data_format", STRING, NONE},
    {"delimiter", STRING, NONE},
    {"dense_shapes", SHAPES, NONE},
    {"dilations", INTS, NONE},
    {"dtype", TYPE, NONE},
    {"dtypes", TYPES, NONE},
    {"ellipsis_mask", INT, NONE},
    {"end_mask", INT, NONE},
    {"epsilon", FLOAT, NONE},
    {"exclusive", BOOL, NONE},
    {"fill", STRING, NONE},
    {"hash_key", INT, NONE},
    {"hashed_output", BOOL, NONE},
    {"incompatible_shape_error", BOOL, NONE},
    {"is_training", BOOL, NONE},
    {"k", INT, NONE},
    {"keep_dims", BOOL, NONE},
    {"key", INTS, NONE},
    {"key_dtype", TYPE, NONE},
    {"key_index", INT, NONE},
    {"ksize", INTS, NONE},
    {"little_endian", BOOL, NONE},
    {"new_axis_mask", INT, NONE},
    {"num_buckets", INT, NONE},
    {"num_partitions", INT, NONE},
    {"offset", INT, NONE},
    {"out_idx", TYPE, NONE},
    {"out_type", TYPE, NONE},
    {"output_type", TYPE, NONE},
    {"padding", STRING, NONE},
    {"precision", INT, NONE},
    {"reverse", BOOL, NONE},
    {"scientific", BOOL, NONE},
    {"separator", STRING, NONE},
    {"shape", SHAPE, NONE},
    {"shared_name", STRING, NONE},
    {"shortest", BOOL, NONE},
    {"shrink_axis_mask", INT, NONE},
    {"sparse_types", TYPES, NONE},
    {"squeeze_dims", INTS, NONE},
    {"strides", INTS, NONE},
    {"transpose_a", BOOL, NONE},
    {"transpose_b", BOOL, NONE},
    {"validate_indices", BOOL, NONE},
    {"value", TENSOR, NONE},
    {"value_dtype", TYPE, NONE},
    {"value_index", INT, NONE},
    {"vocab_size", INT, NONE},
    {"width", INT, NONE},
};

static enum kind list_kind(const Tensorflow__AttrValue__ListValue *list)
{
    return list == NULL        ? ANY_LIST
           : list->n_s > 0     ? STRINGS
           : list->n_i > 0     ? INTS
           : list->n_f > 0     ? FLOATS
           : list->n_b > 0     ? BOOLS
           : list->n_type > 0  ? TYPES
           : list->n_shape > 0 ? SHAPES
                               : ANY_LIST;
}

/* NONE: it has no value, or one that no attribute here has. */
static enum kind kind_of(const Tensorflow__AttrValue *v)
{
    switch (v->value_case) {
        case TENSORFLOW__ATTR_VALUE__VALUE_S:
            return STRING;
        case TENSORFLOW__ATTR_VALUE__VALUE_I:
            return INT;
        case TENSORFLOW__ATTR_VALUE__VALUE_F:
            return FLOAT;
        case TENSORFLOW__ATTR_VALUE__VALUE_B:
            return BOOL;
        case TENSORFLOW__ATTR_VALUE__VALUE_TYPE:
            return TYPE;
        case TENSORFLOW__ATTR_VALUE__VALUE_SHAPE:
            return SHAPE;
        case TENSORFLOW__ATTR_VALUE__VALUE_TENSOR:
            return TENSOR;
        case TENSORFLOW__ATTR_VALUE__VALUE_LIST:
            return list_kind(v->list);
        default:
            return NONE;
    }
}

static bool fits(enum kind is, enum kind wanted)
{
    return is == wanted || (is == ANY_LIST && wanted > LISTS);
}

static int wrong_kind(const Tensorflow__NodeDef *node,
                      const char *key,
                      const Tensorflow__AttrValue *v,
                      enum kind wanted,
                      struct crew_err *err)
{
    enum kind is = kind_of(v);

    if (is == NONE) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "AttrValue missing value with expected type '%s' "
                             "for attr '%s'; NodeDef: '%s', op %s",
                             kind_names[wanted], key, node->name, node->op);
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                         "AttrValue had value with type '%s' when '%s' "
                         "expected for attr '%s'; NodeDef: '%s', op %s",
                         kind_names[is], kind_names[wanted], key, node->name,
                         node->op);
}

int op_check_attrs(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    for (size_t i = 0; i < node->n_attr; i++) {
        const char *key = node->attr[i]->key;
        const Tensorflow__AttrValue *v = node->attr[i]->value;

        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            if (strcmp(known[k].key, key) == 0 && v != NULL &&
                !fits(kind_of(v), known[k].kind) &&
                (known[k].or == NONE || !fits(kind_of(v), known[k].or))) {
                return wrong_kind(node, key, v, known[k].kind, err);
            }
        }
    }
    return CREW_OK;
}
