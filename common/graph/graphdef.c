/* SPDX-License-Identifier: Apache-2.0
 * Building GraphDef messages. All memory but borrowed Const bytes comes from
 * one list of blocks that graphdef_free lets go. */
#include "graph/graphdef_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tensor/tensor.h"

#include "base/banned.h"

#define GRAPH_DEF_PRODUCER 1645 /* TensorFlow 2.15's TF_GRAPH_DEF_VERSION */

struct block {
    struct block *next;
    max_align_t bytes[];
};

void *graphdef_room(struct graphdef *g, size_t size)
{
    struct block *b = xcalloc(1, sizeof *b + size);

    b->next = g->blocks;
    g->blocks = b;
    return b->bytes;
}

char *graphdef_string(struct graphdef *g, const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(graphdef_room(g, n), s, n);
}

struct graphdef *graphdef_new(void)
{
    struct graphdef *g = xcalloc(1, sizeof *g);

    tensorflow__graph_def__init(&g->message);
    tensorflow__version_def__init(&g->versions);
    g->versions.producer = GRAPH_DEF_PRODUCER;
    g->message.versions = &g->versions;
    return g;
}

void graphdef_free(struct graphdef *g)
{
    if (g == NULL) {
        return;
    }
    while (g->blocks != NULL) {
        struct block *next = g->blocks->next;

        free(g->blocks);
        g->blocks = next;
    }
    free(g->message.node);
    free(g->notes.vars);
    free(g->notes.assets);
    free(g->notes.inits);
    free(g->aliases);
    free(g);
}

const Tensorflow__GraphDef *graphdef_message(const struct graphdef *g)
{
    return &g->message;
}

void graphdef_node(struct graphdef *g, const char *name, const char *op)
{
    Tensorflow__NodeDef *n = graphdef_room(g, sizeof *n);

    tensorflow__node_def__init(n);
    n->name = graphdef_string(g, name);
    n->op = graphdef_string(g, op);
    if (g->message.n_node == g->cap_nodes) {
        g->cap_nodes = g->cap_nodes == 0 ? 64 : 2 * g->cap_nodes;
        g->message.node =
            xrealloc(g->message.node, g->cap_nodes * sizeof(void *));
    }
    g->message.node[g->message.n_node++] = n;
    g->node = n;
}

/* One longer copy of a list of pointers: nodes have few inputs and attributes.
 */
static void *longer(struct graphdef *g, void *list, size_t n)
{
    void *out = graphdef_room(g, (n + 1) * sizeof(void *));

    if (n > 0) {
        memcpy(out, list, n * sizeof(void *));
    }
    return out;
}

void graphdef_input(struct graphdef *g, const char *name)
{
    Tensorflow__NodeDef *n = g->node;

    n->input = longer(g, n->input, n->n_input);
    n->input[n->n_input++] = graphdef_string(g, graphdef_resolve(g, name));
}

static Tensorflow__AttrValue *attr(struct graphdef *g,
                                   const char *key,
                                   Tensorflow__AttrValue__ValueCase kind)
{
    Tensorflow__NodeDef *n = g->node;
    Tensorflow__AttrEntry *e = graphdef_room(g, sizeof *e);

    tensorflow__attr_entry__init(e);
    e->key = graphdef_string(g, key);
    e->value = graphdef_room(g, sizeof *e->value);
    tensorflow__attr_value__init(e->value);
    e->value->value_case = kind;
    n->attr = longer(g, n->attr, n->n_attr);
    n->attr[n->n_attr++] = e;
    return e->value;
}

void graphdef_attr_type(struct graphdef *g,
                        const char *key,
                        enum crew_dtype type)
{
    attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_TYPE)->type = (int32_t)type;
}

void graphdef_attr_int(struct graphdef *g, const char *key, int64_t v)
{
    attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_I)->i = v;
}

void graphdef_attr_bool(struct graphdef *g, const char *key, bool v)
{
    attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_B)->b = v;
}

void graphdef_attr_float(struct graphdef *g, const char *key, float v)
{
    attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_F)->f = v;
}

void graphdef_attr_string(struct graphdef *g, const char *key, const char *s)
{
    Tensorflow__AttrValue *v = attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_S);

    v->s.data = (uint8_t *)graphdef_string(g, s);
    v->s.len = strlen(s);
}

static Tensorflow__AttrValue__ListValue *list_attr(struct graphdef *g,
                                                   const char *key)
{
    Tensorflow__AttrValue *v = attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_LIST);

    v->list = graphdef_room(g, sizeof *v->list);
    tensorflow__attr_value__list_value__init(v->list);
    return v->list;
}

void graphdef_attr_ints(struct graphdef *g,
                        const char *key,
                        const int64_t *list,
                        int n)
{
    Tensorflow__AttrValue__ListValue *v = list_attr(g, key);

    v->n_i = (size_t)n;
    v->i = memcpy(graphdef_room(g, (size_t)n * sizeof *list), list,
                  (size_t)n * sizeof *list);
}

void graphdef_attr_types(struct graphdef *g,
                         const char *key,
                         const enum crew_dtype *list,
                         int n)
{
    Tensorflow__AttrValue__ListValue *v = list_attr(g, key);

    v->n_type = (size_t)n;
    v->type = graphdef_room(g, (size_t)n * sizeof *v->type);
    for (int i = 0; i < n; i++) {
        v->type[i] = (int32_t)list[i];
    }
}

static Tensorflow__TensorShapeProto *shape_proto(struct graphdef *g,
                                                 const struct crew_shape *shape)
{
    Tensorflow__TensorShapeProto *p = graphdef_room(g, sizeof *p);

    tensorflow__tensor_shape_proto__init(p);
    p->n_dim = (size_t)shape->rank;
    p->dim = graphdef_room(g, (size_t)shape->rank * sizeof(void *));
    for (int i = 0; i < shape->rank; i++) {
        p->dim[i] = graphdef_room(g, sizeof *p->dim[i]);
        tensorflow__tensor_shape_proto__dim__init(p->dim[i]);
        p->dim[i]->size = shape->dim[i];
    }
    return p;
}

void graphdef_attr_shape(struct graphdef *g,
                         const char *key,
                         const struct crew_shape *shape)
{
    attr(g, key, TENSORFLOW__ATTR_VALUE__VALUE_SHAPE)->shape =
        shape_proto(g, shape);
}

void graphdef_attr_shapes(struct graphdef *g,
                          const char *key,
                          const struct crew_shape *list,
                          int n)
{
    Tensorflow__AttrValue__ListValue *v = list_attr(g, key);

    v->n_shape = (size_t)n;
    v->shape = graphdef_room(g, (size_t)n * sizeof(void *));
    for (int i = 0; i < n; i++) {
        v->shape[i] = shape_proto(g, &list[i]);
    }
}

static void one_element(Tensorflow__TensorProto *t,
                        enum crew_dtype dtype,
                        struct graphdef *g,
                        const void *data)
{
    void *copy = memcpy(graphdef_room(g, 8), data, dtype_size(dtype));

    if (dtype == CREW_FLOAT) {
        t->n_float_val = 1;
        t->float_val = copy;
    } else if (dtype == CREW_INT32) {
        t->n_int_val = 1;
        t->int_val = copy;
    } else {
        INVARIANT(dtype == CREW_INT64);
        t->n_int64_val = 1;
        t->int64_val = copy;
    }
}

void graphdef_const(struct graphdef *g,
                    const char *name,
                    enum crew_dtype dtype,
                    const struct crew_shape *shape,
                    const void *data,
                    size_t nbytes)
{
    Tensorflow__TensorProto *t = graphdef_room(g, sizeof *t);

    graphdef_node(g, name, "Const");
    tensorflow__tensor_proto__init(t);
    t->dtype = (int32_t)dtype;
    t->tensor_shape = shape_proto(g, shape);
    if (nbytes == dtype_size(dtype)) {
        one_element(t, dtype, g, data);
    } else {
        t->tensor_content.data = (uint8_t *)(uintptr_t)data;
        t->tensor_content.len = nbytes;
    }
    graphdef_attr_type(g, "dtype", dtype);
    attr(g, "value", TENSORFLOW__ATTR_VALUE__VALUE_TENSOR)->tensor = t;
}

void graphdef_const_copy(struct graphdef *g,
                         const char *name,
                         enum crew_dtype dtype,
                         const struct crew_shape *shape,
                         const void *data,
                         size_t nbytes)
{
    graphdef_const(g, name, dtype, shape,
                   memcpy(graphdef_room(g, nbytes), data, nbytes), nbytes);
}

void graphdef_const_ints(struct graphdef *g,
                         const char *name,
                         int rank,
                         const int32_t *list,
                         int n)
{
    struct crew_shape shape = rank == 0 ? crew_scalar_shape() : crew_shape1(n);
    size_t nbytes = (size_t)n * sizeof *list;
    void *room = graphdef_room(g, nbytes);

    if (n > 0) {
        memcpy(room, list, nbytes);
    }
    graphdef_const(g, name, CREW_INT32, &shape, room, nbytes);
}

void graphdef_const_float(struct graphdef *g, const char *name, float v)
{
    struct crew_shape shape = crew_scalar_shape();

    graphdef_const(g, name, CREW_FLOAT, &shape, &v, sizeof v);
}

void graphdef_const_strings(struct graphdef *g,
                            const char *name,
                            const struct crew_shape *shape,
                            const char *const *list)
{
    Tensorflow__TensorProto *t = graphdef_room(g, sizeof *t);
    size_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= (size_t)shape->dim[i];
    }
    graphdef_node(g, name, "Const");
    tensorflow__tensor_proto__init(t);
    t->dtype = CREW_STRING;
    t->tensor_shape = shape_proto(g, shape);
    t->n_string_val = n;
    t->string_val = graphdef_room(g, n * sizeof *t->string_val);
    for (size_t i = 0; i < n; i++) {
        t->string_val[i].data = (uint8_t *)graphdef_string(g, list[i]);
        t->string_val[i].len = strlen(list[i]);
    }
    graphdef_attr_type(g, "dtype", CREW_STRING);
    attr(g, "value", TENSORFLOW__ATTR_VALUE__VALUE_TENSOR)->tensor = t;
}
