/* SPDX-License-Identifier: Apache-2.0
 * SavedModels: what is in them, and that a server never sees half of one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "export/saved_model.h"
#include "proto/tensorflow.pb-c.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;
static struct crew_graph *g;
static float kernel[4 * 3], bias[3];
static const float *const data[] = {kernel, bias};
static struct export_feature input;
static struct export_tensor outputs[2];
static struct export_signature signatures[2];

static void setup(void)
{
    struct crew_node *x, *logits;

    env = env_mem_new(3);
    g = graph_new();
    x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    logits = crew_dense(g, NULL, x, 3, CREW_LINEAR);
    input = (struct export_feature){.key = "x", .node = x, .wire = CREW_FLOAT};
    outputs[0] = (struct export_tensor){.key = "classes",
                                        .node = crew_argmax(g, logits, 1)};
    outputs[1] = (struct export_tensor){
        .key = "probabilities",
        .node = crew_named(g, crew_softmax(g, logits), "softmax_tensor")};
    signatures[0] =
        (struct export_signature){"predict_images", EXPORT_PREDICT, outputs, 2};
    signatures[1] = signatures[0];
    signatures[1].key = "serving_default";
    for (int i = 0; i < 12; i++) {
        kernel[i] = (float)i / 7.0f;
    }
}

static void teardown(void)
{
    graph_free(g);
    env_mem_free(env);
}

static struct export_request request(void)
{
    return (struct export_request){.graph = g,
                                   .features = &input,
                                   .n_features = 1,
                                   .signatures = signatures,
                                   .n_signatures = 2,
                                   .var_data = data,
                                   .global_step = -1};
}

static const Tensorflow__NodeDef *find(const Tensorflow__GraphDef *graph,
                                       const char *name)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        if (strcmp(graph->node[i]->name, name) == 0) {
            return graph->node[i];
        }
    }
    ck_abort_msg("no node %s", name);
}

START_TEST(holds_the_graph_with_its_weights_and_two_signatures)
{
    struct export_request q = request();
    struct crew_err err = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;

    ck_assert_msg(saved_model_pack(&q, &bytes, &n, &err) == CREW_OK, "%s",
                  err.msg);
    Tensorflow__SavedModel *m = tensorflow__saved_model__unpack(NULL, n, bytes);
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->saved_model_schema_version, 1);
    ck_assert_uint_eq(m->n_meta_graphs, 1);
    const Tensorflow__MetaGraphDef *meta = m->meta_graphs[0];
    ck_assert_uint_eq(meta->meta_info_def->n_tags, 1);
    ck_assert_str_eq(meta->meta_info_def->tags[0], "serve");
    ck_assert_ptr_null(meta->saver_def);
    ck_assert_uint_eq(meta->n_signature_def, 2);
    ck_assert_str_eq(meta->signature_def[0]->key, "predict_images");
    ck_assert_str_eq(meta->signature_def[1]->key, "serving_default");
    for (int i = 0; i < 2; i++) {
        const Tensorflow__SignatureDef *s = meta->signature_def[i]->value;

        ck_assert_str_eq(s->method_name, "tensorflow/serving/predict");
        ck_assert_str_eq(s->inputs[0]->value->name, "x:0");
        ck_assert_int_eq(s->inputs[0]->value->tensor_shape->dim[0]->size, -1);
        ck_assert_uint_eq(s->n_outputs, 2);
        ck_assert_str_eq(s->outputs[0]->value->name, "ArgMax:0");
        ck_assert_int_eq(s->outputs[0]->value->dtype, CREW_INT64);
        ck_assert_str_eq(s->outputs[1]->value->name, "softmax_tensor:0");
    }
    const Tensorflow__NodeDef *w = find(meta->graph_def, "dense/kernel");
    ck_assert_str_eq(w->op, "Const");
    bool found = false;
    for (size_t i = 0; i < w->n_attr; i++) {
        if (strcmp(w->attr[i]->key, "value") == 0) {
            const Tensorflow__TensorProto *t = w->attr[i]->value->tensor;

            found = true;
            ck_assert_uint_eq(t->tensor_content.len, sizeof kernel);
            ck_assert_int_eq(
                memcmp(t->tensor_content.data, kernel, sizeof kernel), 0);
        }
    }
    ck_assert(found);
    ck_assert_str_eq(find(meta->graph_def, "dense/MatMul")->input[1],
                     "dense/kernel");
    tensorflow__saved_model__free_unpacked(m, NULL);
    free(bytes);
}
END_TEST

START_TEST(an_op_without_an_export_is_named)
{
    struct export_request q = request();
    struct crew_err err = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;

    outputs[0].node = crew_dropout(g, input.node, 0.5f, CREW_TRAIN);
    ck_assert_int_eq(saved_model_pack(&q, &bytes, &n, &err),
                     CREW_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "dropout: op Dropout cannot be exported"));
    ck_assert_ptr_null(bytes);
}
END_TEST

START_TEST(versions_rise_and_old_ones_go)
{
    struct export_request q = request();
    struct crew_err err = {0};
    long long now = (long long)env->wall_time(env);
    char *path[4];

    for (int i = 0; i < 4; i++) {
        char *dir = NULL;

        ck_assert_msg(
            saved_model_write(env, "m/export/final", &q, &dir, &err) == CREW_OK,
            "%s", err.msg);
        path[i] = xasprintf("m/export/final/%lld", now + i);
        ck_assert_str_eq(dir, path[i]);
        free(dir);
    }
    ck_assert_int_eq(fs_make_dirs(env, "m/export/final/17", &err), CREW_OK);
    ck_assert_int_eq(saved_model_prune(env, "m/export/final", 2, &err),
                     CREW_OK);
    for (int i = 0; i < 4; i++) {
        char *pb = path_join(path[i], "saved_model.pb");

        ck_assert_int_eq(fs_exists(env, path[i]), i >= 2);
        ck_assert_int_eq(fs_exists(env, pb), i >= 2);
        free(pb);
    }
    ck_assert_int_eq(saved_model_prune(env, "m/export/final", 0, &err),
                     CREW_OK);
    ck_assert(fs_exists(env, path[2]));
    ck_assert(fs_exists(env, "m/export/final/17")); /* not ten digits */
    for (int i = 0; i < 4; i++) {
        free(path[i]);
    }
}
END_TEST

/* Whatever goes meanwhile, and wherever the clock is: the newest is the
 * highest.
 */
START_TEST(the_newest_has_the_highest_version)
{
    struct export_request q = request();
    struct crew_err err = {0};
    long long newest = (long long)env->wall_time(env) + 1000;
    char *future = xasprintf("m/export/latest/%lld", newest);

    ck_assert_int_eq(fs_make_dirs(env, future, &err), CREW_OK);
    for (int i = 1; i <= 5; i++) {
        char *dir = NULL;
        char *want = xasprintf("m/export/latest/%lld", newest + i);

        ck_assert_int_eq(
            saved_model_write(env, "m/export/latest", &q, &dir, &err), CREW_OK);
        ck_assert_str_eq(dir, want);
        ck_assert_int_eq(saved_model_prune(env, "m/export/latest", 1, &err),
                         CREW_OK);
        free(want);
        free(dir);
    }
    free(future);
}
END_TEST

/* Versions (all digits) without a whole model in them. */
struct halves {
    const struct crew_env *env;
    int versions, temporary;
};

static void count_halves(void *self, const char *name)
{
    struct halves *h = self;

    if (name[0] >= '0' && name[0] <= '9') {
        char *pb = xasprintf("base/%s/saved_model.pb", name);

        h->versions++;
        ck_assert_msg(fs_exists(env, pb), "half an export is visible: %s",
                      name);
        free(pb);
    } else {
        h->temporary++;
    }
}

START_TEST(a_fault_at_any_place_shows_no_half_export)
{
    struct export_request q = request();

    for (int64_t n = 1;; n++) {
        struct crew_err err = {0}, list_err = {0}, clean = {0};
        struct halves h = {0};
        char *dir = NULL;

        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, _i == 1);
        int code = saved_model_write(env, "base", &q, &dir, &err);
        bool fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        ck_assert_msg((dir != NULL) == (code == CREW_OK), "op %d: code %d",
                      (int)n, code);
        free(dir);
        bool listed = env->fs->list(env->fs, "base", count_halves, &h,
                                    &list_err) == CREW_OK;
        if (listed &&
            _i == 0) { /* the disk works again: what was begun is gone */
            ck_assert_msg(h.temporary == 0, "op %d: %s left a temporary folder",
                          (int)n, err.msg);
        }
        ck_assert_int_eq(fs_remove_tree(env, "base", &clean), CREW_OK);
        if (!fired) {
            ck_assert_int_eq(code, CREW_OK);
            ck_assert_int_gt((int)n, 5);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("saved_model");
    TCase *tc = tcase_create("saved_model");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, holds_the_graph_with_its_weights_and_two_signatures);
    tcase_add_test(tc, an_op_without_an_export_is_named);
    tcase_add_test(tc, versions_rise_and_old_ones_go);
    tcase_add_test(tc, the_newest_has_the_highest_version);
    tcase_add_loop_test(tc, a_fault_at_any_place_shows_no_half_export, 0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
