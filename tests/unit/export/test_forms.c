/* SPDX-License-Identifier: Apache-2.0
 * Every form of an export: what is in the folder and in saved_model.pb, that
 * the same request gives the same bytes, and what is refused. With
 * CREW_FORMS_DIR=DIR the forms are also written there, for
 * judge_by_tensorflow.py. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/bundle.h"
#include "export/build.h"
#include "forms.h"
#include "opdef.h"
#include "proto/tensorflow.pb-c.h"
#include "run_suite.h"

#include "base/banned.h"

#define LABELS "cat\ndog\nemu\n"

static struct crew_env *env;
static struct form_export f;
static struct crew_err err;

static void setup(void)
{
    env = env_mem_new(3);
    err = (struct crew_err){0};
    ck_assert_int_eq(
        fs_replace_file(env, "labels.txt", LABELS, strlen(LABELS), &err),
        CREW_OK);
}

static void teardown(void)
{
    form_release(&f);
    env_mem_free(env);
}

static Tensorflow__SavedModel *unpack(void)
{
    uint8_t *bytes = NULL;
    size_t n = 0;

    ck_assert_msg(saved_model_pack(&f.request, &bytes, &n, &err) == CREW_OK,
                  "%s", err.msg);
    Tensorflow__SavedModel *m = tensorflow__saved_model__unpack(NULL, n, bytes);
    ck_assert_ptr_nonnull(m);
    free(bytes);
    return m;
}

static const Tensorflow__SignatureDef *signature(
    const Tensorflow__SavedModel *m,
    const char *key)
{
    const Tensorflow__MetaGraphDef *meta = m->meta_graphs[0];

    for (size_t i = 0; i < meta->n_signature_def; i++) {
        if (strcmp(meta->signature_def[i]->key, key) == 0) {
            return meta->signature_def[i]->value;
        }
    }
    ck_abort_msg("no signature %s", key);
}

static const Tensorflow__CollectionDef *collection(
    const Tensorflow__SavedModel *m,
    const char *key)
{
    const Tensorflow__MetaGraphDef *meta = m->meta_graphs[0];

    for (size_t i = 0; i < meta->n_collection_def; i++) {
        if (strcmp(meta->collection_def[i]->key, key) == 0) {
            return meta->collection_def[i]->value;
        }
    }
    return NULL;
}

/* Every node is one TensorFlow's registry would accept. */
START_TEST(is_a_graph_that_tensorflow_would_accept)
{
    form_init(&f, (enum form)_i, "labels.txt");
    Tensorflow__SavedModel *m = unpack();

    ck_assert_msg(
        opdef_check_graph(m->meta_graphs[0]->graph_def, &err) == CREW_OK,
        "%s: %s", form_name((enum form)_i), err.msg);
    tensorflow__saved_model__free_unpacked(m, NULL);
}
END_TEST

START_TEST(the_same_request_gives_the_same_bytes)
{
    uint8_t *bytes[2] = {NULL, NULL};
    size_t n[2] = {0, 0};

    for (int k = 0; k < 2; k++) {
        form_init(&f, (enum form)_i, "labels.txt");
        ck_assert_int_eq(saved_model_pack(&f.request, &bytes[k], &n[k], &err),
                         CREW_OK);
        if (k == 0) {
            form_release(&f);
        }
    }
    ck_assert_uint_eq(n[0], n[1]);
    ck_assert_int_eq(memcmp(bytes[0], bytes[1], n[0]), 0);
    free(bytes[0]);
    free(bytes[1]);
}
END_TEST

START_TEST(classify_and_regress_have_tensorflows_keys)
{
    form_init(&f, FORM_EXAMPLES, NULL);
    Tensorflow__SavedModel *m = unpack();
    const Tensorflow__SignatureDef *s = signature(m, "serving_default");

    ck_assert_str_eq(s->method_name, "tensorflow/serving/classify");
    ck_assert_uint_eq(s->n_inputs, 1);
    ck_assert_str_eq(s->inputs[0]->key, "inputs");
    ck_assert_str_eq(s->inputs[0]->value->name, "input_example_tensor:0");
    ck_assert_int_eq(s->inputs[0]->value->dtype, CREW_STRING);
    ck_assert_str_eq(s->outputs[0]->key, "classes");
    ck_assert_str_eq(s->outputs[0]->value->name, "Tile:0");
    ck_assert_int_eq(s->outputs[0]->value->dtype, CREW_STRING);
    ck_assert_int_eq(s->outputs[0]->value->tensor_shape->dim[1]->size, 3);
    ck_assert_str_eq(s->outputs[1]->key, "scores");
    s = signature(m, "regress");
    ck_assert_str_eq(s->method_name, "tensorflow/serving/regress");
    ck_assert_str_eq(s->inputs[0]->key, "inputs");
    ck_assert_str_eq(s->outputs[0]->key, "outputs");
    s = signature(m, "predict");
    ck_assert_str_eq(s->inputs[0]->key, "examples");
    s = signature(m, "tensors:predict");
    ck_assert_uint_eq(s->n_inputs, 3);
    ck_assert_str_eq(s->inputs[0]->key, "picture"); /* sorted */
    ck_assert_uint_eq(m->meta_graphs[0]->n_signature_def, 4);
    tensorflow__saved_model__free_unpacked(m, NULL);
}
END_TEST

START_TEST(tensors_cannot_be_classified)
{
    char *why;

    form_init(&f, FORM_EXAMPLES, NULL);
    f.request.examples = false;
    why = export_excluded(&f.request, &f.signatures[0], false);
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_nonnull(strstr(
        why,
        "Classification signatures can only accept a single tensor input "
        "of type tf.string."));
    ck_assert_ptr_nonnull(
        strstr(why,
               "Received: {'x': <tf.Tensor 'x:0' shape=(None, 4) "
               "dtype=float32>, 'picture': "));
    free(why);
    Tensorflow__SavedModel *m = unpack();
    ck_assert_uint_eq(m->meta_graphs[0]->n_signature_def, 1);
    ck_assert_str_eq(m->meta_graphs[0]->signature_def[0]->key, "predict");
    tensorflow__saved_model__free_unpacked(m, NULL);
}
END_TEST

/* ---------------------------------------------------------------- variables */

static void check_bundle(const char *dir)
{
    char *prefix = xasprintf("%s/variables/variables", dir);
    struct bundle_reader *r = NULL;
    int64_t step = 0;

    ck_assert_msg(bundle_reader_open(env, prefix, &r, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(bundle_num_tensors(r), graph_num_vars(f.graph) + 1);
    for (int i = 0; i < graph_num_vars(f.graph); i++) {
        const struct graph_var *v = graph_var(f.graph, i);
        float *data = xcalloc((size_t)v->n, sizeof(float));

        ck_assert_int_eq(bundle_read(r, bundle_find(r, v->name), data, &err),
                         CREW_OK);
        ck_assert_int_eq(
            memcmp(data, f.var_data[i], (size_t)v->n * sizeof(float)), 0);
        free(data);
    }
    ck_assert_int_eq(bundle_read(r, bundle_find(r, "global_step"), &step, &err),
                     CREW_OK);
    ck_assert_int_eq(step, 50);
    bundle_reader_free(r);
    free(prefix);
}

START_TEST(variables_are_beside_the_graph)
{
    char *dir = NULL;

    form_init(&f, FORM_VARIABLES, NULL);
    Tensorflow__SavedModel *m = unpack();
    const Tensorflow__SaverDef *saver = m->meta_graphs[0]->saver_def;

    ck_assert_ptr_nonnull(saver);
    ck_assert_str_eq(saver->filename_tensor_name, "save/Const:0");
    ck_assert_str_eq(saver->save_tensor_name, "save/Identity:0");
    ck_assert_str_eq(saver->restore_op_name, "save/restore_all");
    ck_assert_int_eq(saver->version, 2);
    ck_assert(saver->sharded);
    tensorflow__saved_model__free_unpacked(m, NULL);
    ck_assert_msg(
        saved_model_write(env, "out", &f.request, &dir, &err) == CREW_OK, "%s",
        err.msg);
    check_bundle(dir);
    free(dir);
}
END_TEST

START_TEST(a_frozen_model_leaves_no_variables)
{
    char *dir = NULL, *index;

    form_init(&f, FORM_EXAMPLES, NULL);
    ck_assert_int_eq(saved_model_write(env, "out", &f.request, &dir, &err),
                     CREW_OK);
    index = path_join(dir, "variables/variables.index");
    ck_assert(!fs_exists(env, index));
    Tensorflow__SavedModel *m = unpack();
    ck_assert_ptr_null(m->meta_graphs[0]->saver_def);
    ck_assert_uint_eq(m->meta_graphs[0]->n_collection_def, 0);
    tensorflow__saved_model__free_unpacked(m, NULL);
    free(index);
    free(dir);
}
END_TEST

/* A dry run of a model that has more than a GiB of weights needs none of them.
 */
START_TEST(more_than_a_gibibyte_goes_to_variables)
{
    const int64_t floats = ((int64_t)1 << 28) + _i; /* 1 GiB, and one more */
    uint8_t *bytes = NULL;
    size_t n = 0;

    form_init(&f, FORM_TENSORS, NULL);
    int64_t others = 0;
    for (int i = 0; i < graph_num_vars(f.graph); i++) {
        others += graph_var(f.graph, i)->n;
    }
    struct crew_node *huge =
        crew_variable(f.graph, "huge", crew_shape2(floats - others, 1),
                      crew_init_constant(0));

    f.predictions[1].node = crew_gather(f.graph, huge, f.word);
    f.request.var_data = NULL;
    ck_assert_msg(saved_model_pack(&f.request, &bytes, &n, &err) == CREW_OK,
                  "%s", err.msg);
    Tensorflow__SavedModel *m = tensorflow__saved_model__unpack(NULL, n, bytes);
    ck_assert_int_eq(m->meta_graphs[0]->saver_def != NULL, _i == 1);
    tensorflow__saved_model__free_unpacked(m, NULL);
    free(bytes);
}
END_TEST

static bool half_seen;

static void look_for_halves(void *self, const char *name)
{
    (void)self;
    if (name[0] >= '0' && name[0] <= '9') {
        char *pb = xasprintf("base/%s/saved_model.pb", name);

        half_seen |= !fs_exists(env, pb);
        free(pb);
    }
}

/* Weights, assets and extra files in one export, and a fault at any place. */
START_TEST(a_fault_at_any_place_shows_no_half_export)
{
    bool fired = true;

    for (int64_t n = 1; fired; n++) {
        struct crew_err ignored = {0};
        char *dir = NULL;

        err = (struct crew_err){0};
        form_init(&f, FORM_ASSETS, "labels.txt");
        f.request.weights = CREW_EXPORT_VARIABLES;
        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, false);
        int code = saved_model_write(env, "base", &f.request, &dir, &err);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        ck_assert((dir != NULL) == (code == CREW_OK));
        if (!fired) {
            ck_assert_msg(code == CREW_OK, "%s", err.msg);
            check_bundle(dir);
            ck_assert_int_gt((int)n, 20);
        }
        half_seen = false;
        (void)env->fs->list(env->fs, "base", look_for_halves, NULL, &ignored);
        ck_assert_msg(!half_seen, "operation %d: half an export", (int)n);
        ignored = (struct crew_err){0};
        ck_assert_int_eq(fs_remove_tree(env, "base", &ignored), CREW_OK);
        free(dir);
        form_release(&f);
    }
    form_init(&f, FORM_ASSETS, "labels.txt"); /* for teardown */
}
END_TEST

/* ------------------------------------------------------------------- assets */

static void has_file(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name), *got = NULL;
    size_t n = 0;

    ck_assert_msg(fs_read_file(env, path, 1000, &got, &n, &err) == CREW_OK,
                  "%s", err.msg);
    ck_assert_str_eq(got, text);
    free(got);
    free(path);
}

START_TEST(assets_are_noted_as_estimator_does)
{
    char *dir = NULL;

    form_init(&f, FORM_ASSETS, "labels.txt");
    ck_assert_int_eq(saved_model_check_files(env, &f.request, &err), CREW_OK);
    Tensorflow__SavedModel *m = unpack();
    const Tensorflow__CollectionDef *c = collection(m, "saved_model_main_op");

    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c->node_list->n_value, 1);
    ck_assert_str_eq(c->node_list->value[0], "group_deps");
    ck_assert_uint_eq(m->meta_graphs[0]->n_asset_file_def, 0);
    c = collection(m, "asset_filepaths");
    ck_assert_uint_eq(c->node_list->n_value, 2); /* a table each */
    ck_assert_str_eq(c->node_list->value[0],
                     "class_labels/hash_table/asset_path:0");
    c = collection(m, "saved_model_assets");
    ck_assert_int_eq(c->kind_case, TENSORFLOW__COLLECTION_DEF__KIND_ANY_LIST);
    ck_assert_uint_eq(c->any_list->n_value, 2);
    ck_assert_str_eq(c->any_list->value[0]->type_url,
                     "type.googleapis.com/tensorflow.AssetFileDef");
    Tensorflow__AssetFileDef *a = tensorflow__asset_file_def__unpack(
        NULL, c->any_list->value[1]->value.len,
        c->any_list->value[1]->value.data);
    ck_assert_str_eq(a->filename, "labels.txt");
    tensorflow__asset_file_def__free_unpacked(a, NULL);
    tensorflow__saved_model__free_unpacked(m, NULL);
    ck_assert_msg(
        saved_model_write(env, "out", &f.request, &dir, &err) == CREW_OK, "%s",
        err.msg);
    has_file(dir, "assets/labels.txt", LABELS);
    has_file(dir, "assets.extra/notes/labels.txt", LABELS);
    free(dir);
}
END_TEST

static const struct {
    const char *text, *says;
} vocabularies[] = {
    {"cat\n\nemu\n",
     "Invalid content in labels.txt: empty line found at "
     "position 4"},
    {"cat\ndog\n", "Invalid vocab_size in labels.txt: expected 3 but got 2"},
    {"", "Invalid vocab_size in labels.txt: expected 3 but got 0"},
    {"cat\ndog\nemu", NULL}, /* the last line may lack its end */
};

START_TEST(a_vocabulary_is_looked_at_before)
{
    const char *text = vocabularies[_i].text;

    ck_assert_int_eq(
        fs_replace_file(env, "labels.txt", text, strlen(text), &err), CREW_OK);
    form_init(&f, FORM_ASSETS, "labels.txt");
    int code = saved_model_check_files(env, &f.request, &err);

    if (vocabularies[_i].says == NULL) {
        ck_assert_msg(code == CREW_OK, "%s", err.msg);
    } else {
        ck_assert_int_eq(code, CREW_INVALID_ARGUMENT);
        ck_assert_int_eq(err.exit_code, 65);
        ck_assert_msg(strstr(err.msg, vocabularies[_i].says) != NULL, "%s",
                      err.msg);
    }
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    form_init(&f, FORM_ASSETS, "nowhere.txt");
    ck_assert_int_eq(saved_model_check_files(env, &f.request, &err),
                     CREW_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "nowhere.txt"));
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
}
END_TEST

static const char *const outside[] = {"../x", "/x", "a/../b", "", "a//b", "."};

START_TEST(an_extra_stays_in_its_folder)
{
    form_init(&f, FORM_ASSETS, "labels.txt");
    f.extra[0].name = outside[_i];
    ck_assert_int_eq(saved_model_check_files(env, &f.request, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "must be a path below"));
}
END_TEST

/* ---------------------------------------------------------- what cannot be */

static void refused(const char *says)
{
    uint8_t *bytes = NULL;
    size_t n = 0;

    ck_assert_int_eq(saved_model_pack(&f.request, &bytes, &n, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
}

START_TEST(a_feature_that_cannot_be_received_is_refused)
{
    form_init(&f, FORM_SPELT, NULL);
    struct export_feature *x = &f.features[0];

    switch (_i) {
        case 0:
            x->wire = CREW_STRING;
            refused("feature 'x': the model takes numbers");
            break;
        case 1:
            x->wire = CREW_DOUBLE;
            refused("feature 'x': an Example has lists of");
            break;
        case 2:
            f.features[1].var_len = true;
            refused("feature 'picture': uint8 is a string");
            break;
        case 3:
            f.features[2].scale = 2;
            refused("feature 'word': scale is for");
            break;
        case 4:
            f.features[3].var_len = false;
            refused("feature 'tags': the dataset has no such feature");
            break;
        default:
            f.features[1].wire = CREW_FLOAT;
            f.features[1].var_len = true;
            refused(
                "feature 'picture': with var_len the feature must be a "
                "vector");
            break;
    }
}
END_TEST

START_TEST(a_name_that_two_nodes_have_is_refused)
{
    form_init(&f, FORM_EXAMPLES, NULL);
    (void)crew_named(f.graph, f.value, "input_example_tensor");
    refused("two nodes of the exported graph are named input_example_tensor");
}
END_TEST

/* ---------------------------------------------------------- to a real disk */

START_TEST(written_for_tensorflow)
{
    const char *dir = getenv("CREW_FORMS_DIR");
    struct crew_env *real = env_posix();

    form_init(&f, (enum form)_i, NULL);
    if (dir != NULL) {
        char *file = path_join(dir, "labels.txt");
        char *base = path_join(dir, form_name((enum form)_i)), *made = NULL;

        form_release(&f);
        form_init(&f, (enum form)_i, file);
        ck_assert_int_eq(fs_make_dirs(real, base, &err), CREW_OK);
        ck_assert_int_eq(
            fs_replace_file(real, file, LABELS, strlen(LABELS), &err), CREW_OK);
        ck_assert_msg(
            saved_model_write(real, base, &f.request, &made, &err) == CREW_OK,
            "%s", err.msg);
        free(made);
        free(base);
        free(file);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forms");
    TCase *tc = tcase_create("forms");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, is_a_graph_that_tensorflow_would_accept, 0,
                        FORM_COUNT);
    tcase_add_loop_test(tc, the_same_request_gives_the_same_bytes, 0,
                        FORM_COUNT);
    tcase_add_test(tc, classify_and_regress_have_tensorflows_keys);
    tcase_add_test(tc, tensors_cannot_be_classified);
    tcase_add_test(tc, variables_are_beside_the_graph);
    tcase_add_test(tc, a_frozen_model_leaves_no_variables);
    tcase_add_loop_test(tc, more_than_a_gibibyte_goes_to_variables, 0, 2);
    tcase_add_test(tc, a_fault_at_any_place_shows_no_half_export);
    tcase_add_test(tc, assets_are_noted_as_estimator_does);
    tcase_add_loop_test(tc, a_vocabulary_is_looked_at_before, 0, 4);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_loop_test(tc, an_extra_stays_in_its_folder, 0, 6);
    tcase_add_loop_test(tc, a_feature_that_cannot_be_received_is_refused, 0, 6);
    tcase_add_test(tc, a_name_that_two_nodes_have_is_refused);
    tcase_add_loop_test(tc, written_for_tensorflow, 0, FORM_COUNT);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
