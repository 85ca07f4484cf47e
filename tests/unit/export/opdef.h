/* SPDX-License-Identifier: Apache-2.0
 *
 * What TensorFlow checks when it takes a GraphDef, without TensorFlow: every op
 * is known, has the attributes it must have and no others, of the right kind,
 * and its inputs are outputs that exist, as many as it takes and of the dtypes
 * it takes. Beyond that: names are unique, nodes stand after their inputs,
 * control inputs come last. The ops are in opdef_list.h. */
#ifndef TESTS_UNIT_EXPORT_OPDEF_H
#define TESTS_UNIT_EXPORT_OPDEF_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "proto/tensorflow.pb-c.h"
#include "tensor/tensor.h"

#define OPDEF_RESOURCE 20
#define OPDEF_MAX_TENSORS 128

struct opdef {
    const char *name, *inputs, *outputs, *attrs;
};

static const struct opdef opdefs[] = {
#define OP(name, inputs, outputs, attrs) {name, inputs, outputs, attrs},
#include "opdef_list.h"
#undef OP
};

struct opdef_types {
    int type[OPDEF_MAX_TENSORS];
    int n;
};

static inline const struct opdef *opdef_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(opdefs); i++) {
        if (strcmp(opdefs[i].name, name) == 0) {
            return &opdefs[i];
        }
    }
    return NULL;
}

static inline int opdef_bad(struct crew_err *err,
                            const Tensorflow__NodeDef *n,
                            const char *what,
                            const char *which)
{
    return crew_err_set(err, CREW_INVALID_ARGUMENT, "%s (%s): %s%s", n->name,
                        n->op, what, which);
}

/* The next word of *text in `word`; false at the end. */
static inline bool opdef_word(const char **text, char word[64])
{
    size_t n;

    *text += strspn(*text, " ");
    n = strcspn(*text, " ");
    (void)snprintf(word, 64, "%.*s", (int)n, *text);
    *text += n;
    return n > 0;
}

static inline const Tensorflow__AttrValue *opdef_attr(
    const Tensorflow__NodeDef *n,
    const char *key)
{
    for (size_t i = 0; i < n->n_attr; i++) {
        if (strcmp(n->attr[i]->key, key) == 0) {
            return n->attr[i]->value;
        }
    }
    return NULL;
}

static inline int opdef_dtype(const char *name)
{
    return strcmp(name, "resource") == 0 ? OPDEF_RESOURCE
                                         : (int)dtype_parse(name);
}

/* The dtype that the op's attribute has, or its default. 0: it has none. */
static inline int opdef_type_attr(const struct opdef *def,
                                  const Tensorflow__NodeDef *n,
                                  const char *name)
{
    const Tensorflow__AttrValue *v = opdef_attr(n, name);
    const char *attrs = def->attrs;
    char word[64];

    if (v != NULL) {
        return v->type;
    }
    while (opdef_word(&attrs, word)) {
        char *kind = strchr(word, ':');

        *kind = '\0';
        if (strcmp(word, name) == 0 && strchr(kind + 1, '?') != NULL) {
            return opdef_dtype(strchr(kind + 1, '?') + 1);
        }
    }
    return 0;
}

/* Write out "string N*T [Tdense]" as dtypes. */
static inline void opdef_spell(const struct opdef *def,
                               const Tensorflow__NodeDef *n,
                               const char *text,
                               struct opdef_types *out)
{
    char word[64];

    out->n = 0;
    while (opdef_word(&text, word)) {
        const Tensorflow__AttrValue *v;
        char *star = strchr(word, '*'), *name = word;
        int64_t times = 1;

        if (word[0] == '[') {
            word[strlen(word) - 1] = '\0';
            v = opdef_attr(n, word + 1);
            for (size_t i = 0; v != NULL && i < v->list->n_type; i++) {
                out->type[out->n++] = v->list->type[i];
            }
            continue;
        }
        if (star != NULL) {
            *star = '\0';
            v = opdef_attr(n, word);
            times = v != NULL ? v->i : 0;
            name = star + 1;
        }
        int type = opdef_dtype(name);

        for (int64_t i = 0; i < times && out->n < OPDEF_MAX_TENSORS; i++) {
            out->type[out->n++] =
                type != 0 ? type : opdef_type_attr(def, n, name);
        }
    }
}

/* Whether the value is of the kind "int", "list(type)", ... */
static inline bool opdef_is_kind(const Tensorflow__AttrValue *v,
                                 const char *kind)
{
    static const char *const kinds[] = {
        [TENSORFLOW__ATTR_VALUE__VALUE_LIST] = "list",
        [TENSORFLOW__ATTR_VALUE__VALUE_S] = "string",
        [TENSORFLOW__ATTR_VALUE__VALUE_I] = "int",
        [TENSORFLOW__ATTR_VALUE__VALUE_F] = "float",
        [TENSORFLOW__ATTR_VALUE__VALUE_B] = "bool",
        [TENSORFLOW__ATTR_VALUE__VALUE_TYPE] = "type",
        [TENSORFLOW__ATTR_VALUE__VALUE_SHAPE] = "shape",
        [TENSORFLOW__ATTR_VALUE__VALUE_TENSOR] = "tensor"};
    size_t i = (size_t)v->value_case;

    return i < COUNT_OF(kinds) && kinds[i] != NULL &&
           strncmp(kind, kinds[i], strlen(kinds[i])) == 0;
}

static inline int opdef_check_attrs(const struct opdef *def,
                                    const Tensorflow__NodeDef *n,
                                    struct crew_err *err)
{
    const char *attrs = def->attrs;
    size_t known = 0;
    char word[64];

    while (opdef_word(&attrs, word)) {
        char *kind = strchr(word, ':');
        bool optional = strchr(word, '?') != NULL;
        const Tensorflow__AttrValue *v;

        *kind++ = '\0';
        v = opdef_attr(n, word);
        known += v != NULL;
        if (v == NULL && !optional) {
            return opdef_bad(err, n, "NodeDef missing attr ", word);
        }
        if (v != NULL && !opdef_is_kind(v, kind)) {
            return opdef_bad(err, n, "AttrValue of another kind: ", word);
        }
    }
    for (size_t i = 0; i < n->n_attr; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(n->attr[i]->key, n->attr[k]->key) == 0) {
                return opdef_bad(err, n, "attr twice: ", n->attr[i]->key);
            }
        }
    }
    if (known != n->n_attr) {
        return opdef_bad(err, n, "NodeDef mentions attr not in Op", "");
    }
    return CREW_OK;
}

/* The node `input` names among the first `n`; *output gets which of its
 * outputs, -1 for a control input. */
static inline const Tensorflow__NodeDef *opdef_producer(
    const Tensorflow__GraphDef *g,
    size_t n,
    const char *input,
    int *output)
{
    const char *name = input[0] == '^' ? input + 1 : input;
    size_t length = strcspn(name, ":");

    *output = input[0] == '^' ? -1 : 0;
    if (name[length] == ':') {
        *output = (int)strtol(name + length + 1, NULL, 10);
    }
    for (size_t i = 0; i < n; i++) {
        if (strlen(g->node[i]->name) == length &&
            strncmp(g->node[i]->name, name, length) == 0) {
            return g->node[i];
        }
    }
    return NULL;
}

static inline int opdef_check_inputs(const Tensorflow__GraphDef *g,
                                     size_t at,
                                     const struct opdef *def,
                                     struct crew_err *err)
{
    const Tensorflow__NodeDef *n = g->node[at];
    struct opdef_types takes, gives;
    size_t data = 0;

    opdef_spell(def, n, def->inputs, &takes);
    for (size_t i = 0; i < n->n_input; i++) {
        int output;
        const Tensorflow__NodeDef *from =
            opdef_producer(g, at, n->input[i], &output);

        if (from == NULL) {
            return opdef_bad(err, n, "no node before it gives ", n->input[i]);
        }
        if (output < 0) {
            continue;
        }
        if (data != i) {
            return opdef_bad(err, n, "a control input before ", n->input[i]);
        }
        opdef_spell(opdef_find(from->op), from, opdef_find(from->op)->outputs,
                    &gives);
        if (output >= gives.n) {
            return opdef_bad(err, n, "there is no output ", n->input[i]);
        }
        if (data < (size_t)takes.n && gives.type[output] != takes.type[data]) {
            return opdef_bad(err, n, "another dtype is expected than of ",
                             n->input[i]);
        }
        data++;
    }
    if (data != (size_t)takes.n) {
        return opdef_bad(err, n, "NodeDef expected other inputs", "");
    }
    return CREW_OK;
}

/* Would TensorFlow take it? Errors: INVALID_ARGUMENT naming the node. */
static inline int opdef_check_graph(const Tensorflow__GraphDef *g,
                                    struct crew_err *err)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Tensorflow__NodeDef *n = g->node[i];
        const struct opdef *def = opdef_find(n->op);
        int output;

        if (def == NULL) {
            return opdef_bad(err, n, "op not in opdef_list.h", "");
        }
        if (opdef_producer(g, i, n->name, &output) != NULL) {
            return opdef_bad(err, n, "two nodes of this name", "");
        }
        if (opdef_check_attrs(def, n, err) != CREW_OK ||
            opdef_check_inputs(g, i, def, err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

#endif
