/* SPDX-License-Identifier: Apache-2.0
 *
 * A small builder of GraphDef messages: open a node, give it inputs and
 * attributes, go on with the next. Strings and tensors given to it are copied
 * but for the bytes of Consts, which are borrowed until graphdef_free.
 * Attributes that equal their default in TensorFlow are left out by who calls.
 */
#ifndef GRAPH_GRAPHDEF_H
#define GRAPH_GRAPHDEF_H

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

struct graphdef;

struct graphdef *graphdef_new(void);
void graphdef_free(CREW_NULLABLE struct graphdef *);
/* The message; borrowed. */
const Tensorflow__GraphDef *graphdef_message(const struct graphdef *);

/* Begin a node; what follows is about it. */
void graphdef_node(struct graphdef *, const char *name, const char *op);
void graphdef_input(struct graphdef *, const char *name);
void graphdef_attr_type(struct graphdef *, const char *key, enum crew_dtype);
void graphdef_attr_int(struct graphdef *, const char *key, int64_t);
void graphdef_attr_bool(struct graphdef *, const char *key, bool);
void graphdef_attr_float(struct graphdef *, const char *key, float);
void graphdef_attr_string(struct graphdef *, const char *key, const char *);
void graphdef_attr_ints(struct graphdef *,
                        const char *key,
                        const int64_t *,
                        int n);
void graphdef_attr_shape(struct graphdef *,
                         const char *key,
                         const struct crew_shape *);

/* A whole Const node. One element is written as a typed value, more as
 * tensor_content. data is borrowed. */
void graphdef_const(struct graphdef *,
                    const char *name,
                    enum crew_dtype,
                    const struct crew_shape *,
                    const void *data,
                    size_t nbytes);
/* The same, copied. */
void graphdef_const_copy(struct graphdef *,
                         const char *name,
                         enum crew_dtype,
                         const struct crew_shape *,
                         const void *data,
                         size_t nbytes);
/* The same for a few int32; copied. rank 0 or 1. */
void graphdef_const_ints(struct graphdef *,
                         const char *name,
                         int rank,
                         const int32_t *,
                         int n);
void graphdef_const_float(struct graphdef *, const char *name, float);

#endif
