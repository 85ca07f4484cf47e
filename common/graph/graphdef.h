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
void graphdef_attr_types(struct graphdef *,
                         const char *key,
                         const enum crew_dtype *,
                         int n);
void graphdef_attr_shapes(struct graphdef *,
                          const char *key,
                          const struct crew_shape *,
                          int n);

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
/* A Const of strings, as many as the shape says; copied. */
void graphdef_const_strings(struct graphdef *,
                            const char *name,
                            const struct crew_shape *,
                            const char *const *);

/* Who asks for the input `name` gets `instead` from now on: so the readers of a
 * variable get its value and not its handle. */
void graphdef_alias(struct graphdef *, const char *name, const char *instead);
/* What an input of that name is called in the graph. */
const char *graphdef_resolve(const struct graphdef *, const char *name);
/* `name` if no node has it, else the first free one of name_1, name_2, ...
 * Borrowed from the graphdef. */
const char *graphdef_free_name(struct graphdef *, const char *name);
/* A copy of the string that lives as long as the graphdef. */
const char *graphdef_keep(struct graphdef *, const char *);
/* INVALID_ARGUMENT naming the first name that two nodes have. */
CREW_MUST_CHECK int graphdef_check_names(const struct graphdef *,
                                         struct crew_err *);

/* ------------------------------------------------ what the export must know */

struct graphdef_var {
    const char *name;
    enum crew_dtype dtype;
    struct crew_shape shape;
};
/* A file that goes with the model. */
struct graphdef_asset {
    const char *node; /* the string Const that is fed with where it lies */
    const char *path; /* where it is now */
    const char *file; /* its name in assets/; two of one path share it */
    int64_t lines;    /* that it must have; 0: any */
};
struct graphdef_notes {
    struct graphdef_var *vars;
    int num_vars;
    struct graphdef_asset *assets;
    int num_assets;
    const char **inits; /* ops that must run once before anything else */
    int num_inits;
};
const struct graphdef_notes *graphdef_notes(const struct graphdef *);

/* A variable that is restored from variables/: VarHandleOp <name> and
 * <name>/Read/ReadVariableOp, which readers of <name> get. */
void graphdef_variable(struct graphdef *,
                       const char *name,
                       enum crew_dtype,
                       const struct crew_shape *);
/* The ops save/... that restore all of them, with TensorFlow's names:
 * save/Const is fed, save/restore_all is run. */
void graphdef_restore(struct graphdef *);

/* A float32 variable of zeros that is not restored, TensorFlow's local
 * variable: VarHandleOp <name>, its Initializer/zeros, Assign (an init), and
 * Read/ReadVariableOp below it. Readers of <name> get the handle. */
void graphdef_local(struct graphdef *,
                    const char *name,
                    const struct crew_shape *);

/* The two columns of a lookup table: a line's number, a whole line. */
enum { TABLE_LINE_NUMBER = -1, TABLE_WHOLE_LINE = -2 };
/* A hash table filled from the lines of a text file, which becomes an asset:
 * HashTableV2 `name`, its asset_path and initialiser below that name. `size`
 * lines; string -> int64 (words to numbers) or int64 -> string. */
void graphdef_table(struct graphdef *,
                    const char *name,
                    const char *path,
                    int64_t size,
                    bool words_to_numbers);
/* LookupTableFindV2 `name` of `keys` in the table; `fallback` names a scalar of
 * the value's dtype. */
void graphdef_lookup(struct graphdef *,
                     const char *name,
                     const char *table,
                     const char *keys,
                     const char *fallback,
                     bool words_to_numbers);
/* The NoOp that runs all initialisers; NULL when there are none. Last. */
CREW_NULLABLE const char *graphdef_main_op(struct graphdef *);

#endif
