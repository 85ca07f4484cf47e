/* SPDX-License-Identifier: Apache-2.0
 * The parts of a GraphDef that a server must prepare before it can be run:
 * variables that are restored, tables that are filled from files. Names are
 * those that TensorFlow's Saver and lookup tables give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/graphdef_impl.h"

#include "base/banned.h"

static void *longer(void *list, int n, size_t size)
{
    return xrealloc(list, ((size_t)n + 1) * size);
}

/* "name/part", kept by the graphdef. */
static const char *below(struct graphdef *g, const char *name, const char *part)
{
    char *own = xasprintf("%s/%s", name, part);
    const char *kept = graphdef_string(g, own);

    free(own);
    return kept;
}

/* ------------------------------------------------------------------- names */

void graphdef_alias(struct graphdef *g, const char *name, const char *instead)
{
    g->aliases = longer(g->aliases, g->num_aliases, sizeof *g->aliases);
    g->aliases[g->num_aliases++] = (struct graphdef_alias){
        graphdef_string(g, name), graphdef_string(g, instead)};
}

const char *graphdef_resolve(const struct graphdef *g, const char *name)
{
    for (int i = 0; i < g->num_aliases; i++) {
        if (strcmp(g->aliases[i].name, name) == 0) {
            return g->aliases[i].instead;
        }
    }
    return name;
}

const char *graphdef_keep(struct graphdef *g, const char *s)
{
    return graphdef_string(g, s);
}

static bool is_taken(const struct graphdef *g, const char *name)
{
    for (size_t i = 0; i < g->message.n_node; i++) {
        if (strcmp(g->message.node[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *graphdef_free_name(struct graphdef *g, const char *name)
{
    char *own = xstrdup(name);
    const char *kept;

    for (int i = 1; is_taken(g, own); i++) {
        free(own);
        own = xasprintf("%s_%d", name, i);
    }
    kept = graphdef_string(g, own);
    free(own);
    return kept;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int graphdef_check_names(const struct graphdef *g, struct crew_err *err)
{
    size_t n = g->message.n_node;
    const char **names = xcalloc(n + 1, sizeof *names);

    for (size_t i = 0; i < n; i++) {
        names[i] = g->message.node[i]->name;
    }
    qsort((void *)names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n && err->code == CREW_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                "two nodes of the exported graph are named "
                                "%s. Fix: give the op or the feature of that "
                                "name another one",
                                names[i]);
        }
    }
    free((void *)names);
    return err->code;
}

const struct graphdef_notes *graphdef_notes(const struct graphdef *g)
{
    return &g->notes;
}

/* --------------------------------------------------------------- variables */

void graphdef_variable(struct graphdef *g,
                       const char *name,
                       enum crew_dtype dtype,
                       const struct crew_shape *shape)
{
    struct graphdef_notes *notes = &g->notes;
    const char *read = below(g, name, "Read/ReadVariableOp");

    graphdef_node(g, name, "VarHandleOp");
    graphdef_attr_type(g, "dtype", dtype);
    graphdef_attr_shape(g, "shape", shape);
    graphdef_attr_string(g, "shared_name", name);
    graphdef_node(g, read, "ReadVariableOp");
    graphdef_input(g, name);
    graphdef_attr_type(g, "dtype", dtype);
    graphdef_alias(g, name, read);
    notes->vars = longer(notes->vars, notes->num_vars, sizeof *notes->vars);
    notes->vars[notes->num_vars++] =
        (struct graphdef_var){graphdef_string(g, name), dtype, *shape};
}

static void add_init(struct graphdef *g, const char *init)
{
    struct graphdef_notes *notes = &g->notes;

    notes->inits =
        longer((void *)notes->inits, notes->num_inits, sizeof *notes->inits);
    notes->inits[notes->num_inits++] = init;
}

void graphdef_local(struct graphdef *g,
                    const char *name,
                    const struct crew_shape *shape)
{
    const char *zeros = below(g, name, "Initializer/zeros");
    const char *assign = below(g, name, "Assign");
    size_t n = 1;
    float *nothing;

    for (int i = 0; i < shape->rank; i++) {
        n *= (size_t)shape->dim[i];
    }
    nothing = xcalloc(n, sizeof *nothing);
    graphdef_const_copy(g, zeros, CREW_FLOAT, shape, nothing,
                        n * sizeof *nothing);
    free(nothing);
    graphdef_node(g, name, "VarHandleOp");
    graphdef_attr_type(g, "dtype", CREW_FLOAT);
    graphdef_attr_shape(g, "shape", shape);
    graphdef_attr_string(g, "shared_name", name);
    graphdef_node(g, assign, "AssignVariableOp");
    graphdef_input(g, name);
    graphdef_input(g, zeros);
    graphdef_attr_type(g, "dtype", CREW_FLOAT);
    graphdef_node(g, below(g, name, "Read/ReadVariableOp"), "ReadVariableOp");
    graphdef_input(g, name);
    graphdef_attr_type(g, "dtype", CREW_FLOAT);
    add_init(g, assign);
}

/* The handle itself: graphdef_input would give its value. */
static void input_handle(struct graphdef *g, const char *name)
{
    int aliases = g->num_aliases;

    g->num_aliases = 0;
    graphdef_input(g, name);
    g->num_aliases = aliases;
}

static void restore_op(struct graphdef *g)
{
    const struct graphdef_notes *notes = &g->notes;
    int n = notes->num_vars;
    struct crew_shape shape = crew_shape1(n);
    const char **names = xcalloc((size_t)n + 1, sizeof *names);
    const char **slices = xcalloc((size_t)n + 1, sizeof *slices);
    enum crew_dtype *dtypes = xcalloc((size_t)n + 1, sizeof *dtypes);

    for (int i = 0; i < n; i++) {
        names[i] = notes->vars[i].name;
        slices[i] = "";
        dtypes[i] = notes->vars[i].dtype;
    }
    graphdef_const_strings(g, "save/RestoreV2/tensor_names", &shape, names);
    graphdef_const_strings(g, "save/RestoreV2/shape_and_slices", &shape,
                           slices);
    graphdef_node(g, "save/RestoreV2", "RestoreV2");
    graphdef_input(g, "save/Const");
    graphdef_input(g, "save/RestoreV2/tensor_names");
    graphdef_input(g, "save/RestoreV2/shape_and_slices");
    graphdef_attr_types(g, "dtypes", dtypes, n);
    free((void *)names);
    free((void *)slices);
    free(dtypes);
}

/* "<form>", "<form>_1", "<form>_2", ... as TensorFlow numbers them; for outputs
 * ("form:1") the separator is another one. */
static const char *numbered(char name[64],
                            const char *form,
                            char separator,
                            int i)
{
    if (i == 0) {
        (void)snprintf(name, 64, "%s", form);
    } else {
        (void)snprintf(name, 64, "%s%c%d", form, separator, i);
    }
    return name;
}

void graphdef_restore(struct graphdef *g)
{
    const struct graphdef_notes *notes = &g->notes;
    struct crew_shape scalar = crew_scalar_shape();
    const char *model[] = {"model"};
    char name[64];

    graphdef_const_strings(g, "save/Const", &scalar, model);
    graphdef_node(g, "save/Identity", "Identity");
    graphdef_input(g, "save/Const");
    graphdef_attr_type(g, "T", CREW_STRING);
    restore_op(g);
    for (int i = 0; i < notes->num_vars; i++) {
        graphdef_node(g, numbered(name, "save/AssignVariableOp", '_', i),
                      "AssignVariableOp");
        input_handle(g, notes->vars[i].name);
        graphdef_input(g, numbered(name, "save/RestoreV2", ':', i));
        graphdef_attr_type(g, "dtype", notes->vars[i].dtype);
    }
    graphdef_node(g, "save/restore_all", "NoOp");
    for (int i = 0; i < notes->num_vars; i++) {
        graphdef_input(g, numbered(name, "^save/AssignVariableOp", '_', i));
    }
}

/* ------------------------------------------------------------------ tables */

/* The name in assets/ of the file at `path`: its own, with a number when
 * another file of that name is there already, as TensorFlow's builder does. */
static const char *asset_file(struct graphdef *g, const char *path)
{
    const struct graphdef_notes *notes = &g->notes;
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    char *own = xstrdup(base);
    const char *kept;

    for (int i = 0; i < notes->num_assets; i++) {
        if (strcmp(notes->assets[i].path, path) == 0) {
            free(own);
            return notes->assets[i].file;
        }
    }
    for (int i = 0, k = 1; i < notes->num_assets; i++) {
        if (strcmp(notes->assets[i].file, own) == 0) {
            free(own);
            own = xasprintf("%s_%d", base, k++);
            i = -1; /* look at all of them again */
        }
    }
    kept = graphdef_string(g, own);
    free(own);
    return kept;
}

static void add_asset(struct graphdef *g,
                      const char *node,
                      const char *path,
                      int64_t lines)
{
    struct graphdef_notes *notes = &g->notes;
    struct crew_shape scalar = crew_scalar_shape();
    const char *file = asset_file(g, path);

    graphdef_const_strings(g, node, &scalar, &file);
    notes->assets =
        longer(notes->assets, notes->num_assets, sizeof *notes->assets);
    notes->assets[notes->num_assets++] = (struct graphdef_asset){
        graphdef_string(g, node), graphdef_string(g, path), file, lines};
}

void graphdef_table(struct graphdef *g,
                    const char *name,
                    const char *path,
                    int64_t size,
                    bool words_to_numbers)
{
    const char *asset = below(g, name, "asset_path");
    const char *init =
        below(g, name, "table_init/InitializeTableFromTextFileV2");
    int64_t line = TABLE_WHOLE_LINE, number = TABLE_LINE_NUMBER;

    add_asset(g, asset, path, size);
    graphdef_node(g, name, "HashTableV2");
    graphdef_attr_type(g, "key_dtype",
                       words_to_numbers ? CREW_STRING : CREW_INT64);
    graphdef_attr_type(g, "value_dtype",
                       words_to_numbers ? CREW_INT64 : CREW_STRING);
    graphdef_attr_string(g, "shared_name", name);
    graphdef_attr_bool(g, "use_node_name_sharing", true);
    graphdef_node(g, init, "InitializeTableFromTextFileV2");
    graphdef_input(g, name);
    graphdef_input(g, asset);
    graphdef_attr_int(g, "key_index", words_to_numbers ? line : number);
    graphdef_attr_int(g, "value_index", words_to_numbers ? number : line);
    if (size > 0) {
        graphdef_attr_int(g, "vocab_size", size);
    }
    add_init(g, init);
}

void graphdef_lookup(struct graphdef *g,
                     const char *name,
                     const char *table,
                     const char *keys,
                     const char *fallback,
                     bool words_to_numbers)
{
    graphdef_node(g, name, "LookupTableFindV2");
    graphdef_input(g, table);
    graphdef_input(g, keys);
    graphdef_input(g, fallback);
    graphdef_attr_type(g, "Tin", words_to_numbers ? CREW_STRING : CREW_INT64);
    graphdef_attr_type(g, "Tout", words_to_numbers ? CREW_INT64 : CREW_STRING);
}

const char *graphdef_main_op(struct graphdef *g)
{
    const struct graphdef_notes *notes = &g->notes;
    const char *all, *main_op;
    char *control;

    if (notes->num_inits == 0) {
        return NULL;
    }
    all = graphdef_free_name(g, "init_all_tables");
    graphdef_node(g, all, "NoOp");
    for (int i = 0; i < notes->num_inits; i++) {
        control = xasprintf("^%s", notes->inits[i]);
        graphdef_input(g, control);
        free(control);
    }
    main_op = graphdef_free_name(g, "group_deps");
    graphdef_node(g, main_op, "NoOp");
    control = xasprintf("^%s", all);
    graphdef_input(g, control);
    free(control);
    return main_op;
}
