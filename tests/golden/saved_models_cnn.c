/* SPDX-License-Identifier: Apache-2.0
 *
 * The CNN with a raw tensor receiver, built here from the weights of its last
 * checkpoint: our predictions must be those of TensorFlow's export, and the
 * export we make must offer the same signatures and be a graph that can be run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "export/saved_model.h"
#include "golden.h"
#include "graph/plan.h"
#include "kernels/blas.h"
#include "proto/tensorflow.pb-c.h"
#include "saved_models_cnn.h"

#include "base/banned.h"

#define MODEL "mnist_cnn_raw"

enum { SIDE = 28, CLASSES = 10, NUM_VARS = 8 };

static const struct golden_tolerance computed = {1e-5, 1e-6};

struct cnn {
    struct crew_graph *graph;
    struct export_tensor in, out[2]; /* x; classes, probabilities */
    float *value[NUM_VARS];
};

/* ------------------------------------------------------------- the network */

/* The last dimension of a tensor of the checkpoint. */
static int64_t width(const struct bundle_reader *r, const char *name)
{
    const struct bundle_tensor *t = bundle_find(r, name);

    if (t == NULL || t->shape.rank < 1) {
        exit(golden_trouble(65, "%s: no %s in the checkpoint", MODEL, name));
    }
    return t->shape.dim[t->shape.rank - 1];
}

static struct crew_node *conv_block(struct crew_graph *g,
                                    struct crew_node *x,
                                    int64_t filters)
{
    x = crew_conv2d(g, NULL, x, filters, 5, CREW_SAME, CREW_RELU);
    return crew_max_pool2d(g, x, 2, 2);
}

static void build(struct cnn *c, const struct bundle_reader *r)
{
    struct crew_graph *g = c->graph = graph_new();
    struct crew_node *x =
        graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, SIDE * SIDE));
    struct crew_err err = {0};

    c->in = (struct export_tensor){.key = "x", .node = x};
    x = crew_reshape(g, x, crew_shape4(-1, SIDE, SIDE, 1));
    x = conv_block(g, x, width(r, "conv2d/bias"));
    x = conv_block(g, x, width(r, "conv2d_1/bias"));
    x = crew_reshape(g, x, crew_shape2(-1, 49 * width(r, "conv2d_1/bias")));
    x = crew_dense(g, NULL, x, width(r, "dense/bias"), CREW_RELU);
    x = crew_dropout(g, x, 0.4f, CREW_PREDICT);
    x = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);
    c->out[0] =
        (struct export_tensor){.key = "classes", .node = crew_argmax(g, x, 1)};
    x = crew_named(g, crew_softmax(g, x), "softmax_tensor");
    c->out[1] = (struct export_tensor){.key = "probabilities", .node = x};
    if (crew_graph_status(g, &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
}

static void load_weights(struct cnn *c, struct bundle_reader *r)
{
    if (graph_num_vars(c->graph) != NUM_VARS) {
        exit(golden_trouble(70, "the CNN has other than 8 variables"));
    }
    for (int i = 0; i < NUM_VARS; i++) {
        const struct graph_var *v = graph_var(c->graph, i);
        const struct bundle_tensor *t = bundle_find(r, v->name);
        struct crew_err err = {0};

        if (t == NULL || !shape_equal(&t->shape, &v->shape)) {
            exit(golden_trouble(65, "%s: not in the checkpoint as here",
                                v->name));
        }
        c->value[i] = xcalloc((size_t)v->n, sizeof(float));
        if (bundle_read(r, t, c->value[i], &err) != CREW_OK) {
            exit(golden_trouble(65, "%s: %s", v->name, err.msg));
        }
    }
}

static void open_model(struct cnn *c, const char *dir, const cJSON *tree)
{
    const char *prefix =
        golden_text(golden_member(tree, "checkpoint"), "prefix");
    char *path = xasprintf("%s/checkpoint/%s", dir, prefix);
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    if (bundle_reader_open(env_posix(), path, &r, &err) != CREW_OK) {
        exit(golden_trouble(66, "%s", err.msg));
    }
    build(c, r);
    load_weights(c, r);
    bundle_reader_free(r);
    free(path);
}

static void release_model(struct cnn *c)
{
    for (int i = 0; i < NUM_VARS; i++) {
        free(c->value[i]);
    }
    graph_free(c->graph);
}

/* -------------------------------------------------------------- its numbers */

static const cJSON *wanted(const cJSON *signature, const char *side, int i)
{
    static const char *const keys[] = {"classes", "probabilities"};

    return golden_member(golden_member(signature, side), keys[i]);
}

static void same_predictions(struct golden_report *report,
                             const struct plan *p,
                             const struct cnn *c,
                             const cJSON *signature)
{
    struct golden_array classes, probabilities;
    struct crew_shape shape;
    const int64_t *class = plan_value(p, c->out[0].node, &shape);

    golden_array_read(golden_member(wanted(signature, "outputs", 0), "value"),
                      &classes);
    golden_same_int(report, "number of classes", -1, shape.dim[0], classes.n);
    for (int64_t i = 0; i < classes.n && i < shape.dim[0]; i++) {
        golden_same_int(report, "classes", i, class[i], classes.integer[i]);
    }
    golden_array_release(&classes);

    const float *got = plan_value(p, c->out[1].node, &shape);
    golden_array_read(golden_member(wanted(signature, "outputs", 1), "value"),
                      &probabilities);
    golden_same_floats(report, "probabilities", got,
                       shape.dim[0] * shape.dim[1], &probabilities, computed);
    golden_array_release(&probabilities);
}

static void check_predictions(struct golden_report *report,
                              const struct cnn *c,
                              const cJSON *tree)
{
    struct crew_node *const fetches[] = {c->out[0].node, c->out[1].node};
    const cJSON *feeds = golden_member(tree, "feeds");
    struct golden_array images;
    struct crew_err err = {0};
    struct plan *p = NULL;

    golden_array_read(golden_member(feeds, "x"), &images);
    float *x = golden_array_floats(&images);
    struct plan_feed feed = {c->in.node, CREW_FLOAT, x};
    int64_t batch = images.shape.dim[0];

    if (plan_new(c->graph, fetches, 2, NULL, batch, &p, &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    for (int i = 0; i < NUM_VARS; i++) {
        plan_bind_var(p, i, c->value[i]);
    }
    if (plan_forward(p, &feed, 1, batch, 0, 0, &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    same_predictions(
        report, p, c,
        golden_member(golden_member(tree, "signatures"), "serving_default"));
    plan_free(p);
    free(x);
    golden_array_release(&images);
}

/* --------------------------------------------------------------- its export */

/* {"name", "dtype", "shape"}, the part of an expected tensor we look at. */
static cJSON *tensor_json(const Tensorflow__TensorInfo *t)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON *shape = cJSON_AddArrayToObject(tree, "shape");

    cJSON_AddStringToObject(tree, "name", t->name);
    cJSON_AddStringToObject(tree, "dtype",
                            dtype_name((enum crew_dtype)t->dtype));
    for (size_t d = 0; d < t->tensor_shape->n_dim; d++) {
        cJSON_AddItemToArray(
            shape, cJSON_CreateNumber((double)t->tensor_shape->dim[d]->size));
    }
    return tree;
}

static void same_side(struct golden_report *report,
                      Tensorflow__TensorInfoEntry *const *got,
                      size_t n,
                      const cJSON *want)
{
    golden_same_int(report, "number of tensors", -1, (int64_t)n,
                    cJSON_GetArraySize(want));
    for (size_t i = 0; i < n; i++) {
        const cJSON *full = golden_member(want, got[i]->key);
        cJSON *part = cJSON_CreateObject();
        cJSON *ours = tensor_json(got[i]->value);

        for (const char *const *k =
                 (const char *const[]){"name", "dtype", "shape", NULL};
             *k != NULL; k++) {
            cJSON_AddItemToObject(
                part, *k, cJSON_Duplicate(golden_member(full, *k), true));
        }
        golden_same_json(report, got[i]->key, ours, part);
        cJSON_Delete(part);
        cJSON_Delete(ours);
    }
}

static void same_signatures(struct golden_report *report,
                            const Tensorflow__MetaGraphDef *meta,
                            const cJSON *want)
{
    golden_same_int(report, "signatures", -1, (int64_t)meta->n_signature_def,
                    cJSON_GetArraySize(want));
    for (size_t i = 0; i < meta->n_signature_def; i++) {
        const Tensorflow__SignatureDef *s = meta->signature_def[i]->value;
        const cJSON *w = golden_member(want, meta->signature_def[i]->key);

        golden_same_text(report, "method_name", s->method_name,
                         golden_text(w, "method_name"));
        same_side(report, s->inputs, s->n_inputs, golden_member(w, "inputs"));
        same_side(report, s->outputs, s->n_outputs,
                  golden_member(w, "outputs"));
    }
}

/* Each node's inputs are nodes before it, and no name is there twice. */
static void check_order(struct golden_report *report,
                        const Tensorflow__GraphDef *graph)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        const Tensorflow__NodeDef *n = graph->node[i];
        size_t found = 0;

        for (size_t k = 0; k < i; k++) {
            if (strcmp(graph->node[k]->name, n->name) == 0) {
                golden_differ(report, "node", (int64_t)i, n->name, "no twin");
            }
            for (size_t j = 0; j < n->n_input; j++) {
                found += strcmp(graph->node[k]->name, n->input[j]) == 0;
            }
        }
        golden_same_int(report, n->name, -1, (int64_t)found,
                        (int64_t)n->n_input);
    }
}

static void check_export(struct golden_report *report,
                         const struct cnn *c,
                         const cJSON *tree)
{
    const struct export_signature signatures[] = {
        {"predict_images", EXPORT_PREDICT, c->out, 2},
        {"serving_default", EXPORT_PREDICT, c->out, 2}};
    struct export_feature feature = {
        .key = c->in.key, .node = c->in.node, .wire = CREW_FLOAT};
    struct export_request request = {
        .graph = c->graph,
        .features = &feature,
        .n_features = 1,
        .signatures = signatures,
        .n_signatures = 2,
        .var_data = (const float *const *)c->value,
    };
    struct crew_err err = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;

    if (saved_model_pack(&request, &bytes, &n, &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    Tensorflow__SavedModel *m = tensorflow__saved_model__unpack(NULL, n, bytes);

    if (m == NULL || m->n_meta_graphs != 1) {
        exit(golden_trouble(70, "what we export cannot be read"));
    }
    same_signatures(report, m->meta_graphs[0],
                    golden_member(tree, "signatures"));
    check_order(report, m->meta_graphs[0]->graph_def);
    tensorflow__saved_model__free_unpacked(m, NULL);
    free(bytes);
}

int saved_models_cnn(const char *folder, struct golden_report *report)
{
    cJSON *tree = golden_load(folder, "expected.json");
    struct crew_err err = {0};
    struct cnn c = {0};

    if (tree == NULL) {
        return 66;
    }
    if (blas_load(&err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    open_model(&c, folder, tree);
    golden_case(report, "%s predictions", MODEL);
    check_predictions(report, &c, tree);
    golden_case(report, "%s export", MODEL);
    check_export(report, &c, tree);
    golden_end(report);
    release_model(&c);
    cJSON_Delete(tree);
    return 0;
}
