/* SPDX-License-Identifier: Apache-2.0
 * What a stranger's SavedModel may try: cycles, unknown ops, names that are not
 * there, paths that leave its folder. Every one is a line of text, exit 65. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "serving/model.h"
#include "run_suite.h"

#include "base/banned.h"

enum { MAX_NODES = 8, MAX_INPUTS = 4 };

/* A model made of a few nodes. */
struct maker {
    Tensorflow__SavedModel model;
    Tensorflow__MetaGraphDef meta, *metas[1];
    Tensorflow__MetaGraphDef__MetaInfoDef info;
    Tensorflow__GraphDef graph;
    Tensorflow__NodeDef node[MAX_NODES], *nodes[MAX_NODES];
    char *inputs[MAX_NODES][MAX_INPUTS];
    Tensorflow__AssetFileDef asset, *assets[1];
    Tensorflow__TensorInfo asset_tensor;
    char *tags[1];
};

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void maker_init(struct maker *m)
{
    tensorflow__saved_model__init(&m->model);
    tensorflow__meta_graph_def__init(&m->meta);
    tensorflow__meta_graph_def__meta_info_def__init(&m->info);
    tensorflow__graph_def__init(&m->graph);
    m->tags[0] = text("serve");
    m->info.tags = m->tags;
    m->info.n_tags = 1;
    m->graph.node = m->nodes;
    m->meta.meta_info_def = &m->info;
    m->meta.graph_def = &m->graph;
    m->metas[0] = &m->meta;
    m->model.meta_graphs = m->metas;
    m->model.n_meta_graphs = 1;
}

/* A node; its inputs end with NULL. */
static void add(struct maker *m,
                const char *name,
                const char *op,
                const char *in0,
                const char *in1)
{
    size_t i = m->graph.n_node++;
    Tensorflow__NodeDef *n = &m->node[i];

    tensorflow__node_def__init(n);
    n->name = text(name);
    n->op = text(op);
    n->input = m->inputs[i];
    if (in0 != NULL) {
        n->input[n->n_input++] = text(in0);
    }
    if (in1 != NULL) {
        n->input[n->n_input++] = text(in1);
    }
    m->nodes[i] = n;
}

static struct crew_env *store(const struct maker *m)
{
    struct crew_env *env = env_mem_new(1);
    size_t n = tensorflow__saved_model__get_packed_size(&m->model);
    uint8_t *bytes = malloc(n);
    struct env_file *f = NULL;
    struct crew_err err = {0};

    ck_assert_ptr_nonnull(bytes);
    (void)tensorflow__saved_model__pack(&m->model, bytes);
    ck_assert_int_eq(fs_make_dirs(env, "/m", &err), CREW_OK);
    ck_assert_int_eq(
        env->fs->create(env->fs, "/m/saved_model.pb", true, &f, &err), CREW_OK);
    ck_assert_int_eq(env->fs->write(f, bytes, n, &err), CREW_OK);
    ck_assert_int_eq(env->fs->close(f, &err), CREW_OK);
    free(bytes);
    return env;
}

/* Load it and ask for "y:0". */
static void try_it(const struct maker *m, struct crew_err *err)
{
    struct crew_env *env = store(m);
    struct serving_model *model = NULL;
    const char *fetch = "y:0";
    struct value out = {0};

    if (serving_model_open(env, "/m", &model, err) == CREW_OK &&
        serving_run(model, NULL, 0, &fetch, 1, &out, err) == CREW_OK) {
        value_release(&out);
    }
    serving_model_close(model);
    env_mem_free(env);
}

static void refused(const struct maker *m, const char *part)
{
    struct crew_err err = {0};

    try_it(m, &err);
    ck_assert_msg(strstr(err.msg, part) != NULL, "got \"%s\", want \"%s\"",
                  err.msg, part);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
}

START_TEST(a_cycle_is_found)
{
    struct maker m = {0};

    maker_init(&m);
    add(&m, "a", "Identity", "y", NULL);
    add(&m, "y", "Identity", "a", NULL);
    refused(&m, "the graph has a cycle through '");
}
END_TEST

START_TEST(an_unknown_op_is_named_only_when_it_is_reached)
{
    struct maker m = {0};
    struct crew_err err = {0};

    maker_init(&m);
    add(&m, "x", "NoSuchOp", NULL, NULL);
    add(&m, "y", "Identity", "x", NULL);
    refused(&m, "node 'x': op NoSuchOp is not known here");
    m = (struct maker){0};
    maker_init(&m);
    add(&m, "x", "NoSuchOp", NULL, NULL);
    add(&m, "y", "VarHandleOp", NULL, NULL);
    try_it(&m, &err);
    ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
}
END_TEST

START_TEST(names_that_are_not_there)
{
    struct maker m = {0};

    maker_init(&m);
    add(&m, "y", "Identity", "nowhere:3", NULL);
    refused(&m, "node 'y': the graph has no node 'nowhere'");
    m = (struct maker){0};
    maker_init(&m);
    add(&m, "x", "NoOp", NULL, NULL);
    add(&m, "y", "Identity", "x:0", NULL);
    refused(&m, "input 0 is output 0 of 'x', which has none");
    m = (struct maker){0};
    maker_init(&m);
    add(&m, "y", "AddV2", NULL, NULL);
    refused(&m, "AddV2 has 0 inputs, expected 2");
    m = (struct maker){0};
    maker_init(&m);
    add(&m, "y", "NoOp", NULL, NULL);
    add(&m, "y", "NoOp", NULL, NULL);
    refused(&m, "two nodes named 'y'");
}
END_TEST

static const char *const escapes[] = {"../secret", "/etc/passwd", "a/b", "..",
                                      ""};

START_TEST(assets_stay_in_their_folder)
{
    struct maker m = {0};

    maker_init(&m);
    add(&m, "y", "NoOp", NULL, NULL);
    tensorflow__asset_file_def__init(&m.asset);
    tensorflow__tensor_info__init(&m.asset_tensor);
    m.asset_tensor.encoding_case = TENSORFLOW__TENSOR_INFO__ENCODING_NAME;
    m.asset_tensor.name = text("y:0");
    m.asset.tensor_info = &m.asset_tensor;
    m.asset.filename = text(escapes[_i]);
    m.assets[0] = &m.asset;
    m.meta.asset_file_def = m.assets;
    m.meta.n_asset_file_def = 1;
    refused(&m, "would leave the export's folder");
}
END_TEST

START_TEST(other_tags_and_no_model)
{
    struct maker m = {0};
    struct crew_env *env = env_mem_new(1);
    struct serving_model *model = NULL;
    struct crew_err err = {0};

    maker_init(&m);
    m.tags[0] = text("train");
    refused(&m, "no MetaGraph is tagged 'serve' alone");
    ck_assert_int_eq(serving_model_open(env, "/m", &model, &err),
                     CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    env_mem_free(env);
}
END_TEST

/* A chain that a recursive walk would not survive. */
START_TEST(a_long_chain_is_walked)
{
    enum { LONG = 200000 };
    struct maker m = {0};
    struct crew_err err = {0};
    Tensorflow__NodeDef *chain = calloc(LONG, sizeof *chain);
    Tensorflow__NodeDef **nodes = calloc(LONG, sizeof *nodes);
    char(*names)[16] = calloc(LONG, sizeof *names);
    char **inputs = calloc(LONG, sizeof *inputs);

    ck_assert(chain != NULL && nodes != NULL && names != NULL &&
              inputs != NULL);
    maker_init(&m);
    for (int i = 0; i < LONG; i++) {
        tensorflow__node_def__init(&chain[i]);
        (void)snprintf(names[i], sizeof names[i], "%s%d", "n", i);
        chain[i].name = i + 1 < LONG ? names[i] : text("y");
        chain[i].op = text(i == 0 ? "VarHandleOp" : "Identity");
        if (i > 0) {
            inputs[i] = names[i - 1];
            chain[i].input = &inputs[i];
            chain[i].n_input = 1;
        }
        nodes[i] = &chain[i];
    }
    m.graph.node = nodes;
    m.graph.n_node = LONG;
    try_it(&m, &err);
    ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
    free(inputs);
    free(names);
    free(nodes);
    free(chain);
}
END_TEST

/* One attribute more; all of a node's stand together in `entries`. */
static Tensorflow__AttrValue *give(Tensorflow__NodeDef *node,
                                   Tensorflow__AttrEntry *entry,
                                   Tensorflow__AttrValue *value,
                                   const char *key)
{
    static Tensorflow__AttrEntry *lists[MAX_NODES][2];
    static int next;

    if (node->n_attr == 0) {
        node->attr = lists[next++ % MAX_NODES];
    }
    tensorflow__attr_value__init(value);
    tensorflow__attr_entry__init(entry);
    entry->key = text(key);
    entry->value = value;
    node->attr[node->n_attr++] = entry;
    return value;
}

static const struct {
    const char *key;
    Tensorflow__AttrValue__ValueCase kind;
    const char *said; /* NULL: it is right */
} kinds[] = {
    {"T", TENSORFLOW__ATTR_VALUE__VALUE_TYPE, NULL},
    {"T", TENSORFLOW__ATTR_VALUE__VALUE_F,
     "AttrValue had value with type 'float' when 'type' expected for attr 'T'; "
     "NodeDef: 'y', op Identity"},
    {"T", TENSORFLOW__ATTR_VALUE__VALUE__NOT_SET,
     "AttrValue missing value with expected type 'type' for attr 'T'"},
    {"transpose_a", TENSORFLOW__ATTR_VALUE__VALUE_I,
     "AttrValue had value with type 'int' when 'bool' expected for attr "
     "'transpose_a'"},
    {"strides", TENSORFLOW__ATTR_VALUE__VALUE_I,
     "AttrValue had value with type 'int' when 'list(int)' expected"},
    {"strides", TENSORFLOW__ATTR_VALUE__VALUE_LIST, NULL}, /* an empty one */
    {"_class", TENSORFLOW__ATTR_VALUE__VALUE_I, NULL},
};

START_TEST(attributes_have_their_kind)
{
    struct maker m = {0};
    struct crew_err err = {0};
    Tensorflow__AttrEntry entry;
    Tensorflow__AttrValue value;
    Tensorflow__AttrValue__ListValue list;

    maker_init(&m);
    add(&m, "x", "VarHandleOp", NULL, NULL);
    add(&m, "y", "Identity", "x", NULL);
    give(&m.node[1], &entry, &value, kinds[_i].key)->value_case =
        kinds[_i].kind;
    if (kinds[_i].kind == TENSORFLOW__ATTR_VALUE__VALUE_LIST) {
        tensorflow__attr_value__list_value__init(&list);
        value.list = &list;
    }
    if (kinds[_i].said != NULL) {
        refused(&m, kinds[_i].said);
        return;
    }
    try_it(&m, &err);
    ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
}
END_TEST

/* A vector of three 1.5 is assigned to a variable of that dtype and size. */
static const struct {
    int dtype;
    int64_t size;
    const char *said;
} variables[] = {
    {CREW_FLOAT, 3, NULL},
    {CREW_FLOAT, -1, NULL},
    {CREW_FLOAT, 4,
     "Cannot update variable with shape [4] using a Tensor with shape [3], "
     "shapes must be equal"},
    {CREW_DOUBLE, 3, "Variable and value dtypes don't match"},
};

START_TEST(a_variable_takes_what_its_handle_says)
{
    struct maker m = {0};
    struct crew_err err = {0};
    Tensorflow__AttrEntry entry[3];
    Tensorflow__AttrValue value[3];
    Tensorflow__TensorShapeProto shape[2];
    Tensorflow__TensorShapeProto__Dim dim[2], *dims[2] = {&dim[0], &dim[1]};
    Tensorflow__TensorProto tensor;
    float number = 1.5f;

    maker_init(&m);
    for (int i = 0; i < 2; i++) {
        tensorflow__tensor_shape_proto__init(&shape[i]);
        tensorflow__tensor_shape_proto__dim__init(&dim[i]);
        shape[i].dim = &dims[i];
        shape[i].n_dim = 1;
    }
    tensorflow__tensor_proto__init(&tensor);
    tensor.dtype = CREW_FLOAT;
    tensor.tensor_shape = &shape[0];
    tensor.float_val = &number;
    tensor.n_float_val = 1;
    dim[0].size = 3;
    dim[1].size = variables[_i].size;
    add(&m, "v", "VarHandleOp", NULL, NULL);
    add(&m, "c", "Const", NULL, NULL);
    add(&m, "set", "AssignVariableOp", "v", "c");
    add(&m, "y", "ReadVariableOp", "v", "^set");
    give(&m.node[0], &entry[0], &value[0], "dtype")->value_case =
        TENSORFLOW__ATTR_VALUE__VALUE_TYPE;
    value[0].type = variables[_i].dtype;
    give(&m.node[0], &entry[1], &value[1], "shape")->value_case =
        TENSORFLOW__ATTR_VALUE__VALUE_SHAPE;
    value[1].shape = &shape[1];
    give(&m.node[1], &entry[2], &value[2], "value")->value_case =
        TENSORFLOW__ATTR_VALUE__VALUE_TENSOR;
    value[2].tensor = &tensor;
    if (variables[_i].said != NULL) {
        refused(&m, variables[_i].said);
        return;
    }
    try_it(&m, &err);
    ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
}
END_TEST

#define COUNT_OF(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("model");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_cycle_is_found);
    tcase_add_test(tc, an_unknown_op_is_named_only_when_it_is_reached);
    tcase_add_test(tc, names_that_are_not_there);
    tcase_add_loop_test(tc, assets_stay_in_their_folder, 0,
                        (int)(sizeof escapes / sizeof escapes[0]));
    tcase_add_test(tc, other_tags_and_no_model);
    tcase_add_test(tc, a_long_chain_is_walked);
    tcase_add_loop_test(tc, attributes_have_their_kind, 0, COUNT_OF(kinds));
    tcase_add_loop_test(tc, a_variable_takes_what_its_handle_says, 0,
                        COUNT_OF(variables));
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
